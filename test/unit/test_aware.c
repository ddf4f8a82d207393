/* Simulated integers: against PyTorch's fake quantisation (test/fixtures/make_aware.py), how ranges
 * learn, and that the integers that come out are those that were simulated. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "kd/base/tensorfile.h"
#include "kd/nn/aware.h"
#include "kd/nn/gemm.h"
#include "kd/nn/integers.h"
#include "nets.h"
#include "tables.h"

enum { BATCH = 6, CLASSES = 5, TENSORS = 6, PIXELS = 72 };
static const char layers[] =
    "[{\"kind\":\"conv2d\",\"filters\":4,\"padding\":1},\"relu\",\"maxpool\","
    "{\"kind\":\"residual\",\"body\":[{\"kind\":\"conv2d\",\"filters\":4,\"padding\":1}]},"
    "\"relu\",\"flatten\",\"dense\"]";
static const struct kd_normalize normalize = {2, {0.5f, 0.5f}, {0.25f, 0.25f}}; /* -2..2 */
static const uint32_t samples[BATCH] = {0, 1, 2, 3, 4, 5};

struct fixture {
    struct kd_tensorfile file;
    struct kd_network *net;
    struct kd_aware *aware;
    struct kd_pool *pool;
    struct kd_pass pass;
};

static const float *values(const struct fixture *f, const char *name, size_t count)
{
    const struct kd_tensor *t = kd_tensorfile_find(&f->file, name);
    if (!t || t->dtype != KD_F32 || t->count != count) {
        fail_msg("no %s of %zu", name, count);
        return NULL;
    }
    return t->data;
}

static void compare(const char *what, const float *got, const float *expected, size_t n,
                    double tolerance)
{
    double most = 1e-3;
    for (size_t i = 0; i < n; i++) most = fmax(most, fabs((double)expected[i]));
    for (size_t i = 0; i < n; i++)
        if (!(fabs((double)got[i] - (double)expected[i]) <= tolerance * most))
            fail_msg("%s[%zu] is %.8g; expected %.8g", what, i, (double)got[i],
                     (double)expected[i]);
}

static int setup(void **state)
{
    struct kd_err err;
    struct fixture *f = calloc(1, sizeof *f);
    char name[96];
    if (kd_tensorfile_read("test/fixtures/torch/aware.safetensors", NULL, &f->file, &err) < 0)
        fail_msg("%s", err.text);
    f->net = net_of(layers, (struct kd_shape){2, 6, 6, false}, CLASSES, 1);
    for (unsigned i = 0; i < f->net->n_params; i++) {
        struct kd_param *p = f->net->params[i];
        snprintf(name, sizeof name, "p.%s", p->name);
        memcpy(p->value, values(f, name, p->count), p->count * sizeof(float));
    }
    f->aware = kd_aware_new(f->net, &normalize, &err);
    if (!f->aware) fail_msg("%s", err.text);
    net_plan(f->net, BATCH, true);
    f->pool = kd_pool_new(2, &err);
    f->pass = (struct kd_pass){.training = true, .seed = 1, .sample = samples, .rows = BATCH};
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    kd_aware_free(f->aware);
    kd_network_free(f->net);
    kd_pool_free(f->pool);
    kd_tensorfile_release(&f->file);
    free(f);
    return 0;
}

static void put_ranges(struct fixture *f)
{
    size_t n;
    float *ranges = kd_aware_ranges(f->aware, &n);
    assert_int_equal(n, TENSORS);
    memcpy(ranges, values(f, "ranges", TENSORS * 2), TENSORS * 2 * sizeof *ranges);
    kd_aware_adopt(f->aware, true, false);
}

static void forward(struct fixture *f)
{
    memcpy(f->net->in, values(f, "x", BATCH * PIXELS), BATCH * PIXELS * sizeof(float));
    kd_aware_round(f->aware, f->pool);
    kd_aware_images(f->aware, BATCH);
    kd_network_forward(f->net, f->pool, &f->pass);
}

static void backward(struct fixture *f, const struct kd_gradient_sink *sink)
{
    memcpy(f->net->dout, values(f, "r", BATCH * CLASSES), BATCH * CLASSES * sizeof(float));
    kd_network_backward(f->net, f->pool, &f->pass, kd_aware_sink(f->aware, sink));
    kd_aware_restore(f->aware);
}

static void test_torch(void **state)
{
    struct fixture *f = *state;
    char name[96];
    put_ranges(f);
    forward(f);
    compare("logits", f->net->out, values(f, "logits", BATCH * CLASSES), BATCH * CLASSES, 1e-5);
    backward(f, NULL);
    for (unsigned i = 0; i < f->net->n_params; i++) {
        const struct kd_param *p = f->net->params[i];
        snprintf(name, sizeof name, "g.%s", p->name);
        compare(name, p->grad, values(f, name, p->count), p->count, 1e-4);
    }
}

struct told {
    const struct fixture *f;
    size_t n;
};

/* Weights are whole again where an optimizer is to change them. */
static void look(void *ctx, struct kd_param *p, size_t from, size_t count)
{
    struct told *told = ctx;
    char name[96];
    snprintf(name, sizeof name, "p.%s", p->name);
    compare(name, p->value + from, values(told->f, name, p->count) + from, count, 0);
    for (size_t i = from; i < from + count; i++) p->value[i] = 0.5f;
    told->n += count;
}

static void test_weights_come_back(void **state)
{
    struct fixture *f = *state;
    struct told told = {.f = f};
    const struct kd_gradient_sink sink = {look, &told};
    struct kd_pool *one = f->pool;
    f->pool = NULL;
    put_ranges(f);
    forward(f);
    const struct kd_param *p = param_of(f->net, "0.weight");
    assert_true(memcmp(p->value, values(f, "p.0.weight", p->count), p->count * sizeof(float)));
    backward(f, &sink);
    assert_int_equal(told.n, f->net->parameters);
    for (size_t i = 0; i < p->count; i++) assert_true(p->value[i] == 0.5f);
    f->pool = one;
}

/* The first batch's range, then means over batches; images count with all bytes. */
static void test_ranges_learn(void **state)
{
    struct fixture *f = *state;
    size_t n;
    float *ranges = kd_aware_ranges(f->aware, &n), first[2];
    forward(f);
    backward(f, NULL);
    kd_aware_learn(f->aware, 0, true);
    memcpy(first, ranges + 2 * 3, sizeof first);
    assert_true(first[0] < -0.1f && first[1] > 0.1f);
    assert_true(ranges[2 * 1] == 0); /* relu */
    for (unsigned i = 0; i < f->net->n_params; i++)
        for (size_t j = 0; j < f->net->params[i]->count; j++) f->net->params[i]->value[j] = 0;
    forward(f);
    backward(f, NULL);
    kd_aware_learn(f->aware, 1, false);
    for (int i = 0; i < 2; i++) assert_true(fabsf(ranges[2 * 3 + i] - first[i] / 2) < 1e-6f);
    put_ranges(f);
    forward(f); /* learns no more */
    backward(f, NULL);
    kd_aware_learn(f->aware, 2, false);
    compare("ranges", ranges, values(f, "ranges", 2 * TENSORS), 2 * TENSORS, 0);
}

static void test_integers_are_those(void **state)
{
    struct fixture *f = *state;
    struct kd_err err;
    put_ranges(f);
    forward(f);
    float simulated[BATCH * CLASSES], most = 0;
    memcpy(simulated, f->net->out, sizeof simulated);
    kd_aware_restore(f->aware);
    if (kd_aware_finish(f->aware, "0123", &err) < 0) fail_msg("%s", err.text);
    const struct kd_int_network *ints = f->net->integers;
    int32_t logits[BATCH * CLASSES];
    struct kd_int_run *run = kd_int_plan(ints, BATCH, 1, &err);
    assert_non_null(run);
    struct kd_int_batch batch = {values(f, "x", BATCH * PIXELS), BATCH, logits};
    kd_int_forward(run, NULL, &batch);
    for (int i = 0; i < BATCH * CLASSES; i++) most = fmaxf(most, fabsf(simulated[i]));
    for (int i = 0; i < BATCH * CLASSES; i++)
        if (fabsf((float)logits[i] * ints->logit_scale - simulated[i]) > 0.02f * most)
            fail_msg("logit %d is %g; %g was simulated", i,
                     (double)((float)logits[i] * ints->logit_scale), (double)simulated[i]);
    kd_int_run_free(run);
}

static void test_no_form(void **state)
{
    (void)state;
    struct kd_err err;
    struct kd_network *net =
        net_of("[\"flatten\",\"dense\",\"batchnorm\"]", (struct kd_shape){1, 2, 2, false}, 3, 1);
    assert_null(kd_aware_new(net, &normalize, &err));
    assert_non_null(strstr(err.text, "batchnorm"));
    kd_network_free(net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_torch, setup, teardown),
        cmocka_unit_test_setup_teardown(test_weights_come_back, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ranges_learn, setup, teardown),
        cmocka_unit_test_setup_teardown(test_integers_are_those, setup, teardown),
        cmocka_unit_test(test_no_form),
    };
    kd_blas_init();
    return run_on_each_table("aware", tests);
}
