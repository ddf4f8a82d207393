/* Do all ranks of a team set out for the same? They may not: each has its own disk and its own kd.
 */
#ifndef KD_TRAIN_ALIKE_H
#define KD_TRAIN_ALIKE_H
#include "kd/base/team.h"

struct kd_alike {
    const char *what; /* where it differs: "other images" */
    const char *text;
};
enum { KD_MOST_ALIKE = 8 };
/* A meeting of all ranks at which each tells its texts. The program itself and its kernels, on
 * which bits depend, are compared as well. */
int kd_alike_meet(struct kd_team *team, const struct kd_alike *list, unsigned n,
                  const struct kd_meeting *meeting, struct kd_err *err);
#endif
