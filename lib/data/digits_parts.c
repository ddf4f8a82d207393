/* Draws and whole-number arithmetic that the parts share. In these files no expression draws twice:
 * the order would be the compiler's choice. */
#include "digits_parts.h"

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
