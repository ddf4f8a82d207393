/* Models in integers: whatever is read is proved not to overflow, so that running it is defined
 * (the fuzzer is built with UndefinedBehaviorSanitizer), and plain C and the best kernels agree. */
#include "kd/nn/integers.h"
#include "kd/nn/kernels.h"
#include "kd/nn/model.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void run(const struct kd_model *m, const char *set, const float *x, int32_t *z)
{
    struct kd_err err = {0};
    if (set)
        setenv("KD_CPU", set, 1);
    else
        unsetenv("KD_CPU");
    if (kd_kernels_init(&err) < 0) abort();
    struct kd_int_run *plan = kd_int_plan(m->net->integers, 1, 1, &err);
    if (!plan) return;
    kd_int_forward(plan, NULL, &(struct kd_int_batch){x, 1, z});
    kd_int_run_free(plan);
}

static void compare(const struct kd_model *m, const uint8_t *data, size_t size)
{
    struct kd_err err = {0};
    size_t n = kd_shape_size(m->net->input), classes = m->net->classes;
    float *x = kd_alloc(n, sizeof *x, "an image", &err);
    int32_t *a = kd_alloc(classes, sizeof *a, "logits", &err),
            *b = kd_alloc(classes, sizeof *b, "logits", &err);
    if (x && a && b) {
        for (size_t i = 0; i < n; i++) x[i] = (float)(int8_t)data[i % size] / 16;
        run(m, "plain", x, a);
        run(m, NULL, x, b);
        if (memcmp(a, b, classes * sizeof *a) != 0) abort();
    }
    kd_free(x);
    kd_free(a);
    kd_free(b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct kd_tensorfile f;
    struct kd_bytes b = {0};
    struct kd_err err = {0};
    struct kd_model m;
    if (kd_bytes_add(&b, data, size, &err) < 0) return 0;
    if (kd_tensorfile_parse(&b, "fuzz", &(struct kd_tensorfile_limits){.no_verify = true}, &f,
                            &err) < 0)
        return 0;
    if (kd_model_from_file(&f, "fuzz", &m, &err) == 0) {
        if (m.net->integers && m.net->macs < 1000000 && kd_shape_size(m.net->input) < 100000)
            compare(&m, data, size);
        kd_model_release(&m);
    } else if (!err.text[0]) {
        abort();
    }
    kd_tensorfile_release(&f);
    return 0;
}
