/* The instruction set's own vector of floats, for kernels that the vectorizer would not find.
 * Private to lib/nn/isa. */
#ifndef KD_NN_ISA_WIDE_H
#define KD_NN_ISA_WIDE_H
#include "isa.h"

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

/* Lane by lane: where (all bits set or none) ? a : b. */
INLINE wide choose(wide_int where, wide a, wide b)
{
    return (wide)((where & (wide_int)a) | (~where & (wide_int)b));
}
#endif
