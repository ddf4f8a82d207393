/* A line of log.jsonl. */
#include "kd/base/json.h"
#include "kd/train/trainer.h"

#include <math.h>

static cJSON *metrics(const struct kd_metrics *m, struct kd_err *err)
{
    if (!m->n) {
        cJSON *none = cJSON_CreateNull();
        if (!none) kd_fail_memory(err, "not enough memory for a log");
        return none;
    }
    cJSON *o = cJSON_CreateObject();
    if (kd_json_add_number(o, "loss", m->loss, err) < 0 ||
        kd_json_add_number(o, "top1", m->top1, err) < 0 ||
        kd_json_add_number(o, "top5", m->top5, err) < 0) {
        cJSON_Delete(o);
        return NULL;
    }
    return o;
}

static int add_optional(cJSON *o, const char *key, double v, struct kd_err *err)
{
    return isnan(v) ? kd_json_add(o, key, NULL, err) : kd_json_add_number(o, key, v, err);
}

static cJSON *training(const struct kd_epoch_log *log, struct kd_err *err)
{
    cJSON *o = cJSON_CreateObject();
    if (kd_json_add_number(o, "loss", log->loss, err) < 0 ||
        add_optional(o, "hard", log->hard, err) < 0 ||
        add_optional(o, "soft", log->soft, err) < 0 ||
        add_optional(o, "top1", log->top1, err) < 0) {
        cJSON_Delete(o);
        return NULL;
    }
    return o;
}

cJSON *kd_epoch_log_to_json(const struct kd_epoch_log *log, struct kd_err *err)
{
    cJSON *o = cJSON_CreateObject();
    if (kd_json_add_number(o, "epoch", log->epoch, err) < 0 ||
        kd_json_add_number(o, "step", (double)log->step, err) < 0 ||
        kd_json_add_number(o, "lr", log->lr, err) < 0 ||
        kd_json_attach(o, "train", training(log, err), err) < 0 ||
        kd_json_attach(o, "train_eval", metrics(&log->train_eval, err), err) < 0 ||
        kd_json_attach(o, "valid", metrics(&log->valid, err), err) < 0 ||
        kd_json_add_number(o, "seconds", log->seconds, err) < 0 ||
        kd_json_add_number(o, "images_per_second", log->images_per_second, err) < 0) {
        cJSON_Delete(o);
        return NULL;
    }
    return o;
}
