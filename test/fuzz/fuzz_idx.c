/* Whatever the bytes, plain or gzip: no crash, no memory beyond the limit; what is accepted is
 * whole. */
#include "../../lib/data/formats.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const size_t limit = 1 << 20;
    struct kd_err err = {0};
    struct kd_tensor t;
    if (kd_idx_parse(data, size, "fuzz", limit, &t, &err) < 0) {
        if (t.data || !err.text[0]) abort();
        return 0;
    }
    size_t count = 1;
    for (unsigned d = 0; d < t.dims; d++) count *= t.shape[d];
    if (count != t.count || count > limit) abort();
    volatile uint8_t last = 0; /* every element can be read */
    for (size_t i = 0; i < count; i++) last = ((const uint8_t *)t.data)[i];
    (void)last;
    kd_free(t.data);
    return 0;
}
