/* Small trainings for tests: images made up, a job from --set's own syntax. Include after cmocka.h.
 */
#ifndef KD_TEST_TRAINING_H
#define KD_TEST_TRAINING_H
#include "kd/train/experiment.h"
#include "kd/train/training.h"

#include <string.h>

enum { SET_SIDE = 6, SET_IMAGES = 90, SET_CLASSES = 3 };

/* Gray images in which a class is a bright bar under noise: learnt in a few steps, but not wholly.
 */
static inline void images_make(struct kd_images *im, uint32_t n)
{
    struct kd_err e = {0};
    size_t pixels = SET_SIDE * SET_SIDE;
    *im = (struct kd_images){
        .n = n, .c = 1, .h = SET_SIDE, .w = SET_SIDE, .classes = SET_CLASSES, .dtype = KD_U8};
    im->source = kd_strdup("made", &e);
    im->split = kd_strdup("train", &e);
    im->keep = (struct kd_tensorfile){0};
    uint8_t *p = malloc(n * pixels);
    im->labels = malloc(n * sizeof *im->labels);
    for (uint32_t i = 0; i < n; i++) {
        struct kd_rng r = kd_rng_for(3, KD_FOR_TEST, 9, i);
        im->labels[i] = (int32_t)kd_rng_below(&r, SET_CLASSES);
        for (size_t j = 0; j < pixels; j++) {
            uint32_t bar = j / SET_SIDE / 2 == (uint32_t)im->labels[i] ? 60 : 0;
            p[i * pixels + j] = (uint8_t)(kd_rng_below(&r, 190) + bar);
        }
    }
    im->pixels = p;
    if (kd_images_fingerprint(im, &e) < 0) fail_msg("%s", e.text);
}

static inline void images_free(struct kd_images *im)
{
    kd_free(im->source);
    kd_free(im->split);
    free(im->pixels);
    free(im->labels);
}

/* A job of an experiment that is nothing but `sets` ("teacher.train.epochs=3"), NULL at the end. */
static inline void job_make(struct kd_job *job, bool student, const char *const *sets)
{
    struct kd_err e = {0};
    struct kd_texts texts = {(char **)(uintptr_t)sets, 0};
    while (sets[texts.n]) texts.n++;
    struct kd_experiment *x = kd_experiment_open(NULL, NULL, &texts, &e);
    if (!x || kd_experiment_job(x, student ? "s" : "teacher", student, job, &e) < 0 ||
        kd_job_resolve(job, &e) < 0)
        fail_msg("%s", e.text);
    kd_experiment_close(x);
}
#endif
