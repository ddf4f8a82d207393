/* A running average of a network's parameters (Polyak and Juditsky 1992), which generalizes better
 * than the weights of the last step and is what is evaluated and saved.
 *
 *     average += (1 - d) (parameter - average)     every `every` steps;  d = min(decay, (1 + u) /
 * (10 + u)) at update u = 0, 1, ...
 *
 * so that the random weights of the start are soon forgotten. Batch norm's running mean and
 * variance are averaged in the same way: they then belong to the same stretch of the training as
 * the averaged weights, need no pass over the training images, and lie in the checkpoint like any
 * other parameter, so that a resumed training keeps its bits. */
#ifndef KD_TRAIN_AVERAGE_H
#define KD_TRAIN_AVERAGE_H
#include "kd/base/pool.h"
#include "kd/nn/network.h"
#include "kd/train/config.h"

struct kd_average {
    struct kd_network *net; /* borrowed; NULL: off */
    double decay;
    uint64_t every;
    float **value; /* [parameter index] -> [count]; the weights themselves while swapped */
    struct kd_slab slab;
};
/* Starts as a copy of the parameters as they are. With decay 0 everything here does nothing. */
int kd_average_init(struct kd_average *a, const struct kd_train_config *config,
                    struct kd_network *net, struct kd_err *err);
void kd_average_release(struct kd_average *a);
/* After step number `steps`, counted from 1. */
void kd_average_update(struct kd_average *a, uint64_t steps, struct kd_pool *pool);
/* Puts the average into the network and the weights here, and back again. */
void kd_average_swap(struct kd_average *a);
#endif
