/* An experiment as steps that other engines can run: what each one reads, what it writes, by which
 * command, and which steps come before it. */
#ifndef KD_CMD_PLAN_H
#define KD_CMD_PLAN_H
#include "kd/base/mem.h"
#include "kd/train/tasks.h"
#include "program.h"

struct words {
    char **v;
    size_t n, room;
};
int words_add(struct words *w, const char *word, struct kd_err *err);
int words_format(struct words *w, struct kd_err *err, const char *format, ...) KD_PRINTF(3, 4);

struct step {
    const char *what; /* "train-teacher", "soften", "train-student", "evaluate", "report" */
    const char *name; /* of the model; NULL: a step for all models */
    uint64_t seed;    /* where there is a name */
    size_t level;     /* 0: needs no other step; else above the levels of all that it needs */
    struct words command, inputs, outputs;
    size_t *needs; /* numbers of steps, all before this one */
    size_t n_needs;
};

struct plan {
    const struct kd_experiment *x; /* borrowed */
    struct step *steps;
    size_t n, room;
};

struct plan_options {
    const char *experiment, *runs,
        *split; /* split: what to evaluate on; NULL: test and validation */
    const struct kd_texts *sets;
    int64_t threads; /* of each command; 0: not said */
    const uint64_t *seed;
};
/* Steps of all tasks, then evaluation and report. Released by the caller, also after an error. */
int plan_make(struct plan *plan, const struct kd_tasks *tasks, const struct plan_options *options,
              struct kd_err *err);
void plan_release(struct plan *plan);

/* The plan as text; `folder` is where the programs lie, "" where that is not known, `command` what
 * made the plan. */
struct plan_about {
    const char *folder, *command;
};
int plan_to_make(const struct plan *plan, const struct plan_about *about, struct kd_bytes *out,
                 struct kd_err *err);
int plan_to_slurm(const struct plan *plan, const struct plan_about *about, struct kd_bytes *out,
                  struct kd_err *err);
int plan_to_json(const struct plan *plan, const struct plan_about *about, struct kd_bytes *out,
                 struct kd_err *err);

/* What the forms share. A command as a shell reads it; "# Plan of EXPERIMENT, made by ...", and how
 * to run it. */
int plan_add_text(struct kd_bytes *out, const char *text, struct kd_err *err);
int plan_add_command(struct kd_bytes *out, const struct words *command, struct kd_err *err);
int plan_add_heading(struct kd_bytes *out, const struct plan *plan, const struct plan_about *about,
                     const char *how, struct kd_err *err);
#endif
