/* What kd-predict works with: pictures read many at a time, names of classes, the most probable
 * ones. */
#ifndef KD_CMD_PREDICTIONS_H
#define KD_CMD_PREDICTIONS_H
#include "kd/base/json.h"
#include "kd/base/text.h"
#include "kd/data/input.h"
#include "kd/data/picture.h"
#include "kd/data/resize.h"
#include "kd/nn/predict.h"
#include "program.h"

enum { BATCH = KD_PREDICT_BATCH };

struct class_names {
    cJSON *list; /* of kd.class_names; NULL: classes are numbers */
};
int class_names_read(struct class_names *out, const struct kd_model *model, struct kd_err *err);
void class_names_release(struct class_names *names);
/* The name, or the number in room. */
const char *class_name(const struct class_names *names, size_t label, char room[24]);

struct ranked {
    size_t label;
    double probability;
};
/* The n most probable of `classes`, the first of equal ones first. */
int rank(const float *logits, size_t classes, double temperature, size_t n, struct ranked *out,
         struct kd_err *err);

/* Pictures, made the images of a model as those were that it learnt from (kd.preprocess). */
struct batch {
    uint32_t c, h, w;
    struct kd_input input; /* of the model */
    struct kd_picture_options options;
    struct kd_resize resize; /* h is 0: pictures have the model's size */
    bool bytes;              /* the model takes bytes; else pictures do not suit it */
    uint8_t *pixels; /* [BATCH][c][h][w]; those that could be read stand first after batch_images */
    char *paths[BATCH];
    char *why[BATCH]; /* what was wrong with a picture, "PATH: ..."; NULL: nothing */
    size_t n;
};
int batch_open(struct batch *b, const struct kd_model *model, struct kd_err *err);
int batch_add(struct batch *b, const char *path, struct kd_err *err);
/* Reads all pictures, by the pool's workers. */
void batch_read(struct batch *b, struct kd_pool *pool);
/* Those that could be read as a set; its pixels are the batch's. */
struct kd_images batch_images(struct batch *b);
void batch_clear(struct batch *b);
void batch_close(struct batch *b);
#endif
