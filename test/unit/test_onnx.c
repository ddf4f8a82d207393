/* Networks that PyTorch exported (test/fixtures/make_onnx.py): kd's logits against onnxruntime's,
 * and files that are changed so that they must be refused. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kd/export/onnx.h"

#ifdef KD_HAVE_ONNX
#include "kd/base/file.h"
#include "onnx/onnx.pb-c.h"

static const char *folder(void)
{
    const char *f = getenv("KD_ONNX_FIXTURES"); /* where fresh ones were made */
    return f ? f : "test/fixtures/onnx";
}

static struct kd_bytes file_of(const char *name, char path[200])
{
    struct kd_bytes b = {0};
    struct kd_err err = {0};
    snprintf(path, 200, "%s/%s.onnx", folder(), name);
    if (kd_file_read(path, 1 << 20, &b, &err) < 0) fail_msg("%s", err.text);
    return b;
}

/* The largest difference of logits, relative to the largest logit. */
static double difference(const struct kd_model *m, const char *name)
{
    char path[200];
    struct kd_tensorfile f;
    struct kd_err err = {0};
    snprintf(path, sizeof path, "%s/%s.safetensors", folder(), name);
    if (kd_tensorfile_read(path, NULL, &f, &err) < 0) fail_msg("%s", err.text);
    const struct kd_tensor *x = kd_tensorfile_find(&f, "x"), *y = kd_tensorfile_find(&f, "logits");
    size_t n = y->shape[0], row = x->count / n, plane = row / m->net->input.c;
    struct kd_pass pass = {.rows = n};
    if (kd_network_plan(m->net, n, false, &err) < 0) fail_msg("%s", err.text);
    for (size_t i = 0; i < x->count; i++) {
        size_t c = i % row / plane;
        m->net->in[i] = (((const float *)x->data)[i] - m->normalize.mean[c]) / m->normalize.std[c];
    }
    kd_network_forward(m->net, NULL, &pass);
    double most = 0, apart = 0;
    for (size_t i = 0; i < y->count; i++) {
        double expected = (double)((const float *)y->data)[i];
        most = fmax(most, fabs(expected));
        apart = fmax(apart, fabs((double)m->net->out[i] - expected));
    }
    kd_tensorfile_release(&f);
    return apart / most;
}

static void test_logits(void **state)
{
    static const char *const names[] = {"cnn",          "vgg_bn",      "resnet20", "wrn",
                                        "mobilenet_v2", "lenet",       "mlp_gelu", "mlp_gelu20",
                                        "mlp_rows",     "hardswish11", "clip",     "reshape",
                                        "normalized",   "affine",      "pad",      "softmax"};
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[200];
        struct kd_bytes b = file_of(names[i], path);
        struct kd_model m;
        struct kd_err err = {0};
        cJSON *facts = NULL;
        if (kd_onnx_import(&b, (struct kd_onnx_ask){.path = path}, &m, &facts, &err) < 0)
            fail_msg("%s", err.text);
        double d = difference(&m, names[i]);
        if (!(d < 1e-5)) fail_msg("%s: logits differ by %g", names[i], d);
        assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(facts, "producer")),
                            "pytorch");
        cJSON_Delete(facts);
        kd_model_release(&m);
        kd_bytes_release(&b);
    }
}

/* What the graph does at its start is the normalization, after the one that is given. */
static void test_normalize(void **state)
{
    char path[200];
    struct kd_bytes b = file_of("normalized", path);
    struct kd_model m;
    struct kd_err err = {0};
    (void)state;
    cJSON *given = cJSON_Parse("{\"mean\": [0, 0, 0], \"std\": [0.5, 0.5, 0.5]}");
    assert_int_equal(
        kd_onnx_import(&b, (struct kd_onnx_ask){.path = path, .normalize = given}, &m, NULL, &err),
        0);
    assert_float_equal(m.normalize.mean[0], 0.5F * 0.49F, 1e-6F);
    assert_float_equal(m.normalize.std[2], 0.5F * 0.26F, 1e-6F);
    assert_int_equal(m.net->chain.n_layers, 5);
    kd_model_release(&m);
    cJSON_Delete(given);
    kd_bytes_release(&b);
}

/* A case of what is refused: a file, what is done to it, and the words of the error. */
struct refusal {
    const char *name;
    void (*change)(Onnx__ModelProto *m);
    const char *words[2];
};

static Onnx__NodeProto *node(Onnx__ModelProto *m, const char *op)
{
    for (size_t i = 0; i < m->graph->n_node; i++)
        if (strcmp(m->graph->node[i]->op_type, op) == 0) return m->graph->node[i];
    fail_msg("no %s", op);
    return NULL;
}
static Onnx__AttributeProto *attribute(Onnx__ModelProto *m, const char *op, const char *name)
{
    Onnx__NodeProto *n = node(m, op);
    for (size_t i = 0; i < n->n_attribute; i++)
        if (strcmp(n->attribute[i]->name, name) == 0) return n->attribute[i];
    fail_msg("no %s", name);
    return NULL;
}
static void rename_to(char **text, const char *to)
{
    free(*text);
    *text = strdup(to);
}
static void operator_that_is_not(Onnx__ModelProto *m)
{
    rename_to(&node(m, "MaxPool")->op_type, "LpPool");
}
static void domain_that_is_not(Onnx__ModelProto *m)
{
    Onnx__NodeProto *n = node(m, "Relu");
    n->domain = strdup("com.example");
}
static void newer_opset(Onnx__ModelProto *m)
{
    m->opset_import[0]->version = 99;
}
static void one_sided_pads(Onnx__ModelProto *m)
{
    attribute(m, "Conv", "pads")->ints[0] = 0;
}
static void dilated(Onnx__ModelProto *m)
{
    attribute(m, "Conv", "dilations")->ints[0] = 2;
}
static void terabytes(Onnx__ModelProto *m)
{
    m->graph->initializer[0]->dims[0] = (int64_t)1 << 40;
}
static void two_names(Onnx__ModelProto *m)
{
    rename_to(&m->graph->node[1]->output[0], m->graph->node[0]->output[0]);
}
static void input_from_nowhere(Onnx__ModelProto *m)
{
    rename_to(&node(m, "MaxPool")->input[0], "nothing");
}
static void wrong_weights(Onnx__ModelProto *m)
{
    m->graph->initializer[0]->dims[0] = 1;
    m->graph->initializer[0]->dims[1] *= 6;
}
static void two_outputs(Onnx__ModelProto *m)
{
    m->graph->n_output = 0;
}
static void outside_above(Onnx__ModelProto *m)
{
    for (size_t i = 0; i < m->graph->n_initializer; i++)
        for (size_t j = 0; j < m->graph->initializer[i]->n_external_data; j++)
            if (strcmp(m->graph->initializer[i]->external_data[j]->key, "location") == 0)
                rename_to(&m->graph->initializer[i]->external_data[j]->value, "../onnx/x.data");
}
static void outside_short(Onnx__ModelProto *m)
{
    for (size_t i = 0; i < m->graph->n_initializer; i++)
        for (size_t j = 0; j < m->graph->initializer[i]->n_external_data; j++)
            if (strcmp(m->graph->initializer[i]->external_data[j]->key, "length") == 0)
                rename_to(&m->graph->initializer[i]->external_data[j]->value, "1000000000");
}
static void softmax_within(Onnx__ModelProto *m)
{
    rename_to(&node(m, "Relu")->op_type, "Softmax");
}
static void clip_elsewhere(Onnx__ModelProto *m)
{
    Onnx__TensorProto *t = attribute(m, "Constant", "value")->t;
    float *low = (float *)(void *)t->raw_data.data;
    *low = -1;
}
static void nothing(Onnx__ModelProto *m)
{
    m->graph->n_node = 0;
}

static const struct refusal refusals[] = {
    {"cnn", operator_that_is_not, {"(LpPool): kd has no such operator", "AveragePool"}},
    {"cnn", domain_that_is_not, {"(Relu): kd has no such operator", "node "}},
    {"cnn", newer_opset, {"opset 99", "9 to 21"}},
    {"cnn", one_sided_pads, {"(Conv)", "0 before and 1 behind"}},
    {"cnn", dilated, {"(Conv)", "dilations"}},
    {"cnn", terabytes, {"tensor ", "elements, and there are"}},
    {"cnn", two_names, {"two things of its graph are called", ""}},
    {"cnn", input_from_nowhere, {"(MaxPool)", "made by no node before it"}},
    {"cnn", wrong_weights, {"(Conv)", "are not for 3 channels"}},
    {"cnn", two_outputs, {"0 outputs", "expected one"}},
    {"cnn", nothing, {"its output depends on no image", ""}},
    {"resnet20", outside_above, {"../onnx/x.data", "not beside it"}},
    {"resnet20", outside_short, {"resnet20.onnx.data", "ends before it"}},
    {"cnn", softmax_within, {"(Softmax)", "only at the end"}},
    {"clip", clip_elsewhere, {"(Clip)", "from -1 to 6"}},
};

static void test_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        const struct refusal *c = &refusals[i];
        char path[200];
        struct kd_bytes b = file_of(c->name, path), changed = {0};
        struct kd_model m;
        struct kd_err err = {0};
        Onnx__ModelProto *p = onnx__model_proto__unpack(NULL, b.size, (const uint8_t *)b.data);
        size_t outputs = p->graph->n_output, nodes = p->graph->n_node;
        c->change(p);
        uint8_t *packed = malloc(onnx__model_proto__get_packed_size(p) + 1);
        size_t size = onnx__model_proto__pack(p, packed);
        p->graph->n_output = outputs;
        p->graph->n_node = nodes;
        assert_int_equal(kd_bytes_add(&changed, packed, size, &err), 0);
        if (kd_onnx_import(&changed, (struct kd_onnx_ask){.path = path}, &m, NULL, &err) == 0)
            fail_msg("case %zu is taken", i);
        for (size_t w = 0; w < 2; w++)
            if (!strstr(err.text, c->words[w]) || !strstr(err.text, c->name))
                fail_msg("case %zu: %s", i, err.text);
        free(packed);
        onnx__model_proto__free_unpacked(p, NULL);
        kd_bytes_release(&changed);
        kd_bytes_release(&b);
    }
}

/* Any beginning of a file, and any byte of it changed, is refused or taken. */
static void test_damaged(void **state)
{
    char path[200];
    struct kd_bytes b = file_of("hardswish11", path);
    (void)state;
    for (size_t i = 0; i < b.size; i += 7) {
        struct kd_model m;
        struct kd_err err = {0};
        struct kd_bytes start = {.data = b.data, .size = i};
        assert_int_equal(kd_onnx_import(&start, (struct kd_onnx_ask){.path = path}, &m, NULL, &err),
                         -1);
        assert_true(err.text[0]);
        b.data[i] ^= 0x11;
        if (kd_onnx_import(&b, (struct kd_onnx_ask){.path = path}, &m, NULL, &err) == 0)
            kd_model_release(&m);
        b.data[i] ^= 0x11;
    }
    kd_bytes_release(&b);
}
#else
static void test_logits(void **state)
{
    (void)state;
    skip();
}
#define test_normalize test_logits
#define test_refused   test_logits
#define test_damaged   test_logits
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_logits),
        cmocka_unit_test(test_normalize),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_damaged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
