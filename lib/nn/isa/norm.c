/* Batch norm over rows (Ioffe and Szegedy 2015), column by column, rows in order: every column's
 * sums are taken in the same order whatever the width of the vectors. */
#include "isa.h"

enum { STRIP = 64 }; /* columns taken together: their sums stay in registers or the first cache */

void KD_HERE(kd_norm_stats)(const float *x, size_t stride, size_t rows, size_t cols, float *mean,
                            float *var)
{
    for (size_t c0 = 0; c0 < cols; c0 += STRIP) {
        size_t n = cols - c0 < STRIP ? cols - c0 : STRIP;
        double sum[STRIP] = {0}, square[STRIP] = {0};
        for (size_t r = 0; r < rows; r++)
            for (size_t c = 0; c < n; c++) sum[c] += (double)x[r * stride + c0 + c];
        for (size_t c = 0; c < n; c++) sum[c] /= (double)rows;
        for (size_t r = 0; r < rows; r++)
            for (size_t c = 0; c < n; c++) {
                double d = (double)x[r * stride + c0 + c] - sum[c];
                square[c] += d * d;
            }
        for (size_t c = 0; c < n; c++) {
            mean[c0 + c] = (float)sum[c];
            var[c0 + c] = (float)(square[c] / (double)rows);
        }
    }
}

void KD_HERE(kd_norm_apply)(float *y, const float *x, size_t stride, size_t rows, size_t cols,
                            const float *mean, const float *rstd, const float *weight,
                            const float *bias)
{
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < cols; c++)
            y[r * stride + c] = (x[r * stride + c] - mean[c]) * (rstd[c] * weight[c]) + bias[c];
}

/* With xhat = (x - mean) rstd over B rows:
 *     dbias = sum dy, dweight = sum dy xhat
 *     dx = weight rstd (dy - dbias/B - xhat dweight/B)   with the batch's statistics
 *     dx = weight rstd dy                                with running ones */
void KD_HERE(kd_norm_back)(float *dx, const float *dy, const float *x, size_t stride, size_t rows,
                           size_t cols, const float *mean, const float *rstd, const float *weight,
                           float *dweight, float *dbias, int use_batch_stats)
{
    for (size_t c0 = 0; c0 < cols; c0 += STRIP) {
        size_t n = cols - c0 < STRIP ? cols - c0 : STRIP;
        double sum[STRIP] = {0}, dot[STRIP] = {0};
        for (size_t r = 0; r < rows; r++)
            for (size_t c = 0; c < n; c++) {
                size_t i = r * stride + c0 + c;
                sum[c] += (double)dy[i];
                dot[c] += (double)dy[i] * (double)((x[i] - mean[c0 + c]) * rstd[c0 + c]);
            }
        float a[STRIP], b[STRIP];
        for (size_t c = 0; c < n; c++) {
            dbias[c0 + c] = (float)sum[c];
            dweight[c0 + c] = (float)dot[c];
            a[c] = use_batch_stats ? (float)(sum[c] / (double)rows) : 0;
            b[c] = use_batch_stats ? (float)(dot[c] / (double)rows) : 0;
        }
        if (!dx) continue;
        for (size_t r = 0; r < rows; r++)
            for (size_t c = 0; c < n; c++) {
                size_t i = r * stride + c0 + c, k = c0 + c;
                float xhat = (x[i] - mean[k]) * rstd[k];
                dx[i] = weight[k] * rstd[k] * (dy[i] - a[c] - xhat * b[c]);
            }
    }
}
