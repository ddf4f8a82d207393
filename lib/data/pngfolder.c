/* Folders of PNG files by class. Reading: names sorted bytewise, sizes from the first file, the
 * rest decoded in parallel, all held to that size. */
#include "kd/base/file.h"
#include "kd/data/picture.h"
#include "sources.h"
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

struct names {
    char **v; /* sorted bytewise, owned */
    size_t n, room;
};

static void names_release(struct names *l)
{
    for (size_t i = 0; i < l->n; i++) kd_free(l->v[i]);
    kd_free(l->v);
    *l = (struct names){0};
}

/* Takes ownership of name, which may be NULL after a failure to make it. */
static int names_add(struct names *l, char *name, struct kd_err *err)
{
    if (!name) return -1;
    char **slot = kd_grow(&l->v, &l->n, &l->room, sizeof *slot, "file names", err);
    if (!slot) {
        kd_free(name);
        return -1;
    }
    *slot = name;
    return 0;
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool is_folder(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static bool is_png_name(const char *name)
{
    const size_t n = strlen(name);
    return n > 4 && strcasecmp(name + n - 4, ".png") == 0;
}

/* Entries of a folder that are folders, or those that are not; hidden ones are passed over. */
static int entries(const char *folder, bool folders, struct names *out, struct kd_err *err)
{
    /* NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker): the caller has made the name */
    DIR *dir = opendir(folder);
    if (!dir) return kd_fail_errno(err, "%s", folder);
    int status = 0;
    for (;;) {
        errno = 0;
        const struct dirent *e = readdir(dir);
        if (!e && errno) status = kd_fail_errno(err, "%s", folder);
        if (!e) break;
        if (e->d_name[0] == '.') continue;
        char *path = kd_path_join(err, folder, e->d_name);
        const bool wanted = path && is_folder(path) == folders;
        if (!path || (wanted && names_add(out, kd_strdup(e->d_name, err), err) < 0)) status = -1;
        kd_free(path);
        if (status < 0) break;
    }
    closedir(dir);
    if (out->n > 1) qsort(out->v, out->n, sizeof *out->v, by_bytes);
    if (status < 0) names_release(out);
    return status;
}

/* Does DIR/split hold class folders? (A class may be called "train": then it holds files.) */
static int holds_classes(const char *root, const char *split, bool *yes, struct kd_err *err)
{
    struct names inside = {0};
    int status = 0;
    *yes = false;
    char *path = kd_path_join(err, root, split);
    if (!path) return -1;
    if (is_folder(path)) {
        status = entries(path, true, &inside, err);
        *yes = inside.n > 0;
    }
    names_release(&inside);
    kd_free(path);
    return status;
}

/* The folder with this split's class folders, and the one that defines the classes. */
static int roots_find(const struct kd_load *load, char **images, char **classes, struct kd_err *err)
{
    bool train, test;
    if (!is_folder(load->place))
        return kd_fail(err, "%s: %s; png: needs a folder with a folder of PNG files for each class",
                       load->place, kd_path_exists(load->place) ? "no folder" : "not found");
    if (holds_classes(load->place, "train", &train, err) < 0 ||
        holds_classes(load->place, "test", &test, err) < 0)
        return -1;
    if (!train && !test) {
        if (kd_unsplit_check(load, "put its images into test/CLASS", err) < 0) return -1;
        *images = kd_strdup(load->place, err);
        *classes = kd_strdup(load->place, err);
        return *images && *classes ? 0 : -1;
    }
    if (strcmp(load->split, "test") == 0 ? !test : !train)
        return kd_fail(err, "%s: no folder %s with class folders in it", load->place, load->split);
    *images = kd_path_join(err, load->place, load->split);
    *classes = kd_path_join(err, load->place, train ? "train" : "test");
    return *images && *classes ? 0 : -1;
}

struct listing {
    struct names paths;
    int32_t *labels; /* [paths.n] */
};

/* The PNG files of one class folder; anything else in it is refused rather than passed over. */
static int class_list(const char *folder, struct names *paths, struct kd_err *err)
{
    struct names files = {0}, folders = {0};
    int status = entries(folder, false, &files, err);
    if (status == 0) status = entries(folder, true, &folders, err);
    if (status == 0 && folders.n > 0)
        status = kd_fail(err,
                         "%s/%s: a folder inside a class folder; class folders hold PNG files "
                         "alone",
                         folder, folders.v[0]);
    if (status == 0 && files.n == 0)
        status = kd_fail(err, "%s: the class folder holds no images; remove it or fill it", folder);
    for (size_t i = 0; i < files.n && status == 0; i++) {
        if (!is_png_name(files.v[i]))
            status = kd_fail(err,
                             "%s/%s: not a PNG file by its name; convert it, or move it out of "
                             "the class folder",
                             folder, files.v[i]);
        else
            status = names_add(paths, kd_path_join(err, folder, files.v[i]), err);
    }
    names_release(&files);
    names_release(&folders);
    return status;
}

static int label_of(const struct names *classes, const char *name)
{
    for (size_t k = 0; k < classes->n; k++)
        if (strcmp(classes->v[k], name) == 0) return (int)k;
    return -1;
}

static int files_list(const char *root, const struct names *classes, struct names *paths,
                      int32_t **labels, struct kd_err *err)
{
    struct names found = {0};
    size_t *ends = NULL;
    int status = entries(root, true, &found, err);
    if (status < 0) goto done;
    status = -1;
    ends = kd_alloc(found.n, sizeof *ends, "classes", err);
    if (!ends) goto done;
    for (size_t f = 0; f < found.n; f++) {
        char *folder = kd_path_join(err, root, found.v[f]);
        int failed = folder ? 0 : -1;
        if (folder && label_of(classes, found.v[f]) < 0)
            failed = kd_fail(err, "%s: a class that the train split does not have", folder);
        if (!failed) failed = class_list(folder, paths, err);
        kd_free(folder);
        if (failed) goto done;
        ends[f] = paths->n;
    }
    *labels = kd_alloc(paths->n, sizeof **labels, "labels", err);
    if (!*labels) goto done;
    for (size_t f = 0, i = 0; f < found.n; f++)
        for (const int k = label_of(classes, found.v[f]); i < ends[f]; i++) (*labels)[i] = k;
    status = 0;
done:
    kd_free(ends);
    names_release(&found);
    return status;
}

/* ---- pixels ---- */

/* Before any of its pixels: a file that claims another size costs no memory. */
static int shape_check(const struct kd_images *images, const struct kd_bytes *bytes,
                       const char *path, const char *first, struct kd_err *err)
{
    struct kd_picture p;
    if (kd_picture_shape(bytes->data, bytes->size, path, &p, err) < 0) return -1;
    if (p.h == images->h && p.w == images->w && p.c == images->c) return 0;
    return kd_fail(err, "%s: %ux%u %s, but %s is %ux%u %s; all images must have one size and kind",
                   path, p.w, p.h, p.c == 3 ? "colour" : "gray", first, images->w, images->h,
                   images->c == 3 ? "colour" : "gray");
}

static int image_read(struct kd_images *images, uint32_t i, const char *path, const char *first,
                      struct kd_err *err)
{
    struct kd_picture p = {0};
    struct kd_bytes bytes = {0};
    const size_t plane = (size_t)images->h * images->w;
    uint8_t *out = (uint8_t *)images->pixels + i * plane * images->c;
    if (kd_file_read(path, kd_read_limit(), &bytes, err) < 0) return -1;
    int status = shape_check(images, &bytes, path, first, err);
    if (status == 0)
        status = kd_picture_decode(bytes.data, bytes.size, path, plane * images->c, &p, err);
    for (uint32_t c = 0; c < p.c; c++)
        for (size_t j = 0; j < plane; j++) out[c * plane + j] = p.pixels[j * p.c + c];
    kd_picture_release(&p);
    kd_bytes_release(&bytes);
    return status;
}

static int first_read(const char *path, size_t limit, struct kd_picture *p, struct kd_err *err)
{
    struct kd_bytes bytes = {0};
    if (kd_file_read(path, kd_read_limit(), &bytes, err) < 0) return -1;
    const int status = kd_picture_decode(bytes.data, bytes.size, path, limit, p, err);
    kd_bytes_release(&bytes);
    return status;
}

enum { PART = 32, PARTS = 64 };
struct decoding {
    struct kd_images *images;
    const struct names *paths;
    uint32_t from;          /* first image of this round */
    uint32_t failed[PARTS]; /* 1 + image, 0: none */
};

static void decode_part(void *arg, unsigned part)
{
    struct decoding *d = arg;
    struct kd_err ignored = {0};
    const uint32_t from = d->from + part * PART;
    d->failed[part] = 0;
    for (uint32_t i = from; i < from + PART && i < d->images->n; i++) {
        if (image_read(d->images, i, d->paths->v[i], d->paths->v[0], &ignored) == 0) continue;
        d->failed[part] = i + 1;
        return;
    }
}

/* A part that failed is done again from there on by this thread: so the message is that of the
 * first image that cannot be read, and a failure that has passed does no harm. */
static int part_again(struct decoding *d, unsigned part, struct kd_err *err)
{
    const uint32_t end = d->from + (part + 1) * PART;
    if (!d->failed[part]) return 0;
    for (uint32_t i = d->failed[part] - 1; i < end && i < d->images->n; i++)
        if (image_read(d->images, i, d->paths->v[i], d->paths->v[0], err) < 0) return -1;
    return 0;
}

static int images_decode(const struct kd_load *load, struct kd_images *images,
                         const struct names *paths, struct kd_err *err)
{
    struct decoding d = {.images = images, .paths = paths};
    for (d.from = 0; d.from < images->n; d.from += PART * PARTS) {
        const uint32_t left = images->n - d.from;
        const unsigned parts = left < PART * PARTS ? (left + PART - 1) / PART : PARTS;
        kd_pool_run(load->pool, parts, decode_part, &d);
        for (unsigned p = 0; p < parts; p++)
            if (part_again(&d, p, err) < 0) return -1;
        kd_progress_tick(load->progress, d.from + (parts - 1) * PART, images->n, load->place);
    }
    return 0;
}

static int pixels_load(const struct kd_load *load, struct kd_images *out, const struct names *paths,
                       struct kd_err *err)
{
    struct kd_picture first;
    if (paths->n == 0)
        return kd_fail(err,
                       "%s: no images: expected PNG files in CLASS/, or in train/CLASS/ and "
                       "test/CLASS/",
                       load->place);
    if (paths->n > INT32_MAX) return kd_fail(err, "%s: too many images", load->place);
    if (first_read(paths->v[0], load->limit, &first, err) < 0) return -1;
    out->n = (uint32_t)paths->n;
    out->c = first.c;
    out->h = first.h;
    out->w = first.w;
    out->dtype = KD_U8;
    kd_picture_release(&first);
    if (kd_pixels_alloc(out, load->place, load->limit, err) < 0) return -1;
    return images_decode(load, out, paths, err);
}

static int pngfolder_load(const struct kd_load *load, struct kd_images *out, struct kd_err *err)
{
    char *images = NULL, *classes = NULL;
    struct names names = {0}, paths = {0};
    int status = roots_find(load, &images, &classes, err);
    if (status == 0) status = entries(classes, true, &names, err);
    if (status == 0 && names.n > KD_MAX_CLASSES)
        status = kd_fail(err, "%s: more than %d class folders", classes, KD_MAX_CLASSES);
    if (status == 0) status = files_list(images, &names, &paths, &out->labels, err);
    if (status == 0) status = pixels_load(load, out, &paths, err);
    if (status == 0) {
        out->classes = (uint32_t)names.n;
        out->class_names = names.v; /* moved */
        names = (struct names){0};
    }
    names_release(&names);
    names_release(&paths);
    kd_free(images);
    kd_free(classes);
    return status;
}

const struct kd_source_kind kd_source_png = {
    .name = "png", .place = "DIR", .is_mine = is_folder, .load = pngfolder_load};
