/* A drawing as a list of marks, made once and written as PNG, SVG or PDF.
 *
 *     struct kd_canvas c;
 *     kd_canvas_init(&c, 640, 400);
 *     kd_canvas_line(&c, x, y, n, (struct kd_pen){.ink = KD_INK_SERIES, .width = 2});
 *     kd_canvas_text(&c, 320, 20, "title", (struct kd_type){.size = 15, .anchor = 0.5});
 *     if (kd_canvas_svg(&c, false, &out, &err) < 0) ...      // also says if a mark found no memory
 *     kd_canvas_release(&c);
 *
 * Units are points unless `unit` says otherwise, y runs down. Inks are names, not colours, so that
 * a page can show the same drawing on light and dark paper. The palette is Okabe and Ito's (2008),
 * made for colour-blind readers.
 */
#ifndef KD_REPORT_CANVAS_H
#define KD_REPORT_CANVAS_H
#include "kd/base/mem.h"
#include <stdbool.h>
#include <stdint.h>

enum kd_ink {
    KD_INK_PAPER,
    KD_INK_TEXT,
    KD_INK_FAINT, /* secondary text, axes */
    KD_INK_GRID,
    KD_INK_SERIES,       /* KD_INK_SERIES + k, k < KD_N_SERIES */
    KD_INK_ON_COLD = 62, /* text on cells of heat up to KD_HEAT_SWITCH, and on hotter ones */
    KD_INK_ON_HOT,
    KD_INK_HEAT = 64, /* KD_INK_HEAT + level 0..255: light to dark blue */
    /* The level at which black and white read equally well, on the colours of light and dark paper;
     * the contrast is 4.5 and more on both sides of it. */
    KD_HEAT_SWITCH = 165
};
#define KD_N_SERIES 7

struct kd_pen {
    int ink;
    double width, dash, opacity; /* dash: length, 0 solid; opacity: 0 is taken as 1 */
};
struct kd_type {
    double size, anchor; /* anchor: 0 starts at x, 0.5 is centred, 1 ends at x */
    int ink;             /* 0 (paper) is taken as KD_INK_TEXT */
    bool bold, upward;   /* upward: turned by 90 degrees, reading upwards */
};

struct kd_box {
    double x, y, width, height;
};
struct kd_spot {
    double x, y, radius;
    int shape; /* 0 disc, 1 square, 2 diamond, 3 triangle */
};
struct kd_rgb {
    const uint8_t *pixels; /* [h][w][3] red green blue */
    uint32_t h, w;
};

struct kd_canvas {
    double width, height;
    double unit;           /* points that a unit is, in files; 0: 1 */
    const char *origin;    /* where the drawing comes from, written into every form of it; borrowed;
                              NULL: nothing */
    struct kd_mark *marks; /* internal */
    size_t n, room;
    struct kd_bytes points, texts, pixels;
    struct kd_err err; /* of the first mark that found no memory */
    bool failed;
};

void kd_canvas_init(struct kd_canvas *c, double width, double height);
void kd_canvas_release(struct kd_canvas *c);
/* Marks until the next call are cut at this rectangle; all zero: no cutting. */
void kd_canvas_clip(struct kd_canvas *c, struct kd_box box);
/* Lines and outlines of n points; a line is broken where a point is not finite. */
void kd_canvas_line(struct kd_canvas *c, const double *x, const double *y, size_t n,
                    struct kd_pen pen);
void kd_canvas_area(struct kd_canvas *c, const double *x, const double *y, size_t n,
                    struct kd_pen pen);
/* tip (NULL: none) is shown by a page when the pointer rests on the mark. */
void kd_canvas_rect(struct kd_canvas *c, struct kd_box box, struct kd_pen pen, const char *tip);
/* pen.width 0: filled, else outlined. opacity below
 * 0: invisible, for tips alone. */
void kd_canvas_dot(struct kd_canvas *c, struct kd_spot spot, struct kd_pen pen, const char *tip);
void kd_canvas_text(struct kd_canvas *c, double x, double y, const char *text, struct kd_type type);
/* A picture (copied), stretched over a box without smoothing. */
void kd_canvas_image(struct kd_canvas *c, struct kd_box box, struct kd_rgb picture,
                     const char *tip);
/* Width that text takes, an estimate that holds for common sans-serif faces. */
double kd_type_width(const char *text, double size);

/* Each adds a whole file to out. With `themed` the SVG is a fragment for a page that defines the
 * colours as CSS variables (kd_canvas_theme) and has tips; otherwise it stands alone. */
int kd_canvas_svg(const struct kd_canvas *c, bool themed, struct kd_bytes *out, struct kd_err *err);
const char *kd_canvas_theme(void);
int kd_canvas_png(const struct kd_canvas *c, double scale, struct kd_bytes *out,
                  struct kd_err *err);
int kd_canvas_pdf(const struct kd_canvas *c, struct kd_bytes *out, struct kd_err *err);
bool kd_canvas_has_cairo(void);
#endif
