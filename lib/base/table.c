#include "kd/base/table.h"
#include "kd/base/json.h"
#include "kd/base/text.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void kd_table_init(struct kd_table *t, const char *title, const struct kd_column *columns,
                   size_t n_columns, struct kd_err *err)
{
    *t = (struct kd_table){.title = title, .columns = columns, .n_columns = n_columns, .err = err};
    if (n_columns <= KD_TABLE_COLUMNS) return;
    t->failed = true;
    kd_fail(err, "a table of more than %d columns", KD_TABLE_COLUMNS);
}

struct kd_cell *kd_table_row(struct kd_table *t)
{
    struct kd_cell *row = NULL;
    if (!t->failed)
        row =
            kd_grow(&t->cells, &t->n_rows, &t->room, t->n_columns * sizeof *row, "a table", t->err);
    t->failed |= !row;
    if (!row) row = t->spare;
    const size_t n = t->failed ? KD_TABLE_COLUMNS : t->n_columns;
    for (size_t i = 0; i < n; i++) row[i] = (struct kd_cell){.value = NAN, .sd = NAN};
    return row;
}

void kd_table_text(struct kd_table *t, size_t column, const char *text)
{
    if (t->failed) return;
    struct kd_cell *cell = &t->cells[(t->n_rows - 1) * t->n_columns + column];
    kd_free(cell->text);
    cell->text = kd_strdup(text, t->err);
    t->failed = !cell->text;
}

void kd_table_mark(struct kd_table *t, size_t row)
{
    size_t *slot = t->failed ? NULL
                             : kd_grow(&t->marked, &t->n_marked, &t->marked_room, sizeof *slot,
                                       "marks", t->err);
    t->failed |= !slot;
    if (slot) *slot = row;
}

int kd_table_end(const struct kd_table *t)
{
    return t->failed ? -1 : 0;
}

bool kd_table_is_marked(const struct kd_table *t, size_t row)
{
    size_t low = 0, high = t->n_marked;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (t->marked[middle] == row) return true;
        if (t->marked[middle] < row)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

void kd_table_release(struct kd_table *t)
{
    for (size_t i = 0; i < t->n_rows * t->n_columns; i++) kd_free(t->cells[i].text);
    kd_free(t->cells);
    kd_free(t->marked);
    kd_free(t->own);
    *t = (struct kd_table){0};
}

bool kd_table_column_used(const struct kd_table *t, size_t column)
{
    for (size_t r = 0; r < t->n_rows; r++) {
        const struct kd_cell *c = &t->cells[r * t->n_columns + column];
        if (c->text || isfinite(c->value)) return true;
    }
    return false;
}

static void show_number(enum kd_cell_kind kind, double v, char out[64])
{
    switch (kind) {
    case KD_CELL_COUNT:
        kd_number_grouped(v, fabs(v - round(v)) <= 1e-9 * fabs(v) || fabs(v) >= 10000 ? 0 : 1, out);
        break;
    case KD_CELL_RATE:
        snprintf(out, 64, "%.2f", 100 * v);
        break;
    case KD_CELL_POINTS:
        snprintf(out, 64, "%+.2f", 100 * v);
        break;
    case KD_CELL_RATIO:
        snprintf(out, 64, v < 10 ? "%.2fx" : "%.1fx", v);
        break;
    case KD_CELL_MEASURE:
        snprintf(out, 64, "%#.4g", v);
        if (out[strlen(out) - 1] == '.') out[strlen(out) - 1] = '\0';
        break;
    case KD_CELL_WHOLE:
        snprintf(out, 64, "%.0f", v);
        break;
    case KD_CELL_FIXED3:
        snprintf(out, 64, "%.3f", v);
        break;
    case KD_CELL_FIXED4:
        snprintf(out, 64, "%.4f", v);
        break;
    default:
        snprintf(out, 64, "%.4g", v);
    }
}

/* A mean and its spread with as many decimals: one of counts, and of measures two digits of the
 * spread. */
static void show_spread(enum kd_cell_kind kind, const struct kd_cell *cell, char value[64],
                        char spread[64])
{
    const double sd = cell->sd;
    const int decimals = sd > 0 ? 1 - (int)floor(log10(sd)) : -1;
    if (kind == KD_CELL_COUNT) {
        kd_number_grouped(cell->value, 1, value);
        kd_number_grouped(sd, 1, spread);
    } else if (kind == KD_CELL_MEASURE && decimals >= 0 && decimals < 9) {
        snprintf(value, 64, "%.*f", decimals, cell->value);
        snprintf(spread, 64, "%.*f", decimals, sd);
    } else if (kind == KD_CELL_MEASURE) {
        show_number(kind, cell->value, value);
        snprintf(spread, 64, "%.2g", sd);
    } else {
        show_number(kind, cell->value, value);
        show_number(kind, sd, spread);
    }
}

int kd_cell_show(const struct kd_column *column, const struct kd_cell *cell, struct kd_bytes *out,
                 struct kd_err *err)
{
    char number[64];
    if (cell->text) return kd_bytes_add(out, cell->text, strlen(cell->text), err);
    if (!isfinite(cell->value)) return 0;
    if (column->spread && isfinite(cell->sd)) {
        char spread[64];
        show_spread(column->kind, cell, number, spread);
        return kd_bytes_format(out, err, "%s \xC2\xB1 %s", number, spread);
    }
    show_number(column->kind, cell->value, number);
    return kd_bytes_add(out, number, strlen(number), err);
}

cJSON *kd_table_json(const struct kd_table *t, struct kd_err *err)
{
    cJSON *rows = cJSON_CreateArray();
    if (!rows) goto fail;
    for (size_t r = 0; r < t->n_rows; r++) {
        cJSON *row = cJSON_CreateObject();
        if (!row || !cJSON_AddItemToArray(rows, row)) {
            cJSON_Delete(row);
            goto fail;
        }
        for (size_t c = 0; c < t->n_columns; c++) {
            const struct kd_column *col = &t->columns[c];
            const struct kd_cell *cell = &t->cells[r * t->n_columns + c];
            char key[64];
            int status = cell->text ? kd_json_add_text(row, col->key, cell->text, err)
                                    : kd_json_add_number(row, col->key, cell->value,
                                                         err); /* NaN becomes null */
            snprintf(key, sizeof key, "%s_sd", col->key);
            if (status == 0 && col->spread) status = kd_json_add_number(row, key, cell->sd, err);
            if (status < 0) goto fail;
        }
    }
    return rows;
fail:
    if (!err->text[0]) kd_fail_memory(err, "no memory for a table as JSON");
    cJSON_Delete(rows);
    return NULL;
}
