/* Reading IDX: bytes where they lie, other types turned to this machine's byte order. */
#include "idx.h"
#include "kd/base/file.h"
#include "kd/base/known_formats.h"
#include "kd/base/view.h"
#include "sources.h"
#include "stream.h"
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* The third byte of a file. */
static int type_find(unsigned char type, enum kd_dtype *dtype)
{
    static const struct {
        unsigned char type;
        enum kd_dtype dtype;
    } types[] = {{KD_IDX_U8, KD_U8}, {0x09, KD_I8},  {0x0b, KD_I16},
                 {0x0c, KD_I32},     {0x0d, KD_F32}, {0x0e, KD_F64}};
    for (unsigned i = 0; i < sizeof types / sizeof *types; i++)
        if (types[i].type == type) return *dtype = types[i].dtype, 0;
    return -1;
}

static int no_idx(const struct kd_stream *s, const unsigned char magic[4], struct kd_err *err)
{
    struct kd_known_format is;
    if (!s->gz && kd_known_format(s->next - 4, s->left + 4, &is))
        return kd_fail(err, "%s: not an IDX file: this is %s; %s", s->name, is.name, is.remedy);
    return kd_fail(err,
                   "%s: not an IDX file: magic %02x%02x%02x%02x at byte 0, expected 00000801 to "
                   "00000804",
                   s->name, magic[0], magic[1], magic[2], magic[3]);
}

static int header_take(struct kd_stream *s, struct kd_tensor *t, struct kd_err *err)
{
    unsigned char magic[4] = {0}, dim[4] = {0};
    if (kd_stream_take(s, magic, 4, err) < 0) return -1;
    if (magic[0] != 0 || magic[1] != 0 || magic[3] < 1 || magic[3] > KD_IDX_DIMS)
        return no_idx(s, magic, err);
    *t = (struct kd_tensor){.dims = magic[3], .count = 1};
    if (type_find(magic[2], &t->dtype) < 0)
        return kd_fail(err, "%s: IDX type %02x at byte 2 is none of 08, 09, 0b, 0c, 0d and 0e",
                       s->name, magic[2]);
    for (unsigned d = 0; d < t->dims; d++) {
        if (kd_stream_take(s, dim, 4, err) < 0) return -1;
        t->shape[d] = (size_t)dim[0] << 24 | (size_t)dim[1] << 16 | (size_t)dim[2] << 8 | dim[3];
        if (t->shape[d] == 0) return kd_fail(err, "%s: size 0 at byte %u", s->name, 4 + 4 * d);
        if (kd_mul_size(t->count, t->shape[d], &t->count) < 0)
            return kd_fail(err, "%s: sizes at byte 4 overflow", s->name);
    }
    return 0;
}

/* The header, and whether the input can hold what it promises: before memory is taken for that. */
static int promise_take(struct kd_stream *s, size_t size, size_t limit, struct kd_tensor *t,
                        struct kd_err *err)
{
    size_t bytes;
    if (header_take(s, t, err) < 0) return -1;
    if (kd_mul_size(t->count, kd_dtype_size(t->dtype), &bytes) < 0 || bytes > limit)
        return kd_fail(err, "%s: the header promises %zu bytes, the limit is %zu%s", s->name,
                       t->count, limit, kd_read_limit_remedy(limit));
    if (s->gz ? bytes / KD_STREAM_RATIO > size : bytes > s->left)
        return kd_fail(err, "%s: truncated: %zu bytes expected, %s%zu found; fetch the file again",
                       s->name, s->given + bytes, s->gz ? "compressed to " : "", size);
    return 0;
}

/* Elements of several bytes are big-endian. */
static void to_host(struct kd_tensor *t)
{
    const size_t size = kd_dtype_size(t->dtype);
    char *p = t->data;
    for (size_t i = 0; size > 1 && i < t->count; i++, p += size)
        for (size_t b = 0; b < size / 2; b++) {
            const char first = p[b];
            p[b] = p[size - 1 - b];
            p[size - 1 - b] = first;
        }
}

int kd_idx_parse(const void *bytes, size_t size, const char *name, size_t limit,
                 struct kd_tensor *out, struct kd_err *err)
{
    struct kd_stream s;
    *out = (struct kd_tensor){0};
    if (kd_stream_open(&s, bytes, size, name, err) < 0) return -1;
    int status = promise_take(&s, size, limit, out, err);
    if (status < 0) goto done;
    status = -1;
    out->data = kd_alloc(out->count, kd_dtype_size(out->dtype), name, err);
    if (!out->data) goto done;
    if (kd_stream_take(&s, out->data, out->count * kd_dtype_size(out->dtype), err) < 0) goto done;
    status = kd_stream_finish(&s, err);
    if (status == 0) to_host(out);
done:
    kd_stream_close(&s);
    if (status < 0) {
        kd_free(out->data);
        out->data = NULL;
    }
    return status;
}

/* An array, and the file that it lies in where that needs no turning round: a copy would for a
 * moment double the largest thing that a training has in memory. */
struct idx {
    struct kd_tensor t; /* its data is in `file`, or its own where there is none */
    struct kd_bytes file;
};

static void idx_release(struct idx *x)
{
    if (!x->file.data) kd_free(x->t.data);
    kd_bytes_release(&x->file);
    *x = (struct idx){0};
}

static int idx_adopt(struct idx *x, const char *name, size_t limit, struct kd_err *err)
{
    struct kd_stream s;
    if (kd_stream_open(&s, x->file.data, x->file.size, name, err) < 0) return -1;
    if (promise_take(&s, x->file.size, x->file.mapped ? kd_view_limit(limit) : limit, &x->t, err) <
        0)
        return -1;
    const size_t from = s.given;
    const size_t size = x->t.count * kd_dtype_size(x->t.dtype);
    s.next += size;
    s.given += size;
    s.left -= size;
    if (kd_stream_finish(&s, err) < 0) return -1;
    x->t.data = x->file.data + from;
    if (kd_dtype_size(x->t.dtype) == 1) return 0;
    x->t.data = memmove(x->file.data, x->file.data + from, size); /* aligned */
    to_host(&x->t);
    return 0;
}

static int idx_read(const char *path, size_t limit, struct idx *out, struct kd_err *err)
{
    *out = (struct idx){0};
    /* room for a header and for input that does not compress */
    const size_t most = limit < kd_read_limit() / 2 ? limit + limit / 64 + 4096 : kd_read_limit();
    if (kd_file_view(path, most, NULL, &out->file, err) < 0) return -1;
    struct kd_bytes file = out->file;
    int status;
    if (kd_stream_is_packed((const unsigned char *)file.data, file.size)) {
        out->file = (struct kd_bytes){0};
        status = kd_idx_parse(file.data, file.size, path, limit, &out->t, err);
        kd_bytes_release(&file);
    } else {
        status = idx_adopt(out, path, limit, err);
    }
    if (status < 0) idx_release(out);
    return status;
}

static int missing(const struct kd_load *load, const char *what, struct kd_err *err)
{
    char remedy[128] = "a folder of IDX files has four, named as those of MNIST";
    if (load->name)
        snprintf(remedy, sizeof remedy, "fetch it with `scripts/get_data.sh %s`", load->name);
    return kd_fail(err, "%s/%s-%s-idx%d-ubyte[.gz]: not found; %s", load->place,
                   strcmp(load->split, "test") == 0 ? "t10k" : "train", what,
                   strcmp(what, "images") == 0 ? 3 : 1, remedy);
}

/* QMNIST has eight numbers an image, of which the first is its class. */
static void first_column(struct kd_tensor *t)
{
    const size_t size = kd_dtype_size(t->dtype), columns = t->shape[1];
    char *p = t->data;
    for (size_t i = 0; i < t->shape[0]; i++) memmove(p + i * size, p + i * columns * size, size);
    t->dims = 1;
    t->count = t->shape[0];
}

static int labels_read(const char *path, size_t limit, struct idx *out, struct kd_err *err)
{
    if (idx_read(path, limit, out, err) < 0) return -1;
    struct kd_tensor *t = &out->t;
    if (t->dims == 2 && t->shape[1] == 8 && t->dtype == KD_I32) first_column(t);
    if (t->dims <= 2) return 0;
    kd_fail(err, "%s: %u dimensions, labels have 1 (magic 00000801)", path, t->dims);
    idx_release(out);
    return -1;
}

/* The number of classes is that of train and test together, so that both agree about it. */
static int classes_find(const struct kd_load *load, uint32_t *classes, struct kd_err *err)
{
    const char *other = strcmp(load->split, "test") == 0 ? "train" : "test";
    char *path = NULL;
    struct idx more = {0};
    struct kd_images set = {0};
    if (load->classes) return 0;
    if (kd_idx_find(load->place, other, "labels", &path, err) < 0) return -1;
    if (!path) return 0;
    struct kd_load quiet = *load; /* what is to be said is said of the set that is read */
    quiet.progress = NULL;
    int status = labels_read(path, load->limit, &more, err);
    if (status == 0) {
        set.n = (uint32_t)more.t.shape[0];
        status = kd_labels_take(&more.t, path, &quiet, 0, &set, err);
        if (status == 0 && set.classes > *classes) *classes = set.classes;
    }
    kd_free(set.labels);
    idx_release(&more);
    kd_free(path);
    return status;
}

static int labels_load(const struct kd_load *load, const char *path, struct kd_images *out,
                       struct kd_err *err)
{
    struct idx labels;
    if (labels_read(path, load->limit, &labels, err) < 0) return -1;
    const size_t n = labels.t.shape[0];
    int status =
        n != out->n
            ? kd_fail(err, "%s: %zu labels for %u images; the two files do not belong together",
                      path, n, out->n)
            : kd_labels_take(&labels.t, path, load, load->classes, out, err);
    if (status == 0) status = classes_find(load, &out->classes, err);
    idx_release(&labels);
    return status;
}

static int images_read(const struct kd_load *load, const char *path, struct kd_images *out,
                       struct kd_err *err)
{
    struct idx x;
    if (idx_read(path, load->limit, &x, err) < 0) return -1;
    int status = 0;
    if (x.t.dims < 3)
        status =
            kd_fail(err, "%s: %u dimensions, images have 3 (magic 00000803) or 4", path, x.t.dims);
    if (status == 0) status = kd_shape_take(&x.t, path, load, out, err);
    if (status == 0) status = kd_pixels_take(&x.t, path, out, err);
    if (out->pixels && out->pixels == x.t.data) { /* moved */
        out->keep.bytes = x.file;
        x = (struct idx){0};
    }
    idx_release(&x);
    return status;
}

static int idx_load(const struct kd_load *load, struct kd_images *out, struct kd_err *err)
{
    char *images = NULL, *labels = NULL;
    int status = -1;
    if (kd_idx_find(load->place, load->split, "images", &images, err) < 0 ||
        kd_idx_find(load->place, load->split, "labels", &labels, err) < 0)
        goto done;
    if (!images || !labels) {
        missing(load, images ? "labels" : "images", err);
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
    bool is = kd_idx_find(path, "train", "images", &found, &ignored) == 0 && found;
    if (!is) is = kd_idx_find(path, "test", "images", &found, &ignored) == 0 && found;
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
