/* Learning curves in the workbook. */
#ifdef KD_HAVE_XLSXWRITER
#include "book.h"
#include "kd/base/text.h"

#define CURVES 7
#define NAMES  44 /* row of the sheet where the names of the curves stand */

struct curve { /* rows of the sheet of logs */
    const struct kd_result *r;
    uint32_t first, n;
};

/* Teachers, the best student with its plain counterpart, then the others in their order. */
static int rank_of(const struct kd_report *report, const struct kd_entry *e)
{
    const struct kd_result *r = &report->results[e->first];
    const struct kd_entry *best = kd_report_best(report, r->run);
    if (r->role == KD_ROLE_TEACHER) return 0;
    if (e == best) return 1;
    if (best && e == kd_report_plain(report, best)) return 1;
    return r->distilled ? 3 : 2;
}

static size_t choose(const struct kd_report *report, struct curve out[CURVES])
{
    size_t n = 0;
    for (int rank = 0; rank < 4; rank++) {
        uint32_t row = 1;
        for (size_t i = 0; i < report->n_entries; i++)
            for (size_t k = 0; k < report->entries[i].n; k++) {
                const struct kd_result *r = &report->results[report->entries[i].first + k];
                uint32_t first = row;
                row += (uint32_t)r->log.n;
                if (k || r->log.n == 0 || n == CURVES) continue;
                if (rank_of(report, &report->entries[i]) == rank)
                    out[n++] = (struct curve){r, first, (uint32_t)r->log.n};
            }
    }
    return n;
}

static int add_chart(struct kd_book *b, lxw_worksheet *sheet, const struct curve *curves, size_t n,
                     uint16_t x, uint16_t y, bool percent, uint32_t where)
{
    lxw_chart *chart = workbook_add_chart(b->workbook, LXW_CHART_SCATTER_STRAIGHT);
    if (!chart) return kd_fail_memory(b->err, "no memory for a workbook");
    for (size_t i = 0; i < n; i++) {
        lxw_chart_series *series = chart_add_series(chart, NULL, NULL);
        uint32_t first = curves[i].first, last = first + curves[i].n - 1;
        if (!series) return kd_fail_memory(b->err, "no memory for a workbook");
        chart_series_set_categories(series, "Logs", first, x, last, x);
        chart_series_set_values(series, "Logs", first, y, last, y);
        chart_series_set_name_range(series, "Curves", NAMES + 1 + (uint32_t)i, 0);
        kd_book_colour(series, i, true);
    }
    chart_title_set_name(chart, percent ? "Validation accuracy" : "Validation loss");
    chart_axis_set_name(chart->x_axis, "epoch");
    chart_axis_set_name(chart->y_axis, percent ? "top-1" : "cross-entropy");
    if (percent) {
        chart_axis_set_num_format(chart->y_axis, "0%");
        chart_axis_set_max(chart->y_axis, 1);
    } else {
        chart_axis_set_log_base(chart->y_axis, 10);
    }
    chart_axis_set_crossing_min(chart->x_axis);
    chart_axis_set_crossing_min(chart->y_axis);
    chart_legend_set_position(chart, LXW_CHART_LEGEND_BOTTOM);
    lxw_chart_options place = {.x_scale = 1.9, .y_scale = 1.4};
    worksheet_insert_chart_opt(sheet, where, 0, chart, &place);
    return 0;
}

int kd_book_curves(struct kd_book *b, const struct kd_report *report, const struct kd_table *t,
                   const uint16_t *at)
{
    struct curve curves[CURVES];
    size_t n = choose(report, curves);
    uint16_t x = at[kd_book_column(t, "epoch")], top1 = at[kd_book_column(t, "valid_top1")],
             loss = at[kd_book_column(t, "valid_loss")];
    if (n == 0 || x == UINT16_MAX || (top1 == UINT16_MAX && loss == UINT16_MAX)) return 0;
    lxw_worksheet *sheet = kd_book_sheet(b, "Curves");
    if (!sheet) return -1;
    worksheet_fit_to_pages(sheet, 1, 1);
    worksheet_set_column(sheet, 0, 0, 40, NULL);
    worksheet_set_column(sheet, 1, 1, 70, NULL);
    if (kd_book_text(b, sheet, NAMES, 0, "curve", b->head) < 0 ||
        kd_book_text(b, sheet, NAMES, 1, "model (first seed)", b->head) < 0)
        return -1;
    for (size_t i = 0; i < n; i++) {
        uint32_t row = NAMES + 1 + (uint32_t)i;
        char *name = kd_name_short(curves[i].r->name, false, b->err);
        int status = name ? kd_book_text(b, sheet, row, 0, name, b->text) : -1;
        kd_free(name);
        if (status == 0) status = kd_book_text(b, sheet, row, 1, curves[i].r->name, b->text);
        if (status < 0) return -1;
    }
    if (top1 != UINT16_MAX && add_chart(b, sheet, curves, n, x, top1, true, 0) < 0) return -1;
    return loss == UINT16_MAX ? 0 : add_chart(b, sheet, curves, n, x, loss, false, 22);
}
#else
typedef int kd_no_workbook; /* ISO C wants something in a file */
#endif
