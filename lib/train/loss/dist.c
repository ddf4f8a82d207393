/* Relations instead of values: with p = softmax(z / T),
 *
 *     T^2 [beta mean over images (1 - r(p_s, p_t)) + gamma mean over classes (1 - r of that class's
 *     column over the batch)],   r the correlation (a . b) / (|a| |b| + 1e-8) of centred a and b.
 *
 * The second part belongs to the batch; each row has an equal share of it. */
#include "kind.h"

#include <math.h>
#include <string.h>

struct dist {
    double beta, gamma;
};
#define P(field) offsetof(struct dist, field)
static const struct kd_option rows[] = {
    {NULL, 0, "beta", KD_OPT_REAL, P(beta), .preset = "2", .min = 0, .max = 1e6,
     .help = "weight of the images' correlations"},
    {NULL, 0, "gamma", KD_OPT_REAL, P(gamma), .preset = "2", .min = 0, .max = 1e6,
     .help = "weight of the classes' correlations over the batch"},
    {0},
};

static const double epsilon = 1e-8;

/* Two softmaxes, the gradient by p_s, and for each class five sums. */
enum { SUMS = 5 };
static size_t scratch(size_t n, size_t classes)
{
    return 5 * n * classes + SUMS * classes;
}

/* Of centred a and b: r, and how its slope by a is made of them: from_b b - from_a a. */
struct correlation {
    double r, from_a, from_b;
};

static struct correlation correlate(double aa, double bb, double ab)
{
    double a = sqrt(aa), b = sqrt(bb), norm = a * b + epsilon;
    return (struct correlation){ab / norm, a > 0 ? ab * b / (norm * norm * a) : 0, 1 / norm};
}

/* d += by the slope of 1 - r, of each row. */
static void along_rows(const struct kd_loss_call *k, const double *s, const double *t, double *d)
{
    const struct dist *p = k->params;
    size_t classes = k->classes;
    double mean = 1 / (double)classes; /* of probabilities */
    for (size_t r = 0; r < k->n; r++) {
        const double *a = s + r * classes, *b = t + r * classes;
        double aa = 0, bb = 0, ab = 0;
        for (size_t c = 0; c < classes; c++) {
            aa += (a[c] - mean) * (a[c] - mean);
            bb += (b[c] - mean) * (b[c] - mean);
            ab += (a[c] - mean) * (b[c] - mean);
        }
        struct correlation q = correlate(aa, bb, ab);
        k->value[r] = p->beta * (1 - q.r);
        for (size_t c = 0; c < classes; c++)
            d[r * classes + c] += p->beta * (q.from_a * (a[c] - mean) - q.from_b * (b[c] - mean));
    }
}

/* The same of each column. A row's gradient is divided by n at the end: it is multiplied here. */
static void along_columns(const struct kd_loss_call *k, const double *s, const double *t, double *d,
                          double *sums)
{
    const struct dist *p = k->params;
    size_t n = k->n, classes = k->classes;
    double *mean_a = sums, *mean_b = sums + classes, *aa = sums + 2 * classes,
           *bb = sums + 3 * classes, *ab = sums + 4 * classes;
    double share = p->gamma / (double)classes, total = 0;
    memset(sums, 0, SUMS * classes * sizeof *sums);
    for (size_t r = 0; r < n; r++)
        for (size_t c = 0; c < classes; c++) {
            mean_a[c] += s[r * classes + c];
            mean_b[c] += t[r * classes + c];
        }
    for (size_t c = 0; c < 2 * classes; c++) sums[c] /= (double)n; /* both means */
    for (size_t r = 0; r < n; r++)
        for (size_t c = 0; c < classes; c++) {
            double a = s[r * classes + c] - mean_a[c], b = t[r * classes + c] - mean_b[c];
            aa[c] += a * a;
            bb[c] += b * b;
            ab[c] += a * b;
        }
    for (size_t c = 0; c < classes; c++) {
        struct correlation q = correlate(aa[c], bb[c], ab[c]);
        total += share * (1 - q.r);
        aa[c] = share * (double)n * q.from_a;
        bb[c] = share * (double)n * q.from_b;
    }
    for (size_t r = 0; r < n; r++) {
        k->value[r] += total;
        for (size_t c = 0; c < classes; c++)
            d[r * classes + c] +=
                aa[c] * (s[r * classes + c] - mean_a[c]) - bb[c] * (t[r * classes + c] - mean_b[c]);
    }
}

static void run(const struct kd_loss_call *k)
{
    size_t classes = k->classes, size = k->n * classes;
    double T = k->temperature, *d = k->scratch + 4 * size;
    struct kd_softmax s = {k->scratch, k->scratch + size},
                      t = {k->scratch + 2 * size, k->scratch + 3 * size};
    kd_softmax_rows(s, k->student, k->n, classes, T);
    kd_softmax_rows(t, k->teacher, k->n, classes, T);
    memset(d, 0, size * sizeof *d);
    along_rows(k, s.q, t.q, d);
    along_columns(k, s.q, t.q, d, d + size);
    for (size_t r = 0; r < k->n; r++) { /* through the softmax */
        size_t at = r * classes;
        double mean = 0, weight = k->weight[r] * T;
        for (size_t c = 0; c < classes; c++) mean += s.q[at + c] * d[at + c];
        for (size_t c = 0; c < classes; c++)
            k->gradient[at + c] += weight * s.q[at + c] * (d[at + c] - mean);
        k->value[r] *= T * T;
    }
}

const struct kd_loss_kind kd_loss_dist = {
    .name = "dist",
    .paper = "Huang et al. 2022, \"Knowledge Distillation from A Stronger Teacher\"",
    .about = "correlations of the probabilities, image by image and class by class",
    .usual = {.temperature = 4, .weight = 1, .label_weight = 1, .needs = KD_LOSS_OVER_BATCH},
    .rows = rows,
    .size = sizeof(struct dist),
    .scratch = scratch,
    .run = run,
};
