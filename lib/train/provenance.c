#include "provenance.h"
#include "kd/base/json.h"
#include "kd/data/images.h"
#include "kd/nn/model.h"
#include "kd/run/settings.h"
#include <stdio.h>
#include <string.h>

void kd_provenance_release(struct kd_provenance *x)
{
    kd_free(x->config);
    kd_free(x->data);
    kd_free(x->parents);
}

/* kd.config names experiment, model and seed. */
static cJSON *config_json(const struct kd_training *t, struct kd_err *err)
{
    struct kd_maker b = kd_make_on(kd_job_to_json(t->job, err), err);
    kd_put_text(&b, "experiment", t->experiment);
    kd_put_text(&b, t->job->student ? "student" : "teacher", t->job->name);
    kd_put_number(&b, "seed", (double)t->seed);
    return kd_make_end(&b);
}

/* Fingerprints of teachers, and then of the model that it starts from. */
static cJSON *parents_json(const struct kd_training *t, struct kd_err *err)
{
    const cJSON *teachers = t->targets ? t->targets->parents : NULL;
    struct kd_model init;
    struct kd_maker list = teachers ? kd_make_copy(teachers, err) : kd_make_list(err);
    if (!t->init) return kd_make_end(&list);
    if (kd_model_read(t->init, &init, err) < 0) {
        cJSON_Delete(kd_make_end(&list));
        return NULL;
    }
    kd_put_text(&list, NULL, init.fingerprint);
    kd_model_release(&init);
    return kd_make_end(&list);
}

int kd_provenance_make(const struct kd_training *t, struct kd_provenance *x, struct kd_err *err)
{
    *x =
        (struct kd_provenance){.begun = t->init, .soft = t->targets ? t->targets->fingerprint : ""};
    x->config = kd_json_text_of(config_json(t, err), err);
    x->data = x->config ? kd_json_text_of(kd_images_identity(t->images, err), err) : NULL;
    if (!x->data) goto fail;
    x->parents = kd_json_text_of(parents_json(t, err), err);
    if (x->parents) return 0;
fail:
    kd_provenance_release(x);
    *x = (struct kd_provenance){0};
    return -1;
}

static bool same(const struct kd_tensorfile *f, const char *key, const char *text)
{
    const char *there = kd_tensorfile_meta(f, key);
    return there && strcmp(there, text) == 0;
}

static int because(char why[KD_TRAINING_WHY], const char *text)
{
    snprintf(why, KD_TRAINING_WHY, "%s", text);
    return 0;
}

/* The first setting that differs, as "train.epochs is 5 there and 3 here". */
static int tell_setting(const cJSON *there, const cJSON *here, const char *first,
                        char why[KD_TRAINING_WHY], struct kd_err *err)
{
    const cJSON *a = kd_json_get(there, first), *b = kd_json_get(here, first);
    char *was = a ? kd_json_text(a, false, err) : kd_strdup("not said", err);
    char *is = b ? kd_json_text(b, false, err) : kd_strdup("not said", err);
    if (was && is && strlen(was) < 60 && strlen(is) < 60)
        snprintf(why, KD_TRAINING_WHY, "%.60s is %s there and %s here", first, was, is);
    else
        snprintf(why, KD_TRAINING_WHY, "%.60s is another one there", first);
    int status = was && is ? 0 : -1;
    kd_free(was);
    kd_free(is);
    return status;
}

/* 1, 0 with why filled, or -1. */
static int config_is_ours(const char *there, const char *here, char why[KD_TRAINING_WHY],
                          struct kd_err *err)
{
    struct kd_err unreadable; /* then it is none that kd wrote */
    char first[KD_SETTING_NAME];
    if (!there) return because(why, "it does not say what it was made with");
    cJSON *a = kd_json_parse(there, strlen(there), "kd.config", &unreadable);
    cJSON *b = kd_json_parse(here, strlen(here), "kd.config", err);
    int differ = b ? kd_configs_differ(a, b, kd_job_parts, KD_SAME_TRAINING, first, err) : -1;
    if (differ == 1 && tell_setting(a, b, first, why, err) < 0) differ = -1;
    cJSON_Delete(a);
    cJSON_Delete(b);
    return differ < 0 ? -1 : !differ;
}

/* Older files do not say what the soft targets were. */
int kd_would_be_ours(const struct kd_tensorfile *f, const char *config,
                     const struct kd_provenance *x, char why[KD_TRAINING_WHY], struct kd_err *err)
{
    *why = '\0';
    int status = config_is_ours(config, x->config, why, err);
    if (status != 1) return status;
    if (!same(f, "kd.data", x->data)) return because(why, "its images are others");
    if (!same(f, "kd.parents", x->parents))
        return because(why, x->begun ? "its teacher, or the model that it started from, is another"
                                     : "its teacher is another one");
    if (*x->soft && kd_tensorfile_meta(f, "kd.soft_targets") &&
        !same(f, "kd.soft_targets", x->soft))
        return because(why, "its soft targets are others");
    return 1;
}

int kd_is_ours(const struct kd_tensorfile *f, const struct kd_provenance *x,
               char why[KD_TRAINING_WHY], struct kd_err *err)
{
    return kd_would_be_ours(f, kd_tensorfile_meta(f, "kd.config"), x, why, err);
}

int kd_file_is_ours(const char *path, const struct kd_provenance *x, char why[KD_TRAINING_WHY],
                    struct kd_err *err)
{
    struct kd_tensorfile f;
    struct kd_err damaged;
    if (kd_tensorfile_read(path, NULL, &f, &damaged) < 0)
        return because(why, "it cannot be read as a model");
    int status = kd_is_ours(&f, x, why, err);
    kd_tensorfile_release(&f);
    return status;
}
