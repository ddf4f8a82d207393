/* What a teacher knows beyond the right answer: soft targets of some samples as bars at several
 * temperatures, beside its students' answers where these are kept; else the teacher's alone, from
 * the soft targets that the students learned from. */
#include "chart.h"
#include "kd/base/file.h"
#include "kd/base/json.h"
#include "kd/base/tensorfile.h"
#include "kd/nn/metrics.h"
#include "kd/nn/softmax.h"
#include "kd/nn/top.h"
#include "kd/report/figures.h"
#include "kd/report/logits.h"
#include "kd/run/places.h"
#include "plot.h"
#include "samples.h"
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define SAMPLES      4
#define MOST_CLASSES 30
#define MODELS       3
#define FILE_LIMIT   ((size_t)512 << 20)
#define TEXT         (KD_TEXT_SIZE - 1)
#define NAME_ROOM    72.0 /* of a class below its bar */

static const double temperatures[] = {1, 4, 20};
#define COLUMNS (sizeof temperatures / sizeof *temperatures)

struct answers {              /* of models to the same samples; the first is the teacher */
    const float *z[MODELS];   /* [n][classes] each */
    const struct kd_top *top; /* of the teacher alone, in place of z: sparse; or NULL */
    const char *name[MODELS];
    int ink[MODELS];
    size_t models, n, classes;
    const int32_t *labels;          /* [n] or NULL */
    const struct kd_images *images; /* or NULL */
    const cJSON *class_names;       /* of the teacher, or NULL */
};

/* What stands below the bars: names where all of them have room, else numbers, some left out. */
struct labels {
    struct kd_names how;
    size_t every;
    bool named;
};

/* First file, by name, of a folder (of its subfolders where `deep`) that ends in .safetensors; or
 * NULL. */
static char *first_file(const char *folder, bool deep, struct kd_err *err)
{
    char *first = NULL;
    DIR *dir = opendir(folder);
    if (!dir) return NULL;
    for (struct dirent *e; (e = readdir(dir));) {
        size_t n = strlen(e->d_name);
        if (e->d_name[0] == '.') continue;
        char *path = kd_path_join(err, folder, e->d_name), *found = NULL;
        if (path && deep)
            found = first_file(path, false, err);
        else if (path && n > 12 && strcmp(e->d_name + n - 12, ".safetensors") == 0)
            found = kd_strdup(path, err);
        if (found && (!first || strcmp(found, first) < 0)) {
            kd_free(first);
            first = found;
            found = NULL;
        }
        kd_free(found);
        kd_free(path);
    }
    closedir(dir);
    return first;
}

/* A model's probabilities at t. */
static void shares_at(const struct answers *a, size_t model, size_t sample, double t, float *p)
{
    if (a->top) kd_top_row(a->top, sample, t, p);
    kd_softmax(a->top ? p : a->z[model] + sample * a->classes, a->classes, t, p);
}

/* Which the teacher finds likeliest. */
static size_t top_class(const struct answers *a, size_t sample)
{
    return a->top ? kd_top_best(a->top, sample)
                  : kd_argmax(a->z[0] + sample * a->classes, a->classes);
}

/* The teacher's probabilities at t; returns the second largest. */
static float soften(const struct answers *a, size_t sample, double t, float *p)
{
    float first = 0, second = 0;
    shares_at(a, 0, sample, t, p);
    for (size_t c = 0; c < a->classes; c++) {
        second = fmaxf(second, fminf(first, p[c]));
        first = fmaxf(first, p[c]);
    }
    return second;
}

/* Samples that the teacher is sure of (at least `sure` at T = 1), rightly, and yet finds alike to
 * another class: of each class the one whose second class is likeliest at T = 4; of these the
 * highest few. */
static size_t choose(const struct answers *a, double sure, size_t out[SAMPLES])
{
    float best[MOST_CLASSES], p[MOST_CLASSES];
    size_t of[MOST_CLASSES], chosen = 0, classes = a->classes;
    for (size_t c = 0; c < classes; c++) best[c] = -1;
    for (size_t i = 0; i < a->n; i++) {
        size_t top = top_class(a, i);
        if (a->labels && a->labels[i] != (int32_t)top) continue;
        soften(a, i, 1, p);
        if (!((double)p[top] >= sure)) continue;
        float second = soften(a, i, 4, p);
        /* Top is less than classes. */
        /* NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult) */
        if (!(second > best[top])) continue;
        best[top] = second;
        of[top] = i;
    }
    while (chosen < SAMPLES) {
        size_t next = classes;
        for (size_t c = 0; c < classes; c++)
            if (best[c] >= 0 && (next == classes || best[c] > best[next])) next = c;
        if (next == classes) break;
        /* NOLINTNEXTLINE(clang-analyzer-core.uninitialized.Assign): of is set where best is */
        out[chosen++] = of[next];
        best[next] = -1;
    }
    return chosen;
}

static bool classes_named(const struct answers *a)
{
    return a->class_names || (a->images && a->images->class_names);
}

static void label_of(const struct answers *a, const struct labels *l, size_t c, char out[160])
{
    char class[48];
    if (l->named)
        kd_text_fit(kd_class_name(a->class_names, a->images, c, class), TEXT, NAME_ROOM, out);
    else
        snprintf(out, 160, "%zu", c);
}

static struct labels labels_over(const struct answers *a, double width)
{
    const double step = width / (double)a->classes;
    struct labels l = {.named = classes_named(a) && step >= TEXT + 1, .every = 1};
    char text[160];
    double widest = 0;
    if (!l.named && a->classes > 14) l.every = 5;
    while (!l.named && step * (double)l.every < (a->classes > 10 ? 2.2 : 1.1) * TEXT) l.every++;
    for (size_t c = 0; c < a->classes; c++) {
        label_of(a, &l, c, text);
        widest = fmax(widest, kd_type_width(text, TEXT));
    }
    l.how = kd_names_along(widest, step * (double)l.every, TEXT);
    return l;
}

static void draw_bars(const struct kd_panel *p, const struct answers *a, const struct labels *l,
                      size_t sample, double t)
{
    double step = p->w / (double)a->classes, wide = 0.8 * step / (double)a->models;
    float share[MOST_CLASSES];
    size_t top = top_class(a, sample);
    char text[400], class[48];
    for (size_t m = 0; m < a->models; m++) {
        shares_at(a, m, sample, t, share);
        for (size_t c = 0; c < a->classes; c++) {
            double y = kd_panel_y(p, (double)share[c]);
            int ink = a->models > 1 ? a->ink[m] : KD_INK_SERIES + (c == top ? 1 : 2);
            snprintf(text, sizeof text, "%.200s%sclass %s at T = %g: %.2f %%",
                     a->models > 1 ? a->name[m] : "", a->models > 1 ? ", " : "",
                     kd_class_name(a->class_names, a->images, c, class), t, 100 * (double)share[c]);
            kd_canvas_rect(p->c,
                           (struct kd_box){p->x + step * ((double)c + 0.1) + wide * (double)m, y,
                                           wide, p->y + p->h - y},
                           (struct kd_pen){.ink = ink}, text);
        }
    }
    for (size_t c = 0; c < a->classes; c += l->every) {
        label_of(a, l, c, text);
        kd_name_put(
            p->c, &l->how, p->x + step * ((double)c + 0.5), p->y + p->h, text,
            (struct kd_type){.bold = c == top, .ink = c == top ? KD_INK_TEXT : KD_INK_FAINT});
    }
}

/* The sample itself, where the images are at hand. */
static int draw_sample(struct kd_canvas *c, const struct answers *a, size_t sample, double y,
                       struct kd_err *err)
{
    char text[96];
    snprintf(text, sizeof text, "image %zu", sample);
    kd_canvas_text(c, 54, y + 92, text,
                   (struct kd_type){.size = KD_TEXT_SIZE, .anchor = 0.5, .ink = KD_INK_FAINT});
    if (!a->images) return 0;
    const double most = fmax(a->images->h, a->images->w), w = 76 * a->images->w / most,
                 h = 76 * a->images->h / most;
    uint8_t *rgb = kd_alloc((size_t)a->images->h * a->images->w, 3, "an image", err);
    int status = rgb ? kd_samples_one(a->images, (uint32_t)sample, rgb, err) : -1;
    if (status == 0)
        kd_canvas_image(c, (struct kd_box){16 + (76 - w) / 2, y + (76 - h) / 2, w, h},
                        (struct kd_rgb){rgb, a->images->h, a->images->w}, text);
    kd_free(rgb);
    return status;
}

/* "0 airplane, 1 automobile, ..." */
static void name_classes(struct kd_canvas *c, const struct answers *a, double left, double y,
                         double width)
{
    char text[640] = "", class[48], fitted[160];
    size_t used = 0;
    for (size_t i = 0; i < a->classes && used < 560; i++) {
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%zu %s", i ? ", " : "", i,
                                 kd_class_name(a->class_names, a->images, i, class));
    }
    kd_text_fit(text, KD_TEXT_SIZE - 1, width, fitted);
    kd_canvas_text(c, left, y, fitted,
                   (struct kd_type){.size = KD_TEXT_SIZE - 1, .ink = KD_INK_FAINT});
}

static void draw_words(struct kd_canvas *c, const struct answers *a, bool keyed, double left,
                       double y)
{
    const double width = c->width - left - 20;
    struct kd_legend_item items[MODELS];
    char words[300];
    for (size_t m = 0; m < a->models; m++)
        items[m] = (struct kd_legend_item){a->name[m], {.ink = a->ink[m]}, 1};
    if (a->models > 1) y += kd_legend(c, left, y - 4, width, items, a->models) + 4;
    if (keyed) name_classes(c, a, left, y + 12, width);
    int used = snprintf(words, sizeof words,
                        "softmax(z / T) over the classes. Images that the teacher is sure of at "
                        "T = 1, yet finds most alike to a second class.");
    if (a->top)
        snprintf(words + used, sizeof words - (size_t)used,
                 " The file keeps %zu of %zu classes; the others are alike.", a->top->k,
                 a->classes);
    kd_caption(c, left, y + (keyed ? 29 : 12), words);
}

static int draw(const char *title, const struct answers *a, struct kd_chart_set *set,
                struct kd_err *err)
{
    static const double sure[] = {0.9, 0.6, 0};
    const double width = kd_chart_width(set, 960);
    const bool narrow = width < 700;
    const double left = narrow ? 128 : 172, gap = narrow ? 8 : 20, h = 112;
    const double none = -1; /* no ticks: the bars have their own labels */
    double w = (width - left - 20 - gap * (COLUMNS - 1)) / COLUMNS;
    const struct labels labels = labels_over(a, w);
    const bool keyed = classes_named(a) && !labels.named;
    const double row = h + labels.how.height + 21;
    size_t samples[SAMPLES], rows = 0;
    char label[64];
    for (size_t i = 0; i < 3 && rows == 0; i++) rows = choose(a, sure[i], samples);
    if (rows == 0) return 0;
    double end = 66 + row * (double)rows;
    struct kd_chart *chart = kd_chart_add(
        set, "soft-targets", width, end + (a->models > 1 ? 52 : 30) + (keyed ? 17 : 0), err, title);
    if (!chart) return -1;
    for (size_t i = 0; i < rows; i++) {
        for (size_t k = 0; k < COLUMNS; k++) {
            struct kd_panel panel = {.c = &chart->canvas,
                                     .x = left + (w + gap) * (double)k,
                                     .y = 66 + row * (double)i,
                                     .w = w,
                                     .h = h,
                                     .ax = {.low = 0, .high = (double)a->classes, .at = &none},
                                     .ay = {.low = 0, .high = 1, .form = KD_AXIS_PERCENT}};
            snprintf(label, sizeof label, "T = %g", temperatures[k]);
            kd_panel_frame(&panel, &(struct kd_panel_words){.title = i ? NULL : label,
                                                            .y = k || narrow ? NULL : "share, %",
                                                            .no_x_numbers = true,
                                                            .no_y_numbers = k > 0});
            draw_bars(&panel, a, &labels, samples[i], temperatures[k]);
        }
        if (draw_sample(&chart->canvas, a, samples[i], 66 + row * (double)i, err) < 0) return -1;
    }
    draw_words(&chart->canvas, a, keyed, narrow ? 16 : left, end + 4);
    return 0;
}

/* ---- teacher against students ------------------------------------------------------------- */

struct kept { /* a model with its answers */
    const struct kd_result *r;
    struct kd_logits l;
};

/* The result of an entry with a seed, or with any where none has it. */
static const struct kd_result *of_seed(const struct kd_report *report, const struct kd_entry *e,
                                       double seed)
{
    for (size_t i = 0; i < e->n; i++)
        if (report->results[e->first + i].seed == seed) return &report->results[e->first + i];
    return &report->results[e->first];
}

/* The teacher, the distilled student best on validation, and its plain counterpart: of one seed. */
static size_t keep_answers(const struct kd_report *report, size_t run, struct kept kept[MODELS])
{
    const struct kd_entry *teacher = kd_teacher_entry(report, run), *student = NULL;
    double best = -INFINITY;
    size_t n = 0;
    for (size_t i = 0; i < report->n_entries; i++) {
        const struct kd_entry *e = &report->entries[i];
        const struct kd_result *r = &report->results[e->first];
        if (r->run != run) continue;
        double score = kd_entry_stats(report, e, kd_figure_valid).mean;
        if (r->role == KD_ROLE_TEACHER || !kd_entry_distilled(report, e)) continue;
        if (student && !(score > best)) continue;
        student = e;
        best = isnan(score) ? -INFINITY : score;
    }
    if (!teacher || !student) return 0;
    const struct kd_entry *of[MODELS] = {teacher, kd_report_plain(report, student), student};
    double seed = report->results[teacher->first].seed;
    for (size_t m = 0; m < MODELS; m++) {
        if (!of[m]) continue;
        kept[n].r = of_seed(report, of[m], seed);
        if (!kd_logits_read(report, kept[n].r, &kept[n].l)) {
            if (m == 0) return 0;
            continue;
        }
        if (n && !kd_logits_same(&kept[0].l, &kept[n].l))
            kd_logits_release(&kept[n].l);
        else
            n++;
    }
    return n;
}

/* *drawn: there were answers to draw. */
static int draw_students(const struct kd_report *report, size_t run, struct kd_chart_set *set,
                         bool *drawn, struct kd_err *err)
{
    struct kept kept[MODELS];
    const struct kd_images *images;
    struct answers a = {.models = keep_answers(report, run, kept)};
    char title[300];
    int status = 0;
    *drawn = a.models > 1 && kept[0].l.classes <= MOST_CLASSES;
    if (*drawn) {
        a.n = kept[0].l.n;
        a.classes = kept[0].l.classes;
        a.labels = kept[0].l.labels;
        a.class_names = kept[0].r->class_names;
        for (size_t m = 0; m < a.models; m++) {
            const struct kd_result *r = kept[m].r;
            a.z[m] = kept[m].l.z;
            a.name[m] = r->name;
            a.ink[m] = KD_INK_SERIES + (r->role == KD_ROLE_TEACHER ? 0 : r->distilled ? 2 : 1);
        }
        images = kd_samples_load(report, kept[0].r, report->split, set);
        if (images && kd_samples_are(images, kept[0].l.data) && images->n == a.n) a.images = images;
        snprintf(title, sizeof title, "Soft targets: %.120s, %.40s images, seed %.0f",
                 report->runs[run].name, report->split, kept[0].r->seed);
        status = draw(title, &a, set, err);
    }
    for (size_t m = 0; m < a.models; m++) kd_logits_release(&kept[m].l);
    return status;
}

/* ---- the teacher alone -------------------------------------------------------------------- */

/* Of recorded views the first. */
static int draw_logits(const struct kd_tensor *t, const struct answers *a, const char *title,
                       struct kd_chart_set *set, struct kd_err *err)
{
    struct answers dense = *a;
    dense.n = t->shape[t->dims - 2];
    dense.classes = t->shape[t->dims - 1];
    if (dense.classes < 2 || dense.classes > MOST_CLASSES || t->count < dense.n * dense.classes)
        return 0;
    float *z = kd_alloc(t->count, sizeof *z, "soft targets", err);
    int status = z ? kd_tensor_to_float(t, z, err) : -1;
    dense.z[0] = z;
    if (status == 0) status = draw(title, &dense, set, err);
    kd_free(z);
    return status;
}

static int draw_top(const struct kd_tensorfile *f, const struct answers *a, const char *title,
                    struct kd_chart_set *set, struct kd_err *err)
{
    struct answers sparse = *a;
    struct kd_err ignored;
    struct kd_top top;
    if (kd_top_of(f, &top, &ignored) < 0 || top.classes < 2 || top.classes > MOST_CLASSES) return 0;
    sparse.n = top.n;
    sparse.classes = top.classes;
    sparse.top = &top;
    return draw(title, &sparse, set, err);
}

static int draw_teacher(const struct kd_report *report, size_t run, const struct kd_tensorfile *f,
                        struct kd_chart_set *set, struct kd_err *err)
{
    const struct kd_tensor *t = kd_tensorfile_find(f, "logits");
    const char *list = kd_tensorfile_meta(f, "kd.class_names");
    struct kd_err ignored;
    char title[300];
    int status = 0;
    cJSON *names = list ? kd_json_parse(list, strlen(list), "kd.class_names", &ignored) : NULL;
    struct answers a = {
        .models = 1, .class_names = names, .name = {"teacher"}, .ink = {KD_INK_SERIES}};
    snprintf(title, sizeof title, "Soft targets: %.200s", report->runs[run].name);
    if (!t)
        status = draw_top(f, &a, title, set, err);
    else if ((t->dims == 2 || t->dims == 3) && (t->dtype == KD_F32 || t->dtype == KD_F16))
        status = draw_logits(t, &a, title, set, err);
    cJSON_Delete(names);
    return status;
}

static int draw_soft_bars(const struct kd_report *report, size_t run, struct kd_chart_set *set,
                          struct kd_err *err)
{
    const struct kd_tensorfile_limits limits = {.bytes = FILE_LIMIT, .no_verify = true};
    struct kd_tensorfile file;
    struct kd_err ignored = {
        0}; /* a chart less; the files speak for themselves in kd-soften --show */
    bool drawn;
    if (draw_students(report, run, set, &drawn, err) < 0) return -1;
    if (drawn) return 0;
    char *folder = kd_path_join(err, report->runs[run].folder, KD_FOLDER_SOFT);
    char *path = folder ? first_file(folder, true, err) : NULL;
    int status = folder ? 0 : -1;
    kd_free(folder);
    if (!path || kd_tensorfile_read(path, &limits, &file, &ignored) < 0) {
        kd_free(path);
        return status;
    }
    kd_free(path);
    status = draw_teacher(report, run, &file, set, err);
    kd_tensorfile_release(&file);
    return status;
}
const struct kd_chart_kind kd_chart_soft_bars = {draw_soft_bars};
