/* Whatever an ONNX file says: no crash, no memory beyond what its length justifies. */
#include "kd/export/onnx.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct kd_bytes b = {0};
    struct kd_err err = {0};
    struct kd_model m;
    cJSON *facts = NULL;
    if (kd_bytes_add(&b, data, size, &err) < 0) return 0;
    /* "-": tensors in other files are refused */
    if (kd_onnx_import(&b, (struct kd_onnx_ask){.path = "-"}, &m, &facts, &err) == 0) {
        kd_model_release(&m);
        cJSON_Delete(facts);
    } else if (!err.text[0]) {
        abort();
    }
    kd_bytes_release(&b);
    return 0;
}
