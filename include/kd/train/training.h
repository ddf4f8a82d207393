/* One training from configuration to files: a job, a seed and data in; model, log and checkpoint
 * out.
 *
 * Output is "-" (the model to standard output, no log), a path that ends in .safetensors (log and
 * checkpoint beside it: X.log.jsonl, X.checkpoint.safetensors), or a folder (model.safetensors,
 * log.jsonl, checkpoint.safetensors). The checkpoint before the last stays as
 * checkpoint.previous.safetensors, for the case that the last is damaged; both go when the model is
 * there. While a training writes there, a second one of another process is refused.
 * A folder that is moved or removed meanwhile is made again, unless another has taken its place. */
#ifndef KD_TRAIN_TRAINING_H
#define KD_TRAIN_TRAINING_H
#include "kd/run/places.h"
#include "kd/train/trainer.h"

enum { KD_TRAINING_WHY = 256 };
struct kd_training {
    /* given, all borrowed */
    const struct kd_job *job;
    uint64_t seed;
    const char *experiment;         /* name */
    const struct kd_images *images; /* the whole train split */
    struct kd_targets *targets;     /* NULL: labels alone */
    const char *init;               /* path of job->train.init; NULL: none */
    const char *output, *command;   /* command "": leave it out, and times too */
    bool resume;
    bool spare;   /* what another process has made there meanwhile is left as it is */
    bool replace; /* a checkpoint of another training is no reason to stop */
    struct kd_pool *pool;
    struct kd_team *team; /* of which the first rank writes the files; NULL: a process by itself */
    const volatile int *stop;
    const struct kd_progress *progress;
    void (*on_start)(void *ctx, const struct kd_trainer *trainer); /* open, nothing learnt yet */
    void (*on_epoch)(void *ctx, const struct kd_epoch_log *log);
    void (*on_note)(void *ctx,
                    const char *text); /* what one should know and no error is; may be NULL */
    void *ctx;
    /* found out */
    struct kd_outputs at; /* its files */
    struct kd_epoch_log chosen;
    char fingerprint[KD_FINGERPRINT];
    char why[KD_TRAINING_WHY]; /* after kd_training_is_current: the model there is another one */
    bool resumed;              /* it went on from a checkpoint */
    bool busy;                 /* refused: another process is writing there */
    bool spared;               /* it is there already: see spare */
};
int kd_training_run(struct kd_training *t,
                    struct kd_err *err); /* 0 finished, 1 stopped, -1 failed */
/* Until no process writes there; -1 where it is to stop first. After kd_training_run said busy. */
int kd_training_wait(const struct kd_training *t, struct kd_err *err);
void kd_training_release(struct kd_training *t);
/* Is the model at t->output what this training would make: same configuration, data, teachers? 1,
 * 0, or -1. After 0 t->why says what differs, and is "" where there is no model. */
int kd_training_is_current(struct kd_training *t, struct kd_err *err);
/* Is there a checkpoint of this training? 1, 0, or -1. */
int kd_training_is_interrupted(struct kd_training *t, struct kd_err *err);
#endif
