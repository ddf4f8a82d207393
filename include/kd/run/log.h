/* A training's log.jsonl: one object per epoch, whose fields stand in one table (lib/run/log.c).
 *
 * Reading: lines that cannot be read are counted, not fatal, as a training may be writing the last
 * one. Where an epoch occurs twice (a resumed training) the later line counts. Numbers that are
 * absent, null or not finite are NaN. */
#ifndef KD_RUN_LOG_H
#define KD_RUN_LOG_H
#include "kd/run/record.h"
#include <stdbool.h>

struct kd_score {
    double loss, top1, top5; /* label cross-entropy, fractions */
};
struct kd_epoch {                  /* a line; all doubles, NaN: not known, not evaluated */
    double epoch, step, lr;        /* from 1; steps done in all; rate of the last step */
    double loss, hard, soft, top1; /* over the training images as they were learnt */
    struct kd_terms terms;         /* of the loss, each by its name, without its weight */
    struct kd_score train, valid;  /* in evaluation mode: a fixed subset; the validation images */
    double seconds, images_per_second;
};
cJSON *kd_epoch_to_json(const struct kd_epoch *epoch, struct kd_err *err);
/* Also of kd.metrics in a model file, which has some of the fields. */
void kd_epoch_from_json(const cJSON *line, struct kd_epoch *out);

struct kd_log {
    struct kd_epoch *epochs; /* ascending */
    size_t n, room;
    size_t bad;        /* lines that are not an epoch */
    bool unfinished;   /* the last line has no end */
    size_t not_finite; /* first epoch (1-based row) whose training loss is null or not finite; 0:
                          none */
    char problem[256]; /* about the first bad line, or "" */
};
/* 1: read, 0: there is none, -1: it cannot be read. */
int kd_log_read(const char *path, struct kd_log *log, struct kd_err *err);
int kd_log_parse(const char *text, size_t size, const char *name, struct kd_log *log,
                 struct kd_err *err);
void kd_log_release(struct kd_log *log);
/* Index of the epoch best on validation (top-1, then loss), or with no validation the last; n > 0.
 */
size_t kd_log_best(const struct kd_log *log);
#endif
