#include "kd/base/mem.h"
#include "option_value.h"
#include <math.h>
#include <string.h>

struct reader {
    const struct kd_opt_section *section;
    const char *where;          /* path of the section's object, "" for none */
    const char *const *besides; /* ends with NULL */
    struct kd_err *err;
};

static const char *dot(const char *path)
{
    return *path ? "." : "";
}

/* Row whose key is PREFIX.NAME (PREFIX may be ""), or NULL. */
static const struct kd_option *find_key(const struct reader *r, const char *path)
{
    const struct kd_option *row = NULL;
    while ((row = kd_opt_next(r->section, row)))
        if (row->key && !strcmp(row->key, path)) break;
    return row;
}

static bool below(const char *key, const char *path)
{
    size_t n = strlen(path);
    return key && !strncmp(key, path, n) && key[n] == '.';
}

static bool is_group(const struct reader *r, const char *path)
{
    for (const struct kd_option *row = NULL; (row = kd_opt_next(r->section, row));)
        if (below(row->key, path)) return true;
    return false;
}

/* "did you mean" among the keys that this level knows: the segments after `prefix`. */
static int unknown(const struct reader *r, const char *prefix, const char *typed)
{
    struct kd_bytes store = {0};
    const char *names[512], *near = NULL;
    size_t at[512];
    unsigned n = 0;
    size_t skip = *prefix ? strlen(prefix) + 1 : 0;
    for (const struct kd_option *row = NULL; n < 512 && (row = kd_opt_next(r->section, row));) {
        const char *key = row->key;
        if (!key || (*prefix && !below(key, prefix))) continue;
        at[n++] = store.size;
        kd_bytes_add(&store, key + skip, strcspn(key + skip, "."), r->err);
        kd_bytes_add(&store, "", 1, r->err);
    }
    if (!store.failed) {
        for (unsigned i = 0; i < n; i++) names[i] = store.data + at[i];
        for (size_t i = 0; !*prefix && r->besides[i] && n < 512; i++) names[n++] = r->besides[i];
        const struct kd_option *also = kd_opt_also(r->section, typed);
        near = also && also->key && !*prefix ? also->key : kd_nearest(typed, names, n);
        if (strchr(typed, '.') && !*prefix && find_key(r, typed))
            kd_fail_usage(r->err, "%s%s\"%s\": dotted keys are for --set; nest objects here",
                          r->where, dot(r->where), typed);
        else
            kd_fail_usage(r->err, "%s%s%s%s%.100s: no such key%s%s%s", r->where, dot(r->where),
                          prefix, dot(prefix), typed, near ? "; did you mean " : "",
                          near ? near : "", near ? "?" : "");
    }
    kd_bytes_release(&store);
    return -1;
}

static int set(const struct reader *r, const struct kd_option *row, const cJSON *value)
{
    char name[512];
    void *field = kd_opt_field(r->section, row);
    if (cJSON_IsNull(value)) return kd_opt_reset(row, field, r->err);
    snprintf(name, sizeof name, "%s%s%s", r->where, dot(r->where), row->key);
    return kd_opt_set_json(row, field, value, name, r->err);
}

static int read_object(const struct reader *r, const cJSON *object, const char *prefix);

/* An object for the keys below `path`, null for all their defaults, or a value for its kind alone.
 */
static int read_group(const struct reader *r, const cJSON *value, const char *path)
{
    char kind[600];
    snprintf(kind, sizeof kind, "%s.kind", path);
    const struct kd_option *row = find_key(r, kind);
    if (cJSON_IsObject(value)) return read_object(r, value, path);
    if (cJSON_IsNull(value)) {
        for (const struct kd_option *own = NULL; (own = kd_opt_next(r->section, own));)
            if (below(own->key, path) && set(r, own, value) < 0) return -1;
        return 0;
    }
    if (row) return set(r, row, value);
    return kd_fail_usage(r->err, "%s%s%s: expected an object {...}", r->where, dot(r->where), path);
}

static int read_object(const struct reader *r, const cJSON *object, const char *prefix)
{
    for (const cJSON *item = object->child; item; item = item->next) {
        char path[512];
        bool besides = false;
        int n = snprintf(path, sizeof path, "%s%s%s", prefix, dot(prefix), item->string);
        for (size_t i = 0; !*prefix && r->besides[i]; i++)
            besides = besides || !strcmp(r->besides[i], item->string);
        if (besides) continue;
        bool fits = n >= 0 && (size_t)n < sizeof path && !strchr(item->string, '.');
        const struct kd_option *row = fits ? find_key(r, path) : NULL;
        int status = row                         ? set(r, row, item)
                     : fits && is_group(r, path) ? read_group(r, item, path)
                                                 : unknown(r, prefix, item->string);
        if (status < 0) return -1;
    }
    return 0;
}

int kd_opts_from_json(const struct kd_opt_section *section, const cJSON *object, const char *where,
                      const char *const *besides, struct kd_err *err)
{
    static const char *const none[] = {NULL};
    struct reader r = {section, where ? where : "", besides ? besides : none, err};
    if (!cJSON_IsObject(object))
        return kd_fail_usage(err, "%s: expected an object {...}",
                             *r.where ? r.where : "configuration");
    return read_object(&r, object, "");
}

static bool is_zero(const struct kd_option *row, const void *field)
{
    switch (row->kind) {
    case KD_OPT_BOOL:
        return !*(const bool *)field;
    case KD_OPT_INT:
        return *(const int64_t *)field == 0;
    case KD_OPT_REAL:
        return *(const double *)field == 0;
    case KD_OPT_CHOICE:
        return *(const int *)field == 0;
    case KD_OPT_REALS:
        return ((const struct kd_reals *)field)->n == 0;
    case KD_OPT_TEXTS:
        return ((const struct kd_texts *)field)->n == 0;
    case KD_OPT_CLASSES:
        return ((const struct kd_class_list *)field)->n == 0;
    case KD_OPT_TEXT:
        return !*(char *const *)field;
    case KD_OPT_JSON:
        return !*(cJSON *const *)field;
    }
    return false;
}

cJSON *kd_option_preset(const struct kd_option *row, struct kd_err *err)
{
    void *field = kd_alloc(1, kd_opt_size(row->kind), "an option's default", err);
    cJSON *value = NULL;
    if (field && kd_opt_reset(row, field, err) == 0) value = kd_opt_get_json(row, field, err);
    if (field) kd_opt_clear(row, field);
    kd_free(field);
    return value;
}

/* 1, 0 or -1 */
static int is_preset(const struct kd_option *row, const void *field, struct kd_err *err)
{
    if (!row->preset) return is_zero(row, field);
    cJSON *preset = kd_option_preset(row, err), *value = kd_opt_get_json(row, field, err);
    int same = preset && value ? kd_json_equal(preset, value) : -1;
    cJSON_Delete(preset);
    cJSON_Delete(value);
    return same;
}

static int is_left_out(const struct kd_option *row, const void *field, struct kd_err *err)
{
    if (row->optional && isnan(*(const double *)field)) return true;
    return row->later ? is_preset(row, field, err) : 0;
}

cJSON *kd_opts_to_json(const struct kd_opt_section *section, struct kd_err *err)
{
    cJSON *root = cJSON_CreateObject();
    if (!root) kd_fail(err, "configuration: out of memory");
    for (const struct kd_option *row = NULL; root && (row = kd_opt_next(section, row));) {
        const void *field = kd_opt_field(section, row);
        int left_out = row->key ? is_left_out(row, field, err) : 1;
        if (left_out == 1) continue;
        cJSON *value = left_out == 0 ? kd_opt_get_json(row, field, err) : NULL;
        if (!value || kd_json_set(root, row->key, value, err) < 0) {
            cJSON_Delete(root);
            root = NULL;
        }
    }
    return root;
}
