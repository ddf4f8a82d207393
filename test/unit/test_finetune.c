/* Fine-tuning: what is frozen stays, bit for bit; what has a rate of its own learns at that; what
 * fits comes from another model; and what does not is told. */
#include "scratch.h"

#include "kd/nn/gemm.h"
#include "kd/train/finetune.h"
#include "nets.h"
#include "training.h"

static struct kd_err err;
static struct kd_images images;
static const struct kd_shape shape = {1, SET_SIDE, SET_SIDE, false};
#define LAYERS(units)                                                                              \
    "[\"flatten\",{\"kind\":\"dense\",\"units\":9},\"batchnorm\",\"relu\",{\"kind\":\"dense\","    \
    "\"units\":" units "},\"relu\",{\"kind\":\"dense\"}]"

static int make(void **state)
{
    images_make(&images, SET_IMAGES);
    return scratch_make(state);
}

static int unmake(void **state)
{
    images_free(&images);
    return scratch_remove(state);
}

/* ---- training ---- */

/* The model that a student of these settings becomes; to be released. */
static void train(const char *const *sets, const char *init, const char *name, struct kd_model *out)
{
    struct kd_job job = {0};
    char output[600];
    snprintf(output, sizeof output, "%s/%s", scratch, name);
    job_make(&job, true, sets);
    struct kd_training t = {.job = &job,
                            .seed = 1,
                            .experiment = "x",
                            .images = &images,
                            .output = output,
                            .command = "",
                            .init = init};
    if (kd_training_run(&t, &err) != 0 || kd_model_read(output, out, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(kd_training_is_current(&t, &err), 1);
    kd_training_release(&t);
    kd_job_release(&job);
}

static bool same(const struct kd_model *a, const struct kd_model *b, const char *name)
{
    const struct kd_param *p = param_of(a->net, name), *q = param_of(b->net, name);
    return memcmp(p->value, q->value, p->count * sizeof *p->value) == 0;
}

#define STUDENT "students.s.network=" LAYERS("7"), "students.s.train.train_eval=0"
static void frozen_stays(void **state)
{
    static const char *const plain[] = {STUDENT, "students.s.train.epochs=1", NULL},
                             *const frozen[] = {STUDENT,
                                                "students.s.train.epochs=2",
                                                "students.s.train.freeze=[\"1.*\",\"*.bias\"]",
                                                "students.s.train.weight_decay=0.1",
                                                "students.s.train.ema.decay=0.5",
                                                "students.s.train.init=elsewhere",
                                                NULL},
                             *const rates[] = {STUDENT,
                                               "students.s.train.epochs=2",
                                               "students.s.train.rates={\"*\":0,\"?.weight\":1,"
                                               "\"4.*\":0}",
                                               "students.s.train.optimizer=sgd",
                                               "students.s.train.init=elsewhere",
                                               NULL};
    static const char *const fixed[] = {"1.weight", "1.bias", "2.bias", "4.bias", "6.bias"},
                             *const moved[] = {"2.weight", "4.weight", "6.weight"};
    struct kd_model before, after;
    (void)state;
    train(plain, NULL, "before.safetensors", &before);
    train(frozen, in_scratch("before.safetensors"), "after.safetensors", &after);
    for (unsigned i = 0; i < 5; i++) assert_true(same(&before, &after, fixed[i]));
    for (unsigned i = 0; i < 3; i++) assert_false(same(&before, &after, moved[i]));
    assert_false(same(&before, &after, "2.running_mean"));
    const cJSON *parents = cJSON_GetObjectItemCaseSensitive(after.metadata, "kd.parents");
    char expected[KD_FINGERPRINT + 8];
    snprintf(expected, sizeof expected, "[\"%s\"]", before.fingerprint);
    assert_string_equal(parents->valuestring, expected);
    kd_model_release(&after);
    train(rates, in_scratch("before.safetensors"), "rates.safetensors", &after);
    assert_true(same(&before, &after, "4.weight"));
    assert_true(same(&before, &after, "1.bias"));
    assert_false(same(&before, &after, "1.weight"));
    assert_false(same(&before, &after, "6.weight"));
    kd_model_release(&after);
    kd_model_release(&before);
}

/* Of plain gradient descent one step is as long as its rate says. */
static void rate_is_a_factor(void **state)
{
#define ONE_STEP                                                                                   \
    STUDENT, "students.s.train.epochs=1", "students.s.train.batch=90",                             \
        "students.s.train.optimizer={\"kind\":\"sgd\",\"momentum\":0}",                            \
        "students.s.train.schedule=constant", "students.s.train.learning_rate=0.5"
    static const char *const none[] = {ONE_STEP, "students.s.train.rates={\"*\":0}", NULL},
                             *const whole[] = {ONE_STEP, NULL},
                             *const half[] = {ONE_STEP, "students.s.train.rates={\"4.weight\":0.5}",
                                              NULL};
    struct kd_model a, b, c;
    (void)state;
    train(none, NULL, "none.safetensors", &a);
    train(whole, NULL, "whole.safetensors", &b);
    train(half, NULL, "half.safetensors", &c);
    const struct kd_param *p = param_of(a.net, "4.weight"), *q = param_of(b.net, "4.weight"),
                          *r = param_of(c.net, "4.weight");
    for (size_t i = 0; i < p->count; i++) {
        const float step = q->value[i] - p->value[i], took = r->value[i] - p->value[i];
        if (!(took - step / 2 < 1e-6f && took - step / 2 > -1e-6f))
            fail_msg("weight %zu: %g of %g", i, (double)took, (double)step);
    }
    assert_true(same(&b, &c, "6.weight"));
    kd_model_release(&a);
    kd_model_release(&b);
    kd_model_release(&c);
}

/* ---- another model ---- */

static void what_fits_is_told(void **state)
{
    char told[KD_FINETUNE_TOLD], path[] = "from.safetensors";
    struct kd_model from = {.path = path, .net = net_of(LAYERS("7"), shape, 3, 5)};
    struct kd_network *net = net_of(LAYERS("7"), shape, 3, 6);
    (void)state;
    param_of(from.net, "2.running_mean")->value[3] = 4;
    if (kd_finetune_begin(net, &from, told, &err) < 0) fail_msg("%s", err.text);
    assert_string_equal(told, "all 10 arrays start as in from.safetensors");
    assert_memory_equal(param_of(net, "4.weight")->value, param_of(from.net, "4.weight")->value,
                        7 * 9 * sizeof(float));
    assert_true(param_of(net, "2.running_mean")->value[3] == 4);
    kd_network_free(net);
    net = net_of(LAYERS("8"), shape, 3, 6);
    if (kd_finetune_begin(net, &from, told, &err) < 0) fail_msg("%s", err.text);
    assert_string_equal(told, "7 of 10 arrays start as in from.safetensors; not 4.weight (7x9 "
                              "there, 8x9 here), 4.bias (7 there, 8 here), 6.weight (3x7 there, "
                              "3x8 here)");
    kd_network_free(net);
    net = net_of("[\"flatten\",\"relu\",\"relu\",\"relu\",\"relu\",\"relu\",\"relu\",\"relu\","
                 "{\"kind\":\"dense\"}]",
                 shape, 3, 6);
    assert_int_equal(kd_finetune_begin(net, &from, told, &err), -1);
    assert_says(err, "train.init: nothing in from.safetensors fits this network");
    assert_says(err, "8.weight (not there), 8.bias (not there)");
    kd_network_free(net);
    kd_network_free(from.net);
}

static void patterns_refused(void **state)
{
    static const char *const cases[][2] = {
        {"students.s.train.freeze=9.*", "train.freeze: \"9.*\" matches no parameter"},
        {"students.s.train.freeze=2.running*", "matches no parameter of the network: 1.weight, "},
        {"students.s.train.freeze=*", "train.freeze: nothing is left to learn"},
        {"students.s.train.rates={\"x\":1}", "train.rates: \"x\" matches no parameter"},
        {"students.s.train.rates={\"*\":-1}", "needs a factor from 0 to 10000"},
        {"students.s.train.rates={\"*\":\"a\"}", "needs a factor from 0 to 10000"},
        {"students.s.train.rates=[1]", "train.rates: expected patterns with their factors"},
    };
    (void)state;
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *const sets[] = {cases[i][0], "students.s.network=mlp-9", NULL};
        struct kd_job job = {0};
        struct kd_network *net = net_of(LAYERS("7"), shape, 3, 5);
        job_make(&job, true, sets);
        assert_int_equal(kd_finetune_mark(net, &job.train, &err), -1);
        assert_says(err, cases[i][1]);
        assert_int_equal(err.kind, KD_ERR_USAGE);
        kd_network_free(net);
        kd_job_release(&job);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frozen_stays),
        cmocka_unit_test(rate_is_a_factor),
        cmocka_unit_test(what_fits_is_told),
        cmocka_unit_test(patterns_refused),
    };
    kd_blas_init();
    return cmocka_run_group_tests_name("finetune", tests, make, unmake);
}
