/* kd-import: a network of another framework, or its parameters, become a model of kd. */
#include "kd/base/file.h"
#include "kd/export/onnx.h"
#include "kd/export/onnx_write.h"
#include "kd/export/state_dict.h"
#include "kd/run/places.h"
#include "program.h"

#include <stdlib.h>
#include <string.h>

struct options {
    cJSON *network, *normalize;
    char *shape;
    int64_t classes;
};

#define O(field) offsetof(struct options, field)
static const struct kd_option rows[] = {
    {"network", 'n', NULL, KD_OPT_JSON, O(network), .metavar = "NETWORK",
     .help =
         "the network of a state_dict: a standard one's name, a JSON file, or a list of layers"},
    {"shape", 0, NULL, KD_OPT_TEXT, O(shape), .metavar = "CxHxW",
     .help = "shape of an image, as 3x32x32; an ONNX file has it, unless it leaves it open"},
    {"classes", 0, NULL, KD_OPT_INT, O(classes), .preset = "10", .min = 1, .max = 1 << 20,
     .metavar = "N", .help = "number of classes of a state_dict"},
    {"normalize", 0, NULL, KD_OPT_JSON, O(normalize), .metavar = "JSON",
     .help = "{\"mean\":[..],\"std\":[..]} by channel of pixels from 0 to 1, which the network is "
             "given; default: none"},
    {0},
};
static const struct kd_program_section sections[] = {
    {"import", "Import", rows, 0, NULL},
    {0},
};

static int read_shape(const char *text, unsigned shape[3], struct kd_err *err)
{
    const char *at = text;
    for (int i = 0; i < 3; i++) {
        char *end = NULL;
        unsigned long v = strtoul(at, &end, 10);
        bool good = *at >= '1' && *at <= '9' && v <= KD_MAX_CHANNELS && *end == "xx"[i];
        if (!good)
            return kd_fail_usage(err, "--shape %s: expected channels, height and width, as 3x32x32",
                                 text);
        shape[i] = (unsigned)v;
        at = end + 1;
    }
    return 0;
}

static cJSON *network_json(const struct options *o, const unsigned shape[3], struct kd_err *err)
{
    cJSON *layers = kd_network_layers(o->network, err), *json = NULL, *input = NULL;
    if (!layers) return NULL;
    json = cJSON_CreateObject();
    input = json ? cJSON_AddArrayToObject(json, "input") : NULL;
    bool good = input && cJSON_AddNumberToObject(json, "classes", (double)o->classes);
    for (unsigned i = 0; i < 3 && good; i++)
        good = cJSON_AddItemToArray(input, cJSON_CreateNumber(shape[i]));
    if (good && cJSON_AddItemToObject(json, "layers", layers)) return json;
    cJSON_Delete(json);
    cJSON_Delete(layers);
    kd_fail_memory(err, "not enough memory for the network");
    return NULL;
}

static cJSON *normalize_json(const struct options *o, unsigned channels, struct kd_err *err)
{
    struct kd_normalize none = {.channels = channels};
    const char *word = cJSON_GetStringValue(o->normalize);
    if (word && strcmp(word, "none") != 0) {
        kd_fail_usage(err, "--normalize=%.60s: expected none, or {\"mean\":[..],\"std\":[..]}",
                      word);
        return NULL;
    }
    if (o->normalize && !word) return cJSON_Duplicate(o->normalize, 1);
    for (unsigned c = 0; c < channels; c++) none.std[c] = 1;
    return kd_normalize_to_json(&none, err);
}

/* What an ONNX file of kd-export tells of the input. */
static int keep_notes(const struct kd_model *model, struct kd_tensorfile *out, struct kd_err *err)
{
    for (size_t k = 0; kd_onnx_notes[k]; k++) {
        const char *text = cJSON_GetStringValue(
            cJSON_GetObjectItemCaseSensitive(model->metadata, kd_onnx_notes[k]));
        if (text && kd_tensorfile_set(out, kd_onnx_notes[k], text, err) < 0) return -1;
    }
    return 0;
}

static int write_model(struct kd_invocation *inv, const struct kd_model *model, cJSON *facts,
                       struct kd_err *err)
{
    struct kd_tensorfile out = {0};
    char *path = kd_output_model(inv->common.output, err);
    int status = path ? kd_tensorfile_init(&out, err) : -1;
    if (status == 0) status = kd_model_to_file(model->net, &model->normalize, &out, err);
    if (status == 0) status = keep_notes(model, &out, err);
    if (status == 0 && *inv->command)
        status = kd_tensorfile_set(&out, "kd.command", inv->command, err);
    if (status == 0 && facts) {
        status = kd_tensorfile_set_json(&out, "kd.imported", facts, err);
        facts = NULL;
    }
    if (status == 0) status = kd_tensorfile_write(path, &out, err);
    if (status == 0 && strcmp(path, "-") != 0) status = kd_print(err, "%s\n", path);
    cJSON_Delete(facts);
    kd_tensorfile_release(&out);
    kd_free(path);
    return status;
}

static int import_state_dict(const struct options *o, const char *path, struct kd_bytes *bytes,
                             struct kd_model *model, struct kd_err *err)
{
    struct kd_tensorfile file = {0};
    unsigned shape[3] = {0};
    if (!o->network || !o->shape)
        return kd_fail_usage(err, "%s: a state_dict has no network; give --network and --shape",
                             path);
    if (read_shape(o->shape, shape, err) < 0) return -1;
    cJSON *network = network_json(o, shape, err);
    cJSON *normalize = network ? normalize_json(o, shape[0], err) : NULL;
    int status = normalize ? kd_tensorfile_parse(bytes, path, NULL, &file, err) : -1;
    if (status == 0) status = kd_state_dict_import(&file, path, network, normalize, model, err);
    kd_tensorfile_release(&file);
    cJSON_Delete(network);
    cJSON_Delete(normalize);
    return status;
}

#ifdef KD_HAVE_ONNX
static int import_onnx(const struct options *o, const char *path, const struct kd_bytes *bytes,
                       struct kd_model *model, cJSON **facts, struct kd_err *err)
{
    struct kd_onnx_ask ask = {.path = path};
    const char *word = cJSON_GetStringValue(o->normalize);
    if (o->network)
        return kd_fail_usage(err, "%s: an ONNX file has its own network; leave out --network",
                             path);
    if (o->shape && read_shape(o->shape, ask.shape, err) < 0) return -1;
    if (word && strcmp(word, "none") != 0)
        return kd_fail_usage(
            err, "--normalize=%.60s: expected none, or {\"mean\":[..],\"std\":[..]}", word);
    if (!word) ask.normalize = o->normalize;
    return kd_onnx_import(bytes, ask, model, facts, err);
}
#else
static int import_onnx(const struct options *o, const char *path, const struct kd_bytes *bytes,
                       struct kd_model *model, cJSON **facts, struct kd_err *err)
{
    (void)o;
    (void)bytes;
    (void)model;
    (void)facts;
    return kd_fail(err,
                   "%s: this kd was built without ONNX; install libonnx-dev, protobuf-c-compiler "
                   "and libprotobuf-c-dev, and build again",
                   path);
}
#endif

/* A state_dict's header begins behind its length. */
static bool may_be(const void *start, size_t n)
{
    const char *c = start;
    return n < 9 || c[8] == '{' || kd_onnx_start(c, n);
}

static int import(struct kd_invocation *inv, struct kd_err *err)
{
    const struct options *o = inv->options;
    const char *path = inv->args.operands[0];
    struct kd_bytes bytes = {0};
    struct kd_model model = {0};
    cJSON *facts = NULL;
    if (!inv->common.output)
        return kd_fail_usage(err, "say where the model goes with --output PATH (or - for a pipe)");
    int status = kd_file_read_kind(path, kd_read_limit(), may_be, &bytes, err);
    bool onnx = status == 0 && kd_onnx_start(bytes.data, bytes.size);
    if (status == 0)
        status = onnx ? import_onnx(o, path, &bytes, &model, &facts, err)
                      : import_state_dict(o, path, &bytes, &model, err);
    if (status == 0) status = write_model(inv, &model, facts, err);
    kd_model_release(&model);
    kd_bytes_release(&bytes);
    return status;
}

const struct kd_program kd_program = {
    .name = "kd-import",
    .usage = "[OPTION]... FILE",
    .summary = "Make a model of kd from an ONNX file, or from a PyTorch state_dict.",
    .details = "Examples:\n"
               "  kd-import teacher.onnx -o teacher/\n"
               "  kd-import weights.safetensors --network resnet20 --shape 3x32x32 -o teacher/\n",
    .sections = sections,
    .min_operands = 1,
    .max_operands = 1,
    .options_size = sizeof(struct options),
    .work = import,
};
