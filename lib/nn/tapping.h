/* Taps as a chain has them: a layer each, put behind another when stages are planned. Anything else
 * that stands behind a layer without being one of the network hangs there in the same way. Private
 * to nn/. */
#ifndef KD_LIB_NN_TAPPING_H
#define KD_LIB_NN_TAPPING_H
#include "kd/nn/tap.h"

struct kd_tapping {
    struct kd_tapping *next;
    unsigned behind;       /* which layer of the chain */
    struct kd_layer layer; /* its own is the tap, or what was hung */
    struct kd_tap tap;     /* without a name: it is none */
};
/* Hangs an elementwise layer of `kind` with `own` (borrowed) behind layer `behind` of the chain,
 * until the taps are given up. NULL with err. */
struct kd_tapping *kd_chain_hang(struct kd_chain *chain, unsigned behind,
                                 const struct kd_layer_kind *kind, void *own, struct kd_err *err);
void kd_chain_untap(struct kd_chain *chain);
void kd_chain_forget(struct kd_chain *chain); /* its stages, which the next plan makes anew */
#endif
