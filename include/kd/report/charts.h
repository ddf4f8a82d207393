/* The forms of a report that are files: charts, page, workbook. */
#ifndef KD_REPORT_CHARTS_H
#define KD_REPORT_CHARTS_H
#include "kd/report/report.h"

/* Where files go, and who is told of each. */
struct kd_writer {
    const char *folder;                                            /* made where it is not there */
    int (*wrote)(void *ctx, const char *path, struct kd_err *err); /* NULL allowed */
    void *ctx;
    void (*left_out)(void *ctx,
                     const char *why); /* pictures that could not be made; NULL allowed */
};
/* Every chart that the runs have figures for: NAME.svg, and NAME.png and NAME.pdf where kd was
 * built with Cairo. */
int kd_charts_write(const struct kd_report *report, const struct kd_writer *writer,
                    struct kd_err *err);
/* One self-contained page, without network access. */
int kd_page_write(const struct kd_report *report, const char *path, struct kd_err *err);
/* Excel workbook; an error naming the package where kd was built without libxlsxwriter. */
int kd_workbook_write(const struct kd_report *report, const char *path, struct kd_err *err);
/* Every form: tables as text, charts, page, workbook. Forms that this build lacks are left out. */
int kd_report_write_all(const struct kd_report *report, const struct kd_writer *writer,
                        struct kd_err *err);
/* A sentence on the forms that this build leaves out and the packages they need, or "". */
const char *kd_report_missing_forms(void);
#endif
