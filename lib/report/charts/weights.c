/* What the first layer looks for: its weights as pictures. */
#include "chart.h"
#include "kd/base/json.h"
#include "kd/base/tensorfile.h"
#include "plot.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COLUMNS 16
#define MOST    64
#define SIDE    46.0
#define CELL    50.0

/* The weights that stand first in the network: matrix or filters. */
static const struct kd_tensor *first_weights(const struct kd_tensorfile *f)
{
    const struct kd_tensor *first = NULL;
    long place = 0;
    for (size_t i = 0; i < f->n; i++) {
        const struct kd_tensor *t = &f->tensors[i];
        size_t length = strlen(t->name);
        char *end;
        long at = strtol(t->name, &end, 10);
        if (end == t->name || *end != '.' || (t->dims != 2 && t->dims != 4)) continue;
        if (length < 7 || strcmp(t->name + length - 7, ".weight") != 0) continue;
        if (!first || at < place) {
            first = t;
            place = at;
        }
    }
    return first;
}

struct tiles { /* units x [c][h][w] */
    const float *w;
    size_t n, c, h, wide;
};

/* A matrix over the input has the input's shape, filters have their own. */
static bool shape_tiles(const struct kd_tensor *t, const char *network, struct tiles *out)
{
    struct kd_err ignored;
    cJSON *json = network ? kd_json_parse(network, strlen(network), "kd.network", &ignored) : NULL;
    const cJSON *input = cJSON_GetObjectItemCaseSensitive(json, "input");
    double size[3] = {0};
    for (int i = 0; i < 3; i++) {
        const cJSON *v = cJSON_GetArrayItem(input, i);
        if (cJSON_IsNumber(v)) size[i] = v->valuedouble;
    }
    cJSON_Delete(json);
    out->n = t->shape[0];
    if (t->dims == 4) {
        out->c = t->shape[1];
        out->h = t->shape[2];
        out->wide = t->shape[3];
        return out->h > 1 && out->wide > 1 && out->n > 0;
    }
    if (!(size[0] >= 1 && size[1] >= 2 && size[2] >= 2) ||
        size[0] * size[1] * size[2] != (double)t->shape[1])
        return false;
    out->c = (size_t)size[0];
    out->h = (size_t)size[1];
    out->wide = (size_t)size[2];
    return out->n > 0;
}

/* Three channels as colours around gray; of others the first, blue below zero and red above. */
static void paint(const struct tiles *t, size_t unit, double most, uint8_t *rgb)
{
    static const double below[3] = {0, 90, 160}, above[3] = {200, 70, 0};
    const size_t plane = t->h * t->wide;
    const float *w = t->w + unit * t->c * plane;
    for (size_t i = 0; i < plane; i++)
        for (size_t k = 0; k < 3; k++) {
            double v = (double)w[i + (t->c == 3 ? k * plane : 0)] / most, shade;
            v = fmin(1, fmax(-1, v));
            if (t->c == 3)
                shade = 127.5 * (1 + v);
            else
                shade = 255 + fabs(v) * ((v < 0 ? below[k] : above[k]) - 255);
            rgb[3 * i + k] = (uint8_t)(shade + 0.5);
        }
}

static int draw(const struct kd_report *report, const struct kd_result *r, const struct tiles *t,
                struct kd_chart_set *set, struct kd_err *err)
{
    char text[300];
    const double width = kd_chart_width(set, 40 + CELL * COLUMNS);
    const size_t columns = (size_t)fmax(1, floor((width - 36) / CELL));
    size_t n = t->n < MOST ? t->n : MOST, rows = (n + columns - 1) / columns, size;
    uint8_t *rgb = kd_alloc(t->h * t->wide, 3, "weights", err);
    kd_model_title("First-layer weights", report, r, text);
    struct kd_chart *chart =
        rgb ? kd_chart_add(set, "weights", width, 62 + CELL * (double)rows + 12, err, text) : NULL;
    size = t->c * t->h * t->wide;
    for (size_t i = 0; chart && i < n; i++) {
        double most = 0;
        for (size_t k = 0; k < size; k++) most = fmax(most, fabs((double)t->w[i * size + k]));
        paint(t, i, most > 0 ? most : 1, rgb);
        snprintf(text, sizeof text, "unit %zu: largest weight %.3g", i, most);
        kd_canvas_image(&chart->canvas,
                        (struct kd_box){20 + CELL * (double)(i % columns),
                                        58 + CELL * (double)(i / columns), SIDE, SIDE},
                        (struct kd_rgb){rgb, (uint32_t)t->h, (uint32_t)t->wide}, text);
    }
    snprintf(text, sizeof text, "%zu of %zu units, each scaled to its own largest weight%s.", n,
             t->n, t->c == 3 ? ", channels as colours" : "; blue below zero, red above");
    if (chart) kd_note(&chart->canvas, text);
    kd_free(rgb);
    return chart ? 0 : -1;
}

static int add(const struct kd_report *report, const struct kd_result *r, struct kd_chart_set *set,
               struct kd_err *err)
{
    const struct kd_tensorfile_limits limits = {.no_verify = true};
    struct kd_tensorfile f;
    struct kd_err ignored;
    struct tiles tiles = {0};
    int status = 0;
    if (!r || !r->model || kd_tensorfile_read(r->model, &limits, &f, &ignored) < 0) return 0;
    const struct kd_tensor *t = first_weights(&f);
    if (t && t->dtype == KD_F32 && shape_tiles(t, r->network, &tiles)) {
        bool finite = true;
        tiles.w = t->data;
        for (size_t i = 0; i < t->count; i++) finite = finite && isfinite(tiles.w[i]);
        if (finite) status = draw(report, r, &tiles, set, err);
    }
    kd_tensorfile_release(&f);
    return status;
}

/* The teacher's, and the best student's. */
static int draw_weights(const struct kd_report *report, size_t run, struct kd_chart_set *set,
                        struct kd_err *err)
{
    const struct kd_entry *best = kd_report_best(report, run);
    for (size_t i = 0; i < report->n_results; i++) {
        const struct kd_result *r = &report->results[i];
        if (r->run != run || r->role != KD_ROLE_TEACHER || !r->model) continue;
        if (add(report, r, set, err) < 0) return -1;
        break;
    }
    return best ? add(report, kd_report_best_seed(report, best), set, err) : 0;
}
const struct kd_chart_kind kd_chart_weights = {draw_weights};
