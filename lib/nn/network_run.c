/* Forward and backward over the stages. Each region below is one job for the pool; a job's parts do not depend on each
 * other, and the next job starts when all are done. */
#include "kd/nn/network.h"

struct region {
    struct kd_network *net;
    const struct kd_pass *pass;
    const struct kd_gradient_sink *sink;
    struct kd_stage *stage;          /* forward; backward: the one whose input gradient is made (or NULL) */
    struct kd_stage *below;          /* backward: the stage that gives `stage` its input */
    struct kd_stage *learning;       /* backward: the one whose parameters' gradients are made (or NULL) */
    unsigned input_parts;
};

static void forward_part(void *arg, unsigned part)
{
    struct region *r = arg;
    struct kd_stage *s = r->stage;
    struct kd_tile t = kd_tile_of(r->pass->rows, s->features, s->parts, part);
    if (!t.cols) return;
    if (s->anchor) s->anchor->kind->forward(s->anchor, r->pass, t);
    for (unsigned i = 0; i < s->n_after; i++) s->after[i]->kind->forward(s->after[i], r->pass, t);
}

void kd_network_forward(struct kd_network *net, struct kd_pool *pool, const struct kd_pass *pass)
{
    for (unsigned i = 0; i < net->n_stages; i++) {
        struct region r = {.net = net, .pass = pass, .stage = &net->stages[i]};
        if (r.stage->anchor || r.stage->n_after)
            kd_pool_run(pool, r.stage->parts, forward_part, &r);
    }
}

static void undo_after(const struct region *r, struct kd_stage *s, struct kd_tile t)
{
    for (unsigned i = s->n_after; i-- > 0;)
        s->after[i]->kind->backward(s->after[i], r->pass, t);
}

static void undo_part(void *arg, unsigned part)
{
    struct region *r = arg;
    struct kd_tile t = kd_tile_of(r->pass->rows, r->stage->features, r->stage->parts, part);
    if (t.cols) undo_after(r, r->stage, t);
}

/* Tile `part` of the input's gradient, and the elementwise layers that made that input, undone on it. */
static void input_part(const struct region *r, unsigned part)
{
    struct kd_tile t = kd_tile_of(r->pass->rows, r->below->features, r->input_parts, part);
    if (!t.cols) return;
    r->stage->anchor->kind->backward(r->stage->anchor, r->pass, t);
    if (r->below->dout) undo_after(r, r->below, t);
}

static void learning_part(const struct region *r, unsigned part)
{
    struct kd_layer *l = r->learning->anchor;
    struct kd_tile t = kd_tile_of(0, r->learning->features, l->parts, part);
    if (!t.cols) return;
    if (l->kind->gradient) l->kind->gradient(l, r->pass, part);
    if (!r->sink) return;
    for (unsigned i = 0; i < l->n_params; i++) {
        struct kd_param *p = &l->param[i];
        size_t row = p->count / p->shape[0];
        if (p->trained) r->sink->ready(r->sink->ctx, p, t.col0 * row, t.cols * row);
    }
}

static void backward_part(void *arg, unsigned part)
{
    struct region *r = arg;
    if (part < r->input_parts)
        input_part(r, part);
    else
        learning_part(r, part - r->input_parts);
}

/* The input gradient of stage i-1 needs that of stage i whole, and the weights of stage i may change only after its
 * own input gradient: so each job joins the input gradient of one stage with the learning of the stage above it. */
void kd_network_backward(struct kd_network *net, struct kd_pool *pool, const struct kd_pass *pass,
                         const struct kd_gradient_sink *sink)
{
    struct region r = {.net = net, .pass = pass, .sink = sink};
    r.stage = &net->stages[net->n_stages - 1];
    if (r.stage->n_after && r.stage->dout) kd_pool_run(pool, r.stage->parts, undo_part, &r);
    for (unsigned i = net->n_stages; i-- > 0;) {
        r.stage = i ? &net->stages[i] : NULL;
        r.below = i ? &net->stages[i - 1] : NULL;
        r.learning = i + 1 < net->n_stages ? &net->stages[i + 1] : NULL;
        r.input_parts = 0;
        bool needed = i && (r.below->dout || !r.stage->anchor->kind->gradient);
        if (needed)
            r.input_parts = kd_parts_for(r.below->features,
                                         100.0 * (double)r.below->features * (double)r.stage->features);
        unsigned learning_parts = r.learning ? r.learning->anchor->parts : 0;
        kd_pool_run(pool, r.input_parts + learning_parts, backward_part, &r);
    }
}
