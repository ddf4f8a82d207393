/* Post-training quantisation: the order of its steps. */
#include "quantize.h"

#include <math.h>
#include <string.h>

enum { MOST_BATCH = 128 };
static const double memory_limit = 4e8; /* bytes of tensors that are kept at once */

/* ---- weights and biases ---- */

static float largest(const float *w, size_t n)
{
    float most = 0;
    for (size_t i = 0; i < n; i++) most = fabsf(w[i]) > most ? fabsf(w[i]) : most;
    return most;
}

/* A channel's bias must fit in 32 bits at its scale, with room for the sum. */
static float channel_scale(float most, float bias, float in)
{
    double scale = most > 0 ? (double)most / 127 : 1;
    double needed = fabs((double)bias) / ((double)in * (1 << 29));
    return (float)(scale > needed ? scale : needed);
}

float kd_weight_scale(const float *w, size_t n, float bias, float in)
{
    return channel_scale(largest(w, n), bias, in);
}

void kd_quantise_weights(const struct kd_op *op, struct kd_int_op *o, float in, bool per_tensor)
{
    size_t depth = kd_op_depth(op);
    float all = largest(op->weight, op->to.c * depth);
    for (size_t c = 0; c < op->to.c; c++) {
        const float *w = op->weight + c * depth;
        float scale = channel_scale(per_tensor ? all : largest(w, depth), op->bias[c], in);
        for (size_t k = 0; k < depth; k++) {
            double q = rint((double)w[k] / (double)scale);
            o->weight[c * depth + k] = (int8_t)(q < -127 ? -127 : q > 127 ? 127 : q);
        }
        o->weight_scale[c] = scale;
        o->bias[c] = (int32_t)rint((double)op->bias[c] / ((double)in * (double)scale));
    }
}

void kd_fill_pixels(struct kd_int_network *ints, const struct kd_normalize *n)
{
    const struct kd_int_tensor *t = &ints->tensors[0];
    kd_int_normalize(ints, n);
    for (size_t i = 0; i < (size_t)ints->graph.input.c * 256; i++) {
        double q = rint((double)ints->value[i] / (double)t->scale) + t->zero;
        ints->pixel[i] = (int8_t)(q < t->low ? t->low : q > t->high ? t->high : q);
    }
}

/* ---- one attempt ---- */

static void attempt_release(struct kd_quantizing *q)
{
    kd_sim_release(&q->sim);
    kd_sim_release(&q->reference);
    kd_free(q->range);
    kd_free(q->logits);
    q->range = NULL;
    q->logits = NULL;
}

static size_t batch_for(const struct kd_graph *g, size_t n)
{
    double bytes = 1;
    for (unsigned t = 0; t < g->n_tensors; t++)
        bytes += 2 * sizeof(float) * (double)kd_shape_size(g->tensors[t].shape);
    double batch = memory_limit / bytes;
    size_t b = batch < 1 ? 1 : batch < MOST_BATCH ? (size_t)batch : MOST_BATCH;
    return b < n ? b : n;
}

static int attempt_init(struct kd_quantizing *q, struct kd_err *err)
{
    const struct kd_graph *g = q->graph;
    q->first = batch_for(g, q->calibration->n);
    q->range = kd_alloc(g->n_tensors, sizeof *q->range, "ranges", err);
    q->logits = kd_alloc(q->calibration->n * g->classes, sizeof *q->logits, "logits", err);
    if (!q->range || !q->logits || kd_sim_init(&q->sim, g, q->first, err) < 0 ||
        kd_sim_init(&q->reference, g, q->first, err) < 0)
        return -1;
    q->sim.ints = q->reference.ints = q->ints;
    return 0;
}

static int equalise_first(struct kd_quantizing *q, bool *changed, struct kd_err *err)
{
    kd_sim_input(&q->sim, q->calibration->in, q->first);
    return kd_equalise(q->graph, &q->sim, q->first, changed, err);
}

/* Scales, weights, biases and all that follows from them into q->ints. */
static int attempt(struct kd_quantizing *q, struct kd_err *err)
{
    if (kd_observe(q, err) < 0 || kd_choose_ranges(q, err) < 0) return -1;
    kd_fill_pixels(q->ints, q->calibration->normalize);
    kd_int_pass_on(q->ints);
    for (unsigned i = 0; i < q->graph->n_ops; i++)
        if (q->graph->ops[i].kind == KD_OP_CONV)
            kd_quantise_weights(&q->graph->ops[i], &q->ints->ops[i],
                                q->ints->tensors[q->graph->ops[i].a].scale, q->options->per_tensor);
    if (kd_int_derive(q->ints, err) < 0) return -1;
    if (!q->options->no_bias_correction && kd_correct_biases(q, err) < 0) return -1;
    return kd_int_check(q->ints, err);
}

/* ---- what came of it ---- */

static int integer_logits(const struct kd_int_network *ints, const struct kd_calibration *c,
                          float *logits, struct kd_err *err)
{
    size_t classes = ints->graph.classes;
    int32_t *z = kd_alloc(c->n * classes, sizeof *z, "logits", err);
    struct kd_int_run *run = z ? kd_int_plan(ints, c->n, kd_pool_threads(c->pool), err) : NULL;
    if (run) {
        struct kd_int_batch batch = {.in = c->in, .rows = c->n, .logits = z};
        kd_int_forward(run, c->pool, &batch);
        for (size_t i = 0; i < c->n * classes; i++) logits[i] = (float)z[i] * ints->logit_scale;
    }
    kd_int_run_free(run);
    kd_free(z);
    return run ? 0 : -1;
}

static int judge(struct kd_quantizing *q, struct kd_quantize_report *report, struct kd_err *err)
{
    const struct kd_calibration *c = q->calibration;
    size_t classes = q->graph->classes;
    float *logits = kd_alloc(c->n * classes, sizeof *logits, "logits", err);
    if (!logits) return -1;
    int status = integer_logits(q->ints, c, logits, err);
    if (status == 0) {
        struct kd_scores s = kd_score(logits, q->logits, c->labels, c->n, classes);
        report->accuracy = s.accuracy;
        report->agreement = s.agreement;
        report->float_accuracy = kd_score(q->logits, q->logits, c->labels, c->n, classes).accuracy;
        report->logit_snr = kd_snr(q->logits, logits, c->n * classes);
    }
    kd_free(logits);
    return status;
}

struct outcome {
    struct kd_graph graph;
    struct kd_int_network ints;
    struct kd_quantizing q;
    struct kd_quantize_report report;
};

static void outcome_release(struct outcome *o)
{
    attempt_release(&o->q);
    kd_int_release(&o->ints);
    kd_graph_release(&o->graph);
    kd_free(o->report.layers);
    *o = (struct outcome){0};
}

static int make(struct outcome *o, const struct kd_network *net,
                const struct kd_calibration *calibration, const struct kd_quantize_options *options,
                bool equalise, struct kd_err *err)
{
    struct kd_graph again = {0};
    o->q = (struct kd_quantizing){
        .calibration = calibration, .options = options, .graph = &o->graph, .ints = &o->ints};
    int status = kd_graph_build(&o->graph, net, err);
    if (status == 0) status = kd_graph_build(&again, net, err);
    if (status == 0) status = kd_int_init(&o->ints, &again, err);
    if (status == 0) status = attempt_init(&o->q, err);
    bool changed = false;
    if (status == 0 && equalise) status = equalise_first(&o->q, &changed, err);
    if (status == 0) status = attempt(&o->q, err);
    if (status == 0) status = judge(&o->q, &o->report, err);
    o->report.equalised = changed;
    return status;
}

int kd_quantize(const struct kd_network *net, const struct kd_calibration *calibration,
                const struct kd_quantize_options *options, struct kd_int_network *out,
                struct kd_quantize_report *report, struct kd_err *err)
{
    struct outcome o[2] = {0};
    bool both = options->equalise == KD_EQUALISE_AUTO;
    unsigned best = 0;
    *out = (struct kd_int_network){0};
    *report = (struct kd_quantize_report){0};
    if (!calibration->n) return kd_fail_usage(err, "no calibration images");
    int status =
        make(&o[0], net, calibration, options, options->equalise == KD_EQUALISE_ALWAYS, err);
    if (status == 0 && both) status = make(&o[1], net, calibration, options, true, err);
    if (status == 0 && both && o[1].report.equalised &&
        o[1].report.logit_snr > o[0].report.logit_snr)
        best = 1;
    if (status == 0) status = kd_explain(&o[best].q, &o[best].report, err);
    if (status == 0) {
        *out = o[best].ints;
        *report = o[best].report;
        o[best].ints = (struct kd_int_network){0};
        o[best].report.layers = NULL;
    }
    for (unsigned i = 0; i < 2; i++) outcome_release(&o[i]);
    return status;
}
