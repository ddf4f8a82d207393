/* Taps as a chain has them: a layer each, put behind another when stages are planned. Private to
 * nn/. */
#ifndef KD_LIB_NN_TAPPING_H
#define KD_LIB_NN_TAPPING_H
#include "kd/nn/tap.h"

struct kd_tapping {
    struct kd_tapping *next;
    unsigned behind;       /* which layer of the chain */
    struct kd_layer layer; /* its own is the tap */
    struct kd_tap tap;
};
void kd_chain_untap(struct kd_chain *chain);
void kd_chain_forget(struct kd_chain *chain); /* its stages, which the next plan makes anew */
#endif
