/* flatten: the same numbers as flat features in C,H,W order. The images themselves lie in that
 * order already; maps, which have their channels last, are transposed. channels_last is the way
 * back, for the images at the start of a chain. */
#include "layers.h"

static int flatten_shape(struct kd_layer *l, struct kd_build *build, struct kd_err *err)
{
    (void)build;
    size_t n = kd_shape_size(l->in);
    if (n > UINT32_MAX)
        return kd_fail_usage(err, "%ux%ux%u values are too many to flatten", l->in.c, l->in.h,
                             l->in.w);
    l->out = (struct kd_shape){(uint32_t)n, 1, 1, true};
    l->parts = 4;
    return 0;
}

/* to[c][r] = from[r][c], for each of n images */
static void transpose(float *to, const float *from, size_t n, size_t rows, size_t cols)
{
    for (size_t i = 0; i < n; i++)
        for (size_t r = 0; r < rows; r++)
            for (size_t c = 0; c < cols; c++)
                to[(i * cols + c) * rows + r] = from[(i * rows + r) * cols + c];
}

/* Tiles are whole images; of the flat side a row, of the maps' side h*w rows. */
static void flatten_forward(struct kd_layer *l, const struct kd_pass *p, struct kd_tile t)
{
    (void)p;
    size_t size = kd_shape_size(l->in);
    transpose(l->y + t.row0 * size, l->x + t.row0 * size, t.rows, kd_shape_pixels(l->in), l->in.c);
}

static void flatten_backward(struct kd_layer *l, const struct kd_pass *p, struct kd_tile t)
{
    (void)p;
    size_t pixels = kd_shape_pixels(l->in), at = t.row0 * l->in.c;
    if (l->dx) transpose(l->dx + at, l->dy + at, t.rows / pixels, l->in.c, pixels);
}

static void channels_last_forward(struct kd_layer *l, const struct kd_pass *p, struct kd_tile t)
{
    (void)p;
    size_t pixels = kd_shape_pixels(l->in), at = t.row0 * l->in.c;
    transpose(l->y + at, l->x + at, t.rows / pixels, l->in.c, pixels);
}

static void channels_last_backward(struct kd_layer *l, const struct kd_pass *p, struct kd_tile t)
{
    (void)l;
    (void)p;
    (void)t; /* the images want no gradient */
}

static bool flatten_is_view(const struct kd_layer *l, bool images)
{
    return images || kd_shape_pixels(l->in) == 1;
}

static const struct kd_anchor flatten_anchor = {
    .cut = KD_BY_IMAGES,
    .is_view = flatten_is_view,
    .forward = flatten_forward,
    .backward = flatten_backward,
};
const struct kd_layer_kind kd_layer_flatten = {
    .name = "flatten",
    .shape = flatten_shape,
    .anchor = &flatten_anchor,
};
static const struct kd_anchor channels_last_anchor = {
    .cut = KD_BY_IMAGES,
    .forward = channels_last_forward,
    .backward = channels_last_backward,
};
const struct kd_layer_kind kd_layer_channels_last = {
    .name = "channels_last",
    .anchor = &channels_last_anchor,
};
