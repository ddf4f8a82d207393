/* Elementwise kernels, small products and what convolutions need, one table per instruction set,
 * chosen once by what the processor has.
 *
 * KD_CPU=plain|avx2|avx512 in the environment forces a table. Matrix products are BLAS's (gemm.h)
 * where these have none as fast. All arrays are float unless said; none may overlap unless they are
 * the same. */
#ifndef KD_NN_KERNELS_H
#define KD_NN_KERNELS_H
#include "kd/base/err.h"
#include <stddef.h>
#include <stdint.h>

/* Which mask words a row of dropout draws: Philox key, and counter words 1..3 (layer, epoch,
 * sample). */
struct kd_dropout_draw {
    uint32_t key[2], purpose, epoch, sample;
};

struct kd_sgd_step { /* v = momentum v + (g + decay w);  w -= rate (nesterov ? g + decay w +
                        momentum v : v) */
    float rate, momentum, decay;
    int nesterov;
};
struct kd_adam_step { /* Kingma and Ba 2015, algorithm 1; decoupled: Loshchilov and Hutter 2019,
                         algorithm 2 */
    float rate;       /* learning rate / (1 - beta1^t) */
    float beta1, beta2, epsilon;
    float rest1,
        rest2;     /* 1 - beta1, 1 - beta2, taken in double: near 1 a float has few digits left */
    float unbias2; /* 1 / sqrt(1 - beta2^t) */
    float decay;   /* added to the gradient */
    float shrink;  /* w *= shrink before the step: 1 - learning rate * decoupled decay */
};

/* C[rows][cols] = bias (or C itself, where `add`) + the sum over runs and depth of A[row*a_row +
 * run*a_run + k] B[run][k][col]. B lies in panels of KD_PANEL columns (the last one narrower, but
 * filled up to whole vectors of the table), each [runs][depth][columns]; in a single panel runs may
 * lie b_run rows apart (0: depth). With b_row, B is one matrix [runs * depth] of rows so far apart,
 * and cols a multiple of the table's vector. */
enum { KD_PANEL = 32 };
struct kd_product {
    size_t rows, cols, runs, depth;
    const float *a;
    size_t a_row, a_run;
    const float *b, *bias; /* bias: [cols] or NULL */
    size_t b_run, b_row;
    float *c;
    size_t c_row;
    int add;
    /* What is wanted next, fetched to the second cache on the way: at each k of the first block of
     * rows the line at ahead + (k mod 2^shift) ahead_row + (k div 2^shift) 16; so again in the
     * second block, ahead_next further, where that is not 0. NULL: nothing. */
    const float *ahead;
    size_t ahead_row, ahead_next;
    unsigned ahead_shift; /* below the bits of a size_t */
};
/* C[rows][cols] = bias (or 0) + A[rows][depth] B[cols][depth]^T, for a few rows. */
struct kd_dots {
    size_t rows, cols, depth;
    const float *a;
    size_t a_row;
    const float *b;
    size_t b_row;
    const float *bias; /* [cols] or NULL */
    float *c;
    size_t c_row;
};
/* W[run][k][col], in panels as B above (w_run as b_run), += the sum over lines and pixels of
 * X[line*x_line + run*x_run + pixel*x_pixel + k] D[line*d_line + pixel*d_pixel + col]. Where cols
 * is no whole number of vectors, D is read to the end of the last one, and W has something there.
 */
struct kd_outer {
    size_t lines, pixels, cols, runs, depth;
    const float *x;
    size_t x_line, x_run, x_pixel;
    const float *d;
    size_t d_line, d_pixel;
    float *w;
    size_t w_run;
};

struct kd_kernels {
    const char *name;
    int wide;         /* product is a match for BLAS on this instruction set */
    size_t blas_from; /* columns from which BLAS is faster all the same, with half as much depth; 0:
                         it never is */
    size_t strip;     /* columns that product takes at once: 16 or 32 */
    size_t vector;    /* floats of a vector: 4, 8 or 16 */
    void (*fill_rows)(float *y, size_t stride, size_t rows, size_t cols, const float *row);
    void (*sum_rows)(float *sum, const float *y, size_t stride, size_t rows,
                     size_t cols); /* sum = columns' sums */
    /* forward: y = f(x), y may be x. backward: dy *= f'(.), given what the layer keeps. */
    void (*relu)(float *y, const float *x, size_t n, float slope);
    void (*relu_back)(float *dy, const float *y, size_t n, float slope);
    void (*relu6)(float *y, const float *x, size_t n);
    void (*relu6_back)(float *dy, const float *y, size_t n);
    void (*hardswish)(float *y, const float *x, size_t n);
    void (*hardswish_back)(float *dy, const float *x, size_t n);
    void (*tanh)(float *y, const float *x, size_t n);
    void (*tanh_back)(float *dy, const float *y, size_t n);
    void (*gelu)(float *y, const float *x, size_t n);
    void (*gelu_back)(float *dy, const float *x, size_t n);
    /* Element i of the row is kept where 16 random bits >= threshold (rate * 65536), and scaled.
     * first must be a multiple of 8. mask[i] is 0 or 1. */
    void (*dropout)(float *y, const float *x, uint8_t *mask, size_t first, size_t n,
                    const struct kd_dropout_draw *draw, uint32_t threshold, float scale);
    void (*dropout_back)(float *dy, const uint8_t *mask, size_t n, float scale);
    /* Batch norm over rows, per column. stats: [cols] each. */
    void (*norm_stats)(const float *x, size_t stride, size_t rows, size_t cols, float *mean,
                       float *var);
    void (*norm_apply)(float *y, const float *x, size_t stride, size_t rows, size_t cols,
                       const float *mean, const float *rstd, const float *weight,
                       const float *bias);
    void (*norm_back)(float *dx, const float *dy, const float *x, size_t stride, size_t rows,
                      size_t cols, const float *mean, const float *rstd, const float *weight,
                      float *dweight, float *dbias, int use_batch_stats);
    void (*sgd)(float *w, float *v, const float *g, size_t n, const struct kd_sgd_step *s);
    void (*adam)(float *w, float *m, float *v, const float *g, size_t n,
                 const struct kd_adam_step *s);
    double (*sum_squares)(const float *x, size_t n);
    void (*scale)(float *x, size_t n, float by);
    void (*add)(float *y, const float *x, size_t n, float by);           /* y += by x */
    void (*mul_add)(float *y, const float *a, const float *b, size_t n); /* y += a b */
    /* Winograd F(4x4, 3x3); n channels, a multiple of 16 (filters: 16). See lib/nn/isa/winograd.c.
     */
    void (*winograd_input)(float *v, size_t stride, const float *const px[36], size_t n);
    void (*winograd_output)(float *const py[16], const float *m, size_t stride, const float *bias,
                            size_t n);
    void (*winograd_output_back)(float *d, size_t stride, const float *const px[16], size_t n);
    void (*winograd_filter)(float *u, size_t stride, const float *w, size_t step, int rotated,
                            const float *scale);
    void (*winograd_filter_back)(float *w, size_t step, const float *u, size_t stride);
    void (*product)(
        const struct kd_product *p); /* small products, no packing of A: lib/nn/isa/block.c */
    void (*outer)(const struct kd_outer *p);
    void (*dots)(const struct kd_dots *p); /* lib/nn/isa/dots.c */
    /* to[k][columns], k < depth: columns n and up are 0; columns is a multiple of 16, n <= columns.
     * pack_rows: column c of row k is from[k * from_row + c]; pack_columns: from[c * from_row + k].
     */
    void (*pack_rows)(float *to, size_t columns, const float *from, size_t from_row, size_t n,
                      size_t depth);
    void (*pack_columns)(float *to, size_t columns, const float *from, size_t from_row, size_t n,
                         size_t depth);
    /* 2x2 pooling to the largest of a row of maps, and its adjoint: lib/nn/isa/pool.c */
    void (*pool2)(float *y, uint8_t *winner, size_t y_row, const float *top, const float *bottom,
                  size_t pixels, size_t cols);
    void (*unpool2)(float *top, float *bottom, const float *dy, const uint8_t *winner,
                    size_t pixels, size_t cols);
    void (*exp_double)(double *x,
                       size_t n); /* in place; relative error below 4e-16, 0 below -708 */
    /* log_q [n][classes] to its log softmax, row by row, and the softmax to q; log_q must be finite
     */
    void (*softmax_double)(double *log_q, double *q, size_t n, size_t classes);
};

/* The table in force. Chosen at the first call; kd_kernels_init tells of a bad KD_CPU. */
const struct kd_kernels *kd_kernels(void);
int kd_kernels_init(struct kd_err *err);
const char *kd_kernels_name(void);
/* The best table that this processor has, whatever KD_CPU says. */
const char *kd_kernels_best(void);
#endif
