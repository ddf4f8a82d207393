#include "kd/base/json.h"
#include "json_check.h"
#include "kd/base/file.h"
#include "kd/base/known_formats.h"
#include <stdlib.h>
#include <string.h>

#define TEXT_LIMIT ((size_t)64 << 20) /* bytes of a JSON file: far more than people write */

static int no_memory(struct kd_err *err, const char *name)
{
    return kd_fail_memory(err, "not enough memory for the JSON of %s", name);
}

static int compare_keys(const void *a, const void *b)
{
    const char *const *x = a, *const *y = b;
    return strcmp(*x, *y);
}

/* The first key that an object has twice, or NULL; sorted, since a hostile object may have
 * millions. */
static int repeated_key(const cJSON *object, const char **key, struct kd_err *err)
{
    size_t n = 0;
    const cJSON *child;
    *key = NULL;
    cJSON_ArrayForEach(child, object) n++;
    if (n < 2) return 0;
    const char **keys = kd_alloc(n, sizeof *keys, "the keys of an object", err);
    if (!keys) return -1;
    n = 0;
    cJSON_ArrayForEach(child, object) keys[n++] = child->string;
    qsort(keys, n, sizeof *keys, compare_keys);
    for (size_t i = 1; i < n && !*key; i++)
        if (strcmp(keys[i - 1], keys[i]) == 0) *key = keys[i];
    kd_free(keys);
    return 0;
}

struct place { /* from the root down to a value, for its dotted path */
    const struct place *above;
    const char *key; /* NULL: element `index` of a list */
    size_t index;
};

static int path_text(const struct place *place, struct kd_bytes *out)
{
    if (!place) return 0;
    if (path_text(place->above, out) < 0) return -1;
    const char *dot = out->size ? "." : "";
    if (place->key) return kd_bytes_format(out, NULL, "%s%s", dot, place->key);
    return kd_bytes_format(out, NULL, "%s%zu", dot, place->index);
}

static int refuse_repeats(const cJSON *value, const struct place *here, const char *name,
                          struct kd_err *err)
{
    struct place below = {.above = here};
    if (cJSON_IsObject(value)) {
        if (repeated_key(value, &below.key, err) < 0) return -1;
        if (below.key) {
            struct kd_bytes path = {0};
            int known = path_text(&below, &path);
            kd_fail(err, "%s: the key %s is there twice; keep one of them", name,
                    known == 0 ? path.data : below.key);
            kd_bytes_release(&path);
            return -1;
        }
    }
    const cJSON *child;
    cJSON_ArrayForEach(child, value)
    {
        below.key = child->string;
        if (child->child && refuse_repeats(child, &below, name, err) < 0) return -1;
        below.index++;
    }
    return 0;
}

cJSON *kd_json_parse(const char *text, size_t size, const char *name, struct kd_err *err)
{
    /* The byte order mark that some editors write; cJSON passes over it in longer texts only. */
    if (size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
        text += 3;
        size -= 3;
    }
    if (kd_json_check(text, size, name, err) < 0) return NULL;
    cJSON *value = cJSON_ParseWithLength(text, size);
    if (!value) {
        no_memory(err, name);
        return NULL;
    }
    if (refuse_repeats(value, NULL, name, err) == 0) return value;
    cJSON_Delete(value);
    return NULL;
}

cJSON *kd_json_read(const char *path, struct kd_err *err)
{
    struct kd_bytes text;
    if (kd_file_read(path, TEXT_LIMIT, &text, err) < 0) return NULL;
    const char *name = strcmp(path, "-") == 0 ? "standard input" : path;
    struct kd_known_format is;
    cJSON *value = NULL;
    /* what begins as JSON does, and empty text, the parser knows more about */
    if (text.size && !strchr("{[\" \n", text.data[0]) && kd_known_format(text.data, text.size, &is))
        kd_fail(err, "%s: not JSON: this is %s; %s", name, is.name, is.remedy);
    else
        value = kd_json_parse(text.data, text.size, name, err);
    kd_bytes_release(&text);
    return value;
}

static bool equal_lists(const cJSON *a, const cJSON *b)
{
    const cJSON *x = a->child, *y = b->child;
    for (; x && y; x = x->next, y = y->next)
        if (!kd_json_equal(x, y)) return false;
    return !x && !y;
}

static bool equal_objects(const cJSON *a, const cJSON *b)
{
    const cJSON *x;
    if (cJSON_GetArraySize(a) != cJSON_GetArraySize(b)) return false;
    cJSON_ArrayForEach(x, a)
    {
        const cJSON *y = cJSON_GetObjectItemCaseSensitive(b, x->string);
        if (!y || !kd_json_equal(x, y)) return false;
    }
    return true;
}

bool kd_json_equal(const cJSON *a, const cJSON *b)
{
    if ((a->type & 0xff) != (b->type & 0xff)) return false;
    if (cJSON_IsNumber(a)) return a->valuedouble == b->valuedouble;
    if (cJSON_IsString(a)) return strcmp(a->valuestring, b->valuestring) == 0;
    if (cJSON_IsObject(a)) return equal_objects(a, b);
    return !cJSON_IsArray(a) || equal_lists(a, b); /* null, true, false: the type is all */
}

int kd_json_add(cJSON *object, const char *key, cJSON *value, struct kd_err *err)
{
    if (!value) value = cJSON_CreateNull();
    if (!value) return no_memory(err, key);
    if (cJSON_GetObjectItemCaseSensitive(object, key)) {
        if (cJSON_ReplaceItemInObjectCaseSensitive(object, key, value))
            return value->string ? 0 : no_memory(err, key);
    } else if (cJSON_AddItemToObject(object, key, value)) {
        return 0;
    }
    no_memory(err, key); /* first: the key may be the value's own name */
    cJSON_Delete(value);
    return -1;
}

int kd_json_attach(cJSON *object, const char *key, cJSON *made, struct kd_err *err)
{
    if (made) return kd_json_add(object, key, made, err);
    return err->text[0] ? -1 : no_memory(err, key); /* cJSON does not say why */
}

int kd_json_append(cJSON *object, const char *key, cJSON *made, struct kd_err *err)
{
    if (made && cJSON_AddItemToObject(object, key, made)) return 0;
    if (made || !err->text[0]) no_memory(err, key); /* first: the key may be the value's own name */
    cJSON_Delete(made);
    return -1;
}

int kd_json_add_text(cJSON *object, const char *key, const char *text, struct kd_err *err)
{
    cJSON *value = cJSON_CreateString(text);
    return value ? kd_json_add(object, key, value, err) : no_memory(err, key);
}

int kd_json_add_number(cJSON *object, const char *key, double v, struct kd_err *err)
{
    cJSON *value = cJSON_CreateNumber(v);
    return value ? kd_json_add(object, key, value, err) : no_memory(err, key);
}

int kd_json_add_numbers(cJSON *object, const char *key, const double *v, size_t n,
                        struct kd_err *err)
{
    cJSON *value = cJSON_CreateDoubleArray(v, (int)n);
    return value ? kd_json_add(object, key, value, err) : no_memory(err, key);
}
