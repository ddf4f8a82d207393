/* Decoding and resizing against what Pillow makes of the same files
 * (test/fixtures/make_pictures.py).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kd/base/file.h"
#include "kd/base/tensorfile.h"
#include "kd/data/resize.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FOLDER "test/fixtures/pictures/"
static struct kd_err err;

static void read_picture(const char *name, struct kd_picture *out)
{
    char path[256];
    struct kd_bytes bytes;
    snprintf(path, sizeof path, FOLDER "%s", name);
    if (kd_file_read(path, 1 << 24, &bytes, &err) < 0 ||
        kd_picture_decode(bytes.data, bytes.size, path, 1 << 24, out, &err) < 0)
        fail_msg("%s", err.text);
    kd_bytes_release(&bytes);
}

/* The largest difference from Pillow's array of that name. */
static int difference(const struct kd_picture *p, const char *name)
{
    char path[256];
    struct kd_tensorfile f;
    snprintf(path, sizeof path, FOLDER "%s.npy", name);
    if (kd_npy_read(path, NULL, &f, &err) < 0) fail_msg("%s", err.text);
    const struct kd_tensor *t = &f.tensors[0];
    assert_int_equal(t->shape[0], p->h);
    assert_int_equal(t->shape[1], p->w);
    assert_int_equal(t->dims == 3 ? t->shape[2] : 1, p->c);
    int most = 0;
    for (size_t i = 0; i < t->count; i++) {
        const int d = abs(((const uint8_t *)t->data)[i] - p->pixels[i]);
        if (d > most) most = d;
    }
    kd_tensorfile_release(&f);
    return most;
}

static void jpeg_of_every_kind(void **state)
{
    static const char *const names[] = {"rgb",      "gray",     "progressive", "cmyk",
                                        "turned-1", "turned-2", "turned-3",    "turned-4",
                                        "turned-5", "turned-6", "turned-7",    "turned-8"};
    (void)state;
#ifndef KD_HAVE_LIBTURBOJPEG
    skip();
#endif
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct kd_picture p;
        char file[64];
        snprintf(file, sizeof file, "%s.jpg", names[i]);
        read_picture(file, &p);
        const int most = difference(&p, names[i]);
        if (most > 2) fail_msg("%s: differs by %d", names[i], most);
        kd_picture_release(&p);
    }
}

static void a_header_tells_the_shape(void **state)
{
    struct kd_bytes bytes;
    struct kd_picture p;
    (void)state;
    assert_int_equal(kd_file_read(FOLDER "turned-6.jpg", 1 << 24, &bytes, &err), 0);
    assert_int_equal(kd_picture_shape(bytes.data, bytes.size, "x", &p, &err), 0);
    assert_int_equal(p.h, 61); /* turned by a quarter */
    assert_int_equal(p.w, 40);
    assert_int_equal(p.c, 3);
    for (size_t n = 3; n < 200; n++) { /* cut short: done, or more is needed */
        char *cut = malloc(n);
        assert_non_null(cut);
        memcpy(cut, bytes.data, n);
        assert_true(kd_picture_shape(cut, n, "x", &p, &err) >= 0);
        free(cut);
    }
    kd_bytes_release(&bytes);
}

static void a_jpeg_cut_short_is_broken(void **state)
{
    struct kd_bytes bytes;
    struct kd_picture p;
    (void)state;
#ifndef KD_HAVE_LIBTURBOJPEG
    skip();
#endif
    assert_int_equal(kd_file_read(FOLDER "rgb.jpg", 1 << 24, &bytes, &err), 0);
    for (size_t n = 3; n + 2 < bytes.size; n += 37) {
        assert_int_equal(kd_picture_decode(bytes.data, n, "x.jpg", 1 << 24, &p, &err), -1);
        assert_non_null(strstr(err.text, "x.jpg: broken JPEG file"));
    }
    assert_int_equal(kd_picture_decode(bytes.data, bytes.size, "x.jpg", 100, &p, &err), -1);
    assert_non_null(strstr(err.text, "limit of 100 bytes"));
    kd_bytes_release(&bytes);
}

static void resizing_is_pillows_within_2(void **state)
{
    static const uint32_t sizes[][2] = {{32, 32}, {48, 64},   {90, 120},
                                        {11, 17}, {100, 140}, {30, 119}};
    static const char *const filters[] = {"bilinear", "lanczos"};
    static const struct {
        int fit;
        const char *name;
    } fits[] = {{KD_FIT_STRETCH, "stretch"}, {KD_FIT_COVER, "cover"}};
    struct kd_picture scene, p;
    (void)state;
    read_picture("scene.png", &scene);
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
        for (int f = 0; f < 2; f++)
            for (int t = 0; t < 2; t++) {
                char name[64];
                const struct kd_resize how = {
                    .h = sizes[s][0], .w = sizes[s][1], .filter = f, .fit = fits[t].fit};
                snprintf(name, sizeof name, "%ux%u-%s-%s", how.h, how.w, filters[f], fits[t].name);
                if (kd_picture_resize(&scene, &how, &p, &err) < 0) fail_msg("%s", err.text);
                const int most = difference(&p, name);
                if (most > 2) fail_msg("%s: differs by %d", name, most);
                kd_picture_release(&p);
            }
    kd_picture_release(&scene);
}

static void contain_fills_up_with_the_background(void **state)
{
    const struct kd_resize how = {.h = 20, .w = 20, .fit = KD_FIT_CONTAIN, .background = {9, 8, 7}};
    struct kd_picture scene, p;
    (void)state;
    read_picture("scene.png", &scene);
    assert_int_equal(kd_picture_resize(&scene, &how, &p, &err), 0);
    assert_memory_equal(p.pixels, ((uint8_t[]){9, 8, 7}), 3);                  /* above */
    assert_memory_equal(p.pixels + 19 * 20 * 3, ((uint8_t[]){9, 8, 7}), 3);    /* below */
    assert_memory_not_equal(p.pixels + 3 * 20 * 3, ((uint8_t[]){9, 8, 7}), 3); /* 15 rows of it */
    kd_picture_release(&p);
    kd_picture_release(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(jpeg_of_every_kind),
        cmocka_unit_test(a_header_tells_the_shape),
        cmocka_unit_test(a_jpeg_cut_short_is_broken),
        cmocka_unit_test(resizing_is_pillows_within_2),
        cmocka_unit_test(contain_fills_up_with_the_background),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
