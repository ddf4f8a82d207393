#include "mixing.h"

#include <math.h>

static double log_sum(const float *z, size_t classes, double temperature)
{
    double most = -HUGE_VAL, sum = 0;
    for (size_t c = 0; c < classes; c++) most = fmax(most, (double)z[c] / temperature);
    for (size_t c = 0; c < classes; c++) sum += exp((double)z[c] / temperature - most);
    return most + log(fmax(sum, 1)); /* the largest is exp(0) */
}

static void mix_softmaxes(float *a, const float *b, size_t classes, double share, double T)
{
    const double la = log(share) - log_sum(a, classes, T);
    const double lb = log(1 - share) - log_sum(b, classes, T);
    for (size_t c = 0; c < classes; c++) {
        const double u = la + (double)a[c] / T, v = lb + (double)b[c] / T;
        const double most = fmax(u, v), less = fmin(u, v);
        a[c] = (float)(T * (most + log1p(exp(less - most))));
    }
}

void kd_mixing_rows(const struct kd_mixing *m, float *a, const float *b)
{
    const bool linear = m->probabilities || isnan(m->temperature);
    for (size_t r = 0; r < m->n; r++, a += m->classes, b += m->classes) {
        const float share = m->mixed[r].share;
        if (share >= 1) continue;
        if (!linear && share > 0)
            mix_softmaxes(a, b, m->classes, (double)share, m->temperature);
        else
            for (size_t c = 0; c < m->classes; c++) a[c] = share * a[c] + (1 - share) * b[c];
    }
}
