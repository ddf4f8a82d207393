/* Images that a model passes: how many it answers, how many of those rightly. */
#include "scratch.h"

#include "kd/nn/reject.h"

#include <math.h>

static struct kd_err err;

/* Two classes; the difference of the logits says how sure it is. */
static void counted_by_hand(void **state)
{
    static const float z[] = {0, 9, 0, 5, 5, 0, 0, 3, 2, 0, 0, 2, 1, 0, 7, 7};
    static const int32_t labels[] = {1, 1, 1, 1, 0, 1, 0, -1};
    const struct kd_answers_of of = {z, labels, 8, 2};
    struct kd_reject r;
    (void)state;
    assert_int_equal(kd_reject_of(&of, 0.8, &r, &err), 0); /* right: 9, 5, not 5, 3, 2, 2, 1 */
    assert_int_equal(r.n, 7);
    assert_true(fabs(r.chosen.share - 1) < 1e-12 && fabs(r.chosen.top1 - 6.0 / 7) < 1e-12);
    assert_true(fabs(r.chosen.threshold - 1 / (1 + exp(-1))) < 1e-6);
    assert_int_equal(kd_reject_of(&of, 0.9, &r, &err), 0);
    assert_true(fabs(r.chosen.share - 1.0 / 7) < 1e-12 && fabs(r.chosen.top1 - 1) < 1e-12);
    assert_true(fabs(r.chosen.threshold - 1 / (1 + exp(-9))) < 1e-6);
    /* 20 % are two of seven, and the third is as sure as the second */
    assert_true(fabs(r.curve[3].share - 3.0 / 7) < 1e-12);
    assert_true(fabs(r.curve[3].top1 - 2.0 / 3) < 1e-12);
    assert_true(fabs(r.curve[19].share - 1) < 1e-12);
}

static void none_is_right(void **state)
{
    static const float z[] = {0, 9, 0, 5};
    static const int32_t wrong[] = {0, 0}, unknown[] = {-1, -1};
    struct kd_reject r;
    (void)state;
    assert_int_equal(kd_reject_of(&(struct kd_answers_of){z, wrong, 2, 2}, 0.5, &r, &err), 0);
    assert_true(r.chosen.share == 0 && isnan(r.chosen.threshold) && isnan(r.chosen.top1));
    assert_int_equal(kd_reject_of(&(struct kd_answers_of){z, unknown, 2, 2}, 0.5, &r, &err), 0);
    assert_true(r.n == 0 && isnan(r.chosen.share) && isnan(r.curve[0].share));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(counted_by_hand),
                                       cmocka_unit_test(none_is_right)};
    return cmocka_run_group_tests_name("reject", tests, NULL, NULL);
}
