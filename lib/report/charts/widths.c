/* Errors against temperature, the networks of a run's students together: which temperature suits
 * which size. */
#include "chart.h"
#include "kd/base/mem.h"
#include "plot.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

#define WIDTH  720.0
#define HEIGHT 560.0
#define LEFT   78.0
#define RIGHT  24.0
#define TOP    52.0
#define POINTS 64 /* most temperatures of a network */

struct at { /* a student: mean error and standard deviation over seeds */
    double t, error, sd, valid;
};
struct line { /* one network's */
    struct at at[POINTS];
    size_t n;
    const struct kd_entry *first;
    double plain; /* error of its plain student, NaN: none */
};

/* By temperature; of several at one the best on validation. */
static void put(struct line *l, struct at a)
{
    size_t k = l->n;
    for (size_t i = 0; i < l->n; i++)
        if (l->at[i].t == a.t) {
            if (a.valid > l->at[i].valid) l->at[i] = a;
            return;
        }
    if (l->n == POINTS) return;
    for (; k > 0 && l->at[k - 1].t > a.t; k--) l->at[k] = l->at[k - 1];
    l->at[k] = a;
    l->n++;
}

/* lines has room for one more than are drawn, the last to try the rest in; *all: how many networks
 * have a line. */
static size_t lines_make(const struct kd_report *report, size_t run, const size_t *group,
                         size_t groups, struct line *lines, size_t *all)
{
    size_t n = 0;
    *all = 0;
    for (size_t g = 0; g < groups; g++) {
        struct line *l = &lines[n];
        *l = (struct line){.plain = NAN};
        for (size_t i = 0; i < report->n_entries; i++) {
            const struct kd_entry *e = &report->entries[i];
            const struct kd_result *r = &report->results[e->first];
            struct kd_stats s = kd_entry_stats(report, e, kd_figure_top1);
            if (r->run != run || group[i] != g || r->corrected || !(r->temperature > 0) ||
                !(s.mean < 1))
                continue;
            if (!l->first) l->first = e;
            put(l, (struct at){r->temperature, 1 - s.mean, isfinite(s.sd) ? s.sd : 0,
                               kd_entry_stats(report, e, kd_figure_valid).mean});
        }
        if (l->n < 2) continue;
        if ((*all)++ >= KD_N_SERIES) continue;
        const struct kd_entry *plain = kd_report_plain(report, l->first);
        if (plain) l->plain = 1 - kd_entry_stats(report, plain, kd_figure_top1).mean;
        n++;
    }
    return n;
}

/* A line is called as its students are, without what the sweep wrote behind. */
static void name_of(const struct kd_report *report, const struct line *l, char out[96])
{
    const char *name = report->results[l->first->first].name;
    snprintf(out, 96, "%.*s", (int)(strcspn(name, ",") < 80 ? strcspn(name, ",") : 80), name);
}

static void draw_line(const struct kd_report *report, const struct kd_panel *p,
                      const struct line *l, int ink, double dodge)
{
    double x[POINTS], y[POINTS];
    char name[96], tip[200];
    name_of(report, l, name);
    for (size_t i = 0; i < l->n; i++) {
        const struct at *a = &l->at[i];
        x[i] = kd_panel_x(p, a->t) + dodge;
        y[i] = kd_panel_y(p, a->error);
        double bar_x[2] = {x[i], x[i]}, low = fmax(a->error - a->sd, p->ay.low);
        double bar_y[2] = {kd_panel_y(p, low), kd_panel_y(p, a->error + a->sd)};
        if (a->sd > 0)
            kd_canvas_line(p->c, bar_x, bar_y, 2, (struct kd_pen){.ink = ink, .width = 1.4});
        snprintf(tip, sizeof tip, "%s, T %.4g: %.2f %% errors, sd %.2f", name, a->t, 100 * a->error,
                 100 * a->sd);
        kd_canvas_dot(p->c, (struct kd_spot){x[i], y[i], 4, 0}, (struct kd_pen){.ink = ink}, tip);
    }
    kd_canvas_line(p->c, x, y, l->n, (struct kd_pen){.ink = ink, .width = 1.8});
    double plain_x[2] = {p->x, p->x + p->w},
           plain_y[2] = {kd_panel_y(p, l->plain), kd_panel_y(p, l->plain)};
    if (!isnan(l->plain))
        kd_canvas_line(p->c, plain_x, plain_y, 2,
                       (struct kd_pen){.ink = ink, .width = 1.2, .dash = 5});
}

static bool axes_make(struct kd_panel *p, const struct line *lines, size_t n, double *ts)
{
    double v[KD_N_SERIES * (2 * POINTS + 1)] = {NAN};
    size_t k = 0, m = 0;
    for (size_t g = 0; g < n; g++) {
        v[k++] = lines[g].plain;
        for (size_t i = 0; i < lines[g].n; i++) {
            v[k++] = lines[g].at[i].error - lines[g].at[i].sd;
            v[k++] = lines[g].at[i].error + lines[g].at[i].sd;
            size_t at = 0;
            while (at < m && ts[at] < lines[g].at[i].t) at++;
            if (at < m && ts[at] == lines[g].at[i].t) continue;
            if (m == POINTS) continue;
            memmove(&ts[at + 1], &ts[at], (m++ - at) * sizeof *ts);
            ts[at] = lines[g].at[i].t;
        }
    }
    if (!kd_axis_over(&p->ay, v, k, true, KD_AXIS_PERCENT)) return false;
    kd_axis_over(&p->ax, ts, m, true, KD_AXIS_NUMBER);
    if (m <= 12) {
        p->ax.at = ts;
        p->ax.n_at = m;
    }
    return true;
}

static int draw(const struct kd_report *report, size_t run, const struct line *lines, size_t n,
                size_t all, struct kd_chart_set *set, struct kd_err *err)
{
    const struct kd_chart_room room = kd_chart_room(set, WIDTH, LEFT, HEIGHT - TOP - 118);
    struct kd_panel p = {.x = LEFT, .y = TOP, .w = room.width - LEFT - RIGHT, .h = room.height};
    struct kd_legend_item items[KD_N_SERIES];
    char names[KD_N_SERIES][96], title[300];
    double ts[POINTS + 1];
    if (!axes_make(&p, lines, n, ts)) return 0;
    snprintf(title, sizeof title, "Errors against temperature by network: %.200s",
             report->runs[run].name);
    struct kd_chart *c =
        kd_chart_add(set, "temperature-networks", room.width, TOP + p.h + 118, err, title);
    if (!c) return -1;
    p.c = &c->canvas;
    snprintf(title, sizeof title, "%.40s errors, %% (logarithmic)", report->split);
    kd_panel_frame(&p, &(struct kd_panel_words){.x = "temperature T (logarithmic)", .y = title});
    for (size_t g = 0; g < n; g++) {
        draw_line(report, &p, &lines[g], KD_INK_SERIES + (int)g, kd_panel_dodge(g, n));
        name_of(report, &lines[g], names[g]);
        items[g] =
            (struct kd_legend_item){names[g], {.ink = KD_INK_SERIES + (int)g, .width = 1.8}, -1};
    }
    double legend = kd_legend(p.c, room.left, TOP + p.h + 50, room.legend, items, n);
    kd_caption(
        p.c, room.left, TOP + p.h + fmax(106, legend + 66),
        "Bars: standard deviation over seeds, drawn a little apart. Dashed: the same network "
        "without a teacher.");
    kd_left_out_say(p.c, &(struct kd_left_out){"first", n, all, "networks"}, 1);
    return 0;
}

static int draw_widths(const struct kd_report *report, size_t run, struct kd_chart_set *set,
                       struct kd_err *err)
{
    size_t *group = kd_alloc(report->n_entries, sizeof *group, "charts", err);
    struct line *lines = kd_alloc(KD_N_SERIES + 1, sizeof *lines, "charts", err);
    int status = group && lines ? 0 : -1;
    if (status == 0) {
        size_t all, groups = kd_groups_of(report, run, group),
                    n = lines_make(report, run, group, groups, lines, &all);
        if (n > 1) status = draw(report, run, lines, n, all, set, err);
    }
    kd_free(group);
    kd_free(lines);
    return status;
}
const struct kd_chart_kind kd_chart_widths = {draw_widths};
