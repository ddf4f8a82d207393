/* batchnorm, scale and dropout out of a network, without changing what it computes.
 *
 * A list of layers is copied piece by piece. A piece with weights computes w x + b, so that
 *     g (w x + b) + s  =  (g w) x + (g b + s)       a batchnorm or scale behind it
 *     w (g x + s) + b  =  (w g) x + (b + w s)       one before it
 * The latter holds at the border of a padded map only where s is 0. Scales pass relu and pooling on
 * their way, because these give g f(x) for g x with g > 0. */
#include "kd/nn/graph.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

struct piece {
    cJSON *item;          /* owned until it is put in the new list */
    float *weight, *bias; /* owned; NULL: no parameters */
    size_t out, depth;    /* weight [out][depth], depth [in][kernel * kernel] */
    bool padded;
    char kind[32];
    struct pieces *body, *shortcut;
};
struct pieces {
    struct piece *list;
    unsigned n;
};
struct folding {
    const struct kd_network *net;
    struct kd_err *err;
};

static const struct kd_param *param_of(const struct folding *f, const char *layer,
                                       const char *which)
{
    char name[80];
    snprintf(name, sizeof name, "%s.%s", layer, which);
    for (unsigned i = 0; i < f->net->n_params; i++)
        if (strcmp(f->net->params[i]->name, name) == 0) return f->net->params[i];
    return NULL;
}

static void pieces_free(struct pieces *p)
{
    for (unsigned i = 0; p && i < p->n; i++) {
        cJSON_Delete(p->list[i].item);
        kd_free(p->list[i].weight);
        kd_free(p->list[i].bias);
        pieces_free(p->list[i].body);
        pieces_free(p->list[i].shortcut);
    }
    if (p) kd_free(p->list);
    kd_free(p);
}

/* ---- one layer ---- */

static bool is(const struct piece *p, const char *kind)
{
    return strcmp(p->kind, kind) == 0;
}

/* f(g x) = g f(x) for g > 0 */
static bool is_homogeneous(const struct piece *p)
{
    return is(p, "relu") || is(p, "leaky_relu") || strstr(p->kind, "pool") || is(p, "flatten");
}

static int take_parameters(struct folding *f, struct piece *p, const char *layer)
{
    const struct kd_param *w = param_of(f, layer, "weight"), *b = param_of(f, layer, "bias");
    if (!w) return kd_fail(f->err, "layer %s (%s) has no weight", layer, p->kind);
    const cJSON *padding = cJSON_GetObjectItemCaseSensitive(p->item, "padding");
    p->padded = cJSON_IsNumber(padding) && padding->valuedouble > 0;
    p->out = w->shape[0];
    p->depth = w->count / w->shape[0];
    p->weight = kd_alloc(w->count, sizeof *p->weight, "folded weights", f->err);
    p->bias = kd_alloc(p->out, sizeof *p->bias, "folded biases", f->err);
    if (!p->weight || !p->bias) return -1;
    memcpy(p->weight, w->value, w->count * sizeof *p->weight);
    if (b) memcpy(p->bias, b->value, p->out * sizeof *p->bias);
    static const char *const training[] = {"init", "max_norm", "freeze", "bias"};
    for (unsigned i = 0; i < 4; i++) cJSON_DeleteItemFromObjectCaseSensitive(p->item, training[i]);
    cJSON *yes = cJSON_CreateTrue();
    if (yes && cJSON_AddItemToObject(p->item, "bias", yes)) return 0;
    cJSON_Delete(yes);
    return kd_fail_memory(f->err, "not enough memory for a layer");
}

/* y = gain x + shift per channel, as doubles. Caller: kd_free(*gain), which holds both. */
static int affine_of(struct folding *f, const char *layer, const cJSON *item, double **gain,
                     size_t *n)
{
    const struct kd_param *w = param_of(f, layer, "weight"), *b = param_of(f, layer, "bias"),
                          *mean = param_of(f, layer, "running_mean"),
                          *var = param_of(f, layer, "running_var");
    if (!w || !b || !mean || !var) return kd_fail(f->err, "layer %s has lost parameters", layer);
    const cJSON *e = cJSON_GetObjectItemCaseSensitive(item, "epsilon");
    double epsilon = cJSON_IsNumber(e) ? e->valuedouble : 1e-5;
    *n = w->count;
    *gain = kd_alloc(2 * w->count, sizeof **gain, "a batchnorm", f->err);
    if (!*gain) return -1;
    for (size_t i = 0; i < *n; i++) {
        (*gain)[i] = (double)w->value[i] / sqrt((double)var->value[i] + epsilon);
        (*gain)[*n + i] = (double)b->value[i] - (double)mean->value[i] * (*gain)[i];
    }
    return 0;
}

static void fold_behind(struct piece *p, const double *gain, const double *shift)
{
    if (!gain) return; /* never: affine_of gave both or failed */
    for (size_t o = 0; o < p->out; o++) {
        for (size_t k = 0; k < p->depth; k++)
            p->weight[o * p->depth + k] = (float)((double)p->weight[o * p->depth + k] * gain[o]);
        p->bias[o] = (float)((double)p->bias[o] * gain[o] + shift[o]);
    }
}

/* Into a dense layer, whose inputs are n channels of depth / n values each. */
static void fold_before(struct piece *p, const double *gain, const double *shift, size_t n)
{
    for (size_t o = 0; o < p->out; o++) {
        double bias = (double)p->bias[o];
        for (size_t k = 0; k < p->depth; k++) {
            size_t c = k / (p->depth / n);
            float *w = &p->weight[o * p->depth + k];
            bias += (double)*w * shift[c];
            *w = (float)((double)*w * gain[c]);
        }
        p->bias[o] = (float)bias;
    }
}

static void scale_piece(struct piece *p, double by, bool bias_too)
{
    for (size_t i = 0; i < p->out * p->depth; i++)
        p->weight[i] = (float)((double)p->weight[i] * by);
    for (size_t i = 0; bias_too && i < p->out; i++) p->bias[i] = (float)((double)p->bias[i] * by);
}

/* ---- lists ---- */

static int copy_list(struct folding *f, const cJSON *list, const char *prefix, struct pieces **out);

static int copy_item(struct folding *f, const cJSON *item, const char *layer, struct piece *p)
{
    const cJSON *kind =
        cJSON_IsObject(item) ? cJSON_GetObjectItemCaseSensitive(item, "kind") : item;
    snprintf(p->kind, sizeof p->kind, "%s", cJSON_IsString(kind) ? kind->valuestring : "");
    p->item = cJSON_Duplicate(item, 1);
    if (!p->item) return kd_fail_memory(f->err, "not enough memory for a layer");
    if (is(p, "conv2d") || is(p, "dense")) return take_parameters(f, p, layer);
    if (!is(p, "residual")) return 0;
    char prefix[80];
    snprintf(prefix, sizeof prefix, "%s.body.", layer);
    if (copy_list(f, cJSON_GetObjectItemCaseSensitive(item, "body"), prefix, &p->body) < 0)
        return -1;
    const cJSON *shortcut = cJSON_GetObjectItemCaseSensitive(item, "shortcut");
    snprintf(prefix, sizeof prefix, "%s.shortcut.", layer);
    return cJSON_IsArray(shortcut) ? copy_list(f, shortcut, prefix, &p->shortcut) : 0;
}

/* A batchnorm that nothing before it can take: a 1x1 convolution of each channel by itself. */
static int become_conv(struct folding *f, struct piece *p, const double *gain, size_t n)
{
    snprintf(p->kind, sizeof p->kind, "conv2d");
    p->out = n;
    p->depth = 1;
    p->weight = kd_alloc(n, sizeof *p->weight, "folded weights", f->err);
    p->bias = kd_alloc(n, sizeof *p->bias, "folded biases", f->err);
    p->item = cJSON_CreateObject();
    if (!p->weight || !p->bias || kd_json_add_text(p->item, "kind", "conv2d", f->err) < 0 ||
        kd_json_add_number(p->item, "filters", (double)n, f->err) < 0 ||
        kd_json_add_number(p->item, "kernel", 1, f->err) < 0 ||
        kd_json_add_number(p->item, "groups", (double)n, f->err) < 0)
        return -1;
    for (size_t i = 0; i < n; i++) {
        p->weight[i] = (float)gain[i];
        p->bias[i] = (float)gain[n + i];
    }
    return 0;
}

static const char *kind_of(const cJSON *item)
{
    const cJSON *kind =
        cJSON_IsObject(item) ? cJSON_GetObjectItemCaseSensitive(item, "kind") : item;
    return cJSON_IsString(kind) ? kind->valuestring : "";
}

/* A dense layer next, with nothing but dropout and flatten between. */
static bool dense_follows(const cJSON *item)
{
    for (item = item->next; item; item = item->next) {
        const char *kind = kind_of(item);
        if (strcmp(kind, "dense") == 0) return true;
        if (strcmp(kind, "dropout") != 0 && strcmp(kind, "flatten") != 0) return false;
    }
    return false;
}

struct state {
    struct pieces *to;
    double scale; /* of what flows, owed to the next layer with weights */
    double *gain; /* a batchnorm owed to the next dense layer */
    size_t n;
    bool flat;
};

static int fold_batchnorm(struct folding *f, struct state *s, const cJSON *item, const char *layer)
{
    double *gain = NULL;
    size_t n = 0;
    if (affine_of(f, layer, item, &gain, &n) < 0) return -1;
    struct piece *last = s->to->n ? &s->to->list[s->to->n - 1] : NULL;
    int status = 0;
    for (size_t i = 0; i < n; i++) gain[i] *= s->scale;
    s->scale = 1;
    if (last && last->weight)
        fold_behind(last, gain, gain + n);
    else if (dense_follows(item) && !s->gain) {
        s->gain = gain;
        s->n = n;
        return 0;
    } else if (s->flat || s->gain)
        status = kd_fail_usage(f->err,
                               "layer %s (batchnorm) has no convolution or dense layer "
                               "right before it to be folded into",
                               layer);
    else
        status = become_conv(f, &s->to->list[s->to->n++], gain, n);
    kd_free(gain);
    return status;
}

static int fold_scale(struct folding *f, struct state *s, const cJSON *item, const char *layer)
{
    const cJSON *by = cJSON_GetObjectItemCaseSensitive(item, "by");
    double factor = cJSON_IsNumber(by) ? by->valuedouble : 1;
    struct piece *p = s->to->n ? &s->to->list[s->to->n - 1] : NULL;
    for (; p && p > s->to->list && factor > 0 && is_homogeneous(p) && !p->weight; p--) continue;
    if (p && p->weight)
        scale_piece(p, factor, true);
    else if (factor > 0)
        s->scale *= factor;
    else
        return kd_fail_usage(f->err,
                             "layer %s (scale) has no convolution or dense layer before it "
                             "to be folded into",
                             layer);
    return 0;
}

static int fold_layer(struct folding *f, struct state *s, const cJSON *item, const char *layer)
{
    const char *kind = kind_of(item);
    if (strcmp(kind, "dropout") == 0) return 0;
    if (strcmp(kind, "batchnorm") == 0) return fold_batchnorm(f, s, item, layer);
    if (strcmp(kind, "scale") == 0) return fold_scale(f, s, item, layer);
    struct piece *p = &s->to->list[s->to->n++];
    if (copy_item(f, item, layer, p) < 0) return -1;
    if (is(p, "flatten") || is(p, "dense")) s->flat = true;
    if (p->weight && s->gain) {
        fold_before(p, s->gain, s->gain + s->n, s->n);
        kd_free(s->gain);
        s->gain = NULL;
    }
    if (p->weight) {
        scale_piece(p, s->scale, false);
        s->scale = 1;
    }
    if (s->scale != 1 && !is_homogeneous(p))
        return kd_fail_usage(f->err, "layer %s (%s): a scale before it cannot be folded", layer,
                             kind);
    return 0;
}

static int copy_list(struct folding *f, const cJSON *list, const char *prefix, struct pieces **out)
{
    struct state s = {.scale = 1};
    int n = cJSON_GetArraySize(list), status = 0;
    *out = s.to = kd_alloc(1, sizeof *s.to, "a folded network", f->err);
    if (!s.to) return -1;
    s.to->list = kd_alloc((size_t)n, sizeof *s.to->list, "a folded network", f->err);
    if (!s.to->list) return -1;
    unsigned i = 0;
    const cJSON *item;
    cJSON_ArrayForEach(item, list)
    {
        char layer[64];
        snprintf(layer, sizeof layer, "%.52s%u", prefix, i++);
        status = fold_layer(f, &s, item, layer);
        if (status < 0) break;
    }
    if (status == 0 && s.scale != 1)
        status = kd_fail_usage(f->err, "layers %s*: a scale there has nothing to be folded into",
                               prefix);
    kd_free(s.gain);
    return status;
}

/* ---- the new network ---- */

static cJSON *list_of(struct pieces *p, struct kd_err *err)
{
    cJSON *list = cJSON_CreateArray();
    int status = list ? 0 : kd_fail_memory(err, "not enough memory for a layer list");
    for (unsigned i = 0; i < p->n && status == 0; i++) {
        struct piece *q = &p->list[i];
        static const char *const keys[] = {"body", "shortcut"};
        struct pieces *inner[] = {q->body, q->shortcut};
        for (int j = 0; j < 2 && status == 0; j++) {
            if (!inner[j]) continue;
            cJSON_DeleteItemFromObjectCaseSensitive(q->item, keys[j]);
            if (inner[j]->n || j == 0)
                status = kd_json_attach(q->item, keys[j], list_of(inner[j], err), err);
        }
        if (status == 0 && !cJSON_AddItemToArray(list, q->item))
            status = kd_fail_memory(err, "not enough memory for a layer list");
        else
            q->item = NULL;
    }
    if (status == 0) return list;
    cJSON_Delete(list);
    return NULL;
}

static int fill(struct folding *f, struct kd_network *to, const struct pieces *p,
                const char *prefix)
{
    struct folding at = {to, f->err};
    for (unsigned i = 0; i < p->n; i++) {
        struct piece *q = &p->list[i];
        char layer[64], inner[80];
        snprintf(layer, sizeof layer, "%.52s%u", prefix, i);
        snprintf(inner, sizeof inner, "%s.body.", layer);
        if (q->body && fill(f, to, q->body, inner) < 0) return -1;
        snprintf(inner, sizeof inner, "%s.shortcut.", layer);
        if (q->shortcut && fill(f, to, q->shortcut, inner) < 0) return -1;
        if (!q->weight) continue;
        const struct kd_param *w = param_of(&at, layer, "weight"),
                              *b = param_of(&at, layer, "bias");
        if (!w || !b || w->count != q->out * q->depth || b->count != q->out)
            return kd_fail(f->err, "layer %s (%s): folding lost its parameters", layer, q->kind);
        memcpy(w->value, q->weight, w->count * sizeof *w->value);
        memcpy(b->value, q->bias, b->count * sizeof *b->value);
    }
    return 0;
}

struct kd_network *kd_network_fold(const struct kd_network *net, struct kd_err *err)
{
    struct folding f = {net, err};
    struct pieces *pieces = NULL;
    struct kd_network *to = NULL;
    cJSON *list = NULL;
    if (copy_list(&f, cJSON_GetObjectItemCaseSensitive(net->json, "layers"), "", &pieces) == 0 &&
        (list = list_of(pieces, err)))
        to = kd_network_build(list, net->input, net->classes, err);
    if (to && fill(&f, to, pieces, "") < 0) {
        kd_network_free(to);
        to = NULL;
    }
    cJSON_Delete(list);
    pieces_free(pieces);
    return to;
}
