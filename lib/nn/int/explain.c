/* What each layer's integers cost. */
#include "quantize.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

double kd_snr(const float *a, const float *b, size_t n)
{
    double power = 0, noise = 0;
    for (size_t i = 0; i < n; i++) {
        double d = (double)a[i] - (double)b[i];
        power += (double)a[i] * (double)a[i];
        noise += d * d;
    }
    return noise > 0 ? 10 * log10(power / noise) : INFINITY;
}

static size_t largest(const float *z, size_t n)
{
    size_t best = 0;
    for (size_t i = 1; i < n; i++)
        if (z[i] > z[best]) best = i;
    return best;
}

struct kd_scores kd_score(const float *logits, const float *reference, const int32_t *labels,
                          size_t n, size_t classes)
{
    size_t agree = 0, right = 0, labelled = 0;
    for (size_t i = 0; i < n; i++) {
        size_t c = largest(logits + i * classes, classes);
        agree += c == largest(reference + i * classes, classes);
        if (!labels || labels[i] < 0) continue;
        labelled++;
        right += c == (size_t)labels[i];
    }
    return (struct kd_scores){labelled ? (double)right / (double)labelled : NAN,
                              n ? (double)agree / (double)n : NAN};
}

/* With the sim's flags as they are, over the first `n` images. */
static int score_sim(struct kd_quantizing *q, size_t n, struct kd_scores *out, struct kd_err *err)
{
    const struct kd_calibration *c = q->calibration;
    size_t classes = q->graph->classes, size = kd_shape_size(q->graph->input);
    float *logits = kd_alloc(n * classes, sizeof *logits, "logits", err);
    if (!logits) return -1;
    int status = 0;
    for (size_t from = 0; from < n && status == 0; from += q->sim.batch) {
        size_t rows = n - from < q->sim.batch ? n - from : q->sim.batch;
        status = kd_progress_go_on(c->progress, err);
        kd_sim_input(&q->sim, c->in + from * size, rows);
        kd_sim_run(&q->sim, 0, rows);
        memcpy(logits + from * classes, kd_sim_logits(&q->sim), rows * classes * sizeof *logits);
    }
    *out = kd_score(logits, q->logits, c->labels, n, classes);
    kd_free(logits);
    return status;
}

static void set_all(struct kd_quantizing *q, bool yes)
{
    q->sim.input_quantised = yes;
    for (unsigned i = 0; i < q->graph->n_ops; i++) q->sim.quantised[i] = yes;
}

/* Images for which looking at each layer takes some seconds at most. */
static size_t images_for(const struct kd_quantizing *q)
{
    double macs = 1;
    for (unsigned i = 0; i < q->graph->n_ops; i++) macs += (double)kd_op_macs(&q->graph->ops[i]);
    double n = 2e11 / (macs * q->graph->n_ops);
    size_t all = q->calibration->n;
    return n < 64 ? (all < 64 ? all : 64) : n < (double)all ? (size_t)n : all;
}

static double weight_snr(const struct kd_op *op, const struct kd_int_op *o, float *scratch)
{
    size_t depth = kd_op_depth(op);
    for (size_t k = 0; k < op->to.c * depth; k++)
        scratch[k] = (float)o->weight[k] * o->weight_scale[k / depth];
    return kd_snr(op->weight, scratch, op->to.c * depth);
}

static int explain_layer(struct kd_quantizing *q, unsigned i, size_t n, struct kd_quantize_layer *l,
                         struct kd_err *err)
{
    const struct kd_op *op = &q->graph->ops[i];
    struct kd_scores s;
    size_t size = q->first * kd_shape_size(op->to);
    *l = (struct kd_quantize_layer){.kind = op->kind,
                                    .out = q->ints->tensors[op->out],
                                    .weight_snr = NAN,
                                    .accuracy_without = NAN,
                                    .agreement_without = NAN};
    snprintf(l->name, sizeof l->name, "%s", op->name);
    if (op->kind == KD_OP_CONV) l->weight_snr = weight_snr(op, &q->ints->ops[i], q->sim.weight);
    l->snr = kd_snr(q->reference.tensor[op->out], q->sim.tensor[op->out], size);
    set_all(q, false);
    q->sim.quantised[i] = true;
    if (score_sim(q, n, &s, err) < 0) return -1;
    l->accuracy_alone = s.accuracy;
    l->agreement_alone = s.agreement;
    set_all(q, true);
    if (q->options->explain) {
        q->sim.quantised[i] = false;
        if (score_sim(q, n, &s, err) < 0) return -1;
        l->accuracy_without = s.accuracy;
        l->agreement_without = s.agreement;
        q->sim.quantised[i] = true;
    }
    kd_sim_input(&q->sim, q->calibration->in, q->first); /* as it was, for the next layer's noise */
    kd_sim_run(&q->sim, 0, q->first);
    return 0;
}

int kd_explain(struct kd_quantizing *q, struct kd_quantize_report *report, struct kd_err *err)
{
    const struct kd_graph *g = q->graph;
    size_t n = images_for(q);
    report->layers = kd_alloc(g->n_ops, sizeof *report->layers, "a report", err);
    if (!report->layers) return -1;
    set_all(q, true);
    kd_sim_input(&q->reference, q->calibration->in, q->first);
    kd_sim_run(&q->reference, 0, q->first);
    kd_sim_input(&q->sim, q->calibration->in, q->first);
    kd_sim_run(&q->sim, 0, q->first);
    for (unsigned i = 0; i < g->n_ops; i++) {
        const struct kd_op *op = &g->ops[i];
        if (op->kind == KD_OP_MAXPOOL || op->kind == KD_OP_REORDER) continue;
        kd_progress_tick(q->calibration->progress, i, g->n_ops, "layers", NULL);
        if (explain_layer(q, i, n, &report->layers[report->n++], err) < 0) return -1;
    }
    return 0;
}
