/* Softmax of many rows in double, for losses. Sums are taken in the order of the classes, those of
 * several rows at a time. */
#include "isa.h"

#include <math.h>
#include <string.h>

static double largest(const double *u, size_t n)
{
    double lane[LANES], most = -HUGE_VAL;
    size_t i = 0;
    for (size_t j = 0; j < LANES; j++) lane[j] = -HUGE_VAL;
    for (; i + LANES <= n; i += LANES)
        for (size_t j = 0; j < LANES; j++) lane[j] = u[i + j] > lane[j] ? u[i + j] : lane[j];
    for (; i < n; i++) most = u[i] > most ? u[i] : most;
    for (size_t j = 0; j < LANES; j++) most = lane[j] > most ? lane[j] : most;
    return most;
}

enum { TOGETHER = 8 };

static void sums_of(const double *q, size_t rows, size_t classes, double sum[TOGETHER])
{
    for (size_t r = 0; r < TOGETHER; r++) sum[r] = 0;
    if (rows < TOGETHER) {
        for (size_t r = 0; r < rows; r++)
            for (size_t c = 0; c < classes; c++) sum[r] += q[r * classes + c];
        return;
    }
    for (size_t c = 0; c < classes; c++)
        for (size_t r = 0; r < TOGETHER; r++) sum[r] += q[r * classes + c];
}

void KD_HERE(kd_softmax_double)(double *log_q, double *q, size_t n, size_t classes)
{
    for (size_t r = 0; r < n; r++) {
        double *u = log_q + r * classes, most = largest(u, classes);
        for (size_t c = 0; c < classes; c++) u[c] -= most;
    }
    memcpy(q, log_q, n * classes * sizeof *q);
    KD_HERE(kd_exp_double)(q, n * classes);
    for (size_t first = 0; first < n; first += TOGETHER) {
        double sum[TOGETHER];
        size_t rows = n - first < TOGETHER ? n - first : TOGETHER;
        sums_of(q + first * classes, rows, classes, sum);
        for (size_t r = 0; r < rows; r++) {
            double *u = log_q + (first + r) * classes, *p = q + (first + r) * classes;
            double lse = log(sum[r]), scale = 1 / sum[r];
            for (size_t c = 0; c < classes; c++) {
                u[c] -= lse;
                p[c] *= scale;
            }
        }
    }
}
