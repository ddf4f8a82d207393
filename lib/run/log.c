#include "kd/run/log.h"
#include "kd/base/file.h"
#include "kd/base/json.h"
#include "kd/base/mem.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define NUMBER(path, member, missing)                                                              \
    {                                                                                              \
        path, KD_FIELD_NUMBER, offsetof(struct kd_epoch, member), missing                          \
    }
static const struct kd_field fields[] = {
    NUMBER("epoch", epoch, KD_AS_NULL),
    NUMBER("step", step, KD_AS_NULL),
    NUMBER("lr", lr, KD_AS_NULL),
    NUMBER("train.loss", loss, KD_AS_NULL),
    NUMBER("train.hard", hard, KD_AS_NULL),
    NUMBER("train.soft", soft, KD_AS_NULL),
    {"train.terms", KD_FIELD_TERMS, offsetof(struct kd_epoch, terms), KD_LEFT_OUT},
    NUMBER("train.top1", top1, KD_AS_NULL),
    NUMBER("train_eval.loss", train.loss, KD_GROUP_NULL),
    NUMBER("train_eval.top1", train.top1, KD_GROUP_NULL),
    NUMBER("train_eval.top5", train.top5, KD_GROUP_NULL),
    NUMBER("valid.loss", valid.loss, KD_GROUP_NULL),
    NUMBER("valid.top1", valid.top1, KD_GROUP_NULL),
    NUMBER("valid.top5", valid.top5, KD_GROUP_NULL),
    NUMBER("seconds", seconds, KD_AS_NULL),
    NUMBER("images_per_second", images_per_second, KD_AS_NULL),
    {0},
};
#undef NUMBER

cJSON *kd_epoch_to_json(const struct kd_epoch *epoch, struct kd_err *err)
{
    return kd_record_write(fields, epoch, err);
}

void kd_epoch_from_json(const cJSON *line, struct kd_epoch *out)
{
    struct kd_err ignored; /* nothing of it is owned, so nothing can fail */
    kd_record_read(fields, line, out, &ignored);
}

static int add_epoch(struct kd_log *log, const cJSON *line, struct kd_err *err)
{
    struct kd_epoch e;
    kd_epoch_from_json(line, &e);
    while (log->n > 0 && log->epochs[log->n - 1].epoch >= e.epoch) log->n--;
    struct kd_epoch *slot = kd_grow(&log->epochs, &log->n, &log->room, sizeof e, "a log", err);
    if (!slot) return -1;
    *slot = e;
    return 0;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

int kd_log_parse(const char *text, size_t size, const char *name, struct kd_log *log,
                 struct kd_err *err)
{
    size_t number = 0;
    for (size_t at = 0; at < size;) {
        const char *end = memchr(text + at, '\n', size - at);
        size_t length = end ? (size_t)(end - (text + at)) : size - at;
        char label[32];
        struct kd_err why = {0};
        snprintf(label, sizeof label, "line %zu", ++number);
        cJSON *line = NULL;
        size_t blank = 0;
        while (blank < length && is_blank(text[at + blank])) blank++;
        if (blank < length) {
            line = kd_json_parse(text + at, length, label, &why);
            if (line && isfinite(kd_number_at(line, "epoch"))) {
                if (add_epoch(log, line, err) < 0) {
                    cJSON_Delete(line);
                    return -1;
                }
            } else if (!end) {
                log->unfinished = true;
            } else if (log->bad++ == 0) {
                snprintf(log->problem, sizeof log->problem, "%s: %.200s", name,
                         line ? "a line without \"epoch\"" : why.text);
            }
            cJSON_Delete(line);
        }
        at += length + 1;
    }
    for (size_t i = log->n; i-- > 0;)
        if (!isfinite(log->epochs[i].loss)) log->not_finite = i + 1;
    return 0;
}

int kd_log_read(const char *path, struct kd_log *log, struct kd_err *err)
{
    struct kd_bytes text = {0};
    *log = (struct kd_log){0};
    if (!kd_path_exists(path)) return 0;
    int status = kd_file_read(path, kd_read_limit(), &text, err);
    if (status == 0) status = kd_log_parse(text.data, text.size, path, log, err);
    kd_bytes_release(&text);
    if (status < 0) kd_log_release(log);
    return status < 0 ? -1 : 1;
}

void kd_log_release(struct kd_log *log)
{
    kd_free(log->epochs);
    *log = (struct kd_log){0};
}

size_t kd_log_best(const struct kd_log *log)
{
    size_t best = log->n - 1;
    for (size_t i = log->n; i-- > 0;) {
        const struct kd_score *a = &log->epochs[i].valid, *b = &log->epochs[best].valid;
        if (isnan(a->top1)) continue;
        if (isnan(b->top1) || a->top1 > b->top1 || (a->top1 == b->top1 && a->loss <= b->loss))
            best = i;
    }
    return best;
}
