/* The report as an Excel workbook with native charts. */
#include "kd/base/file.h"
#include "kd/base/text.h"
#include "kd/report/charts.h"
#include "kd/report/figures.h"
#include "kd/report/tables.h"
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef KD_HAVE_XLSXWRITER

int kd_workbook_write(const struct kd_report *report, const char *path, struct kd_err *err)
{
    (void)report;
    return kd_fail(err,
                   "%s: this kd was built without libxlsxwriter; install libxlsxwriter-dev and "
                   "build again, or use --csv",
                   path);
}

#else
#include "book.h"

#define WIDEST 90.0 /* columns of text; longer ones go over several lines */

/* As wide as the longest text and the title, with its arrow. */
static double text_width(const struct kd_table *t, size_t column)
{
    size_t widest = kd_text_width(t->columns[column].title) + 3;
    for (size_t r = 0; r < t->n_rows; r++) {
        const char *text = t->cells[r * t->n_columns + column].text;
        size_t width = text ? kd_text_width(text) + 1 : 0;
        if (width > widest) widest = width;
    }
    return fmin(WIDEST, fmax(10, 1.05 * (double)widest));
}

/* Rows as high as a wrapped text in them; LibreOffice does not find out by itself. */
static void set_heights(lxw_worksheet *sheet, const struct kd_table *t, size_t column)
{
    for (size_t r = 0; r < t->n_rows; r++) {
        const char *text = t->cells[r * t->n_columns + column].text;
        double lines = text ? ceil(1.25 * (double)kd_text_width(text) / WIDEST) : 1;
        if (lines > 1) worksheet_set_row(sheet, (lxw_row_t)r + 1, 15 * fmin(lines, 20), NULL);
    }
}

/* Head, a row frozen, a column for each that has something; a spread gets a column of its own.
 * Where each of the table's columns went is told in at[] (UINT16_MAX: left out). */
static int write_table(struct kd_book *b, lxw_worksheet *sheet, const struct kd_table *t,
                       uint16_t *at)
{
    uint16_t x = 0;
    char title[96];
    for (size_t c = 0; c < t->n_columns; c++) {
        const struct kd_column *col = &t->columns[c];
        at[c] = UINT16_MAX;
        if (!kd_table_column_used(t, c)) continue;
        at[c] = x;
        size_t length = strlen(col->title);
        bool percent = length > 2 && strcmp(col->title + length - 2, " %") == 0;
        snprintf(title, sizeof title, "%.*s", (int)(percent ? length - 2 : length), col->title);
        if (kd_book_text(b, sheet, 0, x, title,
                         col->kind == KD_CELL_TEXT ? b->head : b->head_right) < 0)
            return -1;
        double width = col->kind == KD_CELL_TEXT ? text_width(t, c) : 12;
        worksheet_set_column(sheet, x, x, width, NULL);
        for (uint32_t r = 0; r < t->n_rows; r++) {
            const struct kd_cell *cell = &t->cells[r * t->n_columns + c];
            bool marked = col->kind == KD_CELL_TEXT && kd_table_is_marked(t, r);
            if (cell->text) {
                lxw_format *format = marked ? b->marked : width >= WIDEST ? b->wrap : b->text;
                if (kd_book_text(b, sheet, r + 1, x, cell->text, format) < 0) return -1;
            } else if (isfinite(cell->value)) {
                worksheet_write_number(sheet, r + 1, x, cell->value,
                                       col->kind == KD_CELL_REAL ? NULL : b->by_kind[col->kind]);
            }
            if (col->spread && isfinite(cell->sd))
                worksheet_write_number(sheet, r + 1, (lxw_col_t)(x + 1), cell->sd,
                                       b->by_kind[col->kind]);
        }
        x++;
        if (width >= WIDEST) set_heights(sheet, t, c);
        if (!col->spread) continue;
        snprintf(title, sizeof title, "\xC2\xB1 sd");
        if (kd_book_text(b, sheet, 0, x, title, b->head_right) < 0) return -1;
        worksheet_set_column(sheet, x, x, 9, NULL);
        x++;
    }
    worksheet_freeze_panes(sheet, 1, 0);
    worksheet_repeat_rows(sheet, 0, 0);
    if (x > 20) worksheet_set_paper(sheet, 8); /* A3 */
    worksheet_fit_to_pages(sheet, 1, 0);
    if (x && t->n_rows) worksheet_autofilter(sheet, 0, 0, (lxw_row_t)t->n_rows, (lxw_col_t)(x - 1));
    return 0;
}

static int chart_efficiency(struct kd_book *b, lxw_worksheet *sheet, uint32_t rows)
{
    lxw_chart *chart = workbook_add_chart(b->workbook, LXW_CHART_SCATTER);
    lxw_chart_options place = {.x_scale = 1.5, .y_scale = 1.5};
    if (!chart) return kd_fail_memory(b->err, "no memory for a workbook");
    for (uint16_t k = 0; k < 3; k++) {
        lxw_chart_series *series = chart_add_series(chart, NULL, NULL);
        if (!series) return kd_fail_memory(b->err, "no memory for a workbook");
        chart_series_set_categories(series, "Efficiency", 1, 3, rows, 3);
        chart_series_set_values(series, "Efficiency", 1, (lxw_col_t)(8 + k), rows,
                                (lxw_col_t)(8 + k));
        chart_series_set_name_range(series, "Efficiency", 0, (lxw_col_t)(8 + k));
        kd_book_colour(series, k, false);
    }
    chart_title_set_name(chart, "Accuracy against parameters");
    chart_axis_set_name(chart->x_axis, "parameters");
    chart_axis_set_name(chart->y_axis, "top-1, share of the teacher's");
    chart_axis_set_log_base(chart->x_axis, 10);
    chart_axis_set_num_format(chart->x_axis, "#,##0");
    chart_axis_set_num_format(chart->y_axis, "0.0%");
    worksheet_insert_chart_opt(sheet, rows + 2, 1, chart, &place);
    return 0;
}

static int write_efficiency_row(struct kd_book *b, lxw_worksheet *sheet, const struct kd_table *t,
                                const size_t from[8], size_t r, double *teacher)
{
    const struct kd_cell *cells = &t->cells[r * t->n_columns];
    const char *role = cells[from[2]].text;
    bool new_run = r == 0 || strcmp(cells[from[0]].text, (cells - t->n_columns)[from[0]].text) != 0;
    uint16_t kind = strcmp(role, "teacher") == 0 ? 0 : strcmp(role, "plain") == 0 ? 1 : 2;
    uint32_t row = (uint32_t)r + 1;
    if (new_run) *teacher = NAN;
    if (kind == 0) *teacher = cells[from[7]].value;
    for (uint16_t c = 0; c < 8; c++) {
        const struct kd_cell *cell = &cells[from[c]];
        if (cell->text) {
            if (kd_book_text(b, sheet, row, c, cell->text, b->text) < 0) return -1;
        } else if (isfinite(cell->value)) {
            worksheet_write_number(sheet, row, c, cell->value,
                                   b->by_kind[t->columns[from[c]].kind]);
        }
    }
    double share = cells[from[7]].value / *teacher;
    if (isfinite(share) && cells[from[3]].value > 0)
        worksheet_write_number(sheet, row, (lxw_col_t)(8 + kind), share, b->by_kind[KD_CELL_RATE]);
    return 0;
}

/* What each model costs and what it keeps of the teacher's accuracy. */
static int write_efficiency(struct kd_book *b, const struct kd_report *report)
{
    static const char *const heads[] = {"run",           "model",      "role",        "parameters",
                                        "multiply-adds", "file bytes", "ms an image", "top-1",
                                        "teacher",       "plain",      "distilled"};
    lxw_worksheet *sheet = kd_book_sheet(b, "Efficiency");
    struct kd_table t;
    double teacher = NAN;
    if (!sheet || kd_table_models(report, &t, b->err) < 0) return -1;
    int status = 0;
    const size_t from[8] = {kd_book_column(&t, "run"),        kd_book_column(&t, "name"),
                            kd_book_column(&t, "role"),       kd_book_column(&t, "parameters"),
                            kd_book_column(&t, "macs"),       kd_book_column(&t, "bytes"),
                            kd_book_column(&t, "latency_ms"), kd_book_column(&t, "top1")};
    for (uint16_t c = 0; c < 11 && status == 0; c++)
        status = kd_book_text(b, sheet, 0, c, heads[c], c < 3 ? b->head : b->head_right);
    for (size_t r = 0; r < t.n_rows && status == 0; r++)
        status = write_efficiency_row(b, sheet, &t, from, r, &teacher);
    worksheet_set_column(sheet, 0, 0, text_width(&t, from[0]), NULL);
    worksheet_set_column(sheet, 1, 1, text_width(&t, from[1]), NULL);
    worksheet_set_column(sheet, 2, 10, 13, NULL);
    worksheet_freeze_panes(sheet, 1, 0);
    worksheet_fit_to_pages(sheet, 1, 1);
    if (status == 0 && t.n_rows) status = chart_efficiency(b, sheet, (uint32_t)t.n_rows);
    kd_table_release(&t);
    return status;
}

/* T down, networks across: mean top-1; of several students in a place the one best
 * on validation. */
static int write_sweep(struct kd_book *b, const struct kd_report *report)
{
    lxw_worksheet *sheet = kd_book_sheet(b, "Sweep");
    char text[128];
    uint32_t rows = 0;
    double t_of[256], *best = kd_alloc((size_t)256 * 200, sizeof *best, "a workbook", b->err);
    if (!sheet || !best || kd_book_text(b, sheet, 0, 0, "T", b->head_right) < 0) {
        kd_free(best);
        return -1;
    }
    uint16_t column = 1;
    for (size_t run = 0; run < report->n_runs; run++) {
        size_t *group = kd_alloc(report->n_entries, sizeof *group, "a workbook", b->err);
        if (!group) {
            kd_free(best);
            return -1;
        }
        size_t groups = kd_groups_of(report, run, group);
        for (size_t g = 0; g < groups && column < 200; g++, column++) {
            for (size_t i = 0; i < report->n_entries; i++) {
                const struct kd_entry *e = &report->entries[i];
                const struct kd_result *r = &report->results[e->first];
                double top1 = kd_entry_stats(report, e, kd_figure_top1).mean;
                if (group[i] != g) continue;
                kd_size_words(r->parameters, text);
                if (kd_book_text(b, sheet, 0, column, text[0] ? text : "students", b->head_right) <
                    0) {
                    kd_free(group);
                    kd_free(best);
                    return -1;
                }
                if (isnan(r->temperature) || isnan(top1)) continue;
                uint32_t at = 0;
                while (at < rows && t_of[at] != r->temperature) at++;
                if (at == 256) continue;
                if (at == rows) t_of[rows++] = r->temperature;
                double *cell = &best[(size_t)at * 200 + column];
                double valid = 1 + kd_entry_stats(report, e, kd_figure_valid).mean; /* 0: none */
                if (*cell > 0 && !(valid > *cell)) continue;
                *cell = isnan(valid) ? 1 : valid;
                worksheet_write_number(sheet, at + 1, 0, r->temperature, NULL);
                worksheet_write_number(sheet, at + 1, column, top1, b->by_kind[KD_CELL_RATE]);
            }
        }
        kd_free(group);
    }
    kd_free(best);
    worksheet_set_column(sheet, 1, column, 26, NULL);
    worksheet_freeze_panes(sheet, 1, 1);
    if (rows == 0)
        return kd_book_text(b, sheet, 2, 0, "No distilled student has been evaluated.", NULL);
    return 0;
}

/* A paragraph in a row as high as it needs. */
static int write_paragraph(struct kd_book *b, lxw_worksheet *sheet, uint32_t *row, const char *text)
{
    size_t lines = kd_text_width(text) / 95 + 1;
    worksheet_set_row(sheet, *row, 15 * (double)lines, NULL);
    return kd_book_text(b, sheet, (*row)++, 0, text, b->wrap);
}

static int write_about(struct kd_book *b, const struct kd_report *report)
{
    static const char *const origins[] = {
        "top-1, top-5, errors, NLL, ECE, agreement: eval.json of each model, as kd-eval --json "
        "wrote it. Rates are fractions, shown in percent.",
        "validation, train, best epoch, parameters, multiply-adds: kd.metrics in the model file.",
        "McNemar p: exact two-sided test on the images that one of a single pair alone gets right "
        "(logits.safetensors of both).",
        "ms an image, images/s: eval.json, as kd-eval --time measured them.",
        "T, alpha: kd.config in the model file. Logs: log.jsonl of each model.",
        "sd: standard deviation over seeds, with n - 1.",
        "Differences: distilled minus plain with the same network and seed; 95 % t-interval of "
        "their mean. \"Better by more than the spread\": the interval excludes zero.",
        "Sweep: mean top-1 of the distilled students of a size at a T; of several the "
        "one best on validation.",
        "best: the student with the highest mean top-1 over its seeds on validation. Test "
        "figures choose nothing.",
        "gap closed: (distilled - plain) / (teacher - plain) of mean top-1."};
    lxw_worksheet *sheet = kd_book_sheet(b, "About");
    struct kd_bytes words = {0};
    uint32_t row = 0;
    if (!sheet) return -1;
    worksheet_set_column(sheet, 0, 0, 90, b->wrap);
    int status = kd_words_heading(report, &words, b->err);
    if (status == 0) status = kd_words_notes(report, "Note: ", &words, b->err);
    if (status == 0) status = kd_words_origin(report, &words, b->err);
    if (status == 0 && words.size && words.data[words.size - 1] != '\n')
        status = kd_bytes_add(&words, "\n", 1, b->err);
    for (size_t at = 0; at < words.size && status == 0;) {
        size_t length = strcspn(words.data + at, "\n");
        words.data[at + length] = '\0';
        status = write_paragraph(b, sheet, &row, words.data + at);
        at += length + 1;
    }
    kd_bytes_release(&words);
    row++;
    if (status == 0)
        status = kd_book_text(b, sheet, row++, 0, "Where the figures come from", b->head);
    for (size_t i = 0; i < sizeof origins / sizeof *origins && status == 0; i++)
        status = write_paragraph(b, sheet, &row, origins[i]);
    for (size_t i = 0; i < report->n_runs && status == 0; i++)
        status = write_paragraph(b, sheet, &row, report->runs[i].folder);
    return status;
}

static int write_sheets(struct kd_book *b, const struct kd_report *report)
{
    static const struct {
        const char *name;
        int (*make)(const struct kd_report *, struct kd_table *, struct kd_err *);
    } sheets[] = {{"Results", kd_table_models},
                  {"Differences", kd_table_differences},
                  {"Seeds", kd_table_seeds},
                  {"Logs", kd_table_logs}};
    uint16_t at[64];
    if (kd_book_formats(b) < 0) return -1;
    for (size_t i = 0; i < sizeof sheets / sizeof *sheets; i++) {
        struct kd_table t;
        lxw_worksheet *sheet = kd_book_sheet(b, sheets[i].name);
        if (!sheet || sheets[i].make(report, &t, b->err) < 0) return -1;
        int status = write_table(b, sheet, &t, at);
        if (status == 0 && i == 3 && t.n_rows) status = kd_book_curves(b, report, &t, at);
        kd_table_release(&t);
        if (status < 0) return -1;
        if (i == 1 && (write_efficiency(b, report) < 0 || write_sweep(b, report) < 0)) return -1;
    }
    return write_about(b, report);
}

/* Without a command nothing may differ between equal reports, as the time would: then it is that of
 * the parts of the ZIP file. */
static int write_properties(struct kd_book *b, const struct kd_report *report)
{
    const time_t first_of_1980 = 315532800;
    struct kd_bytes origin = {0};
    int status = kd_words_origin(report, &origin, b->err);
    lxw_doc_properties is = {.comments = origin.data, .created = origin.size ? 0 : first_of_1980};
    if (status == 0 && workbook_set_properties(b->workbook, &is) != LXW_NO_ERROR)
        status = kd_fail_memory(b->err, "no memory for a workbook's properties");
    kd_bytes_release(&origin);
    return status;
}

/* A file for libxlsxwriter, which opens it by a name. Where the system has names of what is open,
 * the file loses its own at once, so that nothing is left of it whatever ends this process. */
struct scratch {
    int fd;
    char *name, open_name[32];
    bool named;
};

static int scratch_make(struct scratch *s, struct kd_err *err)
{
    const char *folder = getenv("TMPDIR");
    s->fd = -1;
    s->name = kd_format(err, "%s/kd-XXXXXX", folder && folder[0] ? folder : "/tmp");
    if (!s->name) return -1;
    s->fd = mkstemp(s->name);
    if (s->fd < 0) return kd_fail_errno(err, "%s: temporary file for the workbook", s->name);
    snprintf(s->open_name, sizeof s->open_name, "/dev/fd/%d", s->fd);
    s->named = !kd_path_exists(s->open_name) || unlink(s->name) < 0;
    return 0;
}

static const char *scratch_path(const struct scratch *s)
{
    return s->named ? s->name : s->open_name;
}

static void scratch_end(struct scratch *s)
{
    if (s->fd >= 0 && s->named) unlink(s->name);
    if (s->fd >= 0) close(s->fd);
    kd_free(s->name);
}

/* What libxlsxwriter wrote is then delivered as every file is. */
int kd_workbook_write(const struct kd_report *report, const char *path, struct kd_err *err)
{
    struct scratch scratch = {.fd = -1};
    struct kd_bytes data = {0};
    struct kd_book b = {.err = err};
    int status = -1;
    if (scratch_make(&scratch, err) < 0) goto end;
    b.workbook = workbook_new(scratch_path(&scratch));
    if (!b.workbook) {
        kd_fail_memory(err, "no memory for a workbook");
        goto end;
    }
    status = write_properties(&b, report);
    if (status == 0) status = write_sheets(&b, report);
    lxw_error wrong = workbook_close(b.workbook);
    if (status == 0 && wrong != LXW_NO_ERROR)
        status = kd_fail(err, "%s: workbook: %s", path, lxw_strerror(wrong));
    if (status == 0 && lseek(scratch.fd, 0, SEEK_SET) < 0) /* some systems share the place in it */
        status = kd_fail_errno(err, "%s: cannot be read back", scratch.name);
    if (status == 0) status = kd_file_read(scratch_path(&scratch), kd_read_limit(), &data, err);
    if (status == 0) status = kd_file_write(path, data.data, data.size, err);
end:
    scratch_end(&scratch);
    kd_bytes_release(&data);
    return status;
}
#endif
