/* What a training needs beside its settings: images, and where it learns from others their soft
 * targets: a file that the command names, one that the experiment wrote, or the teachers
 * themselves. */
#include "kd/base/file.h"
#include "kd/base/mem.h"
#include "kd/train/tasks.h"

#include <string.h>

struct wanted {
    const struct kd_tasks *tasks;
    const struct kd_task *task;
    const struct kd_targets_given *given;
    struct kd_training *training;
};

/* ---- teachers at hand ---- */

static int not_there(const struct wanted *w, const struct kd_source *source, struct kd_err *err)
{
    const struct kd_task *of = source->task;
    const char *experiment = w->tasks->x->path;
    if (of && of->kind == KD_TASK_TEACHER)
        return kd_fail(err, "%s: not there yet; train it with kd-train-teacher %s --seed %llu",
                       source->path, experiment, (unsigned long long)of->seed);
    if (of)
        return kd_fail(
            err, "%s: not there yet; train it with kd-train-student %s --student %s --seed %llu",
            source->path, experiment, source->name, (unsigned long long)of->seed);
    if (experiment && strcmp(source->path, "-") != 0)
        return kd_fail_usage(err,
                             "distill.from: \"%s\" is neither a student nor the teacher of this "
                             "experiment, and there is no such file",
                             source->name);
    return -1; /* as reading it said */
}

static int ask_sources(const struct wanted *w, struct kd_teachers *teachers, struct kd_err *err)
{
    for (size_t i = 0; i < w->task->n_sources; i++) {
        const struct kd_source *s = &w->task->sources[i];
        if (kd_teachers_add(teachers, s->path, s->weight, err) == 0) continue;
        return kd_path_exists(s->path) ? -1 : not_there(w, s, err);
    }
    return 0;
}

static int ask_given(const struct wanted *w, struct kd_teachers *teachers, struct kd_err *err)
{
    const struct kd_texts *models = w->given->models;
    for (size_t i = 0; i < models->n; i++)
        if (kd_teachers_add(teachers, models->v[i], 1, err) < 0) return -1;
    return 0;
}

/* ---- files of soft targets ---- */

/* Soft targets by their kind; what has none is bare logits, of which there is one tensor. */
static bool is_soft_file(const char *path)
{
    struct kd_tensorfile f;
    struct kd_err ignored;
    if (kd_tensorfile_read_any(path, NULL, &f, &ignored) < 0) return false;
    const char *kind = kd_tensorfile_meta(&f, "kd.kind");
    const bool bare = !kind && (f.n == 1 || kd_tensorfile_find(&f, "logits") || kd_top_in(&f));
    const bool soft = bare || (kind && strcmp(kind, "soft-targets") == 0);
    kd_tensorfile_release(&f);
    return soft;
}

/* The file that this task learns from; NULL: teachers are to be asked. */
static const char *soft_file(const struct wanted *w)
{
    const struct kd_task *task = w->task;
    if (w->given->file) return w->given->file;
    if (w->given->models || cJSON_IsArray(task->job->distill.from)) return NULL;
    if (task->soft) return kd_path_exists(task->soft) && task->soft_serve ? task->soft : NULL;
    return is_soft_file(task->sources[0].path) ? task->sources[0].path : NULL;
}

/* Soft targets in the run folder must come from the teacher that lies there now. */
static int check_parent(const struct wanted *w, struct kd_err *err)
{
    const struct kd_source *source = &w->task->sources[0];
    const char *experiment = w->tasks->x->path;
    struct kd_model model;
    if (!kd_path_exists(source->path)) return 0;
    int status = kd_model_read(source->path, &model, err);
    const cJSON *parent = cJSON_GetArrayItem(w->training->targets->parents, 0);
    if (status == 0 &&
        (!cJSON_IsString(parent) || strcmp(parent->valuestring, model.fingerprint) != 0))
        status = kd_fail(err, "%s: made by another teacher than %s; run kd-soften %s",
                         w->task->soft, source->path, experiment ? experiment : "again");
    if (status == 0 || model.net) kd_model_release(&model);
    return status;
}

/* ---- a task ---- */

static int find_targets(const struct wanted *w, struct kd_err *err)
{
    const struct kd_task *task = w->task;
    struct kd_training *t = w->training;
    const bool own = task->own && !w->given->file && !w->given->models;
    if (own && task->own == KD_TEACHER_LABELS)
        return kd_targets_from_labels(t->images, task->job, t->targets, err);
    if (own) return kd_targets_from_training(t->images, task->own, t->targets, err);
    const char *file = soft_file(w);
    struct kd_teachers teachers = {0};
    if (file) {
        int status =
            kd_targets_read(file, t->images, task->job, task->job->distill.force, t->targets, err);
        return status == 0 && file == task->soft ? check_parent(w, err) : status;
    }
    int status = w->given->models ? ask_given(w, &teachers, err) : ask_sources(w, &teachers, err);
    if (status == 0 && teachers.n)
        status = kd_targets_from_teachers(
            &teachers, t->images, task->job,
            &(struct kd_asking){.pool = t->pool, .progress = t->progress, .team = t->team},
            t->targets, err);
    kd_teachers_release(&teachers);
    return status;
}

int kd_task_prepare(const struct kd_tasks *tasks, const struct kd_task *task,
                    const struct kd_targets_given *given, struct kd_image_cache *cache,
                    struct kd_training *training, struct kd_err *err)
{
    const struct kd_job *job = task->job;
    const struct wanted w = {tasks, task, given, training};
    training->job = job;
    training->seed = task->seed;
    training->experiment = tasks->x->name;
    training->init = task->init.path;
    if (task->init.task && !kd_path_exists(task->init.path)) return not_there(&w, &task->init, err);
    if (!training->output) training->output = task->output;
    training->images = kd_image_cache_get(cache, job->data.source, job->data.data_dir, "train",
                                          &job->data.input, err);
    if (!training->images) return -1;
    kd_targets_release(training->targets);
    if (job->distilled) return find_targets(&w, err);
    training->targets = NULL;
    return 0;
}
