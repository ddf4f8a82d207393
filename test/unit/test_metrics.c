/* Metrics against counts done by hand and against their definitions. */
#include "kd/base/rng.h"
#include "kd/nn/predict.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void is(double got, double expected)
{
    if (!(fabs(got - expected) <= 1e-12)) fail_msg("%.15g, expected %.15g", got, expected);
}

static void by_hand(void **state)
{
    (void)state;
    /* ranks of the label: 0, 1, 2 (behind an equal one before it), 0 (before an equal one); one
     * without label */
    const float z[] = {2, 1, 0, 2, 1, 0, 5, 3, 3, 1, 1, 0, 9, 9, 9};
    const int32_t labels[] = {0, 1, 2, 0, -1};
    struct kd_metrics m;
    uint32_t confusion[9];
    kd_metrics_of(z, labels, 5, 3, &m, confusion);
    const uint32_t expected[9] = {2, 0, 0, 1, 0, 0, 1, 0, 0};
    assert_memory_equal(confusion, expected, sizeof expected);
    assert_int_equal(m.n, 4);
    assert_int_equal(m.errors, 2);
    is(m.top1, 0.5);
    is(m.top5, 1);
    double a = log(exp(2) + exp(1) + 1), b = log(exp(5) + 2 * exp(3)), c = log(2 * exp(1) + 1);
    is(m.loss, (a - 2 + a - 1 + b - 3 + c - 1) / 4);
    double p = exp(2 - a), q = exp(5 - b), r = exp(1 - c); /* 0.665, 0.787, 0.422: three bins */
    is(m.ece, (fabs(1 - 2 * p) + q + 1 - r) / 4);
    assert_int_equal(m.bins[9].n, 2); /* 0.665 is in (9/15, 10/15] */
    is(m.bins[9].confidence, p);
    is(m.bins[9].accuracy, 0.5);
    is(m.bins[11].confidence, q);
    is(m.bins[11].accuracy, 0);
    is(m.bins[6].confidence, r);
    is(m.bins[6].accuracy, 1);
    assert_int_equal(m.bins[0].n, 0);
}

static void nothing(void **state)
{
    (void)state;
    const float z[] = {1, 2};
    const int32_t labels[] = {-1};
    struct kd_metrics m;
    kd_metrics_of(z, labels, 1, 2, &m, NULL);
    assert_int_equal(m.n, 0);
    assert_true(m.top1 == 0 && m.loss == 0 && m.ece == 0);
    kd_metrics_of(z, labels, 0, 2, &m, NULL);
    assert_int_equal(m.n, 0);
    is(kd_agreement(z, z, 0, 2), 0);
}

static void top_five_of_many(void **state)
{
    (void)state;
    float z[20];
    struct kd_metrics m;
    for (int c = 0; c < 20; c++) z[c] = (float)-c;
    for (int32_t label = 0; label < 20; label++) {
        kd_metrics_of(z, &label, 1, 20, &m, NULL);
        is(m.top1, label == 0);
        is(m.top5, label < 5);
    }
}

/* Confidence 1 falls in the last bin, confidence at a bin's upper edge in that bin. */
static void calibration(void **state)
{
    (void)state;
    float z[2 * 30];
    int32_t labels[30];
    struct kd_metrics m;
    for (int i = 0; i < 30; i++) { /* confidence 0.8 = 12/15, right in 80 % of the cases */
        z[2 * i] = (float)log(4);
        z[2 * i + 1] = 0;
        labels[i] = i % 5 == 0;
    }
    kd_metrics_of(z, labels, 30, 2, &m, NULL);
    assert_true(m.ece < 1e-7);
    for (int i = 0; i < 30; i++) z[2 * i] = 1000;
    kd_metrics_of(z, labels, 30, 2, &m, NULL);
    is(m.ece, 0.2);
    is(m.loss, 200);
    const float one[] = {3};
    const int32_t first = 0; /* a single class is certain and right */
    kd_metrics_of(one, &first, 1, 1, &m, NULL);
    is(m.loss + m.ece + 1 - m.top1, 0);
}

static void agreement(void **state)
{
    (void)state;
    const float a[] = {1, 0, 0, 1, 1, 1}, b[] = {5, 4, 9, 0, 2, 2};
    is(kd_agreement(a, b, 3, 2), 2.0 / 3);
    is(kd_agreement(a, a, 3, 2), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_hand),          cmocka_unit_test(nothing),
        cmocka_unit_test(top_five_of_many), cmocka_unit_test(calibration),
        cmocka_unit_test(agreement),
    };
    return cmocka_run_group_tests_name("metrics", tests, NULL, NULL);
}
