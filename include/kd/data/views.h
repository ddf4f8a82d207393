/* Augmented views as pixels, for a teacher in another framework: what a student that is told the
 * same augmentation sees in epochs 0, 1, ... (view v of sample i is a pure function of seed, v, i).
 *
 *     struct kd_views_wanted wanted = {5, 1, &augment};
 *     struct kd_tensor t;
 *     if (kd_views_pixels(&images, &wanted, &t, &err) < 0) ...   // [5][n][c][h][w]
 *     kd_free(t.data);
 */
#ifndef KD_DATA_VIEWS_H
#define KD_DATA_VIEWS_H
#include "kd/data/batch.h"

struct kd_views_wanted {
    size_t views;
    uint64_t seed;
    const struct kd_augment *augment;
};
/* Bytes of a set of bytes; where a square is cut out, which becomes the mean of its channel as
 * students normalize it, F32 from 0 to 1. Floats stay floats. t->data is the caller's. */
int kd_views_pixels(const struct kd_images *images, const struct kd_views_wanted *wanted,
                    struct kd_tensor *t, struct kd_err *err);
#endif
