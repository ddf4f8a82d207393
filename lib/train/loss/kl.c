/* Hinton's distillation: T^2 KL(q_t || q_s), with the gradient T (q_s - q_t). As T grows it tends
 * to |centred z_s - centred z_t|^2 / (2 classes).
 *
 * Standardized (Sun et al. 2024): z' = (z - mean) / (sd + 1e-7) takes the place of z on both sides,
 * sd over classes - 1; the gradient goes through mean and sd. */
#include "kind.h"

#include <math.h>

struct kl {
    bool standardize;
};
static const struct kd_option rows[] = {
    {NULL, 0, "standardize", KD_OPT_BOOL, offsetof(struct kl, standardize), .later = true,
     .help = "logits less their mean, over their standard deviation"},
    {0},
};

static void variant(void *params, struct kd_loss_usual *usual)
{
    const struct kl *p = params;
    if (!p->standardize) return;
    usual->temperature = 2;
    usual->weight = 9;
    usual->needs = 0;
}

/* Both softmaxes; of the standardized student mean, sd and 1 / (sd + epsilon), [n] each. */
static size_t scratch(size_t n, size_t classes)
{
    return 4 * n * classes + 3 * n;
}

struct scale {
    double mean, sd, by;
};

static const double epsilon = 1e-7;

static struct scale scale_of(const float *z, size_t classes)
{
    double sum = 0, squares = 0;
    for (size_t c = 0; c < classes; c++) sum += (double)z[c];
    double mean = sum / (double)classes;
    for (size_t c = 0; c < classes; c++) squares += ((double)z[c] - mean) * ((double)z[c] - mean);
    double sd = classes > 1 ? sqrt(squares / (double)(classes - 1)) : 0;
    return (struct scale){mean, sd, 1 / (sd + epsilon)};
}

static void standardized(struct kd_softmax s, struct scale *scales, const float *z, size_t n,
                         size_t classes, double temperature)
{
    for (size_t r = 0; r < n; r++) {
        struct scale own = scale_of(z + r * classes, classes);
        if (scales) scales[r] = own;
        for (size_t i = r * classes; i < (r + 1) * classes; i++)
            s.log_q[i] = ((double)z[i] - own.mean) * own.by / temperature;
    }
    kd_softmax_finish(s, n, classes);
}

/* The gradient by z' that stands in d[classes], as the one by z: what is constant over the row and
 * what lies along z' itself is lost. */
static void through_scale(double *d, const float *z, size_t classes, const struct scale *own)
{
    double sum = 0, along = 0;
    for (size_t c = 0; c < classes; c++) {
        sum += d[c];
        along += d[c] * ((double)z[c] - own->mean);
    }
    double mean = sum / (double)classes;
    double part = own->sd > 0 ? along * own->by * own->by / (own->sd * (double)(classes - 1)) : 0;
    for (size_t c = 0; c < classes; c++)
        d[c] = (d[c] - mean) * own->by - part * ((double)z[c] - own->mean);
}

static void run(const struct kd_loss_call *k)
{
    const struct kl *params = k->params;
    size_t size = k->n * k->classes;
    double T = k->temperature;
    struct kd_softmax s = {k->scratch, k->scratch + size},
                      t = {k->scratch + 2 * size, k->scratch + 3 * size};
    struct scale *scales = (struct scale *)(k->scratch + 4 * size);
    if (params->standardize) {
        standardized(s, scales, k->student, k->n, k->classes, T);
        standardized(t, NULL, k->teacher, k->n, k->classes, T);
    } else {
        kd_softmax_rows(s, k->student, k->n, k->classes, T);
        if (k->probabilities)
            kd_softmax_given(t, k->teacher, k->n, k->classes);
        else
            kd_softmax_rows(t, k->teacher, k->n, k->classes, T);
    }
    for (size_t r = 0; r < k->n; r++) {
        size_t at = r * k->classes;
        double kl = 0, weight = k->weight[r] * T, *d = s.log_q + at;
        for (size_t c = 0; c < k->classes; c++) {
            kl += t.q[at + c] * (t.log_q[at + c] - s.log_q[at + c]);
            d[c] = weight * (s.q[at + c] - t.q[at + c]);
        }
        if (params->standardize) through_scale(d, k->student + at, k->classes, &scales[r]);
        for (size_t c = 0; c < k->classes; c++) k->gradient[at + c] += d[c];
        k->value[r] = T * T * kl;
    }
}

const struct kd_loss_kind kd_loss_kl = {
    .name = "kl",
    .paper = "Hinton, Vinyals and Dean 2015, \"Distilling the Knowledge in a Neural Network\"; "
             "standardize: Sun et al. 2024, \"Logit Standardization in Knowledge Distillation\"",
    .about = "divergence of the softmaxes at temperature T, times T squared",
    .usual = {.temperature = 4,
              .weight = 0.9,
              .label_weight = 0.1,
              .needs = KD_LOSS_TAKES_PROBABILITIES},
    .rows = rows,
    .size = sizeof(struct kl),
    .variant = variant,
    .scratch = scratch,
    .run = run,
};
