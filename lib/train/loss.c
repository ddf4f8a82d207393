#include "kd/train/loss.h"
#include "kd/nn/kernels.h"
#include "kd/nn/predict.h"

#include <math.h>
#include <string.h>

/* For z/T, [n][classes]: a row's log-sum-exp, its logits less that (log q), and q itself. */
struct softmax {
    double *log_q, *q;
};

static void softmax_rows(struct softmax s, const float *z, size_t n, size_t classes,
                         double temperature)
{
    for (size_t r = 0; r < n; r++) {
        const float *row = z + r * classes;
        double *u = s.log_q + r * classes, most = -HUGE_VAL;
        for (size_t c = 0; c < classes; c++) {
            u[c] = (double)row[c] / temperature;
            if (u[c] > most) most = u[c];
        }
        for (size_t c = 0; c < classes; c++) u[c] -= most;
    }
    memcpy(s.q, s.log_q, n * classes * sizeof *s.q);
    kd_kernels()->exp_double(s.q, n * classes);
    for (size_t r = 0; r < n; r++) {
        double *u = s.log_q + r * classes, *q = s.q + r * classes, sum = 0;
        for (size_t c = 0; c < classes; c++) sum += q[c];
        /* cppcheck-suppress invalidFunctionArg ; there are classes, and the largest adds 1 */
        double lse = log(sum), scale = 1 / sum;
        for (size_t c = 0; c < classes; c++) {
            u[c] -= lse;
            q[c] *= scale;
        }
    }
}

/* Probabilities that a file brought: log 0 counts for nothing, since 0 log 0 = 0. */
static void given_rows(struct softmax s, const float *p, size_t n, size_t classes)
{
    for (size_t i = 0; i < n * classes; i++) {
        s.q[i] = (double)p[i];
        s.log_q[i] = p[i] > 0 ? log((double)p[i]) : 0;
    }
}

static double hard_term(const double *log_p, const double *p, size_t classes, int32_t label,
                        double smoothing, double weight, double *gradient)
{
    double loss = -(1 - smoothing) * log_p[label], spread = smoothing / (double)classes;
    for (size_t c = 0; c < classes; c++) {
        loss -= spread * log_p[c];
        gradient[c] += weight * (p[c] - spread);
    }
    gradient[label] -= weight * (1 - smoothing);
    return loss;
}

static double soft_term(const double *log_t, const double *t, const double *log_s, const double *s,
                        size_t classes, double temperature, double weight, double *gradient)
{
    double kl = 0;
    for (size_t c = 0; c < classes; c++) {
        kl += t[c] * (log_t[c] - log_s[c]);
        gradient[c] += weight * temperature * (s[c] - t[c]);
    }
    return temperature * temperature * kl;
}

size_t kd_loss_scratch(size_t n, size_t classes)
{
    return 6 * n * classes + classes;
}

void kd_loss(const struct kd_loss_spec *spec, const struct kd_loss_batch *b, float *dlogits,
             double *scratch, struct kd_loss_sums *sums)
{
    size_t n = b->n, classes = b->classes, size = n * classes;
    struct softmax plain = {scratch, scratch + size},
                   student = {scratch + 2 * size, scratch + 3 * size};
    struct softmax teacher = {scratch + 4 * size, scratch + 5 * size};
    double *gradient = scratch + 6 * size, alpha = b->teacher ? spec->alpha : 0;
    softmax_rows(plain, b->logits, n, classes, 1);
    if (b->teacher) {
        softmax_rows(student, b->logits, n, classes, spec->temperature);
        if (b->teacher_is_probabilities)
            given_rows(teacher, b->teacher, n, classes);
        else
            softmax_rows(teacher, b->teacher, n, classes, spec->temperature);
    }
    for (size_t r = 0; r < n; r++) {
        size_t at = r * classes;
        double hard = 0, soft = 0;
        memset(gradient, 0, classes * sizeof *gradient);
        if (b->labels[r] >= 0) {
            hard = hard_term(plain.log_q + at, plain.q + at, classes, b->labels[r], spec->smoothing,
                             1 - alpha, gradient);
            sums->labelled++;
            sums->correct += kd_argmax(b->logits + at, classes) == (size_t)b->labels[r];
        }
        if (b->teacher)
            soft = soft_term(teacher.log_q + at, teacher.q + at, student.log_q + at, student.q + at,
                             classes, spec->temperature, alpha, gradient);
        sums->hard += hard;
        sums->soft += soft;
        sums->loss += alpha * soft + (1 - alpha) * hard;
        for (size_t c = 0; dlogits && c < classes; c++)
            dlogits[at + c] = (float)(gradient[c] / (double)n);
    }
    sums->rows += n;
}
