#include "kd/nn/reject.h"
#include "kd/base/mem.h"
#include "kd/nn/metrics.h"
#include "kd/nn/softmax.h"

#include <math.h>
#include <stdlib.h>

struct answer {
    double sure;
    bool right;
};

/* The surest first. */
static int compare(const void *a, const void *b)
{
    const struct answer *x = a, *y = b;
    return (x->sure < y->sure) - (x->sure > y->sure);
}

static size_t ask(const struct kd_answers_of *of, struct answer *out)
{
    size_t labelled = 0;
    for (size_t i = 0; i < of->n; i++) {
        const float *z = of->logits + i * of->classes;
        double most;
        if (of->labels[i] < 0) continue;
        out[labelled++] = (struct answer){1 / kd_softmax_sum(z, of->classes, 1, &most),
                                          kd_argmax(z, of->classes) == (size_t)of->labels[i]};
    }
    return labelled;
}

static void walk(const struct answer *a, size_t n, double wanted, struct kd_reject *out)
{
    size_t right = 0, step = 0;
    for (size_t i = 0; i < n; i++) {
        right += a[i].right;
        if (i + 1 < n && !(a[i + 1].sure < a[i].sure)) continue; /* as sure as the next */
        const double answered = (double)(i + 1);
        const struct kd_answered here = {a[i].sure, answered / (double)n, (double)right / answered};
        if (here.top1 >= wanted) out->chosen = here;
        while (step < KD_REJECT_STEPS && (i + 1) * KD_REJECT_STEPS >= (step + 1) * n)
            out->curve[step++] = here;
    }
}

int kd_reject_of(const struct kd_answers_of *of, double wanted, struct kd_reject *out,
                 struct kd_err *err)
{
    const struct kd_answered none = {NAN, NAN, NAN};
    struct answer *a = kd_alloc(of->n, sizeof *a, "answers", err);
    if (!a) return -1;
    const size_t n = ask(of, a);
    *out = (struct kd_reject){.chosen = {NAN, n ? 0 : NAN, NAN}, .n = n};
    for (unsigned i = 0; i < KD_REJECT_STEPS; i++) out->curve[i] = none;
    if (n) qsort(a, n, sizeof *a, compare);
    walk(a, n, wanted, out);
    kd_free(a);
    return 0;
}
