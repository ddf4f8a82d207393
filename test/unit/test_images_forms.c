#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "image_sets.h"

/* ---- tensors ---- */

static const struct kd_picture_folder png = {0};
static void put_npy(const char *path, enum kd_dtype dtype, unsigned dims, const size_t *shape,
                    void *data)
{
    struct kd_tensor t = {.dtype = dtype, .dims = dims, .count = 1, .data = data};
    for (unsigned d = 0; d < dims; d++) t.count *= t.shape[d] = shape[d];
    if (kd_npy_write(path, &t, &err) < 0) fail_msg("%s", err.text);
}

static void put_tensors(const char *path, enum kd_dtype dtype, unsigned dims, const size_t *shape,
                        const void *data, enum kd_dtype label_dtype, size_t n, const void *labels)
{
    struct kd_tensorfile f = {0};
    if (kd_tensorfile_init(&f, &err) < 0 ||
        kd_tensorfile_add(&f, "images", (struct kd_array){dtype, dims, shape, data}, &err) < 0 ||
        (labels && kd_tensorfile_add(&f, "labels", (struct kd_array){label_dtype, 1, &n, labels},
                                     &err) < 0) ||
        kd_tensorfile_write(path, &f, &err) < 0)
        fail_msg("%s", err.text);
    kd_tensorfile_release(&f);
}

static void test_tensors(void **state)
{
    static const float f[6] = {0, 0.5f, -1, 2, 1e9f, 3};
    static const int64_t wide[2] = {4, 0};
    static const int32_t labels[2] = {-1, 2};
    static const size_t two[2] = {2, 3}, three[3] = {2, 3, 1}, four[4] = {2, 3, 1, 1};
    (void)state;
    put_tensors(in("t.safetensors"), KD_F32, 2, two, f, KD_I64, 2, wide);
    load(spec("tensors", "t.safetensors"));
    assert_int_equal(images.dtype, KD_F32);
    assert_int_equal(images.c * 100 + images.h * 10 + images.w, 113);
    assert_memory_equal(images.pixels, f, sizeof f);
    assert_int_equal(images.classes, 5);
    assert_int_equal(images.labels[0], 4);
    kd_images_release(&images);
    put_tensors(in("t.safetensors"), KD_F32, 3, three, f, KD_I32, 2, labels);
    load(spec("tensors", "t.safetensors"));
    assert_int_equal(images.c * 100 + images.h * 10 + images.w, 131);
    assert_int_equal(images.labels[0], -1);
    assert_int_equal(images.classes, 3);
    kd_images_release(&images);
    put_tensors(in("t.safetensors"), KD_F32, 4, four, f, 0, 0, NULL);
    load(spec("tensors", "t.safetensors:test"));
    assert_int_equal(images.c * 100 + images.h * 10 + images.w, 311);
    assert_null(images.labels);
    assert_string_equal(images.labels_fingerprint, "");
    kd_images_release(&images);
}

static void test_tensors_hostile(void **state)
{
    float f[6] = {0, 0, 0, 0, 0, 0};
    const int32_t labels[3] = {0, 1, -2};
    const uint8_t bytes[3] = {0, 1, 2};
    const size_t shape[4] = {2, 3, 1, 1}, five[5] = {2, 3, 1, 1, 1};
    const char *s = "t.safetensors";
    (void)state;
    put_tensors(in("%s", s), KD_F32, 2, shape, f, KD_I32, 3, labels);
    refused(spec("tensors", s), s, "3 labels for 2 images", NULL);
    put_tensors(in("%s", s), KD_F32, 2, shape, f, KD_I32, 2, labels + 1);
    refused(spec("tensors", s), s, "label -2 of image 1", NULL);
    const float half[2] = {0, 0.5f};
    put_tensors(in("%s", s), KD_F32, 2, shape, f, KD_F32, 2, half);
    refused(spec("tensors", s), s, "number 1 is 0.5", "not a whole number", NULL);
    put_tensors(in("%s", s), KD_I64, 2, shape, (const int64_t[6]){0, 256}, KD_U8, 2, bytes);
    refused(spec("tensors", s), s, "images are I64", "astype", NULL);
    put_tensors(in("%s", s), KD_F32, 5, five, f, KD_U8, 2, bytes);
    refused(spec("tensors", s), s, "5 dimensions", NULL);
    f[4] = (float)strtod("nan", NULL);
    put_tensors(in("%s", s), KD_F32, 2, shape, f, KD_U8, 2, bytes);
    refused(spec("tensors", s), s, "pixel 1 of image 1", NULL);
    put_file(in("%s", s), "short", 5);
    refused(spec("tensors", s), s, NULL);
    refused(spec("tensors", "a.npy,b.txt"), "a.npy", "no such file", NULL);
}

/* ---- writers: the same images in every form have the same fingerprints ---- */

static void same_as(const char *from, const char *pixels, const char *labels)
{
    load(from);
    assert_string_equal(images.pixels_fingerprint, pixels);
    assert_string_equal(images.labels_fingerprint, labels);
    assert_int_equal(images.classes, 3);
    kd_images_release(&images);
}

static void test_round_trip(void **state)
{
    struct kd_images from;
    (void)state;
    idx_set("round");
    assert_int_equal(kd_images_load(spec("idx", "round"), NULL, &from, &err), 0);
    const char *p = from.pixels_fingerprint, *l = from.labels_fingerprint;
    assert_int_equal(kd_images_write_pictures(&from, in("round-png"), &png, &err), 0);
    same_as(spec("png", "round-png"), p, l);
    assert_int_equal(kd_images_write_tensors(&from, in("r/round.safetensors"), "kd", &err), 0);
    same_as(spec("tensors", "r/round.safetensors"), p, l);
    assert_int_equal(kd_images_write_idx(&from, in("round-idx"), false, &err), 0);
    same_as(spec("idx", "round-idx"), p, l);
    const size_t shape[3] = {N, H, W};
    put_npy(in("x.npy"), KD_U8, 3, shape, from.pixels);
    put_npy(in("y.npy"), KD_I32, 1, shape, from.labels);
    char pair[1200];
    snprintf(pair, sizeof pair, "tensors:%s,%s", in("x.npy"), in("y.npy"));
    same_as(pair, p, l);
    ((uint8_t *)from.pixels)[17] ^= 1;
    char before[KD_FINGERPRINT];
    memcpy(before, p, sizeof before);
    assert_int_equal(kd_images_fingerprint(&from, &err), 0);
    assert_string_not_equal(from.pixels_fingerprint, before);
    kd_images_release(&from);
}

static void test_round_trip_colour(void **state)
{
    static uint8_t pixels[2 * 3 * 2 * 2];
    static int32_t labels[2] = {0, 1};
    static char zero[] = "b", one[] = "a/b c";
    static char *names[2] = {zero, one};
    struct kd_images set = {.n = 2,
                            .c = 3,
                            .h = 2,
                            .w = 2,
                            .classes = 2,
                            .dtype = KD_U8,
                            .pixels = pixels,
                            .labels = labels,
                            .class_names = names};
    (void)state;
    set.source = zero;
    set.split = (char[]){"train"};
    for (unsigned i = 0; i < sizeof pixels; i++) pixels[i] = pixel(i);
    assert_int_equal(kd_images_fingerprint(&set, &err), 0);
    assert_int_equal(kd_images_write_pictures(&set, in("colour"), &png, &err), 0);
    load(spec("png", "colour"));
    assert_string_equal(images.pixels_fingerprint, set.pixels_fingerprint);
    assert_string_equal(images.class_names[1], "1-a_b_c"); /* no name for a folder */
    kd_images_release(&images);
    static char plain[] = "a";
    names[1] = plain; /* would sort before the "b" of class 0 */
    assert_int_equal(kd_images_write_pictures(&set, in("colour2"), &png, &err), 0);
    load(spec("png", "colour2"));
    assert_string_equal(images.pixels_fingerprint, set.pixels_fingerprint);
    assert_string_equal(images.class_names[1], "1-a");
    kd_images_release(&images);
    names[1] = one;
    assert_int_equal(kd_images_write_idx(&set, in("colour-idx"), false, &err), 0);
    load(spec("idx", "colour-idx"));
    assert_string_equal(images.pixels_fingerprint, set.pixels_fingerprint);
    kd_images_release(&images);
    assert_int_equal(kd_images_write_tensors(&set, in("colour.safetensors"), "", &err), 0);
    load(spec("tensors", "colour.safetensors"));
    assert_string_equal(images.pixels_fingerprint, set.pixels_fingerprint);
    assert_string_equal(images.class_names[1], "a/b c");
    cJSON *o = kd_images_identity(&images, &err);
    assert_int_equal(cJSON_GetArraySize(kd_json_get(o, "shape")), 3);
    assert_string_equal(kd_json_get(o, "pixels")->valuestring, set.pixels_fingerprint);
    cJSON_Delete(o);
    kd_images_release(&images);
}

static void test_write_refused(void **state)
{
    static uint8_t pixels[4];
    static int32_t labels[2] = {0, 2};
    struct kd_images set = {.n = 2,
                            .c = 1,
                            .h = 1,
                            .w = 2,
                            .classes = 3,
                            .dtype = KD_U8,
                            .pixels = pixels,
                            .labels = labels};
    (void)state;
    set.source = set.split = (char[]){"train"};
    assert_int_equal(kd_images_write_pictures(&set, in("gap"), &png, &err), -1);
    assert_non_null(strstr(err.text, "class 1"));
    labels[1] = -1;
    assert_int_equal(kd_images_write_idx(&set, in("gap"), false, &err), -1);
    assert_non_null(strstr(err.text, "sample 1"));
    labels[1] = 1;
    set.classes = 2;
    set.dtype = KD_F32;
    assert_int_equal(kd_images_write_pictures(&set, in("gap"), &png, &err), -1);
    assert_int_equal(kd_images_write_idx(&set, in("gap"), false, &err), -1);
    set.dtype = KD_U8;
    assert_false(kd_path_exists(in("gap")));
    assert_int_equal(kd_images_write_pictures(&set, in("gap"), &png, &err), 0);
    assert_int_equal(kd_images_write_pictures(&set, in("gap"), &png, &err), -1);
    assert_non_null(strstr(err.text, "is there already"));
    put_file(in("full"), "", 0);
    assert_int_equal(kd_images_write_pictures(&set, in("full/x"), &png, &err), -1);
    assert_int_equal(kd_images_write_idx(&set, in("full/x"), false, &err), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tensors),       cmocka_unit_test(test_tensors_hostile),
        cmocka_unit_test(test_round_trip),    cmocka_unit_test(test_round_trip_colour),
        cmocka_unit_test(test_write_refused),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
