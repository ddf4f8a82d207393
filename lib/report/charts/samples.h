/* The images that a run was trained and tested on, as far as they are found. */
#ifndef KD_REPORT_SAMPLES_H
#define KD_REPORT_SAMPLES_H
#include "chart.h"
#include "kd/data/images.h"

/* Data of a model for a split, as its configuration names it; valid until the next is asked for.
 * NULL where it cannot be had; why is kept in set->left_out. */
const struct kd_images *kd_samples_load(const struct kd_report *report, const struct kd_result *r,
                                        const char *split, struct kd_chart_set *set);
void kd_samples_release(struct kd_chart_set *set);
/* Are these the images that kd.data of a file speaks of? */
bool kd_samples_are(const struct kd_images *images, const char *data);
/* rgb [h][w][3] of pixels [c][h][w] that are gray (any number of channels but 3: the first) or
 * coloured, stretched from low..high. */
void kd_samples_rgb(const float *pixels, const struct kd_images *like, float low, float high,
                    uint8_t *rgb);
/* One image of the set, ready to draw: rgb [h][w][3]. */
int kd_samples_one(const struct kd_images *images, uint32_t i, uint8_t *rgb, struct kd_err *err);
/* Name of a class: of a model's own list (kd.class_names), which its answers are numbered by; else
 * of the images; else the number. Both NULL allowed. Returns out. */
const char *kd_class_name(const cJSON *names, const struct kd_images *images, size_t c,
                          char out[48]);
#endif
