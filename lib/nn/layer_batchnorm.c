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

/* save: a place for gradients that nobody wants, [2][channels]; mean and 1/sqrt(var + epsilon) that
 * this pass used, [2][channels], of each shard where there are several */
static size_t batchnorm_save_bytes(const struct kd_layer *l, size_t batch, bool training)
{
    (void)batch;
    size_t shards = training && l->shards ? l->shards : 1;
    return (2 + 2 * shards) * (size_t)l->out.c * sizeof(float);
}

static float *mean_of(const struct kd_layer *l, unsigned shard)
{
    return (float *)l->save + (2 + 2 * (size_t)shard) * l->in.c;
}

static float momentum_of(const struct kd_layer *l)
{
    return (float)((const struct batchnorm *)l->own)->momentum;
}

/* Columns of which waiting sums have room on the stack. */
enum { COLUMNS = 256, LEVELS = KD_CUT_LEVELS };

static struct kd_folding fold(const struct kd_cuts *c, const struct kd_param *p, struct kd_tile t,
                              float *room)
{
    return kd_fold(c, (struct kd_piece){p, t.col0, 1, t.cols, t.cols, room});
}

/* Each shard's share of its statistics adds up in grad. */
static void put_statistics(struct kd_layer *l, const struct kd_cuts *c, struct kd_tile t)
{
    float room[LEVELS * COLUMNS];
    for (unsigned which = 0; which < 2; which++) {
        struct kd_folding f = fold(c, &l->param[RUNNING_MEAN + which], t, room);
        while (f.shard < c->n) {
            size_t images = c->from[f.shard + 1] - c->from[f.shard];
            size_t stride;
            float *to = kd_fold_to(&f, &stride), share = (float)c->share[f.shard];
            const float *own = mean_of(l, f.shard) + which * l->in.c + t.col0;
            size_t values = images * kd_shape_pixels(l->in);
            float unbias = which ? (float)values / (float)(values - 1) : 1;
            for (size_t i = 0; i < t.cols; i++) to[i] = share * (own[i] * unbias);
            kd_fold_add(&f, NULL);
        }
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

static void invert(const struct kd_layer *l, float *var, size_t n)
{
    for (size_t i = 0; i < n; i++) var[i] = 1.0f / sqrtf(var[i] + epsilon_of(l));
}

/* A shard's rows of the tile. */
static struct kd_tile shard_tile(const struct kd_layer *l, const struct kd_cuts *c, unsigned shard,
                                 struct kd_tile t)
{
    size_t pixels = kd_shape_pixels(l->in);
    t.row0 = c->from[shard] * pixels;
    t.rows = c->from[shard + 1] * pixels - t.row0;
    return t;
}

static void forward_shards(struct kd_layer *l, const struct kd_cuts *c, struct kd_tile t)
{
    const size_t n = l->in.c;
    for (unsigned i = 0; i < c->n; i++) {
        struct kd_tile s = shard_tile(l, c, i, t);
        kd_kernels()->norm_stats(l->x + s.row0 * n + t.col0, n, s.rows, t.cols,
                                 mean_of(l, i) + t.col0, mean_of(l, i) + n + t.col0);
    }
    put_statistics(l, c, t);
    for (unsigned i = 0; i < c->n; i++) {
        struct kd_tile s = shard_tile(l, c, i, t);
        float *mean = mean_of(l, i) + t.col0, *rstd = mean + n;
        const size_t at = s.row0 * n + t.col0;
        invert(l, rstd, t.cols);
        kd_kernels()->norm_apply(l->y + at, l->x + at, n, s.rows, t.cols, mean, rstd,
                                 l->param[WEIGHT].value + t.col0, l->param[BIAS].value + t.col0);
    }
}

static void backward_shards(struct kd_layer *l, const struct kd_cuts *c, struct kd_tile t)
{
    const size_t n = l->in.c;
    float room[2][LEVELS * COLUMNS];
    struct kd_folding weight = fold(c, &l->param[WEIGHT], t, room[0]);
    struct kd_folding bias = fold(c, &l->param[BIAS], t, room[1]);
    const bool wanted[] = {l->param[WEIGHT].grad, l->param[BIAS].grad};
    for (unsigned i = 0; i < c->n; i++) {
        struct kd_tile s = shard_tile(l, c, i, t);
        const size_t at = s.row0 * n + t.col0;
        size_t stride;
        float *unwanted = (float *)l->save + t.col0, *mean = mean_of(l, i) + t.col0;
        kd_kernels()->norm_back(l->dx ? l->dx + at : NULL, l->dy + at, l->x + at, n, s.rows, t.cols,
                                mean, mean + n, l->param[WEIGHT].value + t.col0,
                                wanted[0] ? kd_fold_to(&weight, &stride) : unwanted,
                                wanted[1] ? kd_fold_to(&bias, &stride) : unwanted + n, true);
        if (wanted[0]) kd_fold_add(&weight, NULL);
        if (wanted[1]) kd_fold_add(&bias, NULL);
    }
}

/* A tile that may be wide, COLUMNS at a time. */
static void by_columns(struct kd_layer *l, const struct kd_cuts *c, struct kd_tile t,
                       void (*work)(struct kd_layer *l, const struct kd_cuts *c, struct kd_tile t))
{
    for (size_t end = t.col0 + t.cols; t.col0 < end; t.col0 += COLUMNS) {
        t.cols = end - t.col0 < COLUMNS ? end - t.col0 : COLUMNS;
        work(l, c, t);
    }
}

static void take_batch_statistics(struct kd_layer *l, struct kd_tile t, float *mean, float *rstd)
{
    kd_kernels()->norm_stats(l->x + t.col0, l->in.c, t.rows, t.cols, mean, rstd);
    move_statistics(l, t, mean, rstd);
    invert(l, rstd, t.cols);
}

static void batchnorm_forward(struct kd_layer *l, const struct kd_pass *p, struct kd_tile t)
{
    size_t n = l->in.c;
    float *mean = mean_of(l, 0) + t.col0, *rstd = mean + n;
    if (p->cuts && p->training) {
        by_columns(l, p->cuts, t, forward_shards);
        return;
    }
    if (p->training)
        take_batch_statistics(l, t, mean, rstd);
    else
        for (size_t i = 0; i < t.cols; i++) {
            mean[i] = l->param[RUNNING_MEAN].value[t.col0 + i];
            rstd[i] = 1.0f / sqrtf(l->param[RUNNING_VAR].value[t.col0 + i] + epsilon_of(l));
        }
    kd_kernels()->norm_apply(l->y + t.col0, l->x + t.col0, n, t.rows, t.cols, mean, rstd,
                             l->param[WEIGHT].value + t.col0, l->param[BIAS].value + t.col0);
}

static void repeat_rows(struct kd_layer *l, size_t from, size_t to, unsigned shard)
{
    size_t n = l->in.c;
    const float *mean = mean_of(l, shard), *rstd = mean + n;
    if (from < to)
        kd_kernels()->norm_apply(l->y + from * n, l->x + from * n, n, to - from, n, mean, rstd,
                                 l->param[WEIGHT].value, l->param[BIAS].value);
}

static void batchnorm_repeat(struct kd_layer *l, const struct kd_pass *p, struct kd_tile t)
{
    const size_t end = t.row0 + t.rows;
    if (!p->cuts) repeat_rows(l, t.row0, end, 0);
    for (unsigned i = 0; p->cuts && i < p->cuts->n; i++) {
        struct kd_tile s = shard_tile(l, p->cuts, i, t);
        size_t from = s.row0 > t.row0 ? s.row0 : t.row0, to = s.row0 + s.rows;
        repeat_rows(l, from, to < end ? to : end, i);
    }
}

static void batchnorm_backward(struct kd_layer *l, const struct kd_pass *p, struct kd_tile t)
{
    size_t n = l->in.c;
    float *unwanted = l->save;
    const float *mean = mean_of(l, 0) + t.col0, *rstd = mean + n;
    float *dweight = l->param[WEIGHT].grad ? l->param[WEIGHT].grad : unwanted;
    float *dbias = l->param[BIAS].grad ? l->param[BIAS].grad : unwanted + n;
    if (p->cuts) {
        by_columns(l, p->cuts, t, backward_shards);
        return;
    }
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
