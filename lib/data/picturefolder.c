/* Writing an image set as a folder of pictures: FOLDER/SPLIT/CLASS/0000.png.
 *
 * The split is made under a temporary name and renamed when it is whole, so that nobody reads half
 * a set. */
#include "formats.h"
#include "kd/base/file.h"
#include "kd/base/rng.h"
#include "kd/data/resize.h"
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

/* One image after another, in the form that is wanted. */
struct writer {
    const struct kd_images *images;
    const struct kd_picture_folder *how;
    struct kd_picture picture; /* the present one, as it is */
    struct kd_bytes bytes;     /* of its file */
};

/* A side of n pixels, by up to `vary` of it longer or shorter. */
static uint32_t varied(uint32_t n, double vary, struct kd_rng *r)
{
    const double side = n * (1 + vary * (2 * (double)kd_rng_uniform(r) - 1));
    return side < 1 ? 1 : (uint32_t)(side + 0.5);
}

static int encode(struct writer *w, const struct kd_picture *p, struct kd_err *err)
{
    w->bytes.size = 0;
    return w->how->jpeg ? kd_picture_encode_jpeg(p, (int)w->how->quality, &w->bytes, err)
                        : kd_picture_encode(p, &w->bytes, err);
}

static int image_encode(struct writer *w, uint32_t i, struct kd_err *err)
{
    const struct kd_images *images = w->images;
    const size_t plane = (size_t)images->h * images->w;
    const uint8_t *from = (const uint8_t *)images->pixels + i * plane * images->c;
    for (uint32_t c = 0; c < images->c; c++)
        for (size_t j = 0; j < plane; j++)
            w->picture.pixels[j * images->c + c] = from[c * plane + j];
    if (w->how->vary <= 0) return encode(w, &w->picture, err);
    struct kd_rng r = kd_rng_for(w->how->seed, KD_FOR_SIZES, 0, i);
    struct kd_resize size = {.fit = KD_FIT_STRETCH, .filter = KD_FILTER_BILINEAR};
    size.h = varied(images->h, w->how->vary, &r);
    size.w = varied(images->w, w->how->vary, &r);
    struct kd_picture other = {0};
    int status = kd_picture_resize(&w->picture, &size, &other, err);
    if (status == 0) status = encode(w, &other, err);
    kd_picture_release(&other);
    return status;
}

static int classes_write(struct writer *w, const char *folder, char **names, struct kd_err *err)
{
    const struct kd_images *images = w->images;
    const int width = digits_of(images->n - 1);
    int status = kd_picture_init(&w->picture, images->h, images->w, images->c, err);
    for (uint32_t k = 0; k < images->classes && status == 0; k++) {
        char *path = kd_path_join(err, folder, names[k]);
        status = path ? kd_folders_make(path, err) : -1;
        kd_free(path);
    }
    for (uint32_t i = 0; i < images->n && status == 0; i++) {
        char *path = kd_format(err, "%s/%s/%0*u.%s", folder, names[images->labels[i]], width, i,
                               w->how->jpeg ? "jpg" : "png");
        status = path ? image_encode(w, i, err) : -1;
        if (status == 0) status = kd_file_write_part(path, w->bytes.data, w->bytes.size, err);
        kd_free(path);
    }
    kd_picture_release(&w->picture);
    kd_bytes_release(&w->bytes);
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

static int write_whole(struct writer *w, const char *folder, char **names, struct kd_err *err)
{
    char *final = kd_path_join(err, folder, w->images->split), *partial = NULL;
    int status = final ? 0 : -1;
    if (status == 0 && !w->how->overwrite && kd_path_exists(final))
        status = kd_fail_usage(
            err, "%s is there already: --overwrite replaces it, another -o keeps both", final);
    if (status == 0) status = (partial = kd_folder_begin(final, err)) ? 0 : -1;
    if (status == 0) {
        status = classes_write(w, partial, names, err);
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
        return kd_fail_usage(err, "pictures hold bytes, %s has %s pixels: write tensors instead",
                             images->source, kd_dtype_name(images->dtype));
    if (images->c != 1 && images->c != 3)
        return kd_fail_usage(err, "pictures hold 1 or 3 channels, %s has %u: write tensors instead",
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

int kd_images_write_pictures(const struct kd_images *images, const char *folder,
                             const struct kd_picture_folder *how, struct kd_err *err)
{
    struct writer w = {.images = images, .how = how};
    if (check(images, err) < 0) return -1;
    const bool by_name = names_serve(images);
    char **names = kd_alloc(images->classes, sizeof *names, "class names", err);
    if (!names) return -1;
    int status = 0;
    for (uint32_t k = 0; k < images->classes && status == 0; k++)
        status = (names[k] = class_folder(images, k, by_name, err)) ? 0 : -1;
    if (status == 0) status = write_whole(&w, folder, names, err);
    for (uint32_t k = 0; k < images->classes; k++) kd_free(names[k]);
    kd_free(names);
    return status;
}
