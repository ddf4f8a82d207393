/* conv2d: cross-correlation with zero padding, as PyTorch's Conv2d; see conv.h for the equation. */
#include "conv.h"
#include "kd/nn/chain.h"
#include "kd/nn/kernels.h"
#include "layers.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

struct conv2d {
    int64_t filters, kernel, stride, padding, groups;
    int64_t kernel_width, padding_width; /* where kernel_width is not 0; else as the height's */
    bool bias;
    int init; /* KD_CONV_INITS */
    double max_norm;
    /* Absorbed, or NULL. norm: in inference the batchnorm behind it, folded into its weights and
     * bias. pool: the maxpool behind it that it does along with its own work. */
    const struct kd_layer *norm, *pool;
};
#define FIELD(f) offsetof(struct conv2d, f)
static const struct kd_option rows[] = {
    {.key = "filters",
     .kind = KD_OPT_INT,
     .offset = FIELD(filters),
     .preset = "0",
     .min = 0,
     .max = 1 << 20,
     .metavar = "N",
     .help = "output channels"},
    {.key = "kernel",
     .kind = KD_OPT_INT,
     .offset = FIELD(kernel),
     .preset = "3",
     .min = 1,
     .max = 255,
     .metavar = "N",
     .help = "height and width of a filter"},
    {.key = "kernel_width",
     .kind = KD_OPT_INT,
     .offset = FIELD(kernel_width),
     .min = 0,
     .max = 255,
     .metavar = "N",
     .help = "width of a filter where it is not the height; 0: the height",
     .later = true},
    {.key = "stride",
     .kind = KD_OPT_INT,
     .offset = FIELD(stride),
     .preset = "1",
     .min = 1,
     .max = 255,
     .metavar = "N",
     .help = "step between output pixels"},
    {.key = "padding",
     .kind = KD_OPT_INT,
     .offset = FIELD(padding),
     .preset = "0",
     .min = 0,
     .max = 255,
     .metavar = "N",
     .help = "zeros around the input"},
    {.key = "padding_width",
     .kind = KD_OPT_INT,
     .offset = FIELD(padding_width),
     .min = 0,
     .max = 255,
     .metavar = "N",
     .help = "zeros left and right, with kernel_width; padding is then above and below",
     .later = true},
    {.key = "groups",
     .kind = KD_OPT_INT,
     .offset = FIELD(groups),
     .preset = "1",
     .min = 1,
     .max = 1 << 20,
     .metavar = "N",
     .help = "channels in so many groups, each seen by its own filters"},
    {.key = "bias",
     .kind = KD_OPT_BOOL,
     .offset = FIELD(bias),
     .preset = "true",
     .help = "add a bias"},
    {.key = "init",
     .kind = KD_OPT_CHOICE,
     .offset = FIELD(init),
     .preset = "he",
     .choices = KD_CHOICES(KD_CONV_INITS),
     .metavar = "KIND",
     .help = "initialization of the weights"},
    {.key = "max_norm",
     .kind = KD_OPT_REAL,
     .offset = FIELD(max_norm),
     .preset = "0",
     .min = 0,
     .max = 1e6,
     .metavar = "LENGTH",
     .help = "keep each filter to this length; 0: off"},
    {0},
};

static int64_t width_of(const struct conv2d *c)
{
    return c->kernel_width ? c->kernel_width : c->kernel;
}

static int64_t side_of(const struct conv2d *c)
{
    return c->kernel_width ? c->padding_width : c->padding;
}

static struct kd_conv_shape conv_shape(const struct kd_layer *l)
{
    const struct conv2d *c = l->own;
    return (struct kd_conv_shape){.in = l->in.c,
                                  .out = l->out.c,
                                  .groups = (size_t)c->groups,
                                  .kernel = (size_t)c->kernel,
                                  .width = (size_t)width_of(c),
                                  .stride = (size_t)c->stride,
                                  .padding = (size_t)c->padding,
                                  .side = (size_t)side_of(c),
                                  .h = l->in.h,
                                  .w = l->in.w,
                                  .oh = l->out.h,
                                  .ow = l->out.w,
                                  .pool = c->pool != NULL};
}

static bool in_vectors(const struct kd_conv_shape *s)
{
    return s->in % 16 == 0 && s->out % 16 == 0;
}

/* By measurement. Tiny: maps of up to 3x3. Winograd wants whole vectors of channels, and maps that
 * fill its tiles. Direct: small maps of few channels, and what is left of stride 1 where it is not
 * one tap of many channels; gradients of weights lie there once a part, so these may not be many.
 * All else gathers patches for BLAS.
 *
 * Images a second, trained by one thread of an EPYC with AVX2, two convolutions and a dense layer:
 *
 *     channels, kernel, side    4, 2, 28   8, 5, 28   20, 3, 8   20, 5, 12   64, 5, 12   128, 5, 8
 *     patches                      7,360      1,000     10,000       2,800         589         261
 *     direct                      16,100      4,760     20,500       6,960         679         335
 */
enum kd_conv_algorithm kd_conv_algorithm(const struct kd_conv_shape *s)
{
    enum { FEW = 16, MANY_WEIGHTS = 1 << 19 };
    if (s->width != s->kernel || s->side != s->padding) return KD_CONV_GEMM;
    if (s->groups > 1 && s->groups == s->in && s->in == s->out) return KD_CONV_DEPTHWISE;
    if (s->groups > 1 || s->stride > 1 || s->padding >= s->kernel) return KD_CONV_GEMM;
    if (s->kernel > 1 && in_vectors(s) && s->in * s->out <= 1024 && s->ow < 12)
        return KD_CONV_DIRECT;
    if (s->kernel > 1 && in_vectors(s) && s->oh <= 3 && s->ow <= 3 && s->h <= 3 && s->w <= 3)
        return KD_CONV_TINY;
    if (s->kernel == 3 && in_vectors(s) && s->in <= 4096 && s->out <= 4096 && s->oh >= 4 &&
        s->ow >= 4)
        return KD_CONV_WINOGRAD;
    if (s->kernel * s->kernel * s->in * s->out > MANY_WEIGHTS) return KD_CONV_GEMM;
    return s->kernel > 1 || s->in < FEW || s->out < FEW ? KD_CONV_DIRECT : KD_CONV_GEMM;
}

static const struct algorithm {
    size_t (*scratch)(const struct kd_conv_shape *s, size_t batch, bool training);
    void (*forward)(const struct kd_conv *c);
    void (*back)(
        const struct kd_conv *c); /* both gradients in one; NULL: first input, then weight */
    void (*input)(const struct kd_conv *c);
    void (*weight)(const struct kd_conv *c);
    bool (*learn)(const struct kd_conv *c, const struct kd_param *w); /* may be NULL */
} algorithms[] = {
    [KD_CONV_GEMM] = {kd_conv_gemm_scratch, kd_conv_gemm_forward, NULL, kd_conv_gemm_input,
                      kd_conv_gemm_weight, NULL},
    [KD_CONV_WINOGRAD] = {kd_conv_winograd_scratch, kd_conv_winograd_forward, NULL,
                          kd_conv_winograd_input, kd_conv_winograd_weight, kd_conv_winograd_learn},
    [KD_CONV_DEPTHWISE] = {kd_conv_depthwise_scratch, kd_conv_depthwise_forward, NULL,
                           kd_conv_depthwise_input, kd_conv_depthwise_weight, NULL},
    [KD_CONV_TINY] = {kd_conv_tiny_scratch, kd_conv_tiny_forward, NULL, kd_conv_tiny_input,
                      kd_conv_tiny_weight, kd_conv_tiny_learn},
    [KD_CONV_DIRECT] = {kd_conv_direct_scratch, kd_conv_direct_forward, kd_conv_direct_back, NULL,
                        kd_conv_direct_weight, NULL},
};

static const struct algorithm *algorithm_of(const struct kd_layer *l)
{
    struct kd_conv_shape s = conv_shape(l);
    return &algorithms[kd_conv_algorithm(&s)];
}

static int conv_out(struct kd_layer *l, struct kd_err *err)
{
    const struct conv2d *c = l->own;
    int64_t down = (int64_t)l->in.h + 2 * c->padding - c->kernel;
    int64_t across = (int64_t)l->in.w + 2 * side_of(c) - width_of(c);
    if (down < 0 || across < 0)
        return kd_fail_usage(
            err, "its input is %ux%ux%u: too small for a %lldx%lld kernel with padding %lld",
            l->in.c, l->in.h, l->in.w, (long long)c->kernel, (long long)width_of(c),
            (long long)(down < 0 ? c->padding : side_of(c)));
    l->out = (struct kd_shape){(uint32_t)c->filters, (uint32_t)(down / c->stride + 1),
                               (uint32_t)(across / c->stride + 1), false};
    return 0;
}

static int conv_check(struct kd_layer *l, struct kd_err *err)
{
    struct conv2d *c = l->own;
    if (l->in.flat)
        return kd_fail_usage(
            err, "its input is %u flat features; it wants maps, before \"flatten\"", l->in.c);
    if (!c->filters) return kd_fail_usage(err, "\"filters\" is missing: how many output channels?");
    if (l->in.c % c->groups || c->filters % c->groups)
        return kd_fail_usage(
            err,
            "groups %lld divides not both the %u channels of its input and its %lld "
            "filters",
            (long long)c->groups, l->in.c, (long long)c->filters);
    if (c->padding_width && !c->kernel_width)
        return kd_fail_usage(err, "\"padding_width\" goes with \"kernel_width\"; \"padding\" "
                                  "alone is for all four sides");
    if (c->init == KD_INIT_WHITEN && c->kernel_width)
        return kd_fail_usage(err, "\"init\": \"whiten\" wants square kernels");
    if (c->init == KD_INIT_WHITEN && strcmp(l->name, "0") != 0)
        return kd_fail_usage(
            err,
            "\"init\": \"whiten\" is for the first layer, whose input is the images themselves");
    if (c->init == KD_INIT_WHITEN && (c->groups != 1 || c->filters % 2 ||
                                      c->filters > 2 * (int64_t)l->in.c * c->kernel * c->kernel))
        return kd_fail_usage(
            err,
            "\"init\": \"whiten\" wants one group and an even number of filters, at most %lld here",
            2 * (long long)l->in.c * (long long)(c->kernel * c->kernel));
    if ((double)l->in.c * (double)c->filters * (double)(c->kernel * width_of(c)) > 4e9)
        return kd_fail_usage(err, "more weights than kd allows (4e9)");
    return 0;
}

static int conv_shape_of(struct kd_layer *l, struct kd_build *build, struct kd_err *err)
{
    (void)build;
    struct conv2d *c = l->own;
    if (conv_check(l, err) < 0) return -1;
    if (conv_out(l, err) < 0) return -1;
    if ((double)l->out.c * l->out.h * l->out.w > 1e9)
        return kd_fail_usage(err, "its output of %ux%ux%u is larger than kd allows", l->out.c,
                             l->out.h, l->out.w);
    size_t in = l->in.c / (size_t)c->groups;
    struct kd_param *w = kd_layer_add_param(l, "weight", (size_t)c->filters, in);
    w->dims = 4;
    w->shape[2] = (size_t)c->kernel;
    w->shape[3] = (size_t)width_of(c);
    w->count *= w->shape[2] * w->shape[3];
    w->decays = true;
    w->max_norm = c->max_norm;
    if (c->bias) kd_layer_add_param(l, "bias", (size_t)c->filters, 0);
    l->parts = 4;
    return 0;
}

/* He and Glorot as for dense, a filter's taps counting as inputs. dirac: the first filters pass
 * their channel on, the others are He's. whiten: He's, until kd_network_whiten. */
static void conv_init(struct kd_layer *l, uint64_t seed, uint32_t first_param)
{
    const struct conv2d *c = l->own;
    struct kd_param *w = &l->param[0];
    size_t out = w->shape[0], in = w->shape[1], taps = w->shape[2] * w->shape[3], row = in * taps;
    size_t middle = w->shape[2] / 2 * w->shape[3] + w->shape[3] / 2;
    float he = (float)sqrt(2.0 / (double)row);
    float glorot = (float)sqrt(6.0 / (double)(row + out / (size_t)c->groups * taps));
    for (size_t o = 0; o < out; o++) {
        struct kd_rng r = kd_rng_for(seed, KD_FOR_INIT, first_param, (uint32_t)o);
        bool dirac = c->init == KD_INIT_DIRAC && o < in;
        for (size_t i = 0; i < row; i++)
            w->value[o * row + i] = dirac ? 0
                                    : c->init == KD_INIT_GLOROT
                                        ? glorot * (2 * kd_rng_uniform(&r) - 1)
                                        : he * kd_rng_normal(&r);
        if (dirac) w->value[o * row + o * taps + middle] = 1;
    }
    if (c->bias) memset(l->param[1].value, 0, out * sizeof(float));
}

static uint64_t conv_macs(const struct kd_layer *l)
{
    return (uint64_t)kd_shape_pixels(l->out) * l->param[0].count;
}

/* Statistics that run no more are folded in, where nothing lies between. A pooling to the largest
 * is done along the way, where what lies between does not change what is largest. */
static bool conv_absorb(const struct kd_stage *s, struct kd_layer *next, bool training)
{
    struct conv2d *c = s->anchor->own;
    if (c->pool) return false;
    if (next->kind == &kd_layer_batchnorm && !training && !c->norm && !s->n_after) {
        c->norm = next;
        return true;
    }
    struct kd_conv_shape shape = conv_shape(s->anchor);
    if (!kd_maxpool_is_2x2(next) || kd_conv_algorithm(&shape) != KD_CONV_DIRECT) return false;
    for (unsigned i = 0; i < s->n_after; i++)
        if (!s->after[i]->kind->elementwise->monotone) return false;
    c->pool = next;
    return true;
}

static void conv_forget(struct kd_layer *l)
{
    struct conv2d *c = l->own;
    c->norm = c->pool = NULL;
}

static struct kd_shape conv_output(const struct kd_layer *l)
{
    const struct conv2d *c = l->own;
    return c->pool ? c->pool->out : l->out;
}

static int conv_init_from_images(struct kd_layer *l, const struct kd_subset *images,
                                 const struct kd_normalize *normalize, struct kd_err *err)
{
    const struct conv2d *c = l->own;
    return c->init == KD_INIT_WHITEN ? kd_whiten(l, (size_t)c->kernel, images, normalize, err) : 0;
}

/* Four parts' sums for the bias; scale and bias with a batchnorm folded in, of which a block that
 * holds the layer does not know yet when it asks for scratch. */
static size_t sums_floats(const struct kd_layer *l)
{
    return (4 * (size_t)l->out.c + 15) / 16 * 16;
}

static size_t conv_scratch_bytes(const struct kd_layer *l, size_t batch, bool training)
{
    struct kd_conv_shape s = conv_shape(l);
    return (sums_floats(l) + algorithm_of(l)->scratch(&s, batch, training)) * sizeof(float);
}

/* What won where the layer pools. */
static size_t conv_save_bytes(const struct kd_layer *l, size_t batch, bool training)
{
    const struct conv2d *c = l->own;
    return training && c->pool ? batch * kd_shape_size(c->pool->out) : 0;
}

/* Images [from, from + pass->rows) of the layer's. */
static struct kd_conv call_of(struct kd_layer *l, const struct kd_layer_call *call, size_t from)
{
    const struct conv2d *own = l->own;
    const size_t in = from * kd_shape_size(l->in), out = from * l->pixels * l->cols;
    bool bias = own->bias;
    return (struct kd_conv){.s = conv_shape(l),
                            .images = call->pass->rows,
                            .x = l->x + in,
                            .y = l->y + out,
                            .dx = l->dx ? l->dx + in : NULL,
                            .dy = l->dy ? l->dy + out : NULL,
                            .weight = l->param[0].value,
                            .bias = bias ? l->param[1].value : NULL,
                            .dweight = l->param[0].grad,
                            .dbias = bias ? l->param[1].grad : NULL,
                            .scratch = (float *)l->scratch + sums_floats(l),
                            .call = call,
                            .winner = l->dy && own->pool ? (uint8_t *)l->save + out : NULL};
}

/* ---- shards of a batch ---- */

struct of_shard { /* a call for the images of one, which lie behind those of others */
    struct kd_pass pass;
    struct kd_layer_call call;
    const struct kd_layer_call *whole;
    size_t from; /* its first image */
};

static void finish_of_shard(void *ctx, struct kd_tile t)
{
    const struct of_shard *s = ctx;
    t.row0 += s->from;
    s->whole->finish(s->whole->ctx, t);
}

/* `pixels`: rows an image of what the call makes. */
static void take_shard(struct of_shard *s, const struct kd_layer_call *call, unsigned shard,
                       size_t pixels)
{
    const struct kd_cuts *cuts = call->pass->cuts;
    s->pass = *call->pass;
    s->pass.cuts = NULL;
    s->pass.rows = cuts->from[shard + 1] - cuts->from[shard];
    s->whole = call;
    s->from = cuts->from[shard] * pixels;
    s->call = (struct kd_layer_call){call->pool, &s->pass, NULL, finish_of_shard, s};
}

/* Products of BLAS are not the same whatever rows are beside a row. All else makes each image by
 * itself. */
static bool images_apart(const struct kd_layer *l, const struct kd_pass *p)
{
    return !p->cuts || algorithm_of(l) != &algorithms[KD_CONV_GEMM];
}

static void each_shard(struct kd_layer *l, const struct kd_layer_call *call, size_t pixels,
                       void (*work)(const struct kd_conv *c))
{
    const struct kd_cuts *cuts = call->pass->cuts;
    for (unsigned i = 0; i < cuts->n; i++) {
        struct of_shard s;
        take_shard(&s, call, i, pixels);
        struct kd_conv c = call_of(l, &s.call, cuts->from[i]);
        work(&c);
    }
}

/* Of each shard, and added up; `before`, where there is one, does the shard's first half. */
static void learn_shards(struct kd_layer *l, const struct kd_layer_call *call,
                         void (*before)(const struct kd_conv *c))
{
    const struct kd_cuts *cuts = call->pass->cuts;
    struct kd_folding f = kd_fold(cuts, kd_piece_all(cuts, &l->param[0]));
    while (f.shard < cuts->n) {
        struct of_shard s;
        size_t stride;
        take_shard(&s, call, f.shard, kd_shape_pixels(l->in));
        struct kd_conv c = call_of(l, &s.call, cuts->from[f.shard]);
        if (c.dweight) c.dweight = kd_fold_to(&f, &stride);
        if (before) before(&c);
        if (c.dweight) algorithm_of(l)->weight(&c);
        if (c.dweight)
            kd_fold_add(&f, call->pool);
        else
            f.shard++;
    }
}

/* ---- a pass ---- */

static void conv_run(struct kd_layer *l, const struct kd_layer_call *call)
{
    struct kd_conv c = call_of(l, call, 0);
    /* In a network planned for training, where nothing is folded in. */
    if (!images_apart(l, call->pass)) {
        each_shard(l, call, l->pixels, algorithm_of(l)->forward);
        return;
    }
    const struct kd_layer *norm = ((const struct conv2d *)l->own)->norm;
    if (norm) {
        float *scale = l->scratch, *shift = scale + l->out.c;
        kd_batchnorm_affine(norm, scale, shift);
        for (size_t i = 0; c.bias && i < l->out.c; i++) shift[i] += scale[i] * c.bias[i];
        c.scale = scale;
        c.bias = shift;
    }
    algorithm_of(l)->forward(&c);
}

static void conv_run_back(struct kd_layer *l, const struct kd_layer_call *call)
{
    struct kd_conv c = call_of(l, call, 0);
    const struct algorithm *a = algorithm_of(l);
    if (a->back && call->pass->cuts)
        learn_shards(l, call, a->back);
    else if (a->back)
        a->back(&c);
    else if (l->dx && !images_apart(l, call->pass))
        each_shard(l, call, kd_shape_pixels(l->in), a->input);
    else if (l->dx)
        a->input(&c);
}

struct learning {
    struct kd_layer *l;
    const struct kd_layer_call *call;
};

enum { BIAS_PARTS = 4, BIAS_COLUMNS = 64 };

static void bias_part(void *arg, unsigned part)
{
    const struct learning *s = arg;
    struct kd_tile t =
        kd_tile_of_images(s->call->pass->rows, s->l->pixels, s->l->cols, BIAS_PARTS, part);
    kd_kernels()->sum_rows((float *)s->l->scratch + part * s->l->cols,
                           s->l->dy + t.row0 * s->l->cols, s->l->cols, t.rows, t.cols);
}

static void learn_bias(struct learning *s, float *to)
{
    const float *sums = s->l->scratch;
    kd_pool_run(s->call->pool, BIAS_PARTS, bias_part, s);
    memcpy(to, sums, s->l->cols * sizeof(float));
    for (unsigned part = 1; part < BIAS_PARTS; part++)
        kd_kernels()->add(to, sums + part * s->l->cols, s->l->cols, 1);
}

/* Some columns of a shard's sum: in the same four parts. */
static void sum_of_shard(const struct kd_layer *l, const struct kd_cuts *cuts, unsigned shard,
                         struct kd_tile at, float *to)
{
    float sums[BIAS_COLUMNS];
    const size_t images = cuts->from[shard + 1] - cuts->from[shard];
    for (unsigned part = 0; part < BIAS_PARTS; part++) {
        struct kd_tile t = kd_tile_of_images(images, l->pixels, l->cols, BIAS_PARTS, part);
        const size_t row = cuts->from[shard] * l->pixels + t.row0;
        kd_kernels()->sum_rows(part ? sums : to, l->dy + row * l->cols + at.col0, l->cols, t.rows,
                               at.cols);
        if (part) kd_kernels()->add(to, sums, at.cols, 1);
    }
}

static void shards_bias_part(void *arg, unsigned part)
{
    const struct learning *s = arg;
    const struct kd_cuts *cuts = s->call->pass->cuts;
    float room[KD_CUT_LEVELS * BIAS_COLUMNS];
    const size_t from = (size_t)part * BIAS_COLUMNS, left = s->l->cols - from;
    const struct kd_tile t = {.col0 = from, .cols = left < BIAS_COLUMNS ? left : BIAS_COLUMNS};
    struct kd_piece piece = {&s->l->param[1], t.col0, 1, t.cols, t.cols, room};
    for (struct kd_folding f = kd_fold(cuts, piece); f.shard < cuts->n; kd_fold_add(&f, NULL)) {
        size_t stride;
        sum_of_shard(s->l, cuts, f.shard, t, kd_fold_to(&f, &stride));
    }
}

static void tell_part(void *arg, unsigned part)
{
    const struct learning *s = arg;
    for (unsigned i = 0; i < s->l->n_params; i++) {
        struct kd_param *p = &s->l->param[i];
        size_t row = p->count / p->shape[0], from = p->shape[0] * part / 8,
               to = p->shape[0] * (part + 1) / 8;
        if (p->trained && to > from)
            s->call->sink->ready(s->call->sink->ctx, p, from * row, (to - from) * row);
    }
}

static void learn_weights(struct kd_layer *l, const struct kd_layer_call *call,
                          const struct kd_conv *c)
{
    const struct algorithm *a = algorithm_of(l);
    if (!call->pass->cuts)
        a->weight(c);
    else if (!a->back && !(a->learn && a->learn(c, &l->param[0])))
        learn_shards(l, call, NULL);
}

static void conv_run_gradient(struct kd_layer *l, const struct kd_layer_call *call)
{
    struct kd_conv c = call_of(l, call, 0);
    struct learning s = {l, call};
    const struct kd_cuts *cuts = call->pass->cuts;
    if (c.dweight) learn_weights(l, call, &c);
    if (c.dbias && cuts)
        kd_pool_run(call->pool, (unsigned)((l->cols + BIAS_COLUMNS - 1) / BIAS_COLUMNS),
                    shards_bias_part, &s);
    else if (c.dbias)
        learn_bias(&s, c.dbias);
    if (call->sink) kd_pool_run(call->pool, 8, tell_part, &s);
}

static const struct kd_anchor conv_anchor = {
    .cut = KD_BY_ITSELF,
    .absorb = conv_absorb,
    .forget = conv_forget,
    .output = conv_output,
    .run = conv_run,
    .run_back = conv_run_back,
    .run_gradient = conv_run_gradient,
};
const struct kd_layer_kind kd_layer_conv2d = {
    .name = "conv2d",
    .rows = rows,
    .own_bytes = sizeof(struct conv2d),
    .freezes = true,
    .shape = conv_shape_of,
    .init = conv_init,
    .init_from_images = conv_init_from_images,
    .macs = conv_macs,
    .save_bytes = conv_save_bytes,
    .scratch_bytes = conv_scratch_bytes,
    .anchor = &conv_anchor,
};
