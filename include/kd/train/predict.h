/* Logits of a network for a list of images, and what they are worth against labels. */
#ifndef KD_TRAIN_PREDICT_H
#define KD_TRAIN_PREDICT_H
#include "kd/base/pool.h"
#include "kd/base/progress.h"
#include "kd/data/batch.h"
#include "kd/nn/model.h"

/* A view of an image set: which images, as which pixels. */
struct kd_view {
    const struct kd_images *images;
    const struct kd_augment *augment; /* NULL: plain */
    uint64_t seed;                    /* of the augmentation */
    uint32_t epoch;
};
/* out[j] = input of image index[j], normalized, by the pool's workers. */
void kd_view_fill(const struct kd_view *view, const struct kd_normalize *normalize,
                  const uint32_t *index, size_t n, struct kd_pool *pool, float *out);

#define KD_PREDICT_BATCH 500
/* logits [n][classes] of images index[0..n-1] (NULL: the first n), in evaluation mode, in batches
 * of the plan. Plans net for inference if it has no plan. */
/* Fails where a model's answer is not finite, as sums overflow: name and image are named. */
int kd_logits_check(const char *name, const float *logits, size_t n, size_t classes,
                    struct kd_err *err);
int kd_predict(struct kd_network *net, const struct kd_normalize *normalize,
               const struct kd_view *view, const uint32_t *index, size_t n, struct kd_pool *pool,
               const struct kd_progress *progress, float *logits, struct kd_err *err);
/* Test-time augmentation: logits averaged over copies of each image, half of them mirrored left and
 * right. mirror         the image and its mirror image, half each mirror_shifts  half the weight
 * for these two; a quarter for both moved one pixel right and down, a quarter for both moved one
 * left and up, their borders filled by reflection (Jordan 2024, multi-crop evaluation) They suit
 * networks that learnt with such flips and shifts. */
#define KD_TTAS(X)                                                                                 \
    X(KD_TTA_NONE, "none") X(KD_TTA_MIRROR, "mirror") X(KD_TTA_MIRROR_SHIFTS, "mirror-shifts")
enum kd_tta { KD_TTAS(KD_CHOICE_ENUM) };
const char *kd_tta_name(enum kd_tta tta);
int kd_predict_tta(struct kd_network *net, const struct kd_normalize *normalize,
                   const struct kd_view *view, const uint32_t *index, size_t n, enum kd_tta tta,
                   struct kd_pool *pool, const struct kd_progress *progress, float *logits,
                   struct kd_err *err);
/* Do these images suit this model? Names both and says in what they differ. */
int kd_model_suits(const struct kd_model *model, const struct kd_images *images,
                   struct kd_err *err);
/* Labels within 0 .. classes-1 of `who`, or which image has which label. */
int kd_classes_suit(const char *who, size_t classes, const struct kd_images *images,
                    struct kd_err *err);

#define KD_ECE_BINS 15
struct kd_bin { /* images whose confidence lies in (b/15, (b+1)/15] */
    uint64_t n;
    double confidence, accuracy; /* means over them; 0 of none */
};
struct kd_metrics { /* rates are fractions; over the labelled ones of n images */
    uint64_t n, errors;
    double top1, top5, loss; /* loss: mean label cross-entropy at T = 1, in nats */
    double ece; /* expected calibration error, 15 equal-width bins (Guo et al. 2017, equation 3) */
    struct kd_bin bins[KD_ECE_BINS];
};
size_t kd_argmax(const float *z, size_t n); /* of the largest the first */
/* labels [n], -1: not counted. confusion: [classes][classes] counts, row the true class, or NULL.
 */
void kd_metrics_of(const float *logits, const int32_t *labels, size_t n, size_t classes,
                   struct kd_metrics *out, uint32_t *confusion);
/* Share of rows with equal argmax. */
double kd_agreement(const float *a, const float *b, size_t n, size_t classes);
/* Median milliseconds of one image at a time, and images a second 1,000 at a time in the best of
 * some rounds, from pixels in memory to logits; n > 0. Plans net anew. */
int kd_predict_time(struct kd_network *net, const struct kd_normalize *normalize,
                    const struct kd_view *view, const uint32_t *index, size_t n,
                    struct kd_pool *pool, double *latency_ms, double *throughput,
                    struct kd_err *err);
/* A file of a model's logits for all images of a set: `logits` F32 [n][classes], and `labels` I32
 * [n] where the set has any (-1: none). Metadata: kd.kind = "logits", kd.data, kd.parents =
 * [fingerprint of the model], kd.command unless `command` is empty. */
int kd_logits_write(const char *path, const float *logits, const int32_t *labels, size_t classes,
                    const struct kd_images *images, const char *fingerprint, const char *command,
                    struct kd_err *err);
#endif
