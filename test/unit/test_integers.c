/* Networks in integers: folding, multipliers, all layers against a second reading of the file, on
 * every instruction set; files that are wrong. */
#include "scratch.h"

#include "integers_reference.h"
#include "kd/base/rng.h"
#include "kd/nn/gemm.h"
#include "kd/nn/kernels.h"
#include "kd/nn/model.h"
#include "kd/nn/quantize.h"
#include "nets.h"

#include <math.h>

static struct kd_err err;
enum { IMAGES = 5, MOST_CLASSES = 100 };

static const struct example {
    const char *name, *layers;
    struct kd_shape input;
    uint32_t classes;
} examples[] = {
    {"mlp",
     "[\"flatten\",{\"kind\":\"dense\",\"units\":33},\"relu\",{\"kind\":\"dropout\"},"
     "{\"kind\":\"dense\",\"units\":70},\"relu\",\"dense\"]",
     {1, 7, 5, false},
     10},
    {"convolutions",
     "[{\"kind\":\"conv2d\",\"filters\":6,\"padding\":1},\"relu\","
     "{\"kind\":\"maxpool\",\"kernel\":3,\"stride\":2,\"padding\":1},"
     "{\"kind\":\"conv2d\",\"filters\":8,\"groups\":2,\"kernel\":2},{\"kind\":\"leaky_relu\","
     "\"slope\":0.2},"
     "{\"kind\":\"avgpool\",\"padding\":1},\"gelu\",\"flatten\",{\"kind\":\"dense\",\"units\":9},"
     "\"tanh\","
     "\"dense\"]",
     {3, 13, 11, false},
     7},
    {"residual",
     "[{\"kind\":\"conv2d\",\"filters\":16,\"padding\":1,\"bias\":false},\"batchnorm\",\"relu\","
     "{\"kind\":\"residual\",\"body\":[\"relu\",{\"kind\":\"conv2d\",\"filters\":16,\"padding\":1},"
     "\"batchnorm\"]},\"batchnorm\",\"relu\","
     "{\"kind\":\"residual\",\"body\":[{\"kind\":\"conv2d\",\"filters\":16,\"groups\":16,"
     "\"padding\":1,"
     "\"stride\":2},\"batchnorm\",\"relu\",{\"kind\":\"conv2d\",\"filters\":20,\"kernel\":1}],"
     "\"shortcut\":[{\"kind\":\"conv2d\",\"filters\":20,\"kernel\":1,\"stride\":2},\"batchnorm\"]},"
     "\"relu\",{\"kind\":\"global_avgpool\"},\"flatten\",\"batchnorm\",\"dense\","
     "{\"kind\":\"scale\",\"by\":0.25}]",
     {3, 9, 9, false},
     10},
    {"ends in an average",
     "[{\"kind\":\"conv2d\",\"filters\":12},\"relu\",{\"kind\":\"conv2d\",\"filters\":5},"
     "\"global_avgpool\",\"flatten\"]",
     {1, 8, 8, false},
     5},
    {"ends in maps",
     "[{\"kind\":\"conv2d\",\"filters\":3},\"relu\",\"maxpool\",\"flatten\"]",
     {2, 6, 6, false},
     12},
    {"not square",
     "[{\"kind\":\"conv2d\",\"filters\":9,\"kernel\":5,\"kernel_width\":2,\"stride\":2,"
     "\"padding\":2,\"padding_width\":1},\"relu6\",{\"kind\":\"conv2d\",\"filters\":9,"
     "\"kernel\":1,\"kernel_width\":3,\"padding_width\":1,\"groups\":9},\"hardswish\","
     "\"flatten\",\"dense\"]",
     {2, 11, 9, false},
     10},
    {"wide",
     "[{\"kind\":\"conv2d\",\"filters\":70,\"padding\":2},\"relu\",{\"kind\":\"conv2d\","
     "\"filters\":37,\"kernel\":1},\"relu\",\"global_maxpool\",\"flatten\",\"dense\"]",
     {3, 6, 6, false},
     100},
};
enum { EXAMPLES = sizeof examples / sizeof *examples };

static struct kd_network *random_network(const struct example *e)
{
    struct kd_network *net = net_of(e->layers, e->input, e->classes, 3);
    for (unsigned i = 0; i < net->n_params; i++) {
        struct kd_param *p = net->params[i];
        if (p->dims > 1) continue;
        bool positive = strstr(p->name, "running_var") || p->role == KD_NORM_WEIGHT;
        random_fill(p->value, p->count, 0.3f, i);
        for (size_t k = 0; positive && k < p->count; k++) p->value[k] = fabsf(p->value[k]) + 0.4f;
    }
    return net;
}

static const struct kd_normalize *normalize_for(uint32_t channels)
{
    static struct kd_normalize n;
    n = (struct kd_normalize){.channels = channels};
    for (uint32_t c = 0; c < channels; c++) {
        n.mean[c] = 0.4f + 0.03f * (float)c;
        n.std[c] = 0.25f + 0.02f * (float)c;
    }
    return &n;
}

/* Bytes, and the same as a network's input. */
static void make_images(const struct example *e, size_t n, uint8_t *bytes, float *x)
{
    const struct kd_normalize *norm = normalize_for(e->input.c);
    size_t pixels = kd_shape_pixels(e->input);
    struct kd_rng r = kd_rng_for(5, KD_FOR_TEST, 1, 0);
    for (size_t i = 0; i < n * kd_shape_size(e->input); i++) {
        size_t c = i / pixels % e->input.c;
        bytes[i] = (uint8_t)kd_rng_below(&r, 256);
        x[i] = (float)((bytes[i] / 255.0 - (double)norm->mean[c]) / (double)norm->std[c]);
    }
}

static void float_logits(struct kd_network *net, const float *x, size_t n, float *z)
{
    struct kd_pass pass = {.rows = n};
    net_plan(net, n, false);
    memcpy(net->in, x, n * kd_shape_size(net->input) * sizeof *x);
    kd_network_forward(net, NULL, &pass);
    memcpy(z, net->out, n * net->classes * sizeof *z);
}

static void folding_changes_nothing(void **state)
{
    (void)state;
    for (unsigned i = 0; i < EXAMPLES; i++) {
        struct kd_network *net = random_network(&examples[i]);
        struct kd_network *folded = kd_network_fold(net, &err);
        if (!folded) fail_msg("%s: %s", examples[i].name, err.text);
        static uint8_t bytes[IMAGES * 3 * 13 * 13];
        static float x[IMAGES * 3 * 13 * 13], a[IMAGES * MOST_CLASSES], b[IMAGES * MOST_CLASSES];
        make_images(&examples[i], IMAGES, bytes, x);
        float_logits(net, x, IMAGES, a);
        float_logits(folded, x, IMAGES, b);
        for (size_t k = 0; k < IMAGES * net->classes; k++)
            if (fabsf(a[k] - b[k]) > 1e-4f * (1 + fabsf(a[k])))
                fail_msg("%s: logit %zu is %g, folded %g", examples[i].name, k, (double)a[k],
                         (double)b[k]);
        char *text = kd_json_text(folded->json, false, &err);
        assert_null(strstr(text, "batchnorm"));
        assert_null(strstr(text, "dropout"));
        assert_null(strstr(text, "\"scale\""));
        kd_free(text);
        kd_network_free(net);
        kd_network_free(folded);
    }
}

static void what_cannot_be_folded_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *layers, *says;
    } cases[] = {
        {"[\"flatten\",\"dense\",\"relu\",\"batchnorm\",\"relu\",\"dense\"]",
         "layer 3 (batchnorm)"},
        {"[\"flatten\",\"tanh\",{\"kind\":\"scale\",\"by\":-2},\"dense\"]", "layer 2 (scale)"},
        {"[{\"kind\":\"scale\",\"by\":2},\"tanh\",\"flatten\",\"dense\"]", "layer 1 (tanh)"},
        {"[\"flatten\",\"dense\",\"tanh\",{\"kind\":\"scale\",\"by\":2}]", "nothing to be folded"},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct kd_network *net = net_of(cases[i].layers, (struct kd_shape){1, 4, 4, false}, 10, 1);
        err = (struct kd_err){0};
        struct kd_network *folded = kd_network_fold(net, &err);
        if (folded) fail_msg("%s was folded", cases[i].layers);
        assert_says(err, cases[i].says);
        kd_network_free(net);
    }
}

static void multipliers(void **state)
{
    (void)state;
    static const double ratios[] = {1, 0.5, 0.75, 1e-9, 3.3e-3, 123.456, 0.99999999999, 5e8};
    for (unsigned i = 0; i < sizeof ratios / sizeof *ratios; i++) {
        int32_t m;
        uint8_t shift;
        assert_int_equal(kd_int_multiplier(ratios[i], &m, &shift, &err), 0);
        assert_true(m >= 1 << 30 && shift >= 1 && shift <= 62);
        assert_true(fabs(ldexp(m, -shift) / ratios[i] - 1) < 1.0 / (1 << 30));
    }
    static const double refused[] = {0, -1, NAN, INFINITY, 1e-10, 1.1e9};
    for (unsigned i = 0; i < sizeof refused / sizeof *refused; i++) {
        int32_t m;
        uint8_t shift;
        if (kd_int_multiplier(refused[i], &m, &shift, &err) == 0)
            fail_msg("%g was taken", refused[i]);
    }
    int32_t pair[2];
    uint8_t shift;
    assert_int_equal(kd_int_multiplier_pair(0.25, 3, pair, &shift, &err), 0);
    assert_int_equal(shift, 29);
    assert_int_equal(pair[0], 1 << 27);
    assert_int_equal(pair[1], 3 << 29);
}

/* -5/2 = -2.5 becomes -2, 5/2 becomes 3. */
static void halves_go_up(void **state)
{
    (void)state;
    assert_int_equal(kd_int_scale(-5, 1), -2);
    assert_int_equal(kd_int_scale(5, 1), 3);
    assert_int_equal(kd_int_scale(-6, 1), -3);
    assert_int_equal(kd_int_scale(-(3LL << 40), 41), -1);
}

/* ---- whole networks ---- */

static struct kd_network *quantised(const struct example *e,
                                    const struct kd_quantize_options *options)
{
    enum { N = 40 };
    struct kd_network *net = random_network(e), *folded = kd_network_fold(net, &err);
    if (!folded) fail_msg("%s: %s", e->name, err.text);
    uint8_t *bytes = malloc(N * kd_shape_size(e->input));
    float *x = malloc(N * kd_shape_size(e->input) * sizeof *x);
    make_images(e, N, bytes, x);
    struct kd_calibration c = {.in = x, .n = N, .normalize = normalize_for(e->input.c)};
    struct kd_quantize_report report;
    folded->integers = kd_alloc(1, sizeof *folded->integers, "", &err);
    if (kd_quantize(folded, &c, options, folded->integers, &report, &err) < 0)
        fail_msg("%s: %s", e->name, err.text);
    if (report.logit_snr < 12) fail_msg("%s: logits %.1f dB", e->name, report.logit_snr);
    kd_free(report.layers);
    free(bytes);
    free(x);
    kd_network_free(net);
    return folded;
}

static void write_file(struct kd_network *net, const char *path)
{
    struct kd_tensorfile f;
    if (kd_tensorfile_init(&f, &err) < 0 ||
        kd_model_to_file(net, normalize_for(net->input.c), &f, &err) < 0 ||
        kd_tensorfile_write(path, &f, &err) < 0)
        fail_msg("%s", err.text);
    kd_tensorfile_release(&f);
}

static void check_logits(const struct example *e, const char *path, const char *set)
{
    struct kd_model model;
    struct kd_tensorfile f;
    static uint8_t bytes[IMAGES * 3 * 13 * 13];
    static float x[IMAGES * 3 * 13 * 13], z[IMAGES * MOST_CLASSES];
    if (kd_model_read(path, &model, &err) < 0 || kd_tensorfile_read(path, NULL, &f, &err) < 0)
        fail_msg("%s", err.text);
    make_images(e, IMAGES, bytes, x);
    float_logits(model.net, x, IMAGES, z);
    for (size_t i = 0; i < IMAGES; i++) {
        int32_t want[MOST_CLASSES];
        ref_run(&f, bytes + i * kd_shape_size(e->input), want);
        for (size_t c = 0; c < e->classes; c++)
            if (model.net->int_out[i * e->classes + c] != want[c])
                fail_msg("%s on %s: image %zu, logit %zu is %d, expected %d", e->name, set, i, c,
                         (int)model.net->int_out[i * e->classes + c], (int)want[c]);
        assert_true(z[i * e->classes] == (float)want[0] * model.net->integers->logit_scale);
    }
    kd_model_release(&model);
    kd_tensorfile_release(&f);
}

static void the_same_integers_everywhere(void **state)
{
    (void)state;
    static const char *const sets[] = {"plain", "avx2", "avx512"};
    static const struct kd_quantize_options hows[] = {
        {.ranges = KD_RANGES_ERROR},
        {.ranges = KD_RANGES_MINMAX, .equalise = KD_EQUALISE_ALWAYS},
        {.ranges = KD_RANGES_PERCENTILE, .percentile = 99, .no_bias_correction = true}};
    for (unsigned i = 0; i < EXAMPLES; i++)
        for (unsigned h = 0; h < 3; h++) {
            struct kd_network *net = quantised(&examples[i], &hows[h]);
            write_file(net, in_scratch("q.safetensors"));
            kd_network_free(net);
            for (unsigned s = 0; s < 3; s++) {
                setenv("KD_CPU", sets[s], 1);
                if (kd_kernels_init(&err) == 0)
                    check_logits(&examples[i], in_scratch("q.safetensors"), sets[s]);
            }
            unsetenv("KD_CPU");
            assert_int_equal(kd_kernels_init(&err), 0);
        }
}

/* ---- files that are wrong ---- */

struct damage {
    const char *tensor; /* NULL: text of kd.quantization */
    size_t at;
    double value;
    const char *from, *to, *says;
};

static void damage_file(const char *path, const struct damage *d)
{
    struct kd_tensorfile f;
    if (kd_tensorfile_read(in_scratch("good.safetensors"), NULL, &f, &err) < 0)
        fail_msg("%s", err.text);
    cJSON_DeleteItemFromObjectCaseSensitive(f.metadata, "kd.checksums");
    if (d->tensor) {
        const struct kd_tensor *t = kd_tensorfile_find(&f, d->tensor);
        assert_non_null(t);
        if (t->dtype == KD_I8) ((int8_t *)t->data)[d->at] = (int8_t)d->value;
        if (t->dtype == KD_U8) ((uint8_t *)t->data)[d->at] = (uint8_t)d->value;
        if (t->dtype == KD_I32) ((int32_t *)t->data)[d->at] = (int32_t)d->value;
        if (t->dtype == KD_F32) ((float *)t->data)[d->at] = (float)d->value;
    } else {
        const char *text = kd_tensorfile_meta(&f, "kd.quantization"), *at = strstr(text, d->from);
        assert_non_null(at);
        char *changed =
            kd_format(&err, "%.*s%s%s", (int)(at - text), text, d->to, at + strlen(d->from));
        kd_tensorfile_set(&f, "kd.quantization", changed, &err);
        kd_free(changed);
    }
    if (kd_tensorfile_write(path, &f, &err) < 0) fail_msg("%s", err.text);
    kd_tensorfile_release(&f);
}

static void hostile_models_are_refused(void **state)
{
    (void)state;
    static const struct damage damages[] = {
        {"1.weight", 3, -128, NULL, NULL, "a weight is -128"},
        {"1.weight_scale", 2, 0, NULL, NULL, "scale"},
        {"1.weight_scale", 2, NAN, NULL, NULL, "scale"},
        {"1.weight_scale", 2, 1e38, NULL, NULL, "scale"},
        {"1.weight_scale", 2, -1, NULL, NULL, "scale"},
        {"1.bias", 4, 2147483647, NULL, NULL, "overflow"},
        {"1.multiplier", 4, 7, NULL, NULL, "multiplier 7"},
        {"1.shift", 4, 63, NULL, NULL, "shift 63"},
        {"1.shift", 4, 0, NULL, NULL, "shift 0"},
        {NULL, 0, 0, "\"version\":1", "\"version\":2", "its version is 2"},
        {NULL, 0, 0, "\"zero\":", "\"zero\":900,\"x\":", "\"zero\" is 900"},
        {NULL, 0, 0, "\"scale\":", "\"scale\":1e300,\"x\":", "scale"},
        {NULL, 0, 0, "\"scale\":", "\"scale\":0,\"x\":", "scale"},
        {NULL, 0, 0, "\"scale\":", "\"scale\":null,\"x\":", "\"scale\""},
        {NULL, 0, 0, "\"low\":-128", "\"low\":200", "\"low\" is 200"},
        {NULL, 0, 0, "\"low\":", "\"law\":", "\"low\""},
        {NULL, 0, 0, "\"tensors\":{\"1\"", "\"tensors\":{\"9\"", "1 has no number \"scale\""},
        {NULL, 0, 0, "\"logits\":{\"scale\":", "\"logits\":{\"scale\":1e-40,\"x\":", "logits"},
    };
    struct kd_network *net = quantised(&examples[0], &(struct kd_quantize_options){0});
    write_file(net, in_scratch("good.safetensors"));
    kd_network_free(net);
    for (unsigned i = 0; i < sizeof damages / sizeof *damages; i++) {
        struct kd_model model;
        damage_file(in_scratch("bad.safetensors"), &damages[i]);
        err = (struct kd_err){0};
        if (kd_model_read(in_scratch("bad.safetensors"), &model, &err) == 0)
            fail_msg("damage %u (%s) was accepted", i, damages[i].says);
        assert_says(err, damages[i].says);
        assert_says(err, "bad.safetensors");
    }
}

/* A sum that could leave 32 bits: 70,000 inputs at the largest weight. */
static void sums_that_overflow_are_refused(void **state)
{
    (void)state;
    struct kd_network *net =
        net_of("[\"flatten\",\"dense\"]", (struct kd_shape){1, 280, 250, false}, 2, 1);
    struct kd_graph graph;
    struct kd_int_network ints;
    assert_int_equal(kd_graph_build(&graph, net, &err), 0);
    assert_int_equal(kd_int_init(&ints, &graph, &err), 0);
    ints.tensors[0] = (struct kd_int_tensor){0.01f, 0, -128, 127};
    ints.ops[0].weight_scale[0] = ints.ops[0].weight_scale[1] = 0.5f;
    memset(ints.ops[0].weight, 127, 66000);
    assert_int_equal(kd_int_derive(&ints, &err), 0);
    assert_int_equal(kd_int_check(&ints, &err), 0);
    memset(ints.ops[0].weight, 127, 66100);
    assert_int_equal(kd_int_check(&ints, &err), -1);
    assert_says(err, "layer 1, channel 0: its sum could reach");
    kd_int_release(&ints);
    kd_network_free(net);
}

/* Values that are no byte's are rounded half to even. */
static void floats_are_rounded(void **state)
{
    (void)state;
    struct kd_network *net = quantised(&examples[0], &(struct kd_quantize_options){0});
    struct kd_int_network *ints = net->integers;
    float x[35];
    int8_t tensor[4][100], *tensors[4] = {tensor[0], tensor[1], tensor[2], tensor[3]};
    int32_t z[10];
    assert_true(ints->graph.n_tensors <= 4);
    ints->tensors[0].scale = 0.5f;
    for (int i = 0; i < 35; i++) x[i] = ints->tensors[0].scale * ((float)i - 17.5f);
    x[34] = 1e30f;
    struct kd_int_batch batch = {x, 1, z};
    assert_int_equal(kd_int_trace(ints, &batch, tensors, &err), 0);
    assert_int_equal(tensor[0][34], 127);
    int zero = ints->tensors[0].zero;
    for (int i = 0; i < 34; i++) {
        int q = zero + (int)rint(i - 17.5);
        assert_int_equal(tensor[0][i], q < -128 ? -128 : q);
    }
    kd_network_free(net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(folding_changes_nothing),
        cmocka_unit_test(what_cannot_be_folded_is_named),
        cmocka_unit_test(multipliers),
        cmocka_unit_test(halves_go_up),
        cmocka_unit_test(the_same_integers_everywhere),
        cmocka_unit_test(hostile_models_are_refused),
        cmocka_unit_test(sums_that_overflow_are_refused),
        cmocka_unit_test(floats_are_rounded),
    };
    kd_blas_init();
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
