/* What remains where parameters and temperature are the same: each model's accuracy with its seeds;
 * and accuracy against the share of the data that was learnt from. */
#include "chart.h"
#include "kd/base/json.h"
#include "kd/base/mem.h"
#include "kd/report/figures.h"
#include "plot.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

#define WIDTH 720.0
#define RIGHT 24.0
#define TOP   52.0
#define ROWS  60 /* most models in one chart */
#define LINE  20.0
#define SEVERAL                                                                                    \
    5 /* times the fewest errors: from there accuracies of the better ones are hard to tell apart  \
       */

/* ---- models one below the other ------------------------------------------------------------ */

static int kind_of(const struct kd_report *report, const struct kd_entry *e)
{
    const struct kd_result *r = &report->results[e->first];
    return r->role == KD_ROLE_TEACHER ? 0 : kd_entry_distilled(report, e) ? 2 : 1;
}

/* A chart of errors on a logarithmic axis where one makes several times those of another; else of
 * accuracy. */
struct ranking {
    const struct kd_report *report;
    struct kd_panel panel;
    bool errors;
};

static double place(const struct ranking *r, double top1)
{
    return kd_panel_x(&r->panel, r->errors ? 1 - top1 : top1);
}

static void draw_row(const struct ranking *of, const struct kd_entry *e, double y)
{
    const struct kd_report *report = of->report;
    const struct kd_panel *p = &of->panel;
    const struct kd_result *r = &report->results[e->first];
    struct kd_stats s = kd_entry_stats(report, e, kd_figure_top1);
    int ink = KD_INK_SERIES + kind_of(report, e);
    char name[160], tip[300];
    kd_text_fit(r->name, KD_TEXT_SIZE, p->x - 24, name);
    kd_canvas_text(p->c, p->x - 8, y + 4, name,
                   (struct kd_type){.size = KD_TEXT_SIZE, .anchor = 1});
    for (size_t i = 0; i < e->n; i++) {
        double v = kd_figure_top1(report, &report->results[e->first + i]);
        snprintf(tip, sizeof tip, "%.200s, seed %.0f: %.2f %%", r->name,
                 report->results[e->first + i].seed, 100 * v);
        if (isfinite(v))
            kd_canvas_dot(p->c, (struct kd_spot){place(of, v), y, 2.5, 0},
                          (struct kd_pen){.ink = ink, .opacity = 0.45}, tip);
    }
    double x[2] = {place(of, s.mean - s.sd), place(of, s.mean + s.sd)}, both[2] = {y, y};
    if (s.sd > 0) kd_canvas_line(p->c, x, both, 2, (struct kd_pen){.ink = ink, .width = 1.6});
    snprintf(tip, sizeof tip, "%.200s: %.2f %%, sd %.2f", r->name, 100 * s.mean, 100 * s.sd);
    kd_canvas_dot(p->c, (struct kd_spot){place(of, s.mean), y, 4.5, 2}, (struct kd_pen){.ink = ink},
                  tip);
}

static bool rows_axis(struct ranking *r, const struct kd_entry *const *rows, size_t n)
{
    double v[3 * ROWS] = {NAN}, least = INFINITY, most = -INFINITY;
    bool above = true; /* no bar reaches 100 % */
    for (size_t i = 0; i < n; i++) {
        struct kd_stats s = kd_entry_stats(r->report, rows[i], kd_figure_top1);
        double sd = isfinite(s.sd) ? s.sd : 0;
        v[3 * i] = fmin(s.min, s.mean - sd);
        v[3 * i + 1] = fmax(s.max, s.mean + sd);
        v[3 * i + 2] = s.mean;
        above = above && v[3 * i + 1] < 1;
        least = fmin(least, s.mean);
        most = fmax(most, s.mean);
    }
    r->errors = above && 1 - least >= SEVERAL * (1 - most);
    for (size_t i = 0; r->errors && i < 3 * n; i++) v[i] = 1 - v[i];
    return kd_axis_over(&r->panel.ax, v, 3 * n, r->errors, KD_AXIS_PERCENT);
}

static int draw_ranking(const struct kd_report *report, size_t run, struct kd_chart_set *set,
                        struct kd_err *err)
{
    static const char *const names[] = {"teacher", "plain student", "distilled student"};
    const struct kd_entry *rows[ROWS];
    struct kd_legend_item items[3];
    char title[300];
    size_t n = 0, all = 0, k = 0;
    const struct kd_chart_room room = kd_chart_room(set, WIDTH, 78, 350);
    double left = 80;
    bool kinds[3] = {false};
    for (size_t i = 0; i < report->n_entries; i++) {
        const struct kd_entry *e = &report->entries[i];
        const struct kd_result *r = &report->results[e->first];
        if (r->run != run || !kd_entry_stats(report, e, kd_figure_top1).n) continue;
        if (all++ >= ROWS) continue;
        rows[n++] = e;
        kinds[kind_of(report, e)] = true;
        left = fmax(left, fmin(0.37 * room.width, kd_type_width(r->name, KD_TEXT_SIZE) + 32));
    }
    struct ranking r = {
        .report = report,
        .panel = {.x = left, .y = TOP, .w = room.width - left - RIGHT, .h = LINE * (double)n + 8}};
    struct kd_panel *p = &r.panel;
    if (n < 2 || !rows_axis(&r, rows, n)) return 0;
    p->ay = (struct kd_axis){.low = 0, .high = 1, .at = &left}; /* no ticks */
    snprintf(title, sizeof title, "%s of each model: %.200s", r.errors ? "Errors" : "Accuracy",
             report->runs[run].name);
    struct kd_chart *c =
        kd_chart_add(set, "accuracy-models", room.width, TOP + p->h + 108, err, title);
    if (!c) return -1;
    p->c = &c->canvas;
    snprintf(title, sizeof title,
             r.errors ? "%.40s errors, %% (logarithmic)" : "%.40s top-1 accuracy, %%",
             report->split);
    kd_panel_frame(p, &(struct kd_panel_words){.x = title, .no_y_numbers = true});
    for (size_t i = 0; i < n; i++) draw_row(&r, rows[i], TOP + 4 + LINE * ((double)i + 0.5));
    for (int kind = 0; kind < 3; kind++)
        if (kinds[kind])
            items[k++] = (struct kd_legend_item){names[kind], {.ink = KD_INK_SERIES + kind}, 2};
    double more = kd_legend(p->c, room.left, TOP + p->h + 62, room.legend, items, k) - 20;
    kd_caption(p->c, room.left, TOP + p->h + 98 + more,
               "Small: each seed. Large: their mean, with the standard deviation.");
    kd_left_out_say(p->c, &(struct kd_left_out){"first", n, all, "models"}, 1);
    return 0;
}
const struct kd_chart_kind kd_chart_ranking = {draw_ranking};

/* ---- accuracy against the share of the data ------------------------------------------------- */

enum { PLAIN, DISTILLED, UNLABELLED, FORMS };
static const char *const form_names[FORMS] = {"labels alone", "labels and teacher",
                                              "teacher alone, no labels"};

struct share { /* a student in the chart */
    const struct kd_entry *entry;
    double fraction;
    int form;
    struct kd_stats y;
};

static bool share_of(const struct kd_report *report, const struct kd_entry *e, struct share *out)
{
    const struct kd_result *r = &report->results[e->first];
    struct kd_err ignored;
    if (r->role != KD_ROLE_STUDENT || r->corrected || !r->data) return false;
    cJSON *data = kd_json_parse(r->data, strlen(r->data), "data", &ignored);
    double fraction = kd_number_at(data, "fraction");
    bool unlabelled = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(data, "unlabelled"));
    cJSON_Delete(data);
    *out = (struct share){e, fraction,
                          unlabelled     ? UNLABELLED
                          : r->distilled ? DISTILLED
                                         : PLAIN,
                          kd_entry_stats(report, e, kd_figure_top1)};
    return fraction > 0 && out->y.n > 0;
}

/* By form, then fraction. Returns how many; *differ: more than one fraction is there; *all: also
 * those without room. */
static size_t shares_make(const struct kd_report *report, size_t run, struct share *shares,
                          bool *differ, size_t *all)
{
    size_t n = 0;
    *differ = false;
    *all = 0;
    for (size_t i = 0; i < report->n_entries; i++) {
        struct share s;
        if (report->results[report->entries[i].first].run != run ||
            !share_of(report, &report->entries[i], &s))
            continue;
        if ((*all)++ >= ROWS) continue;
        size_t k = n++;
        for (; k > 0 && (shares[k - 1].form > s.form ||
                         (shares[k - 1].form == s.form && shares[k - 1].fraction > s.fraction));
             k--)
            shares[k] = shares[k - 1];
        shares[k] = s;
        *differ =
            *differ || s.fraction != shares[0].fraction || s.fraction != shares[n - 1].fraction;
    }
    return n;
}

static void draw_share(const struct kd_report *report, const struct kd_panel *p,
                       const struct share *s, double x)
{
    char tip[300];
    double xs[2] = {x, x}, sd = isfinite(s->y.sd) ? s->y.sd : 0;
    double ys[2] = {kd_panel_y(p, 1 - s->y.mean - sd), kd_panel_y(p, 1 - s->y.mean + sd)};
    int ink = KD_INK_SERIES + 1 + s->form;
    snprintf(tip, sizeof tip, "%.200s: %.2f %% errors, sd %.2f",
             report->results[s->entry->first].name, 100 * (1 - s->y.mean), 100 * sd);
    if (sd > 0) kd_canvas_line(p->c, xs, ys, 2, (struct kd_pen){.ink = ink, .width = 1.4});
    kd_canvas_dot(p->c, (struct kd_spot){x, kd_panel_y(p, 1 - s->y.mean), 4, 0},
                  (struct kd_pen){.ink = ink}, tip);
}

static size_t forms_of(const struct share *s, size_t n)
{
    size_t forms = 0;
    for (size_t i = 0; i < n; i++) forms += i == 0 || s[i].form != s[i - 1].form;
    return forms;
}

static void draw_shares(const struct kd_report *report, const struct kd_panel *p,
                        const struct share *s, size_t n)
{
    double x[ROWS], y[ROWS];
    for (size_t from = 0, k, form = 0; from < n; from += k, form++) {
        for (k = 0; from + k < n && s[from + k].form == s[from].form; k++) {
            x[k] = kd_panel_x(p, s[from + k].fraction) + kd_panel_dodge(form, forms_of(s, n));
            y[k] = kd_panel_y(p, 1 - s[from + k].y.mean);
            draw_share(report, p, &s[from + k], x[k]);
        }
        kd_canvas_line(p->c, x, y, k,
                       (struct kd_pen){.ink = KD_INK_SERIES + 1 + s[from].form, .width = 1.8});
    }
}

/* Error of the run's teacher, which saw all images; NaN: none. */
static double teacher_error(const struct kd_report *report, size_t run)
{
    const struct kd_entry *teacher = kd_teacher_entry(report, run);
    return teacher ? 1 - kd_entry_stats(report, teacher, kd_figure_top1).mean : NAN;
}

/* Axes over the students and the teacher; the shares that are there, ascending, are the ticks. */
static bool share_axes(struct kd_panel *p, const struct share *s, size_t n, double teacher,
                       double at[ROWS])
{
    double v[2 * ROWS + 1] = {teacher};
    size_t m = 0;
    for (size_t i = 0; i < n; i++) {
        double sd = isfinite(s[i].y.sd) ? s[i].y.sd : 0;
        size_t k = 0;
        v[2 * i + 1] = 1 - s[i].y.mean + sd;
        v[2 * i + 2] = 1 - s[i].y.mean - sd;
        while (k < m && at[k] < s[i].fraction) k++;
        if (k < m && at[k] == s[i].fraction) continue;
        memmove(&at[k + 1], &at[k], (m++ - k) * sizeof *at);
        at[k] = s[i].fraction;
    }
    if (!kd_axis_over(&p->ay, v, 2 * n + 1, true, KD_AXIS_PERCENT) ||
        !kd_axis_over(&p->ax, at, m, true, KD_AXIS_PERCENT))
        return false;
    if (m <= 12) {
        p->ax.at = at;
        p->ax.n_at = m;
    }
    return true;
}

static int make_shares(const struct kd_report *report, size_t run, struct kd_chart_set *set,
                       struct kd_err *err)
{
    struct share s[ROWS];
    struct kd_legend_item items[FORMS + 1];
    const struct kd_chart_room room = kd_chart_room(set, WIDTH, 78, 350);
    struct kd_panel p = {.x = 78, .y = TOP, .w = room.width - 78 - RIGHT, .h = room.height};
    double at[ROWS + 1], teacher = teacher_error(report, run);
    char title[300];
    bool differ;
    size_t all, n = shares_make(report, run, s, &differ, &all), k = 0;
    if (!differ || !share_axes(&p, s, n, teacher, at)) return 0;
    snprintf(title, sizeof title, "Errors against data: %.200s", report->runs[run].name);
    struct kd_chart *c = kd_chart_add(set, "errors-data", room.width, TOP + p.h + 132, err, title);
    if (!c) return -1;
    p.c = &c->canvas;
    snprintf(title, sizeof title, "%.40s errors, %% (logarithmic)", report->split);
    kd_panel_frame(&p, &(struct kd_panel_words){
                           .x = "share of the training images, % (logarithmic)", .y = title});
    if (teacher > 0) {
        double x[2] = {p.x, p.x + p.w}, y[2] = {kd_panel_y(&p, teacher), kd_panel_y(&p, teacher)};
        struct kd_pen pen = {.ink = KD_INK_SERIES, .width = 1.2, .dash = 5};
        kd_canvas_line(p.c, x, y, 2, pen);
        items[k++] = (struct kd_legend_item){"teacher", pen, -1};
    }
    draw_shares(report, &p, s, n);
    for (size_t i = 0; i < n; i++)
        if (i == 0 || s[i].form != s[i - 1].form)
            items[k++] = (struct kd_legend_item){
                form_names[s[i].form], {.ink = KD_INK_SERIES + 1 + s[i].form, .width = 1.8}, -1};
    double legend = kd_legend(p.c, room.left, TOP + p.h + 58, room.legend, items, k);
    kd_caption(p.c, room.left, TOP + p.h + fmax(120, legend + 78),
               "Bars: standard deviation over seeds, drawn a little apart.");
    kd_left_out_say(p.c, &(struct kd_left_out){"first", n, all, "students"}, 1);
    return 0;
}
const struct kd_chart_kind kd_chart_shares = {make_shares};
