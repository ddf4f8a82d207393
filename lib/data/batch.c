/* Gathering a batch: bytes to normalized floats, moved, mirrored and cut on the way. */
#include "kd/data/batch.h"
#include "kd/base/rng.h"
#include <stdio.h>

#define FILLS(X) X(FILL_ZERO, "zero") X(FILL_REFLECT, "reflect")
enum { FILLS(KD_CHOICE_ENUM) };
#define FLIPS(X) X(FLIP_NONE, "none") X(FLIP_RANDOM, "random") X(FLIP_ALTERNATE, "alternate")
enum { FLIPS(KD_CHOICE_ENUM) };

#define A(field) offsetof(struct kd_augment, field)
const struct kd_option kd_augment_rows[] = {
    {"shift", 0, "shift", KD_OPT_INT, A(shift), .preset = "0", .min = 0, .max = 1024,
     .metavar = "PIXELS", .help = "move each training image by up to this much in both directions",
     .also = "crop random-crop translate augment augmentation",
     .more = "The move is drawn anew in each epoch."},
    {"fill", 0, "fill", KD_OPT_CHOICE, A(fill), .preset = "zero", .choices = KD_CHOICES(FILLS),
     .metavar = "HOW", .help = "what a moved image leaves behind: raw 0, or its mirror image",
     .more = "It is for `--shift`. The mirror image is about the border pixels."},
    {"flip", 0, "flip", KD_OPT_CHOICE, A(flip), .preset = "none", .choices = KD_CHOICES(FLIPS),
     .metavar = "HOW",
     .help = "mirror left and right: drawn anew each epoch, or drawn once and turned each epoch",
     .also = "mirror hflip",
     .more = "`random` mirrors half of the images, drawn anew for each epoch or view; `alternate` "
             "draws once for each image, which is then turned from epoch to epoch or from view to "
             "view."},
    {"cutout", 0, "cutout", KD_OPT_INT, A(cutout), .preset = "0", .min = 0, .max = 1024,
     .metavar = "PIXELS", .help = "blank a square of this side at a random place",
     .more =
         "The square becomes 0 in the normalized image: the mean of the training images, or raw "
         "0 with normalize none."},
    {0},
};

bool kd_augment_active(const struct kd_augment *a)
{
    return a && (a->shift > 0 || a->flip != FLIP_NONE || a->cutout > 0);
}

bool kd_augment_same(const struct kd_augment *a, const struct kd_augment *b)
{
    return a->shift == b->shift && a->fill == b->fill && a->flip == b->flip &&
           a->cutout == b->cutout;
}

void kd_augment_text(const struct kd_augment *a, char out[KD_AUGMENT_TEXT])
{
    char cut[32] = "", flip[32] = "";
    if (a->flip != FLIP_NONE)
        snprintf(flip, sizeof flip, ", flip %s", kd_choice_name(KD_CHOICES(FLIPS), a->flip));
    if (a->cutout > 0) snprintf(cut, sizeof cut, ", cutout %d", (int)a->cutout);
    snprintf(out, KD_AUGMENT_TEXT, "shift %d%s%s%s", (int)a->shift,
             a->fill == FILL_REFLECT ? ", fill reflect" : "", flip, cut);
}

/* ---- what is done to one sample ---- */

struct move {
    bool active, reflects, flipped;
    int64_t dx, dy;                   /* to the right, down; after flipping */
    int64_t top, bottom, left, right; /* blank, the ends not included */
};

static bool flip_draw(int flip, uint64_t seed, uint32_t epoch, uint32_t sample)
{
    if (flip == FLIP_NONE) return false;
    const bool drawn_once = flip == FLIP_ALTERNATE;
    struct kd_rng rng = kd_rng_for(seed, KD_FOR_FLIP, drawn_once ? 0 : epoch, sample);
    const uint32_t drawn = kd_rng_below(&rng, 2);
    return drawn_once ? (drawn ^ (epoch & 1)) : drawn;
}

/* Its middle is any pixel of the image, so that squares at the border are cut short
 * (DeVries and Taylor 2017, section 3). */
static void cutout_draw(struct move *m, int64_t side, int64_t h, int64_t w, uint64_t seed,
                        uint32_t epoch, uint32_t sample)
{
    struct kd_rng rng = kd_rng_for(seed, KD_FOR_CUTOUT, epoch, sample);
    const int64_t x = (int64_t)kd_rng_below(&rng, (uint32_t)w) - side / 2;
    const int64_t y = (int64_t)kd_rng_below(&rng, (uint32_t)h) - side / 2;
    m->left = x > 0 ? x : 0;
    m->top = y > 0 ? y : 0;
    m->right = x + side < w ? x + side : w;
    m->bottom = y + side < h ? y + side : h;
}

static struct move move_draw(const struct kd_augment *a, int64_t h, int64_t w, uint64_t seed,
                             uint32_t epoch, uint32_t sample)
{
    struct move m = {.active = kd_augment_active(a)};
    if (!m.active) return m;
    if (a->shift > 0) {
        struct kd_rng rng = kd_rng_for(seed, KD_FOR_AUGMENT, epoch, sample);
        const uint32_t choices = (uint32_t)(2 * a->shift + 1);
        m.dx = (int64_t)kd_rng_below(&rng, choices) - a->shift;
        m.dy = (int64_t)kd_rng_below(&rng, choices) - a->shift;
    }
    m.reflects = a->fill == FILL_REFLECT;
    m.flipped = flip_draw(a->flip, seed, epoch, sample);
    if (a->cutout > 0) cutout_draw(&m, a->cutout, h, w, seed, epoch, sample);
    return m;
}

/* ---- pixels ---- */

struct channel {
    const void *plane; /* [h][w] of dtype */
    enum kd_dtype dtype;
    const float *value; /* [256] for bytes, so that every pixel is rounded once, everywhere alike */
    float mean, std, zero; /* zero: what raw 0 becomes */
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

static void run_f32(const float *restrict p, float mean, float std, size_t n, float *restrict out)
{
    for (size_t i = 0; i < n; i++) out[i] = (p[i] - mean) / std;
}

static void run_f32_back(const float *restrict p, float mean, float std, size_t n,
                         float *restrict out)
{
    for (size_t i = 0; i < n; i++) out[i] = (p[-(ptrdiff_t)i] - mean) / std;
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
        run_f32_back(floats + from, c->mean, c->std, n, out);
    else
        run_f32(floats + from, c->mean, c->std, n, out);
}

static float channel_pixel(const struct channel *c, int64_t at)
{
    if (c->dtype == KD_U8) return c->value[((const uint8_t *)c->plane)[at]];
    return (((const float *)c->plane)[at] - c->mean) / c->std;
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

/* Columns x0..x1-1 of an output row, where the moved source row (at place `row`) does not reach. */
static void edge(const struct channel *c, const struct move *m, int64_t row, int64_t w, int64_t x0,
                 int64_t x1, float *out)
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

static void channel_moved(const struct channel *c, int64_t h, int64_t w, const struct move *m,
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
        if (y >= m->top && y < m->bottom) run_fill(0, (size_t)(m->right - m->left), out + m->left);
    }
}

/* Shuffled, the next image is seldom in a near cache. */
static void fetch(const char *at, size_t bytes)
{
    for (size_t i = 0; i < bytes; i += 64) __builtin_prefetch(at + i);
}

/* All n images of one channel, so that one table of 1 KiB serves them and stays near. */
static void channel_fill(const struct kd_images *images, const struct kd_normalize *normalize,
                         uint32_t c, const struct move *moves, const uint32_t *index, uint32_t n,
                         float *out)
{
    float value[256];
    const size_t plane = (size_t)images->h * images->w, size = kd_dtype_size(images->dtype);
    const double mean = (double)normalize->mean[c], std = (double)normalize->std[c];
    struct channel channel = {.dtype = images->dtype,
                              .value = value,
                              .mean = normalize->mean[c],
                              .std = normalize->std[c],
                              .zero = (float)(-mean / std)};
    if (images->dtype == KD_U8)
        for (unsigned p = 0; p < 256; p++) value[p] = (float)((p / 255.0 - mean) / std);
    for (uint32_t j = 0; j < n; j++) {
        float *to = out + ((size_t)j * images->c + c) * plane;
        channel.plane =
            (const char *)images->pixels + ((size_t)index[j] * images->c + c) * plane * size;
        if (j + 1 < n)
            fetch((const char *)images->pixels +
                      ((size_t)index[j + 1] * images->c + c) * plane * size,
                  plane * size);
        if (moves[j].active)
            channel_moved(&channel, images->h, images->w, &moves[j], to);
        else
            channel_run(&channel, 0, plane, false, to);
    }
}

void kd_batch_fill(const struct kd_view *view, const struct kd_normalize *normalize, size_t from,
                   size_t n, float *out)
{
    enum { AT_A_TIME = 32 };
    const struct kd_images *images = view->images;
    struct move moves[AT_A_TIME];
    uint32_t place[AT_A_TIME];
    const size_t size = (size_t)images->c * images->h * images->w;
    for (size_t done = 0; done < n; done += AT_A_TIME) {
        const uint32_t rows = n - done < AT_A_TIME ? (uint32_t)(n - done) : AT_A_TIME;
        for (uint32_t j = 0; j < rows; j++) {
            const size_t at = from + done + j;
            place[j] = view->index ? view->index[at] : (uint32_t)at;
            moves[j] =
                move_draw(view->augment, images->h, images->w, view->seed, view->epoch, place[j]);
        }
        for (uint32_t c = 0; c < images->c; c++)
            channel_fill(images, normalize, c, moves, place, rows, out + done * size);
    }
}
