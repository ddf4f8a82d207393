/* How the ranks of a team put together their sums of shards (kd/train/shards.h). */
#ifndef KD_TRAIN_SHARING_H
#define KD_TRAIN_SHARING_H
#include "kd/train/shards.h"

/* Rank `rank`'s first of `of` shards: each rank has as many as another, or one more. */
unsigned kd_sharing_first(unsigned of, unsigned ranks, unsigned rank);
size_t kd_sharing_parcels(const struct kd_shards *s); /* most at once */
int kd_sharing_open(struct kd_shards *s, struct kd_err *err);
/* Buckets, once it is known where the parameters are. Floats that come from other ranks. */
size_t kd_sharing_plan(struct kd_shards *s);
void kd_sharing_begin(struct kd_shards *s); /* a step: s->sink is then to be told of gradients */
/* From each rank's sums to those of the batch, in the parameters' grad; `then` hears of them. */
void kd_sharing_run(struct kd_shards *s, const struct kd_gradient_sink *then, struct kd_pool *pool);
#endif
