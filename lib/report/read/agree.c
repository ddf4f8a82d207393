/* Figures stand side by side where they were measured alike: on the same images with the same
 * labels, in the same way, against the run's own teacher. What was not is left out, and named. */
#include "kd/base/json.h"
#include "kd/base/mem.h"
#include "kd/run/places.h"
#include "read.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- evaluations ---- */

struct vote { /* for what was measured in its way; of each result */
    const struct kd_evaluation *e;
    size_t result;
};

static int by_text(const char *a, const char *b)
{
    return strcmp(a ? a : "", b ? b : "");
}

static int by_way(const struct kd_evaluation *a, const struct kd_evaluation *b)
{
    int order = by_text(a->images ? a->images : a->data, b->images ? b->images : b->data);
    if (!order) order = by_text(a->labels, b->labels);
    if (!order) order = by_text(a->tta, b->tta);
    return order ? order : (a->n > b->n) - (a->n < b->n);
}

static int by_vote(const void *a, const void *b)
{
    const struct vote *x = a, *y = b;
    int order = by_way(x->e, y->e);
    return order ? order : (x->result > y->result) - (x->result < y->result);
}

/* Of the ways that a run's models were evaluated on a split the one that most of them have, of
 * equal ones that of the first model; NULL: no evaluation. */
static const struct kd_evaluation *usual(const struct vote *votes, size_t n)
{
    const struct kd_evaluation *best = NULL;
    size_t most = 0, first = 0;
    for (size_t i = 0, next; i < n; i = next) {
        size_t results = 0;
        for (next = i; next < n && by_way(votes[i].e, votes[next].e) == 0; next++)
            results += next == i || votes[next].result != votes[next - 1].result;
        if (results < most || (results == most && votes[i].result > first)) continue;
        most = results;
        first = votes[i].result;
        best = votes[i].e;
    }
    return best;
}

static int list_other(struct kd_note_list *list, const struct kd_result *r,
                      const struct kd_evaluation *e, struct kd_err *err)
{
    char text[500], seed[40] = "";
    if (isfinite(r->seed)) snprintf(seed, sizeof seed, " s%.0f", r->seed);
    snprintf(text, sizeof text, "%.200s%s (%.100s, %.0f images%s%.40s)", r->name, seed,
             e->data ? e->data : "?", e->n, e->tta ? ", " : "", e->tta ? e->tta : "");
    return kd_note_list_add(list, text, NAN, err);
}

/* Keeps of a result's evaluations on a split those that agree with `with`. */
static int keep_alike(struct kd_result *r, const char *split, const struct kd_evaluation *with,
                      struct kd_note_list *list, struct kd_err *err)
{
    size_t kept = 0;
    int status = 0;
    bool alike = false, other = false;
    for (size_t i = 0; i < r->evaluations.n; i++) {
        struct kd_evaluation e = r->evaluations.of[i];
        const bool on = e.split && strcmp(e.split, split) == 0;
        if (!on || kd_evaluations_agree(&e, with)) {
            alike |= on;
            r->evaluations.of[kept++] = e;
            continue;
        }
        if (status == 0 && !other) status = list_other(list, r, &e, err);
        other = true;
        kd_evaluation_release(&e);
    }
    r->evaluations.n = kept;
    r->elsewhere |= other && !alike;
    return status;
}

static int agree_on(struct kd_report *report, size_t run, const char *split, struct kd_err *err)
{
    const struct kd_source *at = &report->runs[run];
    struct kd_note_list list = {0};
    struct vote *votes = NULL;
    size_t n = 0, room = 0;
    int status = 0;
    char what[160];
    for (size_t i = at->first; i < at->first + at->n; i++) {
        const struct kd_result *r = &report->results[i];
        for (size_t k = 0; k < r->evaluations.n; k++) {
            const struct kd_evaluation *e = &r->evaluations.of[k];
            if (!e->split || strcmp(e->split, split) != 0) continue;
            struct vote *vote = kd_grow(&votes, &n, &room, sizeof *vote, "evaluations", err);
            if (!vote) {
                kd_free(votes);
                return -1;
            }
            *vote = (struct vote){e, i};
        }
    }
    if (n) qsort(votes, n, sizeof *votes, by_vote);
    const struct kd_evaluation *with = usual(votes, n);
    if (with) {
        const struct kd_evaluation way = *with; /* stays, but may move */
        for (size_t i = at->first; i < at->first + at->n && status == 0; i++)
            status = keep_alike(&report->results[i], split, &way, &list, err);
    }
    kd_free(votes);
    snprintf(what, sizeof what,
             "evaluated on other %.40s images, or otherwise, than the rest, and left out", split);
    if (status == 0) return kd_note_list_end(report, &list, report->runs[run].name, what, err);
    kd_bytes_release(&list.text);
    return -1;
}

/* ---- against which teacher ---- */

/* Does a text name the run's model `name` (teacher: NULL) of the seed of `r` by its fingerprint? Of
 * a teacher that has no such seed, any of them. Nothing can be said against it where there is none
 * with a fingerprint. */
static bool names_model(const struct kd_report *report, const struct kd_result *r, const char *name,
                        const char *text)
{
    const struct kd_source *at = &report->runs[r->run];
    bool any = false, found = false;
    for (size_t i = at->first; i < at->first + at->n; i++) {
        const struct kd_result *t = &report->results[i];
        const bool teacher = t->role == KD_ROLE_TEACHER;
        if (!name && !teacher) break; /* teachers come first */
        if (!t->fingerprint || (name && (teacher || strcmp(t->name, name) != 0))) continue;
        const bool is = strstr(text, t->fingerprint);
        if (t->seed == r->seed) return is;
        any |= teacher;
        found |= is;
    }
    return found || !any;
}

static int agree_with_teacher(struct kd_report *report, size_t run, struct kd_err *err)
{
    const struct kd_source *at = &report->runs[run];
    struct kd_note_list list = {0};
    for (size_t i = at->first; i < at->first + at->n; i++) {
        struct kd_result *r = &report->results[i];
        bool other = false;
        for (size_t k = 0; r->role == KD_ROLE_STUDENT && k < r->evaluations.n; k++) {
            struct kd_evaluation *e = &r->evaluations.of[k];
            if (!e->reference || names_model(report, r, NULL, e->reference)) continue;
            e->agreement = NAN;
            other = true;
        }
        if (other && kd_note_list_add(&list, r->name, r->seed, err) < 0) {
            kd_bytes_release(&list.text);
            return -1;
        }
    }
    return kd_note_list_end(report, &list, at->name,
                            at->experiment
                                ? "agreement with another teacher than is there now left out, "
                                  "which kd-eval --experiment repeats"
                                : "agreement with a model that is no teacher here left out; "
                                  "kd-eval MODEL --reference TEACHER --save measures it",
                            err);
}

static bool learned_from(const struct kd_report *report, const struct kd_result *r,
                         const cJSON *from)
{
    const cJSON *item;
    if (cJSON_IsObject(from)) from = cJSON_GetObjectItemCaseSensitive(from, "from");
    if (cJSON_IsString(from)) {
        const char *name = from->valuestring;
        return names_model(report, r, strcmp(name, KD_FOLDER_TEACHER) == 0 ? NULL : name,
                           r->parents);
    }
    cJSON_ArrayForEach(item, from)
    {
        if (!learned_from(report, r, item)) return false;
    }
    return true;
}

/* Students whose teacher was trained anew: the programs that train would train them anew too. */
static int note_parents(struct kd_report *report, size_t run, struct kd_err *err)
{
    const struct kd_source *at = &report->runs[run];
    struct kd_note_list list = {0};
    for (size_t i = at->first; i < at->first + at->n; i++) {
        const struct kd_result *r = &report->results[i];
        if (!r->distilled || !r->parents) continue;
        if (learned_from(report, r, kd_json_get(r->config, "distill.from"))) continue;
        if (kd_note_list_add(&list, r->name, r->seed, err) < 0) {
            kd_bytes_release(&list.text);
            return -1;
        }
    }
    return kd_note_list_end(report, &list, at->name,
                            "learned from another teacher than is there now", err);
}

/* ---- validation images ---- */

/* What says which images a training carved: of which set, how many, how. */
struct carving {
    const char *images, *how;
    char *classes; /* those kept and left out, as JSON; NULL: all; owned */
    double n, seed;
    size_t result;
};

/* *text: of the classes that a training was validated on. */
static int classes_of(const struct kd_result *r, char **text, struct kd_err *err)
{
    const cJSON *keep = kd_json_get(r->config, "data.keep"),
                *omit = kd_json_get(r->config, "data.omit");
    const char *which = kd_text_at(r->config, "data.validation_classes");
    *text = NULL;
    if ((which && strcmp(which, "all") == 0) ||
        !(cJSON_GetArraySize(keep) || cJSON_GetArraySize(omit)))
        return 0;
    char *kept = keep ? kd_json_text(keep, false, err) : kd_strdup("", err),
         *left = omit ? kd_json_text(omit, false, err) : kd_strdup("", err);
    if (kept && left) *text = kd_format(err, "%s without %s", kept, left);
    kd_free(kept);
    kd_free(left);
    return *text ? 0 : -1;
}

static struct carving carving_of(const struct kd_report *report, size_t result)
{
    const struct kd_result *r = &report->results[result];
    const char *source = kd_text_at(r->config, "data.source"),
               *how = kd_text_at(r->config, "data.carve");
    double n = kd_number_at(r->config, "data.validation"),
           seed = kd_number_at(r->config, "data.split_seed");
    return (struct carving){.images = r->pixels ? r->pixels : source,
                            .how = how ? how : "random",
                            .n = isnan(n) ? 0 : n,
                            .seed = isnan(seed) ? 1 : seed,
                            .result = result};
}

static int by_carving(const struct carving *a, const struct carving *b)
{
    int order = by_text(a->images, b->images);
    if (!order) order = strcmp(a->how, b->how);
    if (!order) order = by_text(a->classes, b->classes);
    if (!order) order = (a->n > b->n) - (a->n < b->n);
    return order ? order : (a->seed > b->seed) - (a->seed < b->seed);
}

static int by_carving_and_place(const void *a, const void *b)
{
    const struct carving *x = a, *y = b;
    int order = by_carving(x, y);
    return order ? order : (x->result > y->result) - (x->result < y->result);
}

static int agree_on_carving(struct kd_report *report, size_t run, struct kd_err *err)
{
    const struct kd_source *at = &report->runs[run];
    struct kd_note_list list = {0};
    size_t n = 0, most = 0;
    struct carving *all = kd_alloc(at->n, sizeof *all, "validation scores of a run", err);
    struct carving usual = {0};
    int status = all ? 0 : -1;
    for (size_t i = at->first; i < at->first + at->n && status == 0; i++)
        if (isfinite(report->results[i].valid.top1)) {
            all[n] = carving_of(report, i);
            status = classes_of(&report->results[i], &all[n++].classes, err);
        }
    if (n) qsort(all, n, sizeof *all, by_carving_and_place);
    for (size_t i = 0, next; i < n; i = next) {
        for (next = i; next < n && by_carving(&all[i], &all[next]) == 0;) next++;
        if (next - i < most || (next - i == most && all[i].result > usual.result)) continue;
        most = next - i;
        usual = all[i];
    }
    for (size_t i = 0; i < n && status == 0; i++) {
        struct kd_result *r = &report->results[all[i].result];
        if (by_carving(&all[i], &usual) == 0) continue;
        r->valid = (struct kd_score){NAN, NAN, NAN};
        status = kd_note_list_add(&list, r->name, r->seed, err);
    }
    for (size_t i = 0; i < n; i++) kd_free(all[i].classes);
    kd_free(all);
    if (status == 0)
        return kd_note_list_end(report, &list, report->runs[run].name,
                                "validated on other images than the rest, and left out", err);
    kd_bytes_release(&list.text);
    return -1;
}

int kd_report_agree(struct kd_report *report, struct kd_err *err)
{
    const bool two = strcmp(report->split, "validation") != 0;
    for (size_t run = 0; run < report->n_runs; run++)
        if (agree_on(report, run, report->split, err) < 0 ||
            (two && agree_on(report, run, "validation", err) < 0) ||
            agree_with_teacher(report, run, err) < 0 || note_parents(report, run, err) < 0)
            return -1;
    for (size_t i = 0; i < report->n_results; i++) kd_result_fill(&report->results[i]);
    for (size_t run = 0; run < report->n_runs; run++)
        if (agree_on_carving(report, run, err) < 0) return -1;
    return 0;
}
