/* A network as an ONNX model: input "image", [batch][C][H][W] of the pixels that the model learnt
 * from (0 to 1, where those were bytes), output "logits", [batch][classes].
 *
 * The normalisation is the graph's first two nodes (Sub, Div); batch norm is folded. A network in
 * integers becomes QDQ: floats between QuantizeLinear and DequantizeLinear, which runtimes turn
 * into integers of their own. From equal inputs a layer is then within one step of kd's.
 *
 *     struct kd_bytes file = {0};
 *     kd_export_onnx(&graph, NULL, &(struct kd_export_onnx){.opset = 13, ...}, &file, &err);
 */
#ifndef KD_EXPORT_ONNX_WRITE_H
#define KD_EXPORT_ONNX_WRITE_H
#include "kd/nn/integers.h"

enum {
    KD_ONNX_OPSET_FIRST = 9,
    KD_ONNX_OPSET_LAST = 21,
    KD_ONNX_OPSET_INTEGERS = 13 /* the first with a scale for each channel */
};
/* Keys of a model's metadata that go with it there and back, NULL behind the last. */
extern const char *const kd_onnx_notes[];

struct kd_export_onnx {
    unsigned opset; /* KD_ONNX_OPSET_FIRST to KD_ONNX_OPSET_LAST */
    unsigned batch; /* images at once; 0: any number */
    const struct kd_normalize *normalize;
    const char *provenance; /* the model's doc_string */
    const cJSON *notes;     /* an object of strings, its metadata_props */
};
/* `ints` NULL: the graph's float weights. Adds the file to `out`, in memory once more while it is
 * put together. */
int kd_export_onnx(const struct kd_graph *graph, const struct kd_int_network *ints,
                   const struct kd_export_onnx *how, struct kd_bytes *out, struct kd_err *err);
#endif
