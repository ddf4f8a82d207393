/* residual: y = body(x) + shortcut(x), the shortcut being x itself where none is given (He et al.
 * 2016, equations 1 and 2). A layer that holds chains; dx is the sum of what both give back. */
#include "kd/nn/chain.h"
#include "kd/nn/kernels.h"
#include "layers.h"

#include <stdio.h>
#include <string.h>

struct residual {
    cJSON *body, *shortcut; /* layer lists; shortcut NULL: the input itself */
    struct kd_chain *body_chain, *shortcut_chain;
};
#define FIELD(f) offsetof(struct residual, f)
static const struct kd_option rows[] = {
    {.key = "body",
     .kind = KD_OPT_JSON,
     .offset = FIELD(body),
     .metavar = "LAYERS",
     .help = "a list of layers"},
    {.key = "shortcut",
     .kind = KD_OPT_JSON,
     .offset = FIELD(shortcut),
     .metavar = "LAYERS",
     .help = "a list of layers beside it; left out: the input itself"},
    {0},
};

static int build_chain(struct kd_layer *l, const cJSON *list, const char *which,
                       struct kd_chain **out, struct kd_build *build, struct kd_err *err)
{
    char prefix[100];
    snprintf(prefix, sizeof prefix, "%s.%s.", l->name, which);
    *out = kd_alloc(1, sizeof **out, "a residual block", err);
    if (!*out) return -1;
    (*out)->inner = true;
    return kd_chain_build(*out, list, l->in, prefix, build, err);
}

static bool same(struct kd_shape a, struct kd_shape b)
{
    return a.c == b.c && a.h == b.h && a.w == b.w && a.flat == b.flat;
}

static int residual_shape(struct kd_layer *l, struct kd_build *build, struct kd_err *err)
{
    struct residual *r = l->own;
    if (!cJSON_IsArray(r->body)) return kd_fail_usage(err, "\"body\" is missing: a list of layers");
    if (build_chain(l, r->body, "body", &r->body_chain, build, err) < 0) return -1;
    struct kd_shape out = r->body_chain->output, beside = l->in;
    if (cJSON_IsArray(r->shortcut)) {
        if (build_chain(l, r->shortcut, "shortcut", &r->shortcut_chain, build, err) < 0) return -1;
        beside = r->shortcut_chain->output;
    }
    if (!same(out, beside))
        return kd_fail_usage(
            err,
            "its body gives %ux%ux%u, its shortcut %ux%ux%u: they cannot be added; give a "
            "shortcut like [{\"kind\": \"conv2d\", \"kernel\": 1, ...}]",
            out.c, out.h, out.w, beside.c, beside.h, beside.w);
    l->out = out;
    l->parts = 4;
    return 0;
}

static void residual_release(struct kd_layer *l)
{
    struct residual *r = l->own;
    struct kd_chain *chains[] = {r->body_chain, r->shortcut_chain};
    for (int i = 0; i < 2; i++) {
        if (chains[i]) kd_chain_release(chains[i]);
        kd_free(chains[i]);
    }
    cJSON_Delete(r->body);
    cJSON_Delete(r->shortcut);
}

/* save: the shortcut's share of dx, where there is a shortcut. */
static size_t residual_save_bytes(const struct kd_layer *l, size_t batch, bool training)
{
    const struct residual *r = l->own;
    return training && r->shortcut_chain ? batch * kd_shape_size(l->in) * sizeof(float) : 0;
}

static size_t residual_scratch_bytes(const struct kd_layer *l, size_t batch, bool training)
{
    const struct residual *r = l->own;
    size_t body = kd_chain_scratch_bytes(r->body_chain, batch, training);
    size_t shortcut =
        r->shortcut_chain ? kd_chain_scratch_bytes(r->shortcut_chain, batch, training) : 0;
    return body > shortcut ? body : shortcut;
}

static int residual_plan(struct kd_layer *l, size_t batch, bool training, struct kd_err *err)
{
    struct residual *r = l->own;
    r->body_chain->scratch = l->scratch;
    r->body_chain->in = l->x;
    r->body_chain->din = training ? l->dx : NULL;
    if (kd_chain_plan(r->body_chain, batch, training, err) < 0 || !r->shortcut_chain)
        return r->shortcut_chain ? -1 : 0;
    r->shortcut_chain->scratch = l->scratch;
    r->shortcut_chain->in = l->x;
    r->shortcut_chain->din = training && l->dx ? l->save : NULL;
    return kd_chain_plan(r->shortcut_chain, batch, training, err);
}

struct adding {
    const struct kd_layer_call *call;
    float *to;
    const float *a, *b;
    size_t pixels, cols;
};

static void add_part(void *arg, unsigned part)
{
    const struct adding *s = arg;
    struct kd_tile t = kd_tile_of_images(s->call->pass->rows, s->pixels, s->cols, 4, part);
    size_t at = t.row0 * s->cols, n = t.rows * s->cols;
    if (!n) return;
    if (s->to != s->a) memcpy(s->to + at, s->a + at, n * sizeof(float));
    kd_kernels()->add(s->to + at, s->b + at, n, 1);
    s->call->finish(s->call->ctx, t);
}

static void residual_run(struct kd_layer *l, const struct kd_layer_call *call)
{
    struct residual *r = l->own;
    kd_chain_forward(r->body_chain, call->pool, call->pass);
    if (r->shortcut_chain) kd_chain_forward(r->shortcut_chain, call->pool, call->pass);
    struct adding s = {
        call,      l->y,   r->body_chain->out, r->shortcut_chain ? r->shortcut_chain->out : l->x,
        l->pixels, l->cols};
    kd_pool_run(call->pool, 4, add_part, &s);
}

static void residual_run_back(struct kd_layer *l, const struct kd_layer_call *call)
{
    struct residual *r = l->own;
    size_t bytes = call->pass->rows * kd_shape_size(l->out) * sizeof(float);
    struct kd_chain *chains[] = {r->body_chain, r->shortcut_chain};
    for (int i = 0; i < 2; i++) {
        if (!chains[i] || !chains[i]->dout)
            continue; /* elementwise layers alone, on the images: nobody wants gradients */
        memcpy(chains[i]->dout, l->dy, bytes);
        kd_chain_backward(chains[i], call->pool, call->pass, call->sink);
    }
    if (!l->dx) return;
    struct adding s = {call,
                       l->dx,
                       l->dx,
                       r->shortcut_chain ? (const float *)l->save : l->dy,
                       kd_shape_pixels(l->in),
                       l->in.c};
    kd_pool_run(call->pool, 4, add_part, &s);
}

static struct kd_chain *residual_chain(const struct kd_layer *l, unsigned i)
{
    const struct residual *r = l->own;
    return i == 0 ? r->body_chain : i == 1 ? r->shortcut_chain : NULL;
}

static const struct kd_anchor residual_anchor = {
    .cut = KD_BY_ITSELF,
    .run = residual_run,
    .run_back = residual_run_back,
};
static const struct kd_holder residual_holder = {
    .chain = residual_chain,
    .plan = residual_plan,
};
const struct kd_layer_kind kd_layer_residual = {
    .name = "residual",
    .rows = rows,
    .own_bytes = sizeof(struct residual),
    .shape = residual_shape,
    .release = residual_release,
    .save_bytes = residual_save_bytes,
    .scratch_bytes = residual_scratch_bytes,
    .anchor = &residual_anchor,
    .holder = &residual_holder,
};
