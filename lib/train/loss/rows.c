/* Features of a batch as rows, compared with each other. Columns are taken a piece at a time, so
 * that a sum in double needs no memory of its own. */
#include "kind.h"

#include <string.h>

enum { PIECE = 256 };

static size_t numbers(const struct kd_loss_side *side)
{
    return side->pixels * side->cols;
}

static double product(const float *a, const float *b, size_t n)
{
    double lane[4] = {0};
    size_t i = 0;
    for (; i + 4 <= n; i += 4)
        for (size_t l = 0; l < 4; l++) lane[l] += (double)a[i + l] * (double)b[i + l];
    for (; i < n; i++) lane[0] += (double)a[i] * (double)b[i];
    return (lane[0] + lane[1]) + (lane[2] + lane[3]);
}

static double distance(const float *a, const float *b, size_t n)
{
    double lane[4] = {0};
    size_t i = 0;
    for (; i + 4 <= n; i += 4)
        for (size_t l = 0; l < 4; l++) {
            const double d = (double)a[i + l] - (double)b[i + l];
            lane[l] += d * d;
        }
    for (; i < n; i++) {
        const double d = (double)a[i] - (double)b[i];
        lane[0] += d * d;
    }
    return (lane[0] + lane[1]) + (lane[2] + lane[3]);
}

static void symmetric(const struct kd_loss_side *side, size_t n, double *out,
                      double (*of)(const float *a, const float *b, size_t n))
{
    const size_t size = numbers(side);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j <= i; j++)
            out[i * n + j] = out[j * n + i] =
                of(side->value + i * size, side->value + j * size, size);
}

void kd_rows_products(const struct kd_loss_side *side, size_t n, double *out)
{
    symmetric(side, n, out, product);
}

void kd_rows_distances(const struct kd_loss_side *side, size_t n, double *out)
{
    symmetric(side, n, out, distance);
}

void kd_rows_combine(const struct kd_loss_side *side, size_t n, const double *m, double factor,
                     float *out)
{
    const size_t size = numbers(side);
    double sum[PIECE];
    for (size_t from = 0; from < size; from += PIECE) {
        const size_t cols = size - from < PIECE ? size - from : PIECE;
        for (size_t i = 0; i < n; i++) {
            memset(sum, 0, cols * sizeof *sum);
            for (size_t j = 0; j < n; j++) {
                const float *x = side->value + j * size + from;
                const double w = m[i * n + j];
                for (size_t c = 0; c < cols; c++) sum[c] += w * (double)x[c];
            }
            for (size_t c = 0; c < cols; c++) out[i * size + from + c] = (float)(factor * sum[c]);
        }
    }
}
