/* Is this the same configuration? The one answer, for whoever trains and whoever reports.
 *
 * A configuration is an object as kd.config in a model file and "teacher" or a student in a
 * resolved experiment have it: "network", "data", "train", "distill", "correct". Which options
 * there are, and what they are where nothing is said, is given as tables, so that this storey knows
 * none of them:
 *
 *     const struct kd_config_part parts[] = {{"train", kd_train_rows, false}, ..., {0}};
 *     char first[KD_SETTING_NAME];
 *     if (kd_configs_differ(a, b, parts, KD_SAME_SETTINGS, first, &err) == 1)
 *         ... first is "train.epochs" ...
 *
 * An option that one side does not name, as it was written before kd had that option, has its
 * default there. A key that is no option of the tables has none: it has to be on both sides, with
 * the same value. What an experiment and its models are called is not looked at, nor an option that
 * changes nothing of what is trained (`aside` in its row). */
#ifndef KD_RUN_SETTINGS_H
#define KD_RUN_SETTINGS_H
#include "kd/base/option.h"

struct kd_config_part { /* a list of them ends with {0} */
    const char *path;   /* "train", "train.augment" */
    const struct kd_option *rows;
    bool optional; /* with and without it are two configurations: "distill", "correct" */
};

enum kd_config_question {
    KD_SAME_TRAINING, /* is it that model? The seed counts, and which file a teacher is */
    KD_SAME_SETTINGS /* may they be seeds of one model? Neither counts: a teacher at hand is another
                        file for each seed */
};
enum { KD_SETTING_NAME = 128 };
/* 1 where they differ, and `first` (may be NULL) then names the first difference; 0; -1 with err.
 * NULL, or anything but an object, is a configuration of which nothing is known: it differs from
 * every other. */
int kd_configs_differ(const cJSON *a, const cJSON *b, const struct kd_config_part *parts,
                      enum kd_config_question question, char first[KD_SETTING_NAME],
                      struct kd_err *err);
#endif
