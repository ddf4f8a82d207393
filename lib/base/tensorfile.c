#include "kd/base/tensorfile.h"
#include "kd/base/file.h"
#include "tensor_parts.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the tensor files of kd are little-endian and are read in place: this machine is not"
#endif

static const struct {
    const char *name;
    size_t size;
} dtypes[] = {
    [KD_F32] = {"F32", 4},   [KD_F16] = {"F16", 2},         [KD_U8] = {"U8", 1},
    [KD_I32] = {"I32", 4},   [KD_I64] = {"I64", 8},         [KD_I8] = {"I8", 1},
    [KD_BOOL] = {"BOOL", 1}, [KD_I16] = {"I16", 2},         [KD_U16] = {"U16", 2},
    [KD_U32] = {"U32", 4},   [KD_U64] = {"U64", 8},         [KD_BF16] = {"BF16", 2},
    [KD_F64] = {"F64", 8},   [KD_F8_E4M3] = {"F8_E4M3", 1}, [KD_F8_E5M2] = {"F8_E5M2", 1},
};

size_t kd_dtype_size(enum kd_dtype d)
{
    return dtypes[d].size;
}

const char *kd_dtype_name(enum kd_dtype d)
{
    return dtypes[d].name;
}

int kd_tensor_extent(const size_t *shape, unsigned dims, enum kd_dtype dtype, size_t *count,
                     size_t *bytes)
{
    *count = 1;
    for (unsigned i = 0; i < dims; i++)
        if (kd_mul_size(*count, shape[i], count) < 0) return -1;
    return kd_mul_size(*count, kd_dtype_size(dtype), bytes);
}

const char *kd_input_name(const char *path)
{
    return strcmp(path, "-") == 0 ? "standard input" : path;
}

size_t kd_limit_of(const struct kd_tensorfile_limits *limits)
{
    return limits && limits->bytes ? limits->bytes : kd_read_limit();
}

void kd_bytes_settle(struct kd_bytes *b, size_t *start)
{
    size_t settled = *start / 8 * 8;
    if (settled == *start) return;
    memmove(b->data + settled, b->data + *start, b->size - *start);
    b->size -= *start - settled;
    b->data[b->size] = '\0';
    *start = settled;
}

int kd_tensorfile_init(struct kd_tensorfile *f, struct kd_err *err)
{
    *f = (struct kd_tensorfile){0};
    f->metadata = cJSON_CreateObject();
    return f->metadata ? 0
                       : kd_fail_memory(err, "not enough memory for the description of tensors");
}

void kd_tensorfile_release(struct kd_tensorfile *f)
{
    for (size_t i = 0; i < f->n; i++) {
        kd_free(f->tensors[i].name);
        if (!f->tensors[i].borrowed) kd_free(f->tensors[i].data);
    }
    kd_free(f->tensors);
    cJSON_Delete(f->metadata);
    kd_bytes_release(&f->bytes);
    *f = (struct kd_tensorfile){0};
}

static int compare_name(const void *name, const void *tensor)
{
    return strcmp(name, ((const struct kd_tensor *)tensor)->name);
}

const struct kd_tensor *kd_tensorfile_find(const struct kd_tensorfile *f, const char *name)
{
    if (f->sorted && f->n) return bsearch(name, f->tensors, f->n, sizeof *f->tensors, compare_name);
    for (size_t i = 0; i < f->n; i++)
        if (strcmp(f->tensors[i].name, name) == 0) return &f->tensors[i];
    return NULL;
}

const char *kd_tensorfile_meta(const struct kd_tensorfile *f, const char *key)
{
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(f->metadata, key));
}

int kd_tensorfile_set(struct kd_tensorfile *f, const char *key, const char *text,
                      struct kd_err *err)
{
    return kd_json_add_text(f->metadata, key, text, err);
}

int kd_tensorfile_set_json(struct kd_tensorfile *f, const char *key, cJSON *made,
                           struct kd_err *err)
{
    if (!made && !err->text[0])
        return kd_fail_memory(err, "not enough memory for %s", key); /* cJSON does not say why */
    char *text = kd_json_text_of(made, err);
    int status = text ? kd_tensorfile_set(f, key, text, err) : -1;
    kd_free(text);
    return status;
}

struct kd_tensor *kd_tensorfile_more(struct kd_tensorfile *f, const char *name, struct kd_err *err)
{
    struct kd_tensor *t = kd_grow(&f->tensors, &f->n, &f->room, sizeof *t, "tensors", err);
    if (!t) return NULL;
    f->sorted = false;
    *t = (struct kd_tensor){.name = kd_strdup(name, err), .borrowed = true};
    if (t->name) return t;
    f->n--;
    return NULL;
}

int kd_tensorfile_add(struct kd_tensorfile *f, const char *name, struct kd_array array,
                      struct kd_err *err)
{
    size_t count, bytes;
    if (array.dims > KD_MAX_DIMS)
        return kd_fail(err, "tensor %s: %u dimensions, at most %d can be written", name, array.dims,
                       KD_MAX_DIMS);
    if (kd_tensor_extent(array.shape, array.dims, array.dtype, &count, &bytes) < 0)
        return kd_fail(err, "tensor %s: its shape is larger than memory", name);
    if (strcmp(name, "__metadata__") == 0 || kd_tensorfile_find(f, name))
        return kd_fail(err, "tensor %s: a file cannot hold a second one of this name", name);
    struct kd_tensor *t = kd_tensorfile_more(f, name, err);
    if (!t) return -1;
    t->dtype = array.dtype;
    t->dims = array.dims;
    t->count = count;
    if (array.dims) memcpy(t->shape, array.shape, array.dims * sizeof *array.shape);
    t->data = (void *)(uintptr_t)array.data; /* only read, as `borrowed` says */
    return 0;
}
