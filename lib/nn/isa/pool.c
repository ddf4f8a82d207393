/* 2x2 pooling to the largest, along channels. */
#include "wide.h"

/* One pooled row of `pixels` from two rows of twice as many, [pixel][cols] each without gaps.
 * winner: which of the four, the first of equals; or NULL. */
void KD_HERE(kd_pool2)(float *y, uint8_t *winner, size_t y_row, const float *top,
                       const float *bottom, size_t pixels, size_t cols)
{
    for (size_t p = 0; p < pixels; p++, y += y_row, top += 2 * cols, bottom += 2 * cols)
        for (size_t c = 0; c < cols; c += WIDE) {
            const size_t some = cols - c < WIDE ? cols - c : 0;
            wide a = load_last(top + c, some), b = load_last(top + cols + c, some),
                 d = load_last(bottom + c, some), e = load_last(bottom + cols + c, some);
            wide_int right = b > a, lower_right = e > d;
            wide upper = choose(right, b, a), lower = choose(lower_right, e, d);
            wide_int below = lower > upper;
            store_last(y + c, choose(below, lower, upper), some);
            if (!winner) continue;
            wide_int which = (below & (2 - lower_right)) | (~below & -right);
            const wide_byte bytes = __builtin_convertvector(which, wide_byte);
            if (some)
                store_bytes(winner + p * y_row + c, bytes, some);
            else
                *(loose_byte *)(winner + p * y_row + c) = (loose_byte)bytes;
        }
}

/* The way back: dy goes where the winner was, the others get 0. */
void KD_HERE(kd_unpool2)(float *top, float *bottom, const float *dy, const uint8_t *winner,
                         size_t pixels, size_t cols)
{
    for (size_t p = 0; p < pixels;
         p++, dy += cols, winner += cols, top += 2 * cols, bottom += 2 * cols)
        for (size_t c = 0; c < cols; c += WIDE) {
            const size_t some = cols - c < WIDE ? cols - c : 0;
            const wide_byte bytes = some ? load_bytes(winner + c, some)
                                         : (wide_byte) * (const loose_byte *)(winner + c);
            wide_int w = __builtin_convertvector(bytes, wide_int);
            wide_int g = (wide_int)load_last(dy + c, some);
            store_last(top + c, (wide)(g & (w == 0)), some);
            store_last(top + cols + c, (wide)(g & (w == 1)), some);
            store_last(bottom + c, (wide)(g & (w == 2)), some);
            store_last(bottom + cols + c, (wide)(g & (w == 3)), some);
        }
}
