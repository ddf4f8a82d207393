#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../../lib/data/formats.h"
#include "kd/data/images.h"
#include "kd/data/picture.h"
#include "folder.h"
#include <png.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>

/* ---- helpers ---- */

static struct kd_err err;
static struct kd_images images;

static void load(const char *spec)
{
    err.text[0] = '\0';
    if (kd_images_load(spec, NULL, &images, &err) < 0) fail_msg("%s: %s", spec, err.text);
}

/* Loading fails, and the message has every one of the words (the last NULL). */
static void refused(const char *spec, ...)
{
    va_list list;
    err.text[0] = '\0';
    if (kd_images_load(spec, NULL, &images, &err) == 0) fail_msg("%s was accepted", spec);
    assert_null(images.pixels);
    va_start(list, spec);
    for (const char *word = va_arg(list, const char *); word; word = va_arg(list, const char *))
        if (!strstr(err.text, word)) fail_msg("'%s' does not say '%s'", err.text, word);
    va_end(list);
    assert_null(strchr(err.text, '\n'));
}

enum { N = 6, H = 3, W = 2 };

static unsigned char pixel(unsigned i)
{
    return (unsigned char)(i * 37 + 5);
}

static size_t idx_images(unsigned char *out)
{
    const unsigned char head[16] = {0, 0, 8, 3, 0, 0, 0, N, 0, 0, 0, H, 0, 0, 0, W};
    memcpy(out, head, 16);
    for (unsigned i = 0; i < N * H * W; i++) out[16 + i] = pixel(i);
    return 16 + N * H * W;
}

static size_t idx_labels(unsigned char *out)
{
    const unsigned char labels[8 + N] = {0, 0, 8, 1, 0, 0, 0, N, 0, 0, 1, 1, 2, 2};
    memcpy(out, labels, sizeof labels);
    return sizeof labels;
}

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

/* A good set in folder `name`; tests then spoil one file. */
static void idx_set(const char *name)
{
    unsigned char b[128];
    size_t n = idx_images(b);
    put_file(in("%s/train-images-idx3-ubyte", name), b, n);
    put_file(in("%s/t10k-images-idx3-ubyte", name), b, n);
    n = idx_labels(b);
    put_file(in("%s/train-labels-idx1-ubyte", name), b, n);
    put_file(in("%s/t10k-labels-idx1-ubyte", name), b, n);
}

static const char *spec(const char *kind, const char *name)
{
    static char text[600];
    snprintf(text, sizeof text, "%s:%s", kind, in("%s", name));
    return text;
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
    static const char *const bad[] = {"", "mnits", "mnist:tset", "mnist:", "png", "png:", "png::test",
                                      "mnist:a:test", ":test"};
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
    unsetenv("KD_DATA");
    refused(spec("png", "nowhere"), "nowhere", "not found", NULL);
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
    unsigned char b[16 + 2 + N * H * W] = {N, 0, 0, 0, 1, 0, 0, 0, H, 0, 0, 0, W, 0, 0, 0, 'U', '8'};
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
    } spoil[] = {{0, 1, "magic"}, {2, 0x0d, "type"}, {3, 9, "magic"}, {3, 2, "trailing"},
                 {3, 1, "trailing"}, {4, 0x7f, "truncated"}, {7, 0, "size 0"},
                 {7, N + 1, "58 bytes expected"}, {7, N - 1, "trailing"}};
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
    refused("mnist", "label 10 at byte 13", "out of range 0 to 9", NULL);
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
    refused("cifar10:test", "test_batch.bin", NULL);
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

/* ---- PNG ---- */

/* A PNG file of any kind: depth 1..16, colour type of libpng; rows as libpng wants them. */
static void put_png(const char *path, unsigned w, unsigned h, int depth, int type,
                    const unsigned char *rows, size_t row, bool interlaced)
{
    static const png_color palette[2] = {{1, 2, 3}, {200, 100, 50}};
    static const png_byte alpha[2] = {255, 0};
    struct kd_err e;
    if (kd_folders_make(in("."), &e) < 0) fail_msg("%s", e.text);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop info = png_create_info_struct(png);
    png_init_io(png, f);
    png_set_IHDR(png, info, w, h, depth, type, interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    if (type == PNG_COLOR_TYPE_PALETTE) {
        png_set_PLTE(png, info, palette, 2);
        png_set_tRNS(png, info, alpha, 2, NULL);
    }
    png_bytep lines[64];
    for (unsigned y = 0; y < h; y++) lines[y] = (png_bytep)(uintptr_t)rows + y * row;
    png_set_rows(png, info, lines);
    png_write_png(png, info, PNG_TRANSFORM_IDENTITY, NULL);
    png_destroy_write_struct(&png, &info);
    fclose(f);
}

static void class_folder(const char *path)
{
    if (kd_folders_make(path, &err) < 0) fail_msg("%s", err.text);
}

static void gray_png(const char *path, unsigned char value)
{
    const unsigned char rows[2] = {value, 7};
    put_png(path, 1, 2, 8, PNG_COLOR_TYPE_GRAY, rows, 1, false);
}

static void test_png_order(void **state)
{
    static const uint8_t expected[] = {1, 7, 2, 7, 3, 7, 4, 7};
    (void)state;
    /* bytewise: capitals before small letters, "10" before "2" */
    class_folder(in("order/a"));
    class_folder(in("order/Z"));
    class_folder(in("order/.git"));
    gray_png(in("order/a/2.png"), 4);
    gray_png(in("order/a/10.PNG"), 3);
    gray_png(in("order/Z/b.png"), 2);
    gray_png(in("order/Z/B.png"), 1);
    put_file(in("order/README.txt"), "x", 1);
    put_file(in("order/a/.DS_Store"), "x", 1);
    load(spec("png", "order"));
    assert_int_equal(images.n, 4);
    assert_memory_equal(images.pixels, expected, sizeof expected);
    assert_string_equal(images.class_names[0], "Z");
    assert_int_equal(images.labels[1], 0);
    assert_int_equal(images.labels[2], 1);
    assert_string_equal(images.split, "train");
    kd_images_release(&images);
    /* flat: no test split unless the spec says that this is one */
    load(spec("png", "order:test"));
    assert_string_equal(images.split, "test");
    kd_images_release(&images);
    const struct kd_images_options options = {.default_split = "test"};
    assert_int_equal(kd_images_load(spec("png", "order"), &options, &images, &err), -1);
    assert_non_null(strstr(err.text, "no test split"));
}

static void test_png_splits(void **state)
{
    (void)state;
    class_folder(in("split/train/cat"));
    class_folder(in("split/train/dog"));
    class_folder(in("split/test/dog"));
    gray_png(in("split/train/cat/1.png"), 1);
    gray_png(in("split/train/dog/1.png"), 2);
    gray_png(in("split/test/dog/1.png"), 3);
    load(spec("png", "split:test"));
    assert_int_equal(images.n, 1);
    assert_int_equal(images.classes, 2); /* those of train */
    assert_int_equal(images.labels[0], 1);
    kd_images_release(&images);
    class_folder(in("split/test/eel"));
    gray_png(in("split/test/eel/1.png"), 3);
    refused(spec("png", "split:test"), "test/eel", "train split does not have", NULL);
    /* a class may be called train */
    class_folder(in("vehicles/train"));
    class_folder(in("vehicles/bus"));
    gray_png(in("vehicles/train/1.png"), 1);
    gray_png(in("vehicles/bus/1.png"), 2);
    load(spec("png", "vehicles"));
    assert_int_equal(images.classes, 2);
    assert_string_equal(images.class_names[1], "train");
    kd_images_release(&images);
}

/* 1x2 pixels of every kind of PNG and what they become. */
static void test_png_kinds(void **state)
{
    static const struct {
        int depth, type;
        unsigned char rows[16];
        unsigned row, channels;
        unsigned char planes[6]; /* [c][2] */
    } kinds[] = {
        {1, PNG_COLOR_TYPE_GRAY, {0x80, 0}, 1, 1, {255, 0}},
        {2, PNG_COLOR_TYPE_GRAY, {0x40, 0x80}, 1, 1, {85, 170}},
        {4, PNG_COLOR_TYPE_GRAY, {0x10, 0xf0}, 1, 1, {17, 255}},
        {8, PNG_COLOR_TYPE_GRAY, {12, 34}, 1, 1, {12, 34}},
        /* 16 bits are rounded, not cut: 0x00ff/257 = 0.99, 0x7f40/257 = 126.75 */
        {16, PNG_COLOR_TYPE_GRAY, {0, 0xff, 0x7f, 0x40}, 2, 1, {1, 127}},
        {8, PNG_COLOR_TYPE_GRAY_ALPHA, {12, 0, 34, 255}, 2, 1, {12, 34}},
        {8, PNG_COLOR_TYPE_RGB, {1, 2, 3, 4, 5, 6}, 3, 3, {1, 4, 2, 5, 3, 6}},
        {16, PNG_COLOR_TYPE_RGB, {0, 255, 0, 1, 2, 2, 255, 255, 0, 0, 1, 1}, 6, 3,
         {1, 255, 0, 0, 2, 1}},
        {8, PNG_COLOR_TYPE_RGB_ALPHA, {1, 2, 3, 0, 4, 5, 6, 128}, 4, 3, {1, 4, 2, 5, 3, 6}},
        {1, PNG_COLOR_TYPE_PALETTE, {0, 0x80}, 1, 3, {1, 200, 2, 100, 3, 50}},
        {8, PNG_COLOR_TYPE_PALETTE, {1, 0}, 1, 3, {200, 1, 100, 2, 50, 3}},
    };
    (void)state;
    class_folder(in("kind/a"));
    for (unsigned i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        for (unsigned interlaced = 0; interlaced < 2; interlaced++) {
            put_png(in("kind/a/1.png"), 1, 2, kinds[i].depth, kinds[i].type, kinds[i].rows,
                    kinds[i].row, interlaced);
            load(spec("png", "kind"));
            assert_int_equal(images.c, kinds[i].channels);
            assert_memory_equal(images.pixels, kinds[i].planes, 2 * kinds[i].channels);
            kd_images_release(&images);
        }
    }
}

static void test_png_hostile(void **state)
{
    static const unsigned char rows[16] = {0};
    struct kd_bytes b = {0};
    (void)state;
    class_folder(in("bad-png/a"));
    class_folder(in("bad-png/b"));
    refused(spec("png", "bad-png"), "bad-png/a", "holds no images", NULL);
    gray_png(in("bad-png/a/1.png"), 1);
    refused(spec("png", "bad-png"), "bad-png/b", "holds no images", NULL);
    put_png(in("bad-png/b/2.png"), 2, 2, 8, PNG_COLOR_TYPE_GRAY, rows, 2, false);
    refused(spec("png", "bad-png"), "b/2.png", "2x2 gray", "1x2 gray", "one size", NULL);
    put_png(in("bad-png/b/2.png"), 1, 2, 8, PNG_COLOR_TYPE_RGB, rows, 3, false);
    refused(spec("png", "bad-png"), "b/2.png", "1x2 colour", NULL);
    gray_png(in("bad-png/b/2.png"), 9);
    load(spec("png", "bad-png"));
    kd_images_release(&images);
    assert_int_equal(kd_file_read(in("bad-png/b/2.png"), 4096, &b, &err), 0);
    for (size_t cut = 0; cut < b.size; cut++) { /* every truncation, the end mark included */
        put_file(in("bad-png/b/2.png"), b.data, cut);
        refused(spec("png", "bad-png"), "b/2.png", "PNG", NULL);
    }
    b.data[45] ^= 1; /* in the compressed pixels or their check sum */
    put_file(in("bad-png/b/2.png"), b.data, b.size);
    refused(spec("png", "bad-png"), "b/2.png", "broken PNG", NULL);
    put_file(in("bad-png/b/2.png"), "\xff\xd8\xff\xe0JFIF....", 12);
    refused(spec("png", "bad-png"), "b/2.png", "not a PNG file", NULL);
    gray_png(in("bad-png/b/2.png"), 9);
    put_file(in("bad-png/b/3.jpg"), "x", 1);
    refused(spec("png", "bad-png"), "b/3.jpg", "not a PNG file by its name", NULL);
    class_folder(in("empty"));
    refused(spec("png", "empty"), "empty", "no images", NULL);
    refused(spec("png", "bad-png/a/1.png"), "no folder", NULL);
    kd_bytes_release(&b);
}

static void test_png_limit(void **state)
{
    static const unsigned char rows[64 * 64] = {0};
    struct kd_bytes b = {0};
    struct kd_picture p;
    (void)state;
    put_png(in("big.png"), 64, 64, 8, PNG_COLOR_TYPE_GRAY, rows, 64, false);
    assert_int_equal(kd_file_read(in("big.png"), 4096, &b, &err), 0);
    assert_int_equal(kd_picture_decode(b.data, b.size, "big.png", 4095, &p, &err), -1);
    assert_non_null(strstr(err.text, "limit"));
    assert_int_equal(kd_picture_decode(b.data, b.size, "big.png", 4096, &p, &err), 0);
    kd_picture_release(&p);
    kd_bytes_release(&b);
}

/* Many files, several threads, one failure: the first in order is told. */
static void test_png_threads(void **state)
{
    struct kd_pool *pool = kd_pool_new(3, &err);
    const struct kd_images_options options = {.pool = pool};
    (void)state;
    assert_non_null(pool);
    class_folder(in("many/a"));
    for (unsigned i = 0; i < 300; i++) gray_png(in("many/a/%03u.png", i), (unsigned char)(i % 251));
    assert_int_equal(kd_images_load(spec("png", "many"), &options, &images, &err), 0);
    assert_int_equal(images.n, 300);
    for (unsigned i = 0; i < 300; i++)
        assert_int_equal(((uint8_t *)images.pixels)[2 * i], i % 251);
    kd_images_release(&images);
    put_file(in("many/a/041.png"), "x", 1);
    put_file(in("many/a/270.png"), "x", 1);
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(kd_images_load(spec("png", "many"), &options, &images, &err), -1);
        assert_non_null(strstr(err.text, "041.png"));
    }
    kd_pool_free(pool);
}

/* ---- tensors ---- */

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
        kd_tensorfile_add(&f, "images", dtype, dims, shape, data, &err) < 0 ||
        (labels && kd_tensorfile_add(&f, "labels", label_dtype, 1, &n, labels, &err) < 0) ||
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
    put_tensors(in("%s", s), KD_F32, 2, shape, f, KD_F32, 2, f);
    refused(spec("tensors", s), s, "labels are F32", NULL);
    put_tensors(in("%s", s), KD_I64, 1, shape, (const int64_t[2]){0}, KD_U8, 2, bytes);
    refused(spec("tensors", s), s, "images are I64", NULL);
    put_tensors(in("%s", s), KD_F32, 5, five, f, KD_U8, 2, bytes);
    refused(spec("tensors", s), s, "5 dimensions", NULL);
    f[4] = (float)strtod("nan", NULL);
    put_tensors(in("%s", s), KD_F32, 2, shape, f, KD_U8, 2, bytes);
    refused(spec("tensors", s), s, "pixel 1 of image 1", NULL);
    put_file(in("%s", s), "short", 5);
    refused(spec("tensors", s), s, NULL);
    refused(spec("tensors", "a.npy,b.txt"), "IMAGES.npy,LABELS.npy", NULL);
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
    assert_int_equal(kd_images_write_png(&from, in("round-png"), &err), 0);
    same_as(spec("png", "round-png"), p, l);
    assert_int_equal(kd_images_write_tensors(&from, in("r/round.safetensors"), "kd", &err), 0);
    same_as(spec("tensors", "r/round.safetensors"), p, l);
    assert_int_equal(kd_images_write_idx(&from, in("round-idx"), &err), 0);
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
    struct kd_images set = {.n = 2, .c = 3, .h = 2, .w = 2, .classes = 2, .dtype = KD_U8,
                            .pixels = pixels, .labels = labels, .class_names = names};
    (void)state;
    set.source = zero;
    set.split = (char[]){"train"};
    for (unsigned i = 0; i < sizeof pixels; i++) pixels[i] = pixel(i);
    assert_int_equal(kd_images_fingerprint(&set, &err), 0);
    assert_int_equal(kd_images_write_png(&set, in("colour"), &err), 0);
    load(spec("png", "colour"));
    assert_string_equal(images.pixels_fingerprint, set.pixels_fingerprint);
    assert_string_equal(images.class_names[1], "1-a_b_c"); /* names do not sort as numbers do */
    kd_images_release(&images);
    assert_int_equal(kd_images_write_idx(&set, in("colour-idx"), &err), 0);
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
    struct kd_images set = {.n = 2, .c = 1, .h = 1, .w = 2, .classes = 3, .dtype = KD_U8,
                            .pixels = pixels, .labels = labels};
    (void)state;
    set.source = set.split = (char[]){"train"};
    assert_int_equal(kd_images_write_png(&set, in("gap"), &err), -1);
    assert_non_null(strstr(err.text, "class 1"));
    labels[1] = -1;
    assert_int_equal(kd_images_write_idx(&set, in("gap"), &err), -1);
    assert_non_null(strstr(err.text, "sample 1"));
    labels[1] = 1;
    set.classes = 2;
    set.dtype = KD_F32;
    assert_int_equal(kd_images_write_png(&set, in("gap"), &err), -1);
    assert_int_equal(kd_images_write_idx(&set, in("gap"), &err), -1);
    set.dtype = KD_U8;
    assert_false(kd_path_exists(in("gap")));
    assert_int_equal(kd_images_write_png(&set, in("gap"), &err), 0);
    assert_int_equal(kd_images_write_png(&set, in("gap"), &err), -1);
    assert_non_null(strstr(err.text, "is there already"));
    put_file(in("full"), "", 0);
    assert_int_equal(kd_images_write_png(&set, in("full/x"), &err), -1);
    assert_int_equal(kd_images_write_idx(&set, in("full/x"), &err), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_grammar),        cmocka_unit_test(test_not_found),
        cmocka_unit_test(test_idx),            cmocka_unit_test(test_idx_gz),
        cmocka_unit_test(test_idx_hostile),    cmocka_unit_test(test_idx_limit),
        cmocka_unit_test(test_idx_labels),     cmocka_unit_test(test_cifar),
        cmocka_unit_test(test_png_order),      cmocka_unit_test(test_png_splits),
        cmocka_unit_test(test_png_kinds),      cmocka_unit_test(test_png_hostile),
        cmocka_unit_test(test_png_limit),      cmocka_unit_test(test_png_threads),
        cmocka_unit_test(test_tensors),        cmocka_unit_test(test_tensors_hostile),
        cmocka_unit_test(test_round_trip),     cmocka_unit_test(test_round_trip_colour),
        cmocka_unit_test(test_write_refused),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
