/* The source `digits`: drawn, not stored. */
#include "kd/data/digits.h"
#include "sources.h"
#include <string.h>

struct drawing {
    struct kd_images *images;
    uint32_t stream;
};
enum { DRAWN_AT_ONCE = 100 };

static void draw_part(void *arg, unsigned part)
{
    const struct drawing *d = arg;
    const uint32_t from = part * DRAWN_AT_ONCE;
    for (uint32_t i = from; i < from + DRAWN_AT_ONCE && i < d->images->n; i++)
        d->images->labels[i] = kd_digits_draw(KD_DIGITS_SEED, d->stream, i,
                                              (uint8_t *)d->images->pixels + (size_t)i * 784);
}

static int drawn_load(const struct kd_load *load, struct kd_images *out, struct kd_err *err)
{
    const bool test = strcmp(load->split, "test") == 0;
    struct drawing d = {out, test ? KD_DIGITS_TEST : KD_DIGITS_TRAIN};
    out->n = test ? KD_DIGITS_TEST_COUNT : KD_DIGITS_TRAIN_COUNT;
    out->c = 1;
    out->h = out->w = 28;
    out->dtype = KD_U8;
    out->classes = load->classes;
    if (kd_pixels_alloc(out, "digits", load->limit, err) < 0) return -1;
    out->labels = kd_alloc(out->n, sizeof *out->labels, "labels", err);
    if (!out->labels) return -1;
    kd_pool_run(load->pool, (out->n + DRAWN_AT_ONCE - 1) / DRAWN_AT_ONCE, draw_part, &d);
    return 0;
}

const struct kd_source_kind kd_source_digits = {
    .name = "digits", .classes = 10, .load = drawn_load};
