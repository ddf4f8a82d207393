/* Axes, panels and legends on a canvas. */
#ifndef KD_REPORT_PLOT_H
#define KD_REPORT_PLOT_H
#include "kd/report/canvas.h"

enum kd_axis_form { KD_AXIS_NUMBER, KD_AXIS_PERCENT, KD_AXIS_SIZE /* 20 k, 1 M */ };
struct kd_axis {
    double low, high; /* low < high; both above 0 where log */
    bool log, whole;  /* whole: no ticks between whole numbers */
    enum kd_axis_form form;
    const double *at; /* ticks wanted at these values, or NULL: round ones */
    size_t n_at;
};
struct kd_panel { /* a coordinate system in a rectangle of a canvas */
    struct kd_canvas *c;
    double x, y, w, h;
    struct kd_axis ax, ay;
};
struct kd_panel_words {
    const char *title, *x, *y; /* NULL: none */
    bool no_x_numbers, no_y_numbers;
};

/* An axis over the finite values (above 0 where log), a little wider on both sides. False where
 * there are none. */
bool kd_axis_over(struct kd_axis *axis, const double *v, size_t n, bool log,
                  enum kd_axis_form form);
/* Round values within an axis, about `wanted` of them; returns how many, at most `most`. */
size_t kd_axis_ticks(const struct kd_axis *axis, size_t wanted, double *ticks, size_t most);
/* A tick as text. `step` is the distance of the ticks, 0 for log axes. */
void kd_axis_label(const struct kd_axis *axis, double v, double step, char out[32]);

double kd_panel_x(const struct kd_panel *p, double v);
/* How far the k-th of n series moves sideways, so that error bars at the same x do not hide each
 * other. */
double kd_panel_dodge(size_t k, size_t n);
double kd_panel_y(const struct kd_panel *p, double v);
/* Grid, frame, tick labels, titles. */
void kd_panel_frame(const struct kd_panel *p, const struct kd_panel_words *words);
/* Cut what follows at the panel; kd_canvas_clip(c, (struct kd_box){0}) ends it. */
void kd_panel_clip(const struct kd_panel *p);

struct kd_legend_item {
    const char *label;
    struct kd_pen pen;
    int shape; /* -1: a line; else a dot of this shape */
};
/* Rows of items from the left, wrapped at width. Draws where c is not NULL; returns the height. */
double kd_legend(struct kd_canvas *c, double x, double y, double width,
                 const struct kd_legend_item *items, size_t n);
/* Faint words at the foot, from (x, y) on in as many lines as they need; the canvas grows with
 * them. */
void kd_caption(struct kd_canvas *c, double x, double y, const char *text);
/* Faint words below the title where one line holds them, else at the foot. */
void kd_note(struct kd_canvas *c, const char *text);
/* What a chart has no room for: "The first 60 of 75 models are drawn; tables have all." */
struct kd_left_out {
    const char *which; /* "first" */
    size_t drawn, all;
    const char *what; /* "models" */
};
/* Says so below the title; nothing of cuts where as many are drawn as there are. */
void kd_left_out_say(struct kd_canvas *c, const struct kd_left_out *cuts, size_t n);
/* A cell of a heat map, its share 0..1 as its heat; its text where there is room. */
void kd_heat_cell(struct kd_canvas *c, struct kd_box box, double share, const char *text,
                  const char *tip);
/* Names below an axis, each in a place of its own: they lie where every one fits, and else read
 * upward. */
struct kd_names {
    double size, height; /* height: what they take below the axis */
    bool upward;
};
/* widest: of all names at this size; step: from place to place. */
struct kd_names kd_names_along(double widest, double step, double size);
/* One of them, under the middle of its place. */
void kd_name_put(struct kd_canvas *c, const struct kd_names *names, double x, double y,
                 const char *text, struct kd_type type);
/* text, cut with an ellipsis to fit a width; out has room for 160 bytes. */
void kd_text_fit(const char *text, double size, double width, char out[160]);

#define KD_TEXT_SIZE  12.0
#define KD_TITLE_SIZE 15.0
#endif
