/* From layers to operations on tensors. */
#include "kd/nn/graph.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

double kd_act_apply(enum kd_act act, double slope, double x)
{
    switch (act) {
    case KD_ACT_NONE:
        return x;
    case KD_ACT_RELU:
        return x > 0 ? x : 0;
    case KD_ACT_RELU6:
        return x > 6 ? 6 : x > 0 ? x : 0;
    case KD_ACT_LEAKY_RELU:
        return x > 0 ? x : slope * x;
    case KD_ACT_HARDSWISH:
        return x >= 3 ? x : x <= -3 ? 0 : x * (x + 3) / 6;
    case KD_ACT_GELU:
        return 0.5 * x * (1 + erf(x * 0.70710678118654752440));
    case KD_ACT_TANH:
        return tanh(x);
    }
    return x;
}

uint64_t kd_op_macs(const struct kd_op *op)
{
    return op->kind == KD_OP_CONV ? (uint64_t)kd_shape_size(op->to) * kd_op_depth(op) : 0;
}

size_t kd_op_weight_place(const struct kd_op *op, size_t o, size_t k)
{
    size_t cin = op->in.c / op->groups, c = k % cin, xy = k / cin;
    return (o * cin + c) * op->kernel_h * op->kernel_w + xy;
}

const struct kd_op *kd_graph_last_conv(const struct kd_graph *g)
{
    int maker = g->tensors[g->output].maker;
    return maker >= 0 && g->ops[maker].kind == KD_OP_CONV && g->ops[maker].act == KD_ACT_NONE
               ? &g->ops[maker]
               : NULL;
}

/* ---- building ---- */

struct value { /* what flows between layers */
    unsigned tensor;
    bool flat; /* has been through flatten; the tensor is still [h][w][c] */
};
struct builder {
    struct kd_graph *g;
    const struct kd_network *net;
    unsigned room_ops, room_tensors;
    struct kd_err *err;
};

static int grow(void **list, unsigned *room, unsigned n, size_t size, struct kd_err *err)
{
    if (n < *room) return 0;
    unsigned wanted = *room ? 2 * *room : 16;
    void *more = kd_alloc(wanted, size, "a list of operations", err);
    if (!more) return -1;
    if (n) memcpy(more, *list, n * size);
    kd_free(*list);
    *list = more;
    *room = wanted;
    return 0;
}

static struct kd_op *add_op(struct builder *b, enum kd_op_kind kind, const char *name, unsigned a,
                            struct kd_shape to)
{
    struct kd_graph *g = b->g;
    void *ops = g->ops, *tensors = g->tensors;
    int status = grow(&ops, &b->room_ops, g->n_ops, sizeof *g->ops, b->err);
    if (status == 0)
        status = grow(&tensors, &b->room_tensors, g->n_tensors, sizeof *g->tensors, b->err);
    g->ops = ops;
    g->tensors = tensors;
    if (status < 0) return NULL;
    struct kd_op *op = &g->ops[g->n_ops];
    *op = (struct kd_op){.kind = kind,
                         .a = a,
                         .in = g->tensors[a].shape,
                         .to = to,
                         .kernel_h = 1,
                         .kernel_w = 1,
                         .stride = 1,
                         .groups = 1,
                         .out = g->n_tensors};
    snprintf(op->name, sizeof op->name, "%s", name);
    struct kd_graph_tensor *t = &g->tensors[g->n_tensors++];
    *t = (struct kd_graph_tensor){.shape = to, .maker = (int)g->n_ops++};
    snprintf(t->name, sizeof t->name, "%s", name);
    g->tensors[a].readers++;
    return op;
}

static const struct kd_param *find_param(const struct builder *b, const char *layer,
                                         const char *which)
{
    char name[80];
    snprintf(name, sizeof name, "%s.%s", layer, which);
    for (unsigned i = 0; i < b->net->n_params; i++)
        if (strcmp(b->net->params[i]->name, name) == 0) return b->net->params[i];
    return NULL;
}

/* The layer's parameters, in the order of channels last. */
static int take_weights(struct builder *b, struct kd_op *op)
{
    const struct kd_param *w = find_param(b, op->name, "weight");
    const struct kd_param *bias = find_param(b, op->name, "bias");
    size_t depth = kd_op_depth(op);
    if (!w || w->count != op->to.c * depth)
        return kd_fail(b->err, "%s.weight: not the parameter this layer should have", op->name);
    op->weight = kd_alloc(op->to.c * depth, sizeof *op->weight, "weights", b->err);
    op->bias = kd_alloc(op->to.c, sizeof *op->bias, "biases", b->err);
    if (!op->weight || !op->bias) return -1;
    for (size_t o = 0; o < op->to.c; o++)
        for (size_t k = 0; k < depth; k++)
            op->weight[o * depth + k] = w->value[kd_op_weight_place(op, o, k)];
    if (bias) memcpy(op->bias, bias->value, op->to.c * sizeof *op->bias);
    return 0;
}

static uint32_t number(const cJSON *item, const char *key, uint32_t missing)
{
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(item, key);
    return cJSON_IsNumber(v) ? (uint32_t)v->valuedouble : missing;
}

static int add_conv(struct builder *b, const char *name, const cJSON *item, struct value *v)
{
    struct kd_shape in = b->g->tensors[v->tensor].shape;
    uint32_t kernel = number(item, "kernel", 3), stride = number(item, "stride", 1),
             padding = number(item, "padding", 0);
    uint32_t width = number(item, "kernel_width", 0), side = number(item, "padding_width", 0);
    if (!width) {
        width = kernel;
        side = padding;
    }
    struct kd_shape to = {number(item, "filters", 0), (in.h + 2 * padding - kernel) / stride + 1,
                          (in.w + 2 * side - width) / stride + 1, false};
    struct kd_op *op = add_op(b, KD_OP_CONV, name, v->tensor, to);
    if (!op) return -1;
    op->kernel_h = kernel;
    op->kernel_w = width;
    op->stride = stride;
    op->pad_h = padding;
    op->pad_w = side;
    op->groups = number(item, "groups", 1);
    v->tensor = op->out;
    return take_weights(b, op);
}

static int add_dense(struct builder *b, const char *name, const cJSON *item, struct value *v)
{
    struct kd_shape in = b->g->tensors[v->tensor].shape;
    uint32_t units = number(item, "units", 0);
    struct kd_op *op = add_op(b, KD_OP_CONV, name, v->tensor,
                              (struct kd_shape){units ? units : b->g->classes, 1, 1, true});
    if (!op) return -1;
    op->dense = true;
    op->kernel_h = in.h;
    op->kernel_w = in.w;
    *v = (struct value){op->out, true};
    return take_weights(b, op);
}

static int add_pool(struct builder *b, const char *name, const char *kind, const cJSON *item,
                    struct value *v)
{
    struct kd_shape in = b->g->tensors[v->tensor].shape, to = {in.c, 1, 1, false};
    bool max = strstr(kind, "max") != NULL, global = strncmp(kind, "global_", 7) == 0;
    uint32_t kernel = number(item, "kernel", 2), stride = number(item, "stride", 0),
             padding = number(item, "padding", 0);
    if (!stride) stride = kernel;
    if (!global) {
        to.h = (in.h + 2 * padding - kernel) / stride + 1;
        to.w = (in.w + 2 * padding - kernel) / stride + 1;
    }
    struct kd_op *op = add_op(b, max ? KD_OP_MAXPOOL : KD_OP_AVGPOOL, name, v->tensor, to);
    if (!op) return -1;
    op->kernel_h = global ? in.h : kernel;
    op->kernel_w = global ? in.w : kernel;
    op->stride = global ? 1 : stride;
    op->pad_h = op->pad_w = global ? 0 : padding;
    v->tensor = op->out;
    return 0;
}

/* The operation whose result a relu on tensor t can be part of: nothing else reads t, and it was
 * written in this list (`entry` is read outside of it). What is the largest does not change. */
static struct kd_op *host_of(struct builder *b, unsigned t, unsigned entry)
{
    while (t != entry) {
        int maker = b->g->tensors[t].maker;
        if (maker < 0) return NULL;
        struct kd_op *op = &b->g->ops[maker];
        if (op->kind != KD_OP_MAXPOOL)
            return op->kind == KD_OP_CONV || op->kind == KD_OP_ADD || op->kind == KD_OP_AVGPOOL
                       ? op
                       : NULL;
        t = op->a;
    }
    return NULL;
}

static int add_activation(struct builder *b, const char *name, enum kd_act act, const cJSON *item,
                          struct value *v, unsigned entry)
{
    struct kd_op *host =
        act == KD_ACT_RELU || act == KD_ACT_RELU6 ? host_of(b, v->tensor, entry) : NULL;
    if (host) {
        if (host->act != KD_ACT_RELU6) host->act = act;
        return 0;
    }
    struct kd_op *op = add_op(b, KD_OP_ACTIVATION, name, v->tensor, b->g->tensors[v->tensor].shape);
    if (!op) return -1;
    const cJSON *slope = cJSON_GetObjectItemCaseSensitive(item, "slope");
    op->act = act;
    op->slope = cJSON_IsNumber(slope) ? slope->valuedouble : 0.01;
    v->tensor = op->out;
    return 0;
}

/* Values that are flat in kd's order, where that is not the tensor's. */
static int in_order(struct builder *b, const char *name, struct value *v)
{
    struct kd_shape s = b->g->tensors[v->tensor].shape;
    if (!v->flat || s.c == 1 || s.h * s.w == 1) return 0;
    struct kd_shape to = {s.c * s.h * s.w, 1, 1, true};
    struct kd_op *op = add_op(b, KD_OP_REORDER, name, v->tensor, to);
    if (!op) return -1;
    snprintf(op->name, sizeof op->name, "%.50s.order", name);
    snprintf(b->g->tensors[op->out].name, sizeof op->name, "%.50s.order", name);
    v->tensor = op->out;
    return 0;
}

static int walk(struct builder *b, const cJSON *list, const char *prefix, struct value *v);

static int add_residual(struct builder *b, const char *name, const cJSON *item, struct value *v)
{
    char prefix[80];
    struct value body = *v, beside = *v;
    const cJSON *shortcut = cJSON_GetObjectItemCaseSensitive(item, "shortcut");
    snprintf(prefix, sizeof prefix, "%s.shortcut.", name);
    if (cJSON_IsArray(shortcut) && walk(b, shortcut, prefix, &beside) < 0) return -1;
    snprintf(prefix, sizeof prefix, "%s.body.", name);
    if (walk(b, cJSON_GetObjectItemCaseSensitive(item, "body"), prefix, &body) < 0) return -1;
    struct kd_shape one = b->g->tensors[body.tensor].shape,
                    other = b->g->tensors[beside.tensor].shape;
    if ((one.h != other.h || one.w != other.w) &&
        (in_order(b, name, &body) < 0 || in_order(b, name, &beside) < 0))
        return -1;
    struct kd_op *op = add_op(b, KD_OP_ADD, name, body.tensor, b->g->tensors[body.tensor].shape);
    if (!op) return -1;
    op->b = beside.tensor;
    b->g->tensors[beside.tensor].readers++;
    *v = (struct value){op->out, body.flat};
    return 0;
}

static const struct {
    const char *layer;
    enum kd_act act;
} activations[] = {{"relu", KD_ACT_RELU},   {"leaky_relu", KD_ACT_LEAKY_RELU},
                   {"relu6", KD_ACT_RELU6}, {"hardswish", KD_ACT_HARDSWISH},
                   {"gelu", KD_ACT_GELU},   {"tanh", KD_ACT_TANH}};
enum { ACTIVATIONS = sizeof activations / sizeof *activations };

static int add_layer(struct builder *b, const char *name, const cJSON *item, struct value *v,
                     unsigned entry)
{
    const cJSON *named =
        cJSON_IsObject(item) ? cJSON_GetObjectItemCaseSensitive(item, "kind") : item;
    const char *kind = cJSON_IsString(named) ? named->valuestring : "";
    if (strcmp(kind, "dropout") == 0) return 0;
    if (strcmp(kind, "flatten") == 0) {
        v->flat = true;
        return 0;
    }
    if (strcmp(kind, "conv2d") == 0) return add_conv(b, name, item, v);
    if (strcmp(kind, "dense") == 0) return add_dense(b, name, item, v);
    if (strcmp(kind, "residual") == 0) return add_residual(b, name, item, v);
    if (strcmp(kind, "maxpool") == 0 || strcmp(kind, "avgpool") == 0 ||
        strcmp(kind, "global_avgpool") == 0 || strcmp(kind, "global_maxpool") == 0)
        return add_pool(b, name, kind, item, v);
    for (unsigned i = 0; i < ACTIVATIONS; i++)
        if (strcmp(kind, activations[i].layer) == 0)
            return add_activation(b, name, activations[i].act, item, v, entry);
    return kd_fail_usage(b->err, "layer %s (%s) has no form in integers or in C yet", name, kind);
}

static int walk(struct builder *b, const cJSON *list, const char *prefix, struct value *v)
{
    char name[64];
    unsigned i = 0, entry = v->tensor;
    const cJSON *item;
    cJSON_ArrayForEach(item, list)
    {
        snprintf(name, sizeof name, "%.52s%u", prefix, i++);
        if (add_layer(b, name, item, v, entry) < 0) return -1;
    }
    return 0;
}

int kd_graph_build(struct kd_graph *graph, const struct kd_network *net, struct kd_err *err)
{
    *graph = (struct kd_graph){.input = net->input, .classes = net->classes};
    struct builder b = {.g = graph, .net = net, .err = err};
    struct value v = {0};
    void *tensors = NULL;
    int status = grow(&tensors, &b.room_tensors, 0, sizeof *graph->tensors, err);
    graph->tensors = tensors;
    if (status == 0) {
        graph->tensors[graph->n_tensors++] =
            (struct kd_graph_tensor){.name = "input", .shape = net->input, .maker = -1};
        status = walk(&b, cJSON_GetObjectItemCaseSensitive(net->json, "layers"), "", &v);
    }
    if (status == 0) status = in_order(&b, "output", &v);
    if (status == 0 && !graph->n_ops)
        status = kd_fail_usage(err, "the network does nothing to its images");
    graph->output = v.tensor;
    if (status < 0) kd_graph_release(graph);
    return status;
}

void kd_graph_release(struct kd_graph *graph)
{
    for (unsigned i = 0; i < graph->n_ops; i++) {
        kd_free(graph->ops[i].weight);
        kd_free(graph->ops[i].bias);
    }
    kd_free(graph->ops);
    kd_free(graph->tensors);
    *graph = (struct kd_graph){0};
}
