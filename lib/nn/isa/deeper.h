/* The innermost step of lib/nn/isa/block.c: STEPS elements of depth of a few rows by q vectors.
 *
 * With AVX2 the number of instructions counts, above all where another thread shares the core:
 * compilers give an element of six rows and two vectors 26, of which 12 multiply; these are 21.
 * So they are written down here, for three to six rows. The sums are the same. */
#ifndef KD_NN_ISA_DEEPER_H
#define KD_NN_ISA_DEEPER_H
#include "wide.h"

INLINE void deeper_by_one(const unsigned n, const unsigned q, wide sum[][2], const float *a,
                          size_t a_row, const float *b)
{
    wide v[2];
    UNROLL for (unsigned j = 0; j < q; j++) v[j] = load(b + j * WIDE);
    UNROLL for (unsigned r = 0; r < n; r++) UNROLL for (unsigned j = 0; j < q; j++) sum[r][j] +=
        a[r * a_row] * v[j];
}

#if defined(__AVX2__) && !defined(__AVX512F__)
enum { STEPS = 4 };
#define ROW(R, AT)                                                                                 \
    "vbroadcastss " AT ", %%ymm14\n\t"                                                             \
    "vfmadd231ps %%ymm12, %%ymm14, %[s" R "]\n\t"                                                  \
    "vfmadd231ps %%ymm13, %%ymm14, %[t" R "]\n\t"
#define ROWS3(BYTES)                                                                               \
    ROW("0", BYTES "(%[a])") ROW("1", BYTES "(%[a],%[row])") ROW("2", BYTES "(%[a],%[row],2)")
#define ROWS4(BYTES)  ROWS3(BYTES) ROW("3", BYTES "(%[d])")
#define ROWS5(BYTES)  ROWS4(BYTES) ROW("4", BYTES "(%[d],%[row])")
#define ROWS6(BYTES)  ROWS5(BYTES) ROW("5", BYTES "(%[d],%[row],2)")
#define VECTORS(AT)   "vmovups " AT ", %%ymm12\n\tvmovups 32" AT ", %%ymm13\n\t"
#define SUMS(R, s, t) [s] "+x"(sum[R][0]), [t] "+x"(sum[R][1])
#define SUMS3         SUMS(0, s0, t0), SUMS(1, s1, t1), SUMS(2, s2, t2)
#define SUMS4         SUMS3, SUMS(3, s3, t3)
#define SUMS5         SUMS4, SUMS(4, s4, t4)
#define SUMS6         SUMS5, SUMS(5, s5, t5)
#define DEEPER(N)                                                                                  \
    __asm__ volatile(VECTORS("(%[b])") ROWS##N("0") VECTORS("(%[b],%[c])") ROWS##N("4")            \
                         VECTORS("(%[b],%[c],2)") ROWS##N("8") VECTORS("(%[b],%[e])")              \
                             ROWS##N("12")                                                         \
                     : SUMS##N                                                                     \
                     : [a] "r"(a), [d] "r"(a + 3 * a_row), [row] "r"(a_row * sizeof *a),           \
                       [b] "r"(b), [c] "r"(columns * sizeof *b), [e] "r"(3 * columns * sizeof *b)  \
                     : "ymm12", "ymm13", "ymm14", "memory")

INLINE void deeper(const unsigned n, const unsigned q, wide sum[][2], const float *a, size_t a_row,
                   const float *b, size_t columns)
{
    if (n == 6 && q == 2)
        DEEPER(6);
    else if (n == 5 && q == 2)
        DEEPER(5);
    else if (n == 4 && q == 2)
        DEEPER(4);
    else if (n == 3 && q == 2)
        DEEPER(3);
    else
        UNROLL for (unsigned s = 0; s < STEPS; s++)
            deeper_by_one(n, q, sum, a + s, a_row, b + s * columns);
}
#undef DEEPER
#undef ROW
#undef ROWS3
#undef ROWS4
#undef ROWS5
#undef ROWS6
#undef VECTORS
#undef SUMS
#undef SUMS3
#undef SUMS4
#undef SUMS5
#undef SUMS6
#else
enum { STEPS = 1 };
INLINE void deeper(const unsigned n, const unsigned q, wide sum[][2], const float *a, size_t a_row,
                   const float *b, size_t columns)
{
    (void)columns;
    deeper_by_one(n, q, sum, a, a_row, b);
}
#endif
#endif
