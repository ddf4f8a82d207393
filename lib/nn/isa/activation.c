/* Activations and the exponentials below them: branch-free polynomials, so that loops vectorize.
 * The errors quoted are measured by test_kernels. */
#include "isa.h"

#include <string.h>

void KD_HERE(kd_relu)(float *y, const float *x, size_t n, float slope)
{
    for (size_t i = 0; i < n; i++) y[i] = x[i] > 0 ? x[i] : slope * x[i];
}

void KD_HERE(kd_relu_back)(float *dy, const float *y, size_t n, float slope)
{
    for (size_t i = 0; i < n; i++) dy[i] = y[i] > 0 ? dy[i] : slope * dy[i];
}

void KD_HERE(kd_relu6)(float *y, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        float v = x[i] > 0 ? x[i] : 0;
        y[i] = v < 6 ? v : 6;
    }
}

void KD_HERE(kd_relu6_back)(float *dy, const float *y, size_t n)
{
    for (size_t i = 0; i < n; i++) dy[i] = y[i] > 0 && y[i] < 6 ? dy[i] : 0;
}

/* x relu6(x + 3) / 6 (Howard et al. 2019, section 5.2); its slope x/3 + 1/2 between -3 and 3. */
void KD_HERE(kd_hardswish)(float *y, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        float gate = x[i] + 3 > 0 ? x[i] + 3 : 0;
        y[i] = x[i] * (gate < 6 ? gate : 6) * (1.0f / 6);
    }
}

void KD_HERE(kd_hardswish_back)(float *dy, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        float slope = x[i] * (1.0f / 3) + 0.5f;
        slope = x[i] > -3 ? slope : 0;
        dy[i] *= x[i] < 3 ? slope : 1;
    }
}

/* exp(x) for x in [-87, 88]: 2^k times a polynomial on |r| <= ln2/2. */
static inline float exp_float(float x)
{
    x = x < -87.0f ? -87.0f : x;
    x = x > 88.0f ? 88.0f : x;
    float shifted = x * 1.44269504f + 12582912.0f; /* 1.5 * 2^23: rounds to the nearest integer */
    float k = shifted - 12582912.0f;
    float r = (x - k * 0.693359375f) + k * 2.12194440e-4f;
    float p = 1.0f / 5040;
    p = p * r + 1.0f / 720;
    p = p * r + 1.0f / 120;
    p = p * r + 1.0f / 24;
    p = p * r + 1.0f / 6;
    p = p * r + 0.5f;
    p = p * r + 1.0f;
    p = p * r + 1.0f;
    int32_t power = ((int32_t)k + 127) << 23;
    float two_k;
    memcpy(&two_k, &power, sizeof two_k);
    return p * two_k;
}

/* Odd series (Taylor, to x^13) where 1 - 2/(e^2x + 1) would cancel. Relative error below 2e-7. */
static inline float tanh_float(float x)
{
    float a = __builtin_fabsf(x), s = a * a;
    float p = 21844.0f / 6081075;
    p = p * s - 1382.0f / 155925;
    p = p * s + 62.0f / 2835;
    p = p * s - 17.0f / 315;
    p = p * s + 2.0f / 15;
    p = p * s - 1.0f / 3;
    float small = a + a * s * p;
    float large = 1.0f - 2.0f / (exp_float(2 * a) + 1.0f);
    return __builtin_copysignf(a < 0.4f ? small : large, x);
}

void KD_HERE(kd_tanh)(float *y, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++) y[i] = tanh_float(x[i]);
}

void KD_HERE(kd_tanh_back)(float *dy, const float *y, size_t n)
{
    for (size_t i = 0; i < n; i++) dy[i] *= 1.0f - y[i] * y[i];
}

/* erf by Abramowitz and Stegun 7.1.26, absolute error below 1.5e-7 before rounding; e = exp(-x^2)
 * is handed in, because the derivative of gelu needs it too. */
static inline float erf_float(float x, float e)
{
    float a = __builtin_fabsf(x), t = 1.0f / (1.0f + 0.3275911f * a);
    float p = 1.061405429f;
    p = p * t - 1.453152027f;
    p = p * t + 1.421413741f;
    p = p * t - 0.284496736f;
    p = p * t + 0.254829592f;
    return __builtin_copysignf(1.0f - p * t * e, x);
}

/* gelu(x) = x Phi(x) (Hendrycks and Gimpel 2016), exact form; gelu' = Phi(x) + x phi(x).
 * Absolute error below 5e-7, of the derivative below 4e-7. */
void KD_HERE(kd_gelu)(float *y, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        float v = x[i], e = exp_float(-0.5f * v * v);
        y[i] = 0.5f * v * (1.0f + erf_float(v * 0.70710678f, e));
    }
}

void KD_HERE(kd_gelu_back)(float *dy, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        float v = x[i], e = exp_float(-0.5f * v * v);
        dy[i] *= 0.5f * (1.0f + erf_float(v * 0.70710678f, e)) + v * 0.39894228f * e;
    }
}

/* The same scheme in double, to the 13th power: for losses. */
void KD_HERE(kd_exp_double)(double *x, size_t n)
{
    static const double c[] = {1.0 / 6227020800,
                               1.0 / 479001600,
                               1.0 / 39916800,
                               1.0 / 3628800,
                               1.0 / 362880,
                               1.0 / 40320,
                               1.0 / 5040,
                               1.0 / 720,
                               1.0 / 120,
                               1.0 / 24,
                               1.0 / 6,
                               0.5,
                               1.0,
                               1.0};
    for (size_t i = 0; i < n; i++) {
        double v = x[i];
        double cut = v < -708.0 ? 0.0 : 1.0;
        v = v < -708.0 ? -708.0 : v;
        v = v > 709.0 ? 709.0 : v;
        double shifted = v * 1.4426950408889634 + 6755399441055744.0; /* 1.5 * 2^52 */
        double k = shifted - 6755399441055744.0;
        double r = (v - k * 6.93147180369123816490e-01) - k * 1.90821492927058770002e-10;
        double p = c[0];
        for (int j = 1; j < 14; j++) p = p * r + c[j];
        /* the low bits of `shifted` are k in two's complement */
        int64_t bits;
        memcpy(&bits, &shifted, sizeof bits);
        bits = (int64_t)((uint64_t)(bits + 1023) << 52);
        double two_k;
        memcpy(&two_k, &bits, sizeof two_k);
        x[i] = p * two_k * cut;
    }
}
