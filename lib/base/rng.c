#include "kd/base/rng.h"

#include <math.h>

/* Constants of Salmon et al. 2011, table 2. */
enum { ROUNDS = 10 };
static const uint32_t mul0 = 0xD2511F53u, mul1 = 0xCD9E8D57u;
static const uint32_t weyl0 = 0x9E3779B9u, weyl1 = 0xBB67AE85u;

void kd_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4])
{
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
    uint32_t k0 = key[0], k1 = key[1];
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t p0 = (uint64_t)mul0 * c0, p1 = (uint64_t)mul1 * c2;
        c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        c1 = (uint32_t)p1;
        c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c3 = (uint32_t)p0;
        k0 += weyl0;
        k1 += weyl1;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

struct kd_rng kd_rng_for(uint64_t seed, uint32_t purpose, uint32_t epoch, uint32_t sample)
{
    return (struct kd_rng){.key = {(uint32_t)seed, (uint32_t)(seed >> 32)},
                           .counter = {0, purpose, epoch, sample}};
}

uint32_t kd_rng_u32(struct kd_rng *r)
{
    if (!r->left) {
        kd_philox(r->counter, r->key, r->word);
        r->counter[0]++;
        r->left = 4;
    }
    return r->word[4 - r->left--];
}

/* Lemire 2019, "Fast random integer generation in an interval": multiply, reject the biased few. */
uint32_t kd_rng_below(struct kd_rng *r, uint32_t n)
{
    uint64_t m = (uint64_t)kd_rng_u32(r) * n;
    if ((uint32_t)m < n) {
        uint32_t threshold = (0u - n) % n;
        while ((uint32_t)m < threshold) m = (uint64_t)kd_rng_u32(r) * n;
    }
    return (uint32_t)(m >> 32);
}

float kd_rng_uniform(struct kd_rng *r)
{
    return (float)(kd_rng_u32(r) >> 8) * 0x1p-24f;
}

float kd_rng_normal(struct kd_rng *r)
{
    double u = ((double)kd_rng_u32(r) + 1.0) * 0x1p-32; /* (0,1]: its logarithm is finite */
    double v = (double)kd_rng_u32(r) * 0x1p-32;
    return (float)(sqrt(-2.0 * log(u)) * cos(6.283185307179586477 * v));
}

void kd_shuffle(uint32_t *index, uint32_t n, struct kd_rng *r)
{
    for (uint32_t i = n; i > 1; i--) {
        uint32_t j = kd_rng_below(r, i), t = index[i - 1];
        index[i - 1] = index[j];
        index[j] = t;
    }
}
