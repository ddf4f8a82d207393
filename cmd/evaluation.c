#include "evaluation.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

static int add_number_or_null(cJSON *o, const char *key, double v, struct kd_err *err)
{
    return isnan(v) ? kd_json_add(o, key, NULL, err) : kd_json_add_number(o, key, v, err);
}

static cJSON *matrix(const struct evaluation *r, struct kd_err *err)
{
    cJSON *rows_json = cJSON_CreateArray();
    for (size_t i = 0; rows_json && i < r->classes; i++) {
        cJSON *row = cJSON_CreateArray();
        bool whole = row && cJSON_AddItemToArray(rows_json, row);
        for (size_t j = 0; whole && j < r->classes; j++)
            whole = cJSON_AddItemToArray(row, cJSON_CreateNumber(r->confusion[i * r->classes + j]));
        if (!whole) {
            cJSON_Delete(rows_json);
            rows_json = NULL;
        }
    }
    if (!rows_json) kd_fail_memory(err, "not enough memory for a confusion matrix");
    return rows_json;
}

static cJSON *bins_json(const struct evaluation *r, struct kd_err *err)
{
    cJSON *list = cJSON_CreateArray();
    for (int b = 0; list && b < KD_ECE_BINS; b++) {
        const struct kd_bin *bin = &r->m.bins[b];
        const double row[] = {(double)bin->n, bin->confidence, bin->accuracy};
        cJSON *json = cJSON_CreateDoubleArray(row, 3);
        if (json && cJSON_AddItemToArray(list, json)) continue;
        cJSON_Delete(list);
        list = NULL;
    }
    if (!list) kd_fail_memory(err, "not enough memory for the bins of an evaluation");
    return list;
}

char *evaluation_json(const struct evaluation *r, const char *command, struct kd_err *err)
{
    const struct {
        const char *key;
        double v;
    } numbers[] = {{"n", (double)r->m.n},
                   {"parameters", (double)r->parameters},
                   {"macs", (double)r->macs},
                   {"top1", r->m.n ? r->m.top1 : NAN},
                   {"top5", r->m.n ? r->m.top5 : NAN},
                   {"errors", r->m.n ? (double)r->m.errors : NAN},
                   {"nll", r->m.n ? r->m.loss : NAN},
                   {"ece", r->m.n ? r->m.ece : NAN},
                   {"agreement", r->agreement}};
    cJSON *o = cJSON_CreateObject();
    int status = kd_json_add_text(o, "model", r->model, err);
    if (status == 0) status = kd_json_add_text(o, "data", r->data, err);
    if (status == 0) status = kd_json_add_text(o, "split", r->split, err);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers && status == 0; i++)
        status = add_number_or_null(o, numbers[i].key, numbers[i].v, err);
    if (status == 0 && !isnan(r->latency_ms)) {
        status = kd_json_add_number(o, "latency_ms", r->latency_ms, err);
        if (status == 0) status = kd_json_add_number(o, "throughput", r->throughput, err);
    }
    if (status == 0 && r->tta) status = kd_json_add_text(o, "tta", kd_tta_name(r->tta), err);
    if (status == 0) status = kd_json_add_text(o, "fingerprint", r->fingerprint, err);
    if (status == 0 && command) status = kd_json_add_text(o, "version", KD_VERSION, err);
    if (status == 0 && command && *command) status = kd_json_add_text(o, "command", command, err);
    if (status == 0 && r->confusion) status = kd_json_attach(o, "confusion", matrix(r, err), err);
    if (status == 0 && r->confusion) status = kd_json_attach(o, "bins", bins_json(r, err), err);
    char *text = status == 0 ? kd_json_text(o, false, err) : NULL;
    cJSON_Delete(o);
    return text;
}

static void cell(char *out, size_t size, const char *format, double v)
{
    if (isnan(v))
        snprintf(out, size, "-");
    else
        snprintf(out, size, format, v); /* formats are this file's own */
}

enum { COLUMNS = 12, CELL = 96 };

static void fill_row(const struct evaluation *r, char row[COLUMNS][CELL])
{
    bool seen = r->m.n > 0;
    snprintf(row[0], CELL, "%.80s:%.10s", r->data, r->split);
    snprintf(row[1], CELL, "%" PRIu64, r->m.n);
    cell(row[2], CELL, "%.2f", seen ? 100 * r->m.top1 : NAN);
    cell(row[3], CELL, "%.2f", seen ? 100 * r->m.top5 : NAN);
    cell(row[4], CELL, "%.0f", seen ? (double)r->m.errors : NAN);
    cell(row[5], CELL, "%.4f", seen ? r->m.loss : NAN);
    cell(row[6], CELL, "%.4f", seen ? r->m.ece : NAN);
    cell(row[7], CELL, "%.2f", 100 * r->agreement);
    snprintf(row[8], CELL, "%zu", r->parameters);
    snprintf(row[9], CELL, "%" PRIu64, r->macs);
    cell(row[10], CELL, "%.3f", r->latency_ms);
    cell(row[11], CELL, "%.0f", r->throughput);
}

static const char *const heads[COLUMNS] = {"data",       "images",        "top-1 %",  "top-5 %",
                                           "errors",     "NLL",           "ECE",      "agree %",
                                           "parameters", "multiply-adds", "ms/image", "images/s"};

int evaluation_table(const struct evaluation *results, size_t n, struct kd_bytes *out,
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
