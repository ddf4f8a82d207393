/* Contact sheets: the images that a model gets wrong, and training images as they are augmented. */
#include "chart.h"
#include "kd/base/option.h"
#include "kd/data/batch.h"
#include "kd/nn/softmax.h"
#include "kd/report/logits.h"
#include "plot.h"
#include "samples.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COLUMNS 8  /* where a sheet is as wide as it likes */
#define MOST    40 /* images on a sheet */
#define CELL    102.0
#define SIDE    88.0
#define LEFT    16.0
#define TOP     58.0
#define CLASSES 10   /* of which a training image is shown */
#define SMALL   70.0 /* sides of a training image, from the largest to the least */
#define LEAST   34.0

static bool has_answers(const struct kd_report *report, const struct kd_result *r)
{
    struct kd_logits l;
    bool has = kd_logits_read(report, r, &l);
    if (has) has = l.labels != NULL;
    if (has) kd_logits_release(&l);
    return has;
}

/* An image with lines below it, in column and row of a sheet. */
static void put_image(struct kd_canvas *c, const uint8_t *rgb, const struct kd_images *images,
                      double x, double y, const char *const lines[3], const char *tip)
{
    double most = fmax(images->h, images->w);
    double w = SIDE * images->w / most, h = SIDE * images->h / most;
    char fitted[160];
    kd_canvas_image(c, (struct kd_box){x + (SIDE - w) / 2, y + (SIDE - h) / 2, w, h},
                    (struct kd_rgb){rgb, images->h, images->w}, tip);
    for (int i = 0; i < 3 && lines[i]; i++) {
        kd_text_fit(lines[i], KD_TEXT_SIZE, CELL - 4, fitted);
        kd_canvas_text(c, x + SIDE / 2, y + SIDE + 15 * (i + 1), fitted,
                       (struct kd_type){.size = KD_TEXT_SIZE,
                                        .anchor = 0.5,
                                        .ink = i ? KD_INK_SERIES + 2 : KD_INK_TEXT});
    }
}

struct sheet { /* of a model's errors */
    const struct kd_images *images;
    const struct kd_logits *l;
    const cJSON *class_names; /* of the model, or NULL */
    size_t columns;
};

static bool is_named(const struct sheet *s)
{
    return s->class_names || s->images->class_names;
}

/* Names of classes have a line each. */
static double row_height(const struct sheet *s)
{
    return is_named(s) ? 148 : 132;
}

static int draw_wrong(struct kd_canvas *c, const struct sheet *s, const struct kd_wrong *list,
                      size_t n, struct kd_err *err)
{
    const struct kd_images *images = s->images;
    uint8_t *rgb = kd_alloc((size_t)images->h * images->w, 3, "an image", err);
    char truth[48], taken[48], first[64], second[96], third[32], tip[200];
    const bool named = is_named(s);
    const char *const lines[3] = {first, second, named ? third : NULL};
    int status = rgb ? 0 : -1;
    for (size_t i = 0; i < n && status == 0; i++) {
        const struct kd_wrong *w = &list[i];
        status = kd_samples_one(images, w->sample, rgb, err);
        kd_class_name(s->class_names, images, (size_t)s->l->labels[w->sample], truth);
        kd_class_name(s->class_names, images, w->taken_for, taken);
        snprintf(first, sizeof first, "%s%s", named ? "" : "true: ", truth);
        snprintf(third, sizeof third, "%.1f %%", 100 * w->confidence);
        snprintf(second, sizeof second, "%s%s%s", taken, named ? "" : ", ", named ? "" : third);
        snprintf(tip, sizeof tip, "image %u: %s taken for %s, %.2f %%", (unsigned)w->sample, truth,
                 taken, 100 * w->confidence);
        if (status == 0)
            put_image(c, rgb, images, LEFT + CELL * (double)(i % s->columns),
                      TOP + row_height(s) * (double)(i / s->columns), lines, tip);
    }
    kd_free(rgb);
    return status;
}

static int draw_misclassified(const struct kd_report *report, size_t run, struct kd_chart_set *set,
                              struct kd_err *err)
{
    const struct kd_result *r = kd_result_shown(report, run, has_answers);
    struct kd_logits l;
    const struct kd_images *images = NULL;
    struct kd_chart *chart;
    char title[300];
    size_t n;
    if (!r || !kd_logits_read(report, r, &l)) return 0;
    struct kd_wrong *list = kd_logits_wrong(&l, &n, err);
    int status = list ? 0 : -1;
    if (status == 0 && n) images = kd_samples_load(report, r, report->split, set);
    if (images && kd_samples_are(images, l.data) && images->n == l.n) {
        const double width = kd_chart_width(set, 2 * LEFT + CELL * COLUMNS - 14);
        const size_t columns = (size_t)fmax(1, floor((width - 2 * LEFT + 14) / CELL));
        const size_t most = columns < COLUMNS ? columns * (MOST / COLUMNS) : MOST;
        size_t shown = n < most ? n : most, rows = (shown + columns - 1) / columns;
        const struct sheet sheet = {images, &l, r->class_names, columns};
        kd_model_title("Errors", report, r, title);
        chart = kd_chart_add(set, "misclassified", width,
                             TOP + row_height(&sheet) * (double)rows + 20, err, title);
        status = chart ? draw_wrong(&chart->canvas, &sheet, list, shown, err) : -1;
        snprintf(title, sizeof title,
                 "%zu of %zu errors among %zu %s images, the surest first. Below each: its "
                 "class; what it is taken for, and how surely.",
                 shown, n, l.n, report->split);
        if (status == 0) kd_note(&chart->canvas, title);
    }
    kd_free(list);
    kd_logits_release(&l);
    return status;
}
const struct kd_chart_kind kd_chart_misclassified = {draw_misclassified};

/* ---- augmentation ------------------------------------------------------------------------- */

/* The first model, teacher first, that was trained on augmented images; else the first trained at
 * all. augment is told from the experiment. */
static const struct kd_result *augmented(const struct kd_report *report, size_t run,
                                         struct kd_augment *augment)
{
    const struct kd_result *first = NULL;
    const cJSON *x = report->runs[run].experiment;
    struct kd_err ignored;
    for (size_t i = 0; i < report->n_results; i++) {
        const struct kd_result *r = &report->results[i];
        if (r->run != run || !r->data) continue;
        if (!first) first = r;
        const cJSON *job = cJSON_GetObjectItemCaseSensitive(x, "teacher");
        if (r->role == KD_ROLE_STUDENT)
            job = cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(x, "students"),
                                                   r->name);
        const cJSON *a = job ? kd_json_get(job, "train.augment") : NULL;
        const struct kd_opt_section s[] = {{"", "", kd_augment_rows, augment, NULL}, {0}};
        if (kd_opts_preset(s, &ignored) < 0) continue;
        if (a && kd_opts_from_json(s, a, "augment", NULL, &ignored) == 0 &&
            kd_augment_active(augment))
            return r;
    }
    memset(augment, 0, sizeof *augment);
    return first;
}

/* The first image of each class, of the first classes. */
static size_t of_each_class(const struct kd_images *images, uint32_t out[CLASSES])
{
    size_t n = 0;
    for (uint32_t c = 0; c < images->classes && n < CLASSES; c++)
        for (uint32_t i = 0; i < images->n; i++) {
            if (images->labels ? images->labels[i] != (int32_t)c : i != c) continue;
            out[n++] = i;
            break;
        }
    return n;
}

/* How many classes fit beside each other, and how large their images are then. */
struct strip {
    size_t n;
    double side, gap;
};

static struct strip strip_over(double width)
{
    const double room = width - 2 * LEFT - 76, gap = width < 700 ? 6 : 12;
    const double n = fmin(CLASSES, fmax(1, floor((room + gap) / (LEAST + gap))));
    return (struct strip){(size_t)n, fmin(SMALL, (room + gap) / n - gap), gap};
}

static int draw_samples(struct kd_canvas *c, const struct kd_images *images, uint64_t seed,
                        const struct kd_augment *augment, size_t rows, struct kd_err *err)
{
    const size_t plane = (size_t)images->h * images->w, size = plane * images->c;
    struct kd_normalize plain = {.channels = images->c};
    const struct strip strip = strip_over(c->width);
    uint32_t index[CLASSES];
    size_t found = of_each_class(images, index), n = found < strip.n ? found : strip.n;
    float *x = kd_alloc(n * size, sizeof *x, "images", err), low = 0, high = 1;
    uint8_t *rgb = kd_alloc(plane, 3, "an image", err);
    char label[48], epoch[48];
    for (size_t k = 0; k < KD_MAX_CHANNELS; k++) plain.std[k] = 1;
    for (size_t row = 0; x && rgb && row < rows; row++) {
        struct kd_view view = {images, index, n, row ? augment : NULL, seed, (uint32_t)row, NULL};
        kd_batch_fill(&view, &plain, 0, n, x);
        for (size_t k = 0; images->dtype == KD_F32 && row == 0 && k < n * size; k++) {
            low = k ? fminf(low, x[k]) : x[k];
            high = k ? fmaxf(high, x[k]) : x[k];
        }
        double y = TOP + (strip.side + 14) * (double)row;
        snprintf(epoch, sizeof epoch, "epoch %zu", row);
        kd_canvas_text(c, LEFT + 64, y + strip.side / 2 + 4, row ? epoch : "as it is",
                       (struct kd_type){.size = KD_TEXT_SIZE, .anchor = 1, .ink = KD_INK_FAINT});
        for (size_t i = 0; i < n; i++) {
            double most = fmax(images->h, images->w), w = strip.side * images->w / most,
                   h = strip.side * images->h / most,
                   left = LEFT + 76 + (strip.side + strip.gap) * (double)i;
            kd_samples_rgb(x + i * size, images, low, high, rgb);
            kd_canvas_image(
                c, (struct kd_box){left + (strip.side - w) / 2, y + (strip.side - h) / 2, w, h},
                (struct kd_rgb){rgb, images->h, images->w}, NULL);
            if (row + 1 < rows || !images->labels) continue;
            kd_class_name(NULL, images, (size_t)images->labels[index[i]], label);
            kd_canvas_text(c, left + strip.side / 2, y + strip.side + 16, label,
                           (struct kd_type){.size = KD_TEXT_SIZE, .anchor = 0.5});
        }
    }
    int status = x && rgb ? 0 : -1;
    kd_free(x);
    kd_free(rgb);
    return status;
}

static int make_samples(const struct kd_report *report, size_t run, struct kd_chart_set *set,
                        struct kd_err *err)
{
    struct kd_augment augment;
    const struct kd_result *r = augmented(report, run, &augment);
    const struct kd_images *images = r ? kd_samples_load(report, r, "train", set) : NULL;
    char title[300];
    int status = 0;
    if (!images) return 0;
    size_t rows = kd_augment_active(&augment) ? 4 : 1;
    uint32_t probe[CLASSES];
    if (of_each_class(images, probe) && strcmp(images->split, "train") == 0) {
        kd_model_title(rows > 1 ? "Training images and their augmentation" : "Training images",
                       report, r, title);
        const double width = kd_chart_width(set, 2 * LEFT + 76 + (SMALL + 12) * CLASSES - 12);
        struct kd_chart *c =
            kd_chart_add(set, "samples", width,
                         TOP + (strip_over(width).side + 14) * (double)rows + 30, err, title);
        uint64_t seed = r->seed >= 0 && r->seed < 9.1e15 ? (uint64_t)r->seed : 0;
        status = c ? draw_samples(&c->canvas, images, seed, &augment, rows, err) : -1;
    }
    return status;
}
const struct kd_chart_kind kd_chart_samples = {make_samples};
