#include "kd/report/log.h"
#include "kd/base/file.h"
#include "kd/base/json.h"
#include "util.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOG_LIMIT ((size_t)256 << 20)

double kd_number_at(const cJSON *object, const char *path)
{
    const cJSON *v = object ? kd_json_get(object, path) : NULL;
    return cJSON_IsNumber(v) ? v->valuedouble : NAN;
}

const char *kd_text_at(const cJSON *object, const char *path)
{
    const cJSON *v = object ? kd_json_get(object, path) : NULL;
    /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): cJSON_IsString(NULL) is false */
    return cJSON_IsString(v) ? v->valuestring : NULL;
}

/* Where each number of a line goes. */
static const struct {
    const char *path;
    size_t offset;
} fields[] = {
    {"epoch", offsetof(struct kd_epoch, epoch)},
    {"step", offsetof(struct kd_epoch, step)},
    {"lr", offsetof(struct kd_epoch, lr)},
    {"train.loss", offsetof(struct kd_epoch, loss)},
    {"train.hard", offsetof(struct kd_epoch, hard)},
    {"train.soft", offsetof(struct kd_epoch, soft)},
    {"train.top1", offsetof(struct kd_epoch, top1)},
    {"train_eval.loss", offsetof(struct kd_epoch, train.loss)},
    {"train_eval.top1", offsetof(struct kd_epoch, train.top1)},
    {"train_eval.top5", offsetof(struct kd_epoch, train.top5)},
    {"valid.loss", offsetof(struct kd_epoch, valid.loss)},
    {"valid.top1", offsetof(struct kd_epoch, valid.top1)},
    {"valid.top5", offsetof(struct kd_epoch, valid.top5)},
    {"seconds", offsetof(struct kd_epoch, seconds)},
    {"images_per_second", offsetof(struct kd_epoch, images_per_second)},
};

static int add_epoch(struct kd_log *log, const cJSON *line, struct kd_err *err)
{
    struct kd_epoch e;
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        double v = kd_number_at(line, fields[i].path);
        memcpy((char *)&e + fields[i].offset, &v, sizeof v);
    }
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
    int status = kd_file_read(path, LOG_LIMIT, &text, err);
    if (status == 0) status = kd_log_parse(text.data, text.size, path, log, err);
    kd_bytes_release(&text);
    if (status < 0) kd_log_release(log);
    return status;
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
