/* Where every array of a network lies. Planned in two passes over the same code: the first adds sizes up, the second
 * takes pieces from the slab. */
#include "kd/nn/network.h"

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

/* An elementwise layer may overwrite its input unless backward still needs what is there. */
static bool may_overwrite(const struct kd_layer *l, const struct kd_layer *before)
{
    if (l->kind->keeps == KD_KEEPS_INPUT) return false;
    if (!before || before->kind->keeps == KD_KEEPS_NOTHING || before->kind->keeps == KD_KEEPS_INPUT)
        return true;
    return before->kind->keeps == KD_KEEPS_SIGN && l->kind->keeps_sign;
}

static void plan_after(struct kd_network *net, struct kd_stage *s, struct planner *p)
{
    for (unsigned i = 0; i < s->n_after; i++) {
        struct kd_layer *l = s->after[i];
        size_t bytes = net->batch * kd_shape_size(l->out) * sizeof(float);
        l->x = s->out;
        if (net->training && !may_overwrite(l, i ? s->after[i - 1] : NULL)) s->out = piece(p, bytes);
        l->y = s->out;
    }
}

/* Without training, two arrays serve in turn. */
static void plan_values(struct kd_network *net, struct planner *p)
{
    size_t widest = 0, row = net->batch * sizeof(float);
    for (unsigned i = 0; i < net->n_stages; i++)
        if (net->stages[i].features > widest) widest = net->stages[i].features;
    float *turn[2] = {NULL, NULL};
    if (!net->training)
        for (int i = 0; i < 2; i++) turn[i] = piece(p, row * widest);
    for (unsigned i = 0; i < net->n_stages; i++) {
        struct kd_stage *s = &net->stages[i];
        s->out = net->training ? piece(p, row * s->features) : turn[i % 2];
        if (i == 0) net->in = s->out;
        if (s->anchor) {
            s->anchor->x = net->stages[i - 1].out;
            s->anchor->y = s->out;
        }
        plan_after(net, s, p);
    }
    net->out = net->stages[net->n_stages - 1].out;
}

/* While stage s-1 makes the gradient of its input, stage s still reads that of its output: three arrays in turn. The
 * images' own gradient is never made. */
static void plan_gradients(struct kd_network *net, struct planner *p)
{
    size_t widest = 0;
    for (unsigned i = 1; i < net->n_stages; i++)
        if (net->stages[i].features > widest) widest = net->stages[i].features;
    float *turn[3];
    for (int i = 0; i < 3; i++) turn[i] = piece(p, net->batch * widest * sizeof(float));
    for (unsigned i = 0; i < net->n_stages; i++) {
        struct kd_stage *s = &net->stages[i];
        s->dout = i ? turn[i % 3] : NULL;
        if (s->anchor) {
            s->anchor->dy = s->dout;
            s->anchor->dx = net->stages[i - 1].dout;
        }
        for (unsigned j = 0; j < s->n_after; j++) s->after[j]->dx = s->after[j]->dy = s->dout;
    }
    net->dout = net->stages[net->n_stages - 1].dout;
    for (unsigned i = 0; i < net->n_params; i++)
        if (net->params[i]->trained)
            net->params[i]->grad = piece(p, net->params[i]->count * sizeof(float));
}

static void plan_memory(struct kd_network *net, struct planner *p)
{
    plan_values(net, p);
    for (unsigned i = 0; i < net->n_layers; i++) {
        struct kd_layer *l = &net->layers[i];
        if (l->kind->save_bytes && (net->training || !l->kind->elementwise))
            l->save = piece(p, l->kind->save_bytes(l, net->batch));
    }
    if (net->training) plan_gradients(net, p);
}

/* flatten has no work and belongs to no stage. */
static int plan_stages(struct kd_network *net, struct kd_err *err)
{
    net->stages = kd_alloc(net->n_layers + 1, sizeof *net->stages, "stages", err);
    net->stage_layers = kd_alloc(net->n_layers, sizeof *net->stage_layers, "stages", err);
    if (!net->stages || !net->stage_layers) return -1;
    size_t in = kd_shape_size(net->input);
    net->stages[0] = (struct kd_stage){.after = net->stage_layers, .features = in,
                                       .parts = kd_parts_for(in, 1e4 * (double)in)};
    net->n_stages = 1;
    struct kd_layer **next = net->stage_layers;
    for (unsigned i = 0; i < net->n_layers; i++) {
        struct kd_layer *l = &net->layers[i];
        struct kd_stage *last = &net->stages[net->n_stages - 1];
        if (!l->kind->forward) continue;
        if (l->kind->elementwise) {
            *next++ = l;
            last->n_after++;
        } else
            net->stages[net->n_stages++] = (struct kd_stage){
                .anchor = l, .after = next, .parts = l->parts, .features = kd_shape_size(l->out)};
    }
    return 0;
}

int kd_network_plan(struct kd_network *net, size_t batch, bool training, struct kd_err *err)
{
    if (!net->stages && plan_stages(net, err) < 0) return -1;
    kd_slab_release(&net->memory);
    net->batch = batch;
    net->training = training;
    struct planner count = {&net->memory, false}, take = {&net->memory, true};
    plan_memory(net, &count);
    if (kd_slab_open(&net->memory, "activations and gradients; try a smaller --batch", err) < 0)
        return -1;
    plan_memory(net, &take);
    return 0;
}

size_t kd_network_plan_bytes(const struct kd_network *net)
{
    return net->values.planned + net->memory.planned;
}
