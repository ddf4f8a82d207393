/* Does a teacher know its transfer set? */
#include "kd/train/targets.h"
#include <math.h>

bool kd_logits_doubtful(const float *z, size_t classes, const struct kd_subset *on, double *right,
                        double *chance)
{
    enum { FEWEST = 30 }; /* labels from which on a share says anything */
    uint64_t n = 0, hits = 0;
    for (uint32_t i = 0; i < on->n; i++) {
        const int32_t label = kd_subset_label(on, i);
        if (label < 0) continue;
        n++;
        hits += kd_argmax(z + (size_t)on->index[i] * classes, classes) == (size_t)label;
    }
    *right = n ? (double)hits / (double)n : 0;
    *chance = 1.0 / on->images->classes;
    if (n < FEWEST || on->images->classes < 2) return false;
    return *right < *chance + 2 * sqrt(*chance * (1 - *chance) / (double)n);
}

bool kd_targets_doubtful(const struct kd_targets *t, const struct kd_subset *on, double *right,
                         double *chance)
{
    *right = *chance = 0;
    return t->values && on->labelled &&
           kd_logits_doubtful(t->values, t->classes, on, right, chance);
}
