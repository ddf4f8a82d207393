#include "kd/train/bias.h"
#include "kd/base/mem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int check(struct kd_bias_case on, struct kd_err *err)
{
    size_t many = 0;
    for (size_t k = 0; k < on.classes; k++) many += on.unseen[k];
    if (!on.n) return kd_fail(err, "no image to find a bias by");
    if (many > 0 && many < on.classes) return 0;
    return kd_fail_usage(
        err, many ? "all classes are unseen; a bias is found against those that were seen"
                  : "no class is unseen; there is nothing to correct");
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The largest logit among classes that were seen (or not). */
static size_t top(const float *z, size_t classes, const bool *unseen, bool which)
{
    size_t best = classes;
    for (size_t k = 0; k < classes; k++)
        if (unseen[k] == which && (best == classes || z[k] > z[best])) best = k;
    return best;
}

/* ---- transfer images ---- */

/* An image flips where the bias is above its margin: the `allowed` smallest do, and the next one
 * must not, also after bias and logits have been rounded to float. Images that cannot be told apart
 * by that stay together. */
static double bias_between(const double *margin, size_t allowed, double largest)
{
    double rounding = 1e-6 * fmax(1, fmax(largest, fabs(margin[allowed])));
    size_t below = allowed;
    while (below > 0 && margin[allowed] - margin[below - 1] <= 2 * rounding) below--;
    if (below < allowed) return margin[below] - rounding;
    return margin[allowed] - rounding;
}

int kd_bias_by_transfer(struct kd_bias_case on, double flips, double *bias, struct kd_err *err)
{
    const float *logits = on.logits;
    const bool *unseen = on.unseen;
    size_t n = on.n, classes = on.classes;
    if (check(on, err) < 0) return -1;
    size_t allowed = (size_t)floor(flips * (double)n);
    if (allowed < 1) allowed = 1;
    if (allowed >= n)
        return kd_fail_usage(err, "correct.flips: %g of %zu images may flip, which is all of them",
                             flips, n);
    double *margin = kd_alloc(n, sizeof *margin, "margins", err), largest = 0;
    if (!margin) return -1;
    for (size_t i = 0; i < n * classes; i++) largest = fmax(largest, fabs((double)logits[i]));
    for (size_t k = 0; k < classes; k++) {
        bias[k] = 0;
        if (!unseen[k]) continue;
        for (size_t i = 0; i < n; i++) {
            const float *z = logits + i * classes;
            margin[i] = (double)z[top(z, classes, unseen, false)] - (double)z[k];
        }
        qsort(margin, n, sizeof *margin, ascending);
        bias[k] =
            fmax(0, bias_between(margin, allowed, largest)); /* what is there is not made rarer */
    }
    kd_free(margin);
    return 0;
}

/* ---- balanced images ---- */

struct balance { /* the function to minimize, at a point */
    const float *logits;
    size_t n, classes, m; /* m unseen classes */
    const size_t *which;  /* [m] */
    double *p;            /* [classes] softmax of a row */
    double value;
    double *mass, *hessian; /* [m] mean softmax, [m][m] */
};

static void balance_at(struct balance *f, const double *bias)
{
    size_t m = f->m, c = f->classes;
    f->value = 0;
    memset(f->mass, 0, m * sizeof *f->mass);
    memset(f->hessian, 0, m * m * sizeof *f->hessian);
    for (size_t i = 0; i < f->n; i++) {
        const float *z = f->logits + i * c;
        double most = -HUGE_VAL, sum = 0;
        for (size_t k = 0; k < c; k++) most = fmax(most, (double)z[k] + bias[k]);
        for (size_t k = 0; k < c; k++) sum += f->p[k] = exp((double)z[k] + bias[k] - most);
        /* cppcheck-suppress invalidFunctionArg ; the largest term of the sum is 1 */
        f->value += most + log(sum);
        for (size_t a = 0; a < m; a++) {
            double pa = f->p[f->which[a]] / sum;
            f->mass[a] += pa;
            f->hessian[a * m + a] += pa;
            for (size_t b = 0; b <= a; b++) f->hessian[a * m + b] -= pa * f->p[f->which[b]] / sum;
        }
    }
    double n = (double)f->n;
    f->value /= n;
    for (size_t a = 0; a < m; a++) {
        f->mass[a] /= n;
        f->value -= bias[f->which[a]] / (double)c;
    }
    for (size_t a = 0; a < m * m; a++) f->hessian[a] /= n;
}

/* Solves H x = g in place by Cholesky's decomposition of the lower half; a little is added to the
 * diagonal, which is next to nothing as long as the masses are. */
static void solve(double *h, double *x, size_t m)
{
    for (size_t a = 0; a < m; a++) {
        for (size_t b = 0; b <= a; b++) {
            double sum = h[a * m + b] + (a == b ? 1e-9 : 0);
            for (size_t k = 0; k < b; k++) sum -= h[a * m + k] * h[b * m + k];
            h[a * m + b] = a == b ? sqrt(fmax(sum, 1e-12)) : sum / h[b * m + b];
        }
        for (size_t k = 0; k < a; k++) x[a] -= h[a * m + k] * x[k];
        x[a] /= h[a * m + a];
    }
    for (size_t a = m; a-- > 0;) {
        for (size_t k = a + 1; k < m; k++) x[a] -= h[k * m + a] * x[k];
        x[a] /= h[a * m + a];
    }
}

/* One step of at most 2 in each bias, halved until the function falls. False where it cannot fall
 * any more. */
static bool balance_step(struct balance *f, double *bias, double *next, double *step)
{
    double largest = 0, before = f->value, worst = 0, share = 1.0 / (double)f->classes;
    for (size_t a = 0; a < f->m; a++) {
        step[a] = share - f->mass[a];
        worst = fmax(worst, fabs(step[a]));
    }
    if (worst < 1e-9) return false;
    solve(f->hessian, step, f->m);
    for (size_t a = 0; a < f->m; a++) largest = fmax(largest, fabs(step[a]));
    double scale = largest > 2 ? 2 / largest : 1;
    for (int halvings = 0; halvings < 40; halvings++) {
        memcpy(next, bias, f->classes * sizeof *next);
        for (size_t a = 0; a < f->m; a++) next[f->which[a]] += scale * step[a];
        balance_at(f, next);
        if (f->value < before) {
            memcpy(bias, next, f->classes * sizeof *next);
            return true;
        }
        scale /= 2;
    }
    balance_at(f, bias);
    return false;
}

int kd_bias_by_balance(struct kd_bias_case on, double *bias, struct kd_err *err)
{
    const float *logits = on.logits;
    const bool *unseen = on.unseen;
    size_t n = on.n, classes = on.classes;
    if (check(on, err) < 0) return -1;
    size_t *which = kd_alloc(classes, sizeof *which, "classes", err), m = 0;
    double *room = kd_alloc(classes * (4 + classes), sizeof *room, "biases", err);
    int status = which && room ? 0 : -1;
    for (size_t k = 0; status == 0 && k < classes; k++) {
        bias[k] = 0;
        if (unseen[k]) which[m++] = k;
    }
    if (status == 0) {
        struct balance f = {.logits = logits,
                            .n = n,
                            .classes = classes,
                            .m = m,
                            .which = which,
                            .p = room,
                            .mass = room + classes,
                            .hessian = room + 4 * classes};
        double worst = 0;
        balance_at(&f, bias);
        for (int i = 0; i < 200 && balance_step(&f, bias, room + 2 * classes, room + 3 * classes);
             i++)
            continue;
        for (size_t a = 0; a < m; a++) worst = fmax(worst, fabs(f.mass[a] - 1.0 / (double)classes));
        if (!(worst < 1e-4))
            status = kd_fail(
                err, "no bias gives each unseen class its share of %zu images: one is off by %g", n,
                worst);
    }
    kd_free(which);
    kd_free(room);
    return status;
}

/* ---- labelled images ---- */

struct turn { /* at a bias above `at` an image is taken for an unseen class */
    double at;
    int gain; /* errors more */
};

static int by_place(const void *a, const void *b)
{
    return ascending(&((const struct turn *)a)->at, &((const struct turn *)b)->at);
}

/* Of the ranges between two turns that have the fewest errors the widest; the ranges before the
 * first turn and behind the last, which have no width, where they have fewer. */
static double best_range(const struct turn *turns, size_t n)
{
    long errors = 0, fewest = 0;
    double best = turns[0].at - 1, width = 0;
    for (size_t i = 0; i < n; i++) {
        double wide = i + 1 < n ? turns[i + 1].at - turns[i].at : 0;
        errors += turns[i].gain;
        if ((wide <= 0 && i + 1 < n) || errors > fewest || (errors == fewest && wide <= width))
            continue;
        fewest = errors;
        width = wide;
        best = turns[i].at + (i + 1 < n ? wide / 2 : 1);
    }
    return best;
}

int kd_bias_by_labels(struct kd_bias_case on, const int32_t *labels, double *bias,
                      struct kd_err *err)
{
    const float *logits = on.logits;
    const bool *unseen = on.unseen;
    size_t n = on.n, classes = on.classes;
    if (check(on, err) < 0) return -1;
    struct turn *turns = kd_alloc(n, sizeof *turns, "margins", err);
    size_t many = 0;
    if (!turns) return -1;
    for (size_t i = 0; i < n; i++) {
        const float *z = logits + i * classes;
        size_t seen = top(z, classes, unseen, false), other = top(z, classes, unseen, true);
        if (labels[i] < 0) continue;
        turns[many++] = (struct turn){(double)z[seen] - (double)z[other],
                                      ((size_t)labels[i] == seen) - ((size_t)labels[i] == other)};
    }
    qsort(turns, many, sizeof *turns, by_place);
    double found = many ? best_range(turns, many) : 0;
    for (size_t k = 0; k < classes; k++) bias[k] = unseen[k] ? found : 0;
    kd_free(turns);
    return many ? 0 : kd_fail(err, "no labelled image to tune a bias on");
}
