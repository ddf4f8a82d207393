/* Taps: what they hold, that gradients of a loss with terms on them are right, and that a network
 * gives the same numbers with and without. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "kd/nn/gemm.h"
#include "kd/nn/tap.h"
#include "nets.h"
#include "tables.h"

enum { BATCH = 6, CLASSES = 4, MOST_TAPS = 8 };
static const uint32_t samples[BATCH] = {3, 1, 4, 15, 9, 26};

#define CONV(n, more) "{\"kind\":\"conv2d\",\"filters\":" #n more "}"
#define PAD           ",\"padding\":1"
#define DROP          "{\"kind\":\"dropout\",\"rate\":0.3}"

static const struct net_case {
    const char *layers;
    struct kd_shape input;
    const char *taps[MOST_TAPS]; /* ends with NULL */
    bool smooth;                 /* without kinks: differences are held to a smaller tolerance */
} cases[] = {
    {"[\"flatten\",{\"kind\":\"dense\",\"units\":9},\"gelu\"," DROP
     ",{\"kind\":\"dense\",\"units\":7},\"tanh\",\"dense\"]",
     {2, 2, 3, false},
     {"0", "1", "2", "3", "5", "6", NULL},
     true},
    {"[" CONV(5, PAD) ",\"batchnorm\",\"gelu\",\"avgpool\"," CONV(
         16, PAD) ",\"tanh\",\"global_avgpool\",\"flatten\",\"dense\"]",
     {2, 6, 6, false},
     {"0", "1", "2", "3", "4", "6", "7", NULL},
     true},
    {"[" CONV(4, PAD) ",{\"kind\":\"residual\",\"body\":[" CONV(
         4, PAD) ",\"batchnorm\",\"gelu\"],"
                 "\"shortcut\":[" CONV(
                     4, ",\"kernel\":1") "]},\"tanh\",{\"kind\":\"residual\",\"body\":["
                                         "\"tanh\"," CONV(4, PAD) "]},\"flatten\",\"dense\"]",
     {3, 4, 4, false},
     {"1", "1.body.0", "1.body.2", "1.shortcut.0", "2", "3.body.0", "3", NULL},
     true},
    {"[" CONV(16, "") ",\"relu\",\"maxpool\"," CONV(
         16, PAD) ",\"batchnorm\",\"relu\",\"flatten\","
                  "{\"kind\":\"dense\",\"units\":12},\"relu\"," DROP ",\"relu6\",\"dense\"]",
     {1, 8, 8, false},
     {"0", "1", "2", "4", "5", "8", "10", NULL},
     false},
    {"[\"gelu\",\"flatten\",{\"kind\":\"dense\",\"units\":9},\"dense\"]",
     {3, 2, 2, false},
     {"0", "2", NULL},
     true},
};
enum { CASES = sizeof cases / sizeof *cases };

struct fixture {
    struct kd_network *net;
    struct kd_tap *tap[MOST_TAPS];
    unsigned n;
    struct kd_pass pass;
    float *x, *r, *r_tap[MOST_TAPS];
};

static float *random_floats(size_t n, uint32_t which)
{
    float *p = malloc(n * sizeof *p);
    random_fill(p, n, 1, which);
    return p;
}

static size_t tap_size(const struct kd_tap *t)
{
    return BATCH * t->pixels * t->cols;
}

static void open_case(struct fixture *f, const struct net_case *c, bool tapped)
{
    struct kd_err err = {0};
    *f = (struct fixture){.net = net_of(c->layers, c->input, CLASSES, 5)};
    for (; tapped && c->taps[f->n]; f->n++)
        if (!(f->tap[f->n] = kd_network_tap(f->net, c->taps[f->n], true, &err)))
            fail_msg("%s", err.text);
    net_plan(f->net, BATCH, true);
    f->pass =
        (struct kd_pass){.training = true, .seed = 5, .epoch = 2, .sample = samples, .rows = BATCH};
    f->x = random_floats(BATCH * kd_shape_size(c->input), 1);
    f->r = random_floats(BATCH * CLASSES, 2);
    for (unsigned i = 0; i < f->n; i++) f->r_tap[i] = random_floats(tap_size(f->tap[i]), 10 + i);
}

static void close_case(struct fixture *f)
{
    kd_network_free(f->net);
    free(f->x);
    free(f->r);
    for (unsigned i = 0; i < f->n; i++) free(f->r_tap[i]);
}

static void run(struct fixture *f)
{
    memcpy(f->net->in, f->x, BATCH * kd_shape_size(f->net->input) * sizeof(float));
    kd_network_forward(f->net, NULL, &f->pass);
}

static double loss(struct fixture *f)
{
    double sum = 0;
    run(f);
    for (size_t i = 0; i < BATCH * CLASSES; i++) sum += (double)f->net->out[i] * (double)f->r[i];
    for (unsigned k = 0; k < f->n; k++)
        for (size_t i = 0; i < tap_size(f->tap[k]); i++)
            sum += (double)f->tap[k]->value[i] * (double)f->r_tap[k][i];
    return sum;
}

static void backward(struct fixture *f, bool with_taps)
{
    run(f);
    memcpy(f->net->dout, f->r, BATCH * CLASSES * sizeof(float));
    for (unsigned k = 0; k < f->n; k++) {
        assert_non_null(f->tap[k]->grad);
        memset(f->tap[k]->grad, 0, tap_size(f->tap[k]) * sizeof(float));
        if (with_taps) memcpy(f->tap[k]->grad, f->r_tap[k], tap_size(f->tap[k]) * sizeof(float));
    }
    kd_network_backward(f->net, NULL, &f->pass, NULL);
}

/* Directional differences: all parameters together along random directions, once each parameter. */
static void gradients(void **state)
{
    (void)state;
    for (unsigned c = 0; c < CASES; c++) {
        struct fixture f;
        open_case(&f, &cases[c], true);
        backward(&f, true);
        for (unsigned i = 0; i < f.net->n_params; i++) {
            struct kd_param *p = f.net->params[i];
            if (!p->trained) continue;
            const double h = cases[c].smooth ? 4e-3 : 2e-4;
            float *way = random_floats(p->count, 50 + i), *kept = malloc(p->count * sizeof *kept);
            double expected = 0, length = 0, at[2];
            for (size_t j = 0; j < p->count; j++) {
                expected += (double)p->grad[j] * (double)way[j];
                length += (double)p->grad[j] * (double)p->grad[j];
            }
            memcpy(kept, p->value, p->count * sizeof *kept);
            for (int side = 0; side < 2; side++) {
                for (size_t j = 0; j < p->count; j++)
                    p->value[j] = (float)((double)kept[j] + (side ? h : -h) * (double)way[j]);
                at[side] = loss(&f);
            }
            memcpy(p->value, kept, p->count * sizeof *kept);
            double slope = (at[1] - at[0]) / (2 * h), room = cases[c].smooth ? 5e-3 : 5e-2;
            if (!(fabs(slope - expected) <= room * (sqrt(length) + 1)))
                fail_msg("%s: %s: backward %.6g, difference %.6g (length %.3g)", cases[c].layers,
                         p->name, expected, slope, sqrt(length));
            free(way);
            free(kept);
        }
        close_case(&f);
    }
}

static void near(const char *what, const char *name, const float *a, const float *b, size_t n)
{
    double most = 1e-3;
    for (size_t i = 0; i < n; i++) most = fmax(most, fabs((double)b[i]));
    for (size_t i = 0; i < n; i++)
        if (!(fabs((double)a[i] - (double)b[i]) <= 2e-5 * most))
            fail_msg("%s: %s[%zu]: %g with taps, %g without", what, name, i, (double)a[i],
                     (double)b[i]);
}

/* Taps with a gradient of 0 change nothing, in training and in inference. */
static void transparent(void **state)
{
    (void)state;
    for (unsigned c = 0; c < CASES; c++) {
        struct fixture with, without;
        open_case(&with, &cases[c], true);
        open_case(&without, &cases[c], false);
        backward(&with, false);
        backward(&without, false);
        near(cases[c].layers, "out", with.net->out, without.net->out, BATCH * CLASSES);
        for (unsigned i = 0; i < with.net->n_params; i++)
            if (with.net->params[i]->trained)
                near(cases[c].layers, with.net->params[i]->name, with.net->params[i]->grad,
                     without.net->params[i]->grad, with.net->params[i]->count);
        net_plan(with.net, BATCH, false);
        net_plan(without.net, BATCH, false);
        with.pass.training = without.pass.training = false;
        run(&with);
        run(&without);
        near(cases[c].layers, "answers", with.net->out, without.net->out, BATCH * CLASSES);
        for (unsigned k = 0; k < with.n; k++) assert_null(with.tap[k]->grad);
        close_case(&with);
        close_case(&without);
    }
}

/* The tap behind a layer is what a network that ends there would put out. */
static void values(void **state)
{
    (void)state;
    struct kd_err err = {0};
    struct kd_shape input = {2, 5, 4, false};
    struct kd_network *net =
        net_of("[" CONV(3, PAD) ",\"relu\",\"flatten\",\"dense\"]", input, CLASSES, 3);
    struct kd_tap *maps = kd_network_tap(net, "1", false, &err);
    struct kd_tap *flat = kd_network_tap(net, "2", false, &err);
    struct kd_tap *last = kd_network_tap(net, "3", false, &err);
    assert_ptr_equal(kd_network_tap(net, "1", false, &err), maps);
    net_plan(net, BATCH, true);
    assert_null(maps->grad);
    assert_int_equal(maps->pixels, 20);
    assert_int_equal(maps->cols, 3);
    assert_int_equal(flat->pixels, 1);
    assert_int_equal(flat->cols, 60);
    float *x = random_floats(BATCH * kd_shape_size(input), 1);
    memcpy(net->in, x, BATCH * kd_shape_size(input) * sizeof *x);
    struct kd_pass pass = {.rows = BATCH};
    kd_network_forward(net, NULL, &pass);
    assert_memory_equal(last->value, net->out, BATCH * CLASSES * sizeof(float));
    const struct kd_param *w = param_of(net, "0.weight"), *b = param_of(net, "0.bias");
    for (size_t o = 0; o < 3; o++) { /* the pixel in the middle of image 4, by its definition */
        double sum = (double)b->value[o];
        for (size_t i = 0; i < 2; i++)
            for (size_t t = 0; t < 9; t++)
                sum += (double)w->value[(o * 2 + i) * 9 + t] *
                       (double)x[((4 * 2 + i) * 5 + 1 + t / 3) * 4 + 0 + t % 3];
        double expected = sum > 0 ? sum : 0;
        assert_true(fabs((double)maps->value[(4 * 20 + 2 * 4 + 1) * 3 + o] - expected) < 1e-5);
        assert_true(flat->value[4 * 60 + o * 20 + 2 * 4 + 1] ==
                    maps->value[(4 * 20 + 2 * 4 + 1) * 3 + o]);
    }
    free(x);
    kd_network_free(net);
}

static void asked_and_given_up(void **state)
{
    (void)state;
    struct kd_err err = {0};
    struct fixture f, plain;
    open_case(&f, &cases[2], true);
    open_case(&plain, &cases[2], false);
    assert_null(kd_network_tap(f.net, "1.body.9", true, &err));
    assert_int_equal(err.kind, KD_ERR_USAGE);
    assert_non_null(strstr(err.text, "1.body.9"));
    assert_non_null(strstr(err.text, "1.body.2 (gelu 4x4x4)"));
    assert_non_null(strstr(err.text, "5 (dense 4)"));
    size_t tapped = kd_network_plan_bytes(f.net);
    kd_network_untap(f.net);
    net_plan(f.net, BATCH, true);
    size_t bytes = kd_network_plan_bytes(f.net);
    assert_true(bytes < tapped);
    assert_int_equal(bytes, kd_network_plan_bytes(plain.net)); /* as if there had been none */
    run(&f);
    run(&plain);
    assert_memory_equal(f.net->out, plain.net->out, BATCH * CLASSES * sizeof(float));
    close_case(&plain);
    f.n = 0; /* its taps are gone, and the noise for them with the process */
    close_case(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients),
        cmocka_unit_test(transparent),
        cmocka_unit_test(values),
        cmocka_unit_test(asked_and_given_up),
    };
    kd_blas_init();
    return run_on_each_table("tap", tests);
}
