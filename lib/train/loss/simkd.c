/* The teacher's classifier: the student has it in place of its own, and learns to make the features
 * that it is used to; mean over the numbers of (p(f_s) - f_t)^2. The layers p that bring its
 * features to the teacher's size are its own, and stay: kd/nn/head.h. */
#include "kind.h"

#include <math.h>

static const struct kd_option rows[] = {
    {NULL, 0, "projector", KD_OPT_JSON, offsetof(struct kd_loss_reuse, projector),
     .help = "list of layers that bring features to the teacher's size; default one linear layer"},
    {0}};
static const struct kd_loss_features features = {.pools = true, .reuses = true};

const struct kd_loss_kind kd_loss_simkd = {
    .name = "simkd",
    .paper = "Chen et al. 2022, \"Knowledge Distillation with the Reused Teacher Classifier\"",
    .about =
        "the teacher's last layer, and squared difference of what it sees; labels are not asked",
    .usual = {.temperature = NAN, .weight = 1, .label_weight = 0},
    .rows = rows,
    .size = sizeof(struct kd_loss_reuse),
    .features = &features,
    .run = kd_pairs_square,
};
