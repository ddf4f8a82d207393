/* A student corrected for the classes it never saw: the same model with other biases in its last
 * layer (kd/train/bias.h finds them), as a model file that says what was done.
 *
 *     struct kd_correction c = {.config = &config, .model = &model, .data = &own_data, .images =
 * &train, ...}; kd_correct(&c, &err);                              // the model's biases are
 * changed kd_correct_write("out.safetensors", &c, &err); kd_correction_release(&c);
 */
#ifndef KD_TRAIN_CORRECT_H
#define KD_TRAIN_CORRECT_H
#include "kd/nn/predict.h"
#include "kd/train/config.h"

const char *kd_correct_by_name(int by);

struct kd_correction {
    /* given, all borrowed */
    const struct kd_correct_config *config;
    struct kd_model *model;
    const struct kd_data_config *data; /* what the model was trained on */
    const struct kd_images *images; /* by transfer: the training images; balanced: these or others;
                                       test: the test images */
    /* By transfer, where it is at hand: logits [images->n][classes] of the teacher. Images that it
     * takes for an unseen class are no evidence of a false alarm and do not count. */
    const float *teacher;
    const char *name;    /* of the corrected student in its experiment; NULL: the name it had */
    const char *command; /* "" leaves it out */
    struct kd_pool *pool;
    const struct kd_progress *progress;
    /* found out */
    char of[KD_FINGERPRINT];          /* of the model before */
    char fingerprint[KD_FINGERPRINT]; /* and after */
    bool *unseen;                     /* [classes] */
    double *bias;                     /* [classes] what was added */
    uint32_t used;                    /* images it was found by */
};
/* Errors: no class left out, a last layer that has no biases, images that do not suit the model. */
int kd_correct(struct kd_correction *c, struct kd_err *err);
/* To a path or "-". Metadata of the model before, with "correct" in kd.config, and kd.corrected =
 * {"of","by","classes","bias","images","used"}; figures of its training's end are left out. */
int kd_correct_write(const char *path, const struct kd_correction *c, struct kd_err *err);
void kd_correction_release(struct kd_correction *c);
/* Is the file at path what correcting `model` so would give? */
bool kd_correct_is_current(const char *path, const struct kd_model *model, const char *name,
                           const struct kd_correct_config *config);
#endif
