/* Writing a model's answers, so that programs without networks can look at them. */
#include "kd/nn/model.h"
#include "kd/nn/predict.h"

int kd_logits_write(const char *path, const struct kd_answers *answers, const char *command,
                    struct kd_err *err)
{
    const struct kd_images *images = answers->images;
    const char *fingerprint = answers->model->fingerprint;
    struct kd_tensorfile f;
    const size_t shape[] = {images->n, answers->model->net->classes};
    int status = kd_tensorfile_init(&f, err);
    if (status == 0 &&
        (kd_tensorfile_set(&f, "kd.kind", "logits", err) < 0 ||
         kd_tensorfile_set(&f, "kd.format", KD_FORMAT, err) < 0 ||
         kd_tensorfile_set(&f, "kd.version", KD_VERSION, err) < 0 ||
         kd_tensorfile_set_json(&f, "kd.data", kd_images_identity(images, err), err) < 0))
        status = -1;
    if (status == 0 && command[0]) status = kd_tensorfile_set(&f, "kd.command", command, err);
    if (status == 0)
        status =
            kd_tensorfile_set_json(&f, "kd.parents", cJSON_CreateStringArray(&fingerprint, 1), err);
    if (status == 0)
        status = kd_tensorfile_add(&f, "logits",
                                   (struct kd_array){KD_F32, 2, shape, answers->logits}, err);
    if (status == 0 && answers->labels)
        status = kd_tensorfile_add(&f, "labels",
                                   (struct kd_array){KD_I32, 1, shape, answers->labels}, err);
    if (status == 0) status = kd_tensorfile_write(path, &f, err);
    kd_tensorfile_release(&f);
    return status;
}
