/* What a reader of the report must know about the runs: models not trained yet, trainings cut
 * short, evaluations missing, logs that broke. */
#include "kd/base/json.h"
#include "kd/base/text.h"
#include "kd/report/charts.h"
#include "read.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

static bool has_result(const struct kd_report *report, size_t run, enum kd_role role,
                       const char *name, double seed)
{
    for (size_t i = 0; i < report->n_results; i++) {
        const struct kd_result *r = &report->results[i];
        if (r->run != run || r->role != role || r->seed != seed) continue;
        if (role == KD_ROLE_TEACHER || strcmp(r->name, name) == 0) return true;
    }
    return false;
}

/* Models that the experiment names and the folder lacks altogether. */
static int note_absent(struct kd_report *report, size_t run, struct kd_err *err)
{
    const struct kd_source *s = &report->runs[run];
    const cJSON *seeds =
        s->experiment ? cJSON_GetObjectItemCaseSensitive(s->experiment, "seeds") : NULL;
    const cJSON *students =
        s->experiment ? cJSON_GetObjectItemCaseSensitive(s->experiment, "students") : NULL;
    const cJSON *student;
    struct kd_note_list list = {0};
    int count =
        cJSON_IsArray(seeds) ? cJSON_GetArraySize(seeds)
        /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): cJSON_IsNumber(NULL) is false */
        : cJSON_IsNumber(seeds) ? (int)fmin(seeds->valuedouble, 1000)
                                : 0;
    cJSON_ArrayForEach(student, students)
    {
        for (int k = 0; k < count && student->string; k++) {
            const cJSON *one = cJSON_IsArray(seeds) ? cJSON_GetArrayItem(seeds, k) : NULL;
            double seed = one ? one->valuedouble : k + 1;
            if (has_result(report, run, KD_ROLE_STUDENT, student->string, seed)) continue;
            if (kd_note_list_add(&list, student->string, seed, err) < 0) {
                kd_bytes_release(&list.text);
                return -1;
            }
        }
    }
    return kd_note_list_end(report, &list, s->name, "not trained yet", err);
}

static bool no_model(const struct kd_report *report, const struct kd_result *r)
{
    (void)report;
    return !r->model;
}
static bool no_evaluation(const struct kd_report *report, const struct kd_result *r)
{
    return r->model && !r->stale && !r->elsewhere && !kd_result_on(r, report->split);
}
static bool is_stale(const struct kd_report *report, const struct kd_result *r)
{
    (void)report;
    return r->stale;
}
static bool no_log(const struct kd_report *report, const struct kd_result *r)
{
    (void)report;
    return r->model && !r->corrected && !r->quantised && (!r->has_log || r->log.n == 0);
}
static bool is_quantised(const struct kd_report *report, const struct kd_result *r)
{
    (void)report;
    return r->quantised;
}
static bool not_finite(const struct kd_report *report, const struct kd_result *r)
{
    (void)report;
    return r->log.not_finite > 0;
}

static bool is_tuned(const struct kd_report *report, const struct kd_result *r)
{
    (void)report;
    return kd_result_tuned(r);
}

static int note_where(struct kd_report *report, size_t run, const char *what,
                      bool (*is)(const struct kd_report *, const struct kd_result *),
                      struct kd_err *err)
{
    struct kd_note_list list = {0};
    for (size_t i = 0; i < report->n_results; i++) {
        const struct kd_result *r = &report->results[i];
        if (r->run != run || !is(report, r)) continue;
        if (kd_note_list_add(&list, r->name, r->seed, err) < 0) {
            kd_bytes_release(&list.text);
            return -1;
        }
    }
    return kd_note_list_end(report, &list, report->runs[run].name, what, err);
}

static int list_setting(struct kd_note_list *list, const struct kd_result *r, bool seed,
                        const char *where, struct kd_err *err)
{
    char text[400];
    if (!seed || isnan(r->seed))
        snprintf(text, sizeof text, "%.200s (%s)", r->name, where);
    else
        snprintf(text, sizeof text, "%.200s s%.0f (%s)", r->name, r->seed, where);
    return kd_note_list_add(list, text, NAN, err);
}

/* Entries whose seeds are not of one mind: their mean is of no model. */
static int note_mixed(struct kd_report *report, size_t run, struct kd_err *err)
{
    struct kd_note_list list = {0};
    char where[KD_SETTING_NAME];
    int status = 0;
    for (size_t i = 0; i < report->n_entries && status == 0; i++) {
        const struct kd_result *r = &report->results[report->entries[i].first], *first = NULL;
        int differ = 0;
        if (r->run != run) continue;
        for (size_t k = 0; k < report->entries[i].n && differ == 0; k++) {
            if (!r[k].config) continue;
            if (first)
                differ = kd_configs_differ(first->config, r[k].config, report->options,
                                           KD_SAME_SETTINGS, where, err);
            else
                first = &r[k];
        }
        status = differ == 1 ? list_setting(&list, r, false, where, err) : differ;
    }
    if (status == 0)
        return kd_note_list_end(
            report, &list, report->runs[run].name,
            "seeds trained with different settings, which means and spreads mix", err);
    kd_bytes_release(&list.text);
    return -1;
}

/* What a resolved experiment asks of a model, into *out (caller: cJSON_Delete); NULL: nothing. A
 * corrected student is the one it corrects with other biases. */
static int asked_for(const struct kd_report *report, const struct kd_result *r, cJSON **out,
                     struct kd_err *err)
{
    const cJSON *x = report->runs[r->run].experiment;
    const cJSON *students = cJSON_GetObjectItemCaseSensitive(x, "students");
    const cJSON *job = r->role == KD_ROLE_TEACHER
                           ? cJSON_GetObjectItemCaseSensitive(x, "teacher")
                           : cJSON_GetObjectItemCaseSensitive(students, r->name);
    const cJSON *correct = cJSON_GetObjectItemCaseSensitive(job, "correct");
    const char *of = kd_text_at(correct, "of");
    *out = NULL;
    if (of) job = cJSON_GetObjectItemCaseSensitive(students, of);
    if (!r->config || !cJSON_IsObject(cJSON_GetObjectItemCaseSensitive(job, "train"))) return 0;
    *out = cJSON_Duplicate(job, true);
    cJSON *copy = of ? cJSON_Duplicate(correct, true) : NULL;
    if (*out && (!of || (copy && kd_json_add(*out, "correct", copy, err) == 0))) return 0;
    cJSON_Delete(*out);
    *out = NULL;
    return kd_fail_memory(err, "no memory for a configuration");
}

static int note_other(struct kd_report *report, size_t run, struct kd_err *err)
{
    struct kd_note_list list = {0};
    char where[KD_SETTING_NAME];
    int status = 0;
    for (size_t i = 0; i < report->n_results && status == 0; i++) {
        const struct kd_result *r = &report->results[i];
        cJSON *job;
        if (r->run != run) continue;
        status = asked_for(report, r, &job, err);
        int differ =
            job ? kd_configs_differ(job, r->config, report->options, KD_SAME_SETTINGS, where, err)
                : 0;
        if (status == 0) status = differ == 1 ? list_setting(&list, r, true, where, err) : differ;
        cJSON_Delete(job);
    }
    if (status == 0)
        return kd_note_list_end(
            report, &list, report->runs[run].name,
            "trained with other settings than the run's experiment.json has now", err);
    kd_bytes_release(&list.text);
    return -1;
}

int kd_report_check(struct kd_report *report, struct kd_err *err)
{
    char missing[96];
    snprintf(missing, sizeof missing, "not evaluated on the %.40s split", report->split);
    const struct {
        const char *what;
        bool (*is)(const struct kd_report *, const struct kd_result *);
    } checks[] = {
        {"training unfinished, no model file", no_model},
        {missing, no_evaluation},
        {"trained anew since its evaluation, which kd-eval --experiment (or MODEL --save) repeats",
         is_stale},
        {"no log", no_log},
        {"8-bit integers", is_quantised},
        {"biases tuned on the test set, shown for comparison and never chosen", is_tuned},
        {"training loss is not a number", not_finite}};
    for (size_t run = 0; run < report->n_runs; run++) {
        if (note_absent(report, run, err) < 0 || note_mixed(report, run, err) < 0 ||
            note_other(report, run, err) < 0)
            return -1;
        for (size_t i = 0; i < sizeof checks / sizeof *checks; i++)
            if (note_where(report, run, checks[i].what, checks[i].is, err) < 0) return -1;
    }
    if (report->n_runs > KD_DRAWN_RUNS &&
        kd_report_note(report, err,
                       "Charts show the first %d of %zu runs; name fewer for the others.",
                       KD_DRAWN_RUNS, report->n_runs) < 0)
        return -1;
    for (size_t i = 0; i < report->n_results; i++) {
        const struct kd_log *log = &report->results[i].log;
        if (log->bad && kd_report_note(report, err, "%s (%zu unreadable %s left out).",
                                       log->problem, log->bad, log->bad > 1 ? "lines" : "line") < 0)
            return -1;
    }
    return 0;
}
