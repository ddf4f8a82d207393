/* Squared differences of logits: mean over classes of (z_s - z_t)^2. */
#include "kind.h"

#include <math.h>

static void run(const struct kd_loss_call *k)
{
    double share = 1 / (double)k->classes;
    for (size_t r = 0; r < k->n; r++) {
        double sum = 0, weight = 2 * k->weight[r] * share;
        for (size_t i = r * k->classes; i < (r + 1) * k->classes; i++) {
            double d = (double)k->student[i] - (double)k->teacher[i];
            sum += d * d;
            k->gradient[i] += weight * d;
        }
        k->value[r] = sum * share;
    }
}

const struct kd_loss_kind kd_loss_mse = {
    .name = "mse",
    .paper = "Ba and Caruana 2014, \"Do Deep Nets Really Need to be Deep?\"; Kim et al. 2021, "
             "\"Comparing Kullback-Leibler Divergence and Mean Squared Error Loss in Knowledge "
             "Distillation\"",
    .about = "mean squared difference of the logits",
    .usual = {.temperature = NAN, .weight = 0.9, .label_weight = 0.1},
    .run = run,
};
