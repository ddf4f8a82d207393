/* Running integer networks on this processor.
 *
 * A block of images goes through all layers on one thread, its tensors in an arena that is small
 * enough to stay in the cache; blocks are shared out over the pool. Bytes are u = q + 128.
 *
 * A convolution's product reads patches where they lie: with channels last, a row of the kernel is
 * one contiguous run. Only borders are needed around the maps, for which (and for kernels that want
 * 16 bits) the input is copied. */
#include "kd/nn/int8.h"
#include "kd/nn/integers.h"

#include <math.h>
#include <string.h>

enum {
    CHUNK = 16,
    SLACK = 256,              /* bytes that kernels may read behind maps */
    BLOCK_BYTES = 256 * 1024, /* of tensors and copies of a block */
    MOST_IMAGES = 64
};

struct step { /* one operation */
    const struct kd_op *op;
    const struct kd_int_op *ints;
    bool copies;                        /* the input, bordered or widened, to scratch */
    size_t line, plane;                 /* elements a row and an image of what the product reads */
    size_t *row;                        /* [block * oh * ow] */
    size_t *run, runs, groups;          /* of a product; runs also of depthwise (its taps) */
    void *weight;                       /* packed */
    size_t group_bytes;                 /* of packed weights, a convolution's group */
    size_t padded;                      /* output channels of a group, in chunks */
    int32_t *bias, *multiplier, *shift; /* [groups * padded] */
};
struct kd_int_run {
    const struct kd_int_network *net;
    const struct kd_int8_kernels *kernels;
    struct step *steps;
    size_t batch, block;   /* images */
    size_t *offset;        /* [tensors] in the arena, of a block */
    size_t arena, scratch; /* bytes a thread */
    unsigned threads;
    uint8_t *memory;
    size_t bytes;
};

/* ---- packing ---- */

static bool is_depthwise(const struct step *s)
{
    return kd_op_is_depthwise(s->op) && !s->ints->logits;
}

static size_t round_up(size_t n, size_t to)
{
    return (n + to - 1) / to * to;
}

/* Values in one run, and which of them there are. A group of channels is a part of each pixel; a
 * whole row of the kernel is contiguous where there is one group, and all of it where the kernel
 * covers the map. */
struct runs {
    size_t n, length;
};
static struct runs runs_of(const struct kd_op *op)
{
    size_t channels = op->in.c / op->groups;
    if (op->groups > 1) return (struct runs){(size_t)op->kernel_h * op->kernel_w, channels};
    if (op->kernel_w == op->in.w && !op->pad_h && !op->pad_w)
        return (struct runs){1, op->kernel_h * op->kernel_w * channels};
    return (struct runs){op->kernel_h, op->kernel_w * channels};
}

static void pack_value(void *to, size_t at, unsigned element, int8_t w)
{
    if (element == 1)
        ((int8_t *)to)[at] = w;
    else
        ((int16_t *)to)[at] = w;
}

/* [panel][run][group of values][columns of the panel][value] for each group of channels. */
static int pack_product(struct step *s, const struct kd_int8_kernels *k, struct kd_err *err)
{
    const struct kd_op *op = s->op;
    struct runs r = runs_of(op);
    size_t cols = op->to.c / op->groups, depth = kd_op_depth(op);
    s->padded = round_up(cols, CHUNK);
    s->runs = r.n;
    s->groups = round_up(r.length, k->group) / k->group;
    s->group_bytes = s->padded * s->runs * s->groups * k->group * k->element;
    s->weight = kd_alloc(op->groups, s->group_bytes, "packed weights", err);
    if (!s->weight) return -1;
    for (size_t o = 0; o < op->to.c; o++) {
        size_t c = o % cols, panel = c / k->panel * k->panel;
        size_t width = s->padded - panel < k->panel ? s->padded - panel : k->panel;
        char *to = (char *)s->weight + o / cols * s->group_bytes +
                   panel * s->runs * s->groups * k->group * k->element;
        for (size_t i = 0; i < depth; i++) {
            size_t run = i / r.length, at = i % r.length;
            size_t place =
                ((run * s->groups + at / k->group) * width + c - panel) * k->group + at % k->group;
            pack_value(to, place, k->element, s->ints->weight[o * depth + i]);
        }
    }
    return 0;
}

static int pack_depthwise(struct step *s, struct kd_err *err)
{
    size_t c = s->op->to.c, taps = kd_op_depth(s->op);
    s->padded = round_up(c, CHUNK);
    s->runs = taps;
    int32_t *w = kd_alloc(taps * s->padded, sizeof *w, "packed weights", err);
    s->weight = w;
    if (!w) return -1;
    for (size_t t = 0; t < taps; t++)
        for (size_t i = 0; i < c; i++) w[t * s->padded + i] = s->ints->weight[i * taps + t];
    return 0;
}

/* Biases without the zero of what is multiplied, and how sums are brought to bytes. */
static int pack_columns(struct step *s, int32_t zero, struct kd_err *err)
{
    const struct kd_op *op = s->op;
    size_t groups = is_depthwise(s) ? 1 : op->groups, cols = op->to.c / groups;
    size_t n = groups * s->padded, depth = kd_op_depth(op);
    s->bias = kd_alloc(n, sizeof *s->bias, "packed biases", err);
    s->multiplier = kd_alloc(n, sizeof *s->multiplier, "packed multipliers", err);
    s->shift = kd_alloc(n, sizeof *s->shift, "packed shifts", err);
    if (!s->bias || !s->multiplier || !s->shift) return -1;
    for (size_t i = 0; i < n; i++) s->shift[i] = 1;
    for (size_t o = 0; o < op->to.c; o++) {
        size_t at = o / cols * s->padded + o % cols;
        int64_t sum = s->ints->bias[o];
        for (size_t k = 0; k < depth; k++)
            sum -= (int64_t)(zero + 128) * s->ints->weight[o * depth + k];
        s->bias[at] = (int32_t)(uint32_t)(uint64_t)sum;
        s->multiplier[at] = s->ints->multiplier[o];
        s->shift[at] = s->ints->shift[o];
    }
    return 0;
}

/* Where rows and runs start. */
static int lay_rows(struct step *s, size_t block, struct kd_err *err)
{
    const struct kd_op *op = s->op;
    size_t oh = op->to.h, ow = op->to.w, c = op->in.c;
    s->line = (op->in.w + 2 * op->pad_w) * c;
    s->plane = (op->in.h + 2 * op->pad_h) * s->line;
    s->row = kd_alloc(block * oh * ow, sizeof *s->row, "places of patches", err);
    s->run = kd_alloc(s->runs, sizeof *s->run, "places of patches", err);
    if (!s->row || !s->run) return -1;
    for (size_t i = 0; i < block * oh * ow; i++)
        s->row[i] =
            i / (oh * ow) * s->plane + i / ow % oh * op->stride * s->line + i % ow * op->stride * c;
    bool pixels = op->groups > 1; /* a run is a pixel */
    for (size_t i = 0; i < s->runs; i++)
        s->run[i] = pixels ? i / op->kernel_w * s->line + i % op->kernel_w * c : i * s->line;
    return 0;
}

static int make_step(struct kd_int_run *run, struct step *s, struct kd_err *err)
{
    const struct kd_op *op = s->op;
    int status = 0;
    if (op->kind == KD_OP_AVGPOOL && s->ints->multiplier) { /* the same for all channels */
        s->padded = round_up(op->to.c, CHUNK);
        s->multiplier = kd_alloc(s->padded, sizeof *s->multiplier, "multipliers", err);
        s->shift = kd_alloc(s->padded, sizeof *s->shift, "shifts", err);
        s->bias = kd_alloc(s->padded, sizeof *s->bias, "sums", err);
        if (!s->multiplier || !s->shift || !s->bias) return -1;
        for (size_t i = 0; i < s->padded; i++) {
            s->multiplier[i] = s->ints->multiplier[0];
            s->shift[i] = s->ints->shift[0];
        }
    }
    if (op->kind != KD_OP_CONV) return 0;
    s->copies = op->pad_h + op->pad_w > 0 || run->kernels->element > 1;
    status = is_depthwise(s) ? pack_depthwise(s, err) : pack_product(s, run->kernels, err);
    if (status == 0) status = pack_columns(s, run->net->tensors[op->a].zero, err);
    return status == 0 ? lay_rows(s, run->block, err) : -1;
}

/* ---- planning ---- */

static size_t scratch_of(const struct step *s, unsigned element)
{
    const struct kd_op *op = s->op;
    if (op->kind == KD_OP_AVGPOOL) return round_up(op->to.c, CHUNK) * sizeof(int32_t);
    if (!s->copies) return 0;
    return (size_t)(op->in.h + 2 * op->pad_h) * (op->in.w + 2 * op->pad_w) * op->in.c * element;
}

/* Offsets for one image; those of a block are as many times further apart. */
static int place_tensors(struct kd_int_run *run, struct kd_err *err)
{
    const struct kd_graph *g = &run->net->graph;
    struct kd_arena_piece *p = kd_alloc(g->n_tensors, sizeof *p, "an arena's plan", err);
    run->offset = kd_alloc(g->n_tensors, sizeof *run->offset, "an arena's plan", err);
    if (!p || !run->offset) {
        kd_free(p);
        return -1;
    }
    for (unsigned t = 0; t < g->n_tensors; t++) {
        p[t].size = round_up(kd_shape_size(g->tensors[t].shape), 64);
        p[t].from = p[t].to = g->tensors[t].maker < 0 ? 0 : (unsigned)g->tensors[t].maker;
    }
    for (unsigned i = 0; i < g->n_ops; i++) {
        p[g->ops[i].a].to = i;
        if (g->ops[i].kind == KD_OP_ADD) p[g->ops[i].b].to = i;
    }
    int status = kd_arena_place(p, g->n_tensors, 64, &run->arena, err);
    for (unsigned t = 0; t < g->n_tensors && status == 0; t++) run->offset[t] = p[t].offset;
    kd_free(p);
    return status;
}

static int lay_memory(struct kd_int_run *run, size_t batch, struct kd_err *err)
{
    unsigned element = run->kernels->element;
    size_t most = 0;
    if (place_tensors(run, err) < 0) return -1;
    for (unsigned i = 0; i < run->net->graph.n_ops; i++) {
        struct step *s = &run->steps[i];
        *s = (struct step){.op = &run->net->graph.ops[i], .ints = &run->net->ops[i]};
        s->copies = s->op->kind == KD_OP_CONV && (s->op->pad_h + s->op->pad_w > 0 || element > 1);
        size_t size = scratch_of(s, element);
        if (size > most) most = size;
    }
    run->block = BLOCK_BYTES / (run->arena + most + 1);
    if (run->block > MOST_IMAGES) run->block = MOST_IMAGES;
    if (run->block > batch) run->block = batch;
    if (!run->block) run->block = 1;
    run->arena = round_up(run->arena * run->block + SLACK, 64);
    run->scratch = round_up(most * run->block + SLACK * element, 64);
    size_t each = run->arena + run->scratch;
    run->memory = kd_alloc(run->threads, each, "an integer network's tensors", err);
    run->bytes = each * run->threads;
    return run->memory ? 0 : -1;
}

struct kd_int_run *kd_int_plan(const struct kd_int_network *net, size_t batch, unsigned threads,
                               struct kd_err *err)
{
    struct kd_int_run *run = kd_alloc(1, sizeof *run, "an integer network", err);
    if (!run) return NULL;
    run->net = net;
    run->batch = batch;
    run->threads = threads ? threads : 1;
    run->kernels = kd_int8_kernels();
    run->steps = kd_alloc(net->graph.n_ops, sizeof *run->steps, "an integer network", err);
    int status = run->steps ? lay_memory(run, batch, err) : -1;
    for (unsigned i = 0; i < net->graph.n_ops && status == 0; i++)
        status = make_step(run, &run->steps[i], err);
    if (status == 0) return run;
    kd_int_run_free(run);
    return NULL;
}

void kd_int_run_free(struct kd_int_run *run)
{
    for (unsigned i = 0; run && run->steps && i < run->net->graph.n_ops; i++) {
        struct step *s = &run->steps[i];
        kd_free(s->row);
        kd_free(s->run);
        kd_free(s->weight);
        kd_free(s->bias);
        kd_free(s->multiplier);
        kd_free(s->shift);
    }
    if (!run) return;
    kd_free(run->steps);
    kd_free(run->offset);
    kd_free(run->memory);
    kd_free(run);
}

size_t kd_int_run_bytes(const struct kd_int_run *run)
{
    size_t bytes = run->bytes;
    for (unsigned i = 0; i < run->net->graph.n_ops; i++)
        if (run->steps[i].weight) bytes += run->steps[i].op->groups * run->steps[i].group_bytes;
    return bytes;
}

/* ---- operations ---- */

struct block { /* of images, on one thread */
    struct kd_int_run *run;
    uint8_t *arena, *scratch;
    size_t images;
    int32_t *logits; /* [images][classes] */
};

static uint8_t *tensor_of(const struct block *b, unsigned t)
{
    return b->arena + b->run->offset[t] * b->run->block;
}

static struct kd_int8_scale scale_of(const struct block *b, const struct step *s)
{
    const struct kd_int_tensor *t = &b->run->net->tensors[s->op->out];
    return (struct kd_int8_scale){s->multiplier, s->shift, t->zero + 128, t->low + 128,
                                  t->high + 128};
}

static void copy_run(const struct kd_int8_kernels *k, uint8_t *to, const uint8_t *from, size_t n)
{
    if (k->element == 1)
        memcpy(to, from, n);
    else
        k->widen((uint16_t *)(void *)to, from, n);
}

static void fill(uint8_t *to, uint8_t value, size_t n, unsigned element)
{
    if (element == 1)
        memset(to, value, n);
    else
        for (size_t i = 0; i < n; i++) ((uint16_t *)(void *)to)[i] = value;
}

/* Maps with a border of zeros (the tensor's zero) around them. */
static void copy_bordered(const struct block *b, const struct step *s, const uint8_t *x)
{
    const struct kd_op *op = s->op;
    const struct kd_int8_kernels *k = b->run->kernels;
    uint8_t zero = (uint8_t)(b->run->net->tensors[op->a].zero + 128), *to = b->scratch;
    size_t line = op->in.w * op->in.c, pad = op->pad_w * op->in.c, e = k->element;
    if (!op->pad_h && !op->pad_w) {
        copy_run(k, to, x, b->images * op->in.h * line);
        return;
    }
    for (size_t i = 0; i < b->images; i++, to += s->plane * e) {
        uint8_t *at = to + op->pad_h * s->line * e;
        fill(to, zero, op->pad_h * s->line, k->element);
        for (size_t h = 0; h < op->in.h; h++, x += line, at += s->line * e) {
            fill(at, zero, pad, k->element);
            copy_run(k, at + pad * e, x, line);
            fill(at + (pad + line) * e, zero, pad, k->element);
        }
        fill(at, zero, op->pad_h * s->line, k->element);
    }
}

static void run_depthwise(const struct block *b, const struct step *s, const uint8_t *a)
{
    struct kd_int8_depthwise p = {.rows = b->images * kd_shape_pixels(s->op->to),
                                  .taps = s->runs,
                                  .channels = s->op->to.c,
                                  .a = a,
                                  .row = s->row,
                                  .tap = s->run,
                                  .w = s->weight,
                                  .bias = s->bias,
                                  .scale = scale_of(b, s),
                                  .y = tensor_of(b, s->op->out)};
    b->run->kernels->depthwise(&p);
}

static void run_panels(const struct block *b, const struct step *s, const uint8_t *a, size_t group)
{
    const struct kd_int8_kernels *k = b->run->kernels;
    const struct kd_op *op = s->op;
    size_t cols = op->to.c / op->groups, rows = b->images * kd_shape_pixels(op->to);
    size_t first = group * cols, at = group * s->padded;
    for (size_t c = 0; c < cols; c += k->panel) {
        size_t n = cols - c < k->panel ? cols - c : k->panel;
        struct kd_int8_product p = {.rows = rows,
                                    .a = a,
                                    .row = s->row,
                                    .run = s->run,
                                    .runs = s->runs,
                                    .groups = s->groups,
                                    .cols = round_up(n, CHUNK),
                                    .n = n,
                                    .bias = s->bias + at + c,
                                    .scale = scale_of(b, s)};
        p.scale.multiplier += at + c;
        p.scale.shift += at + c;
        p.b = (const char *)s->weight + group * s->group_bytes +
              c * s->runs * s->groups * k->group * k->element;
        if (s->ints->logits) {
            p.logits = b->logits + first + c;
            p.logits_row = op->to.c;
        } else {
            p.y = tensor_of(b, op->out) + first + c;
            p.y_row = op->to.c;
        }
        k->product(&p);
    }
}

static void run_conv(const struct block *b, const struct step *s)
{
    const struct kd_op *op = s->op;
    const uint8_t *a = tensor_of(b, op->a);
    if (s->copies) {
        copy_bordered(b, s, a);
        a = b->scratch;
    }
    if (is_depthwise(s)) {
        run_depthwise(b, s, a);
        return;
    }
    size_t channels = op->in.c / op->groups * b->run->kernels->element;
    for (size_t g = 0; g < op->groups; g++) run_panels(b, s, a + g * channels, g);
}

/* Calls with each pixel of the window of output pixel (y, x) that lies within the maps. */
#define EACH_TAP(op, y, x, at, BODY)                                                               \
    for (size_t t_ = 0; t_ < (size_t)(op)->kernel_h * (op)->kernel_w; t_++) {                      \
        size_t y_ = (y) * (op)->stride + t_ / (op)->kernel_w - (op)->pad_h; /* wraps below 0 */    \
        size_t x_ = (x) * (op)->stride + t_ % (op)->kernel_w - (op)->pad_w;                        \
        if (y_ >= (op)->in.h || x_ >= (op)->in.w) continue;                                        \
        size_t at = (y_ * (op)->in.w + x_) * (op)->in.c;                                           \
        BODY;                                                                                      \
    }

static void run_maxpool(const struct block *b, const struct step *s)
{
    const struct kd_op *op = s->op;
    const uint8_t *in = tensor_of(b, op->a);
    uint8_t *out = tensor_of(b, op->out);
    for (size_t i = 0; i < b->images; i++, in += kd_shape_size(op->in))
        for (size_t o = 0; o < kd_shape_pixels(op->to); o++, out += op->to.c) {
            memset(out, 0, op->to.c);
            EACH_TAP(op, o / op->to.w, o % op->to.w, at,
                     b->run->kernels->max(out, in + at, op->to.c));
        }
}

static void run_avgpool(const struct block *b, const struct step *s)
{
    const struct kd_op *op = s->op;
    const uint8_t *in = tensor_of(b, op->a);
    uint8_t *out = s->ints->logits ? NULL : tensor_of(b, op->out);
    int32_t *sum = (int32_t *)(void *)b->scratch;
    int32_t zero = b->run->net->tensors[op->a].zero + 128;
    struct kd_int8_scale scale = scale_of(b, s);
    for (size_t i = 0; i < b->images; i++, in += kd_shape_size(op->in))
        for (size_t o = 0; o < kd_shape_pixels(op->to); o++) {
            int32_t taps = 0;
            memset(sum, 0, s->padded * sizeof *sum);
            EACH_TAP(op, o / op->to.w, o % op->to.w, at,
                     (b->run->kernels->sum(sum, in + at, op->to.c), taps++));
            for (size_t c = 0; c < op->to.c; c++) sum[c] -= taps * zero;
            if (out) {
                b->run->kernels->requantise(out, sum, op->to.c, &scale);
                out += op->to.c;
            } else /* one pixel: the logits of an image */
                for (size_t c = 0; c < op->to.c; c++)
                    b->logits[(i * kd_shape_pixels(op->to) + o) * op->to.c + c] = sum[c];
        }
}

static void run_add(const struct block *b, const struct step *s)
{
    const struct kd_op *op = s->op;
    const struct kd_int_tensor *t = b->run->net->tensors;
    struct kd_int8_add p = {.a = tensor_of(b, op->a),
                            .b = tensor_of(b, op->b),
                            .y = tensor_of(b, op->out),
                            .n = b->images * kd_shape_size(op->to),
                            .zero_a = t[op->a].zero + 128,
                            .zero_b = t[op->b].zero + 128,
                            .multiplier_a = s->ints->multiplier[0],
                            .multiplier_b = s->ints->multiplier[1],
                            .shift = s->ints->shift[0],
                            .zero = t[op->out].zero + 128,
                            .low = t[op->out].low + 128,
                            .high = t[op->out].high + 128};
    b->run->kernels->add(&p);
}

static void run_activation(const struct block *b, const struct step *s)
{
    const struct kd_op *op = s->op;
    const uint8_t *x = tensor_of(b, op->a);
    uint8_t *y = tensor_of(b, op->out), table[256];
    const struct kd_int_tensor *t = &b->run->net->tensors[op->out];
    for (int u = 0; u < 256; u++) {
        int q = s->ints->table ? s->ints->table[u] : u - 128;
        if (!s->ints->table) q = q < t->low ? t->low : q > t->high ? t->high : q;
        table[u] = (uint8_t)(q + 128);
    }
    for (size_t i = 0; i < b->images * kd_shape_size(op->to); i++) y[i] = table[x[i]];
}

static void run_reorder(const struct block *b, const struct step *s)
{
    const struct kd_op *op = s->op;
    const uint8_t *x = tensor_of(b, op->a);
    uint8_t *y = tensor_of(b, op->out);
    size_t pixels = kd_shape_pixels(op->in), c = op->in.c;
    for (size_t i = 0; i < b->images; i++, x += pixels * c, y += pixels * c)
        for (size_t p = 0; p < pixels; p++)
            for (size_t k = 0; k < c; k++) y[k * pixels + p] = x[p * c + k];
}

static void (*const runs[])(const struct block *b, const struct step *s) = {
    [KD_OP_CONV] = run_conv, [KD_OP_MAXPOOL] = run_maxpool,       [KD_OP_AVGPOOL] = run_avgpool,
    [KD_OP_ADD] = run_add,   [KD_OP_ACTIVATION] = run_activation, [KD_OP_REORDER] = run_reorder,
};

/* ---- whole networks ---- */

static uint8_t input_value(const struct kd_int_network *net, size_t c, float v)
{
    const struct kd_normalize *n = &net->normalize;
    float p = rintf((v * n->std[c] + n->mean[c]) * 255);
    if (p >= 0 && p <= 255 && net->value[c * 256 + (size_t)p] == v)
        return (uint8_t)(net->pixel[c * 256 + (size_t)p] + 128);
    const struct kd_int_tensor *t = &net->tensors[0];
    double q = rint((double)v / (double)t->scale) + t->zero;
    return (uint8_t)((q >= t->high ? t->high : q >= t->low ? (int)q : t->low) + 128);
}

static void take_input(const struct block *b, const float *in)
{
    const struct kd_int_network *net = b->run->net;
    uint8_t *to = tensor_of(b, 0);
    size_t c = net->graph.input.c, pixels = kd_shape_pixels(net->graph.input);
    for (size_t i = 0; i < b->images; i++, to += c * pixels)
        for (size_t k = 0; k < c; k++)
            for (size_t p = 0; p < pixels; p++, in++) to[p * c + k] = input_value(net, k, *in);
}

/* Where the last operation gives bytes. */
static void bytes_to_logits(const struct block *b)
{
    const struct kd_graph *g = &b->run->net->graph;
    if (b->run->net->ops[g->n_ops - 1].logits) return;
    const uint8_t *y = tensor_of(b, g->output);
    int32_t zero = b->run->net->tensors[g->output].zero + 128;
    for (size_t i = 0; i < b->images * g->classes; i++) b->logits[i] = y[i] - zero;
}

struct forward {
    struct kd_int_run *run;
    const struct kd_int_batch *batch;
};

static void forward_block(struct kd_int_run *run, const struct kd_int_batch *batch, size_t from,
                          uint8_t *memory)
{
    const struct kd_graph *g = &run->net->graph;
    size_t left = batch->rows - from;
    struct block b = {.run = run,
                      .images = left < run->block ? left : run->block,
                      .arena = memory,
                      .scratch = memory + run->arena,
                      .logits = batch->logits + from * g->classes};
    take_input(&b, batch->in + from * kd_shape_size(g->input));
    for (unsigned i = 0; i < g->n_ops; i++) runs[g->ops[i].kind](&b, &run->steps[i]);
    bytes_to_logits(&b);
}

/* Part p of as many as there are arenas does blocks p, p + arenas and so on, in its own. */
static void forward_part(void *arg, unsigned part)
{
    const struct forward *f = arg;
    struct kd_int_run *run = f->run;
    uint8_t *memory = run->memory + part * (run->arena + run->scratch);
    for (size_t from = part * run->block; from < f->batch->rows; from += run->threads * run->block)
        forward_block(run, f->batch, from, memory);
}

void kd_int_forward(struct kd_int_run *run, struct kd_pool *pool, const struct kd_int_batch *batch)
{
    struct forward f = {run, batch};
    bool alone = batch->rows <= run->block;
    kd_pool_run(alone ? NULL : pool, alone ? 1 : run->threads, forward_part, &f);
}

int kd_int_trace(const struct kd_int_network *net, const struct kd_int_batch *batch,
                 int8_t **tensors, struct kd_err *err)
{
    struct kd_int_run *run = kd_int_plan(net, 1, 1, err);
    if (!run) return -1;
    const struct kd_graph *g = &net->graph;
    struct block b = {.run = run,
                      .images = 1,
                      .arena = run->memory,
                      .scratch = run->memory + run->arena,
                      .logits = batch->logits};
    take_input(&b, batch->in);
    for (unsigned t = 0; t < g->n_tensors; t++) {
        const int maker = g->tensors[t].maker;
        if (maker >= 0) runs[g->ops[maker].kind](&b, &run->steps[maker]);
        const uint8_t *u = tensor_of(&b, t);
        if (maker >= 0 && net->ops[maker].logits) continue;
        for (size_t i = 0; i < kd_shape_size(g->tensors[t].shape); i++)
            tensors[t][i] = (int8_t)(u[i] - 128);
    }
    bytes_to_logits(&b);
    kd_int_run_free(run);
    return 0;
}
