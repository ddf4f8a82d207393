/* Experiments: one JSON file (or none) expanded into jobs, and where their files lie.
 *
 *     struct kd_experiment *x = kd_experiment_open("configs/mnist.json", "runs", &sets, &err);
 *     for (size_t i = 0; i < x->n_students; i++) ... x->students[i].name ...      sweeps expanded,
 * in dependency order kd_experiment_job(x, "kd,temperature=4", true, &job, &err);
 *
 * A run folder is RUNS/NAME: experiment.json, teacher/s1/, soft/s1/, students/NAME/s1/, report/. */
#ifndef KD_TRAIN_EXPERIMENT_H
#define KD_TRAIN_EXPERIMENT_H
#include "kd/run/places.h"
#include "kd/train/config.h"

struct kd_student {
    char *name;  /* "plain", "kd,temperature=2.5" */
    cJSON *json; /* its object, sweep values put in; owned */
};
struct kd_soften_config { /* "soften" */
    char *split;
    struct kd_reals temperature; /* of --show and of probabilities */
    bool probabilities, half;
    int64_t top;
    cJSON *features; /* layers of the teacher, to be stored too; NULL: none */
    int64_t views;
    int64_t views_seed;
    int tta; /* enum kd_tta */
};
extern const struct kd_option kd_soften_rows[];

struct kd_experiment {
    cJSON *json;         /* after --set */
    char *path;          /* of its file; NULL: none */
    char *name, *folder; /* "mnist", "runs/mnist" */
    uint64_t *seeds;
    size_t n_seeds;
    size_t n_teacher_seeds; /* teachers are trained with the first of the seeds: "teacher":
                               {"seeds": 1} */
    struct kd_student *students;
    size_t n_students, room;
    struct kd_student **by_name; /* the same, sorted by name */
};
/* The file of an experiment as a user names it: a path, "-", or the name of one that comes with kd,
 * found from the folder that the programs lie in (kd_program_folder). Where there is none the error
 * says which were meant or are ready. Caller frees. */
char *kd_experiment_ready(const char *named, const char *programs, struct kd_err *err);
/* path NULL: an empty experiment named "quick", in which every setting is its default. runs NULL:
 * "runs". */
struct kd_experiment *kd_experiment_open(const char *path, const char *runs,
                                         const struct kd_texts *sets, struct kd_err *err);
void kd_experiment_close(struct kd_experiment *x);
/* Fill a job (released or zero) with defaults and then what the experiment says of "teacher" or a
 * student. */
int kd_experiment_job(const struct kd_experiment *x, const char *name, bool student,
                      struct kd_job *job, struct kd_err *err);
/* A student by name; NULL: there is none. */
const struct kd_student *kd_experiment_find(const struct kd_experiment *x, const char *name);
/* The same, where none is an error, with "did you mean". */
const struct kd_student *kd_experiment_student(const struct kd_experiment *x, const char *name,
                                               struct kd_err *err);
/* The soften section, over what out and augment already hold (their defaults). */
int kd_experiment_soften(const struct kd_experiment *x, struct kd_soften_config *out,
                         struct kd_augment *augment, struct kd_err *err);
/* Its folders and files (kd/run/places.h): FOLDER/teacher/s1, FOLDER/students/NAME/s1; the model
 * there; FOLDER/soft/s1/NAME.safetensors. Caller frees. */
char *kd_experiment_place(const struct kd_experiment *x, const char *name, bool student,
                          uint64_t seed, struct kd_err *err);
char *kd_experiment_model(const struct kd_experiment *x, const char *name, bool student,
                          uint64_t seed, struct kd_err *err);
char *kd_experiment_soft(const struct kd_experiment *x, const char *name, uint64_t seed,
                         struct kd_err *err);
/* Seed of the teacher from which students of `seed` learn: their own, or where there are fewer
 * teachers than students, those of the teachers in turn. */
uint64_t kd_experiment_teacher_seed(const struct kd_experiment *x, uint64_t seed);
/* The resolved experiment, as experiment.json has it: every job with all its settings. */
cJSON *kd_experiment_resolved(const struct kd_experiment *x, struct kd_err *err);
/* A file that the experiment names: here, or beside its own. Caller frees. */
char *kd_experiment_file(const struct kd_experiment *x, const char *path, struct kd_err *err);
/* Is it the name of a student (or "teacher") of this experiment? */
bool kd_experiment_knows(const struct kd_experiment *x, const char *name);
#endif
