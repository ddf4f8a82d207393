/* Choosing: the best student on validation, the newest run. */
#include "kd/base/file.h"
#include "kd/base/text.h"
#include "kd/report/report.h"
#include "kd/run/places.h"
#include <dirent.h>
#include <fnmatch.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>

#define SEEDS 4096 /* seeds of one model that are looked at */

const struct kd_evaluation *kd_result_on(const struct kd_result *r, const char *split)
{
    for (size_t i = r->evaluations.n; i-- > 0;) /* a later evaluation replaces an earlier one */
        if (r->evaluations.of[i].split && strcmp(r->evaluations.of[i].split, split) == 0)
            return &r->evaluations.of[i];
    return NULL;
}

double kd_figure_top1(const struct kd_report *report, const struct kd_result *r)
{
    const struct kd_evaluation *e = kd_result_on(r, report->split);
    return e ? e->top1 : NAN;
}
double kd_figure_valid(const struct kd_report *report, const struct kd_result *r)
{
    (void)report;
    return r->valid.top1;
}
double kd_figure_valid_loss(const struct kd_report *report, const struct kd_result *r)
{
    (void)report;
    return r->valid.loss;
}
double kd_figure_parameters(const struct kd_report *report, const struct kd_result *r)
{
    (void)report;
    return r->parameters;
}

struct kd_stats kd_entry_stats(const struct kd_report *report, const struct kd_entry *entry,
                               double (*get)(const struct kd_report *, const struct kd_result *))
{
    double x[SEEDS];
    size_t n = entry->n < SEEDS ? entry->n : SEEDS;
    for (size_t i = 0; i < n; i++) x[i] = get(report, &report->results[entry->first + i]);
    return kd_stats_of(x, n);
}

static double mean(const struct kd_report *report, const struct kd_entry *entry,
                   double (*get)(const struct kd_report *, const struct kd_result *))
{
    return kd_entry_stats(report, entry, get).mean;
}

/* Negative: a before b. NaN comes last. */
static int rank(double a, double b)
{
    if (isnan(a) || isnan(b)) return isnan(a) - isnan(b);
    return (a > b) - (a < b);
}

bool kd_entry_better(const struct kd_report *report, const struct kd_entry *a,
                     const struct kd_entry *b)
{
    int order = rank(-mean(report, a, kd_figure_valid), -mean(report, b, kd_figure_valid));
    if (!order)
        order = rank(mean(report, a, kd_figure_valid_loss), mean(report, b, kd_figure_valid_loss));
    if (!order)
        order = rank(mean(report, a, kd_figure_parameters), mean(report, b, kd_figure_parameters));
    return order < 0;
}

bool kd_result_tuned(const struct kd_result *r)
{
    return r->corrected && strcmp(r->corrected, "test") == 0;
}

const struct kd_entry *kd_report_best(const struct kd_report *report, size_t run)
{
    return kd_report_best_of(report, run, &(struct kd_choice){NULL, NAN, NAN, NAN});
}

static double file_bytes(const struct kd_report *report, const struct kd_result *r)
{
    (void)report;
    return r->bytes;
}
static double work(const struct kd_report *report, const struct kd_result *r)
{
    (void)report;
    return r->macs;
}
static double latency(const struct kd_report *report, const struct kd_result *r)
{
    const struct kd_evaluation *e = kd_result_on(r, report->split);
    return e ? e->latency_ms : NAN;
}

static bool is_wanted(const struct kd_report *report, const struct kd_entry *e,
                      const struct kd_choice *choice)
{
    const struct {
        double most;
        double (*get)(const struct kd_report *, const struct kd_result *);
    } limits[] = {{choice->bytes, file_bytes}, {choice->macs, work}, {choice->ms, latency}};
    if (choice->pattern && fnmatch(choice->pattern, report->results[e->first].name, 0) != 0)
        return false;
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++)
        if (!isnan(limits[i].most) && !(mean(report, e, limits[i].get) <= limits[i].most))
            return false;
    return true;
}

const struct kd_entry *kd_report_best_of(const struct kd_report *report, size_t run,
                                         const struct kd_choice *choice)
{
    const struct kd_entry *best = NULL;
    for (size_t i = 0; i < report->n_entries; i++) {
        const struct kd_entry *e = &report->entries[i];
        const struct kd_result *r = &report->results[e->first];
        if (r->run != run || r->role != KD_ROLE_STUDENT || kd_result_tuned(r)) continue;
        if (isnan(mean(report, e, kd_figure_valid)) || !is_wanted(report, e, choice)) continue;
        if (!best || kd_entry_better(report, e, best)) best = e;
    }
    return best;
}

const struct kd_result *kd_report_best_seed(const struct kd_report *report,
                                            const struct kd_entry *entry)
{
    const struct kd_result *best = NULL;
    for (size_t i = 0; i < entry->n; i++) {
        const struct kd_result *r = &report->results[entry->first + i];
        if (!r->model) continue;
        int order = best ? rank(-r->valid.top1, -best->valid.top1) : -1;
        if (!order) order = rank(r->valid.loss, best->valid.loss);
        if (order < 0) best = r;
    }
    return best;
}

enum kd_teaching kd_report_teachers(const struct kd_report *report, size_t run)
{
    bool same = false, differ = false;
    for (size_t i = 0; i < report->n_entries; i++) {
        const struct kd_entry *e = &report->entries[i];
        const struct kd_result *r = &report->results[e->first];
        if (r->run != run) continue;
        for (size_t k = 1; k < e->n && !(same && differ); k++)
            for (size_t j = 0; j < k; j++) {
                if (!r[k].parents || !r[j].parents) continue;
                if (strcmp(r[k].parents, r[j].parents) == 0)
                    same = true;
                else
                    differ = true;
            }
    }
    if (same && differ) return KD_TEACHERS_MIXED;
    return same ? KD_TEACHERS_SHARED : differ ? KD_TEACHERS_OWN : KD_TEACHERS_UNKNOWN;
}

/* Latest change of anything below a folder. */
static void newest_below(const char *folder, int depth, struct timespec *latest)
{
    DIR *dir = opendir(folder);
    if (!dir) return;
    for (struct dirent *e; (e = readdir(dir));) {
        struct kd_err ignored;
        struct stat st;
        if (kd_place_passed_over(e->d_name)) continue;
        char *path = kd_path_join(&ignored, folder, e->d_name);
        if (path && stat(path, &st) == 0) {
            if (S_ISDIR(st.st_mode) && depth > 0)
                newest_below(path, depth - 1, latest);
            else if (S_ISREG(st.st_mode) &&
                     (st.st_mtim.tv_sec > latest->tv_sec || (st.st_mtim.tv_sec == latest->tv_sec &&
                                                             st.st_mtim.tv_nsec > latest->tv_nsec)))
                *latest = st.st_mtim;
        }
        kd_free(path);
    }
    closedir(dir);
}

char *kd_report_newest(const char *runs, struct kd_err *err)
{
    char *newest = NULL;
    struct timespec when = {0, 0};
    DIR *dir = opendir(runs);
    if (!dir) {
        kd_fail_errno(err, "%s: folder of runs cannot be read", runs);
        return NULL;
    }
    for (struct dirent *e; (e = readdir(dir));) {
        struct timespec latest = {0, 0};
        if (e->d_name[0] == '.' || strcmp(e->d_name, KD_RUN_LATEST) == 0) continue;
        char *path = kd_path_join(err, runs, e->d_name);
        if (path) newest_below(path, KD_RUN_DEPTH, &latest);
        if (path && (latest.tv_sec > when.tv_sec ||
                     (latest.tv_sec == when.tv_sec && latest.tv_nsec > when.tv_nsec))) {
            kd_free(newest);
            newest = path;
            when = latest;
            path = NULL;
        }
        kd_free(path);
    }
    closedir(dir);
    if (!newest) kd_fail(err, "%s: no runs yet", runs);
    return newest;
}
