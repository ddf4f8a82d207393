/* The layer kinds, one file each. */
#ifndef KD_LIB_NN_LAYERS_H
#define KD_LIB_NN_LAYERS_H
#include "kd/nn/layer.h"

/* Every kind that a network can name: kd_layer_NAME in layer_*.c. A new layer is one line here. */
#define KD_LAYER_KINDS(X)                                                                          \
    X(dense)                                                                                       \
    X(relu)                                                                                        \
    X(leaky_relu)                                                                                  \
    X(gelu)                                                                                        \
    X(tanh)                                                                                        \
    X(dropout)                                                                                     \
    X(flatten)                                                                                     \
    X(batchnorm)                                                                                   \
    X(conv2d)                                                                                      \
    X(maxpool)                                                                                     \
    X(avgpool)                                                                                     \
    X(global_avgpool)                                                                              \
    X(global_maxpool)                                                                              \
    X(scale)                                                                                       \
    X(residual)                                                                                    \
    X(relu6)                                                                                       \
    X(hardswish)
#define KD_DECLARE_LAYER(name) extern const struct kd_layer_kind kd_layer_##name;
KD_LAYER_KINDS(KD_DECLARE_LAYER)
/* In no list: chains put it behind images of several channels. */
extern const struct kd_layer_kind kd_layer_channels_last;

/* out = in: the shape of elementwise layers. */
int kd_layer_same_shape(struct kd_layer *l, struct kd_build *build, struct kd_err *err);
/* Adds a parameter to the layer: "LAYER.NAME" of the given shape, named "bias" a bias, else a
 * weight. */
struct kd_param *kd_layer_add_param(struct kd_layer *l, const char *name, size_t rows, size_t cols);
/* "init" of layers with weights; dense layers know the first two. */
#define KD_DENSE_INITS(X) X(KD_INIT_HE, "he") X(KD_INIT_GLOROT, "glorot")
#define KD_CONV_INITS(X)  KD_DENSE_INITS(X) X(KD_INIT_DIRAC, "dirac") X(KD_INIT_WHITEN, "whiten")
enum { KD_CONV_INITS(KD_CHOICE_ENUM) };

/* Does this layer pool every 2x2 pixels to their largest, without a border? */
bool kd_maxpool_is_2x2(const struct kd_layer *l);
/* With running statistics, scale and shift of a batchnorm, [channels] each: y = scale x + shift. */
void kd_batchnorm_affine(const struct kd_layer *norm, float *scale, float *shift);
/* From a layer list's item: kind, settings, "freeze". */
int kd_layer_read(struct kd_layer *l, const cJSON *item, struct kd_err *err);
/* The item that kd_layer_read would read, every setting spelled out; caller deletes. */
cJSON *kd_layer_to_json(const struct kd_layer *l, struct kd_err *err);
/* After shape(): l->freeze told to the parameters. */
int kd_layer_freeze(struct kd_layer *l, struct kd_err *err);
void kd_layer_release(struct kd_layer *l);
/* Filters of a first convolution from the training images' patches (kd/nn/whiten.h). */
int kd_whiten(struct kd_layer *l, size_t kernel, const struct kd_subset *images,
              const struct kd_normalize *normalize, struct kd_err *err);
#endif
