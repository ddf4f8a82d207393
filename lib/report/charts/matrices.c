/* Charts of cells: the sweep of alpha and T; and reliability. */
#include "chart.h"
#include "kd/base/mem.h"
#include "plot.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SIDE 64 /* most different values of a swept setting */

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

static int grid_draw(const struct kd_report *report, size_t run, const struct grid *g,
                     struct kd_chart_set *set, struct kd_err *err)
{
    const double left = 84, top = 52;
    double w = fmax(44,
                    fmin(96, (kd_chart_width(set, left + 640 + 24) - left - 24) / (double)g->n_t)),
           h = fmax(26, fmin(56, 420.0 / (double)g->n_a));
    double width = fmax(kd_chart_width(set, 420), left + w * (double)g->n_t + 24), low = INFINITY,
           high = -INFINITY;
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
            kd_heat_cell(c, (struct kd_box){left + w * (double)k, y, w, h},
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
    kd_caption(c, 16, height - 14, tip);
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

/* ---- reliability -------------------------------------------------------------------------- */

static bool has_bins(const struct kd_report *report, const struct kd_result *r)
{
    const struct kd_evaluation *e = kd_result_on(r, report->split);
    return e && e->bins.v;
}

static int draw_reliability(const struct kd_report *report, size_t run, struct kd_chart_set *set,
                            struct kd_err *err)
{
    const struct kd_result *r = kd_result_shown(report, run, has_bins);
    char text[300];
    if (!r) return 0;
    const struct kd_evaluation *e = kd_result_on(r, report->split);
    kd_model_title("Reliability", report, r, text);
    const struct kd_chart_room room = kd_chart_room(set, 520, 78, 390);
    struct kd_chart *chart =
        kd_chart_add(set, "reliability", room.width, room.height + 130, err, text);
    if (!chart) return -1;
    const struct kd_axis whole = {.low = 0, .high = 1, .form = KD_AXIS_PERCENT};
    struct kd_panel p = {&chart->canvas, 78, 52, room.width - 102, room.height, whole, whole};
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
    kd_caption(p.c, room.left, room.height + 118, text);
    return 0;
}
const struct kd_chart_kind kd_chart_reliability = {draw_reliability};
