/* Logits from other frameworks become soft targets that know which images they are of. */
#include "kd/base/json.h"
#include "kd/data/classes.h"
#include "kd/nn/model.h"
#include "kd/train/targets.h"
#include <stdio.h>

static int told_make(const struct kd_targets *t, const struct kd_images *images,
                     char told[KD_DOUBT_TEXT], struct kd_err *err)
{
    struct kd_subset all;
    double right, chance;
    if (kd_subset_all(images, &all, err) < 0) return -1;
    const bool doubtful = kd_targets_doubtful(t, &all, &right, &chance);
    if (images->labels)
        snprintf(told, KD_DOUBT_TEXT,
                 "%zu rows for %.100s:%s; %.1f %% of them name their image's label%s", t->n,
                 images->source, images->split, 100 * right,
                 doubtful
                     ? ", no more than chance: do rows and images belong together, in the same "
                       "order?"
                     : "");
    else
        snprintf(told, KD_DOUBT_TEXT, "%zu rows for %.100s:%s, which has no labels to compare with",
                 t->n, images->source, images->split);
    kd_subset_release(&all);
    return 0;
}

static int write(const char *path, const struct kd_targets *t, const struct kd_images *images,
                 const char *command, struct kd_err *err)
{
    struct kd_tensorfile f;
    const size_t shape[2] = {t->n, t->classes};
    int status = kd_tensorfile_init(&f, err);
    if (status == 0) status = kd_tensorfile_set(&f, "kd.kind", "soft-targets", err);
    if (status == 0) status = kd_tensorfile_set(&f, "kd.format", KD_FORMAT, err);
    if (status == 0) status = kd_tensorfile_set(&f, "kd.version", KD_VERSION, err);
    if (status == 0) status = kd_tensorfile_set(&f, "kd.average", "logits", err);
    if (status == 0) status = kd_tensorfile_set(&f, "kd.parents", "[]", err);
    if (status == 0)
        status = kd_tensorfile_set_json(&f, "kd.data", kd_images_identity(images, err), err);
    if (status == 0) status = kd_class_names_put(&f, t->class_names, (uint32_t)t->classes, err);
    if (status == 0 && command[0]) status = kd_tensorfile_set(&f, "kd.command", command, err);
    if (status == 0)
        status =
            kd_tensorfile_add(&f, "logits", (struct kd_array){KD_F32, 2, shape, t->values}, err);
    if (status == 0) status = kd_tensorfile_write(path, &f, err);
    kd_tensorfile_release(&f);
    return status;
}

int kd_soften_adopt(const char *path, const char *logits, const struct kd_images *images,
                    const char *command, char told[KD_DOUBT_TEXT], struct kd_err *err)
{
    struct kd_targets t;
    const struct kd_job job = {.distill.temperature = 1};
    if (kd_targets_read(logits, images, &job, true, &t, err) < 0) return -1;
    int status = 0;
    if (t.probabilities || t.views > 1 || !t.values)
        status = kd_fail(err, "%s: logits [N,classes] are needed, one row an image", logits);
    if (status == 0) status = told_make(&t, images, told, err);
    if (status == 0) status = write(path, &t, images, command, err);
    kd_targets_release(&t);
    return status;
}
