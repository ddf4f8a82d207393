/* The way from the output back to the input. Steps form a tree by `up`, in which a sum's parent is
 * the fork where its two branches part; so a chain is a path upwards, and a residual block's two
 * branches are the paths from its inputs to the fork. */
#include "parts.h"

#include <math.h>
#include <string.h>

int kd_onnx_fork(const struct kd_onnx *r, int a, int b)
{
    while (a != b && a >= 0 && b >= 0) {
        if (r->steps[a].depth >= r->steps[b].depth)
            a = r->steps[a].up;
        else
            b = r->steps[b].up;
    }
    return a == b ? a : -1;
}

int *kd_onnx_path(struct kd_onnx *r, int from, int to, size_t *n)
{
    size_t count = 0;
    for (int s = to; s >= 0 && s != from; s = r->steps[s].up) count++;
    int *path = kd_alloc(count + 1, sizeof *path, "a way through a graph", r->err);
    *n = count;
    for (int s = to; path && s >= 0 && s != from; s = r->steps[s].up) path[--count] = s;
    return path;
}

/* ---- activations that are spelled out ---- */

/* One factor and one offset for all channels. */
static bool scalar(const struct kd_onnx_step *s, float *a, float *b)
{
    if (s->kind != KD_ONNX_AFFINE) return false;
    for (size_t c = 1; c < s->shape[1]; c++)
        if (s->a[c] != s->a[0] || s->b[c] != s->b[0]) return false;
    *a = s->a[0];
    *b = s->b[0];
    return true;
}

/* Collects factors and offsets upwards, not beyond `x`: what `step` is, is a times the step
 * returned, plus b. */
static int plain(const struct kd_onnx *r, int step, int x, float *a, float *b)
{
    float factor, offset;
    *a = 1;
    *b = 0;
    while (step >= 0 && step != x) {
        const struct kd_onnx_step *s = &r->steps[step];
        bool affine = scalar(s, &factor, &offset);
        if (!affine && s->kind != KD_ONNX_SAME) break;
        if (affine) {
            *b += *a * offset;
            *a *= factor;
        }
        step = s->in[0];
    }
    return step;
}

static bool near(float x, double y)
{
    return fabs((double)x - y) <= 1e-5 * fmax(1, fabs(y));
}

/* x k (1 + erf(x / sqrt 2)): twice k of a GELU (Hendrycks and Gimpel 2016).
 * x k clip(x + 3, 0, 6) or x k hardsigmoid(x): six times, or once k of a hard swish (Howard 2019).
 * The first side is that of x. */
static int gated(const struct kd_onnx *r, const int side[2], const char **name, float *factor)
{
    float xa, xb, ga, gb, ia, ib;
    int x = kd_onnx_fork(r, side[0], side[1]);
    if (x < 0 || plain(r, side[0], x, &xa, &xb) != x || xb != 0) return -1;
    int middle = plain(r, side[1], x, &ga, &gb);
    const struct kd_onnx_step *m = &r->steps[middle];
    if (middle == x || plain(r, m->in[0], x, &ia, &ib) != x) return -1;
    if (m->kind == KD_ONNX_ERF && ib == 0 && near(ia, sqrt(0.5)) && near(gb / ga, 1)) {
        *name = "gelu";
        *factor = 2 * ga * xa;
        return x;
    }
    bool clip = m->kind == KD_ONNX_CLIP && m->low == 0 && m->high == 6 && ia == 1 && ib == 3;
    bool hard = m->kind == KD_ONNX_HARDSIGMOID && near(m->low, 1.0 / 6) && near(m->high, 0.5) &&
                ia == 1 && ib == 0;
    if ((!clip && !hard) || gb != 0) return -1;
    *name = "hardswish";
    *factor = (clip ? 6 : 1) * ga * xa;
    return x;
}

int kd_onnx_activation(const struct kd_onnx *r, const struct kd_onnx_step *product,
                       const char **name, float *factor)
{
    const int turned[2] = {product->in[1], product->in[0]};
    int x = gated(r, product->in, name, factor);
    return x >= 0 ? x : gated(r, turned, name, factor);
}
