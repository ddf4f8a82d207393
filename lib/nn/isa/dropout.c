/* Dropout masks: eight 16-bit draws to a Philox call, GROUP calls side by side so that they
 * vectorize. */
#include "isa.h"

#include <string.h>

enum { GROUP = 16, DRAWS = 8 * GROUP };

/* draws[8*b + j] = 16-bit word j of Philox4x32-10 at counter word 0 = block + b */
static void draw_group(uint16_t draws[DRAWS], uint32_t block, const struct kd_dropout_draw *d)
{
    uint32_t c0[GROUP], c1[GROUP], c2[GROUP], c3[GROUP];
    uint32_t k0 = d->key[0], k1 = d->key[1];
    for (uint32_t b = 0; b < GROUP; b++) {
        c0[b] = block + b;
        c1[b] = d->purpose;
        c2[b] = d->epoch;
        c3[b] = d->sample;
    }
    for (int round = 0; round < 10; round++) {
        for (int b = 0; b < GROUP; b++) {
            uint64_t p0 = (uint64_t)0xD2511F53u * c0[b], p1 = (uint64_t)0xCD9E8D57u * c2[b];
            c0[b] = (uint32_t)(p1 >> 32) ^ c1[b] ^ k0;
            c1[b] = (uint32_t)p1;
            c2[b] = (uint32_t)(p0 >> 32) ^ c3[b] ^ k1;
            c3[b] = (uint32_t)p0;
        }
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    for (int b = 0; b < GROUP; b++) {
        uint32_t word[4] = {c0[b], c1[b], c2[b], c3[b]};
        for (int w = 0; w < 4; w++) {
            draws[8 * b + 2 * w] = (uint16_t)word[w];
            draws[8 * b + 2 * w + 1] = (uint16_t)(word[w] >> 16);
        }
    }
}

static void apply(float *y, const float *x, uint8_t *mask, size_t n, const uint16_t *draws,
                  uint16_t threshold, float scale)
{
    for (size_t i = 0; i < n; i++) {
        uint8_t keep = draws[i] >= threshold;
        mask[i] = keep;
        y[i] = keep ? x[i] * scale : 0;
    }
}

void KD_HERE(kd_dropout)(float *y, const float *x, uint8_t *mask, size_t first, size_t n,
                         const struct kd_dropout_draw *draw, uint32_t threshold, float scale)
{
    uint16_t draws[DRAWS];
    for (size_t i = 0; i < n; i += DRAWS) {
        size_t m = n - i < DRAWS ? n - i : DRAWS;
        draw_group(draws, (uint32_t)((first + i) / 8), draw);
        apply(y + i, x + i, mask + i, m, draws, (uint16_t)threshold, scale);
    }
}

void KD_HERE(kd_dropout_back)(float *dy, const uint8_t *mask, size_t n, float scale)
{
    for (size_t i = 0; i < n; i++) dy[i] = mask[i] ? dy[i] * scale : 0;
}
