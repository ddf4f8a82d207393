#include "kd/base/file.h"
#include "kd/base/json.h"
#include "kd/base/text.h"
#include "kd/report/report.h"
#include "kd/run/places.h"
#include "read.h"
#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static bool is_folder(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static int by_name(const void *a, const void *b)
{
    const char *const *p = a, *const *q = b;
    return strcmp(*p, *q);
}

/* Names of subfolders, sorted; hidden ones and what the report itself writes are left out. */
static int list_folders(const char *folder, char ***names, size_t *n, struct kd_err *err)
{
    size_t room = 0;
    DIR *dir = opendir(folder);
    *names = NULL;
    *n = 0;
    if (!dir) return kd_fail_errno(err, "%s: folder cannot be read", folder);
    int status = 0;
    for (struct dirent *e; status == 0 && (e = readdir(dir));) {
        if (kd_place_passed_over(e->d_name)) continue;
        char *path = kd_path_join(err, folder, e->d_name);
        if (path && is_folder(path)) {
            char *copy = kd_strdup(e->d_name, err);
            char **slot = copy ? kd_grow(names, n, &room, sizeof *slot, "names", err) : NULL;
            if (slot)
                *slot = copy;
            else
                kd_free(copy);
            if (!slot) status = -1;
        } else if (!path) {
            status = -1;
        }
        kd_free(path);
    }
    closedir(dir);
    if (*n) qsort(*names, *n, sizeof **names, by_name);
    return status;
}

static void free_names(char **names, size_t n)
{
    for (size_t i = 0; i < n; i++) kd_free(names[i]);
    kd_free(names);
}

static int place_result(struct kd_result *r, const char *folder, struct kd_err *err)
{
    struct kd_named named;
    if (kd_place_read(folder, &named, err) < 0) return -1;
    r->name = named.name;
    r->seed = named.seed;
    r->placed = named.student;
    r->role = named.teacher ? KD_ROLE_TEACHER : KD_ROLE_STUDENT;
    r->folder = kd_strdup(folder, err);
    return r->folder ? 0 : -1;
}

static int add_result(struct kd_report *report, const char *folder, struct kd_err *err)
{
    struct kd_result *r = kd_grow(&report->results, &report->n_results, &report->results_room,
                                  sizeof *r, "results", err);
    if (!r) return -1;
    r->run = report->n_runs - 1;
    if (place_result(r, folder, err) < 0) return -1;
    return kd_result_read(report, r, err);
}

static bool holds(const char *folder, const char *name)
{
    struct kd_err ignored;
    char *path = kd_path_join(&ignored, folder, name);
    bool there = path && kd_path_exists(path);
    kd_free(path);
    return there;
}

/* Results in a folder and below it; a run further down is one of its own. */
static int scan(struct kd_report *report, const char *folder, int depth, struct kd_err *err)
{
    char **names = NULL;
    size_t n = 0;
    int status = 0;
    if (kd_result_here(folder, err) && add_result(report, folder, err) < 0) return -1;
    if (depth == 0) return 0;
    struct kd_err why = {0};
    if (list_folders(folder, &names, &n, &why) < 0)
        status = kd_report_note(report, err, "%s.", why.text);
    for (size_t i = 0; i < n && status == 0; i++) {
        char *path = kd_path_join(err, folder, names[i]);
        if (!path)
            status = -1;
        else if (!holds(path, KD_FILE_EXPERIMENT))
            status = scan(report, path, depth - 1, err);
        kd_free(path);
    }
    free_names(names, n);
    return status;
}

/* Place of a student in the experiment's list; behind all where it is not in it. */
static int experiment_place(const cJSON *experiment, const char *name)
{
    int place = 0;
    const cJSON *s,
        *students = experiment ? cJSON_GetObjectItemCaseSensitive(experiment, "students") : NULL;
    cJSON_ArrayForEach(s, students)
    {
        if (s->string && strcmp(s->string, name) == 0) return place;
        place++;
    }
    return 1 << 20;
}

struct keyed { /* a result with what it is sorted by */
    int place;
    struct kd_result result;
};

static int by_place(const void *a, const void *b)
{
    const struct keyed *x = a, *y = b;
    const struct kd_result *p = &x->result, *q = &y->result;
    if (p->role != q->role) return p->role < q->role ? -1 : 1;
    if (x->place != y->place) return x->place < y->place ? -1 : 1;
    int order = kd_natural_order(p->name, q->name);
    if (order == 0) order = strcmp(p->name, q->name);
    if (order) return order;
    if (p->seed != q->seed) return p->seed < q->seed || isnan(q->seed) ? -1 : 1;
    return strcmp(p->folder, q->folder);
}

static int sort_results(struct kd_report *report, size_t first, const cJSON *experiment,
                        struct kd_err *err)
{
    size_t n = report->n_results - first;
    struct keyed *keyed = kd_alloc(n, sizeof *keyed, "results", err);
    if (!keyed) return -1;
    for (size_t i = 0; i < n; i++)
        keyed[i] = (struct keyed){experiment_place(experiment, report->results[first + i].name),
                                  report->results[first + i]};
    qsort(keyed, n, sizeof *keyed, by_place);
    for (size_t i = 0; i < n; i++) report->results[first + i] = keyed[i].result;
    kd_free(keyed);
    for (size_t i = first; i < report->n_results; i++) {
        const struct kd_result *r = &report->results[i], *before = i > first ? r - 1 : NULL;
        if (before && before->role == r->role && strcmp(before->name, r->name) == 0) {
            report->entries[report->n_entries - 1].n++;
            continue;
        }
        struct kd_entry *e = kd_grow(&report->entries, &report->n_entries, &report->entries_room,
                                     sizeof *e, "entries", err);
        if (!e) return -1;
        *e = (struct kd_entry){i, 1};
    }
    return 0;
}

static int read_run(struct kd_report *report, const char *folder, struct kd_err *err)
{
    size_t first = report->n_results, length;
    struct kd_err why = {0};
    struct kd_source *run =
        kd_grow(&report->runs, &report->n_runs, &report->runs_room, sizeof *run, "runs", err);
    if (!run) return -1;
    const char *base = kd_place_base(folder, &length);
    run->folder = kd_strdup(folder, err);
    run->name = kd_format(err, "%.*s", (int)length, base);
    char *path = kd_path_join(err, folder, KD_FILE_EXPERIMENT);
    int status = run->folder && run->name && path ? 0 : -1;
    if (status == 0 && kd_path_exists(path) && !(run->experiment = kd_json_read(path, &why)))
        status = kd_report_note(report, err, "%s.", why.text);
    kd_free(path);
    const char *name = kd_text_at(run->experiment, "name");
    if (status == 0 && name && name[0]) {
        kd_free(run->name);
        run->name = kd_strdup(name, err);
        if (!run->name) status = -1;
    }
    if (status < 0 || scan(report, folder, KD_RUN_DEPTH, err) < 0) return -1;
    if (report->n_results == first && kd_report_note(report, err, "%s: no models yet.", folder) < 0)
        return -1;
    run->first = first;
    run->n = report->n_results - first;
    return sort_results(report, first, run->experiment, err);
}

/* A folder of runs is taken apart: models of one name in two runs are not seeds of one model. */
static int read_folder(struct kd_report *report, const char *folder, struct kd_err *err)
{
    char **names = NULL;
    size_t n = 0;
    bool runs = false;
    if (holds(folder, KD_FILE_EXPERIMENT) || holds(folder, KD_FOLDER_STUDENTS) ||
        kd_result_here(folder, err))
        return read_run(report, folder, err);
    if (list_folders(folder, &names, &n, err) < 0) return -1;
    int status = 0;
    for (int pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < n && status == 0; i++) {
            char *path = kd_path_join(err, folder, names[i]);
            bool run = path && (holds(path, KD_FILE_EXPERIMENT) || holds(path, KD_FOLDER_STUDENTS));
            if (!path)
                status = -1;
            else if (pass == 0)
                runs |= run;
            else if (runs && (run || kd_result_here(path, err)))
                status = read_run(report, path, err);
            kd_free(path);
        }
    free_names(names, n);
    if (status < 0) return -1;
    return runs ? 0 : read_run(report, folder, err);
}

static int read_operand(struct kd_report *report, const char *path, struct kd_err *err)
{
    struct stat st;
    size_t length;
    if (stat(path, &st) < 0)
        return errno == ENOENT
                   ? kd_fail_missing(err, path, "no such run; name a folder such as runs/digits")
                   : kd_fail_errno(err, "%s: run cannot be read", path);
    if (S_ISDIR(st.st_mode)) return read_folder(report, path, err);
    const char *base = kd_place_base(path, &length);
    char *folder =
        base == path ? kd_strdup(".", err) : kd_format(err, "%.*s", (int)(base - path - 1), path);
    int status = folder ? 0 : -1;
    if (folder && !kd_result_here(folder, err))
        status = kd_fail(err,
                         "%s: neither a run folder nor a file of one (" KD_FILE_MODEL
                         ", " KD_FILE_LOG ", " KD_FILE_EVALUATIONS ")",
                         path);
    if (status == 0) status = read_run(report, folder[0] ? folder : "/", err);
    kd_free(folder);
    return status;
}

/* The split that the tables show. */
static const char *choose_split(const struct kd_report *report)
{
    const char *other = NULL;
    for (size_t i = 0; i < report->n_results; i++)
        for (size_t k = 0; k < report->results[i].evaluations.n; k++) {
            const char *split = report->results[i].evaluations.of[k].split;
            if (!split) continue;
            if (strcmp(split, "test") == 0) return "test";
            if (!other || strcmp(other, "validation") == 0) other = split;
        }
    return other ? other : "test";
}

int kd_report_read(const char *const *folders, size_t n, const struct kd_config_part *options,
                   struct kd_report *report, struct kd_err *err)
{
    *report = (struct kd_report){.split = "test", .options = options};
    int status = 0;
    for (size_t i = 0; i < n && status == 0; i++) status = read_operand(report, folders[i], err);
    if (status == 0) {
        report->split = choose_split(report);
        status = kd_report_agree(report, err);
        if (status == 0) status = kd_report_pair(report, err);
        if (status == 0) status = kd_report_check(report, err);
    }
    if (status < 0) kd_report_release(report);
    return status;
}

void kd_report_release(struct kd_report *report)
{
    for (size_t i = 0; i < report->n_results; i++) kd_result_release(&report->results[i]);
    for (size_t i = 0; i < report->n_runs; i++) {
        kd_free(report->runs[i].folder);
        kd_free(report->runs[i].name);
        cJSON_Delete(report->runs[i].experiment);
    }
    free_names(report->notes, report->n_notes);
    kd_free(report->results);
    kd_free(report->entries);
    kd_free(report->pairs);
    kd_free(report->runs);
    *report = (struct kd_report){0};
}
