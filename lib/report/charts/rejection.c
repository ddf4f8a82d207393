/* A model that may pass: how right it is on the images that it answers, by how many it answers. */
#include "chart.h"
#include "kd/nn/reject.h"
#include "kd/report/logits.h"
#include "plot.h"

#include <math.h>
#include <stdio.h>

static bool has_logits(const struct kd_report *report, const struct kd_result *r)
{
    struct kd_logits l;
    const bool has = kd_logits_read(report, r, &l) && l.labels;
    kd_logits_release(&l);
    return has;
}

/* One number of each step of the curve. */
static void take(const struct kd_reject *reject, double x[KD_REJECT_STEPS],
                 double y[KD_REJECT_STEPS])
{
    for (size_t i = 0; i < KD_REJECT_STEPS; i++) {
        x[i] = reject->curve[i].share;
        y[i] = reject->curve[i].top1;
    }
}

static void draw_curve(const struct kd_panel *p, const struct kd_reject *reject, const double *x,
                       const double *y)
{
    const struct kd_pen pen = {.ink = KD_INK_SERIES + 1, .width = 2};
    double at_x[KD_REJECT_STEPS], at_y[KD_REJECT_STEPS];
    char tip[200];
    for (size_t i = 0; i < KD_REJECT_STEPS; i++) {
        at_x[i] = kd_panel_x(p, x[i]);
        at_y[i] = kd_panel_y(p, y[i]);
    }
    kd_canvas_line(p->c, at_x, at_y, KD_REJECT_STEPS, pen);
    for (size_t i = 0; i < KD_REJECT_STEPS; i++) {
        snprintf(tip, sizeof tip, "%.0f %% answered, from probability %.4f on: %.2f %% right",
                 100 * x[i], reject->curve[i].threshold, 100 * y[i]);
        kd_canvas_dot(p->c, (struct kd_spot){.x = at_x[i], .y = at_y[i], .radius = 4}, pen, tip);
    }
}

static int draw(const struct kd_reject *reject, const char *title, struct kd_chart_set *set,
                struct kd_err *err)
{
    const struct kd_axis whole = {.low = 0, .high = 1, .form = KD_AXIS_PERCENT};
    const struct kd_chart_room room = kd_chart_room(set, 520, 78, 320);
    double x[KD_REJECT_STEPS], y[KD_REJECT_STEPS];
    struct kd_axis right;
    take(reject, x, y);
    if (!kd_axis_over(&right, y, KD_REJECT_STEPS, false, KD_AXIS_PERCENT)) return 0;
    struct kd_chart *chart =
        kd_chart_add(set, "rejection", room.width, room.height + 130, err, title);
    if (!chart) return -1;
    const struct kd_panel p = {&chart->canvas, 78, 52, room.width - 102, room.height, whole, right};
    kd_panel_frame(&p, &(struct kd_panel_words){.x = "answered, % of the images",
                                                .y = "accuracy on those, %"});
    draw_curve(&p, reject, x, y);
    kd_caption(p.c, room.left, room.height + 118,
               "The surest images are answered first. kd-eval --reject finds the threshold for an "
               "accuracy.");
    return 0;
}

static int draw_rejection(const struct kd_report *report, size_t run, struct kd_chart_set *set,
                          struct kd_err *err)
{
    const struct kd_result *r = kd_result_shown(report, run, has_logits);
    struct kd_reject reject;
    struct kd_logits l;
    char title[300];
    if (!r || !kd_logits_read(report, r, &l)) return 0;
    const struct kd_answers_of answers = {l.z, l.labels, l.n, l.classes};
    int status = kd_reject_of(&answers, 1, &reject, err);
    kd_logits_release(&l);
    kd_model_title("Answers that it is sure of", report, r, title);
    return status == 0 && reject.n ? draw(&reject, title, set, err) : status;
}
const struct kd_chart_kind kd_chart_rejection = {draw_rejection};
