/* Convolution of stride 1, straight from the definition, by products whose sums stay in registers
 * (isa/block.c): a row of pixels at a time, the patches read where they overlap. For a tap row the
 * channels of neighbouring pixels are contiguous, so a patch is `kernel` runs of kernel * in
 * values.
 *
 * Maps with a border are copied into one with zeros around it, an image at a time; gradients
 * likewise, for the gradient of the input is the convolution of the bordered gradient with the
 * filters rotated. Tap rows that lie in the border altogether are left out. Where the layer pools
 * as well, some rows of outputs are made, pooled and forgotten, and gradients go from the pooled
 * pixels straight to the bordered copy.
 *
 * Weights of many channels or taps would fill the second cache, and be read through for every row
 * of pixels. So some tap rows are done for a block of rows, then the next ones: every sum is still
 * taken in the same order.
 *
 * Shared out by images; the parts' gradients of the weights are added up in their order. */
#include "conv.h"
#include "kd/nn/kernels.h"

#include <string.h>

enum {
    PARTS = 8,
    BLOCK = 256,        /* pixels, about, that the same tap rows are done for */
    AT_ONCE = 64 << 10, /* bytes of weights that stay in the second cache beside the pixels */
};

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

/* Rows of outputs that make a block, an even number. */
static size_t block_rows(const struct direct *d)
{
    size_t rows = (BLOCK / d->ow + 2) / 2 * 2;
    return rows < d->oh ? rows : (d->oh + 1) / 2 * 2;
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
        lines = s->pool ? block_rows(&d) * d.ow * KD_PANEL : 0;
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

/* Rows of a convolution's outputs, columns of one panel; `before` rows of zeros lie above the maps,
 * which have `height` rows. */
struct rows {
    struct kd_product p; /* of all tap rows; a is the first row's */
    size_t first, n, line, c_line, before, height;
};

/* Tap rows that stay in the cache together. */
static size_t runs_at_once(const struct kd_product *p)
{
    const size_t bytes = p->depth * KD_PANEL * sizeof(float), n = AT_ONCE / bytes;
    return n ? n : 1;
}

/* The tap rows of a row of outputs that meet the maps. */
static void meeting(const struct rows *rows, size_t row, size_t *begin, size_t *end)
{
    *begin = rows->before > row ? rows->before - row : 0;
    *end = rows->height + rows->before - row;
    if (*end > rows->p.runs) *end = rows->p.runs;
}

static void make_rows(const struct rows *rows)
{
    const struct kd_product *all = &rows->p;
    const size_t some = runs_at_once(all), columns = whole_vectors(all->cols);
    for (size_t run = 0; run < all->runs; run += some)
        for (size_t i = 0; i < rows->n; i++) {
            size_t begin, end;
            meeting(rows, rows->first + i, &begin, &end);
            const size_t from = run > begin ? run : begin, to = run + some < end ? run + some : end;
            if (from >= to && (begin < end || run)) continue;
            struct kd_product p = *all; /* of no tap row at all, where none meets the maps */
            p.runs = from < to ? to - from : 0;
            p.a += i * rows->line + from * all->a_run;
            p.b += from * all->depth * columns;
            p.c += i * rows->c_line;
            p.add = from > begin && p.runs;
            kd_kernels()->product(&p);
        }
}

/* Some rows of outputs, columns of one panel. */
static void forward_rows(const struct direct *d, const float *x, size_t row, size_t n, size_t from,
                         float *to, size_t stride)
{
    const struct kd_conv *c = d->c;
    const struct rows rows = {.p = {.rows = d->ow,
                                    .cols = panel_width(c->s.out, from),
                                    .runs = d->k,
                                    .depth = d->k * c->s.in,
                                    .a = x + row * d->xw * c->s.in,
                                    .a_row = c->s.in,
                                    .a_run = d->xw * c->s.in,
                                    .b = d->weight + from * d->taps * c->s.in,
                                    .bias = c->bias ? c->bias + from : NULL,
                                    .c = to,
                                    .c_row = stride},
                              .first = row,
                              .n = n,
                              .line = d->xw * c->s.in,
                              .c_line = d->ow * stride,
                              .before = c->s.padding,
                              .height = c->s.h};
    make_rows(&rows);
}

static void pool_rows(const struct direct *d, const float *lines, size_t n, size_t at, size_t width)
{
    const struct kd_conv *c = d->c;
    for (size_t i = 0; i < n; i += 2, at += d->pw * c->s.out)
        kd_kernels()->pool2(c->y + at, c->winner ? c->winner + at : NULL, c->s.out,
                            lines + i * d->ow * width, lines + (i + 1) * d->ow * width, d->pw,
                            width);
}

/* Rows `begin` to `end` of an image's outputs, by the part that has its bordered maps. */
static void forward_some(const struct direct *d, unsigned part, size_t image, size_t begin,
                         size_t end)
{
    const struct kd_conv *c = d->c;
    float *room = d->own + part * d->of_part,
          *lines = room + (c->s.padding ? d->xh * d->xw * c->s.in : 0);
    const float *x = bordered(d, image, room);
    const size_t block = block_rows(d);
    for (size_t from = 0; from < c->s.out; from += KD_PANEL)
        for (size_t row = begin; row < end; row += block) {
            const size_t width = panel_width(c->s.out, from),
                         n = end - row < block ? end - row : block;
            float *y = c->y + from;
            if (c->s.pool) {
                forward_rows(d, x, row, n, from, lines, width);
                pool_rows(d, lines, n, (image * d->ph + row / 2) * d->pw * c->s.out + from, width);
            } else {
                y += (image * d->oh + row) * d->ow * c->s.out;
                forward_rows(d, x, row, n, from, y, c->s.out);
            }
        }
}

static void forward_image(const struct direct *d, unsigned part, size_t image)
{
    forward_some(d, part, image, 0, d->oh);
    finish(d, image, d->ph * d->pw, d->c->s.out);
}

static void forward_part(void *arg, unsigned part)
{
    each_image(arg, part, forward_image);
}

/* Of fewer images than parts each is done by several, some rows by each. */
static void forward_slice(void *arg, unsigned part)
{
    const struct direct *d = arg;
    const size_t slices = PARTS / d->c->images, image = part / slices, slice = part % slices;
    const size_t pairs = (d->oh + 1) / 2, begin = pairs * slice / slices * 2,
                 end = pairs * (slice + 1) / slices * 2;
    if (image >= d->c->images || begin == end) return;
    memset(d->own + part * d->of_part, 0, d->of_part * sizeof *d->own);
    forward_some(d, part, image, begin, end < d->oh ? end : d->oh);
}

static void finish_image(void *arg, unsigned image)
{
    const struct direct *d = arg;
    finish(d, image, d->ph * d->pw, d->c->s.out);
}

void kd_conv_direct_forward(const struct kd_conv *c)
{
    struct direct d = lay(c);
    kd_pool_run(c->call->pool, (unsigned)d.taps, pack_part, &d);
    if (2 * c->images > PARTS) {
        kd_pool_run(c->call->pool, PARTS, forward_part, &d);
        return;
    }
    kd_pool_run(c->call->pool, PARTS, forward_slice, &d);
    kd_pool_run(c->call->pool, (unsigned)c->images, finish_image, &d);
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
    const size_t block = block_rows(d);
    for (size_t from = 0; from < c->s.in; from += KD_PANEL)
        for (size_t row = 0; row < c->s.h; row += block) {
            const struct rows rows = {
                .p = {.rows = c->s.w,
                      .cols = panel_width(c->s.in, from),
                      .runs = d->k,
                      .depth = d->k * c->s.out,
                      .a = gradient + row * d->dw * c->s.out,
                      .a_row = c->s.out,
                      .a_run = d->dw * c->s.out,
                      .b = d->rotated + from * d->taps * c->s.out,
                      .c = c->dx + (image * c->s.h + row) * c->s.w * c->s.in + from,
                      .c_row = c->s.in},
                .first = row,
                .n = c->s.h - row < block ? c->s.h - row : block,
                .line = d->dw * c->s.out,
                .c_line = c->s.w * c->s.in,
                .before = d->k - 1 - c->s.padding,
                .height = d->oh};
            make_rows(&rows);
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
