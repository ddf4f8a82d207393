#include "kd/train/experiment.h"
#include "experiment_parts.h"
#include "kd/base/file.h"
#include "kd/base/mem.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_SEEDS = 10000 };

static const char *const top_keys[] = {"name",   "seeds",    "data",     "teacher",
                                       "soften", "students", "defaults", "extends"};

#define COUNT(list) (sizeof(list) / sizeof *(list))

/* ---- seeds ---- */

static int bad_seeds(struct kd_err *err)
{
    return kd_fail_usage(
        err, "seeds: expected a count from 1 to %d, or a list of whole numbers up to 2^53",
        MOST_SEEDS);
}

static int read_seeds(struct kd_experiment *x, struct kd_err *err)
{
    const cJSON *seeds = cJSON_GetObjectItemCaseSensitive(x->json, "seeds");
    bool list = cJSON_IsArray(seeds);
    double count = !seeds                  ? 1
                   : list                  ? cJSON_GetArraySize(seeds)
                   : cJSON_IsNumber(seeds) ? seeds->valuedouble
                                           : 0;
    if (!(count >= 1 && count <= MOST_SEEDS) || count != (double)(int)count) return bad_seeds(err);
    x->n_seeds = (size_t)count;
    x->seeds = kd_alloc(x->n_seeds, sizeof *x->seeds, "seeds", err);
    if (!x->seeds) return -1;
    for (size_t i = 0; i < x->n_seeds; i++) {
        const cJSON *item = list ? cJSON_GetArrayItem(seeds, (int)i) : NULL;
        double v = list ? (cJSON_IsNumber(item) ? item->valuedouble : -1) : (double)i + 1;
        if (!(v >= 0 && v <= 9007199254740992.0) || v != (double)(uint64_t)v) return bad_seeds(err);
        x->seeds[i] = (uint64_t)v;
        for (size_t j = 0; j < i; j++)
            if (x->seeds[j] == x->seeds[i])
                return kd_fail_usage(err, "seeds: %llu is there twice",
                                     (unsigned long long)x->seeds[i]);
    }
    return 0;
}

static int read_teacher_seeds(struct kd_experiment *x, struct kd_err *err)
{
    const cJSON *teacher = cJSON_GetObjectItemCaseSensitive(x->json, "teacher");
    const cJSON *seeds = cJSON_GetObjectItemCaseSensitive(teacher, "seeds");
    double count = cJSON_IsNumber(seeds) ? seeds->valuedouble : seeds ? 0 : (double)x->n_seeds;
    if (!(count >= 1 && count <= MOST_SEEDS) || count != (double)(int)count)
        return kd_fail_usage(
            err, "teacher.seeds: expected how many of the seeds train a teacher, from 1 to %d",
            MOST_SEEDS);
    x->n_teacher_seeds = (size_t)count < x->n_seeds ? (size_t)count : x->n_seeds;
    return 0;
}

uint64_t kd_experiment_teacher_seed(const struct kd_experiment *x, uint64_t seed)
{
    if (x->n_teacher_seeds == x->n_seeds) return seed;
    for (size_t i = 0; i < x->n_seeds; i++)
        if (x->seeds[i] == seed) return x->seeds[i % x->n_teacher_seeds];
    return x->seeds[seed % x->n_teacher_seeds];
}

/* ---- opening ---- */

static char *default_name(const char *path, struct kd_err *err)
{
    if (!path || strcmp(path, "-") == 0) return kd_strdup(KD_RUN_QUICK, err);
    const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
    const char *dot = strrchr(base, '.');
    return kd_format(err, "%.*s", dot && dot > base ? (int)(dot - base) : (int)strlen(base), base);
}

static int read_name(struct kd_experiment *x, const char *path, const char *runs,
                     struct kd_err *err)
{
    const cJSON *name = cJSON_GetObjectItemCaseSensitive(x->json, "name");
    if (name && (!cJSON_IsString(name) || !kd_experiment_name_ok(name->valuestring)))
        return kd_fail_usage(err,
                             "name: expected a folder's name (no \"/\", no leading dot or dash)");
    x->name = name ? kd_strdup(name->valuestring, err) : default_name(path, err);
    if (!x->name) return -1;
    x->folder = kd_path_join(err, runs ? runs : KD_RUNS, x->name);
    return x->folder ? 0 : -1;
}

static int read_all(struct kd_experiment *x, const char *path, const char *runs,
                    const struct kd_texts *sets, struct kd_err *err)
{
    if (path && !(x->path = kd_strdup(path, err))) return -1;
    x->json = path ? kd_experiment_read(path, err) : cJSON_CreateObject();
    if (!x->json) return path ? -1 : kd_fail_memory(err, "not enough memory for an experiment");
    int status = cJSON_IsObject(x->json) ? 0 : kd_fail_usage(err, "expected an object {...}");
    for (size_t i = 0; sets && i < sets->n && status == 0; i++)
        status = kd_json_assign(x->json, sets->v[i], err);
    if (status < 0 || kd_experiment_keys(x->json, "", top_keys, COUNT(top_keys), err) < 0 ||
        read_name(x, path, runs, err) < 0 || read_seeds(x, err) < 0 ||
        read_teacher_seeds(x, err) < 0 || kd_experiment_students(x, err) < 0)
        return path ? kd_err_context(err, "%s", path) : -1;
    return 0;
}

struct kd_experiment *kd_experiment_open(const char *path, const char *runs,
                                         const struct kd_texts *sets, struct kd_err *err)
{
    struct kd_experiment *x = kd_alloc(1, sizeof *x, "an experiment", err);
    if (x && read_all(x, path, runs, sets, err) < 0) {
        kd_experiment_close(x);
        x = NULL;
    }
    return x;
}

void kd_experiment_close(struct kd_experiment *x)
{
    if (!x) return;
    for (size_t i = 0; i < x->n_students; i++) {
        kd_free(x->students[i].name);
        cJSON_Delete(x->students[i].json);
    }
    kd_free(x->students);
    kd_free(x->by_name);
    kd_free(x->seeds);
    kd_free(x->name);
    kd_free(x->folder);
    kd_free(x->path);
    cJSON_Delete(x->json);
    kd_free(x);
}

/* ---- places ---- */

char *kd_experiment_file(const struct kd_experiment *x, const char *path, struct kd_err *err)
{
    return kd_path_find(path, x->path, 0, err);
}

char *kd_experiment_place(const struct kd_experiment *x, const char *name, bool student,
                          uint64_t seed, struct kd_err *err)
{
    return kd_place_folder(x->folder, &(struct kd_whose){name, student, seed}, err);
}

char *kd_experiment_model(const struct kd_experiment *x, const char *name, bool student,
                          uint64_t seed, struct kd_err *err)
{
    return kd_place_model(x->folder, &(struct kd_whose){name, student, seed}, err);
}

char *kd_experiment_soft(const struct kd_experiment *x, const char *name, uint64_t seed,
                         struct kd_err *err)
{
    return kd_place_soft(x->folder, name, seed, err);
}
