/* One picture, from PNG or JPEG and to PNG or JPEG in memory.
 *
 *     struct kd_picture p;
 *     if (kd_picture_decode(bytes.data, bytes.size, "cat/7.png", kd_read_limit(), &p, &err) < 0)
 * ... kd_picture_release(&p);
 */
#ifndef KD_DATA_PICTURE_H
#define KD_DATA_PICTURE_H
#include "kd/base/mem.h"
#include <stdbool.h>
#include <stdint.h>

/* What a picture may have lost on the way to bytes. */
struct kd_picture_loss {
    bool
        in_alpha; /* its colour is one and the same everywhere, its alpha is not, and was dropped */
    uint16_t depth; /* largest value of a picture of 16 bits; 0: of 8 bits or fewer */
};
struct kd_picture {
    uint32_t h, w, c; /* c: 1 gray, 3 red green blue */
    uint8_t *pixels;  /* [h][w][c], owned */
    const char
        *origin; /* where it came from, UTF-8; a PNG file's text "Comment"; borrowed; NULL: none */
    struct kd_picture_loss loss; /* of one that was read */
    uint64_t least; /* kd_picture_shape: bytes that its file has at least; 0: not known */
};
int kd_picture_init(struct kd_picture *p, uint32_t h, uint32_t w, uint32_t c, struct kd_err *err);
void kd_picture_release(struct kd_picture *p);

struct kd_picture_options {
    size_t limit;          /* bytes of pixels; a larger picture is refused before memory is taken */
    bool flatten;          /* show `background` through transparent pixels; else alpha is dropped */
    uint8_t background[3]; /* red, green, blue */
    unsigned bits;         /* used of 16; 0: 16 */
};
/* PNG (gray, RGB and palette of any depth; 16 bits are rounded to 8, palettes become RGB) or JPEG
 * (gray, RGB, CMYK and YCCK, turned as EXIF says), by content. `name` is for messages. */
int kd_picture_read(const void *bytes, size_t size, const char *name,
                    const struct kd_picture_options *options, struct kd_picture *out,
                    struct kd_err *err);
/* The same with alpha dropped. */
int kd_picture_decode(const void *bytes, size_t size, const char *name, size_t limit,
                      struct kd_picture *out, struct kd_err *err);
/* What the header says: h, w, c, and no pixels. 0 done, 1: these bytes are the beginning of a
 * picture, but its header needs more, -1: no picture that can be read, the message says what. */
int kd_picture_shape(const void *bytes, size_t size, const char *name, struct kd_picture *out,
                     struct kd_err *err);
/* Luma of BT.601, as Pillow has it. */
static inline uint8_t kd_gray(unsigned r, unsigned g, unsigned b)
{
    return (uint8_t)((r * 19595 + g * 38470 + b * 7471 + 0x8000) >> 16);
}
/* Appends the PNG file to out. */
int kd_picture_encode(const struct kd_picture *p, struct kd_bytes *out, struct kd_err *err);
/* The JPEG file, with colour at full resolution (4:4:4); quality is 1 to 100. */
int kd_picture_encode_jpeg(const struct kd_picture *p, int quality, struct kd_bytes *out,
                           struct kd_err *err);
#endif
