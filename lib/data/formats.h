/* What the readers of data formats share; private to lib/data.
 *
 * A reader fills n, c, h, w, classes, dtype, pixels, labels and class_names of a zeroed kd_images;
 * on failure it may leave them half filled, kd_images_release cleans up. Memory comes from
 * kd_alloc, or pixels point into images->keep. Labels, fingerprints and names are checked and made
 * in images.c. */
#ifndef KD_DATA_FORMATS_H
#define KD_DATA_FORMATS_H
#include "kd/data/images.h"
#include "kd/data/input.h"

#define KD_MAX_CLASSES 65536

struct kd_load {
    const char *name;  /* of a published source, which scripts/get_data.sh fetches; else NULL */
    const char *place; /* folder, file, or "IMAGES.npy,LABELS.npy" */
    const char *split; /* "train" or "test" */
    bool split_named;  /* the spec itself names the split: a set without splits is taken as that one
                        */
    uint32_t classes;  /* as the source is published; 0: whatever the labels say */
    size_t limit;      /* bytes of decoded pixels */
    const struct kd_input *input; /* never NULL */
    struct kd_pool *pool;
    const struct kd_progress *progress; /* may be NULL; also for what people should know */
};

/* A kind of source: KIND:PLACE, or a name alone. Adding one: a file with a loader and its row, a
 * line in kd_source_kinds (sources.c), a section in kd-data(1), a test. */
struct kd_source_kind {
    const char *name;       /* "idx", "mnist" */
    const char *place;      /* what stands behind the colon, for messages: "DIR"; NULL: nothing */
    const char *folders[3]; /* of a name: under the data folder, the first that is there */
    uint32_t classes;       /* as published; 0: what the labels say */
    const char *const *class_names;    /* [classes] as published, or NULL */
    bool (*is_mine)(const char *path); /* is this place one of these? for hints; may be NULL */
    int (*load)(const struct kd_load *load, struct kd_images *out, struct kd_err *err);
};
extern const struct kd_source_kind *const kd_source_kinds[]; /* ends with NULL */
/* The kind that a spec of this length begins with, or NULL. */
const struct kd_source_kind *kd_source_find(const char *name, size_t size);

/* Set the shape and allocate pixels, [n][c][h][w] of dtype, within the limit. */
int kd_pixels_alloc(struct kd_images *images, const char *name, size_t limit, struct kd_err *err);
/* Labels from a tensor [N], [N,1] or one-hot [N,C] of any whole numbers, booleans or whole floats;
 * -1 and -100 are no label, and where all are, the set has none. classes: 0, or as many as there
 * are. out->n is set. Sets out->labels and out->classes. */
int kd_labels_take(const struct kd_tensor *t, const char *name, const struct kd_load *load,
                   uint32_t classes, struct kd_images *out, struct kd_err *err);
/* The shape of [N,D], [N,H,W] or [N,C,H,W] (or [N,H,W,C] where the layout says so, or by default
 * refuses what looks like it) into out; pixels are put in order by kd_pixels_arrange. */
int kd_shape_take(const struct kd_tensor *t, const char *name, const struct kd_load *load,
                  struct kd_images *out, struct kd_err *err);
/* Pixels of a tensor whose shape was taken: out->pixels are t->data where these are bytes or F32,
 * else new memory. Values that are not finite are refused. */
int kd_pixels_take(const struct kd_tensor *t, const char *name, struct kd_images *out,
                   struct kd_err *err);
/* Pixels as they lie in the file ([N,H,W,C], transposed) into [N,C,H,W]. */
int kd_pixels_arrange(struct kd_images *images, const struct kd_load *load, struct kd_err *err);
/* The place has no splits of its own: fail where one but train is wanted and the spec did not say
 * so. */
int kd_unsplit_check(const struct kd_load *load, const char *remedy, struct kd_err *err);

/* One IDX file in memory, plain or gzip: any of its types, 1 to 4 dimensions. out->data is owned by
 * the caller (kd_free). Memory is bounded by the header's claim, the claim by limit and by what
 * `size` compressed bytes can hold. */
int kd_idx_parse(const void *bytes, size_t size, const char *name, size_t limit,
                 struct kd_tensor *out, struct kd_err *err);
/* Records of one CIFAR binary file, each `skip` bytes, a label byte below out->classes and 3072
 * pixels: they become pixels and labels of `out` from image `at` on, where there is room. */
int kd_cifar_parse(const struct kd_bytes *file, const char *name, size_t skip,
                   struct kd_images *out, size_t at, struct kd_err *err);
#endif
