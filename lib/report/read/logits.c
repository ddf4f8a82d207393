#include "kd/report/logits.h"
#include "kd/base/file.h"
#include "kd/base/tensorfile.h"
#include "kd/nn/metrics.h"
#include "kd/nn/softmax.h"
#include "kd/run/places.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define FILE_LIMIT ((size_t)512 << 20)

/* kd.parents and kd.data against the evaluation that the tables show. */
static bool is_of(const struct kd_tensorfile *f, const struct kd_evaluation *e)
{
    const char *parents = kd_tensorfile_meta(f, "kd.parents"), *data;
    struct kd_err ignored;
    if (!parents || !e->fingerprint || !strstr(parents, e->fingerprint)) return false;
    data = kd_tensorfile_meta(f, "kd.data");
    cJSON *json = data ? kd_json_parse(data, strlen(data), "kd.data", &ignored) : NULL;
    const char *split = kd_text_at(json, "split");
    bool same = split && e->split && strcmp(split, e->split) == 0;
    cJSON_Delete(json);
    return same;
}

static bool take(const struct kd_tensorfile *f, struct kd_logits *out)
{
    struct kd_err ignored;
    const struct kd_tensor *z = kd_tensorfile_find(f, "logits"),
                           *labels = kd_tensorfile_find(f, "labels");
    const char *data = kd_tensorfile_meta(f, "kd.data");
    if (!z || z->dims != 2 || z->shape[0] < 1 || z->shape[1] < 2 || !data) return false;
    out->n = z->shape[0];
    out->classes = z->shape[1];
    out->z = kd_alloc(z->count, sizeof *out->z, "logits", &ignored);
    out->data = kd_strdup(data, &ignored);
    if (!out->z || !out->data || kd_tensor_to_float(z, out->z, &ignored) < 0) return false;
    for (size_t i = 0; i < z->count; i++)
        if (!isfinite(out->z[i])) return false;
    if (!labels || labels->dtype != KD_I32 || labels->count != out->n) return true;
    out->labels = kd_alloc(out->n, sizeof *out->labels, "labels", &ignored);
    if (!out->labels) return false;
    memcpy(out->labels, labels->data, out->n * sizeof *out->labels);
    for (size_t i = 0; i < out->n; i++)
        if (out->labels[i] < -1 || out->labels[i] >= (int64_t)out->classes) return false;
    return true;
}

bool kd_logits_read(const struct kd_report *report, const struct kd_result *r,
                    struct kd_logits *out)
{
    const struct kd_tensorfile_limits limits = {.bytes = FILE_LIMIT};
    const struct kd_evaluation *e = kd_result_on(r, report->split);
    struct kd_tensorfile f;
    struct kd_err ignored = {0};
    *out = (struct kd_logits){0};
    char *path = e ? kd_path_join(&ignored, r->folder, KD_FILE_LOGITS) : NULL;
    bool read =
        path && kd_path_exists(path) && kd_tensorfile_read(path, &limits, &f, &ignored) == 0;
    kd_free(path);
    if (!read) return false;
    bool good = is_of(&f, e) && take(&f, out);
    kd_tensorfile_release(&f);
    if (!good) kd_logits_release(out);
    return good;
}

void kd_logits_release(struct kd_logits *l)
{
    kd_free(l->z);
    kd_free(l->labels);
    kd_free(l->data);
    *l = (struct kd_logits){0};
}

bool kd_logits_same(const struct kd_logits *a, const struct kd_logits *b)
{
    return a->n == b->n && a->classes == b->classes && a->data && b->data &&
           strcmp(a->data, b->data) == 0;
}

size_t kd_logits_top(const struct kd_logits *l, size_t i)
{
    return kd_argmax(l->z + i * l->classes, l->classes);
}

static int by_confidence(const void *a, const void *b)
{
    const struct kd_wrong *x = a, *y = b;
    if (x->confidence != y->confidence) return x->confidence > y->confidence ? -1 : 1;
    return (x->sample > y->sample) - (x->sample < y->sample);
}

struct kd_wrong *kd_logits_wrong(const struct kd_logits *l, size_t *n, struct kd_err *err)
{
    struct kd_wrong *list = kd_alloc(l->n, sizeof *list, "errors", err);
    double most;
    *n = 0;
    for (size_t i = 0; list && l->labels && i < l->n; i++) {
        size_t top = kd_logits_top(l, i);
        if (l->labels[i] < 0 || (int64_t)top == l->labels[i]) continue;
        double p = 1 / kd_softmax_sum(l->z + i * l->classes, l->classes, 1, &most);
        list[(*n)++] = (struct kd_wrong){p, (uint32_t)i, top};
    }
    if (list) qsort(list, *n, sizeof *list, by_confidence);
    return list;
}
