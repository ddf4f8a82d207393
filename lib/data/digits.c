#include "kd/data/digits.h"
#include "digits_parts.h"

/* In these files no expression draws twice: the order would be the compiler's choice. */

int32_t kd_digits_bell(struct kd_rng *r, int32_t spread)
{
    uint32_t u = kd_rng_u32(r);
    int32_t sum = (int32_t)((u & 255) + (u >> 8 & 255) + (u >> 16 & 255) + (u >> 24)) - 510;
    return sum * spread / 148; /* 148: the standard deviation of the sum */
}

int32_t kd_digits_between(struct kd_rng *r, int32_t low, int32_t high)
{
    return low + (int32_t)kd_rng_below(r, (uint32_t)(high - low) + 1);
}

int32_t kd_digits_clamp(int32_t v, int32_t low, int32_t high)
{
    return v < low ? low : v > high ? high : v;
}

int32_t kd_digits_root(int32_t v)
{
    uint32_t left = (uint32_t)v, root = 0;
    for (uint32_t bit = 1u << 30; bit; bit >>= 2) {
        if (left >= root + bit) {
            left -= root + bit;
            root = (root >> 1) + bit;
        } else {
            root >>= 1;
        }
    }
    return (int32_t)root;
}

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
