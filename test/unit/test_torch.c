/* Forward, loss, gradients and optimizer steps against PyTorch's, from files that
 * test/fixtures/make_torch.py wrote. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "kd/base/tensorfile.h"
#include "kd/nn/gemm.h"
#include "kd/train/loss.h"
#include "kd/train/optimizer.h"
#include "nets.h"
#include "tables.h"

enum { BATCH = 12 };

static const double forward_tolerance = 1e-5, gradient_tolerance = 1e-4, step_tolerance = 1e-5;

struct fixture {
    const char *name;
    struct kd_tensorfile file;
    struct kd_network *net;
    struct kd_loss loss;
    struct kd_pass pass;
    double *scratch;
    uint32_t samples[BATCH];
};

static const float *values(const struct fixture *f, const char *name, size_t count)
{
    const struct kd_tensor *t = kd_tensorfile_find(&f->file, name);
    if (!t || t->dtype != KD_F32 || t->count != count)
        fail_msg("%s: no %s of %zu", f->name, name, count);
    return t->data;
}

static double number(const struct fixture *f, const char *key)
{
    const char *text = kd_tensorfile_meta(&f->file, key);
    if (!text) fail_msg("%s: no %s", f->name, key);
    return strtod(text, NULL);
}

/* Differences are held against the largest value there is. */
static void compare(const struct fixture *f, const char *what, const float *got,
                    const float *expected, size_t n, double tolerance)
{
    double most = 1e-3;
    for (size_t i = 0; i < n; i++) most = fmax(most, fabs((double)expected[i]));
    for (size_t i = 0; i < n; i++)
        if (!(fabs((double)got[i] - (double)expected[i]) <= tolerance * most))
            fail_msg("%s: %s[%zu] is %.8g, PyTorch's %.8g", f->name, what, i, (double)got[i],
                     (double)expected[i]);
}

/* PREFIX.NAME of every parameter (or of the running statistics alone) into or against the network.
 */
static void put_parameters(struct fixture *f)
{
    char name[128];
    for (unsigned i = 0; i < f->net->n_params; i++) {
        struct kd_param *p = f->net->params[i];
        snprintf(name, sizeof name, "p.%s", p->name);
        memcpy(p->value, values(f, name, p->count), p->count * sizeof(float));
    }
}

static void compare_parameters(const struct fixture *f, const char *prefix, bool running_only)
{
    char name[128];
    for (unsigned i = 0; i < f->net->n_params; i++) {
        const struct kd_param *p = f->net->params[i];
        if (running_only && p->trained) continue;
        snprintf(name, sizeof name, "%s.%s", prefix, p->name);
        compare(f, name, p->value, values(f, name, p->count), p->count, step_tolerance);
    }
}

static void open_fixture(struct fixture *f, const char *name)
{
    char path[128];
    struct kd_err err = {0};
    *f = (struct fixture){.name = name};
    snprintf(path, sizeof path, "test/fixtures/torch/%s.safetensors", name);
    if (kd_tensorfile_read(path, NULL, &f->file, &err) < 0) fail_msg("%s", err.text);
    cJSON *json = json_of(kd_tensorfile_meta(&f->file, "network"));
    f->net = kd_network_from_json(json, &err);
    if (!f->net) fail_msg("%s: %s", name, err.text);
    cJSON_Delete(json);
    net_plan(f->net, BATCH, true);
    struct kd_distill_config distill = {.alpha = number(f, "alpha"),
                                        .temperature = number(f, "temperature"),
                                        .weight = NAN,
                                        .label_weight = NAN,
                                        .ramp = NAN};
    if (kd_loss_init(&f->loss, &distill, number(f, "smoothing"), &err) < 0)
        fail_msg("%s: %s", name, err.text);
    f->scratch = calloc(kd_loss_scratch(&f->loss, BATCH, f->net->classes), sizeof *f->scratch);
    f->pass =
        (struct kd_pass){.training = strcmp(kd_tensorfile_meta(&f->file, "mode"), "train") == 0,
                         .sample = f->samples,
                         .rows = BATCH};
}

static void close_fixture(struct fixture *f)
{
    kd_network_free(f->net);
    kd_tensorfile_release(&f->file);
    kd_loss_release(&f->loss);
    free(f->scratch);
}

/* Forward and loss; dout is ready for backward. Returns the batch's loss. */
static double forward(struct fixture *f)
{
    size_t in = BATCH * kd_shape_size(f->net->input), out = BATCH * (size_t)f->net->classes;
    const struct kd_tensor *labels = kd_tensorfile_find(&f->file, "labels");
    assert_true(labels && labels->dtype == KD_I32 && labels->count == BATCH);
    memcpy(f->net->in, values(f, "x", in), in * sizeof(float));
    kd_network_forward(f->net, NULL, &f->pass);
    struct kd_loss_batch b = {.n = BATCH,
                              .classes = f->net->classes,
                              .logits = f->net->out,
                              .labels = labels->data,
                              .teacher = values(f, "teacher", out)};
    struct kd_loss_sums sums = {0};
    kd_loss_run(&f->loss, &b, f->net->dout, f->scratch, &sums);
    return sums.loss / BATCH;
}

static void check_backward(struct fixture *f)
{
    size_t out = BATCH * (size_t)f->net->classes;
    char name[128];
    put_parameters(f);
    double loss = forward(f), expected = (double)values(f, "loss", 1)[0];
    compare(f, "logits", f->net->out, values(f, "logits", out), out, forward_tolerance);
    if (!(fabs(loss - expected) <= forward_tolerance * fabs(expected)))
        fail_msg("%s: loss %.9g, PyTorch's %.9g", f->name, loss, expected);
    compare_parameters(f, "r", true);
    kd_network_backward(f->net, NULL, &f->pass, NULL);
    for (unsigned i = 0; i < f->net->n_params; i++) {
        const struct kd_param *p = f->net->params[i];
        if (!p->trained) continue;
        snprintf(name, sizeof name, "g.%s", p->name);
        compare(f, name, p->grad, values(f, name, p->count), p->count, gradient_tolerance);
    }
}

static void check_steps(struct fixture *f, const char *kind, const struct kd_train_config *c)
{
    struct kd_optimizer o;
    struct kd_err err = {0};
    char prefix[32];
    put_parameters(f);
    if (kd_optimizer_init(&o, c, f->net, &err) < 0) fail_msg("%s", err.text);
    for (unsigned step = 1; step <= 3; step++) {
        forward(f);
        kd_network_backward(f->net, NULL, &f->pass, kd_optimizer_begin(&o, c->learning_rate));
        kd_optimizer_finish(&o, NULL);
        snprintf(prefix, sizeof prefix, "%s%u", kind, step);
        if (step != 2) compare_parameters(f, prefix, false);
    }
    kd_optimizer_release(&o);
}

static void check_file(void **state)
{
    static const struct {
        const char *kind;
        struct kd_train_config config;
    } optimizers[] = {
        {"sgd", {.learning_rate = 0.1, .optimizer = {.kind = KD_SGD, .momentum = 0.9}}},
        {"nesterov",
         {.learning_rate = 0.05, .optimizer = {.kind = KD_SGD, .momentum = 0.8, .nesterov = true}}},
        {"adam",
         {.learning_rate = 0.01,
          .optimizer = {.kind = KD_ADAM, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-2}}},
        {"adamw",
         {.learning_rate = 0.02,
          .optimizer = {.kind = KD_ADAMW, .beta1 = 0.8, .beta2 = 0.99, .epsilon = 1e-2}}},
    };
    struct fixture f;
    open_fixture(&f, *state);
    check_backward(&f);
    for (unsigned i = 0; i < 4; i++) {
        struct kd_train_config c = optimizers[i].config;
        c.optimizer.bias_rate = c.optimizer.norm_rate = 1;
        c.weight_decay = number(&f, "decay");
        check_steps(&f, optimizers[i].kind, &c);
    }
    close_fixture(&f);
}

#define CASE(text)                                                                                 \
    {                                                                                              \
        text, check_file, NULL, NULL, text                                                         \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE("linear"),      CASE("relu"),     CASE("gelu"),      CASE("tanh"),
        CASE("leaky"),       CASE("norm"),     CASE("norm_eval"), CASE("mixed"),
        CASE("conv"),        CASE("winograd"), CASE("pools"),     CASE("norm2d"),
        CASE("norm2d_eval"), CASE("residual"), CASE("relu6"),     CASE("hardswish"),
        CASE("oblong"),
    };
    kd_blas_init();
    return run_on_each_table("torch", tests);
}
