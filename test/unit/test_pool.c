#include "kd/base/machine.h"
#include "kd/base/pool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

enum { PARTS = 37 };
struct job {
    unsigned done[PARTS];
};

static void mark(void *arg, unsigned part)
{
    ((struct job *)arg)->done[part]++;
}

static void every_part_once(void **state)
{
    (void)state;
    for (unsigned threads = 1; threads <= 5; threads++) {
        struct kd_err err;
        struct kd_pool *pool = kd_pool_new(threads, &err);
        assert_non_null(pool);
        assert_int_equal(kd_pool_threads(pool), threads);
        struct job job = {{0}};
        for (unsigned run = 1; run <= 3000; run++) {
            kd_pool_run(pool, run % PARTS + 1, mark, &job);
            if (run % 1000 == 0) { /* let the workers fall asleep now and then */
                struct timespec pause = {0, 3000000};
                nanosleep(&pause, NULL);
            }
        }
        unsigned expected[PARTS] = {0};
        for (unsigned run = 1; run <= 3000; run++)
            for (unsigned p = 0; p < run % PARTS + 1; p++) expected[p]++;
        assert_memory_equal(job.done, expected, sizeof expected);
        kd_pool_free(pool);
    }
}

/* Whether the workers sleep, are woken on the way or are awake. */
static void brief_jobs(void **state)
{
    (void)state;
    struct kd_err err;
    struct kd_pool *pool = kd_pool_new(3, &err);
    struct job job = {{0}};
    assert_non_null(pool);
    for (unsigned run = 1; run <= 2000; run++) {
        kd_pool_run_brief(pool, PARTS, mark, &job);
        for (unsigned p = 0; p < PARTS; p++) assert_int_equal(job.done[p], run);
        if (run % 100 == 0) {
            struct timespec pause = {0, 2000000};
            nanosleep(&pause, NULL);
        }
    }
    kd_pool_free(pool);
    kd_pool_run_brief(NULL, 2, mark, &job);
    assert_int_equal(job.done[1], 2001);
}

static void without_a_pool(void **state)
{
    (void)state;
    struct job job = {{0}};
    kd_pool_run(NULL, 3, mark, &job);
    assert_int_equal(job.done[0] + job.done[1] + job.done[2], 3);
    assert_int_equal(kd_pool_threads(NULL), 1);
    kd_pool_free(NULL);
    struct kd_err err;
    struct kd_pool *pool = kd_pool_new(0, &err);
    assert_int_equal(kd_pool_threads(pool), kd_cpus_usable());
    kd_pool_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_part_once),
                                       cmocka_unit_test(brief_jobs),
                                       cmocka_unit_test(without_a_pool)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
