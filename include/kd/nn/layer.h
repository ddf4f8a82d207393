/* Layers: a kind plus one row of operations, forward beside backward.
 *
 * What flows between layers is a matrix: flat features are [images][features]; maps are [images * h
 * * w][channels], channels last, so that every layer works along rows of contiguous channels.
 * (Files and the input are in C,H,W order; the chain converts.)
 *
 * Layers come in two sorts:
 *   - anchors (dense, conv2d, batchnorm, pooling, residual, ...) write a new matrix;
 *   - elementwise layers (relu, dropout, ...) follow an anchor and work on a tile of it while that
 * is warm. So a network is a chain of stages, each an anchor and the elementwise layers behind it:
 *
 *      input | dropout      flatten      dense relu dropout      dense
 *      `-- stage 0 -------------------'  `-- stage 1 ------'     `- stage 2
 *
 * Where a convolution can pool as it goes, "conv2d relu maxpool" is one stage, its output the
 * pooled one, and relu, which does not change what is largest, works on that.
 *
 * Without training a batchnorm right behind a convolution is folded into its weights and bias, and
 * is no stage either.
 *
 * How an anchor's work is shared out is its own matter (enum kd_cut), but never depends on the
 * number of threads. Backward, stage s makes the gradient of its input tile by tile, and the
 * elementwise layers of stage s-1 are undone on that same tile.
 *
 * Adding a layer: a file with its kind, a line in lib/nn/layers.h, a section of the manual and a
 * gradient test. lib/README.md has an example. */
#ifndef KD_NN_LAYER_H
#define KD_NN_LAYER_H
#include "kd/base/mem.h"
#include "kd/base/option.h"
#include "kd/base/pool.h"
#include "kd/base/rng.h"
#include "kd/nn/cuts.h"
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
static inline size_t kd_shape_pixels(struct kd_shape s)
{
    return (size_t)s.h * s.w;
}

enum { KD_PARAM_DIMS = 4 };
enum kd_param_role { KD_WEIGHT, KD_BIAS, KD_NORM_WEIGHT, KD_NORM_BIAS, KD_STATISTIC };
struct kd_param {   /* a named array that is saved with the model */
    char name[80];  /* "1.weight", "4.body.0.bias" */
    unsigned index; /* place in the network's list */
    unsigned dims;
    size_t shape[KD_PARAM_DIMS];
    size_t count;
    /* [shape]. grad is NULL where it is not trained; a statistic has one in a network that learns
     * in shards: the batch's, of which each shard has a share. */
    float *value, *grad;
    enum kd_param_role role;
    bool trained;    /* false: running statistics, frozen parameters */
    double rate;     /* learning rate as a multiple, where trained: kd/train/finetune.h */
    bool decays;     /* weight decay applies: weights, not biases or norms */
    double max_norm; /* > 0: every row shape[0] is kept to this Euclidean length */
};

struct kd_tile { /* columns col0 .. col0+cols-1 of rows row0 .. row0+rows-1 of a matrix */
    size_t row0, rows, col0, cols;
};

/* One pass over a batch. */
struct kd_pass {
    bool training; /* dropout on, batch statistics, and what backward needs is kept */
    uint64_t seed; /* of dropout */
    uint32_t epoch;
    const uint32_t *sample; /* [rows] place of each image in its source; NULL where not training */
    size_t rows;            /* images */
    /* Where the rows are shards of a batch; statistics then go to the parameters' grad, as their
     * gradients do. NULL: they are all of a batch. */
    const struct kd_cuts *cuts;
};

/* Told, on a worker, that grad[from .. from+count) of p is final and that value may be changed
 * there: no later work of this backward pass reads it. Ranges are whole rows (shape[0]) of p. */
struct kd_gradient_sink {
    void (*ready)(void *ctx, struct kd_param *p, size_t from, size_t count);
    void *ctx;
};

/* For layers that share out their work themselves: what they need, and what is to be done to each
 * of their tiles (elementwise layers forward, or those of the stage below backward) once it is
 * written. */
struct kd_layer_call {
    struct kd_pool *pool;
    const struct kd_pass *pass;
    const struct kd_gradient_sink *sink;         /* backward; may be NULL */
    void (*finish)(void *ctx, struct kd_tile t); /* rows of whole images, all columns */
    void *ctx;
};

enum kd_cut {
    KD_BY_COLUMNS, /* forward, backward: some columns of all rows */
    KD_BY_IMAGES,  /* all columns of some images' rows */
    KD_BY_ITSELF   /* run and run_back are called once, with the pool */
};
enum kd_keeps { /* what an elementwise layer's backward needs of its arrays */
                KD_KEEPS_NOTHING,
                KD_KEEPS_SIGN,
                KD_KEEPS_OUTPUT,
                KD_KEEPS_INPUT
};

struct kd_chain;
struct kd_stage;
struct kd_subset;
struct kd_normalize;

struct kd_build { /* what is known while layers are made */
    uint32_t classes;
    unsigned next_number;
};

struct kd_layer_kind;
struct kd_layer {
    const struct kd_layer_kind *kind;
    unsigned number; /* in order of making, residual bodies included: dropout draws by it */
    char name[64];   /* "3", "4.body.0" */
    struct kd_shape in, out;
    void *own; /* the settings of its kind, own_bytes of them; the rows' offsets are into it */
    struct kd_param param[4];
    unsigned n_params;
    struct kd_texts freeze; /* names of parameters that stay as they were initialized */
    unsigned parts;         /* into which an anchor's output is cut */
    bool absorbed;          /* done along with the layers before it: it has no stage of its own */
    unsigned shards;        /* before a plan: most that a pass is cut into; 0: it is not */
    /* Planned by the chain. */
    size_t pixels, cols; /* the output matrix: rows an image, columns */
    float *x, *y;        /* input, output; an elementwise layer in place has x == y */
    float *dx, *dy;      /* their gradients; NULL where not needed */
    void *save;          /* save_bytes of the layer's own */
    void *scratch;       /* scratch_bytes that all layers of the network use in turn */
};

/* What an elementwise layer does to a tile of the matrix that the anchor before it wrote. */
struct kd_elementwise {
    enum kd_keeps keeps;
    bool keeps_sign; /* y > 0 exactly where x > 0, and dy is not undone to 0 */
    /* It never turns an order round, and done again on its own output it changes nothing that
     * backward looks at: a pooling to the largest may come before it, and an anchor that is
     * repeated may stand behind it. relu and its kin. */
    bool monotone;
    void (*forward)(struct kd_layer *l, const struct kd_pass *p, struct kd_tile t);
    /* dy's tile becomes dx's, in place. */
    void (*backward)(struct kd_layer *l, const struct kd_pass *p, struct kd_tile t);
};

/* What an anchor does: a new matrix from the one before. */
struct kd_anchor {
    enum kd_cut cut;
    /* Cut by columns: forward can do some images as well, and is so cut where columns are few. */
    bool rows_apart;
    /* Is the output the same numbers in the same order, only seen otherwise? Then it is no stage.
     * `images`: x is the images themselves, in C,H,W order. NULL: never. */
    bool (*is_view)(const struct kd_layer *l, bool images);
    /* May this anchor do the work of `next`, which comes behind its stage, along with its own? It
     * then remembers the layer (until forget), and `next` has no stage. NULL: never. */
    bool (*absorb)(const struct kd_stage *s, struct kd_layer *next, bool training);
    void (*forget)(struct kd_layer *l);                  /* what it absorbed */
    struct kd_shape (*output)(const struct kd_layer *l); /* with what it absorbed; NULL: out */
    /* y's tile from x. */
    void (*forward)(struct kd_layer *l, const struct kd_pass *p, struct kd_tile t);
    /* y's tile once more, as forward left it (all columns of whole images): a training chain does
     * not keep the output of a layer that has this, where nothing but monotone layers follow, but
     * makes it again on the way back. NULL: it is kept. */
    void (*repeat)(struct kd_layer *l, const struct kd_pass *p, struct kd_tile t);
    /* Tile t of dx, and whatever of the parameters' gradients comes with it. */
    void (*backward)(struct kd_layer *l, const struct kd_pass *p, struct kd_tile t);
    /* Cut by columns: gradients of the parameters that belong to some output columns, steps of
     * l->parts' tiles. NULL: backward made them. */
    void (*gradient)(struct kd_layer *l, const struct kd_pass *p, struct kd_tile t);
    /* KD_BY_ITSELF: forward; dx; and after dx the parameters' gradients, telling the sink. */
    void (*run)(struct kd_layer *l, const struct kd_layer_call *call);
    void (*run_back)(struct kd_layer *l, const struct kd_layer_call *call);
    void (*run_gradient)(struct kd_layer *l, const struct kd_layer_call *call);
};

/* What a layer that holds chains (a residual block) tells of them. */
struct kd_holder {
    struct kd_chain *(*chain)(const struct kd_layer *l, unsigned i); /* NULL behind the last */
    /* Once x, y, dx and dy are known: plans the chains. */
    int (*plan)(struct kd_layer *l, size_t batch, bool training, struct kd_err *err);
};

struct kd_layer_kind {
    const char *name;
    const struct kd_option *rows; /* JSON keys besides "kind"; NULL: written as a name alone */
    size_t own_bytes;             /* of l->own */
    bool freezes;                 /* has parameters that "freeze" can name */
    /* Has statistics of the batch, in training: wants two values a channel at least. Takes what the
     * shards of a batch have put together in grad. NULL: has none. */
    void (*take_statistics)(struct kd_layer *l);
    /* out, params (names, shapes) and parts from in. Errors say which layer and which shapes. */
    int (*shape)(struct kd_layer *l, struct kd_build *build, struct kd_err *err);
    /* Parameter i draws from kd_rng_for(seed, KD_FOR_INIT, first_param + i, row). NULL: no
     * parameters. */
    void (*init)(struct kd_layer *l, uint64_t seed, uint32_t first_param);
    /* For the first layer: parameters that are found from the training images. NULL: none are. */
    int (*init_from_images)(struct kd_layer *l, const struct kd_subset *images,
                            const struct kd_normalize *normalize, struct kd_err *err);
    uint64_t (*macs)(const struct kd_layer *l); /* multiply-adds an image; NULL: 0 */
    size_t (*save_bytes)(const struct kd_layer *l, size_t batch, bool training); /* NULL: 0 */
    /* What one call of run, run_back (with the run_gradient behind it) or the like needs for
     * itself. NULL: 0. */
    size_t (*scratch_bytes)(const struct kd_layer *l, size_t batch, bool training);
    void (*release)(struct kd_layer *l);      /* what l->own points to; NULL: nothing */
    const struct kd_elementwise *elementwise; /* one of these two */
    const struct kd_anchor *anchor;
    const struct kd_holder *holder; /* beside anchor; NULL: holds no chains */
};

/* Chain i that the layer holds, or NULL: for (i = 0; (c = kd_layer_chain(l, i)); i++) */
struct kd_chain *kd_layer_chain(const struct kd_layer *l, unsigned i);
/* Kind by name, with "did you mean"; NULL with err. */
const struct kd_layer_kind *kd_layer_kind_find(const char *name, struct kd_err *err);
/* Part `part` of `parts` of n columns, in steps of 16: equal to within 16. */
struct kd_tile kd_tile_of(size_t rows, size_t n, unsigned parts, unsigned part);
/* Part of `images` images of `pixels` rows each, all `cols` columns. */
struct kd_tile kd_tile_of_images(size_t images, size_t pixels, size_t cols, unsigned parts,
                                 unsigned part);
/* Into how many parts n columns of `work` multiply-adds in all are cut, by size alone. */
unsigned kd_parts_for(size_t n, double work);
#endif
