/* An epoch of the trainer as a line of log.jsonl has it. */
#include "kd/train/trainer.h"

#include <math.h>

static struct kd_score score(const struct kd_metrics *m)
{
    const struct kd_score none = {NAN, NAN, NAN};
    return m->n ? (struct kd_score){m->loss, m->top1, m->top5} : none;
}

struct kd_epoch kd_epoch_log_record(const struct kd_epoch_log *log)
{
    return (struct kd_epoch){
        .epoch = log->epoch,
        .step = (double)log->step,
        .lr = log->lr,
        .loss = log->loss,
        .hard = log->hard,
        .soft = log->soft,
        .terms = log->terms,
        .top1 = log->top1,
        .train = score(&log->train_eval),
        .valid = score(&log->valid),
        .seconds = log->seconds,
        .images_per_second = log->images_per_second,
    };
}

cJSON *kd_epoch_log_to_json(const struct kd_epoch_log *log, struct kd_err *err)
{
    const struct kd_epoch epoch = kd_epoch_log_record(log);
    return kd_epoch_to_json(&epoch, err);
}
