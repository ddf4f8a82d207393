/* The int32 logits that kd computes: reference MODEL COUNT [TRACE], raw images on standard input,
 * logits on standard output, on the instruction set that KD_CPU names; TRACE: a tensor file for the
 * integers of all layers. */
#include "kd/nn/integers.h"
#include "kd/nn/kernels.h"
#include "kd/nn/model.h"
#include "trace.h"

#include <stdio.h>
#include <stdlib.h>

/* As kd_batch_fill makes them of bytes. */
static void normalise(const struct kd_model *m, const uint8_t *bytes, size_t n, float *x)
{
    size_t pixels = kd_shape_pixels(m->net->input), c = m->net->input.c;
    for (size_t i = 0; i < n * c * pixels; i++) {
        size_t k = i / pixels % c;
        x[i] = (float)((bytes[i] / 255.0 - (double)m->normalize.mean[k]) /
                       (double)m->normalize.std[k]);
    }
}

static int run(const struct kd_model *m, size_t n, const char *trace, struct kd_err *err)
{
    size_t size = kd_shape_size(m->net->input), classes = m->net->classes;
    uint8_t *bytes = kd_alloc(n, size, "images", err);
    float *x = kd_alloc(n * size, sizeof *x, "images", err);
    int32_t *z = kd_alloc(n * classes, sizeof *z, "logits", err);
    struct kd_int_run *plan = kd_int_plan(m->net->integers, n, 1, err);
    int status = bytes && x && z && plan ? 0 : -1;
    if (status == 0 && fread(bytes, size, n, stdin) != n) status = kd_fail(err, "too few images");
    if (status == 0) {
        normalise(m, bytes, n, x);
        kd_int_forward(plan, NULL, &(struct kd_int_batch){x, n, z});
        if (fwrite(z, classes * sizeof *z, n, stdout) != n) status = kd_fail(err, "cannot write");
        if (status == 0 && trace)
            status = trace_write(trace, &(struct trace){m->net->integers, x, z, n}, err);
    }
    kd_int_run_free(plan);
    kd_free(bytes);
    kd_free(x);
    kd_free(z);
    return status;
}

int main(int argc, char **argv)
{
    struct kd_err err = {0};
    struct kd_model model = {0};
    int status = argc == 3 || argc == 4 ? 0 : kd_fail(&err, "usage: reference MODEL COUNT [TRACE]");
    if (status == 0) status = kd_kernels_init(&err);
    if (status == 0) status = kd_model_read(argv[1], &model, &err);
    if (status == 0 && !model.net->integers) status = kd_fail(&err, "not a model in integers");
    if (status == 0) status = run(&model, strtoul(argv[2], NULL, 10), argv[3], &err);
    if (status < 0) fprintf(stderr, "reference: %s\n", err.text);
    kd_model_release(&model);
    return status < 0;
}
