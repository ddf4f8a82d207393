/* Transformed teacher matching: the temperature is dropped from the student,
 *
 *     KL(q || p_s) at T = 1, with q proportional to p_t^gamma, which is softmax(gamma z_t);
 *
 * weighted, each image counts sum over classes of p_t^gamma = exp(lse(gamma z_t) - gamma lse(z_t)),
 * the more the less certain its teacher is. */
#include "kind.h"

#include <math.h>

struct ttm {
    double gamma;
    bool weighted;
};
#define P(field) offsetof(struct ttm, field)
static const struct kd_option rows[] = {
    {NULL, 0, "gamma", KD_OPT_REAL, P(gamma), .min = 1e-4, .max = 100, .optional = true,
     .help = "power of the teacher's probabilities; 0.1, weighted 0.2"},
    {NULL, 0, "weighted", KD_OPT_BOOL, P(weighted),
     .help = "count images by the sum of these powers"},
    {0},
};

static void variant(void *params, struct kd_loss_usual *usual)
{
    struct ttm *p = params;
    if (isnan(p->gamma)) p->gamma = p->weighted ? 0.2 : 0.1;
    if (p->weighted) usual->weight = 4;
}

static size_t scratch(size_t n, size_t classes)
{
    return 4 * n * classes;
}

static void run(const struct kd_loss_call *k)
{
    const struct ttm *p = k->params;
    size_t size = k->n * k->classes;
    struct kd_softmax t = {k->scratch, k->scratch + size},
                      plain = {k->scratch + 2 * size, k->scratch + 3 * size};
    kd_softmax_rows(t, k->teacher, k->n, k->classes, 1 / p->gamma);
    if (p->weighted) kd_softmax_rows(plain, k->teacher, k->n, k->classes, 1);
    for (size_t r = 0; r < k->n; r++) {
        size_t at = r * k->classes;
        /* log q = gamma z - lse(gamma z) and log p = z - lse(z), of any class */
        double power = p->weighted ? exp(p->gamma * plain.log_q[at] - t.log_q[at]) : 1;
        double kl = 0, weight = k->weight[r] * power;
        for (size_t i = at; i < at + k->classes; i++) {
            kl += t.q[i] * (t.log_q[i] - k->plain.log_q[i]);
            k->gradient[i] += weight * (k->plain.q[i] - t.q[i]);
        }
        k->value[r] = power * kl;
    }
}

const struct kd_loss_kind kd_loss_ttm = {
    .name = "ttm",
    .paper =
        "Zheng and Yang 2024, \"Knowledge Distillation Based on Transformed Teacher Matching\"",
    .about = "the teacher's probabilities to a power, matched by the student at T = 1",
    .usual = {.temperature = NAN, .weight = 45, .label_weight = 1},
    .rows = rows,
    .size = sizeof(struct ttm),
    .variant = variant,
    .scratch = scratch,
    .run = run,
};
