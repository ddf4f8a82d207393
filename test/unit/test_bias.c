/* Biases for unseen classes: against counting by brute force, against the equation that they solve,
 * and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kd/train/bias.h"
#include "nets.h"

#include <math.h>

enum { N = 3000, C = 6 };
static float logits[N * C];
static int32_t labels[N];
static struct kd_err err;

/* Images of all classes, with logits that favour the true one; those of classes 2 and 4 are too
 * low, by 9 and 11. */
static int make(void **state)
{
    (void)state;
    random_fill(logits, N * C, 1, 1);
    for (int i = 0; i < N; i++) {
        labels[i] = i % C;
        logits[i * C + labels[i]] += 4;
        logits[i * C + 2] -= 9;
        logits[i * C + 4] -= 11;
    }
    return 0;
}

static size_t taken_for(size_t n, const double *bias, size_t k)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        size_t best = 0;
        for (size_t c = 1; c < C; c++)
            if ((double)logits[i * C + c] + bias[c] > (double)logits[i * C + best] + bias[best])
                best = c;
        count += best == k;
    }
    return count;
}

/* As a network with that bias has it: in float, and of equal logits the first wins. */
static size_t taken_in_float(size_t n, const double *bias, size_t k)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        size_t best = 0;
        float z[C];
        for (size_t c = 0; c < C; c++) z[c] = logits[i * C + c] + (float)bias[c];
        for (size_t c = 1; c < C; c++)
            if (z[c] > z[best]) best = c;
        count += best == k;
    }
    return count;
}

static size_t errors_with(double added, const bool *unseen)
{
    size_t errors = 0;
    for (size_t i = 0; i < N; i++) {
        size_t best = 0;
        for (size_t c = 1; c < C; c++)
            if ((double)logits[i * C + c] + (unseen[c] ? added : 0) >
                (double)logits[i * C + best] + (unseen[best] ? added : 0))
                best = c;
        errors += labels[i] >= 0 && (int32_t)best != labels[i];
    }
    return errors;
}

static void test_transfer_counts_flips(void **state)
{
    const bool unseen[C] = {[2] = true};
    double bias[C];
    (void)state;
    for (int allowed = 1; allowed < 100; allowed += 13) {
        assert_int_equal(kd_bias_by_transfer((struct kd_bias_case){logits, N, C, unseen},
                                             (allowed + 0.5) / N, bias, &err),
                         0);
        for (size_t k = 0; k < C; k++) assert_true(unseen[k] || bias[k] == 0);
        assert_int_equal(taken_for(N, bias, 2), allowed);
        assert_int_equal(taken_in_float(N, bias, 2), allowed);
        bias[2] += 5e-5; /* a little above one more flips */
        assert_int_equal(taken_for(N, bias, 2), allowed + 1);
    }
    /* Where too many flip already it is left as it is. */
    assert_int_equal(
        kd_bias_by_transfer((struct kd_bias_case){logits, N, C, (const bool[C]){[1] = true}}, 0.001,
                            bias, &err),
        0);
    assert_true(bias[1] == 0 && bias[0] == 0);
    /* Never none: a share too small for one image allows one. */
    assert_int_equal(
        kd_bias_by_transfer((struct kd_bias_case){logits, N, C, unseen}, 0, bias, &err), 0);
    assert_int_equal(taken_in_float(N, bias, 2), 1);
}

/* Images that flip together are taken together or not at all. */
static void test_transfer_of_equal_images(void **state)
{
    enum { ALIKE = 10 };
    float z[ALIKE * C] = {0};
    double bias[C];
    (void)state;
    for (int i = 0; i < ALIKE; i++) z[i * C] = i < 5 ? 1 : 3;
    assert_int_equal(
        kd_bias_by_transfer((struct kd_bias_case){z, ALIKE, C, (const bool[C]){[1] = true}}, 0.3,
                            bias, &err),
        0);
    assert_true(bias[1] < 1 && bias[1] > 0.999);
    assert_int_equal(
        kd_bias_by_transfer((struct kd_bias_case){z, ALIKE, C, (const bool[C]){[1] = true}}, 0.5,
                            bias, &err),
        0);
    assert_true(bias[1] < 3 && bias[1] > 2.999);
}

static void test_transfer_of_several_is_each_by_itself(void **state)
{
    const bool both[C] = {[2] = true, [4] = true};
    double together[C];
    (void)state;
    assert_int_equal(
        kd_bias_by_transfer((struct kd_bias_case){logits, N, C, both}, 0.01, together, &err), 0);
    assert_true(together[4] > together[2]);
    for (size_t k = 2; k <= 4; k += 2) {
        double alone[C] = {0};
        for (size_t j = 0; j < C; j++) alone[j] = j == k ? together[k] : both[j] ? -1e9 : 0;
        assert_int_equal(taken_for(N, alone, k), N / 100);
    }
}

static void test_balance_gives_each_its_share(void **state)
{
    static const bool sets[3][C] = {
        {[2] = true}, {[2] = true, [4] = true}, {true, true, true, false, true, true}};
    (void)state;
    for (int s = 0; s < 3; s++) {
        double bias[C], mass[C] = {0};
        assert_int_equal(
            kd_bias_by_balance((struct kd_bias_case){logits, N, C, sets[s]}, bias, &err), 0);
        for (size_t i = 0; i < N; i++) {
            double p[C], sum = 0;
            for (size_t k = 0; k < C; k++) sum += p[k] = exp((double)logits[i * C + k] + bias[k]);
            for (size_t k = 0; k < C; k++) mass[k] += p[k] / sum / N;
        }
        for (size_t k = 0; k < C; k++) {
            if (sets[s][k])
                assert_float_equal(mass[k], 1.0 / C, 1e-7);
            else
                assert_true(bias[k] == 0);
        }
    }
}

/* From far away too: a class of next to no mass, one of nearly all. */
static void test_balance_comes_from_afar(void **state)
{
    static float far[N * C];
    const bool unseen[C] = {[1] = true, [2] = true};
    double bias[C], near[C];
    (void)state;
    memcpy(far, logits, sizeof far);
    for (int i = 0; i < N; i++) {
        far[i * C + 1] += 60;
        far[i * C + 2] -= 50;
    }
    assert_int_equal(kd_bias_by_balance((struct kd_bias_case){logits, N, C, unseen}, near, &err),
                     0);
    if (kd_bias_by_balance((struct kd_bias_case){far, N, C, unseen}, bias, &err) < 0)
        fail_msg("%s", err.text);
    assert_float_equal(bias[1], near[1] - 60, 1e-3);
    assert_float_equal(bias[2], near[2] + 50, 1e-3);
}

static void test_labels_have_the_fewest_errors(void **state)
{
    static const bool sets[2][C] = {{[4] = true}, {true, true, [4] = true}};
    int32_t kept = labels[7];
    (void)state;
    labels[7] = -1; /* has no say */
    for (int s = 0; s < 2; s++) {
        double bias[C];
        assert_int_equal(
            kd_bias_by_labels((struct kd_bias_case){logits, N, C, sets[s]}, labels, bias, &err), 0);
        double found = bias[4];
        size_t best = errors_with(found, sets[s]);
        for (size_t k = 0; k < C; k++) assert_true(bias[k] == (sets[s][k] ? found : 0));
        for (double b = -8; b < 18; b += 0.01) assert_true(errors_with(b, sets[s]) >= best);
        assert_true(best < errors_with(0, sets[s]));
    }
    labels[7] = kept;
}

/* Where no image is of the unseen class none is taken for it, and the other way round; one image
 * alone too. */
static void test_labels_beyond_all_margins(void **state)
{
    static const float z[3][2] = {{5, 0}, {6, 0}, {7, 0}};
    static const int32_t seen[3] = {0, 0, 0}, unseen[3] = {1, 1, 1};
    const bool one[2] = {false, true};
    double bias[2];
    (void)state;
    for (size_t n = 1; n <= 3; n++) {
        assert_int_equal(
            kd_bias_by_labels((struct kd_bias_case){&z[0][0], n, 2, one}, seen, bias, &err), 0);
        assert_true(bias[1] < 5);
        assert_int_equal(
            kd_bias_by_labels((struct kd_bias_case){&z[0][0], n, 2, one}, unseen, bias, &err), 0);
        assert_true(bias[1] > (double)z[n - 1][0]);
    }
}

static void test_refused(void **state)
{
    const bool none[C] = {false}, all[C] = {true, true, true, true, true, true}, one[C] = {true};
    int32_t no_labels[1] = {-1};
    double bias[C];
    (void)state;
    assert_int_equal(
        kd_bias_by_transfer((struct kd_bias_case){logits, N, C, none}, 0.1, bias, &err), -1);
    assert_non_null(strstr(err.text, "no class is unseen"));
    assert_int_equal(kd_bias_by_balance((struct kd_bias_case){logits, N, C, all}, bias, &err), -1);
    assert_non_null(strstr(err.text, "all classes are unseen"));
    assert_int_equal(
        kd_bias_by_labels((struct kd_bias_case){logits, 0, C, one}, labels, bias, &err), -1);
    assert_non_null(strstr(err.text, "no image"));
    assert_int_equal(
        kd_bias_by_labels((struct kd_bias_case){logits, 1, C, one}, no_labels, bias, &err), -1);
    assert_non_null(strstr(err.text, "no labelled image"));
    assert_int_equal(kd_bias_by_transfer((struct kd_bias_case){logits, N, C, one}, 1, bias, &err),
                     -1);
    assert_non_null(strstr(err.text, "all of them"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_transfer_counts_flips),
        cmocka_unit_test(test_transfer_of_equal_images),
        cmocka_unit_test(test_transfer_of_several_is_each_by_itself),
        cmocka_unit_test(test_balance_gives_each_its_share),
        cmocka_unit_test(test_balance_comes_from_afar),
        cmocka_unit_test(test_labels_have_the_fewest_errors),
        cmocka_unit_test(test_labels_beyond_all_margins),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, make, NULL);
}
