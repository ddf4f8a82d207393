/* A few rows times a matrix that lies transposed: dot products, for which the matrix is read once,
 * at the speed of memory, and not packed. Each sum has LANES partial sums, lane by lane in the
 * order of depth, added up in halves; so neither the instruction set nor the blocking changes that
 * order. */
#include "wide.h"

enum { VECTORS = LANES / WIDE, AHEAD = 128 /* floats that are fetched before they are wanted */ };

/* The last `depth` < LANES elements, zeros behind them. */
INLINE void pad(float to[LANES], const float *from, size_t depth)
{
    for (size_t k = 0; k < LANES; k++) to[k] = k < depth ? from[k] : 0;
}

INLINE float total(const wide sum[VECTORS])
{
    float lane[LANES];
    UNROLL for (unsigned v = 0; v < VECTORS; v++) store(lane + v * WIDE, sum[v]);
    for (unsigned half = LANES / 2; half; half /= 2)
        for (unsigned k = 0; k < half; k++) lane[k] += lane[k + half];
    return lane[0];
}

/* n rows of A by m rows of B. */
INLINE void block(const unsigned n, const unsigned m, const struct kd_dots *p, const float *a,
                  const float *b, const float *bias, float *c)
{
    enum { SUMS = 6 };
    wide sum[SUMS][VECTORS] = {0};
    const size_t whole = p->depth / LANES * LANES;
    const size_t next =
        m * p->b_row - p->depth; /* from a row's end to where the next block starts */
    for (size_t k = 0; k < whole; k += LANES) {
        const size_t ahead = k + AHEAD < p->depth ? AHEAD : AHEAD + next;
        UNROLL for (unsigned j = 0; j < m; j++)
        {
            const float *at = b + j * p->b_row + k;
            __builtin_prefetch(at + ahead, 0, 3);
            UNROLL for (unsigned v = 0; v < VECTORS; v++)
            {
                const wide w = load(at + v * WIDE);
                UNROLL for (unsigned r = 0; r < n; r++) sum[r * m + j][v] +=
                    load(a + r * p->a_row + k + v * WIDE) * w;
            }
        }
    }
    if (whole < p->depth) {
        float x[LANES], w[LANES];
        for (unsigned j = 0; j < m; j++) {
            pad(w, b + j * p->b_row + whole, p->depth - whole);
            for (unsigned r = 0; r < n; r++) {
                pad(x, a + r * p->a_row + whole, p->depth - whole);
                UNROLL for (unsigned v = 0; v < VECTORS; v++) sum[r * m + j][v] +=
                    load(x + v * WIDE) * load(w + v * WIDE);
            }
        }
    }
    for (unsigned r = 0; r < n; r++)
        for (unsigned j = 0; j < m; j++)
            c[r * p->c_row + j] = total(sum[r * m + j]) + (bias ? bias[j] : 0);
}

static void rows(const unsigned n, const struct kd_dots *p, const float *a, const float *b,
                 size_t col, unsigned m, float *c)
{
    const float *bias = p->bias ? p->bias + col : NULL;
    if (n == 1 && m == 4)
        block(1, 4, p, a, b, bias, c);
    else if (n == 1 && m == 1)
        block(1, 1, p, a, b, bias, c);
    else if (n == 2 && m == 2)
        block(2, 2, p, a, b, bias, c);
    else if (n == 2)
        block(2, 1, p, a, b, bias, c);
    else if (m == 2)
        block(3, 2, p, a, b, bias, c);
    else
        block(3, 1, p, a, b, bias, c);
}

/* Rows go by threes, what is left by two or one; the rows of B of a step stay in the first cache.
 */
void KD_HERE(kd_dots)(const struct kd_dots *p)
{
    const unsigned wanted = p->rows == 1 ? 4 : 2;
    for (size_t col = 0; col < p->cols;) {
        const unsigned m = p->cols - col >= wanted ? wanted : 1;
        for (size_t r = 0; r < p->rows;) {
            const size_t left = p->rows - r;
            const unsigned n = left >= 3 && left != 4 ? 3 : left >= 2 ? 2 : 1;
            /* a step of four columns is for a single row */
            rows(n, p, p->a + r * p->a_row, p->b + col * p->b_row, col, m,
                 p->c + r * p->c_row + col);
            r += n;
        }
        col += m;
    }
}
