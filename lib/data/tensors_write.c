/* An image set as one .safetensors file. */
#include "formats.h"
#include "kd/data/classes.h"

static char *identity_text(const struct kd_images *images, struct kd_err *err)
{
    cJSON *o = kd_images_identity(images, err);
    char *text = o ? kd_json_text(o, false, err) : NULL;
    cJSON_Delete(o);
    return text;
}

static int meta_add(struct kd_tensorfile *f, const struct kd_images *images, const char *command,
                    struct kd_err *err)
{
    char *identity = identity_text(images, err);
    char *classes = kd_format(err, "%u", images->classes);
    int status = -1;
    if (!identity || !classes) goto done;
    if (kd_tensorfile_set(f, "kd.kind", "images", err) < 0 ||
        kd_tensorfile_set(f, "kd.version", KD_VERSION, err) < 0 ||
        kd_tensorfile_set(f, "kd.data", identity, err) < 0 ||
        kd_tensorfile_set(f, "kd.classes", classes, err) < 0 ||
        kd_class_names_put(f, images->class_names, images->classes, err) < 0 ||
        (command && *command && kd_tensorfile_set(f, "kd.command", command, err) < 0))
        goto done;
    status = 0;
done:
    kd_free(identity);
    kd_free(classes);
    return status;
}

int kd_images_write_tensors(const struct kd_images *images, const char *path, const char *command,
                            struct kd_err *err)
{
    struct kd_tensorfile f = {0};
    const size_t shape[4] = {images->n, images->c, images->h, images->w};
    int status = -1;
    if (kd_tensorfile_init(&f, err) < 0 || meta_add(&f, images, command, err) < 0) goto done;
    if (kd_tensorfile_add(&f, "images", (struct kd_array){images->dtype, 4, shape, images->pixels},
                          err) < 0)
        goto done;
    if (images->labels &&
        kd_tensorfile_add(&f, "labels", (struct kd_array){KD_I32, 1, shape, images->labels}, err) <
            0)
        goto done;
    status = kd_tensorfile_write(path, &f, err);
done:
    kd_tensorfile_release(&f);
    return status;
}
