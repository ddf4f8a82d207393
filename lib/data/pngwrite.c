/* Writing an image set as a folder of PNG files: FOLDER/SPLIT/CLASS/0000.png.
 *
 * The split is made under a temporary name and renamed when it is whole, so that nobody reads half
 * a set. */
#include "formats.h"
#include "kd/base/file.h"
#include "kd/data/picture.h"
#include <ctype.h>
#include <stdio.h>
#include <string.h>

static bool name_is_plain(const char *name)
{
    if (!*name || *name == '.') return false;
    for (; *name; name++)
        if (!isalnum((unsigned char)*name) && !strchr("-_.", *name)) return false;
    return true;
}

/* Class names serve as folder names where they are plain and sort as they are numbered. */
static bool names_serve(const struct kd_images *images)
{
    if (!images->class_names) return false;
    for (uint32_t k = 0; k < images->classes; k++)
        if (!name_is_plain(images->class_names[k]) ||
            (k > 0 && strcmp(images->class_names[k - 1], images->class_names[k]) >= 0))
            return false;
    return true;
}

static int digits_of(uint32_t n)
{
    int d = 1;
    for (; n > 9; n /= 10) d++;
    return d;
}

/* Else the number stands first, with leading zeros so that names sort as numbers do. */
static char *class_folder(const struct kd_images *images, uint32_t k, bool by_name,
                          struct kd_err *err)
{
    if (by_name) return kd_strdup(images->class_names[k], err);
    const int width = digits_of(images->classes - 1);
    char *name = images->class_names ? kd_format(err, "%0*u-%s", width, k, images->class_names[k])
                                     : kd_format(err, "%0*u", width, k);
    for (char *p = name; p && *p; p++)
        if (!isalnum((unsigned char)*p) && !strchr("-_.", *p)) *p = '_';
    return name;
}

static int image_write(const struct kd_images *images, uint32_t i, const char *path,
                       struct kd_picture *p, struct kd_bytes *bytes, struct kd_err *err)
{
    const size_t plane = (size_t)images->h * images->w;
    const uint8_t *from = (const uint8_t *)images->pixels + i * plane * images->c;
    for (uint32_t c = 0; c < images->c; c++)
        for (size_t j = 0; j < plane; j++) p->pixels[j * images->c + c] = from[c * plane + j];
    bytes->size = 0;
    if (kd_picture_encode(p, bytes, err) < 0) return -1;
    return kd_file_write_part(path, bytes->data, bytes->size, err);
}

static int classes_write(const struct kd_images *images, const char *folder, char **names,
                         struct kd_err *err)
{
    struct kd_picture p = {0};
    struct kd_bytes bytes = {0};
    const int width = digits_of(images->n - 1);
    int status = kd_picture_init(&p, images->h, images->w, images->c, err);
    for (uint32_t k = 0; k < images->classes && status == 0; k++) {
        char *path = kd_path_join(err, folder, names[k]);
        status = path ? kd_folders_make(path, err) : -1;
        kd_free(path);
    }
    for (uint32_t i = 0; i < images->n && status == 0; i++) {
        char *path = kd_format(err, "%s/%s/%0*u.png", folder, names[images->labels[i]], width, i);
        status = path ? image_write(images, i, path, &p, &bytes, err) : -1;
        kd_free(path);
    }
    kd_picture_release(&p);
    kd_bytes_release(&bytes);
    return status;
}

/* What lies there goes aside first, and comes back where the new folder does not get there. */
static int put_in_place(const char *partial, const char *final, struct kd_err *err)
{
    if (!kd_path_exists(final)) return kd_folder_commit(partial, final, err);
    char *aside = kd_folder_begin(final, err);
    if (!aside || rename(final, aside) < 0) {
        if (aside) kd_fail_errno(err, "%s: cannot be replaced", final);
        kd_folder_discard(partial);
        kd_free(aside);
        return -1;
    }
    const int status = kd_folder_commit(partial, final, err);
    if (status < 0)
        (void)rename(aside, final);
    else
        kd_folder_discard(aside);
    kd_free(aside);
    return status;
}

static int write_whole(const struct kd_images *images, const char *folder, char **names,
                       bool overwrite, struct kd_err *err)
{
    char *final = kd_path_join(err, folder, images->split), *partial = NULL;
    int status = final ? 0 : -1;
    if (status == 0 && !overwrite && kd_path_exists(final))
        status = kd_fail_usage(
            err, "%s is there already: --overwrite replaces it, another -o keeps both", final);
    if (status == 0) status = (partial = kd_folder_begin(final, err)) ? 0 : -1;
    if (status == 0) {
        status = classes_write(images, partial, names, err);
        if (status == 0)
            status = put_in_place(partial, final, err);
        else
            kd_folder_discard(partial);
    }
    kd_free(final);
    kd_free(partial);
    return status;
}

static int check(const struct kd_images *images, struct kd_err *err)
{
    if (images->dtype != KD_U8)
        return kd_fail_usage(err, "PNG holds bytes, %s has %s pixels: write tensors instead",
                             images->source, kd_dtype_name(images->dtype));
    if (images->c != 1 && images->c != 3)
        return kd_fail_usage(err, "PNG holds 1 or 3 channels, %s has %u: write tensors instead",
                             images->source, images->c);
    uint32_t *count = kd_alloc(images->classes, sizeof *count, "classes", err);
    if (!count) return -1;
    int status = 0;
    for (uint32_t i = 0; i < images->n && status == 0; i++) {
        if (!images->labels || images->labels[i] < 0)
            status = kd_fail_usage(err,
                                   "class folders need labels, sample %u of %s has none: write "
                                   "tensors instead",
                                   i, images->source);
        else
            count[images->labels[i]]++;
    }
    for (uint32_t k = 0; k < images->classes && status == 0; k++)
        if (count[k] == 0)
            status = kd_fail_usage(err,
                                   "class %u of %s has no images here and would be lost in class "
                                   "folders: write tensors instead",
                                   k, images->source);
    kd_free(count);
    return status;
}

int kd_images_write_png(const struct kd_images *images, const char *folder, bool overwrite,
                        struct kd_err *err)
{
    if (check(images, err) < 0) return -1;
    const bool by_name = names_serve(images);
    char **names = kd_alloc(images->classes, sizeof *names, "class names", err);
    if (!names) return -1;
    int status = 0;
    for (uint32_t k = 0; k < images->classes && status == 0; k++)
        status = (names[k] = class_folder(images, k, by_name, err)) ? 0 : -1;
    if (status == 0) status = write_whole(images, folder, names, overwrite, err);
    for (uint32_t k = 0; k < images->classes; k++) kd_free(names[k]);
    kd_free(names);
    return status;
}
