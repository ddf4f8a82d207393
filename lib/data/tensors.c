/* Images and labels as tensors: one .safetensors file, or one or two .npy files. */
#include "kd/base/file.h"
#include "sources.h"
#include <math.h>
#include <string.h>

static bool is_npy(const char *path)
{
    const size_t n = strlen(path);
    return n > 4 && strcmp(path + n - 4, ".npy") == 0;
}

static int images_take(const struct kd_tensor *t, const char *name, size_t limit,
                       struct kd_images *out, struct kd_err *err)
{
    if (t->dtype != KD_U8 && t->dtype != KD_F32)
        return kd_fail(err, "%s: images are %s, expected U8 (0..255) or F32", name,
                       kd_dtype_name(t->dtype));
    if (t->dims < 2 || t->dims > 4)
        return kd_fail(err, "%s: images have %u dimensions, expected [N,C,H,W], [N,H,W] or [N,D]",
                       name, t->dims);
    size_t size = kd_dtype_size(t->dtype);
    for (unsigned d = 0; d < t->dims; d++)
        if (t->shape[d] == 0 || t->shape[d] > INT32_MAX ||
            kd_mul_size(size, t->shape[d], &size) < 0 || size > limit)
            return kd_fail(err,
                           "%s: images have size %zu in dimension %u; sizes are 1 or more, and "
                           "%zu bytes at most in all%s",
                           name, t->shape[d], d, limit, kd_read_limit_remedy(limit));
    out->dtype = t->dtype;
    out->n = (uint32_t)t->shape[0];
    out->c = t->dims == 4 ? (uint32_t)t->shape[1] : 1;
    out->h = t->dims > 2 ? (uint32_t)t->shape[t->dims - 2] : 1;
    out->w = (uint32_t)t->shape[t->dims - 1];
    out->pixels = t->data;
    if (t->dtype == KD_U8) return 0;
    const float *p = t->data;
    for (size_t i = 0; i < t->count; i++)
        if (!isfinite(p[i]))
            return kd_fail(err, "%s: pixel %zu of image %zu is not a finite number", name,
                           i % (t->count / out->n), i / (t->count / out->n));
    return 0;
}

static int64_t label_at(const struct kd_tensor *t, size_t i)
{
    switch (t->dtype) {
    case KD_U8:
        return ((const uint8_t *)t->data)[i];
    case KD_I32:
        return ((const int32_t *)t->data)[i];
    default:
        return ((const int64_t *)t->data)[i];
    }
}

/* classes 0: as many as the labels name. */
static int labels_take(const struct kd_tensor *t, const char *name, uint32_t classes,
                       struct kd_images *out, struct kd_err *err)
{
    const uint32_t limit = classes ? classes : KD_MAX_CLASSES;
    int64_t top = -1;
    if (t->dtype != KD_U8 && t->dtype != KD_I32 && t->dtype != KD_I64)
        return kd_fail(err, "%s: labels are %s, expected U8, I32 or I64", name,
                       kd_dtype_name(t->dtype));
    if (t->dims != 1)
        return kd_fail(err, "%s: labels have %u dimensions, expected [N]", name, t->dims);
    if (t->count != out->n)
        return kd_fail(err, "%s: %zu labels for %u images", name, t->count, out->n);
    out->labels = kd_alloc(out->n, sizeof *out->labels, "labels", err);
    if (!out->labels) return -1;
    for (uint32_t i = 0; i < out->n; i++) {
        const int64_t label = label_at(t, i);
        if (label < -1 || label >= limit)
            return kd_fail(err, "%s: label %lld of image %u is out of range 0 to %u (-1: unknown)",
                           name, (long long)label, i, limit - 1);
        out->labels[i] = (int32_t)label;
        top = label > top ? label : top;
    }
    out->classes = classes ? classes : top < 0 ? 1 : (uint32_t)top + 1;
    return 0;
}

/* ---- .npy ---- */

static int npy_load(const struct kd_load *load, const char *images, const char *labels,
                    struct kd_images *out, struct kd_err *err)
{
    const struct kd_tensorfile_limits limits = {
        .bytes = load->limit < kd_read_limit() ? load->limit + 65536 : kd_read_limit()};
    struct kd_tensorfile file = {0};
    if (kd_npy_read(images, &limits, &out->keep, err) < 0) return -1;
    if (images_take(&out->keep.tensors[0], images, load->limit, out, err) < 0) return -1;
    out->classes = 1;
    if (!labels) return 0;
    if (kd_npy_read(labels, &limits, &file, err) < 0) return -1;
    const int status = labels_take(&file.tensors[0], labels, 0, out, err);
    kd_tensorfile_release(&file);
    return status;
}

/* ---- .safetensors ---- */

/* What kd-data wrote about the classes: their number, and their names as JSON text. */
static int classes_take(const struct kd_tensorfile *f, const char *name, struct kd_images *out,
                        uint32_t *classes, struct kd_err *err)
{
    const char *count = kd_tensorfile_meta(f, "kd.classes");
    const char *names = kd_tensorfile_meta(f, "kd.class_names");
    *classes = 0;
    for (const char *p = count ? count : ""; *p; p++) {
        if (*p < '0' || *p > '9' || *classes > KD_MAX_CLASSES)
            return kd_fail(err, "%s: kd.classes is '%s', expected 1 to %d", name, count,
                           KD_MAX_CLASSES);
        *classes = *classes * 10 + (uint32_t)(*p - '0');
    }
    if (count && (*classes < 1 || *classes > KD_MAX_CLASSES))
        return kd_fail(err, "%s: kd.classes is '%s', expected 1 to %d", name, count,
                       KD_MAX_CLASSES);
    if (!names || !*classes) return 0;
    cJSON *list = kd_json_parse(names, strlen(names), name, err);
    if (!list) return kd_err_context(err, "kd.class_names");
    int status = -1;
    if (!cJSON_IsArray(list) || (uint32_t)cJSON_GetArraySize(list) != *classes) {
        kd_fail(err, "%s: kd.class_names is no list of %u names", name, *classes);
        goto done;
    }
    out->class_names = kd_alloc(*classes, sizeof(char *), "class names", err);
    out->classes = *classes;
    if (!out->class_names) goto done;
    uint32_t k = 0;
    for (const cJSON *v = list->child; v; v = v->next, k++) {
        if (!cJSON_IsString(v)) {
            kd_fail(err, "%s: kd.class_names[%u] is no text", name, k);
            goto done;
        }
        if (!(out->class_names[k] = kd_strdup(v->valuestring, err))) goto done;
    }
    status = 0;
done:
    cJSON_Delete(list);
    return status;
}

static int safetensors_load(const struct kd_load *load, struct kd_images *out, struct kd_err *err)
{
    /* labels may take as much again as one-byte pixels */
    const struct kd_tensorfile_limits limits = {
        .bytes = load->limit < kd_read_limit() / 16 ? 16 * load->limit : kd_read_limit()};
    uint32_t classes;
    if (kd_tensorfile_read(load->place, &limits, &out->keep, err) < 0) return -1;
    const struct kd_tensor *images = kd_tensorfile_find(&out->keep, "images");
    const struct kd_tensor *labels = kd_tensorfile_find(&out->keep, "labels");
    if (!images)
        return kd_fail(err,
                       "%s: no tensor named \"images\"; an image set has \"images\" and "
                       "\"labels\"",
                       load->place);
    if (images_take(images, load->place, load->limit, out, err) < 0 ||
        classes_take(&out->keep, load->place, out, &classes, err) < 0)
        return -1;
    out->classes = classes ? classes : 1;
    return labels ? labels_take(labels, load->place, classes, out, err) : 0;
}

static int tensors_load(const struct kd_load *load, struct kd_images *out, struct kd_err *err)
{
    if (kd_unsplit_check(load, "keep it in a file of its own", err) < 0) return -1;
    const char *comma = strrchr(load->place, ',');
    if (!comma && !is_npy(load->place)) return safetensors_load(load, out, err);
    char *images = kd_strdup(load->place, err);
    if (!images) return -1;
    char *labels = NULL;
    if (comma) {
        images[comma - load->place] = '\0';
        labels = images + (comma - load->place) + 1;
    }
    int status;
    if (!is_npy(images) || (labels && !is_npy(labels)))
        status = kd_fail_usage(
            err, "tensors:%s: expected FILE.safetensors, or IMAGES.npy,LABELS.npy", load->place);
    else
        status = npy_load(load, images, labels, out, err);
    kd_free(images);
    return status;
}

static bool tensors_is_mine(const char *path)
{
    static const char end[] = ".safetensors";
    const size_t n = strlen(path);
    return is_npy(path) || (n >= sizeof end && strcmp(path + n - sizeof end + 1, end) == 0);
}

const struct kd_source_kind kd_source_tensors = {
    .name = "tensors", .place = "FILE", .is_mine = tensors_is_mine, .load = tensors_load};

/* ---- writing ---- */

static char *names_text(const struct kd_images *images, struct kd_err *err)
{
    char *text = NULL;
    cJSON *list =
        cJSON_CreateStringArray((const char *const *)images->class_names, (int)images->classes);
    if (list)
        text = kd_json_text(list, false, err);
    else
        kd_fail_memory(err, "not enough memory for class names");
    cJSON_Delete(list);
    return text;
}

static char *identity_text(const struct kd_images *images, struct kd_err *err)
{
    cJSON *o = kd_images_identity(images, err);
    char *text = o ? kd_json_text(o, false, err) : NULL;
    cJSON_Delete(o);
    return text;
}

static int meta_add(struct kd_tensorfile *f, const struct kd_images *images, const char *command,
                    struct kd_err *err)
{
    char *names = images->class_names ? names_text(images, err) : NULL;
    char *identity = identity_text(images, err);
    char *classes = kd_format(err, "%u", images->classes);
    int status = -1;
    if ((images->class_names && !names) || !identity || !classes) goto done;
    if (kd_tensorfile_set(f, "kd.kind", "images", err) < 0 ||
        kd_tensorfile_set(f, "kd.version", KD_VERSION, err) < 0 ||
        kd_tensorfile_set(f, "kd.data", identity, err) < 0 ||
        kd_tensorfile_set(f, "kd.classes", classes, err) < 0 ||
        (names && kd_tensorfile_set(f, "kd.class_names", names, err) < 0) ||
        (command && *command && kd_tensorfile_set(f, "kd.command", command, err) < 0))
        goto done;
    status = 0;
done:
    kd_free(names);
    kd_free(identity);
    kd_free(classes);
    return status;
}

int kd_images_write_tensors(const struct kd_images *images, const char *path, const char *command,
                            struct kd_err *err)
{
    struct kd_tensorfile f = {0};
    const size_t shape[4] = {images->n, images->c, images->h, images->w};
    int status = -1;
    if (kd_tensorfile_init(&f, err) < 0 || meta_add(&f, images, command, err) < 0) goto done;
    if (kd_tensorfile_add(&f, "images", images->dtype, 4, shape, images->pixels, err) < 0)
        goto done;
    if (images->labels &&
        kd_tensorfile_add(&f, "labels", KD_I32, 1, shape, images->labels, err) < 0)
        goto done;
    status = kd_tensorfile_write(path, &f, err);
done:
    kd_tensorfile_release(&f);
    return status;
}
