/* What kd-correct and the corrected students of kd-train-student share: images, teachers, the file,
 * the message. */
#ifndef KD_CMD_CORRECTION_H
#define KD_CMD_CORRECTION_H
#include "kd/data/image_cache.h"
#include "kd/train/config.h"
#include "kd/train/correct.h"
#include "kd/train/targets.h"
#include "program.h"

struct correction { /* all borrowed */
    struct kd_invocation *inv;
    struct kd_image_cache *cache;
    const struct kd_correct_config *config;
    struct kd_model *model;     /* its biases are changed */
    const char *data;           /* a source in place of the model's own; or NULL */
    const char *data_dir;       /* or NULL */
    struct kd_targets *targets; /* of the transfer images; or NULL */
    const char *name;           /* in the experiment; or NULL */
    const char *output;         /* a file, or "-" */
};
int correction_make(struct correction *q, struct kd_err *err);
#endif
