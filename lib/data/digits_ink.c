/* The pen: from its path to pixels. */
#include "digits_parts.h"
#include <string.h>

enum { UNIT = 4096, FULL = 255 };

/* A straight piece of a stroke with the pen's radius at both ends, all in 1/256 pixel. */
struct piece {
    int32_t x, y;   /* where it starts */
    int32_t ux, uy; /* its direction, length UNIT */
    int32_t length;
    int32_t radius, gain; /* radius at the start; growth per 1/256 pixel, in 1/UNIT */
    int32_t reach;        /* beyond this distance from the piece there is no ink */
    int32_t edge;         /* ink per (1/256 pixel)^2 nearer, in 1/65536 */
};

static struct piece piece_between(const struct kd_digits_dot *a, const struct kd_digits_dot *b,
                                  int32_t ra, int32_t rb, int32_t soft)
{
    struct piece p = {.x = a->x, .y = a->y, .ux = UNIT, .radius = ra};
    int32_t dx = b->x - a->x, dy = b->y - a->y;
    p.length = kd_digits_root(dx * dx + dy * dy);
    if (p.length > 0) {
        p.ux = dx * UNIT / p.length;
        p.uy = dy * UNIT / p.length;
        p.gain = (rb - ra) * UNIT / p.length;
    }
    int32_t wide = ra > rb ? ra : rb;
    p.reach = wide + soft;
    p.edge = FULL * 65536 / (2 * wide * soft);
    return p;
}

static int32_t first_pixel(int32_t from)
{
    return kd_digits_clamp(from / KD_DIGITS_FINE, 0, KD_DIGITS_SIDE - 1);
}

/* Ink falls linearly with the squared distance d^2 around the radius R: half ink at d = R, slope
 * 1/soft there. No square root is needed, and seams between pieces vanish as the most ink wins. */
static void ink_piece(const struct piece *p, uint8_t *pixels)
{
    int32_t ex = p->x + p->ux * p->length / UNIT, ey = p->y + p->uy * p->length / UNIT;
    int32_t x0 = first_pixel((p->x < ex ? p->x : ex) - p->reach);
    int32_t x1 = first_pixel((p->x > ex ? p->x : ex) + p->reach);
    int32_t y0 = first_pixel((p->y < ey ? p->y : ey) - p->reach);
    int32_t y1 = first_pixel((p->y > ey ? p->y : ey) + p->reach);
    int32_t none = p->reach * p->reach;
    for (int32_t y = y0; y <= y1; y++) {
        int32_t dy = y * KD_DIGITS_FINE + KD_DIGITS_FINE / 2 - p->y;
        for (int32_t x = x0; x <= x1; x++) {
            int32_t dx = x * KD_DIGITS_FINE + KD_DIGITS_FINE / 2 - p->x;
            int32_t along = (dx * p->ux + dy * p->uy) / UNIT;
            int32_t across = (dx * p->uy - dy * p->ux) / UNIT;
            int32_t on = kd_digits_clamp(along, 0, p->length), past = along - on;
            int32_t distance = across * across + past * past;
            if (distance >= none) continue;
            int32_t radius = p->radius + p->gain * on / UNIT;
            int32_t ink = FULL / 2 + (radius * radius - distance) * p->edge / 65536;
            uint8_t *pixel = &pixels[y * KD_DIGITS_SIDE + x];
            if (ink > *pixel) *pixel = (uint8_t)(ink < FULL ? ink : FULL);
        }
    }
}

/* Pressure at the start, the middle and the end of a stroke, in 1/256. */
struct pressure {
    int32_t at[3];
};

static struct pressure press(struct kd_rng *r)
{
    struct pressure p;
    for (int i = 0; i < 3; i++) p.at[i] = kd_digits_clamp(256 + kd_digits_bell(r, 38), 150, 360);
    p.at[2] -= kd_digits_between(r, 0, 60); /* the pen is often lifted while it still moves */
    return p;
}

static int32_t pressure_at(const struct pressure *p, int32_t i, int32_t n)
{
    int32_t u = n > 0 ? i * 512 / n : 0, half = u < 256 ? 0 : 1;
    u -= half * 256;
    return (p->at[half] * (256 - u) + p->at[half + 1] * u) / 256;
}

static unsigned stroke_end(const struct kd_digits_trace *t, unsigned from)
{
    unsigned end = from + 1;
    while (end < t->n && !t->dot[end].first) end++;
    return end;
}

/* Ink is never quite even: each pixel loses a random part, up to `grain`/256 of it. */
static void tone(struct kd_rng *r, uint8_t *pixels)
{
    int32_t level = 255 - kd_digits_between(r, 0, 9) * kd_digits_between(r, 0, 9);
    int32_t grain = kd_digits_between(r, 8, 48);
    for (int i = 0; i < KD_DIGITS_SIDE * KD_DIGITS_SIDE; i += 4) {
        uint32_t word = kd_rng_u32(r);
        for (int k = i; k < i + 4; k++, word >>= 8) {
            int32_t keep = 256 - (int32_t)(word & 255) * grain / 256;
            pixels[k] = (uint8_t)(pixels[k] * level / 255 * keep / 256);
        }
    }
}

void kd_digits_ink(const struct kd_digits_trace *trace, struct kd_rng *r, uint8_t pixels[784])
{
    int32_t radius = kd_digits_clamp(300 + kd_digits_bell(r, 75), 165, 540);
    int32_t soft = kd_digits_between(r, 180, 360);
    memset(pixels, 0, 784);
    for (unsigned from = 0, end; from < trace->n; from = end) {
        end = stroke_end(trace, from);
        struct pressure p = press(r);
        int32_t last = (int32_t)(end - from) - 1, before = radius * pressure_at(&p, 0, last) / 256;
        for (unsigned i = from + 1; i < end; i++) {
            int32_t now = radius * pressure_at(&p, (int32_t)(i - from), last) / 256;
            struct piece piece =
                piece_between(&trace->dot[i - 1], &trace->dot[i], before, now, soft);
            ink_piece(&piece, pixels);
            before = now;
        }
    }
    tone(r, pixels);
}
