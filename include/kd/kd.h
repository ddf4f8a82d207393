/* kd in a program of your own: load a model that kd trained, and ask it about images.
 *
 *     struct kd_err err;
 *     struct kd_predictor *p = kd_predictor_open("student/", NULL, &err);
 *     float logits[10];
 *     if (!p || kd_predictor_bytes(p, pixels, 1, logits, &err) < 0) puts(err.text);
 *     kd_predictor_close(p);
 *
 * C11 or C++; link with `pkg-config --cflags --libs kd`. The manual page kd(3) has a whole program.
 *
 * Shapes. An image is channels * height * width numbers, all of the first channel first (C,H,W);
 * kd_predictor_facts tells the model's own. The answer is one logit a class. kd_probabilities makes
 * probabilities of them.
 *
 * Errors. A function that can fail takes a struct kd_err last. It returns 0, or -1 with err->text
 * filled, one line that says what is wrong; functions that return a pointer return NULL. The
 * library never prints and never exits.
 *
 * Threads. A predictor is used by one thread at a time; it may have workers of its own (struct
 * kd_predictor_options). Several predictors are independent.
 */
#ifndef KD_KD_H
#define KD_KD_H
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#include "kd/base/err.h"

/* ---- models ---- */

struct kd_predictor; /* a model that is ready to answer */

struct kd_predictor_options { /* NULL or zeros: the defaults */
    unsigned threads;         /* workers; 0: one */
};

struct kd_predictor_facts {
    unsigned channels, height, width; /* of an image */
    unsigned classes;
    const char *const *class_names; /* [classes], or NULL where the model does not know any */
    size_t parameters;              /* numbers in all */
    uint64_t macs;                  /* multiply-adds an image */
    const char *fingerprint;        /* of the model, 32 hexadecimal digits */
};

/* A model file, a checkpoint, or the folder that a training wrote. Close it with
 * kd_predictor_close, which takes NULL as well. */
struct kd_predictor *kd_predictor_open(const char *path, const struct kd_predictor_options *options,
                                       struct kd_err *err);
void kd_predictor_close(struct kd_predictor *p);
/* Valid until the predictor is closed. */
const struct kd_predictor_facts *kd_predictor_facts(const struct kd_predictor *p);

/* Logits [n][classes] of n images of bytes, [n][channels][height][width], 0 black to 255 white:
 * what a model of pictures was trained on. Normalization is the predictor's. */
int kd_predictor_bytes(struct kd_predictor *p, const uint8_t *images, size_t n, float *logits,
                       struct kd_err *err);
/* The same of floats, for models that were trained on floats: the numbers as they were there. */
int kd_predictor_floats(struct kd_predictor *p, const float *images, size_t n, float *logits,
                        struct kd_err *err);

/* ---- images ---- */

struct kd_image_set; /* a split of a data source, decoded into memory */

struct kd_image_set_facts {
    size_t n;
    unsigned channels, height, width, classes;
    const uint8_t *bytes;  /* [n][channels][height][width], or NULL where the images are floats */
    const float *floats;   /* the same of floats, or NULL */
    const int32_t *labels; /* [n], -1 where an image has none; NULL: no labels at all */
    const char *const *class_names; /* [classes], or NULL */
};

/* The source as every kd program takes it: "mnist:test", "images:DIR", "tensors:FILE". Named
 * sources are looked for under data_dir, or where it is NULL in $KD_DATA and ./data. */
struct kd_image_set *kd_image_set_open(const char *source, const char *data_dir,
                                       struct kd_err *err);
void kd_image_set_close(struct kd_image_set *set);
/* Valid until the set is closed. */
const struct kd_image_set_facts *kd_image_set_facts(const struct kd_image_set *set);

/* ---- answers ---- */

/* softmax of [classes] logits at a temperature (1: as trained): probabilities [classes], which may
 * lie where the logits do. */
void kd_probabilities(const float *logits, size_t classes, double temperature,
                      float *probabilities);
/* Place of the largest of n numbers, of equal ones the first. */
size_t kd_largest(const float *numbers, size_t n);

#ifdef __cplusplus
}
#endif
#endif
