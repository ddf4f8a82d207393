/* Where a student's soft targets come from: a file, or teachers at hand.
 *
 * A soft-target file (safetensors) holds `logits` F32 or F16 [N,C] or [V,N,C], row i for image i of
 * the named split in source order, or the largest of them alone (kd/nn/top.h); and perhaps
 * `probabilities` [K,N,C] at the temperatures of kd.temperature. Metadata: kd.kind =
 * "soft-targets", kd.data (which images), kd.parents (which teachers), kd.views, kd.average. */
#ifndef KD_TRAIN_TARGETS_H
#define KD_TRAIN_TARGETS_H
#include "kd/nn/predict.h"
#include "kd/nn/top.h"
#include "kd/train/config.h"
#include "kd/train/features.h"

struct kd_teachers { /* models whose outputs are averaged with weights that sum to 1 */
    struct kd_model *models;
    double *weights;
    size_t n;
    int average;    /* 0 logits, 1 probabilities */
    int tta;        /* enum kd_tta: of each model */
    float *scratch; /* [rows][classes], after kd_teachers_plan */
    size_t rows;
    /* after kd_teachers_check: outputs are the images' classes in their order, then the rest */
    uint32_t **order;   /* [n] lists [classes]: a model's number of each; NULL: as they are */
    float *row;         /* [classes] scratch */
    char **class_names; /* [classes], or NULL */
};
int kd_teachers_add(struct kd_teachers *t, const char *path, double weight, struct kd_err *err);
void kd_teachers_release(struct kd_teachers *t);
/* All teachers suit the images and know the same number of classes, those of the images among them
 * by name where both sides have names; weights are scaled to sum to 1. */
int kd_teachers_check(struct kd_teachers *t, const struct kd_images *images, struct kd_err *err);
/* Memory for `rows` images at a time is laid out once; predictions of so many or fewer then
 * allocate nothing (tta does). */
int kd_teachers_plan(struct kd_teachers *t, size_t rows, struct kd_err *err);
/* out [view->n][classes]: mean logits; with average probabilities: mean of softmax(z/T). Evaluation
 * mode.
 */
int kd_teachers_predict(struct kd_teachers *t, const struct kd_view *view, double temperature,
                        const struct kd_asking *how, float *out, struct kd_err *err);
/* JSON list of fingerprints, as kd.parents has it. */
cJSON *kd_teachers_parents(const struct kd_teachers *t, struct kd_err *err);

struct kd_targets {
    /* At most one of values and top is there; neither: made from teachers batch by batch. */
    float *values;               /* [views][n][classes], or NULL */
    struct kd_top top;           /* the same, sparse; top.k 0: none. It points into file */
    struct kd_features features; /* stored ones, where the loss compares layers; in file */
    struct kd_tensorfile file;   /* as compact in memory as on disk */
    uint32_t *place;             /* [classes] where top's classes go, or NULL */
    size_t views, n, classes;
    bool probabilities; /* at the student's temperature, rather than logits */
    bool augmented;     /* of augmented images: the student replays them */
    struct kd_augment augment;
    uint64_t seed; /* of the views */
    struct kd_teachers teachers;
    enum kd_own_teacher made;         /* in the training itself: average or peer; else 0 */
    char **class_names;               /* [classes], those of the images first; NULL: none */
    cJSON *parents;                   /* JSON list of fingerprints */
    char fingerprint[KD_FINGERPRINT]; /* of values or top; "" where there are none */
};
/* From a file (or "-"). Its classes are put into the images' order by name. Refused: other data
 * (which fingerprints differ), another shape, values that are not finite, an augmented student
 * without views (unless fixed_teacher), other views than the student's augmentation. Without a
 * fingerprint: only with force. */
int kd_targets_read(const char *path, const struct kd_images *images, const struct kd_job *job,
                    bool force, struct kd_targets *out, struct kd_err *err);
/* The same of a file that was read; messages do not name it, out->fingerprint is not set, and what
 * is stored sparse stays in the file. Release out also after a failure. */
int kd_targets_take(const struct kd_tensorfile *f, const struct kd_images *images,
                    const struct kd_job *job, bool force, struct kd_targets *out,
                    struct kd_err *err);
bool kd_targets_stored(const struct kd_targets *t);  /* there are values, or top */
size_t kd_targets_bytes(const struct kd_targets *t); /* of memory that they take */
/* Rows index[0..n) (NULL: 0 to n-1) of a view of stored targets, dense, for losses at that
 * temperature: out [n][classes]. */
void kd_targets_fill(const struct kd_targets *t, size_t view, const uint32_t *index, size_t n,
                     double temperature, float *out);
/* From teachers (taken over). Where the student sees plain images, or fixed_teacher is set, they
 * are run once, here. */
int kd_targets_from_teachers(struct kd_teachers *teachers, const struct kd_images *images,
                             const struct kd_job *job, const struct kd_asking *how,
                             struct kd_targets *out, struct kd_err *err);
/* Do logits [images][classes] name the labels of these images no more often than chance would,
 * which is one class in all? right, chance: both shares. false also where too few have labels to
 * tell. */
bool kd_logits_doubtful(const float *z, size_t classes, const struct kd_subset *on, double *right,
                        double *chance);
/* The same of stored targets, by their first view. */
bool kd_targets_doubtful(const struct kd_targets *t, const struct kd_subset *on, double *right,
                         double *chance);
/* A virtual teacher: logits whose softmax gives the label `certainty`, and the other classes equal
 * shares of the rest; of an image without label all alike. */
int kd_targets_from_labels(const struct kd_images *images, const struct kd_job *job,
                           struct kd_targets *out, struct kd_err *err);
/* A teacher that comes about in the training itself, of that kind. */
int kd_targets_from_training(const struct kd_images *images, enum kd_own_teacher kind,
                             struct kd_targets *out, struct kd_err *err);
void kd_targets_release(struct kd_targets *t);

struct kd_soften { /* what to write */
    bool logits, half;
    const cJSON *features; /* layers of the one teacher: kd/train/features.h; NULL: none */
    size_t top; /* the K largest logits of a row, and what the others are like; 0: all logits */
    struct kd_reals temperatures; /* of `probabilities`; empty: none */
    size_t views;                 /* 0: plain images */
    struct kd_augment augment;
    uint64_t seed;
    const char *command;
};
/* There is something to leave out of so many classes. */
int kd_soften_check_top(size_t top, size_t classes, struct kd_err *err);
/* Does the file hold what kd_soften_write would write there, as far as its metadata tell: same
 * teachers, images, views, temperatures, number of logits kept and kind of numbers? A file that
 * cannot be read does not.
 */
bool kd_soften_is_current(const char *path, const struct kd_soften *what,
                          const struct kd_teachers *teachers, const struct kd_images *images);
/* Run the teachers over all images and write a soft-target file. */
int kd_soften_write(const char *path, const struct kd_soften *what, struct kd_teachers *teachers,
                    const struct kd_images *images, const struct kd_asking *how,
                    struct kd_err *err);
/* What kd.views says of the views that are wanted. */
cJSON *kd_soften_views(const struct kd_soften *what, struct kd_err *err);
#define KD_DOUBT_TEXT 400
/* Logits [N,C] of a file (.npy, .safetensors) that knows nothing of its images, or [V,N,C] of the
 * views that `what` describes (kd/data/views.h makes them), as a soft-target file for them.
 * Checked: rows, finite values, probabilities in their place. `told`: how many rows name their
 * image's label, and whether that is no more than chance. */
int kd_soften_adopt(const char *path, const char *logits, const struct kd_images *images,
                    const struct kd_soften *what, char told[KD_DOUBT_TEXT], struct kd_err *err);
#endif
