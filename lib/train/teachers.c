#include "kd/nn/softmax.h"
#include "kd/train/targets.h"

#include <math.h>
#include <string.h>

int kd_teachers_add(struct kd_teachers *t, const char *path, double weight, struct kd_err *err)
{
    struct kd_model *models = kd_alloc(t->n + 1, sizeof *models, "teachers", err);
    double *weights = kd_alloc(t->n + 1, sizeof *weights, "teachers", err);
    if (!models || !weights || kd_model_read(path, &models[t->n], err) < 0) {
        kd_free(models);
        kd_free(weights);
        return -1;
    }
    if (t->n) {
        memcpy(models, t->models, t->n * sizeof *models);
        memcpy(weights, t->weights, t->n * sizeof *weights);
    }
    weights[t->n++] = weight;
    kd_free(t->models);
    kd_free(t->weights);
    t->models = models;
    t->weights = weights;
    return 0;
}

void kd_teachers_release(struct kd_teachers *t)
{
    for (size_t i = 0; i < t->n; i++) kd_model_release(&t->models[i]);
    kd_free(t->models);
    kd_free(t->weights);
    kd_free(t->scratch);
    *t = (struct kd_teachers){0};
}

int kd_teachers_check(struct kd_teachers *t, const struct kd_images *images, struct kd_err *err)
{
    double sum = 0;
    for (size_t i = 0; i < t->n; i++) {
        if (kd_model_suits(&t->models[i], images, err) < 0) return -1;
        if (kd_models_agree_on_classes(&t->models[i], &t->models[0], err) < 0) return -1;
        if (!(t->weights[i] > 0))
            return kd_fail_usage(err, "%s: weight %g; weights must be above 0", t->models[i].path,
                                 t->weights[i]);
        sum += t->weights[i];
    }
    for (size_t i = 0; i < t->n; i++) t->weights[i] /= sum;
    return 0;
}

int kd_teachers_plan(struct kd_teachers *t, size_t rows, struct kd_err *err)
{
    kd_free(t->scratch);
    t->rows = 0;
    t->scratch =
        kd_alloc(rows * t->models[0].net->classes, sizeof *t->scratch, "teachers' logits", err);
    if (!t->scratch) return -1;
    for (size_t i = 0; i < t->n; i++)
        if (kd_network_plan(t->models[i].net, rows, false, err) < 0) return -1;
    t->rows = rows;
    return 0;
}

int kd_teachers_predict(struct kd_teachers *t, const struct kd_view *view, double temperature,
                        const struct kd_asking *how, float *out, struct kd_err *err)
{
    size_t classes = t->models[0].net->classes, n = view->n, size = n * classes;
    bool single = t->n == 1 && t->average == 0, planned = n <= t->rows;
    struct kd_asking each = *how;
    each.tta = (enum kd_tta)t->tta;
    float *one = single    ? out
                 : planned ? t->scratch
                           : kd_alloc(size, sizeof *one, "a teacher's logits", err);
    if (!one) return -1;
    int status = 0;
    if (!single) memset(out, 0, size * sizeof *out);
    for (size_t i = 0; i < t->n && status == 0; i++) {
        status = kd_predict(&t->models[i], view, &each, one, err);
        if (status == 0) status = kd_logits_check(t->models[i].path, one, n, classes, err);
        if (single || status < 0) break;
        for (size_t r = 0; t->average && r < n; r++)
            kd_softmax(one + r * classes, classes, temperature, one + r * classes);
        for (size_t j = 0; j < size; j++) out[j] += (float)t->weights[i] * one[j];
    }
    if (!single && !planned) kd_free(one);
    return status;
}

cJSON *kd_teachers_parents(const struct kd_teachers *t, struct kd_err *err)
{
    cJSON *list = cJSON_CreateArray();
    for (size_t i = 0; list && i < t->n; i++) {
        cJSON *text = cJSON_CreateString(t->models[i].fingerprint);
        if (!text || !cJSON_AddItemToArray(list, text)) {
            cJSON_Delete(text);
            cJSON_Delete(list);
            list = NULL;
        }
    }
    if (!list) kd_fail_memory(err, "not enough memory for a list of teachers");
    return list;
}
