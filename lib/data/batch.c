#include "kd/data/batch.h"
#include "kd/base/rng.h"
#include <math.h>
#include <string.h>

const struct kd_option kd_augment_rows[] = {
    {"shift", 0, "shift", KD_OPT_INT, offsetof(struct kd_augment, shift), .preset = "0", .min = 0,
     .max = 1024, .metavar = "PIXELS",
     .help = "move each training image by up to this much in both directions"},
};
const size_t kd_augment_rows_n = sizeof kd_augment_rows / sizeof *kd_augment_rows;

bool kd_augment_active(const struct kd_augment *a)
{
    return a && a->shift > 0;
}

/* ---- normalization ---- */

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
    cJSON *o = cJSON_CreateObject();
    if (!o) {
        kd_fail(err, "not enough memory for the normalization");
        return NULL;
    }
    double mean[KD_MAX_CHANNELS], std[KD_MAX_CHANNELS];
    for (uint32_t c = 0; c < n->channels; c++) {
        mean[c] = (double)n->mean[c];
        std[c] = (double)n->std[c];
    }
    if (kd_json_add_numbers(o, "mean", mean, n->channels, err) == 0 &&
        kd_json_add_numbers(o, "std", std, n->channels, err) == 0)
        return o;
    cJSON_Delete(o);
    return NULL;
}

/* ---- gathering ---- */

/* Where a row of the output comes from: columns from..to-1 of the source row, moved by dx. */
struct shift {
    int64_t dx, dy;
};

static struct shift shift_draw(const struct kd_augment *augment, uint64_t seed, uint32_t epoch,
                               uint32_t sample)
{
    struct kd_rng rng = kd_rng_for(seed, KD_FOR_AUGMENT, epoch, sample);
    const uint32_t choices = (uint32_t)(2 * augment->shift + 1);
    struct shift s;
    s.dx = (int64_t)kd_rng_below(&rng, choices) - augment->shift;
    s.dy = (int64_t)kd_rng_below(&rng, choices) - augment->shift;
    return s;
}

/* value[p] of bytes, through a table so that every pixel value is rounded once, everywhere alike.
 */
static void run_u8(const uint8_t *restrict p, const float *restrict value, size_t n,
                   float *restrict out)
{
    for (size_t i = 0; i < n; i++) out[i] = value[p[i]];
}

static void run_f32(const float *restrict p, float mean, float std, size_t n, float *restrict out)
{
    for (size_t i = 0; i < n; i++) out[i] = (p[i] - mean) / std;
}

static void run_fill(float value, size_t n, float *out)
{
    for (size_t i = 0; i < n; i++) out[i] = value;
}

struct channel {
    const void *plane; /* [h][w] of dtype */
    enum kd_dtype dtype;
    const float *value;    /* [256] for bytes */
    float mean, std, zero; /* zero: what raw 0 becomes */
};

static void channel_run(const struct channel *c, size_t from, size_t n, float *out)
{
    if (c->dtype == KD_U8)
        run_u8((const uint8_t *)c->plane + from, c->value, n, out);
    else
        run_f32((const float *)c->plane + from, c->mean, c->std, n, out);
}

static void channel_shifted(const struct channel *c, int64_t h, int64_t w, struct shift s,
                            float *out)
{
    const int64_t left = s.dx > 0 ? (s.dx < w ? s.dx : w) : 0;
    const int64_t right = s.dx < 0 ? (-s.dx < w ? -s.dx : w) : 0;
    const int64_t kept = w - left - right;
    for (int64_t y = 0; y < h; y++, out += w) {
        const int64_t from = y - s.dy;
        if (from < 0 || from >= h || kept <= 0) {
            run_fill(c->zero, (size_t)w, out);
            continue;
        }
        run_fill(c->zero, (size_t)left, out);
        channel_run(c, (size_t)(from * w + right), (size_t)kept, out + left);
        run_fill(c->zero, (size_t)right, out + left + kept);
    }
}

/* All n images of one channel, so that one table of 1 KiB serves them and stays near. */
static void channel_fill(const struct kd_images *images, const struct kd_normalize *normalize,
                         uint32_t c, const struct kd_augment *augment, uint64_t seed,
                         uint32_t epoch, const uint32_t *index, uint32_t n, float *out)
{
    float value[256];
    const size_t plane = (size_t)images->h * images->w, size = kd_dtype_size(images->dtype);
    const double mean = (double)normalize->mean[c], std = (double)normalize->std[c];
    struct channel channel = {.dtype = images->dtype,
                              .value = value,
                              .mean = normalize->mean[c],
                              .std = normalize->std[c],
                              .zero = (float)(-mean / std)};
    if (images->dtype == KD_U8)
        for (unsigned p = 0; p < 256; p++) value[p] = (float)((p / 255.0 - mean) / std);
    for (uint32_t j = 0; j < n; j++) {
        float *to = out + ((size_t)j * images->c + c) * plane;
        channel.plane =
            (const char *)images->pixels + ((size_t)index[j] * images->c + c) * plane * size;
        if (kd_augment_active(augment))
            channel_shifted(&channel, images->h, images->w,
                            shift_draw(augment, seed, epoch, index[j]), to);
        else
            channel_run(&channel, 0, plane, to);
    }
}

void kd_batch_fill(const struct kd_images *images, const struct kd_normalize *normalize,
                   const struct kd_augment *augment, uint64_t seed, uint32_t epoch,
                   const uint32_t *index, uint32_t n, float *out)
{
    for (uint32_t c = 0; c < images->c; c++)
        channel_fill(images, normalize, c, augment, seed, epoch, index, n, out);
}
