/* What the tests of kernels want of cmocka, for machines it is not packaged for: the first check
 * that fails ends the program. Prints TAP. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

void print_error(const char *format, ...)
{
    va_list list;
    va_start(list, format);
    printf("# ");
    vprintf(format, list);
    va_end(list);
}

void _fail(const char *file, int line)
{
    printf("not ok - %s:%d\n", file, line);
    exit(1);
}

void _assert_true(LargestIntegralType result, const char *what, const char *file, int line)
{
    if (result) return;
    print_error("%s\n", what);
    _fail(file, line);
}

void _assert_int_equal(LargestIntegralType a, LargestIntegralType b, const char *file, int line)
{
    if (a != b) _fail(file, line);
}

void _assert_string_equal(const char *a, const char *b, const char *file, int line)
{
    if (strcmp(a, b) != 0) _fail(file, line);
}

void _assert_memory_equal(const void *a, const void *b, size_t size, const char *file, int line)
{
    if (memcmp(a, b, size) != 0) _fail(file, line);
}

void _assert_memory_not_equal(const void *a, const void *b, size_t size, const char *file, int line)
{
    if (memcmp(a, b, size) == 0) _fail(file, line);
}

int _cmocka_run_group_tests(const char *group, const struct CMUnitTest *tests, size_t n,
                            CMFixtureFunction setup, CMFixtureFunction teardown)
{
    void *state = NULL;
    if (setup && setup(&state) != 0) return 1;
    for (size_t i = 0; i < n; i++) {
        tests[i].test_func(&state);
        printf("ok - %s: %s\n", group, tests[i].name);
    }
    return teardown ? teardown(&state) : 0;
}
