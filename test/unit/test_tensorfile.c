#include "kd/base/file.h"
#include "kd/base/hash.h"
#include "kd/base/tensorfile.h"
#include "scratch.h"

#include <math.h>
#include <time.h>

#define FIXTURES "test/fixtures/tensorfiles/"

static struct kd_err err;

/* Header length, header and `data` zero bytes, as a buffer of exactly that size. */
static struct kd_bytes image(const char *header, size_t data)
{
    size_t n = strlen(header);
    struct kd_bytes b = {.data = calloc(8 + n + data + 1, 1), .size = 8 + n + data};
    assert_non_null(b.data);
    for (int i = 0; i < 8; i++) b.data[i] = (char)(unsigned char)((uint64_t)n >> (8 * i));
    memcpy(b.data + 8, header, n);
    b.room = b.size + 1;
    return b;
}

static void expect_refused(struct kd_bytes b, const char *says)
{
    struct kd_tensorfile f;
    if (kd_tensorfile_parse(&b, "x.safetensors", NULL, &f, &err) == 0)
        fail_msg("accepted what should say \"%s\"", says);
    assert_says(err, "x.safetensors: ");
    assert_says(err, says);
    assert_null(b.data); /* taken over, also on failure */
    assert_null(f.tensors);
}

static void refuse(const char *header, size_t data, const char *says)
{
    expect_refused(image(header, data), says);
}

/* Element i as make_tensorfiles.py has it. */
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

static void expect_counting(const struct kd_tensorfile *f, const char *name, enum kd_dtype dtype,
                            unsigned dims, const size_t *shape)
{
    const struct kd_tensor *t = kd_tensorfile_find(f, name);
    if (!t) fail_msg("%s is missing", name);
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
        if (element(t, i) != (double)i - 2) fail_msg("%s[%zu] is %g", name, i, element(t, i));
}

static void python_file_is_read(void **state)
{
    (void)state;
    struct kd_tensorfile f;
    if (kd_tensorfile_read(FIXTURES "all.safetensors", NULL, &f, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(f.n, 8);
    expect_counting(&f, "f32", KD_F32, 2, (size_t[]){2, 3});
    expect_counting(&f, "f16", KD_F16, 1, (size_t[]){5});
    expect_counting(&f, "u8", KD_U8, 1, (size_t[]){7});
    expect_counting(&f, "i32", KD_I32, 3, (size_t[]){1, 2, 2});
    expect_counting(&f, "i64", KD_I64, 1, (size_t[]){3});
    expect_counting(&f, "nothing", KD_F32, 2, (size_t[]){0, 4});
    expect_counting(&f, "a \"quoted\" näme", KD_F32, 1, (size_t[]){1});
    const struct kd_tensor *scalar = kd_tensorfile_find(&f, "scalar");
    assert_int_equal(scalar->dims, 0);
    assert_int_equal(scalar->count, 1);
    assert_true(*(float *)scalar->data == 7.5f);
    assert_string_equal(kd_tensorfile_meta(&f, "framework"), "numpy");
    assert_string_equal(kd_tensorfile_meta(&f, "text"), "line\nbreak");
    assert_null(kd_tensorfile_meta(&f, "Framework"));
    assert_null(kd_tensorfile_find(&f, "F32"));
    for (size_t i = 1; i < f.n; i++)
        assert_true(strcmp(f.tensors[i - 1].name, f.tensors[i].name) < 0);
    kd_tensorfile_release(&f);
    assert_int_equal(kd_tensorfile_read(FIXTURES "none.safetensors", NULL, &f, &err), 0);
    assert_int_equal(f.n, 0);
    assert_non_null(f.metadata);
    kd_tensorfile_release(&f);
}

static void other_dtypes_are_named(void **state)
{
    (void)state;
    struct kd_tensorfile f;
    assert_int_equal(kd_tensorfile_read(FIXTURES "f64.safetensors", NULL, &f, &err), 0);
    assert_int_equal(f.tensors[0].dtype, KD_F64);
    kd_tensorfile_release(&f);
    refuse("{\"w\":{\"dtype\":\"F4\",\"shape\":[2],\"data_offsets\":[0,4]}}", 4, "dtype F4");
    refuse("{\"w\":{\"dtype\":\"f32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "dtype f32");
    refuse("{\"w\":{\"dtype\":7,\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "no dtype");
    refuse("{\"w\":{\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "no dtype");
}

#define ONE(shape, offsets)                                                                        \
    "{\"w\":{\"dtype\":\"F32\",\"shape\":" shape ",\"data_offsets\":" offsets "}}"

static void hostile_shapes_and_offsets_are_refused(void **state)
{
    (void)state;
    refuse(ONE("[2]", "[0,4]"), 4, "its shape needs 8 bytes and its data_offsets give 4");
    refuse(ONE("[-1]", "[0,4]"), 4, "size 0 of its shape is not a whole number");
    refuse(ONE("[1,1.5]", "[0,4]"), 4, "size 1 of its shape");
    refuse(ONE("[\"1\"]", "[0,4]"), 4, "size 0 of its shape");
    refuse(ONE("[1e30]", "[0,4]"), 4, "size 0 of its shape");
    refuse(ONE("[9007199254740992,9007199254740992]", "[0,4]"), 4, "larger than memory");
    refuse(ONE("[4294967296,4294967296]", "[0,0]"), 0, "larger than memory"); /* product 2^64 */
    refuse(ONE("[4611686018427387904]", "[0,0]"), 0, "size 0 of its shape");  /* times 4 is 2^64 */
    refuse(ONE("[2251799813685248,2048]", "[0,0]"), 0, "larger than memory"); /* the same in two */
    refuse(ONE("[1,1,1,1,1,1,1,1,1]", "[0,4]"), 4, "more than 8 dimensions");
    refuse(ONE("1", "[0,4]"), 4, "no shape");
    refuse(ONE("[1]", "[0]"), 4, "data_offsets are not two whole numbers");
    refuse(ONE("[1]", "[0,4,8]"), 4, "data_offsets are not two");
    refuse(ONE("[1]", "[-4,0]"), 4, "data_offsets are not two");
    refuse(ONE("[1]", "[0.5,4.5]"), 4, "data_offsets are not two");
    refuse(ONE("[1]", "{\"a\":0,\"b\":4}"), 4, "data_offsets are not two");
    refuse(ONE("[1]", "[4,0]"), 4, "ends at byte 0, before its start 4");
    refuse(ONE("[1]", "[4,8]"), 8, "leaves a hole");
    refuse(ONE("[1]", "[9007199254740988,9007199254740992]"), 4, "leaves a hole");
    refuse("{\"w\":3}", 0, "tensor w is not an object");
    refuse("{\"w\":{}}", 0, "no dtype");
}

static void spans_cover_the_data_exactly(void **state)
{
    (void)state;
    refuse("{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},"
           "\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[3,7]}}",
           7, "tensor b overlaps a: it starts at byte 3 of the data, before byte 4");
    refuse("{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},"
           "\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}",
           4, "overlaps");
    refuse("{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},"
           "\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[5,9]}}",
           9, "tensor b starts at byte 5 of the data and leaves a hole: a ends at 4");
    refuse("{\"a\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[2,2]},"
           "\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}",
           4, "overlaps");
    refuse(ONE("[3]", "[0,12]"), 13, "1 bytes behind the last tensor, from byte ");
    refuse("{}", 1, "1 bytes behind the last tensor, from byte 10 on");
}

static void cut_files_tell_expected_and_received(void **state)
{
    (void)state;
    struct kd_bytes whole = image(ONE("[3]", "[0,12]"), 12);
    for (size_t n = 0; n < whole.size; n++) {
        struct kd_bytes cut = {.data = malloc(n + 1), .size = n, .room = n + 1};
        memcpy(cut.data, whole.data, n);
        cut.data[n] = '\0';
        char received[64];
        snprintf(received, sizeof received, "expected%s, %zu received",
                 n >= 8 && n < whole.size - 12 ? " (the header)" : "", n);
        expect_refused(cut, n ? received : "empty");
    }
    char all[80];
    snprintf(all, sizeof all, "cut short: %zu bytes expected, %zu", whole.size, whole.size - 1);
    whole.size--;
    expect_refused(whole, all);
}

static void hostile_headers_are_refused(void **state)
{
    (void)state;
    struct kd_bytes b = image("{}", 0);
    memset(b.data, 0xff, 8);
    expect_refused(b, "not a safetensors file");
    b = image("{}", 0);
    b.data[3] = 0x7f; /* 2 GB of header */
    expect_refused(b, "not a safetensors file");
    b = image("{}", 0);
    b.data[0] = 0;
    expect_refused(b, "not a safetensors file");
    refuse(" {}", 0, "not a safetensors file"); /* the header starts with { */
    refuse("[]", 0, "not a safetensors file");
    refuse("{\"a\":}", 0, "header of a safetensors file: x.safetensors: line 1, column 6");
    refuse("{}x", 0, "text behind");
    refuse("{\"w\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
           "\"w\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,2]}}",
           2, "key w is there twice");
    refuse("{\"w\":{\"dtype\":\"U8\",\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1,
           "key w.dtype is there twice");
    refuse("{\"__metadata__\":{\"a\":1}}", 0, "__metadata__: the value of a is not a string");
    refuse("{\"__metadata__\":[\"a\"]}", 0, "__metadata__ is not an object");
    refuse("{\"w\\u0000\":{}}", 0, "\\u0000");
}

static void other_formats_are_recognized(void **state)
{
    (void)state;
    struct kd_tensorfile f;
    assert_int_equal(kd_tensorfile_read(FIXTURES "f4.npy", NULL, &f, &err), -1);
    assert_says(err, "f4.npy: not a safetensors file: this is a .npy file");
    static const char zip[] = "PK\3\4\x14\0\0\0\x08\0", text[] = "{\"name\": \"mnist\"}";
    struct kd_bytes b = {0};
    kd_bytes_add(&b, zip, sizeof zip, &err);
    expect_refused(b, "archive");
    b = (struct kd_bytes){0};
    kd_bytes_add(&b, text, sizeof text, &err);
    expect_refused(b, "not a safetensors file: this is JSON text");
    assert_int_equal(kd_tensorfile_read_any(FIXTURES "f4.npy", NULL, &f, &err), 0);
    assert_int_equal(f.n, 1);
    kd_tensorfile_release(&f);
    assert_int_equal(kd_tensorfile_read_any(FIXTURES "all.safetensors", NULL, &f, &err), 0);
    assert_int_equal(f.n, 8);
    kd_tensorfile_release(&f);
}

static void limits_are_kept(void **state)
{
    (void)state;
    struct kd_tensorfile f;
    struct kd_tensorfile_limits small = {.bytes = 600};
    assert_int_equal(kd_tensorfile_read(FIXTURES "all.safetensors", &small, &f, &err), -1);
    assert_says(err, "larger than the 600 bytes");
    struct kd_bytes b = image(ONE("[200]", "[0,800]"), 800);
    assert_int_equal(kd_tensorfile_parse(&b, "x", &small, &f, &err), -1);
    assert_says(err, "larger than the 600 bytes");
}

/* Values whose bytes all differ, so that any mix-up of order or width shows. */
static unsigned char sample[240];

static void build(struct kd_tensorfile *f)
{
    for (unsigned i = 0; i < sizeof sample; i++) sample[i] = (unsigned char)(i * 7 + 1);
    assert_int_equal(kd_tensorfile_init(f, &err), 0);
    assert_int_equal(
        kd_tensorfile_add(f, "b.u8", (struct kd_array){KD_U8, 1, (size_t[]){3}, sample}, &err), 0);
    assert_int_equal(kd_tensorfile_add(f, "a.f32",
                                       (struct kd_array){KD_F32, 2, (size_t[]){3, 5}, sample + 4},
                                       &err),
                     0);
    assert_int_equal(kd_tensorfile_add(f, "z.i64",
                                       (struct kd_array){KD_I64, 1, (size_t[]){3}, sample + 64},
                                       &err),
                     0);
    assert_int_equal(kd_tensorfile_add(f, "c.f16",
                                       (struct kd_array){KD_F16, 1, (size_t[]){5}, sample + 96},
                                       &err),
                     0);
    assert_int_equal(
        kd_tensorfile_add(f, "d.i32", (struct kd_array){KD_I32, 0, NULL, sample + 108}, &err), 0);
    assert_int_equal(
        kd_tensorfile_add(f, "", (struct kd_array){KD_F32, 3, (size_t[]){2, 0, 3}, NULL}, &err), 0);
    assert_int_equal(kd_tensorfile_set(f, "kd.kind", "model", &err), 0);
    assert_int_equal(kd_tensorfile_set(f, "a.text", "with \"quotes\" and\nlines", &err), 0);
}

static void what_is_written_is_read(void **state)
{
    (void)state;
    struct kd_tensorfile f, g;
    build(&f);
    const char *path = in_scratch("new/a.safetensors");
    if (kd_tensorfile_write(path, &f, &err) < 0) fail_msg("%s", err.text);
    if (kd_tensorfile_read(path, NULL, &g, &err) < 0) fail_msg("%s", err.text);
    assert_int_equal(g.n, f.n);
    for (size_t i = 0; i < f.n; i++) {
        const struct kd_tensor *a = &f.tensors[i], *b = kd_tensorfile_find(&g, a->name);
        assert_non_null(b);
        assert_int_equal(a->dtype, b->dtype);
        assert_int_equal(a->dims, b->dims);
        assert_memory_equal(a->shape, b->shape, sizeof a->shape);
        if (a->count) assert_memory_equal(a->data, b->data, a->count * kd_dtype_size(a->dtype));
        assert_int_equal((uintptr_t)b->data % 8, 0);
    }
    assert_string_equal(kd_tensorfile_meta(&g, "a.text"), "with \"quotes\" and\nlines");
    assert_non_null(kd_tensorfile_meta(&g, "kd.checksums"));
    /* Written again from what was read: the same bytes. */
    assert_int_equal(kd_tensorfile_write(in_scratch("b"), &g, &err), 0);
    struct kd_bytes one, two;
    assert_int_equal(kd_file_read(path, 10000, &one, &err), 0);
    assert_int_equal(kd_file_read(in_scratch("b"), 10000, &two, &err), 0);
    assert_int_equal(one.size, two.size);
    assert_memory_equal(one.data, two.data, one.size);
    assert_int_equal((unsigned char)one.data[0] % 8, 0); /* header padded */
    kd_bytes_release(&one);
    kd_bytes_release(&two);
    kd_tensorfile_release(&f);
    kd_tensorfile_release(&g);
    unlink(path);
    rmdir(in_scratch("new"));
}

static void order_of_making_does_not_matter(void **state)
{
    (void)state;
    static const char *const names[] = {"c", "a", "b", "a", "b", "c"};
    char sums[2][KD_FINGERPRINT];
    for (int k = 0; k < 2; k++) {
        struct kd_tensorfile f;
        assert_int_equal(kd_tensorfile_init(&f, &err), 0);
        for (int i = 0; i < 3; i++) {
            const char *name = names[3 * k + i];
            kd_tensorfile_add(&f, name, (struct kd_array){KD_U8, 1, (size_t[]){1}, name}, &err);
            kd_tensorfile_set(&f, name, name, &err);
        }
        assert_int_equal(kd_tensorfile_write(in_scratch("f"), &f, &err), 0);
        kd_tensorfile_release(&f);
        struct kd_bytes b;
        assert_int_equal(kd_file_read(in_scratch("f"), 10000, &b, &err), 0);
        kd_fingerprint(b.data, b.size, sums[k]);
        kd_bytes_release(&b);
    }
    assert_string_equal(sums[0], sums[1]);
}

static void damage_is_noticed(void **state)
{
    (void)state;
    struct kd_tensorfile f;
    struct kd_bytes b;
    build(&f);
    assert_int_equal(kd_tensorfile_write(in_scratch("a"), &f, &err), 0);
    kd_tensorfile_release(&f);
    assert_int_equal(kd_file_read(in_scratch("a"), 10000, &b, &err), 0);
    b.data[b.size - 1] ^= 1; /* the last byte is of the narrowest tensor */
    assert_int_equal(kd_file_write(in_scratch("a"), b.data, b.size, &err), 0);
    kd_bytes_release(&b);
    assert_int_equal(kd_tensorfile_read(in_scratch("a"), NULL, &f, &err), -1);
    assert_says(err, "tensor b.u8 is damaged");
    struct kd_tensorfile_limits trusting = {.no_verify = true};
    assert_int_equal(kd_tensorfile_read(in_scratch("a"), &trusting, &f, &err), 0);
    kd_tensorfile_release(&f);
    refuse("{\"__metadata__\":{\"kd.checksums\":\"{\\\"x\\\":\\\"0\\\"}\"}}", 0,
           "lists x, which is not in");
    refuse("{\"__metadata__\":{\"kd.checksums\":\"{\"}}", 0, "kd.checksums: line 1");
    refuse("{\"__metadata__\":{\"kd.checksums\":\"[]\"}}", 0, "kd.checksums is not an object");
}

static void impossible_tensors_are_not_added(void **state)
{
    (void)state;
    struct kd_tensorfile f;
    assert_int_equal(kd_tensorfile_init(&f, &err), 0);
    size_t nine[9] = {1, 1, 1, 1, 1, 1, 1, 1, 1}, huge[2] = {SIZE_MAX, 2};
    assert_int_equal(kd_tensorfile_add(&f, "a", (struct kd_array){KD_F32, 9, nine, sample}, &err),
                     -1);
    assert_int_equal(kd_tensorfile_add(&f, "a", (struct kd_array){KD_F32, 2, huge, sample}, &err),
                     -1);
    assert_int_equal(
        kd_tensorfile_add(&f, "__metadata__", (struct kd_array){KD_F32, 1, nine, sample}, &err),
        -1);
    assert_int_equal(kd_tensorfile_add(&f, "a", (struct kd_array){KD_F32, 1, nine, sample}, &err),
                     0);
    assert_int_equal(kd_tensorfile_add(&f, "a", (struct kd_array){KD_F32, 1, nine, sample}, &err),
                     -1);
    assert_int_equal(f.n, 1);
    kd_tensorfile_release(&f);
}

static void failing_write_leaves_the_old_file(void **state)
{
    (void)state;
    struct kd_tensorfile f;
    build(&f);
    assert_int_equal(kd_tensorfile_write("/dev/full", &f, &err), -1);
    assert_says(err, "/dev/full: cannot write: No space left on device");
    assert_int_equal(kd_tensorfile_write(scratch, &f, &err), -1);
    assert_says(err, "is a folder");
    assert_int_equal(scratch_entries(), 0);
    kd_tensorfile_release(&f);
}

static void every_half_survives_the_way_through_float(void **state)
{
    (void)state;
    for (uint32_t h = 0; h < 65536; h++) {
        float f = kd_half_to_float((uint16_t)h);
        int exponent = (int)(h >> 10 & 31);
        double fraction = h & 1023, sign = h & 0x8000 ? -1 : 1;
        if (exponent == 31 && fraction > 0) {
            assert_true(isnan(f));
            assert_int_equal(kd_float_to_half(f), h | 0x200); /* quiet */
            continue;
        }
        double expected = exponent == 31 ? sign * (double)INFINITY
                          : exponent     ? sign * ldexp(1024 + fraction, exponent - 25)
                                         : sign * ldexp(fraction, -24);
        if ((double)f != expected || !!signbit(f) != (sign < 0))
            fail_msg("0x%04x is %a", h, (double)f);
        if (kd_float_to_half(f) != h) fail_msg("0x%04x becomes 0x%04x", h, kd_float_to_half(f));
    }
}

/* Between two neighbours the nearer one, and of equally near ones the even one. */
static void floats_round_to_the_nearest_even_half(void **state)
{
    (void)state;
    for (uint32_t h = 0; h < 0x7c00; h++) {
        float low = kd_half_to_float((uint16_t)h);
        /* above the largest half there would come 65536 */
        float high = h == 0x7bff ? 65536.0f : kd_half_to_float((uint16_t)(h + 1));
        float middle = low + (high - low) / 2;
        uint32_t even = h & 1 ? h + 1 : h;
        assert_int_equal(kd_float_to_half(middle), even);
        assert_int_equal(kd_float_to_half(-middle), even | 0x8000);
        assert_int_equal(kd_float_to_half(nextafterf(middle, 0)), h);
        assert_int_equal(kd_float_to_half(nextafterf(middle, INFINITY)), h + 1);
    }
    assert_int_equal(kd_float_to_half(0x1p-149f), 0);
    assert_int_equal(kd_float_to_half(-0x1p-149f), 0x8000);
    assert_int_equal(kd_float_to_half(3.4e38f), 0x7c00);
    assert_int_equal(kd_float_to_half(-INFINITY), 0xfc00);
}

static void tensors_become_floats(void **state)
{
    (void)state;
    float f[2] = {1.5f, -2}, out[2];
    uint16_t h[2] = {0x3e00, 0xc000};
    struct kd_tensor t = {.name = (char[]){"w"}, .dtype = KD_F32, .count = 2, .data = f};
    assert_int_equal(kd_tensor_to_float(&t, out, &err), 0);
    assert_memory_equal(out, f, sizeof f);
    t.dtype = KD_F16;
    t.data = h;
    memset(out, 0, sizeof out);
    assert_int_equal(kd_tensor_to_float(&t, out, &err), 0);
    assert_memory_equal(out, f, sizeof f);
    t.dtype = KD_U8;
    assert_int_equal(kd_tensor_to_float(&t, out, &err), -1);
    assert_says(err, "tensor w is U8");
}

/* As many as a file of 7 MB can claim, backwards: seconds by the hundred if each were looked for
 * one by one. */
static void many_tensors_are_found_at_once(void **state)
{
    (void)state;
    enum { MANY = 100000, EACH = 80 };
    char *header = malloc((size_t)MANY * EACH), *to = header, name[16];
    assert_non_null(header);
    for (int i = MANY; i-- > 0;)
        to += sprintf(to, "%c\"t%d\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}",
                      i == MANY - 1 ? '{' : ',', i);
    strcpy(to, "}");
    struct kd_bytes b = image(header, 0);
    free(header);
    struct kd_tensorfile f;
    const clock_t begin = clock();
    assert_int_equal(kd_tensorfile_parse(&b, "x", NULL, &f, &err), 0);
    for (int i = 0; i < MANY; i++) {
        snprintf(name, sizeof name, "t%d", i);
        const struct kd_tensor *t = kd_tensorfile_find(&f, name);
        assert_true(t && strcmp(t->name, name) == 0);
    }
    assert_null(kd_tensorfile_find(&f, "t"));
    assert_null(kd_tensorfile_find(&f, "u"));
    const double seconds = (double)(clock() - begin) / CLOCKS_PER_SEC;
    if (seconds > 4) fail_msg("%d tensors took %.1f s", MANY, seconds);
    kd_tensorfile_release(&f);
}

#define IN_SCRATCH(test) cmocka_unit_test_setup_teardown(test, scratch_make, scratch_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(python_file_is_read),
        cmocka_unit_test(other_dtypes_are_named),
        cmocka_unit_test(hostile_shapes_and_offsets_are_refused),
        cmocka_unit_test(spans_cover_the_data_exactly),
        cmocka_unit_test(cut_files_tell_expected_and_received),
        cmocka_unit_test(hostile_headers_are_refused),
        cmocka_unit_test(other_formats_are_recognized),
        cmocka_unit_test(limits_are_kept),
        IN_SCRATCH(what_is_written_is_read),
        IN_SCRATCH(order_of_making_does_not_matter),
        IN_SCRATCH(damage_is_noticed),
        cmocka_unit_test(impossible_tensors_are_not_added),
        IN_SCRATCH(failing_write_leaves_the_old_file),
        cmocka_unit_test(every_half_survives_the_way_through_float),
        cmocka_unit_test(floats_round_to_the_nearest_even_half),
        cmocka_unit_test(tensors_become_floats),
        cmocka_unit_test(many_tensors_are_found_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
