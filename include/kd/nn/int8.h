/* Kernels of integer networks, one table per instruction set, all with the same integers.
 *
 * Activations are bytes u = q + 128 here. Products read them as they are (VNNI: bytes times bytes,
 * four at a time) or widened to 16 bits (two at a time, vpmaddwd): `element` and `group` say which.
 * The 128 and the tensor's zero are taken out of the bias when weights are packed. */
#ifndef KD_NN_INT8_H
#define KD_NN_INT8_H
#include <stddef.h>
#include <stdint.h>

struct kd_int8_scale {                 /* how sums become bytes */
    const int32_t *multiplier, *shift; /* [columns], padded to 16 */
    int32_t zero, low, high;           /* as u */
};
/* y[row][col] = scale(bias[col] + the sum over runs and groups of A[row + run + k] B[run][k][col]):
 * one panel of columns. */
struct kd_int8_product {
    size_t rows;
    const void *a;
    const size_t *row, *run; /* where each row and run starts, in elements */
    size_t runs, groups;     /* groups of values a run */
    const void *b;           /* [runs][groups][cols][group], of bytes or 16 bits as A */
    size_t cols, n;          /* a multiple of 16, at most the table's panel; columns wanted */
    const int32_t *bias;     /* [cols] */
    struct kd_int8_scale scale;
    uint8_t *y; /* NULL: logits */
    size_t y_row;
    int32_t *logits;
    size_t logits_row;
};
/* One image pixel's channels: y[c] = scale(bias[c] + sum over taps of A[tap[t] + c] w[t][c]), for
 * pixels at row[0..rows). A as for products. */
struct kd_int8_depthwise {
    size_t rows, taps, channels;
    const void *a;
    const size_t *row, *tap;
    const int32_t *w, *bias; /* [taps][channels padded to 16], [channels padded to 16] */
    struct kd_int8_scale scale;
    uint8_t *y; /* [rows][channels] */
};
struct kd_int8_add {
    const uint8_t *a, *b;
    uint8_t *y;
    size_t n;
    int32_t zero_a, zero_b, multiplier_a, multiplier_b, shift, zero, low, high; /* zeros as u */
};

struct kd_int8_kernels {
    const char *name;
    unsigned element, group; /* bytes of A's elements, values multiplied at a time */
    size_t panel;            /* columns */
    void (*product)(const struct kd_int8_product *p);
    void (*depthwise)(const struct kd_int8_depthwise *p);
    void (*add)(const struct kd_int8_add *p);
    /* y[i] = scale(sum[i]), n columns, sums padded to 16 */
    void (*requantise)(uint8_t *y, const int32_t *sum, size_t n, const struct kd_int8_scale *s);
    void (*max)(uint8_t *y, const uint8_t *x, size_t n); /* y = max(y, x) */
    void (*sum)(int32_t *y, const uint8_t *x, size_t n); /* y += x */
    void (*widen)(uint16_t *y, const uint8_t *x, size_t n);
};
/* The table that goes with kd_kernels() on this processor. */
const struct kd_int8_kernels *kd_int8_kernels(void);
#endif
