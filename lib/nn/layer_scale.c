/* scale: y = by x, a fixed factor (before the last softmax of some recipes). */
#include "kd/nn/kernels.h"
#include "layers.h"

static const struct kd_option rows[] = {
    {.key = "by",
     .kind = KD_OPT_REAL,
     .offset = offsetof(struct kd_layer, u.scale.by),
     .preset = "1",
     .min = -1e6,
     .max = 1e6,
     .metavar = "FACTOR",
     .help = "the factor"},
    {0},
};

static void scale_forward(struct kd_layer *l, const struct kd_pass *p, struct kd_tile t)
{
    (void)p;
    for (size_t r = t.row0; r < t.row0 + t.rows; r++) {
        float *y = l->y + r * l->cols + t.col0;
        const float *x = l->x + r * l->cols + t.col0;
        for (size_t c = 0; c < t.cols; c++) y[c] = (float)l->u.scale.by * x[c];
    }
}

static void scale_backward(struct kd_layer *l, const struct kd_pass *p, struct kd_tile t)
{
    (void)p;
    for (size_t r = t.row0; r < t.row0 + t.rows; r++)
        kd_kernels()->scale(l->dy + r * l->cols + t.col0, t.cols, (float)l->u.scale.by);
}

/* A negative factor would turn the sign that a relu before it is undone by. */
const struct kd_layer_kind kd_layer_scale = {
    .name = "scale",
    .rows = rows,
    .shape = kd_layer_same_shape,
    .elementwise = true,
    .keeps = KD_KEEPS_NOTHING,
    .forward = scale_forward,
    .backward = scale_backward,
};
