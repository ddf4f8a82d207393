/* A network: a chain whose parameters lie in one slab. */
#include "kd/nn/network.h"
#include "kd/base/machine.h"
#include "kd/nn/integers.h"
#include <stdint.h>

#include <string.h>

enum { MOST_CLASSES = 1 << 20 };

static void count_params(void *ctx, struct kd_layer *l)
{
    struct kd_network *net = ctx;
    net->n_params += l->n_params;
    if (l->kind->macs) net->macs += l->kind->macs(l);
}

static void list_params(void *ctx, struct kd_layer *l)
{
    struct kd_network *net = ctx;
    for (unsigned j = 0; j < l->n_params; j++) {
        struct kd_param *p = &l->param[j];
        p->index = net->n_params;
        net->params[net->n_params++] = p;
        if (p->role != KD_STATISTIC) net->parameters += p->count;
        kd_slab_plan(&net->values, p->count * sizeof(float));
    }
}

/* Parameters for which there is memory whatever the file holds: what is missing is told better
 * tensor by tensor. */
enum { WITHOUT_ASKING = 1 << 20 };

static int lay_parameters(struct kd_network *net, size_t most, struct kd_err *err)
{
    kd_chain_each(&net->chain, count_params, net);
    net->params = kd_alloc(net->n_params, sizeof *net->params, "a list of parameters", err);
    if (!net->params) return -1;
    net->n_params = 0;
    kd_chain_each(&net->chain, list_params, net);
    size_t held = 0; /* running statistics too */
    for (unsigned i = 0; i < net->n_params; i++) held += net->params[i]->count;
    if (held > most && held - most > WITHOUT_ASKING)
        return kd_fail(err,
                       "kd.network has %zu parameters, but the file's tensors hold %zu numbers",
                       held, most);
    if (kd_slab_open(&net->values, "the network's parameters", err) < 0) return -1;
    for (unsigned i = 0; i < net->n_params; i++)
        net->params[i]->value = kd_slab_take(&net->values, net->params[i]->count * sizeof(float));
    return 0;
}

static int check_output(const struct kd_network *net, struct kd_err *err)
{
    const struct kd_chain *c = &net->chain;
    if (c->output.flat && c->output.c == net->classes) return 0;
    unsigned last = c->n_layers - 1;
    return kd_fail_usage(
        err,
        "network[%u] (%s): the last layer gives %ux%ux%u, but there are %u classes; end "
        "with {\"kind\": \"dense\"}",
        last, c->layers[last].kind->name, c->output.c, c->output.h, c->output.w, net->classes);
}

static int describe(struct kd_network *net, struct kd_err *err)
{
    double dims[] = {net->input.c, net->input.h, net->input.w};
    net->json = cJSON_CreateObject();
    if (kd_json_add_numbers(net->json, "input", dims, 3, err) < 0 ||
        kd_json_add_number(net->json, "classes", net->classes, err) < 0)
        return -1;
    return kd_json_attach(net->json, "layers", kd_chain_to_json(&net->chain, err), err);
}

static struct kd_network *build_within(const cJSON *layers, struct kd_shape input, uint32_t classes,
                                       size_t most, struct kd_err *err)
{
    if (!input.c || !input.h || !input.w || !classes || classes > MOST_CLASSES ||
        (double)input.c * input.h * input.w > 1e9) {
        kd_fail_usage(err, "network: %ux%ux%u images and %u classes are out of range", input.c,
                      input.h, input.w, classes);
        return NULL;
    }
    struct kd_network *net = kd_alloc(1, sizeof *net, "a network", err);
    if (!net) return NULL;
    net->input = input;
    net->classes = classes;
    struct kd_build build = {.classes = classes};
    if (kd_chain_build(&net->chain, layers, input, "", &build, err) < 0 ||
        check_output(net, err) < 0 || lay_parameters(net, most, err) < 0 ||
        describe(net, err) < 0) {
        kd_network_free(net);
        return NULL;
    }
    return net;
}

struct kd_network *kd_network_build(const cJSON *layers, struct kd_shape input, uint32_t classes,
                                    struct kd_err *err)
{
    return build_within(layers, input, classes, SIZE_MAX, err);
}

/* A whole number in 1..most, or 0. */
static uint32_t small_number(const cJSON *item, double most)
{
    double v = cJSON_IsNumber(item) ? item->valuedouble : 0;
    return v >= 1 && v <= most && v == (double)(uint32_t)v ? (uint32_t)v : 0;
}

struct kd_network *kd_network_from_file(const cJSON *json, size_t numbers, struct kd_err *err)
{
    const cJSON *input = cJSON_GetObjectItemCaseSensitive(json, "input");
    struct kd_shape shape = {small_number(cJSON_GetArrayItem(input, 0), 1e6),
                             small_number(cJSON_GetArrayItem(input, 1), 1e6),
                             small_number(cJSON_GetArrayItem(input, 2), 1e6), false};
    uint32_t classes =
        small_number(cJSON_GetObjectItemCaseSensitive(json, "classes"), MOST_CLASSES);
    if (!shape.c || !shape.h || !shape.w || !classes) {
        kd_fail(err, "kd.network: expected \"input\": [C,H,W] and \"classes\": N");
        return NULL;
    }
    return build_within(cJSON_GetObjectItemCaseSensitive(json, "layers"), shape, classes, numbers,
                        err);
}

struct kd_network *kd_network_from_json(const cJSON *json, struct kd_err *err)
{
    return kd_network_from_file(json, SIZE_MAX, err);
}

int kd_network_attach(struct kd_network *net, struct kd_param *p, struct kd_err *err)
{
    struct kd_param **all = kd_alloc(net->n_params + 1, sizeof *all, "a list of parameters", err);
    if (!all) return -1;
    memcpy(all, net->params, net->n_params * sizeof *all);
    p->index = net->n_params;
    all[net->n_params++] = p;
    net->n_attached++;
    kd_free(net->params);
    net->params = all;
    return 0;
}

void kd_network_detach(struct kd_network *net)
{
    net->n_params -= net->n_attached;
    net->n_attached = 0;
}

struct seeding {
    uint64_t seed;
    uint32_t param;
};

static void init_layer(void *ctx, struct kd_layer *l)
{
    struct seeding *s = ctx;
    if (l->kind->init) l->kind->init(l, s->seed, s->param);
    s->param += l->n_params;
}

void kd_network_init(struct kd_network *net, uint64_t seed)
{
    struct seeding s = {seed, 0};
    kd_chain_each(&net->chain, init_layer, &s);
}

/* Gradients lie in a slab of their own, which only training has; the brief ones at its start, over
 * each other. */
struct laying {
    struct kd_network *net;
    size_t brief; /* floats of the largest layer */
    bool taking;
    char *start;
};

static size_t padded(size_t floats)
{
    return (floats + 15) / 16 * 16;
}

static void lay_gradients(void *ctx, struct kd_layer *l)
{
    struct laying *s = ctx;
    size_t brief = 0;
    for (unsigned i = 0; i < l->n_params; i++) {
        struct kd_param *p = &l->param[i];
        if (!p->trained && !(s->net->shards && p->role == KD_STATISTIC)) continue;
        if (s->net->brief_gradients && l->kind->anchor && l->kind->anchor->run_gradient) {
            if (s->taking) p->grad = (float *)(void *)s->start + brief;
            brief += padded(p->count);
        } else if (s->taking)
            p->grad = kd_slab_take(&s->net->gradients, p->count * sizeof(float));
        else
            kd_slab_plan(&s->net->gradients, p->count * sizeof(float));
    }
    if (brief > s->brief) s->brief = brief;
}

static int plan_gradients(struct kd_network *net, bool training, struct kd_err *err)
{
    struct laying s = {.net = net};
    kd_slab_release(&net->gradients);
    for (unsigned i = 0; i < net->n_params - net->n_attached; i++) net->params[i]->grad = NULL;
    if (!training) return 0;
    kd_chain_each(&net->chain, lay_gradients, &s);
    kd_slab_plan(&net->gradients, s.brief * sizeof(float));
    if (kd_slab_open(&net->gradients, "gradients", err) < 0) return -1;
    s.start = kd_slab_take(&net->gradients, s.brief * sizeof(float));
    s.taking = true;
    kd_chain_each(&net->chain, lay_gradients, &s);
    return 0;
}

static void forget_integers(struct kd_network *net)
{
    kd_int_run_free(net->int_run);
    kd_free(net->int_out);
    net->int_run = NULL;
    net->int_out = NULL;
}

/* One thread for each that the machine has: what is not used costs address space alone. */
static int plan_integers(struct kd_network *net, size_t batch, struct kd_err *err)
{
    forget_integers(net);
    net->int_out = kd_alloc(batch * net->classes, sizeof *net->int_out, "logits", err);
    if (!net->int_out) return -1;
    net->int_run = kd_int_plan(net->integers, batch, kd_cpus_usable(), err);
    return net->int_run ? 0 : -1;
}

static void forward_integers(struct kd_network *net, struct kd_pool *pool, size_t rows)
{
    struct kd_int_batch batch = {net->in, rows, net->int_out};
    kd_int_forward(net->int_run, pool, &batch);
    for (size_t i = 0; i < rows * net->classes; i++)
        net->out[i] = (float)net->int_out[i] * net->integers->logit_scale;
}

static void tell_shards(void *ctx, struct kd_layer *l)
{
    l->shards = *(const unsigned *)ctx;
}

int kd_network_plan(struct kd_network *net, size_t batch, bool training, struct kd_err *err)
{
    kd_chain_each(&net->chain, tell_shards, &net->shards);
    if (plan_gradients(net, training, err) < 0) return -1;
    if (kd_chain_plan(&net->chain, batch, training, err) < 0) return -1;
    net->batch = batch;
    net->in = net->chain.in;
    net->out = net->chain.out;
    net->dout = net->chain.dout;
    if (training) forget_integers(net);
    return net->integers && !training ? plan_integers(net, batch, err) : 0;
}

size_t kd_network_plan_bytes(const struct kd_network *net)
{
    return net->values.planned + net->gradients.planned + kd_chain_bytes(&net->chain);
}

void kd_network_forward(struct kd_network *net, struct kd_pool *pool, const struct kd_pass *pass)
{
    if (net->int_run) {
        forward_integers(net, pool, pass->rows);
        return;
    }
    kd_chain_forward(&net->chain, pool, pass);
}

void kd_network_backward(struct kd_network *net, struct kd_pool *pool, const struct kd_pass *pass,
                         const struct kd_gradient_sink *sink)
{
    kd_chain_backward(&net->chain, pool, pass, sink);
}

static void take_statistics(void *ctx, struct kd_layer *l)
{
    (void)ctx;
    if (l->kind->take_statistics) l->kind->take_statistics(l);
}

void kd_network_take_statistics(struct kd_network *net)
{
    kd_chain_each(&net->chain, take_statistics, NULL);
}

void kd_network_free(struct kd_network *net)
{
    if (!net) return;
    forget_integers(net);
    kd_int_free(net->integers);
    kd_chain_release(&net->chain);
    kd_slab_release(&net->values);
    kd_slab_release(&net->gradients);
    kd_free(net->params);
    cJSON_Delete(net->json);
    kd_free(net);
}
