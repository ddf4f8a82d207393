/* Private to the kernel sources, which are compiled once per instruction set with KD_ISA set to
 * plain, avx2, avx512 or neon. Loops are written for the vectorizer; sums keep LANES partial sums
 * in a fixed order, so that vectorizing them changes no bit. */
#ifndef KD_NN_ISA_H
#define KD_NN_ISA_H
#include "kd/nn/kernels.h"

#define KD_PASTE_(a, b) a##_##b
#define KD_PASTE(a, b)  KD_PASTE_(a, b)
#define KD_HERE(name)   KD_PASTE(name, KD_ISA)
#define KD_TEXT_(a)     #a
#define KD_TEXT(a)      KD_TEXT_(a)

enum { LANES = 16 };

void KD_HERE(kd_relu)(float *y, const float *x, size_t n, float slope);
void KD_HERE(kd_relu_back)(float *dy, const float *y, size_t n, float slope);
void KD_HERE(kd_relu6)(float *y, const float *x, size_t n);
void KD_HERE(kd_relu6_back)(float *dy, const float *y, size_t n);
void KD_HERE(kd_hardswish)(float *y, const float *x, size_t n);
void KD_HERE(kd_hardswish_back)(float *dy, const float *x, size_t n);
void KD_HERE(kd_tanh)(float *y, const float *x, size_t n);
void KD_HERE(kd_tanh_back)(float *dy, const float *y, size_t n);
void KD_HERE(kd_gelu)(float *y, const float *x, size_t n);
void KD_HERE(kd_gelu_back)(float *dy, const float *x, size_t n);
void KD_HERE(kd_exp_double)(double *x, size_t n);
void KD_HERE(kd_softmax_double)(double *log_q, double *q, size_t n, size_t classes);
void KD_HERE(kd_dropout)(float *y, const float *x, uint8_t *mask, size_t first, size_t n,
                         const struct kd_dropout_draw *draw, uint32_t threshold, float scale);
void KD_HERE(kd_dropout_back)(float *dy, const uint8_t *mask, size_t n, float scale);
void KD_HERE(kd_norm_stats)(const float *x, size_t stride, size_t rows, size_t cols, float *mean,
                            float *var);
void KD_HERE(kd_norm_apply)(float *y, const float *x, size_t stride, size_t rows, size_t cols,
                            const float *mean, const float *rstd, const float *weight,
                            const float *bias);
void KD_HERE(kd_norm_back)(float *dx, const float *dy, const float *x, size_t stride, size_t rows,
                           size_t cols, const float *mean, const float *rstd, const float *weight,
                           float *dweight, float *dbias, int use_batch_stats);
void KD_HERE(kd_winograd_input)(float *v, size_t stride, const float *const px[36], size_t n);
void KD_HERE(kd_winograd_output)(float *const py[16], const float *m, size_t stride,
                                 const float *bias, size_t n);
void KD_HERE(kd_winograd_output_back)(float *d, size_t stride, const float *const px[16], size_t n);
void KD_HERE(kd_winograd_filter)(float *u, size_t stride, const float *w, size_t step, int rotated,
                                 const float *scale);
void KD_HERE(kd_winograd_filter_back)(float *w, size_t step, const float *u, size_t stride);
void KD_HERE(kd_product)(const struct kd_product *p);
void KD_HERE(kd_outer)(const struct kd_outer *p);
void KD_HERE(kd_dots)(const struct kd_dots *p);
void KD_HERE(kd_pack_rows)(float *to, size_t columns, const float *from, size_t from_row, size_t n,
                           size_t depth);
void KD_HERE(kd_pack_columns)(float *to, size_t columns, const float *from, size_t from_row,
                              size_t n, size_t depth);
void KD_HERE(kd_pool2)(float *y, uint8_t *winner, size_t y_row, const float *top,
                       const float *bottom, size_t pixels, size_t cols);
void KD_HERE(kd_unpool2)(float *top, float *bottom, const float *dy, const uint8_t *winner,
                         size_t pixels, size_t cols);
#endif
