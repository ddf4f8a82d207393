/* scale: y = by x, a fixed factor (before the last softmax of some recipes). */
#include "kd/nn/kernels.h"
#include "layers.h"

struct scale {
    double by;
};
static const struct kd_option rows[] = {
    {.key = "by",
     .kind = KD_OPT_REAL,
     .offset = offsetof(struct scale, by),
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
    float by = (float)((const struct scale *)l->own)->by;
    for (size_t r = t.row0; r < t.row0 + t.rows; r++) {
        float *y = l->y + r * l->cols + t.col0;
        const float *x = l->x + r * l->cols + t.col0;
        for (size_t c = 0; c < t.cols; c++) y[c] = by * x[c];
    }
}

static void scale_backward(struct kd_layer *l, const struct kd_pass *p, struct kd_tile t)
{
    (void)p;
    for (size_t r = t.row0; r < t.row0 + t.rows; r++)
        kd_kernels()->scale(l->dy + r * l->cols + t.col0, t.cols,
                            (float)((const struct scale *)l->own)->by);
}

/* A negative factor would turn the sign that a relu before it is undone by. */
static const struct kd_elementwise scale_elementwise = {
    .keeps = KD_KEEPS_NOTHING,
    .forward = scale_forward,
    .backward = scale_backward,
};
const struct kd_layer_kind kd_layer_scale = {
    .name = "scale",
    .rows = rows,
    .own_bytes = sizeof(struct scale),
    .shape = kd_layer_same_shape,
    .elementwise = &scale_elementwise,
};
