/* relu, leaky_relu, relu6, hardswish, gelu, tanh: one value in, one value out. */
#include "kd/nn/kernels.h"
#include "layers.h"

/* Calls BODY with a and b pointing at each run of n contiguous values of the tile: whole rows lie
 * in one piece. */
#define EACH_RUN(l, t, first, second, BODY)                                                        \
    do {                                                                                           \
        bool whole_ = (t).cols == (l)->cols;                                                       \
        size_t n = whole_ ? (t).rows * (t).cols : (t).cols;                                        \
        for (size_t r_ = 0; r_ < (whole_ ? 1 : (t).rows); r_++) {                                  \
            size_t at_ = ((t).row0 + r_) * (l)->cols + (t).col0;                                   \
            float *a = (first) + at_;                                                              \
            const float *b = (second) + at_;                                                       \
            BODY;                                                                                  \
        }                                                                                          \
    } while (0)

struct leaky {
    double slope;
};

static float slope_of(const struct kd_layer *l)
{
    return l->own ? (float)((const struct leaky *)l->own)->slope : 0;
}

/* relu: y = max(x, 0); leaky: y = x > 0 ? x : slope x (Maas et al. 2013). With slope >= 0 the
 * output's sign tells the slope. */
static void relu_forward(struct kd_layer *l, const struct kd_pass *p, struct kd_tile t)
{
    (void)p;
    EACH_RUN(l, t, l->y, l->x, kd_kernels()->relu(a, b, n, slope_of(l)));
}

static void relu_backward(struct kd_layer *l, const struct kd_pass *p, struct kd_tile t)
{
    (void)p;
    EACH_RUN(l, t, l->dy, l->y, kd_kernels()->relu_back(a, b, n, slope_of(l)));
}

/* y = min(max(x, 0), 6); the output tells where the slope is 1. */
static void relu6_forward(struct kd_layer *l, const struct kd_pass *p, struct kd_tile t)
{
    (void)p;
    EACH_RUN(l, t, l->y, l->x, kd_kernels()->relu6(a, b, n));
}

static void relu6_backward(struct kd_layer *l, const struct kd_pass *p, struct kd_tile t)
{
    (void)p;
    EACH_RUN(l, t, l->dy, l->y, kd_kernels()->relu6_back(a, b, n));
}

static void hardswish_forward(struct kd_layer *l, const struct kd_pass *p, struct kd_tile t)
{
    (void)p;
    EACH_RUN(l, t, l->y, l->x, kd_kernels()->hardswish(a, b, n));
}

static void hardswish_backward(struct kd_layer *l, const struct kd_pass *p, struct kd_tile t)
{
    (void)p;
    EACH_RUN(l, t, l->dy, l->x, kd_kernels()->hardswish_back(a, b, n));
}

static void gelu_forward(struct kd_layer *l, const struct kd_pass *p, struct kd_tile t)
{
    (void)p;
    EACH_RUN(l, t, l->y, l->x, kd_kernels()->gelu(a, b, n));
}

static void gelu_backward(struct kd_layer *l, const struct kd_pass *p, struct kd_tile t)
{
    (void)p;
    EACH_RUN(l, t, l->dy, l->x, kd_kernels()->gelu_back(a, b, n));
}

static void tanh_forward(struct kd_layer *l, const struct kd_pass *p, struct kd_tile t)
{
    (void)p;
    EACH_RUN(l, t, l->y, l->x, kd_kernels()->tanh(a, b, n));
}

static void tanh_backward(struct kd_layer *l, const struct kd_pass *p, struct kd_tile t)
{
    (void)p;
    EACH_RUN(l, t, l->dy, l->y, kd_kernels()->tanh_back(a, b, n));
}

static const struct kd_option leaky_rows[] = {
    {.key = "slope",
     .kind = KD_OPT_REAL,
     .offset = offsetof(struct leaky, slope),
     .preset = "0.01",
     .min = 0,
     .max = 1,
     .metavar = "SLOPE",
     .help = "slope below zero"},
    {0},
};

static const struct kd_elementwise relu_elementwise = {
    .keeps_sign = true,
    .monotone = true,
    .keeps = KD_KEEPS_SIGN,
    .forward = relu_forward,
    .backward = relu_backward,
};
const struct kd_layer_kind kd_layer_relu = {
    .name = "relu",
    .shape = kd_layer_same_shape,
    .elementwise = &relu_elementwise,
};
const struct kd_layer_kind kd_layer_leaky_relu = {
    .name = "leaky_relu",
    .rows = leaky_rows,
    .own_bytes = sizeof(struct leaky),
    .shape = kd_layer_same_shape,
    .elementwise = &relu_elementwise,
};
static const struct kd_elementwise relu6_elementwise = {
    .keeps_sign = true,
    .monotone = true,
    .keeps = KD_KEEPS_OUTPUT,
    .forward = relu6_forward,
    .backward = relu6_backward,
};
const struct kd_layer_kind kd_layer_relu6 = {
    .name = "relu6",
    .shape = kd_layer_same_shape,
    .elementwise = &relu6_elementwise,
};
static const struct kd_elementwise hardswish_elementwise = {
    .keeps = KD_KEEPS_INPUT,
    .forward = hardswish_forward,
    .backward = hardswish_backward,
};
const struct kd_layer_kind kd_layer_hardswish = {
    .name = "hardswish",
    .shape = kd_layer_same_shape,
    .elementwise = &hardswish_elementwise,
};
static const struct kd_elementwise gelu_elementwise = {
    .keeps = KD_KEEPS_INPUT,
    .forward = gelu_forward,
    .backward = gelu_backward,
};
const struct kd_layer_kind kd_layer_gelu = {
    .name = "gelu",
    .shape = kd_layer_same_shape,
    .elementwise = &gelu_elementwise,
};
static const struct kd_elementwise tanh_elementwise = {
    .keeps = KD_KEEPS_OUTPUT,
    .forward = tanh_forward,
    .backward = tanh_backward,
};
const struct kd_layer_kind kd_layer_tanh = {
    .name = "tanh",
    .shape = kd_layer_same_shape,
    .elementwise = &tanh_elementwise,
};
