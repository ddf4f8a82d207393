/* How the weights of a distillation stand in a configuration: "distill" has either the short form
 * "alpha" (the loss's weight; the label's is 1 - alpha), or "weight" and "label_weight". Weights
 * that add up to 1 are written as alpha, so that one loss has one form and files compare. */
#ifndef KD_RUN_WEIGHTS_H
#define KD_RUN_WEIGHTS_H
#include "kd/base/json.h"

struct kd_weights {
    double soft, label; /* NAN: not said */
};
struct kd_weights kd_weights_of_alpha(double alpha);
double kd_weights_alpha(struct kd_weights w); /* NAN where there is no alpha that says the same */
/* Of a resolved "distill"; NULL: it says nothing. */
struct kd_weights kd_weights_read(const cJSON *distill);
#endif
