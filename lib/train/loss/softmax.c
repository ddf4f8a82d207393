#include "kd/nn/kernels.h"
#include "kind.h"

#include <math.h>
#include <string.h>

void kd_softmax_finish(struct kd_softmax s, size_t n, size_t classes)
{
    kd_kernels()->softmax_double(s.log_q, s.q, n, classes);
}

void kd_softmax_rows(struct kd_softmax s, const float *z, size_t n, size_t classes,
                     double temperature)
{
    for (size_t i = 0; i < n * classes; i++) s.log_q[i] = (double)z[i] / temperature;
    kd_softmax_finish(s, n, classes);
}

void kd_softmax_given(struct kd_softmax s, const float *p, size_t n, size_t classes)
{
    for (size_t i = 0; i < n * classes; i++) {
        s.q[i] = (double)p[i];
        s.log_q[i] = p[i] > 0 ? log((double)p[i]) : 0;
    }
}

static void side(const struct kd_loss_call *call, const unsigned char *skip, bool teacher,
                 struct kd_softmax s, double *lse, double temperature)
{
    const float *z = teacher ? call->teacher : call->student;
    size_t n = call->n, classes = call->classes;
    for (size_t r = 0; r < n; r++) {
        double *u = s.log_q + r * classes, most = -HUGE_VAL;
        for (size_t c = 0; c < classes; c++) {
            size_t i = r * classes + c;
            u[c] = skip[i] ? -HUGE_VAL : (double)z[i] / temperature;
            if (u[c] > most) most = u[c];
        }
        lse[r] = most;
        for (size_t c = 0; c < classes; c++) u[c] = u[c] > -HUGE_VAL ? u[c] - most : u[c];
    }
    memcpy(s.q, s.log_q, n * classes * sizeof *s.q);
    kd_kernels()->exp_double(s.q, n * classes);
    for (size_t r = 0; r < n; r++) {
        double *u = s.log_q + r * classes, *q = s.q + r * classes, sum = 0;
        for (size_t c = 0; c < classes; c++) sum += q[c];
        double log_sum = sum > 0 ? log(sum) : 0, scale = sum > 0 ? 1 / sum : 0;
        lse[r] += log_sum;
        for (size_t c = 0; c < classes; c++) {
            u[c] = u[c] > -HUGE_VAL ? u[c] - log_sum : 0;
            q[c] *= scale;
        }
    }
}

static size_t mask_size(size_t size)
{
    return (size + sizeof(double) - 1) / sizeof(double);
}

size_t kd_masked_scratch(size_t n, size_t classes)
{
    return 4 * n * classes + 2 * n + mask_size(n * classes);
}

void kd_masked_lay(struct kd_masked *m, const struct kd_loss_call *call, double *scratch)
{
    size_t n = call->n, size = n * call->classes;
    m->s = (struct kd_softmax){scratch, scratch + size};
    m->t = (struct kd_softmax){scratch + 2 * size, scratch + 3 * size};
    m->lse_s = scratch + 4 * size;
    m->lse_t = m->lse_s + n;
    m->skip = (unsigned char *)(m->lse_t + n);
    memset(m->skip, 0, size);
}

void kd_masked_student(const struct kd_masked *m, const struct kd_loss_call *call,
                       double temperature)
{
    side(call, m->skip, false, m->s, m->lse_s, temperature);
}

void kd_masked_teacher(const struct kd_masked *m, const struct kd_loss_call *call,
                       double temperature)
{
    side(call, m->skip, true, m->t, m->lse_t, temperature);
}

void kd_masked_run(const struct kd_masked *m, const struct kd_loss_call *call, double temperature)
{
    kd_masked_student(m, call, temperature);
    kd_masked_teacher(m, call, temperature);
}

static double softplus(double x)
{
    return fmax(x, 0) + log1p(exp(-fabs(x)));
}

/* p and 1 - p, each to its last bit. */
static void both_ways(double d, double *p, double *rest)
{
    double e = exp(-fabs(d)), large = 1 / (1 + e), small = e / (1 + e);
    *p = d > 0 ? large : small;
    *rest = d > 0 ? small : large;
}

double kd_binary_kl(double d_t, double d_s, double *slope)
{
    double p_t, p_s, rest_t, rest_s;
    *slope = 0;
    if (!isfinite(d_t) || !isfinite(d_s)) return 0; /* there is but one class */
    both_ways(d_t, &p_t, &rest_t);
    both_ways(d_s, &p_s, &rest_s);
    *slope = d_t > 0 && d_s > 0 ? rest_t - rest_s : p_s - p_t;
    return p_t * (softplus(-d_s) - softplus(-d_t)) + rest_t * (softplus(d_s) - softplus(d_t));
}
