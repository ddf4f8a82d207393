/* Which values a tensor is to hold. */
#include "quantize.h"

#include <math.h>
#include <string.h>

enum { BINS = 2048 };

static void see(struct kd_range *r, const float *x, size_t n)
{
    float low = r->low, high = r->high;
    for (size_t i = 0; i < n; i++) {
        low = x[i] < low ? x[i] : low;
        high = x[i] > high ? x[i] : high;
    }
    *r = (struct kd_range){low, high};
}

/* fn(q, images) after each batch of images has been through the float network. */
static int each_batch(struct kd_quantizing *q,
                      void (*fn)(struct kd_quantizing *q, size_t from, size_t n, void *ctx),
                      void *ctx, struct kd_err *err)
{
    const struct kd_calibration *c = q->calibration;
    size_t size = kd_shape_size(q->graph->input);
    for (size_t from = 0; from < c->n; from += q->reference.batch) {
        size_t n = c->n - from < q->reference.batch ? c->n - from : q->reference.batch;
        if (kd_progress_go_on(c->progress, err) < 0) return -1;
        kd_sim_input(&q->reference, c->in + from * size, n);
        kd_sim_run(&q->reference, 0, n);
        fn(q, from, n, ctx);
    }
    return 0;
}

static void observe_batch(struct kd_quantizing *q, size_t from, size_t n, void *ctx)
{
    (void)ctx;
    const struct kd_graph *g = q->graph;
    for (unsigned t = 0; t < g->n_tensors; t++)
        see(&q->range[t], q->reference.tensor[t], n * kd_shape_size(g->tensors[t].shape));
    memcpy(q->logits + from * g->classes, kd_sim_logits(&q->reference),
           n * g->classes * sizeof *q->logits);
}

int kd_observe(struct kd_quantizing *q, struct kd_err *err)
{
    for (unsigned t = 0; t < q->graph->n_tensors; t++) q->range[t] = (struct kd_range){0, 0};
    return each_batch(q, observe_batch, NULL, err);
}

/* 0 is always among the values: padding, and what relu leaves. */
struct kd_int_tensor kd_tensor_for(struct kd_range r)
{
    double low = r.low < 0 ? (double)r.low : 0, high = r.high > 0 ? (double)r.high : 0;
    double scale = (high - low) / 255;
    if (!(scale > 1e-20)) scale = 1.0 / 255; /* it holds nothing but 0 */
    struct kd_int_tensor t = {(float)scale, 0, -128, 127};
    double zero = rint(-128 - low / (double)t.scale);
    t.zero = zero < -128 ? -128 : zero > 127 ? 127 : (int32_t)zero;
    return t;
}

bool kd_tensor_is_chosen(const struct kd_int_network *ints, unsigned t)
{
    int maker = ints->graph.tensors[t].maker;
    if (maker < 0) return true;
    const struct kd_op *op = &ints->graph.ops[maker];
    bool clamps = op->kind == KD_OP_ACTIVATION && !ints->ops[maker].table;
    return kd_int_tensor_is_own(ints, t) && !clamps;
}

/* ---- a share of all values ---- */

static void count_batch(struct kd_quantizing *q, size_t from, size_t n, void *ctx)
{
    uint64_t(*bins)[BINS] = ctx;
    (void)from;
    for (unsigned t = 0; t < q->graph->n_tensors; t++) {
        const float *x = q->reference.tensor[t], low = q->range[t].low;
        const float by = (float)BINS / (q->range[t].high - low + 1e-30f);
        for (size_t i = 0; i < n * kd_shape_size(q->graph->tensors[t].shape); i++) {
            float bin = (x[i] - low) * by;
            bins[t][bin < 0 ? 0 : bin >= BINS ? BINS - 1 : (int)bin]++;
        }
    }
}

static struct kd_range cut(const uint64_t *bins, struct kd_range r, double percentile)
{
    uint64_t all = 0, seen = 0;
    int low = 0, high = BINS - 1;
    for (int b = 0; b < BINS; b++) all += bins[b];
    double out = (double)all * (100 - percentile) / 200; /* at each end */
    for (; low < high && (double)(seen + bins[low]) <= out; low++) seen += bins[low];
    for (seen = 0; high > low && (double)(seen + bins[high]) <= out; high--) seen += bins[high];
    double width = ((double)r.high - (double)r.low) / BINS;
    return (struct kd_range){(float)((double)r.low + width * low),
                             (float)((double)r.low + width * (high + 1))};
}

static int percentile_ranges(struct kd_quantizing *q, struct kd_err *err)
{
    unsigned n = q->graph->n_tensors;
    uint64_t(*bins)[BINS] = kd_alloc(n, sizeof *bins, "histograms", err);
    int status = bins ? each_batch(q, count_batch, bins, err) : -1;
    for (unsigned t = 1; t < n && status == 0; t++)
        if (kd_tensor_is_chosen(q->ints, t))
            q->ints->tensors[t] = kd_tensor_for(cut(bins[t], q->range[t], q->options->percentile));
    kd_free(bins);
    return status;
}

/* ---- least error in the logits ---- */

static double logits_error(const struct kd_quantizing *q, const struct kd_sim *sim)
{
    const float *z = kd_sim_logits(sim);
    double sum = 0;
    for (size_t i = 0; i < q->first * q->graph->classes; i++) {
        double d = (double)z[i] - (double)q->logits[i];
        sum += d * d;
    }
    return sum;
}

/* Tensor t alone rounded, to several parts of its range; the sim holds it in floats, before and
 * after. */
static void try_parts(struct kd_quantizing *q, unsigned t, float *saved)
{
    static const float parts[] = {1, 0.9f, 0.8f, 0.7f, 0.6f, 0.5f, 0.4f, 0.3f, 0.2f};
    size_t size = q->first * kd_shape_size(q->graph->tensors[t].shape);
    unsigned next = (unsigned)(q->graph->tensors[t].maker + 1);
    double least = INFINITY;
    memcpy(saved, q->sim.tensor[t], size * sizeof *saved);
    for (unsigned i = 0; i < sizeof parts / sizeof *parts; i++) {
        struct kd_int_tensor tensor = kd_tensor_for(
            (struct kd_range){q->range[t].low * parts[i], q->range[t].high * parts[i]});
        memcpy(q->sim.tensor[t], saved, size * sizeof *saved);
        kd_sim_round(q->sim.tensor[t], size, &tensor);
        kd_sim_run(&q->sim, next, q->first);
        double error = logits_error(q, &q->sim);
        if (error < least) {
            least = error;
            q->ints->tensors[t] = tensor;
        }
    }
    memcpy(q->sim.tensor[t], saved, size * sizeof *saved);
}

static int error_ranges(struct kd_quantizing *q, struct kd_err *err)
{
    const struct kd_graph *g = q->graph;
    size_t most = 0;
    for (unsigned t = 0; t < g->n_tensors; t++)
        if (kd_shape_size(g->tensors[t].shape) > most) most = kd_shape_size(g->tensors[t].shape);
    float *saved = kd_alloc(q->first * most, sizeof *saved, "a tensor", err);
    if (!saved) return -1;
    kd_sim_input(&q->sim, q->calibration->in, q->first);
    int status = 0;
    for (unsigned i = 0; i < g->n_ops && status == 0; i++) {
        kd_progress_tick(q->calibration->progress, i, g->n_ops, "layers", "ranges");
        status = kd_progress_go_on(q->calibration->progress, err);
        kd_sim_op(&q->sim, i, q->first);
        if (kd_tensor_is_chosen(q->ints, g->ops[i].out)) try_parts(q, g->ops[i].out, saved);
    }
    kd_free(saved);
    return status;
}

struct kd_range kd_input_range(struct kd_range seen, const struct kd_normalize *n)
{
    struct kd_range r = seen;
    for (uint32_t c = 0; c < n->channels; c++) {
        const float ends[] = {(0 - n->mean[c]) / n->std[c], (1 - n->mean[c]) / n->std[c]};
        see(&r, ends, 2);
    }
    return r;
}

int kd_choose_ranges(struct kd_quantizing *q, struct kd_err *err)
{
    for (unsigned t = 0; t < q->graph->n_tensors; t++)
        if (kd_tensor_is_chosen(q->ints, t)) q->ints->tensors[t] = kd_tensor_for(q->range[t]);
    q->ints->tensors[0] = kd_tensor_for(kd_input_range(q->range[0], q->calibration->normalize));
    if (q->options->ranges == KD_RANGES_PERCENTILE) return percentile_ranges(q, err);
    return q->options->ranges == KD_RANGES_ERROR ? error_ranges(q, err) : 0;
}
