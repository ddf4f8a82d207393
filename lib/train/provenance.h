/* Where a training's files come from: what its model and its checkpoints say of that, and whether a
 * file is one of this training. Private to lib/train. */
#ifndef KD_TRAIN_PROVENANCE_H
#define KD_TRAIN_PROVENANCE_H
#include "kd/base/tensorfile.h"
#include "kd/train/training.h"

struct kd_provenance {
    char *config, *data, *parents; /* JSON, as the metadata kd.config, kd.data and kd.parents */
    bool begun;                    /* from another model, which is the last of the parents */
    const char *soft; /* fingerprint of the soft targets; "": none, or of teachers at hand; t's */
};
int kd_provenance_make(const struct kd_training *t, struct kd_provenance *x, struct kd_err *err);
void kd_provenance_release(struct kd_provenance *x);

/* Is the file of this training? 1; 0, and why not; or -1. What cannot be read at a path is none. */
int kd_is_ours(const struct kd_tensorfile *f, const struct kd_provenance *x,
               char why[KD_TRAINING_WHY], struct kd_err *err);
/* Were it, if its kd.config were this one? */
int kd_would_be_ours(const struct kd_tensorfile *f, const char *config,
                     const struct kd_provenance *x, char why[KD_TRAINING_WHY], struct kd_err *err);
int kd_file_is_ours(const char *path, const struct kd_provenance *x, char why[KD_TRAINING_WHY],
                    struct kd_err *err);
#endif
