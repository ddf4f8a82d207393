/* Several steps of each optimizer on a small network against the formulas in double; clipping,
 * max-norm, what decays and what does not, range by range as well as at once. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "kd/train/optimizer.h"
#include "nets.h"

static const char layers[] =
    "[\"flatten\",{\"kind\":\"dense\",\"units\":5},\"batchnorm\",{\"kind\":\"dense\"}]";
static const char normed[] =
    "[\"flatten\",{\"kind\":\"dense\",\"units\":5,\"max_norm\":0.75},\"batchnorm\","
    "{\"kind\":\"dense\"}]";
static const struct kd_shape input = {1, 2, 3, false};

static struct kd_train_config config(enum kd_optimizer_kind kind)
{
    return (struct kd_train_config){.optimizer = {.kind = (int)kind,
                                                  .momentum = 0.9,
                                                  .beta1 = 0.9,
                                                  .beta2 = 0.999,
                                                  .epsilon = 1e-8,
                                                  .bias_rate = 1,
                                                  .norm_rate = 1}};
}

static void near(const char *what, size_t i, double got, double expected)
{
    if (!(fabs(got - expected) <= 2e-6 * (1 + fabs(expected))))
        fail_msg("%s[%zu]: %.9g, expected %.9g", what, i, got, expected);
}

static struct kd_network *make(struct kd_optimizer *o, const struct kd_train_config *c,
                               const char *text)
{
    struct kd_err err = {0};
    struct kd_network *net = net_of(text, input, 3, 1);
    net_plan(net, 4, true);
    if (kd_optimizer_init(o, c, net, &err) < 0) fail_msg("%s", err.text);
    return net;
}

static void end(struct kd_optimizer *o, struct kd_network *net)
{
    kd_optimizer_release(o);
    kd_network_free(net);
}

static void gradients(struct kd_network *net, unsigned step, float scale)
{
    for (unsigned i = 0; i < net->n_params; i++)
        if (net->params[i]->trained)
            random_fill(net->params[i]->grad, net->params[i]->count, scale, 50 * step + i);
}

static double norm_of(const struct kd_network *net)
{
    double sum = 0;
    for (unsigned i = 0; i < net->n_params; i++)
        for (size_t j = 0; net->params[i]->trained && j < net->params[i]->count; j++)
            sum += (double)net->params[i]->grad[j] * (double)net->params[i]->grad[j];
    return sqrt(sum);
}

/* As backward does it: ranges of whole rows, in any order. */
static void step(struct kd_optimizer *o, struct kd_network *net, double rate)
{
    const struct kd_gradient_sink *sink = kd_optimizer_begin(o, rate);
    for (unsigned i = net->n_params; sink && i-- > 0;) {
        struct kd_param *p = net->params[i];
        size_t row = p->count / p->shape[0], half = p->shape[0] / 2 * row;
        if (!p->trained) continue;
        sink->ready(sink->ctx, p, half, p->count - half);
        sink->ready(sink->ctx, p, 0, half);
    }
    kd_optimizer_finish(o, NULL);
}

struct one { /* a number and its two states */
    double w, m, v;
};

/* The formulas that kd/nn/kernels.h names, written out as PyTorch documents them. */
static void expected_step(const struct kd_train_config *c, double rate, double t, double g,
                          bool decays, struct one *x)
{
    double decay = decays ? c->weight_decay : 0;
    bool apart = c->optimizer.kind == KD_ADAMW || c->optimizer.decoupled;
    if (!apart) g += decay * x->w;
    if (apart && c->optimizer.kind == KD_SGD) x->w -= rate * decay * x->w;
    if (c->optimizer.kind == KD_SGD) {
        x->m = c->optimizer.momentum * x->m + g;
        x->w -= rate * (c->optimizer.nesterov ? g + c->optimizer.momentum * x->m : x->m);
        return;
    }
    if (c->optimizer.kind == KD_ADAMW) x->w -= rate * decay * x->w;
    x->m = c->optimizer.beta1 * x->m + (1 - c->optimizer.beta1) * g;
    x->v = c->optimizer.beta2 * x->v + (1 - c->optimizer.beta2) * g * g;
    double mean = x->m / (1 - pow(c->optimizer.beta1, t)),
           square = x->v / (1 - pow(c->optimizer.beta2, t));
    x->w -= rate * mean / (sqrt(square) + c->optimizer.epsilon);
}

static void check_steps(const struct kd_train_config *c)
{
    struct kd_optimizer o;
    struct kd_network *net = make(&o, c, layers);
    static struct one x[16][64];
    memset(x, 0, sizeof x);
    for (unsigned i = 0; i < net->n_params; i++)
        for (size_t j = 0; j < net->params[i]->count; j++)
            x[i][j].w = (double)net->params[i]->value[j];
    for (unsigned s = 0; s < 5; s++) {
        double rate = 0.1 / (s + 1);
        gradients(net, s, 1);
        double factor = 1, norm = norm_of(net);
        if (c->clip_norm > 0 && norm > c->clip_norm) factor = c->clip_norm / norm;
        for (unsigned i = 0; i < net->n_params; i++) {
            struct kd_param *p = net->params[i];
            bool weight = p->dims == 2, bias = strstr(p->name, "bias");
            double own =
                weight ? rate : rate * (bias ? c->optimizer.bias_rate : c->optimizer.norm_rate);
            for (size_t j = 0; p->trained && j < p->count; j++)
                expected_step(c, own, s + 1, factor * (double)p->grad[j], weight, &x[i][j]);
        }
        step(&o, net, rate);
        assert_int_equal(o.t, s + 1);
        for (unsigned i = 0; i < net->n_params; i++)
            for (size_t j = 0; j < net->params[i]->count; j++) {
                near(net->params[i]->name, j, (double)net->params[i]->value[j], x[i][j].w);
                if (!net->params[i]->trained) continue;
                near("first state", j, (double)o.state[0][i][j], x[i][j].m);
                if (o.states == 2) near("second state", j, (double)o.state[1][i][j], x[i][j].v);
            }
    }
    end(&o, net);
}

static void each_optimizer(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4 * 2 * 3; i++) {
        struct kd_train_config c = config(i % 4 == 3 ? KD_SGD : (enum kd_optimizer_kind)(i % 4));
        c.optimizer.nesterov = i % 4 == 3;
        c.weight_decay = i / 4 % 2 ? 0.05 : 0;
        c.clip_norm = i / 8 == 0 ? 0 : i / 8 == 1 ? 0.5 : 1e6; /* off, on, never reached */
        check_steps(&c);
    }
    struct kd_train_config c = config(KD_SGD);
    c.optimizer.momentum = 0;
    check_steps(&c);
    for (unsigned i = 0; i < 3 * 4; i++) { /* rates of their own, decay apart */
        c = config((enum kd_optimizer_kind)(i % 3));
        c.optimizer.bias_rate = 2;
        c.optimizer.norm_rate = 0.25;
        c.weight_decay = 0.05;
        c.optimizer.decoupled = i % 3 == 0 && i / 3 % 2;
        c.clip_norm = i / 6 ? 0.5 : 0;
        check_steps(&c);
    }
    c = config(KD_ADAM);
    c.optimizer.beta1 = c.optimizer.beta2 = 0;
    c.optimizer.epsilon = 0.1;
    check_steps(&c);
}

/* Without gradient only what decays moves. */
/* Of equal gradients mean and mean square are what the bias corrections take them for, and each
 * step is as long as the rate. A float's 1 - 0.99999 is 1.4 in a thousand off. */
static void long_memory(void **state)
{
    (void)state;
    struct kd_optimizer o;
    struct kd_train_config c = config(KD_ADAM);
    c.optimizer.beta2 = 0.99999;
    c.optimizer.beta1 = 0.999;
    struct kd_network *net = make(&o, &c, layers);
    enum { STEPS = 20 };
    const double rate = 0.01;
    for (unsigned i = 0; i < net->n_params; i++)
        for (size_t j = 0; j < net->params[i]->count; j++) net->params[i]->value[j] = 0;
    for (unsigned s = 0; s < STEPS; s++) {
        for (unsigned i = 0; i < net->n_params; i++)
            for (size_t j = 0; net->params[i]->trained && j < net->params[i]->count; j++)
                net->params[i]->grad[j] = -0.5f;
        step(&o, net, rate);
    }
    for (unsigned i = 0; i < net->n_params; i++)
        for (size_t j = 0; net->params[i]->trained && j < net->params[i]->count; j++) {
            double way = (double)net->params[i]->value[j] / (STEPS * rate);
            if (!(fabs(way - 1) < 2e-5)) fail_msg("%s: %.8g of the way", net->params[i]->name, way);
        }
    end(&o, net);
}

static void decay_of_weights_alone(void **state)
{
    (void)state;
    for (int kind = KD_SGD; kind <= KD_ADAMW; kind++) {
        struct kd_train_config c = config((enum kd_optimizer_kind)kind);
        struct kd_optimizer o;
        c.weight_decay = 0.1;
        struct kd_network *net = make(&o, &c, layers);
        float before[16][64];
        for (unsigned i = 0; i < net->n_params; i++) {
            struct kd_param *p = net->params[i];
            if (p->dims == 1) random_fill(p->value, p->count, 1, i);
            if (p->trained) memset(p->grad, 0, p->count * sizeof *p->grad);
            memcpy(before[i], p->value, p->count * sizeof *p->value);
        }
        step(&o, net, 0.01);
        for (unsigned i = 0; i < net->n_params; i++)
            for (size_t j = 0; j < net->params[i]->count; j++) {
                float now = net->params[i]->value[j];
                assert_int_equal(net->params[i]->dims == 2, net->params[i]->decays);
                if (net->params[i]->decays)
                    assert_true(fabsf(now) < fabsf(before[i][j]));
                else
                    assert_true(now == before[i][j]);
            }
        end(&o, net);
    }
}

static void clipping(void **state)
{
    (void)state;
    struct kd_train_config c = config(KD_SGD);
    struct kd_optimizer o;
    c.clip_norm = 2;
    c.optimizer.momentum = 0;
    struct kd_network *net = make(&o, &c, layers);
    assert_null(kd_optimizer_begin(&o, 1));
    gradients(net, 1, 10);
    assert_true(norm_of(net) > 2);
    kd_optimizer_finish(&o, NULL);
    assert_true(fabs(norm_of(net) - 2) < 1e-5);
    gradients(net, 2, 0.01f);
    double norm = norm_of(net);
    kd_optimizer_begin(&o, 1);
    kd_optimizer_finish(&o, NULL);
    assert_true(norm_of(net) == norm);
    end(&o, net);
}

/* Rows too long are scaled back to the length, others are left alone; clipping takes the other way
 * round. */
static void max_norm(void **state)
{
    (void)state;
    for (unsigned clip = 0; clip < 2; clip++) {
        struct kd_train_config c = config(KD_SGD);
        struct kd_optimizer o;
        c.clip_norm = clip ? 1e9 : 0;
        struct kd_network *net = make(&o, &c, normed);
        struct kd_param *w = param_of(net, "1.weight"), *free_w = param_of(net, "3.weight");
        gradients(net, 1, 0);
        for (size_t r = 0; r < 5; r++)
            for (size_t j = 0; j < 6; j++) w->value[r * 6 + j] = j == r ? (float)r / 4 : 0;
        for (size_t j = 0; j < free_w->count; j++) free_w->value[j] = 100;
        step(&o, net, 0.1);
        for (size_t r = 0; r < 5; r++)
            for (size_t j = 0; j < 6; j++) {
                float expected = j != r ? 0 : r > 3 ? 0.75f : (float)r / 4;
                assert_true(fabsf(w->value[r * 6 + j] - expected) < 1e-6f);
            }
        for (size_t j = 0; j < free_w->count; j++) assert_true(free_w->value[j] == 100);
        gradients(net, 2, 50);
        step(&o, net, 0.1);
        for (size_t r = 0; r < 5; r++) {
            double square = 0;
            for (size_t j = 0; j < 6; j++) square += pow((double)w->value[r * 6 + j], 2);
            assert_true(sqrt(square) < 0.75 + 1e-6);
        }
        end(&o, net);
    }
}

static void state_names(void **state)
{
    (void)state;
    for (int kind = KD_SGD; kind <= KD_ADAMW; kind++) {
        struct kd_train_config c = config((enum kd_optimizer_kind)kind);
        struct kd_optimizer o;
        struct kd_network *net = make(&o, &c, layers);
        assert_int_equal(o.states, kind == KD_SGD ? 1 : 2);
        assert_string_equal(kd_optimizer_state_name(&o, 0), kind == KD_SGD ? "momentum" : "mean");
        if (kind != KD_SGD) assert_string_equal(kd_optimizer_state_name(&o, 1), "square");
        end(&o, net);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_optimizer), cmocka_unit_test(decay_of_weights_alone),
        cmocka_unit_test(long_memory),    cmocka_unit_test(clipping),
        cmocka_unit_test(max_norm),       cmocka_unit_test(state_names),
    };
    return cmocka_run_group_tests_name("optimizer", tests, NULL, NULL);
}
