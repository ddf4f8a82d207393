#include "option_value.h"
#include "kd/base/mem.h"
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define KD_INT_MAX 9007199254740992.0 /* 2^53: whole numbers are exact in a double up to here */

/* -- what is expected, in words ------------------------------------------------------------- */

static void number_text(double v, char *out, size_t room)
{
    snprintf(out, room, v == floor(v) && fabs(v) < 1e16 ? "%.0f" : "%.10g", v);
}

static bool has_range(const struct kd_option *row)
{
    return row->min != 0 || row->max != 0;
}

static bool has_top(const struct kd_option *row)
{
    return row->max >= row->min && isfinite(row->max);
}

static void expected_number(const struct kd_option *row, char *out, size_t room)
{
    const char *what = row->kind == KD_OPT_INT || row->whole ? "a whole number" : "a number";
    char low[32], high[32];
    number_text(row->min, low, sizeof low);
    number_text(row->max, high, sizeof high);
    if (!has_range(row))
        snprintf(out, room, "%s", what);
    else if (!isfinite(row->min))
        snprintf(out, room, "%s of at most %s", what, high);
    else if (!has_top(row))
        snprintf(out, room, "%s of at least %s", what, low);
    else
        snprintf(out, room, "%s from %s to %s", what, low, high);
}

void kd_opt_choices(const char *const *choices, const char *joint, const char *last, char *out,
                    size_t room)
{
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; choices[i] && used < room; i++) {
        const char *before = i == 0 ? "" : choices[i + 1] ? joint : last;
        int wrote = snprintf(out + used, room - used, "%s%s", before, choices[i]);
        used += wrote > 0 ? (size_t)wrote : 0;
    }
}

void kd_opt_metavar(const struct kd_option *row, char *out, size_t room)
{
    if (row->kind == KD_OPT_CHOICE && !row->metavar)
        kd_opt_choices(row->choices, "|", "|", out, room);
    else
        snprintf(out, room, "%s",
                 row->kind == KD_OPT_BOOL ? ""
                 : row->metavar           ? row->metavar
                                          : "VALUE");
}

static void expected(const struct kd_option *row, char *out, size_t room)
{
    switch (row->kind) {
    case KD_OPT_BOOL:
        snprintf(out, room, "true or false");
        break;
    case KD_OPT_INT:
    case KD_OPT_REAL:
        expected_number(row, out, room);
        break;
    case KD_OPT_TEXT:
        snprintf(out, room, "a text");
        break;
    case KD_OPT_CHOICE:
        kd_opt_choices(row->choices, ", ", " or ", out, room);
        break;
    case KD_OPT_TEXTS:
        snprintf(out, room, "a text or a list of texts");
        break;
    case KD_OPT_CLASSES:
        snprintf(out, room, "a class by number or by name, or a list of these");
        break;
    case KD_OPT_JSON:
        snprintf(out, room, "JSON");
        break;
    case KD_OPT_REALS: {
        char each[128];
        expected_number(row, each, sizeof each);
        snprintf(out, room, "%s, or a list of these", each);
        break;
    }
    }
}

/* NAME=VALUE: expected WHAT; a choice that was nearly right is offered. */
static int refuse(const struct kd_option *row, const char *name, const char *value,
                  struct kd_err *err)
{
    char what[512] = "";
    const char *near = NULL;
    expected(row, what, sizeof what);
    if (row->kind == KD_OPT_CHOICE) {
        unsigned n = 0;
        while (row->choices[n]) n++;
        near = kd_nearest(value, row->choices, n);
    }
    return kd_fail_usage(err, "%s=%.60s%s: expected %s%s%s%s", name, value,
                         strlen(value) > 60 ? "..." : "", what, near ? "; did you mean " : "",
                         near ? near : "", near ? "?" : "");
}

static int refuse_json(const struct kd_option *row, const char *name, const cJSON *value,
                       struct kd_err *err)
{
    if (cJSON_IsString(value) && row->kind == KD_OPT_CHOICE)
        return refuse(row, name, value->valuestring, err);
    char *text = kd_json_text(value, false, err);
    if (!text) return -1;
    refuse(row, name, text, err);
    kd_free(text);
    return -1;
}

/* -- single values -------------------------------------------------------------------------- */

static bool in_range(const struct kd_option *row, double v)
{
    if (!isfinite(v)) return false;
    if ((row->kind == KD_OPT_INT || row->whole) && (v != floor(v) || fabs(v) > KD_INT_MAX))
        return false;
    return !has_range(row) || (v >= row->min && !(has_top(row) && v > row->max));
}

/* Decimal only, nothing before or behind; `size` characters. */
static bool read_number(const char *text, size_t size, double *v)
{
    char copy[400], *end;
    if (!size || size >= sizeof copy) return false;
    memcpy(copy, text, size);
    copy[size] = '\0';
    if (strspn(copy, "0123456789+-.eE") != size) return false;
    *v = strtod(copy, &end);
    return *end == '\0' && isfinite(*v);
}

/* Digits are read as an integer, since a double would round 2^53 + 1 into the range. */
static bool read_whole(const struct kd_option *row, const char *text, int64_t *out)
{
    double v;
    if (!read_number(text, strlen(text), &v) || !in_range(row, v)) return false;
    *out = (int64_t)v;
    if (strcspn(text, ".eE") < strlen(text)) return true;
    char *end;
    errno = 0;
    intmax_t exact = strtoimax(text, &end, 10);
    return !*end && errno == 0 && exact == (intmax_t)v;
}

static int set_copy(char **field, const char *text, struct kd_err *err)
{
    char *copy = kd_strdup(text, err);
    if (!copy) return -1;
    kd_free(*field);
    *field = copy;
    return 0;
}

/* -- lists ---------------------------------------------------------------------------------- */

static int reals_from_text(const struct kd_option *row, struct kd_reals *field, const char *text,
                           const char *name, struct kd_err *err)
{
    size_t n = 1;
    for (const char *p = text; *p; p++) n += *p == ',';
    double *v = kd_alloc(n, sizeof *v, name, err);
    if (!v) return -1;
    for (size_t i = 0; i < n; i++) {
        size_t size = strcspn(text, ",");
        if (!read_number(text, size, &v[i]) || !in_range(row, v[i])) {
            char item[64];
            snprintf(item, sizeof item, "%.*s", size < 60 ? (int)size : 60, text);
            kd_free(v);
            return refuse(row, name, item, err);
        }
        text += size + 1;
    }
    kd_free(field->v);
    *field = (struct kd_reals){v, n};
    return 0;
}

static int reals_from_json(const struct kd_option *row, struct kd_reals *field, const cJSON *value,
                           const char *name, struct kd_err *err)
{
    bool list = cJSON_IsArray(value);
    size_t n = list ? (size_t)cJSON_GetArraySize(value) : 1, i = 0;
    double *v = kd_alloc(n, sizeof *v, name, err);
    if (!v) return -1;
    for (const cJSON *item = list ? value->child : value; item; item = list ? item->next : NULL) {
        if (!cJSON_IsNumber(item) || !in_range(row, item->valuedouble)) {
            kd_free(v);
            return refuse_json(row, name, item, err);
        }
        v[i++] = item->valuedouble;
    }
    kd_free(field->v);
    *field = (struct kd_reals){v, n};
    return 0;
}

static void texts_clear(struct kd_texts *list)
{
    for (size_t i = 0; i < list->n; i++) kd_free(list->v[i]);
    kd_free(list->v);
    *list = (struct kd_texts){NULL, 0};
}

static int texts_add(struct kd_texts *list, const char *text, struct kd_err *err)
{
    char **v = kd_alloc(list->n + 1, sizeof *v, "list of texts", err);
    char *copy = v ? kd_strdup(text, err) : NULL;
    if (!copy) {
        kd_free(v);
        return -1;
    }
    if (list->n) memcpy(v, list->v, list->n * sizeof *v);
    v[list->n] = copy;
    kd_free(list->v);
    *list = (struct kd_texts){v, list->n + 1};
    return 0;
}

static int texts_from_json(const struct kd_option *row, struct kd_texts *field, const cJSON *value,
                           const char *name, struct kd_err *err)
{
    bool list = cJSON_IsArray(value);
    struct kd_texts fresh = {NULL, 0};
    for (const cJSON *item = list ? value->child : value; item; item = list ? item->next : NULL) {
        int status = cJSON_IsString(item) ? texts_add(&fresh, item->valuestring, err)
                                          : refuse_json(row, name, item, err);
        if (status < 0) {
            texts_clear(&fresh);
            return -1;
        }
    }
    texts_clear(field);
    *field = fresh;
    return 0;
}

/* What looks like JSON must be JSON; anything else that does not parse is a bare word. */
static int json_from_text(cJSON **field, const char *text, const char *name, struct kd_err *err)
{
    struct kd_err ignored = {0};
    cJSON *value = NULL;
    const char *first = text + strspn(text, " \t\r\n");
    if (*first && strchr("{[\"", *first)) {
        value = kd_json_parse(text, strlen(text), name, err);
        if (!value) err->kind = KD_ERR_USAGE;
    } else {
        value = kd_json_parse(text, strlen(text), name, &ignored);
        if (!value && !(value = cJSON_CreateString(text))) kd_fail(err, "%s: out of memory", name);
    }
    if (!value) return -1;
    cJSON_Delete(*field);
    *field = value;
    return 0;
}

/* -- what option_value.h promises ----------------------------------------------------------- */

int kd_opt_set_text(const struct kd_option *row, void *field, const char *text, const char *name,
                    struct kd_err *err)
{
    double real;
    int64_t whole;
    int index;
    switch (row->kind) {
    case KD_OPT_BOOL:
        if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
            return refuse(row, name, text, err);
        *(bool *)field = text[0] == 't';
        return 0;
    case KD_OPT_INT:
        if (!read_whole(row, text, &whole)) return refuse(row, name, text, err);
        *(int64_t *)field = whole;
        return 0;
    case KD_OPT_REAL:
        if (!read_number(text, strlen(text), &real) || !in_range(row, real))
            return refuse(row, name, text, err);
        *(double *)field = real;
        return 0;
    case KD_OPT_CHOICE:
        if ((index = kd_choice_index(row->choices, text)) < 0) return refuse(row, name, text, err);
        *(int *)field = index;
        return 0;
    case KD_OPT_TEXT:
        return set_copy(field, text, err);
    case KD_OPT_REALS:
        return reals_from_text(row, field, text, name, err);
    case KD_OPT_TEXTS:
        return texts_add(field, text, err);
    case KD_OPT_CLASSES:
        return kd_opt_classes_from_text(field, text, name, err);
    case KD_OPT_JSON:
        return json_from_text(field, text, name, err);
    }
    return kd_fail(err, "%s: option of unknown kind", name);
}

int kd_opt_set_json(const struct kd_option *row, void *field, const cJSON *value, const char *name,
                    struct kd_err *err)
{
    cJSON *copy;
    int index;
    switch (row->kind) {
    case KD_OPT_BOOL:
        if (!cJSON_IsBool(value)) return refuse_json(row, name, value, err);
        *(bool *)field = cJSON_IsTrue(value);
        return 0;
    case KD_OPT_INT:
    case KD_OPT_REAL:
        if (!cJSON_IsNumber(value) || !in_range(row, value->valuedouble))
            return refuse_json(row, name, value, err);
        if (row->kind == KD_OPT_INT)
            *(int64_t *)field = (int64_t)value->valuedouble;
        else
            *(double *)field = value->valuedouble;
        return 0;
    case KD_OPT_CHOICE:
        index = cJSON_IsString(value) ? kd_choice_index(row->choices, value->valuestring) : -1;
        if (index < 0) return refuse_json(row, name, value, err);
        *(int *)field = index;
        return 0;
    case KD_OPT_TEXT:
        if (!cJSON_IsString(value)) return refuse_json(row, name, value, err);
        return set_copy(field, value->valuestring, err);
    case KD_OPT_REALS:
        return reals_from_json(row, field, value, name, err);
    case KD_OPT_TEXTS:
        return texts_from_json(row, field, value, name, err);
    case KD_OPT_CLASSES:
        return kd_opt_classes_from_json(field, value, name, err);
    case KD_OPT_JSON:
        if (!(copy = cJSON_Duplicate(value, true))) return kd_fail(err, "%s: out of memory", name);
        cJSON_Delete(*(cJSON **)field);
        *(cJSON **)field = copy;
        return 0;
    }
    return kd_fail(err, "%s: option of unknown kind", name);
}

size_t kd_opt_size(enum kd_opt_kind kind)
{
    switch (kind) {
    case KD_OPT_BOOL:
        return sizeof(bool);
    case KD_OPT_INT:
        return sizeof(int64_t);
    case KD_OPT_REAL:
        return sizeof(double);
    case KD_OPT_TEXT:
        return sizeof(char *);
    case KD_OPT_CHOICE:
        return sizeof(int);
    case KD_OPT_REALS:
        return sizeof(struct kd_reals);
    case KD_OPT_TEXTS:
        return sizeof(struct kd_texts);
    case KD_OPT_CLASSES:
        return sizeof(struct kd_class_list);
    case KD_OPT_JSON:
        return sizeof(cJSON *);
    }
    return 0;
}

void kd_opt_clear(const struct kd_option *row, void *field)
{
    switch (row->kind) {
    case KD_OPT_BOOL:
        *(bool *)field = false;
        break;
    case KD_OPT_INT:
        *(int64_t *)field = 0;
        break;
    case KD_OPT_REAL:
        *(double *)field = row->optional ? NAN : 0;
        break;
    case KD_OPT_CHOICE:
        *(int *)field = 0;
        break;
    case KD_OPT_TEXT:
        kd_free(*(char **)field);
        *(char **)field = NULL;
        break;
    case KD_OPT_REALS:
        kd_free(((struct kd_reals *)field)->v);
        *(struct kd_reals *)field = (struct kd_reals){NULL, 0};
        break;
    case KD_OPT_TEXTS:
        texts_clear(field);
        break;
    case KD_OPT_CLASSES:
        kd_opt_classes_clear(field);
        break;
    case KD_OPT_JSON:
        cJSON_Delete(*(cJSON **)field);
        *(cJSON **)field = NULL;
        break;
    }
}

int kd_opt_reset(const struct kd_option *row, void *field, struct kd_err *err)
{
    kd_opt_clear(row, field);
    if (!row->preset) return 0;
    return kd_opt_set_text(row, field, row->preset, row->flag ? row->flag : row->key, err);
}

static cJSON *texts_to_json(const struct kd_texts *list)
{
    cJSON *array = cJSON_CreateArray();
    for (size_t i = 0; array && i < list->n; i++) {
        cJSON *item = cJSON_CreateString(list->v[i]);
        if (!item || !cJSON_AddItemToArray(array, item)) {
            cJSON_Delete(item);
            cJSON_Delete(array);
            return NULL;
        }
    }
    return array;
}

cJSON *kd_opt_get_json(const struct kd_option *row, const void *field, struct kd_err *err)
{
    cJSON *made = NULL;
    const struct kd_reals *reals = field;
    const char *text;
    const cJSON *json;
    switch (row->kind) {
    case KD_OPT_BOOL:
        made = cJSON_CreateBool(*(const bool *)field);
        break;
    case KD_OPT_INT:
        made = cJSON_CreateNumber((double)*(const int64_t *)field);
        break;
    case KD_OPT_REAL:
        made = cJSON_CreateNumber(*(const double *)field);
        break;
    case KD_OPT_CHOICE:
        made = cJSON_CreateString(kd_choice_name(row->choices, *(const int *)field));
        break;
    case KD_OPT_TEXT:
        text = *(char *const *)field;
        made = text ? cJSON_CreateString(text) : cJSON_CreateNull();
        break;
    case KD_OPT_REALS:
        made = reals->n ? cJSON_CreateDoubleArray(reals->v, (int)reals->n) : cJSON_CreateArray();
        break;
    case KD_OPT_TEXTS:
        made = texts_to_json(field);
        break;
    case KD_OPT_CLASSES:
        made = kd_opt_classes_to_json(field);
        break;
    case KD_OPT_JSON:
        json = *(cJSON *const *)field;
        made = json ? cJSON_Duplicate(json, true) : cJSON_CreateNull();
        break;
    }
    if (!made) kd_fail(err, "%s: out of memory", row->key ? row->key : row->flag);
    return made;
}
