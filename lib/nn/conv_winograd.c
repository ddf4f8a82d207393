/* 3x3 convolution of stride 1 by Winograd's F(4x4, 3x3): 36 products of matrices instead of 144
 * multiplications a tile.
 *
 * A block of tiles at a time goes through three steps:
 *     patches -> V[36][tiles][in];   M[k] = V[k] U[k], U[36][in][out];   M -> y
 * The gradient of the input is the same with filters rotated, in and out exchanged; that of the
 * weights is dU[k] += V[k]' D[k] with D the transformed gradient, and dw from dU at the end.
 *
 * Where U fits beside a block in a core's own cache, images are shared out and each part takes its
 * blocks through all steps by itself. Otherwise a block is as much as the shared cache holds, each
 * step of it is shared out, and filters are taken a group at a time, as many as that cache holds.
 */
#include "conv.h"
#include "kd/nn/kernels.h"

#include <string.h>

enum { POINTS = 36, LANE = 16, ZEROS = 4096, PARTS = 8 };
static const float zeros[ZEROS];
static const size_t near_filters = (size_t)640 << 10, near_block = (size_t)384 << 10,
                    far_block = (size_t)6 << 20, far_filters = (size_t)10 << 20;

/* One direction: from maps of h x w with `in` channels to oh x ow with `out`. */
struct flow {
    const struct kd_conv *c;
    size_t in, out, h, w, oh, ow, padding;
    size_t th, tw; /* tiles down, across */
    const float *x;
    const float *dy; /* gradients, in the flow of weights */
    float *y;
    const float *bias;
    size_t group;        /* of output channels; all where near */
    size_t o0, width;    /* the group under way */
    size_t i0, depth;    /* and the input channels: all, but where shards learn */
    bool started, ready; /* V of the only block is there from the group before */
    float *u; /* [36], each in panels of KD_PANEL of the group; in the flow of weights [PARTS] of
                 them where near */
    float *blocks;
    bool rotated, near;
    size_t rows; /* of tiles in a block */
};

/* Rows of tiles are numbered through all images. Points lie a line further apart than they must,
 * lest they all fall into the same sets of the cache. */
struct block {
    const struct flow *f;
    size_t row0, rows;
    float *v, *m;
    size_t v_step, m_step;
};

static size_t image_bytes(const struct flow *f)
{
    return f->th * f->tw * POINTS * (f->in + f->out) * sizeof(float);
}

static size_t near_rows(const struct flow *f)
{
    size_t rows = near_block * f->th / image_bytes(f);
    if (rows < 1) rows = 1;
    if (rows >= f->th) return rows / f->th * f->th;
    size_t blocks = (f->th + rows - 1) / rows;
    return (f->th + blocks - 1) / blocks;
}

static size_t far_rows(const struct flow *f, size_t images)
{
    size_t n = far_block / image_bytes(f) / 4 * 4;
    size_t least = (128 + f->th * f->tw - 1) / (f->th * f->tw); /* rows of a product */
    if (n < least) n = least;
    if (n < 4) n = 4;
    return (n < images ? n : images) * f->th;
}

static struct flow flow_of(const struct kd_conv_shape *s, size_t images, bool back)
{
    struct flow f = {.in = s->in,
                     .out = s->out,
                     .h = s->h,
                     .w = s->w,
                     .oh = s->oh,
                     .ow = s->ow,
                     .padding = s->padding};
    if (back)
        f = (struct flow){.in = s->out,
                          .out = s->in,
                          .h = s->oh,
                          .w = s->ow,
                          .oh = s->h,
                          .ow = s->w,
                          .padding = 2 - s->padding,
                          .rotated = true};
    f.depth = f.in;
    f.th = (f.oh + 3) / 4;
    f.tw = (f.ow + 3) / 4;
    f.near = POINTS * f.in * f.out * sizeof(float) <= near_filters;
    f.group = f.out;
    if (!f.near) {
        size_t most = far_filters / (POINTS * f.in * sizeof(float)) / KD_PANEL * KD_PANEL;
        f.group = most < KD_PANEL ? KD_PANEL : most < f.out ? most : f.out;
    }
    f.width = f.group;
    f.rows = f.near ? near_rows(&f) : far_rows(&f, images);
    return f;
}

static size_t filter_floats(const struct flow *f)
{
    return POINTS * f->in * f->group;
}

static size_t v_floats(const struct flow *f)
{
    return POINTS * (f->rows * f->tw * f->in + LANE);
}

static size_t block_floats(const struct flow *f)
{
    return v_floats(f) + POINTS * (f->rows * f->tw * f->group + LANE);
}

static size_t flow_floats(const struct flow *f, bool weights)
{
    return filter_floats(f) * (weights && f->near ? PARTS : 1) +
           block_floats(f) * (f->near ? PARTS : 1);
}

size_t kd_conv_winograd_scratch(const struct kd_conv_shape *s, size_t batch, bool training)
{
    struct flow there = flow_of(s, batch, false), back = flow_of(s, batch, true);
    size_t a = flow_floats(&there, training), b = flow_floats(&back, false);
    return training && b > a ? b : a;
}

static void lay(struct flow *f, const struct kd_conv *c, bool weights)
{
    f->c = c;
    f->u = c->scratch;
    f->blocks = f->u + filter_floats(f) * (weights && f->near ? PARTS : 1);
}

static struct block block_of(const struct flow *f, unsigned part, size_t row0, size_t rows)
{
    struct block b = {f,
                      row0,
                      rows,
                      f->blocks + part * block_floats(f),
                      NULL,
                      rows * f->tw * f->in + LANE,
                      rows * f->tw * f->width + LANE};
    b.m = b.v + v_floats(f);
    return b;
}

/* ---- steps of a block ---- */

/* A row of tiles of one image; `row` counts within the block. */
static void input_row(const struct block *b, size_t row)
{
    const struct flow *f = b->f;
    size_t image = (b->row0 + row) / f->th, ty = (b->row0 + row) % f->th;
    const float *maps = f->x + image * f->h * f->w * f->in + f->i0;
    for (size_t tx = 0; tx < f->tw; tx++) {
        const float *px[POINTS];
        for (size_t i = 0; i < 6; i++)
            for (size_t j = 0; j < 6; j++) {
                size_t y = ty * 4 + i - f->padding, x = tx * 4 + j - f->padding; /* wraps below 0 */
                px[i * 6 + j] = y < f->h && x < f->w ? maps + (y * f->w + x) * f->in : zeros;
            }
        kd_kernels()->winograd_input(b->v + (row * f->tw + tx) * f->depth, b->v_step, px, f->depth);
    }
}

static void gradient_row(const struct block *b, size_t row)
{
    const struct flow *f = b->f;
    size_t image = (b->row0 + row) / f->th, ty = (b->row0 + row) % f->th;
    const float *maps = f->dy + image * f->oh * f->ow * f->out + f->o0;
    for (size_t tx = 0; tx < f->tw; tx++) {
        const float *px[16];
        for (size_t i = 0; i < 4; i++)
            for (size_t j = 0; j < 4; j++) {
                size_t y = ty * 4 + i, x = tx * 4 + j;
                px[i * 4 + j] = y < f->oh && x < f->ow ? maps + (y * f->ow + x) * f->out : zeros;
            }
        kd_kernels()->winograd_output_back(b->m + (row * f->tw + tx) * f->width, b->m_step, px,
                                           f->width);
    }
}

static void output_row(const struct block *b, size_t row)
{
    const struct flow *f = b->f;
    size_t image = (b->row0 + row) / f->th, ty = (b->row0 + row) % f->th;
    float *maps = f->y + image * f->oh * f->ow * f->out + f->o0;
    const float *bias = f->bias ? f->bias + f->o0 : NULL;
    for (size_t tx = 0; tx < f->tw; tx++) {
        float *py[16];
        for (size_t i = 0; i < 4; i++)
            for (size_t j = 0; j < 4; j++) {
                size_t y = ty * 4 + i, x = tx * 4 + j;
                py[i * 4 + j] = y < f->oh && x < f->ow ? maps + (y * f->ow + x) * f->out : NULL;
            }
        kd_kernels()->winograd_output(py, b->m + (row * f->tw + tx) * f->width, b->m_step, bias,
                                      f->width);
    }
}

static void multiply(const struct block *b, size_t k)
{
    const struct flow *f = b->f;
    struct kd_product p = {.rows = b->rows * f->tw,
                           .cols = f->width,
                           .runs = 1,
                           .depth = f->in,
                           .a = b->v + k * b->v_step,
                           .a_row = f->in,
                           .b = f->u + k * f->in * f->width,
                           .c = b->m + k * b->m_step,
                           .c_row = f->width};
    kd_kernels()->product(&p);
}

/* u: dU, [36] */
static void learn(const struct block *b, float *u, size_t k)
{
    const struct flow *f = b->f;
    struct kd_outer o = {.lines = 1,
                         .pixels = b->rows * f->tw,
                         .cols = f->width,
                         .runs = 1,
                         .depth = f->in,
                         .x = b->v + k * b->v_step,
                         .x_pixel = f->in,
                         .d = b->m + k * b->m_step,
                         .d_pixel = f->width,
                         .w = u + k * f->in * f->width};
    kd_kernels()->outer(&o);
}

/* Images whose last row of tiles is in the block. */
static void finish(const struct block *b)
{
    const struct flow *f = b->f;
    size_t from = b->row0 / f->th, to = (b->row0 + b->rows) / f->th, pixels = f->oh * f->ow;
    if (from < to)
        f->c->call->finish(f->c->call->ctx,
                           (struct kd_tile){from * pixels, (to - from) * pixels, 0, f->out});
}

/* ---- blocks ---- */

/* near: the blocks of a part's images, one after another; none crosses an image's end unless it
 * holds whole ones. */
static void each_near(const struct flow *f, unsigned part,
                      void (*work)(const struct block *b, unsigned part))
{
    size_t row = kd_conv_from(f->c->images, PARTS, part) * f->th,
           end = kd_conv_from(f->c->images, PARTS, part + 1) * f->th;
    while (row < end) {
        size_t stop = row + f->rows, image_end = (row / f->th + 1) * f->th;
        if (f->rows < f->th && stop > image_end) stop = image_end;
        if (stop > end) stop = end;
        struct block b = block_of(f, part, row, stop - row);
        work(&b, part);
        row = stop;
    }
}

/* far: each block in turn, whole images of it. */
static void each_far(const struct flow *f, void (*work)(struct kd_pool *pool, struct block *b))
{
    size_t end = f->c->images * f->th;
    for (size_t row = 0; row < end; row += f->rows) {
        struct block b = block_of(f, 0, row, end - row < f->rows ? end - row : f->rows);
        work(f->c->call->pool, &b);
    }
}

/* U[k][i][o]: lanes run over o forward (filters apart), over i backward (taps apart). */
static float *filter_at(const struct flow *f, size_t i, size_t o)
{
    size_t at = o - f->o0, panel = at / KD_PANEL * KD_PANEL,
           width = f->width - panel < KD_PANEL ? f->width - panel : KD_PANEL;
    return f->u + panel * f->in + i * width + at - panel;
}

/* Lanes of the group's output channels that one of PARTS takes. */
static size_t lanes_from(const struct flow *f, unsigned part)
{
    return f->o0 + f->width / LANE * part / PARTS * LANE;
}

static void filter_part(void *arg, unsigned part)
{
    const struct flow *f = arg;
    size_t step = f->rotated ? 9 : f->in * 9;
    const float *scale = f->rotated ? NULL : f->c->scale;
    for (size_t o = lanes_from(f, part); o < lanes_from(f, part + 1); o += LANE)
        for (size_t i = 0; i < f->in; i++) {
            const float *w =
                f->c->weight + (f->rotated ? (i * f->out + o) * 9 : (o * f->in + i) * 9);
            kd_kernels()->winograd_filter(filter_at(f, i, o), f->in * f->width, w, step, f->rotated,
                                          scale ? scale + o : NULL);
        }
}

static void near_convolve(const struct block *b, unsigned part)
{
    (void)part;
    for (size_t r = 0; r < b->rows; r++) input_row(b, r);
    for (size_t k = 0; k < POINTS; k++) multiply(b, k);
    for (size_t r = 0; r < b->rows; r++) output_row(b, r);
    finish(b);
}

static void near_part(void *arg, unsigned part)
{
    each_near(arg, part, near_convolve);
}

static void input_part(void *arg, unsigned part)
{
    const struct block *b = arg;
    for (size_t r = b->rows * part / PARTS; r < b->rows * (part + 1) / PARTS; r++) input_row(b, r);
}

static void multiply_part(void *arg, unsigned k)
{
    multiply(arg, k);
}

static void output_part(void *arg, unsigned part)
{
    const struct block *b = arg;
    size_t images = b->rows / b->f->th;
    size_t from = kd_conv_from(images, PARTS, part) * b->f->th,
           to = kd_conv_from(images, PARTS, part + 1) * b->f->th;
    for (size_t r = from; r < to; r++) output_row(b, r);
    if (b->f->o0 + b->f->width < b->f->out) return; /* not all channels yet */
    struct block done = *b;
    done.row0 += from;
    done.rows = to - from;
    finish(&done);
}

static void far_convolve(struct kd_pool *pool, struct block *b)
{
    if (!b->f->ready) kd_pool_run(pool, PARTS, input_part, b);
    kd_pool_run(pool, POINTS, multiply_part, b);
    kd_pool_run(pool, PARTS, output_part, b);
}

/* Sets up the first group of output channels, or the one behind the last. */
static bool next_group(struct flow *f)
{
    bool first = !f->started;
    f->started = true;
    f->o0 = first ? 0 : f->o0 + f->width;
    f->ready = !first && f->rows >= f->c->images * f->th;
    f->width = f->out - f->o0 < f->group ? f->out - f->o0 : f->group;
    return f->o0 < f->out;
}

static void convolve(struct flow *f, const struct kd_conv *c)
{
    lay(f, c, false);
    while (next_group(f)) {
        kd_pool_run(c->call->pool, PARTS, filter_part, f);
        if (f->near)
            kd_pool_run(c->call->pool, PARTS, near_part, f);
        else
            each_far(f, far_convolve);
    }
}

void kd_conv_winograd_forward(const struct kd_conv *c)
{
    struct flow f = flow_of(&c->s, c->images, false);
    f.x = c->x;
    f.y = c->y;
    f.bias = c->bias;
    convolve(&f, c);
}

void kd_conv_winograd_input(const struct kd_conv *c)
{
    struct flow f = flow_of(&c->s, c->images, true);
    f.x = c->dy;
    f.y = c->dx;
    convolve(&f, c);
}

/* ---- weights ---- */

static void near_learn(const struct block *b, unsigned part)
{
    for (size_t r = 0; r < b->rows; r++) {
        input_row(b, r);
        gradient_row(b, r);
    }
    for (size_t k = 0; k < POINTS; k++) learn(b, b->f->u + part * filter_floats(b->f), k);
}

static void near_learn_part(void *arg, unsigned part)
{
    const struct flow *f = arg;
    memset(f->u + part * filter_floats(f), 0, filter_floats(f) * sizeof(float));
    each_near(f, part, near_learn);
}

static void add_part(void *arg, unsigned k)
{
    const struct flow *f = arg;
    size_t n = f->in * f->out;
    for (size_t part = 1; part < PARTS; part++)
        kd_kernels()->add(f->u + k * n, f->u + part * filter_floats(f) + k * n, n, 1);
}

static void both_part(void *arg, unsigned part)
{
    const struct block *b = arg;
    for (size_t r = b->rows * part / PARTS; r < b->rows * (part + 1) / PARTS; r++) {
        if (!b->f->ready) input_row(b, r);
        gradient_row(b, r);
    }
}

static void learn_part(void *arg, unsigned k)
{
    const struct block *b = arg;
    size_t n = b->f->in * b->f->width;
    if (b->row0 == 0) memset(b->f->u + k * n, 0, n * sizeof(float));
    learn(b, b->f->u, k);
}

static void far_learn(struct kd_pool *pool, struct block *b)
{
    kd_pool_run(pool, PARTS, both_part, b);
    kd_pool_run(pool, POINTS, learn_part, b);
}

static void taps_part(void *arg, unsigned part)
{
    const struct flow *f = arg;
    for (size_t o = lanes_from(f, part); o < lanes_from(f, part + 1); o += LANE)
        for (size_t i = 0; i < f->in; i++)
            kd_kernels()->winograd_filter_back(f->c->dweight + (o * f->in + i) * 9, f->in * 9,
                                               filter_at(f, i, o), f->in * f->width);
}

void kd_conv_winograd_weight(const struct kd_conv *c)
{
    struct flow f = flow_of(&c->s, c->images, false);
    lay(&f, c, true);
    f.x = c->x;
    f.dy = c->dy;
    struct kd_pool *pool = c->call->pool;
    while (next_group(&f)) {
        if (f.near) {
            kd_pool_run(pool, PARTS, near_learn_part, &f);
            kd_pool_run(pool, POINTS, add_part, &f);
        } else
            each_far(&f, far_learn);
        kd_pool_run(pool, PARTS, taps_part, &f);
    }
}

/* ---- weights, of shards ----
 *
 * Where dU is too large for a core's cache, it would go through memory for each shard. So BLOCK of
 * the input channels and GROUP of the output channels are transformed for all images; then a part
 * takes STEP of these by a panel of those, and has dU of one shard after another, back to taps, and
 * added up. */

enum { BLOCK = 64, GROUP = 128, STEP = 32, PANELS = GROUP / KD_PANEL, STEPS = BLOCK / STEP };
enum { PIECE = STEP * KD_PANEL }; /* channels by channels */

struct shards {
    struct flow f;
    struct block all; /* V and D of all images */
    const struct kd_cuts *cuts;
    const struct kd_param *w;
    float *u; /* [PANELS * STEPS][36][PIECE] */
};

static void transform_part(void *arg, unsigned part)
{
    const struct shards *s = arg;
    const struct block *b = &s->all;
    for (size_t r = b->rows * part / PARTS; r < b->rows * (part + 1) / PARTS; r++) {
        if (s->f.o0 == 0) input_row(b, r);
        gradient_row(b, r);
    }
}

/* dU of one shard, `depth` input channels from `i` of the block on by `cols` outputs from `o`. */
static void learn_shard(const struct shards *s, unsigned shard, struct kd_tile at, float *u)
{
    const struct flow *f = &s->f;
    const size_t tiles = f->th * f->tw, from = s->cuts->from[shard] * tiles;
    const size_t n = at.rows * at.cols;
    memset(u, 0, POINTS * n * sizeof *u);
    for (size_t k = 0; k < POINTS; k++) {
        struct kd_outer o = {.lines = 1,
                             .pixels = s->cuts->from[shard + 1] * tiles - from,
                             .cols = at.cols,
                             .runs = 1,
                             .depth = at.rows,
                             .x = s->all.v + k * s->all.v_step + from * f->depth + at.row0,
                             .x_pixel = f->depth,
                             .d = s->all.m + k * s->all.m_step + from * f->width + at.col0,
                             .d_pixel = f->width,
                             .w = u + k * n};
        kd_kernels()->outer(&o);
    }
}

/* `part`: a panel of outputs and a step of inputs; rows of the tile are inputs. */
static void shards_part(void *arg, unsigned part)
{
    const struct shards *s = arg;
    const struct flow *f = &s->f;
    struct kd_tile at = {.row0 = part % STEPS * STEP, .col0 = part / STEPS * KD_PANEL};
    if (at.row0 >= f->depth || at.col0 >= f->width) return;
    at.rows = f->depth - at.row0 < STEP ? f->depth - at.row0 : STEP;
    at.cols = f->width - at.col0 < KD_PANEL ? f->width - at.col0 : KD_PANEL;
    float *u = s->u + part * POINTS * PIECE;
    struct kd_piece piece = {s->w,      ((f->o0 + at.col0) * f->in + f->i0 + at.row0) * 9,
                             at.cols,   at.rows * 9,
                             f->in * 9, s->cuts->room + part * s->cuts->levels * PIECE * 9};
    struct kd_folding fold = kd_fold(s->cuts, piece);
    for (; fold.shard < s->cuts->n; kd_fold_add(&fold, NULL)) {
        size_t stride;
        float *to = kd_fold_to(&fold, &stride);
        learn_shard(s, fold.shard, at, u);
        for (size_t o = 0; o < at.cols; o += LANE)
            for (size_t i = 0; i < at.rows; i++)
                kd_kernels()->winograd_filter_back(to + o * stride + i * 9, stride,
                                                   u + i * at.cols + o, at.rows * at.cols);
    }
}

/* D lies behind V, dU behind both. False: there is no room for them. */
static bool lay_shards(struct shards *s, const struct kd_conv *c)
{
    const size_t rows = c->images * s->f.th, tiles = rows * s->f.tw;
    const size_t v = POINTS * (tiles * BLOCK + LANE), d = POINTS * (tiles * GROUP + LANE);
    const size_t u = (size_t)PANELS * STEPS * PIECE;
    if (v + d + POINTS * u > kd_conv_winograd_scratch(&c->s, c->images, true)) return false;
    s->all = (struct block){.f = &s->f, .rows = rows, .v = c->scratch, .m = c->scratch + v};
    s->u = s->all.m + d;
    return u * 9 <= s->cuts->room_each;
}

bool kd_conv_winograd_learn(const struct kd_conv *c, const struct kd_param *w)
{
    struct shards s = {.f = flow_of(&c->s, c->images, false), .cuts = c->call->pass->cuts, .w = w};
    struct flow *f = &s.f;
    if (f->near || !lay_shards(&s, c)) return false;
    const size_t tiles = s.all.rows * f->tw;
    f->x = c->x;
    f->dy = c->dy;
    for (f->i0 = 0; f->i0 < f->in; f->i0 += BLOCK) {
        f->depth = f->in - f->i0 < BLOCK ? f->in - f->i0 : BLOCK;
        s.all.v_step = tiles * f->depth + LANE;
        for (f->o0 = 0; f->o0 < f->out; f->o0 += GROUP) {
            f->width = f->out - f->o0 < GROUP ? f->out - f->o0 : GROUP;
            s.all.m_step = tiles * f->width + LANE;
            kd_pool_run(c->call->pool, PARTS, transform_part, &s);
            kd_pool_run(c->call->pool, PANELS * STEPS, shards_part, &s);
        }
    }
    return true;
}
