/* Building, describing, initializing and running networks. */
#include "scratch.h"

#include "kd/base/hash.h"
#include "kd/nn/gemm.h"
#include "kd/nn/model.h"
#include "nets.h"

#include <math.h>

static struct kd_err err;
static const struct kd_shape mnist = {1, 28, 28, false};

static void refused(const char *layers, struct kd_shape input, const char *first,
                    const char *second)
{
    memset(&err, 0, sizeof err);
    struct kd_network *net = net_try(layers, input, 10, &err);
    if (net) fail_msg("%s was accepted", layers);
    assert_int_equal(err.kind, KD_ERR_USAGE);
    assert_says(err, first);
    assert_says(err, second);
    assert_null(strchr(err.text, '\n'));
}

static void shapes_that_do_not_fit(void **state)
{
    (void)state;
    refused("[]", mnist, "network: expected a list of 1 to 1000 layers", "");
    refused("{\"a\":1}", mnist, "network: expected a list", "");
    refused("[{\"kind\":\"dense\"}]", mnist, "network[0] (dense): its input is 1x28x28, not flat",
            "put \"flatten\" before it");
    refused("[\"relu\",\"batchnorm\"]", (struct kd_shape){3, 32, 16, false},
            "network[1] (batchnorm)", "3x32x16");
    refused("[\"flatten\",{\"kind\":\"dense\",\"units\":7}]", mnist,
            "network[1] (dense): the last layer gives 7x1x1, but there are 10 classes",
            "end with {\"kind\": \"dense\"}");
    refused("[\"flatten\"]", mnist, "network[0] (flatten): the last layer gives 784x1x1",
            "10 classes");
    refused("[\"relu\"]", (struct kd_shape){10, 1, 1, false}, "network[0] (relu)", "10x1x1");
    refused("[\"flatten\",{\"kind\":\"dense\"}]", (struct kd_shape){0, 28, 28, false}, "0x28x28",
            "range");
    refused("[\"flatten\",{\"kind\":\"dense\",\"units\":16777216},{\"kind\":\"dense\"}]",
            (struct kd_shape){1, 28, 28, false},
            "network[1] (dense): 784 inputs times 16777216 units", "");
    refused("[\"flatten\",{\"kind\":\"dense\"}]", (struct kd_shape){1000000, 1000000, 1, false},
            "range", "");
}

static void layers_that_are_none(void **state)
{
    (void)state;
    refused("[\"flaten\"]", mnist, "network[0]: unknown layer kind \"flaten\"",
            "did you mean \"flatten\"?");
    refused("[\"flatten\",{\"kind\":\"desne\"}]", mnist, "network[1]", "did you mean \"dense\"?");
    refused("[\"transformer\"]", mnist, "network[0]: unknown layer kind", "there are dense, relu");
    refused("[\"flatten\",{\"units\":3}]", mnist, "network[1]: expected a name", "\"kind\"");
    refused("[3]", mnist, "network[0]: expected a name", "");
    refused("[\"flatten\",{\"kind\":\"dense\",\"unit\":3}]", mnist, "network[1]",
            "did you mean units?");
    refused("[\"flatten\",{\"kind\":\"dense\",\"units\":-3}]", mnist, "network[1]", "units");
    refused("[\"flatten\",{\"kind\":\"dense\",\"units\":2.5}]", mnist, "network[1]", "units");
    refused("[\"flatten\",{\"kind\":\"dense\",\"units\":1e12}]", mnist, "network[1]", "units");
    refused("[\"flatten\",{\"kind\":\"dense\",\"init\":\"xavier\"}]", mnist, "network[1]", "init");
    refused("[{\"kind\":\"dropout\",\"rate\":1}]", mnist, "network[0]", "rate");
    refused("[{\"kind\":\"relu\",\"slope\":1}]", mnist, "network[0]", "slope");
}

static void units_left_out_are_the_classes(void **state)
{
    (void)state;
    struct kd_network *net =
        net_of("[\"flatten\",{\"kind\":\"dense\"},\"relu\",{\"kind\":\"dense\",\"units\":0}]",
               mnist, 10, 1);
    assert_int_equal(kd_shape_size(net->chain.layers[1].out), 10);
    assert_int_equal(kd_shape_size(net->chain.layers[3].out), 10);
    assert_int_equal(param_of(net, "3.weight")->count, 100);
    assert_int_equal(param_of(net, "1.weight")->shape[0], 10);
    assert_int_equal(param_of(net, "1.weight")->shape[1], 784);
    assert_int_equal(param_of(net, "3.bias")->dims, 1);
    struct kd_network *again =
        kd_network_from_json(net->json, &err); /* every setting is spelled out */
    assert_non_null(again);
    char *a = kd_json_text(net->json, false, &err), *b = kd_json_text(again->json, false, &err);
    assert_string_equal(a, b);
    assert_non_null(strstr(a, "\"input\":[1,28,28],\"classes\":10"));
    assert_non_null(strstr(
        a, "{\"kind\":\"dense\",\"units\":10,\"bias\":true,\"init\":\"he\",\"max_norm\":0}"));
    kd_free(a);
    kd_free(b);
    kd_network_free(again);
    kd_network_free(net);
}

static void damaged_json(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "{}",
        "3",
        "{\"input\":[1,28],\"classes\":10,\"layers\":[\"flatten\",{\"kind\":\"dense\"}]}",
        "{\"input\":[1,28,28.5],\"classes\":10,\"layers\":[\"flatten\",{\"kind\":\"dense\"}]}",
        "{\"input\":[1,28,28],\"classes\":-1,\"layers\":[\"flatten\",{\"kind\":\"dense\"}]}",
        "{\"input\":[1,28,28],\"classes\":1e30,\"layers\":[\"flatten\",{\"kind\":\"dense\"}]}",
        "{\"input\":[1,28,28],\"classes\":10}",
        "{\"input\":[1,28,28],\"classes\":10,\"layers\":[]}",
    };
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
        cJSON *json = json_of(bad[i]);
        if (kd_network_from_json(json, &err)) fail_msg("%s was accepted", bad[i]);
        cJSON_Delete(json);
    }
}

/* ---- list, name, file ---- */

static cJSON *layers_of(const char *spec)
{
    cJSON *json = json_of(spec), *layers = kd_network_layers(json, &err);
    cJSON_Delete(json);
    return layers;
}

static void spelled(const char *spec, const char *expected)
{
    cJSON *layers = layers_of(spec);
    if (!layers) fail_msg("%s: %s", spec, err.text);
    char *text = kd_json_text(layers, false, &err);
    assert_string_equal(text, expected);
    kd_free(text);
    cJSON_Delete(layers);
}

static void put(const char *name, const char *text)
{
    FILE *f = fopen(in_scratch(name), "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void three_ways(void **state)
{
    (void)state;
    spelled("[\"flatten\",{\"kind\":\"dense\"}]", "[\"flatten\",{\"kind\":\"dense\"}]");
    spelled("\"mlp\"", "[\"flatten\",{\"kind\":\"dense\"}]");
    spelled("\"mlp-800-30\"", "[\"flatten\",{\"kind\":\"dense\",\"units\":800},\"relu\","
                              "{\"kind\":\"dense\",\"units\":30},\"relu\",{\"kind\":\"dense\"}]");
    char spec[600];
    put("list.json", "[\"flatten\", {\"kind\": \"dense\"}]");
    put("object.json", "{\"layers\": [\"flatten\"]}");
    put("number.json", "3");
    put("broken.json", "[\"flatten\",");
    snprintf(spec, sizeof spec, "\"%s\"", in_scratch("list.json"));
    spelled(spec, "[\"flatten\",{\"kind\":\"dense\"}]");
    snprintf(spec, sizeof spec, "\"%s\"", in_scratch("object.json"));
    spelled(spec, "[\"flatten\"]");
    static const char *const bad[][2] = {{"number.json", "expected a list of layers"},
                                         {"broken.json", "broken.json"},
                                         {"none.json", "none.json"}};
    for (unsigned i = 0; i < 3; i++) {
        snprintf(spec, sizeof spec, "\"%s\"", in_scratch(bad[i][0]));
        assert_null(layers_of(spec));
        assert_says(err, bad[i][1]);
        assert_says(err, bad[i][0]);
    }
    static const char *const names[] = {"\"mlp-\"",
                                        "\"mlp-0\"",
                                        "\"mlp-12x\"",
                                        "\"mlp--3\"",
                                        "\"mlp-1-\"",
                                        "\"mlp-99999999999999999999\"",
                                        "\"mlp-16777217\"",
                                        "\"resnet\"",
                                        "{}",
                                        "null",
                                        "7",
                                        "\"\""};
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
        cJSON *layers = layers_of(names[i]);
        if (layers) fail_msg("%s was accepted", names[i]);
        assert_int_equal(err.kind, KD_ERR_USAGE);
        assert_says(err, "network");
    }
    assert_null(kd_network_layers(NULL, &err));
}

#define REPEAT(n, list) "{\"kind\":\"repeat\",\"times\":" n ",\"layers\":[" list "]}"
static void repeats_are_written_out(void **state)
{
    (void)state;
    spelled("[" REPEAT("2", "\"relu\"," REPEAT("3", "\"tanh\"")) ",\"flatten\"]",
            "[\"relu\",\"tanh\",\"tanh\",\"tanh\",\"relu\",\"tanh\",\"tanh\",\"tanh\","
            "\"flatten\"]");
    spelled("[{\"kind\":\"residual\",\"body\":[\"relu\"," REPEAT("2", "\"gelu\"") "]}]",
            "[{\"kind\":\"residual\",\"body\":[\"relu\",\"gelu\",\"gelu\"]}]");
    static const char *const bad[][2] = {
        {"[" REPEAT("0", "\"relu\"") "]", "from 1 to 1000"},
        {"[" REPEAT("1.5", "\"relu\"") "]", "from 1 to 1000"},
        {"[{\"kind\":\"repeat\",\"times\":2}]", "\"layers\" is a list"},
        {"[{\"kind\":\"repeat\",\"time\":2}]", "no \"time\""},
        {"[" REPEAT("1000", REPEAT("1000", "\"relu\"")) "]", "more than 10000 layers"}};
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_null(layers_of(bad[i][0]));
        assert_int_equal(err.kind, KD_ERR_USAGE);
        assert_says(err, bad[i][1]);
    }
}

/* ---- numbers ---- */

static void sizes(void **state)
{
    (void)state;
    cJSON *layers = layers_of("\"mlp-1200-1200\"");
    struct kd_network *net = kd_network_build(layers, mnist, 10, &err);
    struct kd_bytes out = {0};
    assert_int_equal(net->parameters, 2395210);
    assert_int_equal(net->macs, 784 * 1200 + 1200 * 1200 + 1200 * 10);
    assert_int_equal(kd_network_summary(net, 0, &out, &err), 0);
    static const char *const lines[] = {
        "layer      output       parameters  multiply-adds\n",
        "input      1 x 28 x 28           -              -\n",
        "0 flatten  784                   -              -\n",
        "1 dense    1200            942,000        940,800\n",
        "5 dense    10               12,010         12,000\n",
        "total      -             2,395,210      2,392,800\n",
    };
    for (unsigned i = 0; i < sizeof lines / sizeof *lines; i++)
        if (!strstr(out.data, lines[i])) fail_msg("no line \"%s\" in\n%s", lines[i], out.data);
    kd_bytes_release(&out);
    assert_int_equal(kd_network_summary(net, 40, &out, &err), 0);
    assert_non_null(strstr(out.data, "total      -             2,395,210\n"));
    assert_non_null(strstr(out.data, "no room for multiply-adds"));
    kd_bytes_release(&out);
    kd_network_free(net);
    cJSON_Delete(layers);
    /* running statistics are saved, but nobody learns them */
    net = net_of("[\"flatten\",\"batchnorm\",{\"kind\":\"dense\",\"bias\":false}]", mnist, 10, 1);
    assert_int_equal(net->parameters, 2 * 784 + 7840);
    assert_int_equal(net->n_params, 5);
    assert_int_equal(net->macs, 7840);
    kd_network_free(net);
}

static void initialization(void **state)
{
    (void)state;
    struct kd_network *net =
        net_of("[\"flatten\",{\"kind\":\"dense\",\"units\":600},{\"kind\":\"dense\","
               "\"units\":300,\"init\":\"glorot\"},\"batchnorm\",{\"kind\":\"dense\"}]",
               mnist, 10, 1);
    const struct kd_param *he = param_of(net, "1.weight"), *glorot = param_of(net, "2.weight");
    double sum = 0, square = 0, least = 0, most = 0, flat = 0, bound = sqrt(6.0 / 900);
    for (size_t i = 0; i < he->count; i++) {
        sum += (double)he->value[i];
        square += (double)he->value[i] * (double)he->value[i];
    }
    double n = (double)he->count, variance = 2.0 / 784; /* five standard errors */
    assert_true(fabs(sum / n) < 5 * sqrt(variance / n));
    assert_true(fabs(square / n / variance - 1) < 5 * sqrt(2 / n));
    n = (double)glorot->count;
    for (size_t i = 0; i < glorot->count; i++) {
        least = fmin(least, (double)glorot->value[i]);
        most = fmax(most, (double)glorot->value[i]);
        flat += (double)glorot->value[i] * (double)glorot->value[i];
    }
    assert_true(least >= -bound && least < -0.999 * bound && most <= bound && most > 0.999 * bound);
    assert_true(fabs(flat / n / (bound * bound / 3) - 1) < 5 * sqrt(0.8 / n));
    for (unsigned i = 0; i < net->n_params; i++) {
        const struct kd_param *p = net->params[i];
        bool one = strstr(p->name, "3.weight") || strstr(p->name, "running_var");
        for (size_t j = 0; p->dims == 1 && j < p->count; j++)
            assert_true(p->value[j] == (one ? 1 : 0));
    }
    kd_network_free(net);
}

static void fingerprint(const struct kd_network *net, const char *extra, char out[KD_FINGERPRINT])
{
    if (kd_network_fingerprint(net, extra, out, &err) < 0) fail_msg("%s", err.text);
    assert_int_equal(strlen(out), 32);
}

static void seeds(void **state)
{
    (void)state;
    static const char layers[] =
        "[\"flatten\",{\"kind\":\"dense\",\"units\":30},\"relu\",{\"kind\":\"dense\"}]";
    static const uint64_t list[] = {1, 2, 3, (uint64_t)1 + ((uint64_t)1 << 32), (uint64_t)1 << 53};
    char prints[5][KD_FINGERPRINT], again[KD_FINGERPRINT];
    for (unsigned i = 0; i < 5; i++) {
        struct kd_network *a = net_of(layers, mnist, 10, list[i]),
                          *b = net_of(layers, mnist, 10, 77);
        kd_network_init(b, list[i]);
        fingerprint(a, "", prints[i]);
        fingerprint(b, "", again);
        assert_string_equal(prints[i], again);
        for (unsigned j = 0; j < i; j++) assert_string_not_equal(prints[i], prints[j]);
        const struct kd_param *w = param_of(a, "1.weight"); /* nor are rows alike */
        for (size_t r = 1; r < 30; r++)
            assert_memory_not_equal(w->value, w->value + r * 784, 784 * sizeof(float));
        kd_network_free(a);
        kd_network_free(b);
    }
}

static void fingerprints(void **state)
{
    (void)state;
    static const char layers[] =
        "[\"flatten\",{\"kind\":\"dense\",\"units\":30},\"batchnorm\",{\"kind\":\"dense\"}]";
    static const char slower[] =
        "[\"flatten\",{\"kind\":\"dense\",\"units\":30},{\"kind\":\"batchnorm\","
        "\"momentum\":0.2},{\"kind\":\"dense\"}]";
    char first[KD_FINGERPRINT], other[KD_FINGERPRINT];
    struct kd_network *net = net_of(layers, mnist, 10, 1), *same = net_of(slower, mnist, 10, 1);
    struct kd_normalize normalize = {1, {0.5f}, {0.25f}};
    fingerprint(net, "", first);
    for (unsigned i = 0; i < net->n_params; i++) {
        uint32_t bits;
        struct kd_param *p = net->params[i];
        memcpy(&bits, &p->value[p->count - 1], sizeof bits);
        bits ^= 1;
        memcpy(&p->value[p->count - 1], &bits, sizeof bits);
        fingerprint(net, "", other);
        assert_string_not_equal(first, other);
        bits ^= 1;
        memcpy(&p->value[p->count - 1], &bits, sizeof bits);
    }
    fingerprint(net, "", other);
    assert_string_equal(first, other);
    fingerprint(same, "", other);
    assert_string_not_equal(first, other);
    assert_int_equal(kd_model_fingerprint(net, &normalize, first, &err), 0);
    normalize.std[0] = 0.26f;
    assert_int_equal(kd_model_fingerprint(net, &normalize, other, &err), 0);
    assert_string_not_equal(first, other);
    net_plan(net, 3, true); /* memory is no part of it */
    normalize.std[0] = 0.25f;
    assert_int_equal(kd_model_fingerprint(net, &normalize, other, &err), 0);
    assert_string_equal(first, other);
    kd_network_free(net);
    kd_network_free(same);
}

/* ---- running ---- */

/* Logits of n images in batches of at most `batch`. */
static void run_in(struct kd_network *net, size_t batch, const float *x, size_t n, float *logits)
{
    size_t in = kd_shape_size(net->input), out = net->classes;
    net_plan(net, batch, batch % 2); /* a plan for training serves evaluation too */
    for (size_t at = 0; at < n; at += batch) {
        size_t rows = n - at < batch ? n - at : batch;
        struct kd_pass pass = {.rows = rows};
        memcpy(net->in, x + at * in, rows * in * sizeof *x);
        kd_network_forward(net, NULL, &pass);
        memcpy(logits + at * out, net->out, rows * out * sizeof *logits);
    }
}

static void batches_do_not_matter(void **state)
{
    (void)state;
    enum { IMAGES = 13, IN = 784, OUT = 10 };
    static float x[IMAGES * IN], whole[IMAGES * OUT], cut[IMAGES * OUT];
    static const char *const nets[] = {
        "[{\"kind\":\"dropout\",\"rate\":0.2},\"flatten\",{\"kind\":\"dense\",\"units\":600},"
        "\"relu\","
        "{\"kind\":\"dropout\"},{\"kind\":\"dense\",\"units\":17},\"gelu\",{\"kind\":\"dense\"}]",
        "[\"gelu\",\"flatten\",\"batchnorm\",{\"kind\":\"dense\",\"units\":65},\"gelu\",\"tanh\","
        "\"batchnorm\","
        "{\"kind\":\"dense\"},\"gelu\",\"gelu\"]",
        "[\"flatten\",{\"kind\":\"dense\"}]",
    };
    random_fill(x, IMAGES * IN, 1, 1);
    for (unsigned k = 0; k < 3; k++) {
        struct kd_network *net = net_of(nets[k], mnist, OUT, 1);
        run_in(net, IMAGES, x, IMAGES, whole);
        for (size_t batch = 1; batch <= 20; batch++) {
            memset(cut, 0, sizeof cut);
            run_in(net, batch, x, IMAGES, cut);
            for (unsigned i = 0; i < IMAGES * OUT; i++)
                if (!(fabsf(cut[i] - whole[i]) <= 1e-5f * (1 + fabsf(whole[i]))))
                    fail_msg("%s, batch %zu: logit %u is %g, not %g", nets[k], batch, i,
                             (double)cut[i], (double)whole[i]);
        }
        kd_network_free(net);
    }
}

/* Filter o passes channel o on: the tap is PyTorch's dirac_'s, kernel / 2 in both directions. */
static void dirac(void **state)
{
    (void)state;
    for (size_t k = 1; k <= 4; k++) {
        char text[200];
        snprintf(text, sizeof text,
                 "[{\"kind\":\"conv2d\",\"filters\":3,\"kernel\":%zu,\"init\":\"dirac\"},"
                 "\"flatten\",\"dense\"]",
                 k);
        struct kd_network *net = net_of(text, (struct kd_shape){2, 5, 5, false}, 2, 1);
        const struct kd_param *w = net->params[0];
        for (size_t i = 0; i < 2 * 2 * k * k; i++) {
            size_t o = i / (2 * k * k), c = i / (k * k) % 2, y = i / k % k, x = i % k;
            assert_true(w->value[i] == (o == c && y == k / 2 && x == k / 2 ? 1.0f : 0.0f));
        }
        kd_network_free(net);
    }
}

static void plan_again(void **state)
{
    (void)state;
    struct kd_network *net = net_of("[\"flatten\",{\"kind\":\"dense\"}]", mnist, 10, 1);
    net_plan(net, 1, false);
    size_t small = kd_network_plan_bytes(net);
    net_plan(net, 1000, true);
    size_t large = kd_network_plan_bytes(net);
    net_plan(net, 1, false);
    assert_true(small >= 7850 * sizeof(float));
    assert_true(large >= small + 1000 * 784 * sizeof(float));
    assert_int_equal(kd_network_plan_bytes(net), small);
    kd_network_free(net);
    kd_network_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shapes_that_do_not_fit),
        cmocka_unit_test(layers_that_are_none),
        cmocka_unit_test(units_left_out_are_the_classes),
        cmocka_unit_test(damaged_json),
        cmocka_unit_test(three_ways),
        cmocka_unit_test(repeats_are_written_out),
        cmocka_unit_test(sizes),
        cmocka_unit_test(initialization),
        cmocka_unit_test(seeds),
        cmocka_unit_test(fingerprints),
        cmocka_unit_test(batches_do_not_matter),
        cmocka_unit_test(plan_again),
        cmocka_unit_test(dirac),
    };
    kd_blas_init();
    return cmocka_run_group_tests_name("network", tests, scratch_make, scratch_remove);
}
