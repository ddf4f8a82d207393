#include "sim.h"
#include "kd/nn/gemm.h"

#include <math.h>
#include <string.h>

int kd_sim_init(struct kd_sim *sim, const struct kd_graph *graph, size_t batch, struct kd_err *err)
{
    *sim = (struct kd_sim){.graph = graph, .batch = batch};
    size_t patches = 1, weights = 1, channels = 1;
    for (unsigned i = 0; i < graph->n_ops; i++) {
        const struct kd_op *op = &graph->ops[i];
        if (op->kind != KD_OP_CONV) continue;
        size_t depth = kd_op_depth(op), p = kd_shape_pixels(op->to) * depth;
        if (p > patches) patches = p;
        if (depth * op->to.c > weights) weights = depth * op->to.c;
        if (op->to.c > channels) channels = op->to.c;
    }
    sim->tensor = kd_alloc(graph->n_tensors, sizeof *sim->tensor, "a simulation", err);
    sim->quantised = kd_alloc(graph->n_ops, sizeof *sim->quantised, "a simulation", err);
    sim->patches = kd_alloc(patches, sizeof *sim->patches, "patches", err);
    sim->weight = kd_alloc(weights, sizeof *sim->weight, "weights", err);
    sim->bias = kd_alloc(channels, sizeof *sim->bias, "biases", err);
    int status = sim->tensor && sim->quantised && sim->patches && sim->weight && sim->bias ? 0 : -1;
    for (unsigned t = 0; t < graph->n_tensors && status == 0; t++) {
        sim->tensor[t] = kd_alloc(batch * kd_shape_size(graph->tensors[t].shape),
                                  sizeof **sim->tensor, "a simulation's tensors", err);
        if (!sim->tensor[t]) status = -1;
    }
    if (status < 0) kd_sim_release(sim);
    return status;
}

void kd_sim_release(struct kd_sim *sim)
{
    for (unsigned t = 0; sim->tensor && t < sim->graph->n_tensors; t++) kd_free(sim->tensor[t]);
    kd_free(sim->tensor);
    kd_free(sim->quantised);
    kd_free(sim->patches);
    kd_free(sim->weight);
    kd_free(sim->bias);
    *sim = (struct kd_sim){0};
}

void kd_sim_round(float *x, size_t n, const struct kd_int_tensor *t)
{
    const float inverse = 1 / t->scale, low = (float)(t->low - t->zero),
                high = (float)(t->high - t->zero);
    for (size_t i = 0; i < n; i++) {
        float q = rintf(x[i] * inverse);
        q = q < low ? low : q > high ? high : q;
        x[i] = q * t->scale;
    }
}

void kd_sim_input(struct kd_sim *sim, const float *in, size_t n)
{
    struct kd_shape s = sim->graph->input;
    size_t pixels = kd_shape_pixels(s);
    float *to = sim->tensor[0];
    for (size_t i = 0; i < n; i++, in += pixels * s.c, to += pixels * s.c)
        for (size_t c = 0; c < s.c; c++)
            for (size_t p = 0; p < pixels; p++) to[p * s.c + c] = in[c * pixels + p];
    if (sim->input_quantised)
        kd_sim_round(sim->tensor[0], n * kd_shape_size(s), &sim->ints->tensors[0]);
}

/* [oh * ow][depth] of one image, channels [first, first + count). */
static void gather(const struct kd_op *op, const float *x, float *to, size_t first, size_t count)
{
    for (size_t o = 0; o < kd_shape_pixels(op->to); o++)
        for (size_t t = 0; t < (size_t)op->kernel_h * op->kernel_w; t++, to += count) {
            size_t y = o / op->to.w * op->stride + t / op->kernel_w - op->pad_h;
            size_t z = o % op->to.w * op->stride + t % op->kernel_w - op->pad_w;
            if (y < op->in.h && z < op->in.w)
                memcpy(to, x + (y * op->in.w + z) * op->in.c + first, count * sizeof *to);
            else
                memset(to, 0, count * sizeof *to);
        }
}

static void conv_group(const struct kd_op *op, const float *x, const float *w, const float *bias,
                       float *y, size_t group, float *patches)
{
    size_t cin = op->in.c / op->groups, cout = op->to.c / op->groups, depth = kd_op_depth(op),
           pixels = kd_shape_pixels(op->to);
    const float *a = x;
    bool as_it_lies = op->groups == 1 && op->pad_h + op->pad_w == 0 && op->stride == 1 &&
                      (op->kernel_h * op->kernel_w == 1 ||
                       (op->kernel_h == op->in.h && op->kernel_w == op->in.w));
    if (!as_it_lies) {
        gather(op, x, patches, group * cin, cin);
        a = patches;
    }
    for (size_t p = 0; p < pixels; p++)
        memcpy(y + p * op->to.c + group * cout, bias + group * cout, cout * sizeof *y);
    kd_gemm_bt((struct kd_mnk){pixels, cout, depth}, (struct kd_rows){a, depth},
               (struct kd_rows){w + group * cout * depth, depth}, 1, y + group * cout, op->to.c);
}

static void depthwise(const struct kd_op *op, const float *x, const float *w, const float *bias,
                      float *y)
{
    size_t c = op->to.c, taps = kd_op_depth(op);
    for (size_t o = 0; o < kd_shape_pixels(op->to); o++, y += c) {
        memcpy(y, bias, c * sizeof *y);
        for (size_t t = 0; t < taps; t++) {
            size_t r = o / op->to.w * op->stride + t / op->kernel_w - op->pad_h;
            size_t z = o % op->to.w * op->stride + t % op->kernel_w - op->pad_w;
            if (r >= op->in.h || z >= op->in.w) continue;
            const float *at = x + (r * op->in.w + z) * c;
            for (size_t k = 0; k < c; k++) y[k] += at[k] * w[k * taps + t];
        }
    }
}

void kd_sim_sums(struct kd_sim *sim, unsigned i, size_t n)
{
    const struct kd_op *op = &sim->graph->ops[i];
    const float *w = op->weight, *bias = op->bias;
    size_t depth = kd_op_depth(op);
    if (sim->quantised[i]) {
        const struct kd_int_op *o = &sim->ints->ops[i];
        for (size_t k = 0; k < op->to.c * depth; k++)
            sim->weight[k] = (float)o->weight[k] * o->weight_scale[k / depth];
        for (size_t c = 0; c < op->to.c; c++)
            sim->bias[c] = (float)((double)o->bias[c] * (double)o->weight_scale[c] *
                                   (double)sim->ints->tensors[op->a].scale);
        w = sim->weight;
        bias = sim->bias;
    }
    for (size_t image = 0; image < n; image++) {
        const float *x = sim->tensor[op->a] + image * kd_shape_size(op->in);
        float *y = sim->tensor[op->out] + image * kd_shape_size(op->to);
        if (kd_op_is_depthwise(op))
            depthwise(op, x, w, bias, y);
        else
            for (size_t g = 0; g < op->groups; g++) conv_group(op, x, w, bias, y, g, sim->patches);
    }
}

static void sim_pool(struct kd_sim *sim, const struct kd_op *op, size_t n)
{
    bool max = op->kind == KD_OP_MAXPOOL;
    size_t c = op->to.c, pixels = kd_shape_pixels(op->to);
    float share = 1 / (float)(op->kernel_h * op->kernel_w), *y = sim->tensor[op->out];
    for (size_t i = 0; i < n * pixels; i++, y += c) {
        const float *x = sim->tensor[op->a] + i / pixels * kd_shape_size(op->in);
        for (size_t k = 0; k < c; k++) y[k] = max ? -INFINITY : 0;
        for (size_t t = 0; t < (size_t)op->kernel_h * op->kernel_w; t++) {
            size_t r = i % pixels / op->to.w * op->stride + t / op->kernel_w - op->pad_h;
            size_t z = i % op->to.w * op->stride + t % op->kernel_w - op->pad_w;
            if (r >= op->in.h || z >= op->in.w) continue;
            const float *at = x + (r * op->in.w + z) * c;
            for (size_t k = 0; k < c; k++)
                y[k] = max ? (at[k] > y[k] ? at[k] : y[k]) : y[k] + share * at[k];
        }
    }
}

void kd_sim_op(struct kd_sim *sim, unsigned i, size_t n)
{
    const struct kd_op *op = &sim->graph->ops[i];
    const float *a = sim->tensor[op->a];
    float *y = sim->tensor[op->out];
    size_t size = n * kd_shape_size(op->to), pixels = kd_shape_pixels(op->in), c = op->in.c;
    if (op->kind == KD_OP_CONV)
        kd_sim_sums(sim, i, n);
    else if (op->kind == KD_OP_MAXPOOL || op->kind == KD_OP_AVGPOOL)
        sim_pool(sim, op, n);
    else if (op->kind == KD_OP_REORDER)
        for (size_t k = 0; k < size; k++) {
            size_t at = k % (pixels * c);
            y[k] = a[k - at + at % pixels * c + at / pixels];
        }
    else
        for (size_t k = 0; k < size; k++)
            y[k] = op->kind == KD_OP_ADD ? a[k] + sim->tensor[op->b][k] : a[k];
    if (op->act != KD_ACT_NONE)
        for (size_t k = 0; k < size; k++)
            y[k] = (float)kd_act_apply(op->act, op->slope, (double)y[k]);
    if (sim->quantised[i] && !sim->ints->ops[i].logits)
        kd_sim_round(y, size, &sim->ints->tensors[op->out]);
}

void kd_sim_run(struct kd_sim *sim, unsigned first, size_t n)
{
    for (unsigned i = first; i < sim->graph->n_ops; i++) kd_sim_op(sim, i, n);
}
