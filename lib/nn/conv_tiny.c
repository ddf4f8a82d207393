/* Convolution of maps so small that much of a filter hangs over their edge: 2x2 maps under 3x3
 * filters want 16 of 36 taps.
 *
 * Output by output: the taps inside the maps are runs of contiguous inputs, the rows of the product
 * are the images. Every output has a rectangle of taps of its own; the gradients of weights go
 * through the same rectangles, those of the input are the convolution with filters rotated. Shared
 * out by panels of output channels, so nothing is added up afterwards. */
#include "conv.h"
#include "kd/nn/kernels.h"

#include <string.h>

struct tiny {
    const struct kd_conv *c;
    size_t k, taps, in, out, h, w, oh, ow, padding, panels;
    const float *x, *bias, *dy;
    float *y;
    float *weight; /* packed: [panel of out][taps][in] */
    bool rotated;
};

static struct tiny tiny_of(const struct kd_conv *c, bool rotated)
{
    const struct kd_conv_shape *s = &c->s;
    struct tiny t = {.c = c,
                     .k = s->kernel,
                     .taps = s->kernel * s->kernel,
                     .in = s->in,
                     .out = s->out,
                     .h = s->h,
                     .w = s->w,
                     .oh = s->oh,
                     .ow = s->ow,
                     .padding = s->padding,
                     .weight = c->scratch,
                     .rotated = rotated};
    if (rotated) {
        t.in = s->out;
        t.out = s->in;
        t.h = s->oh;
        t.w = s->ow;
        t.oh = s->h;
        t.ow = s->w;
        t.padding = s->kernel - 1 - s->padding;
    }
    t.panels = (t.out + KD_PANEL - 1) / KD_PANEL;
    return t;
}

size_t kd_conv_tiny_scratch(const struct kd_conv_shape *s, size_t batch, bool training)
{
    (void)batch;
    (void)training;
    return s->kernel * s->kernel * s->in * s->out;
}

/* Taps [first, first + n) of a line of k lie inside `size` inputs, for output `at`; input `from` is
 * the first one's. */
struct span {
    size_t first, n, from;
};

static struct span span_of(size_t at, size_t k, size_t padding, size_t size)
{
    struct span s = {at < padding ? padding - at : 0, 0, at < padding ? 0 : at - padding};
    size_t end = size + padding - at < k ? size + padding - at : k;
    s.n = end > s.first ? end - s.first : 0;
    return s;
}

static size_t panel_width(const struct tiny *t, size_t from)
{
    return t->out - from < KD_PANEL ? t->out - from : KD_PANEL;
}

static void pack_panel(const struct tiny *t, size_t from)
{
    size_t width = panel_width(t, from), step = t->rotated ? 1 : t->in,
           step_in = t->rotated ? t->out : 1;
    for (size_t i = 0; i < t->in; i++)
        for (size_t o = 0; o < width; o++) {
            const float *w = t->c->weight + ((from + o) * step + i * step_in) * t->taps;
            float *to = t->weight + from * t->taps * t->in + i * width + o;
            float by = !t->rotated && t->c->scale ? t->c->scale[from + o] : 1;
            for (size_t k = 0; k < t->taps; k++)
                to[k * t->in * width] = w[t->rotated ? t->taps - 1 - k : k] * by;
        }
}

static void forward_part(void *arg, unsigned panel)
{
    const struct tiny *t = arg;
    size_t from = panel * (size_t)KD_PANEL, width = panel_width(t, from);
    pack_panel(t, from);
    for (size_t o = 0; o < t->oh * t->ow; o++) {
        struct span down = span_of(o / t->ow, t->k, t->padding, t->h),
                    across = span_of(o % t->ow, t->k, t->padding, t->w);
        struct kd_product p = {.rows = t->c->images,
                               .cols = width,
                               .runs = down.n,
                               .depth = across.n * t->in,
                               .a = t->x + (down.from * t->w + across.from) * t->in,
                               .a_row = t->h * t->w * t->in,
                               .a_run = t->w * t->in,
                               .b = t->weight + from * t->taps * t->in +
                                    (down.first * t->k + across.first) * t->in * width,
                               .b_run = t->k * t->in,
                               .bias = t->bias ? t->bias + from : NULL,
                               .c = t->y + o * t->out + from,
                               .c_row = t->oh * t->ow * t->out};
        kd_kernels()->product(&p);
    }
}

/* Whole images at the end, for what works on them afterwards. */
static void finish_part(void *arg, unsigned part)
{
    const struct tiny *t = arg;
    size_t pixels = t->oh * t->ow, from = kd_conv_from(t->c->images, 4, part),
           to = kd_conv_from(t->c->images, 4, part + 1);
    if (from < to)
        t->c->call->finish(t->c->call->ctx,
                           (struct kd_tile){from * pixels, (to - from) * pixels, 0, t->out});
}

static void run(struct tiny *t)
{
    kd_pool_run(t->c->call->pool, (unsigned)t->panels, forward_part, t);
    kd_pool_run(t->c->call->pool, 4, finish_part, t);
}

void kd_conv_tiny_forward(const struct kd_conv *c)
{
    struct tiny t = tiny_of(c, false);
    t.x = c->x;
    t.y = c->y;
    t.bias = c->bias;
    run(&t);
}

void kd_conv_tiny_input(const struct kd_conv *c)
{
    struct tiny t = tiny_of(c, true);
    t.x = c->dy;
    t.y = c->dx;
    run(&t);
}

static void unpack_panel(const struct tiny *t, size_t from)
{
    size_t width = panel_width(t, from);
    for (size_t i = 0; i < t->in; i++)
        for (size_t o = 0; o < width; o++) {
            const float *sum = t->weight + from * t->taps * t->in + i * width + o;
            float *w = t->c->dweight + ((from + o) * t->in + i) * t->taps;
            for (size_t k = 0; k < t->taps; k++) w[k] = sum[k * t->in * width];
        }
}

static void weight_part(void *arg, unsigned panel)
{
    const struct tiny *t = arg;
    size_t from = panel * (size_t)KD_PANEL, width = panel_width(t, from);
    float *sums = t->weight + from * t->taps * t->in;
    memset(sums, 0, t->taps * t->in * width * sizeof *sums);
    for (size_t o = 0; o < t->oh * t->ow; o++) {
        struct span down = span_of(o / t->ow, t->k, t->padding, t->h),
                    across = span_of(o % t->ow, t->k, t->padding, t->w);
        struct kd_outer p = {.lines = 1,
                             .pixels = t->c->images,
                             .cols = width,
                             .runs = down.n,
                             .depth = across.n * t->in,
                             .x = t->c->x + (down.from * t->w + across.from) * t->in,
                             .x_run = t->w * t->in,
                             .x_pixel = t->h * t->w * t->in,
                             .d = t->c->dy + o * t->out + from,
                             .d_pixel = t->oh * t->ow * t->out,
                             .w = sums + (down.first * t->k + across.first) * t->in * width,
                             .w_run = t->k * t->in};
        kd_kernels()->outer(&p);
    }
    unpack_panel(t, from);
}

void kd_conv_tiny_weight(const struct kd_conv *c)
{
    struct tiny t = tiny_of(c, false);
    kd_pool_run(c->call->pool, (unsigned)t.panels, weight_part, &t);
}

/* ---- gradients of the weights, of shards: a panel of outputs by BLOCK inputs at a time ---- */

enum { BLOCK = 64, WORKERS = 8 };

struct block {
    size_t o0, width, i0, depth; /* outputs, inputs */
    float *sums;                 /* [taps][depth][width] */
};

/* As weight_part sums, for images [image, image + images). */
static void sum_block(const struct tiny *t, const struct block *b, size_t image, size_t images)
{
    const float *x = t->c->x + image * t->h * t->w * t->in + b->i0;
    const float *dy = t->c->dy + image * t->oh * t->ow * t->out + b->o0;
    memset(b->sums, 0, t->taps * b->depth * b->width * sizeof *b->sums);
    for (size_t o = 0; o < t->oh * t->ow; o++) {
        struct span down = span_of(o / t->ow, t->k, t->padding, t->h),
                    across = span_of(o % t->ow, t->k, t->padding, t->w);
        for (size_t a = 0; a < across.n; a++) {
            const size_t tap = down.first * t->k + across.first + a;
            struct kd_outer p = {.lines = 1,
                                 .pixels = images,
                                 .cols = b->width,
                                 .runs = down.n,
                                 .depth = b->depth,
                                 .x = x + (down.from * t->w + across.from + a) * t->in,
                                 .x_run = t->w * t->in,
                                 .x_pixel = t->h * t->w * t->in,
                                 .d = dy + o * t->out,
                                 .d_pixel = t->oh * t->ow * t->out,
                                 .w = b->sums + tap * b->depth * b->width,
                                 .w_run = t->k * b->depth};
            kd_kernels()->outer(&p);
        }
    }
}

static void unpack_block(const struct tiny *t, const struct block *b, float *to, size_t stride)
{
    const size_t step = b->depth * b->width;
    for (size_t o = 0; o < b->width; o++)
        for (size_t i = 0; i < b->depth; i++)
            for (size_t k = 0; k < t->taps; k++)
                to[o * stride + i * t->taps + k] = b->sums[k * step + i * b->width + o];
}

struct shards {
    struct tiny t;
    const struct kd_cuts *cuts;
    const struct kd_param *w;
    size_t blocks; /* of inputs */
};

static void learn_block(const struct shards *s, const struct block *b, float *room)
{
    const struct tiny *t = &s->t;
    struct kd_piece piece = {
        s->w, (b->o0 * t->in + b->i0) * t->taps, b->width, b->depth * t->taps, t->in * t->taps,
        room};
    struct kd_folding f = kd_fold(s->cuts, piece);
    for (; f.shard < s->cuts->n; kd_fold_add(&f, NULL)) {
        const size_t image = s->cuts->from[f.shard];
        size_t stride;
        float *to = kd_fold_to(&f, &stride);
        sum_block(t, b, image, s->cuts->from[f.shard + 1] - image);
        unpack_block(t, b, to, stride);
    }
}

/* A worker takes every WORKERS-th block, and has room for one. */
static void learn_part(void *arg, unsigned worker)
{
    const struct shards *s = arg;
    const struct tiny *t = &s->t;
    const size_t numbers = BLOCK * KD_PANEL * t->taps;
    for (size_t at = worker; at < t->panels * s->blocks; at += WORKERS) {
        struct block b = {.o0 = at / s->blocks * KD_PANEL,
                          .i0 = at % s->blocks * BLOCK,
                          .sums = t->weight + worker * numbers};
        b.width = panel_width(t, b.o0);
        b.depth = t->in - b.i0 < BLOCK ? t->in - b.i0 : BLOCK;
        learn_block(s, &b, s->cuts->room + worker * s->cuts->levels * numbers);
    }
}

bool kd_conv_tiny_learn(const struct kd_conv *c, const struct kd_param *w)
{
    struct shards s = {.t = tiny_of(c, false), .cuts = c->call->pass->cuts, .w = w};
    const size_t needed = (size_t)WORKERS * BLOCK * KD_PANEL * s.t.taps;
    if (needed > s.t.taps * s.t.in * s.t.out || needed > s.cuts->room_each) return false;
    s.blocks = (s.t.in + BLOCK - 1) / BLOCK;
    kd_pool_run(c->call->pool, WORKERS, learn_part, &s);
    return true;
}
