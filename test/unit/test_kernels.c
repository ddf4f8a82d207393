/* Every kernel of every table that this machine can run, against the same sum in double. */
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

extern const struct kd_kernels kd_kernels_plain;
#if defined(__x86_64__)
extern const struct kd_kernels kd_kernels_avx2, kd_kernels_avx512;
#elif defined(__aarch64__)
extern const struct kd_kernels kd_kernels_neon;
#endif

static const struct kd_kernels *tables[3];
static unsigned n_tables;

static int list_tables(void **state)
{
    (void)state;
    tables[n_tables++] = &kd_kernels_plain;
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        tables[n_tables++] = &kd_kernels_avx2;
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
        tables[n_tables++] = &kd_kernels_avx512;
#elif defined(__aarch64__)
    tables[n_tables++] = &kd_kernels_neon;
#endif
    return 0;
}

#define EACH_TABLE(k) for (unsigned t_ = 0; t_ < n_tables && ((k) = tables[t_]); t_++)

static const size_t lengths[] = {0, 1, 2, 7, 15, 16, 17, 31, 33, 63, 65, 129, 1000};
enum { LENGTHS = sizeof lengths / sizeof *lengths, MOST = 1000, GUARD = 32 };

static void fill(float *x, size_t n, float scale, uint32_t which)
{
    struct kd_rng r = kd_rng_for(7, KD_FOR_TEST, 0, which);
    for (size_t i = 0; i < n; i++) x[i] = scale * kd_rng_normal(&r);
}

static void near(const char *what, size_t i, double got, double expected, double tolerance)
{
    if (!(fabs(got - expected) <= tolerance))
        fail_msg("%s[%zu]: %.9g, expected %.9g within %g", what, i, got, expected, tolerance);
}

/* ---- activations ---- */

static double gelu(double x)
{
    return 0.5 * x * erfc(-x / sqrt(2.0));
}

static double gelu_slope(double x)
{
    return 0.5 * erfc(-x / sqrt(2.0)) + x * exp(-0.5 * x * x) / sqrt(2 * 3.14159265358979323846);
}

/* Bounds are those that lib/nn/isa/activation.c quotes. */
static const double tanh_relative = 2e-7, gelu_absolute = 5e-7, gelu_slope_absolute = 4e-7;

static void tanh_is_close(void **state)
{
    (void)state;
    const struct kd_kernels *k;
    EACH_TABLE(k)
    {
        double worst = 0;
        for (int block = -20000; block < 20000; block += 16) {
            float x[16], y[16];
            for (int i = 0; i < 16; i++) x[i] = (float)(block + i) * 0.001f + 0.0003f;
            k->tanh(y, x, 16);
            for (int i = 0; i < 16; i++) {
                double expected = tanh((double)x[i]);
                double e = fabs(((double)y[i] - expected) / expected);
                if (!(e <= worst)) worst = e;
            }
        }
        if (!(worst <= tanh_relative)) fail_msg("%s: tanh is off by %g", k->name, worst);
        const float ends[] = {0.0f, -0.0f, 1e-30f, -1e-30f,  90,
                              -90,  1e30f, -1e30f, INFINITY, -INFINITY};
        float y[10];
        k->tanh(y, ends, 10);
        for (unsigned i = 0; i < 10; i++)
            near(k->name, i, (double)y[i], tanh((double)ends[i]), 1e-36);
        assert_true(signbit(y[1]));
    }
}

static void gelu_is_close(void **state)
{
    (void)state;
    const struct kd_kernels *k;
    EACH_TABLE(k)
    {
        double worst = 0, worst_slope = 0;
        for (int block = -20000; block < 20000; block += 16) {
            float x[16], y[16], d[16];
            for (int i = 0; i < 16; i++) {
                x[i] = (float)(block + i) * 0.001f;
                d[i] = 1;
            }
            k->gelu(y, x, 16);
            k->gelu_back(d, x, 16);
            for (int i = 0; i < 16; i++) {
                double v = (double)x[i], e = fabs((double)y[i] - gelu(v));
                double s = fabs((double)d[i] - gelu_slope(v));
                if (!(e <= worst)) worst = e;
                if (!(s <= worst_slope)) worst_slope = s;
            }
        }
        if (!(worst <= gelu_absolute)) fail_msg("%s: gelu is off by %g", k->name, worst);
        if (!(worst_slope <= gelu_slope_absolute))
            fail_msg("%s: gelu' is off by %g", k->name, worst_slope);
        const float ends[] = {0.0f, 1e-30f, 50, -50, 1e15f, -1e15f};
        float y[6], d[] = {1, 1, 1, 1, 1, 1};
        k->gelu(y, ends, 6);
        k->gelu_back(d, ends, 6);
        for (unsigned i = 0; i < 6; i++) {
            near(k->name, i, (double)y[i], gelu((double)ends[i]),
                 1e-6 * fabs((double)ends[i]) + 1e-36);
            near(k->name, i, (double)d[i], gelu_slope((double)ends[i]), gelu_slope_absolute);
        }
    }
}

/* Values, derivatives, all lengths, in place and not, nothing written behind the end. */
static void elementwise_lengths(void **state)
{
    (void)state;
    const struct kd_kernels *k;
    EACH_TABLE(k)
    for (unsigned l = 0; l < LENGTHS; l++) {
        size_t n = lengths[l];
        float x[MOST + GUARD], y[MOST + GUARD], d[MOST + GUARD], all[MOST + GUARD];
        fill(x, MOST + GUARD, 4, 1);
        for (unsigned f = 0; f < 6; f++) {
            float slope = f == 1 ? 0.25f : 0;
            for (size_t i = 0; i < n + GUARD; i++) y[i] = d[i] = all[i] = 0.5f;
            if (f < 2) k->relu(y, x, n, slope), k->relu_back(d, y, n, slope);
            if (f == 2) k->tanh(y, x, n), k->tanh_back(d, y, n);
            if (f == 3) k->gelu(y, x, n), k->gelu_back(d, x, n);
            if (f == 4) k->relu6(y, x, n), k->relu6_back(d, y, n);
            if (f == 5) k->hardswish(y, x, n), k->hardswish_back(d, x, n);
            for (size_t i = 0; i < n; i++) {
                double v = (double)x[i], t = tanh(v);
                double clipped = fmin(fmax(v, 0), 6), gate = fmin(fmax(v + 3, 0), 6);
                const double values[] = {
                    fmax(v, 0), v > 0 ? v : (double)slope * v, t, gelu(v), clipped, v * gate / 6};
                const double rises[] = {v > 0,          v > 0 ? 1 : (double)slope,
                                        1 - t * t,      gelu_slope(v),
                                        v > 0 && v < 6, v <= -3 ? 0 : v >= 3 ? 1 : v / 3 + 0.5};
                double value = values[f], rise = rises[f];
                near(k->name, i, (double)y[i], value, f < 2 ? 0 : 2e-6);
                near(k->name, i, (double)d[i], 0.5 * rise, f < 2 ? 0 : 2e-6);
            }
            assert_memory_equal(y + n, all + n, GUARD * sizeof *y);
            assert_memory_equal(d + n, all + n, GUARD * sizeof *d);
            memcpy(all, x, n * sizeof *x);
            if (f < 2) k->relu(all, all, n, slope);
            if (f == 2) k->tanh(all, all, n);
            if (f == 3) k->gelu(all, all, n);
            if (f == 4) k->relu6(all, all, n);
            if (f == 5) k->hardswish(all, all, n);
            assert_memory_equal(all, y, n * sizeof *y);
        }
    }
}

static void exp_is_exact(void **state)
{
    (void)state;
    const struct kd_kernels *k;
    EACH_TABLE(k)
    {
        double worst = 0;
        for (int block = 0; block < 141600; block += 17) {
            double x[17], e[17];
            for (int i = 0; i < 17; i++) x[i] = e[i] = -707.9 + (block + i) * 0.01 + 1.0 / 3;
            k->exp_double(e, 17);
            for (int i = 0; i < 17; i++) {
                long double expected = expl((long double)x[i]);
                double off = (double)fabsl(((long double)e[i] - expected) / expected);
                if (x[i] < 709 && !(off <= worst)) worst = off;
            }
        }
        if (!(worst <= 4e-16)) fail_msg("%s: exp is off by %g", k->name, worst);
        double ends[] = {0.0, -0.0, -708.5, -1e6, -1e300, -INFINITY, 1e-300, 709};
        k->exp_double(ends, 8);
        assert_true(ends[0] == 1 && ends[1] == 1 && ends[6] == 1);
        for (int i = 2; i < 6; i++) assert_true(ends[i] == 0);
        assert_true(isfinite(ends[7]));
        double none = 3;
        k->exp_double(&none, 0);
        assert_true(none == 3);
    }
}

/* ---- dropout ---- */

static unsigned word16(const struct kd_dropout_draw *d, size_t i)
{
    uint32_t counter[4] = {(uint32_t)(i / 8), d->purpose, d->epoch, d->sample}, out[4];
    kd_philox(counter, d->key, out);
    return (out[i % 8 / 2] >> (i % 2 ? 16 : 0)) & 0xffff;
}

static void dropout_draws(void **state)
{
    (void)state;
    const struct kd_dropout_draw draw = {{0x12345678, 9}, 3 + 256 * 2, 5, 4000000000u};
    /* the last one is a word that is drawn: it is kept */
    const uint32_t thresholds[] = {0, 1, 13107, 32768, 65470, word16(&draw, 48)};
    const struct kd_kernels *k;
    float x[MOST + GUARD], y[MOST + GUARD], d[MOST + GUARD];
    uint8_t mask[MOST + GUARD];
    fill(x, MOST + GUARD, 1, 2);
    EACH_TABLE(k)
    for (unsigned t = 0; t < 6; t++)
        for (unsigned l = 0; l < LENGTHS; l++) {
            size_t n = lengths[l], first = 48;
            memset(mask, 9, sizeof mask);
            for (size_t i = 0; i < n + GUARD; i++) y[i] = d[i] = 2;
            k->dropout(y, x, mask, first, n, &draw, thresholds[t], 1.25f);
            k->dropout_back(d, mask, n, 1.25f);
            for (size_t i = 0; i < n; i++) {
                unsigned keep = word16(&draw, first + i) >= thresholds[t];
                assert_int_equal(mask[i], keep);
                assert_true(y[i] == (keep ? x[i] * 1.25f : 0));
                assert_true(d[i] == (keep ? 2.5f : 0));
            }
            for (size_t i = n; i < n + GUARD; i++)
                assert_true(mask[i] == 9 && y[i] == 2 && d[i] == 2);
        }
}

static void dropout_cut_anywhere(void **state)
{
    (void)state;
    const struct kd_dropout_draw draw = {{1, 2}, 3, 4, 5};
    const struct kd_kernels *k;
    float x[MOST], whole[MOST], cut[MOST];
    uint8_t mask[MOST], cut_mask[MOST];
    fill(x, MOST, 1, 3);
    EACH_TABLE(k)
    for (size_t at = 0; at < MOST; at += 16) {
        k->dropout(whole, x, mask, 0, MOST, &draw, 20000, 1.5f);
        k->dropout(cut, x, cut_mask, 0, at, &draw, 20000, 1.5f);
        k->dropout(cut + at, x + at, cut_mask + at, at, MOST - at, &draw, 20000, 1.5f);
        assert_memory_equal(whole, cut, sizeof whole);
        assert_memory_equal(mask, cut_mask, sizeof mask);
    }
}

/* Five standard deviations of a binomial count; and samples, epochs and layers draw anew. */
static void dropout_rate(void **state)
{
    (void)state;
    enum { ROWS = 500 };
    float x[MOST], y[MOST];
    uint8_t mask[MOST], before[MOST] = {0};
    for (size_t i = 0; i < MOST; i++) x[i] = 1;
    const double rates[] = {0.1, 0.5, 0.8};
    for (unsigned r = 0; r < 3; r++) {
        double kept = 0, all = (double)MOST * ROWS;
        for (uint32_t row = 0; row < ROWS; row++) {
            struct kd_dropout_draw draw = {{1, 0}, 3 + 256 * (row % 3), row % 7, row / 21};
            kd_kernels()->dropout(y, x, mask, 0, MOST, &draw, (uint32_t)(rates[r] * 65536 + 0.5),
                                  2);
            for (size_t i = 0; i < MOST; i++) kept += mask[i];
            assert_memory_not_equal(mask, before, MOST);
            memcpy(before, mask, MOST);
        }
        near("share kept", r, kept / all, 1 - rates[r], 5 * sqrt(rates[r] * (1 - rates[r]) / all));
    }
}

/* ---- rows and batch norm ---- */

enum { ROWS = 9, STRIDE = 150 };
static const size_t widths[] = {1, 16, 17, 63, 64, 65, 129, 150};

static void rows(void **state)
{
    (void)state;
    const struct kd_kernels *k;
    float y[ROWS * STRIDE], row[STRIDE], sum[STRIDE];
    EACH_TABLE(k)
    for (unsigned w = 0; w < 8; w++) {
        size_t cols = widths[w];
        fill(row, STRIDE, 1, 4);
        for (size_t i = 0; i < ROWS * STRIDE; i++) y[i] = 7;
        k->fill_rows(y, STRIDE, ROWS, cols, row);
        for (size_t i = 0; i < ROWS * STRIDE; i++)
            assert_true(y[i] == (i % STRIDE < cols ? row[i % STRIDE] : 7));
        fill(y, ROWS * STRIDE, 1, 5);
        k->sum_rows(sum, y, STRIDE, ROWS, cols);
        for (size_t c = 0; c < cols; c++) {
            double expected = 0;
            for (size_t r = 0; r < ROWS; r++) expected += (double)y[r * STRIDE + c];
            near("sum", c, (double)sum[c], expected, 2e-6);
        }
    }
}

static void norm_forward(void **state)
{
    (void)state;
    const struct kd_kernels *k;
    float x[ROWS * STRIDE], y[ROWS * STRIDE], m[STRIDE], v[STRIDE], g[STRIDE], b[STRIDE];
    fill(x, ROWS * STRIDE, 1, 6);
    for (size_t i = 0; i < ROWS * STRIDE; i++)
        x[i] += 1000; /* a mean that naive sums of squares lose */
    fill(g, STRIDE, 1, 7);
    fill(b, STRIDE, 1, 8);
    EACH_TABLE(k)
    for (unsigned w = 0; w < 8; w++) {
        size_t cols = widths[w];
        k->norm_stats(x, STRIDE, ROWS, cols, m, v);
        for (size_t c = 0; c < cols; c++) {
            double mean = 0, var = 0;
            for (size_t r = 0; r < ROWS; r++) mean += (double)x[r * STRIDE + c] / ROWS;
            for (size_t r = 0; r < ROWS; r++)
                var += pow((double)x[r * STRIDE + c] - mean, 2) / ROWS;
            near("mean", c, (double)m[c], mean, 1e-4);
            near("var", c, (double)v[c], var, 1e-6 * var);
            v[c] = (float)(1 / sqrt(var + 1e-5));
        }
        for (size_t i = 0; i < ROWS * STRIDE; i++) y[i] = 7;
        k->norm_apply(y, x, STRIDE, ROWS, cols, m, v, g, b);
        for (size_t i = 0; i < ROWS * STRIDE; i++) {
            size_t c = i % STRIDE;
            double expected = 7;
            if (c < cols)
                expected =
                    ((double)x[i] - (double)m[c]) * (double)v[c] * (double)g[c] + (double)b[c];
            near("y", i, (double)y[i], expected, 2e-6 * (1 + fabs(expected)));
        }
    }
}

static void norm_backward(void **state)
{
    (void)state;
    const struct kd_kernels *k;
    float x[ROWS * STRIDE], dy[ROWS * STRIDE], dx[ROWS * STRIDE];
    float m[STRIDE], s[STRIDE], g[STRIDE], dg[STRIDE], db[STRIDE];
    fill(x, ROWS * STRIDE, 1, 9);
    fill(dy, ROWS * STRIDE, 1, 10);
    fill(m, STRIDE, 1, 11);
    fill(g, STRIDE, 1, 12);
    for (size_t c = 0; c < STRIDE; c++) s[c] = 0.5f + (float)c / STRIDE;
    EACH_TABLE(k)
    for (unsigned w = 0; w < 16; w++) {
        size_t cols = widths[w / 2];
        int batch = w % 2;
        k->norm_back(dx, dy, x, STRIDE, ROWS, cols, m, s, g, dg, db, batch);
        for (size_t c = 0; c < cols; c++) {
            double sum = 0, dot = 0;
            for (size_t r = 0; r < ROWS; r++) {
                double xhat = ((double)x[r * STRIDE + c] - (double)m[c]) * (double)s[c];
                sum += (double)dy[r * STRIDE + c];
                dot += (double)dy[r * STRIDE + c] * xhat;
            }
            near("db", c, (double)db[c], sum, 1e-5);
            near("dg", c, (double)dg[c], dot, 1e-5);
            for (size_t r = 0; r < ROWS; r++) {
                double xhat = ((double)x[r * STRIDE + c] - (double)m[c]) * (double)s[c];
                double d = (double)dy[r * STRIDE + c] - (batch ? (sum + xhat * dot) / ROWS : 0);
                near("dx", r * STRIDE + c, (double)dx[r * STRIDE + c], d * (double)(g[c] * s[c]),
                     1e-5);
            }
        }
        float dg2[STRIDE], db2[STRIDE];
        k->norm_back(NULL, dy, x, STRIDE, ROWS, cols, m, s, g, dg2, db2, batch);
        assert_memory_equal(dg, dg2, cols * sizeof *dg);
        assert_memory_equal(db, db2, cols * sizeof *db);
    }
}

/* ---- steps ---- */

static void sgd_steps(void **state)
{
    (void)state;
    const struct kd_kernels *k;
    EACH_TABLE(k)
    for (unsigned l = 0; l < 2 * LENGTHS; l++) {
        size_t n = lengths[l / 2];
        struct kd_sgd_step s = {0.1f, 0.9f, 0.01f, (int)(l % 2)};
        float w[MOST + 1], v[MOST + 1], g[MOST + 1], w0[MOST + 1], v0[MOST + 1];
        fill(w, MOST + 1, 1, 13);
        fill(v, MOST + 1, 1, 14);
        fill(g, MOST + 1, 1, 15);
        memcpy(w0, w, sizeof w);
        memcpy(v0, v, sizeof v);
        k->sgd(w, v, g, n, &s);
        for (size_t i = 0; i < n; i++) {
            double d = (double)g[i] + (double)s.decay * (double)w0[i];
            double m = (double)s.momentum * (double)v0[i] + d;
            double step = s.nesterov ? d + (double)s.momentum * m : m;
            near("v", i, (double)v[i], m, 1e-6);
            near("w", i, (double)w[i], (double)w0[i] - (double)s.rate * step, 1e-6);
        }
        assert_true(w[n] == w0[n] && v[n] == v0[n]);
    }
}

static void adam_steps(void **state)
{
    (void)state;
    const struct kd_kernels *k;
    EACH_TABLE(k)
    for (unsigned l = 0; l < 2 * LENGTHS; l++) {
        size_t n = lengths[l / 2];
        struct kd_adam_step s = {.rate = 0.01f,
                                 .beta1 = 0.9f,
                                 .beta2 = 0.999f,
                                 .rest1 = 0.1f,
                                 .rest2 = 0.001f,
                                 .epsilon = 1e-8f,
                                 .unbias2 = 3,
                                 .decay = l % 2 ? 0.1f : 0,
                                 .shrink = l % 2 ? 1 : 0.99f};
        float w[MOST + 1], m[MOST + 1], v[MOST + 1], g[MOST + 1], w0[MOST + 1], m0[MOST + 1];
        float v0[MOST + 1];
        fill(w, MOST + 1, 1, 16);
        fill(m, MOST + 1, 1, 17);
        fill(v, MOST + 1, 1, 18);
        fill(g, MOST + 1, 1, 19);
        for (size_t i = 0; i <= MOST; i++) v[i] = fabsf(v[i]) + 0.01f;
        memcpy(w0, w, sizeof w);
        memcpy(m0, m, sizeof m);
        memcpy(v0, v, sizeof v);
        k->adam(w, m, v, g, n, &s);
        for (size_t i = 0; i < n; i++) {
            double d = (double)g[i] + (double)s.decay * (double)w0[i];
            double a = (double)s.beta1 * (double)m0[i] + (double)s.rest1 * d;
            double b = (double)s.beta2 * (double)v0[i] + (double)s.rest2 * d * d;
            near("m", i, (double)m[i], a, 1e-6);
            near("v", i, (double)v[i], b, 1e-6 * (1 + b));
            near("w", i, (double)w[i],
                 (double)s.shrink * (double)w0[i] -
                     (double)s.rate * a / (sqrt(b) * (double)s.unbias2 + (double)s.epsilon),
                 1e-6);
        }
        assert_true(w[n] == w0[n] && m[n] == m0[n] && v[n] == v0[n]);
    }
}

static void sums_and_scale(void **state)
{
    (void)state;
    const struct kd_kernels *k;
    EACH_TABLE(k)
    for (unsigned l = 0; l < LENGTHS; l++) {
        size_t n = lengths[l];
        float x[MOST + 1], y[MOST + 1];
        double expected = 0;
        fill(x, MOST + 1, 1, 20);
        for (size_t i = 0; i < n; i++) expected += (double)x[i] * (double)x[i];
        near(k->name, n, k->sum_squares(x, n), expected, 1e-13 * (1 + expected));
        assert_true(k->sum_squares(x, n) == tables[0]->sum_squares(x, n));
        memcpy(y, x, sizeof y);
        k->scale(y, n, 0.3f);
        for (size_t i = 0; i < n; i++) assert_true(y[i] == x[i] * 0.3f);
        assert_true(y[n] == x[n]);
    }
}

/* ---- any number of columns: what lies beyond them stays as it was ---- */

enum { IMAGES = 15, DEPTH = 7, COLS = 45, AROUND = 64 };

static void product_of_any_width(void **state)
{
    (void)state;
    const struct kd_kernels *k;
    float a[IMAGES * DEPTH], b[DEPTH * AROUND], bias[COLS], c[IMAGES * COLS + 16];
    fill(a, IMAGES * DEPTH, 1, 30);
    fill(bias, COLS, 1, 31);
    EACH_TABLE(k)
    for (size_t cols = 1; cols <= COLS; cols++) {
        size_t first = cols < KD_PANEL ? cols : KD_PANEL, rest = cols - first;
        size_t width[2] = {(first + k->vector - 1) / k->vector * k->vector,
                           (rest + k->vector - 1) / k->vector * k->vector};
        fill(b, DEPTH * AROUND, 1, 32);
        for (size_t i = 0; i < IMAGES * COLS + 16; i++) c[i] = -1;
        const struct kd_product p = {.rows = IMAGES,
                                     .cols = cols,
                                     .runs = 1,
                                     .depth = DEPTH,
                                     .a = a,
                                     .a_row = DEPTH,
                                     .b = b,
                                     .bias = bias,
                                     .c = c,
                                     .c_row = cols};
        k->product(&p);
        for (size_t i = 0; i < IMAGES * cols; i++) {
            size_t o = i % cols, panel = o / KD_PANEL;
            double sum = (double)bias[o];
            for (size_t d = 0; d < DEPTH; d++)
                sum += (double)a[i / cols * DEPTH + d] *
                       (double)b[panel * DEPTH * KD_PANEL + d * width[panel] + o % KD_PANEL];
            near(k->name, i, (double)c[i], sum, 1e-5);
        }
        for (size_t i = IMAGES * cols; i < IMAGES * COLS + 16; i++) assert_true(c[i] == -1);
    }
}

static void outer_of_any_width(void **state)
{
    (void)state;
    const struct kd_kernels *k;
    float x[IMAGES * DEPTH], d[IMAGES * COLS + 16], w[DEPTH * AROUND];
    fill(x, IMAGES * DEPTH, 1, 33);
    fill(d, IMAGES * COLS + 16, 1, 34);
    EACH_TABLE(k)
    for (size_t cols = 1; cols <= KD_PANEL; cols++) {
        size_t width = (cols + k->vector - 1) / k->vector * k->vector;
        memset(w, 0, sizeof w);
        const struct kd_outer p = {.lines = 1,
                                   .pixels = IMAGES,
                                   .cols = cols,
                                   .runs = 1,
                                   .depth = DEPTH,
                                   .x = x,
                                   .x_pixel = DEPTH,
                                   .d = d,
                                   .d_pixel = cols,
                                   .w = w};
        k->outer(&p);
        for (size_t i = 0; i < DEPTH * cols; i++) {
            double sum = 0;
            for (size_t r = 0; r < IMAGES; r++)
                sum += (double)x[r * DEPTH + i / cols] * (double)d[r * cols + i % cols];
            near(k->name, i, (double)w[i / cols * width + i % cols], sum, 1e-5);
        }
        for (size_t i = DEPTH * width; i < DEPTH * AROUND; i++) assert_true(w[i] == 0);
    }
}

/* Two rows of maps, pooled, and back again. */
static void pool_of_any_width(void **state)
{
    (void)state;
    enum { PIXELS = 3 };
    const struct kd_kernels *k;
    float in[4 * PIXELS * COLS], y[PIXELS * COLS + 16], back[4 * PIXELS * COLS + 16];
    uint8_t winner[PIXELS * COLS + 16];
    fill(in, 4 * PIXELS * COLS, 1, 35);
    EACH_TABLE(k)
    for (size_t cols = 1; cols <= COLS; cols++) {
        size_t line = 2 * PIXELS * cols, n = PIXELS * cols;
        memset(winner, 9, sizeof winner);
        for (size_t i = 0; i < PIXELS * COLS + 16; i++) y[i] = -99;
        for (size_t i = 0; i < 4 * PIXELS * COLS + 16; i++) back[i] = -99;
        k->pool2(y, winner, cols, in, in + line, PIXELS, cols);
        k->unpool2(back, back + line, y, winner, PIXELS, cols);
        for (size_t i = 0; i < n; i++) {
            size_t first = i / cols * 2 * cols + i % cols;
            size_t at[4] = {first, first + cols, first + line, first + line + cols}, best = 0;
            for (size_t j = 1; j < 4; j++)
                if (in[at[j]] > in[at[best]]) best = j;
            assert_true(y[i] == in[at[best]] && winner[i] == best);
            for (size_t j = 0; j < 4; j++) assert_true(back[at[j]] == (j == best ? y[i] : 0));
        }
        for (size_t i = n; i < n + 16; i++) assert_true(y[i] == -99 && winner[i] == 9);
        for (size_t i = 2 * line; i < 2 * line + 16; i++) assert_true(back[i] == -99);
    }
}

/* ---- choosing ---- */

static void forced_by_environment(void **state)
{
    (void)state;
    struct kd_err err;
    for (unsigned i = 0; i < n_tables; i++) {
        setenv("KD_CPU", tables[i]->name, 1);
        assert_int_equal(kd_kernels_init(&err), 0);
        assert_ptr_equal(kd_kernels(), tables[i]);
        assert_string_equal(kd_kernels_name(), tables[i]->name);
    }
    setenv("KD_CPU", "avx1024", 1);
    assert_int_equal(kd_kernels_init(&err), -1);
    assert_int_equal(err.kind, KD_ERR_USAGE);
    assert_non_null(strstr(err.text, "KD_CPU=avx1024: expected plain, avx2, avx512 or neon"));
    unsetenv("KD_CPU");
    assert_int_equal(kd_kernels_init(&err), 0);
    assert_ptr_equal(kd_kernels(), tables[n_tables - 1]); /* the best one */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tanh_is_close),
        cmocka_unit_test(gelu_is_close),
        cmocka_unit_test(elementwise_lengths),
        cmocka_unit_test(exp_is_exact),
        cmocka_unit_test(dropout_draws),
        cmocka_unit_test(dropout_cut_anywhere),
        cmocka_unit_test(dropout_rate),
        cmocka_unit_test(rows),
        cmocka_unit_test(norm_forward),
        cmocka_unit_test(norm_backward),
        cmocka_unit_test(sgd_steps),
        cmocka_unit_test(adam_steps),
        cmocka_unit_test(sums_and_scale),
        cmocka_unit_test(forced_by_environment),
        cmocka_unit_test(product_of_any_width),
        cmocka_unit_test(outer_of_any_width),
        cmocka_unit_test(pool_of_any_width),
    };
    return cmocka_run_group_tests_name("kernels", tests, list_tables, NULL);
}
