/* maxpool, avgpool, global_avgpool, global_maxpool, as PyTorch's MaxPool2d, AvgPool2d (padding
 * counted), AdaptiveAvgPool2d(1) and AdaptiveMaxPool2d(1): shared out by images, along channels.
 * The global ones leave 1x1 maps. */
#include "kd/nn/kernels.h"
#include "layers.h"

#include <string.h>

struct pooling { /* none of the global ones */
    int64_t kernel, stride, padding;
};
#define FIELD(f) offsetof(struct pooling, f)
static const struct kd_option rows[] = {
    {.key = "kernel",
     .kind = KD_OPT_INT,
     .offset = FIELD(kernel),
     .preset = "2",
     .min = 1,
     .max = 15,
     .metavar = "N",
     .help = "height and width of the window"},
    {.key = "stride",
     .kind = KD_OPT_INT,
     .offset = FIELD(stride),
     .preset = "0",
     .min = 0,
     .max = 255,
     .metavar = "N",
     .help = "step between windows; 0: the kernel's size"},
    {.key = "padding",
     .kind = KD_OPT_INT,
     .offset = FIELD(padding),
     .preset = "0",
     .min = 0,
     .max = 7,
     .metavar = "N",
     .help = "border around the input, at most half the kernel"},
    {0},
};

struct window {
    size_t kh, kw, stride, padding, h, w, oh, ow, c;
};

static struct window window_of(const struct kd_layer *l)
{
    const struct pooling *p = l->own;
    bool global = !p;
    return (struct window){global ? l->in.h : (size_t)p->kernel,
                           global ? l->in.w : (size_t)p->kernel,
                           global ? 1 : (size_t)p->stride,
                           global ? 0 : (size_t)p->padding,
                           l->in.h,
                           l->in.w,
                           l->out.h,
                           l->out.w,
                           l->in.c};
}

static int need_maps(const struct kd_layer *l, struct kd_err *err)
{
    if (!l->in.flat) return 0;
    return kd_fail_usage(err, "its input is %u flat features; it wants maps, before \"flatten\"",
                         l->in.c);
}

static int pool_shape(struct kd_layer *l, struct kd_build *build, struct kd_err *err)
{
    (void)build;
    struct pooling *p = l->own;
    if (need_maps(l, err) < 0) return -1;
    if (!p->stride) p->stride = p->kernel;
    if (2 * p->padding > p->kernel)
        return kd_fail_usage(err, "padding %lld is more than half its kernel %lld",
                             (long long)p->padding, (long long)p->kernel);
    int64_t h = l->in.h + 2 * p->padding - p->kernel, w = l->in.w + 2 * p->padding - p->kernel;
    if (h < 0 || w < 0)
        return kd_fail_usage(err, "its input is %ux%ux%u: too small for a %lldx%lld window",
                             l->in.c, l->in.h, l->in.w, (long long)p->kernel, (long long)p->kernel);
    l->out = (struct kd_shape){l->in.c, (uint32_t)(h / p->stride + 1),
                               (uint32_t)(w / p->stride + 1), false};
    l->parts = 4;
    return 0;
}

static int global_shape(struct kd_layer *l, struct kd_build *build, struct kd_err *err)
{
    (void)build;
    if (need_maps(l, err) < 0) return -1;
    l->out = (struct kd_shape){l->in.c, 1, 1, false};
    l->parts = 4;
    return 0;
}

/* Calls step(output row, input row, tap) for the pixels of each window inside the maps. */
static void each_tap(struct kd_layer *l, size_t first, size_t last,
                     void (*step)(struct kd_layer *l, const struct window *w, size_t to,
                                  size_t from, size_t tap))
{
    struct window v = window_of(l);
    for (size_t image = first; image < last; image++)
        for (size_t o = 0; o < v.oh * v.ow; o++)
            for (size_t t = 0; t < v.kh * v.kw; t++) {
                size_t y = o / v.ow * v.stride + t / v.kw - v.padding; /* wraps below 0 */
                size_t x = o % v.ow * v.stride + t % v.kw - v.padding;
                if (y < v.h && x < v.w)
                    step(l, &v, image * v.oh * v.ow + o, (image * v.h + y) * v.w + x, t);
            }
}

/* ---- max: save holds the input row that won, [rows][channels]; of 2x2 windows side by side which
 * of the four, in bytes ---- */

bool kd_maxpool_is_2x2(const struct kd_layer *l)
{
    const struct pooling *p = l->own;
    return l->kind == &kd_layer_maxpool && p->kernel == 2 && p->stride == 2 && p->padding == 0;
}

static bool is_quad(const struct kd_layer *l)
{
    const struct pooling *p = l->own;
    return p && p->kernel == 2 && p->stride == 2 && p->padding == 0;
}

/* Rows [from, to) of the pooled maps of all images. */
static void quad_forward(struct kd_layer *l, size_t from, size_t to)
{
    size_t c = l->in.c, line = l->in.w * c;
    for (size_t row = from; row < to; row++) {
        const float *top = l->x + (row / l->out.h * l->in.h + row % l->out.h * 2) * line;
        size_t at = row * l->out.w * c;
        kd_kernels()->pool2(l->y + at, l->dy ? (uint8_t *)l->save + at : NULL, c, top, top + line,
                            l->out.w, c);
    }
}

/* What an odd row or column at the end leaves out gets no gradient. */
static void quad_backward(struct kd_layer *l, size_t from, size_t to)
{
    size_t c = l->in.c, line = l->in.w * c;
    for (size_t row = from; row < to; row++) {
        float *top = l->dx + (row / l->out.h * l->in.h + row % l->out.h * 2) * line;
        size_t at = row * l->out.w * c;
        kd_kernels()->unpool2(top, top + line, l->dy + at, (const uint8_t *)l->save + at, l->out.w,
                              c);
        if (l->in.w % 2) {
            memset(top + line - c, 0, c * sizeof *top);
            memset(top + 2 * line - c, 0, c * sizeof *top);
        }
        if (l->in.h % 2 && row % l->out.h == l->out.h - 1)
            memset(top + 2 * line, 0, line * sizeof *top);
    }
}

static size_t max_save_bytes(const struct kd_layer *l, size_t batch, bool training)
{
    if (is_quad(l)) return training ? batch * kd_shape_size(l->out) : 0;
    return batch * kd_shape_size(l->out) * sizeof(uint32_t);
}

static void max_step(struct kd_layer *l, const struct window *w, size_t to, size_t from, size_t tap)
{
    (void)tap;
    uint32_t *winner = (uint32_t *)l->save + to * w->c;
    float *y = l->y + to * w->c;
    const float *x = l->x + from * w->c;
    for (size_t c = 0; c < w->c; c++) {
        bool more = x[c] > y[c] || winner[c] == UINT32_MAX;
        winner[c] = more ? (uint32_t)from : winner[c];
        y[c] = more ? x[c] : y[c];
    }
}

static void max_forward(struct kd_layer *l, const struct kd_pass *p, struct kd_tile t)
{
    (void)p;
    size_t pixels = kd_shape_pixels(l->out), c = l->out.c;
    if (is_quad(l)) {
        quad_forward(l, t.row0 / l->out.w, (t.row0 + t.rows) / l->out.w);
        return;
    }
    memset((uint32_t *)l->save + t.row0 * c, 0xff, t.rows * c * sizeof(uint32_t));
    each_tap(l, t.row0 / pixels, (t.row0 + t.rows) / pixels, max_step);
}

/* t: rows of the input */
static void max_backward(struct kd_layer *l, const struct kd_pass *p, struct kd_tile t)
{
    (void)p;
    size_t in = kd_shape_pixels(l->in), out = kd_shape_pixels(l->out), c = l->out.c;
    if (!l->dx) return;
    if (is_quad(l)) {
        quad_backward(l, t.row0 / in * l->out.h, (t.row0 + t.rows) / in * l->out.h);
        return;
    }
    memset(l->dx + t.row0 * c, 0, t.rows * c * sizeof(float));
    const uint32_t *winner = l->save;
    for (size_t i = t.row0 / in * out * c; i < (t.row0 + t.rows) / in * out * c; i++)
        l->dx[winner[i] * c + i % c] += l->dy[i];
}

/* ---- average: y = sum / (kernel * kernel), what lies outside counting as 0 ---- */

static void add_step(struct kd_layer *l, const struct window *w, size_t to, size_t from, size_t tap)
{
    (void)tap;
    kd_kernels()->add(l->y + to * w->c, l->x + from * w->c, w->c, 1.0f / (float)(w->kh * w->kw));
}

static void avg_forward(struct kd_layer *l, const struct kd_pass *p, struct kd_tile t)
{
    (void)p;
    size_t pixels = kd_shape_pixels(l->out), c = l->out.c;
    memset(l->y + t.row0 * c, 0, t.rows * c * sizeof(float));
    each_tap(l, t.row0 / pixels, (t.row0 + t.rows) / pixels, add_step);
}

static void spread_step(struct kd_layer *l, const struct window *w, size_t to, size_t from,
                        size_t tap)
{
    (void)tap;
    kd_kernels()->add(l->dx + from * w->c, l->dy + to * w->c, w->c, 1.0f / (float)(w->kh * w->kw));
}

static void avg_backward(struct kd_layer *l, const struct kd_pass *p, struct kd_tile t)
{
    (void)p;
    size_t pixels = kd_shape_pixels(l->in), c = l->in.c;
    if (!l->dx) return;
    memset(l->dx + t.row0 * c, 0, t.rows * c * sizeof(float));
    each_tap(l, t.row0 / pixels, (t.row0 + t.rows) / pixels, spread_step);
}

static const struct kd_anchor max_anchor = {
    .cut = KD_BY_IMAGES,
    .forward = max_forward,
    .backward = max_backward,
};
static const struct kd_anchor avg_anchor = {
    .cut = KD_BY_IMAGES,
    .forward = avg_forward,
    .backward = avg_backward,
};
const struct kd_layer_kind kd_layer_maxpool = {
    .name = "maxpool",
    .rows = rows,
    .own_bytes = sizeof(struct pooling),
    .shape = pool_shape,
    .save_bytes = max_save_bytes,
    .anchor = &max_anchor,
};
const struct kd_layer_kind kd_layer_avgpool = {
    .name = "avgpool",
    .rows = rows,
    .own_bytes = sizeof(struct pooling),
    .shape = pool_shape,
    .anchor = &avg_anchor,
};
const struct kd_layer_kind kd_layer_global_avgpool = {
    .name = "global_avgpool",
    .shape = global_shape,
    .anchor = &avg_anchor,
};
const struct kd_layer_kind kd_layer_global_maxpool = {
    .name = "global_maxpool",
    .shape = global_shape,
    .save_bytes = max_save_bytes,
    .anchor = &max_anchor,
};
