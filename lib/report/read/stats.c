#include "kd/report/stats.h"
#include <math.h>
#include <stdlib.h>

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    int finite = isfinite(y) - isfinite(x);
    if (isfinite(x) && isfinite(y)) return (x > y) - (x < y);
    return (finite > 0) - (finite < 0);
}

struct kd_stats kd_stats_of(double *x, size_t n)
{
    struct kd_stats s = {0, NAN, NAN, NAN, NAN, NAN};
    if (n > 0) qsort(x, n, sizeof *x, by_value);
    while (s.n < n && isfinite(x[s.n])) s.n++;
    if (s.n == 0) return s;
    double sum = 0, squares = 0;
    for (size_t i = 0; i < s.n; i++) sum += x[i];
    s.mean = sum / (double)s.n;
    double rest = 0; /* of rounding: equal values have their own mean and no spread */
    for (size_t i = 0; i < s.n; i++) rest += x[i] - s.mean;
    s.mean += rest / (double)s.n;
    for (size_t i = 0; i < s.n; i++) squares += (x[i] - s.mean) * (x[i] - s.mean);
    if (s.n > 1) s.sd = sqrt(squares / (double)(s.n - 1));
    s.min = x[0];
    s.max = x[s.n - 1];
    s.median = s.n % 2 ? x[s.n / 2] : x[s.n / 2 - 1] + (x[s.n / 2] - x[s.n / 2 - 1]) / 2;
    return s;
}

/* Continued fraction of the incomplete beta function by the modified Lentz method. */
static double beta_fraction(double a, double b, double x)
{
    const double tiny = 1e-300;
    double c = 1, d = 1 - (a + b) * x / (a + 1);
    if (fabs(d) < tiny) d = tiny;
    d = 1 / d;
    double f = d;
    for (int m = 1; m <= 20000; m++) {
        double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
        double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
        double change = 1;
        for (int k = 0; k < 2; k++) {
            double term = k ? odd : even;
            d = 1 + term * d;
            c = 1 + term / c;
            if (fabs(d) < tiny) d = tiny;
            if (fabs(c) < tiny) c = tiny;
            d = 1 / d;
            change = d * c;
            f *= change;
        }
        if (fabs(change - 1) < 1e-16) break;
    }
    return f;
}

/* I_x(a, b), given y = 1 - x without cancellation. */
static double beta_regularized(double a, double b, double x, double y)
{
    if (x <= 0) return 0;
    if (y <= 0) return 1;
    double front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log(y));
    if (x < (a + 1) / (a + b + 2)) return front * beta_fraction(a, b, x) / a;
    return 1 - front * beta_fraction(b, a, y) / b;
}

double kd_t_tails(double x, double df)
{
    if (!(df > 0) || isnan(x)) return NAN;
    if (isinf(df)) return erfc(fabs(x) / sqrt(2));
    double square = x * x, whole = df + square;
    if (isinf(square)) return 0;
    return beta_regularized(df / 2, 0.5, df / whole, square / whole);
}

double kd_t_quantile_95(double df)
{
    const double z = 1.9599639845400542;
    if (!(df > 0)) return NAN;
    if (df > 1e5) /* Cornish-Fisher; the next term is below 1e-15 here */
        return z + (z * z * z + z) / (4 * df) +
               (5 * pow(z, 5) + 16 * z * z * z + 3 * z) / (96 * df * df);
    double low = 0, high = 2;
    while (kd_t_tails(high, df) > 0.05 && high < 1e150) low = high, high *= 2;
    for (int i = 0; i < 100 && high - low > 1e-13 * high; i++) {
        double middle = low + (high - low) / 2;
        if (kd_t_tails(middle, df) > 0.05)
            low = middle;
        else
            high = middle;
    }
    return low + (high - low) / 2;
}

struct kd_confidence kd_confidence_of(const struct kd_stats *s)
{
    struct kd_confidence i = {s->mean, NAN, NAN};
    /* Differences of rates are whole numbers of images: that all are the same is no proof that the
     * next would be, and no t-interval has an answer. */
    if (s->n < 2 || s->sd < 1e-9 * fmax(fabs(s->min), fabs(s->max))) return i;
    double half = kd_t_quantile_95((double)s->n - 1) * s->sd / sqrt((double)s->n);
    i.low = s->mean - half;
    i.high = s->mean + half;
    return i;
}

struct kd_confidence kd_confidence_between(const struct kd_stats *a, const struct kd_stats *b)
{
    const struct kd_stats *both[2] = {a, b};
    struct kd_confidence i = {a->mean - b->mean, NAN, NAN};
    double square = 0, parts = 0;
    bool spread = false;
    for (int k = 0; k < 2; k++) {
        if (both[k]->n < 2) continue;
        double v = both[k]->sd * both[k]->sd / (double)both[k]->n;
        square += v;
        parts += v * v / ((double)both[k]->n - 1);
        spread = true;
    }
    if (!spread) return i;
    double half = square > 0 ? kd_t_quantile_95(square * square / parts) * sqrt(square) : 0;
    i.low = i.mean - half;
    i.high = i.mean + half;
    return i;
}

/* P(X <= k) of X ~ B(n, 1/2) is I_{1/2}(n - k, k + 1). */
struct kd_mcnemar kd_mcnemar_of(double first, double second)
{
    double k = fmin(first, second), n = first + second;
    struct kd_mcnemar m = {first, second, 1};
    if (n > 0) m.p = fmin(1, 2 * beta_regularized(n - k, k + 1, 0.5, 0.5));
    return m;
}

bool kd_confidence_excludes_zero(const struct kd_confidence *i)
{
    return i->low > 0 || i->high < 0;
}
