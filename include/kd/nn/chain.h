/* A list of layers, one feeding the next, as stages (see layer.h): the whole network, or the inside
 * of a residual block. */
#ifndef KD_NN_CHAIN_H
#define KD_NN_CHAIN_H
#include "kd/nn/layer.h"

struct kd_stage {
    struct kd_layer *anchor; /* NULL: the input itself, with elementwise layers on it */
    struct kd_layer **after; /* elementwise layers behind it */
    unsigned n_after, parts; /* parts of the output */
    bool repeated;           /* out is shared, and made again on the way back */
    bool by_images; /* how forward is cut: all columns of some images, or the other way round */
    unsigned place; /* of its gradient, among those that serve in turn */
    size_t pixels, cols; /* the output matrix: rows an image, columns */
    float *out, *dout;   /* [batch * pixels][cols] */
};

struct kd_chain {
    struct kd_shape input, output;
    struct kd_layer *layers;
    unsigned n_layers;
    bool inner; /* inside a layer: input and its gradient belong to that layer */
    struct kd_layer
        *converter;          /* to channels last, where the input has several channels; else NULL */
    struct kd_stage *stages; /* after a plan */
    unsigned n_stages;
    struct kd_layer **stage_layers; /* what stages[].after point into */
    struct kd_tapping *tapping;     /* taps on its layers: kd/nn/tap.h; NULL: none */
    size_t batch;
    bool training;
    float *in, *din, *out, *dout;
    void *scratch;         /* of the layers, in turn */
    struct kd_slab memory; /* activations, gradients, scratch */
};

/* `prefix` is put before a layer's name: "" or "4.body.". */
int kd_chain_build(struct kd_chain *chain, const cJSON *layers, struct kd_shape input,
                   const char *prefix, struct kd_build *build, struct kd_err *err);
void kd_chain_release(struct kd_chain *chain);
/* Calls visit for each layer, the inside of residual blocks before what follows them. */
void kd_chain_each(const struct kd_chain *chain, void (*visit)(void *ctx, struct kd_layer *l),
                   void *ctx);
cJSON *kd_chain_to_json(const struct kd_chain *chain, struct kd_err *err);
/* Bytes that the layers share for what a call needs for itself. */
size_t kd_chain_scratch_bytes(const struct kd_chain *chain, size_t batch, bool training);
/* Inner chains are handed in (their input), din (its gradient) and scratch before. */
int kd_chain_plan(struct kd_chain *chain, size_t batch, bool training, struct kd_err *err);
size_t kd_chain_bytes(const struct kd_chain *chain); /* planned, inner chains included */
void kd_chain_forward(struct kd_chain *chain, struct kd_pool *pool, const struct kd_pass *pass);
void kd_chain_backward(struct kd_chain *chain, struct kd_pool *pool, const struct kd_pass *pass,
                       const struct kd_gradient_sink *sink);
#endif
