/* Integer networks computed once more from what a file holds, one number at a time in C,H,W order:
 * an independent reading of kd-formats(5), "Quantised models". Include after cmocka.h. */
#ifndef KD_TEST_INTEGERS_REFERENCE_H
#define KD_TEST_INTEGERS_REFERENCE_H
#include "kd/base/tensorfile.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { REF_MOST = 1 << 15 };
struct ref_map {
    int c, h, w, zero, low, high;
    double scale;
    int8_t q[REF_MOST];
    int32_t z[256]; /* logits, once is_logits */
    bool is_logits;
};
struct ref {
    const struct kd_tensorfile *file;
    const cJSON *quantization;
};

static inline const void *ref_data(const struct ref *r, const char *layer, const char *what)
{
    char name[160];
    snprintf(name, sizeof name, "%s.%s", layer, what);
    const struct kd_tensor *t = kd_tensorfile_find(r->file, name);
    return t ? t->data : NULL;
}

static inline bool ref_tensor(const struct ref *r, const char *layer, struct ref_map *m)
{
    const cJSON *t = cJSON_GetObjectItemCaseSensitive(
        cJSON_GetObjectItemCaseSensitive(r->quantization, "tensors"), layer);
    if (!t) return false;
    m->scale = cJSON_GetObjectItem(t, "scale")->valuedouble;
    m->zero = cJSON_GetObjectItem(t, "zero")->valueint;
    m->low = cJSON_GetObjectItem(t, "low")->valueint;
    m->high = cJSON_GetObjectItem(t, "high")->valueint;
    return true;
}

/* zero + round half up of v / 2^shift, by dividing, clamped */
static inline int8_t ref_q(const struct ref_map *m, int64_t v, int shift)
{
    double exact = floor(ldexp((double)v, -shift) + 0.5); /* v < 2^53 here */
    double q = m->zero + exact;
    return (int8_t)(q < m->low ? m->low : q > m->high ? m->high : q);
}

static inline int ref_number(const cJSON *item, const char *key, int missing)
{
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(item, key);
    return v ? v->valueint : missing;
}

static inline int ref_at(const struct ref_map *m, int c, int y, int x)
{
    return y < 0 || x < 0 || y >= m->h || x >= m->w ? m->zero : m->q[(c * m->h + y) * m->w + x];
}

/* dense is a convolution whose kernel is 1x1 over c*h*w channels */
static inline void ref_conv(const struct ref *r, const char *layer, const cJSON *item, int classes,
                            bool dense, struct ref_map *m)
{
    static struct ref_map out;
    const int8_t *w = ref_data(r, layer, "weight");
    const int32_t *bias = ref_data(r, layer, "bias"), *mult = ref_data(r, layer, "multiplier");
    const uint8_t *shift = ref_data(r, layer, "shift");
    if (dense) {
        m->c *= m->h * m->w;
        m->h = m->w = 1;
    }
    int k = dense ? 1 : ref_number(item, "kernel", 3),
        s = dense ? 1 : ref_number(item, "stride", 1),
        p = dense ? 0 : ref_number(item, "padding", 0),
        g = dense ? 1 : ref_number(item, "groups", 1);
    int kw = dense ? 1 : ref_number(item, "kernel_width", 0),
        pw = dense ? 0 : ref_number(item, "padding_width", 0);
    if (!kw) {
        kw = k;
        pw = p;
    }
    int units = dense ? ref_number(item, "units", 0) : ref_number(item, "filters", 0);
    out.c = units ? units : classes;
    out.h = (m->h + 2 * p - k) / s + 1;
    out.w = (m->w + 2 * pw - kw) / s + 1;
    out.is_logits = !ref_tensor(r, layer, &out);
    int cin = m->c / g, cout = out.c / g;
    for (int o = 0; o < out.c; o++)
        for (int y = 0; y < out.h; y++)
            for (int x = 0; x < out.w; x++) {
                int64_t sum = bias[o];
                for (int c = 0; c < cin; c++)
                    for (int i = 0; i < k; i++)
                        for (int j = 0; j < kw; j++)
                            sum += (int64_t)w[((o * cin + c) * k + i) * kw + j] *
                                   (ref_at(m, o / cout * cin + c, y * s + i - p, x * s + j - pw) -
                                    m->zero);
                int64_t scaled = sum * mult[o];
                if (out.is_logits)
                    out.z[o] = (int32_t)floor(ldexp((double)scaled, -shift[o]) + 0.5);
                else
                    out.q[(o * out.h + y) * out.w + x] = ref_q(&out, scaled, shift[o]);
            }
    *m = out;
}

static inline void ref_pool(const struct ref *r, const char *layer, const char *kind,
                            const cJSON *item, struct ref_map *m)
{
    static struct ref_map out;
    bool global = strncmp(kind, "global", 6) == 0, max = strstr(kind, "max") != NULL;
    int kh = global ? m->h : ref_number(item, "kernel", 2), kw = global ? m->w : kh;
    int s = global ? 1 : ref_number(item, "stride", 0),
        p = global ? 0 : ref_number(item, "padding", 0);
    if (!s) s = kh;
    out = *m;
    out.h = (m->h + 2 * p - kh) / s + 1;
    out.w = (m->w + 2 * p - kw) / s + 1;
    const int32_t *mult = ref_data(r, layer, "multiplier");
    const uint8_t *shift = ref_data(r, layer, "shift");
    if (!max) out.is_logits = !ref_tensor(r, layer, &out);
    for (int c = 0; c < m->c; c++)
        for (int y = 0; y < out.h; y++)
            for (int x = 0; x < out.w; x++) {
                int best = -128, sum = 0;
                for (int i = 0; i < kh; i++)
                    for (int j = 0; j < kw; j++) {
                        int yy = y * s + i - p, xx = x * s + j - p;
                        if (yy < 0 || xx < 0 || yy >= m->h || xx >= m->w) continue;
                        int v = ref_at(m, c, yy, xx);
                        best = v > best ? v : best;
                        sum += v - m->zero;
                    }
                int at = (c * out.h + y) * out.w + x;
                if (max)
                    out.q[at] = (int8_t)best;
                else if (out.is_logits)
                    out.z[at] = sum;
                else
                    out.q[at] = ref_q(&out, (int64_t)sum * mult[0], shift[0]);
            }
    *m = out;
}

static inline void ref_list(const struct ref *r, const cJSON *list, const char *prefix, int classes,
                            struct ref_map *m);

static inline void ref_residual(const struct ref *r, const char *layer, const cJSON *item,
                                int classes, struct ref_map *m)
{
    struct ref_map *a = malloc(sizeof *a), *b = malloc(sizeof *b);
    char prefix[160];
    const int32_t *mult = ref_data(r, layer, "multiplier");
    const uint8_t *shift = ref_data(r, layer, "shift");
    *a = *b = *m;
    snprintf(prefix, sizeof prefix, "%s.body.", layer);
    ref_list(r, cJSON_GetObjectItem(item, "body"), prefix, classes, a);
    snprintf(prefix, sizeof prefix, "%s.shortcut.", layer);
    ref_list(r, cJSON_GetObjectItem(item, "shortcut"), prefix, classes, b);
    *m = *a;
    ref_tensor(r, layer, m);
    for (int i = 0; i < a->c * a->h * a->w; i++)
        m->q[i] = ref_q(
            m, (int64_t)(a->q[i] - a->zero) * mult[0] + (int64_t)(b->q[i] - b->zero) * mult[1],
            shift[0]);
    free(a);
    free(b);
}

static inline void ref_activation(const struct ref *r, const char *layer, struct ref_map *m)
{
    const int8_t *table = ref_data(r, layer, "table");
    struct ref_map was = {.zero = m->zero};
    bool own = ref_tensor(r, layer, m);
    for (int i = 0; i < m->c * m->h * m->w; i++) {
        int q = m->q[i];
        if (table)
            q = table[q + 128];
        else if (own)
            q = q < m->low ? m->low : q > m->high ? m->high : q;
        else if (!m->is_logits) /* part of what it follows, which did it */
            assert_true(q >= was.zero);
        m->q[i] = (int8_t)q;
    }
}

static inline void ref_list(const struct ref *r, const cJSON *list, const char *prefix, int classes,
                            struct ref_map *m)
{
    const cJSON *item;
    int i = 0;
    cJSON_ArrayForEach(item, list)
    {
        char layer[128];
        const cJSON *named = cJSON_IsString(item) ? item : cJSON_GetObjectItem(item, "kind");
        const char *kind = named->valuestring;
        snprintf(layer, sizeof layer, "%.100s%d", prefix, i++);
        if (strcmp(kind, "conv2d") == 0 || strcmp(kind, "dense") == 0)
            ref_conv(r, layer, item, classes, kind[0] == 'd', m);
        else if (strstr(kind, "pool"))
            ref_pool(r, layer, kind, item, m);
        else if (strcmp(kind, "residual") == 0)
            ref_residual(r, layer, item, classes, m);
        else if (strcmp(kind, "flatten") != 0)
            ref_activation(r, layer, m);
    }
}

/* pixels: bytes [C,H,W]. */
static inline void ref_run(const struct kd_tensorfile *file, const uint8_t *pixels, int32_t *logits)
{
    struct kd_err e = {0};
    const char *n = kd_tensorfile_meta(file, "kd.network"),
               *q = kd_tensorfile_meta(file, "kd.quantization");
    cJSON *net = kd_json_parse(n, strlen(n), "net", &e),
          *quant = kd_json_parse(q, strlen(q), "q", &e);
    struct ref r = {file, quant};
    static struct ref_map m;
    m = (struct ref_map){0};
    const cJSON *input = cJSON_GetObjectItem(net, "input");
    m.c = cJSON_GetArrayItem(input, 0)->valueint;
    m.h = cJSON_GetArrayItem(input, 1)->valueint;
    m.w = cJSON_GetArrayItem(input, 2)->valueint;
    m.zero = cJSON_GetObjectItem(cJSON_GetObjectItem(quant, "input"), "zero")->valueint;
    const int8_t *table = kd_tensorfile_find(file, "input.table")->data;
    int classes = cJSON_GetObjectItem(net, "classes")->valueint;
    for (int i = 0; i < m.c * m.h * m.w; i++) m.q[i] = table[i / (m.h * m.w) * 256 + pixels[i]];
    ref_list(&r, cJSON_GetObjectItem(net, "layers"), "", classes, &m);
    for (int i = 0; i < classes; i++) logits[i] = m.is_logits ? m.z[i] : m.q[i] - m.zero;
    cJSON_Delete(net);
    cJSON_Delete(quant);
}
#endif
