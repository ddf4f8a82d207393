#include "kd/report/charts.h"
#include "chart.h"
#include "kd/base/file.h"
#include "kd/base/text.h"
#include "kd/report/tables.h"
#include "plot.h"
#include "samples.h"
#include <fnmatch.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define PNG_SCALE   2.0
#define BOLD        1.13  /* how much wider than others bold letters are */
#define COLUMN_TEXT 8.0   /* points of text in a chart for a column */
#define COLUMN_DPI  300.0 /* of its PNG */

double kd_chart_width(const struct kd_chart_set *set, double best)
{
    return set->width > 0 ? set->width * KD_TEXT_SIZE / COLUMN_TEXT : best;
}

struct kd_chart_room kd_chart_room(const struct kd_chart_set *set, double width, double left,
                                   double height)
{
    struct kd_chart_room r = {width, height, left, width - left - 24};
    if (!(set->width > 0)) return r;
    r.width = kd_chart_width(set, width);
    r.height = fmax(170, height * r.width / width);
    r.left = 16; /* a legend has no axis to stand under where there is little room */
    r.legend = r.width - 32;
    return r;
}

struct kd_chart *kd_chart_add(struct kd_chart_set *set, const char *name, double width,
                              double height, struct kd_err *err, const char *title)
{
    size_t same = 1, length = strlen(name);
    char fitted[160];
    for (size_t i = 0; i < set->n; i++)
        if (strncmp(set->charts[i].name, name, length) == 0 &&
            (set->charts[i].name[length] == '\0' || set->charts[i].name[length] == '-'))
            same++;
    struct kd_chart *c = kd_grow(&set->charts, &set->n, &set->room, sizeof *c, "charts", err);
    if (!c) return NULL;
    const double wanted = kd_chart_width(set, width);
    width = fmax(width, wanted);
    kd_canvas_init(&c->canvas, width, height);
    if (set->width > 0) c->canvas.unit = set->width / width;
    c->name = same > 1 ? kd_format(err, "%s-%zu", name, same) : kd_strdup(name, err);
    c->title = kd_strdup(title, err);
    if (!c->name || !c->title) return NULL;
    kd_text_fit(title, BOLD * KD_TITLE_SIZE, width - 26, fitted);
    kd_canvas_text(&c->canvas, 16, 28, fitted,
                   (struct kd_type){.size = KD_TITLE_SIZE, .bold = true});
    return c;
}

static void release_one(struct kd_chart *c)
{
    kd_free(c->name);
    kd_free(c->title);
    kd_canvas_release(&c->canvas);
}

void kd_charts_release(struct kd_chart_set *set)
{
    for (size_t i = 0; i < set->n; i++) release_one(&set->charts[i]);
    kd_free(set->charts);
    kd_samples_release(set);
    kd_free(set->origin);
    kd_free(set->left_out);
    *set = (struct kd_chart_set){0};
}

#define AT(name) &kd_chart_##name,
static const struct kd_chart_kind *const kinds[] = {KD_CHART_KINDS(AT)};
#undef AT

int kd_charts_make(const struct kd_report *report, double width, struct kd_chart_set *set,
                   struct kd_err *err)
{
    *set = (struct kd_chart_set){.width = width};
    for (size_t run = 0; run < report->n_runs && run < KD_DRAWN_RUNS; run++)
        for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
            if (kinds[k]->add(report, run, set, err) < 0) {
                kd_charts_release(set);
                return -1;
            }
    kd_samples_release(set); /* the drawings have what they need */
    struct kd_bytes origin = {0};
    if (kd_words_origin(report, &origin, err) < 0) {
        kd_bytes_release(&origin);
        kd_charts_release(set);
        return -1;
    }
    set->origin = origin.data;
    for (size_t i = 0; i < set->n; i++) set->charts[i].canvas.origin = set->origin;
    return 0;
}

static int write_one(const struct kd_writer *writer, const char *name, const char *ending,
                     struct kd_bytes *data, struct kd_err *err)
{
    char *file = kd_format(err, "%s%s", name, ending);
    char *path = file ? kd_path_join(err, writer->folder, file) : NULL;
    int status = path ? kd_file_write(path, data->data, data->size, err) : -1;
    if (status == 0 && writer->wrote) status = writer->wrote(writer->ctx, path, err);
    kd_free(file);
    kd_free(path);
    kd_bytes_release(data);
    return status;
}

int kd_charts_put(const struct kd_chart_set *set, const struct kd_writer *writer,
                  struct kd_err *err)
{
    struct kd_bytes data = {0};
    int status = 0;
    for (size_t i = 0; i < set->n && status == 0; i++) {
        const struct kd_chart *c = &set->charts[i];
        if (kd_canvas_has_cairo()) {
            const double unit = c->canvas.unit;
            status = kd_canvas_png(&c->canvas, unit > 0 ? unit * COLUMN_DPI / 72 : PNG_SCALE, &data,
                                   err);
            if (status == 0) status = write_one(writer, c->name, ".png", &data, err);
            if (status == 0) status = kd_canvas_pdf(&c->canvas, &data, err);
            if (status == 0) status = write_one(writer, c->name, ".pdf", &data, err);
        }
        if (status == 0) status = kd_canvas_svg(&c->canvas, false, &data, err);
        if (status == 0) status = write_one(writer, c->name, ".svg", &data, err);
    }
    kd_bytes_release(&data);
    if (set->left_out && writer->left_out) writer->left_out(writer->ctx, set->left_out);
    return status;
}

/* Keeps those whose names match a shell pattern; none is an error that names them all. */
static int keep_named(struct kd_chart_set *set, const char *pattern, struct kd_err *err)
{
    struct kd_bytes names = {0};
    size_t kept = 0;
    for (size_t i = 0; i < set->n; i++) {
        struct kd_chart *c = &set->charts[i];
        if (kd_bytes_format(&names, err, "%s%s", i ? ", " : "", c->name) < 0) goto fail;
        if (fnmatch(pattern, c->name, 0) == 0) {
            const struct kd_chart swap = set->charts[kept];
            set->charts[kept++] = *c;
            *c = swap;
        }
    }
    if (!kept && set->n) {
        kd_fail_usage(err, "--chart=%s: there are %s", pattern, names.data);
        goto fail;
    }
    while (set->n > kept) release_one(&set->charts[--set->n]);
    kd_bytes_release(&names);
    return 0;
fail:
    kd_bytes_release(&names);
    return -1;
}

int kd_charts_write(const struct kd_report *report, const struct kd_writer *writer,
                    struct kd_err *err)
{
    struct kd_chart_set set;
    if (kd_charts_make(report, report->chart_width, &set, err) < 0) return -1;
    int status = report->chart ? keep_named(&set, report->chart, err) : 0;
    if (status == 0) status = kd_charts_put(&set, writer, err);
    kd_charts_release(&set);
    return status;
}

const struct kd_result *kd_result_shown(const struct kd_report *report, size_t run,
                                        bool (*has)(const struct kd_report *,
                                                    const struct kd_result *))
{
    const struct kd_choice choice = {report->model, NAN, NAN, NAN};
    const struct kd_entry *best = kd_report_best_of(report, run, &choice);
    const struct kd_result *r = best ? kd_report_best_seed(report, best) : NULL;
    for (size_t i = 0; i <= report->n_results; i++) {
        const bool named = r && (!report->model || fnmatch(report->model, r->name, 0) == 0);
        if (named && r->run == run && has(report, r)) return r;
        r = i < report->n_results ? &report->results[i] : NULL;
    }
    return NULL;
}

void kd_model_title(const char *what, const struct kd_report *report, const struct kd_result *r,
                    char out[300])
{
    char seed[40] = "";
    if (isfinite(r->seed)) snprintf(seed, sizeof seed, " (seed %.0f)", r->seed);
    snprintf(out, 300, "%s: %.80s, %.120s%s", what, report->runs[r->run].name, r->name, seed);
}
