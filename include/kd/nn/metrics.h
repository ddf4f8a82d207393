/* What logits are worth against labels, and against another model's logits. */
#ifndef KD_NN_METRICS_H
#define KD_NN_METRICS_H
#include <stddef.h>
#include <stdint.h>

#define KD_ECE_BINS 15
struct kd_bin { /* images whose confidence lies in (b/15, (b+1)/15] */
    uint64_t n;
    double confidence, accuracy; /* means over them; 0 of none */
};
struct kd_metrics { /* rates are fractions; over the labelled ones of n images */
    uint64_t n, errors;
    double top1, top5, loss; /* loss: mean label cross-entropy at T = 1, in nats */
    double ece; /* expected calibration error, 15 equal-width bins (Guo et al. 2017, equation 3) */
    struct kd_bin bins[KD_ECE_BINS];
};
size_t kd_argmax(const float *z, size_t n); /* of the largest the first */
/* labels [n], -1: not counted. confusion: [classes][classes] counts, row the true class, or NULL.
 */
void kd_metrics_of(const float *logits, const int32_t *labels, size_t n, size_t classes,
                   struct kd_metrics *out, uint32_t *confusion);
/* Share of rows with equal argmax. */
double kd_agreement(const float *a, const float *b, size_t n, size_t classes);
#endif
