/* All integers of a network, layer by layer, as a tensor file. */
#ifndef TRACE_H
#define TRACE_H
#include "kd/nn/integers.h"

/* x: [n][C,H,W], normalised; z: [n][classes], the logits. The file has NAME.int8 [n,c,h,w] for each
 * tensor of the graph but one of logits, logits I32, and logit_scale F32 [1]. */
struct trace {
    const struct kd_int_network *net;
    const float *x;
    int32_t *z;
    size_t n;
};
int trace_write(const char *path, const struct trace *t, struct kd_err *err);
#endif
