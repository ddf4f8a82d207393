/* Channels evened out between a convolution and the next (Nagel et al. 2019, section 4.1), and
 * biases corrected (section 4.2). */
#include "quantize.h"

#include <math.h>
#include <string.h>

/* The convolution that alone reads what op writes, through pooling that passes a factor on. */
static struct kd_op *next_conv(struct kd_graph *g, const struct kd_op *op)
{
    unsigned t = op->out;
    for (unsigned i = 0; i < g->n_ops; i++) {
        struct kd_op *next = &g->ops[i];
        if (next->a != t && !(next->kind == KD_OP_ADD && next->b == t)) continue;
        if (g->tensors[t].readers != 1) return NULL;
        if (next->kind == KD_OP_CONV) return next;
        if (next->kind != KD_OP_MAXPOOL && next->kind != KD_OP_AVGPOOL) return NULL;
        if (next->act == KD_ACT_RELU6) return NULL;
        t = next->out;
    }
    return NULL;
}

/* Weights of next that see input channel c: calls fn-like body through a pointer sum. */
static float largest_weight(const struct kd_op *op, size_t c, float scale_by)
{
    size_t depth = kd_op_depth(op), cin = op->in.c / op->groups, cout = op->to.c / op->groups;
    float most = 0;
    /* NOLINTNEXTLINE(clang-analyzer-core.DivideZero): a group has channels */
    for (size_t o = c / cin * cout; o < (c / cin + 1) * cout; o++)
        for (size_t k = c % cin; k < depth; k += cin) {
            float *w = &op->weight[o * depth + k];
            *w *= scale_by;
            if (fabsf(*w) > most) most = fabsf(*w);
        }
    return most;
}

static float largest_value(const float *x, size_t rows, size_t channels, size_t c)
{
    float most = 0;
    for (size_t r = 0; r < rows; r++)
        most = fabsf(x[r * channels + c]) > most ? fabsf(x[r * channels + c]) : most;
    return most;
}

static bool equalise_pair(struct kd_op *op, struct kd_op *next, const float *x, size_t rows)
{
    size_t depth = kd_op_depth(op);
    bool changed = false;
    for (size_t c = 0; c < op->to.c; c++) {
        float value = largest_value(x, rows, op->to.c, c), weight = largest_weight(next, c, 1);
        /* each channel of a depthwise layer has a weight scale to itself: all goes to the values */
        float by = kd_op_is_depthwise(next) ? value : sqrtf(value / weight);
        if (!(value > 1e-6f) || !(weight > 1e-6f) || !isfinite(by)) continue;
        by = by < 1e-3f ? 1e-3f : by > 1e3f ? 1e3f : by;
        for (size_t k = 0; k < depth; k++) op->weight[c * depth + k] /= by;
        op->bias[c] /= by;
        largest_weight(next, c, by);
        changed = true;
    }
    return changed;
}

int kd_equalise(struct kd_graph *graph, struct kd_sim *sim, size_t n, bool *changed,
                struct kd_err *err)
{
    (void)err;
    *changed = false;
    for (unsigned i = 0; i < graph->n_ops; i++) {
        struct kd_op *op = &graph->ops[i], *next;
        kd_sim_op(sim, i, n);
        if (op->kind != KD_OP_CONV || op->act == KD_ACT_RELU6 || !(next = next_conv(graph, op)))
            continue;
        if (!equalise_pair(op, next, sim->tensor[op->out], n * kd_shape_pixels(op->to))) continue;
        *changed = true;
        kd_sim_op(sim, i, n);
    }
    return 0;
}

static void channel_means(const float *x, size_t rows, size_t channels, double *mean)
{
    memset(mean, 0, channels * sizeof *mean);
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < channels; c++) mean[c] += (double)x[r * channels + c];
    for (size_t c = 0; c < channels; c++) mean[c] /= (double)rows;
}

static void correct_op(struct kd_quantizing *q, unsigned i, double *mean)
{
    const struct kd_op *op = &q->graph->ops[i];
    struct kd_int_op *o = &q->ints->ops[i];
    size_t rows = q->first * kd_shape_pixels(op->to), channels = op->to.c;
    kd_sim_sums(&q->reference, i, q->first);
    channel_means(q->reference.tensor[op->out], rows, channels, mean);
    kd_sim_sums(&q->sim, i, q->first);
    channel_means(q->sim.tensor[op->out], rows, channels, mean + channels);
    for (size_t c = 0; c < channels; c++) {
        double step = (double)q->ints->tensors[op->a].scale * (double)o->weight_scale[c];
        double bias = o->bias[c] + rint((mean[c] - mean[channels + c]) / step);
        if (fabs(bias) < 1 << 30) o->bias[c] = (int32_t)bias;
    }
}

/* Layer by layer, behind layers that are corrected already. */
int kd_correct_biases(struct kd_quantizing *q, struct kd_err *err)
{
    const struct kd_graph *g = q->graph;
    size_t most = 1;
    for (unsigned i = 0; i < g->n_ops; i++) most = g->ops[i].to.c > most ? g->ops[i].to.c : most;
    double *mean = kd_alloc(2 * most, sizeof *mean, "channels' means", err);
    if (!mean) return -1;
    q->sim.input_quantised = true;
    kd_sim_input(&q->sim, q->calibration->in, q->first);
    kd_sim_input(&q->reference, q->calibration->in, q->first);
    for (unsigned i = 0; i < g->n_ops; i++) {
        q->sim.quantised[i] = true;
        if (g->ops[i].kind == KD_OP_CONV) correct_op(q, i, mean);
        kd_sim_op(&q->sim, i, q->first);
        kd_sim_op(&q->reference, i, q->first);
    }
    kd_free(mean);
    return 0;
}
