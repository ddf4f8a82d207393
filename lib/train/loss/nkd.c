/* Normalized distillation: the label's class by the teacher's certainty at T = 1, and the others as
 * distributions of their own,
 *
 *     - p_t,y log p_s,y - gamma T^2 sum over others of q_t log q_s
 *
 * with q the softmax over the classes other than y, at T. */
#include "kind.h"

#include <math.h>

struct nkd {
    double gamma;
};
static const struct kd_option rows[] = {
    {NULL, 0, "gamma", KD_OPT_REAL, offsetof(struct nkd, gamma), .preset = "1.5", .min = 0,
     .max = 1e6, .help = "weight of the others"},
    {0},
};

static size_t scratch(size_t n, size_t classes)
{
    return kd_masked_scratch(n, classes) + 2 * n * classes;
}

static double one_row(const struct kd_loss_call *k, const struct kd_masked *m, double certain,
                      size_t r)
{
    const struct nkd *p = k->params;
    size_t at = r * k->classes, y = at + (size_t)k->labels[r];
    double T = k->temperature, weight = k->weight[r], others = 0;
    for (size_t i = at; i < at + k->classes; i++) {
        others -= m->t.q[i] * m->s.log_q[i];
        k->gradient[i] +=
            weight * (certain * k->plain.q[i] + p->gamma * T * (m->s.q[i] - m->t.q[i]));
    }
    k->gradient[y] -= weight * certain;
    return p->gamma * T * T * others - certain * k->plain.log_q[y];
}

static void run(const struct kd_loss_call *k)
{
    struct kd_masked m;
    size_t size = k->n * k->classes;
    struct kd_softmax t = {k->scratch, k->scratch + size}; /* the teacher's at T = 1 */
    kd_softmax_rows(t, k->teacher, k->n, k->classes, 1);
    kd_masked_lay(&m, k, k->scratch + 2 * size);
    for (size_t r = 0; r < k->n; r++)
        if (k->labels[r] >= 0) m.skip[r * k->classes + (size_t)k->labels[r]] = 1;
    kd_masked_run(&m, k, k->temperature);
    for (size_t r = 0; r < k->n; r++) {
        bool known = k->labels[r] >= 0;
        k->value[r] = known ? one_row(k, &m, t.q[r * k->classes + (size_t)k->labels[r]], r) : 0;
    }
}

const struct kd_loss_kind kd_loss_nkd = {
    .name = "nkd",
    .paper = "Yang et al. 2023, \"From Knowledge Distillation to Self-Knowledge Distillation: A "
             "Unified Approach with Normalized Loss and Customized Soft Labels\"",
    .about = "the label's class by the teacher's certainty, the others normalized",
    .usual = {.temperature = 1, .weight = 1, .label_weight = 1, .needs = KD_LOSS_NEEDS_LABELS},
    .rows = rows,
    .size = sizeof(struct nkd),
    .scratch = scratch,
    .run = run,
};
