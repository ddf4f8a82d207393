#include "kd/nn/maps.h"

#include <string.h>

struct window {
    size_t from, end;
};

static struct window window_of(size_t i, size_t size, size_t to)
{
    return (struct window){i * size / to, ((i + 1) * size + to - 1) / to};
}

/* Windows of one pixel of the smaller map, each pixel of them told with its weight. */
static void each(const struct kd_map_sizes *s, size_t image, void *ctx,
                 void (*visit)(void *ctx, size_t large, size_t small, float share))
{
    for (size_t i = 0; i < s->to_h; i++)
        for (size_t j = 0; j < s->to_w; j++) {
            const struct window y = window_of(i, s->h, s->to_h), x = window_of(j, s->w, s->to_w);
            const float share = 1 / (float)((y.end - y.from) * (x.end - x.from));
            for (size_t r = y.from; r < y.end; r++)
                for (size_t c = x.from; c < x.end; c++)
                    visit(ctx, ((image * s->h + r) * s->w + c) * s->cols,
                          ((image * s->to_h + i) * s->to_w + j) * s->cols, share);
        }
}

struct averaging {
    size_t cols;
    const float *from;
    float *to;
};

static void average(void *ctx, size_t large, size_t small, float share)
{
    const struct averaging *a = ctx;
    for (size_t c = 0; c < a->cols; c++) a->to[small + c] += share * a->from[large + c];
}

static void spread(void *ctx, size_t large, size_t small, float share)
{
    const struct averaging *a = ctx;
    for (size_t c = 0; c < a->cols; c++) a->to[large + c] += share * a->from[small + c];
}

void kd_maps_average(const struct kd_map_sizes *s, size_t n, const float *x, float *y)
{
    struct averaging a = {s->cols, x, y};
    memset(y, 0, n * s->to_h * s->to_w * s->cols * sizeof *y);
    for (size_t i = 0; i < n; i++) each(s, i, &a, average);
}

void kd_maps_spread(const struct kd_map_sizes *s, size_t n, const float *dy, float *dx)
{
    struct averaging a = {s->cols, dy, dx};
    for (size_t i = 0; i < n; i++) each(s, i, &a, spread);
}
