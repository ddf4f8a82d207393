/* Sparse logits: of each row its k largest, and mean and variance of those left out.
 *
 * In a file: `top.values` F16 [N,k] or [V,N,k]; `top.classes` [N,k], which classes they are, in the
 * smallest of U8, U16 and U32 that numbers them; `top.rest` F16 [N,2]; and kd.classes, how many
 * classes there are in all. In a softmax at temperature T a class left out counts with the logit
 *
 *     mean + variance / (2T)
 *
 * the same for all of them: to second order in 1/T they then have together what they had, since
 * log mean exp(z/T) = mean/T + variance/(2T^2) + ... At temperatures far below the spread of what
 * is left out that order does not suffice: more classes are to be kept.
 *
 *     struct kd_top t;
 *     if (kd_top_of(&file, &t, &err) < 0) ...       // points into the file
 *     kd_top_row(&t, v * t.n + i, temperature, z);  // z [t.classes] */
#ifndef KD_NN_TOP_H
#define KD_NN_TOP_H
#include "kd/base/tensorfile.h"

#define KD_TOP_CLASSES ((size_t)1 << 24) /* most there may be in all */

struct kd_top {
    size_t views; /* 0: none were recorded, the arrays have no such dimension */
    size_t n, k, classes;
    enum kd_dtype dtype;    /* of chosen */
    const uint16_t *values; /* F16 [views][n][k], the largest first where kd wrote them */
    const void *chosen;     /* [views][n][k] */
    const uint16_t *rest;   /* F16 [views][n][2] */
    const uint32_t *place;  /* [classes] where a class of the file goes; NULL: where it is */
    uint16_t *own_values, *own_rest; /* where they are being made */
    void *own_chosen;
};

/* Does the file hold any of the three arrays? */
bool kd_top_in(const struct kd_tensorfile *f);
/* Checked: types, shapes that agree, finite values, no negative variance, classes below kd.classes,
 * none twice in a row. */
int kd_top_of(const struct kd_tensorfile *f, struct kd_top *out, struct kd_err *err);
size_t kd_top_rows(const struct kd_top *t);                          /* views times n */
size_t kd_top_bytes(const struct kd_top *t);                         /* of the three arrays */
uint32_t kd_top_class(const struct kd_top *t, size_t row, size_t i); /* 0 <= i < k */
/* out [classes]: row of all rows, dense. NAN or infinity as temperature: mean alone. */
void kd_top_row(const struct kd_top *t, size_t row, double temperature, float *out);
uint32_t kd_top_best(const struct kd_top *t, size_t row); /* the class of the largest value */

/* Making: room for views, n, k and classes as t has them; then put each row; then add. The file
 * borrows the arrays. */
int kd_top_init(struct kd_top *t, struct kd_err *err);
int kd_top_put(struct kd_top *t, size_t row, const float *logits, struct kd_err *err);
int kd_top_add(const struct kd_top *t, struct kd_tensorfile *f, struct kd_err *err);
void kd_top_release(struct kd_top *t);
#endif
