/* The charts of a report, each a canvas with a file name and a title. */
#ifndef KD_REPORT_CHART_H
#define KD_REPORT_CHART_H
#include "kd/report/charts.h"

/* A new chart with its title drawn; the second of a name is called name-2. Valid until the next is
 * made. */
struct kd_chart *kd_chart_add(struct kd_chart_set *set, const char *name, double width,
                              double height, struct kd_err *err, const char *title);

/* Units that a chart is wide which is drawn best in `best`: those of a column in which a unit is
 * such that text of KD_TEXT_SIZE has 8 points, where the set is for one. */
double kd_chart_width(const struct kd_chart_set *set, double best);
/* The same for one of a single panel `height` high that begins at `left`, with a legend below it.
 */
struct kd_chart_room {
    double width, height; /* height: of the panel */
    double left, legend;  /* where the legend begins, and how wide it may be */
};
struct kd_chart_room kd_chart_room(const struct kd_chart_set *set, double width, double left,
                                   double height);

/* A kind of chart: adds those of a run, none where the figures are missing. */
struct kd_chart_kind {
    int (*add)(const struct kd_report *report, size_t run, struct kd_chart_set *set,
               struct kd_err *err);
};
/* All kinds, in the order of the page. One more is its file, with its kd_chart_NAME, and its name
 * here. */
#define KD_CHART_KINDS(X)                                                                          \
    X(curves)                                                                                      \
    X(scatter)                                                                                     \
    X(ranking)                                                                                     \
    X(shares)                                                                                      \
    X(temperature)                                                                                 \
    X(widths)                                                                                      \
    X(heat)                                                                                        \
    X(confusion)                                                                                   \
    X(unseen)                                                                                      \
    X(reliability)                                                                                 \
    X(rejection)                                                                                   \
    X(soft_bars)                                                                                   \
    X(misclassified)                                                                               \
    X(samples)                                                                                     \
    X(weights)
#define KD_CHART_DECLARE(name) extern const struct kd_chart_kind kd_chart_##name;
KD_CHART_KINDS(KD_CHART_DECLARE)

/* The model that stands for the run where one is shown: the best student's best seed if it `has`
 * what is asked for, else the first result that has; or NULL. */
const struct kd_result *kd_result_shown(const struct kd_report *report, size_t run,
                                        bool (*has)(const struct kd_report *,
                                                    const struct kd_result *));
/* "What: run, model (seed 1)" */
void kd_model_title(const char *what, const struct kd_report *report, const struct kd_result *r,
                    char out[300]);
#endif
