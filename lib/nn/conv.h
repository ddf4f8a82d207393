/* Convolution, channels last, by five algorithms. Private to nn/.
 *
 * x [images*h*w][in], y [images*oh*ow][out], weights as PyTorch has them
 * [out][in/groups][kernel][width]; cross-correlation: y[p][o] = bias[o] + sum over taps t and
 * channels i of x[p stride + t - padding][i] w[o][i][t] The algorithm is chosen by shape alone
 * (kd_conv_algorithm). */
#ifndef KD_LIB_NN_CONV_H
#define KD_LIB_NN_CONV_H
#include "kd/nn/layer.h"

struct kd_conv_shape {
    size_t in, out, groups, kernel, stride, padding, h, w, oh, ow;
    size_t width, side; /* of the kernel, and its padding: those of its height but for
                           KD_CONV_GEMM */
    bool pool;          /* 2x2 pooling to the largest, in the same pass: KD_CONV_DIRECT only */
};
enum kd_conv_algorithm {
    KD_CONV_GEMM,
    KD_CONV_WINOGRAD,
    KD_CONV_DEPTHWISE,
    KD_CONV_DIRECT,
    KD_CONV_TINY
};
enum kd_conv_algorithm kd_conv_algorithm(const struct kd_conv_shape *s);

struct kd_conv { /* one call */
    struct kd_conv_shape s;
    size_t images;
    const float *x, *weight, *bias, *dy; /* bias NULL: none */
    const float
        *scale; /* [out] forward, times each filter's weights while they are packed; NULL: 1 */
    float *y, *dx, *dweight, *dbias;
    uint8_t *winner; /* [images*pooled pixels][out], NULL where not training */
    float *scratch;
    const struct kd_layer_call *call;
};
size_t kd_conv_gemm_scratch(const struct kd_conv_shape *s, size_t batch,
                            bool training); /* floats */
void kd_conv_gemm_forward(const struct kd_conv *c);
void kd_conv_gemm_input(const struct kd_conv *c);
void kd_conv_gemm_weight(const struct kd_conv *c);

size_t kd_conv_winograd_scratch(const struct kd_conv_shape *s, size_t batch, bool training);
void kd_conv_winograd_forward(const struct kd_conv *c);
void kd_conv_winograd_input(const struct kd_conv *c);
void kd_conv_winograd_weight(const struct kd_conv *c);
/* Of all shards of the pass, added up (kd/nn/cuts.h), w the weights. Some channels at a time for
 * all of them, so that sums that wait for others stay in a core's cache, and no shard goes through
 * all of the memory. The same bits as shard by shard. False: not done, for want of memory or use.
 */
bool kd_conv_winograd_learn(const struct kd_conv *c, const struct kd_param *w);

size_t kd_conv_depthwise_scratch(const struct kd_conv_shape *s, size_t batch, bool training);
void kd_conv_depthwise_forward(const struct kd_conv *c);
void kd_conv_depthwise_input(const struct kd_conv *c);
void kd_conv_depthwise_weight(const struct kd_conv *c);

size_t kd_conv_direct_scratch(const struct kd_conv_shape *s, size_t batch, bool training);
void kd_conv_direct_forward(const struct kd_conv *c);
void kd_conv_direct_back(const struct kd_conv *c);   /* dx, where wanted, and what weight needs */
void kd_conv_direct_weight(const struct kd_conv *c); /* right after back */

size_t kd_conv_tiny_scratch(const struct kd_conv_shape *s, size_t batch, bool training);
void kd_conv_tiny_forward(const struct kd_conv *c);
void kd_conv_tiny_input(const struct kd_conv *c);
void kd_conv_tiny_weight(const struct kd_conv *c);
bool kd_conv_tiny_learn(const struct kd_conv *c, const struct kd_param *w); /* as Winograd's */

/* The first image of part `part` of `parts`. */
static inline size_t kd_conv_from(size_t images, unsigned parts, unsigned part)
{
    return images * part / parts;
}
#endif
