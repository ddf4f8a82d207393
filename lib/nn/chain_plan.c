/* Where every array of a chain lies. Planned in two passes over the same code: the first adds sizes
 * up, the second takes pieces from the slab. */
#include "kd/nn/chain.h"
#include "layers.h"
#include "tapping.h"

struct planner {
    struct kd_slab *slab;
    bool taking;
};

static void *piece(struct planner *p, size_t bytes)
{
    if (p->taking) return kd_slab_take(p->slab, bytes);
    kd_slab_plan(p->slab, bytes);
    return NULL;
}

static size_t stage_bytes(const struct kd_chain *chain, const struct kd_stage *s)
{
    return chain->batch * s->pixels * s->cols * sizeof(float);
}

static size_t widest(const struct kd_chain *chain)
{
    size_t most = 0;
    for (unsigned i = 0; i < chain->n_stages; i++)
        if (stage_bytes(chain, &chain->stages[i]) > most)
            most = stage_bytes(chain, &chain->stages[i]);
    return most;
}

/* An elementwise layer may overwrite its input unless backward still needs what is there. `kept`:
 * by the layers that wrote there since the array was fresh. */
static bool may_overwrite(const struct kd_layer *l, enum kd_keeps kept)
{
    if (l->kind->elementwise->keeps == KD_KEEPS_INPUT) return false;
    return kept == KD_KEEPS_NOTHING || (kept == KD_KEEPS_SIGN && l->kind->elementwise->keeps_sign);
}

/* A layer that needs its input has it in another array. */
static enum kd_keeps stricter(enum kd_keeps kept, const struct kd_layer *l)
{
    enum kd_keeps own = l->kind->elementwise->keeps == KD_KEEPS_INPUT ? KD_KEEPS_NOTHING
                                                                      : l->kind->elementwise->keeps;
    return own == KD_KEEPS_NOTHING || kept == KD_KEEPS_OUTPUT ? kept : own;
}

/* The input of an inner chain is read again by what holds the chain. */
static void plan_after(struct kd_chain *chain, struct kd_stage *s, struct planner *p)
{
    bool borrowed = chain->inner && s == chain->stages;
    enum kd_keeps kept = KD_KEEPS_NOTHING;
    for (unsigned i = 0; i < s->n_after; i++) {
        struct kd_layer *l = s->after[i];
        bool fresh = (borrowed && i == 0) || (chain->training && !may_overwrite(l, kept));
        l->x = s->out;
        if (fresh) s->out = piece(p, stage_bytes(chain, s));
        l->y = s->out;
        kept = stricter(fresh ? KD_KEEPS_NOTHING : kept, l);
    }
}

/* Outputs that are cheap to make again share one array. Of two such stages in a row the second
 * keeps its output, for it would be made from the first one's. */
static size_t find_repeated(struct kd_chain *chain)
{
    size_t most = 0;
    for (unsigned i = 0; i < chain->n_stages; i++) {
        struct kd_stage *s = &chain->stages[i];
        s->repeated = chain->training && s->anchor && s->anchor->kind->anchor->repeat &&
                      i + 1 < chain->n_stages && !chain->stages[i - 1].repeated;
        for (unsigned j = 0; j < s->n_after; j++)
            if (!s->after[j]->kind->elementwise->monotone) s->repeated = false;
        if (s->repeated && stage_bytes(chain, s) > most) most = stage_bytes(chain, s);
    }
    return most;
}

/* Without training, two arrays serve in turn. */
static void plan_values(struct kd_chain *chain, struct planner *p)
{
    float *turn[2] = {NULL, NULL}, *repeated = piece(p, find_repeated(chain));
    if (!chain->training)
        for (int i = 0; i < 2; i++) turn[i] = piece(p, widest(chain));
    for (unsigned i = 0; i < chain->n_stages; i++) {
        struct kd_stage *s = &chain->stages[i];
        if (i == 0 && chain->inner)
            s->out = chain->in;
        else
            s->out = s->repeated       ? repeated
                     : chain->training ? piece(p, stage_bytes(chain, s))
                                       : turn[i % 2];
        if (i == 0) chain->in = s->out;
        if (s->anchor) {
            s->anchor->x = chain->stages[i - 1].out;
            s->anchor->y = s->out;
        }
        plan_after(chain, s, p);
    }
    chain->out = chain->stages[chain->n_stages - 1].out;
}

/* Stage i reads the gradient of its output while it makes that of its input; where its parameters
 * learn one call of the pool later, also while the stage below makes its own. So a gradient must
 * not lie where that of the stage above lies, nor, if that one learns late, where that of the stage
 * below is to go: three places serve, and the third is rarely a large one. */
enum { PLACES = 3 };

static void place_gradients(struct kd_chain *chain, size_t bytes[PLACES])
{
    for (int i = 0; i < PLACES; i++) bytes[i] = 0;
    unsigned above = PLACES, late = PLACES; /* places in use */
    for (unsigned i = chain->n_stages; i-- > 1;) {
        struct kd_stage *s = &chain->stages[i];
        s->place = 0;
        while (s->place == above || s->place == late) s->place++;
        if (stage_bytes(chain, s) > bytes[s->place]) bytes[s->place] = stage_bytes(chain, s);
        late =
            above < PLACES && chain->stages[i + 1].anchor->kind->anchor->gradient ? above : PLACES;
        above = s->place;
    }
}

/* The gradient of the images themselves is never made. */
static void plan_gradients(struct kd_chain *chain, struct planner *p)
{
    float *places[PLACES];
    size_t bytes[PLACES];
    place_gradients(chain, bytes);
    for (int i = 0; i < PLACES; i++) places[i] = piece(p, bytes[i]);
    for (unsigned i = 0; i < chain->n_stages; i++) {
        struct kd_stage *s = &chain->stages[i];
        s->dout = i ? places[s->place] : chain->inner ? chain->din : NULL;
        if (s->anchor) {
            s->anchor->dy = s->dout;
            s->anchor->dx = s->anchor == chain->converter ? NULL : chain->stages[i - 1].dout;
        }
        for (unsigned j = 0; j < s->n_after; j++) s->after[j]->dx = s->after[j]->dy = s->dout;
    }
    /* What comes before a converter is the images. */
    if (chain->converter) {
        chain->stages[1].dout = NULL;
        /* What follows a converter has an anchor. */
        /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
        if (chain->n_stages > 2) chain->stages[2].anchor->dx = NULL;
    }
    chain->dout = chain->stages[chain->n_stages - 1].dout;
}

static void forget_gradients(struct kd_chain *chain)
{
    chain->dout = NULL;
    for (unsigned i = 0; i < chain->n_layers; i++) chain->layers[i].dx = chain->layers[i].dy = NULL;
}

static void plan_taps(struct kd_chain *chain, struct planner *p)
{
    for (struct kd_tapping *t = chain->tapping; t; t = t->next) {
        struct kd_tap *tap = &t->tap;
        if (!tap->name) continue;
        size_t bytes = chain->batch * t->layer.pixels * t->layer.cols * sizeof(float);
        tap->pixels = t->layer.pixels;
        tap->cols = t->layer.cols;
        tap->value = piece(p, bytes);
        tap->grad = chain->training && tap->wants_gradient ? piece(p, bytes) : NULL;
    }
}

static void plan_memory(struct kd_chain *chain, struct planner *p)
{
    if (!chain->training) forget_gradients(chain);
    if (!chain->inner)
        chain->scratch = piece(p, kd_chain_scratch_bytes(chain, chain->batch, chain->training));
    for (unsigned i = 0; i < chain->n_layers; i++) chain->layers[i].scratch = chain->scratch;
    plan_values(chain, p);
    for (unsigned i = 0; i < chain->n_layers; i++) {
        struct kd_layer *l = &chain->layers[i];
        if (l->kind->save_bytes && !l->absorbed && (chain->training || !l->kind->elementwise))
            l->save = piece(p, l->kind->save_bytes(l, chain->batch, chain->training));
    }
    plan_taps(chain, p);
    if (chain->training) plan_gradients(chain, p);
}

/* ---- stages ---- */

static void shape_stage(struct kd_stage *s)
{
    struct kd_layer *anchor = s->anchor;
    struct kd_shape out =
        anchor->kind->anchor->output ? anchor->kind->anchor->output(anchor) : anchor->out;
    s->pixels = anchor->pixels = out.flat ? 1 : kd_shape_pixels(out);
    s->cols = anchor->cols = out.c;
    for (unsigned i = 0; i < s->n_after; i++) s->after[i]->pixels = s->pixels;
}

/* Does the stage's anchor do the layer's work along with its own? */
static bool absorbed(struct kd_stage *s, struct kd_layer *l, bool training)
{
    const struct kd_anchor *a = s->anchor ? s->anchor->kind->anchor : NULL;
    if (!a || !a->absorb || !a->absorb(s, l, training)) return false;
    l->absorbed = true;
    shape_stage(s);
    return true;
}

/* Too few columns to share out, but work enough for two: images are. */
static bool narrow(const struct kd_layer *anchor)
{
    double work = anchor->kind->macs ? 100.0 * (double)anchor->kind->macs(anchor) : 0;
    return anchor->kind->anchor->rows_apart && anchor->parts == 1 && work >= 1e6;
}

static void add_stage(struct kd_chain *chain, struct kd_layer *anchor, struct kd_layer **after)
{
    chain->stages[chain->n_stages] = (struct kd_stage){
        .anchor = anchor,
        .after = after,
        .parts = narrow(anchor) ? 2 : anchor->parts,
        .by_images = narrow(anchor) || anchor->kind->anchor->cut != KD_BY_COLUMNS};
    shape_stage(&chain->stages[chain->n_stages++]);
}

/* Images come in C,H,W order; the layers inside want channels last. */
static int convert(struct kd_chain *chain, struct kd_layer **after, struct kd_err *err)
{
    chain->converter = kd_alloc(1, sizeof *chain->converter, "a converter", err);
    if (!chain->converter) return -1;
    *chain->converter = (struct kd_layer){
        .kind = &kd_layer_channels_last, .in = chain->input, .out = chain->input, .parts = 4};
    add_stage(chain, chain->converter, after);
    return 0;
}

/* Stages are made anew where taps have come or gone, and where a chain planned for training is to
 * infer, or the other way round. */
void kd_chain_forget(struct kd_chain *chain)
{
    kd_free(chain->stages);
    kd_free(chain->stage_layers);
    kd_free(chain->converter);
    chain->stages = NULL;
    chain->stage_layers = NULL;
    chain->converter = NULL;
    chain->n_stages = 0;
    for (unsigned i = 0; i < chain->n_layers; i++) {
        struct kd_layer *l = &chain->layers[i];
        l->absorbed = false;
        if (l->kind->anchor && l->kind->anchor->forget) l->kind->anchor->forget(l);
    }
}

static unsigned count_taps(const struct kd_chain *chain)
{
    unsigned n = 0;
    for (const struct kd_tapping *t = chain->tapping; t; t = t->next) n++;
    return n;
}

static void add_after(struct kd_stage *s, struct kd_layer *l, struct kd_layer ***next)
{
    l->pixels = s->pixels;
    l->cols = s->cols;
    *(*next)++ = l;
    s->n_after++;
}

/* The tap behind layer i, where there is one. */
static void add_tap(struct kd_chain *chain, unsigned i, struct kd_layer ***next)
{
    for (struct kd_tapping *t = chain->tapping; t; t = t->next)
        if (t->behind == i) add_after(&chain->stages[chain->n_stages - 1], &t->layer, next);
}

static int plan_stages(struct kd_chain *chain, struct kd_err *err)
{
    const size_t most_after = chain->n_layers + count_taps(chain);
    chain->stages = kd_alloc(chain->n_layers + 2, sizeof *chain->stages, "stages", err);
    chain->stage_layers = kd_alloc(most_after, sizeof *chain->stage_layers, "stages", err);
    if (!chain->stages || !chain->stage_layers) return -1;
    struct kd_shape in = chain->input;
    bool images = !chain->inner && !in.flat; /* in C,H,W order, seen as flat */
    bool several = in.c > 1 && kd_shape_pixels(in) > 1;
    struct kd_stage *first = &chain->stages[chain->n_stages++];
    *first = (struct kd_stage){.after = chain->stage_layers,
                               .pixels = images ? 1 : kd_shape_pixels(in),
                               .cols = images ? kd_shape_size(in) : in.c,
                               .parts = 4};
    first->by_images = first->pixels > 1;
    if (first->pixels == 1) first->parts = kd_parts_for(first->cols, 1e4 * (double)first->cols);
    struct kd_layer **next = chain->stage_layers;
    for (unsigned i = 0; i < chain->n_layers; i++) {
        struct kd_layer *l = &chain->layers[i];
        struct kd_stage *last = &chain->stages[chain->n_stages - 1];
        bool still_images = images && last == first;
        if (l->kind->elementwise) {
            add_after(last, l, &next);
        } else if (l->kind->anchor->is_view && l->kind->anchor->is_view(l, still_images)) {
            images = false; /* the same numbers, seen as flat */
        } else if (!absorbed(last, l, chain->training)) {
            if (still_images && several && convert(chain, next, err) < 0) return -1;
            add_stage(chain, l, next);
        }
        add_tap(chain, i, &next);
    }
    return 0;
}

size_t kd_chain_scratch_bytes(const struct kd_chain *chain, size_t batch, bool training)
{
    size_t most = 0;
    for (unsigned i = 0; i < chain->n_layers; i++) {
        const struct kd_layer *l = &chain->layers[i];
        size_t bytes =
            l->kind->scratch_bytes && !l->absorbed ? l->kind->scratch_bytes(l, batch, training) : 0;
        if (bytes > most) most = bytes;
    }
    return most;
}

int kd_chain_plan(struct kd_chain *chain, size_t batch, bool training, struct kd_err *err)
{
    if (chain->training != training) kd_chain_forget(chain);
    chain->batch = batch;
    chain->training = training;
    kd_slab_release(&chain->memory);
    if (!chain->stages && plan_stages(chain, err) < 0) {
        kd_chain_forget(chain);
        return -1;
    }
    struct planner count = {&chain->memory, false}, take = {&chain->memory, true};
    plan_memory(chain, &count);
    if (kd_slab_open(&chain->memory, "activations and gradients; try a smaller --batch", err) < 0)
        return -1;
    plan_memory(chain, &take);
    for (unsigned i = 0; i < chain->n_layers; i++) {
        struct kd_layer *l = &chain->layers[i];
        if (l->kind->holder && l->kind->holder->plan(l, batch, training, err) < 0) return -1;
    }
    return 0;
}

size_t kd_chain_bytes(const struct kd_chain *chain)
{
    size_t bytes = chain->memory.planned;
    const struct kd_chain *held;
    for (unsigned i = 0; i < chain->n_layers; i++)
        for (unsigned k = 0; (held = kd_layer_chain(&chain->layers[i], k)); k++)
            bytes += kd_chain_bytes(held);
    return bytes;
}
