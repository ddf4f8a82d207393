/* Every algorithm of convolution against the definition in double precision, under every table of
 * kernels that this processor can run; and which shapes go to which algorithm. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../lib/nn/conv.h"
#include "kd/nn/gemm.h"
#include "kd/nn/kernels.h"
#include "nets.h"
#include "tables.h"

enum { BATCH = 5 };

struct fixture {
    struct kd_conv_shape s;
    float *x, *y, *dx, *dy, *weight, *dweight, *bias, *scratch;
    double *y0, *dx0, *dw0; /* the definition's */
    uint8_t *winner;
    struct kd_pass pass;
    struct kd_layer_call of_layer;
    uint8_t finished[BATCH]; /* how often each image's tile was told */
    size_t pixels;           /* of the tiles to be told */
    struct kd_conv call;
};

static void told(void *ctx, struct kd_tile t)
{
    struct fixture *f = ctx;
    assert_int_equal(t.row0 % f->pixels, 0);
    assert_int_equal(t.rows % f->pixels, 0);
    for (size_t i = t.row0 / f->pixels; i < (t.row0 + t.rows) / f->pixels; i++) f->finished[i]++;
}

static float *floats(size_t n, unsigned stream)
{
    float *p = NULL;
    struct kd_err err;
    p = kd_alloc(n, sizeof *p, "test", &err);
    if (!p) {
        fail_msg("%s", err.text);
        abort(); /* never: the analyzer does not know */
    }
    if (stream) random_fill(p, n, 1, stream);
    return p;
}

/* Calls with the places of x, y and weight for every product of the definition. */
#define EACH_PRODUCT(s, xi, yi, wi, BODY)                                                          \
    for (size_t n_ = 0; n_ < BATCH; n_++)                                                          \
        for (size_t p_ = 0; p_ < (s)->oh * (s)->ow; p_++)                                          \
            for (size_t t_ = 0; t_ < (s)->kernel * (s)->width; t_++) {                             \
                size_t y_ = p_ / (s)->ow * (s)->stride + t_ / (s)->width - (s)->padding;           \
                size_t x_ = p_ % (s)->ow * (s)->stride + t_ % (s)->width - (s)->side;              \
                if (y_ >= (s)->h || x_ >= (s)->w) continue;                                        \
                size_t ig_ = (s)->in / (s)->groups, og_ = (s)->out / (s)->groups;                  \
                for (size_t o_ = 0; o_ < (s)->out; o_++)                                           \
                    for (size_t i_ = 0; i_ < ig_; i_++) {                                          \
                        size_t xi =                                                                \
                            ((n_ * (s)->h + y_) * (s)->w + x_) * (s)->in + o_ / og_ * ig_ + i_;    \
                        size_t yi = (n_ * (s)->oh * (s)->ow + p_) * (s)->out + o_;                 \
                        size_t wi = (o_ * ig_ + i_) * (s)->kernel * (s)->width + t_;               \
                        BODY;                                                                      \
                    }                                                                              \
            }

/* grid > 0: values are whole multiples of it, so that sums are exact and equals are equal. */
static void open_shape(struct fixture *f, struct kd_conv_shape s, float grid)
{
    size_t x = BATCH * s.h * s.w * s.in, y = BATCH * s.oh * s.ow * s.out,
           w = s.out * s.in / s.groups * s.kernel * s.width;
    *f = (struct fixture){.s = s,
                          .x = floats(x, 1),
                          .y = floats(y + 16, 0),
                          .dx = floats(x + 16, 0),
                          .dy = floats(y, 2),
                          .weight = floats(w, 3),
                          .dweight = floats(w, 0),
                          .bias = floats(s.out, 4),
                          .y0 = calloc(y, sizeof(double)),
                          .dx0 = calloc(x, sizeof(double)),
                          .dw0 = calloc(w, sizeof(double)),
                          .winner = calloc(y, 1),
                          .pass = {.training = true, .rows = BATCH}};
    f->of_layer = (struct kd_layer_call){NULL, &f->pass, NULL, told, f};
    for (size_t i = x; i < x + 16; i++) f->dx[i] = NAN; /* beyond its end */
    for (size_t i = y; i < y + 16; i++) f->y[i] = NAN;
    for (size_t i = 0; grid > 0 && i < x; i++) f->x[i] = grid * rintf(f->x[i] / grid);
    for (size_t i = 0; grid > 0 && i < w; i++) f->weight[i] = grid * rintf(f->weight[i] / grid);
    for (size_t i = 0; grid > 0 && i < s.out; i++) f->bias[i] = grid * rintf(f->bias[i] / grid);
    for (size_t i = 0; i < y; i++) f->y0[i] = (double)f->bias[i % s.out];
    EACH_PRODUCT(&s, a, b, c, f->y0[b] += (double)f->x[a] * (double)f->weight[c])
    EACH_PRODUCT(&s, a, b, c, f->dx0[a] += (double)f->dy[b] * (double)f->weight[c])
    EACH_PRODUCT(&s, a, b, c, f->dw0[c] += (double)f->dy[b] * (double)f->x[a])
    f->call = (struct kd_conv){.s = s,
                               .images = BATCH,
                               .x = f->x,
                               .y = f->y,
                               .dx = f->dx,
                               .dy = f->dy,
                               .weight = f->weight,
                               .bias = f->bias,
                               .dweight = f->dweight,
                               .winner = f->winner,
                               .call = &f->of_layer};
}

static void close_shape(struct fixture *f)
{
    float *lists[] = {f->x, f->y, f->dx, f->dy, f->weight, f->dweight, f->bias};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) kd_free(lists[i]);
    free(f->y0);
    free(f->dx0);
    free(f->dw0);
    free(f->winner);
}

/* The largest error, against the largest value. */
static double error_of(const float *got, const double *expected, size_t n)
{
    double most = 0, worst = 0;
    for (size_t i = 0; i < n; i++) {
        most = fmax(most, fabs(expected[i]));
        double e = fabs((double)got[i] - expected[i]);
        if (!(e <= worst)) worst = e; /* NAN too */
    }
    return worst / most;
}

static void check_told(struct fixture *f)
{
    for (size_t i = 0; i < BATCH; i++) assert_int_equal(f->finished[i], 1);
    memset(f->finished, 0, sizeof f->finished);
}

struct algorithm {
    const char *name;
    size_t (*scratch)(const struct kd_conv_shape *s, size_t batch, bool training);
    void (*forward)(const struct kd_conv *c);
    void (*input)(const struct kd_conv *c);
    void (*weight)(const struct kd_conv *c);
    bool winograd;
};
static const struct algorithm gemm = {"gemm",
                                      kd_conv_gemm_scratch,
                                      kd_conv_gemm_forward,
                                      kd_conv_gemm_input,
                                      kd_conv_gemm_weight,
                                      false},
                              winograd = {"winograd",
                                          kd_conv_winograd_scratch,
                                          kd_conv_winograd_forward,
                                          kd_conv_winograd_input,
                                          kd_conv_winograd_weight,
                                          true},
                              depthwise = {"depthwise",
                                           kd_conv_depthwise_scratch,
                                           kd_conv_depthwise_forward,
                                           kd_conv_depthwise_input,
                                           kd_conv_depthwise_weight,
                                           false},
                              direct = {"direct",
                                        kd_conv_direct_scratch,
                                        kd_conv_direct_forward,
                                        kd_conv_direct_back,
                                        kd_conv_direct_weight,
                                        false},
                              tiny = {"tiny",
                                      kd_conv_tiny_scratch,
                                      kd_conv_tiny_forward,
                                      kd_conv_tiny_input,
                                      kd_conv_tiny_weight,
                                      false};

/* Single precision over sums of some thousand products. Winograd's F(4x4, 3x3) loses another digit:
 * its transforms scale by up to 8 and back (Lavin and Gray 2016, section 7). The bounds are twice
 * what was measured. */
static double bound(const struct algorithm *a)
{
    return a->winograd ? 2.4e-5 : 1.5e-6;
}

static void check_error(const struct fixture *f, const struct algorithm *a, const char *what,
                        const float *got, const double *expected, size_t n)
{
    double e = error_of(got, expected, n);
    if (getenv("KD_TEST_ERRORS"))
        printf("# %s %s %s %zu->%zu @%zux%zu: %.2g\n", kd_kernels_name(), a->name, what, f->s.in,
               f->s.out, f->s.h, f->s.w, e);
    if (!(e <= bound(a)))
        fail_msg("%s %s %s, %zu to %zu channels, %zux%zu, kernel %zu, padding %zu: error %g",
                 kd_kernels_name(), a->name, what, f->s.in, f->s.out, f->s.h, f->s.w, f->s.kernel,
                 f->s.padding, e);
}

static void check_algorithm(struct fixture *f, const struct algorithm *a, bool with_input)
{
    const struct kd_conv_shape *s = &f->s;
    size_t room = a->scratch(s, BATCH, true), x = BATCH * s->h * s->w * s->in,
           y = BATCH * s->oh * s->ow * s->out;
    f->scratch = floats(room + 16, 0);
    for (size_t i = 0; i < room + 16; i++)
        f->scratch[i] = NAN; /* what is not written may not be read */
    f->call.scratch = f->scratch;
    f->call.dx = with_input ? f->dx : NULL;
    f->pixels = s->oh * s->ow;
    a->forward(&f->call);
    check_told(f);
    check_error(f, a, "forward", f->y, f->y0, y);
    for (size_t i = y; i < y + 16; i++) assert_true(isnan(f->y[i]));
    f->pixels = s->h * s->w;
    if (with_input || a == &direct) a->input(&f->call);
    if (with_input) {
        check_told(f);
        check_error(f, a, "input", f->dx, f->dx0, x);
        for (size_t i = x; i < x + 16; i++) assert_true(isnan(f->dx[i]));
    }
    a->weight(&f->call);
    check_error(f, a, "weight", f->dweight, f->dw0,
                s->out * s->in / s->groups * s->kernel * s->width);
    for (size_t i = room; i < room + 16; i++)
        assert_true(isnan(f->scratch[i])); /* nor beyond its end */
    kd_free(f->scratch);
}

static struct kd_conv_shape shape(size_t in, size_t out, size_t kernel, size_t padding, size_t h,
                                  size_t w)
{
    return (struct kd_conv_shape){.in = in,
                                  .out = out,
                                  .groups = 1,
                                  .kernel = kernel,
                                  .width = kernel,
                                  .stride = 1,
                                  .padding = padding,
                                  .side = padding,
                                  .h = h,
                                  .w = w,
                                  .oh = h + 2 * padding - kernel + 1,
                                  .ow = w + 2 * padding - kernel + 1};
}

/* As many groups as channels. */
static struct kd_conv_shape depth_shape(size_t channels, size_t kernel, size_t stride,
                                        size_t padding, size_t h, size_t w)
{
    struct kd_conv_shape s = shape(channels, channels, kernel, padding, h, w);
    s.groups = channels;
    s.stride = stride;
    s.oh = (s.oh - 1) / stride + 1;
    s.ow = (s.ow - 1) / stride + 1;
    return s;
}

static void each_algorithm(void **state)
{
    (void)state;
    struct fixture f;
    const struct kd_conv_shape any[] = {
        shape(1, 32, 3, 0, 11, 9),  shape(3, 32, 3, 1, 8, 30),  shape(2, 16, 5, 2, 7, 7),
        shape(16, 48, 3, 1, 6, 5),  shape(48, 80, 2, 0, 5, 27), shape(32, 16, 4, 3, 4, 4),
        shape(64, 32, 3, 2, 13, 7), shape(1, 16, 3, 1, 4, 4),   shape(3, 6, 5, 0, 12, 9),
        shape(1, 4, 7, 3, 7, 8),    shape(5, 1, 1, 0, 6, 4),    shape(6, 19, 5, 2, 8, 9),
        shape(20, 43, 2, 0, 6, 5),  shape(40, 9, 3, 1, 5, 15),  shape(7, 72, 3, 0, 5, 5),
    };
    for (size_t i = 0; i < sizeof any / sizeof *any; i++) {
        open_shape(&f, any[i], 0);
        check_algorithm(&f, &gemm, true);
        check_algorithm(&f, &direct, true);
        if (any[i].kernel == 3 && any[i].in % 16 == 0) check_algorithm(&f, &winograd, true);
        close_shape(&f);
    }
    const struct kd_conv_shape small[] = {shape(32, 48, 3, 1, 2, 2), shape(16, 16, 3, 1, 1, 3),
                                          shape(48, 80, 2, 1, 2, 1), shape(16, 32, 3, 1, 3, 3),
                                          shape(32, 32, 3, 0, 3, 3), shape(32, 16, 5, 2, 2, 2)};
    for (size_t i = 0; i < sizeof small / sizeof *small; i++) {
        open_shape(&f, small[i], 0);
        check_algorithm(&f, &tiny, true);
        check_algorithm(&f, &gemm, true);
        close_shape(&f);
    }
    const struct kd_conv_shape each_channel[] = {
        depth_shape(12, 3, 2, 1, 9, 7), depth_shape(40, 3, 1, 1, 4, 13),
        depth_shape(16, 5, 2, 2, 8, 9), depth_shape(9, 7, 1, 3, 4, 3),
        depth_shape(8, 2, 3, 1, 7, 8),  depth_shape(33, 3, 1, 2, 1, 2),
        depth_shape(8, 1, 2, 0, 5, 4),  depth_shape(24, 3, 1, 0, 3, 20),
    };
    for (size_t i = 0; i < sizeof each_channel / sizeof *each_channel; i++) {
        open_shape(&f, each_channel[i], 0);
        check_algorithm(&f, &depthwise, true);
        close_shape(&f);
    }
    struct kd_conv_shape tall = {.in = 3,
                                 .out = 8,
                                 .groups = 1,
                                 .kernel = 5,
                                 .width = 2,
                                 .stride = 2,
                                 .padding = 2,
                                 .side = 0,
                                 .h = 9,
                                 .w = 7,
                                 .oh = 5,
                                 .ow = 3};
    struct kd_conv_shape flat = {.in = 4,
                                 .out = 6,
                                 .groups = 2,
                                 .kernel = 1,
                                 .width = 4,
                                 .stride = 1,
                                 .padding = 0,
                                 .side = 3,
                                 .h = 3,
                                 .w = 5,
                                 .oh = 3,
                                 .ow = 8};
    open_shape(&f, tall, 0);
    check_algorithm(&f, &gemm, true);
    close_shape(&f);
    open_shape(&f, flat, 0);
    check_algorithm(&f, &gemm, true);
    close_shape(&f);
}

/* Channels up to those of the networks people build, tiles that do and do not fill the maps. */
static void winograd_error(void **state)
{
    (void)state;
    struct fixture f;
    const struct kd_conv_shape shapes[] = {shape(64, 64, 3, 1, 16, 16), shape(80, 32, 3, 1, 9, 18),
                                           shape(128, 144, 3, 0, 6, 6), shape(256, 256, 3, 1, 4, 4),
                                           shape(512, 208, 3, 1, 4, 4)};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        open_shape(&f, shapes[i], 0);
        check_algorithm(&f, &winograd, true);
        close_shape(&f);
    }
}

static float *filled(size_t n, unsigned stream)
{
    float *p = floats(n, stream);
    for (size_t i = 0; !stream && i < n; i++) p[i] = NAN;
    return p;
}

static double distance(const float *a, const float *b, size_t n)
{
    double *exact = calloc(n, sizeof *exact);
    for (size_t i = 0; i < n; i++) exact[i] = (double)b[i];
    double e = error_of(a, exact, n);
    free(exact);
    return e;
}

/* More tiles than a block holds and more filters than a group: against the general algorithm, which
 * is fast. */
static void blocks_and_groups(void **state)
{
    (void)state;
    struct kd_conv_shape s = shape(288, 256, 3, 1, 4, 128);
    size_t x = BATCH * s.h * s.w * s.in, y = BATCH * s.oh * s.ow * s.out, w = s.in * s.out * 9;
    const struct algorithm *list[] = {&gemm, &winograd};
    float *out[2], *dx[2], *dw[2], *xs = filled(x, 1), *dy = filled(y, 2), *weight = filled(w, 3);
    struct fixture f = {.s = s, .pass = {.training = true, .rows = BATCH}, .pixels = s.h * s.w};
    f.of_layer = (struct kd_layer_call){NULL, &f.pass, NULL, told, &f};
    for (int i = 0; i < 2; i++) {
        float *scratch = filled(list[i]->scratch(&s, BATCH, true), 0);
        out[i] = filled(y, 0);
        dx[i] = filled(x, 0);
        dw[i] = filled(w, 0);
        struct kd_conv c = {.s = s,
                            .images = BATCH,
                            .x = xs,
                            .y = out[i],
                            .dx = dx[i],
                            .dy = dy,
                            .weight = weight,
                            .dweight = dw[i],
                            .scratch = scratch,
                            .call = &f.of_layer};
        list[i]->forward(&c);
        check_told(&f);
        list[i]->input(&c);
        check_told(&f);
        list[i]->weight(&c);
        kd_free(scratch);
    }
    assert_true(distance(out[1], out[0], y) <= bound(&winograd));
    assert_true(distance(dx[1], dx[0], x) <= bound(&winograd));
    assert_true(distance(dw[1], dw[0], w) <= bound(&winograd));
    for (int i = 0; i < 2; i++) {
        kd_free(out[i]);
        kd_free(dx[i]);
        kd_free(dw[i]);
    }
    kd_free(xs);
    kd_free(dy);
    kd_free(weight);
}

/* With pooling: as the convolution, then the largest of each 2x2, the last odd row and column left
 * out. */
static void pooled(void **state)
{
    (void)state;
    struct fixture f;
    const struct kd_conv_shape shapes[] = {shape(1, 32, 3, 0, 28, 28), shape(32, 48, 3, 1, 7, 10),
                                           shape(16, 16, 2, 0, 6, 6),  shape(1, 6, 5, 2, 12, 12),
                                           shape(3, 21, 3, 0, 9, 7),   shape(4, 3, 1, 0, 6, 5)};
    for (size_t n = 0; n < sizeof shapes / sizeof *shapes; n++) {
        struct kd_conv_shape s = shapes[n];
        size_t ph = s.oh / 2, pw = s.ow / 2;
        open_shape(&f, s, 0.125f);
        f.call.s.pool = f.s.pool = true;
        double *y0 = calloc(BATCH * ph * pw * s.out, sizeof *y0);
        memset(f.dx0, 0, BATCH * s.h * s.w * s.in * sizeof(double));
        memset(f.dw0, 0, s.out * s.in * s.kernel * s.width * sizeof(double));
        double *d = calloc(BATCH * s.oh * s.ow * s.out, sizeof *d);
        for (size_t i = 0; i < BATCH * ph * pw * s.out; i++) {
            size_t o = i % s.out, p = i / s.out % (ph * pw), image = i / s.out / ph / pw, best = 0;
            for (size_t t = 0; t < 4; t++) {
                size_t at =
                    ((image * s.oh + p / pw * 2 + t / 2) * s.ow + p % pw * 2 + t % 2) * s.out + o;
                if (!t || f.y0[at] > f.y0[best]) best = at;
            }
            y0[i] = f.y0[best];
            d[best] = (double)f.dy[i];
        }
        EACH_PRODUCT(&s, a, b, c, f.dx0[a] += d[b] * (double)f.weight[c])
        EACH_PRODUCT(&s, a, b, c, f.dw0[c] += d[b] * (double)f.x[a])
        f.call.scratch = f.scratch = floats(kd_conv_direct_scratch(&f.s, BATCH, true), 9);
        f.pixels = ph * pw;
        kd_conv_direct_forward(&f.call);
        check_told(&f);
        check_error(&f, &direct, "pooled forward", f.y, y0, BATCH * ph * pw * s.out);
        for (size_t i = BATCH * ph * pw * s.out; i < BATCH * s.oh * s.ow * s.out; i++)
            assert_true(f.y[i] == 0 && f.winner[i] == 0); /* nothing beyond them */
        f.pixels = s.h * s.w;
        kd_conv_direct_back(&f.call);
        check_error(&f, &direct, "pooled input", f.dx, f.dx0, BATCH * s.h * s.w * s.in);
        kd_conv_direct_weight(&f.call);
        check_error(&f, &direct, "pooled weight", f.dweight, f.dw0,
                    s.out * s.in * s.kernel * s.width);
        kd_free(f.scratch);
        free(y0);
        free(d);
        close_shape(&f);
    }
}

static void chosen_by_shape(void **state)
{
    (void)state;
    const struct {
        struct kd_conv_shape s;
        enum kd_conv_algorithm expected;
    } cases[] = {
        {shape(1, 32, 3, 0, 28, 28), KD_CONV_DIRECT},
        {shape(3, 64, 3, 1, 32, 32), KD_CONV_DIRECT},
        {shape(32, 32, 3, 0, 13, 13), KD_CONV_DIRECT},
        {shape(64, 64, 3, 1, 32, 32), KD_CONV_WINOGRAD},
        {shape(512, 512, 3, 1, 4, 4), KD_CONV_WINOGRAD},
        {shape(512, 512, 3, 1, 2, 2), KD_CONV_TINY},
        {shape(64, 64, 1, 0, 8, 8), KD_CONV_GEMM},
        {shape(6, 16, 5, 0, 14, 14), KD_CONV_DIRECT},
        {shape(3, 6, 5, 0, 28, 28), KD_CONV_DIRECT},
        {shape(32, 20, 3, 1, 8, 8), KD_CONV_DIRECT},
        {shape(1, 6, 1, 0, 28, 28), KD_CONV_DIRECT},
        {shape(256, 256, 5, 2, 8, 8), KD_CONV_GEMM},
        {{8, 8, 8, 3, 1, 1, 8, 8, 8, 8, 3, 1, false}, KD_CONV_DEPTHWISE},
        {{64, 128, 1, 3, 2, 1, 8, 8, 4, 4, 3, 1, false}, KD_CONV_GEMM},
        {{16, 16, 1, 3, 1, 1, 8, 8, 8, 10, 1, 1, false}, KD_CONV_GEMM},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(kd_conv_algorithm(&cases[i].s), cases[i].expected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_algorithm),    cmocka_unit_test(winograd_error),
        cmocka_unit_test(blocks_and_groups), cmocka_unit_test(pooled),
        cmocka_unit_test(chosen_by_shape),
    };
    kd_blas_init();
    return run_on_each_table("conv", tests);
}
