/* Counter-based random numbers: every draw is a pure function of what it is for.
 *
 * Philox4x32-10 (Salmon, Moraes, Dror, Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3"):
 * a 64-bit key and a 128-bit counter give four 32-bit words. The key is the seed; the counter holds
 * purpose, epoch, sample and block. No state is carried, so results do not depend on threads or on
 * the order of calls, and a resumed run draws what an uninterrupted one would have drawn.
 */
#ifndef KD_BASE_RNG_H
#define KD_BASE_RNG_H
#include <stdint.h>

enum kd_purpose { /* what a draw is for; files depend on these numbers, so only add */
                  KD_FOR_INIT = 1,    /* epoch: parameter index */
                  KD_FOR_SHUFFLE = 2, /* order of samples in an epoch */
                  KD_FOR_DROPOUT = 3, /* + 256 * layer number */
                  KD_FOR_SPLIT = 4,   /* carving validation, fractions */
                  KD_FOR_AUGMENT = 5,
                  KD_FOR_DIGITS = 6,
                  KD_FOR_TEST = 7,
                  KD_FOR_FLIP = 8, /* epoch 0 where it is drawn once */
                  KD_FOR_CUTOUT = 9,
                  KD_FOR_TURN = 10, /* angle and size */
                  KD_FOR_BRIGHTNESS = 11,
                  KD_FOR_MIX = 12,
                  KD_FOR_SIZES = 13 /* of pictures that are written */
};

/* out = Philox4x32-10(counter, key) */
void kd_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);

/* A stream of draws for one (seed, purpose, epoch, sample); cheap to make, lives on the stack. */
struct kd_rng {
    uint32_t key[2], counter[4], word[4];
    unsigned left;
};
struct kd_rng kd_rng_for(uint64_t seed, uint32_t purpose, uint32_t epoch, uint32_t sample);
uint32_t kd_rng_u32(struct kd_rng *r);
uint32_t kd_rng_below(struct kd_rng *r, uint32_t n); /* uniform in 0..n-1, unbiased; n >= 1 */
float kd_rng_uniform(struct kd_rng *r);              /* [0,1), 24 bits */
float kd_rng_normal(struct kd_rng *r);               /* mean 0, variance 1 (Box-Muller) */

/* Fisher-Yates over index[0..n-1] in place. */
void kd_shuffle(uint32_t *index, uint32_t n, struct kd_rng *r);

#endif
