#include "kd/data/facts.h"
#include "kd/base/hash.h"
#include <float.h>
#include <math.h>
#include <stdlib.h>

static double pixel(const struct kd_images *m, size_t at)
{
    return m->dtype == KD_U8 ? ((const uint8_t *)m->pixels)[at]
                             : (double)((const float *)m->pixels)[at];
}

static void channel_facts(const struct kd_subset *s, uint32_t c, struct kd_facts *f)
{
    const struct kd_images *m = s->images;
    const size_t plane = (size_t)m->h * m->w;
    const double unit = m->dtype == KD_U8 ? 255 : 1, n = (double)s->n * (double)plane;
    double mean = 0, squares = 0;
    for (uint32_t i = 0; i < s->n; i++) { /* by image: its sums stay exact or nearly so */
        const size_t at = ((size_t)s->index[i] * m->c + c) * plane;
        double sum = 0, square = 0;
        for (size_t j = 0; j < plane; j++) {
            const double v = pixel(m, at + j);
            sum += v;
            square += v * v;
            if (v < f->low) f->low = v;
            if (v > f->high) f->high = v;
        }
        mean += sum;
        squares += square;
    }
    mean /= n;
    const double variance = squares / n - mean * mean;
    f->mean[c] = mean / unit;
    f->std[c] = (variance > 0 ? sqrt(variance) : 0) / unit;
}

static int ascending(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

int kd_distinct_count(const struct kd_subset *s, uint32_t *distinct, struct kd_err *err)
{
    const struct kd_images *m = s->images;
    const size_t size = (size_t)m->c * m->h * m->w * kd_dtype_size(m->dtype);
    *distinct = 0;
    uint64_t *hash = kd_alloc(s->n, sizeof *hash, "statistics", err);
    if (!hash) return -1;
    for (uint32_t i = 0; i < s->n; i++)
        hash[i] = kd_hash_block((const char *)m->pixels + s->index[i] * size, size);
    qsort(hash, s->n, sizeof *hash, ascending);
    for (uint32_t i = 0; i < s->n; i++) *distinct += i == 0 || hash[i] != hash[i - 1];
    kd_free(hash);
    return 0;
}

int kd_facts_find(const struct kd_subset *s, struct kd_facts *f, struct kd_err *err)
{
    const struct kd_images *m = s->images;
    *f = (struct kd_facts){.low = DBL_MAX, .high = -DBL_MAX};
    f->mean = kd_alloc(m->c, sizeof *f->mean, "statistics", err);
    f->std = kd_alloc(m->c, sizeof *f->std, "statistics", err);
    f->count = kd_alloc(m->classes, sizeof *f->count, "statistics", err);
    if (!f->mean || !f->std || !f->count) return -1;
    for (uint32_t c = 0; c < m->c; c++) channel_facts(s, c, f);
    for (uint32_t i = 0; i < s->n; i++) {
        const int32_t label = kd_subset_label(s, i);
        if (label < 0)
            f->unlabelled++;
        else
            f->count[label]++;
    }
    return kd_distinct_count(s, &f->distinct, err);
}

void kd_facts_release(struct kd_facts *f)
{
    kd_free(f->mean);
    kd_free(f->std);
    kd_free(f->count);
    *f = (struct kd_facts){0};
}
