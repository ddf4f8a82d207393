/* A network as a flat list of operations on tensors: what quantisation and exports read.
 *
 * Layers nest (residual blocks), pass things on (dropout, flatten) and come in pairs (convolution
 * and relu). Here each operation says which tensors it reads and writes, in an order in which they
 * can be done:
 *
 *     conv2d relu residual[conv2d] relu flatten dense
 *         0: conv 1 <- 0, relu     1: conv 2 <- 1     2: add 3 <- 2, 1, relu     3: conv 4 <- 3
 *
 *   - dense is a 1x1 convolution over 1x1 maps, or one whose kernel is the whole map;
 *   - maps are channels last, [h][w][c], and so are weights, [out][kernel][kernel][in / groups];
 *     flatten is C,H,W in kd, so that the weights of a dense layer behind it are put in this order,
 *     and where no dense layer follows there is an operation for it;
 *   - relu and relu6 are part of what they follow, wherever nothing else reads it.
 *
 * Tensor 0 is the image. A graph is made from a network without batchnorm and scale: see
 * kd_network_fold. Whatever has no operation here is refused by its name. */
#ifndef KD_NN_GRAPH_H
#define KD_NN_GRAPH_H
#include "kd/nn/network.h"

enum kd_op_kind {
    KD_OP_CONV,
    KD_OP_MAXPOOL,
    KD_OP_AVGPOOL, /* over kernel_h * kernel_w pixels, padding counted */
    KD_OP_ADD,
    KD_OP_ACTIVATION,
    KD_OP_REORDER /* [h][w][c] to [c][h][w] */
};
enum kd_act {
    KD_ACT_NONE,
    KD_ACT_RELU,
    KD_ACT_RELU6,
    KD_ACT_LEAKY_RELU,
    KD_ACT_HARDSWISH,
    KD_ACT_GELU,
    KD_ACT_TANH
};
double kd_act_apply(enum kd_act act, double slope, double x);

struct kd_op {
    enum kd_op_kind kind;
    char name[64];          /* of the layer: its parameters are NAME.weight and so on */
    unsigned a, b, out;     /* tensors read (b: by KD_OP_ADD, the shortcut) and written */
    struct kd_shape in, to; /* of a and out */
    uint32_t kernel_h, kernel_w, stride, pad_h, pad_w, groups;
    enum kd_act act; /* KD_OP_ACTIVATION; else what is done to the result: none, relu, relu6 */
    double slope;    /* of leaky_relu */
    bool dense;      /* the layer is one, its weights [out][in] in files */
    float *weight;   /* KD_OP_CONV: [out][kernel_h][kernel_w][in / groups], owned */
    float *bias;     /* [out], owned; zeros where the layer has none */
};
/* Values that one output channel is a sum of. */
static inline size_t kd_op_depth(const struct kd_op *op)
{
    return (size_t)op->kernel_h * op->kernel_w * (op->in.c / op->groups);
}
static inline bool kd_op_is_depthwise(const struct kd_op *op)
{
    return op->groups > 1 && op->groups == op->in.c && op->in.c == op->to.c;
}
/* Multiply-adds an image. */
uint64_t kd_op_macs(const struct kd_op *op);

struct kd_graph_tensor {
    char name[64]; /* of the layer that writes it; "input" */
    struct kd_shape shape;
    int maker;        /* operation, -1: the image */
    unsigned readers; /* operations that read it */
};
struct kd_graph {
    struct kd_shape input;
    uint32_t classes;
    struct kd_op *ops;
    unsigned n_ops;
    struct kd_graph_tensor *tensors;
    unsigned n_tensors, output; /* output: the tensor of the logits */
};
int kd_graph_build(struct kd_graph *graph, const struct kd_network *net, struct kd_err *err);
void kd_graph_release(struct kd_graph *graph);
/* Place in files ([out][in / groups][kernel][kernel], or a dense layer's [out][C][H][W]) of weight
 * k of output channel o. */
size_t kd_op_weight_place(const struct kd_op *op, size_t o, size_t k);
/* The convolution that writes what the network gives, NULL where it is another operation: its sums
 * are the logits. */
const struct kd_op *kd_graph_last_conv(const struct kd_graph *graph);

/* The same function of the image without batchnorm, scale and dropout: folded into the weights and
 * biases of convolutions and dense layers before or behind them; a batchnorm with neither becomes a
 * 1x1 convolution of its own. What cannot be folded is refused by its name. Caller:
 * kd_network_free.
 */
struct kd_network *kd_network_fold(const struct kd_network *net, struct kd_err *err);
#endif
