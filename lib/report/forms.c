/* Every form at once. */
#include "kd/base/file.h"
#include "kd/report/canvas.h"
#include "kd/report/charts.h"
#include "kd/report/tables.h"
#include <string.h>

static int write_text(const struct kd_writer *writer, const char *name, const struct kd_bytes *text,
                      struct kd_err *err)
{
    char *path = kd_path_join(err, writer->folder, name);
    int status = path ? kd_file_write(path, text->size ? text->data : "", text->size, err) : -1;
    if (status == 0 && writer->wrote) status = writer->wrote(writer->ctx, path, err);
    kd_free(path);
    return status;
}

static int write_view(const struct kd_report *report, const struct kd_writer *writer,
                      enum kd_form form, const char *name, struct kd_err *err)
{
    const struct kd_table_view view = {.style = {.form = form}};
    struct kd_bytes text = {0};
    int status = kd_report_render(report, &view, &text, err);
    if (status == 0) status = write_text(writer, name, &text, err);
    kd_bytes_release(&text);
    return status;
}

static int write_table(const struct kd_report *report, const struct kd_writer *writer,
                       int (*make)(const struct kd_report *, struct kd_table *, struct kd_err *),
                       const char *name, struct kd_err *err)
{
    struct kd_bytes text = {0};
    const struct kd_table_style csv = {.form = KD_FORM_CSV};
    struct kd_table t;
    int status = make(report, &t, err);
    if (status == 0) status = kd_table_render(&t, &csv, &text, err);
    if (status == 0) status = write_text(writer, name, &text, err);
    kd_table_release(&t);
    kd_bytes_release(&text);
    return status;
}

#ifdef KD_HAVE_XLSXWRITER
static int write_workbook(const struct kd_report *report, const struct kd_writer *writer,
                          struct kd_err *err)
{
    char *path = kd_path_join(err, writer->folder, "report.xlsx");
    int status = path ? kd_workbook_write(report, path, err) : -1;
    if (status == 0 && writer->wrote) status = writer->wrote(writer->ctx, path, err);
    kd_free(path);
    return status;
}
#endif

/* Charts and page: what is drawn is made once for both, unless files are to be of another width. */
static int write_drawn(const struct kd_report *report, const struct kd_writer *writer,
                       struct kd_err *err)
{
    struct kd_chart_set set;
    const bool apart = report->chart_width > 0;
    if (apart && kd_charts_write(report, writer, err) < 0) return -1;
    if (kd_charts_make(report, 0, &set, err) < 0) return -1;
    char *path = kd_path_join(err, writer->folder, "report.html");
    int status = path ? 0 : -1;
    if (status == 0 && !apart) status = kd_charts_put(&set, writer, err);
    if (status == 0) status = kd_page_put(report, &set, path, err);
    if (status == 0 && writer->wrote) status = writer->wrote(writer->ctx, path, err);
    kd_free(path);
    kd_charts_release(&set);
    return status;
}

int kd_report_write_all(const struct kd_report *report, const struct kd_writer *writer,
                        struct kd_err *err)
{
    static const struct {
        enum kd_form form;
        const char *name;
    } views[] = {{KD_FORM_TERMINAL, "report.txt"},
                 {KD_FORM_MARKDOWN, "report.md"},
                 {KD_FORM_LATEX, "report.tex"},
                 {KD_FORM_JSON, "report.json"},
                 {KD_FORM_CSV, "models.csv"}};
    for (size_t i = 0; i < sizeof views / sizeof *views; i++)
        if (write_view(report, writer, views[i].form, views[i].name, err) < 0) return -1;
    if (write_table(report, writer, kd_table_seeds, "seeds.csv", err) < 0 ||
        write_table(report, writer, kd_table_differences, "differences.csv", err) < 0 ||
        write_table(report, writer, kd_table_logs, "logs.csv", err) < 0)
        return -1;
    if (write_drawn(report, writer, err) < 0) return -1;
#ifdef KD_HAVE_XLSXWRITER
    return write_workbook(report, writer, err);
#else
    return 0;
#endif
}

const char *kd_report_missing_forms(void)
{
#if !defined(KD_HAVE_CAIRO) && !defined(KD_HAVE_XLSXWRITER)
    return "charts as PNG and PDF and the workbook are left out: install libcairo2-dev and "
           "libxlsxwriter-dev and build again";
#elif !defined(KD_HAVE_CAIRO)
    return "charts as PNG and PDF are left out: install libcairo2-dev and build again";
#elif !defined(KD_HAVE_XLSXWRITER)
    return "the workbook is left out: install libxlsxwriter-dev and build again";
#else
    return "";
#endif
}
