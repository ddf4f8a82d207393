#include "samples.h"
#include "kd/base/json.h"
#include "kd/data/batch.h"
#include "kd/data/split.h"
#include "kd/report/classes.h"
#include "plot.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct kd_samples { /* [0] training, [1] other images */
    struct kd_images images[2];
    char *key[2]; /* what was asked for; NULL: nothing yet */
    bool there[2];
};

static const struct kd_images *load(struct kd_chart_set *set, int place, const char *source,
                                    const struct kd_images_options *o)
{
    struct kd_err why = {0}, ignored;
    struct kd_samples *s = set->samples;
    if (!s) s = set->samples = kd_alloc(1, sizeof *s, "images", &ignored);
    char *key = s ? kd_format(&ignored, "%s\n%s\n%s", source, o->default_split,
                              o->data_dir ? o->data_dir : "")
                  : NULL;
    if (!key) return NULL;
    if (s->key[place] && strcmp(s->key[place], key) == 0) {
        kd_free(key);
        return s->there[place] ? &s->images[place] : NULL;
    }
    if (s->there[place]) kd_images_release(&s->images[place]);
    kd_free(s->key[place]);
    s->key[place] = key;
    s->there[place] = kd_images_load(source, o, &s->images[place], &why) == 0;
    if (!s->there[place] && !set->left_out) set->left_out = kd_strdup(why.text, &ignored);
    return s->there[place] ? &s->images[place] : NULL;
}

void kd_samples_release(struct kd_chart_set *set)
{
    for (int place = 0; set->samples && place < 2; place++) {
        if (set->samples->there[place]) kd_images_release(&set->samples->images[place]);
        kd_free(set->samples->key[place]);
    }
    kd_free(set->samples);
    set->samples = NULL;
}

const struct kd_images *kd_samples_load(const struct kd_report *report, const struct kd_result *r,
                                        const char *split, struct kd_chart_set *set)
{
    struct kd_err ignored;
    cJSON *data = r->data ? kd_json_parse(r->data, strlen(r->data), "kd.config", &ignored) : NULL;
    const char *test = kd_text_at(data, "test"), *source = kd_text_at(data, "source");
    const char *folder = report->data_dir ? report->data_dir : kd_text_at(data, "data_dir");
    struct kd_data_config own = {0};
    const struct kd_opt_section s[] = {{"", "", kd_data_rows, &own, NULL}, {0}};
    if (kd_opts_preset(s, &ignored) == 0 && data)
        kd_opts_from_json(s, data, "kd.config.data", NULL, &ignored);
    const struct kd_images_options o = {
        .data_dir = folder, .default_split = split, .input = &own.input};
    if (test && strcmp(split, "test") == 0) source = test;
    const struct kd_images *images =
        source ? load(set, strcmp(split, "train") != 0, source, &o) : NULL;
    kd_opts_release(s);
    cJSON_Delete(data);
    return images;
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
    kd_batch_fill(&(struct kd_view){.images = images, .index = &i, .n = 1}, &plain, 0, 1, x);
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

const char *kd_class_name(const cJSON *names, const struct kd_images *images, size_t c,
                          char out[48])
{
    char number[KD_CLASS_ROOM];
    const char *name = kd_class_in(names, c, number);
    if (!names && images && images->class_names && c < images->classes)
        name = images->class_names[c];
    snprintf(out, 48, "%.44s", name);
    return out;
}
