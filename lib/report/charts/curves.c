/* Learning curves: loss and accuracy, training and validation, teacher and students. */
#include "chart.h"
#include "kd/base/text.h"
#include "kd/report/figures.h"
#include "plot.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINES        KD_N_SERIES /* in one chart */
#define WIDTH        900.0
#define LEFT         72.0
#define GAP          34.0
#define PANEL_HEIGHT 235.0

struct curve { /* one model's figure over epochs: mean and extremes over its seeds */
    double *epoch, *mean, *low, *high; /* one allocation, at epoch */
    size_t n;
    /* Where seeds stopped early the mean ends, and each of the others goes on by itself, NaN
     * between them. */
    double *tail_epoch, *tail;
    size_t n_tail;
};
struct point {
    double epoch, value;
};

static int by_epoch(const void *a, const void *b)
{
    const struct point *p = a, *q = b;
    return (p->epoch > q->epoch) - (p->epoch < q->epoch);
}

/* The four panels. Where training was not evaluated, its running values stand in. */
static double value_of(const struct kd_epoch *e, bool accuracy, bool validation)
{
    if (validation) return accuracy ? e->valid.top1 : e->valid.loss;
    if (accuracy) return isfinite(e->train.top1) ? e->train.top1 : e->top1;
    return isfinite(e->train.loss) ? e->train.loss : e->hard;
}

/* What a seed has from the last common epoch on, where it has more. */
static void add_tail(const struct kd_log *log, bool accuracy, bool validation, double common,
                     struct curve *curve)
{
    if (log->n == 0 || log->epochs[log->n - 1].epoch <= common) return;
    for (size_t k = 0; k < log->n; k++) {
        const struct kd_epoch *e = &log->epochs[k];
        if (e->epoch < common) continue;
        curve->tail_epoch[curve->n_tail] = e->epoch;
        curve->tail[curve->n_tail++] = value_of(e, accuracy, validation);
    }
    curve->tail_epoch[curve->n_tail] = curve->tail[curve->n_tail] = NAN;
    curve->n_tail++;
}

static int curve_make(const struct kd_report *report, const struct kd_entry *entry, bool accuracy,
                      bool validation, struct curve *curve, struct kd_err *err)
{
    size_t total = 0, n = 0, seeds = 0;
    double common = INFINITY; /* the last epoch that all seeds have */
    for (size_t i = 0; i < entry->n; i++) total += report->results[entry->first + i].log.n + 1;
    struct point *points = kd_alloc(total, sizeof *points, "a chart", err);
    curve->epoch = points ? kd_alloc(6 * total, sizeof(double), "a chart", err) : NULL;
    if (!curve->epoch) {
        kd_free(points);
        return -1;
    }
    curve->mean = curve->epoch + total;
    curve->low = curve->mean + total;
    curve->high = curve->low + total;
    curve->tail_epoch = curve->high + total;
    curve->tail = curve->tail_epoch + total;
    for (size_t i = 0; i < entry->n; i++) {
        const struct kd_log *log = &report->results[entry->first + i].log;
        double last = NAN;
        for (size_t k = 0; k < log->n; k++) {
            double v = value_of(&log->epochs[k], accuracy, validation);
            if (!isfinite(v)) continue;
            points[n++] = (struct point){log->epochs[k].epoch, v};
            last = log->epochs[k].epoch;
        }
        if (isnan(last)) continue;
        seeds++;
        common = fmin(common, last);
    }
    for (size_t i = 0; i < entry->n && seeds > 1; i++)
        add_tail(&report->results[entry->first + i].log, accuracy, validation, common, curve);
    qsort(points, n, sizeof *points, by_epoch);
    for (size_t i = 0, next; i < n && points[i].epoch <= common; i = next) {
        double sum = 0, low = INFINITY, high = -INFINITY;
        for (next = i; next < n && points[next].epoch == points[i].epoch; next++) {
            sum += points[next].value;
            low = fmin(low, points[next].value);
            high = fmax(high, points[next].value);
        }
        curve->epoch[curve->n] = points[i].epoch;
        curve->mean[curve->n] = sum / (double)(next - i);
        curve->low[curve->n] = low;
        curve->high[curve->n++] = high;
    }
    kd_free(points);
    return 0;
}

struct figure {
    const struct kd_report *report;
    const struct kd_entry *entries[LINES];
    struct kd_pen pens[LINES];
    size_t n;
    struct curve curves[2][2][LINES]; /* [accuracy][validation] */
};

static int figure_load(struct figure *f, struct kd_err *err)
{
    for (int a = 0; a < 2; a++)
        for (int v = 0; v < 2; v++)
            for (size_t i = 0; i < f->n; i++)
                if (curve_make(f->report, f->entries[i], a, v, &f->curves[a][v][i], err) < 0)
                    return -1;
    return 0;
}

static void figure_release(struct figure *f)
{
    for (int a = 0; a < 2; a++)
        for (int v = 0; v < 2; v++)
            for (size_t i = 0; i < f->n; i++) kd_free(f->curves[a][v][i].epoch);
}

static bool has_data(const struct figure *f, bool validation)
{
    for (int a = 0; a < 2; a++)
        for (size_t i = 0; i < f->n; i++)
            if (f->curves[a][validation][i].n) return true;
    return false;
}

/* Both columns share a row's axis. Accuracy leaves the first tenth of training out, which would
 * squeeze the rest. */
static bool row_axis(const struct figure *f, bool accuracy, struct kd_axis *axis,
                     struct kd_err *err)
{
    size_t total = 0, n = 0;
    for (int v = 0; v < 2; v++)
        for (size_t i = 0; i < f->n; i++)
            total += 2 * f->curves[accuracy][v][i].n + f->curves[accuracy][v][i].n_tail;
    double *values = kd_alloc(total, sizeof *values, "a chart", err);
    if (!values) return false;
    for (int v = 0; v < 2; v++)
        for (size_t i = 0; i < f->n; i++) {
            const struct curve *c = &f->curves[accuracy][v][i];
            size_t skip = accuracy ? c->n / 10 : 0;
            for (size_t k = skip; k < c->n; k++) {
                values[n++] = c->low[k];
                values[n++] = c->high[k];
            }
            for (size_t k = 0; k < c->n_tail; k++) values[n++] = c->tail[k];
        }
    bool there =
        kd_axis_over(axis, values, n, !accuracy, accuracy ? KD_AXIS_PERCENT : KD_AXIS_NUMBER);
    kd_free(values);
    return there;
}

static void epoch_axis(const struct figure *f, struct kd_axis *axis)
{
    double first = INFINITY, last = -INFINITY;
    for (int a = 0; a < 2; a++)
        for (int v = 0; v < 2; v++)
            for (size_t i = 0; i < f->n; i++) {
                const struct curve *c = &f->curves[a][v][i];
                if (c->n == 0) continue;
                first = fmin(first, c->epoch[0]);
                last = fmax(last, c->epoch[c->n - 1]);
                for (size_t k = 0; k < c->n_tail; k++) last = fmax(last, c->tail_epoch[k]);
            }
    double pad = last > first ? 0.02 * (last - first) : 1;
    bool from_zero = first <= 1 && last > 20; /* where that costs no room */
    *axis = (struct kd_axis){.low = from_zero ? 0 : first - pad, .high = last + pad, .whole = true};
}

static void draw_band(const struct kd_panel *p, const struct curve *c, struct kd_pen pen, double *x,
                      double *y)
{
    for (size_t i = 0; i < c->n; i++) {
        x[i] = kd_panel_x(p, c->epoch[i]);
        y[i] = kd_panel_y(p, c->high[i]);
        x[2 * c->n - 1 - i] = x[i];
        y[2 * c->n - 1 - i] = kd_panel_y(p, c->low[i]);
    }
    kd_canvas_area(p->c, x, y, 2 * c->n, (struct kd_pen){.ink = pen.ink, .opacity = 0.18});
}

static int draw_tail(const struct kd_panel *p, const struct curve *c, struct kd_pen pen,
                     struct kd_err *err)
{
    if (!c->n_tail) return 0;
    double *x = kd_alloc(2 * c->n_tail, sizeof *x, "a chart", err), *y = x ? x + c->n_tail : NULL;
    if (!x) return -1;
    for (size_t i = 0; i < c->n_tail; i++) {
        x[i] = kd_panel_x(p, c->tail_epoch[i]);
        y[i] = kd_panel_y(p, c->tail[i]);
    }
    kd_canvas_line(p->c, x, y, c->n_tail,
                   (struct kd_pen){.ink = pen.ink, .width = 0.8, .opacity = 0.7});
    kd_free(x);
    return 0;
}

static int draw_curve(const struct kd_panel *p, const struct curve *c, struct kd_pen pen,
                      const char *name, struct kd_err *err)
{
    char tip[320];
    if (c->n == 0) return 0;
    double *x = kd_alloc(4 * c->n, sizeof *x, "a chart", err), *y = x ? x + 2 * c->n : NULL;
    if (!x) return -1;
    draw_band(p, c, pen, x, y);
    for (size_t i = 0; i < c->n; i++) {
        x[i] = kd_panel_x(p, c->epoch[i]);
        y[i] = kd_panel_y(p, c->mean[i]);
    }
    kd_canvas_line(p->c, x, y, c->n, pen);
    if (draw_tail(p, c, pen, err) < 0) {
        kd_free(x);
        return -1;
    }
    for (size_t i = 0; i < c->n; i++) {
        double shown = p->ay.form == KD_AXIS_PERCENT ? 100 * c->mean[i] : c->mean[i];
        snprintf(tip, sizeof tip, "%.200s, epoch %.0f: %.4g%s", name, c->epoch[i], shown,
                 p->ay.form == KD_AXIS_PERCENT ? " %" : "");
        bool alone = c->n == 1;
        struct kd_pen dot = {.ink = pen.ink, .opacity = alone ? 1 : -1};
        if (alone || c->n <= 200) kd_canvas_dot(p->c, (struct kd_spot){x[i], y[i], 4, 0}, dot, tip);
    }
    kd_free(x);
    return 0;
}

static int draw_row(const struct figure *f, bool accuracy, struct kd_panel base, size_t columns,
                    const bool *column, bool last, struct kd_err *err)
{
    static const char *const titles[] = {"Training", "Validation"};
    size_t at = 0;
    double width = (base.c->width - LEFT - 16 - GAP * (double)(columns - 1)) / (double)columns;
    for (int v = 0; v < 2; v++) {
        if (!column[v]) continue;
        struct kd_panel p = base;
        p.w = width;
        p.x = LEFT + (double)at * (width + GAP);
        const struct kd_panel_words words = {.title = accuracy ? NULL : titles[v],
                                             .x = last ? "epoch" : NULL,
                                             .y = at         ? NULL
                                                  : accuracy ? "top-1 accuracy, %"
                                                             : "cross-entropy",
                                             .no_y_numbers = at > 0};
        kd_panel_frame(&p, &words);
        kd_panel_clip(&p);
        for (size_t i = 0; i < f->n; i++)
            if (draw_curve(&p, &f->curves[accuracy][v][i], f->pens[i],
                           f->report->results[f->entries[i]->first].name, err) < 0)
                return -1;
        kd_canvas_clip(p.c, (struct kd_box){0});
        at++;
    }
    return 0;
}

static size_t most_seeds(const struct figure *f)
{
    size_t most = 0;
    for (size_t i = 0; i < f->n; i++)
        if (f->entries[i]->n > most) most = f->entries[i]->n;
    return most;
}

static bool any_tail(const struct figure *f)
{
    for (int v = 0; v < 4; v++)
        for (size_t i = 0; i < f->n; i++)
            if (f->curves[v / 2][v % 2][i].n_tail) return true;
    return false;
}

static int figure_draw(struct figure *f, struct kd_chart_set *set, const char *title,
                       struct kd_err *err)
{
    struct kd_legend_item items[LINES];
    struct kd_panel panel = {0};
    struct kd_axis axes[2];
    bool column[2] = {has_data(f, false), has_data(f, true)}, row[2];
    size_t columns = (size_t)column[0] + column[1], rows;
    if (columns == 0) return 0;
    epoch_axis(f, &panel.ax);
    for (int a = 0; a < 2; a++) row[a] = row_axis(f, a, &axes[a], err);
    rows = (size_t)row[0] + row[1];
    if (rows == 0) return 0;
    for (size_t i = 0; i < f->n; i++)
        items[i] =
            (struct kd_legend_item){f->report->results[f->entries[i]->first].name, f->pens[i], -1};
    const struct kd_chart_room room = kd_chart_room(set, WIDTH, LEFT, PANEL_HEIGHT);
    double legend = kd_legend(NULL, room.left, 0, room.legend, items, f->n);
    double height = 74 + (double)rows * (room.height + 34) + 22 + legend + 30;
    struct kd_chart *chart = kd_chart_add(set, "learning-curves", room.width, height, err, title);
    if (!chart) return -1;
    panel.c = &chart->canvas;
    panel.y = 68;
    panel.h = room.height;
    for (int a = 0; a < 2; a++) {
        if (!row[a]) continue;
        panel.ay = axes[a];
        if (draw_row(f, a, panel, columns, column, a == 1 || !row[1], err) < 0) return -1;
        panel.y += room.height + 34;
    }
    kd_legend(panel.c, room.left, panel.y + 20, room.legend, items, f->n);
    if (most_seeds(f) > 1)
        kd_caption(panel.c, room.left, height - 10,
                   any_tail(f)
                       ? "Lines: mean over seeds, up to where the first of them stopped; thin: "
                         "the others, each by itself. Bands: lowest to highest seed."
                       : "Lines: mean over seeds. Bands: lowest to highest seed.");
    return 0;
}

static void figure_add(struct figure *f, const struct kd_entry *entry)
{
    bool teacher = f->report->results[entry->first].role == KD_ROLE_TEACHER;
    bool plain = !teacher && !kd_entry_distilled(f->report, entry);
    size_t students = 0;
    for (size_t i = 0; i < f->n; i++) students += f->pens[i].ink != KD_INK_SERIES;
    f->pens[f->n] = (struct kd_pen){.ink = KD_INK_SERIES + (teacher ? 0 : 1 + (int)students),
                                    .width = 2,
                                    .dash = teacher ? 2.5
                                            : plain ? 7
                                                    : 0};
    f->entries[f->n++] = entry;
}

static bool has_log(const struct kd_report *report, const struct kd_entry *entry)
{
    for (size_t i = 0; i < entry->n; i++)
        if (report->results[entry->first + i].log.n) return true;
    return false;
}

static int draw_some(struct figure *f, size_t groups, struct kd_chart_set *set, struct kd_err *err)
{
    char title[400], size[64] = "";
    const struct kd_result *r = &f->report->results[f->entries[f->n - 1]->first];
    kd_size_words(r->parameters, size);
    if (groups > 1 && r->role == KD_ROLE_STUDENT && size[0])
        snprintf(title, sizeof title, "Learning curves: %.200s, students of %s",
                 f->report->runs[r->run].name, size);
    else
        snprintf(title, sizeof title, "Learning curves: %.200s", f->report->runs[r->run].name);
    int status = figure_load(f, err);
    if (status == 0) status = figure_draw(f, set, title, err);
    figure_release(f);
    return status;
}

/* A chart for each network of the students, the teacher in each; more than fit are cut into
 * several. */
static int draw_curves(const struct kd_report *report, size_t run, struct kd_chart_set *set,
                       struct kd_err *err)
{
    size_t *group = kd_alloc(report->n_entries, sizeof *group, "charts", err);
    if (!group) return -1;
    size_t groups = kd_groups_of(report, run, group), drawn = 0;
    int status = 0;
    for (size_t g = 0; g < groups || (g == 0 && groups == 0); g++) {
        const struct kd_entry *teacher = NULL;
        struct figure f = {.report = report};
        for (size_t i = 0; i < report->n_entries && status == 0; i++) {
            const struct kd_entry *e = &report->entries[i];
            const struct kd_result *r = &report->results[e->first];
            if (r->run != run || !has_log(report, e)) continue;
            if (r->role == KD_ROLE_TEACHER && !teacher) {
                teacher = e;
                figure_add(&f, e);
            } else if (group[i] == g) {
                figure_add(&f, e);
                drawn++;
            }
            if (f.n < LINES) continue;
            status = draw_some(&f, groups, set, err);
            f = (struct figure){.report = report};
            if (teacher) figure_add(&f, teacher);
        }
        bool fresh = f.n > (teacher ? 1u : 0u) || (teacher && groups == 0);
        if (status == 0 && f.n && (fresh || drawn == 0)) status = draw_some(&f, groups, set, err);
        if (status < 0) break;
    }
    kd_free(group);
    return status;
}
const struct kd_chart_kind kd_chart_curves = {draw_curves};
