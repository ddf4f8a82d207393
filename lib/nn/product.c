/* B is packed block by block on the stack: with the rows of A that meet it it fits a cache, and no
 * thread waits for another's packing. A is read where it lies. */
#include "product.h"
#include "kd/nn/kernels.h"

#include <stdbool.h>
#include <string.h>

enum { DEPTH = 400, OUTER_DEPTH = 128, ROWS = 208, GRAIN = 16, GRAIN_BITS = 4, DEPTH_BITS = 9 };
_Static_assert(1 << GRAIN_BITS == GRAIN && KD_PANEL == 2 * GRAIN && 1 << DEPTH_BITS >= DEPTH,
               "bits of the sizes above");

/* What is packed at once, for kernels that take so many columns at once.
 *
 * 32: one strip for the first cache; a step of depth of ROWS rows of A fits the second while all
 * strips pass by. Measured with AVX-512.
 * 16: a block of strips for the second cache, packed once for all rows; so many neighbouring
 * columns because each row of B is another page. GFLOP/s on one core of an EPYC with AVX2 whose
 * other half others used, strips of 400 x 16 and blocks of 256 x 128: 100 x 608 x 1200, B as it
 * lies, 47 and 54; 1000 x 400 x 784, B turned, 58 and 60. */
struct sizes {
    size_t strip, columns, depth, rows;
};
enum { ROOM = 256 * 128 };
static const struct sizes by_strip[] = {{16, 128, 256, (size_t)-1}, {32, 32, DEPTH, ROWS}};
_Static_assert(ROOM >= KD_PANEL * DEPTH, "room for either");

static const struct sizes *sizes(void)
{
    return &by_strip[kd_kernels()->strip > GRAIN];
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
    const bool two = sizes()->strip > GRAIN; /* lines of a row of B, or of its columns */
    if (m->turned) product.ahead_shift = two ? GRAIN_BITS + 1 : GRAIN_BITS;
    if (two) product.ahead_next = m->turned ? p->depth / KD_PANEL * GRAIN : GRAIN;
    if (product.cols != p->cols)
        ragged(p, &product);
    else
        kd_kernels()->product(&product);
}

/* Where in m->b a strip starts that is packed later. */
static const float *source(const struct kd_matmul *m, size_t col, size_t from)
{
    if (col >= m->cols) return NULL;
    return m->b + (m->turned ? col * m->b_row + from : from * m->b_row + col);
}

/* Strips of `block`, [depth][strip] each. Rows of B are pages apart: so all strips of a few of them
 * at a time. */
static void pack(float *b, const struct piece *block)
{
    enum { ROWS_AT_ONCE = 16 };
    const struct kd_matmul *m = block->m;
    const size_t strip = sizes()->strip, few = m->turned ? block->depth : ROWS_AT_ONCE;
    for (size_t k = 0; k < block->depth; k += few)
        for (size_t c = 0; c < block->cols; c += strip) {
            const size_t cols = block->cols - c < strip ? block->cols - c : strip;
            const size_t columns = (cols + GRAIN - 1) / GRAIN * GRAIN;
            (m->turned ? kd_kernels()->pack_columns : kd_kernels()->pack_rows)(
                b + c * block->depth + k * columns, columns,
                source(m, block->col0 + c, block->from + k), m->b_row, cols,
                block->depth - k < few ? block->depth - k : few);
        }
}

/* One block of columns at most, one step of depth. Of B as it lies the processor sees by itself
 * what comes next. */
static void packed(const struct piece *block)
{
    _Alignas(64) float b[ROOM];
    const size_t strip = sizes()->strip, step = equal_steps(block->rows, ROWS);
    const bool fetch = block->m->turned || strip > GRAIN;
    pack(b, block);
    for (size_t row = 0; row < block->rows; row += step)
        for (size_t c = 0; c < block->cols; c += strip) {
            struct piece p = *block;
            p.row0 += row;
            p.rows = block->rows - row < step ? block->rows - row : step;
            p.col0 += c;
            p.cols = block->cols - c < strip ? block->cols - c : strip;
            p.b = b + c * p.depth;
            if (fetch && !row) p.next = source(p.m, p.col0 + sizes()->columns, p.from);
            multiply(&p);
        }
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

/* Few rows times B turned: C' = B A', so that it is A which is turned and packed, for all of B. */
enum { UNITS = 96 };
struct turned {
    size_t wide, deep; /* rows of A in whole vectors, and elements of each that are packed */
    float a[DEPTH * KD_MATMUL_FEW], c[UNITS * KD_MATMUL_FEW];
};

static void pack_turned(struct turned *t, const struct kd_matmul *m, size_t from)
{
    for (size_t r = 0; r < m->rows; r += GRAIN)
        kd_kernels()->pack_columns(t->a + r * t->deep, GRAIN, m->a + r * m->a_row + from, m->a_row,
                                   m->rows - r < GRAIN ? m->rows - r : GRAIN, t->deep);
}

static void begin_units(struct turned *t, const struct kd_matmul *m, size_t col, size_t n)
{
    for (size_t u = 0; u < n; u++)
        for (size_t r = 0; r < t->wide; r++) t->c[u * t->wide + r] = m->bias ? m->bias[col + u] : 0;
}

/* Columns col to col + n of C, by elements `from` and on of the depth. */
static void make_units(struct turned *t, const struct kd_matmul *m, size_t from, size_t col,
                       size_t n)
{
    float c[UNITS * KD_MATMUL_FEW];
    if (m->add || from)
        kd_kernels()->pack_columns(t->c, t->wide, m->c + col, m->c_row, m->rows, n);
    else
        begin_units(t, m, col, n);
    for (size_t r = 0; r < m->rows; r += GRAIN) {
        struct kd_product product = {.rows = n,
                                     .cols = GRAIN,
                                     .runs = 1,
                                     .depth = t->deep,
                                     .a = m->b + col * m->b_row + from,
                                     .a_row = m->b_row,
                                     .b = t->a + r * t->deep,
                                     .c = t->c + r,
                                     .c_row = t->wide,
                                     .add = 1};
        if (m->rows - r <= kd_kernels()->vector) product.cols = kd_kernels()->vector;
        product.b_row = GRAIN;
        kd_kernels()->product(&product);
    }
    kd_kernels()->pack_columns(c, UNITS, t->c, t->wide, n, m->rows);
    for (size_t r = 0; r < m->rows; r++)
        memcpy(m->c + r * m->c_row + col, c + r * UNITS, n * sizeof *c);
}

static void few_rows(const struct kd_matmul *m)
{
    struct turned t;
    const size_t deep = equal_steps(m->depth, DEPTH);
    t.wide = (m->rows + GRAIN - 1) / GRAIN * GRAIN;
    for (size_t from = 0; from < m->depth; from += deep) {
        t.deep = m->depth - from < deep ? m->depth - from : deep;
        pack_turned(&t, m, from);
        for (size_t col = 0; col < m->cols; col += UNITS)
            make_units(&t, m, from, col, m->cols - col < UNITS ? m->cols - col : UNITS);
    }
}

void kd_matmul(const struct kd_matmul *m)
{
    const size_t most = sizes()->columns;
    if (m->turned && m->rows <= KD_MATMUL_FEW && sizes()->strip == GRAIN) {
        few_rows(m);
        return;
    }
    size_t step = m->rows < sizes()->rows ? m->rows : equal_steps(m->rows, sizes()->rows);
    size_t deep = equal_steps(m->depth, sizes()->depth);
    for (size_t row = 0; row < m->rows; row += step) {
        struct piece p = {.m = m, .row0 = row, .rows = m->rows - row < step ? m->rows - row : step};
        const size_t first = unpacked(&p);
        p.b_row = 0;
        for (p.from = 0; p.from < m->depth; p.from += deep) {
            p.depth = m->depth - p.from < deep ? m->depth - p.from : deep;
            for (p.col0 = first; p.col0 < m->cols; p.col0 += most) {
                p.cols = m->cols - p.col0 < most ? m->cols - p.col0 : most;
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
