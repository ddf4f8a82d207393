/* clip: y = x held between -limit and limit. */
#include "layers.h"

#include <math.h>

struct clip {
    double limit;
};
static const struct kd_option rows[] = {
    {.key = "limit",
     .kind = KD_OPT_REAL,
     .offset = offsetof(struct clip, limit),
     .preset = "1",
     .min = 1e-6,
     .max = 1e6,
     .metavar = "LIMIT",
     .help = "the largest value"},
    {0},
};

static void clip_forward(struct kd_layer *l, const struct kd_pass *p, struct kd_tile t)
{
    (void)p;
    const float limit = (float)((const struct clip *)l->own)->limit;
    for (size_t r = t.row0; r < t.row0 + t.rows; r++) {
        const float *x = l->x + r * l->cols + t.col0;
        float *y = l->y + r * l->cols + t.col0;
        for (size_t c = 0; c < t.cols; c++) y[c] = fmaxf(-limit, fminf(limit, x[c]));
    }
}

static void clip_backward(struct kd_layer *l, const struct kd_pass *p, struct kd_tile t)
{
    (void)p;
    const float limit = (float)((const struct clip *)l->own)->limit;
    for (size_t r = t.row0; r < t.row0 + t.rows; r++) {
        const float *y = l->y + r * l->cols + t.col0;
        float *dy = l->dy + r * l->cols + t.col0;
        for (size_t c = 0; c < t.cols; c++)
            if (fabsf(y[c]) >= limit) dy[c] = 0;
    }
}

static const struct kd_elementwise clip_elementwise = {
    .keeps = KD_KEEPS_OUTPUT,
    .forward = clip_forward,
    .backward = clip_backward,
};
const struct kd_layer_kind kd_layer_clip = {
    .name = "clip",
    .rows = rows,
    .own_bytes = sizeof(struct clip),
    .shape = kd_layer_same_shape,
    .elementwise = &clip_elementwise,
};
