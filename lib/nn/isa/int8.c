/* Kernels of integer networks. Sums of 32 bits wrap nowhere (kd_int_check proved it), so that their
 * order is free; the rounding of each result is spelled out in kd/nn/integers.h. */
#include "kd/nn/int8.h"
#include "wide.h"

#include <string.h>
#if defined(__AVX2__)
#include <immintrin.h>
#endif

enum { CHUNK = 16 }; /* columns in which everything is padded */

/* ---- sums to bytes: 16 at a time ---- */

#if defined(__AVX512F__)
INLINE __m512i scale_half(__m512i product, __m512i shift)
{
    const __m512i one = _mm512_set1_epi64(1);
    __m512i half = _mm512_sllv_epi64(one, _mm512_sub_epi64(shift, one));
    return _mm512_srav_epi64(_mm512_add_epi64(product, half), shift);
}

/* Even and odd lanes apart: products have 64 bits. */
INLINE __m512i join(__m512i even, __m512i odd)
{
    return _mm512_mask_blend_epi32(0xaaaa, even, _mm512_slli_epi64(odd, 32));
}

INLINE __m512i scale_16(__m512i sum, __m512i m, __m512i shift)
{
    const __m512i low = _mm512_set1_epi64(0xffffffff);
    __m512i even = scale_half(_mm512_mul_epi32(sum, m), _mm512_and_si512(shift, low));
    __m512i odd = scale_half(_mm512_mul_epi32(_mm512_srli_epi64(sum, 32), _mm512_srli_epi64(m, 32)),
                             _mm512_srli_epi64(shift, 32));
    return join(even, odd);
}

INLINE __m128i to_bytes(__m512i v, int32_t zero, int32_t low, int32_t high)
{
    v = _mm512_add_epi32(v, _mm512_set1_epi32(zero));
    v = _mm512_min_epi32(_mm512_max_epi32(v, _mm512_set1_epi32(low)), _mm512_set1_epi32(high));
    return _mm512_cvtepi32_epi8(v);
}

INLINE void scale_chunk(int32_t *y, const int32_t *sum, const struct kd_int8_scale *s, size_t at)
{
    _mm512_storeu_si512(y, scale_16(_mm512_loadu_si512(sum), _mm512_loadu_si512(s->multiplier + at),
                                    _mm512_loadu_si512(s->shift + at)));
}

INLINE void bytes_chunk(uint8_t *y, const int32_t *sum, const struct kd_int8_scale *s, size_t at)
{
    __m512i v = scale_16(_mm512_loadu_si512(sum), _mm512_loadu_si512(s->multiplier + at),
                         _mm512_loadu_si512(s->shift + at));
    _mm_storeu_si128((__m128i *)(void *)y, to_bytes(v, s->zero, s->low, s->high));
}
#elif defined(__AVX2__)
/* There is no arithmetic shift of 64 bits: with 2^63 added a logical one does it. */
INLINE __m256i scale_half(__m256i product, __m256i shift)
{
    const __m256i one = _mm256_set1_epi64x(1), top = _mm256_set1_epi64x(INT64_MIN);
    __m256i half = _mm256_sllv_epi64(one, _mm256_sub_epi64(shift, one));
    __m256i v = _mm256_xor_si256(_mm256_add_epi64(product, half), top);
    return _mm256_sub_epi64(_mm256_srlv_epi64(v, shift), _mm256_srlv_epi64(top, shift));
}

INLINE __m256i join(__m256i even, __m256i odd)
{
    return _mm256_blend_epi32(even, _mm256_slli_epi64(odd, 32), 0xaa);
}

INLINE __m256i scale_8(__m256i sum, __m256i m, __m256i shift)
{
    const __m256i low = _mm256_set1_epi64x(0xffffffff);
    __m256i even = scale_half(_mm256_mul_epi32(sum, m), _mm256_and_si256(shift, low));
    __m256i odd = scale_half(_mm256_mul_epi32(_mm256_srli_epi64(sum, 32), _mm256_srli_epi64(m, 32)),
                             _mm256_srli_epi64(shift, 32));
    return join(even, odd);
}

INLINE __m256i load_8(const int32_t *p)
{
    return _mm256_loadu_si256((const __m256i *)(const void *)p);
}

INLINE __m256i clamp_8(__m256i v, int32_t zero, int32_t low, int32_t high)
{
    v = _mm256_add_epi32(v, _mm256_set1_epi32(zero));
    return _mm256_min_epi32(_mm256_max_epi32(v, _mm256_set1_epi32(low)), _mm256_set1_epi32(high));
}

INLINE __m128i to_bytes(__m256i a, __m256i b)
{
    __m256i words = _mm256_permute4x64_epi64(_mm256_packus_epi32(a, b), 0xd8);
    return _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
}

INLINE void scale_chunk(int32_t *y, const int32_t *sum, const struct kd_int8_scale *s, size_t at)
{
    for (int i = 0; i < CHUNK; i += 8)
        _mm256_storeu_si256(
            (__m256i *)(void *)(y + i),
            scale_8(load_8(sum + i), load_8(s->multiplier + at + i), load_8(s->shift + at + i)));
}

INLINE void bytes_chunk(uint8_t *y, const int32_t *sum, const struct kd_int8_scale *s, size_t at)
{
    __m256i v[2];
    for (int i = 0; i < 2; i++)
        v[i] = clamp_8(scale_8(load_8(sum + 8 * i), load_8(s->multiplier + at + 8 * i),
                               load_8(s->shift + at + 8 * i)),
                       s->zero, s->low, s->high);
    _mm_storeu_si128((__m128i *)(void *)y, to_bytes(v[0], v[1]));
}
#else
INLINE int64_t scale_one(int64_t product, int32_t shift)
{
    return (product + ((int64_t)1 << (shift - 1))) >> shift;
}

INLINE void scale_chunk(int32_t *y, const int32_t *sum, const struct kd_int8_scale *s, size_t at)
{
    for (size_t i = 0; i < CHUNK; i++)
        y[i] = (int32_t)scale_one((int64_t)sum[i] * s->multiplier[at + i], s->shift[at + i]);
}

INLINE void bytes_chunk(uint8_t *y, const int32_t *sum, const struct kd_int8_scale *s, size_t at)
{
    for (size_t i = 0; i < CHUNK; i++) {
        int64_t v = scale_one((int64_t)sum[i] * s->multiplier[at + i], s->shift[at + i]) + s->zero;
        y[i] = (uint8_t)(v < s->low ? s->low : v > s->high ? s->high : v);
    }
}
#endif

static void requantise(uint8_t *y, const int32_t *sum, size_t n, const struct kd_int8_scale *s)
{
    size_t i = 0;
    for (; i + CHUNK <= n; i += CHUNK) bytes_chunk(y + i, sum + i, s, i);
    if (i == n) return;
    uint8_t last[CHUNK];
    bytes_chunk(last, sum + i, s, i);
    memcpy(y + i, last, n - i);
}

/* The sums of some rows of a panel, [rows][cols], become results. */
static void finish(const struct kd_int8_product *p, size_t row, size_t rows, const int32_t *sum)
{
    for (size_t r = 0; r < rows; r++, sum += p->cols) {
        if (p->y) {
            requantise(p->y + (row + r) * p->y_row, sum, p->n, &p->scale);
            continue;
        }
        int32_t *to = p->logits + (row + r) * p->logits_row, last[CHUNK];
        for (size_t i = 0; i < p->n; i += CHUNK) {
            size_t n = p->n - i < CHUNK ? p->n - i : CHUNK;
            scale_chunk(last, sum + i, &p->scale, i);
            memcpy(to + i, last, n * sizeof *to);
        }
    }
}

/* ---- products ---- */

#if defined(__AVX2__)
#if defined(__AVX512F__)
typedef __m512i lanes;
enum { PANEL = 64, WIDTH = 16 };
#define SPLAT(v)      _mm512_set1_epi32(v)
#define LOAD(p)       _mm512_loadu_si512(p)
#define STORE(p, v)   _mm512_storeu_si512(p, v)
#define MADD(s, a, b) _mm512_add_epi32(s, _mm512_madd_epi16(a, b))
#else
typedef __m256i lanes;
enum { PANEL = 16, WIDTH = 8 };
#define SPLAT(v)      _mm256_set1_epi32(v)
#define LOAD(p)       _mm256_loadu_si256((const __m256i *)(const void *)(p))
#define STORE(p, v)   _mm256_storeu_si256((__m256i *)(void *)(p), v)
#define MADD(s, a, b) _mm256_add_epi32(s, _mm256_madd_epi16(a, b))
#endif
enum { ROWS = 6, MOST = PANEL / WIDTH };

#define TARGET
#define NAME(f)      f##_madd
#define ELEMENT      2
#define DOT(s, a, b) MADD(s, a, b)
#include "int8_tile.h"
#undef TARGET
#undef NAME
#undef ELEMENT
#undef DOT
#if defined(__AVX512F__)
#define TARGET       __attribute__((target("avx512vnni")))
#define NAME(f)      f##_vnni
#define ELEMENT      1
#define DOT(s, a, b) _mm512_dpbusd_epi32(s, a, b)
#include "int8_tile.h"
#endif
#else
enum { PANEL = 16 };

static void product_madd(const struct kd_int8_product *p)
{
    for (size_t row = 0; row < p->rows; row++) {
        uint32_t sum[PANEL]; /* the 128 in A is in the bias too: halfway a sum may wrap */
        int32_t out[PANEL];
        const int16_t *b = p->b;
        memcpy(sum, p->bias, p->cols * sizeof *sum);
        for (size_t run = 0; run < p->runs; run++) {
            const uint16_t *a = (const uint16_t *)p->a + p->row[row] + p->run[run];
            for (size_t g = 0; g < p->groups; g++, a += 2, b += 2 * PANEL)
                for (size_t c = 0; c < PANEL; c++)
                    sum[c] += (uint32_t)(a[0] * b[2 * c] + a[1] * b[2 * c + 1]);
        }
        memcpy(out, sum, sizeof out);
        finish(p, row, 1, out);
    }
}
#endif

/* ---- all else ---- */

#define DEPTHWISE(SUFFIX, TYPE)                                                                    \
    static void depthwise_##SUFFIX(const struct kd_int8_depthwise *p)                              \
    {                                                                                              \
        size_t padded = (p->channels + CHUNK - 1) / CHUNK * CHUNK;                                 \
        for (size_t c = 0; c < padded; c += CHUNK) {                                               \
            size_t n = p->channels - c < CHUNK ? p->channels - c : CHUNK;                          \
            struct kd_int8_scale s = p->scale;                                                     \
            s.multiplier += c;                                                                     \
            s.shift += c;                                                                          \
            for (size_t r = 0; r < p->rows; r++) {                                                 \
                const TYPE *a = (const TYPE *)p->a + p->row[r] + c;                                \
                uint32_t sum[CHUNK];                                                               \
                int32_t out[CHUNK];                                                                \
                memcpy(sum, p->bias + c, sizeof sum);                                              \
                for (size_t t = 0; t < p->taps; t++) {                                             \
                    const TYPE *x = a + p->tap[t];                                                 \
                    const int32_t *w = p->w + t * padded + c;                                      \
                    for (size_t i = 0; i < CHUNK; i++) sum[i] += (uint32_t)(x[i] * w[i]);          \
                }                                                                                  \
                memcpy(out, sum, sizeof out);                                                      \
                requantise(p->y + r * p->channels + c, out, n, &s);                                \
            }                                                                                      \
        }                                                                                          \
    }
DEPTHWISE(wide, uint16_t)
#if defined(__AVX512F__)
DEPTHWISE(bytes, uint8_t)
#endif

static int32_t add_one(const struct kd_int8_add *p, size_t i)
{
    int64_t v = (int64_t)(p->a[i] - p->zero_a) * p->multiplier_a +
                (int64_t)(p->b[i] - p->zero_b) * p->multiplier_b;
    v = ((v + ((int64_t)1 << (p->shift - 1))) >> p->shift) + p->zero;
    return (int32_t)(v < p->low ? p->low : v > p->high ? p->high : v);
}

static void add(const struct kd_int8_add *p)
{
    size_t i = 0;
#if defined(__AVX512F__)
    const __m512i ma = _mm512_set1_epi64(p->multiplier_a), mb = _mm512_set1_epi64(p->multiplier_b),
                  shift = _mm512_set1_epi64(p->shift), za = _mm512_set1_epi32(p->zero_a),
                  zb = _mm512_set1_epi32(p->zero_b);
    for (; i + CHUNK <= p->n; i += CHUNK) {
        __m512i a =
            _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(const void *)(p->a + i)));
        __m512i b =
            _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(const void *)(p->b + i)));
        a = _mm512_sub_epi32(a, za);
        b = _mm512_sub_epi32(b, zb);
        __m512i even = _mm512_add_epi64(_mm512_mul_epi32(a, ma), _mm512_mul_epi32(b, mb));
        a = _mm512_srli_epi64(a, 32);
        b = _mm512_srli_epi64(b, 32);
        __m512i odd = _mm512_add_epi64(_mm512_mul_epi32(a, ma), _mm512_mul_epi32(b, mb));
        __m512i v = join(scale_half(even, shift), scale_half(odd, shift));
        _mm_storeu_si128((__m128i *)(void *)(p->y + i), to_bytes(v, p->zero, p->low, p->high));
    }
#elif defined(__AVX2__)
    const __m256i ma = _mm256_set1_epi64x(p->multiplier_a),
                  mb = _mm256_set1_epi64x(p->multiplier_b), shift = _mm256_set1_epi64x(p->shift),
                  za = _mm256_set1_epi32(p->zero_a), zb = _mm256_set1_epi32(p->zero_b);
    for (; i + CHUNK <= p->n; i += CHUNK) {
        __m256i v[2];
        for (size_t j = 0; j < 2; j++) {
            __m256i a = _mm256_cvtepu8_epi32(
                _mm_loadl_epi64((const __m128i *)(const void *)(p->a + i + 8 * j)));
            __m256i b = _mm256_cvtepu8_epi32(
                _mm_loadl_epi64((const __m128i *)(const void *)(p->b + i + 8 * j)));
            a = _mm256_sub_epi32(a, za);
            b = _mm256_sub_epi32(b, zb);
            __m256i even = _mm256_add_epi64(_mm256_mul_epi32(a, ma), _mm256_mul_epi32(b, mb));
            a = _mm256_srli_epi64(a, 32);
            b = _mm256_srli_epi64(b, 32);
            __m256i odd = _mm256_add_epi64(_mm256_mul_epi32(a, ma), _mm256_mul_epi32(b, mb));
            v[j] = clamp_8(join(scale_half(even, shift), scale_half(odd, shift)), p->zero, p->low,
                           p->high);
        }
        _mm_storeu_si128((__m128i *)(void *)(p->y + i), to_bytes(v[0], v[1]));
    }
#endif
    for (; i < p->n; i++) p->y[i] = (uint8_t)add_one(p, i);
}

static void max(uint8_t *restrict y, const uint8_t *restrict x, size_t n)
{
    for (size_t i = 0; i < n; i++) y[i] = x[i] > y[i] ? x[i] : y[i];
}

static void sum(int32_t *restrict y, const uint8_t *restrict x, size_t n)
{
    for (size_t i = 0; i < n; i++) y[i] += x[i];
}

static void widen(uint16_t *restrict y, const uint8_t *restrict x, size_t n)
{
    for (size_t i = 0; i < n; i++) y[i] = x[i];
}

const struct kd_int8_kernels KD_HERE(kd_int8) = {
    KD_TEXT(KD_ISA), 2, 2, PANEL, product_madd, depthwise_wide, add, requantise, max, sum, widen};
#if defined(__AVX512F__)
const struct kd_int8_kernels kd_int8_avx512vnni = {
    "avx512vnni", 1, 4, PANEL, product_vnni, depthwise_bytes, add, requantise, max, sum, widen};
#endif
