/* What kd-train-teacher and kd-train-student share: from experiment and flags to trainings, one
 * after another. */
#ifndef KD_CMD_TRAINING_H
#define KD_CMD_TRAINING_H
#include "kd/train/experiment.h"
#include "kd/train/targets.h"
#include "kd/train/training.h"
#include "program.h"

struct training_options {
    cJSON *network;
    struct kd_reals layers;
    struct kd_texts set;
    char *runs;
    bool resume, update, list, ready;
    /* students only */
    struct kd_texts students, teachers;
    char *soft_targets;
    bool force;
};
extern struct kd_job training_job;
extern struct training_options training_options;
/* Sections over training_job and training_options. */
extern const struct kd_opt_section training_teacher_sections[], training_student_sections[];

struct training_work { /* one invocation */
    struct kd_run *run;
    struct kd_experiment *x;
    const char *path; /* of the experiment, or NULL */
    bool student;
    struct kd_images images; /* of the job before, kept while its source stays the same */
    char *loaded;
    struct kd_targets targets;
};

/* The soft targets of training_job into w->targets; nothing where it is not distilled.
 * (training_targets.c) */
int training_targets(struct training_work *w, uint64_t seed, struct kd_err *err);
/* Can what "distill.from" names exist at all? */
int training_check_sources(const struct training_work *w, const struct kd_job *job,
                           struct kd_err *err);
/* Are the models there that training_job learns from? */
bool training_is_ready(const struct training_work *w, uint64_t seed);

int training_program(struct kd_run *run, bool student, struct kd_err *err);
#endif
