/* What a mixed image is to be, by a teacher that was asked about the two images apart. */
#ifndef KD_TRAIN_MIXING_H
#define KD_TRAIN_MIXING_H
#include "kd/data/mix.h"

/* Rows a [n][classes], of the images themselves, become those of the mixed images; b of what they
 * are mixed with. Probabilities are mixed as labels are, s a + (1 - s) b. Of logits it is their
 * softmaxes at the temperature, T log(s softmax(a / T) + (1 - s) softmax(b / T)): logits with that
 * softmax. A loss without temperature (NAN) compares logits themselves, which are mixed then. */
struct kd_mixing {
    const struct kd_mixed *mixed; /* [n] */
    size_t n, classes;
    double temperature;
    bool probabilities;
};
void kd_mixing_rows(const struct kd_mixing *m, float *a, const float *b);
#endif
