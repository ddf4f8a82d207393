/* Whatever a model file says: no crash, no memory beyond what its length justifies. */
#include "kd/nn/model.h"
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct kd_tensorfile f;
    struct kd_bytes b = {0};
    struct kd_err err = {0};
    struct kd_model m;
    if (kd_bytes_add(&b, data, size, &err) < 0) return 0;
    /* without the checksums, which would stop what was changed before the network is looked at */
    if (kd_tensorfile_parse(&b, "fuzz", &(struct kd_tensorfile_limits){.no_verify = true}, &f,
                            &err) < 0)
        return 0;
    if (kd_model_from_file(&f, "fuzz", &m, &err) == 0) {
        if (m.net->parameters > size) abort();
        kd_model_release(&m);
    } else if (!err.text[0]) {
        abort();
    }
    kd_tensorfile_release(&f);
    return 0;
}
