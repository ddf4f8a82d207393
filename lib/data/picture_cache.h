/* Decoded pictures kept on disk, so that a second start need not decode. Private to lib/data.
 *
 * A set is known by what decides its pixels: each file's path, size and time of change, and how
 * pictures are made input. The cache is $KD_CACHE, else kd/ in $XDG_CACHE_HOME, else ~/.cache/kd;
 * KD_CACHE=no is none. Only what took a second to decode is kept, unless KD_CACHE names the place.
 * What is wrong with a cache is no error: the pictures are decoded. */
#ifndef KD_DATA_PICTURE_CACHE_H
#define KD_DATA_PICTURE_CACHE_H
#include "folder.h"

struct kd_picture_cache {
    char *path;  /* of this set's file; NULL: no cache */
    bool chosen; /* by KD_CACHE */
    size_t files;
    uint32_t other; /* place of the first file that is no picture; UINT32_MAX: there is none */
    double opened;  /* seconds */
};
int kd_picture_cache_open(struct kd_picture_cache *c, const struct kd_folder *folder,
                          const struct kd_load *load, struct kd_err *err);
/* true: pixels, shape and the number of skipped ones are out's, kept [out->n] are the places of its
 * pictures, and c->other is as it was put. */
bool kd_picture_cache_take(struct kd_picture_cache *c, struct kd_images *out, uint32_t *kept);
void kd_picture_cache_put(const struct kd_picture_cache *c, const struct kd_images *images,
                          const uint32_t *kept);
void kd_picture_cache_close(struct kd_picture_cache *c);
#endif
