/* Model files: what is written comes back, what is damaged is refused by name. */
#include "scratch.h"

#include "kd/nn/gemm.h"
#include "kd/nn/model.h"
#include "nets.h"

#include <math.h>

static struct kd_err err;
static const struct kd_shape input = {2, 3, 4, false};
static const char layers[] =
    "[\"flatten\",{\"kind\":\"dense\",\"units\":7},\"batchnorm\",\"relu\",{\"kind\":"
    "\"dropout\",\"rate\":0.25},{\"kind\":\"dense\",\"bias\":false}]";
static const struct kd_normalize normalize = {2, {0.1f, 0.2f}, {0.3f, 1.0f / 3}};

static struct kd_network *example(void)
{
    struct kd_network *net = net_of(layers, input, 5, 1);
    for (unsigned i = 0; i < net->n_params; i++)
        if (net->params[i]->dims == 1)
            random_fill(net->params[i]->value, net->params[i]->count, 1, i);
    return net;
}

static void start(struct kd_tensorfile *f, const struct kd_network *net)
{
    if (kd_tensorfile_init(f, &err) < 0 || kd_model_to_file(net, &normalize, f, &err) < 0)
        fail_msg("%s", err.text);
}

static const char *finish(struct kd_tensorfile *f)
{
    const char *path = in_scratch("m.safetensors");
    if (kd_tensorfile_write(path, f, &err) < 0) fail_msg("%s", err.text);
    kd_tensorfile_release(f);
    return path;
}

static void there_and_back(void **state)
{
    (void)state;
    struct kd_network *net = example();
    struct kd_tensorfile f;
    struct kd_model m;
    char print[KD_FINGERPRINT], first[KD_FINGERPRINT];
    start(&f, net);
    kd_tensorfile_set(&f, "kd.command", "kd-train-teacher", &err);
    const char *path = finish(&f);
    if (kd_model_read(path, &m, &err) < 0) fail_msg("%s", err.text);
    assert_string_equal(m.path, path);
    assert_int_equal(m.net->n_params, net->n_params);
    for (unsigned i = 0; i < net->n_params; i++) {
        assert_string_equal(m.net->params[i]->name, net->params[i]->name);
        assert_memory_equal(m.net->params[i]->value, net->params[i]->value,
                            net->params[i]->count * sizeof(float));
    }
    assert_int_equal(m.normalize.channels, 2);
    assert_memory_equal(m.normalize.mean, normalize.mean, 2 * sizeof(float));
    assert_memory_equal(m.normalize.std, normalize.std, 2 * sizeof(float));
    assert_string_equal(cJSON_GetObjectItem(m.metadata, "kd.command")->valuestring,
                        "kd-train-teacher");
    assert_string_equal(cJSON_GetObjectItem(m.metadata, "kd.kind")->valuestring, "model");
    assert_int_equal(kd_model_fingerprint(net, &normalize, print, &err), 0);
    assert_string_equal(m.fingerprint, print);
    memcpy(first, print, sizeof first);
    kd_model_release(&m);
    /* another file with the same model is the same model */
    assert_int_equal(rename(path, in_scratch("other.safetensors")), 0);
    assert_int_equal(kd_model_read(in_scratch("other.safetensors"), &m, &err), 0);
    assert_string_equal(m.fingerprint, first);
    kd_model_release(&m);
    kd_network_free(net);
}

static void refused(const char *path, const char *first, const char *second)
{
    struct kd_model m;
    memset(&err, 0, sizeof err);
    memset(&m, 0xee, sizeof m); /* what was there counts for nothing */
    if (kd_model_read(path, &m, &err) == 0)
        fail_msg("a model that lacks sense was read (%s)", first);
    assert_int_equal(err.kind, KD_ERR_FAILURE);
    assert_says(err, path);
    assert_says(err, first);
    assert_says(err, second);
    assert_null(m.net);
    assert_null(m.path);
}

static void values_that_are_none(void **state)
{
    (void)state;
    static const float bad[] = {NAN, INFINITY, -INFINITY};
    struct kd_network *net = example();
    for (unsigned i = 0; i < net->n_params; i++) {
        struct kd_param *p = net->params[i];
        struct kd_tensorfile f;
        char where[128];
        float saved = p->value[p->count - 1];
        p->value[p->count - 1] = bad[i % 3];
        start(&f, net);
        snprintf(where, sizeof where, "%s: element %zu is ", p->name, p->count - 1);
        refused(finish(&f), where, "damaged or its training diverged");
        p->value[p->count - 1] = saved;
    }
    kd_network_free(net);
}

/* The example with one tensor renamed, dropped, of another shape or dtype; or with one more. */
enum spoil { KEEP, DROP, RENAME, SHAPE, DTYPE, SURPLUS, FLAT };

static void build_spoilt(struct kd_tensorfile *f, const struct kd_network *net, enum spoil how)
{
    struct kd_tensorfile all;
    static const int64_t whole[64];
    start(&all, net);
    if (kd_tensorfile_init(f, &err) < 0) fail_msg("%s", err.text);
    cJSON_Delete(f->metadata);
    f->metadata = all.metadata;
    all.metadata = NULL;
    for (size_t i = 0; i < all.n; i++) {
        struct kd_tensor t = all.tensors[i];
        bool it = strcmp(t.name, "2.bias") == 0;
        size_t shape[] = {1, t.count};
        if (it && how == DROP) continue;
        if (it && how == SHAPE) t.shape[0]--;
        unsigned dims = it && how == FLAT ? 2 : t.dims;
        kd_tensorfile_add(f, it && how == RENAME ? "2.bios" : t.name,
                          (struct kd_array){it && how == DTYPE ? KD_I64 : t.dtype, dims,
                                            dims != t.dims ? shape : t.shape,
                                            it && how == DTYPE ? (const void *)whole : t.data},
                          &err);
    }
    static const float more[] = {1};
    if (how == SURPLUS)
        kd_tensorfile_add(f, "6.weight", (struct kd_array){KD_F32, 1, (size_t[]){1}, more}, &err);
    kd_tensorfile_release(&all);
}

static void tensors_that_do_not_fit(void **state)
{
    (void)state;
    static const struct {
        enum spoil how;
        const char *first, *second;
    } cases[] = {
        {DROP, "it has no tensor 2.bias", ""},
        {RENAME, "it has no tensor 2.bias", ""},
        {SHAPE, "2.bias: its shape [6] is not the network's [7]", ""},
        {FLAT, "2.bias: its shape [1,7]", ""},
        {DTYPE, "2.bias", "I64"},
        {SURPLUS, "6.weight", "network does not have"},
    };
    struct kd_network *net = example();
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct kd_tensorfile f;
        build_spoilt(&f, net, cases[i].how);
        refused(finish(&f), cases[i].first, cases[i].second);
    }
    struct kd_tensorfile f;
    struct kd_model m;
    static const float more[] = {1};
    build_spoilt(&f, net, KEEP);
    kd_tensorfile_add(&f, "kd.state.momentum.1.weight",
                      (struct kd_array){KD_F32, 1, (size_t[]){1}, more}, &err);
    const char *path = finish(&f);
    if (kd_model_read(path, &m, &err) < 0) fail_msg("a checkpoint is a model: %s", err.text);
    kd_model_release(&m);
    kd_network_free(net);
}

/* Metadata replaced; NULL: left out. */
static void metadata_that_is_wrong(void **state)
{
    (void)state;
    static const struct {
        const char *key, *text, *first, *second;
    } cases[] = {
        {"kd.kind", NULL, "it has no kd.kind", "written by kd?"},
        {"kd.kind", "soft-targets", "it holds soft-targets, not a model", ""},
        {"kd.format", "2", "its format 2 is newer than this kd", "use a newer kd"},
        {"kd.format", "99999999999999999999", "is newer", ""},
        {"kd.format", "one", "kd.format", ""},
        {"kd.network", NULL, "it has no kd.network", ""},
        {"kd.network", "{", "kd.network", ""},
        {"kd.network", "[]", "kd.network", "input"},
        {"kd.network", "{\"input\":[2,3,4],\"classes\":5,\"layers\":[\"lstm\"]}",
         "unknown layer kind", ""},
        {"kd.network",
         "{\"input\":[2,3,4],\"classes\":5,\"layers\":[\"flatten\",{\"kind\":\"dense\"}]}",
         "1.weight: its shape [7,24]", "network's [5,24]"},
        {"kd.normalize", NULL, "it has no kd.normalize", ""},
        {"kd.normalize", "{\"mean\":[0],\"std\":[1]}", "kd.normalize has 1 channels, its network 2",
         ""},
        {"kd.normalize", "{\"mean\":[0,0],\"std\":[1,0]}", "kd.normalize.std[1]", ""},
        {"kd.normalize", "{\"mean\":[0,0]}", "kd.normalize", "std"},
    };
    struct kd_network *net = example();
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct kd_tensorfile f;
        start(&f, net);
        cJSON_DeleteItemFromObjectCaseSensitive(f.metadata, cases[i].key);
        if (cases[i].text)
            assert_int_equal(kd_tensorfile_set(&f, cases[i].key, cases[i].text, &err), 0);
        refused(finish(&f), cases[i].first, cases[i].second);
    }
    kd_network_free(net);
    refused(in_scratch("none.safetensors"), "none.safetensors", "");
}

/* Half precision is a way to store a model. */
static void half_precision(void **state)
{
    (void)state;
    struct kd_network *net = example();
    struct kd_tensorfile all, f;
    struct kd_model m;
    static uint16_t half[16][256];
    start(&all, net);
    start(&f, net);
    kd_tensorfile_release(&f);
    assert_int_equal(kd_tensorfile_init(&f, &err), 0);
    cJSON_Delete(f.metadata);
    f.metadata = all.metadata;
    all.metadata = NULL;
    for (size_t i = 0; i < all.n; i++) {
        for (size_t j = 0; j < all.tensors[i].count; j++)
            half[i][j] = kd_float_to_half(((const float *)all.tensors[i].data)[j]);
        kd_tensorfile_add(
            &f, all.tensors[i].name,
            (struct kd_array){KD_F16, all.tensors[i].dims, all.tensors[i].shape, half[i]}, &err);
    }
    kd_tensorfile_release(&all);
    const char *path = finish(&f);
    if (kd_model_read(path, &m, &err) < 0) fail_msg("%s", err.text);
    const struct kd_param *w = param_of(m.net, "1.weight"), *was = param_of(net, "1.weight");
    for (size_t i = 0; i < w->count; i++)
        assert_true(fabsf(w->value[i] - was->value[i]) <= 1e-3f * fabsf(was->value[i]) + 1e-6f);
    kd_model_release(&m);
    kd_network_free(net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(there_and_back),          cmocka_unit_test(values_that_are_none),
        cmocka_unit_test(tensors_that_do_not_fit), cmocka_unit_test(metadata_that_is_wrong),
        cmocka_unit_test(half_precision),
    };
    kd_blas_init();
    return cmocka_run_group_tests_name("model", tests, scratch_make, scratch_remove);
}
