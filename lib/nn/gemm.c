#include "kd/nn/gemm.h"

#include <cblas.h>

void kd_gemm(size_t m, size_t n, size_t k, const float *a, size_t lda, const float *b, size_t ldb,
             float beta, float *c, size_t ldc)
{
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (blasint)m, (blasint)n, (blasint)k, 1.0f,
                a, (blasint)lda, b, (blasint)ldb, beta, c, (blasint)ldc);
}

void kd_gemm_bt(size_t m, size_t n, size_t k, const float *a, size_t lda, const float *b, size_t ldb,
                float beta, float *c, size_t ldc)
{
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (blasint)m, (blasint)n, (blasint)k, 1.0f, a,
                (blasint)lda, b, (blasint)ldb, beta, c, (blasint)ldc);
}

void kd_gemm_at(size_t m, size_t n, size_t k, const float *a, size_t lda, const float *b, size_t ldb,
                float beta, float *c, size_t ldc)
{
    cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, (blasint)m, (blasint)n, (blasint)k, 1.0f, a,
                (blasint)lda, b, (blasint)ldb, beta, c, (blasint)ldc);
}

const char *kd_blas_config(void)
{
    return openblas_get_config();
}

const char *kd_blas_kernel(void)
{
    return openblas_get_corename();
}

void kd_blas_init(void)
{
    openblas_set_num_threads(1);
}
