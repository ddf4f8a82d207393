/* One table, many forms. A table is columns of one kind each and cells with a text or a number; the
 * kind says how a number is shown to people (rates in percent, parameters with thousands marked),
 * while CSV and JSON carry the number itself, unrounded.
 *
 *     struct kd_table t;
 *     kd_table_init(&t, "Models", columns, n_columns);
 *     struct kd_cell *row = kd_table_row(&t, &err);      // n_columns cells, all empty
 *     kd_cell_text(&row[0], "kd", &err);
 *     row[1].value = 0.9812;
 *     kd_table_render(&t, KD_FORM_MARKDOWN, false, &out, &err);
 *     kd_table_release(&t);
 */
#ifndef KD_BASE_TABLE_H
#define KD_BASE_TABLE_H
#include "kd/base/mem.h"
#include <cjson/cJSON.h>
#include <stdbool.h>

enum kd_cell_kind {
    KD_CELL_TEXT,
    KD_CELL_COUNT,   /* 1,234,567; means that are not whole with one decimal */
    KD_CELL_RATE,    /* fraction, shown in percent with two decimals */
    KD_CELL_POINTS,  /* difference of fractions, in percentage points with a sign */
    KD_CELL_REAL,    /* at most four significant digits: 2.5 */
    KD_CELL_MEASURE, /* four significant digits: 2.500 */
    KD_CELL_RATIO    /* 12.3x */
};
struct kd_column {
    const char *key;   /* name in CSV and JSON: "top1" */
    const char *title; /* for people: "top-1 %" */
    enum kd_cell_kind kind;
    bool spread; /* has a standard deviation beside it: key "top1_sd" */
};
struct kd_cell {
    char *text;       /* owned; NULL: none */
    double value, sd; /* NaN: none */
};
enum kd_form { KD_FORM_TERMINAL, KD_FORM_MARKDOWN, KD_FORM_CSV, KD_FORM_JSON, KD_FORM_LATEX };

struct kd_table {
    const char *title;
    const struct kd_column *columns; /* borrowed, must outlive the table */
    size_t n_columns;
    struct kd_cell *cells; /* [n_rows][n_columns] */
    size_t n_rows, room;
    size_t *marked, n_marked, marked_room; /* rows that stand out, ascending */
};

void kd_table_init(struct kd_table *t, const char *title, const struct kd_column *columns,
                   size_t n_columns);
/* A new row; the pointer holds until the next row. */
struct kd_cell *kd_table_row(struct kd_table *t, struct kd_err *err);
int kd_table_mark(struct kd_table *t, struct kd_err *err); /* the last row */
bool kd_table_is_marked(const struct kd_table *t, size_t row);
int kd_cell_text(struct kd_cell *cell, const char *text, struct kd_err *err);
void kd_table_release(struct kd_table *t);
/* Is there anything in a column? */
bool kd_table_column_used(const struct kd_table *t, size_t column);
/* Orders the rows by a column: numbers descending (RATE, COUNT ... as `descending` says), texts
 * naturally; empty cells last. */
void kd_table_sort(struct kd_table *t, size_t column, bool descending);

/* What people read in a cell, added to out, without any escaping. */
int kd_cell_show(const struct kd_column *column, const struct kd_cell *cell, struct kd_bytes *out,
                 struct kd_err *err);
/* Adds the table to out. Columns without a single value are left out in forms for people
 * (terminal, Markdown, LaTeX). Texts are escaped for the form; in CSV a text that a spreadsheet
 * would take for a formula gets an apostrophe in front. */
int kd_table_render(const struct kd_table *t, enum kd_form form, bool colour, struct kd_bytes *out,
                    struct kd_err *err);
/* The rows as an array of objects; caller: cJSON_Delete. */
cJSON *kd_table_json(const struct kd_table *t, struct kd_err *err);
#endif
