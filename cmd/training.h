/* What kd-train-teacher and kd-train-student share: from experiment and flags to trainings, one
 * after another. */
#ifndef KD_CMD_TRAINING_H
#define KD_CMD_TRAINING_H
#include "kd/train/config.h"
#include "program.h"

struct training_options {
    cJSON *network;
    struct kd_reals layers;
    struct kd_texts set;
    char *runs;
    bool resume, update, overwrite, list, ready;
    struct kd_job job; /* what the flags say alone, over defaults */
    /* students only */
    struct kd_texts students, teachers;
    char *soft_targets;
};
/* Sections of struct training_options. */
extern const struct kd_program_section training_teacher_sections[], training_student_sections[];

int training_main(struct kd_invocation *inv, bool student, struct kd_err *err);
#endif
