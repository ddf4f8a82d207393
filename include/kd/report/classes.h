/* Classes one by one, and those that a student never saw. */
#ifndef KD_REPORT_CLASSES_H
#define KD_REPORT_CLASSES_H
#include "kd/report/report.h"

#define KD_UNSEEN_SEEDS 256 /* seeds that class figures are taken over */

enum { KD_CLASS_ROOM = 24 };
/* Name of class k in a list as models have it (kd.class_names), or its number where there is none
 * (names: NULL allowed). Valid as long as the list and the room. */
const char *kd_class_in(const cJSON *names, size_t k, char room[KD_CLASS_ROOM]);
/* unseen[k]: its training left class k out (data.keep, data.omit). Returns how many. */
size_t kd_unseen_of(const struct kd_result *r, bool *unseen, size_t classes);
/* Confusion matrices of an entry's seeds added up, [classes][classes]; NULL where there is none,
 * then *classes is 0, or no memory (err). Caller: kd_free. */
double *kd_confusion_sum(const struct kd_report *report, const struct kd_entry *entry,
                         size_t *classes, size_t *seeds, struct kd_err *err);
/* Errors on a class over an entry's seeds that know so many classes. */
struct kd_stats kd_class_errors(const struct kd_report *report, const struct kd_entry *entry,
                                size_t k, size_t classes);
#endif
