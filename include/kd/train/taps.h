/* What losses on features compare: layers of the student and of its teacher, pair by pair. For each
 * term of such a kind (lib/train/loss/kind.h) the layers are found, tapped, brought to one size as
 * far as the kind asks for that, and given a linear layer that learns along.
 *
 *     kd_taps_open(&taps, &loss, net, &source, &err);  // taps, parameters: before net's plan
 *     kd_network_plan(net, rows, true, &err);
 *     kd_taps_plan(&taps, &rows, &err);                // the rest of the memory
 *     ... the student's forward pass, then
 *     kd_taps_forward(&taps, pool, &pass);             // its side, of all images of the pass
 *     ... the teacher's forward pass of n of these images, or kd_taps_gather, then
 *     kd_taps_compare(&taps, from, n);                 // taps.pairs are ready for kd_loss_run
 *     ... kd_loss_run; the same for other shards of the batch, then
 *     kd_taps_backward(&taps, pool, &pass, sink);      // the student's taps have their gradients
 *     kd_network_backward(net, ...);
 *
 * A loss that compares images with each other compares those of a shard.
 *
 * The linear layers' parameters are attached to the network (kd_network_attach): optimizers,
 * shards, averages and checkpoints treat them as its own, and the model is written without. */
#ifndef KD_TRAIN_TAPS_H
#define KD_TRAIN_TAPS_H
#include "kd/nn/projector.h"
#include "kd/nn/tap.h"
#include "kd/train/loss.h"
#include "kd/train/targets.h"

struct kd_taps_side {   /* of a pair */
    char name[64];      /* of the layer */
    struct kd_tap *tap; /* NULL: of a teacher whose features are stored: */
    const struct kd_feature *stored;
    float *value; /* [rows][pixels][c], after a plan: the tap's, or what was stored */
    struct kd_shape shape;
    size_t h, w; /* what its maps are averaged to */
    bool pooled;
    float *pooled_value; /* [rows][h w][c], where pooled */
};
struct kd_tapped {
    struct kd_taps_side student, teacher;
    struct kd_projector projector; /* net NULL: none */
    const float *compared;         /* the student's, of all images of the pass */
    float *gradient;               /* by that */
    size_t size;                   /* numbers of an image in these */
};
struct kd_taps {
    struct kd_network *net; /* the student; borrowed */
    const struct kd_features
        *features;              /* stored ones of the teacher; borrowed; NULL: it is asked */
    struct kd_tapped *tapped;   /* [n] */
    struct kd_loss_pair *pairs; /* of the images that kd_taps_compare was told of */
    size_t *cut;                /* [shards + 1] rows of a linear layer where shards begin */
    size_t n, room_tapped, room_pairs;
    struct kd_slab slab;
};
struct kd_taps_source { /* of the teacher's side, and of what is drawn */
    struct kd_targets *targets;
    uint64_t seed;
};
/* Is there one teacher whose layers such a term can be compared with? Usage error that names the
 * remedy. */
int kd_taps_check(const struct kd_loss_term *term, const struct kd_targets *targets,
                  struct kd_err *err);
/* Tells the terms of the loss which pairs are theirs. Nothing where no term compares features.
 * Release also after a failure, before the network. */
int kd_taps_open(struct kd_taps *t, struct kd_loss *loss, struct kd_network *net,
                 const struct kd_taps_source *source, struct kd_err *err);
struct kd_taps_rows {
    size_t pass, shard; /* most images of a pass, and of one shard of it */
    unsigned shards;    /* most of a pass; 0: it is not cut */
};
int kd_taps_plan(struct kd_taps *t, const struct kd_taps_rows *rows, struct kd_err *err);
size_t kd_taps_bytes(const struct kd_taps *t);
/* Before compare, of the n images at index in a view: what is stored of the teacher. Nothing where
 * it is asked itself. */
void kd_taps_gather(struct kd_taps *t, size_t view, const uint32_t *index, size_t n);
void kd_taps_forward(struct kd_taps *t, struct kd_pool *pool, const struct kd_pass *pass);
/* Of n images, the first of which is the pass's image `from`: the student's side with the
 * teacher's, which is that of these n alone. */
void kd_taps_compare(struct kd_taps *t, size_t from, size_t n);
void kd_taps_backward(struct kd_taps *t, struct kd_pool *pool, const struct kd_pass *pass,
                      const struct kd_gradient_sink *sink);
void kd_taps_release(struct kd_taps *t);
#endif
