/* Gathering a batch: bytes to normalized floats, moved, turned, mirrored and cut on the way. */
#include "move.h"

#include <math.h>

struct channel {
    const void *plane; /* [h][w] of dtype */
    enum kd_dtype dtype;
    const float *value; /* [256] for bytes, so that every pixel is rounded once, everywhere alike */
    float mean, std, zero; /* zero: what raw 0 becomes */
    float light;           /* floats: factor of raw pixels; bytes have it in value */
};

static void run_u8(const uint8_t *restrict p, const float *restrict value, size_t n,
                   float *restrict out)
{
    size_t i = 0;
    for (; i + 4 <= n; i += 4) { /* written out: gcc -O2 does not, and it is a third of the time */
        out[i] = value[p[i]];
        out[i + 1] = value[p[i + 1]];
        out[i + 2] = value[p[i + 2]];
        out[i + 3] = value[p[i + 3]];
    }
    for (; i < n; i++) out[i] = value[p[i]];
}

static void run_u8_back(const uint8_t *restrict p, const float *restrict value, size_t n,
                        float *restrict out)
{
    const uint8_t *at = p; /* downwards */
    size_t i = 0;
    for (; i + 4 <= n; i += 4, at -= 4) {
        out[i] = value[at[0]];
        out[i + 1] = value[at[-1]];
        out[i + 2] = value[at[-2]];
        out[i + 3] = value[at[-3]];
    }
    for (; i < n; i++) out[i] = value[*at--];
}

static void run_f32(const float *restrict p, const struct channel *c, size_t n, float *restrict out)
{
    const float mean = c->mean, std = c->std, light = c->light;
    for (size_t i = 0; i < n; i++) out[i] = (p[i] * light - mean) / std;
}

static void run_f32_back(const float *restrict p, const struct channel *c, size_t n,
                         float *restrict out)
{
    const float mean = c->mean, std = c->std, light = c->light;
    for (size_t i = 0; i < n; i++) out[i] = (p[-(ptrdiff_t)i] * light - mean) / std;
}

/* n pixels from place `from` on, or backwards. */
static void channel_run(const struct channel *c, int64_t from, size_t n, bool back, float *out)
{
    if (!n) return;
    const uint8_t *bytes = c->plane;
    const float *floats = c->plane;
    if (c->dtype == KD_U8 && back)
        run_u8_back(bytes + from, c->value, n, out);
    else if (c->dtype == KD_U8)
        run_u8(bytes + from, c->value, n, out);
    else if (back)
        run_f32_back(floats + from, c, n, out);
    else
        run_f32(floats + from, c, n, out);
}

static float channel_pixel(const struct channel *c, int64_t at)
{
    if (c->dtype == KD_U8) return c->value[((const uint8_t *)c->plane)[at]];
    return (((const float *)c->plane)[at] * c->light - c->mean) / c->std;
}

static void run_fill(float value, size_t n, float *out)
{
    for (size_t i = 0; i < n; i++) out[i] = value;
}

/* Place i of a line of n pixels that is mirrored about its first and last one, on and on. */
static int64_t reflected(int64_t i, int64_t n)
{
    if (i >= 0 && i < n) return i;
    if (n == 1) return 0;
    if (i < 0 && -i < n) return -i;
    const int64_t period = 2 * (n - 1), at = ((i % period) + period) % period;
    return at < n ? at : period - at;
}

/* ---- turned ---- */

/* Where between the pixels of a line of n: the pixel before, the one behind (-1: outside), and how
 * far it is from the first to the second, of 256. */
struct between {
    int64_t first, second;
    int far;
};

static struct between between_of(int64_t at, int64_t n, bool reflects)
{
    struct between b = {at >> 16, (at >> 16) + 1, (int)(at >> 8 & 255)};
    if (reflects) {
        b.first = reflected(b.first, n);
        b.second = reflected(b.second, n);
    }
    if (b.first < 0 || b.first >= n) b.first = -1;
    if (b.second < 0 || b.second >= n) b.second = -1;
    return b;
}

/* Bilinear, of rows with `far` 256ths of the second; raw 0 outside. */
static float blend_u8(const uint8_t *plane, int64_t w, struct between y, struct between x,
                      const float *value)
{
    const int a = y.first < 0 || x.first < 0 ? 0 : plane[y.first * w + x.first];
    const int b = y.first < 0 || x.second < 0 ? 0 : plane[y.first * w + x.second];
    const int c = y.second < 0 || x.first < 0 ? 0 : plane[y.second * w + x.first];
    const int d = y.second < 0 || x.second < 0 ? 0 : plane[y.second * w + x.second];
    const int upper = a * (256 - x.far) + b * x.far, lower = c * (256 - x.far) + d * x.far;
    return value[(upper * (256 - y.far) + lower * y.far + 32768) >> 16];
}

static float blend_f32(const float *plane, int64_t w, struct between y, struct between x)
{
    const float a = y.first < 0 || x.first < 0 ? 0 : plane[y.first * w + x.first];
    const float b = y.first < 0 || x.second < 0 ? 0 : plane[y.first * w + x.second];
    const float c = y.second < 0 || x.first < 0 ? 0 : plane[y.second * w + x.first];
    const float d = y.second < 0 || x.second < 0 ? 0 : plane[y.second * w + x.second];
    const float right = (float)x.far / 256, down = (float)y.far / 256;
    return (a * (1 - right) + b * right) * (1 - down) + (c * (1 - right) + d * right) * down;
}

/* Pixel (y, x) of the turned image [h][w]. Distances from the middle are doubled, to be whole. */
static float turned_pixel(const struct channel *c, const struct kd_move *m, int64_t h, int64_t w,
                          int64_t y, int64_t x)
{
    const int64_t dx = 2 * x - (w - 1), dy = 2 * y - (h - 1);
    const int64_t sx = ((m->along * dx - m->across * dy) >> 1) + ((w - 1) << 15);
    const int64_t sy = ((m->across * dx + m->along * dy) >> 1) + ((h - 1) << 15);
    const struct between row = between_of(sy, h, m->reflects),
                         column = between_of(sx, w, m->reflects);
    if (c->dtype == KD_U8) return blend_u8(c->plane, w, row, column, c->value);
    return (blend_f32(c->plane, w, row, column) * c->light - c->mean) / c->std;
}

/* Pixel (y, x) of the augmented image, by itself. */
static float moved_pixel(const struct channel *c, const struct kd_move *m, const int64_t size[2],
                         int64_t y, int64_t x)
{
    const int64_t h = size[0], w = size[1];
    if (!m->active) return channel_pixel(c, y * w + x);
    if (y >= m->top && y < m->bottom && x >= m->left && x < m->right) return 0;
    int64_t row = y - m->dy, column = x - m->dx;
    if (m->reflects) {
        row = reflected(row, h);
        column = reflected(column, w);
    }
    if (row < 0 || row >= h || column < 0 || column >= w) return c->zero;
    if (m->flipped) column = w - 1 - column;
    return m->turned ? turned_pixel(c, m, h, w, row, column) : channel_pixel(c, row * w + column);
}

static void channel_turned(const struct channel *c, int64_t h, int64_t w, const struct kd_move *m,
                           float *out)
{
    const int64_t size[2] = {h, w};
    for (int64_t y = 0; y < h; y++)
        for (int64_t x = 0; x < w; x++) *out++ = moved_pixel(c, m, size, y, x);
}

/* ---- moved ---- */

/* Columns x0..x1-1 of an output row, where the moved source row (at place `row`) does not reach. */
static void edge(const struct channel *c, const struct kd_move *m, int64_t row, int64_t w,
                 int64_t x0, int64_t x1, float *out)
{
    for (int64_t x = x0; x < x1; x++) {
        if (!m->reflects) {
            out[x] = c->zero;
            continue;
        }
        const int64_t at = reflected(x - m->dx, w);
        out[x] = channel_pixel(c, row + (m->flipped ? w - 1 - at : at));
    }
}

static void channel_moved(const struct channel *c, int64_t h, int64_t w, const struct kd_move *m,
                          float *out)
{
    const int64_t left = m->dx > 0 ? (m->dx < w ? m->dx : w) : 0;
    const int64_t right = m->dx < 0 ? (-m->dx < w ? -m->dx : w) : 0;
    const int64_t first = m->flipped ? w - 1 - right : right; /* source column of output `left` */
    for (int64_t y = 0; y < h; y++, out += w) {
        int64_t from = y - m->dy;
        if (m->reflects) from = reflected(from, h);
        if (from < 0 || from >= h) {
            run_fill(c->zero, (size_t)w, out);
        } else {
            if (left) edge(c, m, from * w, w, 0, left, out);
            channel_run(c, from * w + first, (size_t)(w - left - right), m->flipped, out + left);
            if (right) edge(c, m, from * w, w, w - right, w, out);
        }
    }
}

static void channel_cut(const struct kd_move *m, int64_t w, float *out)
{
    for (int64_t y = m->top; y < m->bottom; y++)
        run_fill(0, (size_t)(m->right - m->left), out + y * w + m->left);
}

static void channel_augmented(const struct channel *c, int64_t h, int64_t w,
                              const struct kd_move *m, float *out)
{
    if (m->turned) {
        channel_turned(c, h, w, m, out);
        return;
    }
    channel_moved(c, h, w, m, out);
    channel_cut(m, w, out);
}

/* The other image of a mixed one, c, into the first. */
static void channel_mixed(const struct channel *c, int64_t h, int64_t w, const struct kd_move *m,
                          const struct kd_mixed *mixed, float *out)
{
    const int64_t size[2] = {h, w};
    const float own = mixed->share, other = 1 - own;
    if (mixed->cut) {
        for (int64_t y = mixed->top; y < mixed->bottom; y++)
            for (int64_t x = mixed->left; x < mixed->right; x++)
                out[y * w + x] = moved_pixel(c, m, size, y, x);
        return;
    }
    for (int64_t y = 0; y < h; y++)
        for (int64_t x = 0; x < w; x++, out++)
            *out = own * *out + other * moved_pixel(c, m, size, y, x);
}

/* Shuffled, the next image is seldom in a near cache. */
static void fetch(const char *at, size_t bytes)
{
    for (size_t i = 0; i < bytes; i += 64) __builtin_prefetch(at + i);
}

/* value [256] of bytes that are multiplied by `light` first. */
static void values_fill(float value[256], double mean, double std, float light)
{
    for (unsigned p = 0; p < 256; p++) {
        const long lit = light == 1 ? (long)p : lrintf((float)p * light);
        value[p] = (float)(((lit < 255 ? (double)lit : 255.0) / 255.0 - mean) / std);
    }
}

/* One image of a batch: which, and what is done to it; and the other one that is mixed in. */
struct row {
    uint32_t place;
    struct kd_move move, other;
    struct kd_mixed mixed;
};

/* What the rows of a batch have in common, of one channel. */
struct lane {
    const struct kd_images *images;
    uint32_t c;
    struct channel channel;
    double mean, std;
    float value[256], lit[256];
};

static void lane_init(struct lane *l, const struct kd_images *images,
                      const struct kd_normalize *normalize, uint32_t c)
{
    l->images = images;
    l->c = c;
    l->mean = (double)normalize->mean[c];
    l->std = (double)normalize->std[c];
    l->channel = (struct channel){.dtype = images->dtype,
                                  .mean = normalize->mean[c],
                                  .std = normalize->std[c],
                                  .zero = (float)(-l->mean / l->std)};
    if (images->dtype == KD_U8) values_fill(l->value, l->mean, l->std, 1);
}

static const char *plane_of(const struct lane *l, uint32_t place)
{
    const struct kd_images *im = l->images;
    const size_t plane = (size_t)im->h * im->w * kd_dtype_size(im->dtype);
    return (const char *)im->pixels + ((size_t)place * im->c + l->c) * plane;
}

/* The lane's channel becomes that of an image. */
static void lane_enter(struct lane *l, uint32_t place, const struct kd_move *m)
{
    struct channel *c = &l->channel;
    c->plane = plane_of(l, place);
    c->light = m->light;
    c->value = l->value;
    if (m->light == 1 || c->dtype != KD_U8) return;
    values_fill(l->lit, l->mean, l->std, m->light);
    c->value = l->lit;
}

/* All n images of one channel, so that one table of 1 KiB serves them and stays near. */
static void lane_fill(struct lane *l, const struct row *rows, uint32_t n, float *out)
{
    const struct kd_images *im = l->images;
    const size_t plane = (size_t)im->h * im->w;
    for (uint32_t j = 0; j < n; j++) {
        const struct row *r = &rows[j];
        float *to = out + ((size_t)j * im->c + l->c) * plane;
        if (j + 1 < n) fetch(plane_of(l, rows[j + 1].place), plane * kd_dtype_size(im->dtype));
        lane_enter(l, r->place, &r->move);
        if (r->move.active)
            channel_augmented(&l->channel, im->h, im->w, &r->move, to);
        else
            channel_run(&l->channel, 0, plane, false, to);
        if (r->mixed.share >= 1) continue;
        lane_enter(l, r->mixed.with, &r->other);
        channel_mixed(&l->channel, im->h, im->w, &r->other, &r->mixed, to);
    }
}

static struct row row_of(const struct kd_view *view, size_t at)
{
    const uint32_t place = view->index ? view->index[at] : (uint32_t)at;
    const uint32_t h = view->images->h, w = view->images->w;
    struct row r = {.place = place, .mixed.share = 1};
    r.move = kd_move_draw(view->augment, h, w, view->seed, view->epoch, place);
    if (!view->mixed) return r;
    r.mixed = view->mixed[at];
    r.other = kd_move_draw(view->augment, h, w, view->seed, view->epoch, r.mixed.with);
    return r;
}

void kd_batch_fill(const struct kd_view *view, const struct kd_normalize *normalize, size_t from,
                   size_t n, float *out)
{
    enum { AT_A_TIME = 32 };
    const struct kd_images *images = view->images;
    struct row rows[AT_A_TIME];
    struct lane lane;
    const size_t size = (size_t)images->c * images->h * images->w;
    for (size_t done = 0; done < n; done += AT_A_TIME) {
        const uint32_t some = n - done < AT_A_TIME ? (uint32_t)(n - done) : AT_A_TIME;
        for (uint32_t j = 0; j < some; j++) rows[j] = row_of(view, from + done + j);
        for (uint32_t c = 0; c < images->c; c++) {
            lane_init(&lane, images, normalize, c);
            lane_fill(&lane, rows, some, out + done * size);
        }
    }
}
