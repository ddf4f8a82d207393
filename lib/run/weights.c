#include "kd/run/weights.h"

#include <math.h>

struct kd_weights kd_weights_of_alpha(double alpha)
{
    return (struct kd_weights){alpha, 1 - alpha};
}

/* 0.9 and 0.1 add up to 1 but for a rounding. */
double kd_weights_alpha(struct kd_weights w)
{
    bool suits = w.soft >= 0 && w.label >= 0 && fabs(w.soft + w.label - 1) < 1e-12;
    return suits ? w.soft : NAN;
}

static double number(const cJSON *object, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    return cJSON_IsNumber(item) ? item->valuedouble : NAN;
}

struct kd_weights kd_weights_read(const cJSON *distill)
{
    double alpha = number(distill, "alpha");
    if (!isnan(alpha)) return kd_weights_of_alpha(alpha);
    return (struct kd_weights){number(distill, "weight"), number(distill, "label_weight")};
}
