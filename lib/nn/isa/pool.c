/* 2x2 pooling to the largest, along channels; cols is a multiple of 16. */
#include "wide.h"

/* One pooled row of `pixels` from two rows of twice as many, [pixel][cols] each without gaps.
 * winner: which of the four, the first of equals; or NULL. */
void KD_HERE(kd_pool2)(float *y, uint8_t *winner, size_t y_row, const float *top,
                       const float *bottom, size_t pixels, size_t cols)
{
    for (size_t p = 0; p < pixels; p++, y += y_row, top += 2 * cols, bottom += 2 * cols)
        for (size_t c = 0; c < cols; c += WIDE) {
            wide a = load(top + c), b = load(top + cols + c), d = load(bottom + c),
                 e = load(bottom + cols + c);
            wide_int right = b > a, lower_right = e > d;
            wide upper = choose(right, b, a), lower = choose(lower_right, e, d);
            wide_int below = lower > upper;
            store(y + c, choose(below, lower, upper));
            if (!winner) continue;
            wide_int which = (below & (2 - lower_right)) | (~below & -right);
            *(loose_byte *)(winner + p * y_row + c) =
                (loose_byte) __builtin_convertvector(which, wide_byte);
        }
}

/* The way back: dy goes where the winner was, the others get 0. */
void KD_HERE(kd_unpool2)(float *top, float *bottom, const float *dy, const uint8_t *winner,
                         size_t pixels, size_t cols)
{
    for (size_t p = 0; p < pixels;
         p++, dy += cols, winner += cols, top += 2 * cols, bottom += 2 * cols)
        for (size_t c = 0; c < cols; c += WIDE) {
            wide_int w =
                __builtin_convertvector((wide_byte) * (const loose_byte *)(winner + c), wide_int);
            wide_int g = (wide_int)load(dy + c);
            store(top + c, (wide)(g & (w == 0)));
            store(top + cols + c, (wide)(g & (w == 1)));
            store(bottom + c, (wide)(g & (w == 2)));
            store(bottom + cols + c, (wide)(g & (w == 3)));
        }
}
