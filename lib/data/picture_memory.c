/* The memory of a decoded picture. */
#include "kd/base/known_formats.h"
#include "kd/data/picture.h"
#include "picture_parts.h"

int kd_picture_init(struct kd_picture *p, uint32_t h, uint32_t w, uint32_t c, struct kd_err *err)
{
    size_t size;
    *p = (struct kd_picture){.h = h, .w = w, .c = c};
    if (kd_mul_size(h, w, &size) < 0)
        return kd_fail(err, "a picture of %u by %u pixels is too large", w, h);
    p->pixels = kd_alloc(size, c, "a picture", err);
    return p->pixels ? 0 : -1;
}

void kd_picture_release(struct kd_picture *p)
{
    kd_free(p->pixels);
    *p = (struct kd_picture){0};
}
