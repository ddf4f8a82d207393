#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "image_sets.h"
#include <zlib.h>

static void put_gz(const char *path, const void *data, size_t size, size_t cut)
{
    char packed[4096];
    z_stream z = {0};
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (Bytef *)(uintptr_t)data;
    z.avail_in = (uInt)size;
    z.next_out = (Bytef *)packed;
    z.avail_out = sizeof packed;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    deflateEnd(&z);
    put_file(path, packed, z.total_out - cut);
}

/* ---- grammar ---- */

static void test_grammar(void **state)
{
    static const struct {
        const char *spec, *source, *split;
    } good[] = {{"mnist", "mnist", NULL},
                {"mnist:test", "mnist", "test"},
                {"digits:validation", "digits", "validation"},
                {"png:a/b", "png:a/b", NULL},
                {"png:a:b:train", "png:a:b", "train"},
                {"png:test", "png:test", NULL},
                {"tensors:x.npy,y.npy:test", "tensors:x.npy,y.npy", "test"}};
    static const char *const bad[] = {"",     "mnits",     "mnist:tset",   "mnist:", "png",
                                      "png:", "png::test", "mnist:a:test", ":test"};
    char *source, *split;
    (void)state;
    for (unsigned i = 0; i < sizeof good / sizeof *good; i++) {
        assert_int_equal(kd_spec_parse(good[i].spec, &source, &split, &err), 0);
        assert_string_equal(source, good[i].source);
        if (good[i].split)
            assert_string_equal(split, good[i].split);
        else
            assert_null(split);
        kd_free(source);
        kd_free(split);
    }
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(kd_spec_parse(bad[i], &source, &split, &err), -1);
        assert_int_equal(err.kind, KD_ERR_USAGE);
        assert_null(source);
        assert_null(split);
    }
    refused("mnits", "did you mean 'mnist'", NULL);
    refused("mnist:tset", "did you mean 'test'", NULL);
    refused("digits:validation", "carved", NULL);
}

static void test_not_found(void **state)
{
    (void)state;
    setenv("KD_DATA", in("nowhere"), 1);
    refused("mnist", "nowhere/mnist", "scripts/get_data.sh mnist", NULL);
    refused("cifar10", "nowhere/cifar10", "nowhere/cifar-10-batches-bin", NULL);
    if (kd_folders_make(in("nowhere/mnist"), &err) < 0) fail_msg("%s", err.text);
    refused("mnist", "nowhere/mnist/train-images-idx3-ubyte", "scripts/get_data.sh mnist", NULL);
    unsetenv("KD_DATA");
    refused(spec("idx", "nowhere"), "nowhere/train-images", "not found", NULL);
    refused(spec("png", "nothing"), "nothing", "not found", NULL);
    refused(spec("tensors", "nowhere.safetensors"), "nowhere.safetensors", NULL);
}

/* ---- IDX ---- */

static void test_idx(void **state)
{
    (void)state;
    idx_set("idx");
    load(spec("idx", "idx"));
    assert_int_equal(images.n, N);
    assert_int_equal(images.c, 1);
    assert_int_equal(images.h, H);
    assert_int_equal(images.w, W);
    assert_int_equal(images.classes, 3);
    assert_int_equal(images.labels[4], 2);
    for (unsigned i = 0; i < N * H * W; i++)
        assert_int_equal(((uint8_t *)images.pixels)[i], pixel(i));
    /* the definition, spelled out */
    unsigned char b[16 + 2 + N * H * W] = {N, 0, 0, 0, 1, 0, 0, 0,   H,
                                           0, 0, 0, W, 0, 0, 0, 'U', '8'};
    char expected[KD_FINGERPRINT];
    for (unsigned i = 0; i < N * H * W; i++) b[18 + i] = pixel(i);
    kd_fingerprint(b, sizeof b, expected);
    assert_string_equal(images.pixels_fingerprint, expected);
    kd_fingerprint(images.labels, sizeof *images.labels * N, expected);
    assert_string_equal(images.labels_fingerprint, expected);
    kd_images_release(&images);
}

static void test_idx_gz(void **state)
{
    char plain[KD_FINGERPRINT];
    unsigned char b[128];
    (void)state;
    idx_set("gz");
    load(spec("idx", "gz"));
    memcpy(plain, images.pixels_fingerprint, sizeof plain);
    kd_images_release(&images);
    remove(in("gz/train-images-idx3-ubyte"));
    const size_t n = idx_images(b);
    put_gz(in("gz/train-images-idx3-ubyte.gz"), b, n, 0);
    load(spec("idx", "gz"));
    assert_string_equal(images.pixels_fingerprint, plain);
    kd_images_release(&images);
    put_gz(in("gz/train-images-idx3-ubyte.gz"), b, n, 30);
    refused(spec("idx", "gz"), "train-images-idx3-ubyte.gz", "truncated", NULL);
    put_gz(in("gz/train-images-idx3-ubyte.gz"), b, n, 3); /* the check sum alone */
    refused(spec("idx", "gz"), "truncated", "check sum", NULL);
    put_gz(in("gz/train-images-idx3-ubyte.gz"), b, n - 5, 0);
    refused(spec("idx", "gz"), "truncated", "52 bytes expected", "47 found", NULL);
    put_gz(in("gz/train-images-idx3-ubyte.gz"), b, n + 5, 0);
    refused(spec("idx", "gz"), "trailing", NULL);
    struct kd_bytes gz = {0};
    put_gz(in("gz/train-images-idx3-ubyte.gz"), b, n, 0);
    assert_int_equal(kd_file_read(in("gz/train-images-idx3-ubyte.gz"), 4096, &gz, &err), 0);
    gz.data[14] ^= 0x55;
    put_file(in("gz/train-images-idx3-ubyte.gz"), gz.data, gz.size);
    refused(spec("idx", "gz"), "train-images-idx3-ubyte.gz", NULL);
    kd_bytes_release(&gz);
}

static void test_idx_hostile(void **state)
{
    static const struct {
        unsigned at;
        unsigned char value;
        const char *word;
    } spoil[] = {{0, 1, "magic"},       {2, 0x0a, "type"},
                 {3, 9, "magic"},       {3, 2, "trailing"},
                 {3, 1, "trailing"},    {4, 0x7f, "truncated"},
                 {7, 0, "size 0"},      {7, N + 1, "58 bytes expected"},
                 {7, N - 1, "trailing"}};
    unsigned char b[128];
    const size_t n = idx_images(b);
    (void)state;
    idx_set("bad");
    for (unsigned i = 0; i < sizeof spoil / sizeof *spoil; i++) {
        const unsigned char good = b[spoil[i].at];
        b[spoil[i].at] = spoil[i].value;
        put_file(in("bad/train-images-idx3-ubyte"), b, n);
        refused(spec("idx", "bad"), "bad/train-images-idx3-ubyte", spoil[i].word, NULL);
        b[spoil[i].at] = good;
    }
    /* sizes whose product wraps around */
    memset(b + 4, 0xff, 12);
    put_file(in("bad/train-images-idx3-ubyte"), b, n);
    refused(spec("idx", "bad"), "overflow", NULL);
    put_file(in("bad/train-images-idx3-ubyte"), b, 7);
    refused(spec("idx", "bad"), "truncated", NULL);
    put_file(in("bad/train-images-idx3-ubyte"), b, 0);
    refused(spec("idx", "bad"), "truncated", NULL);
    remove(in("bad/train-images-idx3-ubyte"));
    refused(spec("idx", "bad"), "train-images-idx3-ubyte", "not found", NULL);
}

static void test_idx_limit(void **state)
{
    const struct kd_images_options options = {.byte_limit = 35};
    (void)state;
    idx_set("limit");
    assert_int_equal(kd_images_load(spec("idx", "limit"), &options, &images, &err), -1);
    assert_non_null(strstr(err.text, "limit is 35"));
}

static void test_idx_labels(void **state)
{
    unsigned char b[128];
    (void)state;
    idx_set("labels");
    size_t n = idx_labels(b);
    b[7] = N - 1;
    put_file(in("labels/train-labels-idx1-ubyte"), b, n - 1);
    refused(spec("idx", "labels"), "train-labels-idx1-ubyte", "5 labels for 6 images", NULL);
    /* both splits have the classes of the larger */
    n = idx_labels(b);
    b[n - 1] = 7;
    put_file(in("labels/train-labels-idx1-ubyte"), b, n);
    load(spec("idx", "labels:test"));
    assert_int_equal(images.classes, 8);
    kd_images_release(&images);
    /* a published source has the classes it was published with */
    b[n - 1] = 10;
    put_file(in("mnist/train-labels-idx1-ubyte"), b, n);
    n = idx_images(b);
    put_file(in("mnist/train-images-idx3-ubyte"), b, n);
    setenv("KD_DATA", scratch, 1);
    refused("mnist", "label 10 of image 5", "out of range 0 to 9", NULL);
    unsetenv("KD_DATA");
}

/* ---- CIFAR ---- */

static void test_cifar(void **state)
{
    static unsigned char b[2 * 3074];
    (void)state;
    setenv("KD_DATA", scratch, 1);
    for (unsigned f = 1; f <= 5; f++) {
        b[0] = (unsigned char)f;
        b[3073] = 9;
        b[3074] = (unsigned char)(100 + f);
        put_file(in("cifar-10-batches-bin/data_batch_%u.bin", f), b, 2 * 3073);
    }
    load("cifar10");
    assert_int_equal(images.n, 10);
    assert_int_equal(images.c, 3);
    assert_int_equal(images.labels[4], 3);
    assert_int_equal(images.labels[9], 9);
    assert_int_equal(((uint8_t *)images.pixels)[9 * 3072], 105);
    assert_string_equal(images.class_names[3], "cat");
    kd_images_release(&images);
    refused("cifar10:test", "test_batch.bin", "scripts/get_data.sh cifar10", NULL);
    put_file(in("cifar-10-batches-bin/data_batch_4.bin"), b, 2 * 3073 - 1);
    refused("cifar10", "data_batch_4.bin", "truncated", NULL);
    put_file(in("cifar-10-batches-bin/data_batch_4.bin"), b, 0);
    refused("cifar10", "data_batch_4.bin", NULL);
    b[3073] = 10;
    put_file(in("cifar-10-batches-bin/data_batch_4.bin"), b, 2 * 3073);
    refused("cifar10", "data_batch_4.bin", "label 10 at byte 3073", NULL);

    memset(b, 0, sizeof b);
    b[0] = 19;
    b[1] = 99;
    b[3074] = 200; /* the coarse label is not looked at */
    put_file(in("cifar100/train.bin"), b, 2 * 3074);
    load("cifar100");
    assert_int_equal(images.classes, 100);
    assert_int_equal(images.labels[0], 99);
    kd_images_release(&images);
    unsetenv("KD_DATA");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_grammar),     cmocka_unit_test(test_not_found),
        cmocka_unit_test(test_idx),         cmocka_unit_test(test_idx_gz),
        cmocka_unit_test(test_idx_hostile), cmocka_unit_test(test_idx_limit),
        cmocka_unit_test(test_idx_labels),  cmocka_unit_test(test_cifar),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
