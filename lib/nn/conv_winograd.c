/* 3x3 convolution of stride 1 by Winograd's F(4x4, 3x3): 36 products of matrices instead of 144 multiplications a tile.
 *
 * A chunk of images at a time goes through three jobs, its arrays small enough to stay near:
 *     patches -> V[36][tiles][in];   M[k] = V[k] U[k], U[36][in][out];   M -> y
 * The gradient of the input is the same with filters rotated, in and out exchanged; that of the weights is
 * dU[k] += V[k]' D[k] with D the transformed gradient, and dw from dU at the end. */
#include "conv.h"
#include "kd/nn/gemm.h"
#include "kd/nn/kernels.h"

enum { POINTS = 36, LANE = 16, ZEROS = 4096 };
static const float zeros[ZEROS];

/* One direction: from maps of h x w with `in` channels to oh x ow with `out`. */
struct flow {
    const struct kd_conv *c;
    size_t in, out, h, w, oh, ow, padding;
    size_t th, tw;            /* tiles down, across */
    size_t first, images;     /* the chunk */
    const float *x;
    const float *dy;          /* gradients, in the flow of weights */
    float *y;
    const float *bias;
    float *u, *v, *m;
    bool rotated, again;      /* again: a later chunk adds to dU */
    unsigned parts;
};

static size_t chunk_images(const struct flow *f, size_t batch)
{
    size_t image = f->th * f->tw * POINTS * (f->in + f->out) * sizeof(float);
    size_t n = ((size_t)6 << 20) / image / 4 * 4;
    size_t least = (128 + f->th * f->tw - 1) / (f->th * f->tw); /* rows that keep BLAS busy */
    if (n < least) n = least;
    if (n < 4) n = 4;
    return n < batch ? n : batch;
}

static struct flow flow_of(const struct kd_conv_shape *s, bool back)
{
    struct flow f = {.in = s->in, .out = s->out, .h = s->h, .w = s->w, .oh = s->oh, .ow = s->ow,
                     .padding = s->padding};
    if (back)
        f = (struct flow){.in = s->out, .out = s->in, .h = s->oh, .w = s->ow, .oh = s->h, .ow = s->w,
                          .padding = 2 - s->padding, .rotated = true};
    f.th = (f.oh + 3) / 4;
    f.tw = (f.ow + 3) / 4;
    return f;
}

static size_t flow_floats(const struct flow *f, size_t batch)
{
    size_t tiles = chunk_images(f, batch) * f->th * f->tw;
    return POINTS * (f->in * f->out + tiles * (f->in + f->out));
}

size_t kd_conv_winograd_scratch(const struct kd_conv_shape *s, size_t batch)
{
    struct flow there = flow_of(s, false), back = flow_of(s, true);
    size_t a = flow_floats(&there, batch), b = flow_floats(&back, batch);
    return a > b ? a : b;
}

static void lay(struct flow *f, const struct kd_conv *c)
{
    size_t tiles = chunk_images(f, c->images) * f->th * f->tw;
    f->c = c;
    f->u = c->scratch;
    f->v = f->u + POINTS * f->in * f->out;
    f->m = f->v + POINTS * tiles * f->in;
    f->parts = 8;
}

static size_t tiles_of(const struct flow *f)
{
    return f->images * f->th * f->tw;
}

/* ---- the jobs ---- */

/* U[k][i][o]: lanes run over o forward (filters apart), over i backward (taps apart). */
static void filter_part(void *arg, unsigned part)
{
    const struct flow *f = arg;
    size_t step = f->rotated ? 9 : f->in * 9, stride = f->in * f->out;
    for (size_t i = f->in * part / f->parts; i < f->in * (part + 1) / f->parts; i++)
        for (size_t o = 0; o < f->out; o += LANE) {
            const float *w = f->c->weight + (f->rotated ? (i * f->out + o) * 9 : (o * f->in + i) * 9);
            kd_kernels()->winograd_filter(f->u + i * f->out + o, stride, w, step, f->rotated,
                                          f->out - o < LANE ? f->out - o : LANE);
        }
}

/* A row of tiles of one image. */
static void input_row(const struct flow *f, size_t image, size_t ty)
{
    const float *maps = f->x + (f->first + image) * f->h * f->w * f->in;
    for (size_t tx = 0; tx < f->tw; tx++) {
        const float *px[POINTS];
        for (size_t i = 0; i < 6; i++)
            for (size_t j = 0; j < 6; j++) {
                size_t y = ty * 4 + i - f->padding, x = tx * 4 + j - f->padding; /* wraps below 0 */
                px[i * 6 + j] = y < f->h && x < f->w ? maps + (y * f->w + x) * f->in : zeros;
            }
        size_t tile = (image * f->th + ty) * f->tw + tx;
        kd_kernels()->winograd_input(f->v + tile * f->in, tiles_of(f) * f->in, px, f->in);
    }
}

static void input_part(void *arg, unsigned part)
{
    const struct flow *f = arg;
    size_t rows = f->images * f->th;
    for (size_t r = rows * part / f->parts; r < rows * (part + 1) / f->parts; r++)
        input_row(f, r / f->th, r % f->th);
}

static void product_part(void *arg, unsigned k)
{
    const struct flow *f = arg;
    size_t tiles = tiles_of(f);
    kd_gemm(tiles, f->out, f->in, f->v + k * tiles * f->in, f->in, f->u + k * f->in * f->out, f->out, 0,
            f->m + k * tiles * f->out, f->out);
}

static void output_image(const struct flow *f, size_t image)
{
    float *maps = f->y + (f->first + image) * f->oh * f->ow * f->out;
    for (size_t ty = 0; ty < f->th; ty++)
        for (size_t tx = 0; tx < f->tw; tx++) {
            float *py[16];
            for (size_t i = 0; i < 4; i++)
                for (size_t j = 0; j < 4; j++) {
                    size_t y = ty * 4 + i, x = tx * 4 + j;
                    py[i * 4 + j] = y < f->oh && x < f->ow ? maps + (y * f->ow + x) * f->out : NULL;
                }
            size_t tile = (image * f->th + ty) * f->tw + tx;
            kd_kernels()->winograd_output(py, f->m + tile * f->out, tiles_of(f) * f->out, f->bias, f->out);
        }
}

static void output_part(void *arg, unsigned part)
{
    const struct flow *f = arg;
    size_t from = kd_conv_from(f->images, f->parts, part), to = kd_conv_from(f->images, f->parts, part + 1);
    if (from == to) return;
    for (size_t image = from; image < to; image++) output_image(f, image);
    size_t pixels = f->oh * f->ow;
    f->c->job->finish(f->c->job->ctx,
                      (struct kd_tile){(f->first + from) * pixels, (to - from) * pixels, 0, f->out});
}

static void convolve(struct flow *f)
{
    struct kd_pool *pool = f->c->job->pool;
    size_t step = chunk_images(f, f->c->images);
    kd_pool_run(pool, f->parts, filter_part, f);
    for (f->first = 0; f->first < f->c->images; f->first += step) {
        f->images = f->c->images - f->first < step ? f->c->images - f->first : step;
        kd_pool_run(pool, f->parts, input_part, f);
        kd_pool_run(pool, POINTS, product_part, f);
        kd_pool_run(pool, f->parts, output_part, f);
    }
}

void kd_conv_winograd_forward(const struct kd_conv *c)
{
    struct flow f = flow_of(&c->s, false);
    lay(&f, c);
    f.x = c->x;
    f.y = c->y;
    f.bias = c->bias;
    convolve(&f);
}

void kd_conv_winograd_input(const struct kd_conv *c)
{
    struct flow f = flow_of(&c->s, true);
    lay(&f, c);
    f.x = c->dy;
    f.y = c->dx;
    convolve(&f);
}

/* ---- weights ---- */

static void gradient_row(const struct flow *f, size_t image, size_t ty)
{
    const float *maps = f->dy + (f->first + image) * f->oh * f->ow * f->out;
    for (size_t tx = 0; tx < f->tw; tx++) {
        const float *px[16];
        for (size_t i = 0; i < 4; i++)
            for (size_t j = 0; j < 4; j++) {
                size_t y = ty * 4 + i, x = tx * 4 + j;
                px[i * 4 + j] = y < f->oh && x < f->ow ? maps + (y * f->ow + x) * f->out : zeros;
            }
        size_t tile = (image * f->th + ty) * f->tw + tx;
        kd_kernels()->winograd_output_back(f->m + tile * f->out, tiles_of(f) * f->out, px, f->out);
    }
}

static void both_part(void *arg, unsigned part)
{
    const struct flow *f = arg;
    size_t rows = f->images * f->th;
    for (size_t r = rows * part / f->parts; r < rows * (part + 1) / f->parts; r++) {
        input_row(f, r / f->th, r % f->th);
        gradient_row(f, r / f->th, r % f->th);
    }
}

static void learn_part(void *arg, unsigned k)
{
    const struct flow *f = arg;
    size_t tiles = tiles_of(f);
    kd_gemm_at(f->in, f->out, tiles, f->v + k * tiles * f->in, f->in, f->m + k * tiles * f->out, f->out,
               f->again ? 1.0f : 0.0f, f->u + k * f->in * f->out, f->out);
}

static void taps_part(void *arg, unsigned part)
{
    const struct flow *f = arg;
    for (size_t i = f->in * part / f->parts; i < f->in * (part + 1) / f->parts; i++)
        for (size_t o = 0; o < f->out; o += LANE)
            kd_kernels()->winograd_filter_back(f->c->dweight + (o * f->in + i) * 9, f->in * 9,
                                               f->u + i * f->out + o, f->in * f->out,
                                               f->out - o < LANE ? f->out - o : LANE);
}

void kd_conv_winograd_weight(const struct kd_conv *c)
{
    struct flow f = flow_of(&c->s, false);
    lay(&f, c);
    f.x = c->x;
    f.dy = c->dy;
    size_t step = chunk_images(&f, c->images);
    for (f.first = 0; f.first < c->images; f.first += step) {
        f.images = c->images - f.first < step ? c->images - f.first : step;
        f.again = f.first > 0;
        kd_pool_run(c->job->pool, f.parts, both_part, &f);
        kd_pool_run(c->job->pool, POINTS, learn_part, &f);
    }
    kd_pool_run(c->job->pool, f.parts, taps_part, &f);
}
