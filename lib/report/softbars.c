/* What a teacher knows beyond the right answer: soft targets of some samples as bars, at several
 * temperatures. */
#include "figure.h"
#include "kd/base/file.h"
#include "kd/base/tensorfile.h"
#include "plot.h"
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define SAMPLES      4
#define MOST_CLASSES 30
#define FILE_LIMIT   ((size_t)512 << 20)

static const double temperatures[] = {1, 4, 20};
#define COLUMNS (sizeof temperatures / sizeof *temperatures)

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

/* p[C] = softmax(z[C] / T); returns the second largest of them. */
static double soften(const float *z, size_t classes, double t, double *p)
{
    double most = -INFINITY, sum = 0, first = 0, second = 0;
    for (size_t c = 0; c < classes; c++) most = fmax(most, (double)z[c]);
    for (size_t c = 0; c < classes; c++) sum += p[c] = exp(((double)z[c] - most) / t);
    for (size_t c = 0; c < classes; c++) {
        p[c] /= sum;
        second = fmax(second, fmin(first, p[c]));
        first = fmax(first, p[c]);
    }
    return second;
}

static size_t top_class(const float *z, size_t classes)
{
    size_t top = 0;
    for (size_t c = 1; c < classes; c++)
        if (z[c] > z[top]) top = c;
    return top;
}

/* Samples that the teacher is sure of and yet finds alike to another class: of each class the one
 * whose second class is likeliest at T = 4 among those with at least 0.9 at T = 1; of these the
 * highest few. */
static size_t choose(const float *z, size_t n, size_t classes, size_t out[SAMPLES])
{
    double best[MOST_CLASSES], p[MOST_CLASSES];
    size_t of[MOST_CLASSES], chosen = 0;
    for (size_t c = 0; c < classes; c++) best[c] = -1;
    for (size_t i = 0; i < n; i++) {
        const float *row = z + i * classes;
        size_t top = top_class(row, classes);
        soften(row, classes, 1, p);
        if (!(p[top] >= 0.9)) continue;
        double second = soften(row, classes, 4, p);
        if (!(second > best[top])) continue;
        best[top] = second;
        of[top] = i;
    }
    while (chosen < SAMPLES) {
        size_t next = classes;
        for (size_t c = 0; c < classes; c++)
            if (best[c] >= 0 && (next == classes || best[c] > best[next])) next = c;
        if (next == classes) break;
        out[chosen++] = of[next];
        best[next] = -1;
    }
    return chosen;
}

static void draw_bars(const struct kd_panel *p, const double *share, size_t classes, size_t top,
                      double t)
{
    char text[96];
    double step = p->w / (double)classes;
    for (size_t c = 0; c < classes; c++) {
        double y = kd_panel_y(p, share[c]);
        snprintf(text, sizeof text, "class %zu at T = %g: %.2f %%", c, t, 100 * share[c]);
        kd_canvas_rect(p->c, p->x + step * ((double)c + 0.12), y, 0.76 * step, p->y + p->h - y,
                       (struct kd_pen){.ink = KD_INK_SERIES + (c == top ? 1 : 2)}, text);
        if (classes > 14 && c % 5) continue;
        snprintf(text, sizeof text, "%zu", c);
        kd_canvas_text(
            p->c, p->x + step * ((double)c + 0.5), p->y + p->h + 15, text,
            (struct kd_type){.size = KD_TEXT_SIZE - 1, .anchor = 0.5, .ink = KD_INK_FAINT});
    }
}

static int draw(const struct kd_report *report, size_t run, const float *z, size_t n,
                size_t classes, struct kd_chart_set *set, struct kd_err *err)
{
    const double left = 76, gap = 22, width = 860, h = 112, row = 150;
    const double none = -1; /* no ticks: the bars have their own labels */
    double p[MOST_CLASSES], w = (width - left - 20 - gap * (COLUMNS - 1)) / COLUMNS;
    size_t samples[SAMPLES], rows = choose(z, n, classes, samples);
    char title[300], label[64];
    if (rows == 0) return 0;
    snprintf(title, sizeof title, "Soft targets: %.200s", report->runs[run].name);
    struct kd_chart *chart =
        kd_chart_add(set, "soft-targets", width, 72 + row * (double)rows + 16, err, title);
    if (!chart) return -1;
    for (size_t i = 0; i < rows; i++)
        for (size_t k = 0; k < COLUMNS; k++) {
            const float *logits = z + samples[i] * classes;
            struct kd_panel panel = {.c = &chart->canvas,
                                     .x = left + (w + gap) * (double)k,
                                     .y = 66 + row * (double)i,
                                     .w = w,
                                     .h = h,
                                     .ax = {.low = 0, .high = (double)classes, .at = &none},
                                     .ay = {.low = 0, .high = 1, .form = KD_AXIS_PERCENT}};
            snprintf(label, sizeof label, "sample %zu, %%", samples[i]);
            snprintf(title, sizeof title, "T = %g", temperatures[k]);
            kd_panel_frame(&panel, &(struct kd_panel_words){.title = i ? NULL : title,
                                                            .y = k ? NULL : label,
                                                            .no_x_numbers = true,
                                                            .no_y_numbers = k > 0});
            soften(logits, classes, temperatures[k], p);
            draw_bars(&panel, p, classes, top_class(logits, classes), temperatures[k]);
        }
    kd_canvas_text(&chart->canvas, left, 72 + row * (double)rows + 4,
                   "The teacher's softmax(z / T) over the classes. Samples it is sure of at T = 1, "
                   "yet finds most alike to a second class.",
                   (struct kd_type){.size = KD_TEXT_SIZE - 1, .ink = KD_INK_FAINT});
    return 0;
}

int kd_soft_bars_add(const struct kd_report *report, size_t run, struct kd_chart_set *set,
                     struct kd_err *err)
{
    const struct kd_tensorfile_limits limits = {.bytes = FILE_LIMIT, .no_verify = true};
    struct kd_tensorfile file;
    struct kd_err ignored = {
        0}; /* a chart less; the files speak for themselves in kd-soften --show */
    char *folder = kd_path_join(err, report->runs[run].folder, "soft");
    char *path = folder ? first_file(folder, true, err) : NULL;
    int status = folder ? 0 : -1;
    kd_free(folder);
    if (!path || kd_tensorfile_read(path, &limits, &file, &ignored) < 0) {
        kd_free(path);
        return status;
    }
    kd_free(path);
    const struct kd_tensor *t = kd_tensorfile_find(&file, "logits");
    if (t && (t->dims == 2 || t->dims == 3) && (t->dtype == KD_F32 || t->dtype == KD_F16)) {
        size_t n = t->shape[t->dims - 2], classes = t->shape[t->dims - 1];
        float *z = kd_alloc(t->count, sizeof *z, "soft targets", err);
        status = z ? kd_tensor_to_float(t, z, err) : -1;
        if (status == 0 && classes >= 2 && classes <= MOST_CLASSES && t->count >= n * classes)
            status = draw(report, run, z, n, classes, set, err);
        kd_free(z);
    }
    kd_tensorfile_release(&file);
    return status;
}
