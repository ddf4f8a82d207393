/* CIFAR binary files: records of one or two label bytes and 3x32x32 pixels, planes R, G, B. */
#include "kd/base/file.h"
#include "sources.h"
#include <string.h>
#include <sys/stat.h>

enum { PIXELS = 3 * 32 * 32, MAX_FILES = 5 };

struct layout {
    const char *train[MAX_FILES + 1], *test[MAX_FILES + 1];
    size_t skip; /* label bytes before the one that is used */
};
static const struct layout cifar10 = {{"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin",
                                       "data_batch_4.bin", "data_batch_5.bin", NULL},
                                      {"test_batch.bin", NULL},
                                      0};
/* the coarse label comes first, the fine one is the class */
static const struct layout cifar100 = {{"train.bin", NULL}, {"test.bin", NULL}, 1};

int kd_cifar_parse(const struct kd_bytes *file, const char *name, size_t skip,
                   struct kd_images *out, size_t at, struct kd_err *err)
{
    const size_t record = skip + 1 + PIXELS;
    uint8_t *pixels = (uint8_t *)out->pixels + at * PIXELS;
    int32_t *labels = out->labels + at;
    const char *from = file->data;
    if (file->size == 0 || file->size % record != 0)
        return kd_fail(err,
                       "%s: %zu bytes is no whole number of records of %zu bytes; the file is "
                       "truncated or no CIFAR binary file",
                       name, file->size, record);
    for (size_t i = 0; i < file->size / record; i++, from += record) {
        labels[i] = (unsigned char)from[skip];
        if ((uint32_t)labels[i] >= out->classes)
            return kd_fail(err, "%s: label %d at byte %zu is out of range 0 to %u", name, labels[i],
                           i * record + skip, out->classes - 1);
        memcpy(pixels + i * PIXELS, from + skip + 1, PIXELS);
    }
    return 0;
}

/* Records in all files together, by their sizes; paths[f] is allocated. */
static int records_count(const struct kd_load *load, const char *const *names, size_t record,
                         char **paths, size_t *n, struct kd_err *err)
{
    struct stat st;
    *n = 0;
    for (unsigned f = 0; names[f]; f++) {
        paths[f] = kd_path_join(err, load->place, names[f]);
        if (!paths[f]) return -1;
        if (stat(paths[f], &st) != 0)
            return kd_fail_errno(err, "%s: fetch it with `scripts/get_data.sh %s`", paths[f],
                                 load->name);
        *n += (size_t)st.st_size / record;
        if (*n > load->limit / PIXELS)
            return kd_fail(err, "%s: more than the limit of %zu bytes%s", paths[f], load->limit,
                           kd_read_limit_remedy(load->limit));
    }
    return 0;
}

/* One file at a time, so that little more than the pixels is in memory. */
static int files_read(const struct layout *layout, const struct kd_load *load, char *const *paths,
                      struct kd_images *out, struct kd_err *err)
{
    const size_t record = layout->skip + 1 + PIXELS;
    struct kd_bytes file = {0};
    int status = 0;
    size_t at = 0;
    for (unsigned f = 0; f < MAX_FILES && paths[f] && status == 0; f++) {
        const size_t left = (out->n - at) * record;
        status = kd_file_read(paths[f], left + record, &file, err);
        if (status == 0 && file.size / record * record > left)
            status = kd_fail(err, "%s: the file has grown while it was read", paths[f]);
        if (status == 0) status = kd_cifar_parse(&file, paths[f], layout->skip, out, at, err);
        at += file.size / record;
        kd_bytes_release(&file);
        kd_progress_tick(load->progress, at, out->n, "images", load->place);
    }
    if (status == 0 && at != out->n)
        return kd_fail(err, "%s: the files have shrunk while they were read", load->place);
    return status;
}

static int cifar_load(const struct layout *layout, const struct kd_load *load,
                      struct kd_images *out, struct kd_err *err)
{
    const char *const *names = strcmp(load->split, "test") == 0 ? layout->test : layout->train;
    char *paths[MAX_FILES] = {NULL};
    size_t n;
    int status = records_count(load, names, layout->skip + 1 + PIXELS, paths, &n, err);
    if (status < 0) goto done;
    status = -1;
    if (n == 0) {
        kd_fail(err, "%s: not one whole record; the file is truncated or no CIFAR binary file",
                paths[0]);
        goto done;
    }
    out->n = (uint32_t)n;
    out->c = 3;
    out->h = out->w = 32;
    out->dtype = KD_U8;
    out->classes = load->classes;
    if (kd_pixels_alloc(out, load->place, load->limit, err) < 0) goto done;
    out->labels = kd_alloc(n, sizeof *out->labels, "labels", err);
    if (out->labels) status = files_read(layout, load, paths, out, err);
done:
    for (unsigned f = 0; f < MAX_FILES; f++) kd_free(paths[f]);
    return status;
}

static int cifar10_load(const struct kd_load *load, struct kd_images *out, struct kd_err *err)
{
    return cifar_load(&cifar10, load, out, err);
}

static int cifar100_load(const struct kd_load *load, struct kd_images *out, struct kd_err *err)
{
    return cifar_load(&cifar100, load, out, err);
}

static const char *const cifar10_classes[] = {"airplane", "automobile", "bird",  "cat",  "deer",
                                              "dog",      "frog",       "horse", "ship", "truck"};

const struct kd_source_kind kd_source_cifar10 = {.name = "cifar10",
                                                 .folders = {"cifar10", "cifar-10-batches-bin"},
                                                 .classes = 10,
                                                 .class_names = cifar10_classes,
                                                 .load = cifar10_load};
const struct kd_source_kind kd_source_cifar100 = {.name = "cifar100",
                                                  .folders = {"cifar100", "cifar-100-binary"},
                                                  .classes = 100,
                                                  .load = cifar100_load};
