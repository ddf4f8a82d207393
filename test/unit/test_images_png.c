#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "image_sets.h"
#include "kd/data/picture.h"
#include <png.h>

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
    png_set_IHDR(png, info, w, h, depth, type,
                 interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE,
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
        {16,
         PNG_COLOR_TYPE_RGB,
         {0, 255, 0, 1, 2, 2, 255, 255, 0, 0, 1, 1},
         6,
         3,
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
    refused(spec("png", "bad-png"), "bad-png", "no images", NULL);
    gray_png(in("bad-png/a/1.png"), 1);
    load(spec("png", "bad-png")); /* b is empty: no class */
    assert_int_equal(images.classes, 1);
    kd_images_release(&images);
    put_png(in("bad-png/b/2.png"), 2, 2, 8, PNG_COLOR_TYPE_GRAY, rows, 2, false);
    refused(spec("png", "bad-png"), "b/2.png", "2x2", "1x2", "one size", "--size", NULL);
    put_png(in("bad-png/b/2.png"), 1, 3, 8, PNG_COLOR_TYPE_GRAY, rows, 1, false);
    refused(spec("png", "bad-png"), "b/2.png", "1x3", NULL);
    put_png(in("bad-png/b/2.png"), 1, 2, 8, PNG_COLOR_TYPE_RGB, rows, 3, false);
    load(spec("png", "bad-png")); /* gray among colour becomes colour */
    assert_int_equal(images.c, 3);
    assert_memory_equal(images.pixels, (const uint8_t *)images.pixels + 2, 2); /* red and green */
    kd_images_release(&images);
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
    refused(spec("png", "bad-png"), "b/2.png", "JPEG", NULL);
    gray_png(in("bad-png/b/2.png"), 9);
    put_file(in("bad-png/b/3.jpg"), "x", 1);
    refused(spec("png", "bad-png"), "b/3.jpg", "not a PNG or JPEG file", NULL);
    put_file(in("bad-png/b/3.txt"), "x", 1); /* no picture, and not named as one */
    remove(in("bad-png/b/3.jpg"));
    load(spec("png", "bad-png"));
    assert_int_equal(images.n, 2);
    kd_images_release(&images);
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
    for (unsigned i = 0; i < 300; i++) assert_int_equal(((uint8_t *)images.pixels)[2 * i], i % 251);
    kd_images_release(&images);
    put_file(in("many/a/041.png"), "x", 1);
    put_file(in("many/a/270.png"), "x", 1);
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(kd_images_load(spec("png", "many"), &options, &images, &err), -1);
        assert_non_null(strstr(err.text, "041.png"));
    }
    kd_pool_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_png_order), cmocka_unit_test(test_png_splits),
        cmocka_unit_test(test_png_kinds), cmocka_unit_test(test_png_hostile),
        cmocka_unit_test(test_png_limit), cmocka_unit_test(test_png_threads),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
