/* Backward against central differences: every layer in every configuration, and the stacks in which
 * layers share memory.
 *
 * loss = sum over batch and classes of out * r, with r random and fixed, summed in double; backward
 * is given r as the loss's gradient. The gradient of a layer's input is tested through a dense
 * layer below it, whose weights' gradient is made of it. Values are single precision, so a
 * difference over 2h is off by about (rounding of out) / h plus h^2 times the third derivative:
 * each case has its own h and tolerance. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "kd/nn/gemm.h"
#include "nets.h"
#include "tables.h"

enum { BATCH = 7 };

struct net_case {
    const char *layers;
    struct kd_shape input;
    uint32_t classes;
    bool training;
    double h, tolerance; /* tolerance is relative to the parameter's largest gradient */
    unsigned stride;     /* every stride'th element is tested */
};

struct fixture {
    struct kd_network *net;
    struct kd_pass pass;
    float *x, *r;
    float *running; /* values of untrained parameters, put back before each pass */
};

static const uint32_t samples[BATCH] = {4, 8, 15, 16, 23, 42, 1000000};

static void open_case(struct fixture *f, const struct net_case *c)
{
    f->net = net_of(c->layers, c->input, c->classes, 3);
    net_plan(f->net, BATCH, true);
    f->pass = (struct kd_pass){
        .training = c->training, .seed = 5, .epoch = 2, .sample = samples, .rows = BATCH};
    size_t in = BATCH * kd_shape_size(c->input), out = BATCH * (size_t)c->classes, running = 0;
    f->x = malloc(in * sizeof *f->x);
    f->r = malloc(out * sizeof *f->r);
    random_fill(f->x, in, 1, 1);
    random_fill(f->r, out, 1, 2);
    for (unsigned i = 0; i < f->net->n_params; i++) {
        struct kd_param *p = f->net->params[i];
        if (p->dims == 1)
            random_fill(p->value, p->count, 0.5f, 100 + i); /* biases and norms: not 0, 1 */
        if (strstr(p->name, "running_var"))
            for (size_t j = 0; j < p->count; j++) p->value[j] = 0.5f + fabsf(p->value[j]);
        if (!p->trained) running += p->count;
    }
    f->running = malloc((running + 1) * sizeof *f->running);
    size_t at = 0;
    for (unsigned i = 0; i < f->net->n_params; i++)
        for (size_t j = 0; !f->net->params[i]->trained && j < f->net->params[i]->count; j++)
            f->running[at++] = f->net->params[i]->value[j];
}

static void close_case(struct fixture *f)
{
    kd_network_free(f->net);
    free(f->x);
    free(f->r);
    free(f->running);
}

static double forward(struct fixture *f, struct kd_pool *pool)
{
    struct kd_network *net = f->net;
    size_t at = 0;
    for (unsigned i = 0; i < net->n_params; i++)
        for (size_t j = 0; !net->params[i]->trained && j < net->params[i]->count; j++)
            net->params[i]->value[j] = f->running[at++];
    memcpy(net->in, f->x, BATCH * kd_shape_size(net->input) * sizeof(float));
    kd_network_forward(net, pool, &f->pass);
    double loss = 0;
    for (size_t i = 0; i < BATCH * (size_t)net->classes; i++)
        loss += (double)net->out[i] * (double)f->r[i];
    return loss;
}

static void backward(struct fixture *f, struct kd_pool *pool, const struct kd_gradient_sink *sink)
{
    forward(f, pool);
    memcpy(f->net->dout, f->r, BATCH * (size_t)f->net->classes * sizeof(float));
    kd_network_backward(f->net, pool, &f->pass, sink);
}

/* Central difference of the loss along w; a kink (relu at 0) within h shows as two one-sided
 * differences that disagree, and then nothing is said. */
static bool difference(struct fixture *f, float *w, double h, double tolerance, double *slope)
{
    float saved = *w;
    double middle = forward(f, NULL);
    *w = (float)((double)saved + h);
    double up = forward(f, NULL), dx_up = (double)*w - (double)saved;
    *w = (float)((double)saved - h);
    double down = forward(f, NULL), dx_down = (double)saved - (double)*w;
    *w = saved;
    double right = (up - middle) / dx_up, left = (middle - down) / dx_down;
    *slope = (up - down) / (dx_up + dx_down);
    return fabs(right - left) < tolerance;
}

static double largest(const struct kd_param *p)
{
    double most = 0;
    for (size_t i = 0; p->trained && i < p->count; i++)
        if (fabs((double)p->grad[i]) > most) most = fabs((double)p->grad[i]);
    return most;
}

/* `least` stands in for the largest gradient of a parameter that has none (a bias below batchnorm).
 */
static void check_param(struct fixture *f, const struct net_case *c, struct kd_param *p,
                        double least, unsigned *tested, unsigned *kinks)
{
    float *grad = malloc(p->count * sizeof *grad);
    double most = fmax(largest(p), least);
    memcpy(grad, p->grad, p->count * sizeof *grad);
    for (size_t i = 0; i < p->count; i += c->stride) {
        double slope;
        if (!difference(f, &p->value[i], c->h, 2 * c->tolerance * most, &slope)) {
            ++*kinks;
            continue;
        }
        ++*tested;
        if (!(fabs(slope - (double)grad[i]) <= c->tolerance * most))
            fail_msg("%s: %s[%zu]: backward %.7g, difference %.7g (largest %.3g)", c->layers,
                     p->name, i, (double)grad[i], slope, most);
    }
    free(grad);
}

static void check_case(const struct net_case *c)
{
    struct fixture f;
    unsigned tested = 0, kinks = 0;
    open_case(&f, c);
    backward(&f, NULL, NULL);
    double most = 0;
    for (unsigned i = 0; i < f.net->n_params; i++) most = fmax(most, largest(f.net->params[i]));
    for (unsigned i = 0; i < f.net->n_params; i++) {
        struct kd_param *p = f.net->params[i];
        assert_int_equal(p->trained, p->grad != NULL);
        if (p->trained) check_param(&f, c, p, 0.05 * most, &tested, &kinks);
    }
    if (tested < 5 || kinks > tested / 5)
        fail_msg("%s: %u differences, %u at kinks: the case tests nothing", c->layers, tested,
                 kinks);
    close_case(&f);
}

#define DENSE(n) "{\"kind\":\"dense\",\"units\":" #n "}"
#define LAST     "{\"kind\":\"dense\"}"
#define DROP(r)  "{\"kind\":\"dropout\",\"rate\":" #r "}"
#define LEAKY(s) "{\"kind\":\"leaky_relu\",\"slope\":" #s "}"
#define FLAT(n)                                                                                    \
    {                                                                                              \
        n, 1, 1, false                                                                             \
    }

static void dense(void **state)
{
    (void)state;
    static const struct net_case cases[] = {
        {"[\"flatten\"," LAST "]", {2, 3, 2, false}, 5, true, 0.25, 1e-5, 1},
        {"[\"flatten\",{\"kind\":\"dense\",\"bias\":false}]", FLAT(6), 3, true, 0.25, 1e-5, 1},
        {"[\"flatten\",{\"kind\":\"dense\",\"init\":\"glorot\"}]", FLAT(6), 3, true, 0.25, 1e-5, 1},
        {"[\"flatten\",{\"kind\":\"dense\",\"init\":\"glorot\",\"bias\":false,\"max_norm\":1}]",
         FLAT(6), 3, true, 0.25, 1e-5, 1},
        {"[\"flatten\"," DENSE(17) "," LAST "]", FLAT(9), 4, true, 0.25, 2e-5, 1},
        {"[\"flatten\"," DENSE(17) ",{\"kind\":\"dense\",\"units\":33,\"bias\":false}," LAST "]",
         FLAT(1), 1, true, 0.25, 2e-5, 1},
        {"[\"flatten\"," DENSE(513) "," DENSE(17) "," LAST "]", FLAT(37), 3, true, 0.25, 4e-5, 97},
        {"[\"flatten\"," DENSE(65) "," DENSE(513) "," LAST "]", FLAT(530), 11, true, 0.25, 4e-5,
         997},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) check_case(&cases[i]);
}

/* One line a layer; %s stands in three networks. */
static void each_place(const char *layer, bool training, double h, double tolerance)
{
    static const char *const places[] = {
        "[\"flatten\",{\"kind\":\"dense\",\"units\":17},%s,{\"kind\":\"dense\"}]",
        "[\"flatten\",%s,{\"kind\":\"dense\",\"units\":9},%s,{\"kind\":\"dense\"}]", /* on the
                                                                                        images too
                                                                                      */
        "[\"flatten\",{\"kind\":\"dense\",\"units\":9},{\"kind\":\"dense\"},%s]",    /* and on the
                                                                                        logits */
        "[\"flatten\",{\"kind\":\"dense\",\"units\":9},%s,%s,{\"kind\":\"dense\"}]",
    };
    for (unsigned i = 0; i < 4; i++) {
        char text[600];
        snprintf(text, sizeof text, places[i], layer, layer);
        struct net_case c = {text, {11, 1, 1, false}, 5, training, h, tolerance, 1};
        check_case(&c);
    }
    static const char *const wide[] = {
        "[\"flatten\",{\"kind\":\"dense\",\"units\":513},%s,{\"kind\":\"dense\",\"units\":65},%s,"
        "{\"kind\":\"dense\"}]",
    };
    char text[600];
    snprintf(text, sizeof text, wide[0], layer, layer);
    struct net_case c = {text, {300, 1, 1, false}, 3, training, h, tolerance, 1997};
    check_case(&c);
}

static void relu(void **state)
{
    (void)state;
    each_place("\"relu\"", true, 2e-3, 2e-3);
    each_place("\"relu\"", false, 2e-3, 2e-3);
}

static void leaky_relu(void **state)
{
    (void)state;
    each_place("\"leaky_relu\"", true, 2e-3, 2e-3);
    each_place(LEAKY(0), true, 2e-3, 2e-3);
    each_place(LEAKY(0.4), true, 2e-3, 2e-3);
    each_place(LEAKY(1), true, 2e-3, 2e-3);
}

static void gelu(void **state)
{
    (void)state;
    each_place("\"gelu\"", true, 2e-3, 1e-3);
}

/* Scaled so that both kinks of each are met. */
static void relu6(void **state)
{
    (void)state;
    each_place("\"relu6\"", true, 2e-3, 2e-3);
    each_place("{\"kind\":\"scale\",\"by\":5},\"relu6\"", true, 2e-3, 2e-3);
    each_place("\"relu\",{\"kind\":\"scale\",\"by\":5},\"relu6\"," DROP(0.3), true, 2e-3, 2e-3);
}

static void hardswish(void **state)
{
    (void)state;
    each_place("\"hardswish\"", true, 2e-3, 2e-3);
    each_place("{\"kind\":\"scale\",\"by\":3},\"hardswish\"", true, 2e-3, 2e-3);
}

static void tanh_(void **state)
{
    (void)state;
    each_place("\"tanh\"", true, 2e-3, 2e-3);
}

static void dropout(void **state)
{
    (void)state;
    each_place(DROP(0), true, 0.1, 1e-4);
    each_place(DROP(0.3), true, 0.1, 1e-4);
    each_place(DROP(0.5), false, 0.1, 1e-4);
}

static void batchnorm(void **state)
{
    (void)state;
    each_place("\"batchnorm\"", true, 4e-3, 4e-3);
    each_place("\"batchnorm\"", false, 4e-3, 1e-3);
    each_place("{\"kind\":\"batchnorm\",\"epsilon\":0.5,\"momentum\":0.9}", true, 4e-3, 1e-3);
    each_place("{\"kind\":\"batchnorm\",\"epsilon\":0.5}", false, 4e-3, 1e-3);
}

/* Layers that work in place, over each other. */
static void stacks(void **state)
{
    (void)state;
    static const char *const names[] = {"\"relu\"", LEAKY(0.3), "\"gelu\"",
                                        "\"tanh\"", DROP(0.3),  "{\"kind\":\"scale\",\"by\":-1.5}"};
    enum { N = 6 };
    for (unsigned i = 0; i < N * N * N; i++) {
        char text[600];
        snprintf(text, sizeof text, "[%s,\"flatten\",%s,%s,%s,%s,%s,%s]",
                 i % 3 ? DROP(0.2) : "\"tanh\"", DENSE(17), names[i / N / N], names[i / N % N],
                 names[i % N], i % 2 ? "\"batchnorm\"" : DENSE(9), LAST);
        struct net_case c = {text, {2, 3, 2, false}, 4, true, 2e-3, 6e-3, 5};
        check_case(&c);
    }
    static const char *const others[] = {
        "[\"flatten\",\"batchnorm\",\"relu\"," LAST "]",
        "[\"flatten\",\"batchnorm\",\"batchnorm\"," LAST "]",
        "[\"flatten\"," DENSE(17) ",\"batchnorm\",\"gelu\"," DROP(0.4) "," LAST "]",
        "[\"flatten\"," DENSE(17) ",\"relu\",\"batchnorm\",\"tanh\"," LAST ",\"batchnorm\"]",
        "[" DROP(0.2) ",\"relu\",\"flatten\",\"gelu\"," DENSE(17) "," LAST
                                                                  ",\"tanh\"," DROP(0.1) "]",
    };
    for (unsigned i = 0; i < sizeof others / sizeof *others; i++) {
        struct net_case c = {others[i], {2, 3, 2, false}, 4, true, 2e-3, 6e-3, 1};
        check_case(&c);
    }
}

/* ---- the same bits, however many threads, with and without a sink ---- */

struct seen {
    struct kd_network *net;
    unsigned *times[16]; /* how often each element of a parameter was told of */
    float *copy[16];     /* its gradient when it was */
    bool spoil;
};

static void ready(void *ctx, struct kd_param *p, size_t from, size_t count)
{
    struct seen *s = ctx;
    assert_int_equal(from % (p->count / p->shape[0]), 0);
    for (size_t i = from; i < from + count; i++) {
        s->times[p->index][i]++;
        s->copy[p->index][i] = p->grad[i];
        if (s->spoil) p->value[i] = NAN; /* nobody may read it any more */
    }
}

#define CONV(filters, rest) "{\"kind\":\"conv2d\",\"filters\":" #filters rest "}"
#define TAIL                "\"flatten\",{\"kind\":\"dense\"}]"
#define MAPS(c, h, w)                                                                              \
    {                                                                                              \
        c, h, w, false                                                                             \
    }

/* clang-format off */
static const char *const wide_nets[] = {
    "[" DROP(0.2) ",\"flatten\"," DENSE(1025) ",\"relu\"," DROP(0.5) "," DENSE(
        513) ",\"tanh\"," LAST "]",
    "[\"flatten\",\"batchnorm\"," DENSE(600) ",\"batchnorm\",\"gelu\"," DENSE(
        17) ",\"leaky_relu\"," LAST "]",
    "[" CONV(32, ",\"padding\":1") ",\"relu\",\"maxpool\"," CONV(32, ",\"padding\":1")
        ",\"batchnorm\",\"relu\",\"maxpool\","
    CONV(48, ",\"padding\":1") ",\"maxpool\"," CONV(32, ",\"padding\":1") "," TAIL,
    "[" CONV(6, "") ",\"relu\"," CONV(16, ",\"kernel\":5") ",\"relu\"," TAIL,
    "[\"flatten\"," DENSE(520) ",\"gelu\",\"batchnorm\"," DROP(0.1) "," LAST ",\"batchnorm\"]",
};
/* clang-format on */

static void same_bits(void **state)
{
    (void)state;
    for (unsigned n = 0; n < sizeof wide_nets / sizeof *wide_nets; n++) {
        struct net_case c = {wide_nets[n], {3, 16, 16, false}, 10, true, 0, 0, 1};
        struct fixture f;
        struct seen s = {0};
        float *out = malloc(BATCH * 10 * sizeof *out), *first[16] = {0};
        open_case(&f, &c);
        for (unsigned run = 0; run < 8; run++) {
            struct kd_err err;
            unsigned threads = run % 4;
            struct kd_pool *pool = threads ? kd_pool_new(threads, &err) : NULL;
            bool sink = run >= 4;
            for (unsigned i = 0; i < f.net->n_params; i++) {
                struct kd_param *p = f.net->params[i];
                if (p->trained)
                    for (size_t j = 0; j < p->count; j++) p->grad[j] = NAN;
                if (!run) first[i] = calloc(p->count, sizeof(float));
                if (!run) s.times[i] = calloc(p->count, sizeof(unsigned));
                if (!run) s.copy[i] = calloc(p->count, sizeof(float));
            }
            s.spoil = run == 7;
            backward(&f, pool, sink ? &(struct kd_gradient_sink){ready, &s} : NULL);
            if (!run) memcpy(out, f.net->out, BATCH * 10 * sizeof *out);
            assert_memory_equal(out, f.net->out, BATCH * 10 * sizeof *out);
            for (unsigned i = 0; i < f.net->n_params; i++) {
                struct kd_param *p = f.net->params[i];
                const float *got = p->trained ? p->grad : p->value;
                if (!run) memcpy(first[i], got, p->count * sizeof(float));
                assert_memory_equal(first[i], got, p->count * sizeof(float));
                for (size_t j = 0; sink && j < p->count; j++)
                    assert_int_equal(s.times[i][j], p->trained ? run - 3 : 0);
                if (sink && p->trained)
                    assert_memory_equal(s.copy[i], got, p->count * sizeof(float));
            }
            kd_pool_free(pool);
        }
        for (unsigned i = 0; i < f.net->n_params; i++) {
            free(first[i]);
            free(s.times[i]);
            free(s.copy[i]);
        }
        free(out);
        close_case(&f);
    }
}

/* A short batch in a plan for a longer one: same gradients as in a plan of its own, and the rest
 * unread. */
static void short_batch(void **state)
{
    (void)state;
    struct net_case c = {wide_nets[1], {3, 4, 4, false}, 10, true, 0, 0, 1};
    struct fixture a, b;
    open_case(&a, &c);
    open_case(&b, &c);
    net_plan(b.net, 50, true);
    for (size_t i = 0; i < 50 * kd_shape_size(b.net->input); i++) b.net->in[i] = NAN;
    for (size_t i = 0; i < 50 * 10; i++) b.net->dout[i] = NAN;
    backward(&a, NULL, NULL);
    backward(&b, NULL, NULL);
    for (unsigned i = 0; i < a.net->n_params; i++)
        if (a.net->params[i]->trained)
            assert_memory_equal(a.net->params[i]->grad, b.net->params[i]->grad,
                                a.net->params[i]->count * sizeof(float));
    close_case(&a);
    close_case(&b);
}

/* Inference with batch norm folded into convolutions, by each of their algorithms, against a
 * training plan, where it is not; and back again. */
static void folded(void **state)
{
    (void)state;
    /* clang-format off */
    static const char *const nets[] = {
        "[" CONV(16, ",\"padding\":1") ",\"batchnorm\",\"relu\",\"maxpool\"," CONV(32,
            ",\"padding\":1,\"bias\":false")
        ",\"batchnorm\",\"tanh\"," CONV(5, "") ",\"batchnorm\",\"batchnorm\",\"maxpool\"," TAIL,
        "[" CONV(6, "") ",\"batchnorm\"," CONV(6, ",\"groups\":6") ",\"batchnorm\",\"relu\","
            CONV(16, ",\"kernel\":7")
        ",\"relu\",\"batchnorm\"," CONV(32, ",\"padding\":1")
            ",\"batchnorm\",\"maxpool\",{\"kind\":\"residual\",\"body\":["
        CONV(32, ",\"padding\":1") ",\"batchnorm\",\"relu\"]}," TAIL,
        /* the block's convolution has the largest scratch, and the block's input lies right
            behind it */
        "[" CONV(8, ",\"padding\":1") ",{\"kind\":\"residual\",\"body\":[" CONV(8,
            ",\"padding\":1,\"bias\":false")
        ",\"batchnorm\"]}," TAIL,
    };
    /* clang-format on */
    for (unsigned n = 0; n < 3; n++) {
        struct net_case c = {nets[n], MAPS(3, 13, 13), 10, false, 0, 0, 1};
        struct fixture f;
        float kept[2][BATCH * 10];
        open_case(&f, &c);
        forward(&f, NULL);
        memcpy(kept[0], f.net->out, sizeof kept[0]);
        size_t large = kd_network_plan_bytes(f.net);
        net_plan(f.net, BATCH, false);
        assert_true(kd_network_plan_bytes(f.net) < large);
        forward(&f, NULL);
        memcpy(kept[1], f.net->out, sizeof kept[1]);
        double most = 0, worst = 0;
        for (unsigned i = 0; i < BATCH * 10; i++) {
            most = fmax(most, fabs((double)kept[0][i]));
            worst = fmax(worst, fabs((double)kept[0][i] - (double)kept[1][i]));
        }
        assert_true(worst <= 1e-5 * most && worst > 0);
        net_plan(f.net, BATCH, true);
        forward(&f, NULL);
        assert_memory_equal(kept[0], f.net->out, sizeof kept[0]);
        close_case(&f);
    }
}

/* The mask is a function of seed, epoch and sample: another one is another function. */
static void masks_differ(void **state)
{
    (void)state;
    struct net_case c = {
        "[\"flatten\"," DENSE(64) "," DROP(0.5) "," LAST "]", {12, 1, 1, false}, 4, true, 0, 0, 1};
    struct fixture f;
    open_case(&f, &c);
    double plain = forward(&f, NULL);
    assert_true(forward(&f, NULL) == plain);
    f.pass.epoch++;
    assert_true(forward(&f, NULL) != plain);
    f.pass.epoch--;
    f.pass.seed += (uint64_t)1 << 32;
    assert_true(forward(&f, NULL) != plain);
    f.pass.seed -= (uint64_t)1 << 32;
    assert_true(forward(&f, NULL) == plain);
    f.pass.training = false;
    assert_true(forward(&f, NULL) != plain);
    close_case(&f);
}

/* Convolutions by each of the algorithms, alone and on top of another, whose weights test the
 * input's gradient. */
static void conv2d(void **state)
{
    (void)state;
    static const struct net_case cases[] = {
        {"[" CONV(5, "") "," TAIL, MAPS(1, 6, 5), 3, true, 0.25, 3e-5, 1},
        {"[" CONV(5, ",\"bias\":false") "," TAIL, MAPS(3, 6, 5), 3, true, 0.25, 3e-5, 1},
        {"[" CONV(4, ",\"kernel\":2,\"stride\":2") "," CONV(3,
                                                            ",\"kernel\":2,\"padding\":1") "," TAIL,
         MAPS(2, 7, 6), 3, true, 0.25, 3e-5, 1},
        {"[" CONV(6, ",\"kernel\":5,\"padding\":2,\"stride\":3") "," CONV(4,
                                                                          ",\"kernel\":1") "," TAIL,
         MAPS(3, 9, 8), 2, true, 0.25, 3e-5, 1},
        {"[" CONV(6, ",\"kernel\":1") "," CONV(6, ",\"groups\":2,\"padding\":1") "," CONV(
             4, ",\"groups\":2,\"kernel\":1") "," TAIL,
         MAPS(2, 5, 4), 2, true, 0.25, 3e-5, 1},
        {"[" CONV(6, ",\"kernel\":1") "," CONV(6,
                                               ",\"groups\":6,\"padding\":1,\"stride\":2") "," TAIL,
         MAPS(2, 5, 7), 2, true, 0.25, 3e-5, 1},
        {"[" CONV(5, ",\"groups\":5,\"kernel\":2") "," TAIL, MAPS(5, 4, 4), 2, true, 0.25, 3e-5, 1},
        {"[" CONV(4, ",\"init\":\"dirac\",\"padding\":1") "," CONV(4,
                                                                   ",\"init\":\"glorot\"") "," TAIL,
         MAPS(3, 5, 5), 2, true, 0.25, 3e-5, 1},
        {"[" CONV(6, "") "," CONV(16, ",\"padding\":1") "," TAIL, MAPS(2, 6, 7), 2, true, 0.25,
         3e-5, 7},
        /* direct: few channels; tiny: maps smaller than the filters */
        {"[" CONV(16, ",\"padding\":2") "," CONV(32, ",\"kernel\":5") "," TAIL, MAPS(3, 6, 5), 2,
         true, 0.25, 3e-5, 31},
        {"[" CONV(32, ",\"kernel\":2") "," CONV(16, ",\"padding\":1") "," TAIL, MAPS(1, 3, 4), 2,
         true, 0.25, 3e-5, 13},
        {"[" CONV(32, ",\"kernel\":2") "," CONV(48, ",\"padding\":1,\"bias\":false") "," TAIL,
         MAPS(2, 3, 3), 2, true, 0.25, 3e-5, 61},
        /* Winograd: 16 channels and more, pictures that do and do not fill the tiles, paddings 0,
           1, 2 */
        {"[" CONV(16, "") "," CONV(16, ",\"padding\":1") "," TAIL, MAPS(2, 6, 7), 2, true, 0.25,
         1e-4, 7},
        {"[" CONV(16, ",\"padding\":1") "," CONV(32, "") "," CONV(
             16, ",\"padding\":2,\"bias\":false") "," TAIL,
         MAPS(1, 8, 8), 2, true, 0.25, 1e-4, 53},
        {"[" CONV(16, ",\"kernel\":1") ",\"relu\"," CONV(48, ",\"padding\":1") ",\"tanh\"," TAIL,
         MAPS(3, 13, 5), 2, true, 1.0 / 512, 5e-3, 97},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) check_case(&cases[i]);
}

static void maps(void **state)
{
    (void)state;
#define NORM      "\"batchnorm\""
#define RES(body) "{\"kind\":\"residual\",\"body\":[" body "]}"
    static const struct net_case cases[] = {
        {"[" CONV(5, "") ",{\"kind\":\"avgpool\"}," TAIL, MAPS(2, 8, 7), 3, true, 0.25, 3e-5, 1},
        {"[" CONV(5, "") ",{\"kind\":\"avgpool\",\"kernel\":3,\"stride\":2,\"padding\":1}," TAIL,
         MAPS(2, 8, 7), 3, true, 0.25, 3e-5, 1},
        {"[" CONV(5, "") ",\"global_avgpool\"," TAIL, MAPS(2, 6, 7), 3, true, 0.25, 3e-5, 1},
        {"[" CONV(5, "") ",{\"kind\":\"maxpool\"}," TAIL, MAPS(2, 8, 7), 3, true, 1.0 / 512, 2e-3,
         1},
        {"[" CONV(5, "") ",\"relu\",{\"kind\":\"maxpool\",\"kernel\":3,\"stride\":2,"
                         "\"padding\":1}," TAIL,
         MAPS(2, 8, 7), 3, true, 1.0 / 512, 2e-3, 1},
        {"[" CONV(5, "") ",\"global_maxpool\"," TAIL, MAPS(2, 6, 7), 3, true, 1.0 / 512, 2e-3, 1},
        /* pooled along with the convolution, odd rows and columns left out; and by layers of
           their own */
        {"[" CONV(16, ",\"padding\":1") ",\"relu\",\"maxpool\"," CONV(
             16, "") ",\"maxpool\",\"leaky_relu\"," TAIL,
         MAPS(2, 10, 11), 3, true, 1.0 / 1024, 4e-3, 7},
        {"[" CONV(16, "") ",\"leaky_relu\",\"maxpool\",\"tanh\"," CONV(
             16, "") ",\"relu\",\"gelu\",\"maxpool\"," TAIL,
         MAPS(1, 11, 12), 3, true, 1.0 / 1024, 5e-3, 7},
        {"[" CONV(16, ",\"kernel\":1") ",\"maxpool\"," NORM ",{\"kind\":\"maxpool\"}," TAIL,
         MAPS(2, 7, 10), 3, true, 1.0 / 512, 5e-3, 1},
        {"[" CONV(16, ",\"padding\":1") ",\"maxpool\",\"relu\",\"maxpool\"," TAIL, MAPS(1, 8, 8), 3,
         true, 1.0 / 512, 4e-3, 3},
        {"[{\"kind\":\"maxpool\"}," CONV(5, "") "," TAIL, MAPS(3, 8, 8), 3, true, 0.25, 3e-5, 1},
        {"[" CONV(5, "") "," NORM ",\"tanh\"," CONV(4, "") "," NORM "," TAIL, MAPS(2, 6, 7), 3,
         true, 1.0 / 256, 5e-3, 1},
        {"[" CONV(5, "") "," NORM ",\"tanh\"," CONV(4, "") "," NORM "," TAIL, MAPS(2, 6, 7), 3,
         false, 1.0 / 256, 5e-3, 1},
        {"[" NORM "," CONV(5, "") "," TAIL, MAPS(3, 6, 7), 3, true, 1.0 / 64, 3e-3, 1},
        {"[" CONV(16, "") "," NORM
                          ",\"gelu\",{\"kind\":\"dropout\",\"rate\":0.25}," CONV(16, "") "," TAIL,
         MAPS(1, 8, 8), 3, true, 1.0 / 256, 5e-3, 29},
        {"[" CONV(
             3, "") ",{\"kind\":\"scale\",\"by\":0.125},\"tanh\",\"flatten\",{\"kind\":\"dense\"},"
                    "{\"kind\":\"scale\",\"by\":-3}]",
         MAPS(2, 5, 5), 3, true, 1.0 / 128, 5e-3, 1},
        {"[" CONV(4, "") "," RES(
             CONV(4, ",\"padding\":1") ",\"tanh\"," CONV(4, ",\"padding\":1")) ",\"tanh\"," TAIL,
         MAPS(2, 5, 6), 3, true, 1.0 / 256, 5e-3, 1},
        {"[" RES("\"tanh\"," CONV(2, ",\"padding\":1") ",\"gelu\"") "," TAIL, MAPS(2, 5, 6), 3,
         true, 1.0 / 256, 5e-3, 1},
        {"[" CONV(4, "") ",{\"kind\":\"residual\",\"body\":[" CONV(
             6, ",\"stride\":2,\"padding\":1") "," NORM
                                               ",\"tanh\"],\"shortcut\":[" CONV(
                                                   6, ",\"kernel\":1,\"stride\":2,\"bias\":"
                                                      "false") "," NORM "]},\"tanh\"," TAIL,
         MAPS(2, 6, 6), 3, true, 1.0 / 256, 5e-3, 1},
        {"[" RES("\"tanh\"") "," CONV(4, "") "," TAIL, MAPS(2, 5, 6), 3, true, 1.0 / 256, 5e-3, 1},
        {"[{\"kind\":\"residual\",\"body\":[" CONV(
             2, ",\"padding\":1") "],\"shortcut\":[{\"kind\":\"scale\",\"by\":0.5}]}," TAIL,
         MAPS(2, 5, 6), 3, true, 1.0 / 256, 5e-3, 1},
        {"[\"flatten\",{\"kind\":\"dense\",\"units\":9}," RES(
             "\"tanh\",{\"kind\":\"dense\",\"units\":9}," RES("\"tanh\"")) ",{\"kind\":\"dense\"}]",
         MAPS(1, 3, 3), 3, true, 1.0 / 256, 5e-3, 1},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) check_case(&cases[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(conv2d),       cmocka_unit_test(maps),       cmocka_unit_test(dense),
        cmocka_unit_test(relu),         cmocka_unit_test(leaky_relu), cmocka_unit_test(gelu),
        cmocka_unit_test(relu6),        cmocka_unit_test(hardswish),  cmocka_unit_test(tanh_),
        cmocka_unit_test(dropout),      cmocka_unit_test(batchnorm),  cmocka_unit_test(stacks),
        cmocka_unit_test(same_bits),    cmocka_unit_test(folded),     cmocka_unit_test(short_batch),
        cmocka_unit_test(masks_differ),
    };
    kd_blas_init();
    return run_on_each_table("gradient", tests);
}
