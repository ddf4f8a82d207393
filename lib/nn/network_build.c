/* From JSON to layers with shapes and parameters. */
#include "kd/nn/network.h"

#include <stdio.h>
#include <string.h>

enum { MOST_LAYERS = 1000, MOST_CLASSES = 1 << 20 };

/* Options of a layer are read through its kind's rows, whose offsets are into struct kd_layer. */
static int read_layer(struct kd_layer *l, const cJSON *item, struct kd_err *err)
{
    const cJSON *kind = cJSON_IsObject(item) ? cJSON_GetObjectItemCaseSensitive(item, "kind") : item;
    if (!cJSON_IsString(kind))
        return kd_fail_usage(err, "expected a name like \"relu\" or an object with a \"kind\"");
    l->kind = kd_layer_kind_find(kind->valuestring, err);
    if (!l->kind) return -1;
    struct kd_opt_section section = {l->kind->name, l->kind->rows, l->kind->n_rows, l};
    if (kd_opts_preset(&section, 1, err) < 0) return -1;
    if (!cJSON_IsObject(item)) return 0;
    static const char *const besides[] = {"kind"};
    return kd_opts_from_json(&section, item, "", besides, 1, err);
}

static cJSON *layer_to_json(const struct kd_layer *l, struct kd_err *err)
{
    if (!l->kind->n_rows) {
        cJSON *name = cJSON_CreateString(l->kind->name);
        if (!name) kd_fail(err, "not enough memory for a layer list");
        return name;
    }
    struct kd_layer copy = *l; /* the rows want something they could write to */
    struct kd_opt_section section = {l->kind->name, l->kind->rows, l->kind->n_rows, &copy};
    cJSON *rest = kd_opts_to_json(&section, err), *object = cJSON_CreateObject();
    if (!rest || kd_json_add_text(object, "kind", l->kind->name, err) < 0) {
        cJSON_Delete(rest);
        cJSON_Delete(object);
        return NULL;
    }
    int status = 0;
    for (cJSON *item; status == 0 && (item = rest->child);)
        status = kd_json_add(object, item->string, cJSON_DetachItemViaPointer(rest, item), err);
    cJSON_Delete(rest);
    if (status == 0) return object;
    cJSON_Delete(object);
    return NULL;
}

static int build_layers(struct kd_network *net, const cJSON *layers, struct kd_err *err)
{
    struct kd_shape shape = net->input;
    unsigned i = 0;
    const cJSON *item;
    cJSON_ArrayForEach(item, layers)
    {
        struct kd_layer *l = &net->layers[i];
        l->number = i;
        l->in = shape;
        snprintf(l->name, sizeof l->name, "%u", i);
        if (read_layer(l, item, err) < 0) return kd_err_context(err, "network[%u]", i);
        if (l->kind->shape(l, net->classes, err) < 0)
            return kd_err_context(err, "network[%u] (%s)", i, l->kind->name);
        shape = l->out;
        net->n_params += l->n_params;
        if (l->kind->macs) net->macs += l->kind->macs(l);
        i++;
    }
    if (!shape.flat || shape.c != net->classes)
        return kd_fail_usage(err, "network[%u] (%s): the last layer gives %ux%ux%u, but there are %u "
                                  "classes; end with {\"kind\": \"dense\"}",
                             i - 1, net->layers[i - 1].kind->name, shape.c, shape.h, shape.w,
                             net->classes);
    return 0;
}

static int lay_parameters(struct kd_network *net, struct kd_err *err)
{
    net->params = kd_alloc(net->n_params, sizeof *net->params, "a list of parameters", err);
    if (!net->params) return -1;
    unsigned n = 0;
    for (unsigned i = 0; i < net->n_layers; i++)
        for (unsigned j = 0; j < net->layers[i].n_params; j++) {
            struct kd_param *p = &net->layers[i].param[j];
            p->index = n;
            net->params[n++] = p;
            if (p->trained) net->parameters += p->count;
            kd_slab_plan(&net->values, p->count * sizeof(float));
        }
    if (kd_slab_open(&net->values, "the network's parameters", err) < 0) return -1;
    for (unsigned i = 0; i < n; i++)
        net->params[i]->value = kd_slab_take(&net->values, net->params[i]->count * sizeof(float));
    return 0;
}

static int describe(struct kd_network *net, struct kd_err *err)
{
    cJSON *layers = cJSON_CreateArray();
    for (unsigned i = 0; layers && i < net->n_layers; i++) {
        cJSON *item = layer_to_json(&net->layers[i], err);
        if (!item) {
            cJSON_Delete(layers);
            return -1;
        }
        cJSON_AddItemToArray(layers, item);
    }
    double dims[] = {net->input.c, net->input.h, net->input.w};
    net->json = cJSON_CreateObject();
    if (kd_json_attach(net->json, "input", cJSON_CreateDoubleArray(dims, 3), err) < 0 ||
        kd_json_add_number(net->json, "classes", net->classes, err) < 0) {
        cJSON_Delete(layers);
        return -1;
    }
    return kd_json_attach(net->json, "layers", layers, err);
}

struct kd_network *kd_network_build(const cJSON *layers, struct kd_shape input, uint32_t classes,
                                    struct kd_err *err)
{
    int n = cJSON_IsArray(layers) ? cJSON_GetArraySize(layers) : 0;
    if (n < 1 || n > MOST_LAYERS) {
        kd_fail_usage(err, "network: expected a list of 1 to %d layers", MOST_LAYERS);
        return NULL;
    }
    if (!input.c || !input.h || !input.w || !classes || classes > MOST_CLASSES ||
        (double)input.c * input.h * input.w > 1e9) {
        kd_fail_usage(err, "network: %ux%ux%u images and %u classes are out of range", input.c, input.h,
                      input.w, classes);
        return NULL;
    }
    struct kd_network *net = kd_alloc(1, sizeof *net, "a network", err);
    if (!net) return NULL;
    net->input = input;
    net->classes = classes;
    net->n_layers = (unsigned)n;
    net->layers = kd_alloc(net->n_layers, sizeof *net->layers, "layers", err);
    if (!net->layers || build_layers(net, layers, err) < 0 || lay_parameters(net, err) < 0 ||
        describe(net, err) < 0) {
        kd_network_free(net);
        return NULL;
    }
    return net;
}

/* A whole number in 1..most, or 0. */
static uint32_t small_number(const cJSON *item, double most)
{
    double v = cJSON_IsNumber(item) ? item->valuedouble : 0;
    return v >= 1 && v <= most && v == (double)(uint32_t)v ? (uint32_t)v : 0;
}

struct kd_network *kd_network_from_json(const cJSON *json, struct kd_err *err)
{
    const cJSON *input = cJSON_GetObjectItemCaseSensitive(json, "input");
    struct kd_shape shape = {small_number(cJSON_GetArrayItem(input, 0), 1e6),
                             small_number(cJSON_GetArrayItem(input, 1), 1e6),
                             small_number(cJSON_GetArrayItem(input, 2), 1e6), false};
    uint32_t classes = small_number(cJSON_GetObjectItemCaseSensitive(json, "classes"), MOST_CLASSES);
    if (!shape.c || !shape.h || !shape.w || !classes) {
        kd_fail(err, "kd.network: expected \"input\": [C,H,W] and \"classes\": N");
        return NULL;
    }
    return kd_network_build(cJSON_GetObjectItemCaseSensitive(json, "layers"), shape, classes, err);
}

void kd_network_init(struct kd_network *net, uint64_t seed)
{
    uint32_t param = 0;
    for (unsigned i = 0; i < net->n_layers; i++) {
        if (net->layers[i].kind->init) net->layers[i].kind->init(&net->layers[i], seed, param);
        param += net->layers[i].n_params;
    }
}

void kd_network_free(struct kd_network *net)
{
    if (!net) return;
    kd_slab_release(&net->values);
    kd_slab_release(&net->memory);
    kd_free(net->stages);
    kd_free(net->stage_layers);
    kd_free(net->params);
    kd_free(net->layers);
    cJSON_Delete(net->json);
    kd_free(net);
}
