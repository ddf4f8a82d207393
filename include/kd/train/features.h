/* What layers of a teacher said of each image, beside its soft targets in their file: tensors
 * `features.NAME` F32 or F16, NAME the layer's, [N,D] or [N,C,H,W], with views [V,N,...]. Metadata
 * kd.features: {"layers": [NAME, ...], "blocks": ..., "features": ...} with the teacher's blocks
 * (kd/nn/blocks.h), so that a share of its depth can be told without it. Tensors `head.N.weight`
 * and the like with kd.head, their network: its classifier (kd/nn/head.h), for loss simkd. Files of
 * other programs need the features alone; their layers then go by name. */
#ifndef KD_TRAIN_FEATURES_H
#define KD_TRAIN_FEATURES_H
#include "kd/base/tensorfile.h"
#include "kd/nn/head.h"
#include "kd/nn/predict.h"

/* ---- read ---- */

struct kd_feature {
    char name[64]; /* of the layer */
    struct kd_shape shape;
    const struct kd_tensor *tensor; /* [views][n][shape]; in the file */
};
struct kd_features {
    struct kd_feature *of; /* [n_layers] */
    size_t n_layers, room;
    size_t n, views; /* images; 1 where there are no views */
    struct kd_blocks blocks;
    struct kd_network *head; /* NULL: it is not stored */
};
struct kd_features_of { /* the file that they are read from */
    const struct kd_tensorfile *file;
    size_t n, views, classes;
    bool with_views;       /* tensors begin with [V] */
    const uint32_t *order; /* the head's output c is to be its output order[c]; NULL: as they are */
};
/* Nothing where the file has none. Refused: other sizes than the soft targets', values that are not
 * finite, a head that is not whole. Release also after a failure. */
int kd_features_read(struct kd_features *out, const struct kd_features_of *from,
                     struct kd_err *err);
void kd_features_release(struct kd_features *f);
/* The stored layer that a loss asks for (kd_blocks_find), or a usage error that names the remedy.
 */
const struct kd_feature *kd_features_find(const struct kd_features *f, const cJSON *place,
                                          bool maps, struct kd_err *err);
/* out [n][h w][c] of images index[0..n) of a view. */
void kd_feature_fill(const struct kd_features *f, const struct kd_feature *of, size_t view,
                     const uint32_t *index, size_t n, float *out);
/* Of all that is stored, added to a hash. */
void kd_features_hash(const struct kd_features *f, struct kd_hash *hash);
size_t kd_features_bytes(const struct kd_features *f); /* on disk */

/* ---- written ---- */

struct kd_features_asked {
    const struct kd_images *images; /* all of them */
    const cJSON *places; /* a layer, a share of the depth, "features", or a list of these */
    bool half;
    size_t views; /* 0: plain images */
    const struct kd_augment *augment;
    uint64_t seed;
    const struct kd_asking *how; /* pool and progress */
};
struct kd_features_made { /* what lives until the file is written; release also after a failure */
    void **arrays;
    size_t n, room;
    struct kd_network *head;
};
/* Names of the layers, in their order and each once; usage error where there is no such. */
int kd_features_names(const struct kd_network *teacher, const cJSON *places, struct kd_texts *out,
                      struct kd_err *err);
/* What kd.features says; caller deletes. */
cJSON *kd_features_about(const struct kd_network *teacher, const cJSON *places, struct kd_err *err);
/* Asks the teacher, whose plan it changes, about all images, and adds the tensors and kd.head. */
int kd_features_add(struct kd_tensorfile *f, struct kd_model *teacher,
                    const struct kd_features_asked *asked, struct kd_features_made *made,
                    struct kd_err *err);
void kd_features_made_release(struct kd_features_made *made);
#endif
