/* Maps of channels averaged to a smaller size, as adaptive average pooling does: pixel i of H from
 * h is the mean of pixels floor(i h / H) to ceil((i + 1) h / H) - 1. Channels last. */
#ifndef KD_NN_MAPS_H
#define KD_NN_MAPS_H
#include <stddef.h>

struct kd_map_sizes {
    size_t h, w, to_h, to_w, cols;
};
/* x [n][h w][cols] to y [n][to_h to_w][cols]. */
void kd_maps_average(const struct kd_map_sizes *s, size_t n, const float *x, float *y);
/* dx, which is added to, from dy. */
void kd_maps_spread(const struct kd_map_sizes *s, size_t n, const float *dy, float *dx);
#endif
