/* The built-in digits: the same pixels everywhere, balanced, all different, within bounds. */
#include "kd/base/hash.h"
#include "kd/base/mem.h"
#include "kd/data/digits.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SIZE = 784, ALL = KD_DIGITS_TRAIN_COUNT + KD_DIGITS_TEST_COUNT };

static uint8_t *images; /* [ALL][SIZE], train before test */
static uint8_t *labels; /* [ALL] */

static int draw_all(void **state)
{
    (void)state;
    struct kd_err err = {0};
    images = kd_alloc(ALL, SIZE, "images", &err);
    labels = kd_alloc(ALL, 1, "labels", &err);
    if (!images || !labels) return -1;
    for (uint32_t i = 0; i < ALL; i++) {
        uint32_t test = i >= KD_DIGITS_TRAIN_COUNT;
        uint32_t index = test ? i - KD_DIGITS_TRAIN_COUNT : i;
        labels[i] = (uint8_t)kd_digits_draw(KD_DIGITS_SEED, test ? KD_DIGITS_TEST : KD_DIGITS_TRAIN,
                                            index, images + (size_t)i * SIZE);
    }
    return 0;
}

static int release_all(void **state)
{
    (void)state;
    kd_free(images);
    kd_free(labels);
    return 0;
}

/* Published results rest on these pixels: a change here is a new data set. */
static void the_pixels_are_the_same_everywhere(void **state)
{
    (void)state;
    char found[KD_FINGERPRINT];
    kd_fingerprint(images, (size_t)1000 * SIZE, found);
    assert_string_equal(found, "e3efb6cea6e22389e62b99848a50d0ec");
    kd_fingerprint(images + (size_t)KD_DIGITS_TRAIN_COUNT * SIZE, (size_t)1000 * SIZE, found);
    assert_string_equal(found, "2bfe28d7dd7ba5734cf40a397dad4b7f");
    kd_fingerprint(labels, ALL, found);
    assert_string_equal(found, "dec10ff25aa380ee27600c89c063392a");
}

static void every_ten_labels_hold_each_digit_once(void **state)
{
    (void)state;
    unsigned in_order = 0;
    for (unsigned i = 0; i < ALL; i += 10) {
        unsigned seen = 0;
        for (unsigned k = i; k < i + 10; k++) {
            assert_in_range(labels[k], 0, 9);
            seen |= 1u << labels[k];
            in_order += labels[k] == k - i;
        }
        assert_int_equal(seen, 1023);
    }
    assert_in_range(in_order, ALL / 10 - 200,
                    ALL / 10 + 200); /* and not always in the same order */
}

static int compare_images(const void *a, const void *b)
{
    return memcmp(*(uint8_t *const *)a, *(uint8_t *const *)b, SIZE);
}

static void no_two_images_are_equal(void **state)
{
    (void)state;
    static uint8_t *sorted[ALL];
    for (size_t i = 0; i < ALL; i++) sorted[i] = images + i * SIZE;
    qsort(sorted, ALL, sizeof *sorted, compare_images);
    for (size_t i = 1; i < ALL; i++) assert_true(memcmp(sorted[i - 1], sorted[i], SIZE) != 0);
}

static void check_ink(const uint8_t *image)
{
    unsigned inked = 0, darkest = 0, corner = image[0] | image[27] | image[756] | image[783];
    for (unsigned k = 0; k < SIZE; k++) {
        inked += image[k] > 0;
        if (image[k] > darkest) darkest = image[k];
    }
    assert_in_range(inked, 15, 400);
    assert_in_range(darkest, 100, 255);
    assert_int_equal(corner, 0);
}

static void ink_is_within_bounds(void **state)
{
    (void)state;
    uint64_t sum = 0, full = 0;
    for (size_t i = 0; i < ALL; i++) {
        check_ink(images + i * SIZE);
        for (unsigned k = 0; k < SIZE; k++) {
            sum += images[i * SIZE + k];
            full += images[i * SIZE + k] >= 250;
        }
    }
    assert_in_range(sum / ((uint64_t)ALL * SIZE), 18, 34); /* MNIST: 33 */
    assert_true(full > 0);
}

static void digits_sit_in_the_middle(void **state)
{
    (void)state;
    for (size_t i = 0; i < ALL; i++) {
        uint64_t sum = 0, x = 0, y = 0;
        for (unsigned k = 0; k < SIZE; k++) {
            sum += images[i * SIZE + k];
            x += (uint64_t)images[i * SIZE + k] * (k % 28);
            y += (uint64_t)images[i * SIZE + k] * (k / 28);
        }
        assert_in_range(x / sum, 8, 19);
        assert_in_range(y / sum, 8, 19);
    }
}

static void an_image_depends_on_seed_stream_and_index_alone(void **state)
{
    (void)state;
    uint8_t again[SIZE], other[SIZE];
    for (uint32_t i = KD_DIGITS_TRAIN_COUNT; i-- > KD_DIGITS_TRAIN_COUNT - 200;) {
        memset(again, 0xa5, sizeof again);
        assert_int_equal(kd_digits_draw(KD_DIGITS_SEED, KD_DIGITS_TRAIN, i, again), labels[i]);
        assert_memory_equal(again, images + (size_t)i * SIZE, SIZE);
        kd_digits_draw(KD_DIGITS_SEED + 1, KD_DIGITS_TRAIN, i, other);
        assert_true(memcmp(again, other, SIZE) != 0);
        kd_digits_draw(KD_DIGITS_SEED + (UINT64_C(1) << 32), KD_DIGITS_TRAIN, i, other);
        assert_true(memcmp(again, other, SIZE) != 0);
        kd_digits_draw(KD_DIGITS_SEED, KD_DIGITS_TEST, i, other);
        assert_true(memcmp(again, other, SIZE) != 0);
    }
}

static void any_seed_and_index_will_do(void **state)
{
    (void)state;
    static const uint32_t indices[] = {
        0, 1, KD_DIGITS_TRAIN_COUNT, 0x7fffffffu, 0x80000000u, 0xfffffffeu, 0xffffffffu};
    static const uint64_t seeds[] = {0, 1, 0xffffffffu, UINT64_MAX};
    uint8_t pixels[SIZE];
    for (unsigned s = 0; s < 4; s++) {
        for (unsigned i = 0; i < sizeof indices / sizeof *indices; i++) {
            assert_in_range(kd_digits_draw(seeds[s], KD_DIGITS_TEST, indices[i], pixels), 0, 9);
            check_ink(pixels);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_pixels_are_the_same_everywhere),
        cmocka_unit_test(every_ten_labels_hold_each_digit_once),
        cmocka_unit_test(no_two_images_are_equal),
        cmocka_unit_test(ink_is_within_bounds),
        cmocka_unit_test(digits_sit_in_the_middle),
        cmocka_unit_test(an_image_depends_on_seed_stream_and_index_alone),
        cmocka_unit_test(any_seed_and_index_will_do),
    };
    return cmocka_run_group_tests(tests, draw_all, release_all);
}
