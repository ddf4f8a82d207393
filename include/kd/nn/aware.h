/* Training with simulated integers, so that a network learns to live with them (Jacob et al. 2018,
 * section 3).
 *
 *     struct kd_aware *aware = kd_aware_new(net, &normalize, &err); // net is folded
 *     kd_network_plan(net, batch, true, &err);
 *     for each step {
 *         kd_aware_round(aware, pool);               // weights as the integers have them
 *         write images to net->in; kd_aware_images(aware, rows);
 *         forward, loss, kd_network_backward(..., kd_aware_sink(aware, sink));
 *         kd_aware_restore(aware);                   // those that the sink was not told of
 *         kd_aware_learn(aware, steps done before, still learning ranges);
 *     }
 *     kd_aware_finish(aware, fingerprint, &err);     // net->integers: what it is now
 *
 * A step sees each weight rounded to the int8 grid of its output channel, whose largest becomes
 * 127, and each tensor of activations to that of its range. Rounding has no useful gradient; on the
 * way back it counts as the identity, and as 0 where a value was beyond the range (straight-through
 * estimator, Bengio et al. 2013). The optimizer changes the weights that were not rounded.
 *
 * Ranges start as those of the first batch, which passes unrounded, and are then averaged over the
 * batches: all alike at first, later with a hundredth for the newest. Biases, which have 32 bits,
 * and the multipliers between layers are not rounded. */
#ifndef KD_NN_AWARE_H
#define KD_NN_AWARE_H
#include "kd/data/batch.h"
#include "kd/nn/network.h"

struct kd_aware;
/* Before the network is planned. `net` and `normalize` are borrowed. Fails where a layer has no
 * form in integers. */
struct kd_aware *kd_aware_new(struct kd_network *net, const struct kd_normalize *normalize,
                              struct kd_err *err);
void kd_aware_free(struct kd_aware *a);
/* All that follow do nothing where a is NULL. */
void kd_aware_round(struct kd_aware *a, struct kd_pool *pool);
void kd_aware_restore(struct kd_aware *a);
/* Rounds the first `rows` images of net->in, and looks at their range. */
void kd_aware_images(struct kd_aware *a, size_t rows);
/* Puts weights back before `then` is told of their gradients; NULL for NULL. */
const struct kd_gradient_sink *kd_aware_sink(struct kd_aware *a,
                                             const struct kd_gradient_sink *then);
/* Ranges learn from what the step has seen. `steps` were done before; where not `learning`, they
 * stay from now on. */
void kd_aware_learn(struct kd_aware *a, uint64_t steps, bool learning);

/* What a checkpoint has to hold: [n][2], low and high of each tensor. After it was written to, call
 * kd_aware_adopt; `learnt`: there are ranges already. */
float *kd_aware_ranges(struct kd_aware *a, size_t *n);
void kd_aware_adopt(struct kd_aware *a, bool learnt, bool learning);

/* The integers that were simulated, checked, as net->integers; `parent` is the fingerprint of the
 * float model that it started from. */
int kd_aware_finish(struct kd_aware *a, const char *parent, struct kd_err *err);
#endif
