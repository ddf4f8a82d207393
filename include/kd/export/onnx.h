/* A model of kd from an ONNX file (https://onnx.ai): chains of layers with residual blocks, as
 * torch.onnx.export writes them, opset 9 to 21.
 *
 * Every node becomes a layer, a factor and an offset by channel, or nothing (Identity, Dropout,
 * Reshape to rows). A Softmax at the end is left out: kd's outputs are logits. Factors and offsets
 * at the start become the normalization; elsewhere they are a bias, a scale or a batch norm whose
 * statistics are 0 and 1. An operator that kd has no layer for is an error that names its node.
 *
 * Tensors may lie in a file beside it (external data), which is what PyTorch's exporter makes.
 * Memory is at most a small multiple of the files' length plus 64 MB. */
#ifndef KD_EXPORT_ONNX_H
#define KD_EXPORT_ONNX_H
#include "kd/nn/model.h"

#define KD_ONNX_OPSETS "9 to 21"

struct kd_onnx_ask {
    const char *path;       /* for messages */
    unsigned shape[3];      /* [C,H,W] of an image; zeros: what the file says */
    const cJSON *normalize; /* as kd.normalize, of what the graph is given; NULL: nothing */
};

/* Whether a file that begins like this may be ONNX rather than safetensors: its first field is
 * ir_version, a small number, where safetensors has the length of its header and then a brace. */
static inline bool kd_onnx_start(const char *start, size_t n)
{
    return n > 8 && start[0] == 8 && start[1] < 64 && start[8] != '{';
}
/* The caller releases `out` (kd_model_release). `facts`, where not NULL, gets {"producer","opset",
 * "graph"}, owned by the caller. */
int kd_onnx_import(const struct kd_bytes *file, struct kd_onnx_ask ask, struct kd_model *out,
                   cJSON **facts, struct kd_err *err);
#endif
