/* Refined logits: what the teacher knows, without what it has wrong. Its certainty in its first
 * choice becomes the student's in the label; and among the classes that it ranks below the label it
 * is followed as it is:
 *
 *     alpha T_a^2 KL((p_t,max, rest) || (p_s,y, rest)) at T_a
 *     + beta T^2 KL(q_t || q_s) over the classes with z_t < z_t,y (0 where there are none). */
#include "kd/nn/metrics.h"
#include "kind.h"

struct rld {
    double alpha, beta, alpha_temperature;
};
#define P(field) offsetof(struct rld, field)
static const struct kd_option rows[] = {
    {NULL, 0, "alpha", KD_OPT_REAL, P(alpha), .preset = "1", .min = 0, .max = 1e6,
     .help = "weight of the certainty"},
    {NULL, 0, "beta", KD_OPT_REAL, P(beta), .preset = "8", .min = 0, .max = 1e6,
     .help = "weight of the classes below the label's"},
    {NULL, 0, "alpha_temperature", KD_OPT_REAL, P(alpha_temperature), .preset = "1", .min = 0.01,
     .max = 1e4, .help = "temperature of the certainty"},
    {0},
};

static void add_certainty(const struct kd_loss_call *k, const struct kd_masked *m)
{
    const struct rld *p = k->params;
    double T = p->alpha_temperature, slope;
    for (size_t r = 0; r < k->n; r++) {
        size_t at = r * k->classes;
        if (k->labels[r] < 0) continue;
        size_t y = at + (size_t)k->labels[r], top = at + kd_argmax(k->teacher + at, k->classes);
        double kl = kd_binary_kl((double)k->teacher[top] / T - m->lse_t[r],
                                 (double)k->student[y] / T - m->lse_s[r], &slope);
        double step = k->weight[r] * p->alpha * T * slope;
        k->value[r] += p->alpha * T * T * kl;
        for (size_t i = at; i < at + k->classes; i++) k->gradient[i] -= step * m->s.q[i];
        k->gradient[y] += step;
    }
}

static void certainty(const struct kd_loss_call *k, struct kd_masked *m)
{
    const struct rld *p = k->params;
    size_t n = k->n, classes = k->classes;
    for (size_t r = 0; r < n; r++)
        m->skip[r * classes + kd_argmax(k->teacher + r * classes, classes)] = 1;
    kd_masked_teacher(m, k, p->alpha_temperature);
    kd_masked_lay(m, k, k->scratch);
    for (size_t r = 0; r < n; r++)
        if (k->labels[r] >= 0) m->skip[r * classes + (size_t)k->labels[r]] = 1;
    kd_masked_student(m, k, p->alpha_temperature);
    add_certainty(k, m);
}

static void below_the_label(const struct kd_loss_call *k, struct kd_masked *m)
{
    const struct rld *p = k->params;
    double T = k->temperature;
    for (size_t r = 0; r < k->n; r++) {
        size_t at = r * k->classes;
        for (size_t c = 0; k->labels[r] >= 0 && c < k->classes; c++)
            m->skip[at + c] = k->teacher[at + c] >= k->teacher[at + (size_t)k->labels[r]];
    }
    kd_masked_run(m, k, T);
    for (size_t r = 0; r < k->n; r++) {
        double kl = 0, weight = k->weight[r] * p->beta * T;
        for (size_t i = r * k->classes; k->labels[r] >= 0 && i < (r + 1) * k->classes; i++) {
            kl += m->t.q[i] * (m->t.log_q[i] - m->s.log_q[i]);
            k->gradient[i] += weight * (m->s.q[i] - m->t.q[i]);
        }
        k->value[r] += p->beta * T * T * kl;
    }
}

static void run(const struct kd_loss_call *k)
{
    struct kd_masked m;
    for (size_t r = 0; r < k->n; r++) k->value[r] = 0;
    kd_masked_lay(&m, k, k->scratch);
    certainty(k, &m);
    kd_masked_lay(&m, k, k->scratch);
    below_the_label(k, &m);
}

const struct kd_loss_kind kd_loss_rld = {
    .name = "rld",
    .paper = "Sun et al. 2025, \"Knowledge Distillation with Refined Logits\"",
    .about = "the teacher's certainty for the label, and its order of the classes below it",
    .usual = {.temperature = 4,
              .weight = 1,
              .label_weight = 1,
              .ramp = 20,
              .needs = KD_LOSS_NEEDS_LABELS},
    .rows = rows,
    .size = sizeof(struct rld),
    .scratch = kd_masked_scratch,
    .run = run,
};
