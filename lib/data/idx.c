/* IDX, the format of MNIST: 00 00 TYPE DIMS, DIMS sizes as u32 big-endian, then the elements. */
#include "kd/base/file.h"
#include "sources.h"
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>

enum { TYPE_U8 = 0x08, MAX_DIMS = 4 };
/* Deflate cannot do better than about 1032 to 1. */
#define MAX_RATIO 1040

struct stream {
    const char *name;
    const unsigned char *next;
    size_t left, given; /* input left, output given so far */
    z_stream z;
    bool gz, ended;
};

static bool is_packed(const unsigned char *bytes, size_t size)
{
    return size >= 2 && bytes[0] == 0x1f && bytes[1] == 0x8b;
}

static int stream_open(struct stream *s, const void *bytes, size_t size, const char *name,
                       struct kd_err *err)
{
    *s = (struct stream){.name = name, .next = bytes, .left = size};
    s->gz = is_packed(bytes, size);
    if (s->gz && inflateInit2(&s->z, 15 + 16) != Z_OK)
        return kd_fail_memory(err, "%s: no memory to decompress", name);
    return 0;
}

static void stream_close(struct stream *s)
{
    if (s->gz) inflateEnd(&s->z);
}

/* Up to n bytes; fewer only at the end of the data. -1 where the compressed data is damaged. */
static int stream_read(struct stream *s, unsigned char *out, size_t n, size_t *got,
                       struct kd_err *err)
{
    *got = 0;
    if (!s->gz) {
        *got = n < s->left ? n : s->left;
        if (*got > 0) memcpy(out, s->next, *got);
        s->next += *got;
        s->left -= *got;
        s->given += *got;
        return 0;
    }
    while (*got < n && !s->ended) {
        const size_t room = n - *got;
        s->z.next_in = (unsigned char *)(uintptr_t)s->next;
        s->z.avail_in = s->left < (1u << 30) ? (uInt)s->left : 1u << 30;
        s->z.next_out = out + *got;
        s->z.avail_out = room < (1u << 30) ? (uInt)room : 1u << 30;
        const uInt in = s->z.avail_in, room_now = s->z.avail_out;
        const int status = inflate(&s->z, Z_NO_FLUSH);
        const size_t eaten = in - s->z.avail_in, made = room_now - s->z.avail_out;
        s->next += eaten;
        s->left -= eaten;
        *got += made;
        s->given += made;
        if (status == Z_STREAM_END)
            s->ended = true;
        else if (status == Z_BUF_ERROR || (status == Z_OK && eaten == 0 && made == 0))
            return 0; /* cut short: the caller says what is missing */
        else if (status != Z_OK)
            return kd_fail(err,
                           "%s: damaged gzip data after %zu decompressed bytes (%s); fetch the "
                           "file again",
                           s->name, s->given, s->z.msg ? s->z.msg : "inflate");
    }
    return 0;
}

static int stream_take(struct stream *s, unsigned char *out, size_t n, struct kd_err *err)
{
    const size_t before = s->given;
    size_t got;
    if (stream_read(s, out, n, &got, err) < 0) return -1;
    if (got < n)
        return kd_fail(err, "%s: truncated%s: %zu bytes expected, %zu found; fetch the file again",
                       s->name, s->gz ? " gzip data" : "", before + n, s->given);
    return 0;
}

/* Nothing may follow, and a gzip stream must end with its own check sum. */
static int stream_finish(struct stream *s, struct kd_err *err)
{
    unsigned char extra;
    size_t got;
    if (stream_read(s, &extra, 1, &got, err) < 0) return -1;
    if (got > 0)
        return kd_fail(err, "%s: trailing bytes: the header promises %zu bytes, more follow",
                       s->name, s->given - 1);
    if (s->gz && !s->ended)
        return kd_fail(err,
                       "%s: truncated gzip data: all %zu bytes are there, but not the check sum "
                       "behind them; fetch the file again",
                       s->name, s->given);
    if (s->gz && s->left > 0)
        return kd_fail(err, "%s: %zu trailing bytes behind the gzip data", s->name, s->left);
    return 0;
}

static int header_take(struct stream *s, struct kd_tensor *t, struct kd_err *err)
{
    unsigned char magic[4] = {0}, dim[4] = {0};
    if (stream_take(s, magic, 4, err) < 0) return -1;
    if (magic[0] != 0 || magic[1] != 0 || magic[3] < 1 || magic[3] > MAX_DIMS)
        return kd_fail(err,
                       "%s: not an IDX file: magic %02x%02x%02x%02x at byte 0, expected "
                       "00000801 to 00000804",
                       s->name, magic[0], magic[1], magic[2], magic[3]);
    if (magic[2] != TYPE_U8)
        return kd_fail(err,
                       "%s: IDX type %02x at byte 2, only 08 (unsigned bytes) is read; use "
                       "tensors: for other types",
                       s->name, magic[2]);
    *t = (struct kd_tensor){.dtype = KD_U8, .dims = magic[3], .count = 1};
    for (unsigned d = 0; d < t->dims; d++) {
        if (stream_take(s, dim, 4, err) < 0) return -1;
        t->shape[d] = (size_t)dim[0] << 24 | (size_t)dim[1] << 16 | (size_t)dim[2] << 8 | dim[3];
        if (t->shape[d] == 0) return kd_fail(err, "%s: size 0 at byte %u", s->name, 4 + 4 * d);
        if (kd_mul_size(t->count, t->shape[d], &t->count) < 0)
            return kd_fail(err, "%s: sizes at byte 4 overflow", s->name);
    }
    return 0;
}

/* The header, and whether the input can hold what it promises: before memory is taken for that. */
static int promise_take(struct stream *s, size_t size, size_t limit, struct kd_tensor *t,
                        struct kd_err *err)
{
    if (header_take(s, t, err) < 0) return -1;
    if (t->count > limit)
        return kd_fail(err, "%s: the header promises %zu bytes, the limit is %zu%s", s->name,
                       t->count, limit, kd_read_limit_remedy(limit));
    if (s->gz ? t->count / MAX_RATIO > size : t->count > s->left)
        return kd_fail(err, "%s: truncated: %zu bytes expected, %s%zu found; fetch the file again",
                       s->name, s->given + t->count, s->gz ? "compressed to " : "", size);
    return 0;
}

int kd_idx_parse(const void *bytes, size_t size, const char *name, size_t limit,
                 struct kd_tensor *out, struct kd_err *err)
{
    struct stream s;
    *out = (struct kd_tensor){0};
    if (stream_open(&s, bytes, size, name, err) < 0) return -1;
    int status = promise_take(&s, size, limit, out, err);
    if (status < 0) goto done;
    status = -1;
    out->data = kd_alloc(out->count, 1, name, err);
    if (!out->data) goto done;
    if (stream_take(&s, out->data, out->count, err) < 0) goto done;
    status = stream_finish(&s, err);
done:
    stream_close(&s);
    if (status < 0) {
        kd_free(out->data);
        out->data = NULL;
    }
    return status;
}

/* The elements of an unpacked file where they lie: a copy would for a moment double the largest
 * thing that a training has in memory. */
static int idx_adopt(struct kd_bytes *bytes, const char *name, size_t limit, struct kd_tensor *out,
                     struct kd_err *err)
{
    struct stream s;
    *out = (struct kd_tensor){0};
    if (stream_open(&s, bytes->data, bytes->size, name, err) < 0) return -1;
    if (promise_take(&s, bytes->size, limit, out, err) < 0) return -1;
    const size_t from = s.given;
    s.next += out->count;
    s.given += out->count;
    s.left -= out->count;
    if (stream_finish(&s, err) < 0) return -1;
    memmove(bytes->data, bytes->data + from, out->count);
    out->data = bytes->data;
    *bytes = (struct kd_bytes){0};
    return 0;
}

static int idx_read(const char *path, size_t limit, struct kd_tensor *out, struct kd_err *err)
{
    struct kd_bytes bytes = {0};
    *out = (struct kd_tensor){0};
    /* room for a header and for input that does not compress */
    const size_t most = limit < kd_read_limit() / 2 ? limit + limit / 64 + 4096 : kd_read_limit();
    if (kd_file_read(path, most, &bytes, err) < 0) return -1;
    const int status = is_packed((const unsigned char *)bytes.data, bytes.size)
                           ? kd_idx_parse(bytes.data, bytes.size, path, limit, out, err)
                           : idx_adopt(&bytes, path, limit, out, err);
    kd_bytes_release(&bytes);
    return status;
}

/* The publishers' names, and what unpacking programs make of them. NULL without error: not there.
 */
static int idx_find(const char *folder, const char *split, const char *what,
                    const char *const *ends, char **path, struct kd_err *err)
{
    const char *prefix = strcmp(split, "test") == 0 ? "t10k" : "train";
    for (unsigned i = 0; ends[i]; i++) {
        for (unsigned packed = 0; packed < 2; packed++) {
            *path =
                kd_format(err, "%s/%s-%s%s%s", folder, prefix, what, ends[i], packed ? ".gz" : "");
            if (!*path) return -1;
            if (kd_path_exists(*path)) return 0;
            kd_free(*path);
        }
    }
    *path = NULL;
    return 0;
}

static const char *const image_ends[] = {"-idx3-ubyte", ".idx3-ubyte", "-idx4-ubyte", NULL};
static const char *const label_ends[] = {"-idx1-ubyte", ".idx1-ubyte", NULL};

static int missing(const struct kd_load *load, const char *what, const char *end,
                   struct kd_err *err)
{
    char remedy[128] = "a folder of IDX files has four, named as those of MNIST";
    if (load->name)
        snprintf(remedy, sizeof remedy, "fetch it with `scripts/get_data.sh %s`", load->name);
    return kd_fail(err, "%s/%s-%s%s[.gz]: not found; %s", load->place,
                   strcmp(load->split, "test") == 0 ? "t10k" : "train", what, end, remedy);
}

static int labels_read(const char *path, size_t limit, struct kd_tensor *out, struct kd_err *err)
{
    if (idx_read(path, limit, out, err) < 0) return -1;
    if (out->dims == 1) return 0;
    kd_free(out->data);
    out->data = NULL;
    return kd_fail(err, "%s: %u dimensions, labels have 1 (magic 00000801)", path, out->dims);
}

static uint32_t classes_in(const struct kd_tensor *labels)
{
    const unsigned char *l = labels->data;
    uint32_t top = 0;
    /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): count is 0 where there is no data */
    for (size_t i = 0; i < labels->count; i++) top = l[i] > top ? l[i] : top;
    return top + 1;
}

/* The number of classes is that of train and test together, so that both agree about it. */
static int classes_find(const struct kd_load *load, const struct kd_tensor *labels,
                        uint32_t *classes, struct kd_err *err)
{
    const char *other = strcmp(load->split, "test") == 0 ? "train" : "test";
    char *path = NULL;
    struct kd_tensor more = {0};
    *classes = load->classes ? load->classes : classes_in(labels);
    if (load->classes) return 0;
    if (idx_find(load->place, other, "labels", label_ends, &path, err) < 0) return -1;
    if (!path) return 0;
    const int status = labels_read(path, load->limit, &more, err);
    if (status == 0 && classes_in(&more) > *classes) *classes = classes_in(&more);
    kd_free(more.data);
    kd_free(path);
    return status;
}

static int labels_load(const struct kd_load *load, const char *path, struct kd_images *out,
                       struct kd_err *err)
{
    struct kd_tensor labels = {0};
    int status = -1;
    if (labels_read(path, load->limit, &labels, err) < 0) return -1;
    if (labels.count != out->n) {
        kd_fail(err, "%s: %zu labels for %u images; the two files do not belong together", path,
                labels.count, out->n);
        goto done;
    }
    if (classes_find(load, &labels, &out->classes, err) < 0) goto done;
    out->labels = kd_alloc(out->n, sizeof *out->labels, "labels", err);
    if (!out->labels) goto done;
    for (uint32_t i = 0; i < out->n; i++) {
        /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): the labels were read, as many as
         * images */
        out->labels[i] = ((const unsigned char *)labels.data)[i];
        if ((uint32_t)out->labels[i] >= out->classes) {
            kd_fail(err, "%s: label %d at byte %u is out of range 0 to %u", path, out->labels[i],
                    8 + i, out->classes - 1);
            goto done;
        }
    }
    status = 0;
done:
    kd_free(labels.data);
    return status;
}

static int images_read(const struct kd_load *load, const char *path, struct kd_images *out,
                       struct kd_err *err)
{
    struct kd_tensor t;
    if (idx_read(path, load->limit, &t, err) < 0) return -1;
    out->pixels = t.data;
    if (t.dims < 3)
        return kd_fail(err, "%s: %u dimensions, images have 3 (magic 00000803) or 4", path, t.dims);
    out->dtype = KD_U8;
    out->n = (uint32_t)t.shape[0];
    out->c = t.dims == 4 ? (uint32_t)t.shape[1] : 1;
    out->h = (uint32_t)t.shape[t.dims - 2];
    out->w = (uint32_t)t.shape[t.dims - 1];
    return 0;
}

static int idx_load(const struct kd_load *load, struct kd_images *out, struct kd_err *err)
{
    char *images = NULL, *labels = NULL;
    int status = -1;
    if (idx_find(load->place, load->split, "images", image_ends, &images, err) < 0 ||
        idx_find(load->place, load->split, "labels", label_ends, &labels, err) < 0)
        goto done;
    if (!images || !labels) {
        missing(load, images ? "labels" : "images", images ? label_ends[0] : image_ends[0], err);
        goto done;
    }
    if (images_read(load, images, out, err) < 0) goto done;
    status = labels_load(load, labels, out, err);
done:
    kd_free(images);
    kd_free(labels);
    return status;
}

static bool idx_is_mine(const char *path)
{
    struct kd_err ignored;
    char *found = NULL;
    bool is = idx_find(path, "train", "images", image_ends, &found, &ignored) == 0 && found;
    if (!is) is = idx_find(path, "test", "images", image_ends, &found, &ignored) == 0 && found;
    kd_free(found);
    return is;
}

static const char *const fashion_classes[] = {"T-shirt/top", "Trouser",   "Pullover", "Dress",
                                              "Coat",        "Sandal",    "Shirt",    "Sneaker",
                                              "Bag",         "Ankle boot"};

const struct kd_source_kind kd_source_mnist = {
    .name = "mnist", .folders = {"mnist"}, .classes = 10, .load = idx_load};
const struct kd_source_kind kd_source_fashion = {.name = "fashion",
                                                 .folders = {"fashion", "fashion-mnist"},
                                                 .classes = 10,
                                                 .class_names = fashion_classes,
                                                 .load = idx_load};
const struct kd_source_kind kd_source_idx = {
    .name = "idx", .place = "DIR", .is_mine = idx_is_mine, .load = idx_load};

/* ---- writing ---- */

static void put_u32(unsigned char *p, size_t v)
{
    for (unsigned i = 0; i < 4; i++) p[i] = (unsigned char)(v >> (24 - 8 * i) & 255);
}

/* What a second form of the same file would hide: the reader takes the first it finds. */
static int rival_check(const char *folder, const char *split, const char *what,
                       const char *const *ends, const char *path, struct kd_err *err)
{
    char *found = NULL;
    if (idx_find(folder, split, what, ends, &found, err) < 0) return -1;
    int status = 0;
    if (found && strcmp(found, path) != 0)
        status = kd_fail(err, "%s is there already: remove it or choose another folder", found);
    kd_free(found);
    return status;
}

static int idx_write(const char *folder, const char *split, const char *what,
                     const char *const *ends, unsigned end, const struct kd_tensor *t,
                     struct kd_err *err)
{
    unsigned char head[4 + 4 * MAX_DIMS] = {0, 0, TYPE_U8, (unsigned char)t->dims};
    struct kd_outfile f;
    char *path = kd_format(err, "%s/%s-%s%s", folder, strcmp(split, "test") == 0 ? "t10k" : "train",
                           what, ends[end]);
    if (!path) return -1;
    int status = rival_check(folder, split, what, ends, path, err);
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
        status = idx_write(folder, images->split, "images", image_ends, gray ? 0 : 2, &t, err);
    if (status == 0) status = idx_write(folder, images->split, "labels", label_ends, 0, &l, err);
    kd_free(labels);
    return status;
}
