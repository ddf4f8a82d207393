/* Depthwise convolution: every channel by itself, so the work runs along pixels' channels, a tap at
 * a time. */
#include "conv.h"
#include "kd/nn/kernels.h"

#include <string.h>

enum { PARTS = 4 };

struct depthwise {
    const struct kd_conv *c;
    size_t taps, channels;
    float *weight;  /* [taps][channels] */
    float *partial; /* [PARTS][taps][channels] */
};

size_t kd_conv_depthwise_scratch(const struct kd_conv_shape *s, size_t batch, bool training)
{
    (void)batch;
    (void)training;
    return (1 + PARTS) * s->kernel * s->kernel * s->out;
}

static struct depthwise lay(const struct kd_conv *c, const float *scale)
{
    struct depthwise d = {
        .c = c, .taps = c->s.kernel * c->s.kernel, .channels = c->s.out, .weight = c->scratch};
    d.partial = d.weight + d.taps * d.channels;
    for (size_t i = 0; i < d.channels; i++)
        for (size_t t = 0; t < d.taps; t++)
            d.weight[t * d.channels + i] = c->weight[i * d.taps + t] * (scale ? scale[i] : 1);
    return d;
}

/* Calls step(output row, input row, tap) for all that lie inside the maps, for one part's images.
 */
static void each_tap(const struct depthwise *d, unsigned part,
                     void (*step)(const struct depthwise *d, unsigned part, size_t to, size_t from,
                                  size_t tap))
{
    const struct kd_conv_shape *s = &d->c->s;
    size_t pixels = s->oh * s->ow;
    size_t first = kd_conv_from(d->c->images, PARTS, part),
           last = kd_conv_from(d->c->images, PARTS, part + 1);
    for (size_t row = first * pixels; row < last * pixels; row++) {
        size_t image = row / pixels, y = row % pixels / s->ow, x = row % s->ow;
        for (size_t t = 0; t < d->taps; t++) {
            size_t iy = y * s->stride + t / s->kernel - s->padding; /* wraps below 0 */
            size_t ix = x * s->stride + t % s->kernel - s->padding;
            if (iy < s->h && ix < s->w) step(d, part, row, (image * s->h + iy) * s->w + ix, t);
        }
    }
}

static void finish(const struct depthwise *d, unsigned part, size_t pixels)
{
    size_t from = kd_conv_from(d->c->images, PARTS, part),
           to = kd_conv_from(d->c->images, PARTS, part + 1);
    if (from < to)
        d->c->call->finish(d->c->call->ctx,
                           (struct kd_tile){from * pixels, (to - from) * pixels, 0, d->channels});
}

static void forward_step(const struct depthwise *d, unsigned part, size_t to, size_t from,
                         size_t tap)
{
    (void)part;
    size_t n = d->channels;
    kd_kernels()->mul_add(d->c->y + to * n, d->c->x + from * n, d->weight + tap * n, n);
}

static void forward_part(void *arg, unsigned part)
{
    const struct depthwise *d = arg;
    size_t pixels = d->c->s.oh * d->c->s.ow, n = d->channels;
    size_t from = kd_conv_from(d->c->images, PARTS, part) * pixels;
    size_t to = kd_conv_from(d->c->images, PARTS, part + 1) * pixels;
    if (d->c->bias)
        kd_kernels()->fill_rows(d->c->y + from * n, n, to - from, n, d->c->bias);
    else
        memset(d->c->y + from * n, 0, (to - from) * n * sizeof(float));
    each_tap(d, part, forward_step);
    finish(d, part, pixels);
}

void kd_conv_depthwise_forward(const struct kd_conv *c)
{
    struct depthwise d = lay(c, c->scale);
    kd_pool_run(c->call->pool, PARTS, forward_part, &d);
}

static void input_step(const struct depthwise *d, unsigned part, size_t to, size_t from, size_t tap)
{
    (void)part;
    size_t n = d->channels;
    kd_kernels()->mul_add(d->c->dx + from * n, d->c->dy + to * n, d->weight + tap * n, n);
}

static void input_part(void *arg, unsigned part)
{
    const struct depthwise *d = arg;
    size_t pixels = d->c->s.h * d->c->s.w, n = d->channels;
    size_t from = kd_conv_from(d->c->images, PARTS, part) * pixels;
    size_t to = kd_conv_from(d->c->images, PARTS, part + 1) * pixels;
    memset(d->c->dx + from * n, 0, (to - from) * n * sizeof(float));
    each_tap(d, part, input_step);
    finish(d, part, pixels);
}

void kd_conv_depthwise_input(const struct kd_conv *c)
{
    struct depthwise d = lay(c, NULL);
    kd_pool_run(c->call->pool, PARTS, input_part, &d);
}

static void weight_step(const struct depthwise *d, unsigned part, size_t to, size_t from,
                        size_t tap)
{
    size_t n = d->channels;
    kd_kernels()->mul_add(d->partial + (part * d->taps + tap) * n, d->c->dy + to * n,
                          d->c->x + from * n, n);
}

static void weight_part(void *arg, unsigned part)
{
    const struct depthwise *d = arg;
    size_t n = d->taps * d->channels;
    memset(d->partial + part * n, 0, n * sizeof(float));
    each_tap(d, part, weight_step);
}

void kd_conv_depthwise_weight(const struct kd_conv *c)
{
    struct depthwise d = lay(c, NULL);
    size_t n = d.taps * d.channels;
    kd_pool_run(c->call->pool, PARTS, weight_part, &d);
    for (unsigned part = 1; part < PARTS; part++)
        kd_kernels()->add(d.partial, d.partial + part * n, n, 1);
    for (size_t i = 0; i < d.channels; i++)
        for (size_t t = 0; t < d.taps; t++)
            c->dweight[i * d.taps + t] = d.partial[t * d.channels + i];
}
