/* A training's state on disk: a model file (parameters as they are now) with further tensors
 * kd.state.* and kd.state in its metadata, from which a training goes on as if it had never
 * stopped. With an average of the weights, the parameters are the average, and the weights are
 * kd.state.current.*. */
#ifndef KD_TRAIN_CHECKPOINT_H
#define KD_TRAIN_CHECKPOINT_H
#include "kd/train/trainer.h"

/* `file` already has the model and its metadata (kd_model_to_file, kd.config, ...); adds the state
 * and `log`, the text of log.jsonl so far. */
int kd_checkpoint_add(struct kd_tensorfile *file, const struct kd_trainer *t, const char *log,
                      struct kd_err *err);
/* Restore an opened trainer; *log is the log's text (caller frees). The caller has compared
 * kd.config. */
int kd_checkpoint_restore(const struct kd_tensorfile *file, struct kd_trainer *t, char **log,
                          struct kd_err *err);
#endif
