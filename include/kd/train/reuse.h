/* A student that has its teacher's classifier (kd/nn/head.h), where a term of its loss asks for
 * that.
 *
 *     kd_reuse_open(&reuse, &job->distill, targets, &err);
 *     net = kd_reuse_graft(&reuse, net, &err);           // instead of net, before its values
 *     kd_network_init(net, seed); ...
 *     kd_reuse_copy(&reuse, net);                        // behind all that sets values
 *     kd_reuse_release(&reuse);
 *
 * Does nothing where no term asks. */
#ifndef KD_TRAIN_REUSE_H
#define KD_TRAIN_REUSE_H
#include "kd/nn/head.h"
#include "kd/train/targets.h"

struct kd_reuse {
    struct kd_network
        *head; /* of the teacher, its outputs in the targets' order; NULL: not asked */
    struct kd_blocks blocks; /* of the teacher */
    cJSON *projector;
};
int kd_reuse_open(struct kd_reuse *r, const struct kd_distill_config *distill,
                  const struct kd_targets *targets, struct kd_err *err);
/* Takes over net, also when it fails with NULL. */
struct kd_network *kd_reuse_graft(const struct kd_reuse *r, struct kd_network *net,
                                  struct kd_err *err);
void kd_reuse_copy(const struct kd_reuse *r, struct kd_network *net);
void kd_reuse_release(struct kd_reuse *r);
#endif
