/* Taps: the output of any layer, on the way forward, and a gradient of one's own for it, on the way
 * back.
 *
 *     struct kd_tap *tap = kd_network_tap(net, "4.body.0", true, &err);
 *     kd_network_plan(net, batch, true, &err);     // lays tap->value and tap->grad
 *     kd_network_forward(net, pool, &pass);
 *     read tap->value, write tap->grad             // all of the pass's rows
 *     write net->dout
 *     kd_network_backward(net, pool, &pass, NULL); // of the loss by net->out and tap->value both
 *
 * A tap is a layer that changes nothing, put behind the one that it is named after: it copies its
 * input forward and adds grad backward. A network without taps is planned and run as if there were
 * none. With one, what a convolution would do along with its own work (batchnorm, pooling) is done
 * apart where the tap lies between, so that values may differ in their last bits. */
#ifndef KD_NN_TAP_H
#define KD_NN_TAP_H
#include "kd/nn/network.h"

struct kd_tap {
    const char *name; /* of the layer: "4", "4.body.0" */
    struct kd_shape shape;
    bool wants_gradient;
    /* After a plan. Maps are channels last: rows of an image are its pixels, columns its channels.
     * Flat features are one row. On the images themselves, before any layer but elementwise ones,
     * it is one row in C,H,W order, as in net->in. */
    size_t pixels, cols;
    float *value; /* [batch * pixels][cols], after kd_network_forward */
    float *grad;  /* the same; NULL without wants_gradient, or where the plan is not for training */
};

/* Asks for the output of a layer; owned by the network. Takes effect with the next kd_network_plan,
 * which has to come before the next pass. Asked twice it is the same tap. NULL with a usage error
 * that lists the layers there are. */
struct kd_tap *kd_network_tap(struct kd_network *net, const char *name, bool wants_gradient,
                              struct kd_err *err);
/* Gives up all taps, before the next plan. */
void kd_network_untap(struct kd_network *net);
/* The layers that can be tapped, one a line: name, kind, shape of the output; a block's inside
 * before it is followed. */
int kd_network_tap_list(const struct kd_network *net, struct kd_bytes *out, struct kd_err *err);
#endif
