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

struct idx {                        /* a file to be */
    const char *what, *end, *other; /* "images", "-idx3-ubyte", "its images are others" */
    struct kd_tensor t;
};

/* Does a file that is there have these very bytes? One that cannot be read has not. */
static bool is_the_same(const char *path, const void *head, size_t size, const struct kd_tensor *t)
{
    struct kd_bytes there = {0};
    struct kd_err unreadable;
    const bool same = kd_file_read(path, kd_read_limit(), &there, &unreadable) == 0 &&
                      there.size == size + t->count && memcmp(there.data, head, size) == 0 &&
                      memcmp(there.data + size, t->data, t->count) == 0;
    kd_bytes_release(&there);
    return same;
}

/* The file, or, without `put`, only whether it may be made. */
static int idx_write(const char *folder, const char *split, const struct idx *x, bool overwrite,
                     bool put, struct kd_err *err)
{
    const struct kd_tensor *t = &x->t;
    unsigned char head[4 + 4 * KD_IDX_DIMS] = {0, 0, KD_IDX_U8, (unsigned char)t->dims};
    const size_t size = 4 + 4 * t->dims;
    struct kd_outfile f;
    char *path = kd_format(err, "%s/%s-%s%s", folder, strcmp(split, "test") == 0 ? "t10k" : "train",
                           x->what, x->end);
    if (!path) return -1;
    for (unsigned d = 0; d < t->dims; d++) put_u32(head + 4 + 4 * d, t->shape[d]);
    int status = rival_check(folder, split, x->what, path, err);
    if (status == 0 && !overwrite && kd_path_is_file(path) && !is_the_same(path, head, size, t))
        status = kd_fail_spared(err, path, x->other);
    if (status == 0 && put) status = kd_outfile_open(&f, path, err);
    if (status == 0 && put) {
        status = kd_outfile_write(&f, head, size, err);
        if (status == 0) status = kd_outfile_write(&f, t->data, t->count, err);
        if (status == 0) status = kd_outfile_commit(&f, err);
        kd_outfile_discard(&f);
    }
    kd_free(path);
    return status;
}

int kd_images_write_idx(const struct kd_images *images, const char *folder, bool overwrite,
                        struct kd_err *err)
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
    struct idx files[2] = {
        {"images",
         gray ? "-idx3-ubyte" : "-idx4-ubyte",
         "its images are others",
         {.dtype = KD_U8, .dims = gray ? 3 : 4, .count = size, .data = images->pixels}},
        {"labels",
         "-idx1-ubyte",
         "its labels are others",
         {.dtype = KD_U8, .dims = 1, .count = images->n, .data = labels}}};
    struct kd_tensor *t = &files[0].t;
    t->shape[0] = files[1].t.shape[0] = images->n;
    t->shape[1] = images->c; /* overwritten where gray */
    t->shape[t->dims - 2] = images->h;
    t->shape[t->dims - 1] = images->w;
    for (int i = 0; i < 4 && status == 0; i++) /* both are asked about before one is replaced */
        status = idx_write(folder, images->split, &files[i % 2], overwrite, i >= 2, err);
    kd_free(labels);
    return status;
}
