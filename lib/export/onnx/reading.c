/* What all who read a graph share: its memory within a budget, its names, and errors that name a
 * node. */
#include "parts.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void kd_onnx_say(const struct kd_onnx *r, const Onnx__NodeProto *n, const char *format, ...)
{
    char text[400];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    const char *name = n->name && n->name[0] ? n->name : n->n_output ? n->output[0] : "";
    kd_fail(r->err, "node %.100s (%.60s): %s", name, n->op_type, text);
}

/* ---- memory, within a budget ---- */

bool kd_onnx_within(struct kd_onnx *r, size_t bytes)
{
    if (bytes > r->budget - r->bytes) return false;
    r->bytes += bytes;
    return true;
}

void *kd_onnx_alloc(struct kd_onnx *r, size_t n, size_t size)
{
    size_t bytes;
    if (kd_mul_size(n, size, &bytes) < 0 || !kd_onnx_within(r, bytes + 64)) {
        kd_fail(r->err, "its graph would take far more memory than the file has bytes");
        return NULL;
    }
    void **place = kd_grow(&r->memory, &r->n_memory, &r->room_memory, sizeof *place,
                           "the numbers of a graph", r->err);
    return place ? *place = kd_alloc(n, size, "the numbers of a graph", r->err) : NULL;
}

/* ---- names ---- */

struct kd_onnx_value *kd_onnx_place(const struct kd_onnx *r, const char *name)
{
    size_t low = 0, high = r->n_values;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = strcmp(r->values[middle].name, name);
        if (order == 0) return &r->values[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

struct kd_onnx_value *kd_onnx_find(const struct kd_onnx *r, const char *name)
{
    struct kd_onnx_value *v = kd_onnx_place(r, name);
    return v && (v->constant || v->step >= 0) ? v : NULL;
}
