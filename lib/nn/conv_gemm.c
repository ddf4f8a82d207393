/* Convolution of any shape as one product a chunk of images: patches are laid out as rows (im2col),
 * taps outside, channels inside, so that a patch is a few contiguous copies. Shared out by images;
 * the parts' gradients of the weights are added up in their order. */
#include "conv.h"
#include "kd/nn/gemm.h"
#include "kd/nn/kernels.h"

#include <string.h>

enum { PARTS = 4, ROWS = 256 };

struct gemm {
    const struct kd_conv *c;
    size_t cin, cout, depth; /* channels of a group; columns of a patch */
    size_t pixels;           /* of the output */
    size_t chunk;            /* images a product */
    bool direct;             /* 1x1, stride 1: the maps are the patches */
    const float *weight;     /* [out][taps][cin] */
    float *packed;           /* room for them, where they do not lie so */
    float *columns;          /* [PARTS][chunk*pixels][depth] */
    float *partial;          /* [PARTS][out][depth] */
};

static struct gemm gemm_of(const struct kd_conv_shape *s, size_t batch)
{
    struct gemm g = {.cin = s->in / s->groups, .cout = s->out / s->groups, .pixels = s->oh * s->ow};
    g.depth = g.cin * s->kernel * s->width;
    g.chunk = (ROWS + g.pixels - 1) / g.pixels;
    if (g.chunk > batch) g.chunk = batch;
    g.direct = s->kernel == 1 && s->width == 1 && s->stride == 1 && s->padding + s->side == 0;
    return g;
}

size_t kd_conv_gemm_scratch(const struct kd_conv_shape *s, size_t batch, bool training)
{
    struct gemm g = gemm_of(s, batch);
    size_t partial = training ? PARTS * s->out * g.depth : 0,
           columns = g.direct ? 0 : g.chunk * g.pixels * g.depth;
    return s->out * g.depth + PARTS * columns + partial;
}

static struct gemm lay(const struct kd_conv *c)
{
    struct gemm g = gemm_of(&c->s, c->images);
    g.c = c;
    g.packed = c->scratch;
    g.columns = g.packed + c->s.out * g.depth;
    g.partial = g.columns + (g.direct ? 0 : PARTS * g.chunk * g.pixels * g.depth);
    return g;
}

/* [o][i][t] to [o][t][i], or back; with one tap, or one channel, the two are the same. */
static void pack(float *to, const float *from, size_t filters, size_t rows, size_t cols)
{
    if (rows == 1 || cols == 1) {
        memcpy(to, from, filters * rows * cols * sizeof *to);
        return;
    }
    for (size_t o = 0; o < filters; o++)
        for (size_t r = 0; r < rows; r++)
            for (size_t k = 0; k < cols; k++)
                to[(o * cols + k) * rows + r] = from[(o * rows + r) * cols + k];
}

static void pack_weight(struct gemm *g, const float *scale)
{
    const size_t taps = g->c->s.kernel * g->c->s.width;
    g->weight = g->c->weight;
    if (!scale && (taps == 1 || g->cin == 1)) return;
    pack(g->packed, g->c->weight, g->c->s.out, g->cin, taps);
    g->weight = g->packed;
    for (size_t o = 0; scale && o < g->c->s.out; o++)
        kd_kernels()->scale(g->packed + o * g->depth, g->depth, scale[o]);
}

/* Calls move(patch's place, map's place) for every tap inside the maps; patches start out as zeros.
 */
static void patches(const struct gemm *g, float *columns, float *maps, size_t images, size_t group,
                    bool back)
{
    const struct kd_conv_shape *s = &g->c->s;
    if (!back) memset(columns, 0, images * g->pixels * g->depth * sizeof *columns);
    for (size_t row = 0; row < images * g->pixels; row++) {
        size_t image = row / g->pixels, y = row % g->pixels / s->ow, x = row % s->ow;
        for (size_t t = 0; t < s->kernel * s->width; t++) {
            size_t iy = y * s->stride + t / s->width - s->padding; /* wraps below 0 */
            size_t ix = x * s->stride + t % s->width - s->side;
            if (iy >= s->h || ix >= s->w) continue;
            float *patch = columns + row * g->depth + t * g->cin;
            float *map = maps + ((image * s->h + iy) * s->w + ix) * s->in + group * g->cin;
            if (back)
                for (size_t i = 0; i < g->cin; i++) map[i] += patch[i];
            else
                memcpy(patch, map, g->cin * sizeof *patch);
        }
    }
}

/* The chunks of a part, group by group. */
static void each_chunk(const struct gemm *g, unsigned part,
                       void (*work)(const struct gemm *g, unsigned part, size_t image,
                                    size_t images, size_t group))
{
    size_t from = kd_conv_from(g->c->images, PARTS, part),
           to = kd_conv_from(g->c->images, PARTS, part + 1);
    for (size_t image = from; image < to; image += g->chunk) {
        size_t images = to - image < g->chunk ? to - image : g->chunk;
        for (size_t group = 0; group < g->c->s.groups; group++) work(g, part, image, images, group);
    }
}

static float *columns_of(const struct gemm *g, unsigned part)
{
    return g->columns + part * g->chunk * g->pixels * g->depth;
}

/* Patches of a chunk of x, or x itself. */
static const float *gather(const struct gemm *g, unsigned part, size_t image, size_t images,
                           size_t group, size_t *ld)
{
    const struct kd_conv_shape *s = &g->c->s;
    const float *maps = g->c->x + image * s->h * s->w * s->in;
    *ld = g->direct ? s->in : g->depth;
    if (g->direct) return maps + group * g->cin;
    patches(g, columns_of(g, part), (float *)(uintptr_t)maps, images, group, false);
    return columns_of(g, part);
}

static void finish(const struct gemm *g, unsigned part, size_t pixels, size_t cols)
{
    size_t from = kd_conv_from(g->c->images, PARTS, part),
           to = kd_conv_from(g->c->images, PARTS, part + 1);
    if (from < to)
        g->c->call->finish(g->c->call->ctx,
                           (struct kd_tile){from * pixels, (to - from) * pixels, 0, cols});
}

/* ---- forward ---- */

static void forward_chunk(const struct gemm *g, unsigned part, size_t image, size_t images,
                          size_t group)
{
    const struct kd_conv *c = g->c;
    size_t ld, rows = images * g->pixels, first = group * g->cout;
    const float *columns = gather(g, part, image, images, group, &ld);
    float *y = c->y + image * g->pixels * c->s.out + first;
    if (c->bias) kd_kernels()->fill_rows(y, c->s.out, rows, g->cout, c->bias + first);
    kd_gemm_bt((struct kd_mnk){rows, g->cout, g->depth}, (struct kd_rows){columns, ld},
               (struct kd_rows){g->weight + first * g->depth, g->depth}, c->bias ? 1.0f : 0.0f, y,
               c->s.out);
}

static void forward_part(void *arg, unsigned part)
{
    const struct gemm *g = arg;
    each_chunk(g, part, forward_chunk);
    finish(g, part, g->pixels, g->c->s.out);
}

void kd_conv_gemm_forward(const struct kd_conv *c)
{
    struct gemm g = lay(c);
    pack_weight(&g, c->scale);
    kd_pool_run(c->call->pool, PARTS, forward_part, &g);
}

/* ---- gradient of the input ---- */

static void input_chunk(const struct gemm *g, unsigned part, size_t image, size_t images,
                        size_t group)
{
    const struct kd_conv *c = g->c;
    size_t rows = images * g->pixels, first = group * g->cout;
    const float *dy = c->dy + image * g->pixels * c->s.out + first;
    float *maps = c->dx + image * c->s.h * c->s.w * c->s.in;
    if (g->direct) {
        kd_gemm((struct kd_mnk){rows, g->depth, g->cout}, (struct kd_rows){dy, c->s.out},
                (struct kd_rows){g->weight + first * g->depth, g->depth}, 0, maps + group * g->cin,
                c->s.in);
        return;
    }
    kd_gemm((struct kd_mnk){rows, g->depth, g->cout}, (struct kd_rows){dy, c->s.out},
            (struct kd_rows){g->weight + first * g->depth, g->depth}, 0, columns_of(g, part),
            g->depth);
    if (group == 0) memset(maps, 0, images * c->s.h * c->s.w * c->s.in * sizeof *maps);
    patches(g, columns_of(g, part), maps, images, group, true);
}

static void input_part(void *arg, unsigned part)
{
    const struct gemm *g = arg;
    each_chunk(g, part, input_chunk);
    finish(g, part, g->c->s.h * g->c->s.w, g->c->s.in);
}

void kd_conv_gemm_input(const struct kd_conv *c)
{
    struct gemm g = lay(c);
    pack_weight(&g, NULL);
    kd_pool_run(c->call->pool, PARTS, input_part, &g);
}

/* ---- gradient of the weights ---- */

static void weight_chunk(const struct gemm *g, unsigned part, size_t image, size_t images,
                         size_t group)
{
    const struct kd_conv *c = g->c;
    size_t ld, rows = images * g->pixels, first = group * g->cout;
    const float *columns = gather(g, part, image, images, group, &ld);
    const float *dy = c->dy + image * g->pixels * c->s.out + first;
    kd_gemm_at((struct kd_mnk){g->cout, g->depth, rows}, (struct kd_rows){dy, c->s.out},
               (struct kd_rows){columns, ld}, 1, g->partial + (part * c->s.out + first) * g->depth,
               g->depth);
}

static void weight_part(void *arg, unsigned part)
{
    const struct gemm *g = arg;
    memset(g->partial + part * g->c->s.out * g->depth, 0, g->c->s.out * g->depth * sizeof(float));
    each_chunk(g, part, weight_chunk);
}

void kd_conv_gemm_weight(const struct kd_conv *c)
{
    struct gemm g = lay(c);
    size_t n = c->s.out * g.depth;
    kd_pool_run(c->call->pool, PARTS, weight_part, &g);
    for (unsigned part = 1; part < PARTS; part++)
        kd_kernels()->add(g.partial, g.partial + part * n, n, 1);
    pack(c->dweight, g.partial, c->s.out, c->s.kernel * c->s.width, g.cin);
}
