#include "samples.h"
#include "kd/data/batch.h"
#include "kd/base/json.h"
#include "plot.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool kd_samples_load(const struct kd_report *report, const struct kd_result *r, const char *split,
                     struct kd_chart_set *set, struct kd_images *out)
{
    struct kd_err why = {0}, ignored;
    cJSON *data = r->data ? kd_json_parse(r->data, strlen(r->data), "kd.config", &why) : NULL;
    const char *test = kd_text_at(data, "test"), *source = kd_text_at(data, "source");
    const char *folder = report->data_dir ? report->data_dir : kd_text_at(data, "data_dir");
    const struct kd_images_options o = {.data_dir = folder, .default_split = split};
    if (test && strcmp(split, "test") == 0) source = test;
    bool loaded = source && kd_images_load(source, &o, out, &why) == 0;
    if (!loaded && source && !set->left_out) set->left_out = kd_strdup(why.text, &ignored);
    cJSON_Delete(data);
    return loaded;
}

bool kd_samples_are(const struct kd_images *images, const char *data)
{
    struct kd_err ignored;
    cJSON *json = kd_json_parse(data, strlen(data), "kd.data", &ignored);
    const char *pixels = kd_text_at(json, "pixels");
    bool same = pixels && strcmp(pixels, images->pixels_fingerprint) == 0;
    cJSON_Delete(json);
    return same;
}

void kd_samples_rgb(const float *pixels, const struct kd_images *like, float low, float high,
                    uint8_t *rgb)
{
    const size_t plane = (size_t)like->h * like->w;
    for (size_t i = 0; i < plane; i++)
        for (size_t c = 0; c < 3; c++) {
            float v = pixels[i + (like->c == 3 ? c : 0) * plane];
            float share = high > low ? (v - low) / (high - low) : 0;
            rgb[3 * i + c] = (uint8_t)(fminf(fmaxf(share, 0), 1) * 255 + 0.5f);
        }
}

int kd_samples_one(const struct kd_images *images, uint32_t i, uint8_t *rgb, struct kd_err *err)
{
    size_t size = (size_t)images->c * images->h * images->w;
    struct kd_normalize plain = {.channels = images->c};
    float *x = kd_alloc(size, sizeof *x, "an image", err), low = 0, high = 1;
    if (!x) return -1;
    for (size_t c = 0; c < KD_MAX_CHANNELS; c++) plain.std[c] = 1;
    kd_batch_fill(images, &plain, NULL, 0, 0, &i, 1, x);
    if (images->dtype == KD_F32) {
        low = high = x[0];
        for (size_t k = 0; k < size; k++) {
            low = fminf(low, x[k]);
            high = fmaxf(high, x[k]);
        }
    }
    kd_samples_rgb(x, images, low, high, rgb);
    kd_free(x);
    return 0;
}

void kd_class_name(const struct kd_images *images, size_t c, char out[48])
{
    if (images && images->class_names && c < images->classes)
        snprintf(out, 48, "%.44s", images->class_names[c]);
    else
        snprintf(out, 48, "%zu", c);
}
