/* Whatever the bytes: no crash, and what is accepted is consistent. */
#include "kd/base/tensorfile.h"
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct kd_tensorfile f;
    struct kd_bytes b = {0};
    struct kd_err err;
    volatile unsigned char last = 0;
    if (kd_bytes_add(&b, data, size, &err) < 0) return 0;
    if (kd_tensorfile_parse(&b, "fuzz", NULL, &f, &err) < 0) return 0;
    size_t total = 0;
    for (size_t i = 0; i < f.n; i++) {
        const struct kd_tensor *t = &f.tensors[i];
        size_t bytes = t->count * kd_dtype_size(t->dtype);
        total += bytes;
        if (bytes) last = ((const unsigned char *)t->data)[0];
        if (bytes) last = ((const unsigned char *)t->data)[bytes - 1];
        if (kd_tensorfile_find(&f, t->name) != t) abort();
    }
    (void)last;
    if (total > size) abort();
    kd_tensorfile_release(&f);
    return 0;
}
