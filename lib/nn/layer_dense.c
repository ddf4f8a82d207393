/* dense: Y[B,out] = X[B,in] W[out,in]^T + b.
 *     dX = dY W;  dW = dY^T X;  db = sum of dY's rows
 * Cut by output columns forward and for dW (a part owns rows of W), by input columns for dX. */
#include "kd/nn/gemm.h"
#include "kd/nn/kernels.h"
#include "layers.h"
#include "product.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

struct dense {
    int64_t units; /* 0 in JSON: the number of classes */
    bool bias;
    int init; /* KD_DENSE_INITS */
    double max_norm;
};
#define FIELD(f) offsetof(struct dense, f)
static const struct kd_option rows[] = {
    {.key = "units",
     .kind = KD_OPT_INT,
     .offset = FIELD(units),
     .preset = "0",
     .min = 0,
     .max = 1 << 24,
     .metavar = "N",
     .help = "outputs; left out or 0: the number of classes"},
    {.key = "bias",
     .kind = KD_OPT_BOOL,
     .offset = FIELD(bias),
     .preset = "true",
     .help = "add a bias"},
    {.key = "init",
     .kind = KD_OPT_CHOICE,
     .offset = FIELD(init),
     .preset = "he",
     .choices = KD_CHOICES(KD_DENSE_INITS),
     .metavar = "KIND",
     .help = "initialization of the weights"},
    {.key = "max_norm",
     .kind = KD_OPT_REAL,
     .offset = FIELD(max_norm),
     .preset = "0",
     .min = 0,
     .max = 1e6,
     .metavar = "LENGTH",
     .help = "keep each unit's incoming weights to this length; 0: off"},
    {0},
};

static int dense_shape(struct kd_layer *l, struct kd_build *build, struct kd_err *err)
{
    if (!l->in.flat)
        return kd_fail_usage(err, "its input is %ux%ux%u, not flat; put \"flatten\" before it",
                             l->in.c, l->in.h, l->in.w);
    struct dense *d = l->own;
    if (d->units == 0) d->units = build->classes;
    l->out = (struct kd_shape){(uint32_t)d->units, 1, 1, true};
    size_t in = kd_shape_size(l->in), out = (size_t)d->units;
    if ((double)in * (double)out > 4e9)
        return kd_fail_usage(
            err, "%zu inputs times %zu units are more weights than kd allows (4e9)", in, out);
    struct kd_param *w = kd_layer_add_param(l, "weight", out, in);
    w->decays = true;
    w->max_norm = d->max_norm;
    if (d->bias) kd_layer_add_param(l, "bias", out, 0);
    l->parts = kd_parts_for(out, 100.0 * (double)in * (double)out);
    return 0;
}

/* He et al. 2015, equation 10: normal with variance 2/in. Glorot and Bengio 2010, equation 16:
 * uniform within sqrt(6/(in+out)). Biases start at 0. */
static void dense_init(struct kd_layer *l, uint64_t seed, uint32_t first_param)
{
    const struct dense *d = l->own;
    struct kd_param *w = &l->param[0];
    size_t out = w->shape[0], in = w->shape[1];
    float he = (float)sqrt(2.0 / (double)in), glorot = (float)sqrt(6.0 / (double)(in + out));
    for (size_t o = 0; o < out; o++) {
        struct kd_rng r = kd_rng_for(seed, KD_FOR_INIT, first_param, (uint32_t)o);
        for (size_t i = 0; i < in; i++)
            w->value[o * in + i] = d->init == KD_INIT_HE ? he * kd_rng_normal(&r)
                                                         : glorot * (2 * kd_rng_uniform(&r) - 1);
    }
    if (d->bias) memset(l->param[1].value, 0, out * sizeof(float));
}

static uint64_t dense_macs(const struct kd_layer *l)
{
    return (uint64_t)kd_shape_size(l->in) * kd_shape_size(l->out);
}

/* Own kernels or BLAS? GFLOP/s on one core of an AVX-512 server (BLAS its Cooperlake kernel), 100
 * images:
 *
 *     inputs x units      784 x 600   1200 x 600   800 x 400   784 x 30   800 x 10   30 x 30
 *     forward   BLAS            206          206         206        113        205       103
 *               own             234          231         235        217        120       165
 *     dX        BLAS            233          229         231        198        234       177
 *               own             238          238         243        234        210       172
 *     dW        BLAS            242          243         241        168        257       171
 *               own             250          249         250        256        253       100
 *
 * On AVX2, two threads of an EPYC with Zen 3 (BLAS its Zen kernel), whole trainings in images a
 * second: 784-1200-1200-10 own 4,900, BLAS 7,200; 784-800-800-10 9,600 and 14,200; 1,000 images a
 * call 28,500 and 46,400; 784-400-400-10 35,400 and 37,600; below 256 units they are not to be told
 * apart. Plain was not measured and stays with BLAS. A few images are dot products. Columns are
 * made 16 at a time.
 *
 * Up to KD_MATMUL_FEW images forward, W is not packed. GFLOP/s of 512 units of 784 inputs on a core
 * and on two, BLAS and own: 16 images 40 and 65, 75 and 132; 64 images 60 and 68, 115 and 133. */
enum { FEW_IMAGES = 8, FEW_UNITS = 16, FEW_INPUTS = 64 };

static bool own(size_t images, size_t cols, size_t depth)
{
    const struct kd_kernels *k = kd_kernels();
    if (images < FEW_IMAGES || !k->wide) return false;
    return !k->blas_from || cols < k->blas_from || depth < k->blas_from / 2;
}

/* Forward, where B is turned. */
static bool own_turned(size_t images, size_t cols, size_t depth)
{
    const bool few = kd_kernels()->wide && images >= FEW_IMAGES && images <= KD_MATMUL_FEW;
    return (few || own(images, cols, depth)) && (cols > FEW_UNITS || depth < FEW_INPUTS);
}

/* Shards of a batch: a row of kd's own product is the same whatever rows are beside it. One of BLAS
 * is not (OpenBLAS 0.3.21's Zen kernel: another order for the last rows), nor need a dot product be
 * the same as either; so where they are used, they get a shard at a time. */
static void each_shard(struct kd_layer *l, const struct kd_pass *p, struct kd_tile t,
                       void (*work)(struct kd_layer *l, const struct kd_pass *p, struct kd_tile t))
{
    struct kd_pass alone = *p;
    alone.cuts = NULL;
    for (unsigned i = 0; i < p->cuts->n; i++) {
        const size_t from = p->cuts->from[i], to = p->cuts->from[i + 1];
        if (from < t.row0 || to > t.row0 + t.rows) continue;
        work(l, &alone, (struct kd_tile){from, to - from, t.col0, t.cols});
    }
}

static void dense_forward(struct kd_layer *l, const struct kd_pass *p, struct kd_tile t)
{
    size_t in = kd_shape_size(l->in), out = kd_shape_size(l->out);
    const float *w = l->param[0].value + t.col0 * in,
                *bias = l->n_params > 1 ? l->param[1].value + t.col0 : NULL;
    const float *x = l->x + t.row0 * in;
    float *y = l->y + t.row0 * out + t.col0;
    if (p->cuts && !kd_kernels()->wide) {
        each_shard(l, p, t, dense_forward);
        return;
    }
    if (!p->cuts && t.rows < FEW_IMAGES) {
        const struct kd_dots d = {t.rows, t.cols, in, x, in, w, in, bias, y, out};
        kd_kernels()->dots(&d);
        return;
    }
    if (p->cuts || own_turned(t.rows, t.cols, in)) {
        struct kd_matmul m = {.rows = t.rows,
                              .cols = t.cols,
                              .depth = in,
                              .a = x,
                              .a_row = in,
                              .b = w,
                              .b_row = in,
                              .turned = true,
                              .bias = bias,
                              .c = y,
                              .c_row = out};
        kd_matmul(&m);
        return;
    }
    if (bias) kd_kernels()->fill_rows(y, out, t.rows, t.cols, bias);
    kd_gemm_bt((struct kd_mnk){t.rows, t.cols, in}, (struct kd_rows){x, in},
               (struct kd_rows){w, in}, bias ? 1.0f : 0.0f, y, out);
}

static void dense_backward(struct kd_layer *l, const struct kd_pass *p, struct kd_tile t)
{
    size_t in = kd_shape_size(l->in), out = kd_shape_size(l->out);
    if (!l->dx) return;
    const float *w = l->param[0].value + t.col0, *dy = l->dy + t.row0 * out;
    float *dx = l->dx + t.row0 * in + t.col0;
    if (p->cuts && !kd_kernels()->wide) {
        each_shard(l, p, t, dense_backward);
        return;
    }
    if (p->cuts || own(t.rows, t.cols, out)) {
        struct kd_matmul m = {.rows = t.rows,
                              .cols = t.cols,
                              .depth = out,
                              .a = dy,
                              .a_row = out,
                              .b = w,
                              .b_row = in,
                              .c = dx,
                              .c_row = in};
        kd_matmul(&m);
    } else
        kd_gemm((struct kd_mnk){t.rows, t.cols, out}, (struct kd_rows){dy, out},
                (struct kd_rows){w, in}, 0.0f, dx, in);
}

/* Of one shard: t's columns of W's rows by w columns of X, to c[t.cols][stride]. */
static void shard_gradient(const struct kd_layer *l, struct kd_tile t, size_t from, size_t w,
                           float *c, size_t stride)
{
    size_t in = kd_shape_size(l->in), out = kd_shape_size(l->out);
    const float *dy = l->dy + t.row0 * out + t.col0, *x = l->x + t.row0 * in + from;
    if (kd_kernels()->wide) {
        struct kd_matmul m = {.rows = t.cols,
                              .cols = w,
                              .depth = t.rows,
                              .a = dy,
                              .a_row = out,
                              .b = x,
                              .b_row = in,
                              .c = c,
                              .c_row = stride};
        kd_matmul_outer(&m);
    } else
        kd_gemm_at((struct kd_mnk){t.cols, w, t.rows}, (struct kd_rows){dy, out},
                   (struct kd_rows){x, in}, 0.0f, c, stride);
}

/* Sums that wait for others stay in the second cache: as many of X's columns at a time. */
static void gradient_of_shards(struct kd_layer *l, const struct kd_cuts *cuts, struct kd_tile t)
{
    enum { ROOM = 48 << 10, STEP = 16 };
    float room[ROOM];
    const size_t in = kd_shape_size(l->in);
    const size_t most = ROOM / (cuts->levels * t.cols) / STEP * STEP;
    if (!most) { /* many shards and a wide tile */
        gradient_of_shards(l, cuts, (struct kd_tile){t.row0, t.rows, t.col0, t.cols / 2});
        t.col0 += t.cols / 2;
        t.cols -= t.cols / 2;
        gradient_of_shards(l, cuts, t);
        return;
    }
    for (size_t from = 0; l->param[0].grad && from < in; from += most) {
        const size_t w = in - from < most ? in - from : most;
        /* cppcheck-suppress legacyUninitvar; it is written to before it is read */
        struct kd_piece piece = {&l->param[0], t.col0 * in + from, t.cols, w, in, room};
        for (struct kd_folding f = kd_fold(cuts, piece); f.shard < cuts->n; kd_fold_add(&f, NULL)) {
            size_t stride, row0 = cuts->from[f.shard], n = cuts->from[f.shard + 1] - row0;
            float *to = kd_fold_to(&f, &stride);
            shard_gradient(l, (struct kd_tile){row0, n, t.col0, t.cols}, from, w, to, stride);
        }
    }
    if (l->n_params < 2 || !l->param[1].grad) return;
    struct kd_piece piece = {&l->param[1], t.col0, 1, t.cols, t.cols, room};
    for (struct kd_folding f = kd_fold(cuts, piece); f.shard < cuts->n; kd_fold_add(&f, NULL)) {
        size_t stride, out = kd_shape_size(l->out), row0 = cuts->from[f.shard];
        kd_kernels()->sum_rows(kd_fold_to(&f, &stride), l->dy + row0 * out + t.col0, out,
                               cuts->from[f.shard + 1] - row0, t.cols);
    }
}

static void dense_gradient(struct kd_layer *l, const struct kd_pass *p, struct kd_tile t)
{
    size_t in = kd_shape_size(l->in), out = kd_shape_size(l->out);
    const float *dy = l->dy + t.col0;
    if (p->cuts) {
        gradient_of_shards(l, p->cuts, t);
        return;
    }
    if (l->param[0].grad && own(t.rows, in, t.rows)) {
        struct kd_matmul m = {.rows = t.cols,
                              .cols = in,
                              .depth = t.rows,
                              .a = dy,
                              .a_row = out,
                              .b = l->x,
                              .b_row = in,
                              .c = l->param[0].grad + t.col0 * in,
                              .c_row = in};
        kd_matmul_outer(&m);
    } else if (l->param[0].grad)
        kd_gemm_at((struct kd_mnk){t.cols, in, t.rows}, (struct kd_rows){dy, out},
                   (struct kd_rows){l->x, in}, 0.0f, l->param[0].grad + t.col0 * in, in);
    if (l->n_params > 1 && l->param[1].grad)
        kd_kernels()->sum_rows(l->param[1].grad + t.col0, dy, out, t.rows, t.cols);
}

static const struct kd_anchor dense_anchor = {
    .rows_apart = true,
    .forward = dense_forward,
    .backward = dense_backward,
    .gradient = dense_gradient,
};
const struct kd_layer_kind kd_layer_dense = {
    .name = "dense",
    .rows = rows,
    .own_bytes = sizeof(struct dense),
    .freezes = true,
    .shape = dense_shape,
    .init = dense_init,
    .macs = dense_macs,
    .anchor = &dense_anchor,
};
