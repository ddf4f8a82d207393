#include "kd/nn/tap.h"
#include "kd/nn/kernels.h"
#include "layers.h"
#include "tapping.h"

#include <string.h>

/* ---- the layer ---- */

static void tap_forward(struct kd_layer *l, const struct kd_pass *p, struct kd_tile t)
{
    (void)p;
    const struct kd_tap *tap = l->own;
    for (size_t r = t.row0; r < t.row0 + t.rows; r++) {
        size_t at = r * l->cols + t.col0;
        memcpy(tap->value + at, l->x + at, t.cols * sizeof(float));
        if (l->y != l->x) memcpy(l->y + at, l->x + at, t.cols * sizeof(float));
    }
}

static void tap_backward(struct kd_layer *l, const struct kd_pass *p, struct kd_tile t)
{
    (void)p;
    const struct kd_tap *tap = l->own;
    for (size_t r = t.row0; tap->grad && r < t.row0 + t.rows; r++) {
        size_t at = r * l->cols + t.col0;
        kd_kernels()->add(l->dy + at, tap->grad + at, t.cols, 1);
    }
}

/* Nothing behind it may overwrite what it saw: a relu below looks for its sign there, and where
 * dropout behind it leaves 0 the tap's own gradient comes back all the same. Not monotone, so that
 * what an anchor below does along with its own work does not pass by it. */
static const struct kd_elementwise tap_elementwise = {
    .keeps = KD_KEEPS_OUTPUT,
    .keeps_sign = true,
    .forward = tap_forward,
    .backward = tap_backward,
};
static const struct kd_layer_kind tap_kind = {.name = "tap", .elementwise = &tap_elementwise};

/* ---- asking for one ---- */

struct place {
    struct kd_chain *chain;
    unsigned layer;
};

static bool find(struct kd_chain *chain, const char *name, struct place *out)
{
    struct kd_chain *held;
    for (unsigned i = 0; i < chain->n_layers; i++) {
        if (strcmp(chain->layers[i].name, name) == 0) {
            *out = (struct place){chain, i};
            return true;
        }
        for (unsigned k = 0; (held = kd_layer_chain(&chain->layers[i], k)); k++)
            if (find(held, name, out)) return true;
    }
    return false;
}

static int fail_unknown(const struct kd_network *net, const char *name, struct kd_err *err)
{
    struct kd_bytes all = {0};
    int status = kd_network_tap_list(net, &all, err);
    for (size_t i = 0; status == 0 && i + 1 < all.size; i++)
        if (all.data[i] == '\n') all.data[i] = ',';
    if (status == 0)
        kd_fail_usage(err, "there is no layer %.60s to tap; there are %.*s", name,
                      (int)(all.size ? all.size - 1 : 0), all.data ? all.data : "");
    kd_bytes_release(&all);
    return -1;
}

struct kd_tapping *kd_chain_hang(struct kd_chain *chain, unsigned behind,
                                 const struct kd_layer_kind *kind, void *own, struct kd_err *err)
{
    struct kd_tapping *t = kd_alloc(1, sizeof *t, "a tap", err);
    if (!t) return NULL;
    const struct kd_layer *l = &chain->layers[behind];
    t->behind = behind;
    t->layer = (struct kd_layer){.kind = kind, .in = l->out, .out = l->out, .own = own};
    t->next = chain->tapping;
    chain->tapping = t;
    kd_chain_forget(chain);
    return t;
}

struct kd_tap *kd_network_tap(struct kd_network *net, const char *name, bool wants_gradient,
                              struct kd_err *err)
{
    struct place at;
    if (!find(&net->chain, name, &at)) {
        fail_unknown(net, name, err);
        return NULL;
    }
    struct kd_chain *chain = at.chain;
    struct kd_tapping *t = chain->tapping;
    while (t && (t->behind != at.layer || !t->tap.name)) t = t->next;
    if (!t) {
        t = kd_chain_hang(chain, at.layer, &tap_kind, NULL, err);
        if (!t) return NULL;
        const struct kd_layer *l = &chain->layers[at.layer];
        t->tap = (struct kd_tap){.name = l->name, .shape = l->out};
        t->layer.own = &t->tap;
    }
    t->tap.wants_gradient = t->tap.wants_gradient || wants_gradient;
    kd_chain_forget(chain);
    return &t->tap;
}

void kd_chain_untap(struct kd_chain *chain)
{
    struct kd_chain *held;
    for (struct kd_tapping *next; chain->tapping; chain->tapping = next) {
        next = chain->tapping->next;
        kd_free(chain->tapping);
    }
    for (unsigned i = 0; i < chain->n_layers; i++)
        for (unsigned k = 0; (held = kd_layer_chain(&chain->layers[i], k)); k++)
            kd_chain_untap(held);
    kd_chain_forget(chain);
}

void kd_network_untap(struct kd_network *net)
{
    kd_chain_untap(&net->chain);
}

/* ---- the list ---- */

struct listing {
    struct kd_bytes *out;
    struct kd_err *err;
};

static void list_layer(void *ctx, struct kd_layer *l)
{
    const struct listing *s = ctx;
    if (l->out.flat)
        kd_bytes_format(s->out, s->err, "%s (%s %u)\n", l->name, l->kind->name, l->out.c);
    else
        kd_bytes_format(s->out, s->err, "%s (%s %ux%ux%u)\n", l->name, l->kind->name, l->out.c,
                        l->out.h, l->out.w);
}

int kd_network_tap_list(const struct kd_network *net, struct kd_bytes *out, struct kd_err *err)
{
    struct listing s = {out, err};
    kd_chain_each(&net->chain, list_layer, &s);
    return out->failed ? -1 : 0;
}
