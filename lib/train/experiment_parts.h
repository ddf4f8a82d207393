/* Between the files that read experiments: experiment.c on top, then experiment_jobs.c, students.c,
 * experiment_extends.c, experiment_keys.c. */
#ifndef KD_LIB_TRAIN_EXPERIMENT_PARTS_H
#define KD_LIB_TRAIN_EXPERIMENT_PARTS_H
#include "kd/train/experiment.h"

/* The file at this path as JSON, over what it extends. */
cJSON *kd_experiment_read(const char *path, struct kd_err *err);
/* Refuses an object's unknown keys, with "did you mean". */
int kd_experiment_keys(const cJSON *object, const char *where, const char *const *keys, size_t n,
                       struct kd_err *err);
/* Can this be a folder's name? */
bool kd_experiment_name_ok(const char *name);
/* A student's keys; a corrected one has the first KD_TAKEN of the one it corrects, and none of its
 * own. */
enum { KD_TAKEN = 4, KD_STUDENT_KEYS = 6 };
extern const char *const kd_student_keys[KD_STUDENT_KEYS];
/* x->students from x->json. */
int kd_experiment_students(struct kd_experiment *x, struct kd_err *err);
#endif
