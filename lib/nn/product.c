/* B is packed piece by piece, DEPTH x strip, on the stack: with the rows of A that meet it it
 * fits the first cache, and no thread waits for another's packing. A is read where it lies. */
#include "product.h"
#include "kd/nn/kernels.h"

#include <stdbool.h>
#include <string.h>

enum { DEPTH = 400, OUTER_DEPTH = 128, ROWS = 208, GRAIN = 16, GRAIN_BITS = 4, DEPTH_BITS = 9 };
_Static_assert(1 << GRAIN_BITS == GRAIN && KD_PANEL == 2 * GRAIN && 1 << DEPTH_BITS >= DEPTH,
               "bits of the sizes above");

/* Columns that are packed at once: those that the kernel takes at once, so that they lie together.
 * Where it takes half a panel, a whole one would fill only every other set of the first cache.
 * GFLOP/s on one core of an EPYC with AVX2, 32 columns and 16: 100 x 1200 x 784 49 and 53, 100 x
 * 1200 x 1200 71.5 and 72.2, 1000 x 800 x 784 74.7 and 77.0. */
static size_t strip(void)
{
    return kd_kernels()->strip;
}

struct piece { /* of B, and the part of the product that it makes */
    const struct kd_matmul *m;
    size_t row0, rows, col0, cols, from, depth;
    const float *b;
    size_t b_row;
    const float *next; /* where in m->b the next piece starts */
};

/* At most `most`, a multiple of GRAIN. */
static size_t equal_steps(size_t n, size_t most)
{
    size_t steps = (n + most - 1) / most;
    size_t step = steps ? (n + steps - 1) / steps : 1;
    return (step + GRAIN - 1) / GRAIN * GRAIN;
}

/* Columns that fill no vector are made beside C. */
static void ragged(const struct piece *p, const struct kd_product *whole)
{
    float c[ROWS * KD_PANEL], bias[KD_PANEL] = {0};
    struct kd_product product = *whole;
    product.c = c;
    product.c_row = product.cols;
    if (product.bias) {
        memcpy(bias, product.bias, p->cols * sizeof *bias);
        product.bias = bias;
    }
    for (size_t r = 0; product.add && r < p->rows; r++) {
        memset(c + r * product.cols, 0, product.cols * sizeof *c);
        memcpy(c + r * product.cols, whole->c + r * whole->c_row, p->cols * sizeof *c);
    }
    kd_kernels()->product(&product);
    for (size_t r = 0; r < p->rows; r++)
        memcpy(whole->c + r * whole->c_row, c + r * product.cols, p->cols * sizeof *c);
}

static void multiply(const struct piece *p)
{
    const struct kd_matmul *m = p->m;
    struct kd_product product = {.rows = p->rows,
                                 .cols = (p->cols + GRAIN - 1) / GRAIN * GRAIN,
                                 .runs = 1,
                                 .depth = p->depth,
                                 .a = m->a + p->row0 * m->a_row + p->from,
                                 .a_row = m->a_row,
                                 .b = p->b,
                                 .b_row = p->b_row,
                                 .bias = m->bias ? m->bias + p->col0 : NULL,
                                 .c = m->c + p->row0 * m->c_row + p->col0,
                                 .c_row = m->c_row,
                                 .add = m->add || p->from > 0,
                                 .ahead = p->next,
                                 .ahead_row = m->b_row,
                                 .ahead_shift = DEPTH_BITS};
    const bool two = strip() > GRAIN; /* lines of a row of B, or of its columns */
    if (m->turned) product.ahead_shift = two ? GRAIN_BITS + 1 : GRAIN_BITS;
    if (two) product.ahead_next = m->turned ? p->depth / KD_PANEL * GRAIN : GRAIN;
    if (product.cols != p->cols)
        ragged(p, &product);
    else
        kd_kernels()->product(&product);
}

/* One strip of columns at most, one step of depth. */
static void packed(struct piece *p)
{
    const struct kd_matmul *m = p->m;
    _Alignas(64) float b[DEPTH * KD_PANEL];
    size_t columns = (p->cols + GRAIN - 1) / GRAIN * GRAIN, next = p->col0 + strip();
    p->b = b;
    p->b_row = 0;
    p->next = m->b + (m->turned ? next * m->b_row + p->from : p->from * m->b_row + next);
    if (next >= m->cols) p->next = NULL;
    if (m->turned)
        kd_kernels()->pack_columns(b, columns, m->b + p->col0 * m->b_row + p->from, m->b_row,
                                   p->cols, p->depth);
    else
        kd_kernels()->pack_rows(b, columns, m->b + p->from * m->b_row + p->col0, m->b_row, p->cols,
                                p->depth);
    multiply(p);
    p->b = NULL; /* it lay here */
}

/* B as it lies: for so few rows and so little depth it is not worth packing. */
enum { FEW = 64 };

static size_t unpacked(struct piece *p)
{
    const struct kd_matmul *m = p->m;
    if (m->turned || p->rows > FEW || m->depth > DEPTH) return 0;
    p->cols = m->cols / GRAIN * GRAIN;
    p->depth = m->depth;
    p->b = m->b;
    p->b_row = m->b_row;
    if (p->cols) multiply(p);
    return p->cols;
}

/* What a step of depth has of these rows of A fits the second cache while all strips pass by. */
void kd_matmul(const struct kd_matmul *m)
{
    size_t step = equal_steps(m->rows, ROWS), deep = equal_steps(m->depth, DEPTH);
    for (size_t row = 0; row < m->rows; row += step) {
        struct piece p = {.m = m, .row0 = row, .rows = m->rows - row < step ? m->rows - row : step};
        const size_t first = unpacked(&p);
        for (p.from = 0; p.from < m->depth; p.from += deep) {
            p.depth = m->depth - p.from < deep ? m->depth - p.from : deep;
            for (p.col0 = first; p.col0 < m->cols; p.col0 += strip()) {
                p.cols = m->cols - p.col0 < strip() ? m->cols - p.col0 : strip();
                packed(&p);
            }
        }
    }
}

/* A is packed, a panel of columns turned at a time, for all of B. */
void kd_matmul_outer(const struct kd_matmul *m)
{
    _Alignas(64) float turned[KD_OUTER_ROWS * OUTER_DEPTH];
    size_t step = equal_steps(m->depth, OUTER_DEPTH);
    for (size_t row = 0; row < m->rows; row += KD_OUTER_ROWS)
        for (size_t from = 0; from < m->depth; from += step) {
            struct kd_matmul part = *m;
            part.rows = m->rows - row < KD_OUTER_ROWS ? m->rows - row : KD_OUTER_ROWS;
            part.depth = m->depth - from < step ? m->depth - from : step;
            part.a = turned;
            part.a_row = (part.depth + GRAIN - 1) / GRAIN * GRAIN;
            part.b = m->b + (m->turned ? from : from * m->b_row);
            part.c = m->c + row * m->c_row;
            part.add = m->add || from > 0;
            kd_kernels()->pack_columns(turned, part.a_row, m->a + from * m->a_row + row, m->a_row,
                                       part.depth, part.rows);
            kd_matmul(&part);
        }
}
