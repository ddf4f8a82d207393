#include "evaluation.h"
#include "kd/base/json.h"

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
    e->top5 = m->n ? m->top5 : NAN;
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

static void cell(char *out, size_t size, const char *format, double v)
{
    if (isnan(v))
        snprintf(out, size, "-");
    else
        snprintf(out, size, format, v); /* formats are this file's own */
}

enum { COLUMNS = 12, CELL = 96 };

static void fill_row(const struct kd_evaluation *r, char row[COLUMNS][CELL])
{
    snprintf(row[0], CELL, "%.80s:%.10s", r->data, r->split);
    cell(row[1], CELL, "%.0f", r->n);
    cell(row[2], CELL, "%.2f", 100 * r->top1);
    cell(row[3], CELL, "%.2f", 100 * r->top5);
    cell(row[4], CELL, "%.0f", r->errors);
    cell(row[5], CELL, "%.4f", r->nll);
    cell(row[6], CELL, "%.4f", r->ece);
    cell(row[7], CELL, "%.2f", 100 * r->agreement);
    cell(row[8], CELL, "%.0f", r->parameters);
    cell(row[9], CELL, "%.0f", r->macs);
    cell(row[10], CELL, "%.3f", r->latency_ms);
    cell(row[11], CELL, "%.0f", r->throughput);
}

static const char *const heads[COLUMNS] = {"data",       "images",        "top-1 %",  "top-5 %",
                                           "errors",     "NLL",           "ECE",      "agree %",
                                           "parameters", "multiply-adds", "ms/image", "images/s"};

int evaluation_table(const struct kd_evaluation *results, size_t n, struct kd_bytes *out,
                     struct kd_err *err)
{
    size_t width[COLUMNS], name = 5;
    char row[COLUMNS][CELL];
    bool shown[COLUMNS];
    for (int c = 0; c < COLUMNS; c++) {
        width[c] = strlen(heads[c]);
        shown[c] = c < 7 || c == 8 || c == 9;
    }
    for (size_t i = 0; i < n; i++) {
        fill_row(&results[i], row);
        if (strlen(results[i].model) > name) name = strlen(results[i].model);
        for (int c = 0; c < COLUMNS; c++) {
            if (strlen(row[c]) > width[c]) width[c] = strlen(row[c]);
            if (strcmp(row[c], "-") != 0) shown[c] = true;
        }
    }
    for (size_t i = 0; i <= n; i++) { /* row 0 is the heading */
        if (i) fill_row(&results[i - 1], row);
        if (kd_bytes_format(out, err, "%-*s", (int)name, i ? results[i - 1].model : "model") < 0)
            return -1;
        for (int c = 0; c < COLUMNS; c++)
            if (shown[c] && kd_bytes_format(out, err, c == 0 ? "  %-*s" : "  %*s", (int)width[c],
                                            i ? row[c] : heads[c]) < 0)
                return -1;
        if (kd_bytes_format(out, err, "\n") < 0) return -1;
    }
    return 0;
}
