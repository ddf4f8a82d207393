/* csv:FILE. Columns become numbers by a plan: which columns, whether numbers or texts, what is
 * subtracted and divided by, what an empty cell is. It is made from the table that is trained on
 * and kept with the model (kd.columns), so that every other table is taken by the same. */
#include "csv.h"
#include "kd/base/file.h"
#include "kd/base/json.h"
#include "kd/data/classes.h"
#include "sources.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { CATEGORIES = 1000 }; /* of a column of text: more are names, not kinds */

struct column {
    char *name;
    bool text;
    double mean, std; /* of numbers */
    char **categories;
    size_t n, room; /* of categories, in bytewise order */
};
struct plan {
    struct column *columns; /* without the label's */
    size_t n, room;
    char *label;       /* name of its column */
    uint32_t label_at; /* its place, of tables without names */
    char **classes;
    size_t n_classes, classes_room;
};
struct table {
    struct kd_csv csv;
    const char *place;
    const struct kd_load *load;
    size_t first;   /* row of data: 1 behind a line of names */
    uint32_t label; /* column; csv.columns: none */
    struct kd_err *err;
};

static void plan_release(struct plan *p)
{
    for (size_t c = 0; c < p->n; c++) {
        kd_free(p->columns[c].name);
        kd_class_names_free(p->columns[c].categories, (uint32_t)p->columns[c].n);
    }
    kd_free(p->columns);
    kd_free(p->label);
    kd_class_names_free(p->classes, (uint32_t)p->n_classes);
    *p = (struct plan){0};
}

/* ---- names of columns ---- */

/* Does the first line name the columns: has it text where the second has numbers, or text that is
 * nowhere else in its column? */
static bool has_heading(const struct table *t)
{
    const struct kd_csv *c = &t->csv;
    double v;
    if (t->load->input->heading != KD_HEADING_AUTO)
        return t->load->input->heading == KD_HEADING_YES;
    if (c->rows < 2) return false;
    for (uint32_t k = 0; k < c->columns; k++)
        if (kd_csv_number(c, kd_csv_cell(c, 0, k), &v)) return false;
    for (uint32_t k = 0; k < c->columns; k++)
        if (kd_csv_number(c, kd_csv_cell(c, 1, k), &v)) return true;
    for (size_t r = 1; r < c->rows; r++)
        if (strcmp(kd_csv_cell(c, r, c->columns - 1), kd_csv_cell(c, 0, c->columns - 1)) == 0)
            return false;
    return true;
}

static char *column_name(const struct table *t, uint32_t k)
{
    return t->first && *kd_csv_cell(&t->csv, 0, k) ? kd_strdup(kd_csv_cell(&t->csv, 0, k), t->err)
                                                   : kd_format(t->err, "%u", k + 1);
}

static int label_find(struct table *t)
{
    const char *asked = t->load->input->label;
    const struct kd_csv *c = &t->csv;
    t->label = c->columns - 1;
    if (!asked) return 0;
    for (uint32_t k = 0; t->first && k < c->columns; k++)
        if (strcmp(kd_csv_cell(c, 0, k), asked) == 0) return t->label = k, 0;
    char *end;
    const unsigned long v = strtoul(asked, &end, 10);
    if (*asked && !*end && v >= 1 && v <= c->columns) return t->label = (uint32_t)v - 1, 0;
    const char *near = t->first ? kd_nearest(asked, c->cells, c->columns) : NULL;
    return kd_fail_usage(
        t->err, "%s: --label %s (data.label): no such column%s%s%s; there are %u%s%s", t->place,
        asked, near ? ", did you mean '" : "", near ? near : "", near ? "'?" : "", c->columns,
        t->first ? ", the first is " : "", t->first ? kd_csv_cell(c, 0, 0) : "");
}

/* ---- making a plan ---- */

static bool is_missing(const char *cell)
{
    static const char *const ways[] = {"", "NA", "N/A", "nan", "NaN", "null", "NULL", "?"};
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++)
        if (strcmp(cell, ways[i]) == 0) return true;
    return false;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int by_number(const void *a, const void *b)
{
    const double x = strtod(*(char *const *)a, NULL), y = strtod(*(char *const *)b, NULL);
    return x < y ? -1 : x > y ? 1 : by_text(a, b);
}

/* The different texts of a column, in order. */
static int texts_find(const struct table *t, uint32_t k, size_t most, char ***list, size_t *n,
                      size_t *room)
{
    double v;
    bool numbers = true;
    for (size_t r = t->first; r < t->csv.rows; r++) {
        const char *cell = kd_csv_cell(&t->csv, r, k);
        if (is_missing(cell)) continue;
        size_t at = *n; /* neighbours are often alike */
        while (at > 0 && strcmp((*list)[at - 1], cell) != 0) at--;
        if (at > 0) continue;
        if (*n == most)
            return kd_fail(t->err,
                           "%s: column %u has more than %zu different texts; leave it out of the "
                           "table, or make numbers of it",
                           t->place, k + 1, most);
        char *copy = kd_strdup(cell, t->err);
        char **slot = copy ? kd_grow(list, n, room, sizeof *slot, "categories", t->err) : NULL;
        if (!slot) {
            kd_free(copy);
            return -1;
        }
        *slot = copy;
        numbers = numbers && kd_csv_number(&t->csv, cell, &v);
    }
    if (*n > 1) qsort(*list, *n, sizeof **list, numbers ? by_number : by_text);
    return 0;
}

/* Numbers throughout: their mean and standard deviation; else text. */
static int column_measure(const struct table *t, uint32_t k, struct column *c)
{
    double v, sum = 0, squares = 0;
    size_t n = 0;
    for (size_t r = t->first; r < t->csv.rows && !c->text; r++) {
        const char *cell = kd_csv_cell(&t->csv, r, k);
        if (is_missing(cell)) continue;
        if (!kd_csv_number(&t->csv, cell, &v)) {
            c->text = true;
        } else {
            sum += v;
            n++;
        }
    }
    if (c->text) return texts_find(t, k, CATEGORIES, &c->categories, &c->n, &c->room);
    c->mean = n ? sum / (double)n : 0;
    for (size_t r = t->first; r < t->csv.rows; r++) {
        const char *cell = kd_csv_cell(&t->csv, r, k);
        if (is_missing(cell) || !kd_csv_number(&t->csv, cell, &v)) continue;
        squares += (v - c->mean) * (v - c->mean);
    }
    const double std = n ? sqrt(squares / (double)n) : 0;
    c->std = std > 1e-12 * (1 + fabs(c->mean)) ? std : 1;
    return 0;
}

static int plan_make(const struct table *t, struct plan *p)
{
    for (uint32_t k = 0; k < t->csv.columns; k++) {
        if (k == t->label) continue;
        struct column *c = kd_grow(&p->columns, &p->n, &p->room, sizeof *c, "columns", t->err);
        if (!c || !(c->name = column_name(t, k)) || column_measure(t, k, c) < 0) return -1;
    }
    p->label_at = t->label;
    if (!(p->label = column_name(t, t->label))) return -1;
    if (texts_find(t, t->label, KD_MAX_CLASSES, &p->classes, &p->n_classes, &p->classes_room) < 0)
        return -1;
    if (p->n == 0) return kd_fail(t->err, "%s: no column but the label's", t->place);
    return p->n_classes ? 0
                        : kd_fail(t->err, "%s: the label's column %s is empty", t->place, p->label);
}

/* ---- a plan as JSON ---- */

static char *plan_text(const struct plan *p, struct kd_err *err)
{
    struct kd_maker all = kd_make_object(err), list = kd_make_list(err);
    for (size_t k = 0; k < p->n; k++) {
        const struct column *c = &p->columns[k];
        struct kd_maker one = kd_make_object(err);
        kd_put_text(&one, "name", c->name);
        if (c->text) {
            kd_put_texts(&one, "categories", (const char *const *)c->categories, c->n);
        } else {
            kd_put_number(&one, "mean", c->mean);
            kd_put_number(&one, "std", c->std);
        }
        kd_put_json(&list, NULL, kd_make_end(&one));
    }
    kd_put_json(&all, "columns", kd_make_end(&list));
    kd_put_text(&all, "label", p->label);
    kd_put_number(&all, "label_at", p->label_at);
    kd_put_texts(&all, "classes", (const char *const *)p->classes, p->n_classes);
    return kd_make_end_text(&all);
}

static int texts_read(const cJSON *list, char ***out, size_t *n, struct kd_err *err)
{
    if (!cJSON_IsArray(list)) return kd_fail(err, "kd.columns: a list of texts is missing");
    *out = kd_alloc((size_t)cJSON_GetArraySize(list), sizeof **out, "columns", err);
    if (!*out) return -1;
    for (const cJSON *v = list->child; v; v = v->next) {
        if (!cJSON_IsString(v)) return kd_fail(err, "kd.columns: a text is expected");
        if (!((*out)[*n] = kd_strdup(v->valuestring, err))) return -1;
        (*n)++;
    }
    return 0;
}

static int column_read(const cJSON *json, struct column *c, struct kd_err *err)
{
    const cJSON *name = cJSON_GetObjectItemCaseSensitive(json, "name");
    const cJSON *texts = cJSON_GetObjectItemCaseSensitive(json, "categories");
    const cJSON *mean = cJSON_GetObjectItemCaseSensitive(json, "mean");
    const cJSON *std = cJSON_GetObjectItemCaseSensitive(json, "std");
    if (!cJSON_IsString(name)) return kd_fail(err, "kd.columns: a column has no name");
    if (!(c->name = kd_strdup(name->valuestring, err))) return -1;
    c->text = texts != NULL;
    if (c->text) return texts_read(texts, &c->categories, &c->n, err);
    if (!cJSON_IsNumber(mean) || !cJSON_IsNumber(std) || !(std->valuedouble > 0))
        return kd_fail(err, "kd.columns: column %s has no mean and std", c->name);
    c->mean = mean->valuedouble;
    c->std = std->valuedouble;
    return 0;
}

static int plan_read(const char *text, struct plan *p, struct kd_err *err)
{
    cJSON *json = kd_json_parse(text, strlen(text), "kd.columns", err);
    if (!json) return -1;
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(json, "columns"), *v;
    const cJSON *label = cJSON_GetObjectItemCaseSensitive(json, "label");
    int status = cJSON_IsArray(list) && cJSON_IsString(label)
                     ? 0
                     : kd_fail(err, "kd.columns: columns or label is missing");
    for (v = status == 0 ? list->child : NULL; v && status == 0; v = v->next) {
        struct column *c = kd_grow(&p->columns, &p->n, &p->room, sizeof *c, "columns", err);
        status = c ? column_read(v, c, err) : -1;
    }
    const cJSON *at = cJSON_GetObjectItemCaseSensitive(json, "label_at");
    if (cJSON_IsNumber(at) && at->valuedouble >= 0 && at->valuedouble <= INT32_MAX)
        p->label_at = (uint32_t)at->valuedouble;
    if (status == 0 && !(p->label = kd_strdup(label->valuestring, err))) status = -1;
    if (status == 0)
        status = texts_read(cJSON_GetObjectItemCaseSensitive(json, "classes"), &p->classes,
                            &p->n_classes, err);
    cJSON_Delete(json);
    return status;
}

/* ---- applying it ---- */

/* Where each column of the plan lies in the table: by name where it has names, else by place. */
static int places_find(struct table *t, const struct plan *p, uint32_t *place)
{
    const struct kd_csv *c = &t->csv;
    if (t->first) {
        uint32_t label = 0;
        while (label < c->columns && strcmp(kd_csv_cell(c, 0, label), p->label) != 0) label++;
        t->label = label; /* a table without labels is evaluated as one */
    } else if (c->columns == p->n) {
        t->label = c->columns;
    } else if (c->columns != p->n + 1) {
        return kd_fail(t->err, "%s: %u columns, but the model knows %zu and the label", t->place,
                       c->columns, p->n);
    } else {
        t->label = p->label_at < c->columns ? p->label_at : c->columns - 1;
    }
    for (size_t k = 0, at = 0; k < p->n; k++, at++) {
        if (at == t->label) at++;
        place[k] = (uint32_t)at;
        if (!t->first) continue;
        uint32_t found = 0;
        while (found < c->columns && strcmp(kd_csv_cell(c, 0, found), p->columns[k].name) != 0)
            found++;
        if (found == c->columns)
            return kd_fail(t->err, "%s: there is no column %s, which the model learnt from",
                           t->place, p->columns[k].name);
        place[k] = found;
    }
    return 0;
}

static int cell_put(const struct table *t, const struct column *c, size_t row, uint32_t at,
                    float *out)
{
    const char *cell = kd_csv_cell(&t->csv, row, at);
    const bool missing = is_missing(cell);
    double v = c->mean;
    if (missing && t->load->input->missing == KD_MISSING_ERROR)
        return kd_fail(t->err,
                       "%s: line %u: column %s is empty; fill it in, or say --missing mean "
                       "(data.missing)",
                       t->place, t->csv.line[row], c->name);
    if (c->text) {
        size_t k = 0;
        while (!missing && k < c->n && strcmp(c->categories[k], cell) != 0) k++;
        if (!missing && k == c->n)
            return kd_fail(t->err, "%s: line %u: column %s has '%.60s', which the model never saw",
                           t->place, t->csv.line[row], c->name, cell);
        for (size_t j = 0; j < c->n; j++) out[j] = !missing && j == k ? 1 : 0;
        return 0;
    }
    if (!missing && !kd_csv_number(&t->csv, cell, &v))
        return kd_fail(t->err, "%s: line %u: column %s has '%.60s', where a number is expected",
                       t->place, t->csv.line[row], c->name, cell);
    *out = (float)((v - c->mean) / c->std);
    return 0;
}

static int label_put(const struct table *t, const struct plan *p, size_t row, int32_t *out)
{
    const char *cell = t->label < t->csv.columns ? kd_csv_cell(&t->csv, row, t->label) : "";
    *out = -1;
    if (is_missing(cell)) return 0;
    for (size_t k = 0; k < p->n_classes; k++)
        if (strcmp(p->classes[k], cell) == 0) return *out = (int32_t)k, 0;
    return kd_fail(t->err, "%s: line %u: label '%.60s' is none of the model's %zu classes",
                   t->place, t->csv.line[row], cell, p->n_classes);
}

static int table_fill(const struct table *t, const struct plan *p, const uint32_t *place,
                      struct kd_images *out)
{
    size_t features = 0;
    for (size_t k = 0; k < p->n; k++) features += p->columns[k].text ? p->columns[k].n : 1;
    const size_t n = t->csv.rows - t->first;
    if (n == 0) return kd_fail(t->err, "%s: no line of data", t->place);
    if (n > INT32_MAX || features > INT32_MAX || features == 0)
        return kd_fail(t->err, "%s: too large a table", t->place);
    out->n = (uint32_t)n;
    out->c = (uint32_t)features;
    out->h = out->w = 1;
    out->dtype = KD_F32;
    out->classes = (uint32_t)p->n_classes;
    if (kd_pixels_alloc(out, t->place, t->load->limit, t->err) < 0) return -1;
    out->labels = kd_alloc(n, sizeof *out->labels, "labels", t->err);
    if (!out->labels) return -1;
    float *to = out->pixels;
    for (size_t r = 0; r < n; r++) {
        for (size_t k = 0; k < p->n; k++) {
            if (cell_put(t, &p->columns[k], t->first + r, place[k], to) < 0) return -1;
            to += p->columns[k].text ? p->columns[k].n : 1;
        }
        if (label_put(t, p, t->first + r, &out->labels[r]) < 0) return -1;
    }
    if (t->label == t->csv.columns) { /* none at all */
        kd_free(out->labels);
        out->labels = NULL;
    }
    return 0;
}

static int table_take(struct table *t, struct kd_images *out)
{
    struct plan p = {0};
    const char *known = t->load->input->columns;
    int status = known ? plan_read(known, &p, t->err) : label_find(t);
    if (status == 0 && !known) status = plan_make(t, &p);
    uint32_t *place = status == 0 ? kd_alloc(p.n, sizeof *place, "columns", t->err) : NULL;
    if (!place) status = -1;
    if (status == 0) status = places_find(t, &p, place);
    if (status == 0) status = table_fill(t, &p, place, out);
    if (status == 0 && !(out->columns = plan_text(&p, t->err))) status = -1;
    if (status == 0) {
        out->class_names = p.classes; /* moved */
        p.classes = NULL;
        p.n_classes = 0;
    }
    kd_free(place);
    plan_release(&p);
    return status;
}

static int csv_load(const struct kd_load *load, struct kd_images *out, struct kd_err *err)
{
    struct kd_bytes bytes = {0};
    struct table t = {.place = load->place, .load = load, .err = err};
    if (kd_unsplit_check(load, "keep it in a file of its own", err) < 0) return -1;
    if (kd_file_read(load->place, load->limit, &bytes, err) < 0) return -1;
    int status = kd_csv_parse(&bytes, load->place, &t.csv, err);
    if (status == 0) {
        t.first = has_heading(&t);
        status = table_take(&t, out);
    }
    kd_csv_release(&t.csv);
    kd_bytes_release(&bytes);
    return status;
}

static bool csv_is_mine(const char *path)
{
    const size_t n = strlen(path);
    return n > 4 &&
           (strcasecmp(path + n - 4, ".csv") == 0 || strcasecmp(path + n - 4, ".tsv") == 0);
}

const struct kd_source_kind kd_source_csv = {
    .name = "csv", .place = "FILE", .is_mine = csv_is_mine, .load = csv_load};
