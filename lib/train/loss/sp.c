/* Similarity: which images of a batch activate a layer alike. With G = F F^T of the batch's
 * features F [n][numbers], and H its rows divided by their length (kept above 1e-12):
 *
 *     sum over pairs of layers of |H_s - H_t|^2 / n^2
 *
 * It belongs to the batch; each row has an equal share of it. */
#include "kind.h"

#include <math.h>

static const struct kd_option rows[] = {KD_LOSS_PLACES("1", "1"), {0}};
static const double least = 1e-12;

static size_t scratch(size_t n, size_t pixels)
{
    (void)pixels;
    return 2 * n * n + n;
}

static const struct kd_loss_features features = {.scratch = scratch};

/* H [n][n] in h; the factors that G's rows were multiplied by in scale [n], with a minus where
 * their length was too small to count. */
static void alike(const struct kd_loss_side *side, size_t n, double *h, double *scale)
{
    kd_rows_products(side, n, h);
    for (size_t i = 0; i < n; i++) {
        double square = 0;
        for (size_t j = 0; j < n; j++) square += h[i * n + j] * h[i * n + j];
        const double norm = sqrt(square);
        scale[i] = norm > least ? 1 / norm : -1 / least;
        for (size_t j = 0; j < n; j++) h[i * n + j] *= fabs(scale[i]);
    }
}

/* h becomes the slope by G: through the length of each row of it. d = H_s - H_t. */
static void through_lengths(size_t n, double *h, const double *d, const double *scale)
{
    for (size_t i = 0; i < n; i++) {
        double along = 0;
        for (size_t j = 0; j < n; j++) along += h[i * n + j] * d[i * n + j];
        if (scale[i] < 0) along = 0; /* divided by a constant */
        for (size_t j = 0; j < n; j++)
            h[i * n + j] = fabs(scale[i]) * (d[i * n + j] - h[i * n + j] * along);
    }
}

static double compare(const struct kd_loss_call *k, const struct kd_loss_pair *p)
{
    const size_t n = k->n;
    const double square = (double)n * (double)n;
    double *h = k->scratch, *d = h + n * n, *scale = d + n * n, value = 0;
    alike(&p->teacher, n, d, scale);
    alike(&p->student, n, h, scale);
    for (size_t i = 0; i < n * n; i++) {
        d[i] = h[i] - d[i];
        value += d[i] * d[i];
    }
    through_lengths(n, h, d, scale);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j <= i; j++) h[i * n + j] = h[j * n + i] = h[i * n + j] + h[j * n + i];
    kd_rows_combine(&p->student, n, h, 2 / square * k->weight[0] * (double)n * k->share,
                    p->gradient);
    return value / square;
}

static void run(const struct kd_loss_call *k)
{
    double value = 0;
    for (size_t i = 0; i < k->n_pairs; i++) value += compare(k, &k->pairs[i]);
    for (size_t r = 0; r < k->n; r++) k->value[r] = value;
}

const struct kd_loss_kind kd_loss_sp = {
    .name = "sp",
    .paper = "Tung and Mori 2019, \"Similarity-Preserving Knowledge Distillation\"",
    .about = "which images of a batch activate a layer alike",
    .usual = {.temperature = NAN, .weight = 3000, .label_weight = 1, .needs = KD_LOSS_OVER_BATCH},
    .rows = rows,
    .size = sizeof(struct kd_loss_places),
    .features = &features,
    .run = run,
};
