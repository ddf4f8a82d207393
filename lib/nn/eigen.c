#include "kd/nn/whiten.h"

#include <float.h>
#include <math.h>

/* One rotation of rows and columns p and q that makes a[p][q] zero. */
static void rotate(size_t n, double *a, double *vectors, size_t p, size_t q)
{
    double apq = a[p * n + q];
    if (apq == 0) return;
    double tau = (a[q * n + q] - a[p * n + p]) / (2 * apq);
    double t = (tau >= 0 ? 1 : -1) / (fabs(tau) + sqrt(1 + tau * tau));
    double c = 1 / sqrt(1 + t * t), s = t * c;
    for (size_t k = 0; k < n; k++) {
        double kp = a[k * n + p], kq = a[k * n + q];
        a[k * n + p] = c * kp - s * kq;
        a[k * n + q] = s * kp + c * kq;
    }
    for (size_t k = 0; k < n; k++) {
        double pk = a[p * n + k], qk = a[q * n + k];
        a[p * n + k] = c * pk - s * qk;
        a[q * n + k] = s * pk + c * qk;
        double vp = vectors[p * n + k], vq = vectors[q * n + k];
        vectors[p * n + k] = c * vp - s * vq;
        vectors[q * n + k] = s * vp + c * vq;
    }
    a[p * n + q] = a[q * n + p] = 0;
}

static bool is_diagonal(size_t n, const double *a)
{
    double off = 0, all = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) {
            all += a[i * n + j] * a[i * n + j];
            if (i != j) off += a[i * n + j] * a[i * n + j];
        }
    return off <= DBL_EPSILON * DBL_EPSILON * all;
}

static void swap(double *a, double *b, size_t n)
{
    for (size_t k = 0; k < n; k++) {
        double x = a[k];
        a[k] = b[k];
        b[k] = x;
    }
}

static void turn_positive(double *v, size_t n)
{
    size_t most = 0;
    for (size_t k = 1; k < n; k++)
        if (fabs(v[k]) > fabs(v[most])) most = k;
    double sign = v[most] < 0 ? -1 : 1;
    for (size_t k = 0; k < n; k++) v[k] *= sign;
}

void kd_eigen_symmetric(size_t n, double *a, double *values, double *vectors)
{
    enum { MOST_SWEEPS = 60 }; /* it converges quadratically: six to ten are usual */
    for (size_t i = 0; i < n * n; i++) vectors[i] = i % (n + 1) == 0;
    for (int sweep = 0; sweep < MOST_SWEEPS && !is_diagonal(n, a); sweep++)
        for (size_t p = 0; p + 1 < n; p++)
            for (size_t q = p + 1; q < n; q++) rotate(n, a, vectors, p, q);
    for (size_t i = 0; i < n; i++) values[i] = a[i * n + i];
    for (size_t i = 0; i < n; i++) {
        size_t most = i;
        for (size_t j = i + 1; j < n; j++)
            if (values[j] > values[most]) most = j;
        swap(&values[i], &values[most], 1);
        if (most != i) swap(vectors + i * n, vectors + most * n, n);
        turn_positive(vectors + i * n, n);
    }
}
