/* What kd-eval finds out about a model, as a JSON line and as a row of a table. */
#ifndef KD_CMD_EVALUATION_H
#define KD_CMD_EVALUATION_H
#include "kd/base/table.h"
#include "kd/nn/predict.h"
#include "kd/nn/reject.h"
#include "kd/run/evaluation.h"

/* Takes over what was measured; confusion [classes][classes] or NULL: neither it nor the bins are
 * wanted. */
int evaluation_fill(struct kd_evaluation *e, const struct kd_metrics *m, const uint32_t *confusion,
                    size_t classes, struct kd_err *err);
/* What it answers where it may pass, to be right as often as `wanted`. */
int evaluation_reject(struct kd_evaluation *e, const struct kd_answers_of *answers, double wanted,
                      struct kd_err *err);
/* Adds one line. For a file, `command` is what wrote it ("": not said), and kd's version goes with
 * it; NULL: neither. */
int evaluation_add_line(struct kd_bytes *to, const struct kd_evaluation *e, const char *command,
                        struct kd_err *err);
/* Aligned columns, a heading above; columns that nobody has are left out. */
int evaluation_table(const struct kd_evaluation *results, size_t n,
                     const struct kd_table_style *style, struct kd_bytes *out, struct kd_err *err);
#endif
