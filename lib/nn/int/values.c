/* Integer networks: multipliers, tables, and the proof that nothing overflows. */
#include "kd/nn/integers.h"

#include <math.h>
#include <stdlib.h>

int kd_int_multiplier(double m, int32_t *multiplier, uint8_t *shift, struct kd_err *err)
{
    int exponent;
    if (!(m > 0) || !isfinite(m))
        return kd_fail(err, "a ratio of scales is %g; it should be above 0", m);
    double mantissa = frexp(m, &exponent); /* 0.5 .. 1 */
    double rounded = floor(ldexp(mantissa, 31) + 0.5);
    if (rounded >= 2147483648.0) {
        rounded /= 2;
        exponent++;
    }
    int s = 31 - exponent;
    if (s < 1 || s > 62)
        return kd_fail(err, "a ratio of scales is %g; it should be from 2^-32 to 2^29", m);
    *multiplier = (int32_t)rounded;
    *shift = (uint8_t)s;
    return 0;
}

int kd_int_multiplier_pair(double a, double b, int32_t multiplier[2], uint8_t *shift,
                           struct kd_err *err)
{
    int32_t larger = 0;
    if (!(a > 0) || !(b > 0)) return kd_fail(err, "a ratio of scales is not above 0");
    if (kd_int_multiplier(a > b ? a : b, &larger, shift, err) < 0) return -1;
    multiplier[0] = a >= b ? larger : (int32_t)floor(ldexp(a, *shift) + 0.5);
    multiplier[1] = a >= b ? (int32_t)floor(ldexp(b, *shift) + 0.5) : larger;
    if (a == b) multiplier[1] = larger;
    return 0;
}

static bool is_clamp(const struct kd_op *op)
{
    return op->kind == KD_OP_ACTIVATION && (op->act == KD_ACT_RELU || op->act == KD_ACT_RELU6);
}

static bool passes_on(const struct kd_op *op)
{
    return op->kind == KD_OP_MAXPOOL || op->kind == KD_OP_REORDER || is_clamp(op);
}

bool kd_int_tensor_is_own(const struct kd_int_network *net, unsigned tensor)
{
    int maker = net->graph.tensors[tensor].maker;
    return maker >= 0 && !net->ops[maker].logits &&
           (!passes_on(&net->graph.ops[maker]) || is_clamp(&net->graph.ops[maker]));
}

/* ---- memory ---- */

static size_t multipliers_of(const struct kd_op *op)
{
    return op->kind == KD_OP_CONV ? op->to.c : op->kind == KD_OP_ADD ? 2 : 1;
}

static int alloc_op(struct kd_int_op *o, const struct kd_op *op, struct kd_err *err)
{
    bool scales = op->kind == KD_OP_CONV || op->kind == KD_OP_ADD || op->kind == KD_OP_AVGPOOL;
    if (scales) {
        o->multiplier = kd_alloc(multipliers_of(op), sizeof *o->multiplier, "multipliers", err);
        o->shift = kd_alloc(multipliers_of(op), 1, "shifts", err);
        if (!o->multiplier || !o->shift) return -1;
    }
    if (op->kind == KD_OP_ACTIVATION && !is_clamp(op))
        return (o->table = kd_alloc(256, 1, "a table", err)) ? 0 : -1;
    if (op->kind != KD_OP_CONV) return 0;
    o->weight = kd_alloc(op->to.c * kd_op_depth(op), 1, "integer weights", err);
    o->bias = kd_alloc(op->to.c, sizeof *o->bias, "integer biases", err);
    o->weight_scale = kd_alloc(op->to.c, sizeof *o->weight_scale, "scales", err);
    return o->weight && o->bias && o->weight_scale ? 0 : -1;
}

int kd_int_init(struct kd_int_network *net, struct kd_graph *graph, struct kd_err *err)
{
    *net = (struct kd_int_network){.graph = *graph};
    *graph = (struct kd_graph){0};
    struct kd_graph *g = &net->graph;
    for (unsigned i = 0; i < g->n_ops; i++) {
        kd_free(g->ops[i].weight);
        kd_free(g->ops[i].bias);
        g->ops[i].weight = g->ops[i].bias = NULL;
    }
    net->tensors = kd_alloc(g->n_tensors, sizeof *net->tensors, "integer tensors", err);
    net->ops = kd_alloc(g->n_ops, sizeof *net->ops, "integer operations", err);
    net->pixel = kd_alloc(g->input.c, 256, "the input's table", err);
    net->value = kd_alloc(g->input.c, 256 * sizeof *net->value, "the input's table", err);
    int status = net->tensors && net->ops && net->pixel && net->value ? 0 : -1;
    if (status == 0 && g->input.c > KD_MAX_CHANNELS)
        status = kd_fail(err, "its images have %u channels; at most %d can be normalised",
                         g->input.c, KD_MAX_CHANNELS);
    for (unsigned i = 0; i < g->n_ops && status == 0; i++) {
        const struct kd_op *op = &g->ops[i];
        net->ops[i].logits = op->out == g->output && op->act == KD_ACT_NONE &&
                             (op->kind == KD_OP_CONV || op->kind == KD_OP_AVGPOOL);
        status = alloc_op(&net->ops[i], op, err);
    }
    if (status < 0) kd_int_release(net);
    return status;
}

void kd_int_normalize(struct kd_int_network *net, const struct kd_normalize *normalize)
{
    net->normalize = *normalize;
    for (uint32_t c = 0; c < net->graph.input.c; c++) {
        const double mean = (double)normalize->mean[c], std = (double)normalize->std[c];
        for (int p = 0; p < 256; p++) /* as kd_batch_fill does */
            net->value[c * 256 + (uint32_t)p] = (float)((p / 255.0 - mean) / std);
    }
}

void kd_int_release(struct kd_int_network *net)
{
    for (unsigned i = 0; net->ops && i < net->graph.n_ops; i++) {
        struct kd_int_op *o = &net->ops[i];
        kd_free(o->weight);
        kd_free(o->bias);
        kd_free(o->weight_scale);
        kd_free(o->multiplier);
        kd_free(o->shift);
        kd_free(o->table);
        kd_free(o->stored);
    }
    kd_free(net->ops);
    kd_free(net->tensors);
    kd_free(net->pixel);
    kd_free(net->value);
    cJSON_Delete(net->parents);
    kd_graph_release(&net->graph);
    *net = (struct kd_int_network){0};
}

void kd_int_free(struct kd_int_network *net)
{
    if (net) kd_int_release(net);
    kd_free(net);
}

/* ---- what follows from scales ---- */

static int32_t clamp8(double v)
{
    return v < -128 ? -128 : v > 127 ? 127 : (int32_t)v;
}

/* The part of a tensor's range that relu or relu6 leaves. */
static void clamp_to(struct kd_int_tensor *t, enum kd_act act)
{
    if (act != KD_ACT_RELU && act != KD_ACT_RELU6) return;
    if (t->low < t->zero) t->low = t->zero;
    int32_t six = clamp8((double)t->zero + floor(6 / (double)t->scale + 0.5));
    if (act == KD_ACT_RELU6 && t->high > six) t->high = six;
}

static double largest_scale(const struct kd_int_op *o, size_t n)
{
    float most = 0;
    for (size_t i = 0; i < n; i++) most = o->weight_scale[i] > most ? o->weight_scale[i] : most;
    return (double)most;
}

/* Factor of output channel c's sum. */
static double ratio_of(const struct kd_int_network *net, unsigned i, size_t c)
{
    const struct kd_op *op = &net->graph.ops[i];
    const struct kd_int_op *o = &net->ops[i];
    double in = (double)net->tensors[op->a].scale;
    if (op->kind == KD_OP_AVGPOOL)
        return in / ((double)(op->kernel_h * op->kernel_w) * (double)net->tensors[op->out].scale);
    if (o->logits) return (double)o->weight_scale[c] / largest_scale(o, op->to.c);
    return in * (double)o->weight_scale[c] / (double)net->tensors[op->out].scale;
}

static int multipliers_derive(const struct kd_int_network *net, unsigned i, int32_t *multiplier,
                              uint8_t *shift, struct kd_err *err)
{
    const struct kd_op *op = &net->graph.ops[i];
    if (op->kind == KD_OP_AVGPOOL && net->ops[i].logits) {
        multiplier[0] = 1 << 30; /* the sum as it is */
        shift[0] = 30;
        return 0;
    }
    if (op->kind == KD_OP_ADD) {
        double to = (double)net->tensors[op->out].scale;
        return kd_int_multiplier_pair((double)net->tensors[op->a].scale / to,
                                      (double)net->tensors[op->b].scale / to, multiplier, shift,
                                      err);
    }
    for (size_t c = 0; c < multipliers_of(op); c++)
        if (kd_int_multiplier(ratio_of(net, i, c), &multiplier[c], &shift[c], err) < 0)
            return kd_err_context(err, "channel %zu", c);
    return 0;
}

static void table_derive(const struct kd_op *op, const struct kd_int_tensor *in,
                         const struct kd_int_tensor *out, int8_t table[256])
{
    for (int q = -128; q < 128; q++) {
        double x = (double)in->scale * (q - in->zero);
        double y = kd_act_apply(op->act, op->slope, x) / (double)out->scale;
        int32_t v = clamp8(rint(y) + out->zero);
        table[q + 128] = (int8_t)(v < out->low ? out->low : v > out->high ? out->high : v);
    }
}

static void logit_scale_derive(struct kd_int_network *net)
{
    const struct kd_graph *g = &net->graph;
    unsigned last = (unsigned)g->tensors[g->output].maker;
    const struct kd_op *op = &g->ops[last];
    double scale = (double)net->tensors[op->a].scale;
    if (!net->ops[last].logits)
        scale = (double)net->tensors[op->out].scale;
    else if (op->kind == KD_OP_AVGPOOL)
        scale /= op->kernel_h * op->kernel_w;
    else
        scale *= largest_scale(&net->ops[last], op->to.c);
    net->logit_scale = (float)scale;
}

void kd_int_pass_on(struct kd_int_network *net)
{
    for (unsigned i = 0; i < net->graph.n_ops; i++) {
        const struct kd_op *op = &net->graph.ops[i];
        struct kd_int_tensor *out = &net->tensors[op->out];
        if (passes_on(op)) *out = net->tensors[op->a];
        if (net->ops[i].logits) *out = (struct kd_int_tensor){1, 0, -128, 127};
        clamp_to(out, op->act);
    }
}

int kd_int_derive(struct kd_int_network *net, struct kd_err *err)
{
    kd_int_pass_on(net);
    for (unsigned i = 0; i < net->graph.n_ops; i++) {
        const struct kd_op *op = &net->graph.ops[i];
        struct kd_int_op *o = &net->ops[i];
        const struct kd_int_tensor *out = &net->tensors[op->out];
        if (o->multiplier && multipliers_derive(net, i, o->multiplier, o->shift, err) < 0)
            return kd_err_context(err, "layer %s", op->name);
        if (o->table) table_derive(op, &net->tensors[op->a], out, o->table);
    }
    logit_scale_derive(net);
    return 0;
}

/* ---- checks ---- */

static bool scale_is_sane(float s)
{
    return isfinite(s) && s >= 1e-30f && s <= 1e30f;
}

static int check_tensor(const struct kd_int_tensor *t, const char *name, struct kd_err *err)
{
    if (!scale_is_sane(t->scale))
        return kd_fail(err, "tensor %s: its scale is %g; expected 1e-30 to 1e30", name,
                       (double)t->scale);
    if (t->zero < -128 || t->zero > 127 || t->low < -128 || t->high > 127 || t->low > t->high)
        return kd_fail(err, "tensor %s: zero %d, low %d and high %d are not within -128..127", name,
                       (int)t->zero, (int)t->low, (int)t->high);
    return 0;
}

/* The largest sum, and whether (sum * multiplier) >> shift and zero still fit in 32 bits. */
static int check_sum(const struct kd_op *op, const struct kd_int_op *o, size_t c, double most,
                     struct kd_err *err)
{
    if (most >= 2147483647.0)
        return kd_fail(err, "layer %s, channel %zu: its sum could reach %.0f and overflow 32 bits",
                       op->name, c, most);
    double scaled = o->multiplier ? ldexp(most * (double)o->multiplier[c], -o->shift[c]) : most;
    if (scaled >= 2147483000.0)
        return kd_fail(err,
                       "layer %s, channel %zu: its result could reach %.3g and overflow 32 "
                       "bits",
                       op->name, c, scaled);
    return 0;
}

static int check_conv(const struct kd_op *op, const struct kd_int_op *o, struct kd_err *err)
{
    size_t depth = kd_op_depth(op);
    for (size_t c = 0; c < op->to.c; c++) {
        uint64_t sum = 0;
        if (!scale_is_sane(o->weight_scale[c]))
            return kd_fail(err,
                           "layer %s, channel %zu: its weight scale is %g; expected 1e-30 to "
                           "1e30",
                           op->name, c, (double)o->weight_scale[c]);
        for (size_t k = 0; k < depth; k++) {
            int w = o->weight[c * depth + k];
            if (w == -128)
                return kd_fail(err, "layer %s, channel %zu: a weight is -128; expected -127..127",
                               op->name, c);
            sum += (uint64_t)(w < 0 ? -w : w);
        }
        /* |q - zero| <= 255, and however the zero is taken out of the sum, no part exceeds this */
        double most = 256.0 * (double)sum + fabs((double)o->bias[c]);
        if (check_sum(op, o, c, most, err) < 0) return -1;
    }
    return 0;
}

static int check_multipliers(const struct kd_int_network *net, unsigned i, struct kd_err *err)
{
    const struct kd_op *op = &net->graph.ops[i];
    const struct kd_int_op *o = &net->ops[i];
    size_t n = multipliers_of(op), shifts = op->kind == KD_OP_ADD ? 1 : n;
    int32_t *multiplier = kd_alloc(n, sizeof *multiplier, "multipliers", err);
    uint8_t *shift = kd_alloc(n, 1, "shifts", err);
    int status = multiplier && shift ? multipliers_derive(net, i, multiplier, shift, err) : -1;
    for (size_t c = 0; c < n && status == 0; c++) {
        size_t s = c < shifts ? c : 0;
        /* The last bit may differ: whoever wrote the file computed it with another libm. */
        if (o->shift[s] < 1 || o->shift[s] > 62 || o->shift[s] != shift[s] ||
            llabs((long long)o->multiplier[c] - multiplier[c]) > 1)
            status = kd_fail(err,
                             "multiplier %ld and shift %u of channel %zu are not what the "
                             "scales give (%ld, %u)",
                             (long)o->multiplier[c], o->shift[s], c, (long)multiplier[c], shift[s]);
    }
    kd_free(multiplier);
    kd_free(shift);
    return status < 0 ? kd_err_context(err, "layer %s", op->name) : 0;
}

static int check_op(const struct kd_int_network *net, unsigned i, struct kd_err *err)
{
    const struct kd_op *op = &net->graph.ops[i];
    const struct kd_int_op *o = &net->ops[i];
    const struct kd_int_tensor *in = &net->tensors[op->a], *out = &net->tensors[op->out];
    if (!o->logits && check_tensor(out, net->graph.tensors[op->out].name, err) < 0) return -1;
    if (passes_on(op) && (out->scale != in->scale || out->zero != in->zero))
        return kd_fail(err, "layer %s: its scale and zero are not those of its input", op->name);
    if (o->multiplier && check_multipliers(net, i, err) < 0) return -1;
    if (op->kind == KD_OP_CONV) return check_conv(op, o, err);
    if (op->kind == KD_OP_AVGPOOL)
        return check_sum(op, o, 0, 255.0 * op->kernel_h * op->kernel_w, err);
    if (op->kind == KD_OP_ADD) {
        if (!o->multiplier) return kd_fail(err, "layer %s: its multipliers are missing", op->name);
        double most = 255 * ((double)o->multiplier[0] + (double)o->multiplier[1]);
        if (o->multiplier[0] < 0 || o->multiplier[1] < 0 ||
            ldexp(most, -o->shift[0]) >= 2147483000.0)
            return kd_fail(err, "layer %s: its result could overflow 32 bits", op->name);
    }
    return 0;
}

int kd_int_check(const struct kd_int_network *net, struct kd_err *err)
{
    if (check_tensor(&net->tensors[0], "input", err) < 0) return -1;
    for (unsigned i = 0; i < net->graph.n_ops; i++)
        if (check_op(net, i, err) < 0) return -1;
    if (!scale_is_sane(net->logit_scale))
        return kd_fail(err, "the scale of its logits is %g; expected 1e-30 to 1e30",
                       (double)net->logit_scale);
    return 0;
}
