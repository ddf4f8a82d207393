/* Decoupled distillation: KL is the sum of one term for the label's class against all others, and
 * one among the others, weighted by how little the teacher gives the label. Here the second has a
 * weight of its own:
 *
 *     T^2 [alpha KL((p_t,y, 1 - p_t,y) || (p_s,y, 1 - p_s,y)) + beta KL(q_t || q_s)]
 *
 * with q the softmax over the classes other than y. */
#include "kind.h"

struct dkd {
    double alpha, beta;
};
#define P(field) offsetof(struct dkd, field)
static const struct kd_option rows[] = {
    {NULL, 0, "alpha", KD_OPT_REAL, P(alpha), .preset = "1", .min = 0, .max = 1e6,
     .help = "weight of the label's class against all others"},
    {NULL, 0, "beta", KD_OPT_REAL, P(beta), .preset = "8", .min = 0, .max = 1e6,
     .help = "weight of the others among themselves"},
    {0},
};

static double one_row(const struct kd_loss_call *k, const struct kd_masked *m, size_t r)
{
    const struct dkd *p = k->params;
    size_t at = r * k->classes, y = at + (size_t)k->labels[r];
    double T = k->temperature, weight = k->weight[r] * T, slope, among = 0;
    double target = kd_binary_kl((double)k->teacher[y] / T - m->lse_t[r],
                                 (double)k->student[y] / T - m->lse_s[r], &slope);
    for (size_t i = at; i < at + k->classes; i++) { /* q is 0 at y */
        among += m->t.q[i] * (m->t.log_q[i] - m->s.log_q[i]);
        k->gradient[i] +=
            weight * (p->beta * (m->s.q[i] - m->t.q[i]) - p->alpha * slope * m->s.q[i]);
    }
    k->gradient[y] += weight * p->alpha * slope;
    return T * T * (p->alpha * target + p->beta * among);
}

static void run(const struct kd_loss_call *k)
{
    struct kd_masked m;
    kd_masked_lay(&m, k, k->scratch);
    for (size_t r = 0; r < k->n; r++)
        if (k->labels[r] >= 0) m.skip[r * k->classes + (size_t)k->labels[r]] = 1;
    kd_masked_run(&m, k, k->temperature);
    for (size_t r = 0; r < k->n; r++) k->value[r] = k->labels[r] < 0 ? 0 : one_row(k, &m, r);
}

const struct kd_loss_kind kd_loss_dkd = {
    .name = "dkd",
    .paper = "Zhao et al. 2022, \"Decoupled Knowledge Distillation\"",
    .about = "the label's class against the others, and the others among themselves, apart",
    .usual = {.temperature = 4,
              .weight = 1,
              .label_weight = 1,
              .ramp = 20,
              .needs = KD_LOSS_NEEDS_LABELS},
    .rows = rows,
    .size = sizeof(struct dkd),
    .scratch = kd_masked_scratch,
    .run = run,
};
