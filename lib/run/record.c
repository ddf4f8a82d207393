#include "kd/run/record.h"
#include "kd/base/json.h"
#include "kd/base/mem.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

double kd_number_at(const cJSON *object, const char *path)
{
    const cJSON *v = object ? kd_json_get(object, path) : NULL;
    /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): cJSON_IsNumber(NULL) is false */
    return cJSON_IsNumber(v) ? v->valuedouble : NAN;
}

const char *kd_text_at(const cJSON *object, const char *path)
{
    const cJSON *v = object ? kd_json_get(object, path) : NULL;
    /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): cJSON_IsString(NULL) is false */
    return cJSON_IsString(v) ? v->valuestring : NULL;
}

void kd_terms_add(struct kd_terms *terms, const char *name, double value)
{
    size_t length = strlen(name);
    if (terms->n == KD_MOST_TERMS || length >= sizeof terms->of[0].name) return;
    struct kd_term *term = &terms->of[terms->n++];
    memcpy(term->name, name, length + 1);
    term->value = value;
}

/* ---- writing ---- */

static const void *member(const struct kd_field *f, const void *record)
{
    return (const char *)record + f->offset;
}

static bool is_missing(const struct kd_field *f, const void *record)
{
    switch (f->kind) {
    case KD_FIELD_NUMBER:
        return isnan(*(const double *)member(f, record));
    case KD_FIELD_TEXT:
        return !*(char *const *)member(f, record);
    case KD_FIELD_MATRIX:
        return !((const struct kd_matrix *)member(f, record))->v;
    case KD_FIELD_TERMS:
        return ((const struct kd_terms *)member(f, record))->n == 0;
    }
    return true;
}

static cJSON *matrix_json(const struct kd_matrix *m)
{
    cJSON *rows = cJSON_CreateArray();
    for (size_t i = 0; rows && i < m->rows; i++) {
        cJSON *row = cJSON_CreateDoubleArray(m->v + i * m->columns, (int)m->columns);
        if (row && cJSON_AddItemToArray(rows, row)) continue;
        cJSON_Delete(row);
        cJSON_Delete(rows);
        rows = NULL;
    }
    return rows;
}

static cJSON *terms_json(const struct kd_terms *terms, struct kd_err *err)
{
    cJSON *object = cJSON_CreateObject();
    for (size_t i = 0; object && i < terms->n; i++)
        if (kd_json_add_number(object, terms->of[i].name, terms->of[i].value, err) < 0) {
            cJSON_Delete(object);
            object = NULL;
        }
    return object;
}

static cJSON *value_json(const struct kd_field *f, const void *record, struct kd_err *err)
{
    const void *at = member(f, record);
    cJSON *value = NULL;
    if (is_missing(f, record))
        value = cJSON_CreateNull();
    else if (f->kind == KD_FIELD_NUMBER)
        value = isfinite(*(const double *)at) ? cJSON_CreateNumber(*(const double *)at)
                                              : cJSON_CreateNull();
    else if (f->kind == KD_FIELD_TEXT)
        value = cJSON_CreateString(*(char *const *)at);
    else if (f->kind == KD_FIELD_MATRIX)
        value = matrix_json(at);
    else
        value = terms_json(at, err);
    if (!value) kd_fail_memory(err, "not enough memory for the JSON of %s", f->path);
    return value;
}

/* Is all missing of the object that the field is in? */
static bool group_missing(const struct kd_field *fields, const struct kd_field *f,
                          const void *record)
{
    size_t n = strcspn(f->path, ".") + 1;
    for (; fields->path; fields++)
        if (strncmp(fields->path, f->path, n) == 0 && !is_missing(fields, record)) return false;
    return true;
}

static int write_field(cJSON *object, const struct kd_field *fields, const struct kd_field *f,
                       const void *record, struct kd_err *err)
{
    const size_t n = strcspn(f->path, ".");
    const bool grouped = f->path[n] != '\0';
    char group[32];
    if (f->missing == KD_LEFT_OUT && is_missing(f, record)) return 0;
    if (!grouped) return kd_json_attach(object, f->path, value_json(f, record, err), err);
    memcpy(group, f->path, n);
    group[n] = '\0';
    if (f->missing == KD_GROUP_NULL && group_missing(fields, f, record))
        return kd_json_add(object, group, NULL, err);
    cJSON *inner = cJSON_GetObjectItemCaseSensitive(object, group);
    if (!inner) {
        if (kd_json_attach(object, group, cJSON_CreateObject(), err) < 0) return -1;
        inner = cJSON_GetObjectItemCaseSensitive(object, group);
    }
    return kd_json_attach(inner, f->path + n + 1, value_json(f, record, err), err);
}

cJSON *kd_record_write(const struct kd_field *fields, const void *record, struct kd_err *err)
{
    cJSON *object = cJSON_CreateObject();
    if (!object) kd_fail_memory(err, "not enough memory for a line of JSON");
    for (const struct kd_field *f = fields; object && f->path; f++)
        if (write_field(object, fields, f, record, err) < 0) {
            cJSON_Delete(object);
            object = NULL;
        }
    return object;
}

/* ---- reading ---- */

/* Left missing where it is no matrix: rows of one length, no more of them than memory was given
 * for in the text. */
static int read_matrix(const cJSON *list, struct kd_matrix *out, struct kd_err *err)
{
    const cJSON *row = list ? list->child : NULL, *v;
    size_t rows = cJSON_IsArray(list) ? (size_t)cJSON_GetArraySize(list) : 0, k = 0;
    size_t columns = cJSON_IsArray(row) ? (size_t)cJSON_GetArraySize(row) : 0;
    if (!rows || !columns) return 0;
    cJSON_ArrayForEach(row, list)
    {
        if ((size_t)cJSON_GetArraySize(row) != columns) return 0;
    }
    double *numbers = kd_alloc(rows * columns, sizeof *numbers, "a matrix of numbers", err);
    if (!numbers) return -1;
    cJSON_ArrayForEach(row, list)
    {
        cJSON_ArrayForEach(v, row) numbers[k++] = cJSON_IsNumber(v) ? v->valuedouble : NAN;
    }
    *out = (struct kd_matrix){numbers, rows, columns};
    return 0;
}

static void read_terms(const cJSON *object, struct kd_terms *out)
{
    const cJSON *term;
    if (!cJSON_IsObject(object)) return;
    cJSON_ArrayForEach(term, object)
    {
        kd_terms_add(out, term->string, cJSON_IsNumber(term) ? term->valuedouble : NAN);
    }
}

static int read_field(const struct kd_field *f, const cJSON *object, void *record,
                      struct kd_err *err)
{
    void *at = (char *)record + f->offset;
    if (f->kind == KD_FIELD_TEXT) {
        const char *text = kd_text_at(object, f->path);
        *(char **)at = text ? kd_strdup(text, err) : NULL;
        return text && !*(char **)at ? -1 : 0;
    }
    const cJSON *value = object ? kd_json_get(object, f->path) : NULL;
    if (f->kind == KD_FIELD_NUMBER) *(double *)at = kd_number_at(object, f->path);
    if (f->kind == KD_FIELD_TERMS) read_terms(value, at);
    return f->kind == KD_FIELD_MATRIX ? read_matrix(value, at, err) : 0;
}

static void clear(const struct kd_field *f, void *record)
{
    void *at = (char *)record + f->offset;
    if (f->kind == KD_FIELD_NUMBER) *(double *)at = NAN;
    if (f->kind == KD_FIELD_TEXT) *(char **)at = NULL;
    if (f->kind == KD_FIELD_MATRIX) *(struct kd_matrix *)at = (struct kd_matrix){0};
    if (f->kind == KD_FIELD_TERMS) *(struct kd_terms *)at = (struct kd_terms){0};
}

int kd_record_read(const struct kd_field *fields, const cJSON *object, void *record,
                   struct kd_err *err)
{
    for (const struct kd_field *f = fields; f->path; f++) clear(f, record);
    for (const struct kd_field *f = fields; f->path; f++)
        if (read_field(f, object, record, err) < 0) {
            kd_record_release(fields, record);
            return -1;
        }
    return 0;
}

void kd_record_release(const struct kd_field *fields, void *record)
{
    for (const struct kd_field *f = fields; f->path; f++) {
        void *at = (char *)record + f->offset;
        if (f->kind == KD_FIELD_TEXT) kd_free(*(char **)at);
        if (f->kind == KD_FIELD_MATRIX) kd_free(((struct kd_matrix *)at)->v);
        clear(f, record);
    }
}
