/* Every figure of a result, once: its column and where it comes from. */
#ifndef KD_REPORT_FIGURES_H
#define KD_REPORT_FIGURES_H
#include "kd/base/table.h"
#include "kd/report/report.h"

struct kd_figure {
    struct kd_column column;
    bool brief; /* shown on a terminal where nothing else is said */
    int better; /* 1: more is better, -1: less; 0: neither, or told by the network alone */
    double (*get)(const struct kd_report *report, const struct kd_result *r);
};
enum { KD_N_FIGURES = 21 };
extern const struct kd_figure kd_figures[KD_N_FIGURES];
/* A setting of the training rather than a result: the same for all seeds of a model, unless
 * somebody overrode it. */
bool kd_figure_is_setting(size_t k);
/* A run's teacher, the first where it has several; NULL where it has none. */
const struct kd_entry *kd_teacher_entry(const struct kd_report *report, size_t run);
/* The teacher of the same run and seed, or the run's first; NULL where there is none. */
const struct kd_result *kd_teacher_of(const struct kd_report *report, const struct kd_result *of);
/* (student - plain) / (teacher - plain) of the means of top-1; NaN where that has no meaning, as
 * teacher and plain are no more than their spread (95 % t-interval) apart. */
double kd_gap_recovered(const struct kd_report *report, const struct kd_entry *entry);
/* "25 thousand parameters", "1.28 million parameters"; "" where it is not known. */
void kd_size_words(double parameters, char out[64]);
#endif
