/* What augmentation does to one image, once drawn (lib/data/augment.c); lib/data/batch.c does it.
 */
#ifndef KD_DATA_MOVE_H
#define KD_DATA_MOVE_H
#include "kd/data/batch.h"

struct kd_move {
    bool active, reflects, flipped, turned;
    int64_t dx, dy;                   /* to the right, down; after flipping */
    int64_t top, bottom, left, right; /* blank, the ends not included */
    int64_t along, across; /* turned: pixels of the source to a step to the right, x and y, 1 << 16
                              to one */
    float light;           /* factor of raw pixels; 1: as they are */
};
/* For an image [h][w] at place `sample` of its split: a pure function of its arguments. */
struct kd_move kd_move_draw(const struct kd_augment *a, int64_t h, int64_t w, uint64_t seed,
                            uint32_t epoch, uint32_t sample);
#endif
