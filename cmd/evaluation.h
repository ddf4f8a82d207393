/* What kd-eval finds out about a model, as a JSON line and as a row of a table. */
#ifndef KD_CMD_EVALUATION_H
#define KD_CMD_EVALUATION_H
#include "kd/base/hash.h"
#include "kd/base/json.h"
#include "kd/base/mem.h"
#include "kd/train/predict.h"

struct evaluation {
    char *model, *data, *split;
    struct kd_metrics m;
    size_t parameters, classes;
    uint64_t macs;
    double agreement, latency_ms, throughput; /* NAN: not measured */
    uint32_t *confusion;
    enum kd_tta tta;
    char fingerprint[KD_FINGERPRINT];
};

/* One line without its end; caller frees. For a file, `command` is what wrote it ("": not said),
 * and kd's version goes with it; NULL: neither. */
char *evaluation_json(const struct evaluation *r, const char *command, struct kd_err *err);
/* Aligned columns, a heading above; columns that nobody has are left out. */
int evaluation_table(const struct evaluation *results, size_t n, struct kd_bytes *out,
                     struct kd_err *err);
#endif
