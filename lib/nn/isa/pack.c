/* Matrices laid out for lib/nn/isa/block.c: in panels of few columns, padded with 0. */
#include "wide.h"

#if defined(__AVX512F__)
#define LOW  0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23
#define HIGH 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31
#elif defined(__AVX2__)
#define LOW  0, 8, 1, 9, 2, 10, 3, 11
#define HIGH 4, 12, 5, 13, 6, 14, 7, 15
#else
#define LOW  0, 4, 1, 5
#define HIGH 2, 6, 3, 7
#endif

/* A square of WIDE rows. Interleaving row i with row i + WIDE/2 turns the bits of (row, column)
 * round by one; after log2(WIDE) turns row and column have changed places. */
INLINE void turn(float *to, size_t to_row, const float *from, size_t from_row)
{
    wide even[WIDE], odd[WIDE];
    UNROLL for (unsigned i = 0; i < WIDE; i++) even[i] = load(from + i * from_row);
    UNROLL for (unsigned bit = 1; bit < WIDE; bit *= 2)
    {
        UNROLL for (unsigned i = 0; i < WIDE / 2; i++)
        {
            odd[2 * i] = __builtin_shufflevector(even[i], even[i + WIDE / 2], LOW);
            odd[2 * i + 1] = __builtin_shufflevector(even[i], even[i + WIDE / 2], HIGH);
        }
        UNROLL for (unsigned i = 0; i < WIDE; i++) even[i] = odd[i];
    }
    UNROLL for (unsigned i = 0; i < WIDE; i++) store(to + i * to_row, even[i]);
}

/* What of the square there is: n columns (rows of from), the first `depth` of each. */
static void turn_some(float *to, size_t to_row, const float *from, size_t from_row, size_t n,
                      size_t depth)
{
    float square[WIDE * WIDE] = {0}, turned[WIDE * WIDE];
    for (size_t c = 0; c < n; c++)
        for (size_t k = 0; k < depth; k++) square[c * WIDE + k] = from[c * from_row + k];
    turn(turned, WIDE, square, WIDE);
    for (size_t k = 0; k < depth; k++) store(to + k * to_row, load(turned + k * WIDE));
}

/* Fewer columns than WIDE, whole squares of depth. */
static void turn_few(float *to, size_t to_row, const float *from, size_t from_row, size_t n)
{
    float square[WIDE * WIDE] = {0};
    for (size_t c = 0; c < n; c++) store(square + c * WIDE, load(from + c * from_row));
    turn(to, to_row, square, WIDE);
}

void KD_HERE(kd_pack_columns)(float *to, size_t columns, const float *from, size_t from_row,
                              size_t n, size_t depth)
{
    size_t whole = depth / WIDE * WIDE;
    for (size_t c = 0; c < columns; c += WIDE) {
        const float *at = from + c * from_row;
        size_t there = c >= n ? 0 : n - c < WIDE ? n - c : WIDE;
        for (size_t k = 0; k < whole; k += WIDE)
            if (there == WIDE)
                turn(to + k * columns + c, columns, at + k, from_row);
            else
                turn_few(to + k * columns + c, columns, at + k, from_row, there);
        if (whole < depth)
            turn_some(to + whole * columns + c, columns, at + whole, from_row, there,
                      depth - whole);
    }
}

/* Whole strips of two vectors, which is nearly all there is. */
static void copy_strip(float *to, const float *from, size_t from_row, size_t depth)
{
    for (size_t k = 0; k < depth; k++, to += 2 * WIDE, from += from_row) {
        store(to, load(from));
        store(to + WIDE, load(from + WIDE));
    }
}

void KD_HERE(kd_pack_rows)(float *to, size_t columns, const float *from, size_t from_row, size_t n,
                           size_t depth)
{
    if (n == 2 * WIDE && columns == n) {
        copy_strip(to, from, from_row, depth);
        return;
    }
    for (size_t k = 0; k < depth; k++, to += columns, from += from_row) {
        size_t c = 0;
        for (; c + WIDE <= n; c += WIDE) store(to + c, load(from + c));
        for (; c < n; c++) to[c] = from[c];
        for (; c < columns; c++) to[c] = 0;
    }
}
