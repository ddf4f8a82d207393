#include "kd/data/classes.h"
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

static void classes_forget(struct kd_teachers *t)
{
    for (size_t i = 0; t->order && i < t->n; i++) kd_free(t->order[i]);
    kd_free(t->order);
    kd_free(t->row);
    if (t->class_names) kd_class_names_free(t->class_names, t->models[0].net->classes);
    t->order = NULL;
    t->row = NULL;
    t->class_names = NULL;
}

void kd_teachers_release(struct kd_teachers *t)
{
    classes_forget(t);
    for (size_t i = 0; i < t->n; i++) kd_model_release(&t->models[i]);
    kd_free(t->models);
    kd_free(t->weights);
    kd_free(t->scratch);
    *t = (struct kd_teachers){0};
}

/* Where each of model i's outputs belongs; its names, in that order, are kept of the first that has
 * any. */
static int classes_match(struct kd_teachers *t, size_t i, const struct kd_images *images,
                         struct kd_err *err)
{
    const struct kd_model *m = &t->models[i];
    const uint32_t n = m->net->classes;
    char **names, *const *known;
    uint32_t *map = NULL;
    if (kd_class_names_read(m->metadata, n, &names, err) < 0)
        return kd_err_context(err, "%s", m->path);
    const struct kd_classes model = {m->path, names, n};
    const struct kd_classes data = {images->source, images->class_names, images->classes};
    int status = kd_classes_match(&model, &data, &map, err);
    if (status == 0 && !map) status = kd_classes_suit(m->path, n, images, err);
    if (status == 0) status = kd_classes_order(&model, map, images->classes, &t->order[i], err);
    known = names ? names : images->classes == n ? images->class_names : NULL;
    if (status == 0 && !t->class_names && known &&
        !(t->class_names = kd_class_names_copy(known, names ? t->order[i] : NULL, n, err)))
        status = -1;
    kd_free(map);
    kd_class_names_free(names, n);
    return status;
}

static int classes_plan(struct kd_teachers *t, const struct kd_images *images, struct kd_err *err)
{
    classes_forget(t);
    t->order = kd_alloc(t->n, sizeof *t->order, "classes", err);
    t->row = kd_alloc(t->models[0].net->classes, sizeof *t->row, "classes", err);
    if (!t->order || !t->row) return -1;
    for (size_t i = 0; i < t->n; i++)
        if (classes_match(t, i, images, err) < 0) return -1;
    return 0;
}

/* Rows of model i's logits into the common order. */
static void rows_order(const struct kd_teachers *t, size_t i, size_t n, float *z)
{
    const size_t classes = t->models[0].net->classes;
    const uint32_t *order = t->order ? t->order[i] : NULL;
    for (size_t r = 0; order && r < n; r++, z += classes) {
        for (size_t c = 0; c < classes; c++) t->row[c] = z[order[c]];
        memcpy(z, t->row, classes * sizeof *z);
    }
}

int kd_teachers_check(struct kd_teachers *t, const struct kd_images *images, struct kd_err *err)
{
    double sum = 0;
    for (size_t i = 0; i < t->n; i++) {
        if (kd_pixels_suit(&t->models[i], images, err) < 0) return -1;
        if (kd_models_agree_on_classes(&t->models[i], &t->models[0], err) < 0) return -1;
        if (!(t->weights[i] > 0))
            return kd_fail_usage(err, "%s: weight %g; weights must be above 0", t->models[i].path,
                                 t->weights[i]);
        sum += t->weights[i];
    }
    for (size_t i = 0; i < t->n; i++) t->weights[i] /= sum;
    return classes_plan(t, images, err);
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
        if (status == 0) rows_order(t, i, n, one);
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
