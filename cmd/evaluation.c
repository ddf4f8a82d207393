#include "evaluation.h"
#include "kd/base/json.h"
#include "kd/run/places.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static double *numbers(size_t n, struct kd_err *err)
{
    return kd_alloc(n, sizeof(double), "the counts of an evaluation", err);
}

int evaluation_fill(struct kd_evaluation *e, const struct kd_metrics *m, const uint32_t *confusion,
                    size_t classes, struct kd_err *err)
{
    e->n = (double)m->n;
    e->top1 = m->n ? m->top1 : NAN;
    e->top5 = m->n && classes > 5 ? m->top5 : NAN; /* of fewer it is always 1 */
    e->errors = m->n ? (double)m->errors : NAN;
    e->nll = m->n ? m->loss : NAN;
    e->ece = m->n ? m->ece : NAN;
    if (!confusion) return 0;
    e->confusion = (struct kd_matrix){numbers(classes * classes, err), classes, classes};
    e->bins = (struct kd_matrix){numbers(3 * KD_ECE_BINS, err), KD_ECE_BINS, 3};
    if (!e->confusion.v || !e->bins.v) return -1;
    for (size_t i = 0; i < classes * classes; i++) e->confusion.v[i] = confusion[i];
    for (size_t b = 0; b < KD_ECE_BINS; b++) {
        e->bins.v[3 * b] = (double)m->bins[b].n;
        e->bins.v[3 * b + 1] = m->bins[b].confidence;
        e->bins.v[3 * b + 2] = m->bins[b].accuracy;
    }
    return 0;
}

int evaluation_reject(struct kd_evaluation *e, const struct kd_answers_of *answers, double wanted,
                      struct kd_err *err)
{
    struct kd_reject r;
    if (kd_reject_of(answers, wanted, &r, err) < 0) return -1;
    e->reject = wanted;
    e->threshold = r.chosen.threshold;
    e->answered = r.chosen.share;
    e->answered_top1 = r.chosen.top1;
    if (!r.n) return 0;
    e->coverage = (struct kd_matrix){numbers(3 * KD_REJECT_STEPS, err), KD_REJECT_STEPS, 3};
    if (!e->coverage.v) return -1;
    for (size_t i = 0; i < KD_REJECT_STEPS; i++) {
        e->coverage.v[3 * i] = r.curve[i].threshold;
        e->coverage.v[3 * i + 1] = r.curve[i].share;
        e->coverage.v[3 * i + 2] = r.curve[i].top1;
    }
    return 0;
}

int evaluation_add_line(struct kd_bytes *to, const struct kd_evaluation *e, const char *command,
                        struct kd_err *err)
{
    static char version[] = KD_VERSION;
    struct kd_evaluation line = *e; /* borrows all of it, and says what wrote it */
    char *copy = command && *command ? kd_strdup(command, err) : NULL;
    if (command && *command && !copy) return -1;
    line.version = command ? version : NULL;
    line.command = copy;
    char *text = kd_json_text_of(kd_evaluation_to_json(&line, err), err);
    int status = text ? kd_bytes_format(to, err, "%s\n", text) : -1;
    kd_free(text);
    kd_free(copy);
    return status;
}

static const struct kd_column columns[] = {
    {"model", "model", KD_CELL_TEXT, false, 0},
    {"data", "data", KD_CELL_TEXT, false, 0},
    {"n", "images", KD_CELL_WHOLE, false, 3},
    {"top1", "top-1 %", KD_CELL_RATE, false, 0},
    {"top5", "top-5 %", KD_CELL_RATE, false, 6},
    {"errors", "errors", KD_CELL_WHOLE, false, 2},
    {"nll", "NLL", KD_CELL_FIXED4, false, 4},
    {"ece", "ECE", KD_CELL_FIXED4, false, 5},
    {"agreement", "agree %", KD_CELL_RATE, false, 1},
    {"answered", "answered %", KD_CELL_RATE, false, 0},
    {"answered_top1", "of those %", KD_CELL_RATE, false, 0},
    {"threshold", "threshold", KD_CELL_FIXED4, false, 0},
    {"parameters", "parameters", KD_CELL_WHOLE, false, 7},
    {"macs", "multiply-adds", KD_CELL_WHOLE, false, 8},
    {"latency_ms", "ms/image", KD_CELL_FIXED3, false, 1},
    {"throughput", "images/s", KD_CELL_WHOLE, false, 2},
};
enum { COLUMNS = sizeof columns / sizeof *columns };

/* A folder stands for the model in it. */
static char *shown_path(const char *path, struct kd_err *err)
{
    static const char file[] = "/" KD_FILE_MODEL;
    const size_t n = strlen(path), m = sizeof file - 1;
    const bool inside = n > m && strcmp(path + n - m, file) == 0;
    return kd_format(err, "%.*s", (int)(inside ? n - m : n), path);
}

int evaluation_table(const struct kd_evaluation *results, size_t n,
                     const struct kd_table_style *style, struct kd_bytes *out, struct kd_err *err)
{
    struct kd_table t;
    kd_table_init(&t, "Evaluations", columns, COLUMNS, err);
    for (size_t i = 0; i < n; i++) {
        const struct kd_evaluation *e = &results[i];
        struct kd_cell *row = kd_table_row(&t);
        char data[96];
        snprintf(data, sizeof data, "%.80s:%.10s", e->data, e->split);
        char *model = shown_path(e->model, err);
        kd_table_text(&t, 0, model ? model : "");
        if (!model) t.failed = true;
        kd_free(model);
        kd_table_text(&t, 1, data);
        const double values[COLUMNS - 2] = {
            e->n,          e->top1,      e->top5,       e->errors,        e->nll,
            e->ece,        e->agreement, e->answered,   e->answered_top1, e->threshold,
            e->parameters, e->macs,      e->latency_ms, e->throughput};
        for (size_t c = 2; c < COLUMNS; c++) row[c].value = values[c - 2];
    }
    int status = kd_table_end(&t);
    if (status == 0) status = kd_table_render(&t, style, out, err);
    kd_table_release(&t);
    return status;
}
