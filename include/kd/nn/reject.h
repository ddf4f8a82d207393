/* A model that may pass: it answers images of which it is sure, and leaves the others to somebody
 * else. How many does it answer, and how many of those rightly (Chow 1970; El-Yaniv and Wiener
 * 2010)? It is as sure as its largest probability at T = 1.
 *
 * A threshold is chosen on other images than it is judged by: validation, then test. */
#ifndef KD_NN_REJECT_H
#define KD_NN_REJECT_H
#include "kd/base/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { KD_REJECT_STEPS = 20 };
struct kd_answered {
    double threshold; /* answered are images with at least this probability */
    double share;     /* of the labelled images that are answered */
    double top1;      /* of those; NAN where none is */
};
struct kd_reject {
    /* The most answers that are right as often as wanted. None: share 0, threshold NAN. */
    struct kd_answered chosen;
    /* Of the surest 5 %, 10 %, ... and all; images that are as sure are answered together. */
    struct kd_answered curve[KD_REJECT_STEPS];
    uint64_t n; /* labelled images; 0: all of the above is NAN */
};
/* wanted: accuracy, a fraction. */
struct kd_answers_of {
    const float *logits;   /* [n][classes] */
    const int32_t *labels; /* [n], -1: not counted */
    size_t n, classes;
};
int kd_reject_of(const struct kd_answers_of *a, double wanted, struct kd_reject *out,
                 struct kd_err *err);
#endif
