#include "kd/report/stats.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static void near(double got, double wanted, double relative)
{
    if (fabs(got - wanted) > relative * fmax(1e-300, fabs(wanted)))
        fail_msg("%.17g, expected %.17g", got, wanted);
}

static void quantiles_match_the_closed_forms(void **state)
{
    (void)state;
    const double pi = 3.14159265358979323846;
    near(kd_t_quantile_95(1), tan(pi * 0.475), 1e-11); /* Cauchy */
    near(kd_t_quantile_95(2), 0.95 * sqrt(2 / (1 - 0.95 * 0.95)), 1e-11);
    near(kd_t_quantile_95(INFINITY), 1.9599639845400542, 1e-14); /* normal */
}

/* Tables print these: Fisher and Yates and everyone after them. */
static void quantiles_match_the_tables(void **state)
{
    (void)state;
    static const struct {
        double df, t;
    } table[] = {{3, 3.182446},  {4, 2.776445},  {5, 2.570582},  {6, 2.446912},   {7, 2.364624},
                 {8, 2.306004},  {9, 2.262157},  {10, 2.228139}, {15, 2.131450},  {20, 2.085963},
                 {29, 2.045230}, {30, 2.042272}, {60, 2.000298}, {120, 1.979930}, {1000, 1.962339}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        assert_true(fabs(kd_t_quantile_95(table[i].df) - table[i].t) < 6e-7);
}

static void quantile_and_tails_are_inverse(void **state)
{
    (void)state;
    static const double df[] = {0.3, 0.5, 1, 1.5, 2.7, 10, 99.5, 1e3, 1e4, 9.9e4};
    for (size_t i = 0; i < sizeof df / sizeof *df; i++)
        near(kd_t_tails(kd_t_quantile_95(df[i]), df[i]), 0.05, 1e-10);
    near(kd_t_quantile_95(1.0000001e5), kd_t_quantile_95(0.9999999e5), 1e-9); /* no step */
    assert_true(isnan(kd_t_quantile_95(0)));
    assert_true(isnan(kd_t_quantile_95(NAN)));
    near(kd_t_tails(0, 5), 1, 1e-15);
    near(kd_t_tails(-2, 2), 1 - 2 / sqrt(6.0), 1e-12); /* P(|t|>x) = 1 - x/sqrt(2+x^2), df 2 */
}

static void moments_and_median(void **state)
{
    (void)state;
    double x[] = {2, 4, 4, 4, 5, 5, 7, 9}, odd[] = {3, 1, 2}, one[] = {7};
    struct kd_stats s = kd_stats_of(x, 8);
    near(s.mean, 5, 1e-15);
    near(s.sd, sqrt(32.0 / 7), 1e-15);
    near(s.median, 4.5, 1e-15);
    assert_true(s.min == 2 && s.max == 9 && s.n == 8);
    assert_true(kd_stats_of(odd, 3).median == 2);
    s = kd_stats_of(one, 1);
    assert_true(s.mean == 7 && s.median == 7 && isnan(s.sd));
    s = kd_stats_of(NULL, 0);
    assert_true(s.n == 0 && isnan(s.mean) && isnan(s.median));
}

/* Welch's interval by hand: variances 0.00247 and 0.01164, each over 6, give 7.0306 degrees of
 * freedom. */
static void interval_between_two_means(void **state)
{
    (void)state;
    double x[] = {30.02, 29.99, 30.11, 29.97, 30.01, 29.99},
           y[] = {29.89, 29.93, 29.72, 29.98, 30.02, 29.98}, one[] = {31};
    struct kd_stats a = kd_stats_of(x, 6), b = kd_stats_of(y, 6), c = kd_stats_of(one, 1),
                    none = kd_stats_of(NULL, 0);
    struct kd_confidence i = kd_confidence_between(&a, &b);
    near(i.mean, 0.095, 1e-12);
    near(kd_t_tails((i.high - i.mean) / sqrt((0.00247 + 0.01164) / 6), 7.0306), 0.05, 1e-5);
    near(i.high - i.mean, i.mean - i.low, 1e-12);
    assert_false(kd_confidence_excludes_zero(&i));
    i = kd_confidence_between(&c, &a); /* an exact value against a mean: its own interval */
    near(i.high - i.low, kd_confidence_of(&a).high - kd_confidence_of(&a).low, 1e-12);
    i = kd_confidence_between(&c, &c);
    assert_true(i.mean == 0 && isnan(i.low) && isnan(i.high));
    i = kd_confidence_between(&a, &none);
    assert_true(isnan(i.mean) && !kd_confidence_excludes_zero(&i));
    double same[] = {2, 2};
    b = kd_stats_of(same, 2);
    i = kd_confidence_between(&c, &b);
    assert_true(i.low == 29 && i.high == 29);
}

/* Two-sided sign tests, by hand: 2 (1 + 5) / 2^5 and 2 (1 + 10 + 45 + 120) / 2^10. */
static void mcnemar_is_the_exact_sign_test(void **state)
{
    (void)state;
    near(kd_mcnemar_of(1, 4).p, 12.0 / 32, 1e-12);
    near(kd_mcnemar_of(7, 3).p, 2 * 176.0 / 1024, 1e-12);
    near(kd_mcnemar_of(0, 10).p, 2.0 / 1024, 1e-12);
    assert_true(kd_mcnemar_of(5, 5).p == 1 && kd_mcnemar_of(0, 0).p == 1);
    near(kd_mcnemar_of(5000, 5200).p, kd_mcnemar_of(5200, 5000).p, 1e-12);
    assert_true(fabs(kd_mcnemar_of(4900, 5100).p - 0.0466) < 0.0005); /* normal: z = 1.99 */
}

static void not_finite_values_are_left_out(void **state)
{
    (void)state;
    double x[] = {NAN, 1, INFINITY, 3, -INFINITY, NAN, 2};
    struct kd_stats s = kd_stats_of(x, 7);
    assert_int_equal(s.n, 3);
    near(s.mean, 2, 1e-15);
    near(s.sd, 1, 1e-15);
}

static void equal_values_have_no_spread(void **state)
{
    (void)state;
    double x[] = {0.9995, 0.9995, 0.9995};
    struct kd_stats s = kd_stats_of(x, 3);
    assert_true(s.mean == 0.9995);
    assert_true(s.sd == 0);
}

/* Student's own sleep data (1908): differences of ten patients, mean 1.58, t = 4.06. */
static void interval_of_paired_differences(void **state)
{
    (void)state;
    double d[] = {1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4};
    struct kd_stats s = kd_stats_of(d, 10);
    struct kd_confidence i = kd_confidence_of(&s);
    near(i.mean, 1.58, 1e-12);
    assert_true(fabs(i.low - 0.7001142) < 1e-6 && fabs(i.high - 2.4598858) < 1e-6);
    assert_true(kd_confidence_excludes_zero(&i));
    double around[] = {-1, 1, 0.5}, lone[] = {3};
    s = kd_stats_of(around, 3);
    i = kd_confidence_of(&s);
    assert_false(kd_confidence_excludes_zero(&i));
    s = kd_stats_of(lone, 1);
    i = kd_confidence_of(&s);
    assert_true(isnan(i.low) && !kd_confidence_excludes_zero(&i));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quantiles_match_the_closed_forms),
        cmocka_unit_test(quantiles_match_the_tables),
        cmocka_unit_test(quantile_and_tails_are_inverse),
        cmocka_unit_test(moments_and_median),
        cmocka_unit_test(interval_between_two_means),
        cmocka_unit_test(mcnemar_is_the_exact_sign_test),
        cmocka_unit_test(not_finite_values_are_left_out),
        cmocka_unit_test(equal_values_have_no_spread),
        cmocka_unit_test(interval_of_paired_differences),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
