/* Images and labels as tensors: one .safetensors file, or one or two .npy files. What a file is is
 * told by its first bytes, not by its name. */
#include "kd/base/file.h"
#include "kd/data/classes.h"
#include "sources.h"
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

static bool has_end(const char *path, const char *end)
{
    const size_t n = strlen(path), m = strlen(end);
    return n > m && strcasecmp(path + n - m, end) == 0;
}

static bool is_file(const char *path)
{
    struct stat st;
    return strcmp(path, "-") == 0 || (stat(path, &st) == 0 && !S_ISDIR(st.st_mode));
}

/* From a file that was read, which is kept as long as pixels point into it. */
static int images_take(struct kd_tensorfile *file, const struct kd_tensor *t, const char *name,
                       const struct kd_load *load, struct kd_images *out, struct kd_err *err)
{
    if (kd_shape_take(t, name, load, out, err) < 0) return -1;
    const int status = kd_pixels_take(t, name, out, err);
    if (out->pixels == t->data) {
        out->keep = *file;
        *file = (struct kd_tensorfile){0};
    }
    return status;
}

/* What kd-data wrote about the classes: their number, and their names as JSON text. */
static int classes_take(const struct kd_tensorfile *f, const char *name, struct kd_images *out,
                        uint32_t *classes, struct kd_err *err)
{
    const char *count = kd_tensorfile_meta(f, "kd.classes");
    *classes = 0;
    for (const char *p = count ? count : ""; *p; p++) {
        if (*p < '0' || *p > '9' || *classes > KD_MAX_CLASSES)
            return kd_fail(err, "%s: kd.classes is '%s', expected 1 to %d", name, count,
                           KD_MAX_CLASSES);
        *classes = *classes * 10 + (uint32_t)(*p - '0');
    }
    if (count && (*classes < 1 || *classes > KD_MAX_CLASSES))
        return kd_fail(err, "%s: kd.classes is '%s', expected 1 to %d", name, count,
                       KD_MAX_CLASSES);
    if (!*classes) return 0;
    if (kd_class_names_read(f->metadata, *classes, &out->class_names, err) < 0)
        return kd_err_context(err, "%s", name);
    if (out->class_names) out->classes = *classes;
    return 0;
}

/* ---- files ---- */

/* What people call these tensors; the first is kd's own name. */
static const char *const image_names[] = {"images", "image", "x", "X", "data", "pixels", NULL};
static const char *const label_names[] = {"labels", "label", "y", "Y", "targets", "target", NULL};

static const struct kd_tensor *tensor_find(const struct kd_tensorfile *f, const char *const *names)
{
    for (unsigned i = 0; names[i]; i++) {
        const struct kd_tensor *t = kd_tensorfile_find(f, names[i]);
        if (t) return t;
    }
    return NULL;
}

static void surplus_say(const struct kd_tensorfile *f, const struct kd_tensor *images,
                        const struct kd_tensor *labels, const struct kd_load *load)
{
    for (size_t i = 0; i < f->n; i++) {
        const struct kd_tensor *t = &f->tensors[i];
        if (t == images || t == labels) continue;
        kd_progress_say(
            load->progress,
            "%s: its tensor %s%s is not used; images are taken from \"%s\", labels %s%s",
            load->place, t->name, f->n > 3 ? " (and perhaps others)" : "", images->name,
            labels ? "from " : "from none", labels ? labels->name : "");
        return;
    }
}

static int safetensors_take(struct kd_tensorfile *file, const struct kd_load *load,
                            struct kd_images *out, struct kd_err *err)
{
    uint32_t classes;
    const struct kd_tensor *images = tensor_find(file, image_names);
    const struct kd_tensor *labels = tensor_find(file, label_names);
    if (!images)
        return kd_fail(err,
                       "%s: no tensor named \"images\"; an image set has \"images\" and "
                       "\"labels\"",
                       load->place);
    surplus_say(file, images, labels, load);
    if (classes_take(file, load->place, out, &classes, err) < 0) return -1;
    struct kd_tensor labels_too = labels ? *labels : (struct kd_tensor){0};
    if (images_take(file, images, load->place, load, out, err) < 0) return -1;
    out->classes = classes ? classes : 1;
    /* the labels' bytes live on, in file or in out->keep */
    return labels ? kd_labels_take(&labels_too, load->place, load, classes, out, err) : 0;
}

static int labels_read(const char *path, const struct kd_tensorfile_limits *limits,
                       const struct kd_load *load, struct kd_images *out, struct kd_err *err)
{
    struct kd_tensorfile file = {0};
    if (kd_tensorfile_read_any(path, limits, &file, err) < 0) return -1;
    const struct kd_tensor *t = tensor_find(&file, label_names);
    if (!t && file.n == 1) t = &file.tensors[0];
    const int status = t ? kd_labels_take(t, path, load, 0, out, err)
                         : kd_fail(err, "%s: no tensor named \"labels\"", path);
    kd_tensorfile_release(&file);
    return status;
}

static int pair_load(const struct kd_load *load, const char *images, const char *labels,
                     struct kd_images *out, struct kd_err *err)
{
    /* labels may take as much again as one-byte pixels */
    const struct kd_tensorfile_limits limits = {
        .bytes = load->limit < kd_read_limit() / 16 ? 16 * load->limit + 65536 : kd_read_limit()};
    struct kd_tensorfile file = {0};
    if (kd_tensorfile_read_any(images, &limits, &file, err) < 0) return -1;
    int status;
    if (file.n == 1 && !*file.tensors[0].name) { /* .npy */
        status = images_take(&file, &file.tensors[0], images, load, out, err);
        out->classes = 1;
    } else {
        status = safetensors_take(&file, load, out, err);
    }
    kd_tensorfile_release(&file);
    return status == 0 && labels ? labels_read(labels, &limits, load, out, err) : status;
}

/* The comma between two files, since names may have commas too: the one with a file on both sides,
 * none where the whole is a file, the last where nothing is there. */
static char *comma_find(char *place)
{
    char *found = NULL;
    if (is_file(place)) return NULL;
    for (char *comma = strchr(place, ','); comma; comma = strchr(comma + 1, ',')) {
        *comma = '\0';
        const bool both = is_file(place) && is_file(comma + 1);
        *comma = ',';
        if (both) return comma;
        found = comma;
    }
    /* a path that is not there, rather than a pair of files */
    return found && (has_end(place, ".safetensors") && !strstr(place, ".npy,")) ? NULL : found;
}

static int tensors_load(const struct kd_load *load, struct kd_images *out, struct kd_err *err)
{
    if (kd_unsplit_check(load, "keep it in a file of its own", err) < 0) return -1;
    char *images = kd_strdup(load->place, err), *labels = NULL;
    if (!images) return -1;
    char *comma = comma_find(images);
    if (comma) {
        *comma = '\0';
        labels = comma + 1;
    }
    const int status = pair_load(load, images, labels, out, err);
    kd_free(images);
    return status;
}

static bool tensors_is_mine(const char *path)
{
    return is_file(path) && (has_end(path, ".npy") || has_end(path, ".safetensors"));
}

const struct kd_source_kind kd_source_tensors = {
    .name = "tensors", .place = "FILE", .is_mine = tensors_is_mine, .load = tensors_load};
