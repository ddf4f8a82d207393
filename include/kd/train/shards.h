/* A batch in shards: consecutive images whose gradients are summed alone and then added along one
 * binary tree.
 *
 *     shard      0   1   2   3        ((g0 + g1) + (g2 + g3))
 *                 \ /     \ /
 *                   \     /
 *
 * So the sum depends on how many shards there are, and not on who computes which. A rank of a team
 * has consecutive ones, [first, last), and adds up what it can of the tree; then each rank adds up
 * the rest for its part of the numbers, and tells the others.
 *
 *     kd_shards_begin(&shards, rows);
 *     for (unsigned i = shards.first; i < shards.last; i++) {
 *         struct kd_shard s = kd_shard_at(rows, shards.of, i);
 *         const struct kd_gradient_sink *own = kd_shards_sink(&shards, &s, sink);
 *         ... forward of the images from s.from on, loss, and
 *         kd_network_backward(net, pool, &pass, own);
 *         kd_shards_add_statistics(&shards);
 *     }
 *     kd_shards_finish(&shards, sink, pool);
 *
 * A batch of one shard goes straight to the sink; all ranks compute it. Batch norm takes the
 * statistics of each shard; its running ones learn from the shards' mean, weighted by images. */
#ifndef KD_TRAIN_SHARDS_H
#define KD_TRAIN_SHARDS_H
#include "kd/base/team.h"
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

struct kd_shard_sum { /* of the shards [place, place + 1) << level */
    unsigned level, place;
    float *values; /* [numbers] */
    bool used;
};

enum { KD_SHARD_LEVELS = 11 };
struct kd_shards {
    struct kd_network *net; /* borrowed */
    struct kd_team *team;   /* borrowed; NULL: a process by itself */
    int64_t most;
    float **own;    /* [parameter] its grad as it was planned */
    size_t *start;  /* [parameter] where its numbers are */
    size_t numbers; /* of all of them, a multiple of 16 */
    struct kd_shard_sum *sum;
    unsigned n_sums;
    float *total, *received; /* in a team: [numbers]; what comes from other ranks */
    struct kd_parcel *parcels;
    struct kd_slab slab;
    /* of the step */
    unsigned of, first, last;                           /* its shards, and this rank's */
    struct kd_shard_sum *adds[KD_SHARD_LEVELS], *keeps; /* of the shard under way */
    unsigned n_adds;
    const struct kd_gradient_sink *then;
    struct kd_gradient_sink sink;
};
/* After kd_network_plan. */
int kd_shards_init(struct kd_shards *s, struct kd_network *net, int64_t shards,
                   struct kd_team *team, struct kd_err *err);
void kd_shards_release(struct kd_shards *s);
void kd_shards_begin(struct kd_shards *s, size_t rows);
/* Before the shard's forward pass: what its backward pass tells. A shard that waits for another
 * makes its gradients where they wait: until the next one the parameters' grad is there. `then`
 * hears of the whole batch's sums as soon as they are there; NULL: they stay in the parameters'
 * grad. */
const struct kd_gradient_sink *kd_shards_sink(struct kd_shards *s, const struct kd_shard *at,
                                              const struct kd_gradient_sink *then);
void kd_shards_add_statistics(struct kd_shards *s); /* after the shard's backward pass */
/* After the rank's last shard, and in a team after a meeting. */
void kd_shards_finish(struct kd_shards *s, const struct kd_gradient_sink *then,
                      struct kd_pool *pool);
#endif
