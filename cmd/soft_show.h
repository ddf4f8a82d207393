/* What kd-soften --show prints of one image. */
#ifndef KD_CMD_SOFT_SHOW_H
#define KD_CMD_SOFT_SHOW_H
#include "kd/base/option.h"
#include "kd/data/images.h"

struct soft_show {
    const struct kd_images *images;
    uint32_t image;
    const float *logits; /* [classes], or NULL where probabilities were averaged, which have none */
    const float *q;      /* [temperatures][classes] */
    size_t classes;
    const struct kd_reals *temperatures;
    bool wide; /* all of a table, however narrow the terminal is */
};
/* On a terminal a table with a bar for each probability, as wide as it is; elsewhere numbers, which
 * other programs can read. */
int soft_show_table(const struct soft_show *s, struct kd_err *err);
int soft_show_json(const struct soft_show *s, struct kd_err *err);
#endif
