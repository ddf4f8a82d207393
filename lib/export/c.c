/* The C file: kernels that are needed, from templates beside this file; constants; the calls. */
#include "kd/export/c.h"

#include <ctype.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char int8_template[] = {
#include "int8.tmpl.inc"
    0};
static const char float_template[] = {
#include "float.tmpl.inc"
    0};
static const char dsp_template[] = {
#include "dsp.tmpl.inc"
    0};
static const char avx2_template[] = {
#include "avx2.tmpl.inc"
    0};

enum { NAME_MOST = 60 };
struct writer {
    const struct kd_device_plan *plan;
    const struct kd_export_c *how;
    char upper[NAME_MOST + 1];
    bool conv, depthwise, maxpool, avgpool, add, addition, image, copy, reorder, table, limit,
        leaky, hardswish, gelu, tanh;
    struct kd_bytes *out;
    struct kd_err *err;
    int status; /* of all writes so far */
};

static KD_PRINTF(2, 3) void put(struct writer *w, const char *format, ...)
{
    char line[512];
    va_list list;
    va_start(list, format);
    int n = vsnprintf(line, sizeof line, format, list);
    va_end(list);
    if (w->status < 0) return;
    w->status = n < (int)sizeof line ? kd_bytes_add(w->out, line, (size_t)n, w->err)
                                     : kd_fail(w->err, "a line of C is too long");
}

bool kd_export_c_name_is_good(const char *name)
{
    size_t n = strlen(name);
    if (!n || n > NAME_MOST || !(islower((unsigned char)name[0]))) return false;
    for (size_t i = 0; i < n; i++)
        if (!islower((unsigned char)name[i]) && !isdigit((unsigned char)name[i]) && name[i] != '_')
            return false;
    return true;
}

/* ---- kernels ---- */

static void find_needs(struct writer *w)
{
    const struct kd_device_plan *p = w->plan;
    w->copy = p->copies_image;
    for (unsigned i = 0; i < p->n_steps; i++) {
        const struct kd_device_step *s = &p->steps[i];
        enum kd_op_kind kind = s->op->kind;
        enum kd_act act = s->op->act;
        bool alone = kind == KD_OP_ACTIVATION, table = p->ints && p->ints->ops[s->op_index].table;
        w->depthwise |= kind == KD_OP_CONV && kd_op_is_depthwise(s->op);
        w->conv |= kind == KD_OP_CONV && !kd_op_is_depthwise(s->op);
        w->image |= s->from_image;
        w->maxpool |= kind == KD_OP_MAXPOOL;
        w->avgpool |= kind == KD_OP_AVGPOOL;
        w->add |= s->beside != KD_NO_TENSOR;
        w->addition |= kind == KD_OP_ADD;
        w->reorder |= kind == KD_OP_REORDER;
        w->table |= table;
        w->limit |= alone && (act == KD_ACT_RELU || act == KD_ACT_RELU6);
        w->leaky |= alone && act == KD_ACT_LEAKY_RELU;
        w->hardswish |= alone && act == KD_ACT_HARDSWISH;
        w->gelu |= alone && act == KD_ACT_GELU;
        w->tanh |= alone && act == KD_ACT_TANH;
    }
}

/* Is a section of the template with this heading wanted? */
static bool wanted(const struct writer *w, const char *heading, size_t n)
{
    const struct {
        const char *word;
        bool yes;
    } needs[] = {
        {"types", w->plan->ints},  {"conv", w->conv},           {"depthwise", w->depthwise},
        {"maxpool", w->maxpool},   {"avgpool", w->avgpool},     {"add", w->add},
        {"addition", w->addition}, {"image", w->image},         {"copy", w->copy},
        {"reorder", w->reorder},   {"table", w->table},         {"limit", w->limit},
        {"leaky", w->leaky},       {"hardswish", w->hardswish}, {"gelu", w->gelu},
        {"tanh", w->tanh}};
    for (size_t at = 0; at < n;) {
        size_t end = at;
        while (end < n && heading[end] != ' ') end++;
        for (unsigned i = 0; i < sizeof needs / sizeof *needs; i++)
            if (needs[i].yes && strlen(needs[i].word) == end - at &&
                memcmp(needs[i].word, heading + at, end - at) == 0)
                return true;
        at = end + 1;
    }
    return false;
}

/* What stands for $,WORD$, : parts of the convolution that only some networks have. */
static const char *part(const struct writer *w, const char *word, size_t n)
{
    bool ints = w->plan->ints != NULL, sums = w->add && !(w->addition && !w->conv);
    const struct {
        const char *word, *ints, *floats;
        bool yes;
    } parts[] = {
        {"IMAGE_PARAMETERS", ", const uint8_t *image", ", const uint8_t *image", w->image},
        {"IMAGE_BODY",
         "                else if (image)\n"
         "                    $_gather_image(c, image, top, left, patch);",
         "                else if (image)\n"
         "                    $_gather_image(c, image, top, left, patch);",
         w->image},
        {"SUM_PARAMETERS", ", const struct $_add *add, const int8_t *beside",
         ", const float *beside, uint16_t after", sums},
        {"SUM_ARGUMENTS", ", add, beside", "", sums},
        {"SUM_BODY", "    if (add) q = $_sum(add, q, beside[o]);",
         "                    if (beside) v = $_act(after, v + beside[o]);", sums},
        {"SUM_BODY4", "    if (add) v = $_sum4(add, v, _mm_cvtepi8_epi32($_bytes4(beside + o)));",
         "", sums},
        {"SUM_STEP", "            if (beside) beside += c->out_c;",
         "            if (beside) beside += c->out_c;", sums},
    };
    for (unsigned i = 0; i < sizeof parts / sizeof *parts; i++)
        if (strlen(parts[i].word) == n && memcmp(parts[i].word, word, n) == 0)
            return !parts[i].yes ? "" : ints ? parts[i].ints : parts[i].floats;
    return "";
}

static void put_text(struct writer *w, const char *text, size_t n);

/* From "$" on: $^ the name in capitals, $,WORD$, a part, $ the name. What was read of it. */
static size_t put_dollar(struct writer *w, const char *at, size_t left)
{
    if (left > 1 && at[1] == '^') {
        put(w, "%s", w->upper);
        return 2;
    }
    if (left > 1 && at[1] == ',') {
        const char *end = strstr(at + 2, "$,");
        const char *text = part(w, at + 2, (size_t)(end - at - 2));
        put_text(w, text, strlen(text));
        return (size_t)(end + 2 - at);
    }
    put(w, "%s", w->how->name);
    return 1;
}

static void put_text(struct writer *w, const char *text, size_t n)
{
    for (size_t i = 0; i < n;) {
        if (text[i] == '$') {
            i += put_dollar(w, text + i, n - i);
            continue;
        }
        if (w->status == 0) w->status = kd_bytes_add(w->out, text + i, 1, w->err);
        i++;
    }
}

/* A line that holds a part alone is left out with it. */
static bool is_empty_part(const struct writer *w, const char *line, size_t n)
{
    return n > 4 && line[0] == '$' && line[1] == ',' && line[n - 1] == ',' && line[n - 2] == '$' &&
           !part(w, line + 2, n - 4)[0];
}

static void put_template(struct writer *w, const char *text)
{
    bool on = true;
    while (*text) {
        const char *end = strchr(text, '\n');
        size_t n = end ? (size_t)(end - text) : strlen(text);
        if (n > 4 && strncmp(text, "//% ", 4) == 0) {
            on = wanted(w, text + 4, n - 4);
            if (on) put(w, "\n");
        } else if (on && !is_empty_part(w, text, n)) {
            put_text(w, text, n);
            put(w, "\n");
        }
        text += n + (end ? 1 : 0);
    }
}

/* ---- constants ---- */

static void put_layer(struct writer *w, const char *what, const char *layer)
{
    put(w, "%s_%s_", w->how->name, what);
    for (; *layer; layer++) put(w, "%c", *layer == '.' ? '_' : *layer);
}

static void begin_array(struct writer *w, const char *type, const char *what, const char *layer,
                        size_t n)
{
    put(w, "static const %s ", type);
    put_layer(w, what, layer);
    put(w, "[%zu] = {", n);
}

static void put_ints(struct writer *w, const char *type, const char *what, const char *layer,
                     size_t n, long (*value)(const void *from, size_t i), const void *from)
{
    begin_array(w, type, what, layer, n);
    for (size_t i = 0; i < n; i++) put(w, "%s%ld,", i % 16 == 0 ? "\n    " : " ", value(from, i));
    put(w, "\n};\n");
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

static void put_float(struct writer *w, float v)
{
    char text[40];
    snprintf(text, sizeof text, "%.9g", (double)v);
    put(w, "%s%sf", text, strpbrk(text, ".e") ? "" : ".0");
}

static void put_floats(struct writer *w, const char *what, const char *layer, size_t n,
                       const float *v)
{
    begin_array(w, "float", what, layer, n);
    for (size_t i = 0; i < n; i++) {
        put(w, i % 6 == 0 ? "\n    " : " ");
        put_float(w, v[i]);
        put(w, ",");
    }
    put(w, "\n};\n");
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

static void put_geometry(struct writer *w, const struct kd_op *op, bool pool)
{
    put(w, "%u, %u, %u, %u, %u, ", op->in.h, op->in.w, op->in.c, op->to.h, op->to.w);
    if (!pool) put(w, "%u, ", op->to.c);
    put(w, "%u, %u, %u, %u, %u", op->kernel_h, op->kernel_w, op->stride, op->pad_h, op->pad_w);
    if (!pool) put(w, ", %u", op->groups);
}

static const struct kd_int_tensor *tensor(const struct writer *w, unsigned t)
{
    return &w->plan->ints->tensors[t];
}

static void put_range(struct writer *w, unsigned in, unsigned out)
{
    const struct kd_int_tensor *t = tensor(w, out);
    put(w, "%d, %d, %d, %d", (int)tensor(w, in)->zero, (int)t->zero, (int)t->low, (int)t->high);
}

static int put_biases(struct writer *w, const struct kd_op *op, const struct kd_int_op *o,
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

static void put_int_conv(struct writer *w, const struct kd_device_step *s)
{
    const struct kd_op *op = s->op;
    const struct kd_int_op *o = &w->plan->ints->ops[s->op_index];
    struct ordered weights = {op, o->weight};
    size_t n = op->to.c;
    put_ints(w, "int8_t", "weight", op->name, n * kd_op_depth(op), from_ordered, &weights);
    if (put_biases(w, op, o, tensor(w, op->a)->zero) < 0) w->status = -1;
    put_ints(w, "int32_t", "multiplier", op->name, n, from_i32, o->multiplier);
    put_ints(w, "uint8_t", "shift", op->name, n, from_u8, o->shift);
    put(w, "static const struct %s_conv ", w->how->name);
    put_layer(w, "layer", op->name);
    put(w, " = {\n    ");
    static const char *const arrays[] = {"weight", "bias", "multiplier", "shift"};
    for (unsigned i = 0; i < 4; i++) {
        put_layer(w, arrays[i], op->name);
        put(w, ", ");
    }
    put(w, "\n    ");
    put_geometry(w, op, false);
    put(w, ", ");
    put_range(w, op->a, op->out);
    put(w, "};\n");
}

static unsigned act_number(enum kd_act act)
{
    return act == KD_ACT_RELU ? 1 : act == KD_ACT_RELU6 ? 2 : 0;
}

static void put_float_conv(struct writer *w, const struct kd_device_step *s)
{
    const struct kd_op *op = s->op;
    size_t n = op->to.c * kd_op_depth(op);
    begin_array(w, "float", "weight", op->name, n);
    for (size_t i = 0; i < n; i++) {
        put(w, i % 6 == 0 ? "\n    " : " ");
        put_float(w, op->weight[place_of(op, i)]);
        put(w, ",");
    }
    put(w, "\n};\n");
    put_floats(w, "bias", op->name, op->to.c, op->bias);
    put(w, "static const struct %s_conv ", w->how->name);
    put_layer(w, "layer", op->name);
    put(w, " = {");
    put_layer(w, "weight", op->name);
    put(w, ", ");
    put_layer(w, "bias", op->name);
    put(w, ",\n    ");
    put_geometry(w, op, false);
    put(w, ", %u};\n", act_number(op->act));
}

static void put_pool(struct writer *w, const struct kd_device_step *s)
{
    put(w, "static const struct %s_pool ", w->how->name);
    put_layer(w, "layer", s->op->name);
    put(w, " = {");
    put_geometry(w, s->op, true);
    if (!w->plan->ints) {
        put(w, ", %u};\n", act_number(s->op->act));
        return;
    }
    const struct kd_int_op *o = &w->plan->ints->ops[s->op_index];
    put(w, ", ");
    put_range(w, s->op->a, s->op->out);
    put(w, ", %ld, %u};\n", o->multiplier ? (long)o->multiplier[0] : 0L,
        o->shift ? o->shift[0] : 0U);
}

static void put_sum(struct writer *w, const struct kd_device_step *s)
{
    if (s->beside == KD_NO_TENSOR || !w->plan->ints) return;
    unsigned i = s->add_index == KD_NO_TENSOR ? s->op_index : s->add_index;
    const struct kd_op *op = &w->plan->graph->ops[i];
    const struct kd_int_op *o = &w->plan->ints->ops[i];
    const struct kd_int_tensor *t = tensor(w, op->out);
    put(w, "static const struct %s_add ", w->how->name);
    put_layer(w, "sum", op->name);
    put(w, " = {%ld, %ld, %u, %d, %d, %d, %d, %d};\n", (long)o->multiplier[0],
        (long)o->multiplier[1], o->shift[0], (int)tensor(w, op->a)->zero,
        (int)tensor(w, op->b)->zero, (int)t->zero, (int)t->low, (int)t->high);
}

static void put_constants(struct writer *w)
{
    put(w, "\n/* ---- the network ---- */\n\n");
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

/* ---- how pixels come in ---- */

static void put_pixels(struct writer *w)
{
    uint32_t c = w->plan->graph->input.c;
    const struct kd_normalize *n = w->how->normalize;
    if (w->how->interleaved)
        put(w, "#define %s_AT(k, i, j) (((i) * %s_WIDTH + (j)) * %s_CHANNELS + (k))\n", w->upper,
            w->upper, w->upper);
    else
        put(w, "#define %s_AT(k, i, j) (((k) * %s_HEIGHT + (i)) * %s_WIDTH + (j))\n", w->upper,
            w->upper, w->upper);
    if (w->plan->ints) {
        put(w,
            "\n/* What each byte of a channel is as input. */\nstatic const int8_t "
            "%s_pixel[%u][256] = {",
            w->how->name, c);
        for (uint32_t k = 0; k < c; k++) {
            put(w, "{");
            for (int i = 0; i < 256; i++)
                put(w, "%s%d,", i % 16 == 0 ? "\n    " : " ",
                    w->plan->ints->pixel[k * 256 + (uint32_t)i]);
            put(w, "\n},");
        }
        put(w, "};\n\n");
        return;
    }
    static const char *const names[] = {"gain", "offset"};
    for (unsigned i = 0; i < 2; i++) {
        put(w, "static const float %s_%s[%u] = {", w->how->name, names[i], c);
        for (uint32_t k = 0; k < c; k++) {
            double std = (double)n->std[k], mean = (double)n->mean[k];
            put_float(w, (float)(i ? -mean / std : 1 / (255 * std)));
            put(w, ", ");
        }
        put(w, "};\n");
    }
    put(w, "\n");
}

/* ---- calls ---- */

static void put_tensor(struct writer *w, unsigned t)
{
    put(w, "arena + %zu", w->plan->offset[t] / (w->plan->ints ? 1 : sizeof(float)));
}

static void put_out(struct writer *w, const struct kd_device_step *s)
{
    if (s->logits)
        put(w, w->plan->ints ? "NULL" : "logits");
    else
        put_tensor(w, s->out);
}

static void call_conv(struct writer *w, const struct kd_device_step *s)
{
    const struct kd_device_plan *p = w->plan;
    bool sums = w->add && !(w->addition && !w->conv);
    put(w, "    %s_conv(&", w->how->name);
    put_layer(w, "layer", s->op->name);
    put(w, ", ");
    if (s->from_image)
        put(w, "NULL");
    else
        put_tensor(w, s->in);
    if (w->image) put(w, s->from_image ? ", image" : ", NULL");
    put(w, ", ");
    put_out(w, s);
    if (sums && s->beside == KD_NO_TENSOR) put(w, p->ints ? ", NULL, NULL" : ", NULL, 0");
    if (s->beside != KD_NO_TENSOR) {
        const struct kd_op *add = &p->graph->ops[s->add_index];
        put(w, ", ");
        if (p->ints) {
            put(w, "&");
            put_layer(w, "sum", add->name);
            put(w, ", ");
        }
        put_tensor(w, s->beside);
        if (!p->ints) put(w, ", %u", act_number(add->act));
    }
    if (p->ints) put(w, s->logits ? ", logits" : ", NULL");
    if (s->scratch)
        put(w, ", arena + %zu);\n", s->scratch_at / (p->ints ? 1 : sizeof(float)));
    else
        put(w, ", NULL);\n");
}

/* name(first, in, [beside,] out, n); */
static void call(struct writer *w, const struct kd_device_step *s, const char *name)
{
    put(w, "    %s_%s(", w->how->name, name);
    const struct kd_op *op = s->op;
    bool plain = strcmp(name, "reorder") == 0 || strcmp(name, "gelu") == 0 ||
                 strcmp(name, "tanh") == 0 || strcmp(name, "hardswish") == 0;
    if (strcmp(name, "lookup") == 0)
        put_layer(w, "table", op->name);
    else if (strcmp(name, "addition") == 0 && w->plan->ints) {
        put(w, "&");
        put_layer(w, "sum", op->name);
    } else if (strcmp(name, "leaky") == 0)
        put_float(w, (float)op->slope);
    else if (strcmp(name, "limit") == 0 && w->plan->ints)
        put(w, "%d, %d", (int)tensor(w, op->out)->low, (int)tensor(w, op->out)->high);
    else if (!plain)
        put(w, "%u", act_number(op->act));
    if (!plain) put(w, ", ");
    put_tensor(w, s->in);
    put(w, ", ");
    if (op->kind == KD_OP_ADD) {
        put_tensor(w, s->beside);
        put(w, ", ");
    }
    put_out(w, s);
    if (op->kind == KD_OP_REORDER)
        put(w, ", %zu, %u);\n", kd_shape_pixels(op->in), op->in.c);
    else
        put(w, ", %zu);\n", kd_shape_size(op->to));
}

static void call_pool(struct writer *w, const struct kd_device_step *s)
{
    bool max = s->op->kind == KD_OP_MAXPOOL;
    put(w, "    %s_%s(&", w->how->name, max ? "maxpool" : "avgpool");
    put_layer(w, "layer", s->op->name);
    put(w, ", ");
    put_tensor(w, s->in);
    put(w, ", ");
    put_out(w, s);
    if (!max && w->plan->ints) put(w, s->logits ? ", logits" : ", NULL");
    put(w, ");\n");
}

static void call_activation(struct writer *w, const struct kd_device_step *s)
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

static void call_step(struct writer *w, const struct kd_device_step *s)
{
    switch (s->op->kind) {
    case KD_OP_CONV:
        if (!kd_op_is_depthwise(s->op)) {
            call_conv(w, s);
            return;
        }
        put(w, "    %s_depthwise(&", w->how->name);
        put_layer(w, "layer", s->op->name);
        put(w, ", ");
        put_tensor(w, s->in);
        put(w, ", ");
        put_out(w, s);
        put(w, ");\n");
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

static void put_signature(struct writer *w)
{
    put(w, "void %s_predict(const uint8_t *image, %s *logits%s)", w->how->name,
        w->plan->ints ? "int32_t" : "float",
        !w->how->caller_arena ? ""
        : w->plan->ints       ? ", int8_t *arena"
                              : ", float *arena");
}

static void put_predict(struct writer *w)
{
    const struct kd_device_plan *p = w->plan;
    put(w, "\n");
    put_signature(w);
    put(w, "\n{\n");
    if (!w->how->caller_arena)
        put(w,
            p->ints ? "    static int8_t arena[%s_ARENA];\n"
                    : "    static float arena[%s_ARENA / sizeof(float)];\n",
            w->upper);
    if (p->copies_image) {
        put(w, "    %s_take(image, ", w->how->name);
        put_tensor(w, 0);
        put(w, ");\n");
    }
    for (unsigned i = 0; i < p->n_steps; i++) call_step(w, &p->steps[i]);
    if (!p->steps[p->n_steps - 1].logits) {
        unsigned t = p->graph->output;
        put(w, "    for (int32_t i = 0; i < %s_CLASSES; i++) logits[i] = arena[%zu + i] - (%d);\n",
            w->upper, p->offset[t], (int)tensor(w, t)->zero);
    }
    put(w, "}\n");
}

/* ---- selftest ---- */

static void put_samples(struct writer *w)
{
    struct kd_shape in = w->plan->graph->input;
    size_t pixels = kd_shape_pixels(in), size = kd_shape_size(in);
    put(w, "static const uint8_t images[%d][%zu] = {", KD_EXPORT_SAMPLES, size);
    for (size_t s = 0; s < KD_EXPORT_SAMPLES; s++) {
        put(w, "{");
        for (size_t i = 0; i < size; i++) {
            size_t from = w->how->interleaved ? i % in.c * pixels + i / in.c : i;
            put(w, "%s%u,", i % 20 == 0 ? "\n    " : " ", w->how->samples[s * size + from]);
        }
        put(w, "\n},");
    }
    put(w, "};\nstatic const %s expected[%d][%u] = {", w->plan->ints ? "int32_t" : "float",
        KD_EXPORT_SAMPLES, w->plan->graph->classes);
    for (size_t s = 0; s < KD_EXPORT_SAMPLES; s++) {
        put(w, "\n    {");
        for (size_t c = 0; c < w->plan->graph->classes; c++) {
            size_t at = s * w->plan->graph->classes + c;
            if (w->plan->ints)
                put(w, "%ld, ", (long)w->how->sample_logits[at]);
            else {
                put_float(w, w->how->sample_floats[at]);
                put(w, ", ");
            }
        }
        put(w, "},");
    }
    put(w, "\n};\n\n");
}

static void put_selftest(struct writer *w)
{
    bool ints = w->plan->ints != NULL;
    put(w,
        "\n#ifdef %s_SELFTEST\n/* Eight images, and what kd computes for them. */\n"
        "#include <stdio.h>\n",
        w->upper);
    put_samples(w);
    put(w, "int main(void)\n{\n    int wrong = 0;\n");
    if (w->how->caller_arena)
        put(w, "    static %s arena[%s_ARENA / sizeof(%s)];\n", ints ? "int8_t" : "float", w->upper,
            ints ? "int8_t" : "float");
    put(w, "    for (int i = 0; i < %d; i++) {\n        %s logits[%s_CLASSES];\n",
        KD_EXPORT_SAMPLES, ints ? "int32_t" : "float", w->upper);
    put(w, "        %s_predict(images[i], logits%s);\n", w->how->name,
        w->how->caller_arena ? ", arena" : "");
    put(w, "        for (int c = 0; c < %s_CLASSES; c++) {\n", w->upper);
    if (ints)
        put(w, "            if (logits[c] == expected[i][c]) continue;\n"
               "            printf(\"image %%d, logit %%d: %%ld, expected %%ld\\n\", i, c, "
               "(long)logits[c],\n                   (long)expected[i][c]);\n");
    else
        put(w, "            float off = logits[c] - expected[i][c], size = expected[i][c];\n"
               "            if (off < 0) off = -off;\n            if (size < 0) size = -size;\n"
               "            if (off <= 1e-4f * (1 + size)) continue;\n"
               "            printf(\"image %%d, logit %%d: %%g, expected %%g\\n\", i, c, "
               "(double)logits[c],\n                   (double)expected[i][c]);\n");
    put(w,
        "            wrong++;\n        }\n    }\n"
        "    printf(\"%s: %d images, %%d logits wrong\\n\", wrong);\n    return wrong != 0;\n}\n"
        "#endif\n",
        w->how->name, KD_EXPORT_SAMPLES);
}

/* ---- files ---- */

static void put_top(struct writer *w)
{
    put(w, "/* ");
    for (const char *at = w->how->provenance; *at;) {
        size_t n = strcspn(at, "\n");
        put(w, "%s%.*s\n", at == w->how->provenance ? "" : " * ", (int)(n > 400 ? 400 : n), at);
        at += n + (at[n] ? 1 : 0);
    }
    put(w, " */\n");
}

static void put_class_names(struct writer *w)
{
    if (!cJSON_IsArray(w->how->class_names)) return;
    const cJSON *name;
    put(w,
        "/* for: static const char *const names[] = %s_CLASS_NAMES; */\n#define "
        "%s_CLASS_NAMES {",
        w->upper, w->upper);
    cJSON_ArrayForEach(name, w->how->class_names)
    {
        put(w, " \\\n    \"");
        for (const char *c = cJSON_IsString(name) ? name->valuestring : ""; *c; c++) {
            if (*c == '"' || *c == '\\' || (unsigned char)*c < 32 || (unsigned char)*c > 126 ||
                *c == '?')
                put(w, "\\%03o", (unsigned)(unsigned char)*c);
            else
                put(w, "%c", *c);
        }
        put(w, "\",");
    }
    put(w, "}\n");
}

static void put_header(struct writer *w)
{
    const struct kd_device_plan *p = w->plan;
    struct kd_shape in = p->graph->input;
    put_top(w);
    put(w, "#ifndef %s_H\n#define %s_H\n#include <stdint.h>\n\n#define %s_CLASSES %u\n", w->upper,
        w->upper, w->upper, p->graph->classes);
    put(w, "#define %s_CHANNELS %u\n#define %s_HEIGHT %u\n#define %s_WIDTH %u\n", w->upper, in.c,
        w->upper, in.h, w->upper, in.w);
    put(w, "#define %s_ARENA %zu /* bytes */\n", w->upper, p->arena ? p->arena : 4);
    if (p->ints) {
        put(w,
            "/* A logit times this is what it was in the float network. */\n#define "
            "%s_LOGIT_SCALE ",
            w->upper);
        put_float(w, p->ints->logit_scale);
        put(w, "\n");
    }
    put_class_names(w);
    put(w,
        "\n#ifdef __cplusplus\nextern \"C\" {\n#endif\n"
        "/* image: %u x %u x %u bytes, %s. logits: the largest is the class.%s */\n",
        w->how->interleaved ? in.h : in.c, w->how->interleaved ? in.w : in.h,
        w->how->interleaved ? in.c : in.w,
        w->how->interleaved ? "[height][width][channel]" : "[channel][height][width]",
        w->how->caller_arena ? " arena: memory for the call,\n * aligned as its type, its content "
                               "does not matter."
                             : "");
    put_signature(w);
    put(w, ";\n#ifdef __cplusplus\n}\n#endif\n#endif\n");
}

static void put_source(struct writer *w)
{
    put_top(w);
    put(w, "#include \"%s.h\"\n", w->how->name);
    if (!w->plan->ints && (w->gelu || w->tanh)) put(w, "#include <math.h>\n");
    put(w, "#include <stddef.h>\n#include <string.h>\n\n");
    put_pixels(w);
    if (w->plan->ints && w->conv) put_template(w, dsp_template);
    if (w->plan->ints && (w->conv || w->add)) put_template(w, avx2_template);
    put_template(w, w->plan->ints ? int8_template : float_template);
    put_constants(w);
    put_predict(w);
    put_selftest(w);
}

int kd_export_c(const struct kd_device_plan *plan, const struct kd_export_c *how,
                struct kd_bytes *source, struct kd_bytes *header, struct kd_err *err)
{
    struct writer w = {.plan = plan, .how = how, .err = err, .out = source};
    if (!kd_export_c_name_is_good(how->name))
        return kd_fail_usage(err,
                             "\"%s\" is no name for C functions: expected small letters, "
                             "digits and _, a letter first",
                             how->name);
    for (size_t i = 0; how->name[i]; i++) w.upper[i] = (char)toupper((unsigned char)how->name[i]);
    find_needs(&w);
    put_source(&w);
    w.out = header;
    put_header(&w);
    return w.status;
}
