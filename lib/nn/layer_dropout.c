/* dropout (Srivastava et al. 2014), inverted: y = x mask / (1 - rate) in training, y = x otherwise.
 * The mask of an image is a pure function of (seed, layer, epoch, image). */
#include "kd/nn/kernels.h"
#include "layers.h"

#include <string.h>

struct dropout {
    double rate;
};
static const struct kd_option rows[] = {
    {.key = "rate",
     .kind = KD_OPT_REAL,
     .offset = offsetof(struct dropout, rate),
     .preset = "0.5",
     .min = 0,
     .max = 0.999,
     .metavar = "RATE",
     .help = "share of values set to 0"},
    {0},
};

static size_t dropout_save_bytes(const struct kd_layer *l, size_t batch, bool training)
{
    (void)training;
    return batch * kd_shape_size(l->out); /* the mask, a byte a value */
}

/* Values are numbered within their image, rows padded to the eight draws of a Philox call, so that
 * a mask does not depend on how the work is cut. */
static void dropout_forward(struct kd_layer *l, const struct kd_pass *p, struct kd_tile t)
{
    double rate = ((const struct dropout *)l->own)->rate;
    uint32_t threshold = (uint32_t)(rate * 65536 + 0.5);
    size_t padded = (l->cols + 7) / 8 * 8;
    for (size_t r = t.row0; r < t.row0 + t.rows; r++) {
        size_t at = r * l->cols + t.col0;
        if (!p->training) {
            if (l->y != l->x) memcpy(l->y + at, l->x + at, t.cols * sizeof(float));
            continue;
        }
        struct kd_dropout_draw draw = {.key = {(uint32_t)p->seed, (uint32_t)(p->seed >> 32)},
                                       .purpose = KD_FOR_DROPOUT + 256 * l->number,
                                       .epoch = p->epoch,
                                       .sample = p->sample[r / l->pixels]};
        kd_kernels()->dropout(l->y + at, l->x + at, (uint8_t *)l->save + at,
                              r % l->pixels * padded + t.col0, t.cols, &draw, threshold,
                              (float)(1 / (1 - rate)));
    }
}

static void dropout_backward(struct kd_layer *l, const struct kd_pass *p, struct kd_tile t)
{
    double rate = ((const struct dropout *)l->own)->rate;
    for (size_t r = t.row0; r < t.row0 + t.rows && p->training; r++) {
        size_t at = r * l->cols + t.col0;
        kd_kernels()->dropout_back(l->dy + at, (const uint8_t *)l->save + at, t.cols,
                                   (float)(1 / (1 - rate)));
    }
}

static const struct kd_elementwise dropout_elementwise = {
    .keeps_sign = true,
    .keeps = KD_KEEPS_NOTHING,
    .forward = dropout_forward,
    .backward = dropout_backward,
};
const struct kd_layer_kind kd_layer_dropout = {
    .name = "dropout",
    .rows = rows,
    .own_bytes = sizeof(struct dropout),
    .shape = kd_layer_same_shape,
    .save_bytes = dropout_save_bytes,
    .elementwise = &dropout_elementwise,
};
