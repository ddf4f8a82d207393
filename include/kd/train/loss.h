/* Loss and its gradient from logits, in one go through log-sum-exp, in double inside.
 *
 *     loss = alpha T^2 KL(q_teacher || q_student) + (1 - alpha) CE(labels),   q = softmax(z / T)
 *
 * averaged over the batch (Hinton, Vinyals and Dean 2015, section 2; their T^2). Per row, with p =
 * softmax(z), y = (1-s) onehot(label) + s/C:
 *
 *     dloss/dz = alpha T (q_student - q_teacher) + (1 - alpha) (p - y),  divided by the batch size
 *
 * A row without label (-1) loses its CE term; the divisor stays. With alpha 0 and no teacher it is
 * plain CE. */
#ifndef KD_TRAIN_LOSS_H
#define KD_TRAIN_LOSS_H
#include <stddef.h>
#include <stdint.h>

struct kd_loss_spec {
    double alpha, temperature, smoothing;
};
struct kd_loss_batch {
    size_t n, classes;
    const float *logits;   /* [n][classes] */
    const int32_t *labels; /* [n], -1: none */
    const float *teacher; /* [n][classes] logits, or probabilities at the temperature; NULL: none */
    int teacher_is_probabilities;
};
struct kd_loss_sums {        /* over rows, not yet divided */
    double loss, hard, soft; /* soft includes T^2; both unweighted */
    uint64_t correct, labelled, rows;
};
size_t kd_loss_scratch(size_t n, size_t classes); /* doubles needed */
/* dlogits [n][classes], may be NULL; adds to sums. */
void kd_loss(const struct kd_loss_spec *spec, const struct kd_loss_batch *batch, float *dlogits,
             double *scratch, struct kd_loss_sums *sums);
#endif
