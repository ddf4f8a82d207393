/* One picture, and its PNG form in memory.
 *
 *     struct kd_picture p;
 *     if (kd_picture_decode(bytes.data, bytes.size, "cat/7.png", kd_read_limit(), &p, &err) < 0)
 * ... kd_picture_release(&p);
 */
#ifndef KD_DATA_PICTURE_H
#define KD_DATA_PICTURE_H
#include "kd/base/mem.h"
#include <stdint.h>

struct kd_picture {
    uint32_t h, w, c; /* c: 1 gray, 3 red green blue */
    uint8_t *pixels;  /* [h][w][c], owned */
    const char
        *origin; /* where it came from, UTF-8; a PNG file's text "Comment"; borrowed; NULL: none */
};
int kd_picture_init(struct kd_picture *p, uint32_t h, uint32_t w, uint32_t c, struct kd_err *err);
void kd_picture_release(struct kd_picture *p);

/* Gray, RGB and palette of any depth; 16 bits are rounded to 8, palettes become RGB, alpha is
 * dropped. `name` is for messages; a picture of more than `limit` bytes is refused before memory is
 * taken for it. */
int kd_picture_decode(const void *bytes, size_t size, const char *name, size_t limit,
                      struct kd_picture *out, struct kd_err *err);
/* What the header says: h, w, c, and no pixels. */
int kd_picture_shape(const void *bytes, size_t size, const char *name, struct kd_picture *out,
                     struct kd_err *err);
/* Appends the PNG file to out. */
int kd_picture_encode(const struct kd_picture *p, struct kd_bytes *out, struct kd_err *err);
#endif
