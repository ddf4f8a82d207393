/* The machine: what BLAS reaches on it here and now, memory in use, processes run and waited for.
 */
#include "bench.h"
#include "kd/base/mem.h"
#include "kd/base/progress.h"
#include "kd/nn/gemm.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

struct products {
    size_t side;
    float *matrix; /* [threads][3][side][side] */
};

static void multiply(void *arg, unsigned part)
{
    const struct products *p = arg;
    size_t side = p->side, square = side * side;
    float *a = p->matrix + part * 3 * square;
    kd_gemm((struct kd_mnk){side, side, side}, (struct kd_rows){a, side},
            (struct kd_rows){a + square, side}, 0, a + 2 * square, side);
}

static int multiply_all(struct kd_pool *pool, size_t side, unsigned times, double *best,
                        struct kd_err *err)
{
    unsigned threads = kd_pool_threads(pool);
    struct products p = {side, kd_alloc(threads * 3 * side * side, sizeof(float), "matrices", err)};
    if (!p.matrix) return -1;
    *best = 0;
    for (unsigned i = 0; i < times; i++) {
        double start = kd_seconds();
        kd_pool_run(pool, threads, multiply, &p);
        double rate = 2e-9 * (double)(side * side * side) * threads / (kd_seconds() - start);
        if (rate > *best) *best = rate;
    }
    kd_free(p.matrix);
    return 0;
}

int bench_machine_peak(struct kd_pool *pool, bool quick, double *gflops, struct kd_err *err)
{
    return multiply_all(pool, quick ? 128 : 1024, 10, gflops, err);
}

int bench_memory_settle(struct kd_pool *pool, struct kd_err *err)
{
    double ignored;
    return multiply_all(pool, 256, 1, &ignored, err);
}

struct bench_memory bench_memory_read(void)
{
    struct bench_memory m = {0};
    char line[256];
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof line, f)) {
        if (strncmp(line, "VmHWM:", 6) == 0) m.peak = strtod(line + 6, NULL) / 1024;
        if (strncmp(line, "VmRSS:", 6) == 0) m.now = strtod(line + 6, NULL) / 1024;
    }
    if (f) fclose(f);
    if (m.peak > 0) return m;
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    m.now = m.peak = (double)usage.ru_maxrss / (1 << 20); /* bytes on macOS */
    return m;
}

static double megabytes_of(const struct rusage *usage)
{
#ifdef __APPLE__
    return (double)usage->ru_maxrss / (1 << 20);
#else
    return (double)usage->ru_maxrss / 1024;
#endif
}

static int read_all(int fd, struct kd_bytes *out, struct kd_err *err)
{
    char buffer[4096];
    ssize_t n;
    while ((n = read(fd, buffer, sizeof buffer)) != 0) {
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return kd_fail_errno(err, "a pipe");
        if (kd_bytes_add(out, buffer, (size_t)n, err) < 0) return -1;
    }
    return 0;
}

int bench_process_run(const char *const argv[], struct kd_bytes *out, double *seconds, double *peak,
                      struct kd_err *err)
{
    int ends[2], status = 0;
    struct rusage usage;
    if (pipe(ends) < 0) return kd_fail_errno(err, "a pipe");
    double start = kd_seconds();
    pid_t child = fork(); /* not vfork: the child's peak would be at least this process's */
    if (child == 0) {
        dup2(ends[1], STDOUT_FILENO);
        close(ends[0]);
        close(ends[1]);
        execv(
            argv[0],
            (char *const *)(uintptr_t)argv); /* does not write there, whatever its prototype says */
        _exit(127);
    }
    close(ends[1]);
    if (child < 0) {
        close(ends[0]);
        return kd_fail_errno(err, "%s", argv[0]);
    }
    int result = read_all(ends[0], out, err);
    close(ends[0]);
    while (wait4(child, &status, 0, &usage) < 0)
        if (errno != EINTR) return kd_fail_errno(err, "%s", argv[0]);
    if (seconds) *seconds = kd_seconds() - start;
    if (peak) *peak = megabytes_of(&usage);
    if (result == 0 && (!WIFEXITED(status) || WEXITSTATUS(status) != 0))
        return kd_fail(err, "%s ended with status %d", argv[0],
                       WIFEXITED(status) ? WEXITSTATUS(status) : -1);
    return result;
}

/* ---- figures ---- */

enum { MOST = sizeof((struct bench_sample *)0)->v / sizeof(double) };

void bench_sample_add(struct bench_sample *s, double v)
{
    if (s->n < MOST) s->n++;
    s->v[s->n - 1] = v;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

struct bench_spread bench_sample_spread(struct bench_sample *s)
{
    if (!s->n) return (struct bench_spread){0};
    qsort(s->v, s->n, sizeof *s->v, by_size);
    size_t half = s->n / 2;
    double median = s->n % 2 ? s->v[half] : (s->v[half - 1] + s->v[half]) / 2;
    return (struct bench_spread){s->v[0], median, s->v[s->n - 1]};
}
