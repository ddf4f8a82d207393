#include "kd/base/file.h"
#include "kd/base/tensorfile.h"
#include "scratch.h"

#define FIXTURES "test/fixtures/tensorfiles/"

static struct kd_err err;

static double element(const struct kd_tensor *t, size_t i)
{
    switch (t->dtype) {
    case KD_F32:
        return (double)((const float *)t->data)[i];
    case KD_F16:
        return (double)kd_half_to_float(((const uint16_t *)t->data)[i]);
    case KD_U8:
        return ((const uint8_t *)t->data)[i] - 2.0;
    case KD_I32:
        return ((const int32_t *)t->data)[i];
    default:
        return (double)((const int64_t *)t->data)[i];
    }
}

static void expect_counting(const char *path, enum kd_dtype dtype, unsigned dims,
                            const size_t *shape)
{
    struct kd_tensorfile f;
    if (kd_npy_read(path, NULL, &f, &err) < 0) fail_msg("%s", err.text);
    assert_int_equal(f.n, 1);
    const struct kd_tensor *t = f.tensors;
    assert_string_equal(t->name, "");
    assert_int_equal(t->dtype, dtype);
    assert_int_equal(t->dims, dims);
    size_t count = 1;
    for (unsigned i = 0; i < dims; i++) {
        assert_int_equal(t->shape[i], shape[i]);
        count *= shape[i];
    }
    assert_int_equal(t->count, count);
    assert_int_equal((uintptr_t)t->data % 8, 0);
    for (size_t i = 0; i < count; i++)
        if (element(t, i) != (double)i - 2) fail_msg("%s: %zu is %g", path, i, element(t, i));
    kd_tensorfile_release(&f);
}

static void arrays_of_numpy_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        enum kd_dtype dtype;
    } files[] = {
        {FIXTURES "f4.npy", KD_F32},       {FIXTURES "f8.npy", KD_F32},
        {FIXTURES "f2.npy", KD_F16},       {FIXTURES "u1.npy", KD_U8},
        {FIXTURES "i4.npy", KD_I32},       {FIXTURES "i8.npy", KD_I64},
        {FIXTURES "version2.npy", KD_F32}, {FIXTURES "version3.npy", KD_F32},
        {FIXTURES "fortran.npy", KD_F32},  {FIXTURES "big.npy", KD_F32},
    };
    for (unsigned i = 0; i < sizeof files / sizeof *files; i++)
        expect_counting(files[i].path, files[i].dtype, 2, (size_t[]){2, 3});
    expect_counting(FIXTURES "line.npy", KD_F32, 1, (size_t[]){6});
    expect_counting(FIXTURES "nothing.npy", KD_F32, 2, (size_t[]){0, 3});
    struct kd_tensorfile f;
    assert_int_equal(kd_npy_read(FIXTURES "scalar.npy", NULL, &f, &err), 0);
    assert_int_equal(f.tensors[0].dims, 0);
    assert_true(*(float *)f.tensors[0].data == 7.5f);
    kd_tensorfile_release(&f);
}

static void expect_file_refused(const char *path, const char *says)
{
    struct kd_tensorfile f;
    assert_int_equal(kd_npy_read(path, NULL, &f, &err), -1);
    assert_says(err, path);
    assert_says(err, says);
}

static void other_arrays_are_refused_with_the_remedy(void **state)
{
    (void)state;
    expect_file_refused(FIXTURES "all.safetensors", "not a .npy file");
    struct kd_tensorfile f;
    struct kd_tensorfile_limits small = {.bytes = 20};
    assert_int_equal(kd_npy_read(FIXTURES "f4.npy", &small, &f, &err), -1);
    assert_says(err, "larger than the 20 bytes");
}

/* Version 1.0 or 2.0 with this header text and `data` bytes of zero, in memory of exactly that
 * size. */
static struct kd_bytes image(unsigned char version, const char *header, size_t data)
{
    size_t n = strlen(header), fixed = version == 1 ? 10 : 12;
    struct kd_bytes b = {.size = fixed + n + data, .room = fixed + n + data + 1};
    b.data = calloc(b.room, 1);
    assert_non_null(b.data);
    memcpy(b.data, "\x93NUMPY", 6);
    b.data[6] = (char)version;
    b.data[8] = (char)(unsigned char)n;
    b.data[9] = (char)(unsigned char)(n >> 8);
    memcpy(b.data + fixed, header, n);
    return b;
}

static void expect_refused(struct kd_bytes b, const char *says)
{
    struct kd_tensorfile f;
    if (kd_npy_parse(&b, "x.npy", &f, &err) == 0) fail_msg("accepted what should say \"%s\"", says);
    assert_says(err, "x.npy: ");
    assert_says(err, says);
    assert_null(b.data);
}

#define HEADER(descr, order, shape)                                                                \
    "{'descr': " descr ", 'fortran_order': " order ", 'shape': " shape ", }\n"
#define F4(shape) HEADER("'<f4'", "False", shape)

static void hostile_headers_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        size_t data;
        const char *says;
    } cases[] = {
        {F4("(2,)"), 7, "bytes expected"},
        {F4("(2,)"), 9, "1 bytes behind the array"},
        {F4("(-2,)"), 8, "not negative"},
        {F4("(2 3)"), 8, "a comma or ) is expected"},
        {F4("(2)"), 8, "has a comma"},
        {F4("2"), 8, "the shape is expected"},
        {F4("(2.5,)"), 8, "a comma or )"},
        {F4("(99999999999999999999999,)"), 8, "larger than memory"},
        {F4("(18446744073709551615,)"), 8, "larger than memory"},
        {F4("(18446744073709551619,)"), 12, "larger than memory"}, /* 2^64 + 3 */
        {F4("(4294967296, 4294967296)"), 0, "larger than memory"},
        {F4("(4611686018427387904,)"), 0, "larger than memory"},
        {F4("(4611686018427387903,)"), 0, "larger than memory"},
        {F4("(1,1,1,1,1,1,1,1,1)"), 4, "more than 8 dimensions"},
        {HEADER("'<f4'", "Maybe", "(1,)"), 4, "True or False"},
        {HEADER("'<f16'", "False", "(1,)"), 16, "dtype is <f16"},
        {HEADER("[('a', '<f4')]", "False", "(1,)"), 4, "named fields"},
        {"{'descr': '<f4", 4, "not closed"},
        {HEADER("<f4", "False", "(1,)"), 4, "a text in quotes"},
        {"{'descr': '<f4', 'shape': (1,)}", 4, "is missing"},
        {"{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (1,)}", 4, "once each"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'shape': (2,)}", 4, "once each"},
        {"{'descr': '<f4', 'what': 1}", 4, "the keys are"},
        {"{'descr' '<f4'}", 4, "a colon"},
        {"{}", 0, "is missing"},
        {"", 0, "a { is expected"},
        {F4("(1,)") "x", 4, "text behind"},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++)
        expect_refused(image(1, cases[i].header, cases[i].data), cases[i].says);
    struct kd_bytes b = image(2, F4("(1,)"), 4);
    b.data[11] = 1; /* 16 MB of header */
    expect_refused(b, "byte 8: a header of 16777");
    b = image(4, F4("(1,)"), 4);
    expect_refused(b, ".npy version 4.0");
}

static void python_2_and_loose_headers_are_read(void **state)
{
    (void)state;
    struct kd_tensorfile f;
    struct kd_bytes b =
        image(1, "{\"shape\":(2L,1L),\"descr\":\"|u1\",\"fortran_order\":False}", 2);
    b.data[b.size - 2] = 5;
    b.data[b.size - 1] = 6;
    assert_int_equal(kd_npy_parse(&b, "x", &f, &err), 0); /* and the data starts at an odd byte */
    assert_int_equal(f.tensors[0].count, 2);
    assert_int_equal((uintptr_t)f.tensors[0].data % 8, 0);
    assert_memory_equal(f.tensors[0].data, "\5\6", 2);
    kd_tensorfile_release(&f);
}

static void every_cut_is_refused(void **state)
{
    (void)state;
    struct kd_bytes whole = image(1, F4("(3,)"), 12);
    for (size_t n = 0; n < whole.size; n++) {
        struct kd_bytes cut = {.data = malloc(n + 1), .size = n, .room = n + 1};
        memcpy(cut.data, whole.data, n);
        cut.data[n] = '\0';
        char received[64];
        snprintf(received, sizeof received, ", %zu received", n);
        expect_refused(cut, received);
    }
    kd_bytes_release(&whole);
}

static void doubles_beyond_float_are_refused(void **state)
{
    (void)state;
    double v[2] = {0x1.fffffefffffffp127, 0x1.ffffffp127};
    for (int i = 0; i < 2; i++) {
        struct kd_tensorfile f;
        struct kd_bytes b = image(1, HEADER("'<f8'", "False", "(1,)"), 8);
        memcpy(b.data + b.size - 8, &v[i], 8);
        assert_int_equal(kd_npy_parse(&b, "x", &f, &err), i ? -1 : 0);
        if (i == 0) assert_true(*(float *)f.tensors[0].data == 0x1.fffffep127f);
        kd_tensorfile_release(&f);
    }
    assert_says(err, "element 0 is 3.40282e+38, too large for F32");
}

static void what_is_written_is_read(void **state)
{
    (void)state;
    unsigned char data[8 * 6];
    for (unsigned i = 0; i < sizeof data; i++) data[i] = (unsigned char)(i * 5 + 1);
    for (int d = KD_F32; d <= KD_I64; d++)
        for (unsigned dims = 0; dims < 4; dims++) {
            struct kd_tensor t = {.dtype = (enum kd_dtype)d,
                                  .dims = dims,
                                  .shape = {2, 1, 3},
                                  .count = 1,
                                  .data = data};
            for (unsigned i = 0; i < dims; i++) t.count *= t.shape[i];
            if (kd_npy_write(in_scratch("a.npy"), &t, &err) < 0) fail_msg("%s", err.text);
            struct kd_tensorfile f;
            if (kd_npy_read(in_scratch("a.npy"), NULL, &f, &err) < 0) fail_msg("%s", err.text);
            assert_int_equal(f.tensors[0].dtype, d);
            assert_int_equal(f.tensors[0].dims, dims);
            assert_memory_equal(f.tensors[0].shape, t.shape, dims * sizeof *t.shape);
            assert_memory_equal(f.tensors[0].data, data, t.count * kd_dtype_size(t.dtype));
            kd_tensorfile_release(&f);
        }
    /* A file of NumPy's, written again, has the same bytes. */
    struct kd_tensorfile f;
    struct kd_bytes one, two;
    assert_int_equal(kd_npy_read(FIXTURES "f4.npy", NULL, &f, &err), 0);
    assert_int_equal(kd_npy_write(in_scratch("a.npy"), f.tensors, &err), 0);
    assert_int_equal(kd_file_read(FIXTURES "f4.npy", 1000, &one, &err), 0);
    assert_int_equal(kd_file_read(in_scratch("a.npy"), 1000, &two, &err), 0);
    assert_int_equal(one.size, two.size);
    assert_memory_equal(one.data, two.data, one.size);
    assert_int_equal(kd_npy_write("/dev/full", f.tensors, &err), -1);
    assert_says(err, "No space left");
    kd_bytes_release(&one);
    kd_bytes_release(&two);
    kd_tensorfile_release(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arrays_of_numpy_are_read),
        cmocka_unit_test(other_arrays_are_refused_with_the_remedy),
        cmocka_unit_test(hostile_headers_are_refused),
        cmocka_unit_test(python_2_and_loose_headers_are_read),
        cmocka_unit_test(every_cut_is_refused),
        cmocka_unit_test(doubles_beyond_float_are_refused),
        cmocka_unit_test_setup_teardown(what_is_written_is_read, scratch_make, scratch_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
