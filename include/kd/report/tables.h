/* The tables of a report, and its words. Every form is made from these. */
#ifndef KD_REPORT_TABLES_H
#define KD_REPORT_TABLES_H
#include "kd/base/table.h"
#include "kd/report/report.h"

/* A row per model, figures as mean and standard deviation over its seeds; the students best on
 * validation are marked, one a run. */
int kd_table_models(const struct kd_report *report, struct kd_table *t, struct kd_err *err);
/* A row per trained model: every seed by itself, with the command that made it. */
int kd_table_seeds(const struct kd_report *report, struct kd_table *t, struct kd_err *err);
/* A row per distilled student and plain one that it is compared with (pairs of the report): paired
 * per-seed difference of top-1. */
int kd_table_differences(const struct kd_report *report, struct kd_table *t, struct kd_err *err);
/* A row per model and class: errors over its seeds, and what the class is mostly taken for. Classes
 * that its training left out are marked. */
int kd_table_classes(const struct kd_report *report, struct kd_table *t, struct kd_err *err);
/* The same of every seed by itself, from which medians can be taken. */
int kd_table_class_seeds(const struct kd_report *report, struct kd_table *t, struct kd_err *err);
/* The surest errors of every model whose answers were saved, up to 20 of each: row (from 1, in the
 * order of the split), its class, what it is taken for. */
int kd_table_wrong(const struct kd_report *report, struct kd_table *t, struct kd_err *err);
/* A row per epoch of every log. */
int kd_table_logs(const struct kd_report *report, struct kd_table *t, struct kd_err *err);

/* "digits: test split (5,000 images), 5 seeds, one teacher for all seeds." A sentence a run, each
 * on its line. */
int kd_words_heading(const struct kd_report *report, struct kd_bytes *out, struct kd_err *err);
/* Where a report comes from, one line: kd's version, the command, how many models and the
 * fingerprint of their fingerprints. Nothing where report->command is not known. */
int kd_words_origin(const struct kd_report *report, struct kd_bytes *out, struct kd_err *err);
/* What a table of differences shows, in a few sentences on one line; and where its intervals are to
 * be taken with care, as seeds share teachers. */
int kd_words_on_differences(const struct kd_report *report, const struct kd_table *t,
                            struct kd_bytes *out, struct kd_err *err);
/* A log as a table, with curves in block characters above it. */
int kd_words_log(const struct kd_report *report, const struct kd_result *r,
                 const struct kd_table_style *style, struct kd_bytes *out, struct kd_err *err);
/* "n models: ..." each note on its line after `bullet`. */
int kd_words_notes(const struct kd_report *report, const char *bullet, struct kd_bytes *out,
                   struct kd_err *err);

/* The table of models as it is asked for. */
struct kd_table_view {
    struct kd_table_style style;
    const char *columns, *sort,
        *filter; /* NULL: the form's own columns, the run's order, every model */
    bool alone;  /* no other table beside it, and no notes */
};
/* Makes the table of models as a view has it. */
int kd_view_table(const struct kd_report *report, const struct kd_table_view *view,
                  struct kd_table *t, struct kd_err *err);
/* The figures that the brief table leaves out: quality beyond top-1, and cost. No rows where there
 * are none. */
int kd_view_further(const struct kd_report *report, const struct kd_table_view *view,
                    struct kd_table *t, struct kd_err *err);
/* The table of differences for people, in a form: the run only where there are several. */
int kd_view_differences(const struct kd_report *report, enum kd_form form, struct kd_table *t,
                        struct kd_err *err);
/* The report in a form: heading, models, differences and notes; in CSV the models alone, as in each
 * form of a view that wants it so. */
int kd_report_render(const struct kd_report *report, const struct kd_table_view *view,
                     struct kd_bytes *out, struct kd_err *err);
#endif
