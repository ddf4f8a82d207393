/* Experiments that come with kd go by their names alone: they lie beside the source, or where
 * `make install` puts them. */
#include "kd/base/file.h"
#include "kd/base/mem.h"
#include "kd/run/places.h"
#include "kd/train/experiment.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

/* From the folder of a program: installed, beside bin/, beside build/MODE/bin/. */
static const char *const places[] = {"../share/kd/configs", "../configs", "../../../configs"};
enum { PLACES = sizeof places / sizeof *places, MOST_NAMES = 200 };
static const char ending[] = ".json";

static size_t stem(const char *file)
{
    const size_t n = strlen(file), e = sizeof ending - 1;
    return n > e && strcmp(file + n - e, ending) == 0 ? n - e : n;
}

static char *find(const char *named, const char *programs, struct kd_err *err)
{
    for (size_t i = 0; i < PLACES && *programs; i++) {
        char *path =
            kd_format(err, "%s/%s/%.*s%s", programs, places[i], (int)stem(named), named, ending);
        if (!path || kd_path_exists(path)) return path;
        kd_free(path);
    }
    return kd_strdup("", err);
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Names of the first of the places that is there, sorted. */
static size_t list(const char *programs, char *names[MOST_NAMES])
{
    struct kd_err ignored;
    size_t n = 0;
    for (size_t i = 0; i < PLACES && !n && *programs; i++) {
        char *folder = kd_path_join(&ignored, programs, places[i]);
        DIR *d = folder ? opendir(folder) : NULL;
        for (const struct dirent *e; d && n < MOST_NAMES && (e = readdir(d));)
            if (e->d_name[0] != '.' && stem(e->d_name) < strlen(e->d_name) &&
                (names[n] = kd_format(&ignored, "%.*s", (int)stem(e->d_name), e->d_name)))
                n++;
        if (d) closedir(d);
        kd_free(folder);
    }
    if (n) qsort(names, n, sizeof *names, compare);
    return n;
}

/* What is meant may be another of the ready ones; else they are listed. */
static int unknown(const char *named, const char *programs, struct kd_err *err)
{
    static const char what[] = "there is no such experiment, neither a JSON file nor the name of a "
                               "ready one (images are named with --data)";
    char *names[MOST_NAMES], typed[200], *here = kd_path_near(named);
    const char *slash = strrchr(named, '/'), *base = slash ? slash + 1 : named;
    const size_t n = list(programs, names);
    struct kd_bytes all = {0};
    struct kd_err ignored;
    snprintf(typed, sizeof typed, "%.*s", (int)(stem(base) < 190 ? stem(base) : 190), base);
    const char *near = kd_nearest(typed, (const char *const *)names, (unsigned)n);
    for (size_t i = 0; i < n && !near; i++)
        if (kd_bytes_format(&all, &ignored, "%s%s", i ? ", " : "; ready ones are ", names[i]) < 0)
            break;
    if (here)
        kd_fail_missing(err, named, what);
    else if (near)
        kd_fail(err,
                "%s: there is no such experiment; did you mean %s, which comes with kd? (images "
                "are named with --data)",
                named, near);
    else
        kd_fail(err, "%s: %s%s", named, what, all.data ? all.data : "");
    kd_bytes_release(&all);
    kd_free(here);
    for (size_t i = 0; i < n; i++) kd_free(names[i]);
    return -1;
}

static bool holds(const char *folder, const char *name)
{
    struct kd_err ignored;
    char *path = kd_path_join(&ignored, folder, name);
    const bool there = path && kd_path_exists(path);
    kd_free(path);
    return there;
}

char *kd_experiment_ready(const char *named, const char *programs, struct kd_err *err)
{
    if (holds(named, KD_FILE_EXPERIMENT)) {
        kd_fail_usage(err, "%s: is a run's folder; its experiment is %s/" KD_FILE_EXPERIMENT, named,
                      named);
        return NULL;
    }
    if (holds(named, KD_FILE_MODEL)) {
        kd_fail_usage(err,
                      "%s: is a model's folder, and an experiment is needed here; a model is named "
                      "with --model (kd-soften) or --teacher (kd-train-student)",
                      named);
        return NULL;
    }
    if (strcmp(named, "-") == 0 || kd_path_exists(named)) return kd_strdup(named, err);
    char *path = strchr(named, '/') ? kd_strdup("", err) : find(named, programs, err);
    if (!path || *path) return path;
    kd_free(path);
    unknown(named, programs, err);
    return NULL;
}
