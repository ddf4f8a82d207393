/* Building JSON: the first error is remembered, and checked once at the end. */
#include "kd/base/json.h"
#include "kd/base/mem.h"
#include <math.h>

static void fail(struct kd_maker *b)
{
    cJSON_Delete(b->json);
    b->json = NULL;
}

static void fail_memory(struct kd_maker *b, const char *key)
{
    kd_fail_memory(b->err, "not enough memory for the JSON of %s", key ? key : "a list");
    fail(b);
}

/* `value` was made by cJSON, which says nothing where there is no memory. */
static void put(struct kd_maker *b, const char *key, cJSON *value)
{
    if (!b->json) {
        cJSON_Delete(value);
    } else if (!value) {
        fail_memory(b, key);
    } else if (key) {
        if (kd_json_add(b->json, key, value, b->err) < 0) fail(b);
    } else if (!cJSON_AddItemToArray(b->json, value)) {
        cJSON_Delete(value);
        fail_memory(b, key);
    }
}

static struct kd_maker start(cJSON *json, const char *what, struct kd_err *err)
{
    if (!json) kd_fail_memory(err, "not enough memory for %s", what);
    return (struct kd_maker){json, err};
}

struct kd_maker kd_make_object(struct kd_err *err)
{
    return start(cJSON_CreateObject(), "a JSON object", err);
}

struct kd_maker kd_make_list(struct kd_err *err)
{
    return start(cJSON_CreateArray(), "a JSON list", err);
}

struct kd_maker kd_make_copy(const cJSON *of, struct kd_err *err)
{
    return start(cJSON_Duplicate(of, true), "a copy of JSON", err);
}

struct kd_maker kd_make_on(cJSON *made, struct kd_err *err)
{
    return (struct kd_maker){made, err};
}

void kd_put_null(struct kd_maker *b, const char *key)
{
    put(b, key, cJSON_CreateNull());
}

void kd_put_bool(struct kd_maker *b, const char *key, bool v)
{
    put(b, key, cJSON_CreateBool(v));
}

void kd_put_text(struct kd_maker *b, const char *key, const char *text)
{
    put(b, key, text ? cJSON_CreateString(text) : cJSON_CreateNull());
}

void kd_put_number(struct kd_maker *b, const char *key, double v)
{
    put(b, key, isfinite(v) ? cJSON_CreateNumber(v) : cJSON_CreateNull());
}

void kd_put_numbers(struct kd_maker *b, const char *key, const double *v, size_t n)
{
    put(b, key, n ? cJSON_CreateDoubleArray(v, (int)n) : cJSON_CreateArray());
}

void kd_put_floats(struct kd_maker *b, const char *key, const float *v, size_t n)
{
    put(b, key, n ? cJSON_CreateFloatArray(v, (int)n) : cJSON_CreateArray());
}

void kd_put_texts(struct kd_maker *b, const char *key, const char *const *v, size_t n)
{
    put(b, key, n ? cJSON_CreateStringArray(v, (int)n) : cJSON_CreateArray());
}

void kd_put_json(struct kd_maker *b, const char *key, cJSON *made)
{
    if (made)
        put(b, key, made);
    else
        fail(b); /* err says why, unless an earlier failure does */
}

void kd_put_copy(struct kd_maker *b, const char *key, const cJSON *value)
{
    if (b->json) put(b, key, value ? cJSON_Duplicate(value, true) : cJSON_CreateNull());
}

cJSON *kd_make_end(struct kd_maker *b)
{
    cJSON *json = b->json;
    b->json = NULL;
    return json;
}

char *kd_make_end_text(struct kd_maker *b)
{
    char *text = b->json ? kd_json_text(b->json, false, b->err) : NULL;
    fail(b);
    return text;
}
