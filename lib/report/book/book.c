/* Cells, sheets and formats of the workbook. */
#ifdef KD_HAVE_XLSXWRITER
#include "book.h"
#include "kd/base/text.h"

#include <string.h>

static lxw_format *with_numbers(lxw_workbook *w, const char *numbers)
{
    lxw_format *f = workbook_add_format(w);
    if (f) format_set_num_format(f, numbers);
    return f;
}

int kd_book_formats(struct kd_book *b)
{
    static const char *const numbers[] = {[KD_CELL_TEXT] = "@",
                                          [KD_CELL_COUNT] = "#,##0",
                                          [KD_CELL_POINTS] = "+0.00%;-0.00%",
                                          [KD_CELL_RATE] = "0.00%",
                                          [KD_CELL_REAL] = "0.0###",
                                          [KD_CELL_RATIO] = "0.00\"x\"",
                                          [KD_CELL_MEASURE] = "0.0000##",
                                          [KD_CELL_WHOLE] = "0",
                                          [KD_CELL_FIXED3] = "0.000",
                                          [KD_CELL_FIXED4] = "0.0000"};
    b->head = workbook_add_format(b->workbook);
    b->head_right = workbook_add_format(b->workbook);
    b->marked = workbook_add_format(b->workbook);
    b->wrap = workbook_add_format(b->workbook);
    b->text = workbook_add_format(b->workbook);
    for (size_t i = 0; i < KD_CELL_KINDS; i++)
        if (!(b->by_kind[i] = with_numbers(b->workbook, numbers[i])))
            return kd_fail_memory(b->err, "no memory for a workbook");
    if (!b->head || !b->head_right || !b->marked || !b->wrap || !b->text)
        return kd_fail_memory(b->err, "no memory for a workbook");
    lxw_format *const heads[] = {b->head, b->head_right};
    for (size_t i = 0; i < 2; i++) {
        format_set_bold(heads[i]);
        format_set_bottom(heads[i], LXW_BORDER_THIN);
        format_set_align(heads[i], LXW_ALIGN_VERTICAL_TOP);
    }
    format_set_align(b->head_right, LXW_ALIGN_RIGHT);
    format_set_indent(b->head, 1); /* off the numbers to the left */
    format_set_indent(b->text, 1);
    format_set_indent(b->marked, 1);
    format_set_bold(b->marked);
    format_set_text_wrap(b->wrap);
    format_set_align(b->wrap, LXW_ALIGN_VERTICAL_TOP);
    return 0;
}

int kd_book_text(struct kd_book *b, lxw_worksheet *sheet, uint32_t row, uint16_t column,
                 const char *text, lxw_format *format)
{
    struct kd_bytes clean = {0};
    int status = kd_text_plain(&clean, text, b->err);
    if (status == 0 && clean.size > 32000) {
        size_t cut = 32000;
        while (cut > 0 && ((unsigned char)clean.data[cut] & 0xC0) == 0x80) cut--;
        clean.data[cut] = '\0';
    }
    if (status == 0 && clean.size &&
        worksheet_write_string(sheet, row, column, clean.data, format) != LXW_NO_ERROR)
        status = kd_fail(b->err, "a workbook: row %u cannot be written", (unsigned)row + 1);
    kd_bytes_release(&clean);
    return status;
}

lxw_worksheet *kd_book_sheet(struct kd_book *b, const char *name)
{
    lxw_worksheet *sheet = workbook_add_worksheet(b->workbook, name);
    if (!sheet) {
        kd_fail_memory(b->err, "no memory for a workbook");
        return NULL;
    }
    worksheet_set_landscape(sheet);
    worksheet_set_paper(sheet, 9); /* A4 */
    return sheet;
}

size_t kd_book_column(const struct kd_table *t, const char *key)
{
    for (size_t c = 0; c < t->n_columns; c++)
        if (strcmp(t->columns[c].key, key) == 0) return c;
    return 0;
}

void kd_book_colour(lxw_chart_series *series, size_t k, bool line)
{
    static const lxw_color_t colours[] = {0x262626, 0x0072B2, 0xD55E00, 0x009E73,
                                          0xCC79A7, 0xE69F00, 0x56B4E9};
    lxw_chart_line stroke = {.color = colours[k % 7], .width = 1.75};
    if (k >= 7) stroke.dash_type = LXW_CHART_LINE_DASH_DASH;
    lxw_chart_fill fill = {.color = colours[k % 7]};
    if (line) {
        chart_series_set_line(series, &stroke);
        return;
    }
    chart_series_set_marker_type(series, LXW_CHART_MARKER_CIRCLE);
    chart_series_set_marker_size(series, 8);
    chart_series_set_marker_fill(series, &fill);
    stroke.width = 0.75;
    chart_series_set_marker_line(series, &stroke);
}

/* A series for each role over the columns of shares; a model has a value in its role's alone. */
#else
typedef int kd_no_book; /* ISO C wants something in a file */
#endif
