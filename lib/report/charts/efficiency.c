/* Accuracy against what it costs or depends on: parameters, temperature, alpha. */
#include "chart.h"
#include "kd/report/figures.h"
#include "plot.h"
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define WIDTH  720.0
#define HEIGHT 520.0
#define LEFT   78.0
#define RIGHT  24.0
#define TOP    52.0
#define LEGEND 40.0 /* height of a legend for which a chart has room, two rows */
#define POINTS 512  /* most models in one chart */

static double temperature(const struct kd_report *report, const struct kd_result *r)
{
    (void)report;
    return r->temperature;
}
static double alpha(const struct kd_report *report, const struct kd_result *r)
{
    (void)report;
    return r->alpha;
}

struct spot { /* a model in a chart */
    const struct kd_entry *entry;
    double x;
    struct kd_stats y;
    size_t group; /* SIZE_MAX: teacher */
    bool distilled;
};

/* The models of a run that have an accuracy. *all: how many of them have a figure on the other axis
 * too, those for which there is no room with them. */
static size_t spots_of(const struct kd_report *report, size_t run,
                       double (*x)(const struct kd_report *, const struct kd_result *),
                       struct spot *spots, size_t *all, struct kd_err *err)
{
    *all = 0;
    size_t n = 0, *group = kd_alloc(report->n_entries, sizeof *group, "charts", err);
    if (!group) return 0;
    kd_groups_of(report, run, group);
    for (size_t i = 0; i < report->n_entries; i++) {
        const struct kd_entry *e = &report->entries[i];
        if (report->results[e->first].run != run) continue;
        struct spot s = {e, x ? kd_entry_stats(report, e, x).mean : NAN,
                         kd_entry_stats(report, e, kd_figure_top1), group[i],
                         kd_entry_distilled(report, e)};
        if (s.y.n && s.x > 0) ++*all;
        if (s.y.n && n < POINTS) spots[n++] = s;
    }
    kd_free(group);
    return n;
}

static const char *name_of(const struct kd_report *report, const struct spot *s)
{
    return report->results[s->entry->first].name;
}

/* Mean with a bar over its standard deviation. */
static void draw_spot(const struct kd_panel *p, const struct kd_report *report,
                      const struct spot *s, int ink, int shape)
{
    char tip[320];
    double x = kd_panel_x(p, s->x), y = kd_panel_y(p, s->y.mean);
    if (s->y.sd > 0) {
        double xs[2] = {x, x},
               ys[2] = {kd_panel_y(p, s->y.mean - s->y.sd), kd_panel_y(p, s->y.mean + s->y.sd)};
        kd_canvas_line(p->c, xs, ys, 2, (struct kd_pen){.ink = ink, .width = 1.5});
    }
    snprintf(tip, sizeof tip, "%.200s: %.2f %%, %zu seed%s", name_of(report, s), 100 * s->y.mean,
             s->y.n, s->y.n == 1 ? "" : "s");
    kd_canvas_dot(p->c, (struct kd_spot){x, y, 5, shape}, (struct kd_pen){.ink = ink}, tip);
}

/* What the bars are, where there are any; x, y: of the text. */
static void caption(struct kd_canvas *c, double x, double y, const struct spot *s, size_t n)
{
    bool bars = false;
    for (size_t i = 0; i < n; i++) bars |= s[i].y.sd > 0;
    if (bars) kd_caption(c, x, y, "Bars: standard deviation over seeds.");
}

static bool accuracy_axis(const struct spot *s, size_t n, struct kd_axis *axis)
{
    double v[2 * POINTS];
    for (size_t i = 0; i < n; i++) {
        double sd = isfinite(s[i].y.sd) ? s[i].y.sd : 0;
        v[2 * i] = s[i].y.mean - sd;
        v[2 * i + 1] = s[i].y.mean + sd;
    }
    return kd_axis_over(axis, v, 2 * n, false, KD_AXIS_PERCENT);
}

/* ---- accuracy against parameters ---------------------------------------------------------- */

/* Steps through the models that no other beats at their size or below. */
static void draw_front(const struct kd_panel *p, const struct spot *s, size_t n)
{
    double x[2 * POINTS + 1], y[2 * POINTS + 1], best = -INFINITY;
    bool used[POINTS] = {false};
    size_t k = 0;
    for (;;) {
        size_t next = n;
        for (size_t i = 0; i < n; i++) {
            if (used[i] || s[i].y.mean <= best) continue;
            if (next == n || s[i].x < s[next].x ||
                (s[i].x == s[next].x && s[i].y.mean > s[next].y.mean))
                next = i;
        }
        if (next == n) break;
        used[next] = true;
        if (k) {
            x[k] = kd_panel_x(p, s[next].x);
            y[k] = y[k - 1];
            k++;
        }
        best = s[next].y.mean;
        x[k] = kd_panel_x(p, s[next].x);
        y[k++] = kd_panel_y(p, best);
    }
    x[k] = p->x + p->w;
    y[k] = k ? y[k - 1] : 0;
    kd_canvas_line(p->c, x, y, k ? k + 1 : 0,
                   (struct kd_pen){.ink = KD_INK_FAINT, .width = 1.2, .dash = 5});
}

/* Is a model as accurate as any of its size or below? */
static bool on_front(const struct spot *s, size_t n, size_t i)
{
    for (size_t k = 0; k < n; k++)
        if (k != i && s[k].x <= s[i].x &&
            (s[k].y.mean > s[i].y.mean || (k < i && s[k].y.mean == s[i].y.mean)))
            return false;
    return true;
}

struct box {
    double left, top, right, bottom;
};

static bool is_free(const struct box *b, const struct box *taken, size_t n,
                    const struct kd_panel *p)
{
    if (b->left < p->x || b->right > p->x + p->w || b->top < p->y - 16 || b->bottom > p->y + p->h)
        return false;
    for (size_t k = 0; k < n; k++)
        if (b->left < taken[k].right && b->right > taken[k].left && b->top < taken[k].bottom &&
            b->bottom > taken[k].top)
            return false;
    return true;
}

/* Names of the models on the front, each beside its mark where no mark and no other name is;
 * without such a place it is left to the page's tips. */
static void label_spots(const struct kd_panel *p, const struct kd_report *report,
                        const struct spot *s, size_t n)
{
    struct box taken[2 * POINTS];
    size_t boxes = 0;
    for (size_t i = 0; i < n; i++) {
        double x = kd_panel_x(p, s[i].x), y = kd_panel_y(p, s[i].y.mean);
        taken[boxes++] = (struct box){x - 5, y - 5, x + 5, y + 5};
    }
    for (size_t i = 0; i < n; i++) {
        char label[160];
        if (!on_front(s, n, i)) continue;
        kd_text_fit(name_of(report, &s[i]), KD_TEXT_SIZE, 280, label);
        double x = kd_panel_x(p, s[i].x), y = kd_panel_y(p, s[i].y.mean),
               w = kd_type_width(label, KD_TEXT_SIZE);
        for (int side = 0; side < 2; side++) { /* above, to the right or the left; below it would
                                                  seem that of a lesser model */
            double left = side ? x - w - 8 : x + 8, bottom = y - 10;
            const struct box box = {left, bottom - 11, left + w, bottom + 2};
            if (!is_free(&box, taken, boxes, p)) continue;
            taken[boxes++] = box;
            kd_canvas_text(p->c, left, bottom, label, (struct kd_type){.size = KD_TEXT_SIZE});
            break;
        }
    }
}

static const int shapes[] = {2, 1, 0}; /* by kind */

static int kind_of(const struct spot *s)
{
    return s->group == SIZE_MAX ? 0 : s->distilled ? 2 : 1;
}

static size_t kinds_of(const struct spot *s, size_t n, struct kd_legend_item *items, bool front)
{
    static const char *const names[] = {"teacher", "plain student", "distilled student"};
    size_t k = 0;
    for (int kind = 0; kind < 3; kind++) {
        bool there = false;
        for (size_t i = 0; i < n; i++) there |= kind == kind_of(&s[i]);
        if (there)
            items[k++] =
                (struct kd_legend_item){names[kind], {.ink = KD_INK_SERIES + kind}, shapes[kind]};
    }
    if (front)
        items[k++] = (struct kd_legend_item){
            "Pareto front", {.ink = KD_INK_FAINT, .width = 1.2, .dash = 5}, -1};
    return k;
}

static int draw_scatter(const struct kd_report *report, size_t run, struct kd_chart_set *set,
                        struct kd_err *err)
{
    struct spot spots[POINTS];
    struct kd_legend_item items[4];
    double sizes[POINTS];
    char title[300], y_title[96];
    const struct kd_chart_room room = kd_chart_room(set, WIDTH, LEFT, HEIGHT - TOP - 118);
    struct kd_panel p = {.x = LEFT, .y = TOP, .w = room.width - LEFT - RIGHT, .h = room.height};
    size_t all, found = spots_of(report, run, kd_figure_parameters, spots, &all, err), n = 0;
    for (size_t i = 0; i < found; i++) {
        if (!(spots[i].x > 0)) continue;
        sizes[n] = spots[i].x;
        spots[n++] = spots[i];
    }
    if (n < 2 || !accuracy_axis(spots, n, &p.ay)) return 0;
    kd_axis_over(&p.ax, sizes, n, true, KD_AXIS_SIZE);
    snprintf(title, sizeof title, "Accuracy against parameters: %.200s", report->runs[run].name);
    snprintf(y_title, sizeof y_title, "%.40s top-1 accuracy, %%", report->split);
    size_t k = kinds_of(spots, n, items, true);
    double more = fmax(0, kd_legend(NULL, room.left, 0, room.legend, items, k) - 34);
    struct kd_chart *c =
        kd_chart_add(set, "accuracy-parameters", room.width, TOP + p.h + 118 + more, err, title);
    if (!c) return -1;
    p.c = &c->canvas;
    kd_panel_frame(&p, &(struct kd_panel_words){.x = "parameters", .y = y_title});
    draw_front(&p, spots, n);
    for (int kind = 2; kind >= 0; kind--) /* the few on top of the many */
        for (size_t i = 0; i < n; i++)
            if (kind_of(&spots[i]) == kind)
                draw_spot(&p, report, &spots[i], KD_INK_SERIES + kind, shapes[kind]);
    label_spots(&p, report, spots, n);
    kd_legend(p.c, room.left, TOP + p.h + 58, room.legend, items, k);
    caption(p.c, room.left, TOP + p.h + 106 + more, spots, n);
    kd_left_out_say(p.c, &(struct kd_left_out){"first", n, all, "models"}, 1);
    return 0;
}
const struct kd_chart_kind kd_chart_scatter = {draw_scatter};

/* ---- accuracy against temperature --------------------------------------------------------- */

static void level(const struct kd_panel *p, double v, int ink, double dash)
{
    double x[2] = {p->x, p->x + p->w}, y[2] = {kd_panel_y(p, v), kd_panel_y(p, v)};
    kd_canvas_line(p->c, x, y, 2, (struct kd_pen){.ink = ink, .width = 1.8, .dash = dash});
}

enum { ALPHAS = KD_N_SERIES - 2 }; /* a colour each, beside the teacher's and the plain student's */

/* One network's students: a line over T for each alpha, levels for its plain student and the
 * teacher. */
struct sweep {
    struct spot spots[POINTS]; /* distilled, by alpha, then T */
    size_t n, alphas;
    size_t all_alphas; /* those for which there is no colour too */
    double alpha[ALPHAS];
    const struct spot *plain, *teacher;
};

static int sweep_order(const struct kd_report *report, const struct spot *a, const struct spot *b)
{
    double p = kd_entry_stats(report, a->entry, alpha).mean,
           q = kd_entry_stats(report, b->entry, alpha).mean;
    if (p != q) return p < q ? -1 : 1;
    return (a->x > b->x) - (a->x < b->x);
}

static void sweep_make(const struct kd_report *report, size_t group, const struct spot *all,
                       size_t n, struct sweep *s)
{
    *s = (struct sweep){.n = 0};
    for (size_t i = 0; i < n; i++) {
        if (all[i].group == SIZE_MAX && !s->teacher) s->teacher = &all[i];
        if (all[i].group != group) continue;
        if (!all[i].distilled || !(all[i].x > 0)) continue;
        size_t k = s->n++;
        for (; k > 0 && sweep_order(report, &all[i], &s->spots[k - 1]) < 0; k--)
            s->spots[k] = s->spots[k - 1];
        s->spots[k] = all[i];
    }
    const struct kd_entry *plain = s->n ? kd_report_plain(report, s->spots[0].entry) : NULL;
    for (size_t i = 0; i < n; i++)
        if (all[i].entry == plain) s->plain = &all[i];
    size_t drawn = s->n;
    double last = NAN;
    for (size_t i = 0; i < s->n; i++) {
        double a = kd_entry_stats(report, s->spots[i].entry, alpha).mean;
        if (i > 0 && (a == last || (isnan(a) && isnan(last)))) continue;
        last = a;
        if (s->all_alphas++ < ALPHAS)
            s->alpha[s->alphas++] = a;
        else if (drawn == s->n)
            drawn = i;
    }
    s->n = drawn;
}

static bool has_sweep(const struct sweep *s)
{
    for (size_t i = 1; i < s->n; i++)
        if (s->spots[i].x != s->spots[0].x) return true;
    return false;
}

static void sweep_lines(const struct kd_report *report, const struct kd_panel *p,
                        const struct sweep *s)
{
    double x[POINTS], y[POINTS];
    size_t at = 0;
    for (size_t a = 0; a < s->alphas; a++) {
        size_t k = 0, first = at;
        double best = NAN;
        for (; at < s->n; at++) {
            double mine = kd_entry_stats(report, s->spots[at].entry, alpha).mean;
            if (mine != s->alpha[a] && !(isnan(mine) && isnan(s->alpha[a]))) break;
            /* Where several share a T the line goes through the one best on validation. */
            double valid = kd_entry_stats(report, s->spots[at].entry, kd_figure_valid).mean;
            bool same = k && at > first && s->spots[at].x == s->spots[at - 1].x;
            if (same && !(valid > best)) continue;
            best = valid;
            if (same) k--;
            x[k] = kd_panel_x(p, s->spots[at].x);
            y[k++] = kd_panel_y(p, s->spots[at].y.mean);
        }
        int ink = KD_INK_SERIES + 2 + (int)a;
        kd_canvas_line(p->c, x, y, k, (struct kd_pen){.ink = ink, .width = 1.8});
        for (size_t i = first; i < at; i++) draw_spot(p, report, &s->spots[i], ink, 0);
    }
}

/* Keeps one of each value, ascending. */
static size_t unique_sorted(double *v, size_t n)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        double value = v[i];
        size_t k = 0;
        while (k < kept && v[k] < value) k++;
        if (k < kept && v[k] == value) continue;
        memmove(&v[k + 1], &v[k], (kept++ - k) * sizeof *v);
        v[k] = value;
    }
    return kept;
}

static size_t sweep_legend(const struct kd_report *report, const struct sweep *s,
                           char labels[ALPHAS][48], struct kd_legend_item *items)
{
    size_t k = 0;
    if (s->teacher)
        items[k++] = (struct kd_legend_item){
            "teacher", {.ink = KD_INK_SERIES, .width = 1.8, .dash = 2.5}, -1};
    if (s->plain)
        items[k++] = (struct kd_legend_item){
            name_of(report, s->plain), {.ink = KD_INK_SERIES + 1, .width = 1.8, .dash = 7}, -1};
    for (size_t a = 0; a < s->alphas; a++) {
        if (isfinite(s->alpha[a]))
            snprintf(labels[a], sizeof labels[a], "distilled, alpha %.3g", s->alpha[a]);
        else
            snprintf(labels[a], sizeof labels[a], "distilled");
        items[k++] = (struct kd_legend_item){
            labels[a], {.ink = KD_INK_SERIES + 2 + (int)a, .width = 1.8}, -1};
    }
    return k;
}

static int sweep_draw(const struct kd_report *report, size_t run, const struct sweep *s,
                      size_t groups, const struct kd_left_out *models, struct kd_chart_set *set,
                      struct kd_err *err)
{
    const struct kd_chart_room room = kd_chart_room(set, WIDTH, LEFT, HEIGHT - TOP - 118);
    struct kd_panel p = {.x = LEFT, .y = TOP, .w = room.width - LEFT - RIGHT, .h = room.height};
    struct kd_legend_item items[KD_N_SERIES + 2];
    struct spot shown[POINTS + 2];
    char labels[ALPHAS][48], title[400], size[64], y_title[96];
    double ts[POINTS];
    size_t n = s->n;
    for (size_t i = 0; i < s->n; i++) ts[i] = s->spots[i].x;
    memcpy(shown, s->spots, s->n * sizeof *shown);
    if (s->plain && n < POINTS) shown[n++] = *s->plain;
    if (s->teacher && n < POINTS) shown[n++] = *s->teacher;
    if (!accuracy_axis(shown, n, &p.ay)) return 0;
    kd_axis_over(&p.ax, ts, s->n, true, KD_AXIS_NUMBER);
    p.ax.at = ts;
    p.ax.n_at = unique_sorted(ts, s->n);
    if (p.ax.n_at > 9) p.ax.at = NULL;
    kd_size_words(report->results[s->spots[0].entry->first].parameters, size);
    snprintf(title, sizeof title, "Accuracy against temperature: %.200s%s%s",
             report->runs[run].name, groups > 1 && size[0] ? ", students of " : "",
             groups > 1 ? size : "");
    snprintf(y_title, sizeof y_title, "%.40s top-1 accuracy, %%", report->split);
    size_t k = sweep_legend(report, s, labels, items);
    double more = fmax(0, kd_legend(NULL, room.left, 0, room.legend, items, k) - LEGEND);
    struct kd_chart *c =
        kd_chart_add(set, "accuracy-temperature", room.width, TOP + p.h + 118 + more, err, title);
    if (!c) return -1;
    p.c = &c->canvas;
    kd_panel_frame(&p, &(struct kd_panel_words){.x = "temperature T", .y = y_title});
    if (s->teacher) level(&p, s->teacher->y.mean, KD_INK_SERIES, 2.5);
    if (s->plain) level(&p, s->plain->y.mean, KD_INK_SERIES + 1, 7);
    sweep_lines(report, &p, s);
    kd_legend(p.c, room.left, TOP + p.h + 50, room.legend, items, k);
    const struct kd_left_out cuts[] = {{"lowest", s->alphas, s->all_alphas, "values of alpha"},
                                       *models};
    caption(p.c, room.left, TOP + p.h + 106 + more, s->spots, s->n);
    kd_left_out_say(p.c, cuts, 2);
    return 0;
}

static int draw_temperature(const struct kd_report *report, size_t run, struct kd_chart_set *set,
                            struct kd_err *err)
{
    struct spot *all = kd_alloc(POINTS, sizeof *all, "charts", err);
    struct sweep *sweep = kd_alloc(1, sizeof *sweep, "charts", err);
    size_t there = 0, drawn = 0, n = all ? spots_of(report, run, temperature, all, &there, err) : 0,
           groups = 0;
    int status = all && sweep ? 0 : -1;
    for (size_t i = 0; i < n; i++)
        if (all[i].group != SIZE_MAX && all[i].group + 1 > groups) groups = all[i].group + 1;
    for (size_t i = 0; i < n; i++) drawn += all[i].x > 0;
    const struct kd_left_out models = {"first", drawn, there, "models with a temperature"};
    for (size_t g = 0; g < groups && status == 0; g++) {
        sweep_make(report, g, all, n, sweep);
        if (has_sweep(sweep)) status = sweep_draw(report, run, sweep, groups, &models, set, err);
    }
    kd_free(all);
    kd_free(sweep);
    return status;
}
const struct kd_chart_kind kd_chart_temperature = {draw_temperature};
