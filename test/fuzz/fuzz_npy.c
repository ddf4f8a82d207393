/* Whatever the bytes: no crash, and what is accepted lies within them. */
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
    if (kd_npy_parse(&b, "fuzz", &f, &err) < 0) return 0;
    const struct kd_tensor *t = f.tensors;
    size_t bytes = t->count * kd_dtype_size(t->dtype);
    if (f.n != 1 || bytes > size) abort();
    if (bytes) last = ((const unsigned char *)t->data)[0];
    if (bytes) last = ((const unsigned char *)t->data)[bytes - 1];
    (void)last;
    kd_tensorfile_release(&f);
    return 0;
}
