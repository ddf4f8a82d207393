/* batchnorm over features, or over the channels of maps (Ioffe and Szegedy 2015): y = weight (x -
 * mean) / sqrt(var + epsilon) + bias. In training mean and (biased) variance are the batch's, and
 * running ones move towards them by `momentum`, the variance unbiased, as PyTorch's BatchNorm1d and
 * BatchNorm2d do. Otherwise the running ones are used. */
#include "kd/nn/kernels.h"
#include "layers.h"

#include <math.h>
#include <stdio.h>

struct batchnorm {
    double momentum, epsilon;
};
#define FIELD(f) offsetof(struct batchnorm, f)
static const struct kd_option rows[] = {
    {.key = "momentum",
     .kind = KD_OPT_REAL,
     .offset = FIELD(momentum),
     .preset = "0.1",
     .min = 0,
     .max = 1,
     .metavar = "M",
     .help = "share of the batch's statistics in the running ones"},
    {.key = "epsilon",
     .kind = KD_OPT_REAL,
     .offset = FIELD(epsilon),
     .preset = "1e-5",
     .min = 1e-12,
     .max = 1,
     .metavar = "E",
     .help = "added to the variance"},
    {0},
};

static float epsilon_of(const struct kd_layer *l)
{
    return (float)((const struct batchnorm *)l->own)->epsilon;
}

enum { WEIGHT, BIAS, RUNNING_MEAN, RUNNING_VAR };

static int batchnorm_shape(struct kd_layer *l, struct kd_build *build, struct kd_err *err)
{
    (void)build;
    (void)err;
    size_t n = l->in.c;
    l->out = l->in;
    kd_layer_add_param(l, "weight", n, 0)->role = KD_NORM_WEIGHT;
    kd_layer_add_param(l, "bias", n, 0)->role = KD_NORM_BIAS;
    kd_layer_add_param(l, "running_mean", n, 0);
    kd_layer_add_param(l, "running_var", n, 0);
    for (unsigned i = RUNNING_MEAN; i <= RUNNING_VAR; i++) {
        l->param[i].role = KD_STATISTIC;
        l->param[i].trained = false;
    }
    l->parts = kd_parts_for(n, 1e4 * (double)n * (double)kd_shape_pixels(l->in));
    return 0;
}

static void batchnorm_init(struct kd_layer *l, uint64_t seed, uint32_t first_param)
{
    (void)seed;
    (void)first_param;
    for (size_t i = 0; i < l->param[WEIGHT].count; i++) {
        l->param[WEIGHT].value[i] = l->param[RUNNING_VAR].value[i] = 1;
        l->param[BIAS].value[i] = l->param[RUNNING_MEAN].value[i] = 0;
    }
}

void kd_batchnorm_affine(const struct kd_layer *norm, float *scale, float *shift)
{
    const struct kd_param *p = norm->param;
    for (size_t i = 0; i < norm->in.c; i++) {
        scale[i] = p[WEIGHT].value[i] / sqrtf(p[RUNNING_VAR].value[i] + epsilon_of(norm));
        shift[i] = p[BIAS].value[i] - p[RUNNING_MEAN].value[i] * scale[i];
    }
}

/* save: mean and 1/sqrt(var + epsilon) that this pass used, and a place for gradients that nobody
 * wants, [4][channels] */
static size_t batchnorm_save_bytes(const struct kd_layer *l, size_t batch, bool training)
{
    (void)batch;
    (void)training;
    return 4 * (size_t)l->out.c * sizeof(float);
}

static float momentum_of(const struct kd_layer *l)
{
    return (float)((const struct batchnorm *)l->own)->momentum;
}

/* `share` of these statistics and those of the batch's other shards add up in grad. */
static void put_statistics(struct kd_layer *l, struct kd_tile t, float share, const float *mean,
                           const float *var)
{
    float *to_mean = l->param[RUNNING_MEAN].grad + t.col0;
    float *to_var = l->param[RUNNING_VAR].grad + t.col0;
    float unbias = (float)t.rows / (float)(t.rows - 1);
    for (size_t i = 0; i < t.cols; i++) {
        to_mean[i] = share * mean[i];
        to_var[i] = share * (var[i] * unbias);
    }
}

static void batchnorm_take_statistics(struct kd_layer *l)
{
    float m = momentum_of(l);
    for (unsigned i = RUNNING_MEAN; i <= RUNNING_VAR; i++) {
        struct kd_param *p = &l->param[i];
        for (size_t j = 0; j < p->count; j++) p->value[j] += m * (p->grad[j] - p->value[j]);
    }
}

static void move_statistics(struct kd_layer *l, struct kd_tile t, const float *mean,
                            const float *var)
{
    float m = momentum_of(l);
    float unbias = t.rows > 1 ? (float)t.rows / (float)(t.rows - 1) : 1.0f;
    float *running_mean = l->param[RUNNING_MEAN].value + t.col0;
    float *running_var = l->param[RUNNING_VAR].value + t.col0;
    for (size_t i = 0; i < t.cols; i++) {
        running_mean[i] += m * (mean[i] - running_mean[i]);
        running_var[i] += m * (var[i] * unbias - running_var[i]);
    }
}

static void take_batch_statistics(struct kd_layer *l, const struct kd_pass *p, struct kd_tile t,
                                  float *mean, float *rstd)
{
    kd_kernels()->norm_stats(l->x + t.col0, l->in.c, t.rows, t.cols, mean, rstd);
    if (p->share > 0)
        put_statistics(l, t, (float)p->share, mean, rstd);
    else
        move_statistics(l, t, mean, rstd);
    for (size_t i = 0; i < t.cols; i++) rstd[i] = 1.0f / sqrtf(rstd[i] + epsilon_of(l));
}

static void batchnorm_forward(struct kd_layer *l, const struct kd_pass *p, struct kd_tile t)
{
    size_t n = l->in.c;
    float *mean = (float *)l->save + t.col0, *rstd = (float *)l->save + n + t.col0;
    if (p->training)
        take_batch_statistics(l, p, t, mean, rstd);
    else
        for (size_t i = 0; i < t.cols; i++) {
            mean[i] = l->param[RUNNING_MEAN].value[t.col0 + i];
            rstd[i] = 1.0f / sqrtf(l->param[RUNNING_VAR].value[t.col0 + i] + epsilon_of(l));
        }
    kd_kernels()->norm_apply(l->y + t.col0, l->x + t.col0, n, t.rows, t.cols, mean, rstd,
                             l->param[WEIGHT].value + t.col0, l->param[BIAS].value + t.col0);
}

static void batchnorm_repeat(struct kd_layer *l, struct kd_tile t)
{
    size_t n = l->in.c;
    const float *mean = l->save, *rstd = mean + n;
    kd_kernels()->norm_apply(l->y + t.row0 * n, l->x + t.row0 * n, n, t.rows, n, mean, rstd,
                             l->param[WEIGHT].value, l->param[BIAS].value);
}

static void batchnorm_backward(struct kd_layer *l, const struct kd_pass *p, struct kd_tile t)
{
    size_t n = l->in.c;
    float *saved = l->save;
    const float *mean = saved + t.col0, *rstd = saved + n + t.col0;
    float *dweight = l->param[WEIGHT].grad ? l->param[WEIGHT].grad : saved + 2 * n;
    float *dbias = l->param[BIAS].grad ? l->param[BIAS].grad : saved + 3 * n;
    kd_kernels()->norm_back(l->dx ? l->dx + t.col0 : NULL, l->dy + t.col0, l->x + t.col0, n, t.rows,
                            t.cols, mean, rstd, l->param[WEIGHT].value + t.col0, dweight + t.col0,
                            dbias + t.col0, p->training);
}

static const struct kd_anchor batchnorm_anchor = {
    .forward = batchnorm_forward,
    .repeat = batchnorm_repeat,
    .backward = batchnorm_backward,
};
const struct kd_layer_kind kd_layer_batchnorm = {
    .name = "batchnorm",
    .rows = rows,
    .own_bytes = sizeof(struct batchnorm),
    .freezes = true,
    .take_statistics = batchnorm_take_statistics,
    .shape = batchnorm_shape,
    .init = batchnorm_init,
    .save_bytes = batchnorm_save_bytes,
    .anchor = &batchnorm_anchor,
};
