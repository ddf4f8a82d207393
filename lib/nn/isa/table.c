/* The table, and the kernels that are a line or two of arithmetic. */
#include "wide.h"

static void fill_rows(float *y, size_t stride, size_t rows, size_t cols, const float *row)
{
    for (size_t r = 0; r < rows; r++) memcpy(y + r * stride, row, cols * sizeof *y);
}

static void sum_rows(float *sum, const float *y, size_t stride, size_t rows, size_t cols)
{
    memset(sum, 0, cols * sizeof *sum);
    for (size_t r = 0; r < rows; r++) {
        const float *row = y + r * stride;
        for (size_t c = 0; c < cols; c++) sum[c] += row[c];
    }
}

static void sgd(float *w, float *v, const float *g, size_t n, const struct kd_sgd_step *s)
{
    const float rate = s->rate, momentum = s->momentum, decay = s->decay;
    if (s->nesterov)
        for (size_t i = 0; i < n; i++) {
            float d = g[i] + decay * w[i];
            float step = momentum * v[i] + d;
            v[i] = step;
            w[i] -= rate * (d + momentum * step);
        }
    else
        for (size_t i = 0; i < n; i++) {
            float step = momentum * v[i] + (g[i] + decay * w[i]);
            v[i] = step;
            w[i] -= rate * step;
        }
}

static void adam(float *w, float *m, float *v, const float *g, size_t n,
                 const struct kd_adam_step *s)
{
    const struct kd_adam_step a = *s;
    for (size_t i = 0; i < n; i++) {
        float d = g[i] + a.decay * w[i];
        float first = a.beta1 * m[i] + a.rest1 * d;
        float second = a.beta2 * v[i] + a.rest2 * d * d;
        m[i] = first;
        v[i] = second;
        w[i] = a.shrink * w[i] - a.rate * first / (__builtin_sqrtf(second) * a.unbias2 + a.epsilon);
    }
}

static double sum_squares(const float *x, size_t n)
{
    double lane[LANES] = {0};
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (size_t j = 0; j < LANES; j++) lane[j] += (double)x[i + j] * (double)x[i + j];
    for (size_t j = 0; i < n; i++, j++) lane[j] += (double)x[i] * (double)x[i];
    double sum = 0;
    for (size_t j = 0; j < LANES; j++) sum += lane[j];
    return sum;
}

static void scale(float *x, size_t n, float by)
{
    for (size_t i = 0; i < n; i++) x[i] *= by;
}

static void add(float *y, const float *x, size_t n, float by)
{
    for (size_t i = 0; i < n; i++) y[i] += by * x[i];
}

static void mul_add(float *y, const float *a, const float *b, size_t n)
{
    for (size_t i = 0; i < n; i++) y[i] += a[i] * b[i];
}

extern const struct kd_kernels KD_HERE(kd_kernels);
const struct kd_kernels KD_HERE(kd_kernels) = {
    .name = KD_TEXT(KD_ISA),
#if defined(__AVX2__)
    .wide = 1,
#if !defined(__AVX512F__)
    .blas_from = 128,
#endif
#endif
#if defined(__AVX512F__)
    .strip = KD_PANEL,
#else
    .strip = KD_PANEL / 2,
#endif
    .vector = WIDE,
    .fill_rows = fill_rows,
    .sum_rows = sum_rows,
    .relu = KD_HERE(kd_relu),
    .relu_back = KD_HERE(kd_relu_back),
    .relu6 = KD_HERE(kd_relu6),
    .relu6_back = KD_HERE(kd_relu6_back),
    .hardswish = KD_HERE(kd_hardswish),
    .hardswish_back = KD_HERE(kd_hardswish_back),
    .tanh = KD_HERE(kd_tanh),
    .tanh_back = KD_HERE(kd_tanh_back),
    .gelu = KD_HERE(kd_gelu),
    .gelu_back = KD_HERE(kd_gelu_back),
    .dropout = KD_HERE(kd_dropout),
    .dropout_back = KD_HERE(kd_dropout_back),
    .norm_stats = KD_HERE(kd_norm_stats),
    .norm_apply = KD_HERE(kd_norm_apply),
    .norm_back = KD_HERE(kd_norm_back),
    .sgd = sgd,
    .adam = adam,
    .sum_squares = sum_squares,
    .scale = scale,
    .add = add,
    .mul_add = mul_add,
    .winograd_input = KD_HERE(kd_winograd_input),
    .winograd_output = KD_HERE(kd_winograd_output),
    .winograd_output_back = KD_HERE(kd_winograd_output_back),
    .winograd_filter = KD_HERE(kd_winograd_filter),
    .winograd_filter_back = KD_HERE(kd_winograd_filter_back),
    .product = KD_HERE(kd_product),
    .outer = KD_HERE(kd_outer),
    .dots = KD_HERE(kd_dots),
    .pack_rows = KD_HERE(kd_pack_rows),
    .pack_columns = KD_HERE(kd_pack_columns),
    .pool2 = KD_HERE(kd_pool2),
    .unpool2 = KD_HERE(kd_unpool2),
    .exp_double = KD_HERE(kd_exp_double),
    .softmax_double = KD_HERE(kd_softmax_double),
};
