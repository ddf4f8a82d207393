/* A model's answers to a whole split, from the logits.safetensors beside its eval.json. */
#ifndef KD_REPORT_LOGITS_H
#define KD_REPORT_LOGITS_H
#include "kd/report/report.h"
#include <stdint.h>

struct kd_logits {
    float *z;        /* [n][classes] */
    int32_t *labels; /* [n], -1: none; or NULL */
    size_t n, classes;
    char *data; /* kd.data: which images */
};
/* False where there is no such file, or it is not of the model and split that eval.json speaks of:
 * what is drawn from it is left out then. */
bool kd_logits_read(const struct kd_report *report, const struct kd_result *r,
                    struct kd_logits *out);
void kd_logits_release(struct kd_logits *l);
/* Are both answers to the same images? */
bool kd_logits_same(const struct kd_logits *a, const struct kd_logits *b);
/* An image that is taken for another class than its own. */
struct kd_wrong {
    double confidence; /* softmax of the class that it is taken for, at T = 1 */
    uint32_t sample;   /* its place in the split */
    size_t taken_for;
};
/* All of them, the surest first; *n of them. Caller: kd_free. */
struct kd_wrong *kd_logits_wrong(const struct kd_logits *l, size_t *n, struct kd_err *err);
/* Class of image i; ties go to the lower class. */
size_t kd_logits_top(const struct kd_logits *l, size_t i);
#endif
