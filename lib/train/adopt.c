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
    char of[48] = "";
    if (t->augmented) snprintf(of, sizeof of, "%zu views of ", t->views);
    const bool doubtful = kd_targets_doubtful(t, &all, &right, &chance);
    if (images->labels)
        snprintf(told, KD_DOUBT_TEXT,
                 "%s%zu rows for %.100s:%s; %.1f %% of them name their image's label%s", of, t->n,
                 images->source, images->split, 100 * right,
                 doubtful
                     ? ", no more than chance: do rows and images belong together, in the same "
                       "order?"
                     : "");
    else
        snprintf(told, KD_DOUBT_TEXT,
                 "%s%zu rows for %.100s:%s, which has no labels to compare with", of, t->n,
                 images->source, images->split);
    kd_subset_release(&all);
    return 0;
}

static int write(const char *path, const struct kd_targets *t, const struct kd_images *images,
                 const struct kd_soften *what, struct kd_err *err)
{
    struct kd_tensorfile f;
    const size_t shape[3] = {t->views, t->n, t->classes};
    const unsigned dims = what->views ? 3 : 2;
    int status = kd_tensorfile_init(&f, err);
    if (status == 0) status = kd_tensorfile_set(&f, "kd.kind", "soft-targets", err);
    if (status == 0) status = kd_tensorfile_set(&f, "kd.format", KD_FORMAT, err);
    if (status == 0) status = kd_tensorfile_set(&f, "kd.version", KD_VERSION, err);
    if (status == 0) status = kd_tensorfile_set(&f, "kd.average", "logits", err);
    if (status == 0) status = kd_tensorfile_set(&f, "kd.parents", "[]", err);
    if (status == 0)
        status = kd_tensorfile_set_json(&f, "kd.data", kd_images_identity(images, err), err);
    if (status == 0) status = kd_class_names_put(&f, t->class_names, (uint32_t)t->classes, err);
    if (status == 0 && what->command[0])
        status = kd_tensorfile_set(&f, "kd.command", what->command, err);
    if (status == 0 && what->views)
        status = kd_tensorfile_set_json(&f, "kd.views", kd_soften_views(what, err), err);
    if (status == 0)
        status = kd_tensorfile_add(
            &f, "logits", (struct kd_array){KD_F32, dims, shape + 3 - dims, t->values}, err);
    if (status == 0) status = kd_tensorfile_write(path, &f, err);
    kd_tensorfile_release(&f);
    return status;
}

/* Logits of views say nothing of these; `what` does. */
static int logits_read(const char *logits, const struct kd_images *images,
                       const struct kd_soften *what, struct kd_targets *t, struct kd_err *err)
{
    const struct kd_job job = {.distill.temperature = 1, .augment = what->augment};
    struct kd_tensorfile f;
    *t = (struct kd_targets){0};
    if (kd_tensorfile_read_any(logits, NULL, &f, err) < 0) return -1;
    int status = 0;
    if (what->views)
        status = kd_tensorfile_set_json(&f, "kd.views", kd_soften_views(what, err), err);
    if (status == 0) status = kd_targets_take(&f, images, &job, true, t, err);
    if (status == 0 && (t->probabilities || !t->values))
        status = kd_fail(err, "logits [N,classes] are needed, one row an image");
    if (status == 0 && t->views != (what->views ? what->views : 1))
        status = kd_fail(err,
                         "it has logits of %zu views, --views says %zu; expected [%zu,%u,"
                         "classes]",
                         t->views, what->views, what->views, images->n);
    if (status < 0) {
        kd_err_context(err, "%s", logits);
        err->kind = KD_ERR_FAILURE;
        kd_targets_release(t);
    }
    kd_tensorfile_release(&f);
    return status;
}

int kd_soften_adopt(const char *path, const char *logits, const struct kd_images *images,
                    const struct kd_soften *what, char told[KD_DOUBT_TEXT], struct kd_err *err)
{
    struct kd_targets t;
    if (logits_read(logits, images, what, &t, err) < 0) return -1;
    int status = told_make(&t, images, told, err);
    if (status == 0) status = write(path, &t, images, what, err);
    kd_targets_release(&t);
    return status;
}
