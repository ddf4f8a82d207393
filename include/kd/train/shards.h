/* A batch in shards: consecutive images whose gradients are summed alone and then added along one
 * binary tree.
 *
 *     shard      0   1   2   3        ((g0 + g1) + (g2 + g3))
 *                 \ /     \ /
 *                   \     /
 *
 * So the sum depends on how many shards there are, and not on who computes which. A rank of a team
 * has consecutive ones, [first, last), and adds up what it can of the tree; then each rank adds up
 * the rest for its part of the numbers, and tells the others. A rank's sums travel in buckets,
 * those of the last layers first, while the backward pass makes the next.
 *
 *     kd_shards_begin(&shards, rows);
 *     images [shards.from, shards.from + shards.rows) of the batch into net->in;
 *     struct kd_pass pass = {..., .rows = shards.rows, .cuts = kd_shards_cuts(&shards)};
 *     kd_network_forward(net, pool, &pass);
 *     for (unsigned i = shards.first; i < shards.last; i++) loss of kd_shard_at(rows, shards.of, i)
 *     (in a team: meet)
 *     kd_network_backward(net, pool, &pass, kd_shards_sink(&shards, sink));
 *     kd_shards_finish(&shards, sink, pool);
 *
 * A rank's shards are one pass, layer by layer (kd/nn/cuts.h). A batch of one shard is all of every
 * rank's. Batch norm takes the statistics of each shard; its running ones learn from the shards'
 * mean, weighted by images. */
#ifndef KD_TRAIN_SHARDS_H
#define KD_TRAIN_SHARDS_H
#include "kd/base/team.h"
#include "kd/nn/network.h"
#include <pthread.h>

/* Shards of a batch: `shards`, or 1 where that leaves fewer than two images for one. */
unsigned kd_shards_of(size_t rows, int64_t shards);

struct kd_shard {
    unsigned place, of; /* shard `place` of `of` */
    size_t from, rows;  /* its images in the batch */
};
struct kd_shard kd_shard_at(size_t rows, unsigned of, unsigned place);
/* Most images of a batch that one rank has, where `images` are learnt in batches. */
struct kd_learnt {
    size_t images, batch;
    int64_t shards;
};
size_t kd_shards_rows(const struct kd_learnt *l, unsigned ranks);

enum { KD_SHARD_LEVELS = KD_CUT_LEVELS + 1 };
struct kd_shards {
    struct kd_network *net; /* borrowed */
    struct kd_team *team;   /* borrowed; NULL: a process by itself */
    int64_t most;
    size_t *start;           /* [parameter] where its numbers are */
    size_t numbers;          /* of all of them, a multiple of 16 */
    float **sum;             /* [n_sums] of this rank's part of the tree; in a team */
    unsigned n_sums;         /* left of it */
    float *total, *received; /* in a team: [numbers]; what comes from other ranks */
    struct kd_parcel *parcels;
    struct kd_bucket *bucket; /* [n_buckets]; in a team */
    unsigned *bucket_of;      /* [parameter] */
    unsigned n_buckets;
    struct kd_gradient_sink sink;
    struct kd_slab slab;
    struct kd_cuts cuts;
    /* of the step */
    unsigned of, first, last; /* its shards, and this rank's */
    size_t from, rows;        /* images of the batch: this rank's */
    unsigned begun;           /* buckets that are under way, or were */
    pthread_t thread;         /* that may talk to other ranks */
};
/* After kd_network_plan. */
int kd_shards_init(struct kd_shards *s, struct kd_network *net, int64_t shards,
                   struct kd_team *team, struct kd_err *err);
void kd_shards_release(struct kd_shards *s);
void kd_shards_begin(struct kd_shards *s, size_t rows);
const struct kd_cuts *kd_shards_cuts(const struct kd_shards *s); /* of the step's pass */
/* What the backward pass tells: `then` itself; where other ranks have shards too, the buckets, from
 * which numbers then travel. So in a team all have met before, and none can fail any more. */
const struct kd_gradient_sink *kd_shards_sink(const struct kd_shards *s,
                                              const struct kd_gradient_sink *then);
/* After the backward pass. The gradients are then the batch's. */
void kd_shards_finish(struct kd_shards *s, const struct kd_gradient_sink *then,
                      struct kd_pool *pool);
#endif
