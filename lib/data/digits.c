#include "kd/data/digits.h"
#include "digits_parts.h"

/* Every ten images in a row hold each digit once, in an order of their own; the orders are drawn
 * under a purpose of their own, so that an image's other draws do not repeat them. */
static int label_of(uint64_t seed, uint32_t stream, uint32_t index)
{
    uint32_t order[10] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
    struct kd_rng r = kd_rng_for(seed, KD_FOR_DIGITS + 256, stream, index / 10);
    kd_shuffle(order, 10, &r);
    return (int)order[index % 10];
}

static const struct kd_digits_skeleton *skeleton_of(int label, struct kd_rng *r)
{
    const struct kd_digits_skeleton *s = kd_digits_skeletons;
    uint32_t shares = 0;
    for (unsigned i = 0; i < kd_digits_skeleton_count; i++)
        if (s[i].label == label) shares += s[i].share;
    uint32_t pick = kd_rng_below(r, shares);
    for (;; s++) {
        if (s->label != label) continue;
        if (pick < s->share) return s;
        pick -= s->share;
    }
}

int kd_digits_draw(uint64_t seed, uint32_t stream, uint32_t index, uint8_t pixels[784])
{
    int label = label_of(seed, stream, index);
    struct kd_rng r = kd_rng_for(seed, KD_FOR_DIGITS, stream, index);
    struct kd_digits_trace trace;
    kd_digits_move(skeleton_of(label, &r), &r, &trace);
    kd_digits_ink(&trace, &r, pixels);
    return label;
}
