/* An image set as IDX files. */
#include "idx.h"
#include "kd/base/file.h"
#include <string.h>

static void put_u32(unsigned char *p, size_t v)
{
    for (unsigned i = 0; i < 4; i++) p[i] = (unsigned char)(v >> (24 - 8 * i) & 255);
}

/* What a second form of the same file would hide: the reader takes the first it finds. */
static int rival_check(const char *folder, const char *split, const char *what, const char *path,
                       struct kd_err *err)
{
    char *found = NULL;
    if (kd_idx_find(folder, split, what, &found, err) < 0) return -1;
    int status = 0;
    if (found && strcmp(found, path) != 0)
        status = kd_fail(err, "%s is there already: remove it or choose another folder", found);
    kd_free(found);
    return status;
}

static int idx_write(const char *folder, const char *split, const char *what, const char *end,
                     const struct kd_tensor *t, struct kd_err *err)
{
    unsigned char head[4 + 4 * KD_IDX_DIMS] = {0, 0, KD_IDX_U8, (unsigned char)t->dims};
    struct kd_outfile f;
    char *path = kd_format(err, "%s/%s-%s%s", folder, strcmp(split, "test") == 0 ? "t10k" : "train",
                           what, end);
    if (!path) return -1;
    int status = rival_check(folder, split, what, path, err);
    if (status == 0) status = kd_outfile_open(&f, path, err);
    if (status == 0) {
        for (unsigned d = 0; d < t->dims; d++) put_u32(head + 4 + 4 * d, t->shape[d]);
        status = kd_outfile_write(&f, head, 4 + 4 * t->dims, err);
        if (status == 0) status = kd_outfile_write(&f, t->data, t->count, err);
        if (status == 0) status = kd_outfile_commit(&f, err);
        kd_outfile_discard(&f);
    }
    kd_free(path);
    return status;
}

int kd_images_write_idx(const struct kd_images *images, const char *folder, struct kd_err *err)
{
    if (images->dtype != KD_U8)
        return kd_fail_usage(err, "IDX holds bytes, %s has %s pixels: write tensors instead",
                             images->source, kd_dtype_name(images->dtype));
    if (!images->labels)
        return kd_fail_usage(err, "IDX needs labels, %s has none: write tensors instead",
                             images->source);
    unsigned char *labels = kd_alloc(images->n, 1, "labels", err);
    if (!labels) return -1;
    int status = 0;
    for (uint32_t i = 0; i < images->n && status == 0; i++) {
        if (images->labels[i] < 0 || images->labels[i] > 255)
            status = kd_fail_usage(err,
                                   "IDX holds labels 0 to 255, sample %u of %s has %d: write "
                                   "tensors instead",
                                   i, images->source, images->labels[i]);
        labels[i] = (unsigned char)images->labels[i];
    }
    const bool gray = images->c == 1;
    const size_t size = (size_t)images->n * images->c * images->h * images->w;
    struct kd_tensor t = {
        .dtype = KD_U8, .dims = gray ? 3 : 4, .count = size, .data = images->pixels};
    t.shape[0] = images->n;
    t.shape[1] = images->c; /* overwritten where gray */
    t.shape[t.dims - 2] = images->h;
    t.shape[t.dims - 1] = images->w;
    struct kd_tensor l = {.dtype = KD_U8, .dims = 1, .count = images->n, .data = labels};
    l.shape[0] = images->n;
    if (status == 0)
        status = idx_write(folder, images->split, "images", gray ? "-idx3-ubyte" : "-idx4-ubyte",
                           &t, err);
    if (status == 0) status = idx_write(folder, images->split, "labels", "-idx1-ubyte", &l, err);
    kd_free(labels);
    return status;
}
