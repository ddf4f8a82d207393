/* The workbook in the making. Only where there is libxlsxwriter. */
#ifndef KD_REPORT_BOOK_H
#define KD_REPORT_BOOK_H
#include "kd/base/table.h"
#include "kd/report/report.h"
#include <xlsxwriter.h>

struct kd_book {
    lxw_workbook *workbook;
    lxw_format *head, *head_right, *text, *marked, *wrap, *by_kind[KD_CELL_KINDS];
    struct kd_err *err;
};

int kd_book_formats(struct kd_book *b);
/* Text as a string cell, never a formula; XML has no control characters, Excel no more than 32,767.
 */
int kd_book_text(struct kd_book *b, lxw_worksheet *sheet, uint32_t row, uint16_t column,
                 const char *text, lxw_format *format);
lxw_worksheet *kd_book_sheet(struct kd_book *b, const char *name);
/* Colour of series k, as a line or as markers alone. */
void kd_book_colour(lxw_chart_series *series, size_t k, bool line);
size_t kd_book_column(const struct kd_table *t, const char *key);
/* Learning curves of first seeds over the rows of the sheet "Logs", whose columns are at at[]. */
int kd_book_curves(struct kd_book *b, const struct kd_report *report, const struct kd_table *t,
                   const uint16_t *at);
#endif
