/* Forward and backward over the stages. Each region below is one run of the pool; its parts do
 * not depend on each other, and the next run starts when all are done. Layers that share out their
 * work themselves are called between. */
#include "kd/nn/chain.h"
#include "product.h"

struct region {
    const struct kd_pass *pass;
    const struct kd_gradient_sink *sink;
    struct kd_stage *stage;    /* forward; backward: the one whose input gradient is made */
    struct kd_stage *below;    /* backward: the stage that gives `stage` its input */
    struct kd_stage *learning; /* backward: the one whose parameters' gradients are made */
    unsigned input_parts, learning_parts;
};

static bool by_itself(const struct kd_stage *s)
{
    return s->anchor && s->anchor->kind->anchor->cut == KD_BY_ITSELF;
}

/* A layer that is usually cut by columns may have a shard of images done at a time: whole ones. */
static struct kd_tile tile_of_shards(const struct kd_stage *s, const struct kd_cuts *c,
                                     unsigned part)
{
    size_t from = c->from[(size_t)c->n * part / s->parts];
    size_t to = c->from[(size_t)c->n * (part + 1) / s->parts];
    return (struct kd_tile){from * s->pixels, (to - from) * s->pixels, 0, s->cols};
}

static struct kd_tile stage_tile(const struct kd_stage *s, const struct kd_pass *p, unsigned part)
{
    if (s->by_images && p->cuts && s->anchor && s->anchor->kind->anchor->cut == KD_BY_COLUMNS)
        return tile_of_shards(s, p->cuts, part);
    return s->by_images ? kd_tile_of_images(p->rows, s->pixels, s->cols, s->parts, part)
                        : kd_tile_of(p->rows * s->pixels, s->cols, s->parts, part);
}

/* ---- forward ---- */

static void do_after(const struct kd_stage *s, const struct kd_pass *pass, struct kd_tile t)
{
    for (unsigned i = 0; i < s->n_after; i++)
        s->after[i]->kind->elementwise->forward(s->after[i], pass, t);
}

static void forward_part(void *arg, unsigned part)
{
    const struct region *r = arg;
    struct kd_tile t = stage_tile(r->stage, r->pass, part);
    if (!t.rows || !t.cols) return;
    if (r->stage->anchor) r->stage->anchor->kind->anchor->forward(r->stage->anchor, r->pass, t);
    do_after(r->stage, r->pass, t);
}

static void finish_forward(void *ctx, struct kd_tile t)
{
    const struct region *r = ctx;
    do_after(r->stage, r->pass, t);
}

/* Fewer images than this are done before another thread has woken, unless the layer is so large
 * that its weights come from far away. The parts stay the same, and so do the bits. */
enum { WORTH_WAKING = 4, LARGE = 1 << 21 /* multiply-adds */ };

static bool is_large(const struct kd_layer *l, size_t images)
{
    return l && l->kind->macs && l->kind->macs(l) * images > LARGE;
}

void kd_chain_forward(struct kd_chain *chain, struct kd_pool *pool, const struct kd_pass *pass)
{
    bool brief = pass->rows < WORTH_WAKING && chain->n_stages && chain->stages[0].pixels == 1 &&
                 !chain->converter;
    for (unsigned i = 0; i < chain->n_stages; i++) {
        struct region r = {.pass = pass, .stage = &chain->stages[i]};
        struct kd_layer *l = r.stage->anchor;
        if (by_itself(r.stage)) {
            struct kd_layer_call call = {brief ? NULL : pool, pass, NULL, finish_forward, &r};
            l->kind->anchor->run(l, &call);
        } else if (l || r.stage->n_after)
            (brief && !is_large(l, pass->rows) ? kd_pool_run_brief : kd_pool_run)(
                pool, r.stage->parts, forward_part, &r);
    }
}

/* ---- backward ---- */

enum { REPEAT_PARTS = 8 };

static void repeat_part(void *arg, unsigned part)
{
    const struct region *r = arg;
    const struct kd_stage *s = r->below;
    struct kd_tile t = kd_tile_of_images(r->pass->rows, s->pixels, s->cols, REPEAT_PARTS, part);
    if (!t.rows) return;
    s->anchor->kind->anchor->repeat(s->anchor, r->pass, t);
    do_after(s, r->pass, t);
}

static void undo_after(const struct kd_stage *s, const struct kd_pass *pass, struct kd_tile t)
{
    for (unsigned i = s->n_after; i-- > 0;)
        s->after[i]->kind->elementwise->backward(s->after[i], pass, t);
}

static void undo_part(void *arg, unsigned part)
{
    const struct region *r = arg;
    struct kd_tile t = stage_tile(r->stage, r->pass, part);
    if (t.rows && t.cols) undo_after(r->stage, r->pass, t);
}

static void finish_backward(void *ctx, struct kd_tile t)
{
    const struct region *r = ctx;
    if (r->below->dout) undo_after(r->below, r->pass, t);
}

/* Tile `part` of the input's gradient, and the elementwise layers that made that input, undone on
 * it. */
static void input_part(const struct region *r, unsigned part)
{
    struct kd_layer *l = r->stage->anchor;
    size_t pixels = l->in.flat ? 1 : kd_shape_pixels(l->in), cols = l->in.c;
    struct kd_tile t = l->kind->anchor->cut == KD_BY_COLUMNS
                           ? kd_tile_of(r->pass->rows * pixels, cols, r->input_parts, part)
                           : kd_tile_of_images(r->pass->rows, pixels, cols, r->input_parts, part);
    if (!t.rows || !t.cols) return;
    l->kind->anchor->backward(l, r->pass, t);
    if (r->below->dout) undo_after(r->below, r->pass, t);
}

/* So few columns at a time that their gradient is still in the cache when the sink takes it. */
static void learn_columns(const struct region *r, struct kd_tile t)
{
    struct kd_layer *l = r->learning->anchor;
    if (l->kind->anchor->gradient) l->kind->anchor->gradient(l, r->pass, t);
    if (!r->sink) return;
    for (unsigned i = 0; i < l->n_params; i++) {
        struct kd_param *p = &l->param[i];
        size_t row = p->count / p->shape[0];
        if (p->trained) r->sink->ready(r->sink->ctx, p, t.col0 * row, t.cols * row);
    }
}

static void learning_part(const struct region *r, unsigned part)
{
    struct kd_layer *l = r->learning->anchor;
    struct kd_tile t = kd_tile_of(r->pass->rows, r->learning->cols, l->parts, part);
    for (size_t from = 0; from < t.cols; from += KD_OUTER_ROWS) {
        size_t cols = t.cols - from < KD_OUTER_ROWS ? t.cols - from : KD_OUTER_ROWS;
        learn_columns(r, (struct kd_tile){0, t.rows, t.col0 + from, cols});
    }
}

static void backward_part(void *arg, unsigned part)
{
    const struct region *r = arg;
    if (part < r->input_parts)
        input_part(r, part);
    else
        learning_part(r, part - r->input_parts);
}

static unsigned input_parts_of(const struct region *r)
{
    const struct kd_layer *l = r->stage->anchor;
    bool columns = l->kind->anchor->cut == KD_BY_COLUMNS,
         needed = l->dx || !l->kind->anchor->gradient;
    if (!needed || (!columns && !l->dx)) return 0;
    if (!columns) return l->parts;
    if (!l->kind->anchor->gradient)
        return l->parts; /* its parameters' gradients come along: the same cut */
    return kd_parts_for(l->in.c, 100.0 * (double)l->in.c * (double)r->stage->cols);
}

/* The input gradient of stage i-1 needs that of stage i whole, and the weights of stage i may
 * change only after its own input gradient: so each run joins the input gradient of one stage with
 * the learning of the stage above it. */
void kd_chain_backward(struct kd_chain *chain, struct kd_pool *pool, const struct kd_pass *pass,
                       const struct kd_gradient_sink *sink)
{
    struct region r = {.pass = pass, .sink = sink};
    r.stage = &chain->stages[chain->n_stages - 1];
    if (r.stage->n_after && r.stage->dout) kd_pool_run(pool, r.stage->parts, undo_part, &r);
    for (unsigned i = chain->n_stages; i-- > 0;) {
        struct kd_layer_call call = {pool, pass, sink, finish_backward, &r};
        r.stage = i ? &chain->stages[i] : NULL;
        r.below = i ? &chain->stages[i - 1] : NULL;
        r.learning = i + 1 < chain->n_stages ? &chain->stages[i + 1] : NULL;
        r.input_parts = r.stage && !by_itself(r.stage) ? input_parts_of(&r) : 0;
        r.learning_parts = r.learning && r.learning->anchor->kind->anchor->cut == KD_BY_COLUMNS
                               ? r.learning->anchor->parts
                               : 0;
        if (r.below && r.below->repeated) kd_pool_run(pool, REPEAT_PARTS, repeat_part, &r);
        if (r.input_parts + r.learning_parts)
            kd_pool_run(pool, r.input_parts + r.learning_parts, backward_part, &r);
        if (!r.stage || !by_itself(r.stage)) continue;
        struct kd_layer *l = r.stage->anchor;
        if (l->kind->anchor->run_back) l->kind->anchor->run_back(l, &call);
        if (l->kind->anchor->run_gradient) l->kind->anchor->run_gradient(l, &call);
    }
}
