/* Hints: mean over the numbers of a layer of (r(f_s) - f_t)^2, where r is a linear layer that
 * learns with the student (of maps: a 1x1 convolution) and is thrown away after. */
#include "kind.h"

#include <math.h>

static const struct kd_option rows[] = {KD_LOSS_PLACES("0.5", "0.5"), {0}};
static const struct kd_loss_features features = {.pools = true, .projects = true};

const struct kd_loss_kind kd_loss_fitnet = {
    .name = "fitnet",
    .paper = "Romero et al. 2015, \"FitNets: Hints for Thin Deep Nets\"",
    .about = "squared difference of a layer, through a linear layer that learns along",
    .usual = {.temperature = NAN, .weight = 1, .label_weight = 1},
    .rows = rows,
    .size = sizeof(struct kd_loss_places),
    .features = &features,
    .run = kd_pairs_square,
};
