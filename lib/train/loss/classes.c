/* Weights of classes in the labels' cross-entropy. */
#include "kd/base/mem.h"
#include "kd/train/loss.h"

#include <math.h>
#include <string.h>

/* Each class counts as much as any other: images / (classes x the class's own). Of a class without
 * images there is nothing to weigh. */
static void balance(double *weight, size_t classes, const struct kd_subset *train)
{
    double labelled = 0;
    for (uint32_t i = 0; i < train->n; i++) {
        int32_t label = kd_subset_label(train, i);
        if (label < 0 || (size_t)label >= classes) continue;
        weight[label]++;
        labelled++;
    }
    for (size_t c = 0; c < classes; c++)
        weight[c] = weight[c] > 0 ? labelled / ((double)classes * weight[c]) : 0;
}

static int read_list(double *weight, size_t classes, const cJSON *list, struct kd_err *err)
{
    size_t n = 0;
    const cJSON *item;
    cJSON_ArrayForEach(item, list)
    {
        if (!cJSON_IsNumber(item) || !(item->valuedouble >= 0) || !isfinite(item->valuedouble))
            return kd_fail_usage(err, "train.class_weights.%zu: expected a number of at least 0",
                                 n);
        if (n < classes) weight[n] = item->valuedouble;
        n++;
    }
    if (n == classes) return 0;
    return kd_fail_usage(err, "train.class_weights: %zu numbers for %zu classes", n, classes);
}

int kd_loss_weigh_classes(struct kd_loss *loss, const cJSON *weights, size_t classes,
                          const struct kd_subset *train, struct kd_err *err)
{
    if (!weights || cJSON_IsNull(weights)) return 0;
    bool balanced = cJSON_IsString(weights) && strcmp(weights->valuestring, "balanced") == 0;
    if (!balanced && !cJSON_IsArray(weights))
        return kd_fail_usage(err, "train.class_weights: expected \"balanced\", or a list of a "
                                  "number for each class");
    loss->class_weight = kd_alloc(classes, sizeof *loss->class_weight, "weights of classes", err);
    if (!loss->class_weight) return -1;
    if (!balanced) return read_list(loss->class_weight, classes, weights, err);
    balance(loss->class_weight, classes, train);
    return 0;
}
