/* Softmax at a temperature, once for all who want probabilities.
 *
 *     q[c] = exp(z[c] / T) / sum over classes of exp(z / T)
 *
 * computed in double from the largest logit down, so that no exponent overflows. */
#ifndef KD_NN_SOFTMAX_H
#define KD_NN_SOFTMAX_H
#include <stddef.h>

/* z [classes] to q [classes], which may be z itself; temperature above 0. */
void kd_softmax(const float *z, size_t classes, double temperature, float *q);
/* The denominator with the largest logit taken out: sum over classes of exp((z[c] - *most) / T),
 * 1 at least. Its log plus *most / T is the log-sum-exp. */
double kd_softmax_sum(const float *z, size_t classes, double temperature, double *most);
#endif
