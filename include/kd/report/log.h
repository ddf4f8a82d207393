/* A training's log.jsonl: one object per epoch (see the run folder in the design). Lines that
 * cannot be read are counted, not fatal: a training may be writing the last one. Where an epoch
 * occurs twice (a resumed training) the later line counts. Numbers that are absent, null or not
 * finite are NaN. */
#ifndef KD_REPORT_LOG_H
#define KD_REPORT_LOG_H
#include "kd/base/mem.h"
#include <cjson/cJSON.h>
#include <stdbool.h>

struct kd_score {
    double loss, top1, top5; /* label cross-entropy, fractions */
};
struct kd_epoch {
    double epoch, step, lr, loss, hard, soft, top1; /* the last four: running values of training */
    struct kd_score train, valid;                   /* in evaluation mode */
    double seconds, images_per_second;
};
struct kd_log {
    struct kd_epoch *epochs; /* ascending */
    size_t n, room;
    size_t bad;        /* lines that are not an epoch */
    bool unfinished;   /* the last line has no end */
    size_t not_finite; /* first epoch (1-based row) whose training loss is null or not finite; 0:
                          none */
    char problem[256]; /* about the first bad line, or "" */
};
int kd_log_read(const char *path, struct kd_log *log, struct kd_err *err);
int kd_log_parse(const char *text, size_t size, const char *name, struct kd_log *log,
                 struct kd_err *err);
void kd_log_release(struct kd_log *log);
/* Index of the epoch best on validation (top-1, then loss), or with no validation the last; n > 0.
 */
size_t kd_log_best(const struct kd_log *log);

/* Number at a dotted path, or NaN; text or NULL. */
double kd_number_at(const cJSON *object, const char *path);
const char *kd_text_at(const cJSON *object, const char *path);
#endif
