/* Layers: a kind plus one row of operations, forward beside backward.
 *
 * Data between layers is [batch][features], features in C,H,W order. Layers come in two sorts:
 *
 *   - anchors (dense, batchnorm, ...) write a new array, and say into how many parts their work is cut; a part
 *     makes one tile (some columns of all rows) of the output;
 *   - elementwise layers (relu, dropout, ...) follow an anchor and work on its tile while that is warm.
 *
 * So a network is a chain of stages, each an anchor and the elementwise layers behind it:
 *
 *      input | dropout      flatten      dense relu dropout      dense
 *      `-- stage 0 -------------------'  `-- stage 1 ------'     `- stage 2
 *
 * Backward, stage s makes the gradient of its input tile by tile, and the elementwise layers of stage s-1 are undone on that
 * same tile. Nothing is cut by the number of threads.
 *
 * Adding a layer: a file with its kind, a line in lib/nn/layers.c, a member in the union, a gradient test. */
#ifndef KD_NN_LAYER_H
#define KD_NN_LAYER_H
#include "kd/base/mem.h"
#include "kd/base/option.h"
#include "kd/base/rng.h"
#include <stdbool.h>
#include <stdint.h>

struct kd_shape {
    uint32_t c, h, w;
    bool flat; /* has been through flatten (or dense): c features, h = w = 1 */
};
static inline size_t kd_shape_size(struct kd_shape s)
{
    return (size_t)s.c * s.h * s.w;
}

enum { KD_PARAM_DIMS = 4 };
struct kd_param { /* a named array that is saved with the model */
    char name[80];  /* "1.weight" */
    unsigned index; /* place in the network's list */
    unsigned dims;
    size_t shape[KD_PARAM_DIMS];
    size_t count;
    float *value, *grad;   /* [shape]; grad NULL where it is not trained */
    bool trained;          /* false: running statistics */
    bool decays;           /* weight decay applies: weights, not biases or norms */
    double max_norm;       /* > 0: every row shape[0] is kept to this Euclidean length */
};

struct kd_tile { /* columns col0 .. col0+cols-1 of rows 0 .. rows-1 */
    size_t rows, col0, cols;
};

/* One pass over a batch. */
struct kd_pass {
    bool training;            /* dropout on, batch statistics, and what backward needs is kept */
    uint64_t seed;            /* of dropout */
    uint32_t epoch;
    const uint32_t *sample;   /* [rows] place of each row's image in its source; NULL where not training */
    size_t rows;
};

enum kd_keeps { /* what an elementwise layer's backward needs of its arrays */
    KD_KEEPS_NOTHING, KD_KEEPS_SIGN, KD_KEEPS_OUTPUT, KD_KEEPS_INPUT
};

struct kd_dense {
    int64_t units; /* 0 in JSON: the number of classes */
    bool bias;
    int init;      /* 0 he, 1 glorot */
    double max_norm;
};
struct kd_dropout {
    double rate;
};
struct kd_activation {
    double slope; /* leaky_relu */
};
struct kd_batchnorm {
    double momentum, epsilon;
};

struct kd_layer_kind;
struct kd_layer {
    const struct kd_layer_kind *kind;
    unsigned number;  /* place in the layer list */
    char name[64];    /* "3" */
    struct kd_shape in, out;
    union {
        struct kd_dense dense;
        struct kd_dropout dropout;
        struct kd_activation activation;
        struct kd_batchnorm batchnorm;
    } u;
    struct kd_param param[4];
    unsigned n_params;
    unsigned parts;     /* into which an anchor's output is cut */
    /* Planned by the network; [batch][features]. An elementwise layer in place has x == y. */
    float *x, *y;       /* input, output */
    float *dx, *dy;     /* their gradients; NULL where not needed */
    void *save;         /* save_bytes of the layer's own */
};

struct kd_layer_kind {
    const char *name;
    const struct kd_option *rows; /* JSON keys besides "kind"; offsets into the union */
    size_t n_rows;
    /* out, params (names, shapes) and parts from in. Errors say which layer and which shapes. */
    int (*shape)(struct kd_layer *l, uint32_t classes, struct kd_err *err);
    /* Parameter i draws from kd_rng_for(seed, KD_FOR_INIT, first_param + i, row). NULL: no parameters. */
    void (*init)(struct kd_layer *l, uint64_t seed, uint32_t first_param);
    uint64_t (*macs)(const struct kd_layer *l); /* multiply-adds an image; NULL: 0 */
    size_t (*save_bytes)(const struct kd_layer *l, size_t batch); /* NULL: 0 */
    /* elementwise only */
    bool elementwise, keeps_sign; /* keeps_sign: y > 0 exactly where x > 0 and dy is not undone to 0 */
    enum kd_keeps keeps;
    /* y's tile from x. */
    void (*forward)(struct kd_layer *l, const struct kd_pass *p, struct kd_tile t);
    /* Elementwise: dy's tile becomes dx's, in place. Anchor: tile t of dx (input columns), and whatever of the
     * parameters' gradients comes with it. */
    void (*backward)(struct kd_layer *l, const struct kd_pass *p, struct kd_tile t);
    /* Anchor: gradients of the parameters, part by part (parts of l->parts). NULL: backward made them. */
    void (*gradient)(struct kd_layer *l, const struct kd_pass *p, unsigned part);
};

/* Kind by name, with "did you mean"; NULL with err. */
const struct kd_layer_kind *kd_layer_kind_find(const char *name, struct kd_err *err);
/* Part `part` of `parts` of n columns, in steps of 16: equal to within 16. */
struct kd_tile kd_tile_of(size_t rows, size_t n, unsigned parts, unsigned part);
/* Into how many parts n columns of `work` multiply-adds in all are cut, by size alone. */
unsigned kd_parts_for(size_t n, double work);
#endif
