/* Where a student's soft targets come from: options, else what "distill.from" of the experiment
 * names. */
#include "kd/base/file.h"
#include "kd/base/mem.h"
#include "training.h"

#include <string.h>

static bool is_soft_file(const char *path)
{
    size_t n = strlen(path);
    if (n > 4 && strcmp(path + n - 4, ".npy") == 0) return true;
    struct kd_tensorfile f;
    struct kd_err ignored;
    if (kd_tensorfile_read(path, NULL, &f, &ignored) < 0) return false;
    const char *kind = kd_tensorfile_meta(&f, "kd.kind");
    bool soft = kind && strcmp(kind, "soft-targets") == 0;
    kd_tensorfile_release(&f);
    return soft;
}

static char *model_of(const struct training_work *w, const char *from, uint64_t seed,
                      struct kd_err *err)
{
    if (!kd_experiment_knows(w->x, from)) return kd_strdup(from, err);
    bool student = strcmp(from, "teacher") != 0;
    return kd_experiment_model(w->x, from, student,
                               student ? seed : kd_experiment_teacher_seed(w->x, seed), err);
}

static int add_teacher(const struct training_work *w, struct kd_teachers *teachers,
                       const char *from, double weight, uint64_t seed, struct kd_err *err)
{
    char *path = model_of(w, from, seed, err);
    if (!path) return -1;
    int status = kd_teachers_add(teachers, path, weight, err);
    if (status < 0 && !kd_path_exists(path) && kd_experiment_knows(w->x, from))
        status =
            strcmp(from, "teacher") == 0
                ? kd_fail(err, "%s: not there yet; train it with kd-train-teacher %s --seed %llu",
                          path, w->path, (unsigned long long)kd_experiment_teacher_seed(w->x, seed))
                : kd_fail(err,
                          "%s: not there yet; train it with kd-train-student %s --student %s "
                          "--seed %llu",
                          path, w->path, from, (unsigned long long)seed);
    else if (status < 0 && !kd_path_exists(path) && w->path && strcmp(path, "-") != 0)
        status = kd_fail_usage(
            err,
            "distill.from: \"%s\" is neither a student nor the teacher of this experiment, "
            "and there is no such file",
            from);
    kd_free(path);
    return status;
}

static int add_listed(const struct training_work *w, struct kd_teachers *teachers,
                      const cJSON *from, uint64_t seed, struct kd_err *err)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, from)
    {
        const cJSON *name =
            cJSON_IsObject(item) ? cJSON_GetObjectItemCaseSensitive(item, "from") : item;
        const cJSON *weight = cJSON_GetObjectItemCaseSensitive(item, "weight");
        if (!cJSON_IsString(name) || (weight && !cJSON_IsNumber(weight)))
            return kd_fail_usage(
                err, "distill.from: expected names, or {\"from\": NAME, \"weight\": W}");
        if (add_teacher(w, teachers, name->valuestring, weight ? weight->valuedouble : 1, seed,
                        err) < 0)
            return -1;
    }
    return 0;
}

/* Soft targets in the run folder must come from the teacher that lies there now. */
static int check_parent(const struct training_work *w, const char *from, const char *soft,
                        uint64_t seed, struct kd_err *err)
{
    struct kd_model model;
    char *path = model_of(w, from, seed, err);
    if (!path) return -1;
    int status = 0;
    if (kd_path_exists(path)) {
        status = kd_model_read(path, &model, err);
        const cJSON *parent = cJSON_GetArrayItem(w->targets.parents, 0);
        if (status == 0 &&
            (!cJSON_IsString(parent) || strcmp(parent->valuestring, model.fingerprint) != 0))
            status = kd_fail(err, "%s: made by another teacher than %s; run kd-soften %s", soft,
                             path, w->path ? w->path : "again");
        if (status == 0 || model.net) kd_model_release(&model);
    }
    kd_free(path);
    return status;
}

/* Will the soft targets that the experiment writes serve this student: plain images for plain
 * images, recorded views for the same augmentation? Else its teacher is asked at each step. */
static bool written_serve(const struct training_work *w)
{
    struct kd_err ignored;
    struct kd_soften_config soften = {0};
    struct kd_augment views = {0};
    const struct kd_opt_section s[] = {{"soften", "", kd_soften_rows, &soften, NULL},
                                       {"augment", "", kd_augment_rows, &views, NULL},
                                       {0}};
    const struct kd_augment *own = &training_job.augment;
    bool serve = kd_opts_preset(s, &ignored) == 0 &&
                 kd_experiment_soften(w->x, &soften, &views, &ignored) == 0;
    bool moves = kd_augment_active(own) && !training_job.distill.fixed_teacher;
    if (serve) serve = moves ? soften.views > 0 && kd_augment_same(&views, own) : soften.views == 0;
    kd_opts_release(s);
    return serve;
}

static int targets_by_name(struct training_work *w, const char *from, uint64_t seed,
                           struct kd_teachers *teachers, struct kd_err *err)
{
    bool known = kd_experiment_knows(w->x, from);
    uint64_t of = strcmp(from, "teacher") == 0 ? kd_experiment_teacher_seed(w->x, seed) : seed;
    char *soft = known ? kd_experiment_soft(w->x, from, of, err) : kd_strdup(from, err);
    if (!soft) return -1;
    int status = -1;
    if (known ? kd_path_exists(soft) && written_serve(w) : is_soft_file(soft)) {
        status = kd_targets_read(soft, &w->images, &training_job, training_options.force,
                                 &w->targets, err);
        if (status == 0 && known) status = check_parent(w, from, soft, seed, err);
    } else
        status = add_teacher(w, teachers, from, 1, seed, err);
    kd_free(soft);
    return status;
}

int training_targets(struct training_work *w, uint64_t seed, struct kd_err *err)
{
    const struct training_options *o = &training_options;
    const struct kd_job *job = &training_job;
    struct kd_teachers teachers = {0};
    int status = 0;
    kd_targets_release(&w->targets);
    if (!job->distilled) return 0;
    if (o->soft_targets)
        return kd_targets_read(o->soft_targets, &w->images, job, o->force, &w->targets, err);
    for (size_t i = 0; i < o->teachers.n && status == 0; i++)
        status = kd_teachers_add(&teachers, o->teachers.v[i], 1, err);
    if (!o->teachers.n) {
        const cJSON *from = job->distill.from;
        if (cJSON_IsString(from))
            status = targets_by_name(w, from->valuestring, seed, &teachers, err);
        else if (cJSON_IsArray(from))
            status = add_listed(w, &teachers, from, seed, err);
        else
            status =
                kd_fail_usage(err, "distill.from: expected a name or a list; or give --teacher or "
                                   "--soft-targets");
    }
    if (status == 0 && teachers.n)
        status = kd_targets_from_teachers(&teachers, &w->images, job, w->run->pool,
                                          &w->run->progress, &w->targets, err);
    kd_teachers_release(&teachers);
    return status;
}

/* One name of "distill.from": a model of the experiment, or a file that is there. */
static int check_source(const struct training_work *w, const cJSON *from, struct kd_err *err)
{
    const cJSON *name =
        cJSON_IsObject(from) ? cJSON_GetObjectItemCaseSensitive(from, "from") : from;
    if (!cJSON_IsString(name))
        return kd_fail_usage(err,
                             "distill.from: expected names, or {\"from\": NAME, \"weight\": W}");
    if (kd_experiment_knows(w->x, name->valuestring) || kd_path_exists(name->valuestring)) return 0;
    return kd_fail_usage(
        err,
        "distill.from: \"%s\" is neither a student nor the teacher of this experiment, and there "
        "is no such file",
        name->valuestring);
}

int training_check_sources(const struct training_work *w, const struct kd_job *job,
                           struct kd_err *err)
{
    const cJSON *from = job->distill.from, *item;
    if (!job->distilled || training_options.soft_targets || training_options.teachers.n) return 0;
    if (!cJSON_IsArray(from)) return check_source(w, from, err);
    cJSON_ArrayForEach(item, from) if (check_source(w, item, err) < 0) return -1;
    return 0;
}

static bool teacher_is_there(const struct training_work *w, const char *from, uint64_t seed)
{
    struct kd_err ignored;
    char *path = model_of(w, from, seed, &ignored);
    bool there = path && kd_path_exists(path);
    kd_free(path);
    return there;
}

bool training_is_ready(const struct training_work *w, uint64_t seed)
{
    const cJSON *from = training_job.distill.from, *item;
    if (training_job.corrected) return teacher_is_there(w, training_job.correct.of, seed);
    if (!training_job.distilled) return true;
    if (cJSON_IsString(from)) return teacher_is_there(w, from->valuestring, seed);
    cJSON_ArrayForEach(item, from)
    {
        const cJSON *name =
            cJSON_IsObject(item) ? cJSON_GetObjectItemCaseSensitive(item, "from") : item;
        if (cJSON_IsString(name) && !teacher_is_there(w, name->valuestring, seed)) return false;
    }
    return true;
}
