/* Networks in integers: the same bits in kd and in exported C, on every compiler and processor.
 *
 * A value x is held as int8 q with x = scale (q - zero); one scale and zero a tensor. Weights are
 * int8 from -127 to 127 with a scale for each output channel and no zero (Jacob et al. 2018,
 * section 2). A sum of products is an int32, brought to the scale of the next tensor by a
 * multiplier and a shift, rounded half up:
 *
 *     q = zero + ((sum * multiplier + 2^(shift - 1)) >> shift), then clamped to low..high
 *
 *   convolution, dense   sum = bias + weights times (q - zero)
 *   average pooling      sum = the sum of (q - zero)
 *   residual             (a - za) Ma + (b - zb) Mb in place of sum * multiplier
 *   max pooling          moves bytes; padding does not count
 *   relu, relu6          low and high of what they follow
 *   other activations    a table of 256 entries
 *
 * The last layer is not brought to int8. A convolution or dense layer gives int32 logits, all at
 * the scale of its coarsest channel and not clamped; an average pooling gives its sums; any other
 * operation q - zero. Logit times logit_scale is the float network's logit, nearly.
 *
 * Sums cannot overflow: it is proved from the weights when a network is put together, see
 * kd_int_check. */
#ifndef KD_NN_INTEGERS_H
#define KD_NN_INTEGERS_H
#include "kd/base/hash.h"
#include "kd/base/tensorfile.h"
#include "kd/data/batch.h"
#include "kd/nn/graph.h"

struct kd_int_tensor {
    float scale;
    int32_t zero, low, high; /* all within -128..127 */
};
struct kd_int_op {
    int8_t *weight;      /* KD_OP_CONV: as the graph's, [out][kernel_h][kernel_w][in / groups] */
    int32_t *bias;       /* [out], at scale of the input times weight_scale */
    float *weight_scale; /* [out] */
    int32_t *multiplier; /* CONV [out]; AVGPOOL [1]; ADD [2], of a and of b */
    uint8_t *shift;      /* CONV [out]; AVGPOOL [1]; ADD [1] */
    int8_t *table;       /* ACTIVATION but relu and relu6: [256], of q = -128..127 */
    int8_t *stored;      /* weights in the order of files, once it has been put in one */
    bool logits;         /* gives int32 logits: the last operation, if a convolution or average */
};
struct kd_int_network {
    struct kd_graph graph;         /* without float weights */
    struct kd_int_tensor *tensors; /* [graph.n_tensors] */
    struct kd_int_op *ops;         /* [graph.n_ops] */
    int8_t *pixel;                 /* [c][256]: what byte p of channel c is as input */
    float *value; /* [c][256]: what byte p is when normalised, by which bytes are known again */
    struct kd_normalize normalize;
    float logit_scale;
    cJSON *parents; /* fingerprints of the float models it was made from; may be NULL */
};

/* ---- putting one together ---- */

/* m = multiplier / 2^shift, 2^30 <= multiplier < 2^31. Fails where m is not finite, not above 0, or
 * shift would not be 1..62. */
int kd_int_multiplier(double m, int32_t *multiplier, uint8_t *shift, struct kd_err *err);
/* The two factors of a residual sum at one shift, the larger factor >= 2^30. */
int kd_int_multiplier_pair(double a, double b, int32_t multiplier[2], uint8_t *shift,
                           struct kd_err *err);
/* (sum * multiplier + 2^(shift - 1)) >> shift */
static inline int64_t kd_int_scale(int64_t product, uint8_t shift)
{
    return (product + ((int64_t)1 << (shift - 1))) >> shift;
}
/* Takes over the graph (also on failure) and allocates everything, zeroed. */
int kd_int_init(struct kd_int_network *net, struct kd_graph *graph, struct kd_err *err);
void kd_int_release(struct kd_int_network *net);
/* How bytes come in; before anything is run. */
void kd_int_normalize(struct kd_int_network *net, const struct kd_normalize *normalize);
/* Tensors that only pass values on (max pooling, order, relu alone) take over scale and zero, and
 * relu and relu6 narrow ranges. */
void kd_int_pass_on(struct kd_int_network *net);
/* That, and from the scales of tensors and weights, and slopes: multipliers, shifts, tables,
 * logit_scale. */
int kd_int_derive(struct kd_int_network *net, struct kd_err *err);
/* Everything above holds: scales finite and above 0, zeros and ranges in int8, multipliers and
 * shifts in range and those that the scales give, weights without -128; and no sum can leave int32,
 * whatever the image. Errors name layer and channel. */
int kd_int_check(const struct kd_int_network *net, struct kd_err *err);
/* Does this tensor have scale and zero of its own, or does it pass on those of another? */
bool kd_int_tensor_is_own(const struct kd_int_network *net, unsigned tensor);

/* ---- files: kd-formats(5), "Quantised models" ---- */

bool kd_int_is_quantised(const struct kd_tensorfile *file);
/* The values for a network built from kd.network, whose float parameters become what the integers
 * stand for. NULL with err. */
struct kd_int_network *kd_int_read(struct kd_network *net, const struct kd_tensorfile *file,
                                   const struct kd_normalize *normalize, struct kd_err *err);
/* Tensors and kd.quantization, borrowed until the file is written. */
int kd_int_to_file(struct kd_int_network *net, struct kd_tensorfile *file, struct kd_err *err);
/* All that a file holds of it, for fingerprints. */
void kd_int_hash(const struct kd_int_network *net, struct kd_hash *hash);
void kd_int_free(struct kd_int_network *net); /* of kd_int_read; NULL allowed */

/* ---- running ---- */

struct kd_int_run; /* memory for a batch, weights packed for this processor */
struct kd_int_run *kd_int_plan(const struct kd_int_network *net, size_t batch, unsigned threads,
                               struct kd_err *err);
void kd_int_run_free(struct kd_int_run *run); /* NULL allowed */
size_t kd_int_run_bytes(const struct kd_int_run *run);
/* in: [rows][C,H,W], normalised. A value that is a byte's goes through the table of bytes, any
 * other is scaled and rounded half to even. logits: [rows][classes]. */
struct kd_int_batch {
    const float *in;
    size_t rows;
    int32_t *logits;
};
void kd_int_forward(struct kd_int_run *run, struct kd_pool *pool, const struct kd_int_batch *batch);
/* The same, and all tensors of the batch's first image, [n_tensors] of [h][w][c] int8, for tests
 * and for looking at; int32 logits are not among them. */
int kd_int_trace(const struct kd_int_network *net, const struct kd_int_batch *batch,
                 int8_t **tensors, struct kd_err *err);
/* The instruction set of the kernels in force: "plain", "avx2", "avx512", "avx512vnni". */
const char *kd_int_kernels_name(void);

/* Places in one piece of memory for things that live for some steps each, such that none that live
 * at the same time overlap; the size of the piece. `align` a power of two. */
struct kd_arena_piece {
    size_t size;
    unsigned from, to; /* first and last step */
    size_t offset;     /* the answer */
};
int kd_arena_place(struct kd_arena_piece *pieces, unsigned n, size_t align, size_t *size,
                   struct kd_err *err);
#endif
