/* kd-report: tables, charts, workbook and page from run folders. */
#include "inputs.h"
#include "kd/base/file.h"
#include "kd/base/terminal.h"
#include "kd/report/charts.h"
#include "kd/report/tables.h"
#include "kd/train/experiment.h"
#include "program.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FORMS(X)                                                                                   \
    X(FORM_TERMINAL, "terminal")                                                                   \
    X(FORM_MARKDOWN, "markdown")                                                                   \
    X(FORM_CSV, "csv")                                                                             \
    X(FORM_JSON, "json")                                                                           \
    X(FORM_LATEX, "latex")                                                                         \
    X(FORM_CHARTS, "charts")                                                                       \
    X(FORM_PAGE, "page")                                                                           \
    X(FORM_WORKBOOK, "workbook")
enum form { FORMS(KD_CHOICE_ENUM) };
#define TABLES(X)                                                                                  \
    X(TABLE_MODELS, "models")                                                                      \
    X(TABLE_SEEDS, "seeds")                                                                        \
    X(TABLE_DIFFERENCES, "differences")                                                            \
    X(TABLE_LOGS, "logs")                                                                          \
    X(TABLE_CLASSES, "classes")                                                                    \
    X(TABLE_CLASS_SEEDS, "class-seeds")                                                            \
    X(TABLE_WRONG, "wrong")
enum { TABLES(KD_CHOICE_ENUM) };

struct options {
    bool best, log, last, csv, bom, markdown, latex, charts, page, workbook, all, wide;
    int format, table;
    struct kd_texts set;
    char *columns, *sort, *filter, *max_bytes, *max_macs, *runs, *data_dir, *width, *chart;
    double max_ms;
};

#define AT(field) offsetof(struct options, field)
static const struct kd_option what[] = {
    {"best", 'b', NULL, KD_OPT_BOOL, AT(best),
     .help = "print only the path of the model of the student best on validation",
     .more = "Of its seeds it is the one best on validation. With `--log`, its log is printed."},
    {"max-bytes", 0, NULL, KD_OPT_TEXT, AT(max_bytes), .metavar = "SIZE",
     .help = "with --best: among students whose model file is at most so large, as 64k"},
    {"max-macs", 0, NULL, KD_OPT_TEXT, AT(max_macs), .metavar = "COUNT",
     .help = "with --best: among those of at most so many multiply-adds an image, as 1M"},
    {"max-ms", 0, NULL, KD_OPT_REAL, AT(max_ms), .min = 0, .max = 1e6, .metavar = "MS",
     .help =
         "with --best: among those that take at most so long for an image (kd-eval --time); 0 is "
         "any"},
    {"log", 'l', NULL, KD_OPT_BOOL, AT(log),
     .help = "print the logs found in the folders, as tables with small curves"},
    {"last", 'L', NULL, KD_OPT_BOOL, AT(last),
     .help = "take the newest run, one made on the spot included",
     .more = "The newest is the one whose files changed last."},
    {"runs", 0, NULL, KD_OPT_TEXT, AT(runs), .preset = KD_RUNS, .metavar = "FOLDER",
     .help = "folder of the run folders, where --last looks and an experiment's run lies"},
    {"set", 's', NULL, KD_OPT_TEXTS, AT(set), .metavar = "KEY=VALUE",
     .help = "override a key of the experiment, as it was when it was trained",
     .more =
         "The experiment is the one named as operand; its name says where the run folder lies."},
    {"data-dir", 0, NULL, KD_OPT_TEXT, AT(data_dir), .metavar = "DIR",
     .help = "where named data is found for pictures, instead of $KD_DATA or ./data"},
    {0},
};
static const struct kd_option form[] = {
    {"format", 'f', NULL, KD_OPT_CHOICE, AT(format), .preset = "terminal",
     .choices = KD_CHOICES(FORMS), .metavar = "FORMAT", .help = "form of the report",
     .more =
         "Without it the ending of the `-o` file decides: .md, .csv, .json, .tex, .html or .xlsx."},
    {"csv", 0, NULL, KD_OPT_BOOL, AT(csv), .help = "comma-separated values, unrounded",
     .more = "Rates are fractions. A text that a spreadsheet would take for a formula gets an "
             "apostrophe in front."},
    {"bom", 0, NULL, KD_OPT_BOOL, AT(bom), .help = "CSV starts with a byte order mark, for Excel"},
    {"markdown", 0, NULL, KD_OPT_BOOL, AT(markdown), .help = "Markdown"},
    {"latex", 0, NULL, KD_OPT_BOOL, AT(latex), .help = "a LaTeX table", .also = "tex",
     .more =
         "It needs the packages booktabs, siunitx and textcomp. Numbers stand under each other by "
         "their decimal points, and the best student of each column is bold. What is too wide for "
         "a "
         "page of 345 pt is left out and named in a comment; `--wide`, or columns of your choice "
         "(`-c`), keep it."},
    {"charts", 0, NULL, KD_OPT_BOOL, AT(charts),
     .help = "write charts as PNG, SVG and PDF to the -o folder or RUN/report",
     .also = "plot plots figures graph graphs", .more = "Their paths are printed."},
    {"chart", 0, NULL, KD_OPT_TEXT, AT(chart), .metavar = "NAME",
     .help = "with --charts: only this one, as learning-curves; a shell pattern may match several",
     .also = "only-chart", .more = "The names are those of the files that `--charts` writes."},
    {"width", 0, NULL, KD_OPT_TEXT, AT(width), .metavar = "LENGTH",
     .help =
         "of charts: that of a column they are printed in, as 3.3in or 84mm; text then has 8 pt",
     .also = "size figsize dpi fontsize",
     .more =
         "The charts are laid out for it, not scaled: fewer ticks and narrower panels. PNG then "
         "has 300 dots an inch. Units are in, cm, mm and pt."},
    {"page", 0, NULL, KD_OPT_BOOL, AT(page), .help = "write one self-contained HTML page",
     .also = "html", .more = "It goes to `-o`, or to RUN/report/report.html."},
    {"workbook", 0, NULL, KD_OPT_BOOL, AT(workbook), .help = "write an Excel workbook",
     .also = "excel xlsx", .more = "It goes to `-o`, or to RUN/report/report.xlsx."},
    {"all", 'a', NULL, KD_OPT_BOOL, AT(all),
     .help = "write every form to the -o folder or RUN/report and print the paths"},
    {"table", 't', NULL, KD_OPT_CHOICE, AT(table), .preset = "models",
     .choices = KD_CHOICES(TABLES), .metavar = "TABLE",
     .help = "the table that --csv, --markdown, --latex and the terminal show",
     .more =
         "`models` has a row per model; without `-t` and `-c`, and except in CSV, two more "
         "tables and notes follow it. "
         "`seeds` has a row per trained model with the command that "
         "made it, `logs` a row per epoch. `classes` has a row per model and class: errors "
         "over its seeds, and what the class is mostly taken for; those that the training left "
         "out are marked. `class-seeds` has the same of each seed; in CSV its columns are run, "
         "name, seed, class, trained_on, images, errors, right, mostly_taken_for. Classes come "
         "from the confusion in `eval.json`. `wrong` has the surest errors, up to 20 of each model "
         "whose answers were saved (`kd-eval -x EXPERIMENT`): the row of the data, from 1, its "
         "class, and what it is taken for."},
    {"wide", 'w', NULL, KD_OPT_BOOL, AT(wide),
     .help = "the whole table, however narrow the terminal, or the page of --latex, is"},
    {"columns", 'c', NULL, KD_OPT_TEXT, AT(columns), .metavar = "KEYS",
     .help = "columns, by their names in CSV, separated by commas; all: every one"},
    {"sort", 0, NULL, KD_OPT_TEXT, AT(sort), .metavar = "KEY",
     .help = "order the models by a column, highest first; with a minus before it, lowest first"},
    {"filter", 0, NULL, KD_OPT_TEXT, AT(filter), .metavar = "PATTERN",
     .help = "only models whose names match a shell pattern",
     .more =
         "It holds for tables and for `--best`. With `--charts` those of a single model, as the "
         "confusion matrix and the misclassified images, show the best of these."},
    {0},
};
#undef AT
static const struct kd_program_section sections[] = {
    {"what", "What to show", what, 0, NULL},
    {"form", "Form", form, 0, NULL},
    {0},
};

static const char details[] =
    "Examples:\n"
    "  kd-report runs/digits                          the table\n"
    "  kd-report runs/digits --best                   path of the best student\n"
    "  kd-report --log runs/digits/teacher            the teacher's log\n"
    "  kd-report --log --last                         log of the newest run\n"
    "  kd-report runs/digits --csv -o digits.csv      for a spreadsheet\n"
    "  kd-report runs/digits --charts                 learning curves in runs/digits/report\n"
    "  kd-report runs/digits --all                    every form\n";

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n > m && strcmp(text + n - m, end) == 0;
}

/* The form asked for: by flag, else by the ending of -o, else the terminal's. */
static int choose_form(const struct kd_invocation *inv, enum form *chosen, struct kd_err *err)
{
    const struct options *o = inv->options;
    static const struct {
        const char *end;
        enum form form;
    } ends[] = {{".csv", FORM_CSV},   {".md", FORM_MARKDOWN}, {".json", FORM_JSON},
                {".tex", FORM_LATEX}, {".html", FORM_PAGE},   {".xlsx", FORM_WORKBOOK}};
    const struct {
        bool given;
        enum form form;
    } flags[] = {{kd_args_has(&inv->args, "format"), (enum form)o->format},
                 {o->csv, FORM_CSV},
                 {o->markdown, FORM_MARKDOWN},
                 {o->latex, FORM_LATEX},
                 {inv->common.json, FORM_JSON},
                 {o->charts, FORM_CHARTS},
                 {o->page, FORM_PAGE},
                 {o->workbook, FORM_WORKBOOK}};
    int given = 0;
    *chosen = FORM_TERMINAL;
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        if (flags[i].given && (given++ == 0 || *chosen != flags[i].form)) {
            if (given > 1) return kd_fail_usage(err, "one form at a time; --all writes every one");
            *chosen = flags[i].form;
        }
    if ((given || o->all) && (o->best || o->log))
        return kd_fail_usage(err, "--%s has a form of its own; leave the other out",
                             o->best ? "best" : "log");
    if (given || o->best || o->log || !inv->common.output) return 0;
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (ends_with(inv->common.output, ends[i].end)) *chosen = ends[i].form;
    const char *slash = strrchr(inv->common.output, '/'), *dot = strrchr(inv->common.output, '.');
    if (*chosen != FORM_TERMINAL || o->all || !dot || (slash && dot < slash) ||
        ends_with(inv->common.output, ".txt"))
        return 0;
    return kd_fail_usage(err,
                         "%s: no form is known by \"%s\"; end it in .txt, .csv, .md, .json, .tex, "
                         ".html or .xlsx, or say "
                         "the form",
                         inv->common.output, dot);
}

/* A report passes over what cannot be read. Where that was this machine's failure, it is none of
 * the run. */
static int machine_check(struct kd_err *err)
{
    const char *failure = kd_err_machine();
    return failure ? kd_fail(err, "%s", failure) : 0;
}

/* Text to -o or standard output. */
static int deliver(struct kd_invocation *inv, const struct kd_bytes *text, struct kd_err *err)
{
    if (machine_check(err) < 0) return -1;
    if (inv->common.output && strcmp(inv->common.output, "-") != 0) {
        if (kd_file_write(inv->common.output, text->data, text->size, err) < 0) return -1;
        return kd_print_path(err, inv->common.output);
    }
    return text->size ? kd_print(err, "%s", text->data) : 0;
}

/* "64k", "1.5M", "300000": thousands; NULL: NaN. */
static int read_size(const char *text, const char *flag, double *out, struct kd_err *err)
{
    static const char units[] = "kMG";
    char *end;
    *out = NAN;
    if (!text) return 0;
    double v = strtod(text, &end);
    const char *unit = *end ? strchr(units, *end) : NULL;
    for (const char *u = units; unit && u <= unit; u++) v *= 1000;
    if (end == text || (*end && (!unit || end[1])) || !(v > 0) || v > 1e18)
        return kd_fail_usage(err, "%s=%s: expected a number above 0, as 300000, 64k or 1.5M", flag,
                             text);
    *out = v;
    return 0;
}

/* "3.3in", "84mm", in points; NULL: 0. */
static int read_length(const char *text, double *out, struct kd_err *err)
{
    static const struct {
        const char *name;
        double points;
    } units[] = {{"in", 72}, {"cm", 72 / 2.54}, {"mm", 7.2 / 2.54}, {"pt", 1}};
    char *end;
    *out = 0;
    if (!text) return 0;
    const double v = strtod(text, &end);
    for (size_t i = 0; end != text && i < sizeof units / sizeof *units; i++)
        if (strcmp(end, units[i].name) == 0) *out = v * units[i].points;
    if (*out >= 144 && *out <= 1440) return 0;
    return kd_fail_usage(err, "--width=%s: expected 2 to 20 inches, as 3.3in, 84mm, 8.4cm or 240pt",
                         text);
}

static int print_best(const struct options *o, const struct kd_report *report, struct kd_bytes *out,
                      struct kd_err *err)
{
    struct kd_choice choice = {.pattern = o->filter, .ms = o->max_ms > 0 ? o->max_ms : NAN};
    const bool limited = o->max_bytes || o->max_macs || o->max_ms > 0;
    if (read_size(o->max_bytes, "--max-bytes", &choice.bytes, err) < 0 ||
        read_size(o->max_macs, "--max-macs", &choice.macs, err) < 0)
        return -1;
    for (size_t i = 0; i < report->n_runs; i++) {
        const struct kd_entry *best = kd_report_best_of(report, i, &choice);
        const struct kd_result *r = best ? kd_report_best_seed(report, best) : NULL;
        if (!r)
            return kd_fail(err,
                           "%s: no student%s%s%s with a model file and a validation score; "
                           "validation images are carved "
                           "with \"data\": {\"validation\": N}",
                           report->runs[i].folder, o->filter ? " named like " : "",
                           o->filter ? o->filter : "", limited ? " within these limits" : "");
        if (kd_bytes_format(out, err, "%s\n", r->model) < 0) return -1;
    }
    return 0;
}

static int print_logs(const struct options *o, const struct kd_report *report,
                      const struct kd_table_style *style, struct kd_bytes *out, struct kd_err *err)
{
    for (size_t run = 0; run < report->n_runs; run++) {
        const struct kd_entry *best = o->best ? kd_report_best(report, run) : NULL;
        const struct kd_result *only = best ? kd_report_best_seed(report, best) : NULL;
        if (o->best && !only)
            return kd_fail(err, "%s: no validated student yet", report->runs[run].folder);
        for (size_t i = 0; i < report->n_results; i++) {
            const struct kd_result *r = &report->results[i];
            if (r->run != run || (only && r != only)) continue;
            if (out->size && kd_bytes_add(out, "\n", 1, err) < 0) return -1;
            if (kd_words_log(report, r, style, out, err) < 0) return -1;
        }
    }
    if (out->size) return 0;
    return kd_fail(err, "%s: no log here; name a model's folder, as runs/digits/teacher/s1",
                   report->runs[0].folder);
}

static const char *const why_empty[] = {
    [TABLE_MODELS] = "no models",
    [TABLE_SEEDS] = "no models",
    [TABLE_DIFFERENCES] = "no distilled student beside a plain one of the same network",
    [TABLE_LOGS] = "no logs",
    [TABLE_CLASSES] = "no confusion is saved beside the models; kd-eval MODEL --save does that",
    [TABLE_CLASS_SEEDS] = "no confusion is saved beside the models; kd-eval MODEL --save does that",
    [TABLE_WRONG] =
        "no answers are saved, or none is wrong; kd-eval --save keeps those to test images"};

static int print_table(const struct options *o, const struct kd_report *report,
                       const struct kd_table_view *view, struct kd_bytes *out, struct kd_err *err)
{
    static int (*const make[])(const struct kd_report *, struct kd_table *,
                               struct kd_err *) = {[TABLE_MODELS] = kd_table_models,
                                                   [TABLE_SEEDS] = kd_table_seeds,
                                                   [TABLE_DIFFERENCES] = kd_table_differences,
                                                   [TABLE_LOGS] = kd_table_logs,
                                                   [TABLE_CLASSES] = kd_table_classes,
                                                   [TABLE_CLASS_SEEDS] = kd_table_class_seeds,
                                                   [TABLE_WRONG] = kd_table_wrong};
    struct kd_table t;
    size_t column;
    if (o->table == TABLE_MODELS) return kd_report_render(report, view, out, err);
    const bool people = view->style.form != KD_FORM_CSV && view->style.form != KD_FORM_JSON;
    if (o->table == TABLE_DIFFERENCES && people && !view->columns) {
        if (kd_view_differences(report, view->style.form, &t, err) < 0) return -1;
    } else if (make[o->table](report, &t, err) < 0) {
        kd_table_release(&t);
        return -1;
    }
    int status = view->filter ? kd_table_find(&t, "name", &column) : 0;
    if (status == 0 && view->filter) kd_table_filter(&t, column, view->filter);
    const bool up = view->sort && view->sort[0] == '-';
    if (status == 0 && view->sort) status = kd_table_find(&t, view->sort + up, &column);
    if (status == 0 && view->sort) status = kd_table_sort(&t, column, !up);
    if (status == 0 && view->columns && strcmp(view->columns, "all") != 0)
        status = kd_table_keep(&t, view->columns);
    if (status == 0 && people && !t.n_rows)
        status = kd_bytes_format(out, err, "%s\n", why_empty[o->table]);
    else if (status == 0)
        status = kd_table_render(&t, &view->style, out, err);
    kd_table_release(&t);
    return status;
}

/* Folder that files go to: -o or RUN/report. */
static char *target(const struct kd_invocation *inv, const struct kd_report *report,
                    struct kd_err *err)
{
    if (inv->common.output) return kd_strdup(inv->common.output, err);
    return kd_path_join(err, report->runs[0].folder, KD_FOLDER_REPORT);
}

struct told {
    struct kd_invocation *inv;
    size_t written;
};

static int announce(void *ctx, const char *path, struct kd_err *err)
{
    struct told *told = ctx;
    told->written++;
    if (kd_print_path(err, path) < 0) return -1;
    return kd_progress_go_on(&told->inv->progress, err);
}

static void explain(void *ctx, const char *why)
{
    struct told *told = ctx;
    kd_say(told->inv, "pictures of data are left out: %s", why);
}

static int write_files(struct kd_invocation *inv, const struct kd_report *report, enum form chosen,
                       struct kd_err *err)
{
    const struct options *o = inv->options;
    bool many = o->all || chosen == FORM_CHARTS;
    if (many && inv->common.output && strcmp(inv->common.output, "-") == 0)
        return kd_fail_usage(err,
                             "several files do not go to standard output; name a folder with -o");
    char *folder = target(inv, report, err), *path = NULL;
    int status = -1;
    if (!folder) return -1;
    struct told told = {inv, 0};
    const struct kd_writer writer = {folder, announce, &told, explain};
    if (o->all) {
        status = kd_report_write_all(report, &writer, err);
    } else if (chosen == FORM_CHARTS) {
        status = kd_charts_write(report, &writer, err);
        if (status == 0 && told.written == 0)
            status = kd_fail(err, "%s: nothing to draw yet: no logs and no evaluations",
                             report->runs[0].folder);
    } else {
        const char *name = chosen == FORM_PAGE ? KD_FILE_PAGE : KD_FILE_WORKBOOK;
        path = inv->common.output ? kd_strdup(inv->common.output, err)
                                  : kd_path_join(err, folder, name);
        if (path && chosen == FORM_PAGE) status = kd_page_write(report, path, err);
        if (path && chosen == FORM_WORKBOOK) status = kd_workbook_write(report, path, err);
        if (status == 0 && strcmp(path, "-") != 0) status = kd_print_path(err, path);
    }
    kd_free(folder);
    kd_free(path);
    const char *missing = kd_report_missing_forms();
    if (status == 0 && *missing && many) kd_say(inv, "%s", missing);
    return status;
}

/* A file, or one that comes with kd, by its name. */
static bool is_experiment(const struct kd_invocation *inv, const char *operand)
{
    struct kd_err unknown;
    if (ends_with(operand, ".json")) return true;
    if (strchr(operand, '/') || kd_path_exists(operand)) return false;
    char *path = kd_experiment_named(inv, operand, &unknown);
    kd_free(path);
    return path != NULL;
}

static int check_options(const struct kd_invocation *inv, enum form chosen, struct kd_err *err)
{
    const struct options *o = inv->options;
    const bool files = o->all || chosen >= FORM_CHARTS, alone = o->best || o->log;
    const bool pictures = o->all || chosen == FORM_CHARTS || chosen == FORM_PAGE;
    bool experiment = false;
    for (size_t i = 0; i < inv->args.n_operands; i++)
        experiment |= is_experiment(inv, inv->args.operands[i]);
    const struct kd_idle rules[] = {
        {files, "table columns sort wide",
         "is for tables as text; charts, page and workbook show all models"},
        {files && (o->all || chosen != FORM_CHARTS), "filter",
         "is for tables as text and --charts; page and workbook show all models"},
        {chosen != FORM_CSV, "bom", "is for --csv"},
        {alone, "table columns sort", "is for tables, not for --log and --best"},
        {!o->best || o->log, "max-bytes max-macs max-ms", "goes with --best"},
        {o->log, "filter", "is for tables and --best, not for --log"},
        {chosen != FORM_CHARTS, "chart", "goes with --charts"},
        {!o->all && chosen != FORM_CHARTS, "width", "is for charts as files (--charts or --all)"},
        {!pictures, "data-dir", "is for pictures of data, which --charts, --page and --all draw"},
        {!experiment, "set", "overrides a key of an experiment, but none is named"},
        {!experiment && !o->last, "runs",
         "says where --last and an experiment look; name one of them"}};
    return kd_args_idle(&inv->args, rules, sizeof rules / sizeof *rules, err);
}

static int show(struct kd_invocation *inv, const struct kd_report *report, enum form chosen,
                struct kd_err *err)
{
    const struct options *o = inv->options;
    static const enum kd_form forms[] = {KD_FORM_TERMINAL, KD_FORM_MARKDOWN, KD_FORM_CSV,
                                         KD_FORM_JSON, KD_FORM_LATEX};
    struct kd_bytes out = {0};
    if (o->all || chosen >= FORM_CHARTS) return write_files(inv, report, chosen, err);
    const bool screen = !inv->common.output, latex = chosen == FORM_LATEX;
    const bool table = kd_args_has(&inv->args, "table"), columns = o->columns != NULL;
    const struct kd_table_style style = {.form = forms[chosen],
                                         .bom = o->bom,
                                         .colour = screen && kd_terminal_colours(STDOUT_FILENO),
                                         .ascii = screen && kd_terminal_ascii(),
                                         .width = o->wide || (latex && columns) ? KD_WIDE
                                                  : screen ? kd_terminal_columns(STDOUT_FILENO)
                                                           : 0};
    const struct kd_table_view view = {style, o->columns, o->sort, o->filter,
                                       table || (columns && chosen != FORM_JSON)};
    int status = o->log    ? print_logs(o, report, &style, &out, err)
                 : o->best ? print_best(o, report, &out, err)
                           : print_table(o, report, &view, &out, err);
    if (status == 0) status = deliver(inv, &out, err);
    kd_bytes_release(&out);
    return status;
}

/* An experiment file stands for its run folder. */
static char *folder_of(const struct kd_invocation *inv, const char *operand, struct kd_err *err)
{
    const struct options *o = inv->options;
    if (!is_experiment(inv, operand)) return kd_strdup(operand, err);
    char *path = kd_experiment_named(inv, operand, err);
    struct kd_experiment *x = path ? kd_experiment_open(path, o->runs, &o->set, err) : NULL;
    char *folder = x ? kd_strdup(x->folder, err) : NULL;
    if (folder) kd_leftovers_remove(folder, KD_RUN_DEPTH - 1);
    kd_experiment_close(x);
    kd_free(path);
    return folder;
}

static int make_report(struct kd_invocation *inv, struct kd_err *err)
{
    const struct options *o = inv->options;
    struct kd_report report;
    enum form chosen;
    double width;
    size_t n = inv->args.n_operands;
    if (choose_form(inv, &chosen, err) < 0 || check_options(inv, chosen, err) < 0 ||
        read_length(o->width, &width, err) < 0)
        return -1;
    if (!o->all && chosen != FORM_CHARTS && output_file_check(inv, err) < 0) return -1;
    if (o->last && n > 0)
        return kd_fail_usage(err, "--last chooses the run; name no other (\"%s\")",
                             inv->args.operands[0]);
    if (!o->last && n == 0)
        return kd_fail_usage(err, "which run? name its folder, as runs/digits, or give --last");
    if (o->last) n = 1;
    char **folders = kd_alloc(n, sizeof *folders, "a list of runs", err);
    int status = folders ? 0 : -1;
    for (size_t i = 0; i < n && status == 0; i++) {
        folders[i] =
            o->last ? kd_report_newest(o->runs, err) : folder_of(inv, inv->args.operands[i], err);
        if (!folders[i]) status = -1;
    }
    if (status == 0)
        status = kd_report_read((const char *const *)folders, n, kd_job_parts, &report, err);
    if (status == 0) {
        report.data_dir = o->data_dir;
        report.chart_width = width;
        report.chart = o->chart;
        report.model = chosen == FORM_CHARTS ? o->filter : NULL;
        report.command = inv->command;
        status = machine_check(err) < 0 ? -1 : show(inv, &report, chosen, err);
        if (status == 0) status = machine_check(err);
        kd_report_release(&report);
    }
    for (size_t i = 0; folders && i < n; i++) kd_free(folders[i]);
    kd_free(folders);
    return status;
}

static const struct kd_opt_more more[] = {
    {"output", "For charts and every form it is a folder."},
    {"threads", "The report has one thread."},
    {"seed", "The report draws no random numbers."},
    {"json", "One object: runs, models, differences, seeds, notes, origin."},
    {"provenance",
     "Each form but the text and CSV ones has kd's version, the command, how many models there "
     "were and the fingerprint of their fingerprints: in Markdown and LaTeX as a comment at the "
     "end, in JSON as origin, in SVG as metadata, in PNG as Comment, in PDF as subject, in the "
     "page as generator, in the workbook as comments."},
    {0},
};

const struct kd_program kd_program = {
    .name = "kd-report",
    .usage = "[OPTION]... RUN|EXPERIMENT...",
    .summary = "Shows what run folders hold: tables, logs, charts, a page, a workbook.",
    .details = details,
    .sections = sections,
    .more = more,
    .min_operands = 0,
    .max_operands = 1000000,
    .options_size = sizeof(struct options),
    .work = make_report,
};
