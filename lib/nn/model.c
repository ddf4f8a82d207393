#include "kd/nn/model.h"
#include "kd/base/file.h"
#include "kd/nn/integers.h"
#include "kd/run/places.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int kd_model_fingerprint(const struct kd_network *net, const struct kd_normalize *normalize,
                         char out[KD_FINGERPRINT], struct kd_err *err)
{
    cJSON *json = kd_normalize_to_json(normalize, err);
    char *text = json ? kd_json_text(json, false, err) : NULL;
    int status = text ? kd_network_fingerprint(net, text, out, err) : -1;
    kd_free(text);
    cJSON_Delete(json);
    return status;
}

/* JSON text under a metadata key. */
static cJSON *meta_json(const struct kd_tensorfile *file, const char *key, struct kd_err *err)
{
    const char *text = kd_tensorfile_meta(file, key);
    if (!text) {
        kd_fail(err, "it has no %s; is it a model written by kd?", key);
        return NULL;
    }
    return kd_json_parse(text, strlen(text), key, err);
}

int kd_format_check(const struct kd_tensorfile *file, struct kd_err *err)
{
    const char *format = kd_tensorfile_meta(file, "kd.format");
    if (!format) return 0;
    char *end;
    long number = strtol(format, &end, 10);
    if (end == format || *end || number < 1)
        return kd_fail(err, "kd.format: expected a number like %s, not \"%s\"", KD_FORMAT, format);
    if (number > strtol(KD_FORMAT, NULL, 10))
        return kd_fail(err, "its format %s is newer than this kd %s reads (%s); use a newer kd",
                       format, KD_VERSION, KD_FORMAT);
    return 0;
}

static int check_kind(const struct kd_tensorfile *file, struct kd_err *err)
{
    const char *kind = kd_tensorfile_meta(file, "kd.kind");
    if (!kind) return kd_fail(err, "it has no kd.kind; is it a model written by kd?");
    if (strcmp(kind, "model") != 0) return kd_fail(err, "it holds %s, not a model", kind);
    return kd_format_check(file, err);
}

enum { SHAPE_TEXT = 24 * KD_MAX_DIMS };
/* "[10,784]" */
static void shape_text(const size_t *shape, unsigned dims, char out[SHAPE_TEXT])
{
    size_t at = (size_t)snprintf(out, SHAPE_TEXT, "[");
    for (unsigned d = 0; d < dims && at < SHAPE_TEXT - 1; d++)
        at += (size_t)snprintf(out + at, SHAPE_TEXT - at, d ? ",%zu" : "%zu", shape[d]);
    snprintf(out + (at < SHAPE_TEXT - 2 ? at : SHAPE_TEXT - 2), 2, "]");
}

static int take_values(const struct kd_tensor *t, struct kd_param *p, struct kd_err *err)
{
    bool same = t->dims == p->dims;
    for (unsigned d = 0; same && d < p->dims; d++) same = t->shape[d] == p->shape[d];
    if (!same) {
        char there[SHAPE_TEXT], wanted[SHAPE_TEXT];
        shape_text(t->shape, t->dims, there);
        shape_text(p->shape, p->dims, wanted);
        return kd_fail(err, "%s: its shape %s is not the network's %s", p->name, there, wanted);
    }
    if (kd_tensor_to_float(t, p->value, err) < 0) return kd_err_context(err, "%s", p->name);
    for (size_t i = 0; i < p->count; i++)
        if (!isfinite(p->value[i]))
            return kd_fail(err,
                           "%s: element %zu is %f; the model is damaged or its training diverged",
                           p->name, i, (double)p->value[i]);
    return 0;
}

static int check_surplus(const struct kd_network *net, const struct kd_tensorfile *file,
                         struct kd_err *err)
{
    for (size_t i = 0; i < file->n; i++) {
        const char *name = file->tensors[i].name;
        unsigned p = 0;
        while (p < net->n_params && strcmp(net->params[p]->name, name) != 0) p++;
        if (p == net->n_params && strncmp(name, "kd.state.", 9) != 0)
            return kd_fail(err, "it has a tensor %s, which its network does not have", name);
    }
    return 0;
}

static int fill_network(struct kd_network *net, const struct kd_tensorfile *file,
                        struct kd_err *err)
{
    for (unsigned i = 0; i < net->n_params; i++) {
        const struct kd_tensor *t = kd_tensorfile_find(file, net->params[i]->name);
        if (!t) return kd_fail(err, "it has no tensor %s", net->params[i]->name);
        if (take_values(t, net->params[i], err) < 0) return -1;
    }
    return check_surplus(net, file, err);
}

static int read_pixels(const struct kd_tensorfile *file, struct kd_model *out, struct kd_err *err)
{
    const char *text = kd_tensorfile_meta(file, "kd.pixels");
    cJSON *json = text ? kd_json_parse(text, strlen(text), "kd.pixels", err) : NULL;
    if (text && !json) return -1;
    const cJSON *high = cJSON_GetObjectItemCaseSensitive(json, "high");
    const cJSON *type = cJSON_GetObjectItemCaseSensitive(json, "type");
    out->pixels.bytes = cJSON_IsString(type) && strcmp(type->valuestring, "U8") == 0;
    out->pixels.high = out->pixels.bytes ? 1 : cJSON_IsNumber(high) ? high->valuedouble : 0;
    cJSON_Delete(json);
    return 0;
}

int kd_model_from_file(const struct kd_tensorfile *file, const char *path, struct kd_model *out,
                       struct kd_err *err)
{
    *out = (struct kd_model){0};
    cJSON *network = NULL, *normalize = NULL;
    int status = -1;
    if (check_kind(file, err) < 0 || !(network = meta_json(file, "kd.network", err)) ||
        !(normalize = meta_json(file, "kd.normalize", err)) || !(out->path = kd_strdup(path, err)))
        goto done;
    size_t numbers = 0;
    for (size_t i = 0; i < file->n; i++) numbers += file->tensors[i].count;
    out->net = kd_network_from_file(network, numbers, err);
    if (!out->net || kd_normalize_from_json(&out->normalize, normalize, "kd.normalize", err) < 0)
        goto done;
    if (out->normalize.channels != out->net->input.c) {
        kd_fail(err, "kd.normalize has %u channels, its network %u", out->normalize.channels,
                out->net->input.c);
        goto done;
    }
    if (read_pixels(file, out, err) < 0) goto done;
    if (kd_int_is_quantised(file)) {
        out->net->integers = kd_int_read(out->net, file, &out->normalize, err);
        if (!out->net->integers) goto done;
    } else if (fill_network(out->net, file, err) < 0)
        goto done;
    if (kd_model_fingerprint(out->net, &out->normalize, out->fingerprint, err) < 0) goto done;
    out->metadata = cJSON_Duplicate(file->metadata, 1);
    status = out->metadata ? 0 : kd_fail_memory(err, "not enough memory for its metadata");
done:
    cJSON_Delete(network);
    cJSON_Delete(normalize);
    if (status < 0) {
        kd_model_release(out);
        err->kind = KD_ERR_FAILURE; /* whatever is wrong with a file is no usage error */
        kd_err_context(err, "%s", path);
    }
    return status;
}

/* The model in a folder, or the checkpoint of a training under way; any other path as it is. */
static char *find_file(const char *path, struct kd_err *err)
{
    struct stat st;
    if (strcmp(path, "-") == 0 || stat(path, &st) != 0 || !S_ISDIR(st.st_mode))
        return kd_strdup(path, err);
    char *model = kd_path_join(err, path, KD_FILE_MODEL);
    if (!model || kd_path_exists(model)) return model;
    kd_free(model);
    char *checkpoint = kd_path_join(err, path, KD_FILE_CHECKPOINT);
    if (!checkpoint || kd_path_exists(checkpoint)) return checkpoint;
    kd_free(checkpoint);
    char *experiment = kd_path_join(err, path, KD_FILE_EXPERIMENT);
    if (experiment && kd_path_exists(experiment))
        kd_fail(err,
                "%s: is the folder of a whole run; name one of its models, as %s/" KD_FOLDER_TEACHER
                "/s1",
                path, path);
    else if (experiment)
        kd_fail(err, "%s: no " KD_FILE_MODEL " and no " KD_FILE_CHECKPOINT " in this folder", path);
    kd_free(experiment);
    return NULL;
}

int kd_model_read(const char *path, struct kd_model *out, struct kd_err *err)
{
    struct kd_tensorfile file;
    *out = (struct kd_model){0};
    char *found = find_file(path, err);
    if (!found) return -1;
    int status = kd_tensorfile_read(found, NULL, &file, err);
    if (status == 0) {
        status = kd_model_from_file(&file, found, out, err);
        kd_tensorfile_release(&file);
    }
    kd_free(found);
    return status;
}

void kd_model_release(struct kd_model *model)
{
    kd_network_free(model->net);
    cJSON_Delete(model->metadata);
    kd_free(model->path);
    *model = (struct kd_model){0};
}

int kd_model_to_file(const struct kd_network *net, const struct kd_normalize *normalize,
                     struct kd_tensorfile *file, struct kd_err *err)
{
    char fingerprint[KD_FINGERPRINT];
    char *network = kd_json_text(net->json, false, err);
    int status = network ? kd_tensorfile_set(file, "kd.network", network, err) : -1;
    kd_free(network);
    if (status < 0 ||
        kd_tensorfile_set_json(file, "kd.normalize", kd_normalize_to_json(normalize, err), err) <
            0 ||
        kd_model_fingerprint(net, normalize, fingerprint, err) < 0 ||
        kd_tensorfile_set(file, "kd.fingerprint", fingerprint, err) < 0 ||
        kd_tensorfile_set(file, "kd.kind", "model", err) < 0 ||
        kd_tensorfile_set(file, "kd.format", KD_FORMAT, err) < 0 ||
        kd_tensorfile_set(file, "kd.version", KD_VERSION, err) < 0)
        return -1;
    if (net->integers) return kd_int_to_file(net->integers, file, err);
    for (unsigned i = 0; i < net->n_params - net->n_attached; i++) {
        const struct kd_param *p = net->params[i];
        if (kd_tensorfile_add(file, p->name, (struct kd_array){KD_F32, p->dims, p->shape, p->value},
                              err) < 0)
            return -1;
    }
    return 0;
}
