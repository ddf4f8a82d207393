/* A kind of distillation loss is a row: its name and paper, its own parameters, what it needs, the
 * settings it was published with, and its value with the gradient. Each kind has a file of its own
 * in this folder and a line in list.c; nothing else asks which kind it has before it. A training's
 * loss is a list of weighted terms of these kinds beside the cross-entropy of the labels
 * (kd/train/loss.h).
 *
 * z are logits [n][classes], u = z / T, q = softmax(u); s the student's, t the teacher's. The value
 * of a row is not weighted and not divided by the batch size; loss.c divides the whole gradient
 * once. Everything is computed in double. No gradient flows into the teacher.
 *
 * A kind with `features` compares places inside teacher and student (kd/train/taps.h) in place of
 * logits. The struct of its parameters begins with a struct kd_loss_places, and its rows with
 * KD_LOSS_PLACES, unless it reuses the teacher's head. What it asks for in `features` is done
 * before it is called and undone behind it: it sees a list of pairs, and writes the gradient by the
 * student's side of each. */
#ifndef KD_TRAIN_LOSS_KIND_H
#define KD_TRAIN_LOSS_KIND_H
#include "kd/train/loss.h"

/* For a matrix of logits: log q and q, both [n][classes]. */
struct kd_softmax {
    double *log_q, *q;
};

struct kd_loss_call { /* one term over one batch */
    size_t n, classes;
    double temperature;
    const void *params;             /* the kind's own struct, where it has rows */
    const float *student, *teacher; /* logits [n][classes] */
    bool probabilities;    /* teacher holds softmax(z / T): only with KD_LOSS_TAKES_PROBABILITIES */
    const int32_t *labels; /* [n], -1: none */
    struct kd_softmax plain; /* of the student at T = 1, to be read */
    const double *weight;    /* [n] factor of each row's gradient */
    double *value;           /* [n], to be written: unweighted; 0 where the row has nothing */
    double *gradient;        /* [n][classes], to be added to: weight times d value / d student */
    double *scratch;         /* doubles, as many as the kind's scratch says */
    /* Of a kind with features, which leaves `gradient` alone: what is compared. It writes
     * pair->gradient: weight times d value / d student, times `share`. */
    const struct kd_loss_pair *pairs;
    size_t n_pairs;
    double share; /* 1 / images of the batch */
};

/* Which layers, of the student and of the teacher: kd/nn/blocks.h; or lists of as many. */
struct kd_loss_places {
    cJSON *student, *teacher;
};
struct kd_loss_reuse {
    struct kd_loss_places places; /* not to be chosen */
    cJSON *projector;             /* a list of layers; NULL: one linear layer */
};
#define KD_LOSS_PLACES(s, t)                                                                       \
    {NULL,                                                                                         \
     0,                                                                                            \
     "student",                                                                                    \
     KD_OPT_JSON,                                                                                  \
     offsetof(struct kd_loss_places, student),                                                     \
     .preset = (s),                                                                                \
     .help = "layer of the student: a name, a share of the depth, or \"features\"; or a list"},    \
    {                                                                                              \
        NULL, 0, "teacher", KD_OPT_JSON, offsetof(struct kd_loss_places, teacher),                 \
            .preset = (t), .help = "the same of the teacher"                                       \
    }

struct kd_loss_features {
    bool maps;     /* with a height and a width: no flat features */
    bool pools;    /* the larger of two maps is averaged to the size of the smaller */
    bool reuses;   /* the student has the teacher's head (kd/nn/head.h): the features before that;
                      its parameters are a struct kd_loss_reuse */
    bool projects; /* a linear layer gives the student as many columns as the teacher has */
    size_t (*scratch)(size_t n, size_t pixels); /* in place of the kind's; may be NULL: none */
};

enum {                           /* what a kind needs and takes */
       KD_LOSS_NEEDS_LABELS = 1, /* rows without one are passed over */
       KD_LOSS_TAKES_PROBABILITIES = 2,
       KD_LOSS_OVER_BATCH =
           4, /* rows are compared with each other: a row has no value of its own */
};

/* What "distill" has where nothing is said. */
struct kd_loss_usual {
    double temperature; /* NAN: the loss has none */
    double weight, label_weight;
    double ramp; /* epochs */
    unsigned needs;
};

struct kd_loss_kind {
    const char *name;
    const char *paper; /* who, when, where */
    const char *about; /* one line for --loss ? */
    struct kd_loss_usual usual;
    const struct kd_option *rows;            /* of `params`, without flags; NULL: it has none */
    size_t size;                             /* of the struct that the rows' offsets refer to */
    const struct kd_loss_features *features; /* NULL: it compares logits */
    /* May be NULL. Where a parameter makes a variant with settings of its own: fills parameters
     * that were not given, and changes `usual`. */
    void (*variant)(void *params, struct kd_loss_usual *usual);
    size_t (*scratch)(size_t n, size_t classes); /* may be NULL: none */
    void (*run)(const struct kd_loss_call *call);
};

extern const struct kd_loss_kind
    *const kd_loss_kinds[]; /* ends with NULL; the first is the default */

/* s = log softmax and softmax of z / T, for all rows. */
void kd_softmax_rows(struct kd_softmax s, const float *z, size_t n, size_t classes,
                     double temperature);
/* The same where s.log_q holds what is to be normalized. */
void kd_softmax_finish(struct kd_softmax s, size_t n, size_t classes);
/* Log softmax and softmax over the classes that are not skipped; of skipped ones log q and q are 0.
 * scratch has room for kd_masked_scratch(n, classes) doubles. Lay, write `skip` (it is 0 then), and
 * run one side or both. */
struct kd_masked {
    struct kd_softmax s, t;
    double *lse_s, *lse_t; /* [n]: log-sum-exp of the others, -HUGE_VAL where none is left */
    unsigned char *skip;   /* [n][classes] */
};
size_t kd_masked_scratch(size_t n, size_t classes);
void kd_masked_lay(struct kd_masked *m, const struct kd_loss_call *call, double *scratch);
void kd_masked_student(const struct kd_masked *m, const struct kd_loss_call *call,
                       double temperature);
void kd_masked_teacher(const struct kd_masked *m, const struct kd_loss_call *call,
                       double temperature);
void kd_masked_run(const struct kd_masked *m, const struct kd_loss_call *call, double temperature);
/* KL of two-way distributions (p, 1 - p) with p = 1 / (1 + exp(-d)), and its slope by d_s. */
double kd_binary_kl(double d_t, double d_s, double *slope);
/* Rows of features, [n][numbers]: all products x_i . x_j, and all squared distances, [n][n]; and
 * out_i = factor times the sum of m[i][j] x_j, [n][numbers]. */
void kd_rows_products(const struct kd_loss_side *side, size_t n, double *out);
void kd_rows_distances(const struct kd_loss_side *side, size_t n, double *out);
void kd_rows_combine(const struct kd_loss_side *side, size_t n, const double *m, double factor,
                     float *out);
/* `run` of a kind that compares features of one size: the mean over their numbers of (s - t)^2, for
 * each pair. */
void kd_pairs_square(const struct kd_loss_call *call);
/* Probabilities that a file brought: log 0 counts for nothing, since 0 log 0 = 0. */
void kd_softmax_given(struct kd_softmax s, const float *p, size_t n, size_t classes);
#endif
