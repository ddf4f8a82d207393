/* A batch in shards: consecutive images whose gradients are summed alone and then added along one
 * binary tree.
 *
 *     shard      0   1   2   3        ((g0 + g1) + (g2 + g3))
 *                 \ /     \ /
 *                   \     /
 *
 * So the sum depends on how many shards there are, and not on who computes which. While one process
 * goes through them in order, one array a level holds what waits for its other half.
 *
 *     unsigned n = kd_shards_of(rows, train.shards);
 *     for (unsigned i = 0; i < n; i++) {
 *         struct kd_shard s = kd_shard_at(rows, n, i);
 *         ... forward of the images from s.from on, loss, and
 *         kd_network_backward(net, pool, &pass, kd_shards_sink(&shards, &s, sink));
 *         kd_shards_statistics(&shards);        // after the last the network has them
 *     }
 *
 * A batch of one shard goes straight to the sink. Batch norm takes the statistics of each shard;
 * its running ones learn from the shards' mean, weighted by images. */
#ifndef KD_TRAIN_SHARDS_H
#define KD_TRAIN_SHARDS_H
#include "kd/nn/network.h"

/* Shards of a batch: `shards`, or 1 where that leaves fewer than two images for one. */
unsigned kd_shards_of(size_t rows, int64_t shards);

struct kd_shard {
    unsigned place, of; /* shard `place` of `of` */
    size_t from, rows;  /* its images in the batch */
    double share;       /* of the batch's images; 0 where it is the only one */
};
struct kd_shard kd_shard_at(size_t rows, unsigned of, unsigned place);
/* Images of the largest shard, where `images` are learnt in batches. */
size_t kd_shards_rows(size_t images, size_t batch, int64_t shards);

struct kd_shards {
    struct kd_network *net; /* borrowed */
    float **sum;            /* [level * n_params + parameter] -> [count] */
    unsigned levels;
    struct kd_slab slab;
    struct kd_shard at; /* the one under way */
    const struct kd_gradient_sink *then;
    struct kd_gradient_sink sink;
};
/* After kd_network_plan. With shards 1 there is no memory. */
int kd_shards_init(struct kd_shards *s, struct kd_network *net, int64_t shards, struct kd_err *err);
void kd_shards_release(struct kd_shards *s);
/* What the shard's backward pass tells. `then` hears of the whole batch's sums during the last
 * shard; NULL: they stay in the parameters' grad. */
const struct kd_gradient_sink *kd_shards_sink(struct kd_shards *s, const struct kd_shard *at,
                                              const struct kd_gradient_sink *then);
/* After the shard's backward pass. */
void kd_shards_statistics(struct kd_shards *s);
#endif
