/* A canvas through Cairo: PNG and PDF. */
#include "kd/data/picture.h"
#include "kd/report/canvas.h"
#include "marks.h"
#include <math.h>
#include <string.h>

#ifndef KD_HAVE_CAIRO

bool kd_canvas_has_cairo(void)
{
    return false;
}
int kd_canvas_png(const struct kd_canvas *c, double scale, struct kd_bytes *out, struct kd_err *err)
{
    (void)c, (void)scale, (void)out;
    return kd_fail(err, "this kd was built without Cairo (libcairo2-dev): no PNG");
}
int kd_canvas_pdf(const struct kd_canvas *c, struct kd_bytes *out, struct kd_err *err)
{
    (void)c, (void)out;
    return kd_fail(err, "this kd was built without Cairo (libcairo2-dev): no PDF");
}

#else
#include <cairo-pdf.h>
#include <cairo.h>

bool kd_canvas_has_cairo(void)
{
    return true;
}

static void set_ink(cairo_t *cr, int ink, double opacity)
{
    unsigned rgb[3];
    kd_ink_rgb(ink, rgb);
    cairo_set_source_rgba(cr, rgb[0] / 255.0, rgb[1] / 255.0, rgb[2] / 255.0, opacity);
}

/* The path that stands, with a pen. */
static void paint(cairo_t *cr, const struct kd_pen *pen, bool fill)
{
    double dashes[2] = {pen->dash, 0.7 * pen->dash};
    set_ink(cr, pen->ink, pen->opacity);
    if (fill) {
        cairo_fill(cr);
        return;
    }
    cairo_set_line_width(cr, pen->width);
    cairo_set_line_join(cr, CAIRO_LINE_JOIN_ROUND);
    cairo_set_dash(cr, dashes, pen->dash > 0 ? 2 : 0, 0);
    cairo_stroke(cr);
}

static void draw_points(cairo_t *cr, const struct kd_canvas *c, const struct kd_mark *m)
{
    const double *p = kd_mark_points(c, m);
    bool drawing = false;
    for (size_t i = 0; i < m->n; i++) {
        bool finite = isfinite(p[2 * i]) && isfinite(p[2 * i + 1]);
        if (finite && drawing)
            cairo_line_to(cr, p[2 * i], p[2 * i + 1]);
        else if (finite)
            cairo_move_to(cr, p[2 * i], p[2 * i + 1]);
        drawing = finite;
    }
    paint(cr, &m->pen, m->kind == KD_MARK_AREA);
}

static void draw_dot(cairo_t *cr, const struct kd_mark *m)
{
    double corner[8];
    if (m->shape == 0) {
        cairo_new_sub_path(cr);
        cairo_arc(cr, m->box.x, m->box.y, m->box.width, 0, 2 * 3.14159265358979);
    } else {
        int n = kd_dot_corners(m, corner);
        for (int i = 0; i < n; i++) cairo_line_to(cr, corner[2 * i], corner[2 * i + 1]);
    }
    cairo_close_path(cr);
    paint(cr, &m->pen, m->pen.width <= 0);
}

static void draw_text(cairo_t *cr, const struct kd_canvas *c, const struct kd_mark *m)
{
    cairo_text_extents_t extents;
    const char *text = kd_mark_text(c, m);
    if (!text) return;
    cairo_save(cr);
    cairo_select_font_face(cr, "sans-serif", CAIRO_FONT_SLANT_NORMAL,
                           m->type.bold ? CAIRO_FONT_WEIGHT_BOLD : CAIRO_FONT_WEIGHT_NORMAL);
    cairo_set_font_size(cr, m->type.size);
    cairo_text_extents(cr, text, &extents);
    cairo_translate(cr, m->box.x, m->box.y);
    if (m->type.upward) cairo_rotate(cr, -1.5707963267949);
    cairo_move_to(cr, -m->type.anchor * extents.x_advance, 0);
    set_ink(cr, m->type.ink, 1);
    cairo_show_text(cr, text);
    cairo_restore(cr);
}

/* Without memory Cairo keeps the error for the end. */
static void draw_image(cairo_t *cr, const struct kd_canvas *c, const struct kd_mark *m)
{
    cairo_surface_t *s = cairo_image_surface_create(CAIRO_FORMAT_RGB24, (int)m->w, (int)m->h);
    unsigned char *rows = cairo_image_surface_get_data(s);
    size_t stride = (size_t)cairo_image_surface_get_stride(s);
    const unsigned char *from = (const unsigned char *)c->pixels.data + m->at;
    for (size_t y = 0; rows && y < m->h; y++)
        for (size_t x = 0; x < m->w; x++, from += 3) {
            uint32_t pixel = (uint32_t)from[0] << 16 | (uint32_t)from[1] << 8 | from[2];
            memcpy(rows + y * stride + 4 * x, &pixel, sizeof pixel);
        }
    cairo_surface_mark_dirty(s);
    cairo_save(cr);
    cairo_translate(cr, m->box.x, m->box.y);
    cairo_scale(cr, m->box.width / m->w, m->box.height / m->h);
    cairo_set_source_surface(cr, s, 0, 0);
    cairo_pattern_set_filter(cairo_get_source(cr), CAIRO_FILTER_NEAREST);
    cairo_pattern_set_extend(cairo_get_source(cr), CAIRO_EXTEND_PAD);
    cairo_rectangle(cr, 0, 0, m->w, m->h);
    cairo_fill(cr);
    cairo_restore(cr);
    cairo_surface_destroy(s);
}

static void draw(cairo_t *cr, const struct kd_canvas *c)
{
    for (size_t i = 0; i < c->n; i++) {
        const struct kd_mark *m = &c->marks[i];
        cairo_new_path(cr);
        switch (m->kind) {
        case KD_MARK_CLIP:
            cairo_reset_clip(cr);
            if (m->box.width <= 0) break;
            cairo_rectangle(cr, m->box.x, m->box.y, m->box.width, m->box.height);
            cairo_clip(cr);
            break;
        case KD_MARK_LINE:
        case KD_MARK_AREA:
            draw_points(cr, c, m);
            break;
        case KD_MARK_RECT:
            cairo_rectangle(cr, m->box.x, m->box.y, m->box.width, m->box.height);
            paint(cr, &m->pen, m->pen.width <= 0);
            break;
        case KD_MARK_DOT:
            if (m->pen.opacity > 0) draw_dot(cr, m);
            break;
        case KD_MARK_TEXT:
            draw_text(cr, c, m);
            break;
        case KD_MARK_IMAGE:
            draw_image(cr, c, m);
            break;
        }
    }
}

/* Cairo's own PNG writer knows of no text. */
static int encode(cairo_surface_t *surface, const char *origin, struct kd_bytes *out,
                  struct kd_err *err)
{
    struct kd_picture p = {0};
    const uint32_t h = (uint32_t)cairo_image_surface_get_height(surface),
                   w = (uint32_t)cairo_image_surface_get_width(surface);
    const size_t stride = (size_t)cairo_image_surface_get_stride(surface);
    cairo_surface_flush(surface); /* before its pixels are looked at */
    const unsigned char *rows = cairo_image_surface_get_data(surface);
    if (kd_picture_init(&p, h, w, 3, err) < 0) return -1;
    p.origin = origin;
    for (size_t y = 0; y < h; y++)
        for (size_t x = 0; x < w; x++) {
            uint32_t pixel;
            memcpy(&pixel, rows + y * stride + 4 * x, sizeof pixel);
            for (size_t k = 0; k < 3; k++)
                p.pixels[(y * w + x) * 3 + k] = (uint8_t)(pixel >> (16 - 8 * k));
        }
    int status = kd_picture_encode(&p, out, err);
    kd_picture_release(&p);
    return status;
}

int kd_canvas_png(const struct kd_canvas *c, double scale, struct kd_bytes *out, struct kd_err *err)
{
    if (c->failed) return kd_fail(err, "%s", c->err.text);
    cairo_surface_t *surface = cairo_image_surface_create(
        CAIRO_FORMAT_RGB24, (int)ceil(c->width * scale), (int)ceil(c->height * scale));
    cairo_t *cr = cairo_create(surface);
    cairo_set_source_rgb(cr, 1, 1, 1);
    cairo_paint(cr);
    cairo_scale(cr, scale, scale);
    draw(cr, c);
    cairo_status_t status = cairo_status(cr);
    cairo_destroy(cr);
    int written = status == CAIRO_STATUS_SUCCESS
                      ? encode(surface, c->origin, out, err)
                      : kd_fail(err, "a chart as PNG: %s", cairo_status_to_string(status));
    cairo_surface_destroy(surface);
    return written;
}

struct sink {
    struct kd_bytes *out;
    struct kd_err *err;
};

static cairo_status_t take(void *ctx, const unsigned char *data, unsigned size)
{
    struct sink *sink = ctx;
    return kd_bytes_add(sink->out, data, size, sink->err) < 0 ? CAIRO_STATUS_WRITE_ERROR
                                                              : CAIRO_STATUS_SUCCESS;
}

int kd_canvas_pdf(const struct kd_canvas *c, struct kd_bytes *out, struct kd_err *err)
{
    struct sink sink = {out, err};
    const double unit = c->unit > 0 ? c->unit : 1;
    if (c->failed) return kd_fail(err, "%s", c->err.text);
    cairo_surface_t *surface =
        cairo_pdf_surface_create_for_stream(take, &sink, c->width * unit, c->height * unit);
    cairo_t *cr = cairo_create(surface);
    cairo_scale(cr, unit, unit);
    cairo_pdf_surface_set_metadata(surface, CAIRO_PDF_METADATA_CREATE_DATE,
                                   ""); /* same report, same bits */
    if (c->origin) cairo_pdf_surface_set_metadata(surface, CAIRO_PDF_METADATA_SUBJECT, c->origin);
    draw(cr, c);
    cairo_status_t status = cairo_status(cr);
    cairo_destroy(cr);
    cairo_surface_finish(surface);
    if (status == CAIRO_STATUS_SUCCESS) status = cairo_surface_status(surface);
    cairo_surface_destroy(surface);
    if (status == CAIRO_STATUS_SUCCESS) return 0;
    return kd_fail(err, "a chart as PDF: %s", cairo_status_to_string(status));
}
#endif
