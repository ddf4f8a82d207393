#include "kd/nn/top.h"

#include <math.h>
#include <string.h>

static const char *const names[] = {"top.values", "top.classes", "top.rest"};
enum { VALUES, CHOSEN, REST, ARRAYS };

bool kd_top_in(const struct kd_tensorfile *f)
{
    for (unsigned i = 0; i < ARRAYS; i++)
        if (kd_tensorfile_find(f, names[i])) return true;
    return false;
}

size_t kd_top_rows(const struct kd_top *t)
{
    return (t->views ? t->views : 1) * t->n;
}

size_t kd_top_bytes(const struct kd_top *t)
{
    const size_t row = t->k * (sizeof *t->values + kd_dtype_size(t->dtype)) + 2 * sizeof *t->rest;
    return kd_top_rows(t) * row;
}

uint32_t kd_top_class(const struct kd_top *t, size_t row, size_t i)
{
    const size_t at = row * t->k + i;
    if (t->dtype == KD_U8) return ((const uint8_t *)t->chosen)[at];
    if (t->dtype == KD_U16) return ((const uint16_t *)t->chosen)[at];
    return ((const uint32_t *)t->chosen)[at];
}

static uint32_t place_of(const struct kd_top *t, uint32_t class)
{
    return t->place ? t->place[class] : class;
}

void kd_top_row(const struct kd_top *t, size_t row, double temperature, float *out)
{
    const double mean = (double)kd_half_to_float(t->rest[2 * row]),
                 variance = (double)kd_half_to_float(t->rest[2 * row + 1]);
    const float left = (float)(isfinite(temperature) ? mean + variance / (2 * temperature) : mean);
    for (size_t c = 0; c < t->classes; c++) out[c] = left;
    for (size_t i = 0; i < t->k; i++)
        out[place_of(t, kd_top_class(t, row, i))] = kd_half_to_float(t->values[row * t->k + i]);
}

uint32_t kd_top_best(const struct kd_top *t, size_t row)
{
    const uint16_t *v = t->values + row * t->k;
    size_t best = 0;
    for (size_t i = 1; i < t->k; i++)
        if (kd_half_to_float(v[i]) > kd_half_to_float(v[best])) best = i;
    return place_of(t, kd_top_class(t, row, best));
}

/* ---- reading ---- */

static enum kd_dtype dtype_for(size_t classes)
{
    return classes <= 256 ? KD_U8 : classes <= 65536 ? KD_U16 : KD_U32;
}

static int find(const struct kd_tensorfile *f, const struct kd_tensor *found[ARRAYS],
                struct kd_err *err)
{
    for (unsigned i = 0; i < ARRAYS; i++) {
        found[i] = kd_tensorfile_find(f, names[i]);
        if (found[i]) continue;
        kd_fail(err,
                "it has no \"%s\"; sparse soft targets have top.values, top.classes and top.rest",
                names[i]);
        return -1;
    }
    return 0;
}

static int check_shapes(const struct kd_tensor *const found[ARRAYS], struct kd_top *t,
                        struct kd_err *err)
{
    const struct kd_tensor *v = found[VALUES], *c = found[CHOSEN], *r = found[REST];
    if (v->dtype != KD_F16 || r->dtype != KD_F16)
        return kd_fail(err, "%s is %s; F16 is needed", (v->dtype != KD_F16 ? v : r)->name,
                       kd_dtype_name((v->dtype != KD_F16 ? v : r)->dtype));
    if (c->dtype != KD_U8 && c->dtype != KD_U16 && c->dtype != KD_U32)
        return kd_fail(err, "top.classes is %s; U8, U16 or U32 is needed", kd_dtype_name(c->dtype));
    if ((v->dims != 2 && v->dims != 3) || !v->count)
        return kd_fail(err,
                       "top.values has %u dimensions and %zu values; expected [images, k] or "
                       "[views, images, k]",
                       v->dims, v->count);
    if (c->dims != v->dims || memcmp(c->shape, v->shape, v->dims * sizeof *v->shape) != 0)
        return kd_fail(err,
                       "top.values and top.classes differ in shape; each value needs its class");
    const unsigned last = v->dims - 1;
    if (r->dims != v->dims || memcmp(r->shape, v->shape, last * sizeof *v->shape) != 0 ||
        r->shape[last] != 2)
        return kd_fail(err, "top.rest does not go with top.values; expected mean and variance, 2 "
                            "values, for each of its rows");
    t->views = v->dims == 3 ? v->shape[0] : 0;
    t->n = v->shape[last - 1];
    t->k = v->shape[last];
    t->dtype = c->dtype;
    t->values = v->data;
    t->chosen = c->data;
    t->rest = r->data;
    return 0;
}

static int read_classes(const struct kd_tensorfile *f, struct kd_top *t, struct kd_err *err)
{
    const char *text = kd_tensorfile_meta(f, "kd.classes");
    struct kd_err not_json;
    cJSON *json = text ? kd_json_parse(text, strlen(text), "kd.classes", &not_json) : NULL;
    const double number = json && cJSON_IsNumber(json) ? json->valuedouble : -1;
    cJSON_Delete(json);
    if (!(number >= 1 && number <= (double)KD_TOP_CLASSES && number == floor(number)))
        return kd_fail(err, "kd.classes is %.40s; sparse soft targets need the number of classes",
                       text ? text : "not there");
    t->classes = (size_t)number;
    if (t->k <= t->classes) return 0;
    return kd_fail(err, "top.values has %zu values a row, more than its %zu classes (kd.classes)",
                   t->k, t->classes);
}

static int check_row(const struct kd_top *t, size_t row, uint8_t *seen, struct kd_err *err)
{
    const float mean = kd_half_to_float(t->rest[2 * row]),
                variance = kd_half_to_float(t->rest[2 * row + 1]);
    if (!isfinite(mean) || !isfinite(variance) || variance < 0)
        return kd_fail(err, "row %zu of top.rest has mean %g and variance %g", row, (double)mean,
                       (double)variance);
    for (size_t i = 0; i < t->k; i++) {
        const float value = kd_half_to_float(t->values[row * t->k + i]);
        const uint32_t class = kd_top_class(t, row, i);
        if (!isfinite(value))
            return kd_fail(err, "row %zu of top.values has %g", row, (double)value);
        if (class >= t->classes)
            return kd_fail(err, "row %zu of top.classes has class %u, of classes 0 to %zu", row,
                           class, t->classes - 1);
        if (seen[class]++)
            return kd_fail(err, "row %zu of top.classes has class %u twice", row, class);
    }
    for (size_t i = 0; i < t->k; i++) seen[kd_top_class(t, row, i)] = 0;
    return 0;
}

int kd_top_of(const struct kd_tensorfile *f, struct kd_top *out, struct kd_err *err)
{
    const struct kd_tensor *found[ARRAYS];
    *out = (struct kd_top){0};
    if (find(f, found, err) < 0 || check_shapes(found, out, err) < 0 ||
        read_classes(f, out, err) < 0)
        return -1;
    uint8_t *seen = kd_alloc(out->classes, sizeof *seen, "classes", err);
    int status = seen ? 0 : -1;
    for (size_t row = 0; row < kd_top_rows(out) && status == 0; row++)
        status = check_row(out, row, seen, err);
    kd_free(seen);
    return status;
}

/* ---- making ---- */

int kd_top_init(struct kd_top *t, struct kd_err *err)
{
    const size_t rows = kd_top_rows(t);
    t->dtype = dtype_for(t->classes);
    t->own_values = kd_alloc(rows * t->k, sizeof *t->own_values, "the largest logits", err);
    t->own_chosen = t->own_values ? kd_alloc(rows * t->k, kd_dtype_size(t->dtype),
                                             "the classes of the largest logits", err)
                                  : NULL;
    t->own_rest =
        t->own_chosen ? kd_alloc(rows * 2, sizeof *t->own_rest, "the other logits", err) : NULL;
    t->values = t->own_values;
    t->chosen = t->own_chosen;
    t->rest = t->own_rest;
    return t->own_rest ? 0 : -1;
}

static int put_half(uint16_t *out, double value, const char *what, struct kd_err *err)
{
    *out = kd_float_to_half((float)value);
    if (isfinite(kd_half_to_float(*out))) return 0;
    return kd_fail(err, "%s %g does not fit half precision; leave --top out", what, value);
}

static void put_class(struct kd_top *t, size_t at, size_t class)
{
    if (t->dtype == KD_U8)
        ((uint8_t *)t->own_chosen)[at] = (uint8_t) class;
    else if (t->dtype == KD_U16)
        ((uint16_t *)t->own_chosen)[at] = (uint16_t) class;
    else
        ((uint32_t *)t->own_chosen)[at] = (uint32_t) class;
}

/* The class that comes after (value, class) when the largest come first, and among equals the first
 * class. */
static size_t next_of(const float *z, size_t classes, float value, size_t after)
{
    size_t best = classes;
    for (size_t c = 0; c < classes; c++) {
        const bool later = z[c] < value || (!(z[c] > value) && c > after);
        if (later && (best == classes || z[c] > z[best])) best = c;
    }
    return best;
}

static bool is_kept(const float *z, size_t c, float value, size_t last)
{
    return z[c] > value || (!(z[c] < value) && c <= last);
}

/* Of the classes behind (value, last) in that order. */
static int put_rest(struct kd_top *t, size_t row, const float *z, size_t last, struct kd_err *err)
{
    const double left = (double)(t->classes - t->k);
    double sum = 0, squares = 0;
    for (size_t c = 0; c < t->classes; c++)
        if (!is_kept(z, c, z[last], last)) sum += (double)z[c];
    const double mean = left > 0 ? sum / left : 0;
    for (size_t c = 0; c < t->classes; c++) {
        const double d = (double)z[c] - mean;
        if (!is_kept(z, c, z[last], last)) squares += d * d;
    }
    if (put_half(&t->own_rest[2 * row], mean, "mean logit", err) < 0) return -1;
    return put_half(&t->own_rest[2 * row + 1], left > 0 ? squares / left : 0, "variance of logits",
                    err);
}

int kd_top_put(struct kd_top *t, size_t row, const float *logits, struct kd_err *err)
{
    float value = INFINITY;
    size_t class = 0;
    for (size_t c = 0; c < t->classes; c++)
        if (!isfinite(logits[c]))
            return kd_fail(err, "row %zu, class %zu is %g", row, c, (double)logits[c]);
    for (size_t i = 0; i < t->k; i++) {
        class = next_of(logits, t->classes, value, class);
        value = logits[class];
        put_class(t, row * t->k + i, class);
        if (put_half(&t->own_values[row * t->k + i], (double)value, "logit", err) < 0) return -1;
    }
    return put_rest(t, row, logits, class, err);
}

int kd_top_add(const struct kd_top *t, struct kd_tensorfile *f, struct kd_err *err)
{
    const size_t dense[] = {t->views, t->n, t->k}, two[] = {t->views, t->n, 2};
    const unsigned dims = t->views ? 3 : 2, skip = 3 - dims;
    const struct kd_array arrays[ARRAYS] = {{KD_F16, dims, dense + skip, t->values},
                                            {t->dtype, dims, dense + skip, t->chosen},
                                            {KD_F16, dims, two + skip, t->rest}};
    for (unsigned i = 0; i < ARRAYS; i++)
        if (kd_tensorfile_add(f, names[i], arrays[i], err) < 0) return -1;
    return 0;
}

void kd_top_release(struct kd_top *t)
{
    kd_free(t->own_values);
    kd_free(t->own_chosen);
    kd_free(t->own_rest);
    *t = (struct kd_top){0};
}
