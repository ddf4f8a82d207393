/* Errors class by class, and what becomes of the classes that a student never saw. */
#include "kd/base/json.h"
#include "kd/report/tables.h"
#include "unseen.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

static bool listed(const cJSON *data, const char *key, size_t k)
{
    const cJSON *v;
    cJSON_ArrayForEach(v, cJSON_GetObjectItemCaseSensitive(data, key)) if (v->valuedouble == (double)k) return true;
    return false;
}

size_t kd_unseen_of(const struct kd_result *r, bool *unseen, size_t classes)
{
    struct kd_err ignored;
    size_t n = 0;
    cJSON *data = r->data ? kd_json_parse(r->data, strlen(r->data), "data", &ignored) : NULL;
    bool keeps = cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(data, "keep")) > 0;
    for (size_t k = 0; k < classes; k++) {
        unseen[k] = (keeps && !listed(data, "keep", k)) || listed(data, "omit", k);
        n += unseen[k];
    }
    cJSON_Delete(data);
    return n;
}

static const struct kd_evaluation *confusion_of(const struct kd_report *report, const struct kd_result *r)
{
    const struct kd_evaluation *e = kd_result_on(r, report->split);
    return e && e->confusion ? e : NULL;
}

double *kd_confusion_sum(const struct kd_report *report, const struct kd_entry *entry, size_t *classes, size_t *seeds,
                         struct kd_err *err)
{
    double *sum = NULL;
    *classes = *seeds = 0;
    for (size_t i = 0; i < entry->n; i++) {
        const struct kd_evaluation *e = confusion_of(report, &report->results[entry->first + i]);
        if (!e || (sum && e->classes != *classes)) continue;
        if (!sum) {
            *classes = e->classes;
            if (!(sum = kd_alloc(e->classes * e->classes, sizeof *sum, "a confusion matrix", err))) return NULL;
        }
        for (size_t k = 0; k < e->classes * e->classes; k++) sum[k] += e->confusion[k] > 0 ? e->confusion[k] : 0;
        ++*seeds;
    }
    return sum;
}

/* Errors on a class over the seeds. */
static struct kd_stats class_errors(const struct kd_report *report, const struct kd_entry *entry, size_t k, size_t classes)
{
    double errors[KD_UNSEEN_SEEDS];
    size_t n = 0;
    for (size_t i = 0; i < entry->n && n < KD_UNSEEN_SEEDS; i++) {
        const struct kd_evaluation *e = confusion_of(report, &report->results[entry->first + i]);
        if (!e || e->classes != classes) continue;
        errors[n] = 0;
        for (size_t j = 0; j < classes; j++)
            if (j != k) errors[n] += e->confusion[k * classes + j];
        n++;
    }
    return kd_stats_of(errors, n);
}

/* A row: run, name, the seed where `by_seed`, and the class. */
static int add_class(const struct kd_report *report, const struct kd_entry *entry, bool by_seed, const double *sum,
                     size_t classes, size_t seeds, size_t k, bool unseen, struct kd_table *t, struct kd_err *err)
{
    const struct kd_result *r = &report->results[entry->first];
    struct kd_cell *row = kd_table_row(t, err), *cell = row ? row + (by_seed ? 3 : 2) : NULL;
    struct kd_stats errors = class_errors(report, entry, k, classes);
    double images = 0;
    size_t taken = k == 0 ? 1 : 0;
    char text[32];
    for (size_t j = 0; j < classes; j++) {
        images += sum[k * classes + j];
        if (j != k && sum[k * classes + j] > sum[k * classes + taken]) taken = j;
    }
    snprintf(text, sizeof text, "%zu", taken);
    if (!row || kd_cell_text(&row[0], report->runs[r->run].name, err) < 0 || kd_cell_text(&row[1], r->name, err) < 0 ||
        kd_cell_text(&cell[1], unseen ? "no" : "yes", err) < 0)
        return -1;
    if (by_seed) row[2].value = r->seed;
    cell[0].value = (double)k;
    images /= (double)seeds;
    cell[2].value = images;
    cell[3].value = errors.mean;
    cell[3].sd = errors.sd;
    cell[4].value = images > 0 ? 1 - errors.mean / images : NAN;
    if (taken < classes && sum[k * classes + taken] > 0 && kd_cell_text(&cell[5], text, err) < 0) return -1;
    return unseen ? kd_table_mark(t, err) : 0;
}

static int add_classes(const struct kd_report *report, const struct kd_entry *e, bool by_seed, struct kd_table *t,
                       struct kd_err *err)
{
    size_t classes, seeds;
    double *sum = kd_confusion_sum(report, e, &classes, &seeds, err);
    if (!sum) return classes ? -1 : 0;
    bool *unseen = kd_alloc(classes, sizeof *unseen, "classes", err);
    int status = unseen ? 0 : -1;
    if (status == 0) kd_unseen_of(&report->results[e->first], unseen, classes);
    for (size_t k = 0; k < classes && status == 0; k++)
        status = add_class(report, e, by_seed, sum, classes, seeds, k, unseen[k], t, err);
    kd_free(unseen);
    kd_free(sum);
    return status;
}

int kd_table_classes(const struct kd_report *report, struct kd_table *t, struct kd_err *err)
{
    static const struct kd_column columns[] = {
        {"run", "run", KD_CELL_TEXT, false},          {"name", "model", KD_CELL_TEXT, false},
        {"class", "class", KD_CELL_COUNT, false},     {"trained_on", "trained on", KD_CELL_TEXT, false},
        {"images", "images", KD_CELL_COUNT, false},   {"errors", "errors", KD_CELL_COUNT, true},
        {"right", "right %", KD_CELL_RATE, false},    {"mostly_taken_for", "mostly taken for", KD_CELL_TEXT, false},
    };
    kd_table_init(t, "Classes", columns, sizeof columns / sizeof *columns);
    for (size_t i = 0; i < report->n_entries; i++)
        if (add_classes(report, &report->entries[i], false, t, err) < 0) return -1;
    return 0;
}

int kd_table_class_seeds(const struct kd_report *report, struct kd_table *t, struct kd_err *err)
{
    static const struct kd_column columns[] = {
        {"run", "run", KD_CELL_TEXT, false},        {"name", "model", KD_CELL_TEXT, false},
        {"seed", "seed", KD_CELL_COUNT, false},     {"class", "class", KD_CELL_COUNT, false},
        {"trained_on", "trained on", KD_CELL_TEXT, false}, {"images", "images", KD_CELL_COUNT, false},
        {"errors", "errors", KD_CELL_COUNT, false}, {"right", "right %", KD_CELL_RATE, false},
        {"mostly_taken_for", "mostly taken for", KD_CELL_TEXT, false},
    };
    kd_table_init(t, "Classes by seed", columns, sizeof columns / sizeof *columns);
    for (size_t i = 0; i < report->n_results; i++)
        if (add_classes(report, &(struct kd_entry){i, 1}, true, t, err) < 0) return -1;
    return 0;
}
