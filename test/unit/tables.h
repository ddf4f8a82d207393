/* A group of tests once under every table of kernels that this processor can run. Include after
 * cmocka.h. */
#ifndef KD_TEST_TABLES_H
#define KD_TEST_TABLES_H
#include "kd/nn/kernels.h"
#include <stdio.h>
#include <stdlib.h>

static inline int run_on_tables(const char *name, const struct CMUnitTest *tests, size_t n)
{
    static const char *const tables[] = {"plain", "avx2", "avx512", "neon"};
    char group[sizeof tables / sizeof *tables][64];
    int failed = 0;
    for (unsigned i = 0; i < sizeof tables / sizeof *tables; i++) {
        struct kd_err err;
        setenv("KD_CPU", tables[i], 1);
        if (kd_kernels_init(&err) < 0) {
            printf("# no %s here\n", tables[i]);
            continue;
        }
        snprintf(group[i], sizeof group[i], "%s (%s)", name, tables[i]);
        failed += _cmocka_run_group_tests(group[i], tests, n, NULL, NULL);
    }
    return failed;
}
#define run_on_each_table(name, tests) run_on_tables(name, tests, sizeof(tests) / sizeof *(tests))
#endif
