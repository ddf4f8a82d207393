/* How the time of an epoch grows: one thing at a time is varied about a network 784-800-800-10,
 * batch 100, 6,000 images, all threads. The dashed line goes through that middle point in
 * proportion to the arithmetic, or to 1 / threads. */
#include "../../lib/report/charts/plot.h"
#include "bench.h"
#include "kd/base/file.h"
#include "kd/base/machine.h"
#include "kd/base/progress.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { POINTS = 8, REPETITIONS = 3 };

struct setting {
    unsigned width, depth, batch, images, threads;
};
struct point {
    double at, low, seconds, high, expected; /* expected: operations an epoch, later seconds */
};
struct sweep {
    const char *name, *axis;
    size_t offset; /* of the field of struct setting */
    unsigned values[POINTS];
    size_t n;
    struct point points[POINTS];
};

#define OFFSET(field) offsetof(struct setting, field)
static const struct sweep sweeps_all[] = {
    {.name = "width",
     .axis = "units of two hidden layers",
     .offset = OFFSET(width),
     .n = 6,
     .values = {50, 100, 200, 400, 800, 1600}},
    {.name = "depth",
     .axis = "hidden layers of 800 units",
     .offset = OFFSET(depth),
     .n = 4,
     .values = {1, 2, 4, 8}},
    {.name = "batch",
     .axis = "images a step",
     .offset = OFFSET(batch),
     .n = 7,
     .values = {10, 20, 50, 100, 200, 500, 1000}},
    {.name = "images",
     .axis = "images an epoch",
     .offset = OFFSET(images),
     .n = 5,
     .values = {1500, 3000, 6000, 12000, 24000}},
    {.name = "threads",
     .axis = "threads",
     .offset = OFFSET(threads),
     .n = 7,
     .values = {1, 2, 4, 8, 16, 32, 64}},
};
enum { SWEEPS = sizeof sweeps_all / sizeof *sweeps_all };

static void set_field(struct setting *s, size_t offset, unsigned value)
{
    memcpy((char *)s + offset, &value, sizeof value);
}

static unsigned field_of(const struct setting *s, size_t offset)
{
    unsigned value;
    memcpy(&value, (const char *)s + offset, sizeof value);
    return value;
}

static int measure(const struct setting *s, bool quick, struct point *out, struct kd_err *err)
{
    struct kd_bytes text = {0};
    struct work work = {.pool = NULL};
    struct bench_sample sample = {.n = 0};
    double seconds = 0;
    struct kd_pool *pool = kd_pool_new(s->threads, err);
    int status = pool ? kd_bytes_format(&text, err, "\"mlp") : -1;
    for (unsigned i = 0; i < s->depth && status == 0; i++)
        status = kd_bytes_format(&text, err, "-%u", quick ? s->width / 16 : s->width);
    if (status == 0) status = kd_bytes_format(&text, err, "\"");
    struct workload w = {.name = "growth",
                         .network = text.data,
                         .shape = {1, 28, 28, false},
                         .batch = s->batch,
                         .images = s->images,
                         .optimizer = KD_SGD};
    if (quick) w = bench_workload_quick(&w);
    if (status == 0) status = bench_work_open(&work, &w, &(struct bench_place){.pool = pool}, err);
    for (int i = 0; i <= REPETITIONS && status == 0; i++) {
        status = bench_work_epoch(&work, &seconds, err);
        if (i) bench_sample_add(&sample, seconds);
    }
    if (status == 0) {
        struct bench_spread spread = bench_sample_spread(&sample);
        double operations = bench_work_flops(&work) * w.images / s->threads;
        *out = (struct point){0, spread.low, spread.median, spread.high, operations};
    }
    bench_work_close(&work);
    kd_pool_free(pool);
    kd_bytes_release(&text);
    return status;
}

static int run_sweep(struct sweep *sweep, const struct setting *middle, bool quick, FILE *lines,
                     struct kd_err *err)
{
    size_t n = 0;
    double scale = 0;
    for (size_t i = 0; i < sweep->n; i++) {
        struct setting s = *middle;
        set_field(&s, sweep->offset, sweep->values[i]);
        if (s.threads > kd_cpus_usable()) break;
        struct point *p = &sweep->points[n++];
        if (measure(&s, quick, p, err) < 0) return -1;
        p->at = sweep->values[i];
        if (sweep->values[i] == field_of(middle, sweep->offset)) scale = p->seconds / p->expected;
        if (!lines) continue;
        fprintf(lines,
                "{\"workload\":\"growth\",\"varied\":\"%s\",\"width\":%u,\"depth\":%u,\"batch\":%u,"
                "\"images\":%u,"
                "\"threads\":%u,\"seconds\":%.5f,\"low\":%.5f,\"high\":%.5f}\n",
                sweep->name, s.width, s.depth, s.batch, s.images, s.threads, p->seconds, p->low,
                p->high);
    }
    sweep->n = n;
    if (scale <= 0 && n) scale = sweep->points[n - 1].seconds / sweep->points[n - 1].expected;
    for (size_t i = 0; i < n; i++) sweep->points[i].expected *= scale;
    return 0;
}

/* ---- the chart ---- */

#define WIDTH  1080.0
#define HEIGHT 640.0
enum { MEASURED = KD_INK_SERIES + 1 };

static void draw_sweep(struct kd_canvas *c, const struct sweep *sweep, size_t place)
{
    double at[POINTS], x[POINTS], y[POINTS], dashed[POINTS], all[3 * POINTS];
    size_t n = sweep->n;
    for (size_t i = 0; i < n; i++) {
        const struct point *point = &sweep->points[i];
        at[i] = point->at;
        memcpy(all + 3 * i, (double[]){point->low, point->high, point->expected}, 3 * sizeof *all);
    }
    struct kd_panel p = {.c = c,
                         .x = 72 + 350 * (double)(place % 3),
                         .y = 84 + 290 * (double)(place / 3),
                         .w = 262,
                         .h = 190};
    if (!n || !kd_axis_over(&p.ax, at, n, true, KD_AXIS_SIZE) ||
        !kd_axis_over(&p.ay, all, 3 * n, true, KD_AXIS_NUMBER))
        return;
    p.ax.at = at;
    p.ax.n_at = n;
    kd_panel_frame(&p, &(struct kd_panel_words){.title = sweep->name,
                                                .x = sweep->axis,
                                                .y = place % 3 ? NULL : "seconds"});
    for (size_t i = 0; i < n; i++) {
        char tip[96];
        double ends[2] = {kd_panel_y(&p, sweep->points[i].low),
                          kd_panel_y(&p, sweep->points[i].high)};
        x[i] = kd_panel_x(&p, at[i]);
        y[i] = kd_panel_y(&p, sweep->points[i].seconds);
        dashed[i] = kd_panel_y(&p, sweep->points[i].expected);
        kd_canvas_line(c, (double[]){x[i], x[i]}, ends, 2,
                       (struct kd_pen){.ink = MEASURED, .width = 1.5});
        snprintf(tip, sizeof tip, "%s %.0f: %.4g s", sweep->name, at[i], sweep->points[i].seconds);
        kd_canvas_dot(c, (struct kd_spot){x[i], y[i], 4, 0}, (struct kd_pen){.ink = MEASURED}, tip);
    }
    kd_canvas_line(c, x, dashed, n, (struct kd_pen){.ink = KD_INK_FAINT, .width = 1.5, .dash = 5});
    kd_canvas_line(c, x, y, n, (struct kd_pen){.ink = MEASURED, .width = 2});
}

static int put(const char *chart, const char *ending, struct kd_bytes *file, struct kd_err *err)
{
    char *path = kd_format(err, "%s.%s", chart, ending);
    int status = path ? kd_file_write(path, file->data, file->size, err) : -1;
    kd_free(path);
    kd_bytes_release(file);
    return status;
}

static int draw(const struct sweep *sweeps, const struct setting *middle, const char *chart,
                struct kd_err *err)
{
    static const struct kd_legend_item legend[] = {
        {"measured: median, and from least to most", {.ink = MEASURED, .width = 2}, -1},
        {"in proportion to the arithmetic", {.ink = KD_INK_FAINT, .width = 1.5, .dash = 5}, -1},
    };
    char title[160];
    struct kd_canvas c;
    struct kd_bytes file = {0};
    kd_canvas_init(&c, WIDTH, HEIGHT);
    snprintf(title, sizeof title,
             "Seconds an epoch about 784-800-800-10, batch %u, %u,%03u images, %u thread%s",
             middle->batch, middle->images / 1000, middle->images % 1000, middle->threads,
             middle->threads == 1 ? "" : "s");
    kd_canvas_text(&c, 24, 28, title, (struct kd_type){.size = KD_TITLE_SIZE, .bold = true});
    for (size_t i = 0; i < SWEEPS; i++) draw_sweep(&c, &sweeps[i], i);
    kd_legend(&c, 772, 390, 300, legend, 2);
    int status = kd_canvas_svg(&c, false, &file, err);
    if (status == 0) status = put(chart, "svg", &file, err);
    if (status == 0 && kd_canvas_has_cairo()) {
        status = kd_canvas_png(&c, 2, &file, err);
        if (status == 0) status = put(chart, "png", &file, err);
    }
    kd_bytes_release(&file);
    kd_canvas_release(&c);
    return status;
}

int bench_growth(FILE *lines, const char *chart, bool quick, struct kd_err *err)
{
    struct sweep sweeps[SWEEPS];
    struct setting middle = {800, 2, 100, 6000, kd_cpus_usable()};
    memcpy(sweeps, sweeps_all, sizeof sweeps);
    for (size_t i = 0; i < SWEEPS; i++)
        if (run_sweep(&sweeps[i], &middle, quick, lines, err) < 0) return -1;
    return chart ? draw(sweeps, &middle, chart, err) : 0;
}
