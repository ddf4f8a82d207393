/* The charts of a report, each a canvas with a file name and a title. */
#ifndef KD_REPORT_FIGURE_H
#define KD_REPORT_FIGURE_H
#include "kd/report/canvas.h"
#include "kd/report/report.h"

enum { KD_DRAWN_RUNS = 16 }; /* runs side by side that charts are drawn of; tables have them all */

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
    char *left_out;             /* why pictures of data are not among them, or NULL */
};
int kd_charts_make(const struct kd_report *report, struct kd_chart_set *set, struct kd_err *err);
void kd_charts_release(struct kd_chart_set *set);
/* A new chart with its title drawn; the second of a name is called name-2. Valid until the next is
 * made. */
struct kd_chart *kd_chart_add(struct kd_chart_set *set, const char *name, double width,
                              double height, struct kd_err *err, const char *title);

/* Each adds the charts of its kind, none where the figures are missing. */
int kd_curves_add(const struct kd_report *report, size_t run, struct kd_chart_set *set,
                  struct kd_err *err);
int kd_scatter_add(const struct kd_report *report, size_t run, struct kd_chart_set *set,
                   struct kd_err *err);
int kd_temperature_add(const struct kd_report *report, size_t run, struct kd_chart_set *set,
                       struct kd_err *err);
int kd_ranking_add(const struct kd_report *report, size_t run, struct kd_chart_set *set,
                   struct kd_err *err);
int kd_shares_add(const struct kd_report *report, size_t run, struct kd_chart_set *set,
                  struct kd_err *err);
int kd_widths_add(const struct kd_report *report, size_t run, struct kd_chart_set *set,
                  struct kd_err *err);
int kd_unseen_add(const struct kd_report *report, size_t run, struct kd_chart_set *set,
                  struct kd_err *err);
int kd_heat_add(const struct kd_report *report, size_t run, struct kd_chart_set *set,
                struct kd_err *err);
int kd_confusion_add(const struct kd_report *report, size_t run, struct kd_chart_set *set,
                     struct kd_err *err);
int kd_reliability_add(const struct kd_report *report, size_t run, struct kd_chart_set *set,
                       struct kd_err *err);
int kd_misclassified_add(const struct kd_report *report, size_t run, struct kd_chart_set *set,
                         struct kd_err *err);
int kd_samples_add(const struct kd_report *report, size_t run, struct kd_chart_set *set,
                   struct kd_err *err);
int kd_weights_add(const struct kd_report *report, size_t run, struct kd_chart_set *set,
                   struct kd_err *err);
int kd_soft_bars_add(const struct kd_report *report, size_t run, struct kd_chart_set *set,
                     struct kd_err *err);

/* The model that stands for the run where one is shown: the best student's best seed if it `has`
 * what is asked for, else the first result that has; or NULL. */
const struct kd_result *kd_result_shown(const struct kd_report *report, size_t run,
                                        bool (*has)(const struct kd_report *,
                                                    const struct kd_result *));
/* "What: run, model (seed 1)" */
void kd_model_title(const char *what, const struct kd_report *report, const struct kd_result *r,
                    char out[300]);
/* Writes what was made: forms that are made together share one making. */
struct kd_writer;
int kd_charts_put(const struct kd_chart_set *set, const struct kd_writer *writer,
                  struct kd_err *err);
int kd_page_put(const struct kd_report *report, const struct kd_chart_set *set, const char *path,
                struct kd_err *err);
/* The networks of a run's students: entries with the same network get the same number, 0, 1, ...;
 * teachers get SIZE_MAX. group has n_entries places; returns how many networks. */
size_t kd_groups_of(const struct kd_report *report, size_t run, size_t *group);
bool kd_entry_distilled(const struct kd_report *report, const struct kd_entry *entry);
/* "25 thousand parameters", "1.28 million parameters"; "" where it is not known. */
void kd_size_words(double parameters, char out[64]);
#endif
