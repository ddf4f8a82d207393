/* The loss of a training, and its gradient from logits: the cross-entropy of the labels and a list
 * of weighted terms, each of which compares student and teacher.
 *
 *     loss = label_weight CE(labels) + sum over terms of weight value,   averaged over the batch
 *
 * never over batch x classes. Label smoothing touches CE alone: y = (1-s) onehot(label) + s/C. A
 * row without label (-1) loses its CE, and the terms that need a label; the divisor stays the batch
 * size. Without a teacher it is plain CE. An image that is mixed with another one has two labels:
 * s CE(label) + (1 - s) CE(other), without what an unknown one would add; it is right where the
 * label of the larger share comes first.
 *
 *     struct kd_loss loss;
 *     kd_loss_init(&loss, &job->distill, smoothing, &err)     NULL for a training without teacher
 *     kd_loss_run(&loss, &batch, dlogits, scratch, &sums)     adds to sums
 *     kd_loss_release(&loss)
 *
 * Kinds of terms have a file each under lib/train/loss/; kind.h there says how one is added. */
#ifndef KD_TRAIN_LOSS_H
#define KD_TRAIN_LOSS_H
#include "kd/run/record.h"
#include "kd/train/config.h"

enum { KD_LOSS_TERMS = KD_MOST_TERMS }; /* most in one loss */

struct kd_loss_kind;
struct kd_loss_places;
struct kd_loss_term {
    const struct kd_loss_kind *kind;
    char name[24];                /* in logs: its kind, and a number from the second of a kind on */
    void *params;                 /* the kind's own; owned */
    double temperature;           /* NAN: the kind has none */
    double weight;                /* once the ramp is over */
    double ramp;                  /* epochs over which the weight rises linearly from 0; 0: none */
    unsigned needs;               /* lib/train/loss/kind.h */
    unsigned first_pair, n_pairs; /* of a batch's pairs: what it compares in place of logits */
    size_t pixels;                /* of the largest of these */
};
struct kd_loss {
    double smoothing, label_weight;
    double *class_weight; /* [classes] of CE, by the label; owned; NULL: 1 each */
    int confidence;       /* enum kd_confident_of */
    struct kd_loss_term term[KD_LOSS_TERMS];
    unsigned n;
};
/* Reads what "distill" says of the loss and fills in what the kinds were published with. */
int kd_loss_init(struct kd_loss *loss, const struct kd_distill_config *distill, double smoothing,
                 struct kd_err *err);
void kd_loss_release(struct kd_loss *loss);
/* An image's CE counts by its label: "balanced" (images / (classes x the class's images) of the
 * training images), or a list of numbers. The divisor stays, and values are told without it. */
int kd_loss_weigh_classes(struct kd_loss *loss, const cJSON *weights, size_t classes,
                          const struct kd_subset *train, struct kd_err *err);

/* What a layer of the student, or of the teacher, says of n images: [n][pixels][cols], channels
 * last. pixels is 1 for flat features. */
struct kd_loss_side {
    size_t pixels, cols;
    const float *value;
};
struct kd_loss_pair { /* that a term compares */
    struct kd_loss_side student, teacher;
    float *gradient; /* as the student's, to be written: of the batch's mean, weighted */
};
/* The parameters of a term that compares features, which say of which layers; NULL: it does not. */
const struct kd_loss_places *kd_loss_places_of(const struct kd_loss_term *term);

struct kd_loss_batch {
    size_t n, classes;
    const float *logits;   /* [n][classes] */
    const int32_t *labels; /* [n], -1: none */
    const int32_t *others; /* [n] labels of what the images are mixed with; NULL: with nothing */
    const float *shares;   /* [n] of the images themselves */
    const float *teacher; /* [n][classes] logits, or probabilities at the temperature; NULL: none */
    bool teacher_is_probabilities;
    double epoch; /* epochs done, with the share of the one under way: for the ramp */
    const struct kd_loss_pair *pairs; /* of all terms, those of a term in a row; NULL: none */
    size_t whole; /* rows of the batch that these are a shard of; 0: they are all of it */
};
struct kd_loss_sums {           /* over rows, not yet divided */
    double loss, hard;          /* hard: CE, unweighted */
    double term[KD_LOSS_TERMS]; /* unweighted; KL includes T^2 */
    uint64_t correct, labelled, rows;
};
size_t kd_loss_scratch(const struct kd_loss *loss, size_t n, size_t classes); /* doubles needed */
/* dlogits [n][classes], may be NULL; adds to sums. */
void kd_loss_run(const struct kd_loss *loss, const struct kd_loss_batch *batch, float *dlogits,
                 double *scratch, struct kd_loss_sums *sums);
void kd_loss_sums_add(struct kd_loss_sums *to, const struct kd_loss_sums *more);

/* The kinds with what they are and where they come from: what --loss ? prints. */
int kd_loss_list(struct kd_bytes *out, struct kd_err *err);
#endif
