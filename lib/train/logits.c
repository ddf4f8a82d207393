/* Writing a model's answers, so that programs without networks can look at them. */
#include "kd/base/json.h"
#include "kd/nn/model.h"
#include "kd/train/predict.h"

static int set_json(struct kd_tensorfile *f, const char *key, cJSON *json, struct kd_err *err)
{
    char *text = json ? kd_json_text(json, false, err) : NULL;
    int status = text ? kd_tensorfile_set(f, key, text, err) : -1;
    kd_free(text);
    cJSON_Delete(json);
    return status;
}

int kd_logits_write(const char *path, const float *logits, const int32_t *labels, size_t classes,
                    const struct kd_images *images, const char *fingerprint, struct kd_err *err)
{
    struct kd_tensorfile f;
    const size_t shape[] = {images->n, classes};
    int status = kd_tensorfile_init(&f, err);
    cJSON *parents = cJSON_CreateStringArray(&fingerprint, 1);
    if (status == 0 && !parents) status = kd_fail_memory(err, "%s: not enough memory", path);
    if (status == 0 && (kd_tensorfile_set(&f, "kd.kind", "logits", err) < 0 ||
                        kd_tensorfile_set(&f, "kd.format", KD_FORMAT, err) < 0 ||
                        kd_tensorfile_set(&f, "kd.version", KD_VERSION, err) < 0 ||
                        set_json(&f, "kd.data", kd_images_identity(images, err), err) < 0))
        status = -1;
    if (status == 0)
        status = set_json(&f, "kd.parents", parents, err);
    else
        cJSON_Delete(parents);
    if (status == 0) status = kd_tensorfile_add(&f, "logits", KD_F32, 2, shape, logits, err);
    if (status == 0 && labels)
        status = kd_tensorfile_add(&f, "labels", KD_I32, 1, shape, labels, err);
    if (status == 0) status = kd_tensorfile_write(path, &f, err);
    kd_tensorfile_release(&f);
    return status;
}
