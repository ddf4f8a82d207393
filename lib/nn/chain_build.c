/* From JSON to layers with shapes and parameters, and back. */
#include "kd/nn/chain.h"
#include "layers.h"
#include "tapping.h"

#include <stdio.h>
#include <string.h>

enum { MOST_LAYERS = 1000, MOST_IN_ALL = 10000, PLACE = 100 };

cJSON *kd_chain_to_json(const struct kd_chain *chain, struct kd_err *err)
{
    cJSON *list = cJSON_CreateArray();
    for (unsigned i = 0; list && i < chain->n_layers; i++) {
        cJSON *item = kd_layer_to_json(&chain->layers[i], err);
        if (!item || !cJSON_AddItemToArray(list, item)) {
            cJSON_Delete(item);
            cJSON_Delete(list);
            return NULL;
        }
    }
    if (!list) kd_fail_memory(err, "not enough memory for a layer list");
    return list;
}

/* How messages call the chain: "4.body", or "network" for the outermost. */
static void place(const char *prefix, char where[PLACE])
{
    size_t n = strlen(prefix);
    snprintf(where, PLACE, "%.*s", n ? (int)n - 1 : 7, n ? prefix : "network");
}

int kd_chain_build(struct kd_chain *chain, const cJSON *layers, struct kd_shape input,
                   const char *prefix, struct kd_build *build, struct kd_err *err)
{
    char where[PLACE];
    place(prefix, where);
    int n = cJSON_IsArray(layers) ? cJSON_GetArraySize(layers) : 0;
    if (n < 1 || n > MOST_LAYERS)
        return kd_fail_usage(err, "%s: expected a list of 1 to %d layers", where, MOST_LAYERS);
    if (build->next_number + (unsigned)n > MOST_IN_ALL)
        return kd_fail_usage(err, "%s: more than %d layers in all, those in blocks counted", where,
                             MOST_IN_ALL);
    chain->input = chain->output = input;
    chain->layers = kd_alloc((size_t)n, sizeof *chain->layers, "layers", err);
    if (!chain->layers) return -1;
    const cJSON *item;
    cJSON_ArrayForEach(item, layers)
    {
        unsigned i = chain->n_layers++;
        struct kd_layer *l = &chain->layers[i];
        l->number = build->next_number++;
        l->in = chain->output;
        if (snprintf(l->name, sizeof l->name, "%s%u", prefix, i) >= (int)sizeof l->name)
            return kd_fail_usage(err, "%s[%u]: residual blocks are nested too deep", where, i);
        if (kd_layer_read(l, item, err) < 0) return kd_err_context(err, "%s[%u]", where, i);
        if (l->kind->shape(l, build, err) < 0 || kd_layer_freeze(l, err) < 0)
            return kd_err_context(err, "%s[%u] (%s)", where, i, l->kind->name);
        chain->output = l->out;
    }
    return 0;
}

void kd_chain_each(const struct kd_chain *chain, void (*visit)(void *ctx, struct kd_layer *l),
                   void *ctx)
{
    for (unsigned i = 0; i < chain->n_layers; i++) {
        struct kd_layer *l = &chain->layers[i];
        visit(ctx, l);
        const struct kd_chain *held;
        for (unsigned k = 0; (held = kd_layer_chain(l, k)); k++) kd_chain_each(held, visit, ctx);
    }
}

void kd_chain_release(struct kd_chain *chain)
{
    for (unsigned i = 0; i < chain->n_layers; i++) kd_layer_release(&chain->layers[i]);
    kd_slab_release(&chain->memory);
    for (struct kd_tapping *next; chain->tapping; chain->tapping = next) {
        next = chain->tapping->next;
        kd_free(chain->tapping);
    }
    kd_free(chain->stages);
    kd_free(chain->stage_layers);
    kd_free(chain->converter);
    kd_free(chain->layers);
    *chain = (struct kd_chain){0};
}
