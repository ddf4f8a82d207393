/* Cells of a table as text; private to lib/data.
 *
 * RFC 4180: cells end at a separator, lines at CR LF or LF; a cell in double quotes may hold both,
 * and two quotes for one. The separator is what the first line has most of: a comma, a semicolon or
 * a tab. A byte order mark is passed over; empty lines too. */
#ifndef KD_DATA_CSV_H
#define KD_DATA_CSV_H
#include "kd/base/mem.h"
#include <stdbool.h>
#include <stdint.h>

struct kd_csv {
    char separator;
    uint32_t columns;
    size_t rows;               /* the first line too */
    const char **cells;        /* [rows][columns], text without spaces around it; into the bytes */
    uint32_t *line;            /* [rows] of the file, from 1 */
    size_t n, room, rows_room; /* internal */
};
/* Cells point into bytes->data, which is written to. Errors name the line: another number of cells
 * than the first, a quote that is not closed, text in UTF-16, a NUL byte, more cells than memory.
 */
int kd_csv_parse(struct kd_bytes *bytes, const char *name, struct kd_csv *out, struct kd_err *err);
void kd_csv_release(struct kd_csv *csv);
/* A number as people write it: 1.5, -2e3, with a point or, where the separator is a semicolon, a
 * comma. false: none. */
bool kd_csv_number(const struct kd_csv *csv, const char *cell, double *out);
static inline const char *kd_csv_cell(const struct kd_csv *csv, size_t row, uint32_t column)
{
    return csv->cells[row * csv->columns + column];
}
#endif
