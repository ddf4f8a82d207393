/* The squared difference of features that have the same size. */
#include "kind.h"

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

void kd_pairs_square(const struct kd_loss_call *k)
{
    for (size_t r = 0; r < k->n; r++) k->value[r] = 0;
    for (size_t i = 0; i < k->n_pairs; i++) compare(k, &k->pairs[i]);
}
