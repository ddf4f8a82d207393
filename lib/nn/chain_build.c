/* From JSON to layers with shapes and parameters, and back. */
#include "kd/nn/chain.h"
#include "layers.h"

#include <stdio.h>
#include <string.h>

enum { MOST_LAYERS = 1000 };

/* Options of a layer are read through its kind's rows, whose offsets are into struct kd_layer. */
static int read_layer(struct kd_layer *l, const cJSON *item, struct kd_err *err)
{
    const cJSON *kind =
        cJSON_IsObject(item) ? cJSON_GetObjectItemCaseSensitive(item, "kind") : item;
    if (!cJSON_IsString(kind))
        return kd_fail_usage(err, "expected a name like \"relu\" or an object with a \"kind\"");
    l->kind = kd_layer_kind_find(kind->valuestring, err);
    if (!l->kind) return -1;
    const struct kd_opt_section section[] = {{"", l->kind->name, l->kind->rows, l, NULL}, {0}};
    if (kd_opts_preset(section, err) < 0) return -1;
    if (!cJSON_IsObject(item)) return 0;
    static const char *const besides[] = {"kind", NULL};
    return kd_opts_from_json(section, item, "", besides, err);
}

int kd_layer_freeze(struct kd_layer *l, struct kd_err *err)
{
    for (size_t i = 0; i < l->freeze.n; i++) {
        struct kd_param *found = NULL;
        for (unsigned j = 0; j < l->n_params; j++)
            if (strcmp(strrchr(l->param[j].name, '.') + 1, l->freeze.v[i]) == 0)
                found = &l->param[j];
        if (!found || found->role == KD_STATISTIC)
            return kd_fail_usage(
                err, "\"freeze\": it has no \"%s\" to train; expected weight or bias%s",
                l->freeze.v[i], l->n_params > 1 ? "" : " (this layer has no bias)");
        found->trained = false;
    }
    return 0;
}

static cJSON *layer_to_json(const struct kd_layer *l, struct kd_err *err)
{
    if (!l->kind->rows) {
        cJSON *name = cJSON_CreateString(l->kind->name);
        if (!name) kd_fail_memory(err, "not enough memory for a layer list");
        return name;
    }
    struct kd_layer copy = *l; /* the rows want something they could write to */
    const struct kd_opt_section section[] = {{"", l->kind->name, l->kind->rows, &copy, NULL}, {0}};
    cJSON *rest = kd_opts_to_json(section, err), *object = cJSON_CreateObject();
    if (!rest || kd_json_add_text(object, "kind", l->kind->name, err) < 0) {
        cJSON_Delete(rest);
        cJSON_Delete(object);
        return NULL;
    }
    int status = 0;
    if (!l->freeze.n)
        cJSON_DeleteItemFromObjectCaseSensitive(rest,
                                                "freeze"); /* as files were before there was one */
    for (cJSON *item; status == 0 && (item = cJSON_DetachItemViaPointer(rest, rest->child));)
        status = kd_json_add(object, item->string, item, err);
    cJSON_Delete(rest);
    if (status == 0) return object;
    cJSON_Delete(object);
    return NULL;
}

cJSON *kd_chain_to_json(const struct kd_chain *chain, struct kd_err *err)
{
    cJSON *list = cJSON_CreateArray();
    for (unsigned i = 0; list && i < chain->n_layers; i++) {
        cJSON *item = layer_to_json(&chain->layers[i], err);
        if (!item || !cJSON_AddItemToArray(list, item)) {
            cJSON_Delete(item);
            cJSON_Delete(list);
            return NULL;
        }
    }
    if (!list) kd_fail_memory(err, "not enough memory for a layer list");
    return list;
}

int kd_chain_build(struct kd_chain *chain, const cJSON *layers, struct kd_shape input,
                   const char *where, const char *prefix, struct kd_build *build,
                   struct kd_err *err)
{
    int n = cJSON_IsArray(layers) ? cJSON_GetArraySize(layers) : 0;
    if (n < 1 || n > MOST_LAYERS)
        return kd_fail_usage(err, "%s: expected a list of 1 to %d layers", where, MOST_LAYERS);
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
        if (read_layer(l, item, err) < 0) return kd_err_context(err, "%s[%u]", where, i);
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
        if (l->kind != &kd_layer_residual) continue;
        kd_chain_each(l->u.residual.body_chain, visit, ctx);
        if (l->u.residual.shortcut_chain) kd_chain_each(l->u.residual.shortcut_chain, visit, ctx);
    }
}

void kd_chain_release(struct kd_chain *chain)
{
    for (unsigned i = 0; i < chain->n_layers; i++) {
        struct kd_layer *l = &chain->layers[i];
        if (l->kind && l->kind->release) l->kind->release(l);
        for (size_t j = 0; j < l->freeze.n; j++) kd_free(l->freeze.v[j]);
        kd_free(l->freeze.v);
    }
    kd_slab_release(&chain->memory);
    kd_free(chain->stages);
    kd_free(chain->stage_layers);
    kd_free(chain->converter);
    kd_free(chain->layers);
    *chain = (struct kd_chain){0};
}
