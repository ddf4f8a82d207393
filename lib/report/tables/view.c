/* The whole report in each form of text. */
#include "kd/base/json.h"
#include "kd/base/text.h"
#include "kd/report/figures.h"
#include "kd/report/tables.h"
#include <math.h>
#include <string.h>

static int brief_columns(const struct kd_report *report, struct kd_bytes *keys, struct kd_err *err)
{
    if (kd_bytes_format(keys, err, "%sname", report->n_runs > 1 ? "run," : "") < 0) return -1;
    for (size_t i = 0; i < KD_N_FIGURES; i++)
        if (kd_figures[i].brief && kd_bytes_format(keys, err, ",%s", kd_figures[i].column.key) < 0)
            return -1;
    return kd_bytes_format(keys, err, ",seeds");
}

int kd_view_table(const struct kd_report *report, const struct kd_table_view *view,
                  struct kd_table *t, struct kd_err *err)
{
    struct kd_bytes keys = {0};
    size_t column;
    const enum kd_form form = view->style.form;
    const bool people = form != KD_FORM_CSV && form != KD_FORM_JSON;
    int status = kd_table_models(report, t, err);
    if (status == 0 && view->filter) kd_table_filter(t, 1, view->filter);
    const bool up = view->sort && view->sort[0] == '-'; /* lowest first */
    if (status == 0 && view->sort) status = kd_table_find(t, view->sort + up, &column);
    if (status == 0 && view->sort) status = kd_table_sort(t, column, !up);
    if (status == 0 && view->columns && strcmp(view->columns, "all") != 0)
        status = kd_table_keep(t, view->columns);
    if (status == 0 && !view->columns && people) {
        status = brief_columns(report, &keys, err);
        if (status == 0) status = kd_table_keep(t, keys.data);
    }
    kd_bytes_release(&keys);
    if (status < 0) kd_table_release(t);
    return status;
}

/* Figures beyond the brief ones; the spread of those that hardly spread is left to CSV. */
static const struct {
    const char *key;
    bool spread;
} further[] = {{"name", false},    {"pareto", false},   {"top5", true},
               {"nll", true},      {"ece", true},       {"gap_recovered", false},
               {"macs", false},    {"bytes", false},    {"latency_ms", false},
               {"speedup", false}, {"batch_ms", false}, {"throughput", false}};

int kd_view_further(const struct kd_report *report, const struct kd_table_view *view,
                    struct kd_table *t, struct kd_err *err)
{
    struct kd_bytes keys = {0};
    const size_t n = sizeof further / sizeof *further;
    struct kd_table_view all = *view;
    int status = report->n_runs > 1 ? kd_bytes_format(&keys, err, "run,") : 0;
    for (size_t i = 0; i < n && status == 0; i++)
        status = kd_bytes_format(&keys, err, "%s%s", i ? "," : "", further[i].key);
    all.columns = keys.data;
    if (status == 0) status = kd_view_table(report, &all, t, err);
    kd_bytes_release(&keys);
    if (status < 0) return -1;
    /* Kd_view_table fills t where it returns 0. */
    /* NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult) */
    for (size_t c = 0; c < t->n_columns; c++)
        for (size_t i = 0; i < n; i++)
            if (strcmp(t->columns[c].key, further[i].key) == 0)
                t->own[c].spread &= further[i].spread;
    bool used = false;
    for (size_t c = 0; c < t->n_columns; c++)
        used |= t->columns[c].kind != KD_CELL_TEXT && kd_table_column_used(t, c);
    if (!used) t->n_rows = 0;
    return 0;
}

int kd_view_differences(const struct kd_report *report, enum kd_form form, struct kd_table *t,
                        struct kd_err *err)
{
    static const char keys[] = "run,name,plain,difference,low,high,pairs,mcnemar_p,verdict";
    int status = kd_table_differences(report, t, err);
    if (status == 0) status = kd_table_keep(t, report->n_runs > 1 ? keys : keys + 4);
    if (status < 0) {
        kd_table_release(t);
        return -1;
    }
    for (size_t c = 0; form == KD_FORM_LATEX && c < t->n_columns;
         c++) /* a paper has the interval */
        if (strcmp(t->columns[c].key, "verdict") == 0) t->own[c].drop = 9;
    return 0;
}

static int add_table(cJSON *root, const char *key, const struct kd_table *t, struct kd_err *err)
{
    cJSON *rows = kd_table_json(t, err);
    return rows ? kd_json_add(root, key, rows, err) : -1;
}

static int add_text_or_null(cJSON *object, const char *key, const char *text, struct kd_err *err)
{
    return text ? kd_json_add_text(object, key, text, err) : kd_json_add(object, key, NULL, err);
}

static int add_runs(const struct kd_report *report, cJSON *root, struct kd_err *err)
{
    static const char *const teachers[] = {[KD_TEACHERS_UNKNOWN] = NULL,
                                           [KD_TEACHERS_SHARED] = "shared",
                                           [KD_TEACHERS_OWN] = "own",
                                           [KD_TEACHERS_MIXED] = "mixed"};
    cJSON *runs = cJSON_CreateArray();
    if (kd_json_attach(root, "runs", runs, err) < 0) return -1;
    for (size_t i = 0; i < report->n_runs; i++) {
        cJSON *run = cJSON_CreateObject();
        if (!run || !cJSON_AddItemToArray(runs, run))
            return kd_fail_memory(err, "no memory for JSON");
        const struct kd_entry *best = kd_report_best(report, i);
        const struct kd_result *seed = best ? kd_report_best_seed(report, best) : NULL;
        const char *shared = teachers[kd_report_teachers(report, i)];
        if (kd_json_add_text(run, "name", report->runs[i].name, err) < 0 ||
            kd_json_add_text(run, "folder", report->runs[i].folder, err) < 0 ||
            kd_json_add_text(run, "split", report->split, err) < 0 ||
            add_text_or_null(run, "teachers", shared, err) < 0 ||
            add_text_or_null(run, "best", seed ? seed->model : NULL, err) < 0)
            return -1;
    }
    return 0;
}

static int add_origin(const struct kd_report *report, cJSON *root, struct kd_err *err)
{
    struct kd_bytes words = {0};
    int status = kd_words_origin(report, &words, err);
    if (status == 0 && words.size) status = kd_json_add_text(root, "origin", words.data, err);
    kd_bytes_release(&words);
    return status;
}

static int add_notes(const struct kd_report *report, cJSON *root, struct kd_err *err)
{
    cJSON *notes = report->n_notes ? cJSON_CreateStringArray((const char *const *)report->notes,
                                                             (int)report->n_notes)
                                   : cJSON_CreateArray();
    return kd_json_attach(root, "notes", notes, err);
}

static int render_json(const struct kd_report *report, const struct kd_table *models,
                       struct kd_bytes *out, struct kd_err *err)
{
    struct kd_table t = {0};
    char *text = NULL;
    cJSON *root = cJSON_CreateObject();
    int status = -1;
    if (!root) {
        kd_fail_memory(err, "no memory for JSON");
        goto end;
    }
    if (add_notes(report, root, err) < 0 || add_origin(report, root, err) < 0 ||
        add_runs(report, root, err) < 0 || add_table(root, "models", models, err) < 0)
        goto end;
    if (kd_table_differences(report, &t, err) < 0 || add_table(root, "differences", &t, err) < 0)
        goto end;
    kd_table_release(&t);
    if (kd_table_seeds(report, &t, err) < 0 || add_table(root, "seeds", &t, err) < 0) goto end;
    text = kd_json_text(root, true, err);
    if (text && kd_bytes_format(out, err, "%s\n", text) == 0) status = 0;
end:
    kd_table_release(&t);
    kd_free(text);
    cJSON_Delete(root);
    return status;
}

/* Columns that sentences may take: those of the terminal, but not too many for the eye. */
static size_t page(const struct kd_table_style *style, size_t most)
{
    return style->width && style->width < most ? style->width : most;
}

/* Sentences, a line each, behind what the form puts before them, and escaped for it. */
static int put_lines(const struct kd_bytes *words, const char *before,
                     const struct kd_table_style *style, struct kd_bytes *out, struct kd_err *err)
{
    const enum kd_form form = style->form;
    for (size_t at = 0; at < words->size;) {
        size_t length = strcspn(words->data + at, "\n");
        words->data[at + length] = '\0';
        if (form == KD_FORM_TERMINAL) {
            if (kd_text_wrap(out, words->data + at, strlen(before), page(style, 100), err) < 0)
                return -1;
            at += length + 1;
            continue;
        }
        if (kd_bytes_add(out, before, strlen(before), err) < 0) return -1;
        int status = form == KD_FORM_MARKDOWN ? kd_text_markdown(out, words->data + at, err)
                                              : kd_bytes_add(out, words->data + at, length, err);
        if (status < 0 || kd_bytes_add(out, "\n", 1, err) < 0) return -1;
        at += length + 1;
    }
    return 0;
}

static int put_section(const char *title, const struct kd_bytes *words,
                       const struct kd_table_style *style, struct kd_bytes *out, struct kd_err *err)
{
    const enum kd_form form = style->form;
    const char *before = form == KD_FORM_MARKDOWN ? "- " : form == KD_FORM_LATEX ? "% " : "  ";
    if (words->size == 0) return 0;
    if (kd_bytes_format(out, err, "\n%s%s:\n%s", form == KD_FORM_LATEX ? "% " : "", title,
                        form == KD_FORM_MARKDOWN ? "\n" : "") < 0)
        return -1;
    return put_lines(words, before, style, out, err);
}

static int put_differences(const struct kd_report *report, const struct kd_table_view *view,
                           struct kd_bytes *out, struct kd_err *err)
{
    struct kd_table t;
    if (kd_view_differences(report, view->style.form, &t, err) < 0) return -1;
    struct kd_bytes words = {0};
    int status = t.n_rows ? kd_words_on_differences(report, &t, &words, err) : 0;
    if (status == 0 && t.n_rows && view->style.form == KD_FORM_TERMINAL) {
        status = kd_bytes_add(out, "\n", 1, err);
        if (status == 0) status = kd_text_wrap(out, words.data, 0, page(&view->style, 100), err);
        if (status == 0) status = kd_bytes_add(out, "\n", 1, err);
    } else if (status == 0 && t.n_rows) {
        status = kd_bytes_format(out, err, "\n%s%s\n\n",
                                 view->style.form == KD_FORM_LATEX ? "% " : "", words.data);
    }
    if (status == 0 && t.n_rows) status = kd_table_render(&t, &view->style, out, err);
    kd_bytes_release(&words);
    kd_table_release(&t);
    return status;
}

/* As a comment, where the form has one. */
static int put_origin(const struct kd_report *report, enum kd_form form, struct kd_bytes *out,
                      struct kd_err *err)
{
    const bool latex = form == KD_FORM_LATEX;
    struct kd_bytes words = {0};
    if (!latex && form != KD_FORM_MARKDOWN) return 0;
    int status = kd_words_origin(report, &words, err);
    for (char *p = words.data; p && !latex && (p = strchr(p, '>')); p++)
        *p = ' '; /* it may end the comment */
    if (status == 0 && words.size)
        status = kd_bytes_format(out, err, latex ? "\n%% %s\n" : "\n<!-- %s -->\n", words.data);
    kd_bytes_release(&words);
    return status;
}

/* What the columns mean whose titles do not say it by themselves. */
static const struct {
    const char *key, *words;
} meanings[] = {
    {"valid_top1", "valid.: on the validation images, which choose epochs and students"},
    {"compression", "smaller: than the teacher"},
    {"agreement", "agreement: same class as the teacher, or as kd-eval's --reference"},
    {"pareto", "Pareto: no other model here is both smaller and better"},
    {"nll", "NLL: mean cross-entropy"},
    {"ece", "ECE: calibration error"},
    {"gap_recovered", "gap closed: share of the way from plain to teacher, where this is more than "
                      "its spread"},
    {"latency_ms", "ms an image: given by itself"},
    {"speedup", "faster: than the teacher"},
    {"batch_ms", "ms a 1,000: given 1,000 at a time"},
};

static bool has_spread(const struct kd_table *t)
{
    for (size_t i = 0; i < t->n_rows * t->n_columns; i++)
        if (!isnan(t->cells[i].sd)) return true;
    return false;
}

static bool has_column(const struct kd_table *t, const char *key)
{
    for (size_t c = 0; c < t->n_columns; c++)
        if (strcmp(t->columns[c].key, key) == 0) return kd_table_column_used(t, c);
    return false;
}

/* A key to the columns that are there, below both tables. */
static int put_key(const struct kd_table *brief, const struct kd_table *beyond,
                   const struct kd_table_style *style, struct kd_bytes *out, struct kd_err *err)
{
    struct kd_bytes words = {0};
    int status = 0;
    if (has_spread(brief) || has_spread(beyond))
        status = kd_bytes_format(&words, err, "%s: mean and standard deviation over seeds",
                                 style->ascii ? "+-" : "\xC2\xB1");
    for (size_t i = 0; i < sizeof meanings / sizeof *meanings && status == 0; i++)
        if (has_column(brief, meanings[i].key) || has_column(beyond, meanings[i].key))
            status =
                kd_bytes_format(&words, err, "%s%s", words.size ? "; " : "", meanings[i].words);
    if (status == 0 && words.size) status = kd_bytes_text(&words, ".", err);
    if (status == 0 && words.size) status = kd_text_wrap(out, words.data, 2, page(style, 120), err);
    kd_bytes_release(&words);
    return status;
}

/* What the mark of a row says. */
static int put_legend(const struct kd_table_style *style, struct kd_bytes *out, struct kd_err *err)
{
    if (style->form == KD_FORM_LATEX)
        return kd_bytes_text(
            out, "\n% *: best mean on validation. Bold: the best student of each column.\n", err);
    if (style->form == KD_FORM_MARKDOWN)
        return kd_bytes_text(out, "\nBold: best student on validation.\n", err);
    return kd_text_wrap(out, "* best mean on validation; kd-report --best prints its path", 2,
                        page(style, 100), err);
}

static int put_heading(const struct kd_report *report, const struct kd_table_view *view,
                       struct kd_bytes *out, struct kd_err *err)
{
    struct kd_bytes heading = {0};
    const char *before = view->style.form == KD_FORM_LATEX ? "% " : "";
    int status = kd_words_heading(report, &heading, err);
    if (status == 0) status = put_lines(&heading, before, &view->style, out, err);
    kd_bytes_release(&heading);
    return status;
}

static int put_models(const struct kd_table_view *view, const struct kd_table *models,
                      struct kd_bytes *out, struct kd_err *err)
{
    if (models->n_rows && (kd_bytes_add(out, "\n", 1, err) < 0 ||
                           kd_table_render(models, &view->style, out, err) < 0))
        return -1;
    return models->n_marked ? put_legend(&view->style, out, err) : 0;
}

/* Figures beyond the brief ones, and the key to the columns of both tables. */
static int put_further(const struct kd_report *report, const struct kd_table_view *view,
                       const struct kd_table *models, struct kd_bytes *out, struct kd_err *err)
{
    struct kd_table t;
    if (view->columns) return 0;
    if (kd_view_further(report, view, &t, err) < 0) return -1;
    int status = t.n_rows ? kd_bytes_add(out, "\n", 1, err) : 0;
    if (status == 0 && t.n_rows) status = kd_table_render(&t, &view->style, out, err);
    if (status == 0 && models->n_rows && view->style.form == KD_FORM_TERMINAL)
        status = put_key(models, &t, &view->style, out, err);
    kd_table_release(&t);
    return status;
}

static int render_people(const struct kd_report *report, const struct kd_table_view *view,
                         const struct kd_table *models, struct kd_bytes *out, struct kd_err *err)
{
    struct kd_bytes notes = {0};
    if (put_heading(report, view, out, err) < 0 || put_models(view, models, out, err) < 0)
        return -1;
    if (view->alone) return put_origin(report, view->style.form, out, err);
    if (put_further(report, view, models, out, err) < 0) return -1;
    int status = put_differences(report, view, out, err);
    if (status == 0) status = kd_words_notes(report, "", &notes, err);
    if (status == 0) status = put_section("Notes", &notes, &view->style, out, err);
    if (status == 0) status = put_origin(report, view->style.form, out, err);
    kd_bytes_release(&notes);
    return status;
}

int kd_report_render(const struct kd_report *report, const struct kd_table_view *view,
                     struct kd_bytes *out, struct kd_err *err)
{
    struct kd_table models;
    const enum kd_form form = view->style.form;
    if (kd_view_table(report, view, &models, err) < 0) return -1;
    const bool rows = form == KD_FORM_CSV || (form == KD_FORM_JSON && view->alone);
    int status = rows                   ? kd_table_render(&models, &view->style, out, err)
                 : form == KD_FORM_JSON ? render_json(report, &models, out, err)
                                        : render_people(report, view, &models, out, err);
    kd_table_release(&models);
    return status;
}
