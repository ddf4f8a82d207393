/* Images that are loaded once for several pieces of work that come one after the other.
 *
 *     struct kd_image_cache cache = {.pool = pool, .keep = 1};
 *     const struct kd_images *train = kd_image_cache_get(&cache, "mnist", NULL, "train", NULL,
 * &err);
 *     ...
 *     kd_image_cache_release(&cache);
 *
 * What was asked for last stays, up to `keep` sets: one for trainings, which need no second set
 * beside theirs; two for evaluations, which go to and fro between test and validation images. */
#ifndef KD_DATA_IMAGE_CACHE_H
#define KD_DATA_IMAGE_CACHE_H
#include "kd/data/images.h"

enum { KD_IMAGE_CACHE_MOST = 2 };

struct kd_image_cache {
    /* given */
    struct kd_pool *pool;               /* may be NULL */
    const struct kd_progress *progress; /* may be NULL */
    const char *beside; /* for places that are not here (struct kd_images_options) */
    unsigned up;        /* may be changed between two calls, as `beside` may */
    unsigned keep;      /* sets that stay, 1 to KD_IMAGE_CACHE_MOST; 0: 1 */
    /* found out: the newest first */
    struct kd_cached_images {
        char *key;
        struct kd_images images;
    } * sets[KD_IMAGE_CACHE_MOST];
};

/* Images of `source` (kd/data/images.h), whose split is `split` where it names none; data_dir as in
 * struct kd_images_options, and `input` too (NULL: as by default). They are the cache's: good until
 * `keep` others have been asked for. A NULL for `source` is an error of usage. */
const struct kd_images *kd_image_cache_get(struct kd_image_cache *cache, const char *source,
                                           const char *data_dir, const char *split,
                                           const struct kd_input *input, struct kd_err *err);
/* The same images if they are there already; else NULL, and nothing is loaded. */
const struct kd_images *kd_image_cache_peek(const struct kd_image_cache *cache, const char *source,
                                            const char *data_dir, const char *split,
                                            const struct kd_input *input);
void kd_image_cache_release(struct kd_image_cache *cache);
#endif
