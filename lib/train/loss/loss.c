#include "kd/train/loss.h"
#include "kd/nn/metrics.h"
#include "kind.h"

#include <math.h>
#include <string.h>

static size_t terms_scratch(const struct kd_loss *loss, size_t n, size_t classes)
{
    size_t most = 0;
    for (unsigned i = 0; i < loss->n; i++) {
        const struct kd_loss_kind *kind = loss->term[i].kind;
        size_t own = kind->scratch ? kind->scratch(n, classes) : 0;
        if (kind->features && kind->features->scratch)
            own = kind->features->scratch(n, loss->term[i].pixels);
        if (own > most) most = own;
    }
    return most;
}

/* The student's softmax at T = 1 and the gradient, both [n][classes]; CE twice, the terms' weights
 * and their values, [n] each; then what a term wants, or the teacher's softmax for its confidence.
 */
size_t kd_loss_scratch(const struct kd_loss *loss, size_t n, size_t classes)
{
    size_t own = terms_scratch(loss, n, classes), sure = loss->confidence ? 2 * n * classes : 0;
    return 3 * n * classes + (2 + 2 * loss->n) * n + (own > sure ? own : sure);
}

static double hard_term(const double *log_p, const double *p, size_t classes, int32_t label,
                        double smoothing, double weight, double *gradient)
{
    double loss = -(1 - smoothing) * log_p[label], spread = smoothing / (double)classes;
    for (size_t c = 0; c < classes && spread > 0; c++) loss -= spread * log_p[c];
    for (size_t c = 0; c < classes; c++) gradient[c] += weight * (p[c] - spread);
    gradient[label] -= weight * (1 - smoothing);
    return loss;
}

static double ramped(const struct kd_loss_term *term, double epoch)
{
    return epoch < term->ramp ? term->weight * (epoch / term->ramp) : term->weight;
}

/* Each row of each term, [terms][n]: the same for all rows, or by how sure the teacher is of them.
 */
static void weigh(const struct kd_loss *loss, const struct kd_loss_batch *b, double *weights,
                  double *scratch)
{
    size_t n = b->n, classes = b->classes;
    for (unsigned i = 0; i < loss->n; i++)
        for (size_t r = 0; r < n; r++) weights[i * n + r] = ramped(&loss->term[i], b->epoch);
    if (loss->confidence == KD_CONFIDENCE_NONE) return;
    struct kd_softmax t = {scratch, scratch + n * classes};
    kd_softmax_rows(t, b->teacher, n, classes, 1);
    for (size_t r = 0; r < n; r++) {
        bool label = loss->confidence == KD_CONFIDENCE_LABEL, passed = label && b->labels[r] < 0;
        size_t of = label ? (size_t)(passed ? 0 : b->labels[r])
                          : kd_argmax(b->teacher + r * classes, classes);
        double sure = passed ? 0 : t.q[r * classes + of];
        for (unsigned i = 0; i < loss->n; i++) weights[i * n + r] *= sure;
    }
}

/* Each term adds to the gradient and leaves its values, [terms][n]. */
static void run_terms(const struct kd_loss *loss, const struct kd_loss_batch *b,
                      struct kd_loss_call *call, const double *weights, double *values)
{
    for (unsigned i = 0; i < loss->n; i++) {
        const struct kd_loss_term *term = &loss->term[i];
        call->params = term->params;
        call->temperature = term->temperature;
        call->weight = weights + i * call->n;
        call->value = values + i * call->n;
        call->pairs = b->pairs ? b->pairs + term->first_pair : NULL;
        call->n_pairs = term->n_pairs;
        term->kind->run(call);
    }
}

/* Of the CE of a row that has a label. */
static double hard_weight(const struct kd_loss *loss, unsigned terms, int32_t label)
{
    double weight = terms ? loss->label_weight : 1;
    return loss->class_weight ? weight * loss->class_weight[label] : weight;
}

/* The CE of one row with its gradient: of its label, and where the image is mixed of the other's
 * too. The value with the labels' weights goes to *weighted. */
static double hard_row(const struct kd_loss *loss, const struct kd_loss_batch *b, size_t r,
                       struct kd_softmax plain, double *gradient, double *weighted)
{
    const unsigned terms = b->teacher ? loss->n : 0;
    const size_t at = r * b->classes;
    const double share = b->others ? (double)b->shares[r] : 1;
    const int32_t labels[2] = {b->labels[r], b->others ? b->others[r] : -1};
    double sum = 0;
    *weighted = 0;
    for (unsigned i = 0; i < 2; i++) {
        const double part = i ? 1 - share : share;
        if (labels[i] < 0 || part <= 0) continue;
        const double weight = part * hard_weight(loss, terms, labels[i]);
        const double value = hard_term(plain.log_q + at, plain.q + at, b->classes, labels[i],
                                       loss->smoothing, weight, gradient + at);
        sum += part * value;
        *weighted += weight * value;
    }
    return sum;
}

/* The label of the larger share; -1: it is not known. */
static int32_t label_of(const struct kd_loss_batch *b, size_t r)
{
    return b->others && b->shares[r] < 0.5f ? b->others[r] : b->labels[r];
}

/* hard: [n] values, [n] weighted ones. */
static void add_sums(const struct kd_loss_batch *b, unsigned terms, const double *hard,
                     const double *weights, struct kd_loss_sums *sums)
{
    const double *values = weights + terms * b->n;
    for (size_t r = 0; r < b->n; r++) {
        double row = 0;
        for (unsigned i = 0; i < terms; i++) {
            double value = values[i * b->n + r];
            sums->term[i] += value;
            row += weights[i * b->n + r] * value;
        }
        const int32_t label = label_of(b, r);
        sums->hard += hard[r];
        sums->loss += row + hard[b->n + r];
        if (label < 0) continue;
        sums->labelled++;
        sums->correct += kd_argmax(b->logits + r * b->classes, b->classes) == (size_t)label;
    }
    sums->rows += b->n;
}

void kd_loss_run(const struct kd_loss *loss, const struct kd_loss_batch *b, float *dlogits,
                 double *scratch, struct kd_loss_sums *sums)
{
    size_t n = b->n, classes = b->classes, size = n * classes;
    unsigned terms = b->teacher ? loss->n : 0;
    struct kd_softmax plain = {scratch, scratch + size};
    double *gradient = scratch + 2 * size, *hard = gradient + size, *weights = hard + 2 * n;
    kd_softmax_rows(plain, b->logits, n, classes, 1);
    memset(gradient, 0, size * sizeof *gradient);
    for (size_t r = 0; r < n; r++) hard[r] = hard_row(loss, b, r, plain, gradient, &hard[n + r]);
    const double divisor = (double)(b->whole ? b->whole : n);
    if (terms) {
        double *values = weights + terms * n;
        struct kd_loss_call call = {.n = n,
                                    .classes = classes,
                                    .student = b->logits,
                                    .teacher = b->teacher,
                                    .probabilities = b->teacher_is_probabilities,
                                    .labels = b->labels,
                                    .plain = plain,
                                    .gradient = gradient,
                                    .share = 1 / divisor,
                                    .scratch = values + terms * n};
        weigh(loss, b, weights, call.scratch);
        run_terms(loss, b, &call, weights, values);
    }
    add_sums(b, terms, hard, weights, sums);
    for (size_t i = 0; dlogits && i < size; i++) dlogits[i] = (float)(gradient[i] / divisor);
}

void kd_loss_sums_add(struct kd_loss_sums *to, const struct kd_loss_sums *more)
{
    to->loss += more->loss;
    to->hard += more->hard;
    for (unsigned i = 0; i < KD_LOSS_TERMS; i++) to->term[i] += more->term[i];
    to->correct += more->correct;
    to->labelled += more->labelled;
    to->rows += more->rows;
}
