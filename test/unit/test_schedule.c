#include "kd/train/schedule.h"
#include "kd/train/trainer.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { PER_EPOCH = 10 };

static struct kd_train_config config(enum kd_schedule_kind kind, double warmup)
{
    return (struct kd_train_config){
        .epochs = 20,
        .learning_rate = 0.5,
        .schedule = {.kind = (int)kind, .warmup = warmup, .every = 5, .gamma = 0.1, .final = 0}};
}

static void is(const struct kd_train_config *c, uint64_t step, double expected)
{
    double got = kd_schedule_rate(c, step, PER_EPOCH);
    if (!(fabs(got - expected) <= 1e-12))
        fail_msg("step %llu: %.15g, expected %.15g", (unsigned long long)step, got, expected);
}

static void constant(void **state)
{
    (void)state;
    struct kd_train_config c = config(KD_CONSTANT, 0);
    for (uint64_t s = 0; s < 200; s++) is(&c, s, 0.5);
}

static void steps(void **state)
{
    (void)state;
    struct kd_train_config c = config(KD_STEP, 0);
    for (uint64_t s = 0; s < 200; s++) is(&c, s, 0.5 * pow(0.1, (double)(s / 50)));
    c.schedule.every = 2.5;
    is(&c, 24, 0.5);
    is(&c, 25, 0.05);
    /* three epochs of ten steps, a drop at each step */
    c.schedule.every = 0.1;
    c.schedule.gamma = 0.9;
    for (uint64_t s = 0; s < 30; s++) is(&c, s, 0.5 * pow(0.9, (double)s));
    c.schedule.every = 0.3;
    for (uint64_t s = 0; s < 200; s++) is(&c, s, 0.5 * pow(0.9, (double)(s / 3)));
}

/* As the literature has it: 150, 180 and 210 of 240 epochs; warm-up does not move them. */
static void milestones(void **state)
{
    (void)state;
    double at[] = {15, 18, 2.5};
    for (int warm = 0; warm < 2; warm++) {
        struct kd_train_config c = config(KD_STEP, warm);
        c.schedule.milestones = (struct kd_reals){at, 3};
        is(&c, 10, 0.5);
        is(&c, 24, 0.5);
        is(&c, 25, 0.05);
        is(&c, 149, 0.05);
        is(&c, 150, 0.005);
        is(&c, 180, 0.0005);
        is(&c, 199, 0.0005);
    }
}

static void exponential(void **state)
{
    (void)state;
    struct kd_train_config c = config(KD_EXPONENTIAL, 0);
    is(&c, 0, 0.5);
    is(&c, 10, 0.05);
    is(&c, 35, 0.5 * pow(0.1, 3.5));
}

static void cosine(void **state)
{
    (void)state;
    struct kd_train_config c = config(KD_COSINE, 0);
    is(&c, 0, 0.5);
    is(&c, 100, 0.25);
    is(&c, 50, 0.25 * (1 + sqrt(0.5)));
    is(&c, 200, 0);
    is(&c, 900, 0); /* never up again */
    c.schedule.final = 0.1;
    is(&c, 0, 0.5);
    is(&c, 100, 0.5 * 0.55);
    is(&c, 200, 0.05);
    for (uint64_t s = 0; s < 199; s++)
        assert_true(kd_schedule_rate(&c, s, PER_EPOCH) > kd_schedule_rate(&c, s + 1, PER_EPOCH));
}

static void one_cycle(void **state)
{
    (void)state;
    struct kd_train_config c = config(KD_ONE_CYCLE, 0);
    is(&c, 0, 0.5 / 25);
    is(&c, 30, (0.5 / 25 + 0.5) / 2);
    is(&c, 60, 0.5);
    is(&c, 130, (0.5 + 0.5 / 250000) / 2);
    is(&c, 200, 0.5 / 250000);
    for (uint64_t s = 0; s < 60; s++)
        assert_true(kd_schedule_rate(&c, s, PER_EPOCH) < kd_schedule_rate(&c, s + 1, PER_EPOCH));
}

static void triangular(void **state)
{
    (void)state;
    struct kd_train_config c = config(KD_TRIANGULAR, 0);
    c.schedule.start = 0.2;
    c.schedule.peak = 0.25;
    c.schedule.final = 0.1;
    is(&c, 0, 0.1);
    is(&c, 25, 0.3);
    is(&c, 50, 0.5);
    is(&c, 125, 0.5 * 0.55);
    is(&c, 200, 0.05);
    is(&c, 900, 0.05);
    for (uint64_t s = 0; s < 200; s++)
        assert_true((kd_schedule_rate(&c, s, PER_EPOCH) < kd_schedule_rate(&c, s + 1, PER_EPOCH)) ==
                    (s < 50));
    c.schedule.peak = 0; /* down from the first step */
    is(&c, 0, 0.5);
    c.schedule.peak = 1;
    is(&c, 100, 0.5 * 0.6);
    is(&c, 200, 0.5);
}

static void warmup(void **state)
{
    (void)state;
    for (int kind = KD_CONSTANT; kind <= KD_TRIANGULAR; kind++) {
        struct kd_train_config c = config((enum kd_schedule_kind)kind, 4);
        for (uint64_t s = 0; s < 40; s++) is(&c, s, 0.5 * (double)(s + 1) / 40);
    }
    struct kd_train_config c = config(KD_STEP, 4); /* the schedule begins behind it */
    is(&c, 40, 0.5);
    is(&c, 89, 0.5);
    is(&c, 90, 0.05);
    c = config(KD_COSINE, 4);
    is(&c, 40, 0.5);
    is(&c, 120, 0.25);
    is(&c, 200, 0);
    c = config(KD_COSINE, 0.25);
    is(&c, 0, 0.25);
    is(&c, 1, 0.5);
    is(&c, 2, 0.5);
}

static void intervals(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        double amount;
        unsigned unit;
    } good[] = {{"never", 0, KD_NEVER},     {"50steps", 50, KD_STEPS}, {"1step", 1, KD_STEPS},
                {"1epoch", 1, KD_EPOCHS},   {"3epochs", 3, KD_EPOCHS}, {"30s", 30, KD_SECONDS},
                {"1.5min", 90, KD_SECONDS}, {"2h", 7200, KD_SECONDS}};
    struct kd_err err = {0};
    struct kd_interval v;
    for (unsigned i = 0; i < sizeof good / sizeof *good; i++) {
        assert_int_equal(kd_interval_parse(good[i].text, &v, &err), 0);
        assert_true(v.amount == good[i].amount);
        assert_int_equal(v.unit, good[i].unit);
    }
    static const char *const bad[] = {"",         "5",    "min",   "0steps",  "-1epoch",
                                      "nansteps", "infs", "5 min", "5minutes"};
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (kd_interval_parse(bad[i], &v, &err) == 0) fail_msg("\"%s\" was accepted", bad[i]);
        assert_int_equal(err.kind, KD_ERR_USAGE);
        assert_non_null(strstr(err.text, "train.checkpoint_every"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(constant),   cmocka_unit_test(steps),  cmocka_unit_test(exponential),
        cmocka_unit_test(milestones), cmocka_unit_test(cosine), cmocka_unit_test(one_cycle),
        cmocka_unit_test(triangular), cmocka_unit_test(warmup), cmocka_unit_test(intervals),
    };
    return cmocka_run_group_tests_name("schedule", tests, NULL, NULL);
}
