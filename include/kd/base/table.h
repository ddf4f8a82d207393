/* One table, many forms. A table is columns of one kind each and cells with a text or a number; the
 * kind says how a number is shown to people (rates in percent, parameters with thousands marked),
 * while CSV and JSON carry the number itself, unrounded.
 *
 * A table remembers its first error, after which nothing more is added, so that whoever fills it
 * checks once, at the end:
 *
 *     struct kd_table t;
 *     kd_table_init(&t, "Models", columns, n_columns, err);
 *     for (...) {
 *         struct kd_cell *row = kd_table_row(&t);        // n_columns cells, all empty
 *         row[1].value = 0.9812;
 *         kd_table_text(&t, 0, "kd");
 *     }
 *     int status = kd_table_end(&t);                     // 0, or -1 with err filled
 *     const struct kd_table_style style = {.form = KD_FORM_MARKDOWN};
 *     if (status == 0) status = kd_table_render(&t, &style, &out, err);
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
    KD_CELL_RATIO,   /* 12.3x */
    KD_CELL_WHOLE,   /* 1234567 */
    KD_CELL_FIXED3,  /* 0.123 */
    KD_CELL_FIXED4   /* 0.1234 */
};
enum { KD_CELL_KINDS = KD_CELL_FIXED4 + 1 };
struct kd_column {
    const char *key;   /* name in CSV and JSON: "top1" */
    const char *title; /* for people: "top-1 %" */
    enum kd_cell_kind kind;
    bool spread;        /* has a standard deviation beside it: key "top1_sd" */
    unsigned char drop; /* where a terminal has no room the column of the highest goes first, of
                           equal ones the last, and with it its neighbours of the same, since they
                           are read together; 0: it stays */
};
struct kd_cell {
    char *text;       /* owned; NULL: none */
    double value, sd; /* NaN: none */
    int wins;         /* among the cells of its column that have this: 1 the highest is the best, -1
                         the lowest; 0: it takes no part */
};

enum { KD_TABLE_COLUMNS = 64 }; /* at most */
struct kd_table {
    const char *title;
    const struct kd_column *columns; /* borrowed, must outlive the table */
    size_t n_columns;
    struct kd_cell *cells; /* [n_rows][n_columns] */
    size_t n_rows, room;
    size_t *marked, n_marked, marked_room; /* rows that stand out, ascending */
    struct kd_column *own;                 /* of kd_table_keep: columns points to it then */
    struct kd_err *err;
    bool failed;
    struct kd_cell spare[KD_TABLE_COLUMNS]; /* what is written after a failure */
};

void kd_table_init(struct kd_table *t, const char *title, const struct kd_column *columns,
                   size_t n_columns, struct kd_err *err);
/* A new row, never NULL; the pointer holds until the next row. */
struct kd_cell *kd_table_row(struct kd_table *t);
void kd_table_text(struct kd_table *t, size_t column, const char *text); /* in the last row */
void kd_table_mark(struct kd_table *t, size_t row); /* rows in ascending order */
int kd_table_end(const struct kd_table *t);         /* 0, or -1: its err is filled */
void kd_table_release(struct kd_table *t);

bool kd_table_is_marked(const struct kd_table *t, size_t row);
/* Is there anything in a column? */
bool kd_table_column_used(const struct kd_table *t, size_t column);

/* ---- of a whole table a part, in another order; each -1 with the table's err filled ---- */

/* Unknown key: a usage error that names the nearest. */
int kd_table_find(struct kd_table *t, const char *key, size_t *column);
/* Keeps the columns whose keys are in `keys` ("name,top1,errors"), in that order. */
int kd_table_keep(struct kd_table *t, const char *keys);
/* Keeps the rows whose text in a column matches a shell pattern ("kd*"). */
void kd_table_filter(struct kd_table *t, size_t column, const char *pattern);
/* Orders the rows by a column, equal ones as they were: numbers as `descending` says, texts
 * naturally; empty cells last. */
int kd_table_sort(struct kd_table *t, size_t column, bool descending);

/* ---- forms ---- */

enum kd_form { KD_FORM_TERMINAL, KD_FORM_MARKDOWN, KD_FORM_CSV, KD_FORM_JSON, KD_FORM_LATEX };
struct kd_table_style {
    enum kd_form form;
    bool bom; /* of CSV: it starts with a byte order mark, by which Excel knows UTF-8 */
    /* of a terminal's form, and width of LaTeX's too: */
    bool colour;
    bool ascii;   /* no rules, signs and bars beyond ASCII: the locale has none */
    bool bare;    /* neither rule nor place for marks; "-" where a cell is empty */
    size_t width; /* columns that there are: what does not fit is left out and said in a last line;
                     0: the whole table, long names shortened beyond 120 columns; KD_WIDE: all.
                     LaTeX leaves out what has no room on a page, unless it is KD_WIDE */
    const char *all; /* where the whole table can be had; NULL: "--wide shows all" */
};
#define KD_WIDE ((size_t)-1)

/* What people read in a cell, added to out, without any escaping. */
int kd_cell_show(const struct kd_column *column, const struct kd_cell *cell, struct kd_bytes *out,
                 struct kd_err *err);
/* Adds the table to out. Columns without a single value are left out in forms for people
 * (terminal, Markdown, LaTeX). Texts are escaped for the form; in CSV a text that a spreadsheet
 * would take for a formula gets an apostrophe in front. */
int kd_table_render(const struct kd_table *t, const struct kd_table_style *style,
                    struct kd_bytes *out, struct kd_err *err);
/* The rows as an array of objects; caller: cJSON_Delete. */
cJSON *kd_table_json(const struct kd_table *t, struct kd_err *err);
#endif
