/* The few statistics that a table over seeds needs. Values that are not finite are left out and not
 * counted; a result that the values cannot give is NaN.
 *
 *     double top1[] = {0.981, 0.983, 0.979};
 *     struct kd_stats s = kd_stats_of(top1, 3);          // s.mean, s.sd, s.median, s.n
 *     struct kd_confidence i = kd_confidence_of(&s);         // 95 % t-interval of the mean
 *     if (kd_confidence_excludes_zero(&i)) ...
 */
#ifndef KD_REPORT_STATS_H
#define KD_REPORT_STATS_H
#include <stdbool.h>
#include <stddef.h>

struct kd_stats {
    size_t n;                      /* finite values */
    double mean, median, min, max; /* NaN where n is 0 */
    double sd;                     /* with n - 1; NaN where n < 2 */
};
/* Sorts x in place, finite values first. */
struct kd_stats kd_stats_of(double *x, size_t n);

/* P(|t| > x) of Student's distribution with df > 0 degrees of freedom (whole or not), from the
 * regularized incomplete beta function I_{df/(df+x^2)}(df/2, 1/2), whose continued fraction is
 * DLMF 8.17.22. df may be infinite (the normal distribution). */
double kd_t_tails(double x, double df);
/* The x with P(|t| > x) = 0.05; relative error below 1e-10. */
double kd_t_quantile_95(double df);

struct kd_confidence {
    double mean, low, high; /* low and high are NaN where there are fewer than two values, or all of
                               them are the same but for rounding, and not 0 */
};
struct kd_confidence kd_confidence_of(const struct kd_stats *s);
/* Of the difference of two means, a minus b, whose values are not paired (Welch 1947): the degrees
 * of freedom are Satterthwaite's. A mean of a single value is taken as exact; low and high are NaN
 * where both are. */
struct kd_confidence kd_confidence_between(const struct kd_stats *a, const struct kd_stats *b);
bool kd_confidence_excludes_zero(const struct kd_confidence *i);

/* McNemar's exact test of two models on the same images (McNemar 1947): of the images that one of
 * them alone gets right, how unlikely is this split if both were as good? */
struct kd_mcnemar {
    double first, second; /* images that the first, the second alone gets right */
    double p;             /* two-sided; 1 where neither has any */
};
struct kd_mcnemar kd_mcnemar_of(double first, double second);

#endif
