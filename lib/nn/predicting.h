/* Inside of prediction: test-time augmentation for kd_predict. */
#ifndef KD_NN_PREDICTING_H
#define KD_NN_PREDICTING_H
#include "kd/nn/predict.h"

struct kd_copy;
struct kd_copies { /* the copies of each image whose answers are averaged */
    struct kd_network *net;
    struct kd_pool *pool;
    const struct kd_copy *list;
    size_t n;
    float *plain; /* [batch][features]: the images themselves, to be filled by the caller */
};
int kd_copies_open(struct kd_copies *c, struct kd_network *net, const struct kd_asking *how,
                   struct kd_err *err);
void kd_copies_close(struct kd_copies *c);
/* logits [rows][classes]: the weighted mean over the copies of the images in c->plain. */
void kd_copies_answer(const struct kd_copies *c, size_t rows, float *logits);
#endif
