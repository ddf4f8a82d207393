/* The hand: from a skeleton to the path of the pen. */
#include "digits_parts.h"

enum {
    GRID = 51, /* a step of the skeletons' grid, in 1/256 pixel: 100 steps are about 20 pixels */
    CELLS = 3, /* the elastic field has CELLS x CELLS cells over ... */
    CELL = 45 * GRID,         /* ... 135 x 135 grid steps */
    BOX = 17 * KD_DIGITS_FINE /* for the path; the pen adds about two */
};

struct place {
    int32_t x, y;
};

/* How loosely this one is written, in 1/256 of the spreads below: most are neat, few are not. */
static int32_t looseness(struct kd_rng *r)
{
    int32_t a = kd_digits_between(r, 0, 255);
    return 140 + a * a / 270;
}

static unsigned pose(const struct kd_digits_skeleton *s, struct kd_rng *r, int32_t loose,
                     struct place joint[KD_DIGITS_JOINTS])
{
    int32_t mix = kd_digits_between(r, -38, 294); /* a little beyond either pose */
    int32_t spread = 2 * GRID * loose / 256;
    unsigned n = 0;
    for (; s->joint[n].pass != KD_DIGITS_END; n++) {
        const struct kd_digits_joint *j = &s->joint[n];
        joint[n].x = (j->ax * (256 - mix) + j->bx * mix) * GRID / 256;
        joint[n].y = (j->ay * (256 - mix) + j->by * mix) * GRID / 256;
        joint[n].x += kd_digits_bell(r, spread);
        joint[n].y += kd_digits_bell(r, spread);
    }
    return n;
}

static void add_dot(struct kd_digits_trace *t, int32_t x, int32_t y, int first)
{
    if (t->n < KD_DIGITS_DOTS) t->dot[t->n++] = (struct kd_digits_dot){x, y, first};
}

/* Catmull-Rom spline from b to c at u/256: passes through its points, tangents come from the
 * neighbours a and d. */
static int32_t curve(int32_t a, int32_t b, int32_t c, int32_t d, int32_t u)
{
    int32_t linear = c - a, square = 2 * a - 5 * b + 4 * c - d, cube = 3 * (b - c) + d - a;
    return b + ((cube * u / 256 + square) * u / 256 + linear) * u / 512;
}

/* A curve has no neighbour beyond its ends and corners: the end itself stands in for it. */
static void draw_curves(const struct kd_digits_skeleton *s, const struct place *joint, unsigned n,
                        struct kd_digits_trace *t)
{
    t->n = 0;
    for (unsigned i = 0; i < n; i++) {
        if (s->joint[i].pass == KD_DIGITS_PUT) {
            add_dot(t, joint[i].x, joint[i].y, 1);
            continue;
        }
        struct place b = joint[i - 1], c = joint[i], a = b, d = c;
        if (s->joint[i - 1].pass == KD_DIGITS_BEND) a = joint[i - 2];
        if (s->joint[i].pass == KD_DIGITS_BEND && i + 1 < n &&
            s->joint[i + 1].pass != KD_DIGITS_PUT)
            d = joint[i + 1];
        /* All joints up to n are filled above. */
        /* NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult) */
        int32_t dx = (c.x - b.x) / GRID, dy = (c.y - b.y) / GRID;
        int32_t pieces = 2 + kd_digits_root(dx * dx + dy * dy) / 12;
        for (int32_t p = 1; p <= pieces; p++) {
            int32_t u = p * 256 / pieces;
            add_dot(t, curve(a.x, b.x, c.x, d.x, u), curve(a.y, b.y, c.y, d.y, u), 0);
        }
    }
}

/* A coarse grid of random displacements; between its nodes they blend with 3u^2 - 2u^3, so that the
 * field is smooth. */
static void stretch(struct kd_digits_trace *t, struct kd_rng *r, int32_t loose)
{
    struct place node[CELLS + 1][CELLS + 1];
    int32_t spread = 5 * GRID * loose / 256;
    for (int y = 0; y <= CELLS; y++) {
        for (int x = 0; x <= CELLS; x++) {
            node[y][x].x = kd_digits_bell(r, spread);
            node[y][x].y = kd_digits_bell(r, spread);
        }
    }
    for (unsigned i = 0; i < t->n; i++) {
        struct kd_digits_dot *p = &t->dot[i];
        int32_t gx = kd_digits_clamp(p->x + 32 * GRID, 0, CELLS * CELL - 1);
        int32_t gy = kd_digits_clamp(p->y + 17 * GRID, 0, CELLS * CELL - 1);
        int32_t cx = gx / CELL, cy = gy / CELL;
        int32_t u = gx % CELL * 256 / CELL, v = gy % CELL * 256 / CELL;
        u = u * u * (768 - 2 * u) / 65536;
        v = v * v * (768 - 2 * v) / 65536;
        const struct place *up = node[cy] + cx, *down = node[cy + 1] + cx;
        p->x += (up[0].x * (256 - u) + up[1].x * u) / 256 * (256 - v) / 256 +
                (down[0].x * (256 - u) + down[1].x * u) / 256 * v / 256;
        p->y += (up[0].y * (256 - u) + up[1].y * u) / 256 * (256 - v) / 256 +
                (down[0].y * (256 - u) + down[1].y * u) / 256 * v / 256;
    }
}

/* Width, slant, rotation, in 1/4096. Angles are small: two terms of sine and cosine do. */
static void tilt(struct kd_digits_trace *t, struct kd_rng *r, int32_t loose)
{
    int32_t wide = 4096 + kd_digits_bell(r, 700);
    int32_t slant = kd_digits_clamp(560 + kd_digits_bell(r, 960), -1600, 2700);
    int32_t angle = kd_digits_clamp(kd_digits_bell(r, 480) * loose / 256, -2000, 2000);
    int32_t square = angle * angle / 4096;
    int32_t sine = angle - square * angle / 4096 / 6, cosine = 4096 - square / 2;
    for (unsigned i = 0; i < t->n; i++) {
        struct kd_digits_dot *p = &t->dot[i];
        int32_t y = p->y - 50 * GRID;
        int32_t x = (p->x - 35 * GRID) * wide / 4096 - y * slant / 4096;
        p->x = (x * cosine - y * sine) / 4096;
        p->y = (x * sine + y * cosine) / 4096;
    }
}

/* The longer side fills a box of about 19 pixels, ink included; the middle of the path comes to
 * about the middle of the image, as in MNIST, and nothing leaves it. */
static void settle(struct kd_digits_trace *t, struct kd_rng *r)
{
    int32_t left = INT32_MAX, right = INT32_MIN, top = INT32_MAX, bottom = INT32_MIN;
    int32_t sx = 0, sy = 0;
    for (unsigned i = 0; i < t->n; i++) {
        const struct kd_digits_dot *p = &t->dot[i];
        if (p->x < left) left = p->x;
        if (p->x > right) right = p->x;
        if (p->y < top) top = p->y;
        if (p->y > bottom) bottom = p->y;
        sx += p->x;
        sy += p->y;
    }
    int32_t side = right - left > bottom - top ? right - left : bottom - top;
    int32_t size = BOX + kd_digits_bell(r, 300);
    int32_t shift_x = kd_digits_bell(r, 250), shift_y = kd_digits_bell(r, 250);
    int32_t scale = side > 0 ? size * 1024 / side : 1024;
    /* NOLINTNEXTLINE(clang-analyzer-core.DivideZero): a glyph has points */
    int32_t middle_x = (sx / (int32_t)t->n + (left + right) / 2) / 2;
    int32_t middle_y = (sy / (int32_t)t->n + (top + bottom) / 2) / 2;
    int32_t edge = KD_DIGITS_FINE * 5 / 2, far = KD_DIGITS_SIDE * KD_DIGITS_FINE - edge;
    int32_t half = KD_DIGITS_SIDE * KD_DIGITS_FINE / 2;
    int32_t move_x = kd_digits_clamp(half + shift_x, edge + (middle_x - left) * scale / 1024,
                                     far - (right - middle_x) * scale / 1024);
    int32_t move_y = kd_digits_clamp(half + shift_y, edge + (middle_y - top) * scale / 1024,
                                     far - (bottom - middle_y) * scale / 1024);
    for (unsigned i = 0; i < t->n; i++) {
        t->dot[i].x = (t->dot[i].x - middle_x) * scale / 1024 + move_x;
        t->dot[i].y = (t->dot[i].y - middle_y) * scale / 1024 + move_y;
    }
}

void kd_digits_move(const struct kd_digits_skeleton *skeleton, struct kd_rng *r,
                    struct kd_digits_trace *trace)
{
    struct place joint[KD_DIGITS_JOINTS];
    int32_t loose = looseness(r);
    unsigned n = pose(skeleton, r, loose, joint);
    draw_curves(skeleton, joint, n, trace);
    stretch(trace, r, loose);
    tilt(trace, r, loose);
    settle(trace, r);
}
