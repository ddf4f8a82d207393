/* A tensor file that is there and was made otherwise: what is different about it? */
#include "kd/base/file.h"
#include "tensor_parts.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { WHY = 400, VALUE = 60 };

static atomic_bool sparing;

void kd_tensorfile_spare(bool yes)
{
    atomic_store(&sparing, yes);
}

bool kd_path_is_file(const char *path)
{
    struct stat st;
    return strcmp(path, "-") != 0 && stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

int kd_fail_spared(struct kd_err *err, const char *path, const char *why)
{
    return kd_fail(err,
                   "%s: is there and was made otherwise: %s; --overwrite replaces it, another -o "
                   "keeps both",
                   path, why);
}

/* ---- metadata ---- */

struct difference {
    char where[200];    /* "data.n" */
    const cJSON *a, *b; /* NULL: not said */
};

static const cJSON *member(const cJSON *in, const cJSON *like, int i)
{
    return cJSON_IsArray(in) ? cJSON_GetArrayItem(in, i)
                             : cJSON_GetObjectItemCaseSensitive(in, like->string);
}

/* The first place where they differ, in the order of b; true where there is one. */
static bool find(const cJSON *a, const cJSON *b, struct difference *d)
{
    const size_t length = strlen(d->where);
    const bool within = a && b && a->type == b->type && (cJSON_IsArray(b) || cJSON_IsObject(b)) &&
                        cJSON_GetArraySize(a) == cJSON_GetArraySize(b);
    const cJSON *item;
    int i = 0;
    d->a = a;
    d->b = b;
    if (!within) return !a || !b || !kd_json_equal(a, b);
    cJSON_ArrayForEach(item, b)
    {
        if (cJSON_IsObject(b))
            snprintf(d->where + length, sizeof d->where - length, ".%.60s", item->string);
        if (find(member(a, item, i++), item, d)) return true;
        d->where[length] = '\0';
    }
    return false;
}

static void value_text(const cJSON *v, char out[VALUE])
{
    struct kd_err ignored;
    char *text = v ? kd_json_text(v, false, &ignored) : NULL;
    if (text && strlen(text) < VALUE)
        snprintf(out, VALUE, "%s", text);
    else
        out[0] = '\0';
    kd_free(text);
}

static void say(const struct difference *d, char why[WHY])
{
    char a[VALUE], b[VALUE];
    value_text(d->a, a);
    value_text(d->b, b);
    if (!d->a || !d->b)
        snprintf(why, WHY, "%s is said %s alone", d->where, d->a ? "there" : "here");
    else if (*a && *b)
        snprintf(why, WHY, "%s is %s there and %s here", d->where, a, b);
    else
        snprintf(why, WHY, "%s is another one there", d->where);
}

/* A value of the metadata: JSON where it looks so, else the text itself. */
static cJSON *value_of(const char *text)
{
    struct kd_err ignored;
    cJSON *json = text && (*text == '{' || *text == '[')
                      ? kd_json_parse(text, strlen(text), "metadata", &ignored)
                      : NULL;
    return json || !text ? json : cJSON_CreateString(text);
}

static bool text_differs(const char *key, const char *there, const char *here, char why[WHY])
{
    struct difference d = {0};
    if (there && here && strcmp(there, here) == 0) return false;
    if (strcmp(key, "kd.parents") == 0) {
        snprintf(why, WHY, "the models that it was made from are others");
        return true;
    }
    cJSON *a = value_of(there), *b = value_of(here);
    snprintf(d.where, sizeof d.where, "%.60s", strncmp(key, "kd.", 3) == 0 ? key + 3 : key);
    const bool differs = find(a, b, &d);
    if (differs) say(&d, why);
    cJSON_Delete(a);
    cJSON_Delete(b);
    return differs;
}

/* What says by whom and how fast a file was made, or follows from its tensors. */
static bool counts(const char *key)
{
    static const char *const aside[] = {KD_CHECKSUMS, KD_HEADER_CHECKSUM, "kd.command",
                                        "kd.version", "kd.metrics",       "kd.fingerprint"};
    for (size_t i = 0; i < sizeof aside / sizeof *aside; i++)
        if (strcmp(key, aside[i]) == 0) return false;
    return true;
}

static bool metadata_differs(const struct kd_tensorfile *there, const struct kd_tensorfile *here,
                             char why[WHY])
{
    const cJSON *item;
    cJSON_ArrayForEach(item, here->metadata)
    {
        const char *key = item->string, *was = kd_tensorfile_meta(there, key);
        if (counts(key) && text_differs(key, was, cJSON_GetStringValue(item), why)) return true;
    }
    cJSON_ArrayForEach(item, there->metadata)
    {
        const char *key = item->string;
        if (counts(key) && !kd_tensorfile_meta(here, key) &&
            text_differs(key, cJSON_GetStringValue(item), NULL, why))
            return true;
    }
    return false;
}

/* ---- tensors ---- */

static bool tensors_differ(const struct kd_tensorfile *there, const struct kd_tensorfile *here,
                           char why[WHY])
{
    for (size_t i = 0; i < here->n; i++) {
        const struct kd_tensor *b = &here->tensors[i], *a = kd_tensorfile_find(there, b->name);
        if (!a)
            snprintf(why, WHY, "it has no %.100s", b->name);
        else if (a->dtype != b->dtype)
            snprintf(why, WHY, "%.100s is %s there and %s here", b->name, kd_dtype_name(a->dtype),
                     kd_dtype_name(b->dtype));
        else if (a->dims != b->dims || memcmp(a->shape, b->shape, a->dims * sizeof *a->shape) != 0)
            snprintf(why, WHY, "%.100s has another shape there", b->name);
        else if (memcmp(a->data, b->data, a->count * kd_dtype_size(a->dtype)) != 0)
            snprintf(why, WHY, "%.100s has other values there", b->name);
        else
            continue;
        return true;
    }
    if (there->n != here->n) snprintf(why, WHY, "it holds more tensors");
    return there->n != here->n;
}

int kd_tensorfile_spared(const char *path, const struct kd_tensorfile *f, struct kd_err *err)
{
    struct kd_tensorfile there;
    struct kd_err unreadable;
    char why[WHY] = "it is no tensor file that can be read", full[2 * WHY + 100];
    if (!atomic_load(&sparing) || !kd_path_is_file(path)) return 0;
    if (kd_tensorfile_read(path, NULL, &there, &unreadable) < 0)
        return kd_fail_spared(err, path, why);
    const char *command = kd_tensorfile_meta(&there, "kd.command");
    const bool differs =
        metadata_differs(&there, f, why) || (f->n && tensors_differ(&there, f, why));
    snprintf(full, sizeof full, "%s%s%.300s%s", why, command ? " (it was made by: " : "",
             command ? command : "", command ? ")" : "");
    kd_tensorfile_release(&there);
    return differs ? kd_fail_spared(err, path, full) : 0;
}
