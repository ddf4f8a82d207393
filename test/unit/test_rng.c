#include "kd/base/rng.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* Known answers of Philox4x32-10, from the Random123 distribution (kat_vectors). */
static void philox_known_answers(void **state)
{
    (void)state;
    static const struct {
        uint32_t counter[4], key[2], out[4];
    } known[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
         {0xffffffff, 0xffffffff},
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        uint32_t out[4];
        kd_philox(known[i].counter, known[i].key, out);
        for (int j = 0; j < 4; j++) assert_int_equal(out[j], known[i].out[j]);
    }
}

static void streams_are_pure_and_distinct(void **state)
{
    (void)state;
    struct kd_rng a = kd_rng_for(7, KD_FOR_TEST, 3, 5), b = kd_rng_for(7, KD_FOR_TEST, 3, 5);
    struct kd_rng c = kd_rng_for(7, KD_FOR_TEST, 5, 3),
                  d = kd_rng_for(7ull << 32, KD_FOR_TEST, 3, 5);
    unsigned same_c = 0, same_d = 0;
    for (int i = 0; i < 100; i++) {
        uint32_t x = kd_rng_u32(&a);
        assert_int_equal(x, kd_rng_u32(&b));
        same_c += x == kd_rng_u32(&c);
        same_d += x == kd_rng_u32(&d);
    }
    assert_true(same_c < 3 && same_d < 3);
}

static void below_is_uniform(void **state)
{
    (void)state;
    struct kd_rng r = kd_rng_for(1, KD_FOR_TEST, 0, 0);
    unsigned count[7] = {0};
    for (int i = 0; i < 70000; i++) {
        uint32_t v = kd_rng_below(&r, 7);
        assert_true(v < 7);
        count[v]++;
    }
    /* binomial standard deviation 92.6; five of them */
    for (int i = 0; i < 7; i++) assert_in_range(count[i], 10000 - 463, 10000 + 463);
    assert_int_equal(kd_rng_below(&r, 1), 0);
}

static void moments(void **state)
{
    (void)state;
    struct kd_rng r = kd_rng_for(2, KD_FOR_TEST, 0, 0);
    double u = 0, n1 = 0, n2 = 0, n4 = 0;
    enum { N = 200000 };
    for (int i = 0; i < N; i++) {
        float x = kd_rng_uniform(&r);
        assert_true(x >= 0 && x < 1);
        double z = (double)kd_rng_normal(&r);
        assert_true(isfinite(z));
        u += (double)x;
        n1 += z;
        n2 += z * z;
        n4 += z * z * z * z;
    }
    assert_true(fabs(u / N - 0.5) < 0.004);
    assert_true(fabs(n1 / N) < 0.012);
    assert_true(fabs(n2 / N - 1) < 0.02);
    assert_true(fabs(n4 / N - 3) < 0.15);
}

static void shuffle_is_a_permutation(void **state)
{
    (void)state;
    uint32_t index[1000], seen[1000] = {0}, moved = 0;
    for (uint32_t i = 0; i < 1000; i++) index[i] = i;
    struct kd_rng r = kd_rng_for(3, KD_FOR_SHUFFLE, 0, 0);
    kd_shuffle(index, 1000, &r);
    for (uint32_t i = 0; i < 1000; i++) {
        seen[index[i]]++;
        moved += index[i] != i;
    }
    for (uint32_t i = 0; i < 1000; i++) assert_int_equal(seen[i], 1);
    assert_true(moved > 980);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(philox_known_answers),     cmocka_unit_test(streams_are_pure_and_distinct),
        cmocka_unit_test(below_is_uniform),         cmocka_unit_test(moments),
        cmocka_unit_test(shuffle_is_a_permutation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
