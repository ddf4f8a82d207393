/* Steps become layers and tensors. Factors and offsets wait until what follows them is known: the
 * first of all are the normalization, an offset alone is the bias of the layer before it. */
#include "parts.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

struct writing {
    struct kd_onnx *r;
    struct kd_tensorfile *out;
    struct kd_normalize *normalize; /* for factors and offsets at the start; NULL behind it */
};

/* A chain being written. */
struct chain {
    const char *prefix; /* of its tensors' names: "", or "4.body." */
    cJSON *layers;
    float *a, *b; /* [channels] that wait, or NULL */
    size_t channels;
    bool top;
    const struct kd_onnx_step *last; /* the layer at the end, where an offset can become its bias */
};

static int write_path(struct writing *w, struct chain *c, int from, int to, int nested);

static int add_layer(struct writing *w, struct chain *c, cJSON *json)
{
    c->last = NULL;
    if (json && cJSON_AddItemToArray(c->layers, json)) return 0;
    cJSON_Delete(json);
    return kd_fail_memory(w->r->err, "not enough memory for a layer");
}

static int add_named(struct writing *w, struct chain *c, const char *name)
{
    return add_layer(w, c, cJSON_CreateString(name));
}

static int add_tensor(struct writing *w, const struct chain *c, const char *leaf,
                      struct kd_array array)
{
    char name[128];
    int n =
        snprintf(name, sizeof name, "%s%d.%s", c->prefix, cJSON_GetArraySize(c->layers) - 1, leaf);
    if (n < 0 || (size_t)n >= sizeof name) return kd_fail(w->r->err, "blocks are nested too deep");
    return kd_tensorfile_add(w->out, name, array, w->r->err);
}

static int add_row(struct writing *w, const struct chain *c, const char *leaf, const float *v,
                   size_t n)
{
    return add_tensor(w, c, leaf, (struct kd_array){KD_F32, 1, &n, v});
}

/* ---- factors and offsets ---- */

static bool all_are(const float *v, size_t n, float x)
{
    for (size_t i = 0; i < n; i++)
        if (v[i] != x) return false;
    return true;
}

static int wait_for(struct writing *w, struct chain *c, const float *a, const float *b, size_t n)
{
    if (!c->a) {
        c->a = kd_onnx_alloc(w->r, n, sizeof *c->a);
        c->b = kd_onnx_alloc(w->r, n, sizeof *c->b);
        c->channels = n;
        if (!c->a || !c->b) return -1;
        for (size_t i = 0; i < n; i++) c->a[i] = 1;
    }
    for (size_t i = 0; i < n; i++) {
        c->a[i] *= a[i];
        c->b[i] = a[i] * c->b[i] + b[i];
    }
    return 0;
}

/* a x + b of a pixel that counts (p - mean) / std is (p - (mean - b std / a)) / (std / a). */
static bool to_normalize(struct writing *w, const struct chain *c)
{
    struct kd_normalize *n = w->normalize;
    bool same = all_are(c->a, c->channels, c->a[0]) && all_are(c->b, c->channels, c->b[0]);
    if (!n || !c->top || (c->channels != n->channels && !same)) return false;
    for (size_t i = 0; i < c->channels; i++)
        if (!(c->a[i] > 1e-6F && c->a[i] < 1e6F) || !isfinite(c->b[i])) return false;
    for (size_t i = 0; i < n->channels; i++) {
        size_t from = c->channels == n->channels ? i : 0;
        n->mean[i] -= c->b[from] * n->std[i] / c->a[from];
        n->std[i] /= c->a[from];
    }
    return true;
}

static int to_bias(struct writing *w, struct chain *c)
{
    cJSON *json = cJSON_GetArrayItem(c->layers, cJSON_GetArraySize(c->layers) - 1);
    int status = kd_json_attach(json, "bias", cJSON_CreateTrue(), w->r->err);
    return status == 0 ? add_row(w, c, "bias", c->b, c->channels) : -1;
}

static int to_scale(struct writing *w, struct chain *c)
{
    struct kd_maker b = kd_make_object(w->r->err);
    kd_put_text(&b, "kind", "scale");
    kd_put_number(&b, "by", (double)c->a[0]);
    cJSON *json = kd_make_end(&b);
    return json ? add_layer(w, c, json) : -1;
}

/* A batch norm whose statistics change nothing: mean 0, and variance 1 with its epsilon. */
static int to_norm(struct writing *w, struct chain *c)
{
    size_t n = c->channels;
    float *zeros = kd_onnx_alloc(w->r, n, sizeof *zeros);
    float *ones = kd_onnx_alloc(w->r, n, sizeof *ones);
    if (!zeros || !ones || add_named(w, c, "batchnorm") < 0) return -1;
    for (size_t i = 0; i < n; i++) ones[i] = 1 - 1e-5F;
    int status = add_row(w, c, "weight", c->a, n);
    if (status == 0) status = add_row(w, c, "bias", c->b, n);
    if (status == 0) status = add_row(w, c, "running_mean", zeros, n);
    return status == 0 ? add_row(w, c, "running_var", ones, n) : -1;
}

/* What waits is written down. */
static int settle(struct writing *w, struct chain *c)
{
    int status = 0;
    if (c->a) {
        bool no_factor = all_are(c->a, c->channels, 1), no_offset = all_are(c->b, c->channels, 0);
        bool one = all_are(c->a, c->channels, c->a[0]) && fabsf(c->a[0]) <= 1e6F;
        if ((no_factor && no_offset) || to_normalize(w, c))
            status = 0;
        else if (no_factor && c->last)
            status = to_bias(w, c);
        else if (no_offset && one)
            status = to_scale(w, c);
        else
            status = to_norm(w, c);
    }
    c->a = c->b = NULL;
    c->last = NULL;
    return status;
}

/* ---- layers ---- */

static int write_layer(struct writing *w, struct chain *c, const struct kd_onnx_step *s)
{
    if (settle(w, c) < 0) return -1;
    w->normalize = NULL;
    if (add_layer(w, c, cJSON_Duplicate(s->json, true)) < 0) return -1;
    for (unsigned t = 0; t < s->n_tensors; t++)
        if (add_tensor(w, c, s->tensors[t].leaf,
                       (struct kd_array){KD_F32, s->tensors[t].dims, s->tensors[t].shape,
                                         s->tensors[t].data}) < 0)
            return -1;
    c->last = s->n_tensors == 1 ? s : NULL;
    return 0;
}

/* The branch of a block as a list of its own, owned by the caller; at_end: how many steps it has.
 */
static cJSON *branch(struct writing *w, const struct chain *above, const char *which, int ends[2],
                     int nested)
{
    char prefix[100];
    int n = snprintf(prefix, sizeof prefix, "%s%d.%s.", above->prefix,
                     cJSON_GetArraySize(above->layers), which);
    struct chain c = {.prefix = prefix, .layers = cJSON_CreateArray()};
    bool good = n > 0 && (size_t)n < sizeof prefix && nested < KD_ONNX_NESTED;
    int status = !c.layers ? kd_fail_memory(w->r->err, "not enough memory for a block")
                 : !good   ? kd_fail(w->r->err, "blocks are nested deeper than %d", KD_ONNX_NESTED)
                           : write_path(w, &c, ends[0], ends[1], nested + 1);
    if (status == 0) return c.layers;
    cJSON_Delete(c.layers);
    return NULL;
}

/* The longer branch is the body; a branch without steps is the input itself. */
static int write_block(struct writing *w, struct chain *c, const struct kd_onnx_step *s, int nested)
{
    int fork = s->up, body = s->in[0], other = s->in[1];
    if (fork < 0)
        return kd_onnx_fail(w->r, s->node, "its two branches do not begin at the same place");
    if (w->r->steps[other].depth > w->r->steps[body].depth) {
        body = s->in[1];
        other = s->in[0];
    }
    if (settle(w, c) < 0) return -1;
    w->normalize = NULL;
    cJSON *one = branch(w, c, "body", (int[]){fork, body}, nested);
    cJSON *two = one ? branch(w, c, "shortcut", (int[]){fork, other}, nested) : NULL;
    if (two && cJSON_GetArraySize(two) == 0) {
        cJSON_Delete(two);
        two = NULL;
        if (cJSON_GetArraySize(one) == 0) { /* x + x, or what is no more than that */
            cJSON_Delete(one);
            return kd_onnx_fail(w->r, s->node, "a sum of two that are the same");
        }
    } else if (!two) {
        cJSON_Delete(one);
        return -1;
    }
    struct kd_maker b = kd_make_object(w->r->err);
    kd_put_text(&b, "kind", "residual");
    kd_put_json(&b, "body", one);
    if (two) kd_put_json(&b, "shortcut", two);
    cJSON *json = kd_make_end(&b);
    return json ? add_layer(w, c, json) : -1;
}

static int write_product(struct writing *w, struct chain *c, const struct kd_onnx_step *s)
{
    const char *name;
    float factor, *a = kd_onnx_alloc(w->r, s->shape[1], sizeof *a);
    float *b = kd_onnx_alloc(w->r, s->shape[1], sizeof *b);
    if (!a || !b || settle(w, c) < 0) return -1;
    w->normalize = NULL;
    if (kd_onnx_activation(w->r, s, &name, &factor) < 0 || add_named(w, c, name) < 0) return -1;
    for (size_t i = 0; i < s->shape[1]; i++) a[i] = fabsf(factor - 1) < 1e-6F ? 1 : factor;
    return wait_for(w, c, a, b, s->shape[1]);
}

static int write_clip(struct writing *w, struct chain *c, const struct kd_onnx_step *s)
{
    bool relu = s->low == 0 && s->high > 1e30F, relu6 = s->low == 0 && s->high == 6;
    if (!relu && !relu6)
        return kd_onnx_fail(w->r, s->node, "from %g to %g; kd has from 0 to 6, and from 0 on",
                            (double)s->low, (double)s->high);
    if (settle(w, c) < 0) return -1;
    w->normalize = NULL;
    return add_named(w, c, relu ? "relu" : "relu6");
}

static int write_step(struct writing *w, struct chain *c, const struct kd_onnx_step *s, int nested)
{
    switch (s->kind) {
    case KD_ONNX_INPUT:
    case KD_ONNX_SAME:
        return 0;
    case KD_ONNX_LAYER:
        return write_layer(w, c, s);
    case KD_ONNX_AFFINE:
        return wait_for(w, c, s->a, s->b, s->shape[1]);
    case KD_ONNX_ROWS:
        if (settle(w, c) < 0) return -1;
        return add_named(w, c, "flatten");
    case KD_ONNX_CLIP:
        return write_clip(w, c, s);
    case KD_ONNX_SUM:
        return write_block(w, c, s, nested);
    case KD_ONNX_PRODUCT:
        return write_product(w, c, s);
    case KD_ONNX_PAD:
        return kd_onnx_fail(w->r, s->node, "known only before a convolution or an average");
    case KD_ONNX_ERF:
    case KD_ONNX_HARDSIGMOID:
        return kd_onnx_fail(w->r, s->node, "known only as part of a GELU or a hard swish");
    case KD_ONNX_SOFTMAX:
        return kd_onnx_fail(w->r, s->node, "known only at the end");
    case KD_ONNX_UNKNOWN:
        break;
    }
    return kd_onnx_fail(w->r, s->node, "kd has no such operator");
}

static int write_path(struct writing *w, struct chain *c, int from, int to, int nested)
{
    size_t n;
    int *path = kd_onnx_path(w->r, from, to, &n), status = path ? 0 : -1;
    for (size_t i = 0; i < n && status == 0; i++)
        status = write_step(w, c, &w->r->steps[path[i]], nested);
    kd_free(path);
    return status == 0 ? settle(w, c) : -1;
}

cJSON *kd_onnx_emit(struct kd_onnx *r, int last, struct kd_tensorfile *out,
                    struct kd_normalize *normalize)
{
    struct writing w = {.r = r, .out = out, .normalize = normalize};
    struct chain c = {.prefix = "", .layers = cJSON_CreateArray(), .top = true};
    int status = c.layers ? 0 : kd_fail_memory(r->err, "not enough memory for a network");
    /* kd's input has maps; a graph of rows takes them as one */
    if (status == 0 && r->steps[0].dims == 2) status = add_named(&w, &c, "flatten");
    if (status == 0) status = write_path(&w, &c, 0, last, 0);
    if (status == 0) return c.layers;
    cJSON_Delete(c.layers);
    return NULL;
}
