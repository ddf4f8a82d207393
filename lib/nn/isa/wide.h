/* The instruction set's own vector of floats, for kernels that the vectorizer would not find.
 * Private to lib/nn/isa. */
#ifndef KD_NN_ISA_WIDE_H
#define KD_NN_ISA_WIDE_H
#include "isa.h"

#include <string.h>

#if defined(__AVX2__)
#include <immintrin.h>
#endif
#if defined(__AVX512F__)
enum { WIDE = 16 };
#elif defined(__AVX2__)
enum { WIDE = 8 };
#else
enum { WIDE = 4 };
#endif
#if defined(__clang__)
#define UNROLL _Pragma("unroll")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif
#define INLINE static inline __attribute__((always_inline))

typedef float wide __attribute__((vector_size(WIDE * sizeof(float))));
typedef int32_t wide_int __attribute__((vector_size(WIDE * sizeof(int32_t))));
typedef uint8_t wide_byte __attribute__((vector_size(WIDE)));
typedef float loose
    __attribute__((vector_size(WIDE * sizeof(float)), aligned(sizeof(float)), may_alias));
typedef uint8_t loose_byte __attribute__((vector_size(WIDE), aligned(1), may_alias));

INLINE wide load(const float *p)
{
    return (wide) * (const loose *)p;
}

INLINE void store(float *p, wide v)
{
    *(loose *)p = (loose)v;
}

/* The first n < WIDE lanes, and zeros: nothing beyond them is read. */
INLINE wide load_some(const float *p, size_t n)
{
#if defined(__AVX512F__)
    return (wide)_mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p);
#elif defined(__AVX2__)
    static const int32_t edge[2 * WIDE] = {-1, -1, -1, -1, -1, -1, -1, -1};
    return (wide)_mm256_maskload_ps(p, _mm256_loadu_si256((const __m256i *)(edge + WIDE - n)));
#else
    float lane[WIDE] = {0};
    for (size_t k = 0; k < n; k++) lane[k] = p[k];
    return load(lane);
#endif
}

/* The first n < WIDE lanes of an array of them: in pieces, as a masked store is slow on some. */
#define STORE_SOME(to, lane, n)                                                                    \
    do {                                                                                           \
        size_t done_ = 0;                                                                          \
        UNROLL for (size_t piece_ = WIDE / 2; piece_; piece_ /= 2)                                 \
        {                                                                                          \
            if (!((n)&piece_)) continue;                                                           \
            memcpy((to) + done_, (lane) + done_, piece_ * sizeof *(to));                           \
            done_ += piece_;                                                                       \
        }                                                                                          \
    } while (0)

INLINE void store_some(float *p, wide v, size_t n)
{
    float lane[WIDE];
    store(lane, v);
    STORE_SOME(p, lane, n);
}

/* Of the last vector of a row of columns, what there is: all where some is 0. */
INLINE wide load_last(const float *p, size_t some)
{
    return some ? load_some(p, some) : load(p);
}

INLINE void store_last(float *p, wide v, size_t some)
{
    if (some)
        store_some(p, v, some);
    else
        store(p, v);
}

INLINE void store_bytes(uint8_t *p, wide_byte v, size_t n)
{
    uint8_t lane[WIDE];
    *(loose_byte *)lane = (loose_byte)v;
    STORE_SOME(p, lane, n);
}

INLINE wide_byte load_bytes(const uint8_t *p, size_t n)
{
    uint8_t lane[WIDE] = {0};
    STORE_SOME(lane, p, n);
    return (wide_byte) * (const loose_byte *)lane;
}

/* Lane by lane: where (all bits set or none) ? a : b. */
INLINE wide choose(wide_int where, wide a, wide b)
{
    return (wide)((where & (wide_int)a) | (~where & (wide_int)b));
}
#endif
