/* Biases for classes that a student never saw (Hinton, Vinyals and Dean 2015, section 3).
 *
 * A student whose transfer set has no 3 learns from soft targets what a 3 looks like, but also that
 * it is rare: most of what it gets wrong is mended by adding a number to the class's logit. The
 * paper tunes that number on the test set. Here are three ways to find it; the first two see no
 * label.
 *
 * At least one class is unseen, and one is not. bias [classes] is written: 0 for the classes that
 * were seen. */
#ifndef KD_TRAIN_BIAS_H
#define KD_TRAIN_BIAS_H
#include "kd/base/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct kd_bias_case {
    const float *logits; /* [n][classes] of the student */
    size_t n, classes;
    const bool *unseen; /* [classes] */
};

/* From the transfer images alone, none of which is of an unseen class: the largest bias of each
 * class k at which no more than floor(flips n) of them, or one, are taken for k rather than for a
 * seen class; 0 where more are already. That is a share of false alarms, as for a detector of which
 * only the background is known. */
int kd_bias_by_transfer(struct kd_bias_case on, double flips, double *bias, struct kd_err *err);
/* From unlabelled images of all classes, known to be equally frequent: the biases at which the mean
 * of softmax(z + b) over the images is 1 / classes for each unseen class. They minimize the convex
 * function mean logsumexp(z + b) - sum b_k / classes; Newton's method, with steps cut to where it
 * falls. */
int kd_bias_by_balance(struct kd_bias_case on, double *bias, struct kd_err *err);
/* From labels, as the paper has it: the one number, added to all unseen classes, that makes the
 * fewest errors; of several ranges of it that do the widest, in its middle. labels [n], -1: not
 * counted. For comparison: measured on the same images it flatters. */
int kd_bias_by_labels(struct kd_bias_case on, const int32_t *labels, double *bias,
                      struct kd_err *err);
#endif
