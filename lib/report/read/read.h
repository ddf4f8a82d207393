/* Reading one model's folder, for the reader of runs. */
#ifndef KD_REPORT_READ_H
#define KD_REPORT_READ_H
#include "kd/report/report.h"

/* Is one of a model's three files in the folder? */
bool kd_result_here(const char *folder, struct kd_err *err);
/* Fills r (folder, name and run are set) from its folder; what is unreadable becomes a note. */
int kd_result_read(struct kd_report *report, struct kd_result *r, struct kd_err *err);
/* Finds the pairs of what was read. */
int kd_report_pair(struct kd_report *report, struct kd_err *err);
/* Notes on what is missing or broken in all that was read. */
int kd_report_check(struct kd_report *report, struct kd_err *err);
void kd_result_release(struct kd_result *r);
#endif
