/* The directions of two layers' features: sum over pairs of layers of 1 - cos(r(f_s), f_t), r a
 * linear layer that learns along. With lengths |s| and |t|, which are kept above 1e-12, the
 * gradient by s is (cos s / |s| - t / |t|) / |s|. */
#include "kind.h"

#include <math.h>

static const struct kd_option rows[] = {KD_LOSS_PLACES("\"features\"", "\"features\""), {0}};
static const struct kd_loss_features features = {.pools = true, .projects = true};

static double dot(const float *a, const float *b, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += (double)a[i] * (double)b[i];
    return sum;
}

/* Value of one image; the pair's gradient of it. */
static double compare(const struct kd_loss_pair *p, size_t image, double weight)
{
    const size_t size = p->student.pixels * p->student.cols, at = image * size;
    const float *s = p->student.value + at, *t = p->teacher.value + at;
    const double long_s = fmax(sqrt(dot(s, s, size)), 1e-12);
    const double long_t = fmax(sqrt(dot(t, t, size)), 1e-12);
    const double cosine = dot(s, t, size) / long_s / long_t;
    for (size_t i = 0; i < size; i++)
        p->gradient[at + i] =
            (float)(weight / long_s * (cosine * (double)s[i] / long_s - (double)t[i] / long_t));
    return 1 - cosine;
}

static void run(const struct kd_loss_call *k)
{
    for (size_t r = 0; r < k->n; r++) {
        k->value[r] = 0;
        for (size_t i = 0; i < k->n_pairs; i++)
            k->value[r] += compare(&k->pairs[i], r, k->weight[r] * k->share);
    }
}

const struct kd_loss_kind kd_loss_direction = {
    .name = "direction",
    .paper = "an example",
    .about = "directions of features, through a linear layer that learns along",
    .usual = {.temperature = NAN, .weight = 1, .label_weight = 1},
    .rows = rows,
    .size = sizeof(struct kd_loss_places),
    .features = &features,
    .run = run,
};
