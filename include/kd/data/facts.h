/* What a set of images holds, in numbers. */
#ifndef KD_DATA_FACTS_H
#define KD_DATA_FACTS_H
#include "kd/data/split.h"

struct kd_facts {
    double low, high;    /* of the pixels as stored */
    double *mean, *std;  /* [c] by channel; bytes as 0..1 */
    uint32_t *count;     /* [classes] samples */
    uint32_t unlabelled; /* samples without a label */
    uint32_t distinct;   /* images of which no two are the same */
};
/* How many images of the subset differ in their pixels, by a hash of 64 bits. */
int kd_distinct_count(const struct kd_subset *s, uint32_t *distinct, struct kd_err *err);
/* Release also after a failure. */
int kd_facts_find(const struct kd_subset *s, struct kd_facts *f, struct kd_err *err);
void kd_facts_release(struct kd_facts *f);
#endif
