/* A named split of a data source, decoded into memory.
 *
 * Source grammar, everywhere: NAME[:SPLIT] for mnist, fashion, cifar10, cifar100, digits;
 * KIND:PLACE[:SPLIT] for idx:DIR           four IDX files as MNIST's publishers name them, plain or
 * .gz png:DIR           DIR/CLASS/x.png, or DIR/train/CLASS/x.png and DIR/test/CLASS/x.png
 *     tensors:FILE      .safetensors with "images" and "labels", or IMAGES.npy,LABELS.npy
 * SPLIT is train or test here; validation is carved from train by kd/data/split.h.
 * Named sources are looked for under the folder given, else $KD_DATA, else ./data; `digits` is
 * drawn. A place without splits of its own (png:DIR with DIR/CLASS, any tensors:FILE) is a train
 * split; with the split named (png:holdout:test) it is taken as that one.
 */
#ifndef KD_DATA_IMAGES_H
#define KD_DATA_IMAGES_H
#include "kd/base/hash.h"
#include "kd/base/pool.h"
#include "kd/base/progress.h"
#include "kd/base/tensorfile.h"
#include <stdint.h>

struct kd_input;
struct kd_images {
    char *source; /* as asked for, without the split: "mnist", "png:photos" */
    char *split;  /* "train" or "test" */
    uint32_t n, c, h, w;
    uint32_t classes;
    enum kd_dtype dtype; /* KD_U8 (0..255) or KD_F32 (used as they are) */
    void *pixels;        /* [n][c][h][w] */
    int32_t *labels;     /* [n], 0..classes-1, -1 where a sample has none; NULL: no labels at all */
    char **class_names;  /* [classes] or NULL where classes have only numbers */
    char pixels_fingerprint[KD_FINGERPRINT]; /* XXH3-128 of n,c,h,w (u32 LE), dtype name, pixels */
    char labels_fingerprint[KD_FINGERPRINT]; /* of labels as i32 LE; "" without labels */
    float low, high;                         /* of F32 pixels; 0 and 0 of bytes */
    uint32_t skipped;                        /* pictures that could not be read, --skip-broken */
    char *preprocess; /* JSON: how pictures were made input (kd/data/input.h); NULL: as they are */
    char *columns;    /* JSON: what columns of a table they come from; NULL: from no table */
    bool channels_last;        /* internal: pixels are [n][h][w][c] until they are put in order */
    struct kd_tensorfile keep; /* internal: memory that pixels may point into */
};

struct kd_images_options {
    const char *data_dir;      /* where named sources are found; NULL: $KD_DATA, then ./data */
    const char *default_split; /* where the spec names none; NULL: "train" */
    bool whole; /* a place without splits of its own is taken as that split, not refused */
    /* A place that is not here is looked for beside this file, in which the source stands, and in
     * `up` folders above its own; NULL: nowhere else. */
    const char *beside;
    unsigned up;
    const struct kd_input *input; /* how pictures and tables are read; NULL: as by default */
    size_t byte_limit;            /* refuse decoded data larger than this; 0: kd_read_limit() */
    struct kd_pool *pool;         /* may be NULL */
    const struct kd_progress *progress; /* may be NULL */
};
/* Errors name the file, what was found and what was expected. */
int kd_images_load(const char *spec, const struct kd_images_options *options, struct kd_images *out,
                   struct kd_err *err);
void kd_images_release(struct kd_images *images);

/* {"source","split","n","shape":[c,h,w],"classes","pixels","labels"}: what kd.data holds. Caller
 * deletes. */
cJSON *kd_images_identity(const struct kd_images *images, struct kd_err *err);

/* For messages: "digits:train, 2,400 images of 1x28x28 in 10 classes"; of a kd.data what it says.
 */
enum { KD_IMAGES_WORDS = 400 };
void kd_images_words(const struct kd_images *images, char out[KD_IMAGES_WORDS]);
void kd_identity_words(const cJSON *identity, char out[KD_IMAGES_WORDS]);

/* What a file made with these images should tell of how they became input: kd.pixels (their type,
 * and the range of floats), and kd.preprocess and kd.columns where there are any. */
int kd_images_describe(const struct kd_images *images, struct kd_tensorfile *file,
                       struct kd_err *err);

/* Both fingerprints anew, for a set that was put together in memory. */
int kd_images_fingerprint(struct kd_images *images, struct kd_err *err);

/* Splits "png:dir:test" into "png:dir" and "test" (or NULL). Caller frees both. "validation" is a
 * split by grammar; kd_images_load refuses it, who carves it from train (kd/data/split.h) reads it
 * here. */
int kd_spec_parse(const char *spec, char **source, char **split, struct kd_err *err);

/* For completion: the i-th kind of source, and whether a place follows it ("idx:DIR"); the i-th
 * split. NULL behind the last. */
const char *kd_source_name(size_t i, bool *place);
const char *kd_split_name(size_t i);

/* The spec with its place as it is found from here, where it is not here but beside the file that
 * names it (kd_path_find); else, and where it is no spec, as it is. Caller frees. */
char *kd_spec_find(const char *spec, const char *beside, struct kd_err *err);

/* Writing an image set in another form; used by kd-data convert. Without `overwrite` other images
 * that are there already stay, and are an error (of tensors: kd_tensorfile_spare). */
int kd_images_write_idx(const struct kd_images *images, const char *folder, bool overwrite,
                        struct kd_err *err);
struct kd_picture_folder {
    bool jpeg;       /* else PNG, which loses nothing */
    int64_t quality; /* of JPEG, 1 to 100 */
    double vary;   /* each picture's sides are by up to this share longer or shorter; 0: none is */
    uint64_t seed; /* of the sizes */
    bool overwrite;
};
int kd_images_write_pictures(const struct kd_images *images, const char *folder,
                             const struct kd_picture_folder *how, struct kd_err *err);
int kd_images_write_tensors(const struct kd_images *images, const char *path, const char *command,
                            struct kd_err *err);
#endif
