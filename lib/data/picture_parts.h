/* What the decoders of pictures share; private to lib/data. */
#ifndef KD_DATA_PICTURE_PARTS_H
#define KD_DATA_PICTURE_PARTS_H
#include "kd/data/picture.h"

/* Is this a PNG or JPEG file, by its first bytes? */
int kd_picture_is_file(const char *path, bool *is, struct kd_err *err);

/* Does its name end as those of pictures do, of whatever kind? */
bool kd_picture_is_named(const char *path);

/* JPEG (jpeg.c). Shape: 0 done, 1 more bytes than these are needed, -1 broken. */
int kd_jpeg_shape(const void *bytes, size_t size, const char *name, struct kd_picture *out,
                  struct kd_err *err);
int kd_jpeg_decode(const void *bytes, size_t size, const char *name,
                   const struct kd_picture_options *options, struct kd_picture *out,
                   struct kd_err *err);
static inline bool kd_jpeg_is(const unsigned char *p, size_t size)
{
    return size >= 3 && p[0] == 0xff && p[1] == 0xd8 && p[2] == 0xff;
}
#endif
