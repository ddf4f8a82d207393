/* Pictures to another size.
 *
 *     struct kd_resize how = {.h = 32, .w = 32, .fit = KD_FIT_COVER};
 *     if (kd_picture_resize(&picture, &how, &small, &err) < 0) ... kd_picture_release(&small);
 *
 * The same bytes on every machine, and within 2 of 255 of Pillow's same filter. */
#ifndef KD_DATA_RESIZE_H
#define KD_DATA_RESIZE_H
#include "kd/data/input.h"
#include "kd/data/picture.h"

struct kd_resize {
    uint32_t h, w;
    int fit, filter;       /* enum kd_fit, enum kd_filter */
    uint8_t background[3]; /* of what KD_FIT_CONTAIN leaves over */
};
int kd_picture_resize(const struct kd_picture *in, const struct kd_resize *how,
                      struct kd_picture *out, struct kd_err *err);
#endif
