/* Matrix products, single precision, row-major, by BLAS on the calling thread. This is the only
 * door to BLAS. C is [m][n]; ldc: elements from one of its
 * rows to the next. beta: C = A B + beta C. */
#ifndef KD_NN_GEMM_H
#define KD_NN_GEMM_H
#include "kd/base/err.h"
#include <stddef.h>

struct kd_mnk {
    size_t m, n, k;
};
/* A matrix that is read, and the elements from one of its rows to the next. */
struct kd_rows {
    const float *at;
    size_t stride;
};

/* C = A[m][k] B[k][n] */
void kd_gemm(struct kd_mnk size, struct kd_rows a, struct kd_rows b, float beta, float *c,
             size_t ldc);
/* C = A[m][k] B[n][k]^T */
void kd_gemm_bt(struct kd_mnk size, struct kd_rows a, struct kd_rows b, float beta, float *c,
                size_t ldc);
/* C = A[k][m]^T B[k][n] */
void kd_gemm_at(struct kd_mnk size, struct kd_rows a, struct kd_rows b, float beta, float *c,
                size_t ldc);
/* "OpenBLAS 0.3.21 ... " and the kernel it chose ("Cooperlake"). */
const char *kd_blas_config(void);
const char *kd_blas_kernel(void);
/* The instruction set that kernel is written for: "avx512", "avx2", or "plain" for all others. */
const char *kd_blas_set(void);
/* Is there room for the buffer that BLAS maps for each thread at its first call, those it starts
 * itself too? It would otherwise try for ever. */
int kd_blas_check(unsigned threads, struct kd_err *err);
/* BLAS on one thread per call: kd's own workers share the work. Call once at start. */
void kd_blas_init(void);
#endif
