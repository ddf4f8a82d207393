/* The report as one self-contained page. */
#include "kd/base/file.h"
#include "kd/base/text.h"
#include "kd/report/charts.h"
#include "kd/report/tables.h"
#include <math.h>
#include <string.h>

/* page.css and page.js, as the Makefile turns them into bytes. */
static const char style[] = {
#include "page.css.inc"
    0};
static const char script[] = {
#include "page.js.inc"
    0};

static int put(struct kd_bytes *out, const char *text, struct kd_err *err)
{
    return kd_bytes_add(out, text, strlen(text), err);
}

/* A name may break behind its commas: "kd,temperature=4". */
static int put_name(struct kd_bytes *out, char *name, struct kd_err *err)
{
    for (char *comma; (comma = strchr(name, ',')) && comma[1]; name = comma + 1) {
        *comma = '\0';
        if (kd_text_xml(out, name, err) < 0 || put(out, ",<wbr>", err) < 0) return -1;
    }
    return kd_text_xml(out, name, err);
}

static int put_cell(const struct kd_column *column, const struct kd_cell *cell, bool code,
                    struct kd_bytes *out, struct kd_err *err)
{
    struct kd_bytes shown = {0};
    char number[32];
    bool is_text = column->kind == KD_CELL_TEXT;
    kd_number_text(cell->value, number);
    int status = put(out, is_text ? "<td class=\"text\"" : "<td", err);
    if (status == 0 && !cell->text && number[0])
        status = kd_bytes_format(out, err, " data-v=\"%s\"", number);
    if (status == 0) status = put(out, code ? "><code>" : ">", err);
    if (status == 0) status = kd_cell_show(column, cell, &shown, err);
    if (status == 0 && shown.size && is_text && !code)
        status = put_name(out, shown.data, err);
    else if (status == 0 && shown.size)
        status = kd_text_xml(out, shown.data, err);
    if (status == 0) status = put(out, code ? "</code></td>" : "</td>", err);
    kd_bytes_release(&shown);
    return status;
}

/* The first row of a run below another's, where the table's first column says the run. */
static bool begins_run(const struct kd_table *t, size_t r)
{
    if (r == 0 || strcmp(t->columns[0].key, "run") != 0) return false;
    const char *above = t->cells[(r - 1) * t->n_columns].text,
               *here = t->cells[r * t->n_columns].text;
    return above && here && strcmp(above, here) != 0;
}

static int put_table(const struct kd_table *t, struct kd_bytes *out, struct kd_err *err)
{
    if (put(out, "<div class=\"scroll\"><table><thead><tr>", err) < 0) return -1;
    for (size_t c = 0; c < t->n_columns; c++) {
        if (!kd_table_column_used(t, c)) continue;
        if (put(out,
                t->columns[c].kind == KD_CELL_TEXT ? "<th class=\"text\"><button>" : "<th><button>",
                err) < 0 ||
            kd_text_xml(out, t->columns[c].title, err) < 0 || put(out, "</button></th>", err) < 0)
            return -1;
    }
    if (put(out, "</tr></thead><tbody>\n", err) < 0) return -1;
    for (size_t r = 0; r < t->n_rows; r++) {
        const bool best = kd_table_is_marked(t, r), first = begins_run(t, r);
        if (put(out,
                best && first ? "<tr class=\"best run\">"
                : best        ? "<tr class=\"best\">"
                : first       ? "<tr class=\"run\">"
                              : "<tr>",
                err) < 0)
            return -1;
        for (size_t c = 0; c < t->n_columns; c++)
            if (kd_table_column_used(t, c) &&
                put_cell(&t->columns[c], &t->cells[r * t->n_columns + c],
                         strcmp(t->columns[c].key, "command") == 0, out, err) < 0)
                return -1;
        if (put(out, "</tr>\n", err) < 0) return -1;
    }
    return put(out, "</tbody></table></div>\n", err);
}

/* Lines of text as elements: "<li>", "</li>\n". */
static int put_lines(const struct kd_bytes *words, const char *open, const char *shut,
                     struct kd_bytes *out, struct kd_err *err)
{
    for (size_t at = 0; at < words->size;) {
        size_t length = strcspn(words->data + at, "\n");
        words->data[at + length] = '\0';
        if (put(out, open, err) < 0 || kd_text_xml(out, words->data + at, err) < 0 ||
            put(out, shut, err) < 0)
            return -1;
        at += length + 1;
    }
    return 0;
}

static int put_notes(const struct kd_report *report, struct kd_bytes *out, struct kd_err *err)
{
    struct kd_bytes words = {0};
    int status = kd_words_notes(report, "", &words, err);
    if (status == 0 && words.size) {
        status = put(out, "<h2>Notes</h2>\n<ul>\n", err);
        if (status == 0) status = put_lines(&words, "<li>", "</li>\n", out, err);
        if (status == 0) status = put(out, "</ul>\n", err);
    }
    kd_bytes_release(&words);
    return status;
}

static int put_differences(const struct kd_report *report, struct kd_bytes *out, struct kd_err *err)
{
    struct kd_table t;
    if (kd_view_differences(report, KD_FORM_MARKDOWN, &t, err) < 0) return -1;
    struct kd_bytes words = {0};
    int status = kd_words_on_differences(report, &t, &words, err);
    if (status == 0 && t.n_rows)
        status = put(out, "<h2>Distilled against plain, paired by seed</h2>\n", err);
    if (status == 0 && t.n_rows) status = put_table(&t, out, err);
    if (status == 0 && t.n_rows)
        status = kd_bytes_format(out, err, "<p class=\"faint\">%s</p>\n", words.data);
    kd_bytes_release(&words);
    kd_table_release(&t);
    return status;
}

static int put_head(const struct kd_report *report, struct kd_bytes *out, struct kd_err *err)
{
    struct kd_bytes names = {0}, words = {0}, origin = {0};
    int status = -1;
    if (kd_words_origin(report, &origin, err) < 0) goto end;
    for (size_t i = 0; i < report->n_runs; i++)
        if (kd_bytes_format(&names, err, "%s", i ? ", " : "") < 0 ||
            put(&names, report->runs[i].name, err) < 0)
            goto end;
    if (put(out,
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
            "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
            "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
            "img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'\">\n"
            "<meta name=\"color-scheme\" content=\"light dark\">\n<meta name=\"generator\" "
            "content=\"",
            err) < 0 ||
        kd_text_xml(out, origin.size ? origin.data : "kd", err) < 0 ||
        put(out, "\">\n<title>", err) < 0 ||
        kd_text_xml(out, names.size ? names.data : "", err) < 0 ||
        put(out, "</title>\n<style>\n", err) < 0 || put(out, kd_canvas_theme(), err) < 0 ||
        put(out, style, err) < 0 || put(out, "</style>\n</head>\n<body>\n<main>\n<h1>", err) < 0 ||
        kd_text_xml(out, names.size ? names.data : "", err) < 0 || put(out, "</h1>\n", err) < 0 ||
        kd_words_heading(report, &words, err) < 0 ||
        put_lines(&words, "<p>", "</p>\n", out, err) < 0)
        goto end;
    status = 0;
end:
    kd_bytes_release(&names);
    kd_bytes_release(&words);
    kd_bytes_release(&origin);
    return status;
}

static int put_models(const struct kd_report *report, struct kd_bytes *out, struct kd_err *err)
{
    const struct kd_table_view view = {.style = {.form = KD_FORM_MARKDOWN}};
    struct kd_table t;
    if (kd_view_table(report, &view, &t, err) < 0) return -1;
    int status = t.n_rows ? put_table(&t, out, err) : 0;
    if (status == 0 && t.n_marked)
        status = put(out,
                     "<p class=\"faint\">Bold: best student on validation. Figures are mean and "
                     "standard deviation over seeds.</p>\n",
                     err);
    kd_table_release(&t);
    return status;
}

static int put_further(const struct kd_report *report, struct kd_bytes *out, struct kd_err *err)
{
    const struct kd_table_view view = {.style = {.form = KD_FORM_MARKDOWN}};
    struct kd_table t;
    if (kd_view_further(report, &view, &t, err) < 0) return -1;
    int status = t.n_rows ? put(out, "<h2>Quality and cost</h2>\n", err) : 0;
    if (status == 0 && t.n_rows) status = put_table(&t, out, err);
    kd_table_release(&t);
    return status;
}

static int put_charts(const struct kd_chart_set *set, struct kd_bytes *out, struct kd_err *err)
{
    const double half = 760; /* wider ones would be too small beside another */
    int status = set->n ? put(out, "<h2>Charts</h2>\n<div class=\"charts\">\n", err) : 0;
    for (size_t i = 0; i < set->n && status == 0; i++) {
        const bool wide = set->charts[i].canvas.width > half;
        status =
            kd_bytes_format(out, err, "<figure%s style=\"--w:%.0fpx\" role=\"img\" aria-label=\"",
                            wide ? " class=\"wide\"" : "", set->charts[i].canvas.width);
        if (status == 0) status = kd_text_xml(out, set->charts[i].title, err);
        if (status == 0) status = put(out, "\">\n", err);
        if (status == 0) status = kd_canvas_svg(&set->charts[i].canvas, true, out, err);
        if (status == 0) status = put(out, "</figure>\n", err);
    }
    if (status == 0 && set->n) status = put(out, "</div>\n", err);
    return status;
}

static int put_seeds(const struct kd_report *report, struct kd_bytes *out, struct kd_err *err)
{
    /* What differs between the seeds of a model, as wide as a page; CSV has the rest. */
    static const char keys[] = "run,name,seed,top1,errors,nll,ece,valid_top1,best_epoch,"
                               "training_seconds,folder,command";
    struct kd_table t;
    int status = kd_table_seeds(report, &t, err);
    if (status == 0) status = kd_table_keep(&t, report->n_runs > 1 ? keys : keys + 4);
    if (status == 0 && t.n_rows) status = put(out, "<h2>Every seed, and its command</h2>\n", err);
    if (status == 0 && t.n_rows) status = put_table(&t, out, err);
    kd_table_release(&t);
    return status;
}

int kd_page_write(const struct kd_report *report, const char *path, struct kd_err *err)
{
    struct kd_chart_set set;
    if (kd_charts_make(report, 0, &set, err) < 0) return -1;
    int status = kd_page_put(report, &set, path, err);
    kd_charts_release(&set);
    return status;
}

int kd_page_put(const struct kd_report *report, const struct kd_chart_set *set, const char *path,
                struct kd_err *err)
{
    struct kd_bytes out = {0};
    int status = -1;
    if (put_head(report, &out, err) < 0 || put_models(report, &out, err) < 0 ||
        put_further(report, &out, err) < 0 || put_differences(report, &out, err) < 0 ||
        put_notes(report, &out, err) < 0 || put_charts(set, &out, err) < 0 ||
        put_seeds(report, &out, err) < 0)
        goto end;
    if (put(&out, "</main>\n<script>\n", err) < 0 || put(&out, script, err) < 0 ||
        put(&out, "</script>\n</body>\n</html>\n", err) < 0)
        goto end;
    status = kd_file_write(path, out.data, out.size, err);
end:
    kd_bytes_release(&out);
    return status;
}
