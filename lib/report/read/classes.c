/* Names of classes, confusion matrices over seeds, and the classes that a student never saw. */
#include "kd/report/classes.h"
#include "kd/base/json.h"
#include <stdio.h>
#include <string.h>

const char *kd_class_in(const cJSON *names, size_t k, char room[KD_CLASS_ROOM])
{
    const cJSON *name = cJSON_GetArrayItem(names, (int)k);
    if (cJSON_IsString(name)) return name->valuestring;
    snprintf(room, KD_CLASS_ROOM, "%zu", k);
    return room;
}

static bool listed(const cJSON *data, const char *key, size_t k)
{
    const cJSON *v;
    cJSON_ArrayForEach(v, cJSON_GetObjectItemCaseSensitive(data, key)) if (v->valuedouble ==
                                                                           (double)k) return true;
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

static const struct kd_evaluation *confusion_of(const struct kd_report *report,
                                                const struct kd_result *r)
{
    const struct kd_evaluation *e = kd_result_on(r, report->split);
    return e && e->confusion.v ? e : NULL;
}

double *kd_confusion_sum(const struct kd_report *report, const struct kd_entry *entry,
                         size_t *classes, size_t *seeds, struct kd_err *err)
{
    double *sum = NULL;
    *classes = *seeds = 0;
    for (size_t i = 0; i < entry->n; i++) {
        const struct kd_evaluation *e = confusion_of(report, &report->results[entry->first + i]);
        if (!e || (sum && e->confusion.rows != *classes)) continue;
        if (!sum) {
            *classes = e->confusion.rows;
            if (!(sum = kd_alloc(e->confusion.rows * e->confusion.rows, sizeof *sum,
                                 "a confusion matrix", err)))
                return NULL;
        }
        for (size_t k = 0; k < e->confusion.rows * e->confusion.rows; k++)
            sum[k] += e->confusion.v[k] > 0 ? e->confusion.v[k] : 0;
        ++*seeds;
    }
    return sum;
}

struct kd_stats kd_class_errors(const struct kd_report *report, const struct kd_entry *entry,
                                size_t k, size_t classes)
{
    double errors[KD_UNSEEN_SEEDS];
    size_t n = 0;
    for (size_t i = 0; i < entry->n && n < KD_UNSEEN_SEEDS; i++) {
        const struct kd_evaluation *e = confusion_of(report, &report->results[entry->first + i]);
        if (!e || e->confusion.rows != classes) continue;
        errors[n] = 0;
        for (size_t j = 0; j < classes; j++)
            if (j != k) errors[n] += e->confusion.v[k * classes + j];
        n++;
    }
    return kd_stats_of(errors, n);
}
