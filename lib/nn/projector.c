/* A network of one dense layer, planned as the inside of something that hands it its input and the
 * place of its input's gradient. */
#include "kd/nn/projector.h"

#include <stdio.h>

/* Behind the parameters of any network, so that none is drawn twice. */
enum { FIRST_PARAM = 1 << 20 };

int kd_projector_open(struct kd_projector *p, size_t from, size_t to, const char *prefix,
                      struct kd_err *err)
{
    enum { PARAMS = 2 };
    static const char *const names[PARAMS] = {"weight", "bias"};
    *p = (struct kd_projector){0};
    struct kd_maker list = kd_make_list(err), dense = kd_make_object(err);
    kd_put_text(&dense, "kind", "dense");
    kd_put_json(&list, NULL, kd_make_end(&dense));
    cJSON *layers = kd_make_end(&list);
    if (!layers) return -1;
    const struct kd_shape input = {(uint32_t)from, 1, 1, true};
    p->net = kd_network_build(layers, input, (uint32_t)to, err);
    cJSON_Delete(layers);
    if (!p->net) return -1;
    p->net->chain.inner = true;
    for (unsigned i = 0; i < PARAMS; i++)
        snprintf(p->net->params[i]->name, sizeof p->net->params[i]->name, "%.60s.%s", prefix,
                 names[i]);
    return 0;
}

void kd_projector_release(struct kd_projector *p)
{
    kd_network_free(p->net);
    kd_slab_release(&p->memory);
    *p = (struct kd_projector){0};
}

void kd_projector_init(struct kd_projector *p, uint64_t seed, uint32_t number)
{
    struct kd_layer *l = &p->net->chain.layers[0];
    l->kind->init(l, seed, FIRST_PARAM + number * l->n_params);
}

int kd_projector_plan(struct kd_projector *p, size_t rows, struct kd_err *err)
{
    struct kd_chain *chain = &p->net->chain;
    const size_t bytes = rows * p->net->input.c * sizeof(float);
    const size_t scratch = kd_chain_scratch_bytes(chain, rows, true);
    kd_slab_release(&p->memory);
    kd_slab_plan(&p->memory, bytes);
    kd_slab_plan(&p->memory, bytes);
    kd_slab_plan(&p->memory, scratch);
    if (kd_slab_open(&p->memory, "a projector", err) < 0) return -1;
    p->in = chain->in = kd_slab_take(&p->memory, bytes);
    p->din = chain->din = kd_slab_take(&p->memory, bytes);
    chain->scratch = kd_slab_take(&p->memory, scratch);
    if (kd_network_plan(p->net, rows, true, err) < 0) return -1;
    p->out = p->net->out;
    p->dout = p->net->dout;
    return 0;
}

size_t kd_projector_bytes(const struct kd_projector *p)
{
    return p->net ? p->memory.planned + kd_network_plan_bytes(p->net) : 0;
}

void kd_projector_forward(struct kd_projector *p, struct kd_pool *pool, const struct kd_pass *pass)
{
    kd_network_forward(p->net, pool, pass);
}

void kd_projector_backward(struct kd_projector *p, struct kd_pool *pool, const struct kd_pass *pass,
                           const struct kd_gradient_sink *sink)
{
    kd_network_backward(p->net, pool, pass, sink);
}
