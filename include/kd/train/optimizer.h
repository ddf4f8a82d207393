/* SGD with momentum and Nesterov, Adam, AdamW; weight decay, within the gradient or apart; rates of
 * their own for biases and norms; max-norm. Formulas beside the kernels (kd/nn/kernels.h).
 *
 * Works range by range, so that a layer's weights are updated by the worker that has just made
 * their gradient. */
#ifndef KD_TRAIN_OPTIMIZER_H
#define KD_TRAIN_OPTIMIZER_H
#include "kd/nn/network.h"
#include "kd/train/config.h"

struct kd_optimizer {
    const struct kd_train_config *config; /* borrowed */
    struct kd_network *net;               /* borrowed */
    float **state[2]; /* [which][parameter index] -> [count]; sgd uses one, adam two */
    unsigned states;
    struct kd_slab slab;
    uint64_t t;                   /* steps done */
    double rate;                  /* of the step under way */
    struct kd_gradient_sink sink; /* for kd_network_backward */
};
int kd_optimizer_init(struct kd_optimizer *o, const struct kd_train_config *config,
                      struct kd_network *net, struct kd_err *err);
void kd_optimizer_release(struct kd_optimizer *o);
/* Before backward: the rate, and the sink to hand over. Returns NULL where the update must wait for
 * all gradients (clipping); then kd_optimizer_finish does it. */
const struct kd_gradient_sink *kd_optimizer_begin(struct kd_optimizer *o, double rate);
void kd_optimizer_finish(struct kd_optimizer *o, struct kd_pool *pool);
const char *kd_optimizer_state_name(const struct kd_optimizer *o,
                                    unsigned which); /* "momentum", "mean", "square" */
#endif
