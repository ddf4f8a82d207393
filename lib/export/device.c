/* Steps, lifetimes and costs on a device. */
#include "kd/export/device.h"
#include "kd/base/table.h"

#include <stdio.h>

static size_t element_of(const struct kd_device_plan *p)
{
    return p->ints ? 1 : sizeof(float);
}

static size_t bytes_of(const struct kd_device_plan *p, unsigned tensor)
{
    return kd_shape_size(p->graph->tensors[tensor].shape) * element_of(p);
}

/* ---- steps ---- */

/* Are the values that one output is a sum of contiguous in the input? */
static bool reads_in_place(const struct kd_op *op)
{
    if (op->groups > 1 || op->pad_h || op->pad_w) return false;
    return op->kernel_h * op->kernel_w == 1 ||
           (op->kernel_h == op->in.h && op->kernel_w == op->in.w);
}

/* The sum right behind a convolution that alone reads it. */
static bool takes_sum(const struct kd_graph *g, unsigned i)
{
    const struct kd_op *op = &g->ops[i];
    if (i + 1 == g->n_ops || op->kind != KD_OP_CONV || kd_op_is_depthwise(op)) return false;
    const struct kd_op *next = &g->ops[i + 1];
    return next->kind == KD_OP_ADD && next->a == op->out && next->b != op->out &&
           g->tensors[op->out].readers == 1 && op->act == KD_ACT_NONE;
}

static void make_step(struct kd_device_plan *p, unsigned *i)
{
    const struct kd_graph *g = p->graph;
    const struct kd_op *op = &g->ops[*i];
    struct kd_device_step *s = &p->steps[p->n_steps++];
    *s = (struct kd_device_step){.op = op,
                                 .op_index = *i,
                                 .add_index = KD_NO_TENSOR,
                                 .in = op->a,
                                 .beside = KD_NO_TENSOR,
                                 .out = op->out};
    if (op->kind == KD_OP_ADD) s->beside = op->b;
    s->from_image = op->a == 0 && !p->copies_image;
    bool integers_out = p->ints && p->ints->ops[*i].logits;
    s->logits = op->out == g->output && (integers_out || !p->ints);
    if (op->kind == KD_OP_CONV && !kd_op_is_depthwise(op) && (s->from_image || !reads_in_place(op)))
        s->scratch = kd_op_depth(op) * element_of(p);
    if (!takes_sum(g, *i)) return;
    ++*i;
    s->add_index = *i;
    s->beside = g->ops[*i].b;
    s->out = g->ops[*i].out;
    s->logits = s->out == g->output && !p->ints;
}

/* ---- the arena ---- */

static unsigned last_reader(const struct kd_device_plan *p, unsigned tensor)
{
    unsigned last = 0;
    for (unsigned i = 0; i < p->n_steps; i++)
        if (p->steps[i].in == tensor || p->steps[i].beside == tensor) last = i;
    return last;
}

/* The tensor whose place `out` of step i takes over: its own where none. */
static unsigned takes_over(const struct kd_device_plan *p, unsigned i)
{
    const struct kd_device_step *s = &p->steps[i];
    bool sum = s->beside != KD_NO_TENSOR;
    unsigned from = sum ? s->beside : s->in;
    bool works_in_place = sum || s->op->kind == KD_OP_ACTIVATION;
    if (!works_in_place || s->logits || last_reader(p, from) != i ||
        (from == 0 && !p->copies_image))
        return s->out;
    return from;
}

static int lay_arena(struct kd_device_plan *p, struct kd_err *err)
{
    unsigned n = p->graph->n_tensors;
    struct kd_arena_piece *piece = kd_alloc(n + p->n_steps, sizeof *piece, "an arena's plan", err);
    unsigned *owner = kd_alloc(n, sizeof *owner, "an arena's plan", err);
    int status = piece && owner ? 0 : -1;
    for (unsigned t = 0; t < n && status == 0; t++) owner[t] = KD_NO_TENSOR;
    if (status == 0 && p->copies_image) owner[0] = 0;
    for (unsigned i = 0; i < p->n_steps && status == 0; i++) {
        const struct kd_device_step *s = &p->steps[i];
        if (!s->logits)
            owner[s->out] = takes_over(p, i) == s->out ? s->out : owner[takes_over(p, i)];
        piece[n + i] = (struct kd_arena_piece){s->scratch, i + 1, i + 1, 0};
    }
    for (unsigned t = 0; t < n && status == 0; t++) { /* step 0 is the copy of the image */
        unsigned o = owner[t];
        if (o == KD_NO_TENSOR) continue;
        unsigned from = 0, to = last_reader(p, t) + 1;
        for (unsigned i = 0; i < p->n_steps; i++)
            if (p->steps[i].out == t) from = i + 1;
        if (to < from) to = from; /* the answer, read at the end */
        if (t == p->graph->output) to = p->n_steps + 1;
        if (!piece[o].size) piece[o] = (struct kd_arena_piece){bytes_of(p, o), from, to, 0};
        if (from < piece[o].from) piece[o].from = from;
        if (to > piece[o].to) piece[o].to = to;
    }
    size_t align = p->ints ? 4 : sizeof(float);
    if (status == 0) status = kd_arena_place(piece, n + p->n_steps, align, &p->arena, err);
    for (unsigned t = 0; t < n && status == 0; t++)
        p->offset[t] = owner[t] == KD_NO_TENSOR ? 0 : piece[owner[t]].offset;
    for (unsigned i = 0; i < p->n_steps && status == 0; i++) {
        p->steps[i].scratch_at = piece[n + i].offset;
        for (unsigned k = 0; k < n + p->n_steps; k++)
            if (piece[k].from <= i + 1 && i + 1 <= piece[k].to) p->steps[i].live += piece[k].size;
    }
    kd_free(piece);
    kd_free(owner);
    return status;
}

/* ---- what it costs ---- */

/* Is this the only step that its function is called for? gcc then writes its parameters into the
 * function, and the struct that held them goes. */
static bool is_only_call(const struct kd_device_plan *p, const struct kd_device_step *s)
{
    unsigned n = 0;
    bool deep = kd_op_is_depthwise(s->op);
    for (unsigned i = 0; i < p->n_steps; i++)
        n += p->steps[i].op->kind == s->op->kind && kd_op_is_depthwise(p->steps[i].op) == deep;
    return n == 1;
}

/* Bytes of one step's tables on a 32-bit processor, as lib/export/c/constants.c writes them:
 * arrays, and the structs of lib/export/c/int8.tmpl and float.tmpl. */
static void count_constants(struct kd_device_plan *p, const struct kd_device_step *s)
{
    enum { CONV = 44, POOL = 32, ADD = 16, FLOAT_CONV = 36, FLOAT_POOL = 22 };
    const struct kd_op *op = s->op;
    size_t channels = op->to.c;
    bool only = is_only_call(p, s);
    if (op->kind == KD_OP_CONV) {
        size_t weights = channels * kd_op_depth(op) * element_of(p);
        p->weights += weights;
        p->constants += weights + channels * (p->ints ? 4 + 4 + 1 : 4);
        if (!only) p->constants += p->ints ? CONV : FLOAT_CONV;
    }
    if ((op->kind == KD_OP_MAXPOOL || op->kind == KD_OP_AVGPOOL) && !only)
        p->constants += p->ints ? POOL : FLOAT_POOL;
    if (p->ints && s->beside != KD_NO_TENSOR && !(op->kind == KD_OP_ADD && only))
        p->constants += ADD;
    if (p->ints && p->ints->ops[s->op_index].table) p->constants += 256;
}

/* Measured: arm-none-eabi-gcc 12, -Os -mcpu=cortex-m4; test/cli/device.bats holds it to 15 %. */
static size_t code_of(const struct kd_device_plan *p)
{
    enum {
        CONV,
        IMAGE,
        SUM,
        DEPTHWISE,
        MAXPOOL,
        AVGPOOL,
        ADD,
        LOOKUP,
        LIMIT,
        REORDER,
        COPY,
        PARTS
    };
    static const size_t bytes[PARTS] = {765, 150, 165, 348, 190, 130, 110, 22, 40, 60, 110};
    bool has[PARTS] = {false};
    size_t code = 20;
    has[COPY] = p->copies_image;
    for (unsigned i = 0; i < p->n_steps; i++) {
        const struct kd_device_step *s = &p->steps[i];
        enum kd_op_kind kind = s->op->kind;
        bool deep = kind == KD_OP_CONV && kd_op_is_depthwise(s->op);
        bool table = p->ints && p->ints->ops[s->op_index].table;
        has[DEPTHWISE] |= deep;
        has[CONV] |= kind == KD_OP_CONV && !deep;
        has[IMAGE] |= s->from_image;
        has[SUM] |= s->add_index != KD_NO_TENSOR;
        has[MAXPOOL] |= kind == KD_OP_MAXPOOL;
        has[AVGPOOL] |= kind == KD_OP_AVGPOOL;
        has[ADD] |= kind == KD_OP_ADD;
        has[LOOKUP] |= table;
        has[LIMIT] |= kind == KD_OP_ACTIVATION && !table;
        has[REORDER] |= kind == KD_OP_REORDER;
    }
    for (unsigned i = 0; i < PARTS; i++) code += has[i] ? bytes[i] : 0;
    return code + p->n_steps * (has[SUM] ? 30 : 22);
}

static void count(struct kd_device_plan *p)
{
    for (unsigned i = 0; i < p->n_steps; i++) {
        const struct kd_device_step *s = &p->steps[i];
        size_t both =
            (s->from_image ? 0 : bytes_of(p, s->in)) + (s->logits ? 0 : bytes_of(p, s->out));
        if (both > p->neighbours) p->neighbours = both;
        count_constants(p, s);
        p->macs += kd_op_macs(s->op);
    }
    p->constants += (size_t)p->graph->input.c * (p->ints ? 256 : 8);
    p->code = code_of(p);
}

int kd_device_plan(struct kd_device_plan *plan, const struct kd_graph *graph,
                   const struct kd_int_network *ints, struct kd_err *err)
{
    *plan = (struct kd_device_plan){.graph = graph, .ints = ints};
    plan->steps = kd_alloc(graph->n_ops, sizeof *plan->steps, "a device's steps", err);
    plan->offset = kd_alloc(graph->n_tensors, sizeof *plan->offset, "an arena's plan", err);
    if (!plan->steps || !plan->offset) {
        kd_device_plan_release(plan);
        return -1;
    }
    const struct kd_op *first = &graph->ops[0];
    plan->copies_image =
        first->kind != KD_OP_CONV || kd_op_is_depthwise(first) || graph->tensors[0].readers != 1;
    for (unsigned i = 0; i < graph->n_ops; i++) make_step(plan, &i);
    int status = lay_arena(plan, err);
    if (status == 0)
        count(plan);
    else
        kd_device_plan_release(plan);
    return status;
}

void kd_device_plan_release(struct kd_device_plan *plan)
{
    kd_free(plan->steps);
    kd_free(plan->offset);
    *plan = (struct kd_device_plan){0};
}

size_t kd_device_flash(const struct kd_device_plan *plan)
{
    return plan->constants + plan->code;
}

/* ---- telling ---- */

static const char *kind_of(const struct kd_device_plan *p, const struct kd_device_step *s)
{
    switch (s->op->kind) {
    case KD_OP_CONV:
        if (s->op->dense) return s->add_index == KD_NO_TENSOR ? "dense" : "dense, sum";
        if (kd_op_is_depthwise(s->op)) return "depthwise";
        return s->add_index == KD_NO_TENSOR ? "convolution" : "convolution, sum";
    case KD_OP_MAXPOOL:
        return "maximum";
    case KD_OP_AVGPOOL:
        return "average";
    case KD_OP_ADD:
        return "sum";
    case KD_OP_REORDER:
        return "order";
    case KD_OP_ACTIVATION:
        return p->ints && p->ints->ops[s->op_index].table ? "table" : "activation";
    }
    return "";
}

int kd_device_table(const struct kd_device_plan *p, size_t width, struct kd_bytes *out,
                    struct kd_err *err)
{
    static const struct kd_column columns[] = {{"layer", "layer", KD_CELL_TEXT, false, 0},
                                               {"step", "step", KD_CELL_TEXT, false, 2},
                                               {"output", "output", KD_CELL_TEXT, false, 3},
                                               {"weights", "weights", KD_CELL_WHOLE, false, 0},
                                               {"ram", "RAM", KD_CELL_WHOLE, false, 0},
                                               {"macs", "multiply-adds", KD_CELL_WHOLE, false, 1}};
    const struct kd_table_style style = {
        .bare = true, .width = width ? width : KD_WIDE, .all = "--json has all"};
    struct kd_table t;
    kd_table_init(&t, "Steps", columns, sizeof columns / sizeof *columns, err);
    for (unsigned i = 0; i < p->n_steps; i++) {
        const struct kd_device_step *s = &p->steps[i];
        struct kd_cell *row = kd_table_row(&t);
        char shape[64];
        snprintf(shape, sizeof shape, "%ux%ux%u", s->op->to.c, s->op->to.h, s->op->to.w);
        if (s->op->kind == KD_OP_CONV)
            row[3].value = (double)(s->op->to.c * kd_op_depth(s->op) * element_of(p));
        row[4].value = (double)s->live;
        row[5].value = (double)kd_op_macs(s->op);
        kd_table_text(&t, 0, s->op->name);
        kd_table_text(&t, 1, kind_of(p, s));
        kd_table_text(&t, 2, shape);
    }
    int status = kd_table_end(&t);
    if (status == 0) status = kd_table_render(&t, &style, out, err);
    kd_table_release(&t);
    if (status < 0) return -1;
    return kd_bytes_format(out, err,
                           "\nflash %zu bytes\n  constants %zu, of which weights %zu\n"
                           "  code about %zu\n"
                           "RAM %zu bytes (arena)\n%llu multiply-adds an image\n",
                           kd_device_flash(p), p->constants, p->weights, p->code, p->arena,
                           (unsigned long long)p->macs);
}

static cJSON *step_json(const struct kd_device_plan *p, const struct kd_device_step *s,
                        struct kd_err *err)
{
    cJSON *o = cJSON_CreateObject();
    const double shape[] = {s->op->to.c, s->op->to.h, s->op->to.w};
    if (kd_json_add_text(o, "layer", s->op->name, err) == 0 &&
        kd_json_add_text(o, "step", kind_of(p, s), err) == 0 &&
        kd_json_add_numbers(o, "output", shape, 3, err) == 0 &&
        kd_json_add_number(o, "ram", (double)s->live, err) == 0 &&
        kd_json_add_number(o, "macs", (double)kd_op_macs(s->op), err) == 0)
        return o;
    cJSON_Delete(o);
    return NULL;
}

cJSON *kd_device_json(const struct kd_device_plan *p, struct kd_err *err)
{
    const struct {
        const char *key;
        double v;
    } totals[] = {{"flash", (double)kd_device_flash(p)},
                  {"constants", (double)p->constants},
                  {"weights", (double)p->weights},
                  {"code", (double)p->code},
                  {"ram", (double)p->arena},
                  {"macs", (double)p->macs}};
    cJSON *o = cJSON_CreateObject(), *list = cJSON_CreateArray();
    int status = o && list ? 0 : kd_fail_memory(err, "not enough memory for a plan");
    for (unsigned i = 0; i < sizeof totals / sizeof *totals && status == 0; i++)
        status = kd_json_add_number(o, totals[i].key, totals[i].v, err);
    for (unsigned i = 0; i < p->n_steps && status == 0; i++) {
        cJSON *step = step_json(p, &p->steps[i], err);
        if (!step || !cJSON_AddItemToArray(list, step)) {
            cJSON_Delete(step);
            status = -1;
        }
    }
    if (status == 0) {
        status = kd_json_attach(o, "steps", list, err);
        list = NULL;
    }
    cJSON_Delete(list);
    if (status == 0) return o;
    cJSON_Delete(o);
    return NULL;
}
