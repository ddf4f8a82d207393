#include "kd/base/file.h"
#include "kd/base/hash.h"
#include "kd/base/tensorfile.h"
#include "tensor_parts.h"
#include <stdlib.h>
#include <string.h>

#define HEADER_LIMIT 100000000u /* what other readers accept */

static size_t bytes_of(const struct kd_tensor *t)
{
    return t->count * kd_dtype_size(t->dtype);
}

static int by_name(const void *a, const void *b)
{
    const struct kd_tensor *const *x = a, *const *y = b;
    return strcmp((*x)->name, (*y)->name);
}

/* Wide elements first: then each tensor is aligned to its own elements, though no gaps are allowed.
 */
static int by_place(const void *a, const void *b)
{
    const struct kd_tensor *const *x = a, *const *y = b;
    size_t m = kd_dtype_size((*x)->dtype), n = kd_dtype_size((*y)->dtype);
    return m != n ? (m > n ? -1 : 1) : by_name(a, b);
}

static void add_string(struct kd_bytes *out, const char *text, struct kd_err *err)
{
    cJSON *string = cJSON_CreateString(text);
    char *quoted = string ? kd_json_text(string, false, err) : NULL;
    if (!string) kd_fail_memory(err, "not enough memory for the header of a tensor file");
    if (quoted)
        kd_bytes_text(out, quoted, err);
    else
        out->failed = true;
    cJSON_Delete(string);
    kd_free(quoted);
}

/* {"name":"fingerprint",...} of all tensors */
static int checksums(const struct kd_tensor *const *named, size_t n, struct kd_bytes *out,
                     struct kd_err *err)
{
    for (size_t i = 0; i < n; i++) {
        char sum[KD_FINGERPRINT];
        kd_fingerprint(named[i]->data, bytes_of(named[i]), sum);
        kd_bytes_text(out, i ? "," : "{", err);
        add_string(out, named[i]->name, err);
        kd_bytes_format(out, err, ":\"%s\"", sum);
    }
    return kd_bytes_text(out, n ? "}" : "{}", err);
}

/* Sorted by key, as the same content shall give the same bytes whatever the order of making. */
static int add_metadata(struct kd_bytes *out, const struct kd_tensorfile *f,
                        const struct kd_tensor *const *named, const char *sums, struct kd_err *err)
{
    int status = -1;
    size_t n = 0;
    char sum[KD_FINGERPRINT];
    const cJSON **items = NULL;
    cJSON *all = cJSON_Duplicate(f->metadata, true);
    if (!all) return kd_fail_memory(err, "not enough memory for the header of a tensor file");
    if (kd_json_add_text(all, KD_CHECKSUMS, sums, err) < 0 ||
        kd_header_checksum(all, named, f->n, sum, err) < 0 ||
        kd_json_add_text(all, KD_HEADER_CHECKSUM, sum, err) < 0)
        goto done;
    items = kd_metadata_sorted(all, &n, err);
    if (!items) goto done;
    for (size_t i = 0; i < n; i++) {
        kd_bytes_text(out, i ? "," : "{\"__metadata__\":{", err);
        add_string(out, items[i]->string, err);
        kd_bytes_text(out, ":", err);
        add_string(out, items[i]->valuestring, err);
    }
    status = kd_bytes_text(out, "}", err);
done:
    kd_free(items);
    cJSON_Delete(all);
    return status;
}

static int add_info(struct kd_bytes *out, const struct kd_tensor *t, size_t begin,
                    struct kd_err *err)
{
    kd_bytes_text(out, ",", err);
    add_string(out, t->name, err);
    kd_bytes_format(out, err, ":{\"dtype\":\"%s\",\"shape\":[", kd_dtype_name(t->dtype));
    for (unsigned i = 0; i < t->dims; i++)
        kd_bytes_format(out, err, "%s%zu", i ? "," : "", t->shape[i]);
    return kd_bytes_format(out, err, "],\"data_offsets\":[%zu,%zu]}", begin, begin + bytes_of(t));
}

/* Length, JSON and padding: everything before the data, which follows in the order of `placed`. */
static int header(const struct kd_tensorfile *f, const struct kd_tensor **named,
                  const struct kd_tensor *const *placed, struct kd_bytes *out, struct kd_err *err)
{
    struct kd_bytes sums = {0};
    int status = checksums(named, f->n, &sums, err);
    if (status == 0) status = kd_bytes_add(out, "\0\0\0\0\0\0\0", 8, err);
    if (status == 0) status = add_metadata(out, f, named, sums.data, err);
    kd_bytes_release(&sums);
    size_t begin = 0;
    for (size_t i = 0; i < f->n && status == 0; i++) {
        status = add_info(out, placed[i], begin, err);
        if (bytes_of(placed[i]) > SIZE_MAX / 2 - begin)
            status = kd_fail(err, "tensor %s: the tensors are larger than memory", placed[i]->name);
        begin += bytes_of(placed[i]);
    }
    if (status == 0) status = kd_bytes_add(out, "}", 1, err);
    while (status == 0 && out->size % 8 != 0) status = kd_bytes_add(out, " ", 1, err);
    if (status < 0) return -1;
    size_t length = out->size - 8;
    if (length > HEADER_LIMIT)
        return kd_fail(err, "a header of %zu bytes: other readers accept at most %u", length,
                       HEADER_LIMIT);
    for (int i = 0; i < 8; i++) out->data[i] = (char)(unsigned char)(length >> (8 * i));
    return 0;
}

static int write_file(const char *path, const struct kd_bytes *head,
                      const struct kd_tensor *const *placed, size_t n, struct kd_err *err)
{
    struct kd_outfile out;
    if (kd_outfile_open(&out, path, err) < 0) return -1;
    int status = kd_outfile_write(&out, head->data, head->size, err);
    for (size_t i = 0; i < n && status == 0; i++)
        status = kd_outfile_write(&out, placed[i]->data, bytes_of(placed[i]), err);
    if (status == 0) return kd_outfile_commit(&out, err);
    kd_outfile_discard(&out);
    return -1;
}

int kd_tensorfile_write(const char *path, const struct kd_tensorfile *f, struct kd_err *err)
{
    struct kd_bytes head = {0};
    int status = -1;
    if (kd_tensorfile_spared(path, f, err) < 0) return -1;
    const struct kd_tensor **named = kd_alloc(f->n, sizeof *named, "the order of tensors", err);
    const struct kd_tensor **placed = kd_alloc(f->n, sizeof *placed, "the order of tensors", err);
    if (!named || !placed) goto done;
    for (size_t i = 0; i < f->n; i++) named[i] = placed[i] = &f->tensors[i];
    qsort(named, f->n, sizeof *named, by_name);
    qsort(placed, f->n, sizeof *placed, by_place);
    if (header(f, named, placed, &head, err) < 0)
        kd_err_context(err, "%s", strcmp(path, "-") == 0 ? "standard output" : path);
    else
        status = write_file(path, &head, placed, f->n, err);
done:
    kd_bytes_release(&head);
    kd_free(named);
    kd_free(placed);
    return status;
}
