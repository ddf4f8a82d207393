/* A feed-forward network from JSON: built for an image shape, planned once for a batch size, run without allocating.
 *
 *     struct kd_network *net = kd_network_build(layers, input, 10, &err);
 *     kd_network_init(net, seed);
 *     kd_network_plan(net, 100, true, &err);
 *     write 100 images to net->in, [100][features]
 *     kd_network_forward(net, pool, &pass);        // logits in net->out, [100][classes]
 *     write the loss's gradient to net->dout
 *     kd_network_backward(net, pool, &pass, NULL); // gradients in net->params[i]->grad
 */
#ifndef KD_NN_NETWORK_H
#define KD_NN_NETWORK_H
#include "kd/base/json.h"
#include "kd/base/pool.h"
#include "kd/nn/layer.h"

struct kd_stage {
    struct kd_layer *anchor;        /* NULL: the input itself, with elementwise layers on it */
    struct kd_layer **after;        /* elementwise layers behind it */
    unsigned n_after, parts;        /* parts of the output */
    size_t features;                /* of its output */
    float *out, *dout;              /* [batch][features] */
};

struct kd_network {
    struct kd_shape input;
    uint32_t classes;
    cJSON *json;                    /* {"input","classes","layers"}, every parameter spelled out */
    struct kd_layer *layers;
    unsigned n_layers;
    struct kd_param **params;       /* all, in layer order; trained and running ones */
    unsigned n_params;
    size_t parameters;              /* trained numbers in all */
    uint64_t macs;                  /* multiply-adds an image */
    /* after a plan */
    size_t batch;
    bool training;
    float *in, *out, *dout;         /* [batch][features of input], [batch][classes] twice */
    struct kd_stage *stages;
    unsigned n_stages;
    struct kd_layer **stage_layers; /* what stages[].after point into */
    struct kd_slab values, memory;  /* parameters; activations, gradients, scratch */
};

/* `spec`: a list of layers, the name of a standard network ("mlp-800-800"), or the path of a JSON file holding a list or
 * {"layers": ...}. Returns the list, owned by the caller. */
cJSON *kd_network_layers(const cJSON *spec, struct kd_err *err);
/* Errors name the layer ("network[3] (dense): ...") and the shapes. The last layer must give `classes` flat features. */
struct kd_network *kd_network_build(const cJSON *layers, struct kd_shape input, uint32_t classes,
                                    struct kd_err *err);
/* From what a model file holds under kd.network. */
struct kd_network *kd_network_from_json(const cJSON *json, struct kd_err *err);
void kd_network_free(struct kd_network *net);
void kd_network_init(struct kd_network *net, uint64_t seed);

/* Lays out memory for batches up to `batch`; training keeps what backward needs. May be called again. */
int kd_network_plan(struct kd_network *net, size_t batch, bool training, struct kd_err *err);
size_t kd_network_plan_bytes(const struct kd_network *net); /* parameters and planned memory */

void kd_network_forward(struct kd_network *net, struct kd_pool *pool, const struct kd_pass *pass);

/* Told, on a worker, that grad[from .. from+count) of p is final and that value may be changed there: no later work of
 * this backward pass reads it. Ranges are whole rows (shape[0]) of p. */
struct kd_gradient_sink {
    void (*ready)(void *ctx, struct kd_param *p, size_t from, size_t count);
    void *ctx;
};
void kd_network_backward(struct kd_network *net, struct kd_pool *pool, const struct kd_pass *pass,
                         const struct kd_gradient_sink *sink);

/* Table of layers, output shapes, parameters and multiply-adds, with totals. */
int kd_network_summary(const struct kd_network *net, struct kd_bytes *out, struct kd_err *err);
/* XXH3-128 over sorted parameters (name, shape, values), network and `extra` (the normalization). */
int kd_network_fingerprint(const struct kd_network *net, const char *extra, char out[33],
                           struct kd_err *err);
#endif
