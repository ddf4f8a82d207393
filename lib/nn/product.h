/* Products of the sizes that dense layers have, by the kernels of lib/nn/isa/block.c. Private to
 * lib/nn. */
#ifndef KD_LIB_NN_PRODUCT_H
#define KD_LIB_NN_PRODUCT_H
#include <stddef.h>

/* C[rows][cols] = bias (or 0) + A[rows][depth] B; of any size. B is [depth][cols], or [cols][depth]
 * where `turned`. Every sum is taken in the order of depth, so how a product is cut into rows and
 * columns changes no bit. */
struct kd_matmul {
    size_t rows, cols, depth;
    const float *a;
    size_t a_row;
    const float *b;
    size_t b_row;
    int turned;
    const float *bias; /* [cols] or NULL */
    float *c;
    size_t c_row;
    int add; /* to what C holds, instead of bias */
};
void kd_matmul(const struct kd_matmul *m);
/* Up to so many rows times B turned are made without packing B. */
enum { KD_MATMUL_FEW = 64 };
/* The same with A as it comes from the layer above, [depth][rows]; B [depth][cols]. Best in steps
 * of KD_OUTER_ROWS rows. */
enum { KD_OUTER_ROWS = 48 };
void kd_matmul_outer(const struct kd_matmul *m);
#endif
