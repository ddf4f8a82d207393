/* From a float network to integers, by calibration images (post-training quantisation).
 *
 *     struct kd_calibration c = {images, labels, 512};
 *     kd_quantize(folded, &c, &(struct kd_quantize_options){0}, &ints, &report, &err);
 *
 * Ranges of activations: the smallest and largest values seen; those within which a share of all
 * values lies; or, for each tensor, that part of its range with which the logits change least.
 * Weights: the largest of each output channel becomes 127.
 *   - Equalisation (Nagel et al. 2019, section 4.1): with y = f(w1 x + b1), f(s y) = s f(y),
 * channel i of w1, b1 divided and of the next layer's weights multiplied by s_i leaves the network
 * as it is, and evens out the ranges of channels.
 *   - Bias correction (same, section 4.2; here measured): the mean of each output channel over the
 *     calibration images becomes what it was in floats. */
#ifndef KD_NN_QUANTIZE_H
#define KD_NN_QUANTIZE_H
#include "kd/data/batch.h"
#include "kd/nn/integers.h"

#define KD_RANGES(X)                                                                               \
    X(KD_RANGES_ERROR, "error")                                                                    \
    X(KD_RANGES_MINMAX, "minmax")                                                                  \
    X(KD_RANGES_PERCENTILE, "percentile")
enum kd_ranges { KD_RANGES(KD_CHOICE_ENUM) };
#define KD_EQUALISE(X)                                                                             \
    X(KD_EQUALISE_AUTO, "auto") X(KD_EQUALISE_ALWAYS, "always") X(KD_EQUALISE_NEVER, "never")
enum kd_equalise { KD_EQUALISE(KD_CHOICE_ENUM) };
struct kd_quantize_options {
    enum kd_ranges ranges;
    double percentile;         /* of all values, for KD_RANGES_PERCENTILE: 99.99 */
    enum kd_equalise equalise; /* auto: where it lessens the logits' error */
    bool no_bias_correction;
    bool per_tensor; /* one scale for all channels of a layer's weights: to see what it costs */
    bool explain;    /* also each layer alone */
};
struct kd_calibration {
    const float *in;       /* [n][C,H,W], normalised */
    const int32_t *labels; /* [n], -1 where there is none; or NULL */
    size_t n;
    const struct kd_normalize *normalize; /* what bytes were normalised by */
    struct kd_pool *pool;
    const struct kd_progress *progress; /* may be NULL */
};

struct kd_quantize_layer {
    char name[64];
    enum kd_op_kind kind;
    double weight_snr,
        snr; /* decibels, of weights, of the output in the integer network; NAN: none */
    /* All else in floats, and all else in integers (simulated); NAN where not asked for. */
    double accuracy_alone, agreement_alone, accuracy_without, agreement_without;
    struct kd_int_tensor out;
};
struct kd_quantize_report {
    struct kd_quantize_layer *layers; /* operations with numbers of their own; kd_free */
    unsigned n;
    bool equalised;
    double float_accuracy, accuracy; /* over labelled calibration images; NAN without labels */
    double agreement;                /* of the integer network with the float one */
    double logit_snr;                /* decibels */
};
/* `net` is folded (kd_network_fold). */
int kd_quantize(const struct kd_network *net, const struct kd_calibration *calibration,
                const struct kd_quantize_options *options, struct kd_int_network *out,
                struct kd_quantize_report *report, struct kd_err *err);
#endif
