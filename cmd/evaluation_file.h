/* eval.json beside a model: a JSON line (evaluation.h) for each split that it was evaluated on. */
#ifndef KD_CMD_EVALUATION_FILE_H
#define KD_CMD_EVALUATION_FILE_H
#include "evaluation.h"

struct evaluation_wanted {
    const char *fingerprint, *split;
    enum kd_tta tta;
    bool timing; /* with latency and throughput */
};
/* Whether there is such a line in the file. */
bool evaluation_is_saved(const char *path, const struct evaluation_wanted *wanted);
/* Writes lines, those of one model; what the file says of the same model on other data or splits
 * stays. */
int evaluation_save(const char *path, const char *lines, struct kd_err *err);
#endif
