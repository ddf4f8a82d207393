/* A canvas as SVG. */
#include "kd/base/text.h"
#include "kd/data/picture.h"
#include "kd/report/canvas.h"
#include "marks.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

#define FACE "'DejaVu Sans','Helvetica Neue',Arial,sans-serif"

const char *kd_canvas_theme(void)
{
    return ":root{--k0:#fff;--k1:#1a1a1a;--k2:#606060;--k3:#e2e2e2;--k4:#262626;--k5:#0072b2;"
           "--k6:#d55e00;--k7:#009e73;--k8:#cc79a7;--k9:#e69f00;--k10:#56b4e9;"
           "--cold:#f7fbff;--hot:#08306b;--on-cold:#000;--on-hot:#fff}\n"
           "@media(prefers-color-scheme:dark){:root{--k0:#15181c;--k1:#ececec;--k2:#a8adb3;"
           "--k3:#33383e;--k4:#e4e4e4;--k5:#4aa8e0;--k6:#ff8a3d;--k7:#2bc79a;--k8:#e39ac4;"
           "--k9:#f0b429;--k10:#8fd0f5;"
           "--cold:#1c2530;--hot:#50a8e2;--on-cold:#fff;--on-hot:#000}}\n";
}

static int ink(int k, bool themed, struct kd_bytes *out, struct kd_err *err)
{
    unsigned rgb[3];
    if (themed && (k == KD_INK_ON_COLD || k == KD_INK_ON_HOT))
        return kd_bytes_format(out, err, "var(--on-%s)", k == KD_INK_ON_HOT ? "hot" : "cold");
    if (themed && k < KD_INK_HEAT) return kd_bytes_format(out, err, "var(--k%d)", k);
    if (themed)
        return kd_bytes_format(out, err, "color-mix(in srgb,var(--hot) %.1f%%,var(--cold))",
                               (k - KD_INK_HEAT) / 2.55);
    kd_ink_rgb(k, rgb);
    return kd_bytes_format(out, err, "#%02x%02x%02x", rgb[0], rgb[1], rgb[2]);
}

/* style="fill:..;" or stroke */
static int style(const struct kd_pen *pen, bool fill, bool themed, struct kd_bytes *out,
                 struct kd_err *err)
{
    if (pen->opacity < 0)
        return kd_bytes_format(out, err, " style=\"fill:transparent;stroke:none\"");
    if (kd_bytes_format(out, err, " style=\"%s", fill ? "stroke:none;fill:" : "fill:none;stroke:") <
            0 ||
        ink(pen->ink, themed, out, err) < 0)
        return -1;
    if (!fill && kd_bytes_format(out, err, ";stroke-width:%.2f;stroke-linejoin:round", pen->width))
        return -1;
    if (!fill && pen->dash > 0 &&
        kd_bytes_format(out, err, ";stroke-dasharray:%.1f,%.1f", pen->dash, 0.7 * pen->dash) < 0)
        return -1;
    if (pen->opacity < 1 && kd_bytes_format(out, err, ";opacity:%.2f", pen->opacity) < 0) return -1;
    return kd_bytes_add(out, "\"", 1, err);
}

static int path(const struct kd_canvas *c, const struct kd_mark *m, struct kd_bytes *out,
                struct kd_err *err)
{
    const double *p = kd_mark_points(c, m);
    bool drawing = false;
    if (kd_bytes_format(out, err, "<path d=\"") < 0) return -1;
    for (size_t i = 0; i < m->n; i++) {
        bool finite = isfinite(p[2 * i]) && isfinite(p[2 * i + 1]);
        if (finite && kd_bytes_format(out, err, "%c%.2f %.2f", drawing ? 'L' : 'M', p[2 * i],
                                      p[2 * i + 1]) < 0)
            return -1;
        drawing = finite;
    }
    return kd_bytes_format(out, err, "%s\"", m->kind == KD_MARK_AREA ? "Z" : "");
}

static int close_with_tip(const struct kd_canvas *c, const struct kd_mark *m, const char *name,
                          bool themed, struct kd_bytes *out, struct kd_err *err)
{
    const char *tip = kd_mark_text(c, m);
    if (!tip || !themed) return kd_bytes_format(out, err, "/>\n");
    if (kd_bytes_format(out, err, "><title>") < 0 || kd_text_xml(out, tip, err) < 0) return -1;
    return kd_bytes_format(out, err, "</title></%s>\n", name);
}

static int dot(const struct kd_canvas *c, const struct kd_mark *m, bool themed,
               struct kd_bytes *out, struct kd_err *err)
{
    double corner[8];
    bool fill = m->pen.width <= 0;
    if (m->shape == 0) {
        if (kd_bytes_format(out, err, "<circle cx=\"%.2f\" cy=\"%.2f\" r=\"%.2f\"", m->box.x,
                            m->box.y, m->box.width) < 0 ||
            style(&m->pen, fill, themed, out, err) < 0)
            return -1;
        return close_with_tip(c, m, "circle", themed, out, err);
    }
    int n = kd_dot_corners(m, corner);
    if (kd_bytes_format(out, err, "<path d=\"") < 0) return -1;
    for (int i = 0; i < n; i++)
        if (kd_bytes_format(out, err, "%c%.2f %.2f", i ? 'L' : 'M', corner[2 * i],
                            corner[2 * i + 1]) < 0)
            return -1;
    if (kd_bytes_format(out, err, "Z\"") < 0 || style(&m->pen, fill, themed, out, err) < 0)
        return -1;
    return close_with_tip(c, m, "path", themed, out, err);
}

static int text(const struct kd_canvas *c, const struct kd_mark *m, bool themed,
                struct kd_bytes *out, struct kd_err *err)
{
    const char *anchor = m->type.anchor <= 0 ? "start" : m->type.anchor >= 1 ? "end" : "middle";
    if (kd_bytes_format(out, err,
                        "<text x=\"%.2f\" y=\"%.2f\" text-anchor=\"%s\" font-size=\"%.1f\"",
                        m->box.x, m->box.y, anchor, m->type.size) < 0)
        return -1;
    if (m->type.bold && kd_bytes_format(out, err, " font-weight=\"bold\"") < 0) return -1;
    if (m->type.upward &&
        kd_bytes_format(out, err, " transform=\"rotate(-90 %.2f %.2f)\"", m->box.x, m->box.y) < 0)
        return -1;
    if (kd_bytes_format(out, err, " style=\"fill:") < 0 || ink(m->type.ink, themed, out, err) < 0 ||
        kd_bytes_format(out, err, "\">") < 0)
        return -1;
    const char *words = kd_mark_text(c, m);
    if (words && kd_text_xml(out, words, err) < 0) return -1;
    return kd_bytes_format(out, err, "</text>\n");
}

static int base64(const unsigned char *data, size_t n, struct kd_bytes *out, struct kd_err *err)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < n; i += 3) {
        unsigned v = (unsigned)data[i] << 16;
        if (i + 1 < n) v |= (unsigned)data[i + 1] << 8;
        if (i + 2 < n) v |= data[i + 2];
        const char four[4] = {digits[v >> 18], digits[v >> 12 & 63],
                              i + 1 < n ? digits[v >> 6 & 63] : '=',
                              i + 2 < n ? digits[v & 63] : '='};
        if (kd_bytes_add(out, four, 4, err) < 0) return -1;
    }
    return 0;
}

/* The pixels stand in the drawing itself, as a PNG. */
static int image(const struct kd_canvas *c, const struct kd_mark *m, bool themed,
                 struct kd_bytes *out, struct kd_err *err)
{
    struct kd_picture picture;
    struct kd_bytes png = {0};
    int status = kd_picture_init(&picture, m->h, m->w, 3, err);
    if (status < 0) return -1;
    memcpy(picture.pixels, c->pixels.data + m->at, (size_t)3 * m->w * m->h);
    status = kd_picture_encode(&picture, &png, err);
    if (status == 0)
        status = kd_bytes_format(out, err,
                                 "<image x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\" "
                                 "preserveAspectRatio=\"none\" style=\"image-rendering:pixelated\" "
                                 "href=\"data:image/png;base64,",
                                 m->box.x, m->box.y, m->box.width, m->box.height);
    if (status == 0) status = base64((const unsigned char *)png.data, png.size, out, err);
    if (status == 0) status = kd_bytes_add(out, "\"", 1, err);
    if (status == 0) status = close_with_tip(c, m, "image", themed, out, err);
    kd_picture_release(&picture);
    kd_bytes_release(&png);
    return status;
}

static int clip(const struct kd_mark *m, bool *open, struct kd_bytes *out, struct kd_err *err)
{
    /* A nested <svg> cuts without ids, which would clash between the drawings of one page. */
    if (*open && kd_bytes_format(out, err, "</g></svg>\n") < 0) return -1;
    *open = m->box.width > 0;
    if (!*open) return 0;
    return kd_bytes_format(out, err,
                           "<svg x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\" "
                           "overflow=\"hidden\"><g transform=\"translate(%.2f %.2f)\">\n",
                           m->box.x, m->box.y, m->box.width, m->box.height, -m->box.x, -m->box.y);
}

static int mark(const struct kd_canvas *c, const struct kd_mark *m, bool themed,
                struct kd_bytes *out, struct kd_err *err)
{
    switch (m->kind) {
    case KD_MARK_LINE:
    case KD_MARK_AREA:
        if (path(c, m, out, err) < 0 ||
            style(&m->pen, m->kind == KD_MARK_AREA, themed, out, err) < 0)
            return -1;
        return kd_bytes_format(out, err, "/>\n");
    case KD_MARK_RECT:
        if (kd_bytes_format(out, err, "<rect x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\"",
                            m->box.x, m->box.y, m->box.width, m->box.height) < 0 ||
            style(&m->pen, m->pen.width <= 0, themed, out, err) < 0)
            return -1;
        return close_with_tip(c, m, "rect", themed, out, err);
    case KD_MARK_DOT:
        return !themed && m->pen.opacity < 0 ? 0 : dot(c, m, themed, out, err);
    case KD_MARK_TEXT:
        return text(c, m, themed, out, err);
    case KD_MARK_IMAGE:
        return image(c, m, themed, out, err);
    default:
        return 0;
    }
}

int kd_canvas_svg(const struct kd_canvas *c, bool themed, struct kd_bytes *out, struct kd_err *err)
{
    bool open = false;
    const double unit = c->unit > 0 ? c->unit : 1;
    const char *points = c->unit > 0 ? "pt" : "";
    if (c->failed) return kd_fail(err, "%s", c->err.text);
    if (!themed && kd_bytes_format(out, err, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n") < 0)
        return -1;
    if (kd_bytes_format(out, err,
                        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %.6g %.6g\" "
                        "width=\"%.6g%s\" height=\"%.6g%s\" font-family=\"" FACE "\">\n",
                        c->width, c->height, c->width * unit, points, c->height * unit, points) < 0)
        return -1;
    if (!themed && c->origin &&
        (kd_bytes_format(out, err, "<metadata>") < 0 || kd_text_xml(out, c->origin, err) < 0 ||
         kd_bytes_format(out, err, "</metadata>\n") < 0))
        return -1;
    if (!themed && kd_bytes_format(
                       out, err, "<rect width=\"100%%\" height=\"100%%\" fill=\"#ffffff\"/>\n") < 0)
        return -1;
    for (size_t i = 0; i < c->n; i++) {
        const struct kd_mark *m = &c->marks[i];
        int status =
            m->kind == KD_MARK_CLIP ? clip(m, &open, out, err) : mark(c, m, themed, out, err);
        if (status < 0) return -1;
    }
    return kd_bytes_format(out, err, "%s</svg>\n", open ? "</g></svg>\n" : "");
}
