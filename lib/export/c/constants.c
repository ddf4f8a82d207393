/* Constant arrays: weights, biases, multipliers, tables. */
#include "writer.h"

#include <stdio.h>
#include <string.h>

void kd_c_layer(struct kd_c_writer *w, const char *what, const char *layer)
{
    kd_c_put(w, "%s_%s_", w->how->name, what);
    for (; *layer; layer++) kd_c_put(w, "%c", *layer == '.' ? '_' : *layer);
}

static void begin_array(struct kd_c_writer *w, const char *type, const char *what,
                        const char *layer, size_t n)
{
    kd_c_put(w, "static const %s ", type);
    kd_c_layer(w, what, layer);
    kd_c_put(w, "[%zu] = {", n);
}

static void put_ints(struct kd_c_writer *w, const char *type, const char *what, const char *layer,
                     size_t n, long (*value)(const void *from, size_t i), const void *from)
{
    begin_array(w, type, what, layer, n);
    for (size_t i = 0; i < n; i++)
        kd_c_put(w, "%s%ld,", i % 16 == 0 ? "\n    " : " ", value(from, i));
    kd_c_put(w, "\n};\n");
}

static long from_i8(const void *p, size_t i)
{
    return ((const int8_t *)p)[i];
}
static long from_u8(const void *p, size_t i)
{
    return ((const uint8_t *)p)[i];
}
static long from_i32(const void *p, size_t i)
{
    return ((const int32_t *)p)[i];
}

void kd_c_float(struct kd_c_writer *w, float v)
{
    char text[40];
    snprintf(text, sizeof text, "%.9g", (double)v);
    kd_c_put(w, "%s%sf", text, strpbrk(text, ".e") ? "" : ".0");
}

static void put_floats(struct kd_c_writer *w, const char *what, const char *layer, size_t n,
                       const float *v)
{
    begin_array(w, "float", what, layer, n);
    for (size_t i = 0; i < n; i++) {
        kd_c_put(w, i % 6 == 0 ? "\n    " : " ");
        kd_c_float(w, v[i]);
        kd_c_put(w, ",");
    }
    kd_c_put(w, "\n};\n");
}

/* Weights in the order in which kernels want them. */
struct ordered {
    const struct kd_op *op;
    const int8_t *weight;
};
static size_t place_of(const struct kd_op *op, size_t i)
{
    if (!kd_op_is_depthwise(op)) return i;
    size_t taps = kd_op_depth(op); /* [taps][channels] from [channels][taps] */
    return i % op->to.c * taps + i / op->to.c;
}
static long from_ordered(const void *p, size_t i)
{
    const struct ordered *o = p;
    return o->weight[place_of(o->op, i)];
}

static void put_geometry(struct kd_c_writer *w, const struct kd_op *op, bool pool)
{
    kd_c_put(w, "%u, %u, %u, %u, %u, ", op->in.h, op->in.w, op->in.c, op->to.h, op->to.w);
    if (!pool) kd_c_put(w, "%u, ", op->to.c);
    kd_c_put(w, "%u, %u, %u, %u, %u", op->kernel_h, op->kernel_w, op->stride, op->pad_h, op->pad_w);
    if (!pool) kd_c_put(w, ", %u", op->groups);
}

const struct kd_int_tensor *kd_c_tensor(const struct kd_c_writer *w, unsigned t)
{
    return &w->plan->ints->tensors[t];
}

static void put_range(struct kd_c_writer *w, unsigned in, unsigned out)
{
    const struct kd_int_tensor *t = kd_c_tensor(w, out);
    kd_c_put(w, "%d, %d, %d, %d", (int)kd_c_tensor(w, in)->zero, (int)t->zero, (int)t->low,
             (int)t->high);
}

static int put_biases(struct kd_c_writer *w, const struct kd_op *op, const struct kd_int_op *o,
                      int32_t zero)
{
    size_t depth = kd_op_depth(op);
    int32_t *bias = kd_alloc(op->to.c, sizeof *bias, "biases", w->err);
    if (!bias) return -1;
    for (size_t c = 0; c < op->to.c; c++) {
        int32_t sum = 0; /* neither this nor any sum from it can overflow: kd_int_check */
        for (size_t k = 0; k < depth; k++) sum += o->weight[c * depth + k];
        bias[c] = o->bias[c] - zero * sum;
    }
    put_ints(w, "int32_t", "bias", op->name, op->to.c, from_i32, bias);
    kd_free(bias);
    return 0;
}

static void put_int_conv(struct kd_c_writer *w, const struct kd_device_step *s)
{
    const struct kd_op *op = s->op;
    const struct kd_int_op *o = &w->plan->ints->ops[s->op_index];
    struct ordered weights = {op, o->weight};
    size_t n = op->to.c;
    put_ints(w, "int8_t", "weight", op->name, n * kd_op_depth(op), from_ordered, &weights);
    if (put_biases(w, op, o, kd_c_tensor(w, op->a)->zero) < 0) w->status = -1;
    put_ints(w, "int32_t", "multiplier", op->name, n, from_i32, o->multiplier);
    put_ints(w, "uint8_t", "shift", op->name, n, from_u8, o->shift);
    kd_c_put(w, "static const struct %s_conv ", w->how->name);
    kd_c_layer(w, "layer", op->name);
    kd_c_put(w, " = {\n    ");
    static const char *const arrays[] = {"weight", "bias", "multiplier", "shift"};
    for (unsigned i = 0; i < 4; i++) {
        kd_c_layer(w, arrays[i], op->name);
        kd_c_put(w, ", ");
    }
    kd_c_put(w, "\n    ");
    put_geometry(w, op, false);
    kd_c_put(w, ", ");
    put_range(w, op->a, op->out);
    kd_c_put(w, "};\n");
}

unsigned kd_c_activation(enum kd_act act)
{
    return act == KD_ACT_RELU ? 1 : act == KD_ACT_RELU6 ? 2 : 0;
}

static void put_float_conv(struct kd_c_writer *w, const struct kd_device_step *s)
{
    const struct kd_op *op = s->op;
    size_t n = op->to.c * kd_op_depth(op);
    begin_array(w, "float", "weight", op->name, n);
    for (size_t i = 0; i < n; i++) {
        kd_c_put(w, i % 6 == 0 ? "\n    " : " ");
        kd_c_float(w, op->weight[place_of(op, i)]);
        kd_c_put(w, ",");
    }
    kd_c_put(w, "\n};\n");
    put_floats(w, "bias", op->name, op->to.c, op->bias);
    kd_c_put(w, "static const struct %s_conv ", w->how->name);
    kd_c_layer(w, "layer", op->name);
    kd_c_put(w, " = {");
    kd_c_layer(w, "weight", op->name);
    kd_c_put(w, ", ");
    kd_c_layer(w, "bias", op->name);
    kd_c_put(w, ",\n    ");
    put_geometry(w, op, false);
    kd_c_put(w, ", %u};\n", kd_c_activation(op->act));
}

static void put_pool(struct kd_c_writer *w, const struct kd_device_step *s)
{
    kd_c_put(w, "static const struct %s_pool ", w->how->name);
    kd_c_layer(w, "layer", s->op->name);
    kd_c_put(w, " = {");
    put_geometry(w, s->op, true);
    if (!w->plan->ints) {
        kd_c_put(w, ", %u};\n", kd_c_activation(s->op->act));
        return;
    }
    const struct kd_int_op *o = &w->plan->ints->ops[s->op_index];
    kd_c_put(w, ", ");
    put_range(w, s->op->a, s->op->out);
    kd_c_put(w, ", %ld, %u};\n", o->multiplier ? (long)o->multiplier[0] : 0L,
             o->shift ? o->shift[0] : 0U);
}

static void put_sum(struct kd_c_writer *w, const struct kd_device_step *s)
{
    if (s->beside == KD_NO_TENSOR || !w->plan->ints) return;
    unsigned i = s->add_index == KD_NO_TENSOR ? s->op_index : s->add_index;
    const struct kd_op *op = &w->plan->graph->ops[i];
    const struct kd_int_op *o = &w->plan->ints->ops[i];
    const struct kd_int_tensor *t = kd_c_tensor(w, op->out);
    kd_c_put(w, "static const struct %s_add ", w->how->name);
    kd_c_layer(w, "sum", op->name);
    kd_c_put(w, " = {%ld, %ld, %u, %d, %d, %d, %d, %d};\n", (long)o->multiplier[0],
             (long)o->multiplier[1], o->shift[0], (int)kd_c_tensor(w, op->a)->zero,
             (int)kd_c_tensor(w, op->b)->zero, (int)t->zero, (int)t->low, (int)t->high);
}

void kd_c_constants(struct kd_c_writer *w)
{
    kd_c_put(w, "\n/* ---- the network ---- */\n\n");
    for (unsigned i = 0; i < w->plan->n_steps; i++) {
        const struct kd_device_step *s = &w->plan->steps[i];
        enum kd_op_kind kind = s->op->kind;
        if (kind == KD_OP_CONV && w->plan->ints) put_int_conv(w, s);
        if (kind == KD_OP_CONV && !w->plan->ints) put_float_conv(w, s);
        if (kind == KD_OP_MAXPOOL || kind == KD_OP_AVGPOOL) put_pool(w, s);
        if (w->plan->ints && w->plan->ints->ops[s->op_index].table)
            put_ints(w, "int8_t", "table", s->op->name, 256, from_i8,
                     w->plan->ints->ops[s->op_index].table);
        put_sum(w, s);
    }
}
