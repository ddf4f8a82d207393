/* Attention: where in an image a layer is active. With a = the sum over channels of x^2, pixel by
 * pixel, and q = a / |a|:
 *
 *     sum over pairs of layers of mean over pixels (q_s - q_t)^2
 *
 * |a| is kept above 1e-12. */
#include "kind.h"

#include <math.h>

static const struct kd_option rows[] = {
    KD_LOSS_PLACES("[0.3333, 0.6667, 1]", "[0.3333, 0.6667, 1]"), {0}};

static size_t scratch(size_t n, size_t pixels)
{
    (void)n;
    return 2 * pixels;
}

static const struct kd_loss_features features = {.maps = true, .pools = true, .scratch = scratch};
static const double least = 1e-12;

/* Attention of one image, [pixels], in q; 1 / |a|, or 0 where it is not to be divided by. */
static double attention(const struct kd_loss_side *s, size_t image, double *q)
{
    const float *x = s->value + image * s->pixels * s->cols;
    double square = 0;
    for (size_t i = 0; i < s->pixels; i++, x += s->cols) {
        q[i] = 0;
        for (size_t c = 0; c < s->cols; c++) q[i] += (double)x[c] * (double)x[c];
        square += q[i] * q[i];
    }
    const double norm = sqrt(square);
    for (size_t i = 0; i < s->pixels; i++) q[i] /= fmax(norm, least);
    return norm > least ? 1 / norm : 0;
}

/* Value of one image, and its gradient: d q = (d a - q (q . d a)) / |a|, d a = 2 x d x. */
static double compare(const struct kd_loss_pair *p, size_t image, double weight, double *scratch)
{
    const struct kd_loss_side *s = &p->student;
    const size_t pixels = s->pixels, cols = s->cols;
    double *q = scratch, *d = q + pixels, value = 0, along = 0;
    attention(&p->teacher, image, d);
    const double scale = attention(s, image, q);
    for (size_t i = 0; i < pixels; i++) {
        d[i] = q[i] - d[i];
        value += d[i] * d[i] / (double)pixels;
        along += q[i] * d[i];
    }
    const double each = 4 * weight / (double)pixels * (scale > 0 ? scale : 1 / least);
    if (scale <= 0) along = 0; /* divided by a constant */
    for (size_t i = 0; i < pixels; i++)
        for (size_t c = 0; c < cols; c++) {
            const size_t at = (image * pixels + i) * cols + c;
            p->gradient[at] = (float)(each * (d[i] - q[i] * along) * (double)s->value[at]);
        }
    return value;
}

static void run(const struct kd_loss_call *k)
{
    for (size_t r = 0; r < k->n; r++) {
        k->value[r] = 0;
        for (size_t i = 0; i < k->n_pairs; i++)
            k->value[r] += compare(&k->pairs[i], r, k->weight[r] * k->share, k->scratch);
    }
}

const struct kd_loss_kind kd_loss_at = {
    .name = "at",
    .paper = "Zagoruyko and Komodakis 2017, \"Paying More Attention to Attention\"",
    .about = "where in an image layers are active, of maps",
    .usual = {.temperature = NAN, .weight = 500, .label_weight = 1},
    .rows = rows,
    .size = sizeof(struct kd_loss_places),
    .features = &features,
    .run = run,
};
