/* Reading one model's folder, for the reader of runs. */
#ifndef KD_REPORT_READ_H
#define KD_REPORT_READ_H
#include "kd/report/report.h"

/* A note that lists models in the making: "RUN: WHAT: plain s1, kd s2 and 3 more." */
struct kd_note_list {
    struct kd_bytes text;
    size_t n;
};
int kd_note_list_add(struct kd_note_list *list, const char *name, double seed, struct kd_err *err);
/* Adds the note where anything was listed; the list is empty then. */
int kd_note_list_end(struct kd_report *report, struct kd_note_list *list, const char *run,
                     const char *what, struct kd_err *err);

/* Is one of a model's three files in the folder? */
bool kd_result_here(const char *folder, struct kd_err *err);
/* Fills r (folder, name and run are set) from its folder; what is unreadable becomes a note. */
int kd_result_read(struct kd_report *report, struct kd_result *r, struct kd_err *err);
/* Leaves out what was measured on other images, in another way or against another teacher than the
 * rest of its run, with notes; then fills what the evaluations that stay may say. */
int kd_report_agree(struct kd_report *report, struct kd_err *err);
void kd_result_fill(struct kd_result *r);
/* Finds the pairs of what was read. */
int kd_report_pair(struct kd_report *report, struct kd_err *err);
/* Notes on what is missing or broken in all that was read. */
int kd_report_check(struct kd_report *report, struct kd_err *err);
void kd_result_release(struct kd_result *r);
#endif
