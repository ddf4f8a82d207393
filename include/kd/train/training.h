/* One training from configuration to files: a job, a seed and data in; model, log and checkpoint
 * out.
 *
 * Output is "-" (the model to standard output, no log), a path that ends in .safetensors (log and
 * checkpoint beside it: X.log.jsonl, X.checkpoint.safetensors), or a folder (model.safetensors,
 * log.jsonl, checkpoint.safetensors). The checkpoint before the last stays as
 * checkpoint.previous.safetensors, for the case that the last is damaged; both go when the model is
 * there. While a training writes there, a second one of another process is refused. */
#ifndef KD_TRAIN_TRAINING_H
#define KD_TRAIN_TRAINING_H
#include "kd/run/places.h"
#include "kd/train/trainer.h"

struct kd_training {
    /* given, all borrowed */
    const struct kd_job *job;
    uint64_t seed;
    const char *experiment;         /* name */
    const struct kd_images *images; /* the whole train split */
    struct kd_targets *targets;     /* NULL: labels alone */
    const char *output, *command;   /* command "": leave it out, and times too */
    bool resume;
    struct kd_pool *pool;
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
    bool resumed; /* it went on from a checkpoint */
};
int kd_training_run(struct kd_training *t,
                    struct kd_err *err); /* 0 finished, 1 stopped, -1 failed */
void kd_training_release(struct kd_training *t);
/* Is the model at t->output what this training would make: same configuration, data, teachers? 1,
 * 0, or -1. */
int kd_training_is_current(struct kd_training *t, struct kd_err *err);
#endif
