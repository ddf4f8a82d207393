/* The products of dense layers against the same sums in double, and that how they are cut changes
 * no bit. Once a table of kernels: KD_CPU is set before the first is chosen. */
#include "../../lib/nn/product.h"
#include "kd/base/rng.h"
#include "kd/nn/kernels.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MOST = 1 << 19, GAP = 3 }; /* rows lie GAP further apart than they are long */
static float a[MOST], b[MOST], c[MOST], other[MOST], bias[MOST];

static const struct {
    size_t rows, cols, depth;
} shapes[] = {{1, 1, 1},      {13, 32, 16},   {14, 33, 17}, {100, 30, 784}, {100, 10, 30},
              {30, 785, 100}, {48, 50, 130},  {9, 47, 401}, {209, 65, 450}, {420, 16, 20},
              {100, 300, 64}, {49, 100, 257}, {7, 5, 900}};
enum { SHAPES = sizeof shapes / sizeof *shapes };

static int fill(void **state)
{
    (void)state;
    struct kd_rng r = kd_rng_for(3, KD_FOR_TEST, 0, 0);
    for (size_t i = 0; i < MOST; i++) {
        a[i] = kd_rng_normal(&r);
        b[i] = kd_rng_normal(&r);
        bias[i] = kd_rng_normal(&r);
    }
    return 0;
}

enum { START = 777 }; /* what C holds before */

static double expected(const struct kd_matmul *m, int outer, size_t r, size_t col)
{
    double sum = m->add ? START : m->bias ? (double)m->bias[col] : 0;
    for (size_t k = 0; k < m->depth; k++)
        sum += (double)m->a[outer ? k * m->a_row + r : r * m->a_row + k] *
               (double)m->b[m->turned ? col * m->b_row + k : k * m->b_row + col];
    return sum;
}

/* What lies between the rows of C stays as it was. */
static void check(const struct kd_matmul *m, int outer)
{
    for (size_t i = 0; i < MOST; i++) c[i] = START;
    (outer ? kd_matmul_outer : kd_matmul)(m);
    for (size_t i = 0; i < m->rows * m->c_row; i++) {
        size_t r = i / m->c_row, col = i % m->c_row;
        double want = col < m->cols ? expected(m, outer, r, col) : START;
        double within = col < m->cols ? 1e-5 * sqrt((double)m->depth) +
                                            (m->add ? 2e-4 * sqrt((double)m->depth) : 0)
                                      : 0;
        if (!(fabs((double)c[i] - want) <= within))
            fail_msg("%zu x %zu x %zu%s%s%s, row %zu, column %zu: %g, expected %g", m->rows,
                     m->cols, m->depth, m->turned ? ", turned" : "", outer ? ", outer" : "",
                     m->add ? ", added" : "", r, col, (double)c[i], want);
    }
    assert_true(c[m->rows * m->c_row] == (float)START);
}

static struct kd_matmul of_shape(unsigned s, int outer, int turned)
{
    size_t rows = shapes[s].rows, cols = shapes[s].cols, depth = shapes[s].depth;
    struct kd_matmul m = {.rows = rows,
                          .cols = cols,
                          .depth = depth,
                          .a = a,
                          .a_row = (outer ? rows : depth) + GAP,
                          .b = b,
                          .b_row = (turned ? depth : cols) + GAP,
                          .turned = turned,
                          .c = c,
                          .c_row = cols + GAP};
    return m;
}

static void same_sums(void **state)
{
    (void)state;
    for (unsigned s = 0; s < SHAPES; s++)
        for (int how = 0; how < 12; how++) {
            int turned = how % 2, outer = how / 2 % 2;
            struct kd_matmul m = of_shape(s, outer, turned);
            m.bias = how / 4 == 1 ? bias : NULL;
            m.add = how / 4 == 2;
            check(&m, outer);
        }
}

static struct kd_dots dots_of(size_t rows, size_t cols, size_t depth, int with_bias)
{
    return (struct kd_dots){.rows = rows,
                            .cols = cols,
                            .depth = depth,
                            .a = a,
                            .a_row = depth + GAP,
                            .b = b,
                            .b_row = depth + GAP,
                            .bias = with_bias ? bias : NULL,
                            .c = c,
                            .c_row = cols + GAP};
}

/* Any number of rows and columns; each sum has the same bits whatever else is made with it. */
static void dots_are_sums_of_their_own(void **state)
{
    static const size_t columns[] = {1, 2, 3, 4, 5, 9, 100}, depths[] = {1, 15, 16, 17, 784, 800};
    (void)state;
    for (size_t rows = 1; rows < 10; rows++)
        for (size_t i = 0; i < 7; i++)
            for (size_t j = 0; j < 6; j++) {
                struct kd_dots d = dots_of(rows, columns[i], depths[j], (int)(rows % 2));
                for (size_t k = 0; k < rows * d.c_row + 1; k++) c[k] = START;
                kd_kernels()->dots(&d);
                for (size_t k = 0; k < rows * d.c_row; k++) {
                    size_t r = k / d.c_row, col = k % d.c_row;
                    if (col >= d.cols) {
                        assert_true(c[k] == (float)START);
                        continue;
                    }
                    double want = d.bias ? (double)bias[col] : 0;
                    for (size_t e = 0; e < d.depth; e++)
                        want += (double)a[r * d.a_row + e] * (double)b[col * d.b_row + e];
                    assert_true(fabs((double)c[k] - want) <= 1e-5 * sqrt((double)d.depth));
                    struct kd_dots one = d;
                    one.rows = one.cols = 1;
                    one.a += r * d.a_row;
                    one.b += col * d.b_row;
                    one.bias = d.bias ? bias + col : NULL;
                    one.c = other;
                    kd_kernels()->dots(&one);
                    assert_memory_equal(other, c + k, sizeof *c);
                }
                assert_true(c[rows * d.c_row] == (float)START);
            }
}

/* Columns in two parts, and images in two: the bits that threads must not change. */
static void same_bits(void **state)
{
    (void)state;
    for (unsigned s = 0; s < SHAPES; s++)
        for (int turned = 0; turned < 2; turned++) {
            struct kd_matmul m = of_shape(s, 0, turned), part = m;
            size_t bytes = m.rows * m.c_row * sizeof(float), half = m.cols / 2 / 16 * 16,
                   top = m.rows / 2;
            kd_matmul(&m);
            memcpy(other, c, bytes);
            for (int right = 0; right < 2; right++)
                for (int low = 0; low < 2; low++) {
                    size_t row = low ? top : 0, col = right ? half : 0;
                    part.rows = low ? m.rows - top : top;
                    part.cols = right ? m.cols - half : half;
                    part.a = m.a + row * m.a_row;
                    part.b = m.b + (turned ? col * m.b_row : col);
                    part.c = m.c + row * m.c_row + col;
                    for (size_t r = 0; r < part.rows; r++)
                        memset(part.c + r * m.c_row, 0, part.cols * sizeof(float));
                    kd_matmul(&part);
                }
            assert_memory_equal(c, other, bytes);
        }
}

int main(void)
{
    static const char *const tables[] = {"plain", "avx2", "avx512", "neon"};
    const struct CMUnitTest tests[] = {cmocka_unit_test(same_sums), cmocka_unit_test(same_bits),
                                       cmocka_unit_test(dots_are_sums_of_their_own)};
    int failed = 0;
    for (unsigned i = 0; i < sizeof tables / sizeof *tables; i++) {
        struct kd_err err;
        setenv("KD_CPU", tables[i], 1);
        if (kd_kernels_init(&err) == 0)
            failed += cmocka_run_group_tests_name(tables[i], tests, fill, NULL);
    }
    return failed;
}
