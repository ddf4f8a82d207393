/* dropout (Srivastava et al. 2014), inverted: y = x mask / (1 - rate) in training, y = x otherwise.
 * The mask of an image is a pure function of (seed, layer, epoch, image). */
#include "kd/nn/kernels.h"
#include "layers.h"

#include <string.h>

static const struct kd_option rows[] = {
    {.key = "rate", .kind = KD_OPT_REAL, .offset = offsetof(struct kd_layer, u.dropout.rate),
     .preset = "0.5", .min = 0, .max = 0.999, .metavar = "RATE", .help = "share of values set to 0"},
};

static int dropout_shape(struct kd_layer *l, uint32_t classes, struct kd_err *err)
{
    (void)classes;
    (void)err;
    l->out = l->in;
    return 0;
}

static size_t dropout_save_bytes(const struct kd_layer *l, size_t batch)
{
    return batch * kd_shape_size(l->out); /* the mask, a byte a value */
}

static void dropout_forward(struct kd_layer *l, const struct kd_pass *p, struct kd_tile t)
{
    size_t stride = kd_shape_size(l->out);
    if (!p->training) {
        for (size_t r = 0; r < t.rows && l->y != l->x; r++)
            memcpy(l->y + r * stride + t.col0, l->x + r * stride + t.col0, t.cols * sizeof(float));
        return;
    }
    double rate = l->u.dropout.rate;
    uint32_t threshold = (uint32_t)(rate * 65536 + 0.5);
    for (size_t r = 0; r < t.rows; r++) {
        size_t at = r * stride + t.col0;
        struct kd_dropout_draw draw = {.key = {(uint32_t)p->seed, (uint32_t)(p->seed >> 32)},
                                       .purpose = KD_FOR_DROPOUT + 256 * l->number,
                                       .epoch = p->epoch,
                                       .sample = p->sample[r]};
        kd_kernels()->dropout(l->y + at, l->x + at, (uint8_t *)l->save + at, t.col0, t.cols, &draw,
                              threshold, (float)(1 / (1 - rate)));
    }
}

static void dropout_backward(struct kd_layer *l, const struct kd_pass *p, struct kd_tile t)
{
    if (!p->training) return;
    size_t stride = kd_shape_size(l->out);
    for (size_t r = 0; r < t.rows; r++) {
        size_t at = r * stride + t.col0;
        kd_kernels()->dropout_back(l->dy + at, (const uint8_t *)l->save + at, t.cols,
                                   (float)(1 / (1 - l->u.dropout.rate)));
    }
}

const struct kd_layer_kind kd_layer_dropout = {
    .name = "dropout", .rows = rows, .n_rows = 1, .shape = dropout_shape,
    .save_bytes = dropout_save_bytes, .elementwise = true, .keeps_sign = true,
    .keeps = KD_KEEPS_NOTHING, .forward = dropout_forward, .backward = dropout_backward,
};
