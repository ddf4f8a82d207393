/* What a canvas is made of, for those who write it out. */
#ifndef KD_REPORT_MARKS_H
#define KD_REPORT_MARKS_H
#include "kd/report/canvas.h"

enum kd_mark_kind {
    KD_MARK_CLIP,
    KD_MARK_LINE,
    KD_MARK_AREA,
    KD_MARK_RECT,
    KD_MARK_DOT,
    KD_MARK_TEXT,
    KD_MARK_IMAGE
};
struct kd_mark {
    enum kd_mark_kind kind;
    size_t at, n;      /* LINE, AREA: n points x, y from number `at` of points */
    uint32_t w, h;     /* IMAGE: pixels; `at` is their offset in c->pixels */
    struct kd_box box; /* of a DOT the width is the radius; of a TEXT x and y alone count */
    int shape;         /* DOT */
    struct kd_pen pen;
    struct kd_type type;
    size_t text; /* offset into texts + 1; 0: none */
};
const double *kd_mark_points(const struct kd_canvas *c, const struct kd_mark *m);
const char *kd_mark_text(const struct kd_canvas *c, const struct kd_mark *m); /* or NULL */
/* Corners of a dot that is no disc: x, y pairs into out[8]; returns how many points. */
int kd_dot_corners(const struct kd_mark *m, double out[8]);
/* Red, green, blue in 0..255 on light paper. */
void kd_ink_rgb(int ink, unsigned rgb[3]);
#endif
