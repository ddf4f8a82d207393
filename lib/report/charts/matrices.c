/* Charts of cells: the sweep of alpha and T, the confusion of classes; and reliability. */
#include "chart.h"
#include "kd/base/mem.h"
#include "kd/report/classes.h"
#include "plot.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SIDE   64 /* most different values of a swept setting */
#define UNSEEN 12 /* most students whose unseen classes are drawn, of a run */

struct grid {
    double t[SIDE], a[SIDE];
    size_t n_t, n_a;
    double value[SIDE][SIDE]; /* [a][t], NaN: none */
    double valid[SIDE][SIDE];
    bool several; /* in one place */
};

static void insert(double *list, size_t *n, double v)
{
    for (size_t i = 0; i < *n; i++)
        if (list[i] == v) return;
    if (*n == SIDE) return;
    size_t k = (*n)++;
    for (; k > 0 && list[k - 1] > v; k--) list[k] = list[k - 1];
    list[k] = v;
}

static size_t position(const double *list, size_t n, double v)
{
    size_t i = 0;
    while (i < n && list[i] != v) i++;
    return i;
}

/* The students of one network by alpha and T; of several in one place the one best on
 * validation. */
static void grid_make(const struct kd_report *report, const size_t *group, size_t g,
                      struct grid *grid)
{
    grid->n_t = grid->n_a = 0;
    grid->several = false;
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < report->n_entries; i++) {
            const struct kd_entry *e = &report->entries[i];
            const struct kd_result *r = &report->results[e->first];
            double top1 = kd_entry_stats(report, e, kd_figure_top1).mean;
            if (group[i] != g || !isfinite(r->temperature) || !isfinite(r->alpha) || isnan(top1))
                continue;
            if (pass == 0) {
                insert(grid->t, &grid->n_t, r->temperature);
                insert(grid->a, &grid->n_a, r->alpha);
                continue;
            }
            size_t row = position(grid->a, grid->n_a, r->alpha),
                   column = position(grid->t, grid->n_t, r->temperature);
            double valid = kd_entry_stats(report, e, kd_figure_valid).mean;
            if (row >= grid->n_a || column >= grid->n_t) continue;
            grid->several |= !isnan(grid->value[row][column]);
            if (!isnan(grid->value[row][column]) && !(valid > grid->valid[row][column])) continue;
            grid->value[row][column] = top1;
            grid->valid[row][column] = valid;
        }
        for (size_t k = 0; pass == 0 && k < SIDE * SIDE; k++) grid->value[k / SIDE][k % SIDE] = NAN;
    }
}

static void cell(struct kd_canvas *c, double x, double y, double w, double h, double share,
                 const char *text, const char *tip)
{
    int heat = (int)(fmin(1, fmax(0, share)) * 255);
    kd_canvas_rect(c, (struct kd_box){x, y, w - 1, h - 1},
                   (struct kd_pen){.ink = KD_INK_HEAT + heat}, tip);
    double size = fmin(KD_TEXT_SIZE, 0.42 * h);
    if (text[0] && kd_type_width(text, size) < w - 4)
        kd_canvas_text(c, x + w / 2, y + h / 2 + 0.36 * size, text,
                       (struct kd_type){.size = size,
                                        .anchor = 0.5,
                                        .ink = heat > 165 ? KD_INK_PAPER : KD_INK_TEXT,
                                        .on_heat = true});
}

static int grid_draw(const struct kd_report *report, size_t run, const struct grid *g,
                     struct kd_chart_set *set, struct kd_err *err)
{
    const double left = 84, top = 52;
    double w = fmax(44, fmin(96, 640.0 / (double)g->n_t)),
           h = fmax(26, fmin(56, 420.0 / (double)g->n_a));
    double width = fmax(420, left + w * (double)g->n_t + 24), low = INFINITY, high = -INFINITY;
    double height = top + h * (double)g->n_a + 84;
    char text[64], tip[128];
    for (size_t i = 0; i < g->n_a; i++)
        for (size_t k = 0; k < g->n_t; k++) {
            if (isnan(g->value[i][k])) continue;
            low = fmin(low, g->value[i][k]);
            high = fmax(high, g->value[i][k]);
        }
    snprintf(tip, sizeof tip, "Sweep: %.80s", report->runs[run].name);
    struct kd_chart *chart = kd_chart_add(set, "sweep", width, height, err, tip);
    if (!chart) return -1;
    struct kd_canvas *c = &chart->canvas;
    struct kd_type label = {.size = KD_TEXT_SIZE, .ink = KD_INK_FAINT, .anchor = 1};
    for (size_t i = 0; i < g->n_a; i++) {
        double y = top + h * (double)(g->n_a - 1 - i);
        snprintf(text, sizeof text, "%.4g", g->a[i]);
        kd_canvas_text(c, left - 8, y + h / 2 + 4, text, label);
        for (size_t k = 0; k < g->n_t; k++) {
            double v = g->value[i][k];
            if (isnan(v)) continue;
            snprintf(text, sizeof text, "%.2f", 100 * v);
            snprintf(tip, sizeof tip, "alpha %.4g, T %.4g: %.2f %%", g->a[i], g->t[k], 100 * v);
            cell(c, left + w * (double)k, y, w, h,
                 high > low ? 0.9 * (v - low) / (high - low) : 0.5, text, tip);
        }
    }
    label.anchor = 0.5;
    for (size_t k = 0; k < g->n_t; k++) {
        snprintf(text, sizeof text, "%.4g", g->t[k]);
        kd_canvas_text(c, left + w * ((double)k + 0.5), height - 66, text, label);
    }
    struct kd_type axis = {.size = KD_TEXT_SIZE + 1, .anchor = 0.5};
    kd_canvas_text(c, left + w * (double)g->n_t / 2, height - 44, "temperature T", axis);
    axis.upward = true;
    kd_canvas_text(c, 28, top + h * (double)g->n_a / 2, "alpha", axis);
    snprintf(tip, sizeof tip, "Cells: mean %.40s top-1 accuracy, %%%s", report->split,
             g->several ? "; of several the best on validation" : "");
    kd_canvas_text(c, 16, height - 14, tip,
                   (struct kd_type){.size = KD_TEXT_SIZE - 1, .ink = KD_INK_FAINT});
    return 0;
}

static int draw_heat(const struct kd_report *report, size_t run, struct kd_chart_set *set,
                     struct kd_err *err)
{
    size_t *group = kd_alloc(report->n_entries, sizeof *group, "charts", err);
    struct grid *grid = kd_alloc(1, sizeof *grid, "charts", err);
    int status = group && grid ? 0 : -1;
    size_t groups = status == 0 ? kd_groups_of(report, run, group) : 0;
    for (size_t g = 0; g < groups && status == 0; g++) {
        grid_make(report, group, g, grid);
        if (grid->n_t > 1 && grid->n_a > 1) status = grid_draw(report, run, grid, set, err);
    }
    kd_free(group);
    kd_free(grid);
    return status;
}
const struct kd_chart_kind kd_chart_heat = {draw_heat};

/* ---- confusion ---------------------------------------------------------------------------- */

static bool has_confusion(const struct kd_report *report, const struct kd_result *r)
{
    const struct kd_evaluation *e = kd_result_on(r, report->split);
    return e && e->confusion.v;
}

static bool has_bins(const struct kd_report *report, const struct kd_result *r)
{
    const struct kd_evaluation *e = kd_result_on(r, report->split);
    return e && e->bins.v;
}

/* A matrix as it is shown: counts of one model, or means over seeds, which have a decimal so that
 * rows add up. */
struct confusion {
    const double *counts; /* [n][n] */
    const bool *unseen;   /* [n]: classes that the training left out */
    size_t n, seeds, n_unseen;
};

static void draw_confusion(struct kd_canvas *c, const struct confusion *m, double left, double top,
                           double size)
{
    const double *confusion = m->counts;
    const size_t n = m->n;
    const int digits = m->seeds > 1;
    char text[64], tip[96];
    struct kd_type label = {.size = fmin(KD_TEXT_SIZE, 0.6 * size), .ink = KD_INK_FAINT};
    size_t every = (size_t)ceil(14 / size);
    double most = 0;
    for (size_t i = 0; i < n * n; i++)
        if (i / n != i % n && confusion[i] > most) most = confusion[i];
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < n; k++) {
            double v = confusion[i * n + k];
            if (!(v > 0)) v = 0;
            snprintf(text, sizeof text, "%.*f", digits, v);
            snprintf(tip, sizeof tip, "class %zu%s taken for %zu: %.*f", i,
                     m->unseen[i] ? ", never seen," : "", k, digits, v);
            if (i == k) { /* right answers would drown the errors */
                kd_canvas_rect(c,
                               (struct kd_box){left + size * (double)k, top + size * (double)i,
                                               size - 1, size - 1},
                               (struct kd_pen){.ink = KD_INK_GRID}, tip);
                if (kd_type_width(text, label.size) < size - 3)
                    kd_canvas_text(c, left + size * ((double)k + 0.5),
                                   top + size * ((double)i + 0.5) + 0.36 * label.size, text,
                                   (struct kd_type){.size = label.size, .anchor = 0.5});
            } else {
                cell(c, left + size * (double)k, top + size * (double)i, size, size,
                     most > 0 ? v / most : 0, v > 0 ? text : "", tip);
            }
        }
        if (i % every && !m->unseen[i]) continue;
        snprintf(text, sizeof text, "%zu%s", i, m->unseen[i] ? "*" : "");
        label.anchor = 1;
        label.bold = m->unseen[i];
        label.ink = m->unseen[i] ? KD_INK_TEXT : KD_INK_FAINT;
        kd_canvas_text(c, left - 7, top + size * ((double)i + 0.5) + 4, text, label);
        if (i % every) continue;
        snprintf(text, sizeof text, "%zu", i);
        label = (struct kd_type){.size = label.size, .ink = KD_INK_FAINT, .anchor = 0.5};
        kd_canvas_text(c, left + size * ((double)i + 0.5), top + size * (double)n + 16, text,
                       label);
    }
}

/* "* never saw 0, 1, 2" */
static void say_unseen(struct kd_canvas *c, const struct confusion *m, double width)
{
    char text[640] = "* never saw ", fitted[160];
    size_t used = strlen(text), named = 0;
    for (size_t i = 0; i < m->n && used < 600; i++)
        if (m->unseen[i])
            used +=
                (size_t)snprintf(text + used, sizeof text - used, "%s%zu", named++ ? ", " : "", i);
    kd_text_fit(text, KD_TEXT_SIZE, width, fitted);
    kd_canvas_text(c, 16, 46, fitted, (struct kd_type){.size = KD_TEXT_SIZE});
}

static int add_confusion(const char *title, const char *split, const struct confusion *m,
                         const char *name, struct kd_chart_set *set, struct kd_err *err)
{
    double n = (double)m->n, size = fmax(4, fmin(46, 520 / n)), left = 78,
           top = m->n_unseen ? 66 : 56;
    double width = fmax(460, left + n * size + 24), height = top + n * size + 66;
    char text[96];
    if (m->n > 200) return 0;
    struct kd_chart *chart = kd_chart_add(set, name, width, height, err, title);
    if (!chart) return -1;
    if (m->n_unseen) say_unseen(&chart->canvas, m, width - 32);
    draw_confusion(&chart->canvas, m, left, top, size);
    struct kd_type axis = {.size = KD_TEXT_SIZE + 1, .anchor = 0.5};
    snprintf(text, sizeof text, "predicted class (%.40s split, images%s)", split,
             m->seeds > 1 ? " a seed" : "");
    kd_canvas_text(&chart->canvas, left + n * size / 2, height - 22, text, axis);
    axis.upward = true;
    kd_canvas_text(&chart->canvas, 28, top + n * size / 2, "true class", axis);
    return 0;
}

static int make_confusion(const struct kd_report *report, size_t run, struct kd_chart_set *set,
                          struct kd_err *err)
{
    const struct kd_result *r = kd_result_shown(report, run, has_confusion);
    char title[300];
    if (!r) return 0;
    const struct kd_evaluation *e = kd_result_on(r, report->split);
    bool *unseen = kd_alloc(e->confusion.rows, sizeof *unseen, "classes", err);
    if (!unseen) return -1;
    kd_model_title("Confusion", report, r, title);
    struct confusion m = {e->confusion.v, unseen, e->confusion.rows, 1,
                          kd_unseen_of(r, unseen, e->confusion.rows)};
    int status = add_confusion(title, report->split, &m, "confusion", set, err);
    kd_free(unseen);
    return status;
}
const struct kd_chart_kind kd_chart_confusion = {make_confusion};

/* A student that never saw some classes: its seeds together, in images a seed. */
static int add_unseen(const struct kd_report *report, const struct kd_entry *entry,
                      struct kd_chart_set *set, struct kd_err *err)
{
    const struct kd_result *r = &report->results[entry->first];
    size_t classes, seeds;
    char title[300];
    double *sum = kd_confusion_sum(report, entry, &classes, &seeds, err);
    if (!sum) return classes ? -1 : 0;
    bool *unseen = kd_alloc(classes, sizeof *unseen, "classes", err);
    int status = unseen ? 0 : -1;
    size_t n = unseen ? kd_unseen_of(r, unseen, classes) : 0;
    if (n) {
        for (size_t k = 0; k < classes * classes; k++) sum[k] /= (double)seeds;
        snprintf(title, sizeof title, "Confusion: %.200s, mean of %zu seed%s", r->name, seeds,
                 seeds > 1 ? "s" : "");
        status =
            add_confusion(title, report->split, &(struct confusion){sum, unseen, classes, seeds, n},
                          "unseen-classes", set, err);
    }
    kd_free(unseen);
    kd_free(sum);
    return status;
}

static int draw_unseen(const struct kd_report *report, size_t run, struct kd_chart_set *set,
                       struct kd_err *err)
{
    int drawn = 0, status = 0;
    for (size_t i = 0; i < report->n_entries && drawn < UNSEEN && status == 0; i++) {
        const struct kd_result *r = &report->results[report->entries[i].first];
        bool filtered = r->data && (strstr(r->data, "\"omit\":[") || strstr(r->data, "\"keep\":["));
        if (r->run != run || !filtered) continue;
        size_t before = set->n;
        status = add_unseen(report, &report->entries[i], set, err);
        drawn += set->n > before;
    }
    return status;
}
const struct kd_chart_kind kd_chart_unseen = {draw_unseen};

/* ---- reliability -------------------------------------------------------------------------- */

static int draw_reliability(const struct kd_report *report, size_t run, struct kd_chart_set *set,
                            struct kd_err *err)
{
    const struct kd_result *r = kd_result_shown(report, run, has_bins);
    char text[300];
    if (!r) return 0;
    const struct kd_evaluation *e = kd_result_on(r, report->split);
    kd_model_title("Reliability", report, r, text);
    struct kd_chart *chart = kd_chart_add(set, "reliability", 520, 520, err, text);
    if (!chart) return -1;
    const struct kd_axis whole = {.low = 0, .high = 1, .form = KD_AXIS_PERCENT};
    struct kd_panel p = {&chart->canvas, 78, 52, 418, 390, whole, whole};
    kd_panel_frame(&p, &(struct kd_panel_words){.x = "confidence, %", .y = "accuracy, %"});
    double x[2] = {p.x, p.x + p.w}, y[2] = {p.y + p.h, p.y}, step = p.w / (double)e->bins.rows;
    const double *bins = e->bins.v; /* [rows][3] */
    for (size_t i = 0; i < e->bins.rows; i++) {
        const double *bin = bins + 3 * i;
        if (!(bin[0] > 0) || isnan(bin[2])) continue;
        snprintf(text, sizeof text, "%.0f images, confidence %.1f %%, accuracy %.1f %%", bin[0],
                 100 * bin[1], 100 * bin[2]);
        double top = kd_panel_y(&p, bin[2]);
        kd_canvas_rect(p.c,
                       (struct kd_box){p.x + step * (double)i + 1, top, step - 2, p.y + p.h - top},
                       (struct kd_pen){.ink = KD_INK_SERIES + 1, .opacity = 0.75}, text);
    }
    kd_canvas_line(p.c, x, y, 2, (struct kd_pen){.ink = KD_INK_SERIES, .width = 1.5, .dash = 5});
    snprintf(text, sizeof text, "Dashed: perfectly calibrated. Expected calibration error %.2f %%.",
             100 * e->ece);
    kd_canvas_text(p.c, 78, 508, text,
                   (struct kd_type){.size = KD_TEXT_SIZE - 1, .ink = KD_INK_FAINT});
    return 0;
}
const struct kd_chart_kind kd_chart_reliability = {draw_reliability};
