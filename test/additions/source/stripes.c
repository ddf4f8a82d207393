/* The source `stripes`: 40 images of 1x4x4, upright stripes (class 0) and level ones (class 1). */
#include "sources.h"

enum { SIDE = 4, COUNT = 40 };

static int stripes_load(const struct kd_load *load, struct kd_images *out, struct kd_err *err)
{
    out->n = COUNT;
    out->c = 1;
    out->h = out->w = SIDE;
    out->classes = load->classes;
    out->dtype = KD_U8;
    if (kd_pixels_alloc(out, "stripes", load->limit, err) < 0) return -1;
    out->labels = kd_alloc(COUNT, sizeof *out->labels, "labels", err);
    if (!out->labels) return -1;
    uint8_t *pixel = (uint8_t *)out->pixels;
    for (int i = 0; i < COUNT; i++) {
        out->labels[i] = i % 2;
        for (int y = 0; y < SIDE; y++)
            for (int x = 0; x < SIDE; x++)
                *pixel++ = (uint8_t)(((i % 2 ? y : x) + i / 2) % 2 * (200 + i));
    }
    return 0;
}

const struct kd_source_kind kd_source_stripes = {
    .name = "stripes", .classes = 2, .load = stripes_load};
