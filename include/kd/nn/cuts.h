/* Shards of a batch in one pass (kd/train/shards.h says why): the rows of a pass are several shards
 * of a batch, one behind the other. What a layer does with each row by itself it does with all of
 * them at once. Statistics are each shard's own. Gradients of parameters are made shard by shard,
 * and added along one binary tree as soon as they are there:
 *
 *     struct kd_piece piece = {.p = p, .from = 0, .rows = 1, .cols = p->count, .room = room};
 *     for (struct kd_folding f = kd_fold(cuts, piece); f.shard < cuts->n; kd_fold_add(&f, NULL)) {
 *         size_t stride;
 *         float *to = kd_fold_to(&f, &stride);
 *         ... write the gradient of shard f.shard to to[rows][stride]
 *     }
 *
 * The sums that wait for others are a stack:
 *
 *     shard        0      1         2          3
 *     afterwards   g0     g0+g1     g0+g1 g2   (g0+g1)+(g2+g3)
 *
 * At its bottom lies what the tree has left at the end: of the shards of one process one sum, which
 * is made where the parameters' grad is; of those of a rank in a team a few, in memory of their
 * own. What lies above is gone afterwards; for it the caller gives room. */
#ifndef KD_NN_CUTS_H
#define KD_NN_CUTS_H
#include "kd/base/pool.h"
#include <stddef.h>

enum { KD_CUT_LEVELS = 10 }; /* of the largest tree: 1024 shards */
struct kd_param;
struct kd_cuts {
    unsigned first, n; /* shards [first, first + n) of the batch's */
    size_t *from;      /* [n + 1] the first image of each within the pass */
    double *share;     /* [n] of the batch's images */
    unsigned levels;   /* of the batch's tree: sums that lie above the kept ones, at most */
    unsigned kept;     /* sums that are left at the end */
    float **sum;       /* [kept] of all parameters; NULL: the only one is the parameters' grad */
    size_t *start;     /* [parameter] where it is in a sum */
    float *room; /* [levels][room_each], for layers that share out the work of one shard at a time
                  */
    size_t room_each;
};

struct kd_piece { /* of a parameter's gradient: rows of a matrix that starts at `from` */
    const struct kd_param *p;
    size_t from, rows, cols, stride;
    float *room; /* [levels][rows * cols] */
};
struct kd_folding {
    const struct kd_cuts *cuts;
    struct kd_piece piece;
    unsigned shard; /* whose turn it is */
    unsigned top;   /* of the stack */
};
static inline struct kd_folding kd_fold(const struct kd_cuts *cuts, struct kd_piece piece)
{
    return (struct kd_folding){cuts, piece, 0, 0};
}
/* All of a parameter, with the room that the cuts have. */
struct kd_piece kd_piece_all(const struct kd_cuts *cuts, const struct kd_param *p);
float *kd_fold_to(const struct kd_folding *f, size_t *stride);
/* The gradient of shard f->shard is there; on to the next. A pool shares out long rows. */
void kd_fold_add(struct kd_folding *f, struct kd_pool *pool);

/* Sums that shards [first, last) leave. */
unsigned kd_cuts_kept(unsigned first, unsigned last);
#endif
