/* CIFAR binary files: records of one or two label bytes and 3x32x32 pixels, planes R, G, B. */
#include "formats.h"
#include "kd/base/file.h"
#include <string.h>

enum { PIXELS = 3 * 32 * 32, MAX_FILES = 5 };

struct layout {
    const char *train[MAX_FILES + 1], *test[MAX_FILES + 1];
    size_t skip; /* label bytes before the one that is used */
};
static const struct layout cifar10 = {{"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin",
                                       "data_batch_4.bin", "data_batch_5.bin", NULL},
                                      {"test_batch.bin", NULL}, 0};
/* the coarse label comes first, the fine one is the class */
static const struct layout cifar100 = {{"train.bin", NULL}, {"test.bin", NULL}, 1};

int kd_cifar_parse(const void *bytes, size_t size, const char *name, size_t skip, uint32_t classes,
                   uint8_t *pixels, int32_t *labels, struct kd_err *err)
{
    const size_t record = skip + 1 + PIXELS;
    const unsigned char *from = bytes;
    if (size == 0 || size % record != 0)
        return kd_fail(err, "%s: %zu bytes is no whole number of records of %zu bytes; the file is "
                            "truncated or no CIFAR binary file", name, size, record);
    for (size_t i = 0; i < size / record; i++, from += record) {
        labels[i] = from[skip];
        if ((uint32_t)labels[i] >= classes)
            return kd_fail(err, "%s: label %d at byte %zu is out of range 0 to %u", name, labels[i],
                           i * record + skip, classes - 1);
        memcpy(pixels + i * PIXELS, from + skip + 1, PIXELS);
    }
    return 0;
}

static int files_read(const struct kd_load *load, const char *const *names, struct kd_bytes *files,
                      char **paths, struct kd_err *err)
{
    size_t total = 0;
    for (unsigned f = 0; names[f]; f++) {
        paths[f] = kd_path_join(err, load->place, names[f]);
        if (!paths[f]) return -1;
        if (kd_file_read(paths[f], KD_READ_LIMIT, &files[f], err) < 0) return -1;
        total += files[f].size;
        if (total > load->limit)
            return kd_fail(err, "%s: more than the limit of %zu bytes", paths[f], load->limit);
    }
    return 0;
}

static int cifar_load(const struct layout *layout, const struct kd_load *load,
                      struct kd_images *out, struct kd_err *err)
{
    const char *const *names = strcmp(load->split, "test") == 0 ? layout->test : layout->train;
    struct kd_bytes files[MAX_FILES] = {{0}};
    char *paths[MAX_FILES] = {NULL};
    const size_t record = layout->skip + 1 + PIXELS;
    size_t n = 0, at = 0;
    int status = files_read(load, names, files, paths, err);
    if (status < 0) goto done;
    status = -1;
    for (unsigned f = 0; names[f]; f++) n += files[f].size / record;
    out->n = (uint32_t)n;
    out->c = 3;
    out->h = out->w = 32;
    out->dtype = KD_U8;
    out->classes = load->classes;
    if (kd_pixels_alloc(out, load->place, load->limit, err) < 0) goto done;
    out->labels = kd_alloc(n, sizeof *out->labels, "labels", err);
    if (!out->labels) goto done;
    for (unsigned f = 0; names[f]; f++) {
        if (kd_cifar_parse(files[f].data, files[f].size, paths[f], layout->skip, out->classes,
                           (uint8_t *)out->pixels + at * PIXELS, out->labels + at, err) < 0)
            goto done;
        at += files[f].size / record;
    }
    status = 0;
done:
    for (unsigned f = 0; f < MAX_FILES; f++) {
        kd_bytes_release(&files[f]);
        kd_free(paths[f]);
    }
    return status;
}

int kd_cifar10_load(const struct kd_load *load, struct kd_images *out, struct kd_err *err)
{
    return cifar_load(&cifar10, load, out, err);
}

int kd_cifar100_load(const struct kd_load *load, struct kd_images *out, struct kd_err *err)
{
    return cifar_load(&cifar100, load, out, err);
}
