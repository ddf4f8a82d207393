/* Small products of matrices whose sums stay in registers: MOST rows of two vectors of columns at a
 * time.
 *
 * A[rows][depth] is read where it lies, an element broadcast at a time; so a convolution needs no
 * patches laid out: the rows are neighbouring pixels, which overlap. B is packed in panels of
 * KD_PANEL columns, [depth][columns of the panel], the last one filled up to whole vectors. A
 * single matrix that is read once may lie unpacked. Every sum is taken in the order of depth,
 * whatever the blocking. */
#include "deeper.h"

#if defined(__AVX512F__)
enum { MOST = 13, MOST_NARROW = 13 }; /* 26 sums, of 32 registers */
#elif defined(__aarch64__)
enum { MOST = 13, MOST_NARROW = 13 }; /* likewise */
#else
enum { MOST = 6, MOST_NARROW = 12 }; /* 12, of 16 */
#endif

INLINE void product_rows(const unsigned n, const unsigned q, float *c, const float *a,
                         const float *b, size_t columns, const struct kd_product *p,
                         const float *bias, const float *ahead, size_t some)
{
    enum { LINE = 16 };
    wide sum[MOST_NARROW][2];
    UNROLL for (unsigned r = 0; r < n; r++) UNROLL for (unsigned j = 0; j < q; j++)
    {
        size_t here = j + 1 == q ? some : 0;
        sum[r][j] = p->add ? load_last(c + r * p->c_row + j * WIDE, here)
                    : bias ? load_last(bias + j * WIDE, here)
                           : (wide){0};
    }
    const size_t a_row = p->a_row, ahead_row = p->ahead_row, shift = p->ahead_shift,
                 skip = p->b_run ? (p->b_run - p->depth) * columns : 0;
    const size_t mask = ((size_t)1 << shift) - 1;
    for (size_t run = 0; run < p->runs; run++, a += p->a_run, b += skip) {
        const float *at = a;
        size_t k = 0;
        for (; k + STEPS <= p->depth; k += STEPS, at += STEPS, b += STEPS * columns) {
            if (ahead) {
                const float *line = ahead + (k & mask) * ahead_row + (k >> shift) * LINE;
                UNROLL for (unsigned s = 0; s < STEPS; s++)
                    __builtin_prefetch(line + s * ahead_row, 0, 2);
            }
            deeper(n, q, sum, at, a_row, b, columns);
        }
        for (; k < p->depth; k++, at++, b += columns) deeper_by_one(n, q, sum, at, a_row, b);
    }
    UNROLL for (unsigned r = 0; r < n; r++) UNROLL for (unsigned j = 0; j < q; j++)
        store_last(c + r * p->c_row + j * WIDE, sum[r][j], j + 1 == q ? some : 0);
}

/* X' D: element x[pixel][k] for rows k of the sum. */
INLINE void outer_rows(const unsigned lines, const unsigned n, const unsigned q, float *w,
                       size_t columns, const float *x, const float *d, const struct kd_outer *p)
{
    wide sum[MOST_NARROW][2];
    UNROLL for (unsigned r = 0; r < lines * n; r++) UNROLL for (unsigned j = 0; j < q; j++)
        sum[r][j] = load(w + r * columns + j * WIDE);
    for (size_t line = 0; line < p->lines; line++, x += p->x_line, d += p->d_line) {
        const float *from = x, *by = d;
        for (size_t i = 0; i < p->pixels; i++, from += p->x_pixel, by += p->d_pixel) {
            wide v[2];
            UNROLL for (unsigned j = 0; j < q; j++) v[j] = load(by + j * WIDE);
            UNROLL for (unsigned l = 0; l < lines; l++) UNROLL for (unsigned r = 0; r < n; r++)
                UNROLL for (unsigned j = 0; j < q; j++) sum[l * n + r][j] +=
                from[l * p->x_run + r] * v[j];
        }
    }
    UNROLL for (unsigned r = 0; r < lines * n; r++) UNROLL for (unsigned j = 0; j < q; j++)
        store(w + r * columns + j * WIDE, sum[r][j]);
}

#define EACH_FEW(X) X(1) X(2) X(3) X(4) X(5) X(6)
#if defined(__AVX512F__) || defined(__aarch64__)
#define EACH_NARROW(X) EACH_FEW(X) X(7) X(8) X(9) X(10) X(11) X(12) X(13)
#define EACH_COUNT(X)  EACH_NARROW(X)
#else
#define EACH_NARROW(X) EACH_FEW(X) X(7) X(8) X(9) X(10) X(11) X(12)
#define EACH_COUNT(X)  EACH_FEW(X)
#endif

static void product_one(unsigned n, unsigned q, float *c, const float *a, const float *b,
                        size_t columns, const struct kd_product *p, const float *bias,
                        const float *ahead, size_t some)
{
#define CASE(N)                                                                                    \
    case 2 * (N):                                                                                  \
        product_rows(N, 2, c, a, b, columns, p, bias, ahead, some);                                \
        return;
#define CASE_NARROW(N)                                                                             \
    case 2 * (N) + 1:                                                                              \
        product_rows(N, 1, c, a, b, columns, p, bias, ahead, some);                                \
        return;
    switch (2 * n + q % 2) {
        EACH_COUNT(CASE)
        EACH_NARROW(CASE_NARROW)
    }
#undef CASE
#undef CASE_NARROW
}

static void outer_one(unsigned n, unsigned q, float *w, size_t columns, const float *x,
                      const float *d, const struct kd_outer *p)
{
#define CASE(N)                                                                                    \
    case 2 * (N):                                                                                  \
        outer_rows(1, N, 2, w, columns, x, d, p);                                                  \
        return;
#define CASE_NARROW(N)                                                                             \
    case 2 * (N) + 1:                                                                              \
        outer_rows(1, N, 1, w, columns, x, d, p);                                                  \
        return;
    switch (2 * n + q % 2) {
        EACH_COUNT(CASE)
        EACH_NARROW(CASE_NARROW)
    }
#undef CASE
#undef CASE_NARROW
}

/* Equal blocks of as many rows as there are sums for, at most. */
static size_t block_of(size_t rows, unsigned vectors)
{
    size_t most = vectors == 1 ? MOST_NARROW : MOST;
    size_t blocks = (rows + most - 1) / most;
    return (rows + blocks - 1) / blocks;
}

static size_t panel_columns(size_t cols, size_t panel)
{
    size_t left = (cols - panel + WIDE - 1) / WIDE * WIDE;
    return left < KD_PANEL ? left : KD_PANEL;
}

/* Panels of KD_PANEL columns, the last one narrower; a panel is taken in strips of two vectors. */
void KD_HERE(kd_product)(const struct kd_product *p)
{
    size_t all = p->runs * p->depth;
    for (size_t c0 = 0; c0 < p->cols; c0 += 2 * WIDE) {
        size_t panel = c0 / KD_PANEL * KD_PANEL, left = p->cols - c0;
        size_t columns = panel_columns(p->cols, panel);
        const unsigned q = left > WIDE ? 2 : 1;
        const size_t step = block_of(p->rows, q), some = left < 2 * WIDE ? left % WIDE : 0;
        const float *b = p->b + panel * all + (c0 - panel), *bias = p->bias ? p->bias + c0 : NULL;
        if (p->b_row) {
            columns = p->b_row;
            b = p->b + c0;
        }
        const float *ahead = p->ahead;
        for (size_t r = 0; r < p->rows; r += step) {
            product_one((unsigned)(p->rows - r < step ? p->rows - r : step), q,
                        p->c + r * p->c_row + c0, p->a + r * p->a_row, b, columns, p, bias, ahead,
                        some);
            ahead = ahead && !r && p->ahead_next ? ahead + p->ahead_next : NULL;
        }
    }
}

void KD_HERE(kd_outer)(const struct kd_outer *p)
{
    size_t all = p->runs * p->depth;
    for (size_t c0 = 0; c0 < p->cols; c0 += 2 * WIDE) {
        size_t panel = c0 / KD_PANEL * KD_PANEL, left = p->cols - c0;
        size_t columns = panel_columns(p->cols, panel);
        unsigned q = left > WIDE ? 2 : 1;
        const size_t step = block_of(p->depth, q);
        float *w = p->w + panel * all + (c0 - panel);
#if defined(__AVX512F__)
        if (p->runs == 3 && p->depth == 3 && !p->w_run) { /* one channel: all nine taps at once */
            if (q == 2)
                outer_rows(3, 3, 2, w, columns, p->x, p->d + c0, p);
            else
                outer_rows(3, 3, 1, w, columns, p->x, p->d + c0, p);
            continue;
        }
#endif
        size_t apart = p->w_run ? p->w_run : p->depth;
        for (size_t run = 0; run < p->runs; run++)
            for (size_t k = 0; k < p->depth; k += step)
                outer_one((unsigned)(p->depth - k < step ? p->depth - k : step), q,
                          w + (run * apart + k) * columns, columns, p->x + run * p->x_run + k,
                          p->d + c0, p);
    }
}
