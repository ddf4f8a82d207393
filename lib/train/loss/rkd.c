/* Relations between the images of a batch. With d_ij the distance of two images' features, m the
 * mean of those above 0, a_ijk the cosine of the angle at i between j and k (0 where i is one of
 * them), and h(x) = x^2 / 2 up to |x| = 1 and |x| - 1/2 beyond:
 *
 *     distance mean over i, j of h(d_ij / m of the student's - the same of the teacher's)
 *     + angle mean over i, j, k of h(a_ijk of the student's - the teacher's)
 *
 * Both follow from the squares S_ij of the distances: 2 d_ij d_ik a_ijk = S_ij + S_ik - S_jk. It
 * belongs to the batch; each row has an equal share of it. */
#include "kind.h"

#include <math.h>
#include <string.h>

struct rkd {
    struct kd_loss_places places;
    double distance, angle;
};
static const struct kd_option rows[] = {
    KD_LOSS_PLACES("features", "features"),
    {NULL, 0, "distance", KD_OPT_REAL, offsetof(struct rkd, distance), .preset = "25", .min = 0,
     .max = 1e6, .help = "weight of the distances"},
    {NULL, 0, "angle", KD_OPT_REAL, offsetof(struct rkd, angle), .preset = "50", .min = 0,
     .max = 1e6, .help = "weight of the angles"},
    {0},
};

struct relations {   /* all [n][n] */
    double *square;  /* of distances */
    double *inverse; /* 1 / distance; 0 where that is 0 */
    double mean;     /* of the distances above 0 */
    double pairs;    /* as many */
};
enum { TABLES = 5 };

static size_t scratch(size_t n, size_t pixels)
{
    (void)pixels;
    return TABLES * n * n;
}

static const struct kd_loss_features features = {.scratch = scratch};

static struct relations relate(const struct kd_loss_side *side, size_t n, double *scratch)
{
    struct relations r = {.square = scratch, .inverse = scratch + n * n};
    double sum = 0;
    kd_rows_distances(side, n, r.square);
    for (size_t i = 0; i < n * n; i++) {
        const double d = sqrt(r.square[i]);
        r.inverse[i] = d > 0 ? 1 / d : 0;
        r.pairs += d > 0;
        sum += d;
    }
    r.mean = r.pairs > 0 ? sum / r.pairs : 1;
    return r;
}

/* h'(x); h is h' (x - h' / 2). */
static double slope(double x)
{
    return x < -1 ? -1 : x > 1 ? 1 : x;
}

/* Adds to c the slope by the squares; S_ij and S_ji are two of them. */
static double distances(const struct relations *s, const struct relations *t, size_t n,
                        double weight, double *c)
{
    const double share = weight / ((double)n * (double)n);
    double value = 0, along = 0;
    for (size_t i = 0; i < n * n; i++) {
        const double d = s->square[i] * s->inverse[i];
        const double x = d / s->mean - t->square[i] * t->inverse[i] / t->mean, h = slope(x);
        value += h * (x - h / 2);
        along += h * d;
        c[i] += share * h * s->inverse[i] / (2 * s->mean);
    }
    along *= share / (s->mean * s->mean * (s->pairs > 0 ? s->pairs : 1)); /* through the mean */
    for (size_t i = 0; i < n * n; i++) c[i] -= along * s->inverse[i] / 2;
    return share * value;
}

/* Angles at i between j and all k before j. */
static double angles_at(const struct relations *s, const struct relations *t, size_t n, size_t i,
                        size_t j, double *c)
{
    const double *ss = s->square + i * n, *si = s->inverse + i * n, *sj = s->square + j * n;
    const double *ts = t->square + i * n, *ti = t->inverse + i * n, *tj = t->square + j * n;
    double value = 0, own = 0;
    for (size_t k = 0; k < j; k++) {
        const double half = si[j] * si[k] / 2;
        const double a = half * (ss[j] + ss[k] - sj[k]);
        const double x = a - ti[j] * ti[k] / 2 * (ts[j] + ts[k] - tj[k]), h = slope(x);
        value += h * (x - h / 2);
        own += h * (half - a * si[j] * si[j] / 2);
        c[i * n + k] += h * (half - a * si[k] * si[k] / 2);
        c[j * n + k] -= h * half;
    }
    c[i * n + j] += own;
    return value;
}

/* The same for all; each angle is counted twice, and those of j with itself differ where one of the
 * distances is 0. */
static double angles(const struct relations *s, const struct relations *t, size_t n, double weight,
                     double *c)
{
    const double share = weight / ((double)n * (double)n * (double)n);
    double value = 0, same = 0;
    memset(c, 0, n * n * sizeof *c);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) {
            value += 2 * angles_at(s, t, n, i, j, c);
            same += (s->inverse[i * n + j] > 0) != (t->inverse[i * n + j] > 0) ? 0.5 : 0;
        }
    for (size_t i = 0; i < n * n; i++) c[i] *= 2 * share;
    return share * (value + same);
}

/* c becomes what the rows are to be combined with: the gradient of row i is the sum over j of
 * (c_ij + c_ji) 2 (x_i - x_j). */
static void to_rows(size_t n, double *c)
{
    for (size_t i = 0; i < n; i++) c[i * n + i] = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < i; j++) {
            const double both = c[i * n + j] + c[j * n + i];
            c[i * n + j] = c[j * n + i] = -both;
            c[i * n + i] += both;
            c[j * n + j] += both;
        }
}

static double compare(const struct kd_loss_call *k, const struct kd_loss_pair *p)
{
    const struct rkd *own = k->params;
    const size_t n = k->n;
    double *c = k->scratch + 4 * n * n;
    const struct relations s = relate(&p->student, n, k->scratch);
    const struct relations t = relate(&p->teacher, n, k->scratch + 2 * n * n);
    double value = angles(&s, &t, n, own->angle, c);
    value += distances(&s, &t, n, own->distance, c);
    to_rows(n, c);
    kd_rows_combine(&p->student, n, c, 2 * k->weight[0] * (double)n * k->share, p->gradient);
    return value;
}

static void run(const struct kd_loss_call *k)
{
    double value = 0;
    for (size_t i = 0; i < k->n_pairs; i++) value += compare(k, &k->pairs[i]);
    for (size_t r = 0; r < k->n; r++) k->value[r] = value;
}

const struct kd_loss_kind kd_loss_rkd = {
    .name = "rkd",
    .paper = "Park et al. 2019, \"Relational Knowledge Distillation\"",
    .about = "distances and angles between the images of a batch",
    .usual = {.temperature = NAN, .weight = 1, .label_weight = 1, .needs = KD_LOSS_OVER_BATCH},
    .rows = rows,
    .size = sizeof(struct rkd),
    .features = &features,
    .run = run,
};
