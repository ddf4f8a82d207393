/* Operations of a graph as nodes of ONNX. In ONNX a map is [N,C,H,W] and what is flat [N,F]; the
 * graph's reordering is Flatten. */
#include "kd/export/onnx_write.h"
#include "onnx_wire.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

const char *const kd_onnx_notes[] = {"kd.class_names", "kd.preprocess", "kd.columns", NULL};

enum { NAME = 96 };
struct writer {
    const struct kd_graph *g;
    const struct kd_int_network *ints; /* NULL: floats */
    const struct kd_export_onnx *how;
    bool *flat;            /* [n_tensors] is it [N,F] in ONNX? */
    struct kd_bytes graph; /* a GraphProto */
    struct kd_err *err;
};

/* "BASE.PART": layers have names of up to 63 characters. */
static void name_part(char out[NAME], const char *base, const char *part)
{
    snprintf(out, NAME, "%.80s.%s", base, part);
}

/* ---- nodes: one input by name unless there are more, one output ---- */

struct node {
    struct kd_bytes bytes;
    struct writer *w;
};

static struct node begin(struct writer *w, const char *op, const char *to)
{
    struct node n = {.w = w};
    char name[NAME];
    snprintf(name, sizeof name, "%s/%s", to, op);
    kd_wire_text(&n.bytes, KD_NODE_OUTPUT, to, w->err);
    kd_wire_text(&n.bytes, KD_NODE_NAME, name, w->err);
    kd_wire_text(&n.bytes, KD_NODE_OP, op, w->err);
    return n;
}

static void take(struct node *n, const char *from)
{
    kd_wire_text(&n->bytes, KD_NODE_INPUT, from, n->w->err);
}

static void end(struct node *n)
{
    kd_wire_message(&n->w->graph, KD_GRAPH_NODE, &n->bytes, n->w->err);
}

static void plain(struct writer *w, const char *op, const char *from, const char *to)
{
    struct node n = begin(w, op, to);
    take(&n, from);
    end(&n);
}

static void pair(struct writer *w, const char *op, const char *const from[2], const char *to)
{
    struct node n = begin(w, op, to);
    take(&n, from[0]);
    take(&n, from[1]);
    end(&n);
}

static void flatten(struct writer *w, const char *from, const char *to)
{
    struct node n = begin(w, "Flatten", to);
    take(&n, from);
    kd_wire_attribute_int(&n.bytes, "axis", 1, w->err);
    end(&n);
}

/* A tensor of one dimension, n 0: of none, with one number. */
static void constant(struct writer *w, const char *name, enum kd_onnx_type type, const void *data,
                     size_t n)
{
    size_t size = type == KD_ONNX_I8 ? 1 : 4, count = n ? n : 1;
    struct kd_wire_tensor t = {name, type, n ? 1 : 0, {n}, data, count * size};
    kd_wire_tensor(&w->graph, &t, w->err);
}

/* x OP a number, which is a constant of its own. */
static void with_number(struct writer *w, const char *op, const char *from, float v, const char *to)
{
    char name[NAME];
    name_part(name, to, "number");
    constant(w, name, KD_ONNX_F32, &v, 0);
    pair(w, op, (const char *const[]){from, name}, to);
}

/* ---- names of values ---- */

static const char *tensor_name(const struct writer *w, unsigned t)
{
    bool bare = kd_normalize_is_none(w->how->normalize) && !w->ints;
    if (t == 0) return bare ? "image" : "normalized";
    return t == w->g->output && w->flat[t] ? "logits" : w->g->tensors[t].name;
}

static bool gives_logits(const struct writer *w, unsigned i)
{
    return w->ints->ops[i].logits;
}

/* Does its result become int8? */
static bool quantizes(const struct writer *w, unsigned i)
{
    return w->ints && !gives_logits(w, i);
}

/* From floats `from` to int8 and back, as `to`. */
static void through_int8(struct writer *w, unsigned tensor, const char *from, const char *to)
{
    const struct kd_int_tensor *q = &w->ints->tensors[tensor];
    char scale[NAME], zero[NAME], bytes[NAME];
    int8_t at = (int8_t)q->zero;
    name_part(scale, to, "scale");
    name_part(zero, to, "zero");
    name_part(bytes, to, "int8");
    constant(w, scale, KD_ONNX_F32, &q->scale, 0);
    constant(w, zero, KD_ONNX_I8, &at, 0);
    const char *const ops[2] = {"QuantizeLinear", "DequantizeLinear"}, *in[2] = {from, bytes},
                      *out[2] = {bytes, to};
    for (int i = 0; i < 2; i++) {
        struct node n = begin(w, ops[i], out[i]);
        take(&n, in[i]);
        take(&n, scale);
        take(&n, zero);
        end(&n);
    }
}

/* ---- activations ---- */

static void write_clip(struct writer *w, const char *from, const char *to)
{
    const float low = 0, high = 6;
    struct node n = begin(w, "Clip", to);
    take(&n, from);
    if (w->how->opset < 11) {
        kd_wire_attribute_float(&n.bytes, "min", low, w->err);
        kd_wire_attribute_float(&n.bytes, "max", high, w->err);
    } else {
        char bounds[2][NAME];
        name_part(bounds[0], to, "low");
        name_part(bounds[1], to, "high");
        constant(w, bounds[0], KD_ONNX_F32, &low, 0);
        constant(w, bounds[1], KD_ONNX_F32, &high, 0);
        take(&n, bounds[0]);
        take(&n, bounds[1]);
    }
    end(&n);
}

static void write_leaky(struct writer *w, double slope, const char *from, const char *to)
{
    struct node n = begin(w, "LeakyRelu", to);
    take(&n, from);
    kd_wire_attribute_float(&n.bytes, "alpha", (float)slope, w->err);
    end(&n);
}

/* x max(0, min(1, x / 6 + 1/2)), an operator of its own from 14 on. */
static void write_hardswish(struct writer *w, const char *from, const char *to)
{
    if (w->how->opset >= 14) {
        plain(w, "HardSwish", from, to);
        return;
    }
    char gate[NAME];
    name_part(gate, to, "gate");
    struct node n = begin(w, "HardSigmoid", gate);
    take(&n, from);
    kd_wire_attribute_float(&n.bytes, "alpha", 1.0F / 6, w->err);
    kd_wire_attribute_float(&n.bytes, "beta", 0.5F, w->err);
    end(&n);
    pair(w, "Mul", (const char *const[]){from, gate}, to);
}

/* x (1 + erf(x / sqrt 2)) / 2, an operator of its own from 20 on. */
static void write_gelu(struct writer *w, const char *from, const char *to)
{
    if (w->how->opset >= 20) {
        plain(w, "Gelu", from, to);
        return;
    }
    char step[4][NAME];
    const char *const names[4] = {"scaled", "erf", "gate", "double"};
    for (int i = 0; i < 4; i++) name_part(step[i], to, names[i]);
    with_number(w, "Div", from, (float)sqrt(2), step[0]);
    plain(w, "Erf", step[0], step[1]);
    with_number(w, "Add", step[1], 1, step[2]);
    pair(w, "Mul", (const char *const[]){from, step[2]}, step[3]);
    with_number(w, "Mul", step[3], 0.5F, to);
}

static void write_act(struct writer *w, const struct kd_op *op, const char *from, const char *to)
{
    switch (op->act) {
    case KD_ACT_NONE:
        plain(w, "Identity", from, to);
        return;
    case KD_ACT_RELU:
        plain(w, "Relu", from, to);
        return;
    case KD_ACT_RELU6:
        write_clip(w, from, to);
        return;
    case KD_ACT_LEAKY_RELU:
        write_leaky(w, op->slope, from, to);
        return;
    case KD_ACT_HARDSWISH:
        write_hardswish(w, from, to);
        return;
    case KD_ACT_GELU:
        write_gelu(w, from, to);
        return;
    case KD_ACT_TANH:
        plain(w, "Tanh", from, to);
        return;
    }
}

/* ---- parameters ---- */

/* int8 or int32 `name`.int and its scale by output channel, back to floats as `name`. */
static void dequantized(struct writer *w, const char *name, const float *scale, size_t channels)
{
    char ints[NAME], by[NAME];
    name_part(ints, name, "int");
    name_part(by, name, "scale");
    constant(w, by, KD_ONNX_F32, scale, channels);
    struct node n = begin(w, "DequantizeLinear", name);
    take(&n, ints);
    take(&n, by);
    kd_wire_attribute_int(&n.bytes, "axis", 0, w->err);
    end(&n);
}

/* The weights of operation i in ONNX's order, as floats or bytes. */
static int write_weight(struct writer *w, unsigned i, const char *name)
{
    const struct kd_op *op = &w->g->ops[i];
    size_t depth = kd_op_depth(op), n = op->to.c * depth, size = w->ints ? 1 : sizeof(float);
    const char *from = w->ints ? (const char *)w->ints->ops[i].weight : (const char *)op->weight;
    char *data = kd_alloc(n, size, "weights", w->err), full[NAME];
    if (!data) return -1;
    for (size_t k = 0; k < n; k++)
        memcpy(data + kd_op_weight_place(op, k / depth, k % depth) * size, from + k * size, size);
    name_part(full, name, "int");
    struct kd_wire_tensor t = {w->ints ? full : name,
                               w->ints ? KD_ONNX_I8 : KD_ONNX_F32,
                               4,
                               {op->to.c, op->in.c / op->groups, op->kernel_h, op->kernel_w},
                               data,
                               n * size};
    if (op->dense) {
        t.dims = 2;
        t.shape[1] = depth;
    }
    kd_wire_tensor(&w->graph, &t, w->err);
    kd_free(data);
    if (w->ints) dequantized(w, name, w->ints->ops[i].weight_scale, op->to.c);
    return 0;
}

static int write_bias(struct writer *w, unsigned i, const char *name)
{
    const struct kd_op *op = &w->g->ops[i];
    if (!w->ints) {
        constant(w, name, KD_ONNX_F32, op->bias, op->to.c);
        return 0;
    }
    char ints[NAME];
    float *scale = kd_alloc(op->to.c, sizeof *scale, "scales", w->err);
    if (!scale) return -1;
    for (size_t c = 0; c < op->to.c; c++)
        scale[c] = w->ints->tensors[op->a].scale * w->ints->ops[i].weight_scale[c];
    name_part(ints, name, "int");
    constant(w, ints, KD_ONNX_I32, w->ints->ops[i].bias, op->to.c);
    dequantized(w, name, scale, op->to.c);
    kd_free(scale);
    return 0;
}

/* ---- operations: each from its tensors to the value `to` ---- */

static void window(struct writer *w, struct node *n, const struct kd_op *op)
{
    kd_wire_attribute_ints(&n->bytes, "kernel_shape",
                           (struct kd_wire_ints){2, {op->kernel_h, op->kernel_w}}, w->err);
    kd_wire_attribute_ints(&n->bytes, "strides", (struct kd_wire_ints){2, {op->stride, op->stride}},
                           w->err);
    kd_wire_attribute_ints(&n->bytes, "pads",
                           (struct kd_wire_ints){4, {op->pad_h, op->pad_w, op->pad_h, op->pad_w}},
                           w->err);
}

static int write_conv(struct writer *w, unsigned i, const char *to)
{
    const struct kd_op *op = &w->g->ops[i];
    char weight[NAME], bias[NAME], rows[NAME];
    const char *from = tensor_name(w, op->a);
    name_part(weight, op->name, "weight");
    name_part(bias, op->name, "bias");
    name_part(rows, op->name, "rows");
    if (write_weight(w, i, weight) < 0 || write_bias(w, i, bias) < 0) return -1;
    if (op->dense && !w->flat[op->a]) {
        flatten(w, from, rows);
        from = rows;
    }
    struct node n = begin(w, op->dense ? "Gemm" : "Conv", to);
    take(&n, from);
    take(&n, weight);
    take(&n, bias);
    if (op->dense) {
        kd_wire_attribute_int(&n.bytes, "transB", 1, w->err);
    } else {
        window(w, &n, op);
        kd_wire_attribute_int(&n.bytes, "group", op->groups, w->err);
    }
    end(&n);
    return 0;
}

static int write_pool(struct writer *w, unsigned i, const char *to)
{
    const struct kd_op *op = &w->g->ops[i];
    bool max = op->kind == KD_OP_MAXPOOL;
    const char *from = tensor_name(w, op->a);
    if (op->kernel_h == op->in.h && op->kernel_w == op->in.w && !op->pad_h && !op->pad_w) {
        plain(w, max ? "GlobalMaxPool" : "GlobalAveragePool", from, to);
        return 0;
    }
    struct node n = begin(w, max ? "MaxPool" : "AveragePool", to);
    take(&n, from);
    window(w, &n, op);
    if (!max) kd_wire_attribute_int(&n.bytes, "count_include_pad", 1, w->err);
    end(&n);
    return 0;
}

/* Two maps of one shape are added as they are, all else as rows. */
static bool adds_rows(const struct writer *w, const struct kd_op *op)
{
    struct kd_shape a = w->g->tensors[op->a].shape, b = w->g->tensors[op->b].shape;
    return w->flat[op->a] || w->flat[op->b] || a.c != b.c || a.h != b.h || a.w != b.w;
}

static int write_add(struct writer *w, unsigned i, const char *to)
{
    const struct kd_op *op = &w->g->ops[i];
    const unsigned tensors[2] = {op->a, op->b};
    const char *from[2];
    char rows[2][NAME];
    for (int k = 0; k < 2; k++) {
        from[k] = tensor_name(w, tensors[k]);
        if (!adds_rows(w, op) || w->flat[tensors[k]]) continue;
        name_part(rows[k], op->name, k ? "rows1" : "rows0");
        flatten(w, from[k], rows[k]);
        from[k] = rows[k];
    }
    pair(w, "Add", from, to);
    return 0;
}

static int write_activation(struct writer *w, unsigned i, const char *to)
{
    const struct kd_op *op = &w->g->ops[i];
    write_act(w, op, tensor_name(w, op->a), to);
    return 0;
}

static int write_reorder(struct writer *w, unsigned i, const char *to)
{
    flatten(w, tensor_name(w, w->g->ops[i].a), to);
    return 0;
}

static int (*const writers[])(struct writer *w, unsigned i, const char *to) = {
    [KD_OP_CONV] = write_conv,
    [KD_OP_MAXPOOL] = write_pool,
    [KD_OP_AVGPOOL] = write_pool,
    [KD_OP_ADD] = write_add,
    [KD_OP_ACTIVATION] = write_activation,
    [KD_OP_REORDER] = write_reorder,
};

/* The operation, the relu that is part of it, and the step to int8. */
static int write_op(struct writer *w, unsigned i)
{
    const struct kd_op *op = &w->g->ops[i];
    const char *to = tensor_name(w, op->out), *next = to;
    char sum[NAME], result[NAME];
    bool acts = op->kind != KD_OP_ACTIVATION && op->act != KD_ACT_NONE;
    name_part(sum, to, "sum");
    name_part(result, to, "float");
    if (quantizes(w, i)) next = result;
    if (writers[op->kind](w, i, acts ? sum : next) < 0) return -1;
    if (acts) write_act(w, op, sum, next);
    if (quantizes(w, i)) through_int8(w, op->out, result, to);
    return 0;
}

/* ---- the whole ---- */

static int find_flat(struct writer *w)
{
    w->flat = kd_alloc(w->g->n_tensors, sizeof *w->flat, "names of tensors", w->err);
    if (!w->flat) return -1;
    for (unsigned i = 0; i < w->g->n_ops; i++) {
        const struct kd_op *op = &w->g->ops[i];
        w->flat[op->out] = op->kind == KD_OP_CONV         ? op->dense
                           : op->kind == KD_OP_ADD        ? adds_rows(w, op)
                           : op->kind == KD_OP_ACTIVATION ? w->flat[op->a]
                                                          : op->kind == KD_OP_REORDER;
    }
    return 0;
}

static void write_input(struct writer *w)
{
    const struct kd_normalize *n = w->how->normalize;
    const char *in = "image", *to = tensor_name(w, 0);
    const float *const values[2] = {n->mean, n->std};
    const char *const names[2] = {"normalize.mean", "normalize.std"};
    const char *const ops[2] = {"Sub", "Div"};
    const char *const out[2] = {"centred", w->ints ? "normalized.float" : to};
    for (int i = 0; i < 2 && !kd_normalize_is_none(n); i++) {
        struct kd_wire_tensor t = {names[i],  KD_ONNX_F32,
                                   4,         {1, n->channels, 1, 1},
                                   values[i], n->channels * sizeof(float)};
        kd_wire_tensor(&w->graph, &t, w->err);
        pair(w, ops[i], (const char *const[]){in, names[i]}, out[i]);
        in = out[i];
    }
    if (w->ints) through_int8(w, 0, in, to);
}

static int write_graph(struct writer *w)
{
    struct kd_shape s = w->g->input;
    struct kd_wire_value in = {"image", 4, {w->how->batch, s.c, s.h, s.w}},
                         out = {"logits", 2, {w->how->batch, w->g->classes}};
    kd_wire_text(&w->graph, KD_GRAPH_NAME, "kd", w->err);
    kd_wire_value(&w->graph, KD_GRAPH_INPUT, &in, w->err);
    kd_wire_value(&w->graph, KD_GRAPH_OUTPUT, &out, w->err);
    write_input(w);
    for (unsigned i = 0; i < w->g->n_ops; i++)
        if (write_op(w, i) < 0) return -1;
    if (!w->flat[w->g->output]) flatten(w, tensor_name(w, w->g->output), "logits");
    return w->graph.failed ? -1 : 0;
}

/* The format of files that came with an opset. */
static unsigned ir_version(unsigned opset)
{
    static const unsigned first[] = {9, 10, 11, 12, 15, 19, 21}; /* opsets of versions 4 to 10 */
    unsigned v = 3;
    for (size_t i = 0; i < sizeof first / sizeof *first; i++) v += opset >= first[i];
    return v;
}

static void write_notes(struct kd_bytes *out, const cJSON *notes, struct kd_err *err)
{
    enum { KEY = 1, VALUE = 2 };
    const cJSON *v;
    cJSON_ArrayForEach(v, notes)
    {
        struct kd_bytes note = {0};
        kd_wire_text(&note, KEY, v->string, err);
        kd_wire_text(&note, VALUE, cJSON_GetStringValue(v), err);
        kd_wire_message(out, KD_MODEL_NOTE, &note, err);
    }
}

static int write_model(struct writer *w, struct kd_bytes *out)
{
    enum { VERSION = 2 };
    struct kd_bytes opset = {0};
    kd_wire_number(out, KD_MODEL_IR_VERSION, ir_version(w->how->opset), w->err);
    kd_wire_text(out, KD_MODEL_PRODUCER, "kd", w->err);
    kd_wire_text(out, KD_MODEL_PRODUCER_VERSION, KD_VERSION, w->err);
    kd_wire_text(out, KD_MODEL_DOC, w->how->provenance, w->err);
    kd_wire_message(out, KD_MODEL_GRAPH, &w->graph, w->err);
    kd_wire_number(&opset, VERSION, w->how->opset, w->err);
    kd_wire_message(out, KD_MODEL_OPSET, &opset, w->err);
    write_notes(out, w->how->notes, w->err);
    if (out->failed) return -1;
    if (out->size > INT_MAX)
        return kd_fail(w->err, "it would be an ONNX file of %zu bytes; 2 GB are the most",
                       out->size);
    return 0;
}

int kd_export_onnx(const struct kd_graph *graph, const struct kd_int_network *ints,
                   const struct kd_export_onnx *how, struct kd_bytes *out, struct kd_err *err)
{
    struct writer w = {.g = graph, .ints = ints, .how = how, .err = err};
    if (ints && how->opset < KD_ONNX_OPSET_INTEGERS)
        return kd_fail_usage(err, "--opset %u: a model in integers wants %d or later", how->opset,
                             KD_ONNX_OPSET_INTEGERS);
    int status = find_flat(&w);
    if (status == 0) status = write_graph(&w);
    if (status == 0) status = write_model(&w, out);
    kd_bytes_release(&w.graph);
    kd_free(w.flat);
    return status;
}
