/* The head of a network: the dense layer that is its classifier, and what stands behind it. It can
 * be taken as a network by itself, and be given to another network in place of that one's own, with
 * layers between that make of the one's features what the other's classifier is used to (Chen et
 * al. 2022, "Knowledge Distillation with the Reused Teacher Classifier"):
 *
 *     teacher   conv2d relu | conv2d relu | global_avgpool flatten | dense      the head
 *                                       `- compared -.
 *     student   conv2d relu | conv2d, 1x1: the projector | global_avgpool flatten | that dense
 *
 * Where both networks pool the maps of their last block to one number a channel, the projector is
 * of maps and stands before the pooling. Else it is dense and stands before the head. */
#ifndef KD_NN_HEAD_H
#define KD_NN_HEAD_H
#include "kd/nn/blocks.h"

/* "flatten" and the head's layers, with copied values; its input is [features,1,1]. `order`: output
 * c is to be what output order[c] is; NULL: as they are. Usage error where the last layer that
 * computes is not dense. */
struct kd_network *kd_head_of(const struct kd_network *net, const uint32_t *order,
                              struct kd_err *err);

struct kd_graft {
    const struct kd_network *head;  /* of the teacher */
    const struct kd_blocks *blocks; /* of the teacher */
    const cJSON *projector;         /* a list of layers; NULL: one linear layer */
};
/* The layers of net with another head, which does not learn; caller deletes. */
cJSON *kd_head_graft(const struct kd_network *net, const struct kd_graft *graft,
                     struct kd_err *err);
/* The head's values into the last layers of a network that was built of such a list. */
void kd_head_copy(struct kd_network *net, const struct kd_network *head);
/* Are the features one number for each channel of the last block's maps? */
bool kd_head_pools(const struct kd_blocks *blocks);
#endif
