/* Which classes a model takes for which others, as people read it. */
#ifndef KD_CMD_CONFUSION_H
#define KD_CMD_CONFUSION_H
#include "kd/base/table.h"
#include "predictions.h"

/* counts [n][n], row: the true class. */
struct confusion {
    const struct kd_matrix *counts;
    const struct class_names *names;
    const char *model;
};
/* Adds a heading and the matrix, a row a true class; where its columns have no room in the style's
 * width, the most frequent confusions instead. */
int confusion_put(const struct confusion *c, const struct kd_table_style *style,
                  struct kd_bytes *out, struct kd_err *err);
#endif
