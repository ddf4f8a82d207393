/* A feed-forward network from JSON: built for an image shape, planned once for a batch size, run
 * without allocating.
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
#include "kd/nn/chain.h"

struct kd_int_network;
struct kd_int_run;

struct kd_network {
    struct kd_shape input;
    uint32_t classes;
    cJSON *json;              /* {"input","classes","layers"}, every parameter spelled out */
    struct kd_chain chain;    /* the layers */
    struct kd_param **params; /* all, in layer order; trained and running ones */
    unsigned n_params;
    unsigned n_attached;   /* the last of them: no part of the model (kd_network_attach) */
    size_t parameters;     /* numbers in all, frozen ones too, without running statistics */
    uint64_t macs;         /* multiply-adds an image */
    struct kd_slab values; /* of the parameters */
    struct kd_slab gradients;
    /* Before a plan: gradients of layers that tell of them as soon as they are made (convolutions)
     * may share memory. For those who call backward with a sink that uses them up. */
    bool brief_gradients;
    unsigned shards; /* before a plan: most that a pass may be cut into (kd/nn/cuts.h); 0: none */
    /* after a plan */
    size_t batch;
    float *in, *out, *dout; /* [batch][C,H,W] the images; [batch][classes] twice */
    /* Of a quantised model, owned: inference is in integers, and out their logits times the scale.
     * The float parameters are what the integers stand for. NULL: a float model. */
    struct kd_int_network *integers;
    struct kd_int_run *int_run; /* after a plan for inference */
    int32_t *int_out;           /* [batch][classes] */
};

/* `spec`: a list of layers, the name of a standard network ("mlp-800-800", "resnet20";
 * kd_network_list), or the path of a JSON file holding a list or
 * {"layers": ...}. Returns the list, owned by the caller. */
cJSON *kd_network_layers(const cJSON *spec, struct kd_err *err);
/* The i-th of the standard networks' names, "mlp-800-800" for its family; NULL behind the last. */
const char *kd_network_name(size_t i);
/* A table of the networks known by name, with their parameters and multiply-adds for 3x32x32 images
 * of 10 classes. */
int kd_network_list(struct kd_bytes *out, struct kd_err *err);
/* Errors name the layer ("network[3] (dense): ...") and the shapes. The last layer must give
 * `classes` flat features. */
struct kd_network *kd_network_build(const cJSON *layers, struct kd_shape input, uint32_t classes,
                                    struct kd_err *err);
/* From what a model file holds under kd.network. */
struct kd_network *kd_network_from_json(const cJSON *json, struct kd_err *err);
/* The same of a file that holds so many numbers: a network with more parameters is refused before
 * there is memory for them. */
struct kd_network *kd_network_from_file(const cJSON *json, size_t numbers, struct kd_err *err);
void kd_network_free(struct kd_network *net);
void kd_network_init(struct kd_network *net, uint64_t seed);
/* A parameter of something beside the network, which learns with its own: it is listed behind them,
 * and is neither written with the model nor part of its fingerprint. Borrowed. Before a plan, which
 * leaves its gradient to its owner. */
int kd_network_attach(struct kd_network *net, struct kd_param *p, struct kd_err *err);
void kd_network_detach(struct kd_network *net); /* all that were attached */

/* Lays out memory for batches up to `batch`; training keeps what backward needs. May be called
 * again. */
int kd_network_plan(struct kd_network *net, size_t batch, bool training, struct kd_err *err);
size_t kd_network_plan_bytes(const struct kd_network *net); /* parameters and planned memory */

void kd_network_forward(struct kd_network *net, struct kd_pool *pool, const struct kd_pass *pass);

void kd_network_backward(struct kd_network *net, struct kd_pool *pool, const struct kd_pass *pass,
                         const struct kd_gradient_sink *sink);

/* What the shards of a batch have put together of its statistics, in the parameters' grad: learnt
 * as a pass over a whole batch does. */
void kd_network_take_statistics(struct kd_network *net);

/* Table of layers, output shapes, parameters and multiply-adds, with totals, for a terminal of so
 * many columns; 0: the whole. */
int kd_network_summary(const struct kd_network *net, size_t width, struct kd_bytes *out,
                       struct kd_err *err);
/* XXH3-128 over sorted parameters (name, shape, values), network and `extra` (the normalization).
 */
int kd_network_fingerprint(const struct kd_network *net, const char *extra, char out[33],
                           struct kd_err *err);
#endif
