/* The checksums in a tensor file's metadata: kd.checksums, one a tensor, and kd.header_checksum
 * over all the rest of the header. */
#include "kd/base/hash.h"
#include "kd/base/tensorfile.h"
#include "tensor_parts.h"
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

static atomic_bool verifying = true;

void kd_tensorfile_verify(bool yes)
{
    atomic_store(&verifying, yes);
}

static int by_key(const void *a, const void *b)
{
    const cJSON *const *x = a, *const *y = b;
    return strcmp((*x)->string, (*y)->string);
}

const cJSON **kd_metadata_sorted(const cJSON *metadata, size_t *n, struct kd_err *err)
{
    const cJSON *item, **items = kd_alloc((size_t)cJSON_GetArraySize(metadata), sizeof *items,
                                          "a tensor file's header", err);
    *n = 0;
    if (!items) return NULL;
    cJSON_ArrayForEach(item, metadata) items[(*n)++] = item;
    qsort(items, *n, sizeof *items, by_key);
    return items;
}

static void add_text(struct kd_hash *h, const char *text)
{
    kd_hash_add(h, text, strlen(text) + 1);
}

static void add_size(struct kd_hash *h, size_t v)
{
    kd_hash_add_u32(h, (uint32_t)v);
    kd_hash_add_u32(h, (uint32_t)((uint64_t)v >> 32));
}

/* What is said, not how it is spelt: metadata by key, then the tensors by name. */
int kd_header_checksum(const cJSON *metadata, const struct kd_tensor *const *named, size_t tensors,
                       char out[KD_FINGERPRINT], struct kd_err *err)
{
    size_t n;
    const cJSON **items = kd_metadata_sorted(metadata, &n, err);
    struct kd_hash *h = items ? kd_hash_new(err) : NULL;
    for (size_t i = 0; h && i < n; i++) {
        if (strcmp(items[i]->string, KD_HEADER_CHECKSUM) == 0) continue;
        add_text(h, items[i]->string);
        add_text(h, items[i]->valuestring);
    }
    for (size_t i = 0; h && i < tensors; i++) {
        add_text(h, named[i]->name);
        add_text(h, kd_dtype_name(named[i]->dtype));
        add_size(h, named[i]->dims);
        for (unsigned d = 0; d < named[i]->dims; d++) add_size(h, named[i]->shape[d]);
    }
    kd_hash_end(h, out);
    kd_free(items);
    return h ? 0 : -1;
}

static int compare_header(const struct kd_tensorfile *f, const char *name, struct kd_err *err)
{
    const char *noted = kd_tensorfile_meta(f, KD_HEADER_CHECKSUM);
    char found[KD_FINGERPRINT];
    if (!noted) return 0;
    const struct kd_tensor **named = kd_alloc(f->n, sizeof *named, "the order of tensors", err);
    if (!named) return -1;
    for (size_t i = 0; i < f->n; i++) named[i] = &f->tensors[i];
    int status = kd_header_checksum(f->metadata, named, f->n, found, err);
    kd_free(named);
    if (status < 0 || strcmp(noted, found) == 0) return status;
    return kd_fail(err,
                   "%s: its header is damaged (metadata, or names and shapes of tensors): its "
                   "checksum is %s, and "
                   "%.40s was noted when it was written; get the file anew, or take it as it is "
                   "with --no-verify",
                   name, found, noted);
}

static int by_name(const void *a, const void *b)
{
    const struct kd_tensor *x = a, *y = b;
    return strcmp(x->name, y->name);
}

static int compare_tensors(const struct kd_tensorfile *f, const char *name, struct kd_err *err)
{
    const char *text = kd_tensorfile_meta(f, KD_CHECKSUMS);
    if (!text) return 0;
    struct kd_err why = {0};
    cJSON *sums = kd_json_parse(text, strlen(text), KD_CHECKSUMS, &why);
    if (!sums) return kd_fail(err, "%s: %s", name, why.text);
    int status =
        cJSON_IsObject(sums) ? 0 : kd_fail(err, "%s: " KD_CHECKSUMS " is not an object", name);
    const cJSON *sum;
    cJSON_ArrayForEach(sum, sums)
    {
        if (status < 0) break;
        const struct kd_tensor key = {.name = sum->string}, *t = NULL;
        if (f->n) t = bsearch(&key, f->tensors, f->n, sizeof key, by_name);
        if (!t) {
            status = kd_fail(err,
                             "%s: " KD_CHECKSUMS " lists %.200s, which is not in the file; write "
                             "the file anew with its own checksums or none",
                             name, sum->string);
            continue;
        }
        char found[KD_FINGERPRINT];
        kd_fingerprint(t->data, t->count * kd_dtype_size(t->dtype), found);
        const char *noted = cJSON_GetStringValue(sum);
        if (!noted || strcmp(noted, found) != 0)
            status = kd_fail(err,
                             "%s: tensor %.200s is damaged: its checksum is %s, and %.40s was "
                             "noted when it was written; get the file anew, or take it as it is "
                             "with --no-verify",
                             name, t->name, found, noted ? noted : "no text");
    }
    cJSON_Delete(sums);
    return status;
}

int kd_checksums_compare(const struct kd_tensorfile *f, const char *name, struct kd_err *err)
{
    if (!atomic_load(&verifying)) return 0;
    return compare_header(f, name, err) < 0 ? -1 : compare_tensors(f, name, err);
}
