#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kd/data/split.h"
#include <string.h>

/* 1000 images of one pixel: 500 of class 0, 300 of class 1, 197 of class 2, 3 without label. */
enum { N = 1000 };
static uint8_t pixels[N];
static int32_t labels[N];
static char name[] = "made", train_name[] = "train";
static struct kd_images images = {.source = name,
                                  .split = train_name,
                                  .n = N,
                                  .c = 1,
                                  .h = 1,
                                  .w = 1,
                                  .classes = 3,
                                  .dtype = KD_U8,
                                  .pixels = pixels,
                                  .labels = labels};
static struct kd_err err;
static struct kd_subset train, validation;

static int make(void **state)
{
    (void)state;
    for (unsigned i = 0; i < N; i++) {
        const unsigned r = i * 7 % 1000; /* classes mixed */
        labels[i] = r < 500 ? 0 : r < 800 ? 1 : r < 997 ? 2 : -1;
        pixels[i] = (uint8_t)i;
    }
    images.labels = labels;
    return 0;
}

static struct kd_data_config config(double count)
{
    return (struct kd_data_config){.validation = count, .split_seed = 1, .fraction = 1};
}

static void split(const struct kd_data_config *c)
{
    if (kd_split_train(&images, c, &train, &validation, &err) < 0) fail_msg("%s", err.text);
}

static void release(void)
{
    kd_subset_release(&train);
    kd_subset_release(&validation);
}

static unsigned count_of(const struct kd_subset *s, int32_t label)
{
    unsigned n = 0;
    for (uint32_t i = 0; i < s->n; i++) n += labels[s->index[i]] == label;
    return n;
}

/* Ascending, within the set; mark[i] += 1 for each place. */
static void mark(const struct kd_subset *s, unsigned char *marks)
{
    for (uint32_t i = 0; i < s->n; i++) {
        assert_true(s->index[i] < N);
        if (i > 0) assert_true(s->index[i - 1] < s->index[i]);
        marks[s->index[i]]++;
    }
}

static void test_stratified(void **state)
{
    unsigned char marks[N] = {0};
    struct kd_data_config c = config(101);
    (void)state;
    split(&c);
    assert_int_equal(validation.n, 101);
    assert_int_equal(train.n, 899);
    /* dues 50.5, 30.3, 19.897, 0.303: the largest remainder goes first, then the next */
    assert_int_equal(count_of(&validation, 0), 51);
    assert_int_equal(count_of(&validation, 1), 30);
    assert_int_equal(count_of(&validation, 2), 20);
    assert_int_equal(count_of(&validation, -1), 0);
    mark(&train, marks);
    mark(&validation, marks);
    for (unsigned i = 0; i < N; i++) assert_int_equal(marks[i], 1);
    release();
    c.validation = 0.1;
    split(&c);
    assert_int_equal(validation.n, 100);
    release();
    c.validation = 0;
    split(&c);
    assert_int_equal(validation.n, 0);
    assert_int_equal(train.n, N);
    release();
}

static void test_seeded(void **state)
{
    unsigned char a[N] = {0}, b[N] = {0}, other[N] = {0};
    struct kd_data_config c = config(200);
    (void)state;
    split(&c);
    mark(&validation, a);
    release();
    split(&c);
    mark(&validation, b);
    release();
    assert_memory_equal(a, b, N);
    c.split_seed = 2;
    split(&c);
    mark(&validation, other);
    release();
    unsigned same = 0, early = 0;
    for (unsigned i = 0; i < N; i++) {
        same += a[i] && other[i];
        early += i < N / 2 ? a[i] : 0;
    }
    assert_in_range(same, 15, 75);   /* 40 expected */
    assert_in_range(early, 70, 130); /* drawn from everywhere: 100 expected */
}

static void test_keep_omit(void **state)
{
    struct kd_class_ref keep[] = {{NULL, 0}, {NULL, 2}}, omit[] = {{NULL, 2}};
    struct kd_data_config c = config(100);
    (void)state;
    c.keep = (struct kd_class_list){keep, 2};
    split(&c);
    assert_int_equal(validation.n, 70); /* of the 100 that are carved, 30 are of class 1 */
    assert_int_equal(count_of(&validation, 1), 0);
    assert_int_equal(count_of(&train, 0), 450);
    assert_int_equal(count_of(&train, 1), 0);
    assert_int_equal(count_of(&train, -1), 0);
    release();
    c.omit = (struct kd_class_list){omit, 1};
    split(&c);
    assert_int_equal(train.n, 450);
    assert_int_equal(validation.n, 50);
    release();
    c.validation_classes = KD_VALIDATE_ALL;
    split(&c);
    assert_int_equal(train.n, 450);
    assert_int_equal(validation.n, 100);
    c.validation_classes = KD_VALIDATE_KEPT;
    release();
    c.keep.n = 0;
    split(&c);
    assert_int_equal(count_of(&train, 2), 0);
    assert_int_equal(count_of(&train, 1), 270);
    assert_int_equal(count_of(&train, -1), 3);
    release();
}

static void test_fraction(void **state)
{
    unsigned char tenth[N] = {0}, third[N] = {0};
    struct kd_data_config c = config(100);
    (void)state;
    c.fraction = 0.1;
    split(&c);
    mark(&train, tenth);
    assert_int_equal(count_of(&train, 0), 45);
    assert_int_equal(count_of(&train, 1), 27);
    assert_int_equal(count_of(&train, 2), 18);
    assert_int_equal(validation.n, 100);
    release();
    c.fraction = 0.3;
    split(&c);
    mark(&train, third);
    assert_int_equal(count_of(&train, 0), 135);
    release();
    for (unsigned i = 0; i < N; i++) assert_true(tenth[i] <= third[i]);
    c.fraction = 1e-6; /* at least one of each class */
    split(&c);
    assert_int_equal(train.n, 4);
    release();
}

static void test_unlabelled(void **state)
{
    struct kd_data_config c = config(100);
    (void)state;
    c.unlabelled = true;
    split(&c);
    assert_false(train.labelled);
    assert_true(validation.labelled);
    assert_int_equal(kd_subset_label(&train, 0), -1);
    assert_int_equal(kd_subset_label(&validation, 0), labels[validation.index[0]]);
    release();
    images.labels = NULL;
    c.unlabelled = false;
    split(&c);
    assert_false(train.labelled);
    assert_int_equal(validation.n, 100);
    release();
    images.labels = labels;
}

static void refused(const struct kd_data_config *c, const char *key)
{
    assert_int_equal(kd_split_train(&images, c, &train, &validation, &err), -1);
    assert_int_equal(err.kind, KD_ERR_USAGE);
    if (!strstr(err.text, key)) fail_msg("'%s' does not say '%s'", err.text, key);
    assert_null(train.index);
    assert_null(validation.index);
}

static void test_classes_by_name(void **state)
{
    char cat[] = "cat", dog[] = "dog", seven[] = "7", dgo[] = "dgo";
    char *names[] = {cat, dog, seven};
    struct kd_class_ref keep[] = {{dog, 0}, {seven, 0}}, omit[] = {{NULL, 2}, {dgo, 0}};
    struct kd_data_config c = config(100);
    (void)state;
    images.class_names = names;
    c.keep = (struct kd_class_list){keep, 2};
    c.omit = (struct kd_class_list){omit, 1};
    split(&c);
    assert_int_equal(train.n, 270);
    assert_int_equal(count_of(&train, 1), 270);
    release();
    c.omit.n = 2;
    refused(&c, "data.omit: no class dgo in made; did you mean dog?; there are: cat, dog, 7");
    images.class_names = NULL;
    refused(&c,
            "data.keep: no class dog in made; its classes have no names, only numbers: 0, 1, 2");
}

static void test_refused(void **state)
{
    static const double counts[] = {N, 2 * N, 1.5, -1, 1e-9, 0.99999};
    struct kd_class_ref wrong[] = {{NULL, 3}}, all[] = {{NULL, 0}, {NULL, 1}, {NULL, 2}},
                        one[] = {{NULL, 1}};
    struct kd_data_config c;
    (void)state;
    for (unsigned i = 0; i < sizeof counts / sizeof *counts; i++) {
        c = config(counts[i]);
        refused(&c, "data.validation");
    }
    c = config(0);
    c.fraction = 0;
    refused(&c, "data.fraction");
    c = config(0);
    c.keep = (struct kd_class_list){wrong, 1};
    refused(&c, "data.keep: no class 3");
    /* One image is carved, and it is of the largest class. */
    c.keep = (struct kd_class_list){one, 1};
    c.validation = 1;
    refused(&c, "none of the 1 images of made:train that are carved for validation are left");
    c.validation = 0;
    c.omit = (struct kd_class_list){all, 3};
    refused(&c, "nothing");
    images.labels = NULL;
    c.omit.n = 0;
    refused(&c, "no labels");
    images.labels = labels;
}

static void test_copy(void **state)
{
    struct kd_images copy, whole;
    struct kd_data_config c = config(200);
    (void)state;
    split(&c);
    assert_int_equal(kd_subset_copy(&validation, "validation", &copy, &err), 0);
    assert_string_equal(copy.split, "validation");
    assert_int_equal(copy.n, 200);
    for (uint32_t i = 0; i < copy.n; i++) {
        assert_int_equal(((uint8_t *)copy.pixels)[i], pixels[validation.index[i]]);
        assert_int_equal(copy.labels[i], labels[validation.index[i]]);
    }
    kd_images_release(&copy);
    release();
    assert_int_equal(kd_subset_all(&images, &train, &err), 0);
    assert_int_equal(kd_subset_copy(&train, "train", &whole, &err), 0);
    assert_int_equal(kd_images_fingerprint(&images, &err), 0);
    assert_string_equal(whole.pixels_fingerprint, images.pixels_fingerprint);
    assert_string_equal(whole.labels_fingerprint, images.labels_fingerprint);
    kd_images_release(&whole);
    release();
}

/* The rows read what the design promises of "data", and defaults are sound. */
static void test_rows(void **state)
{
    struct kd_data_config c;
    const struct kd_opt_section section[] = {{"", "Data", kd_data_rows, &c, NULL}, {0}};
    static const char text[] = "{\"source\":\"mnist\",\"validation\":5000,\"omit\":[3],"
                               "\"normalize\":\"none\",\"fraction\":0.5,\"unlabelled\":true}";
    (void)state;
    assert_int_equal(kd_opts_preset(section, &err), 0);
    assert_true(c.fraction == 1 && c.validation == 0 && !c.unlabelled && !c.normalize);
    cJSON *json = kd_json_parse(text, strlen(text), "text", &err);
    assert_non_null(json);
    if (kd_opts_from_json(section, json, "data", NULL, &err) < 0) fail_msg("%s", err.text);
    assert_string_equal(c.source, "mnist");
    assert_true(c.validation == 5000 && c.omit.n == 1 && c.omit.v[0].number == 3 && c.unlabelled);
    assert_true(cJSON_IsString(c.normalize));
    cJSON_Delete(json);
    kd_opts_release(section);
}

/* carve = last: the last images of the source, whatever their class; fractions of the rest stay
 * nested. */
static void test_carve_last(void **state)
{
    unsigned char marks[N] = {0}, tenth[N] = {0}, half[N] = {0};
    struct kd_data_config c = config(137);
    (void)state;
    c.carve = KD_CARVE_LAST;
    split(&c);
    assert_int_equal(validation.n, 137);
    for (uint32_t i = 0; i < 137; i++) assert_int_equal(validation.index[i], N - 137 + i);
    mark(&train, marks);
    for (uint32_t i = 0; i < N; i++) assert_int_equal(marks[i], i < N - 137);
    release();
    c.fraction = 0.1;
    split(&c);
    mark(&train, tenth);
    release();
    c.fraction = 0.5;
    split(&c);
    mark(&train, half);
    for (uint32_t i = 0; i < N; i++) assert_true(half[i] >= tenth[i] && (!half[i] || i < N - 137));
    release();
}

/* Models made before there was a choice say nothing of it; they stay what the same settings give.
 */
static void test_carve_is_left_out_where_it_is_not_asked_for(void **state)
{
    struct kd_data_config c = {0};
    const struct kd_opt_section section[] = {{"", "Data", kd_data_rows, &c, NULL}, {0}};
    (void)state;
    assert_int_equal(kd_opts_preset(section, &err), 0);
    for (c.carve = 0; c.carve < 2; c.carve++) {
        cJSON *json = kd_opts_to_json(section, &err);
        assert_true(cJSON_HasObjectItem(json, "carve") == (c.carve == KD_CARVE_LAST));
        cJSON_Delete(json);
    }
    kd_opts_release(section);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stratified),
        cmocka_unit_test(test_seeded),
        cmocka_unit_test(test_keep_omit),
        cmocka_unit_test(test_fraction),
        cmocka_unit_test(test_unlabelled),
        cmocka_unit_test(test_classes_by_name),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_copy),
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_carve_last),
        cmocka_unit_test(test_carve_is_left_out_where_it_is_not_asked_for),
    };
    return cmocka_run_group_tests(tests, make, NULL);
}
