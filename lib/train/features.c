/* Reading a teacher's stored features. */
#include "kd/train/features.h"
#include "kd/base/mem.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const char prefix[] = "features.";

/* ---- one layer ---- */

static uint32_t side_of(size_t length)
{
    return length <= 1 << 24 ? (uint32_t)length : 0;
}

static int check_finite(const struct kd_tensor *t, struct kd_err *err)
{
    const float *f = t->data;
    const uint16_t *h = t->data;
    for (size_t i = 0; i < t->count; i++)
        if (!isfinite(t->dtype == KD_F32 ? f[i] : kd_half_to_float(h[i])))
            return kd_fail(err, "%s: number %zu is not finite", t->name, i);
    return 0;
}

static int read_layer(struct kd_feature *of, const struct kd_tensor *t,
                      const struct kd_features_of *from, struct kd_err *err)
{
    const unsigned lead = from->with_views ? 1 : 0;
    const size_t *s = t->shape + lead;
    const bool flat = t->dims == lead + 2, maps = t->dims == lead + 4;
    if (t->dtype != KD_F32 && t->dtype != KD_F16)
        return kd_fail(err, "%s: expected F32 or F16", t->name);
    if ((!flat && !maps) || s[0] != from->n || (lead && t->shape[0] != from->views))
        return kd_fail(err,
                       "%s: expected [%sN,D] or [%sN,C,H,W] with N = %zu%s, as the soft targets "
                       "beside it; write both with one kd-soften",
                       t->name, lead ? "V," : "", lead ? "V," : "", from->n,
                       lead ? " and as many views" : "");
    snprintf(of->name, sizeof of->name, "%.63s", t->name + strlen(prefix));
    of->shape =
        (struct kd_shape){side_of(s[1]), flat ? 1 : side_of(s[2]), flat ? 1 : side_of(s[3]), flat};
    of->tensor = t;
    if (!of->shape.c || !of->shape.h || !of->shape.w) return kd_fail(err, "%s is empty", t->name);
    return check_finite(t, err);
}

static int read_layers(struct kd_features *out, const struct kd_features_of *from,
                       struct kd_err *err)
{
    for (size_t i = 0; i < from->file->n; i++) {
        const struct kd_tensor *t = &from->file->tensors[i];
        if (strncmp(t->name, prefix, strlen(prefix)) != 0) continue;
        struct kd_feature *of =
            kd_grow(&out->of, &out->n_layers, &out->room, sizeof *of, "stored features", err);
        if (!of || read_layer(of, t, from, err) < 0) return -1;
    }
    return 0;
}

/* ---- what is known of the teacher ---- */

static cJSON *meta_json(const struct kd_tensorfile *f, const char *key, struct kd_err *err)
{
    const char *text = kd_tensorfile_meta(f, key);
    return text ? kd_json_parse(text, strlen(text), key, err) : NULL;
}

static int read_blocks(struct kd_features *out, const struct kd_features_of *from,
                       struct kd_err *err)
{
    if (!kd_tensorfile_meta(from->file, "kd.features")) return 0;
    cJSON *json = meta_json(from->file, "kd.features", err);
    if (!json) return -1;
    kd_blocks_from_json(json, &out->blocks);
    cJSON_Delete(json);
    return 0;
}

static int take_param(struct kd_param *p, const struct kd_tensorfile *f, struct kd_err *err)
{
    char name[100];
    snprintf(name, sizeof name, "head.%.80s", p->name);
    const struct kd_tensor *t = kd_tensorfile_find(f, name);
    if (!t || t->dims != p->dims || memcmp(t->shape, p->shape, p->dims * sizeof *p->shape) != 0)
        return kd_fail(err, "kd.head: there is no %s of its shape", name);
    if ((t->dtype != KD_F32 && t->dtype != KD_F16) || check_finite(t, err) < 0)
        return kd_fail(err, "%s: expected finite numbers, F32 or F16", name);
    return kd_tensor_to_float(t, p->value, err);
}

/* Whatever the file says of it, a head as kd_head_of makes it. */
static int read_head(struct kd_features *out, const struct kd_features_of *from, struct kd_err *err)
{
    if (!kd_tensorfile_meta(from->file, "kd.head")) return 0;
    cJSON *json = meta_json(from->file, "kd.head", err);
    struct kd_network *net =
        json ? kd_network_from_file(json, from->file->bytes.size / sizeof(uint16_t), err) : NULL;
    cJSON_Delete(json);
    if (!net) return kd_err_context(err, "kd.head");
    int status = net->classes == from->classes
                     ? 0
                     : kd_fail(err, "it has %u outputs, the soft targets %zu classes", net->classes,
                               from->classes);
    for (unsigned i = 0; i < net->n_params && status == 0; i++)
        status = take_param(net->params[i], from->file, err);
    if (status == 0 && !(out->head = kd_head_of(net, from->order, err))) status = -1;
    kd_network_free(net);
    return status < 0 ? kd_err_context(err, "kd.head") : 0;
}

int kd_features_read(struct kd_features *out, const struct kd_features_of *from, struct kd_err *err)
{
    *out = (struct kd_features){.n = from->n, .views = from->views};
    if (read_layers(out, from, err) < 0) return -1;
    if (!out->n_layers) return 0;
    return read_blocks(out, from, err) < 0 || read_head(out, from, err) < 0 ? -1 : 0;
}

void kd_features_release(struct kd_features *f)
{
    kd_free(f->of);
    kd_network_free(f->head);
    *f = (struct kd_features){0};
}

size_t kd_features_bytes(const struct kd_features *f)
{
    size_t bytes = 0;
    for (size_t i = 0; i < f->n_layers; i++)
        bytes += f->of[i].tensor->count * kd_dtype_size(f->of[i].tensor->dtype);
    return bytes;
}

void kd_features_hash(const struct kd_features *f, struct kd_hash *hash)
{
    for (size_t i = 0; i < f->n_layers; i++) {
        const struct kd_tensor *t = f->of[i].tensor;
        kd_hash_add(hash, t->name, strlen(t->name) + 1);
        for (unsigned d = 0; d < t->dims; d++) kd_hash_add_u32(hash, (uint32_t)t->shape[d]);
        kd_hash_add(hash, t->data, t->count * kd_dtype_size(t->dtype));
    }
    for (unsigned i = 0; f->head && i < f->head->n_params; i++)
        kd_hash_add(hash, f->head->params[i]->value, f->head->params[i]->count * sizeof(float));
}

/* ---- asked for ---- */

static const struct kd_feature *fail_missing(const struct kd_features *f, const char *name,
                                             struct kd_err *err)
{
    struct kd_bytes list = {0};
    for (size_t i = 0; i < f->n_layers; i++)
        kd_bytes_format(&list, err, "%s%s", i ? ", " : "", f->of[i].name);
    if (list.data)
        kd_fail_usage(err,
                      "layer %.60s is not stored, but %s is; ask for that, store the layer "
                      "(kd-soften --features), or give the teacher itself (--teacher MODEL)",
                      name, list.data);
    kd_bytes_release(&list);
    return NULL;
}

const struct kd_feature *kd_features_find(const struct kd_features *f, const cJSON *place,
                                          bool maps, struct kd_err *err)
{
    char name[64];
    const bool unknown = !f->blocks.n && !f->blocks.features.name[0];
    if (unknown && cJSON_IsString(place))
        snprintf(name, sizeof name, "%.63s", place->valuestring);
    else if (kd_blocks_find(&f->blocks, place, maps, name, err) < 0)
        return NULL;
    for (size_t i = 0; i < f->n_layers; i++)
        if (strcmp(f->of[i].name, name) == 0) return &f->of[i];
    return fail_missing(f, name, err);
}

void kd_feature_fill(const struct kd_features *f, const struct kd_feature *of, size_t view,
                     const uint32_t *index, size_t n, float *out)
{
    const size_t pixels = kd_shape_pixels(of->shape), cols = of->shape.c, size = pixels * cols;
    for (size_t i = 0; i < n; i++) {
        const size_t at = (view * f->n + index[i]) * size;
        const float *x = (const float *)of->tensor->data + at;
        const uint16_t *half = (const uint16_t *)of->tensor->data + at;
        float *y = out + i * size;
        for (size_t c = 0; c < cols; c++)
            for (size_t p = 0; p < pixels; p++) {
                const size_t k = c * pixels + p;
                y[p * cols + c] = of->tensor->dtype == KD_F32 ? x[k] : kd_half_to_float(half[k]);
            }
    }
}
