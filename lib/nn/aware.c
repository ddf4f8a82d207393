#include "kd/nn/aware.h"
#include "int/quantize.h"
#include "layers.h"
#include "tapping.h"

#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

static const double newest = 0.01; /* share of a range's average */

struct rounding { /* of one tensor */
    bool on, observing;
    float scale, inverse, low, high; /* low and high as multiples of scale */
    _Atomic(float) seen_low, seen_high;
};
struct weights { /* of one convolution or dense layer */
    struct kd_param *weight;
    const struct kd_param *bias; /* may be NULL */
    unsigned input;              /* tensor */
    float *kept;                 /* before rounding */
    bool rounded;                /* all of it */
};
struct kd_aware {
    struct kd_network *net;
    const struct kd_normalize *normalize;
    struct kd_int_network ints;
    struct rounding *rounding; /* [n_tensors] */
    float (*range)[2];         /* [n_tensors] */
    struct weights *weights;   /* [n_weights] */
    unsigned n_weights;
    struct kd_slab slab;
    struct kd_gradient_sink sink;
    const struct kd_gradient_sink *then;
};

/* ---- rounding ---- */

/* To the nearest whole number, halves to even; |x| < 2^22. Compilers know no faster form of rintf
 * where the processor's own is not to be had. */
static inline float whole(float x)
{
    const float magic = 12582912.0f; /* 1.5 * 2^23 */
    return (x + magic) - magic;
}

static inline float clamp(float x, float low, float high)
{
    return x < low ? low : x > high ? high : x;
}

static void round_run(const struct rounding *r, float *y, const float *x, size_t n)
{
    const float inverse = r->inverse, scale = r->scale, low = r->low, high = r->high;
    for (size_t i = 0; i < n; i++) y[i] = whole(clamp(x[i] * inverse, low, high)) * scale;
}

/* 0 where rounding left the range. */
static void pass_run(const struct rounding *r, float *dy, const float *x, size_t n)
{
    const float inverse = r->inverse, low = r->low, high = r->high;
    for (size_t i = 0; i < n; i++) {
        float q = whole(clamp(x[i] * inverse, low - 1, high + 1));
        dy[i] = q < low || q > high ? 0 : dy[i];
    }
}

static void lower(_Atomic(float) *least, float x)
{
    float there = atomic_load_explicit(least, memory_order_relaxed);
    while (x < there && !atomic_compare_exchange_weak(least, &there, x)) continue;
}

static void raise_to(_Atomic(float) *most, float x)
{
    float there = atomic_load_explicit(most, memory_order_relaxed);
    while (x > there && !atomic_compare_exchange_weak(most, &there, x)) continue;
}

/* Whatever the order in which workers come: smallest and largest know none. */
static void see_run(struct rounding *r, const float *x, size_t n)
{
    float low = 0, high = 0;
    for (size_t i = 0; i < n; i++) {
        low = x[i] < low ? x[i] : low;
        high = x[i] > high ? x[i] : high;
    }
    lower(&r->seen_low, low);
    raise_to(&r->seen_high, high);
}

static void round_forward(struct kd_layer *l, const struct kd_pass *p, struct kd_tile t)
{
    struct rounding *r = l->own;
    for (size_t row = t.row0; row < t.row0 + t.rows; row++) {
        size_t at = row * l->cols + t.col0;
        if (p->training && r->observing) see_run(r, l->x + at, t.cols);
        if (r->on)
            round_run(r, l->y + at, l->x + at, t.cols);
        else if (l->y != l->x)
            memcpy(l->y + at, l->x + at, t.cols * sizeof(float));
    }
}

static void round_backward(struct kd_layer *l, const struct kd_pass *p, struct kd_tile t)
{
    (void)p;
    const struct rounding *r = l->own;
    for (size_t row = t.row0; r->on && row < t.row0 + t.rows; row++) {
        size_t at = row * l->cols + t.col0;
        pass_run(r, l->dy + at, l->x + at, t.cols);
    }
}

static const struct kd_elementwise round_elementwise = {
    .keeps = KD_KEEPS_INPUT,
    .forward = round_forward,
    .backward = round_backward,
};
static const struct kd_layer_kind round_kind = {.name = "round", .elementwise = &round_elementwise};

/* ---- where it is done ---- */

static bool is_one_of(const struct kd_layer *l, const char *const *names)
{
    for (; *names; names++)
        if (strcmp(l->kind->name, *names) == 0) return true;
    return false;
}

/* The last layer whose work is part of layer i's operation: a relu behind it, pooling to the
 * largest and order between them (as kd_graph_build puts them together). */
static unsigned last_of(const struct kd_chain *chain, unsigned i)
{
    static const char *const clamps[] = {"relu", "relu6", NULL};
    static const char *const between[] = {"maxpool", "global_maxpool", "flatten", "dropout", NULL};
    unsigned last = i;
    for (unsigned k = i + 1; k < chain->n_layers; k++) {
        if (is_one_of(&chain->layers[k], clamps))
            last = k;
        else if (!is_one_of(&chain->layers[k], between))
            break;
    }
    return last;
}

/* 1 where it is in the chain. */
static int hang(struct kd_chain *chain, const char *name, struct rounding *r, struct kd_err *err)
{
    struct kd_chain *held;
    for (unsigned i = 0; i < chain->n_layers; i++) {
        if (strcmp(chain->layers[i].name, name) == 0)
            return kd_chain_hang(chain, last_of(chain, i), &round_kind, r, err) ? 1 : -1;
        for (unsigned k = 0; (held = kd_layer_chain(&chain->layers[i], k)); k++) {
            int status = hang(held, name, r, err);
            if (status) return status;
        }
    }
    return 0;
}

static int hang_all(struct kd_aware *a, struct kd_err *err)
{
    const struct kd_graph *g = &a->ints.graph;
    for (unsigned t = 1; t < g->n_tensors; t++) {
        if (!kd_tensor_is_chosen(&a->ints, t)) continue;
        const char *name = g->ops[g->tensors[t].maker].name;
        int status = hang(&a->net->chain, name, &a->rounding[t], err);
        if (status == 0) kd_fail(err, "layer %s is not in the network", name);
        if (status <= 0) return -1;
    }
    return 0;
}

static struct kd_param *param_of(const struct kd_network *net, const char *layer, const char *which)
{
    char name[80];
    snprintf(name, sizeof name, "%s.%s", layer, which);
    for (unsigned i = 0; i < net->n_params; i++)
        if (strcmp(net->params[i]->name, name) == 0) return net->params[i];
    return NULL;
}

static int find_weights(struct kd_aware *a, struct kd_err *err)
{
    const struct kd_graph *g = &a->ints.graph;
    a->weights = kd_alloc(g->n_ops, sizeof *a->weights, "a list of weights", err);
    if (!a->weights) return -1;
    for (unsigned i = 0; i < g->n_ops; i++) {
        const struct kd_op *op = &g->ops[i];
        if (op->kind != KD_OP_CONV) continue;
        struct kd_param *w = param_of(a->net, op->name, "weight");
        if (!w) return kd_fail(err, "layer %s has no weight", op->name);
        a->weights[a->n_weights++] = (struct weights){
            .weight = w, .bias = param_of(a->net, op->name, "bias"), .input = op->a};
        kd_slab_plan(&a->slab, w->count * sizeof(float));
    }
    if (kd_slab_open(&a->slab, "weights before they are rounded", err) < 0) return -1;
    for (unsigned i = 0; i < a->n_weights; i++)
        a->weights[i].kept = kd_slab_take(&a->slab, a->weights[i].weight->count * sizeof(float));
    return 0;
}

static void sink_ready(void *ctx, struct kd_param *p, size_t from, size_t count);

struct kd_aware *kd_aware_new(struct kd_network *net, const struct kd_normalize *normalize,
                              struct kd_err *err)
{
    struct kd_graph graph;
    struct kd_aware *a = kd_alloc(1, sizeof *a, "simulated integers", err);
    if (!a) return NULL;
    a->net = net;
    a->normalize = normalize;
    a->sink = (struct kd_gradient_sink){sink_ready, a};
    int status = kd_graph_build(&graph, net, err);
    if (status == 0) status = kd_int_init(&a->ints, &graph, err);
    if (status == 0) {
        unsigned n = a->ints.graph.n_tensors;
        a->rounding = kd_alloc(n, sizeof *a->rounding, "simulated integers", err);
        a->range = kd_alloc(n, sizeof *a->range, "ranges", err);
        status = a->rounding && a->range ? 0 : -1;
    }
    if (status == 0) status = hang_all(a, err);
    if (status == 0) status = find_weights(a, err);
    if (status == 0) {
        kd_aware_adopt(a, false, true);
        return a;
    }
    kd_aware_free(a);
    return NULL;
}

void kd_aware_free(struct kd_aware *a)
{
    if (!a) return;
    kd_network_untap(a->net);
    kd_int_release(&a->ints);
    kd_slab_release(&a->slab);
    kd_free(a->rounding);
    kd_free(a->range);
    kd_free(a->weights);
    kd_free(a);
}

/* ---- weights ---- */

static void round_weights(void *arg, unsigned part)
{
    const struct kd_aware *a = arg;
    struct weights *w = &a->weights[part];
    struct kd_param *p = w->weight;
    const float in = a->ints.tensors[w->input].scale;
    const size_t depth = p->count / p->shape[0];
    memcpy(w->kept, p->value, p->count * sizeof *w->kept);
    for (size_t c = 0; c < p->shape[0]; c++) {
        float *value = p->value + c * depth;
        float scale = kd_weight_scale(value, depth, w->bias ? w->bias->value[c] : 0, in);
        struct rounding r = {.scale = scale, .inverse = 1 / scale, .low = -127, .high = 127};
        round_run(&r, value, value, depth);
    }
    w->rounded = true;
}

void kd_aware_round(struct kd_aware *a, struct kd_pool *pool)
{
    if (a) kd_pool_run(pool, a->n_weights, round_weights, a);
}

void kd_aware_restore(struct kd_aware *a)
{
    for (unsigned i = 0; a && i < a->n_weights; i++) {
        struct weights *w = &a->weights[i];
        bool told = a->then && w->weight->trained;
        if (w->rounded && !told)
            memcpy(w->weight->value, w->kept, w->weight->count * sizeof *w->kept);
        w->rounded = false;
    }
    if (a) a->then = NULL;
}

static void sink_ready(void *ctx, struct kd_param *p, size_t from, size_t count)
{
    const struct kd_aware *a = ctx;
    for (unsigned i = 0; i < a->n_weights; i++)
        if (a->weights[i].weight == p)
            memcpy(p->value + from, a->weights[i].kept + from, count * sizeof *p->value);
    a->then->ready(a->then->ctx, p, from, count);
}

const struct kd_gradient_sink *kd_aware_sink(struct kd_aware *a,
                                             const struct kd_gradient_sink *then)
{
    if (!a || !then) return then;
    a->then = then;
    return &a->sink;
}

/* ---- ranges ---- */

float *kd_aware_ranges(struct kd_aware *a, size_t *n)
{
    *n = a->ints.graph.n_tensors;
    return a->range[0];
}

void kd_aware_images(struct kd_aware *a, size_t rows)
{
    if (!a) return;
    struct rounding *r = &a->rounding[0];
    const size_t n = rows * kd_shape_size(a->net->input);
    if (r->observing) see_run(r, a->net->in, n);
    if (r->on) round_run(r, a->net->in, a->net->in, n);
}

void kd_aware_adopt(struct kd_aware *a, bool learnt, bool learning)
{
    if (!a) return;
    const unsigned n = a->ints.graph.n_tensors;
    for (unsigned t = 0; t < n; t++) {
        struct kd_range r = {a->range[t][0], a->range[t][1]};
        if (t == 0) r = kd_input_range(r, a->normalize);
        if (t == 0 || kd_tensor_is_chosen(&a->ints, t)) a->ints.tensors[t] = kd_tensor_for(r);
    }
    kd_int_pass_on(&a->ints);
    for (unsigned t = 0; t < n; t++) {
        const struct kd_int_tensor *i = &a->ints.tensors[t];
        struct rounding *r = &a->rounding[t];
        r->on = learnt;
        r->observing = learning;
        r->scale = i->scale;
        r->inverse = 1 / i->scale;
        r->low = (float)(i->low - i->zero);
        r->high = (float)(i->high - i->zero);
        atomic_store(&r->seen_low, 0);
        atomic_store(&r->seen_high, 0);
    }
}

void kd_aware_learn(struct kd_aware *a, uint64_t steps, bool learning)
{
    if (!a) return;
    double alike = 1 / (double)(steps + 1), share = alike > newest ? alike : newest;
    for (unsigned t = 0; t < a->ints.graph.n_tensors; t++) {
        const struct rounding *r = &a->rounding[t];
        const double seen[] = {(double)r->seen_low, (double)r->seen_high};
        for (int i = 0; i < 2 && r->observing; i++)
            a->range[t][i] += (float)(share * (seen[i] - (double)a->range[t][i]));
    }
    kd_aware_adopt(a, true, learning);
}

/* ---- the end ---- */

static int take_integers(struct kd_aware *a, const struct kd_graph *graph, const char *parent,
                         struct kd_err *err)
{
    kd_fill_pixels(&a->ints, a->normalize);
    for (unsigned i = 0; i < graph->n_ops; i++)
        if (graph->ops[i].kind == KD_OP_CONV)
            kd_quantise_weights(&graph->ops[i], &a->ints.ops[i],
                                a->ints.tensors[graph->ops[i].a].scale, false);
    cJSON *text = cJSON_CreateString(parent);
    a->ints.parents = cJSON_CreateArray();
    if (!text || !cJSON_AddItemToArray(a->ints.parents, text)) {
        cJSON_Delete(text);
        return kd_fail_memory(err, "not enough memory for a list");
    }
    return kd_int_derive(&a->ints, err) < 0 ? -1 : kd_int_check(&a->ints, err);
}

int kd_aware_finish(struct kd_aware *a, const char *parent, struct kd_err *err)
{
    struct kd_graph graph;
    struct kd_int_network *ints = kd_alloc(1, sizeof *ints, "an integer network", err);
    if (!ints) return -1;
    for (unsigned i = 0; i < a->n_weights; i++) round_weights(a, i);
    int status = kd_graph_build(&graph, a->net, err);
    if (status == 0) {
        status = take_integers(a, &graph, parent, err);
        kd_graph_release(&graph);
    }
    if (status < 0) {
        kd_free(ints);
        return -1;
    }
    *ints = a->ints;
    a->ints = (struct kd_int_network){0};
    a->net->integers = ints;
    return 0;
}
