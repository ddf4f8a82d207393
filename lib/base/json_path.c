#include "kd/base/json.h"
#include "kd/base/mem.h"
#include <string.h>

/* Names the value on the way for "X is a number, not an object". */
static const char *kind_of(const cJSON *value)
{
    if (cJSON_IsArray(value)) return "a list";
    if (cJSON_IsObject(value)) return "an object";
    if (cJSON_IsString(value)) return "a string";
    if (cJSON_IsNumber(value)) return "a number";
    return cJSON_IsBool(value) ? "true or false" : "null";
}

/* The child that the front of path names, and how many characters of path that takes. Keys may hold
 * dots themselves ("distill.temperature" in a sweep), so of the keys that are there the longest
 * that fits wins. A list's elements are named by number. */
static cJSON *child_named(const cJSON *parent, const char *path, size_t *length)
{
    cJSON *child, *best = NULL;
    size_t index = 0;
    *length = strcspn(path, ".");
    if (cJSON_IsArray(parent)) {
        for (size_t i = 0; i < *length; i++) {
            if (path[i] < '0' || path[i] > '9' || i > 6) return NULL;
            index = index * 10 + (size_t)(path[i] - '0');
        }
        return *length ? cJSON_GetArrayItem(parent, (int)index) : NULL;
    }
    cJSON_ArrayForEach(child, parent)
    {
        size_t n = child->string ? strlen(child->string) : 0;
        bool fits =
            n > 0 && strncmp(path, child->string, n) == 0 && (path[n] == '\0' || path[n] == '.');
        if (fits && (!best || n > *length)) {
            best = child;
            *length = n;
        }
    }
    return best;
}

const cJSON *kd_json_get(const cJSON *root, const char *path)
{
    const cJSON *at = root;
    while (at) {
        size_t n;
        at = child_named(at, path, &n);
        if (!path[n]) return at;
        path += n + 1;
    }
    return NULL;
}

/* Add or replace the child that the first `length` characters of key name; owns value. */
static int put(cJSON *parent, cJSON *child, const char *key, size_t length, cJSON *value,
               struct kd_err *err)
{
    if (child && cJSON_IsArray(parent)) {
        if (cJSON_ReplaceItemViaPointer(parent, child, value)) return 0;
    } else {
        char *name = kd_format(err, "%.*s", (int)length, key);
        int status = name ? kd_json_add(parent, name, value, err) : -1;
        if (!name) cJSON_Delete(value);
        kd_free(name);
        return status;
    }
    cJSON_Delete(value);
    return kd_fail_memory(err, "not enough memory for %s", key);
}

/* Objects and lists in each other, up to the most that any reader takes. */
static unsigned depth_of(const cJSON *value)
{
    unsigned most = 0;
    const cJSON *child;
    cJSON_ArrayForEach(child, value)
    {
        const unsigned depth = child->child ? depth_of(child) : 0;
        if (depth > most) most = depth;
    }
    return cJSON_IsObject(value) || cJSON_IsArray(value) ? most + 1 : 0;
}

int kd_json_set(cJSON *root, const char *path, cJSON *value, struct kd_err *err)
{
    cJSON *at = root;
    const char *rest = path;
    if (!value) return kd_fail_memory(err, "not enough memory for %s", path);
    for (unsigned depth = depth_of(value) + 1;; depth++) {
        if (depth > KD_JSON_DEPTH) {
            kd_fail_usage(err,
                          "%.100s...: nested too deeply; objects and lists stand in each "
                          "other up to %d deep",
                          path, KD_JSON_DEPTH);
            break;
        }
        int before = rest > path ? (int)(rest - path) - 1 : 0;
        if (!cJSON_IsObject(at) && !cJSON_IsArray(at)) {
            kd_fail_usage(err, "%s: %.*s is %s, which has no keys; set it whole, as JSON", path,
                          before, path, kind_of(at));
            break;
        }
        size_t n;
        cJSON *child = child_named(at, rest, &n);
        if (n == 0) {
            kd_fail_usage(err, "%s: a key is missing between the dots", *path ? path : "\"\"");
            break;
        }
        if (!child && cJSON_IsArray(at)) {
            kd_fail_usage(err, "%s: %.*s is a list of %d, with no element %.*s", path, before, path,
                          cJSON_GetArraySize(at), (int)n, rest);
            break;
        }
        if (!rest[n]) return put(at, child, rest, n, value, err);
        if (!child || cJSON_IsNull(child)) {
            cJSON *object = cJSON_CreateObject();
            if (!object) {
                kd_fail_memory(err, "not enough memory for %s", path);
                break;
            }
            if (put(at, child, rest, n, object, err) < 0) break;
            child = object;
        }
        at = child;
        rest += n + 1;
    }
    cJSON_Delete(value);
    return -1;
}

int kd_json_assign(cJSON *root, const char *assignment, struct kd_err *err)
{
    const char *equals = strchr(assignment, '=');
    if (!equals || equals == assignment)
        return kd_fail_usage(err, "%s: expected KEY=VALUE, as in train.epochs=5", assignment);
    char *path = kd_format(err, "%.*s", (int)(equals - assignment), assignment);
    if (!path) return -1;
    const char *text = equals + 1;
    int status = -1;
    struct kd_err not_json = {0};
    cJSON *value = kd_json_parse(text, strlen(text), path, &not_json);
    if (!value && (*text == '{' || *text == '[')) {
        /* Nobody means a string by this; the mistake is better told here than as a wrong type. */
        kd_fail_usage(err, "%s", not_json.text);
    } else {
        if (!value) value = cJSON_CreateString(text);
        status = kd_json_set(root, path, value, err);
    }
    kd_free(path);
    return status;
}

int kd_json_merge(cJSON *under, const cJSON *over, struct kd_err *err)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, over)
    {
        cJSON *there = cJSON_GetObjectItemCaseSensitive(under, item->string);
        if (cJSON_IsObject(there) && cJSON_IsObject(item)) {
            if (kd_json_merge(there, item, err) < 0) return -1;
            continue;
        }
        cJSON *copy = cJSON_Duplicate(item, 1);
        if (!copy) return kd_fail_memory(err, "not enough memory for \"%s\"", item->string);
        if (kd_json_add(under, item->string, copy, err) < 0) return -1;
    }
    return 0;
}
