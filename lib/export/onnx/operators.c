/* The operators of ONNX that kd has: each a row of one table, with what turns a node into a step.
 */
#include "parts.h"

#include <math.h>
#include <string.h>

struct kd_onnx_step *kd_onnx_step_add(struct kd_onnx *r, enum kd_onnx_step_kind kind,
                                      const Onnx__NodeProto *n, int in)
{
    struct kd_onnx_step *s =
        kd_grow(&r->steps, &r->n_steps, &r->room_steps, sizeof *s, "steps of a graph", r->err);
    if (!s) return NULL;
    *s = (struct kd_onnx_step){.kind = kind, .node = n, .in = {in, -1}, .up = in};
    if (in < 0) return s;
    const struct kd_onnx_step *before = &r->steps[in];
    s->dims = before->dims;
    s->depth = before->depth + 1;
    memcpy(s->shape, before->shape, sizeof s->shape);
    return s;
}

static void put_tensor(struct kd_onnx_step *s, const char *leaf, const float *data, size_t n)
{
    s->tensors[s->n_tensors].leaf = leaf;
    s->tensors[s->n_tensors].dims = 1;
    s->tensors[s->n_tensors].shape[0] = n;
    s->tensors[s->n_tensors++].data = data;
}

static int add_layer(struct kd_onnx *r, const Onnx__NodeProto *n, int in, const char *name)
{
    struct kd_onnx_step *s = kd_onnx_step_add(r, KD_ONNX_LAYER, n, in);
    if (!s) return -1;
    s->json = cJSON_CreateString(name);
    return s->json ? 0 : kd_fail_memory(r->err, "not enough memory for a layer");
}

/* The step that a node's i-th input is; -1 with an error where it is none. */
static int input_step(const struct kd_onnx *r, const Onnx__NodeProto *n, size_t i)
{
    const struct kd_onnx_value *v = i < n->n_input ? kd_onnx_find(r, n->input[i]) : NULL;
    if (v && v->step >= 0) return v->step;
    kd_onnx_say(r, n,
                v && v->constant ? "input %zu is a constant, not of the images"
                                 : "input %zu is made by no node before it",
                i);
    return -1;
}

/* A constant input of floats of so many dimensions; NULL with an error. */
static const struct kd_onnx_constant *weight(const struct kd_onnx *r, const Onnx__NodeProto *n,
                                             size_t i, unsigned dims)
{
    const struct kd_onnx_constant *c = kd_onnx_input_constant(r, n, i);
    if (c && c->f && c->dims == dims) return c;
    kd_onnx_say(r, n, "input %zu: expected floats of %u dimensions that the file holds", i, dims);
    return NULL;
}

/* ---- windows: convolutions and pooling ---- */

struct window {
    size_t kernel[2], stride[2], pad[2], out[2];
};

/* At most one number of the two sides: begin and end alike. */
static int read_pads(const struct kd_onnx *r, const Onnx__NodeProto *n, const size_t in[2],
                     struct window *w)
{
    int64_t pads[4] = {0};
    const Onnx__AttributeProto *way = kd_onnx_attribute(n, "auto_pad");
    bool same = way && way->s.len >= 4 && memcmp(way->s.data, "SAME", 4) == 0;
    int k = kd_onnx_ints(r, n, "pads", SIZE_MAX, pads, 4);
    if (k < 0) return -1;
    for (int d = 0; d < 2; d++) {
        if (same) {
            size_t out = (in[d] + w->stride[d] - 1) / w->stride[d];
            size_t span = (out - 1) * w->stride[d] + w->kernel[d];
            size_t whole = span > in[d] ? span - in[d] : 0;
            pads[d] = (int64_t)(whole / 2);
            pads[d + 2] = (int64_t)(whole - whole / 2);
        }
        if (pads[d] < 0 || pads[d] != pads[d + 2] || pads[d] > 255)
            return kd_onnx_fail(r, n,
                                "zeros around it: %lld before and %lld behind; kd has the "
                                "same on both sides",
                                (long long)pads[d], (long long)pads[d + 2]);
        w->pad[d] = (size_t)pads[d];
    }
    return 0;
}

static int read_window(const struct kd_onnx *r, const Onnx__NodeProto *n,
                       const struct kd_onnx_step *from, struct window *w)
{
    int64_t stride[2] = {1, 1}, dilation[2] = {1, 1}, kernel[2] = {0};
    if (from->dims != 4) return kd_onnx_fail(r, n, "it is known of images, [N,C,H,W], only");
    int k = kd_onnx_ints(r, n, "kernel_shape", SIZE_MAX, kernel, 2);
    if (k < 0 || kd_onnx_ints(r, n, "strides", SIZE_MAX, stride, 2) < 0 ||
        kd_onnx_ints(r, n, "dilations", SIZE_MAX, dilation, 2) < 0)
        return -1;
    if (dilation[0] != 1 || dilation[1] != 1)
        return kd_onnx_fail(r, n, "dilations other than 1 are not known");
    if (stride[0] != stride[1] || stride[0] < 1 || stride[0] > 255)
        return kd_onnx_fail(r, n, "strides: expected the same of 1 to 255 along both axes");
    for (int d = 0; d < 2; d++) {
        if (k == 2) w->kernel[d] = (size_t)kernel[d];
        if (w->kernel[d] < 1 || w->kernel[d] > 255)
            return kd_onnx_fail(r, n, "kernel: expected 1 to 255 along each axis");
        w->stride[d] = (size_t)stride[d];
    }
    if (read_pads(r, n, from->shape + 2, w) < 0) return -1;
    return 0;
}

static int window_ends(const struct kd_onnx *r, const Onnx__NodeProto *n,
                       const struct kd_onnx_step *from, struct window *w)
{
    bool ceil = kd_onnx_int(n, "ceil_mode", 0) != 0;
    for (int d = 0; d < 2; d++) {
        size_t room = from->shape[2 + d] + 2 * w->pad[d];
        if (room < w->kernel[d])
            return kd_onnx_fail(r, n, "its window is larger than the image of %zux%zu",
                                from->shape[2], from->shape[3]);
        if (ceil && (room - w->kernel[d]) % w->stride[d])
            return kd_onnx_fail(r, n, "ceil_mode, with a window that ends outside, is not known");
        w->out[d] = (room - w->kernel[d]) / w->stride[d] + 1;
    }
    return 0;
}

/* Zeros that a Pad in front adds; the step that is then the input. */
static int absorb_pad(const struct kd_onnx *r, int in, struct window *w)
{
    const struct kd_onnx_step *s = &r->steps[in];
    if (s->kind != KD_ONNX_PAD) return in;
    for (int d = 0; d < 2; d++) w->pad[d] += s->pad[d];
    return s->in[0];
}

static cJSON *conv_json(struct kd_onnx *r, const struct window *w, size_t filters, int64_t groups,
                        bool bias)
{
    struct kd_maker b = kd_make_object(r->err);
    kd_put_text(&b, "kind", "conv2d");
    kd_put_number(&b, "filters", (double)filters);
    kd_put_number(&b, "kernel", (double)w->kernel[0]);
    bool oblong = w->kernel[0] != w->kernel[1] || w->pad[0] != w->pad[1];
    if (oblong) kd_put_number(&b, "kernel_width", (double)w->kernel[1]);
    kd_put_number(&b, "stride", (double)w->stride[0]);
    kd_put_number(&b, "padding", (double)w->pad[0]);
    if (oblong) kd_put_number(&b, "padding_width", (double)w->pad[1]);
    kd_put_number(&b, "groups", (double)groups);
    kd_put_bool(&b, "bias", bias);
    return kd_make_end(&b);
}

static int read_conv(struct kd_onnx *r, const Onnx__NodeProto *n)
{
    struct window w = {0};
    const struct kd_onnx_constant *k = weight(r, n, 1, 4);
    int in = k ? input_step(r, n, 0) : -1;
    if (in < 0) return -1;
    w.kernel[0] = k->shape[2];
    w.kernel[1] = k->shape[3];
    if (read_window(r, n, &r->steps[in], &w) < 0) return -1;
    in = absorb_pad(r, in, &w);
    int64_t groups = kd_onnx_int(n, "group", 1);
    if (w.kernel[0] != k->shape[2] || w.kernel[1] != k->shape[3] || groups < 1 ||
        k->shape[1] != r->steps[in].shape[1] / (size_t)groups)
        return kd_onnx_fail(r, n, "its weights [%zu,%zu,%zu,%zu] are not for %zu channels",
                            k->shape[0], k->shape[1], k->shape[2], k->shape[3],
                            r->steps[in].shape[1]);
    bool biased = n->n_input > 2 && n->input[2][0];
    const struct kd_onnx_constant *bias = biased ? weight(r, n, 2, 1) : NULL;
    if (window_ends(r, n, &r->steps[in], &w) < 0 || (biased && !bias)) return -1;
    if (biased && bias->count != k->shape[0])
        return kd_onnx_fail(r, n, "%zu biases of %zu filters", bias->count, k->shape[0]);
    struct kd_onnx_step *s = kd_onnx_step_add(r, KD_ONNX_LAYER, n, in);
    if (!s) return -1;
    put_tensor(s, "weight", k->f, 0);
    s->tensors[0].dims = 4;
    memcpy(s->tensors[0].shape, k->shape, sizeof s->tensors[0].shape);
    if (biased) put_tensor(s, "bias", bias->f, bias->count);
    s->shape[1] = k->shape[0];
    memcpy(s->shape + 2, w.out, sizeof w.out);
    s->json = conv_json(r, &w, k->shape[0], groups, biased);
    return s->json ? 0 : -1;
}

static int read_pool(struct kd_onnx *r, const Onnx__NodeProto *n)
{
    bool max = n->op_type[0] == 'M';
    struct window w = {0};
    int in = input_step(r, n, 0);
    if (in < 0 || read_window(r, n, &r->steps[in], &w) < 0) return -1;
    bool counted = max || kd_onnx_int(n, "count_include_pad", 0) || (!w.pad[0] && !w.pad[1]);
    if (!max) in = absorb_pad(r, in, &w);
    if (window_ends(r, n, &r->steps[in], &w) < 0) return -1;
    if (!counted)
        return kd_onnx_fail(r, n, "kd's average counts the zeros around (count_include_pad=1)");
    const struct kd_onnx_step *from = &r->steps[in];
    bool whole = !w.pad[0] && !w.pad[1] && w.out[0] == 1 && w.out[1] == 1 &&
                 w.kernel[0] == from->shape[2] && w.kernel[1] == from->shape[3];
    if (!whole && (w.kernel[0] != w.kernel[1] || w.pad[0] != w.pad[1]))
        return kd_onnx_fail(r, n, "its window is not square");
    struct kd_onnx_step *s = kd_onnx_step_add(r, KD_ONNX_LAYER, n, in);
    if (!s) return -1;
    memcpy(s->shape + 2, w.out, sizeof w.out);
    struct kd_maker b = kd_make_object(r->err);
    kd_put_text(&b, "kind",
                whole ? max ? "global_maxpool" : "global_avgpool"
                : max ? "maxpool"
                      : "avgpool");
    if (!whole) {
        kd_put_number(&b, "kernel", (double)w.kernel[0]);
        kd_put_number(&b, "stride", (double)w.stride[0]);
        kd_put_number(&b, "padding", (double)w.pad[0]);
    }
    s->json = kd_make_end(&b);
    return s->json ? 0 : -1;
}

static int add_rows(struct kd_onnx *r, const Onnx__NodeProto *n, int in)
{
    struct kd_onnx_step *s = kd_onnx_step_add(r, KD_ONNX_ROWS, n, in);
    if (!s) return -1;
    if (s->dims == 2) s->kind = KD_ONNX_SAME;
    if (s->dims == 4) s->shape[1] *= s->shape[2] * s->shape[3];
    s->dims = 2;
    return 0;
}

static int add_global(struct kd_onnx *r, const Onnx__NodeProto *n, bool max, bool keep)
{
    int in = input_step(r, n, 0);
    if (in < 0) return -1;
    if (r->steps[in].dims != 4) return kd_onnx_fail(r, n, "it is known of images only");
    if (add_layer(r, n, in, max ? "global_maxpool" : "global_avgpool") < 0) return -1;
    struct kd_onnx_step *s = &r->steps[r->n_steps - 1];
    s->shape[2] = s->shape[3] = 1;
    return keep ? 0 : add_rows(r, n, (int)r->n_steps - 1);
}

static int read_global(struct kd_onnx *r, const Onnx__NodeProto *n)
{
    return add_global(r, n, strcmp(n->op_type, "GlobalMaxPool") == 0, true);
}

/* Whether axes are those of an image's pixels, all of them. */
static bool over_pixels(const int64_t *axes, int n)
{
    int64_t seen = 0;
    for (int i = 0; i < n; i++) seen |= 1 << (axes[i] < 0 ? axes[i] + 4 : axes[i]) % 8;
    return n == 2 && seen == (1 << 2 | 1 << 3);
}

static int read_reduce(struct kd_onnx *r, const Onnx__NodeProto *n)
{
    int64_t axes[4];
    int k = kd_onnx_ints(r, n, "axes", 1, axes, 4);
    if (k < 0) return -1;
    for (int i = 0; i < k; i++)
        if (axes[i] < -4 || axes[i] > 3) k = 0;
    if (!over_pixels(axes, k))
        return kd_onnx_fail(r, n, "expected axes 2 and 3, the pixels of [N,C,H,W]");
    return add_global(r, n, strcmp(n->op_type, "ReduceMax") == 0,
                      kd_onnx_int(n, "keepdims", 1) != 0);
}

/* ---- dense ---- */

static int add_dense(struct kd_onnx *r, const Onnx__NodeProto *n, size_t units, const float *w,
                     const float *bias)
{
    int in = input_step(r, n, 0);
    struct kd_onnx_step *s = in < 0 ? NULL : kd_onnx_step_add(r, KD_ONNX_LAYER, n, in);
    if (!s) return -1;
    put_tensor(s, "weight", w, units);
    s->tensors[0].dims = 2;
    s->tensors[0].shape[1] = s->shape[1];
    if (bias) put_tensor(s, "bias", bias, units);
    s->shape[1] = units;
    struct kd_maker b = kd_make_object(r->err);
    kd_put_text(&b, "kind", "dense");
    kd_put_number(&b, "units", (double)units);
    kd_put_bool(&b, "bias", bias != NULL);
    s->json = kd_make_end(&b);
    return s->json ? 0 : -1;
}

/* [units][in] of the weights times a factor, turned where they are [in][units]. */
static const float *turned(struct kd_onnx *r, const struct kd_onnx_constant *w, bool as_is,
                           float factor)
{
    size_t units = w->shape[!as_is], in = w->shape[as_is];
    if (as_is && factor == 1) return w->f;
    float *out = kd_onnx_alloc(r, w->count, sizeof *out);
    for (size_t u = 0; out && u < units; u++)
        for (size_t i = 0; i < in; i++)
            out[u * in + i] = factor * w->f[as_is ? u * in + i : i * units + u];
    return out;
}

static int read_dense(struct kd_onnx *r, const Onnx__NodeProto *n)
{
    bool gemm = n->op_type[0] == 'G', as_is = gemm && kd_onnx_int(n, "transB", 0);
    const struct kd_onnx_constant *w = weight(r, n, 1, 2), *c = NULL;
    int in = w ? input_step(r, n, 0) : -1;
    if (in < 0) return -1;
    if (r->steps[in].dims != 2 || w->shape[as_is] != r->steps[in].shape[1])
        return kd_onnx_fail(r, n, "its weights [%zu,%zu] are not for rows of %zu", w->shape[0],
                            w->shape[1], r->steps[in].shape[1]);
    if (gemm && kd_onnx_int(n, "transA", 0)) return kd_onnx_fail(r, n, "transA is not known");
    const float *turn = turned(r, w, as_is, gemm ? kd_onnx_float(n, "alpha", 1) : 1);
    size_t units = w->shape[!as_is];
    float *bias = NULL;
    if (gemm && n->n_input > 2 && n->input[2][0]) {
        c = kd_onnx_input_constant(r, n, 2);
        if (!c || !c->f || (c->count != 1 && c->count != units))
            return kd_onnx_fail(r, n, "input 2: expected %zu floats that the file holds", units);
        bias = kd_onnx_alloc(r, units, sizeof *bias);
        for (size_t u = 0; bias && u < units; u++)
            bias[u] = kd_onnx_float(n, "beta", 1) * c->f[c->count == 1 ? 0 : u];
    }
    return turn && (bias || !c) ? add_dense(r, n, units, turn, bias) : -1;
}

/* ---- batch norm, factors and offsets ---- */

static int read_norm(struct kd_onnx *r, const Onnx__NodeProto *n)
{
    static const char *const leaves[] = {"weight", "bias", "running_mean", "running_var"};
    const struct kd_onnx_constant *c[4];
    int in = input_step(r, n, 0);
    if (in < 0) return -1;
    if (kd_onnx_int(n, "training_mode", 0))
        return kd_onnx_fail(r, n, "it is exported for training; call model.eval() before");
    for (size_t i = 0; i < 4; i++) {
        if (!(c[i] = weight(r, n, i + 1, 1))) return -1;
        if (c[i]->count != r->steps[in].shape[1])
            return kd_onnx_fail(r, n, "input %zu: %zu numbers for %zu channels", i + 1, c[i]->count,
                                r->steps[in].shape[1]);
    }
    struct kd_onnx_step *s = kd_onnx_step_add(r, KD_ONNX_LAYER, n, in);
    if (!s) return -1;
    for (size_t i = 0; i < 4; i++) put_tensor(s, leaves[i], c[i]->f, c[i]->count);
    struct kd_maker b = kd_make_object(r->err);
    kd_put_text(&b, "kind", "batchnorm");
    kd_put_number(&b, "epsilon", (double)kd_onnx_float(n, "epsilon", 1e-5F));
    s->json = kd_make_end(&b);
    return s->json ? 0 : -1;
}

/* The number of a constant for channel c of what it is added to, or NULL with an error where it is
 * not by channel. */
static const float *by_channel(const struct kd_onnx *r, const Onnx__NodeProto *n,
                               const struct kd_onnx_constant *k, const struct kd_onnx_step *to,
                               size_t c)
{
    bool good = k->f && k->dims <= to->dims && k->count > 0;
    bool one = k->count == 1;
    for (unsigned d = 0; d < k->dims && good && !one; d++) {
        bool channel = d + to->dims - k->dims == 1;
        good = k->shape[d] == (channel ? to->shape[1] : 1);
    }
    if (good) return &k->f[one ? 0 : c];
    kd_onnx_say(r, n, "its constant is neither one number nor one for each channel");
    return NULL;
}

static int read_affine(struct kd_onnx *r, const Onnx__NodeProto *n,
                       const struct kd_onnx_constant *k, size_t which)
{
    int in = input_step(r, n, 1 - which);
    struct kd_onnx_step *s = in < 0 ? NULL : kd_onnx_step_add(r, KD_ONNX_AFFINE, n, in);
    if (!s) return -1;
    s->a = kd_onnx_alloc(r, s->shape[1], sizeof *s->a);
    s->b = kd_onnx_alloc(r, s->shape[1], sizeof *s->b);
    char op = n->op_type[0];
    if (!s->a || !s->b) return -1;
    if (op == 'D' && which == 0) return kd_onnx_fail(r, n, "a division by what images make");
    for (size_t c = 0; c < s->shape[1]; c++) {
        const float *v = by_channel(r, n, k, s, c);
        if (!v) return -1;
        bool factor = op == 'M' || op == 'D';
        s->a[c] = op == 'M' ? *v : op == 'D' ? 1 / *v : op == 'S' && which == 0 ? -1.0F : 1.0F;
        s->b[c] = factor ? 0 : op == 'S' && which == 1 ? -*v : *v;
    }
    return 0;
}

static int read_pair(struct kd_onnx *r, const Onnx__NodeProto *n)
{
    for (size_t i = 0; i < 2; i++) {
        const struct kd_onnx_constant *k = kd_onnx_input_constant(r, n, i);
        if (k) return read_affine(r, n, k, i);
    }
    int a = input_step(r, n, 0), b = a < 0 ? -1 : input_step(r, n, 1);
    char op = n->op_type[0];
    if (b < 0) return -1;
    if (op == 'S' || op == 'D') return kd_onnx_fail(r, n, "of two branches only the sum is known");
    if (r->steps[a].dims != r->steps[b].dims ||
        memcmp(r->steps[a].shape, r->steps[b].shape, r->steps[a].dims * sizeof(size_t)) != 0)
        return kd_onnx_fail(r, n, "its two branches have different shapes");
    struct kd_onnx_step *s = kd_onnx_step_add(r, op == 'A' ? KD_ONNX_SUM : KD_ONNX_PRODUCT, n, a);
    if (!s) return -1;
    s->in[1] = b;
    if (s->kind == KD_ONNX_SUM) {
        s->up = kd_onnx_fork(r, a, b);
    } else {
        const char *name;
        float factor;
        s->up = kd_onnx_activation(r, s, &name, &factor);
        if (s->up < 0)
            return kd_onnx_fail(r, n,
                                "a product of two branches that is neither a GELU nor a "
                                "hard swish");
    }
    s->depth = s->up < 0 ? 0 : r->steps[s->up].depth + 1;
    return 0;
}

/* ---- activations ---- */

static int read_activation(struct kd_onnx *r, const Onnx__NodeProto *n)
{
    static const char *const names[][2] = {
        {"Relu", "relu"}, {"Tanh", "tanh"}, {"HardSwish", "hardswish"}, {"Gelu", "gelu"}};
    const Onnx__AttributeProto *way = kd_onnx_attribute(n, "approximate");
    int in = input_step(r, n, 0);
    if (in < 0) return -1;
    if (way && way->s.len && (way->s.len != 4 || memcmp(way->s.data, "none", 4) != 0))
        return kd_onnx_fail(r, n, "approximate: kd's GELU is the exact one (\"none\")");
    size_t i = 0;
    while (strcmp(n->op_type, names[i][0]) != 0) i++;
    return add_layer(r, n, in, names[i][1]);
}

static int read_leaky(struct kd_onnx *r, const Onnx__NodeProto *n)
{
    int in = input_step(r, n, 0);
    struct kd_onnx_step *s = in < 0 ? NULL : kd_onnx_step_add(r, KD_ONNX_LAYER, n, in);
    if (!s) return -1;
    struct kd_maker b = kd_make_object(r->err);
    kd_put_text(&b, "kind", "leaky_relu");
    kd_put_number(&b, "slope", (double)kd_onnx_float(n, "alpha", 0.01F));
    s->json = kd_make_end(&b);
    return s->json ? 0 : -1;
}

/* A bound of Clip: an attribute in opset 6, an input from 11 on. */
static int read_bound(const struct kd_onnx *r, const Onnx__NodeProto *n, size_t i, float *v)
{
    *v = kd_onnx_float(n, i == 1 ? "min" : "max", *v);
    if (i >= n->n_input || !n->input[i][0]) return 0;
    const struct kd_onnx_constant *c = kd_onnx_input_constant(r, n, i);
    if (!c || c->count != 1) return kd_onnx_fail(r, n, "its bounds are not in the file");
    *v = c->f ? c->f[0] : (float)c->i[0];
    return 0;
}

static int read_bounded(struct kd_onnx *r, const Onnx__NodeProto *n)
{
    bool clip = n->op_type[0] == 'C';
    int in = input_step(r, n, 0);
    enum kd_onnx_step_kind kind = clip ? KD_ONNX_CLIP : KD_ONNX_HARDSIGMOID;
    struct kd_onnx_step *s = in < 0 ? NULL : kd_onnx_step_add(r, kind, n, in);
    if (!s) return -1;
    s->low = clip ? -INFINITY : kd_onnx_float(n, "alpha", 0.2F);
    s->high = clip ? INFINITY : kd_onnx_float(n, "beta", 0.5F);
    if (!clip) return 0;
    return read_bound(r, n, 1, &s->low) == 0 ? read_bound(r, n, 2, &s->high) : -1;
}

static int read_plain(struct kd_onnx *r, const Onnx__NodeProto *n)
{
    int in = input_step(r, n, 0);
    char op = n->op_type[0];
    enum kd_onnx_step_kind kind = op == 'E' ? KD_ONNX_ERF
                                  : op == 'S' || strcmp(n->op_type, "LogSoftmax") == 0
                                      ? KD_ONNX_SOFTMAX
                                      : KD_ONNX_SAME;
    return in >= 0 && kd_onnx_step_add(r, kind, n, in) ? 0 : -1;
}

/* ---- shapes ---- */

static int read_flatten(struct kd_onnx *r, const Onnx__NodeProto *n)
{
    int in = input_step(r, n, 0);
    if (in < 0) return -1;
    int64_t axis = kd_onnx_int(n, "axis", 1);
    if (axis != 1 && axis + r->steps[in].dims != 1)
        return kd_onnx_fail(r, n, "axis %lld; expected 1", (long long)axis);
    return add_rows(r, n, in);
}

/* To rows, or to the shape that is there. */
static int read_reshape(struct kd_onnx *r, const Onnx__NodeProto *n)
{
    int64_t to[KD_MAX_DIMS];
    int in = input_step(r, n, 0), k = 0;
    if (in >= 0) k = kd_onnx_ints(r, n, "shape", 1, to, KD_MAX_DIMS);
    if (k < 1) return in < 0 || k < 0 ? -1 : kd_onnx_fail(r, n, "its shape is missing");
    const struct kd_onnx_step *from = &r->steps[in];
    size_t row = from->shape[1];
    if (from->dims == 4) row *= from->shape[2] * from->shape[3];
    bool rows = k == 2 && (to[1] == -1 || (size_t)to[1] == row);
    bool same = k == (int)from->dims;
    for (int d = 1; d < k && same; d++)
        same = to[d] == 0 || to[d] == -1 || (size_t)to[d] == from->shape[d];
    if (rows) return add_rows(r, n, in);
    if (same) return kd_onnx_step_add(r, KD_ONNX_SAME, n, in) ? 0 : -1;
    return kd_onnx_fail(r, n, "only [N,C,H,W] to rows [N,%zu] is known", row);
}

static int read_squeeze(struct kd_onnx *r, const Onnx__NodeProto *n)
{
    int64_t axes[4];
    int in = input_step(r, n, 0), k = in < 0 ? -1 : kd_onnx_ints(r, n, "axes", 1, axes, 4);
    if (k < 0) return -1;
    const struct kd_onnx_step *from = &r->steps[in];
    for (int i = 0; i < k; i++)
        if (axes[i] < -4 || axes[i] > 3) k = 0;
    if (from->dims != 4 || from->shape[2] != 1 || from->shape[3] != 1 || !over_pixels(axes, k))
        return kd_onnx_fail(r, n, "only axes 2 and 3 of [N,C,1,1] are known");
    return add_rows(r, n, in);
}

static int read_pad(struct kd_onnx *r, const Onnx__NodeProto *n)
{
    int64_t pads[8] = {0};
    int in = input_step(r, n, 0), k = in < 0 ? -1 : kd_onnx_ints(r, n, "pads", 1, pads, 8);
    if (k < 0) return -1;
    const Onnx__AttributeProto *mode = kd_onnx_attribute(n, "mode");
    const struct kd_onnx_constant *with = kd_onnx_input_constant(r, n, 2);
    bool zeros = !mode || (mode->s.len == 8 && memcmp(mode->s.data, "constant", 8) == 0);
    zeros = zeros && kd_onnx_float(n, "value", 0) == 0;
    if (with && (with->count != 1 || (with->f ? with->f[0] != 0 : with->i[0] != 0))) zeros = false;
    bool good = k == 8 && r->steps[in].dims == 4 && zeros;
    for (int d = 0; d < 4 && good; d++)
        good = pads[d] == pads[d + 4] && pads[d] >= 0 && pads[d] <= 255 && (d > 1 || !pads[d]);
    if (!good)
        return kd_onnx_fail(r, n, "only zeros around images, as many on both sides, are known");
    struct kd_onnx_step *s = kd_onnx_step_add(r, KD_ONNX_PAD, n, in);
    for (int d = 0; s && d < 2; d++) {
        s->pad[d] = (size_t)pads[2 + d];
        s->shape[2 + d] += 2 * s->pad[d];
    }
    return s ? 0 : -1;
}

/* ---- the table ---- */

static const struct {
    const char *name;
    int (*read)(struct kd_onnx *r, const Onnx__NodeProto *n);
} operators[] = {
    {"Add", read_pair},
    {"AveragePool", read_pool},
    {"BatchNormalization", read_norm},
    {"Cast", read_plain},
    {"Clip", read_bounded},
    {"Conv", read_conv},
    {"Div", read_pair},
    {"Dropout", read_plain},
    {"Erf", read_plain},
    {"Flatten", read_flatten},
    {"Gelu", read_activation},
    {"Gemm", read_dense},
    {"GlobalAveragePool", read_global},
    {"GlobalMaxPool", read_global},
    {"HardSigmoid", read_bounded},
    {"HardSwish", read_activation},
    {"Identity", read_plain},
    {"LeakyRelu", read_leaky},
    {"LogSoftmax", read_plain},
    {"MatMul", read_dense},
    {"MaxPool", read_pool},
    {"Mul", read_pair},
    {"Pad", read_pad},
    {"ReduceMax", read_reduce},
    {"ReduceMean", read_reduce},
    {"Relu", read_activation},
    {"Reshape", read_reshape},
    {"Softmax", read_plain},
    {"Squeeze", read_squeeze},
    {"Sub", read_pair},
    {"Tanh", read_activation},
};
enum { OPERATORS = sizeof operators / sizeof *operators };

int kd_onnx_operator_names(struct kd_bytes *out, struct kd_err *err)
{
    for (size_t i = 0; i < OPERATORS; i++)
        kd_bytes_format(out, err, i ? ", %s" : "%s", operators[i].name);
    return kd_bytes_text(out, "", err);
}

static int unknown(struct kd_onnx *r, const Onnx__NodeProto *cause)
{
    struct kd_onnx_step *s = kd_onnx_step_add(r, KD_ONNX_UNKNOWN, cause, -1);
    return s ? 0 : -1;
}

int kd_onnx_operator(struct kd_onnx *r, const Onnx__NodeProto *n)
{
    for (size_t i = 0; i < n->n_input; i++) { /* what follows an unknown one has no shape */
        const struct kd_onnx_value *v = kd_onnx_find(r, n->input[i]);
        if (v && v->step >= 0 && r->steps[v->step].kind == KD_ONNX_UNKNOWN)
            return unknown(r, r->steps[v->step].node);
    }
    bool standard = !n->domain || !n->domain[0] || strcmp(n->domain, "ai.onnx") == 0;
    for (size_t i = 0; i < OPERATORS && standard; i++)
        if (strcmp(n->op_type, operators[i].name) == 0) return operators[i].read(r, n);
    return unknown(r, n);
}
