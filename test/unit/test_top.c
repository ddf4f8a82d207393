/* Sparse logits: against PyTorch (test/fixtures/make_top.py), there and back, and what is refused.
 */
#include "scratch.h"

#include "kd/nn/softmax.h"
#include "kd/nn/top.h"

#include <math.h>

static struct kd_err err;

/* ---- the formula ---- */

static const struct kd_tensor *tensor(const struct kd_tensorfile *f, const char *name)
{
    const struct kd_tensor *t = kd_tensorfile_find(f, name);
    if (!t) fail_msg("no %s", name);
    return t;
}

static void as_pytorch(void **state)
{
    static const char *const temperatures[] = {"0.5", "1", "4", "20", "10000"};
    struct kd_tensorfile f;
    struct kd_top read = {0}, made;
    float row[12];
    (void)state;
    if (kd_tensorfile_read("test/fixtures/torch/top.safetensors", NULL, &f, &err) < 0 ||
        kd_top_of(&f, &read, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(read.views, 0);
    assert_int_equal(read.classes, 12);
    made = (struct kd_top){.n = read.n, .k = read.k, .classes = read.classes};
    assert_int_equal(kd_top_init(&made, &err), 0);
    const float *z = tensor(&f, "logits")->data;
    for (size_t r = 0; r < read.n; r++) assert_int_equal(kd_top_put(&made, r, z + r * 12, &err), 0);
    assert_memory_equal(made.values, read.values, read.n * read.k * 2);
    assert_memory_equal(made.chosen, read.chosen, read.n * read.k);
    assert_memory_equal(made.rest, read.rest, read.n * 2 * 2);
    for (unsigned i = 0; i < 5; i++) {
        char name[32];
        snprintf(name, sizeof name, "dense.%s", temperatures[i]);
        const float *dense = tensor(&f, name)->data;
        for (size_t r = 0; r < read.n; r++) {
            kd_top_row(&made, r, strtod(temperatures[i], NULL), row);
            for (unsigned c = 0; c < 12; c++)
                if (!(fabsf(row[c] - dense[r * 12 + c]) <= 1e-6f * fabsf(row[c])))
                    fail_msg("T %s, row %zu, class %u: %g, not %g", temperatures[i], r, c,
                             (double)row[c], (double)dense[r * 12 + c]);
        }
    }
    kd_top_release(&made);
    kd_tensorfile_release(&f);
}

/* What is left out has together what it had, to second order in 1/T. */
static void keeps_the_softmax(void **state)
{
    (void)state;
    float z[100], dense[100], exact[100];
    struct kd_top t = {.n = 1, .k = 8, .classes = 100};
    for (unsigned c = 0; c < 100; c++) z[c] = 6 * sinf((float)(c * c));
    assert_int_equal(kd_top_init(&t, &err), 0);
    assert_int_equal(kd_top_put(&t, 0, z, &err), 0);
    assert_int_equal(kd_top_best(&t, 0), kd_top_class(&t, 0, 0));
    kd_softmax(z, 100, 20, exact);
    kd_top_row(&t, 0, 20, dense);
    kd_softmax(dense, 100, 20, dense);
    for (unsigned i = 0; i < 8; i++) {
        const uint32_t c = kd_top_class(&t, 0, i);
        if (!(fabsf(dense[c] - exact[c]) <= 1e-3f * exact[c]))
            fail_msg("class %u: %g, not %g", c, (double)dense[c], (double)exact[c]);
    }
    kd_top_row(&t, 0, NAN, dense); /* a loss without temperature: the mean itself */
    double mean = 0;
    for (unsigned c = 0; c < 100; c++) mean += ((double)dense[c] - (double)z[c]) / 100;
    assert_true(fabs(mean) < 5e-3);
    kd_top_release(&t);
}

/* ---- there and back ---- */

static void types_ties_and_views(void **state)
{
    static const struct {
        size_t classes;
        enum kd_dtype dtype;
    } cases[] = {{256, KD_U8}, {257, KD_U16}, {65536, KD_U16}, {65537, KD_U32}};
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        const size_t classes = cases[i].classes;
        struct kd_top t = {.views = 2, .n = 1, .k = 3, .classes = classes}, back = {0};
        struct kd_tensorfile f;
        char text[24];
        float *z = kd_alloc(classes, sizeof *z, "logits", &err);
        assert_int_equal(kd_top_init(&t, &err), 0);
        z[classes - 1] = z[7] = 2; /* then ties: the first classes come first */
        assert_int_equal(kd_top_put(&t, 0, z, &err), 0);
        z[5] = -3;
        assert_int_equal(kd_top_put(&t, 1, z, &err), 0);
        snprintf(text, sizeof text, "%zu", classes);
        if (kd_tensorfile_init(&f, &err) < 0 || kd_tensorfile_set(&f, "kd.classes", text, &err) ||
            kd_top_add(&t, &f, &err) < 0 || kd_tensorfile_write(in_scratch("t"), &f, &err) < 0)
            fail_msg("%s", err.text);
        kd_tensorfile_release(&f);
        if (kd_tensorfile_read(in_scratch("t"), NULL, &f, &err) < 0 ||
            kd_top_of(&f, &back, &err) < 0)
            fail_msg("%s", err.text);
        assert_int_equal(back.dtype, cases[i].dtype);
        assert_int_equal(back.views, 2);
        assert_int_equal(kd_top_bytes(&back), 2 * (3 * (2 + kd_dtype_size(back.dtype)) + 4));
        assert_int_equal(kd_top_class(&back, 0, 0), 7);
        assert_int_equal(kd_top_class(&back, 0, 1), classes - 1);
        assert_int_equal(kd_top_class(&back, 0, 2), 0);
        assert_true(back.rest && back.rest[0] == 0 && back.rest[1] == 0 && back.rest[3] != 0);
        kd_tensorfile_release(&f);
        kd_top_release(&t);
        kd_free(z);
    }
}

/* 50,000 images of 100 classes, the 8 largest of 40 views: 60 MB at most. */
static void small(void **state)
{
    (void)state;
    struct kd_top t = {.views = 40, .n = 50000, .k = 8, .classes = 100, .dtype = KD_U8};
    assert_int_equal(kd_top_bytes(&t), 56000000);
}

static void puts_what_fits(void **state)
{
    (void)state;
    float z[4] = {1e6f, 1, 2, 3};
    struct kd_top t = {.n = 1, .k = 2, .classes = 4};
    assert_int_equal(kd_top_init(&t, &err), 0);
    assert_int_equal(kd_top_put(&t, 0, z, &err), -1);
    assert_says(err, "logit 1e+06 does not fit half precision; leave --top out");
    z[0] = -1e6f;
    assert_int_equal(kd_top_put(&t, 0, z, &err), -1);
    assert_says(err, "mean logit");
    z[0] = INFINITY;
    assert_int_equal(kd_top_put(&t, 0, z, &err), -1);
    assert_says(err, "row 0, class 0 is inf");
    kd_top_release(&t);
}

/* ---- refused ---- */

struct wrong {
    const char *says, *classes;
    enum kd_dtype values, chosen, rest;
    size_t shapes[3][3]; /* of values, classes, rest; 0 ends one */
    uint16_t value, variance;
    uint8_t class;
};

static int add(struct kd_tensorfile *f, const char *name, enum kd_dtype dtype,
               const size_t shape[3], const void *data)
{
    unsigned dims = 0;
    while (dims < 3 && shape[dims]) dims++;
    return dims ? kd_tensorfile_add(f, name, (struct kd_array){dtype, dims, shape, data}, &err) : 0;
}

static void refuses(const struct wrong *w)
{
    struct kd_tensorfile f;
    struct kd_top t;
    uint16_t values[64] = {w->value}, rest[64] = {0, w->variance};
    uint8_t chosen[64] = {w->class, 1, 0, 1, 0, 1};
    if (kd_tensorfile_init(&f, &err) < 0 ||
        (w->classes && kd_tensorfile_set(&f, "kd.classes", w->classes, &err) < 0) ||
        add(&f, "top.values", w->values, w->shapes[0], values) < 0 ||
        add(&f, "top.classes", w->chosen, w->shapes[1], chosen) < 0 ||
        add(&f, "top.rest", w->rest, w->shapes[2], rest) < 0)
        fail_msg("%s", err.text);
    assert_true(kd_top_in(&f));
    memset(&err, 0, sizeof err);
    const int status = kd_top_of(&f, &t, &err);
    if (w->says) {
        if (status == 0) fail_msg("accepted: %s", w->says);
        assert_says(err, w->says);
        assert_null(strchr(err.text, '\n'));
    } else if (status < 0)
        fail_msg("%s", err.text);
    kd_tensorfile_release(&f);
}

#define TYPES KD_F16, KD_U8, KD_F16
static void what_disagrees(void **state)
{
    static const struct wrong cases[] = {
        {NULL, "3", TYPES, {{2, 2}, {2, 2}, {2, 2}}, 0, 0, 0},
        {NULL, "2", TYPES, {{1, 3, 2}, {1, 3, 2}, {1, 3, 2}}, 0, 0, 0},
        {"it has no \"top.classes\"", "3", TYPES, {{2, 2}, {0}, {2, 2}}, 0, 0, 0},
        {"it has no \"top.rest\"", "3", TYPES, {{2, 2}, {2, 2}, {0}}, 0, 0, 0},
        {"it has no \"top.values\"", "3", TYPES, {{0}, {2, 2}, {2, 2}}, 0, 0, 0},
        {"kd.classes is not there", NULL, TYPES, {{2, 2}, {2, 2}, {2, 2}}, 0, 0, 0},
        {"kd.classes is -3", "-3", TYPES, {{2, 2}, {2, 2}, {2, 2}}, 0, 0, 0},
        {"kd.classes is 2.5", "2.5", TYPES, {{2, 2}, {2, 2}, {2, 2}}, 0, 0, 0},
        {"kd.classes is 1e99", "1e99", TYPES, {{2, 2}, {2, 2}, {2, 2}}, 0, 0, 0},
        {"kd.classes is [", "[", TYPES, {{2, 2}, {2, 2}, {2, 2}}, 0, 0, 0},
        {"2 values a row, more than its 1 classes", "1", TYPES, {{2, 2}, {2, 2}, {2, 2}}, 0, 0, 0},
        {"top.values is I16; F16", "3", KD_I16, KD_U8, KD_F16, {{2, 2}, {2, 2}, {2, 2}}, 0, 0, 0},
        {"top.rest is U16; F16", "3", KD_F16, KD_U8, KD_U16, {{2, 2}, {2, 2}, {2, 2}}, 0, 0, 0},
        {"top.classes is I8", "3", KD_F16, KD_I8, KD_F16, {{2, 2}, {2, 2}, {2, 2}}, 0, 0, 0},
        {"top.values has 1 dimensions", "3", TYPES, {{2}, {2}, {2}}, 0, 0, 0},
        {"differ in shape", "3", TYPES, {{2, 2}, {2, 1}, {2, 2}}, 0, 0, 0},
        {"differ in shape", "3", TYPES, {{2, 2}, {1, 2, 2}, {2, 2}}, 0, 0, 0},
        {"top.rest does not go", "3", TYPES, {{2, 2}, {2, 2}, {2, 1}}, 0, 0, 0},
        {"top.rest does not go", "3", TYPES, {{2, 2}, {2, 2}, {1, 2}}, 0, 0, 0},
        {"row 0 of top.values has inf", "3", TYPES, {{2, 2}, {2, 2}, {2, 2}}, 0x7c00, 0, 0},
        {"variance -1", "3", TYPES, {{2, 2}, {2, 2}, {2, 2}}, 0, 0xbc00, 0},
        {"has class 9, of classes 0 to 2", "3", TYPES, {{2, 2}, {2, 2}, {2, 2}}, 0, 0, 9},
        {"has class 1 twice", "3", TYPES, {{2, 2}, {2, 2}, {2, 2}}, 0, 0, 1},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) refuses(&cases[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_pytorch),           cmocka_unit_test(keeps_the_softmax),
        cmocka_unit_test(types_ties_and_views), cmocka_unit_test(small),
        cmocka_unit_test(puts_what_fits),       cmocka_unit_test(what_disagrees),
    };
    return cmocka_run_group_tests_name("top", tests, scratch_make, scratch_remove);
}
