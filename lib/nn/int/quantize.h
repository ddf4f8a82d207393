/* The steps of post-training quantisation, a file each. Private to lib/nn/int. */
#ifndef KD_NN_INT_QUANTIZE_H
#define KD_NN_INT_QUANTIZE_H
#include "kd/nn/quantize.h"
#include "sim.h"

struct kd_range {
    float low, high;
};
struct kd_quantizing {
    const struct kd_calibration *calibration;
    const struct kd_quantize_options *options;
    struct kd_graph *graph; /* float, of this attempt: equalised or not */
    struct kd_int_network *ints;
    struct kd_sim sim, reference; /* reference stays in floats */
    size_t first;                 /* images of the first batch, which most steps look at */
    struct kd_range *range;       /* [n_tensors] as seen over all images */
    float *logits;                /* [n][classes] of the float network */
};
/* Smallest and largest value of each tensor over all images, and the logits. */
int kd_observe(struct kd_quantizing *q, struct kd_err *err);
/* ints->tensors from what was seen, as options->ranges says. */
int kd_choose_ranges(struct kd_quantizing *q, struct kd_err *err);
/* Channels of the graph's weights evened out; whether anything was. */
int kd_equalise(struct kd_graph *graph, struct kd_sim *sim, size_t n, bool *changed,
                struct kd_err *err);
int kd_correct_biases(struct kd_quantizing *q, struct kd_err *err);
int kd_explain(struct kd_quantizing *q, struct kd_quantize_report *report, struct kd_err *err);

/* What a tensor of this range is held as; 0 is always among its values. */
struct kd_int_tensor kd_tensor_for(struct kd_range r);
/* Does the tensor get a scale from what is seen of it? */
bool kd_tensor_is_chosen(const struct kd_int_network *ints, unsigned tensor);
/* What was seen of the images, and all bytes, whether seen or not. */
struct kd_range kd_input_range(struct kd_range seen, const struct kd_normalize *n);
/* Scale of an output channel: the largest of its n weights becomes 127, its bias fits in 32 bits
 * where the layer's input has scale `in`. */
float kd_weight_scale(const float *w, size_t n, float bias, float in);
void kd_quantise_weights(const struct kd_op *op, struct kd_int_op *o, float in, bool per_tensor);
void kd_fill_pixels(struct kd_int_network *ints, const struct kd_normalize *n);

/* 10 log10 of the power of a over that of a - b. */
double kd_snr(const float *a, const float *b, size_t n);
struct kd_scores { /* shares; accuracy NAN where nothing is labelled */
    double accuracy, agreement;
};
struct kd_scores kd_score(const float *logits, const float *reference, const int32_t *labels,
                          size_t n, size_t classes);
#endif
