/* Does a teacher know its transfer set? */
#include "kd/train/targets.h"
#include <math.h>

struct answers { /* logits [n][classes], dense or sparse */
    const float *values;
    size_t classes;
    const struct kd_top *top;
};

static size_t best_of(const struct answers *a, size_t row)
{
    return a->values ? kd_argmax(a->values + row * a->classes, a->classes)
                     : kd_top_best(a->top, row);
}

static bool doubtful(const struct answers *a, const struct kd_subset *on, double *right,
                     double *chance)
{
    enum { FEWEST = 30 }; /* labels from which on a share says anything */
    uint64_t n = 0, hits = 0;
    for (uint32_t i = 0; i < on->n; i++) {
        const int32_t label = kd_subset_label(on, i);
        if (label < 0) continue;
        n++;
        hits += best_of(a, on->index[i]) == (size_t)label;
    }
    *right = n ? (double)hits / (double)n : 0;
    *chance = 1.0 / on->images->classes;
    if (n < FEWEST || on->images->classes < 2) return false;
    return *right < *chance + 2 * sqrt(*chance * (1 - *chance) / (double)n);
}

bool kd_logits_doubtful(const float *z, size_t classes, const struct kd_subset *on, double *right,
                        double *chance)
{
    return doubtful(&(struct answers){.values = z, .classes = classes}, on, right, chance);
}

bool kd_targets_doubtful(const struct kd_targets *t, const struct kd_subset *on, double *right,
                         double *chance)
{
    const struct answers a = {t->values, t->classes, &t->top};
    *right = *chance = 0;
    return kd_targets_stored(t) && on->labelled && doubtful(&a, on, right, chance);
}
