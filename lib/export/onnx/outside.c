/* Tensors that lie in a file of their own beside the ONNX file, as PyTorch's exporter puts them. */
#include "kd/base/file.h"
#include "parts.h"

#include <stdlib.h>
#include <string.h>

/* Only a file below the ONNX file's own folder is opened. */
static bool below(const char *location)
{
    if (!location[0] || location[0] == '/') return false;
    for (const char *at = location; at; at = strchr(at, '/')) {
        at += *at == '/';
        if (strncmp(at, "..", 2) == 0 && (!at[2] || at[2] == '/')) return false;
    }
    return true;
}

static const struct kd_bytes *open_beside(struct kd_onnx *r, const char *location, const char *name)
{
    for (size_t i = 0; i < r->n_outside; i++)
        if (strcmp(r->outside[i].location, location) == 0) return &r->outside[i].bytes;
    if (!below(location) || strcmp(r->ask.path, "-") == 0) {
        kd_fail(r->err, "tensor %s: its numbers are in the file %.100s, which is not beside it",
                name, location);
        return NULL;
    }
    const char *end = strrchr(r->ask.path, '/');
    int folder = end ? (int)(end - r->ask.path) + 1 : 0;
    char *path = kd_format(r->err, "%.*s%s", folder, r->ask.path, location);
    struct kd_onnx_outside *one = NULL;
    struct kd_bytes bytes = {0};
    if (path && kd_file_read(path, kd_read_limit(), &bytes, r->err) == 0)
        one = kd_grow(&r->outside, &r->n_outside, &r->room_outside, sizeof *one,
                      "the files of a graph", r->err);
    kd_free(path);
    if (!one) {
        kd_bytes_release(&bytes);
        return NULL;
    }
    *one = (struct kd_onnx_outside){location, bytes};
    r->budget += bytes.size < SIZE_MAX / 16 ? bytes.size * 8 : 0;
    return &one->bytes;
}

static bool read_count(const char *text, size_t *out)
{
    char *end = NULL;
    if (!text || *text < '0' || *text > '9') return false;
    unsigned long long v = strtoull(text, &end, 10);
    *out = (size_t)v;
    return !*end && v < SIZE_MAX / 2;
}

const uint8_t *kd_onnx_outside(struct kd_onnx *r, const Onnx__TensorProto *t, const char *name,
                               size_t *size)
{
    const char *location = NULL, *offset = "0", *length = NULL;
    for (size_t i = 0; i < t->n_external_data; i++) {
        const Onnx__StringStringEntryProto *e = t->external_data[i];
        const char *key = e->key ? e->key : "", *value = e->value ? e->value : "";
        if (strcmp(key, "location") == 0) location = value;
        if (strcmp(key, "offset") == 0) offset = value;
        if (strcmp(key, "length") == 0) length = value;
    }
    size_t from = 0, n = 0;
    const struct kd_bytes *file = location ? open_beside(r, location, name) : NULL;
    if (!file) {
        if (!location) kd_fail(r->err, "tensor %s: it does not say which file has it", name);
        return NULL;
    }
    bool good = read_count(offset, &from) && from <= file->size;
    n = good ? file->size - from : 0;
    if (length) good = good && read_count(length, size) && *size <= n;
    if (!length) *size = n;
    if (good) return (const uint8_t *)file->data + from;
    kd_fail(r->err, "tensor %s: %.100s ends before it", name, location);
    return NULL;
}
