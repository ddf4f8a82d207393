/* A graph run in floats, all its tensors kept, any of its operations as if in integers: what
 * quantisation looks at. Private to lib/nn/int. */
#ifndef KD_NN_INT_SIM_H
#define KD_NN_INT_SIM_H
#include "kd/nn/integers.h"

struct kd_sim {
    const struct kd_graph *graph;      /* with float weights */
    const struct kd_int_network *ints; /* NULL until there is one */
    size_t batch;
    float **tensor; /* [n_tensors] of [batch][h][w][c] */
    float *patches, *weight, *bias;
    bool *quantised; /* [n_ops]: weights, bias and output as the integers have them */
    bool input_quantised;
};
int kd_sim_init(struct kd_sim *sim, const struct kd_graph *graph, size_t batch, struct kd_err *err);
void kd_sim_release(struct kd_sim *sim);
/* Images [n][C,H,W], n <= batch, into tensor 0. */
void kd_sim_input(struct kd_sim *sim, const float *in, size_t n);
/* Operation i for n images; all of them from `first` on. */
void kd_sim_op(struct kd_sim *sim, unsigned i, size_t n);
void kd_sim_run(struct kd_sim *sim, unsigned first, size_t n);
static inline const float *kd_sim_logits(const struct kd_sim *sim)
{
    return sim->tensor[sim->graph->output];
}
/* A convolution's sums before its activation, weights and bias as `quantised` says. */
void kd_sim_sums(struct kd_sim *sim, unsigned i, size_t n);
/* x rounded to what the tensor can hold. */
void kd_sim_round(float *x, size_t n, const struct kd_int_tensor *t);
#endif
