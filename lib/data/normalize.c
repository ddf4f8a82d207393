/* Mean and deviation of each channel: computed, given, or read from a file. */
#include "kd/data/batch.h"
#include <math.h>
#include <string.h>

static void normalize_none(struct kd_normalize *n, uint32_t channels)
{
    *n = (struct kd_normalize){.channels = channels};
    for (uint32_t c = 0; c < channels; c++) n->std[c] = 1;
}

static void normalize_compute(struct kd_normalize *n, const struct kd_images *images)
{
    const size_t plane = (size_t)images->h * images->w;
    const double count = (double)images->n * (double)plane;
    normalize_none(n, images->c);
    for (uint32_t c = 0; c < images->c; c++) {
        uint64_t sum = 0, squares = 0;
        for (uint32_t i = 0; i < images->n; i++) {
            const uint8_t *p =
                (const uint8_t *)images->pixels + ((size_t)i * images->c + c) * plane;
            uint64_t s = 0, q = 0;
            for (size_t j = 0; j < plane; j++) {
                const uint32_t v = p[j];
                s += v;
                q += v * v;
            }
            sum += s;
            squares += q;
        }
        const double mean = (double)sum / count;
        const double variance = (double)squares / count - mean * mean;
        n->mean[c] = (float)(mean / 255);
        /* below 1e-6 it is the rounding of a constant channel */
        if (variance > 1e-6) n->std[c] = (float)(sqrt(variance) / 255);
    }
}

bool kd_normalize_is_none(const struct kd_normalize *n)
{
    for (uint32_t c = 0; c < n->channels; c++)
        if (n->mean[c] < 0 || n->mean[c] > 0 || n->std[c] < 1 || n->std[c] > 1) return false;
    return true;
}

static int numbers_read(const cJSON *list, const char *where, const char *key, float *out,
                        uint32_t *n, struct kd_err *err)
{
    *n = 0;
    if (!cJSON_IsArray(list) || cJSON_GetArraySize(list) < 1 ||
        cJSON_GetArraySize(list) > KD_MAX_CHANNELS)
        return kd_fail_usage(err, "%s.%s: expected a list of 1 to %d numbers", where, key,
                             KD_MAX_CHANNELS);
    for (const cJSON *v = list->child; v; v = v->next) {
        if (!cJSON_IsNumber(v) || !isfinite((float)v->valuedouble))
            return kd_fail_usage(err, "%s.%s[%u]: expected a number", where, key, *n);
        out[(*n)++] = (float)v->valuedouble;
    }
    return 0;
}

int kd_normalize_from_json(struct kd_normalize *n, const cJSON *json, const char *where,
                           struct kd_err *err)
{
    uint32_t stds;
    *n = (struct kd_normalize){0};
    if (!cJSON_IsObject(json))
        return kd_fail_usage(err, "%s: expected \"none\" or {\"mean\":[..],\"std\":[..]}", where);
    for (const cJSON *v = json->child; v; v = v->next)
        if (strcmp(v->string, "mean") != 0 && strcmp(v->string, "std") != 0)
            return kd_fail_usage(err, "%s: unknown key '%s'; keys are mean and std", where,
                                 v->string);
    if (numbers_read(cJSON_GetObjectItemCaseSensitive(json, "mean"), where, "mean", n->mean,
                     &n->channels, err) < 0 ||
        numbers_read(cJSON_GetObjectItemCaseSensitive(json, "std"), where, "std", n->std, &stds,
                     err) < 0)
        return -1;
    if (stds != n->channels)
        return kd_fail_usage(err, "%s: %u means and %u stds; both need one number a channel", where,
                             n->channels, stds);
    for (uint32_t c = 0; c < stds; c++)
        if (!(n->std[c] > 0))
            return kd_fail_usage(err, "%s.std[%u]: %g is not above 0", where, c, (double)n->std[c]);
    return 0;
}

int kd_normalize_init(struct kd_normalize *n, const cJSON *config, const struct kd_images *images,
                      struct kd_err *err)
{
    if (images->c > KD_MAX_CHANNELS)
        return kd_fail_usage(err, "%s: %u channels, at most %d can be normalized", images->source,
                             images->c, KD_MAX_CHANNELS);
    if (cJSON_IsString(config) && strcmp(config->valuestring, "none") == 0) {
        normalize_none(n, images->c);
        return 0;
    }
    if (!config || cJSON_IsNull(config)) {
        if (images->dtype == KD_U8)
            normalize_compute(n, images);
        else
            normalize_none(n, images->c);
        return 0;
    }
    if (kd_normalize_from_json(n, config, "data.normalize", err) < 0) return -1;
    if (n->channels == images->c) return 0;
    return kd_fail_usage(err, "data.normalize: %u channels given, %s has %u", n->channels,
                         images->source, images->c);
}

cJSON *kd_normalize_to_json(const struct kd_normalize *n, struct kd_err *err)
{
    double mean[KD_MAX_CHANNELS], std[KD_MAX_CHANNELS];
    for (uint32_t c = 0; c < n->channels; c++) {
        mean[c] = (double)n->mean[c];
        std[c] = (double)n->std[c];
    }
    struct kd_maker b = kd_make_object(err);
    kd_put_numbers(&b, "mean", mean, n->channels);
    kd_put_numbers(&b, "std", std, n->channels);
    return kd_make_end(&b);
}
