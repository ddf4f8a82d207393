/* The layer kinds, one file each. */
#ifndef KD_LIB_NN_LAYERS_H
#define KD_LIB_NN_LAYERS_H
#include "kd/nn/layer.h"

extern const struct kd_layer_kind kd_layer_dense, kd_layer_relu, kd_layer_leaky_relu, kd_layer_gelu,
    kd_layer_tanh, kd_layer_dropout, kd_layer_flatten, kd_layer_batchnorm, kd_layer_conv2d,
    kd_layer_maxpool, kd_layer_avgpool, kd_layer_global_avgpool, kd_layer_global_maxpool,
    kd_layer_scale, kd_layer_residual;
/* In no list: chains put it behind images of several channels. */
extern const struct kd_layer_kind kd_layer_channels_last;

/* out = in: the shape of elementwise layers. */
int kd_layer_same_shape(struct kd_layer *l, struct kd_build *build, struct kd_err *err);
/* Adds a parameter to the layer: "LAYER.NAME" of the given shape, named "bias" a bias, else a
 * weight. */
struct kd_param *kd_layer_add_param(struct kd_layer *l, const char *name, size_t rows, size_t cols);
/* The option of every layer with parameters to train. */
/* "init" of layers with weights; dense layers know the first two. */
#define KD_DENSE_INITS(X) X(KD_INIT_HE, "he") X(KD_INIT_GLOROT, "glorot")
#define KD_CONV_INITS(X)  KD_DENSE_INITS(X) X(KD_INIT_DIRAC, "dirac") X(KD_INIT_WHITEN, "whiten")
enum { KD_CONV_INITS(KD_CHOICE_ENUM) };

#define KD_FREEZE_ROW                                                                              \
    {                                                                                              \
        .key = "freeze", .kind = KD_OPT_TEXTS, .offset = offsetof(struct kd_layer, freeze),        \
        .metavar = "NAMES", .help = "parameters that are not trained"                              \
    }
bool kd_layer_is_relu(const struct kd_layer *l); /* leaky or not */
/* Does this convolution pool along with its own work, if the layer (a maxpool) comes behind it? */
bool kd_conv_takes_pool(const struct kd_layer *conv, const struct kd_layer *pool);
/* With running statistics, scale and shift of a batchnorm, [channels] each: y = scale x + shift. */
void kd_batchnorm_affine(const struct kd_layer *norm, float *scale, float *shift);
/* After shape(): l->freeze told to the parameters. */
int kd_layer_freeze(struct kd_layer *l, struct kd_err *err);
#endif
