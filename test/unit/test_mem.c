#include "kd/base/hash.h"
#include "kd/base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void alloc_is_zeroed_aligned_and_refuses_overflow(void **state)
{
    (void)state;
    struct kd_err err;
    unsigned char *p = kd_alloc(3, 5, "test", &err);
    assert_non_null(p);
    assert_int_equal((uintptr_t)p % 64, 0);
    for (int i = 0; i < 15; i++) assert_int_equal(p[i], 0);
    kd_free(p);
    assert_null(kd_alloc(SIZE_MAX / 2, 3, "weights", &err));
    assert_non_null(strstr(err.text, "weights"));
    assert_null(kd_alloc(SIZE_MAX - 3, 1, "weights", &err));
    p = kd_alloc(0, 8, "nothing", &err);
    assert_non_null(p);
    kd_free(p);
}

static void slab_pieces_do_not_overlap(void **state)
{
    (void)state;
    struct kd_err err;
    struct kd_slab slab = {0};
    size_t sizes[] = {1, 64, 65, 0, 1000};
    for (int i = 0; i < 5; i++) kd_slab_plan(&slab, sizes[i]);
    assert_int_equal(kd_slab_open(&slab, "test", &err), 0);
    char *end = slab.memory;
    for (int i = 0; i < 5; i++) {
        char *p = kd_slab_take(&slab, sizes[i]);
        assert_true(p >= end);
        assert_int_equal((uintptr_t)p % 64, 0);
        memset(p, i, sizes[i]);
        end = p + sizes[i];
    }
    kd_slab_release(&slab);
    kd_slab_plan(&slab, SIZE_MAX - 10);
    kd_slab_plan(&slab, SIZE_MAX - 10);
    assert_int_equal(kd_slab_open(&slab, "test", &err), -1);
}

static void bytes_grow(void **state)
{
    (void)state;
    struct kd_err err;
    struct kd_bytes b = {0};
    for (int i = 0; i < 1000; i++) assert_int_equal(kd_bytes_format(&b, &err, "%d,", i), 0);
    assert_int_equal(kd_bytes_add(&b, "end", 3, &err), 0);
    assert_int_equal(b.size, 10 * 2 + 90 * 3 + 900 * 4 + 3);
    assert_string_equal(b.data + b.size - 7, "999,end");
    kd_bytes_release(&b);
}

static void bytes_remember_their_first_error(void **state)
{
    (void)state;
    struct kd_err err;
    struct kd_bytes b = {0};
    assert_int_equal(kd_bytes_text(&b, "kept", &err), 0);
    assert_int_equal(kd_bytes_add(&b, "", SIZE_MAX / 2, &err), -1);
    kd_fail(&err, "another");
    assert_int_equal(kd_bytes_text(&b, "late", &err), -1);
    assert_int_equal(kd_bytes_format(&b, &err, "%d", 1), -1);
    assert_string_equal(err.text, "another"); /* the first failure alone is told */
    assert_string_equal(b.data, "kept");
    kd_bytes_release(&b);
    assert_int_equal(kd_bytes_text(&b, "anew", &err), 0);
    kd_bytes_release(&b);
}

static void errors_stay_on_one_line(void **state)
{
    (void)state;
    struct kd_err err;
    char name[3000];
    memset(name, 'x', sizeof name);
    name[sizeof name - 1] = 0;
    assert_int_equal(kd_fail(&err, "bad\n%s\033[31m", "two\tlines"), -1);
    assert_string_equal(err.text, "bad two lines?[31m");
    kd_fail_errno(&err, "%s", name);
    assert_true(strlen(err.text) < sizeof err.text);
    kd_fail_usage(&err, "key");
    assert_int_equal(err.kind, KD_ERR_USAGE);
    kd_err_context(&err, "file %s", "a.json");
    assert_string_equal(err.text, "file a.json: key");
}

static void nearest_name(void **state)
{
    (void)state;
    const char *names[] = {"epochs", "batch", "learning_rate", NULL, "momentum"};
    assert_string_equal(kd_nearest("epoch", names, 5), "epochs");
    assert_string_equal(kd_nearest("bacth", names, 5), "batch");
    assert_string_equal(kd_nearest("learnign_rate", names, 5), "learning_rate");
    assert_null(kd_nearest("xyzzyx", names, 5));
}

static void fingerprints(void **state)
{
    (void)state;
    char a[KD_FINGERPRINT], b[KD_FINGERPRINT];
    struct kd_err err;
    kd_fingerprint("", 0, a);
    assert_string_equal(a, "99aa06d3014798d86001c324468d497f"); /* XXH3-128 of nothing */
    struct kd_hash *h = kd_hash_new(&err);
    kd_hash_add_u32(h, 0x64636261);
    kd_hash_add(h, "ef", 2);
    kd_hash_end(h, a);
    kd_fingerprint("abcdef", 6, b);
    assert_string_equal(a, b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(alloc_is_zeroed_aligned_and_refuses_overflow),
        cmocka_unit_test(slab_pieces_do_not_overlap),
        cmocka_unit_test(bytes_grow),
        cmocka_unit_test(bytes_remember_their_first_error),
        cmocka_unit_test(errors_stay_on_one_line),
        cmocka_unit_test(nearest_name),
        cmocka_unit_test(fingerprints),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
