/* The differences of the logits, squared up to `bend` and linear beyond (Huber 1964): per class
 *
 *     d^2 / 2                  where |d| <= bend,    d = z_s - z_t
 *     bend (|d| - bend / 2)    else
 *
 * summed over the classes. The gradient by z_s is d, held within -bend and bend. */
#include "kind.h"

#include <math.h>

struct huber {
    double bend;
};
static const struct kd_option rows[] = {
    {NULL, 0, "bend", KD_OPT_REAL, offsetof(struct huber, bend), .preset = "1", .min = 0,
     .max = 1e6, .help = "difference beyond which it is linear"},
    {0},
};

static void run(const struct kd_loss_call *k)
{
    const double bend = ((const struct huber *)k->params)->bend;
    for (size_t r = 0; r < k->n; r++) {
        double sum = 0;
        for (size_t i = r * k->classes; i < (r + 1) * k->classes; i++) {
            const double d = (double)k->student[i] - (double)k->teacher[i];
            const double held = fmax(-bend, fmin(bend, d));
            sum += held * (d - held / 2);
            k->gradient[i] += k->weight[r] * held;
        }
        k->value[r] = sum;
    }
}

const struct kd_loss_kind kd_loss_huber = {
    .name = "huber",
    .paper = "Huber 1964, \"Robust Estimation of a Location Parameter\"",
    .about = "differences of the logits, linear beyond a bend",
    .usual = {.temperature = NAN, .weight = 1, .label_weight = 0},
    .rows = rows,
    .size = sizeof(struct huber),
    .run = run,
};
