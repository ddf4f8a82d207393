/* The facts that kd-show tells, as one object for each kind of thing; NULL with err filled. */
#ifndef KD_CMD_SHOW_H
#define KD_CMD_SHOW_H
#include "kd/base/json.h"
#include "kd/base/mem.h"
#include "kd/base/pool.h"
#include "kd/base/tensorfile.h"
#include "kd/run/places.h"
#include "program.h"

struct showing {
    const char *data_dir;
    struct kd_pool *pool;
};
/* A model or a checkpoint; its layers as a table for people. */
cJSON *show_model(const char *path, const struct kd_tensorfile *f, struct kd_bytes *table,
                  struct kd_err *err);
/* Soft targets, or the answers that an evaluation saved: how many, how sure, how often right. */
cJSON *show_answers(const char *path, const struct kd_tensorfile *f, const struct showing *how,
                    struct kd_err *err);
/* Sparse soft targets. */
cJSON *show_top(const char *path, const struct kd_tensorfile *f, const struct showing *how,
                struct kd_err *err);
/* Any other tensor file. */
cJSON *show_other(const char *path, const struct kd_tensorfile *f, struct kd_err *err);
/* A run folder: its models, as a table for people. */
cJSON *show_run(const char *folder, const char *experiment, struct kd_bytes *table,
                struct kd_err *err);
/* A data source as mnist:test. */
cJSON *show_source(const char *spec, const struct showing *how, struct kd_err *err);
#endif
