/* How an ONNX graph becomes a network: constants.c holds the numbers of the file and computes what
 * can be computed from them, operators.c turns each node into a step with the shape of what it
 * makes, chain.c walks the steps from the output back to the input and finds the residual blocks,
 * emit.c writes them down as layers and tensors. */
#ifndef KD_EXPORT_ONNX_PARTS_H
#define KD_EXPORT_ONNX_PARTS_H
#include "kd/base/json.h"
#include "kd/base/tensorfile.h"
#include "kd/export/onnx.h"
#include "onnx/onnx.pb-c.h"

enum { KD_ONNX_NODES = 10000, KD_ONNX_NESTED = 8 };

/* Numbers known before any image is: of a tensor in the file, or computed from such. */
struct kd_onnx_constant {
    unsigned dims;
    size_t shape[KD_MAX_DIMS], count;
    float *f;   /* [count], of floats; else NULL */
    int64_t *i; /* [count], of whole numbers and booleans; else NULL */
};

enum kd_onnx_step_kind {
    KD_ONNX_INPUT,
    KD_ONNX_LAYER,  /* json and tensors */
    KD_ONNX_AFFINE, /* y = a x + b by channel */
    KD_ONNX_SAME,   /* nothing happens to the numbers */
    KD_ONNX_ROWS,   /* [N,C,H,W] becomes [N,CHW] */
    KD_ONNX_PAD,    /* zeros around; only for the layer behind it */
    KD_ONNX_CLIP,   /* low to high */
    KD_ONNX_ERF,
    KD_ONNX_HARDSIGMOID, /* max(0, min(1, low x + high)) */
    KD_ONNX_SOFTMAX,
    KD_ONNX_SUM,     /* of two branches */
    KD_ONNX_PRODUCT, /* of two branches: part of an activation */
    KD_ONNX_UNKNOWN  /* an operator that kd does not have, or what follows one */
};

enum { KD_ONNX_TENSORS = 4 };
struct kd_onnx_step {
    enum kd_onnx_step_kind kind;
    const Onnx__NodeProto *node; /* of UNKNOWN: the first one; NULL for the input */
    unsigned dims;               /* 4 or 2 */
    size_t shape[4];             /* of what it makes: [N,C,H,W] or [N,F] */
    int in[2];                   /* the steps that it takes, -1: none */
    int up, depth;               /* the step before it on the way back, forks jumped over */
    cJSON *json;                 /* LAYER: owned */
    struct {
        const char *leaf; /* "weight" */
        unsigned dims;
        size_t shape[4];
        const float *data; /* in the reading's memory */
    } tensors[KD_ONNX_TENSORS];
    unsigned n_tensors;
    float *a, *b;    /* AFFINE: [channels] each */
    float low, high; /* CLIP, HARDSIGMOID */
    size_t pad[2];   /* PAD: above and below, left and right */
};

struct kd_onnx_value { /* what a name stands for */
    const char *name;
    const Onnx__TensorProto *tensor;         /* that the file holds, or NULL */
    const Onnx__ValueInfoProto *input;       /* of the graph, or NULL */
    const struct kd_onnx_constant *constant; /* or NULL */
    int step;                                /* or -1 */
};

struct kd_onnx {
    struct kd_onnx_ask ask;
    Onnx__ModelProto *proto;
    const Onnx__GraphProto *graph;
    struct kd_onnx_value *values; /* sorted by name */
    size_t n_values;
    struct kd_onnx_step *steps;
    size_t n_steps, room_steps;
    struct kd_onnx_outside {
        const char *location; /* as the file names it */
        struct kd_bytes bytes;
    } * outside; /* files that hold tensors of this one */
    size_t n_outside, room_outside;
    void **memory; /* what the constants and affine steps are made of */
    size_t n_memory, room_memory, bytes, budget;
    struct kd_err *err;
};

/* ---- reading.c ---- */
/* Counts bytes against the budget; false: there are not so many left. */
bool kd_onnx_within(struct kd_onnx *r, size_t bytes);
/* Zeroed memory that lives as long as the reading and counts against its budget. */
void *kd_onnx_alloc(struct kd_onnx *r, size_t n, size_t size);
/* The place of a name, whether or not it has a value yet; and only where it has one. */
struct kd_onnx_value *kd_onnx_place(const struct kd_onnx *r, const char *name);
struct kd_onnx_value *kd_onnx_find(const struct kd_onnx *r, const char *name);
/* "node /conv1/Conv (Conv): " before the text. */
void kd_onnx_say(const struct kd_onnx *r, const Onnx__NodeProto *node, const char *format, ...)
    KD_PRINTF(3, 4);
#define kd_onnx_fail(...) (kd_onnx_say(__VA_ARGS__), -1)

/* ---- outside.c ---- */
/* The bytes of a tensor that lies in a file beside this one, *size of them; NULL with an error. */
const uint8_t *kd_onnx_outside(struct kd_onnx *r, const Onnx__TensorProto *t, const char *name,
                               size_t *size);

/* ---- constants.c ---- */
const struct kd_onnx_constant *kd_onnx_tensor(struct kd_onnx *r, const Onnx__TensorProto *t);
/* 1: the node's result, which depends on no image, is `out`; 0: it depends on one; -1. */
int kd_onnx_fold(struct kd_onnx *r, const Onnx__NodeProto *n, const struct kd_onnx_constant **out);
const Onnx__AttributeProto *kd_onnx_attribute(const Onnx__NodeProto *n, const char *name);
int64_t kd_onnx_int(const Onnx__NodeProto *n, const char *name, int64_t preset);
float kd_onnx_float(const Onnx__NodeProto *n, const char *name, float preset);
/* The i-th input where it is there and constant, else NULL. */
const struct kd_onnx_constant *kd_onnx_input_constant(const struct kd_onnx *r,
                                                      const Onnx__NodeProto *n, size_t i);
/* Whole numbers that are an attribute in older opsets and input i in newer ones. Returns how many
 * there are, at most `most`, which stand in v; 0: neither is there; -1. */
int kd_onnx_ints(const struct kd_onnx *r, const Onnx__NodeProto *n, const char *name, size_t i,
                 int64_t v[], int most);

/* ---- operators.c ---- */
int kd_onnx_operator(struct kd_onnx *r, const Onnx__NodeProto *n);
int kd_onnx_operator_names(struct kd_bytes *out, struct kd_err *err);
/* A step behind `in` with its shape; NULL without memory. The pointer is good until the next. */
struct kd_onnx_step *kd_onnx_step_add(struct kd_onnx *r, enum kd_onnx_step_kind kind,
                                      const Onnx__NodeProto *n, int in);

/* ---- chain.c ---- */
/* An activation spelled out: a product of x and something of x. Returns the step of x, its layer's
 * name and the factor that is left; -1: it is none. */
int kd_onnx_activation(const struct kd_onnx *r, const struct kd_onnx_step *product,
                       const char **name, float *factor);
/* Where two branches part. */
int kd_onnx_fork(const struct kd_onnx *r, int a, int b);
/* The steps behind `from` up to `to`, first one first, into a list of *n owned by the caller. */
int *kd_onnx_path(struct kd_onnx *r, int from, int to, size_t *n);

/* ---- emit.c ---- */
/* The layers up to step `last`, and the tensors, which point into the reading's memory. */
cJSON *kd_onnx_emit(struct kd_onnx *r, int last, struct kd_tensorfile *out,
                    struct kd_normalize *normalize);
#endif
