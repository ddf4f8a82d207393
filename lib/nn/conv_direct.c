/* Convolution of stride 1, straight from the definition, by products whose sums stay in registers
 * (isa/block.c): a row of pixels at a time, the patches read where they overlap. For a tap row the
 * channels of neighbouring pixels are contiguous, so a patch is `kernel` runs of kernel * in
 * values.
 *
 * Maps with a border are copied into one with zeros around it, an image at a time; gradients
 * likewise, for the gradient of the input is the convolution of the bordered gradient with the
 * filters rotated. Where the layer pools as well, two rows of outputs are made, pooled and
 * forgotten, and gradients go from the pooled pixels straight to the bordered copy.
 *
 * Shared out by images; the parts' gradients of the weights are added up in their order. */
#include "conv.h"
#include "kd/nn/kernels.h"

#include <string.h>

enum { PARTS = 8 };

struct direct {
    const struct kd_conv *c;
    size_t k, taps, count;   /* kernel, its taps, weights */
    size_t turned;           /* weights rotated */
    size_t oh, ow;           /* outputs that are wanted */
    size_t ph, pw;           /* after pooling */
    size_t xh, xw, dh, dw;   /* bordered maps, bordered gradients */
    float *weight, *rotated; /* packed: [panel of out][taps][in], [panel of in][taps][out] */
    float *partial;          /* [PARTS][count], packed as weight is */
    float *own;              /* [PARTS][of_part] */
    size_t of_part;
};

/* Columns that fill no vector are packed as if they did; what is too much is never stored. */
static size_t whole_vectors(size_t n)
{
    const size_t vector = kd_kernels()->vector;
    return (n + vector - 1) / vector * vector;
}

static struct direct direct_of(const struct kd_conv_shape *s)
{
    struct direct d = {.k = s->kernel, .taps = s->kernel * s->kernel, .oh = s->oh, .ow = s->ow};
    d.count = d.taps * s->in * whole_vectors(s->out);
    d.turned = d.taps * whole_vectors(s->in) * s->out;
    if (s->pool) {
        d.oh = s->oh / 2 * 2;
        d.ow = s->ow / 2 * 2;
    }
    d.ph = s->pool ? d.oh / 2 : d.oh;
    d.pw = s->pool ? d.ow / 2 : d.ow;
    d.xh = s->h + 2 * s->padding;
    d.xw = s->w + 2 * s->padding;
    d.dh = s->h + s->kernel - 1;
    d.dw = s->w + s->kernel - 1;
    size_t maps = s->padding ? d.xh * d.xw * s->in : 0,
           gradients = d.dh * d.dw * s->out + kd_kernels()->vector, /* read beyond their end */
        lines = 2 * d.ow * KD_PANEL;
    d.of_part = (maps + (gradients > lines ? gradients : lines) + 15) / 16 * 16;
    return d;
}

size_t kd_conv_direct_scratch(const struct kd_conv_shape *s, size_t batch, bool training)
{
    (void)batch;
    struct direct d = direct_of(s);
    return d.count * (training ? 1 + PARTS : 1) + (training ? d.turned : 0) + PARTS * d.of_part;
}

static struct direct lay(const struct kd_conv *c)
{
    struct direct d = direct_of(&c->s);
    d.c = c;
    d.own = c->scratch;
    d.weight = d.own + PARTS * d.of_part;
    d.rotated = d.weight + d.count;
    d.partial = d.rotated + d.turned;
    return d;
}

static size_t panel_width(size_t n, size_t from)
{
    return n - from < KD_PANEL ? n - from : KD_PANEL;
}

/* [panel of n][taps][m] from weights [out][in][taps]; n runs over out, or (rotated) over in. The
 * last panel is filled up with zeros to whole vectors. */
static void pack_tap(const struct direct *d, float *to, size_t tap, bool rotated)
{
    const struct kd_conv_shape *s = &d->c->s;
    size_t n = rotated ? s->in : s->out, m = rotated ? s->out : s->in;
    const float *w = d->c->weight + (rotated ? d->taps - 1 - tap : tap);
    const float *scale = rotated ? NULL : d->c->scale;
    size_t step_n = (rotated ? 1 : s->in) * d->taps, step_m = (rotated ? s->in : 1) * d->taps;
    for (size_t from = 0; from < n; from += KD_PANEL) {
        size_t width = panel_width(n, from), whole = whole_vectors(width);
        float *row = to + from * d->taps * m + tap * m * whole;
        for (size_t i = 0; i < m; i++, row += whole)
            for (size_t o = 0; o < whole; o++)
                row[o] = o < width
                             ? w[(from + o) * step_n + i * step_m] * (scale ? scale[from + o] : 1)
                             : 0;
    }
}

static void pack_part(void *arg, unsigned part)
{
    const struct direct *d = arg;
    pack_tap(d, d->weight, part, false);
}

static void rotate_part(void *arg, unsigned part)
{
    const struct direct *d = arg;
    pack_tap(d, d->rotated, part, true);
}

/* The image's maps, with zeros around them where the convolution has padding; room's border is 0
 * already. */
static const float *bordered(const struct direct *d, size_t image, float *room)
{
    const struct kd_conv_shape *s = &d->c->s;
    const float *x = d->c->x + image * s->h * s->w * s->in;
    if (!s->padding) return x;
    for (size_t y = 0; y < s->h; y++)
        memcpy(room + ((y + s->padding) * d->xw + s->padding) * s->in, x + y * s->w * s->in,
               s->w * s->in * sizeof *x);
    return room;
}

/* Calls work(image) for the part's images, with the part's own memory cleared before. */
static void each_image(const struct direct *d, unsigned part,
                       void (*work)(const struct direct *d, unsigned part, size_t image))
{
    memset(d->own + part * d->of_part, 0, d->of_part * sizeof *d->own);
    size_t from = kd_conv_from(d->c->images, PARTS, part),
           to = kd_conv_from(d->c->images, PARTS, part + 1);
    for (size_t image = from; image < to; image++) work(d, part, image);
}

static void finish(const struct direct *d, size_t image, size_t pixels, size_t cols)
{
    d->c->call->finish(d->c->call->ctx, (struct kd_tile){image * pixels, pixels, 0, cols});
}

/* ---- forward ---- */

/* One row of outputs, columns of one panel. */
static void forward_row(const struct direct *d, const float *x, size_t row, size_t from, float *to,
                        size_t stride)
{
    const struct kd_conv *c = d->c;
    struct kd_product p = {.rows = d->ow,
                           .cols = panel_width(c->s.out, from),
                           .runs = d->k,
                           .depth = d->k * c->s.in,
                           .a = x + row * d->xw * c->s.in,
                           .a_row = c->s.in,
                           .a_run = d->xw * c->s.in,
                           .b = d->weight + from * d->taps * c->s.in,
                           .bias = c->bias ? c->bias + from : NULL,
                           .c = to,
                           .c_row = stride};
    kd_kernels()->product(&p);
}

static void forward_image(const struct direct *d, unsigned part, size_t image)
{
    const struct kd_conv *c = d->c;
    float *room = d->own + part * d->of_part,
          *lines = room + (c->s.padding ? d->xh * d->xw * c->s.in : 0);
    const float *x = bordered(d, image, room);
    for (size_t from = 0; from < c->s.out; from += KD_PANEL)
        for (size_t row = 0; row < d->ph; row++) {
            size_t width = panel_width(c->s.out, from),
                   at = (image * d->ph + row) * d->pw * c->s.out + from;
            if (!c->s.pool) {
                forward_row(d, x, row, from, c->y + at, c->s.out);
                continue;
            }
            forward_row(d, x, 2 * row, from, lines, width);
            forward_row(d, x, 2 * row + 1, from, lines + d->ow * width, width);
            kd_kernels()->pool2(c->y + at, c->winner ? c->winner + at : NULL, c->s.out, lines,
                                lines + d->ow * width, d->pw, width);
        }
    finish(d, image, d->ph * d->pw, c->s.out);
}

static void forward_part(void *arg, unsigned part)
{
    each_image(arg, part, forward_image);
}

void kd_conv_direct_forward(const struct kd_conv *c)
{
    struct direct d = lay(c);
    kd_pool_run(c->call->pool, (unsigned)d.taps, pack_part, &d);
    kd_pool_run(c->call->pool, PARTS, forward_part, &d);
}

/* ---- gradients ---- */

/* The image's gradient in the middle of a bordered map; returns where it starts. */
static const float *spread(const struct direct *d, size_t image, float *room)
{
    const struct kd_conv *c = d->c;
    size_t out = c->s.out, top = d->k - 1 - c->s.padding, line = d->dw * out;
    float *to = room + (top * d->dw + top) * out;
    for (size_t row = 0; row < d->ph; row++) {
        size_t at = (image * d->ph + row) * d->pw * out;
        if (c->s.pool)
            kd_kernels()->unpool2(to + 2 * row * line, to + (2 * row + 1) * line, c->dy + at,
                                  c->winner + at, d->pw, out);
        else
            memcpy(to + row * line, c->dy + at, d->pw * out * sizeof *to);
    }
    return to;
}

static void input_image(const struct direct *d, const float *gradient, size_t image)
{
    const struct kd_conv *c = d->c;
    for (size_t from = 0; from < c->s.in; from += KD_PANEL)
        for (size_t row = 0; row < c->s.h; row++) {
            struct kd_product p = {.rows = c->s.w,
                                   .cols = panel_width(c->s.in, from),
                                   .runs = d->k,
                                   .depth = d->k * c->s.out,
                                   .a = gradient + row * d->dw * c->s.out,
                                   .a_row = c->s.out,
                                   .a_run = d->dw * c->s.out,
                                   .b = d->rotated + from * d->taps * c->s.out,
                                   .c = c->dx + (image * c->s.h + row) * c->s.w * c->s.in + from,
                                   .c_row = c->s.in};
            kd_kernels()->product(&p);
        }
    finish(d, image, c->s.h * c->s.w, c->s.in);
}

static void back_image(const struct direct *d, unsigned part, size_t image)
{
    const struct kd_conv *c = d->c;
    float *room = d->own + part * d->of_part,
          *gradients = room + (c->s.padding ? d->xh * d->xw * c->s.in : 0);
    const float *from = spread(d, image, gradients);
    if (c->dweight) {
        struct kd_outer o = {.lines = d->oh,
                             .pixels = d->ow,
                             .cols = c->s.out,
                             .runs = d->k,
                             .depth = d->k * c->s.in,
                             .x = bordered(d, image, room),
                             .x_line = d->xw * c->s.in,
                             .x_run = d->xw * c->s.in,
                             .x_pixel = c->s.in,
                             .d = from,
                             .d_line = d->dw * c->s.out,
                             .d_pixel = c->s.out,
                             .w = d->partial + part * d->count};
        kd_kernels()->outer(&o);
    }
    if (c->dx) input_image(d, gradients, image);
}

static void back_part(void *arg, unsigned part)
{
    const struct direct *d = arg;
    if (d->c->dweight) memset(d->partial + part * d->count, 0, d->count * sizeof *d->partial);
    each_image(d, part, back_image);
}

void kd_conv_direct_back(const struct kd_conv *c)
{
    struct direct d = lay(c);
    if (c->dx) kd_pool_run(c->call->pool, (unsigned)d.taps, rotate_part, &d);
    kd_pool_run(c->call->pool, PARTS, back_part, &d);
}

/* One tap's share: the parts' sums, and back to PyTorch's order. */
static void gather_part(void *arg, unsigned tap)
{
    const struct direct *d = arg;
    const struct kd_conv_shape *s = &d->c->s;
    for (size_t from = 0; from < s->out; from += KD_PANEL) {
        size_t width = panel_width(s->out, from), whole = whole_vectors(width), n = s->in * whole;
        float *sum = d->partial + (from * d->taps + tap * whole) * s->in;
        for (unsigned part = 1; part < PARTS; part++)
            kd_kernels()->add(sum, sum + part * d->count, n, 1);
        for (size_t i = 0; i < s->in; i++)
            for (size_t o = 0; o < width; o++)
                d->c->dweight[((from + o) * s->in + i) * d->taps + tap] = sum[i * whole + o];
    }
}

void kd_conv_direct_weight(const struct kd_conv *c)
{
    struct direct d = lay(c);
    kd_pool_run(c->call->pool, (unsigned)d.taps, gather_part, &d);
}
