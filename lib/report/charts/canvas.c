#include "kd/report/canvas.h"
#include "kd/base/text.h"
#include "marks.h"
#include <string.h>

void kd_canvas_init(struct kd_canvas *c, double width, double height)
{
    *c = (struct kd_canvas){.width = width, .height = height};
}

void kd_canvas_release(struct kd_canvas *c)
{
    kd_free(c->marks);
    kd_bytes_release(&c->points);
    kd_bytes_release(&c->texts);
    kd_bytes_release(&c->pixels);
    *c = (struct kd_canvas){0};
}

static struct kd_mark *add(struct kd_canvas *c, enum kd_mark_kind kind, struct kd_pen pen)
{
    if (c->failed) return NULL;
    struct kd_mark *m = kd_grow(&c->marks, &c->n, &c->room, sizeof *m, "a drawing", &c->err);
    c->failed = !m;
    if (!m) return NULL;
    m->kind = kind;
    m->pen = pen;
    if (m->pen.opacity == 0) m->pen.opacity = 1;
    return m;
}

static void attach(struct kd_canvas *c, struct kd_mark *m, const char *text)
{
    struct kd_bytes clean = {0};
    if (!m || !text) return;
    m->text = c->texts.size + 1;
    if (kd_text_plain(&clean, text, &c->err) < 0 ||
        kd_bytes_add(&c->texts, clean.size ? clean.data : "", clean.size + 1, &c->err) < 0)
        c->failed = true;
    kd_bytes_release(&clean);
}

static void add_points(struct kd_canvas *c, enum kd_mark_kind kind, const double *x,
                       const double *y, size_t n, struct kd_pen pen)
{
    struct kd_mark *m = add(c, kind, pen);
    if (!m) return;
    m->at = c->points.size / sizeof(double);
    m->n = n;
    for (size_t i = 0; i < n && !c->failed; i++) {
        double point[2] = {x[i], y[i]};
        if (kd_bytes_add(&c->points, point, sizeof point, &c->err) < 0) c->failed = true;
    }
}

void kd_canvas_clip(struct kd_canvas *c, struct kd_box box)
{
    struct kd_mark *m = add(c, KD_MARK_CLIP, (struct kd_pen){0});
    if (m) m->box = box;
}

void kd_canvas_line(struct kd_canvas *c, const double *x, const double *y, size_t n,
                    struct kd_pen pen)
{
    add_points(c, KD_MARK_LINE, x, y, n, pen);
}

void kd_canvas_area(struct kd_canvas *c, const double *x, const double *y, size_t n,
                    struct kd_pen pen)
{
    add_points(c, KD_MARK_AREA, x, y, n, pen);
}

void kd_canvas_rect(struct kd_canvas *c, struct kd_box box, struct kd_pen pen, const char *tip)
{
    struct kd_mark *m = add(c, KD_MARK_RECT, pen);
    if (m) m->box = box;
    attach(c, m, tip);
}

void kd_canvas_image(struct kd_canvas *c, struct kd_box box, struct kd_rgb picture, const char *tip)
{
    struct kd_mark *m = add(c, KD_MARK_IMAGE, (struct kd_pen){0});
    if (!m) return;
    m->box = box;
    m->at = c->pixels.size;
    m->w = picture.w;
    m->h = picture.h;
    if (kd_bytes_add(&c->pixels, picture.pixels, (size_t)3 * picture.w * picture.h, &c->err) < 0)
        c->failed = true;
    attach(c, m, tip);
}

void kd_canvas_dot(struct kd_canvas *c, struct kd_spot spot, struct kd_pen pen, const char *tip)
{
    struct kd_mark *m = add(c, KD_MARK_DOT, pen);
    if (!m) return;
    m->box = (struct kd_box){spot.x, spot.y, spot.radius, 0};
    m->shape = spot.shape;
    attach(c, m, tip);
}

void kd_canvas_text(struct kd_canvas *c, double x, double y, const char *text, struct kd_type type)
{
    struct kd_mark *m = add(c, KD_MARK_TEXT, (struct kd_pen){0});
    if (!m) return;
    m->box.x = x;
    m->box.y = y;
    m->type = type;
    if (m->type.ink == KD_INK_PAPER) m->type.ink = KD_INK_TEXT;
    attach(c, m, text);
}

double kd_type_width(const char *text, double size)
{
    /* Advances of DejaVu Sans, among the widest of the usual faces, in thousandths of the size. */
    static const short advance[95] = {
        318,  401, 460, 838, 636, 950, 780, 275, 390, 390, 500, 838, 318, 361, 318, 337,
        636,  636, 636, 636, 636, 636, 636, 636, 636, 636, 337, 337, 838, 838, 838, 531,
        1000, 684, 686, 698, 770, 632, 575, 775, 752, 295, 295, 656, 557, 863, 748, 787,
        603,  787, 695, 635, 611, 732, 684, 989, 685, 611, 685, 390, 337, 390, 838, 500,
        500,  613, 635, 550, 635, 615, 352, 635, 634, 278, 278, 579, 278, 974, 634, 612,
        635,  635, 411, 521, 392, 634, 592, 818, 592, 592, 525, 636, 337, 636, 838};
    double sum = 0;
    while (*text) {
        unsigned c = kd_utf8_next(&text);
        sum += c >= 32 && c < 127 ? advance[c - 32] : c >= 0x2E80 ? 1000 : 680;
    }
    return sum * size / 1000;
}

const double *kd_mark_points(const struct kd_canvas *c, const struct kd_mark *m)
{
    const void *data = c->points.data;
    return (const double *)data + m->at;
}

const char *kd_mark_text(const struct kd_canvas *c, const struct kd_mark *m)
{
    return m->text ? c->texts.data + m->text - 1 : NULL;
}

int kd_dot_corners(const struct kd_mark *m, double out[8])
{
    static const double corners[3][8] = {{-.88, -.88, .88, -.88, .88, .88, -.88, .88},
                                         {0, -1.25, 1.25, 0, 0, 1.25, -1.25, 0},
                                         {0, -1.2, 1.1, .85, -1.1, .85, 0, 0}};
    int shape = m->shape >= 1 && m->shape <= 3 ? m->shape - 1 : 0, n = shape == 2 ? 3 : 4;
    for (int i = 0; i < 2 * n; i++)
        out[i] = (i % 2 ? m->box.y : m->box.x) + m->box.width * corners[shape][i];
    return n;
}

void kd_ink_rgb(int ink, unsigned rgb[3])
{
    static const unsigned char colours[][3] = {
        [KD_INK_PAPER] = {255, 255, 255},
        [KD_INK_TEXT] = {26, 26, 26},
        [KD_INK_FAINT] = {96, 96, 96},
        [KD_INK_GRID] = {226, 226, 226},
        [KD_INK_SERIES] = {38, 38, 38},
        {0, 114, 178},
        {213, 94, 0},
        {0, 158, 115},
        {204, 121, 167},
        {230, 159, 0},
        {86, 180, 233},
    };
    static const double light[3] = {247, 251, 255}, dark[3] = {8, 48, 107};
    if (ink >= KD_INK_HEAT) {
        double f = (ink - KD_INK_HEAT) / 255.0;
        for (int i = 0; i < 3; i++) rgb[i] = (unsigned)(light[i] + f * (dark[i] - light[i]) + 0.5);
        return;
    }
    if (ink == KD_INK_ON_COLD || ink == KD_INK_ON_HOT) {
        for (int i = 0; i < 3; i++) rgb[i] = ink == KD_INK_ON_HOT ? 255 : 0;
        return;
    }
    if (ink < 0 || ink >= KD_INK_SERIES + KD_N_SERIES) ink = KD_INK_TEXT;
    for (int i = 0; i < 3; i++) rgb[i] = colours[ink][i];
}
