/* Hints: mean over the numbers of a layer of (r(f_s) - f_t)^2, where r is a linear layer that
 * learns with the student (of maps: a 1x1 convolution) and is thrown away after. */
#include "kind.h"

#include <math.h>

static const struct kd_option rows[] = {KD_LOSS_PLACES("0.5", "0.5"), {0}};
static const struct kd_loss_features features = {.pools = true, .projects = true};

static void compare(const struct kd_loss_call *k, const struct kd_loss_pair *p)
{
    const size_t size = p->student.pixels * p->student.cols;
    for (size_t r = 0; r < k->n; r++) {
        const double weight = 2 * k->weight[r] * k->share / (double)size;
        double sum = 0;
        for (size_t i = r * size; i < (r + 1) * size; i++) {
            const double d = (double)p->student.value[i] - (double)p->teacher.value[i];
            sum += d * d;
            p->gradient[i] = (float)(weight * d);
        }
        k->value[r] += sum / (double)size;
    }
}

static void run(const struct kd_loss_call *k)
{
    for (size_t r = 0; r < k->n; r++) k->value[r] = 0;
    for (size_t i = 0; i < k->n_pairs; i++) compare(k, &k->pairs[i]);
}

const struct kd_loss_kind kd_loss_fitnet = {
    .name = "fitnet",
    .paper = "Romero et al. 2015, \"FitNets: Hints for Thin Deep Nets\"",
    .about = "squared difference of a layer, through a linear layer that learns along",
    .usual = {.temperature = NAN, .weight = 1, .label_weight = 1},
    .rows = rows,
    .size = sizeof(struct kd_loss_places),
    .features = &features,
    .run = run,
};
