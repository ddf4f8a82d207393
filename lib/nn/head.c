#include "kd/nn/head.h"
#include "layers.h"

#include <stdio.h>
#include <string.h>

/* ---- a head by itself ---- */

static int check_head(const struct kd_network *net, struct kd_err *err)
{
    const unsigned at = kd_blocks_classifier(net);
    const struct kd_layer *l = &net->chain.layers[at];
    for (unsigned i = at + 1; i < net->chain.n_layers; i++)
        if (net->chain.layers[i].n_params)
            return kd_fail_usage(err,
                                 "layer %s (%s) behind the classifier has parameters; a classifier "
                                 "that is taken over ends with its dense layer, or with layers "
                                 "that learn nothing",
                                 net->chain.layers[i].name, net->chain.layers[i].kind->name);
    if (l->kind == &kd_layer_dense) return 0;
    return kd_fail_usage(err,
                         "its last layer that computes is %s (%s), and a classifier that is taken "
                         "over is dense",
                         l->name, l->kind->name);
}

static const cJSON *layers_of(const struct kd_network *net)
{
    return cJSON_GetObjectItemCaseSensitive(net->json, "layers");
}

static void put_layers(struct kd_maker *to, const cJSON *layers, unsigned from, unsigned end)
{
    for (unsigned i = from; i < end; i++) kd_put_copy(to, NULL, cJSON_GetArrayItem(layers, (int)i));
}

/* Rows of a parameter, or numbers of one that has no rows, in another order. */
static void copy_rows(struct kd_param *to, const struct kd_param *from, const uint32_t *order)
{
    const size_t rows = to->shape[0], each = to->count / rows;
    for (size_t r = 0; r < rows; r++)
        memcpy(to->value + r * each, from->value + (order ? order[r] : r) * each,
               each * sizeof *to->value);
}

struct kd_network *kd_head_of(const struct kd_network *net, const uint32_t *order,
                              struct kd_err *err)
{
    const unsigned at = kd_blocks_classifier(net);
    if (check_head(net, err) < 0) return NULL;
    struct kd_maker list = kd_make_list(err);
    kd_put_text(&list, NULL, "flatten");
    put_layers(&list, layers_of(net), at, net->chain.n_layers);
    cJSON *layers = kd_make_end(&list);
    const struct kd_shape input = {net->chain.layers[at].in.c, 1, 1, false};
    struct kd_network *head = layers ? kd_network_build(layers, input, net->classes, err) : NULL;
    cJSON_Delete(layers);
    if (!head) return NULL;
    const unsigned first = net->n_params - net->n_attached - head->n_params;
    for (unsigned i = 0; i < head->n_params; i++)
        copy_rows(head->params[i], net->params[first + i], order);
    return head;
}

void kd_head_copy(struct kd_network *net, const struct kd_network *head)
{
    const unsigned first = net->n_params - net->n_attached - head->n_params;
    for (unsigned i = 0; i < head->n_params; i++)
        copy_rows(net->params[first + i], head->params[i], NULL);
}

/* ---- in place of another ---- */

bool kd_head_pools(const struct kd_blocks *blocks)
{
    if (!blocks->n || !blocks->features.shape.flat) return false;
    const struct kd_shape last = blocks->block[blocks->n - 1].shape;
    return !last.flat && last.c == blocks->features.shape.c;
}

static unsigned place_of(const struct kd_network *net, const char *name)
{
    unsigned i = 0;
    while (strcmp(net->chain.layers[i].name, name) != 0) i++;
    return i;
}

/* A linear layer to so many channels, or features. */
static void put_linear(struct kd_maker *to, bool maps, uint32_t channels, struct kd_err *err)
{
    struct kd_maker layer = kd_make_object(err);
    kd_put_text(&layer, "kind", maps ? "conv2d" : "dense");
    kd_put_number(&layer, maps ? "filters" : "units", channels);
    if (maps) kd_put_number(&layer, "kernel", 1);
    kd_put_json(to, NULL, kd_make_end(&layer));
}

/* The dense layer learns no more; nothing behind it has parameters. */
static void put_head(struct kd_maker *to, const struct kd_network *head, struct kd_err *err)
{
    static const char *const all[] = {"weight", "bias"};
    const cJSON *dense = cJSON_GetArrayItem(layers_of(head), 1), *item;
    struct kd_maker layer = kd_make_object(err);
    cJSON_ArrayForEach(item, dense) if (strcmp(item->string, "freeze") != 0)
        kd_put_copy(&layer, item->string, item);
    kd_put_texts(&layer, "freeze", all, head->chain.layers[1].n_params);
    kd_put_json(to, NULL, kd_make_end(&layer));
    put_layers(to, layers_of(head), 2, head->chain.n_layers);
}

cJSON *kd_head_graft(const struct kd_network *net, const struct kd_graft *graft, struct kd_err *err)
{
    struct kd_blocks own;
    const struct kd_blocks *theirs = graft->blocks;
    kd_blocks_of(net, &own);
    if (check_head(net, err) < 0) return NULL;
    if (!own.features.name[0]) {
        kd_fail_usage(err, "there is no layer before its classifier");
        return NULL;
    }
    const bool maps = kd_head_pools(&own) && kd_head_pools(theirs);
    const struct kd_block *cut = maps ? &own.block[own.n - 1] : &own.features;
    const struct kd_shape wanted = maps ? theirs->block[theirs->n - 1].shape : graft->head->input;
    const unsigned at = place_of(net, cut->name) + 1, end = place_of(net, own.features.name) + 1;
    struct kd_maker list = kd_make_list(err);
    put_layers(&list, layers_of(net), 0, at);
    if (graft->projector)
        put_layers(&list, graft->projector, 0, (unsigned)cJSON_GetArraySize(graft->projector));
    else
        put_linear(&list, maps, wanted.c, err);
    put_layers(&list, layers_of(net), at, end);
    put_head(&list, graft->head, err);
    return kd_make_end(&list);
}
