/* What the tests of image sets share: loading that must succeed or fail, and a small IDX set.
 * Include after cmocka.h. */
#ifndef KD_TEST_IMAGE_SETS_H
#define KD_TEST_IMAGE_SETS_H
#include "folder.h"
#include "kd/data/images.h"
#include <string.h>

static struct kd_err err;
static struct kd_images images;

static inline void load(const char *spec)
{
    err.text[0] = '\0';
    if (kd_images_load(spec, NULL, &images, &err) < 0) fail_msg("%s: %s", spec, err.text);
}

/* Loading fails, and the message has every one of the words (the last NULL). */
static inline void refused(const char *spec, ...)
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

static inline unsigned char pixel(unsigned i)
{
    return (unsigned char)(i * 37 + 5);
}

static inline size_t idx_images(unsigned char *out)
{
    const unsigned char head[16] = {0, 0, 8, 3, 0, 0, 0, N, 0, 0, 0, H, 0, 0, 0, W};
    memcpy(out, head, 16);
    for (unsigned i = 0; i < N * H * W; i++) out[16 + i] = pixel(i);
    return 16 + N * H * W;
}

static inline size_t idx_labels(unsigned char *out)
{
    const unsigned char labels[8 + N] = {0, 0, 8, 1, 0, 0, 0, N, 0, 0, 1, 1, 2, 2};
    memcpy(out, labels, sizeof labels);
    return sizeof labels;
}

/* A good set in folder `name`; tests then spoil one file. */
static inline void idx_set(const char *name)
{
    unsigned char b[128];
    size_t n = idx_images(b);
    put_file(in("%s/train-images-idx3-ubyte", name), b, n);
    put_file(in("%s/t10k-images-idx3-ubyte", name), b, n);
    n = idx_labels(b);
    put_file(in("%s/train-labels-idx1-ubyte", name), b, n);
    put_file(in("%s/t10k-labels-idx1-ubyte", name), b, n);
}

static inline const char *spec(const char *kind, const char *name)
{
    static char text[600];
    snprintf(text, sizeof text, "%s:%s", kind, in("%s", name));
    return text;
}

#endif
