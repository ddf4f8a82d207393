/* Teachers that no file holds, because they come about in the training itself.
 *
 *   average  the running average of the student's own weights, in evaluation mode: what train.ema
 *            keeps, and saves in the end (Tarvainen and Valpola 2017, "Mean teachers are better
 * role models") peer     a second student that is trained in the same steps, each the other's
 * teacher (Zhang et al. 2018, "Deep Mutual Learning")
 *
 * A peer learns as the student does: from the same images at the same rates, with an optimizer of
 * its own, its own initial weights and dropout. Both passes come before both updates, where the
 * paper has one student move first. Its logits are those of its training pass. */
#ifndef KD_TRAIN_FELLOW_H
#define KD_TRAIN_FELLOW_H
#include "kd/train/average.h"
#include "kd/train/loss.h"
#include "kd/train/optimizer.h"

struct kd_fellow {
    int kind;               /* KD_TEACHER_AVERAGE, KD_TEACHER_PEER, or 0: there is none */
    struct kd_network *net; /* out: its logits [rows][classes] after kd_fellow_forward */
    /* an average's */
    struct kd_average *average;
    /* a peer's */
    struct kd_optimizer optimizer;
    const struct kd_gradient_sink *sink;
    uint64_t seed;
    double *scratch; /* of a loss */
};
struct kd_fellow_of { /* whose it is */
    struct kd_network *net;
    struct kd_average *average;
    const struct kd_train_config *config;
    const struct kd_loss *loss;
    size_t rows; /* most at a time */
};
/* f->kind and, of a peer, net (taken over, planned here) and seed are set. */
int kd_fellow_open(struct kd_fellow *f, const struct kd_fellow_of *of, struct kd_err *err);
void kd_fellow_release(struct kd_fellow *f);
size_t kd_fellow_bytes(const struct kd_fellow *f);
/* Before a step, the `steps`-th from 0, and after it. */
void kd_fellow_begin(struct kd_fellow *f, double rate, uint64_t steps);
void kd_fellow_finish(struct kd_fellow *f, struct kd_pool *pool);
/* in [rows][features], what the student sees; `pass`: the student's. */
void kd_fellow_forward(struct kd_fellow *f, const float *in, const struct kd_pass *pass,
                       struct kd_pool *pool);
/* A peer learns from the student's logits and the labels in `batch`; before the student's
 * backward pass. -1: its loss is not finite. */
int kd_fellow_learn(struct kd_fellow *f, const struct kd_loss *loss,
                    const struct kd_loss_batch *batch, const struct kd_pass *pass,
                    struct kd_pool *pool);
uint64_t kd_peer_seed(uint64_t seed); /* of a student's peer */
#endif
