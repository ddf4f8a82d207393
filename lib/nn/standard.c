/* Networks known by name, and the three ways in which an experiment may give one. */
#include "kd/nn/network.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int add(cJSON *list, const char *kind, double units, struct kd_err *err)
{
    cJSON *item = units >= 0 ? cJSON_CreateObject() : cJSON_CreateString(kind);
    if (!item || !cJSON_AddItemToArray(list, item)) {
        cJSON_Delete(item);
        return kd_fail_memory(err, "not enough memory for a layer list");
    }
    if (units < 0) return 0;
    if (kd_json_add_text(item, "kind", kind, err) < 0) return -1;
    return units > 0 ? kd_json_add_number(item, "units", units, err) : 0;
}

/* "mlp-800-800": flatten, then dense and relu for each width, then dense to the classes. */
static cJSON *mlp(const char *name, struct kd_err *err)
{
    cJSON *list = cJSON_CreateArray();
    int bad = !list ? kd_fail_memory(err, "not enough memory for a layer list")
                    : add(list, "flatten", -1, err);
    for (const char *at = name + 3; !bad && *at;) {
        char *end;
        errno = 0;
        long units = *at == '-' && at[1] >= '1' && at[1] <= '9' ? strtol(at + 1, &end, 10) : 0;
        if (units < 1 || units > 1 << 24 || errno) {
            bad = kd_fail_usage(
                err, "network \"%s\": expected mlp-WIDTH-WIDTH..., as in mlp-800-800", name);
            break;
        }
        bad = add(list, "dense", (double)units, err) < 0 || add(list, "relu", -1, err) < 0;
        at = end;
    }
    if (!bad) bad = add(list, "dense", 0, err);
    if (!bad) return list;
    cJSON_Delete(list);
    return NULL;
}

/* ---- convolutional networks for 32x32 images, written as the JSON that a file would hold ---- */

#define CONV(filters, more) "{\"kind\":\"conv2d\",\"filters\":" filters more "}"
#define BLOCK(filters)      CONV(filters, ",\"padding\":1,\"bias\":false") ",\"batchnorm\",\"relu\""
#define POOL                "{\"kind\":\"maxpool\"}"
#define AVERAGE             "{\"kind\":\"avgpool\"}"
#define DENSE(units)        "{\"kind\":\"dense\",\"units\":" units "}"
#define TWICE(n)            "{\"kind\":\"residual\",\"body\":[" BLOCK(n) "," BLOCK(n) "]}"
/* He et al. 2016, figure 2 with batch norm; the first block of a width halves the maps and projects
 * its input. */
#define RES_BODY(filters, more)                                                                    \
    "\"body\":[" CONV(filters, ",\"padding\":1,\"bias\":false" more) ",\"batchnorm\","             \
                                                                     "\"relu\"," CONV(             \
                                                                         filters,                  \
                                                                         ",\"padding\":1,"         \
                                                                         "\"bias\":false") ",\"ba" \
                                                                                           "tchno" \
                                                                                           "rm\"]"
#define RES(filters) "{\"kind\":\"residual\"," RES_BODY(filters, "") "},\"relu\""
#define RES_DOWN(filters)                                                                          \
    "{\"kind\":\"residual\"," RES_BODY(filters, ",\"stride\":2") ",\"shortcut\":[" CONV(           \
        filters, ",\"kernel\":1,\"stride\":2,\"bias\":false") ",\"batchnorm\"]},\"relu\""

static const struct {
    const char *name, *layers;
} written[] = {
    /* LeCun et al. 1998, with the padding that 28x28 images need; tanh and averages as then */
    {"lenet5", "[" CONV("6", ",\"kernel\":5,\"padding\":2") ",\"tanh\"," AVERAGE "," CONV(
                   "16", ",\"kernel\":5") ",\"tanh\"," AVERAGE
                                          ",\"flatten\"," DENSE("120") ",\"tanh\"," DENSE(
                                              "84") ",\"tanh\",\"dense\"]"},
    /* the small CNN of a well-known Keras example, 64,570 parameters on 28x28 images of 10 classes
     */
    {"cnn-64570",
     "[" CONV("32", "") ",\"relu\"," POOL "," CONV(
         "32", "") ",\"relu\"," POOL
                   ",\"flatten\"," DENSE("56") ",\"relu\"," DENSE("56") ",\"relu\"," DENSE(
                       "56") ",\"relu\"," DENSE("56") ",\"relu\",\"dense\"]"},
    /* the eight convolutions of DAWNBench's entries, logits scaled by 1/8 */
    {"resnet9",
     "[" BLOCK("64") "," BLOCK("128") "," POOL "," TWICE("128") "," BLOCK("256") "," POOL "," BLOCK(
         "512") "," POOL
                "," TWICE(
                    "512") ",\"global_maxpool\",\"flatten\",{\"kind\":\"dense\",\"bias\":false},"
                           "{\"kind\":\"scale\",\"by\":0.125}]"},
    {"resnet18",
     "[" BLOCK("64") "," RES("64") "," RES("64") "," RES_DOWN("128") "," RES("128") "," RES_DOWN(
         "256") "," RES("256") "," RES_DOWN("512") "," RES("512") ",\"global_avgpool\",\"flatten\","
                                                                  "\"dense\"]"},
};

/* Simonyan and Zisserman 2015, table 1, with batch norm, for 32x32 images: convolutions of 3x3 in
 * five groups, one dense layer. */
static const struct {
    const char *name;
    int group[5]; /* convolutions in each */
} vggs[] = {{"vgg11_bn", {1, 1, 2, 2, 2}},
            {"vgg13_bn", {2, 2, 2, 2, 2}},
            {"vgg16_bn", {2, 2, 3, 3, 3}},
            {"vgg19_bn", {2, 2, 4, 4, 4}}};

static cJSON *vgg(const int group[5], struct kd_err *err)
{
    static const int filters[] = {64, 128, 256, 512, 512};
    struct kd_bytes text = {0};
    kd_bytes_text(&text, "[", err);
    for (int g = 0; g < 5; g++) {
        for (int i = 0; i < group[g]; i++)
            kd_bytes_format(&text, err,
                            "{\"kind\":\"conv2d\",\"filters\":%d,\"padding\":1},"
                            "\"batchnorm\",\"relu\",",
                            filters[g]);
        kd_bytes_text(&text, POOL ",", err);
    }
    int status = kd_bytes_text(&text, "\"flatten\",\"dense\"]", err);
    cJSON *list = status == 0 ? kd_json_parse(text.data, text.size, "vgg", err) : NULL;
    kd_bytes_release(&text);
    return list;
}

/* By name; *known is false where there is no such network. */
static cJSON *by_name(const char *name, bool *known, struct kd_err *err)
{
    *known = true;
    if (strncmp(name, "mlp", 3) == 0 && (name[3] == '-' || !name[3])) return mlp(name, err);
    for (size_t i = 0; i < sizeof written / sizeof *written; i++)
        if (strcmp(name, written[i].name) == 0)
            return kd_json_parse(written[i].layers, strlen(written[i].layers), name, err);
    for (size_t i = 0; i < sizeof vggs / sizeof *vggs; i++)
        if (strcmp(name, vggs[i].name) == 0) return vgg(vggs[i].group, err);
    *known = false;
    return NULL;
}

const char *kd_network_name(size_t i)
{
    enum { WRITTEN = sizeof written / sizeof *written, VGGS = sizeof vggs / sizeof *vggs };
    if (i == 0) return "mlp-800-800";
    if (--i < WRITTEN) return written[i].name;
    return (i -= WRITTEN) < VGGS ? vggs[i].name : NULL;
}

/* "mlp-WIDTH-WIDTH..., lenet5, ..." */
static int unknown_network(const char *name, struct kd_err *err)
{
    struct kd_bytes all = {0};
    for (size_t i = 1; kd_network_name(i); i++)
        kd_bytes_format(&all, err, ", %s", kd_network_name(i));
    if (!all.failed)
        kd_fail_usage(err,
                      "unknown network \"%s\"; expected mlp-WIDTH-WIDTH...%s, a .json file, or a "
                      "list of layers",
                      name, all.data ? all.data : "");
    kd_bytes_release(&all);
    return -1;
}

static cJSON *from_file(const char *path, struct kd_err *err)
{
    cJSON *json = kd_json_read(path, err);
    if (!json) return NULL;
    cJSON *layers = json;
    if (cJSON_IsObject(json)) layers = cJSON_DetachItemFromObjectCaseSensitive(json, "layers");
    if (layers != json) cJSON_Delete(json);
    if (cJSON_IsArray(layers)) return layers;
    cJSON_Delete(layers);
    kd_fail_usage(err, "%s: expected a list of layers, or an object with \"layers\"", path);
    return NULL;
}

cJSON *kd_network_layers(const cJSON *spec, struct kd_err *err)
{
    if (cJSON_IsArray(spec)) {
        cJSON *copy = cJSON_Duplicate(spec, 1);
        if (!copy) kd_fail_memory(err, "not enough memory for a layer list");
        return copy;
    }
    if (!cJSON_IsString(spec)) {
        kd_fail_usage(err,
                      "network: %s a list of layers, a name like \"mlp-800-800\", or a file; "
                      "give one with --network or --layers 128,64",
                      spec ? "expected" : "there is none; expected");
        return NULL;
    }
    const char *name = spec->valuestring;
    bool known;
    cJSON *list = by_name(name, &known, err);
    if (known) return list;
    size_t n = strlen(name);
    if (strchr(name, '/') || (n > 5 && strcmp(name + n - 5, ".json") == 0))
        return from_file(name, err);
    unknown_network(name, err);
    return NULL;
}
