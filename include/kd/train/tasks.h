/* The work that an experiment means, expanded once: each model and each file of soft targets that
 * is to be made, from what, and where it goes.
 *
 *     struct kd_tasks *tasks = kd_tasks_open(x, &options, &err);
 *     struct kd_picked picked;
 *     kd_tasks_pick(tasks, &(struct kd_pick){.kinds = KD_PICK_STUDENTS}, &picked, &err);
 *     kd_tasks_check(tasks, &picked, &cache, &err);           // all, before the first is begun
 *     for (size_t i = 0; i < picked.n; i++) ... picked.v[i]->output ...
 *     kd_picked_release(&picked);
 *     kd_tasks_close(tasks);
 *
 * Parents stand before children. Settings are expanded once a student, its seeds share them. */
#ifndef KD_TRAIN_TASKS_H
#define KD_TRAIN_TASKS_H
#include "kd/data/image_cache.h"
#include "kd/train/experiment.h"
#include "kd/train/targets.h"
#include "kd/train/training.h"

enum kd_task_kind { KD_TASK_TEACHER, KD_TASK_SOFTEN, KD_TASK_STUDENT };

struct kd_source {              /* whom a task learns from */
    const char *name;           /* as the experiment says it: "teacher", a student, a path */
    double weight;              /* among the sources of a task */
    const struct kd_task *task; /* that makes it; NULL: it is no part of the experiment */
    char *path;                 /* of the model, or of a file from elsewhere */
};

struct kd_task {
    enum kd_task_kind kind;
    const struct kd_job *job; /* settings; of soft targets: those of their teacher */
    uint64_t seed;
    size_t turn;  /* place of the seed among the experiment's */
    char *output; /* folder of the model; file of the soft targets */
    char *model;  /* the model in that folder; NULL with soft targets */
    /* A student that learns from others, a corrected one from its teacher too; soft targets: their
     * teacher. None where the command names them (struct kd_tasks_options). */
    struct kd_source *sources;
    size_t n_sources;
    struct kd_source init;          /* whose weights it starts from; path NULL: nobody's */
    const struct kd_task *corrects; /* a corrected student: the one whose biases it changes */
    char *soft; /* where the soft targets of its one source lie, should they be written; or NULL */
    enum kd_own_teacher own; /* what distill.from is, where it is no model elsewhere */
    bool soft_serve;         /* those that the experiment writes suit this student's images */
};

struct kd_tasks_options {
    /* What the command line says over the experiment, on each job; may be NULL. */
    int (*adjust)(void *ctx, struct kd_job *job, struct kd_err *err);
    void *ctx;
    const uint64_t *seed;   /* this one alone, whether the experiment has it or not; NULL: all */
    bool sources_elsewhere; /* what students learn from is named by the command */
    bool student;           /* without an experiment: the one task is a student */
};

struct kd_tasks {
    const struct kd_experiment *x; /* borrowed */
    struct kd_task *v;
    size_t n;
    struct kd_job *jobs;
    size_t n_jobs;
    struct kd_soften_config soften; /* as the experiment has it */
    struct kd_augment views;
};
/* An experiment without a file is one task. Errors name file, model and key. */
struct kd_tasks *kd_tasks_open(const struct kd_experiment *x,
                               const struct kd_tasks_options *options, struct kd_err *err);
void kd_tasks_close(struct kd_tasks *tasks);

enum {
    KD_PICK_TEACHERS = 1 << KD_TASK_TEACHER,
    KD_PICK_SOFT = 1 << KD_TASK_SOFTEN,
    KD_PICK_STUDENTS = 1 << KD_TASK_STUDENT
};
struct kd_pick {
    unsigned kinds;
    const uint64_t *seed; /* of this seed alone; NULL: all */
    /* These students with all points of their sweeps, in this order; NULL or empty: all. A name
     * that no student has is an error. */
    const struct kd_texts *students;
    bool by_seed; /* all of the first seed first, rather than all seeds of the first model */
};
struct kd_picked { /* tasks to be worked off in this order */
    const struct kd_task **v;
    size_t n;
};
int kd_tasks_pick(const struct kd_tasks *tasks, const struct kd_pick *pick, struct kd_picked *out,
                  struct kd_err *err);
void kd_picked_release(struct kd_picked *picked);

/* What can be told wrong before any work is: settings, networks, sources. With a cache the images
 * of the first task are loaded, and networks are held against their shape. */
int kd_tasks_check(const struct kd_tasks *tasks, const struct kd_picked *picked,
                   struct kd_image_cache *cache, struct kd_err *err);
/* Are the models there that it is made from? */
bool kd_task_is_ready(const struct kd_task *task);

/* Soft targets that a command names instead of the experiment. */
struct kd_targets_given {
    const char *file;              /* or NULL */
    const struct kd_texts *models; /* teachers at hand; or NULL */
};
/* Into *training: job, seed, its place unless it has one, images, and into the struct that
 * training->targets points to soft targets, to be released by the caller; where the job learns from
 * labels alone that becomes NULL. Pool and progress are there already. */
int kd_task_prepare(const struct kd_tasks *tasks, const struct kd_task *task,
                    const struct kd_targets_given *given, struct kd_image_cache *cache,
                    struct kd_training *training, struct kd_err *err);
/* Says of an error of usage which experiment and model it is about. Returns status. */
int kd_task_context(const struct kd_tasks *tasks, const struct kd_task *task, int status,
                    struct kd_err *err);
#endif
