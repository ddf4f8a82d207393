/* A model's logits for images, and how fast they come.
 *
 *     struct kd_view view = {.images = &images, .n = images.n};
 *     struct kd_asking how = {.pool = pool};
 *     kd_predict(&model, &view, &how, logits, &err);    logits [view.n][classes]
 *
 * Whoever asks a model is checked first: a model is never run on images of another shape, so that
 * no caller can forget to look. */
#ifndef KD_NN_PREDICT_H
#define KD_NN_PREDICT_H
#include "kd/base/pool.h"
#include "kd/base/progress.h"
#include "kd/base/team.h"
#include "kd/data/batch.h"
#include "kd/nn/metrics.h"
#include "kd/nn/model.h"

/* Test-time augmentation: logits averaged over copies of each image, half of them mirrored left and
 * right.
 *   mirror         the image and its mirror image, half each
 *   mirror_shifts  half the weight for these two; a quarter for both moved one pixel right and
 * down, a quarter for both moved one left and up, their borders filled by reflection (Jordan 2024,
 * multi-crop evaluation)
 * They suit networks that learnt with such flips and shifts. */
#define KD_TTAS(X)                                                                                 \
    X(KD_TTA_NONE, "none") X(KD_TTA_MIRROR, "mirror") X(KD_TTA_MIRROR_SHIFTS, "mirror-shifts")
enum kd_tta { KD_TTAS(KD_CHOICE_ENUM) };
const char *kd_tta_name(enum kd_tta tta);

struct kd_asking { /* all may be left out */
    enum kd_tta tta;
    struct kd_pool *pool;
    const struct kd_progress *progress;
    struct kd_team *team; /* its ranks share out the batches, and all have all logits in the end */
    /* Images are answered in blocks of so many, as many blocks at once as the network has memory
     * for; so logits do not depend on how much that is. For a network planned for training in
     * shards, without tta; `cuts` has room for all. 0: in batches of its plan. */
    size_t block;
    struct kd_cuts *cuts;
};

/* Images from .. from+n-1 of the view into out [n][features], by the pool's workers. */
void kd_view_fill(const struct kd_view *view, const struct kd_normalize *normalize, size_t from,
                  size_t n, struct kd_pool *pool, float *out);

#define KD_PREDICT_BATCH 500
/* Do images of this set suit this model: their shape, and the kind of numbers? The labels are
 * another question (kd_classes_suit). Names both and says in what they differ. */
int kd_pixels_suit(const struct kd_model *model, const struct kd_images *images,
                   struct kd_err *err);
/* Labels within 0 .. classes-1 of `who`, or which image has which label. */
int kd_classes_suit(const char *who, size_t classes, const struct kd_images *images,
                    struct kd_err *err);
/* Both: pixels for the model, labels within its classes. */
int kd_model_suits(const struct kd_model *model, const struct kd_images *images,
                   struct kd_err *err);
/* Do two models have the same classes, so that their answers can be compared or averaged? */
int kd_models_agree_on_classes(const struct kd_model *a, const struct kd_model *b,
                               struct kd_err *err);
/* Which output of the model is each class of the images: map [images->classes], NULL where the
 * numbers are the same; caller frees. By name where both have names; else labels must be within the
 * model's classes. */
int kd_model_classes(const struct kd_model *model, const struct kd_images *images, uint32_t **map,
                     struct kd_err *err);
/* Which output of the other is each of the model's: map [classes] or NULL. */
int kd_models_classes(const struct kd_model *model, const struct kd_model *other, uint32_t **map,
                      struct kd_err *err);

/* logits [view->n][classes] in evaluation mode, in batches of the network's plan; plans it for
 * inference if it has no plan. Fails before anything is computed where the images do not suit
 * (kd_pixels_suit). */
int kd_predict(const struct kd_model *model, const struct kd_view *view,
               const struct kd_asking *how, float *logits, struct kd_err *err);
/* Fails where a model's answer is not finite, as sums overflow: name and image are named. */
int kd_logits_check(const char *name, const float *logits, size_t n, size_t classes,
                    struct kd_err *err);

struct kd_speed {
    double latency_ms; /* median of one image at a time */
    double throughput; /* images a second, 1,000 at a time, in the best of some rounds */
};
/* From pixels in memory to logits; view->n > 0. Each of the two has threads of its own; NULL: one.
 * Plans the network anew. */
int kd_predict_time(const struct kd_model *model, const struct kd_view *view,
                    struct kd_pool *for_one, struct kd_pool *for_many, struct kd_speed *out,
                    struct kd_err *err);

/* A file of a model's logits for all images of a set: `logits` F32 [n][classes], and `labels` I32
 * [n] where the set has any (-1: none). Metadata: kd.kind = "logits", kd.data, kd.parents =
 * [fingerprint of the model], kd.command unless `command` is empty. */
struct kd_answers {
    const float *logits;   /* [images->n][model's classes] */
    const int32_t *labels; /* [images->n]; NULL: none */
    const struct kd_images *images;
    const struct kd_model *model;
};
int kd_logits_write(const char *path, const struct kd_answers *answers, const char *command,
                    struct kd_err *err);
#endif
