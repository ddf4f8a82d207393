/* Between experiment.c and students.c. */
#ifndef KD_LIB_TRAIN_EXPERIMENT_PARTS_H
#define KD_LIB_TRAIN_EXPERIMENT_PARTS_H
#include "kd/train/experiment.h"

/* Refuses an object's unknown keys, with "did you mean". */
int kd_experiment_keys(const cJSON *object, const char *where, const char *const *keys, size_t n,
                       struct kd_err *err);
/* Can this be a folder's name? */
bool kd_experiment_name_ok(const char *name);
/* x->students from x->json. */
int kd_experiment_students(struct kd_experiment *x, struct kd_err *err);
#endif
