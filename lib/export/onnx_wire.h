/* The bytes of an ONNX file: messages of Protocol Buffers, written field by field. Writing wants
 * three kinds of field (a number, four bytes, a piece of bytes), so that no library is needed.
 *
 * A message within a message is made in bytes of its own and then put into the outer one. Nothing
 * is checked between: kd_bytes remembers that it failed, and says so at the end. */
#ifndef KD_EXPORT_ONNX_WIRE_H
#define KD_EXPORT_ONNX_WIRE_H
#include "kd/base/mem.h"

#include <stddef.h>
#include <stdint.h>

/* Numbers of fields, as onnx.proto has them. */
enum {
    KD_MODEL_IR_VERSION = 1,
    KD_MODEL_PRODUCER = 2,
    KD_MODEL_PRODUCER_VERSION = 3,
    KD_MODEL_DOC = 6,
    KD_MODEL_GRAPH = 7,
    KD_MODEL_OPSET = 8,
    KD_MODEL_NOTE = 14,
    KD_GRAPH_NODE = 1,
    KD_GRAPH_NAME = 2,
    KD_GRAPH_TENSOR = 5,
    KD_GRAPH_INPUT = 11,
    KD_GRAPH_OUTPUT = 12,
    KD_NODE_INPUT = 1,
    KD_NODE_OUTPUT = 2,
    KD_NODE_NAME = 3,
    KD_NODE_OP = 4,
    KD_NODE_ATTRIBUTE = 5
};
enum kd_onnx_type { KD_ONNX_F32 = 1, KD_ONNX_I8 = 3, KD_ONNX_I32 = 6 };

void kd_wire_number(struct kd_bytes *b, unsigned field, uint64_t v, struct kd_err *err);
void kd_wire_float(struct kd_bytes *b, unsigned field, float v, struct kd_err *err);
void kd_wire_bytes(struct kd_bytes *b, unsigned field, const void *data, size_t size,
                   struct kd_err *err);
void kd_wire_text(struct kd_bytes *b, unsigned field, const char *text, struct kd_err *err);
/* `inner` as a field of b, and then released. */
void kd_wire_message(struct kd_bytes *b, unsigned field, struct kd_bytes *inner,
                     struct kd_err *err);

/* Attributes of a node. */
void kd_wire_attribute_int(struct kd_bytes *node, const char *name, int64_t v, struct kd_err *err);
void kd_wire_attribute_float(struct kd_bytes *node, const char *name, float v, struct kd_err *err);
struct kd_wire_ints {
    size_t n;
    int64_t v[4];
};
void kd_wire_attribute_ints(struct kd_bytes *node, const char *name, struct kd_wire_ints ints,
                            struct kd_err *err);
/* A constant tensor of the graph. */
struct kd_wire_tensor {
    const char *name;
    enum kd_onnx_type type;
    size_t dims, shape[4];
    const void *data;
    size_t bytes;
};
void kd_wire_tensor(struct kd_bytes *graph, const struct kd_wire_tensor *t, struct kd_err *err);
/* Input or output of the graph, in floats. shape[0] 0: any number, "batch". */
struct kd_wire_value {
    const char *name;
    size_t dims, shape[4];
};
void kd_wire_value(struct kd_bytes *graph, unsigned field, const struct kd_wire_value *v,
                   struct kd_err *err);
#endif
