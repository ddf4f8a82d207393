/* A linear layer beside a network: it makes other columns of the rows of a tap, which is a 1x1
 * convolution of maps, and passes a gradient back to them. Its parameters learn with the network's
 * and are no part of it.
 *
 *     kd_projector_open(&p, 64, 256, "taps.fitnet", &err);
 *     kd_network_attach(net, p.net->params[0], &err);   // and [1]: so that optimizers see them
 *     kd_network_plan(net, ...);
 *     kd_projector_plan(&p, batch * pixels, &err);      // lays in, out, dout, din; after net's
 * plan write p.in [rows][64] kd_projector_forward(&p, pool, &pass);            // p.out [rows][256]
 *     write p.dout
 *     kd_projector_backward(&p, pool, &pass, sink);     // p.din, the parameters' gradients
 *
 * A row is an image to the pass here: `rows` counts rows, and cuts are places of rows.
 */
#ifndef KD_NN_PROJECTOR_H
#define KD_NN_PROJECTOR_H
#include "kd/nn/network.h"

struct kd_projector {
    struct kd_network *net; /* the one layer; owned */
    float *in, *out, *dout, *din;
    struct kd_slab memory;
};
/* Parameters PREFIX.weight [to][from] and PREFIX.bias [to]; uninitialized. */
int kd_projector_open(struct kd_projector *p, size_t from, size_t to, const char *prefix,
                      struct kd_err *err);
void kd_projector_release(struct kd_projector *p);
/* He et al. 2015; number: which projector of the training. */
void kd_projector_init(struct kd_projector *p, uint64_t seed, uint32_t number);
int kd_projector_plan(struct kd_projector *p, size_t rows, struct kd_err *err);
size_t kd_projector_bytes(const struct kd_projector *p);
void kd_projector_forward(struct kd_projector *p, struct kd_pool *pool, const struct kd_pass *pass);
void kd_projector_backward(struct kd_projector *p, struct kd_pool *pool, const struct kd_pass *pass,
                           const struct kd_gradient_sink *sink);
#endif
