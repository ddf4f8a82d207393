/* Contact sheets: many images in one picture, for looking at data.
 *
 *     struct kd_sheet sheet = {.columns = 10, .scale = 2, .labels = true};
 *     kd_sheet_draw(&images, index, n, &sheet, &picture, &err); */
#ifndef KD_DATA_SHEET_H
#define KD_DATA_SHEET_H
#include "kd/data/images.h"
#include "kd/data/picture.h"

#define KD_SHEET_BREAK UINT32_MAX /* in index: what follows begins a new row */

struct kd_sheet {
    int64_t columns, scale; /* images in a row; pixels a pixel becomes */
    bool labels;            /* class under each image */
};
/* Images index[0..n-1] from left to right. F32 pixels are stretched from the least to the greatest
 * shown. One channel gives a gray picture, three a coloured one; of other numbers the first is
 * shown. out: kd_picture_release. */
int kd_sheet_draw(const struct kd_images *images, const uint32_t *index, uint32_t n,
                  const struct kd_sheet *sheet, struct kd_picture *out, struct kd_err *err);
#endif
