/* The calls of the kernels, one for each step, and the function around them. */
#include "writer.h"

#include <string.h>

static void put_tensor(struct kd_c_writer *w, unsigned t)
{
    kd_c_put(w, "arena + %zu", w->plan->offset[t] / (w->plan->ints ? 1 : sizeof(float)));
}

static void put_out(struct kd_c_writer *w, const struct kd_device_step *s)
{
    if (s->logits)
        kd_c_put(w, w->plan->ints ? "NULL" : "logits");
    else
        put_tensor(w, s->out);
}

static void call_conv(struct kd_c_writer *w, const struct kd_device_step *s)
{
    const struct kd_device_plan *p = w->plan;
    bool sums = w->add && !(w->addition && !w->conv);
    kd_c_put(w, "    %s_conv(&", w->how->name);
    kd_c_layer(w, "layer", s->op->name);
    kd_c_put(w, ", ");
    if (s->from_image)
        kd_c_put(w, "NULL");
    else
        put_tensor(w, s->in);
    if (w->image) kd_c_put(w, s->from_image ? ", image" : ", NULL");
    kd_c_put(w, ", ");
    put_out(w, s);
    if (sums && s->beside == KD_NO_TENSOR) kd_c_put(w, p->ints ? ", NULL, NULL" : ", NULL, 0");
    if (s->beside != KD_NO_TENSOR) {
        const struct kd_op *add = &p->graph->ops[s->add_index];
        kd_c_put(w, ", ");
        if (p->ints) {
            kd_c_put(w, "&");
            kd_c_layer(w, "sum", add->name);
            kd_c_put(w, ", ");
        }
        put_tensor(w, s->beside);
        if (!p->ints) kd_c_put(w, ", %u", kd_c_activation(add->act));
    }
    if (p->ints) kd_c_put(w, s->logits ? ", logits" : ", NULL");
    if (s->scratch)
        kd_c_put(w, ", arena + %zu);\n", s->scratch_at / (p->ints ? 1 : sizeof(float)));
    else
        kd_c_put(w, ", NULL);\n");
}

/* name(first, in, [beside,] out, n); */
static void call(struct kd_c_writer *w, const struct kd_device_step *s, const char *name)
{
    kd_c_put(w, "    %s_%s(", w->how->name, name);
    const struct kd_op *op = s->op;
    bool plain = strcmp(name, "reorder") == 0 || strcmp(name, "gelu") == 0 ||
                 strcmp(name, "tanh") == 0 || strcmp(name, "hardswish") == 0;
    if (strcmp(name, "lookup") == 0)
        kd_c_layer(w, "table", op->name);
    else if (strcmp(name, "addition") == 0 && w->plan->ints) {
        kd_c_put(w, "&");
        kd_c_layer(w, "sum", op->name);
    } else if (strcmp(name, "leaky") == 0)
        kd_c_float(w, (float)op->slope);
    else if (strcmp(name, "limit") == 0 && w->plan->ints)
        kd_c_put(w, "%d, %d", (int)kd_c_tensor(w, op->out)->low,
                 (int)kd_c_tensor(w, op->out)->high);
    else if (!plain)
        kd_c_put(w, "%u", kd_c_activation(op->act));
    if (!plain) kd_c_put(w, ", ");
    put_tensor(w, s->in);
    kd_c_put(w, ", ");
    if (op->kind == KD_OP_ADD) {
        put_tensor(w, s->beside);
        kd_c_put(w, ", ");
    }
    put_out(w, s);
    if (op->kind == KD_OP_REORDER)
        kd_c_put(w, ", %zu, %u);\n", kd_shape_pixels(op->in), op->in.c);
    else
        kd_c_put(w, ", %zu);\n", kd_shape_size(op->to));
}

static void call_pool(struct kd_c_writer *w, const struct kd_device_step *s)
{
    bool max = s->op->kind == KD_OP_MAXPOOL;
    kd_c_put(w, "    %s_%s(&", w->how->name, max ? "maxpool" : "avgpool");
    kd_c_layer(w, "layer", s->op->name);
    kd_c_put(w, ", ");
    put_tensor(w, s->in);
    kd_c_put(w, ", ");
    put_out(w, s);
    if (!max && w->plan->ints) kd_c_put(w, s->logits ? ", logits" : ", NULL");
    kd_c_put(w, ");\n");
}

static void call_activation(struct kd_c_writer *w, const struct kd_device_step *s)
{
    if (w->plan->ints && w->plan->ints->ops[s->op_index].table) {
        call(w, s, "lookup");
        return;
    }
    switch (s->op->act) {
    case KD_ACT_LEAKY_RELU:
        call(w, s, "leaky");
        return;
    case KD_ACT_HARDSWISH:
        call(w, s, "hardswish");
        return;
    case KD_ACT_GELU:
        call(w, s, "gelu");
        return;
    case KD_ACT_TANH:
        call(w, s, "tanh");
        return;
    default:
        call(w, s, "limit");
    }
}

static void call_step(struct kd_c_writer *w, const struct kd_device_step *s)
{
    switch (s->op->kind) {
    case KD_OP_CONV:
        if (!kd_op_is_depthwise(s->op)) {
            call_conv(w, s);
            return;
        }
        kd_c_put(w, "    %s_depthwise(&", w->how->name);
        kd_c_layer(w, "layer", s->op->name);
        kd_c_put(w, ", ");
        put_tensor(w, s->in);
        kd_c_put(w, ", ");
        put_out(w, s);
        kd_c_put(w, ");\n");
        return;
    case KD_OP_MAXPOOL:
    case KD_OP_AVGPOOL:
        call_pool(w, s);
        return;
    case KD_OP_ADD:
        call(w, s, "addition");
        return;
    case KD_OP_REORDER:
        call(w, s, "reorder");
        return;
    case KD_OP_ACTIVATION:
        call_activation(w, s);
    }
}

void kd_c_signature(struct kd_c_writer *w)
{
    kd_c_put(w, "void %s_predict(const uint8_t *image, %s *logits%s)", w->how->name,
             w->plan->ints ? "int32_t" : "float",
             !w->how->caller_arena ? ""
             : w->plan->ints       ? ", int8_t *arena"
                                   : ", float *arena");
}

void kd_c_predict(struct kd_c_writer *w)
{
    const struct kd_device_plan *p = w->plan;
    kd_c_put(w, "\n");
    kd_c_signature(w);
    kd_c_put(w, "\n{\n");
    if (!w->how->caller_arena)
        kd_c_put(w,
                 p->ints ? "    static int8_t arena[%s_ARENA];\n"
                         : "    static float arena[%s_ARENA / sizeof(float)];\n",
                 w->upper);
    if (p->copies_image) {
        kd_c_put(w, "    %s_take(image, ", w->how->name);
        put_tensor(w, 0);
        kd_c_put(w, ");\n");
    }
    for (unsigned i = 0; i < p->n_steps; i++) call_step(w, &p->steps[i]);
    if (!p->steps[p->n_steps - 1].logits) {
        unsigned t = p->graph->output;
        kd_c_put(
            w, "    for (int32_t i = 0; i < %s_CLASSES; i++) logits[i] = arena[%zu + i] - (%d);\n",
            w->upper, p->offset[t], (int)kd_c_tensor(w, t)->zero);
    }
    kd_c_put(w, "}\n");
}
