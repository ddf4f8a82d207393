/* The checks follow the reference reader (safetensors 0.4 and later, tensor.rs): header length, '{'
 * first, spans without hole or overlap that cover the data; names may not repeat on top of that. */
#include "kd/base/known_formats.h"
#include "kd/base/tensorfile.h"
#include "kd/base/view.h"
#include "tensor_parts.h"
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define HEADER_LIMIT 100000000u

struct span { /* bytes of the data that tensor `index` claims */
    size_t begin, end, index;
};

struct reader {
    const char *name;
    struct kd_tensorfile *f;
    struct span *spans;
    struct kd_err *err;
};

static int whole_number(const cJSON *value, size_t *out)
{
    if (!cJSON_IsNumber(value)) return -1;
    double v = value->valuedouble;
    if (!(v >= 0 && v <= 9007199254740992.0) || v != floor(v)) return -1;
    *out = (size_t)v;
    return 0;
}

static int read_dtype(struct reader *r, const cJSON *info, struct kd_tensor *t)
{
    const char *dtype = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(info, "dtype"));
    if (!dtype)
        return kd_fail(r->err, "%s: tensor %.200s has no dtype in the header", r->name, t->name);
    for (int d = 0; d < KD_DTYPES; d++) {
        if (strcmp(dtype, kd_dtype_name((enum kd_dtype)d)) != 0) continue;
        t->dtype = (enum kd_dtype)d;
        return 0;
    }
    return kd_fail(r->err,
                   "%s: tensor %.200s has dtype %.40s, which kd does not know; convert it and save "
                   "the file again (in PyTorch: tensor.float())",
                   r->name, t->name, dtype);
}

static int read_shape(struct reader *r, const cJSON *info, struct kd_tensor *t)
{
    const cJSON *shape = cJSON_GetObjectItemCaseSensitive(info, "shape"), *size;
    if (!cJSON_IsArray(shape))
        return kd_fail(r->err, "%s: tensor %.200s has no shape in the header", r->name, t->name);
    cJSON_ArrayForEach(size, shape)
    {
        if (t->dims == KD_MAX_DIMS)
            return kd_fail(r->err, "%s: tensor %.200s has more than %d dimensions; reshape it",
                           r->name, t->name, KD_MAX_DIMS);
        if (whole_number(size, &t->shape[t->dims++]) < 0)
            return kd_fail(r->err, "%s: tensor %.200s: size %u of its shape is not a whole number",
                           r->name, t->name, t->dims - 1);
    }
    return 0;
}

static int read_info(struct reader *r, const cJSON *info)
{
    struct kd_tensor *t = kd_tensorfile_more(r->f, info->string, r->err);
    if (!t) return -1;
    if (!cJSON_IsObject(info))
        return kd_fail(r->err, "%s: tensor %.200s is not an object in the header", r->name,
                       t->name);
    if (read_dtype(r, info, t) < 0 || read_shape(r, info, t) < 0) return -1;
    size_t bytes;
    if (kd_tensor_extent(t->shape, t->dims, t->dtype, &t->count, &bytes) < 0)
        return kd_fail(r->err, "%s: tensor %.200s: its shape is larger than memory", r->name,
                       t->name);
    const cJSON *offsets = cJSON_GetObjectItemCaseSensitive(info, "data_offsets");
    struct span *s = &r->spans[r->f->n - 1];
    s->index = r->f->n - 1;
    if (!cJSON_IsArray(offsets) || cJSON_GetArraySize(offsets) != 2 ||
        whole_number(offsets->child, &s->begin) < 0 ||
        whole_number(offsets->child->next, &s->end) < 0)
        return kd_fail(r->err, "%s: tensor %.200s: data_offsets are not two whole numbers", r->name,
                       t->name);
    if (s->end < s->begin)
        return kd_fail(r->err, "%s: tensor %.200s: its data ends at byte %zu, before its start %zu",
                       r->name, t->name, s->end, s->begin);
    if (s->end - s->begin != bytes)
        return kd_fail(r->err,
                       "%s: tensor %.200s: its shape needs %zu bytes and its data_offsets give %zu",
                       r->name, t->name, bytes, s->end - s->begin);
    return 0;
}

static int compare_spans(const void *a, const void *b)
{
    const struct span *x = a, *y = b;
    if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
    if (x->end != y->end) return x->end < y->end ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

/* Every byte of the data belongs to one tensor: no hole, no overlap, nothing missing or left over.
 */
static int check_spans(struct reader *r, size_t start, size_t size)
{
    size_t end = 0;
    const char *before = "the header";
    if (r->f->n) qsort(r->spans, r->f->n, sizeof *r->spans, compare_spans);
    for (size_t i = 0; i < r->f->n; i++) {
        const struct span *s = &r->spans[i];
        const char *name = r->f->tensors[s->index].name;
        if (s->begin < end)
            return kd_fail(r->err,
                           "%s: tensor %.200s overlaps %.200s: it starts at byte %zu of the "
                           "data, before byte %zu",
                           r->name, name, before, s->begin, end);
        if (s->begin > end)
            return kd_fail(r->err,
                           "%s: tensor %.200s starts at byte %zu of the data and leaves a "
                           "hole: %.200s ends at %zu",
                           r->name, name, s->begin, before, end);
        end = s->end;
        before = name;
    }
    if (end > size - start)
        return kd_fail(r->err, "%s: cut short: %zu bytes expected, %zu received", r->name,
                       end + start, size);
    if (end < size - start)
        return kd_fail(r->err, "%s: %zu bytes behind the last tensor, from byte %zu on", r->name,
                       size - start - end, end + start);
    return 0;
}

static int take_metadata(struct reader *r, cJSON *header)
{
    cJSON *found = cJSON_DetachItemFromObjectCaseSensitive(header, "__metadata__");
    if (!found || cJSON_IsNull(found)) {
        cJSON_Delete(found);
        return 0;
    }
    cJSON_Delete(r->f->metadata);
    r->f->metadata = found;
    if (!cJSON_IsObject(found))
        return kd_fail(r->err, "%s: __metadata__ is not an object", r->name);
    const cJSON *value;
    cJSON_ArrayForEach(value, found)
    {
        if (!cJSON_IsString(value))
            return kd_fail(r->err, "%s: __metadata__: the value of %.200s is not a string", r->name,
                           value->string);
    }
    return 0;
}

/* The length of the header: of what there is, before any of it is looked at. */
static int header_length(const struct kd_bytes *b, const char *name, size_t *length,
                         struct kd_err *err)
{
    uint64_t n = 0;
    if (b->size == 0) return kd_fail(err, "%s: empty: no safetensors data received", name);
    if (b->size < 8)
        return kd_fail(err, "%s: cut short: at least 8 bytes expected, %zu received", name,
                       b->size);
    for (int i = 7; i >= 0; i--) n = n << 8 | (unsigned char)b->data[i];
    if (n < 2 || n > HEADER_LIMIT || (b->size > 8 && b->data[8] != '{')) {
        struct kd_known_format is;
        if (kd_known_format(b->data, b->size, &is))
            return kd_fail(err, "%s: not a safetensors file: this is %s; %s", name, is.name,
                           is.remedy);
        size_t text = 0;
        while (text < b->size && text < 24 && isprint((unsigned char)b->data[text])) text++;
        if (text >= 8)
            return kd_fail(err, "%s: not a safetensors file: it is text that begins with \"%.*s\"",
                           name, (int)text, b->data);
        return kd_fail(err,
                       "%s: not a safetensors file: bytes 0 to 7 are no length of a header at byte "
                       "8",
                       name);
    }
    if (n > b->size - 8)
        return kd_fail(err, "%s: cut short: at least %zu bytes expected (the header), %zu received",
                       name, (size_t)n + 8, b->size);
    *length = (size_t)n;
    return 0;
}

static int place_tensors(struct reader *r, size_t start)
{
    /* moving a mapped file would copy it: what is not aligned is copied alone */
    if (!r->f->bytes.mapped) kd_bytes_settle(&r->f->bytes, &start);
    for (size_t i = 0; i < r->f->n; i++) {
        struct kd_tensor *t = &r->f->tensors[r->spans[i].index];
        char *at = r->f->bytes.data + start + r->spans[i].begin;
        if ((uintptr_t)at % (r->f->bytes.mapped ? kd_dtype_size(t->dtype) : 8) == 0) {
            t->data = at;
            continue;
        }
        size_t bytes = r->spans[i].end - r->spans[i].begin;
        t->data = kd_alloc(bytes, 1, t->name, r->err);
        if (!t->data) return -1;
        t->borrowed = false;
        if (bytes) memcpy(t->data, at, bytes);
    }
    return 0;
}

static int compare_tensors(const void *a, const void *b)
{
    const struct kd_tensor *x = a, *y = b;
    return strcmp(x->name, y->name);
}

int kd_tensorfile_parse(struct kd_bytes *bytes, const char *name,
                        const struct kd_tensorfile_limits *limits, struct kd_tensorfile *out,
                        struct kd_err *err)
{
    struct reader r = {.name = name, .f = out, .err = err};
    cJSON *header = NULL;
    int status = kd_tensorfile_init(out, err);
    out->bytes = *bytes;
    *bytes = (struct kd_bytes){0};
    size_t length = 0;
    if (status == 0 && !out->bytes.mapped && out->bytes.size > kd_limit_of(limits))
        status = kd_fail(err, "%s: larger than the %zu bytes that are accepted here%s", name,
                         kd_limit_of(limits), kd_read_limit_remedy(kd_limit_of(limits)));
    if (status == 0) status = header_length(&out->bytes, name, &length, err);
    if (status < 0) goto done;
    status = -1;
    header = kd_json_parse(out->bytes.data + 8, length, name, err);
    if (!header) {
        kd_err_context(err, "header of a safetensors file");
        goto done;
    }
    if (take_metadata(&r, header) < 0) goto done;
    size_t n = (size_t)cJSON_GetArraySize(header);
    r.spans = kd_alloc(n, sizeof *r.spans, "the places of tensors", err);
    if (!r.spans) goto done;
    const cJSON *info;
    cJSON_ArrayForEach(info, header) if (read_info(&r, info) < 0) goto done;
    if (check_spans(&r, 8 + length, out->bytes.size) < 0) goto done;
    if (place_tensors(&r, 8 + length) < 0) goto done;
    if (out->n) qsort(out->tensors, out->n, sizeof *out->tensors, compare_tensors);
    out->sorted = true;
    status = limits && limits->no_verify ? 0 : kd_checksums_compare(out, name, err);
done:
    cJSON_Delete(header);
    kd_free(r.spans);
    if (status < 0) kd_tensorfile_release(out);
    return status;
}

bool kd_tensor_start(const void *start, size_t n)
{
    const unsigned char *p = start;
    uint64_t length = 0;
    if (n >= 6 && memcmp(p, "\x93NUMPY", 6) == 0) return true;
    for (int i = 0; i < 8; i++) length |= (uint64_t)p[i] << (8 * i);
    return length > 0 && length <= 100000000 && p[8] == '{';
}

int kd_tensorfile_read(const char *path, const struct kd_tensorfile_limits *limits,
                       struct kd_tensorfile *out, struct kd_err *err)
{
    struct kd_bytes bytes;
    *out = (struct kd_tensorfile){0};
    if (kd_file_view(path, kd_limit_of(limits), kd_tensor_start, &bytes, err) < 0) return -1;
    return kd_tensorfile_parse(&bytes, kd_input_name(path), limits, out, err);
}
