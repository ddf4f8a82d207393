/* The forms of a report that are files: charts, page, workbook. */
#ifndef KD_REPORT_CHARTS_H
#define KD_REPORT_CHARTS_H
#include "kd/report/canvas.h"
#include "kd/report/report.h"

/* All charts of a report, drawn, for those who write them out. */
struct kd_chart {
    char *name;  /* of the file, without ending */
    char *title; /* as it stands above the drawing */
    struct kd_canvas canvas;
};
struct kd_samples;
struct kd_chart_set {
    struct kd_chart *charts;
    size_t n, room;
    struct kd_samples *samples; /* images read last, by split: runs side by side often share them */
    char *origin;               /* as its canvases have it */
    double width;               /* points that each is to be wide; 0: as it is drawn best */
    char *left_out;             /* why pictures of data are not among them, or NULL */
};
/* width: of a column, in points, in which text then has 8 points; 0: each chart as it is drawn
 * best, with text of 12. */
int kd_charts_make(const struct kd_report *report, double width, struct kd_chart_set *set,
                   struct kd_err *err);
void kd_charts_release(struct kd_chart_set *set);

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
/* What was made already: forms that are made together share one making. */
int kd_charts_put(const struct kd_chart_set *set, const struct kd_writer *writer,
                  struct kd_err *err);
int kd_page_put(const struct kd_report *report, const struct kd_chart_set *set, const char *path,
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
