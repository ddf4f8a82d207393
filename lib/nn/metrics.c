#include "kd/nn/metrics.h"
#include "kd/nn/softmax.h"

#include <math.h>
#include <string.h>

enum { BINS = KD_ECE_BINS };

struct row {
    size_t best, rank; /* argmax; how many classes stand before the label */
    double loss, confidence;
};

size_t kd_argmax(const float *z, size_t n)
{
    size_t best = 0;
    for (size_t i = 1; i < n; i++)
        if (z[i] > z[best]) best = i;
    return best;
}

/* Ties go to the lower class, as argmax has it. */
static struct row look_at(const float *z, size_t classes, int32_t label)
{
    struct row r = {.best = kd_argmax(z, classes)};
    double most, sum = kd_softmax_sum(z, classes, 1, &most);
    r.confidence = 1 / sum;
    /* cppcheck-suppress invalidFunctionArg ; there are classes, and the largest adds 1 */
    r.loss = log(sum) + most - (double)z[label];
    for (size_t c = 0; c < classes; c++)
        r.rank += z[c] > z[label] || (c < (size_t)label && z[c] == z[label]);
    return r;
}

void kd_metrics_of(const float *logits, const int32_t *labels, size_t n, size_t classes,
                   struct kd_metrics *out, uint32_t *confusion)
{
    double loss = 0, confidence[BINS] = {0};
    uint64_t right[BINS] = {0}, count[BINS] = {0}, top1 = 0, top5 = 0, seen = 0;
    if (confusion) memset(confusion, 0, classes * classes * sizeof *confusion);
    for (size_t i = 0; i < n; i++) {
        if (labels[i] < 0) continue;
        struct row r = look_at(logits + i * classes, classes, labels[i]);
        double place = ceil(r.confidence * BINS) - 1; /* bins are (a, b] */
        size_t bin = place >= 0 && place < BINS ? (size_t)place : BINS - 1;
        confidence[bin] += r.confidence;
        right[bin] += r.rank == 0;
        count[bin]++;
        top1 += r.rank == 0;
        top5 += r.rank < 5;
        loss += r.loss;
        seen++;
        if (confusion) confusion[(size_t)labels[i] * classes + r.best]++;
    }
    *out = (struct kd_metrics){.n = seen, .errors = seen - top1};
    if (!seen) return;
    double all = (double)seen;
    out->top1 = (double)top1 / all;
    out->top5 = (double)top5 / all;
    out->loss = loss / all;
    for (int b = 0; b < BINS; b++) {
        out->ece += fabs((double)right[b] - confidence[b]) / all;
        if (!count[b]) continue;
        out->bins[b] = (struct kd_bin){count[b], confidence[b] / (double)count[b],
                                       (double)right[b] / (double)count[b]};
    }
}

double kd_agreement(const float *a, const float *b, size_t n, size_t classes)
{
    size_t same = 0;
    for (size_t i = 0; i < n; i++)
        same += kd_argmax(a + i * classes, classes) == kd_argmax(b + i * classes, classes);
    return n ? (double)same / (double)n : 0;
}
