#include "kd/nn/gemm.h"

#include <cblas.h>
#include <strings.h>
#include <sys/mman.h>

void kd_gemm(struct kd_mnk size, struct kd_rows a, struct kd_rows b, float beta, float *c,
             size_t ldc)
{
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (blasint)size.m, (blasint)size.n,
                (blasint)size.k, 1.0f, a.at, (blasint)a.stride, b.at, (blasint)b.stride, beta, c,
                (blasint)ldc);
}

void kd_gemm_bt(struct kd_mnk size, struct kd_rows a, struct kd_rows b, float beta, float *c,
                size_t ldc)
{
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (blasint)size.m, (blasint)size.n,
                (blasint)size.k, 1.0f, a.at, (blasint)a.stride, b.at, (blasint)b.stride, beta, c,
                (blasint)ldc);
}

void kd_gemm_at(struct kd_mnk size, struct kd_rows a, struct kd_rows b, float beta, float *c,
                size_t ldc)
{
    cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, (blasint)size.m, (blasint)size.n,
                (blasint)size.k, 1.0f, a.at, (blasint)a.stride, b.at, (blasint)b.stride, beta, c,
                (blasint)ldc);
}

const char *kd_blas_config(void)
{
    return openblas_get_config();
}

const char *kd_blas_kernel(void)
{
    return openblas_get_corename();
}

const char *kd_blas_set(void)
{
    static const struct {
        const char *kernel, *set;
    } known[] = {{"SkylakeX", "avx512"}, {"Cooperlake", "avx512"}, {"SapphireRapids", "avx512"},
                 {"Haswell", "avx2"},    {"Zen", "avx2"},          {"Excavator", "avx2"}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcasecmp(known[i].kernel, kd_blas_kernel()) == 0) return known[i].set;
    return "plain";
}

static unsigned
    own_threads; /* that OpenBLAS starts when it is loaded, beside the first; each wants a buffer */

void kd_blas_init(void)
{
    int n = openblas_get_num_threads();
    if (n > 1) own_threads = (unsigned)n - 1;
    openblas_set_num_threads(1);
}

enum {
    BUFFER_MB = 136
}; /* OpenBLAS maps 128 MiB and a little a thread, most of it never touched */

int kd_blas_check(unsigned threads, struct kd_err *err)
{
    unsigned all = threads + own_threads;
    size_t bytes = (size_t)all * BUFFER_MB << 20;
    void *room = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (room == MAP_FAILED)
        return kd_fail(
            err, "not enough address space: BLAS needs %zu MB for %u thread%s; raise ulimit -v%s",
            bytes >> 20, all, all == 1 ? "" : "s", threads == 1 ? "" : ", or give fewer --threads");
    munmap(room, bytes);
    return 0;
}
