/* Messages of Protocol Buffers: https://protobuf.dev/programming-guides/encoding */
#include "onnx_wire.h"

#include <string.h>

enum { VARINT = 0, PIECE = 2, FOUR = 5 }; /* how a field is written: the low bits of its key */
/* Kinds of an AttributeProto, and its fields. */
enum { IS_FLOAT = 1, IS_INT = 2, IS_INTS = 7 };
enum {
    ATTRIBUTE_NAME = 1,
    ATTRIBUTE_F = 2,
    ATTRIBUTE_I = 3,
    ATTRIBUTE_INTS = 8,
    ATTRIBUTE_IS = 20
};
enum { TENSOR_DIM = 1, TENSOR_TYPE = 2, TENSOR_NAME = 8, TENSOR_RAW = 9 };

static void put_varint(struct kd_bytes *b, uint64_t v, struct kd_err *err)
{
    unsigned char text[10];
    size_t n = 0;
    for (; v >= 128; v >>= 7) text[n++] = (unsigned char)(v | 128);
    text[n++] = (unsigned char)v;
    kd_bytes_add(b, text, n, err);
}

static void put_key(struct kd_bytes *b, unsigned field, unsigned how, struct kd_err *err)
{
    put_varint(b, (uint64_t)field << 3 | how, err);
}

void kd_wire_number(struct kd_bytes *b, unsigned field, uint64_t v, struct kd_err *err)
{
    put_key(b, field, VARINT, err);
    put_varint(b, v, err);
}

void kd_wire_float(struct kd_bytes *b, unsigned field, float v, struct kd_err *err)
{
    put_key(b, field, FOUR, err);
    kd_bytes_add(b, &v, sizeof v, err);
}

void kd_wire_bytes(struct kd_bytes *b, unsigned field, const void *data, size_t size,
                   struct kd_err *err)
{
    put_key(b, field, PIECE, err);
    put_varint(b, size, err);
    kd_bytes_add(b, data, size, err);
}

void kd_wire_text(struct kd_bytes *b, unsigned field, const char *text, struct kd_err *err)
{
    kd_wire_bytes(b, field, text, strlen(text), err);
}

void kd_wire_message(struct kd_bytes *b, unsigned field, struct kd_bytes *inner, struct kd_err *err)
{
    if (inner->failed)
        b->failed = true;
    else
        kd_wire_bytes(b, field, inner->size ? inner->data : "", inner->size, err);
    kd_bytes_release(inner);
}

/* ---- attributes ---- */

void kd_wire_attribute_int(struct kd_bytes *node, const char *name, int64_t v, struct kd_err *err)
{
    struct kd_bytes a = {0};
    kd_wire_text(&a, ATTRIBUTE_NAME, name, err);
    kd_wire_number(&a, ATTRIBUTE_I, (uint64_t)v, err);
    kd_wire_number(&a, ATTRIBUTE_IS, IS_INT, err);
    kd_wire_message(node, KD_NODE_ATTRIBUTE, &a, err);
}

void kd_wire_attribute_float(struct kd_bytes *node, const char *name, float v, struct kd_err *err)
{
    struct kd_bytes a = {0};
    kd_wire_text(&a, ATTRIBUTE_NAME, name, err);
    kd_wire_float(&a, ATTRIBUTE_F, v, err);
    kd_wire_number(&a, ATTRIBUTE_IS, IS_FLOAT, err);
    kd_wire_message(node, KD_NODE_ATTRIBUTE, &a, err);
}

void kd_wire_attribute_ints(struct kd_bytes *node, const char *name, struct kd_wire_ints ints,
                            struct kd_err *err)
{
    struct kd_bytes a = {0};
    kd_wire_text(&a, ATTRIBUTE_NAME, name, err);
    for (size_t i = 0; i < ints.n; i++)
        kd_wire_number(&a, ATTRIBUTE_INTS, (uint64_t)ints.v[i], err);
    kd_wire_number(&a, ATTRIBUTE_IS, IS_INTS, err);
    kd_wire_message(node, KD_NODE_ATTRIBUTE, &a, err);
}

/* ---- tensors and values ---- */

void kd_wire_tensor(struct kd_bytes *graph, const struct kd_wire_tensor *t, struct kd_err *err)
{
    struct kd_bytes b = {0};
    for (size_t d = 0; d < t->dims; d++) kd_wire_number(&b, TENSOR_DIM, t->shape[d], err);
    kd_wire_number(&b, TENSOR_TYPE, t->type, err);
    kd_wire_text(&b, TENSOR_NAME, t->name, err);
    kd_wire_bytes(&b, TENSOR_RAW, t->data, t->bytes, err);
    kd_wire_message(graph, KD_GRAPH_TENSOR, &b, err);
}

void kd_wire_value(struct kd_bytes *graph, unsigned field, const struct kd_wire_value *v,
                   struct kd_err *err)
{
    enum { NAME = 1, TYPE = 2, TENSOR = 1, ELEMENT = 1, SHAPE = 2, DIM = 1, VALUE = 1, PARAM = 2 };
    struct kd_bytes shape = {0}, tensor = {0}, type = {0}, value = {0};
    for (size_t d = 0; d < v->dims; d++) {
        struct kd_bytes dim = {0};
        if (v->shape[d])
            kd_wire_number(&dim, VALUE, v->shape[d], err);
        else
            kd_wire_text(&dim, PARAM, "batch", err);
        kd_wire_message(&shape, DIM, &dim, err);
    }
    kd_wire_number(&tensor, ELEMENT, KD_ONNX_F32, err);
    kd_wire_message(&tensor, SHAPE, &shape, err);
    kd_wire_message(&type, TENSOR, &tensor, err);
    kd_wire_text(&value, NAME, v->name, err);
    kd_wire_message(&value, TYPE, &type, err);
    kd_wire_message(graph, field, &value, err);
}
