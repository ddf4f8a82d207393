/* The confusion of classes, and what becomes of those that a student never saw. */
#include "chart.h"
#include "kd/base/mem.h"
#include "kd/report/classes.h"
#include "plot.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

#define UNSEEN 12 /* most students whose unseen classes are drawn, of a run */

static bool has_confusion(const struct kd_report *report, const struct kd_result *r)
{
    const struct kd_evaluation *e = kd_result_on(r, report->split);
    return e && e->confusion.v;
}

/* A matrix as it is shown: counts of one model, or means over seeds, which have a decimal so that
 * rows add up. */
struct confusion {
    const double *counts; /* [n][n] */
    const bool *unseen;   /* [n]: classes that the training left out */
    const cJSON *names;   /* of classes, or NULL */
    size_t n, seeds, n_unseen;
};

/* Where its parts lie. */
struct layout {
    double left, top, side; /* of the cells, and of one */
    double room;            /* for a name; the widest takes `widest` of it */
    double widest, size;    /* of the names' letters */
    struct kd_names below;
};

static void name_fit(const struct confusion *m, size_t k, const struct layout *at, char out[160])
{
    char number[KD_CLASS_ROOM];
    kd_text_fit(kd_class_in(m->names, k, number), at->size, at->room, out);
}

static struct layout lay_out(const struct kd_chart_set *set, const struct confusion *m)
{
    const double n = (double)m->n, width = kd_chart_width(set, 0),
                 side = fmax(4, fmin(46, (width > 0 ? width - 102 : 520) / n));
    struct layout at = {.top = m->n_unseen ? 66 : 56,
                        .side = side,
                        .room = 120,
                        .size = fmin(KD_TEXT_SIZE, 0.6 * side)};
    char name[160];
    for (size_t k = 0; k < m->n; k++) {
        name_fit(m, k, &at, name);
        at.widest = fmax(at.widest, kd_type_width(name, at.size));
    }
    at.left = fmax(78, 56 + at.widest);
    at.below = kd_names_along(at.widest, side * ceil(14 / side), at.size);
    return at;
}

static void draw_cell(struct kd_canvas *c, const struct confusion *m, const struct layout *at,
                      size_t i, size_t k, double most)
{
    const double v = fmax(0, m->counts[i * m->n + k]);
    const struct kd_box box = {at->left + at->side * (double)k, at->top + at->side * (double)i,
                               at->side, at->side};
    char text[64], tip[320], truth[KD_CLASS_ROOM], taken[KD_CLASS_ROOM];
    snprintf(text, sizeof text, "%.*f", m->seeds > 1, v);
    snprintf(tip, sizeof tip, "class %.90s%s taken for %.90s: %s", kd_class_in(m->names, i, truth),
             m->unseen[i] ? ", never seen," : "", kd_class_in(m->names, k, taken), text);
    if (i != k) {
        kd_heat_cell(c, box, most > 0 ? v / most : 0, v > 0 ? text : "", tip);
        return;
    }
    /* right answers would drown the errors */
    kd_canvas_rect(c, (struct kd_box){box.x, box.y, at->side - 1, at->side - 1},
                   (struct kd_pen){.ink = KD_INK_GRID}, tip);
    const double size = fmin(at->size, 0.42 * at->side);
    if (kd_type_width(text, size) < at->side - 3)
        kd_canvas_text(c, box.x + at->side / 2, box.y + at->side / 2 + 0.36 * size, text,
                       (struct kd_type){.size = size, .anchor = 0.5});
}

static void draw_names(struct kd_canvas *c, const struct confusion *m, const struct layout *at)
{
    const size_t every = (size_t)ceil(14 / at->side);
    const double below = at->top + at->side * (double)m->n;
    char name[160], starred[164];
    for (size_t i = 0; i < m->n; i++) {
        const double middle = at->side * ((double)i + 0.5);
        name_fit(m, i, at, name);
        snprintf(starred, sizeof starred, "%s%s", name, m->unseen[i] ? "*" : "");
        if (i % every == 0 || m->unseen[i])
            kd_canvas_text(c, at->left - 7, at->top + middle + 0.36 * at->size, starred,
                           (struct kd_type){.size = at->size,
                                            .anchor = 1,
                                            .bold = m->unseen[i],
                                            .ink = m->unseen[i] ? KD_INK_TEXT : KD_INK_FAINT});
        if (i % every == 0)
            kd_name_put(c, &at->below, at->left + middle, below, name,
                        (struct kd_type){.ink = KD_INK_FAINT});
    }
}

static void draw_confusion(struct kd_canvas *c, const struct confusion *m, const struct layout *at)
{
    double most = 0;
    for (size_t i = 0; i < m->n * m->n; i++)
        if (i / m->n != i % m->n) most = fmax(most, m->counts[i]);
    for (size_t i = 0; i < m->n; i++)
        for (size_t k = 0; k < m->n; k++) draw_cell(c, m, at, i, k, most);
    draw_names(c, m, at);
}

/* "* never saw 0, 1, 2" */
static void say_unseen(struct kd_canvas *c, const struct confusion *m, double width)
{
    char text[640] = "* never saw ", fitted[160], number[KD_CLASS_ROOM];
    size_t used = strlen(text), named = 0;
    for (size_t i = 0; i < m->n && used < 600; i++)
        if (m->unseen[i])
            used += (size_t)snprintf(text + used, sizeof text - used, "%s%.30s",
                                     named++ ? ", " : "", kd_class_in(m->names, i, number));
    kd_text_fit(text, KD_TEXT_SIZE, width, fitted);
    kd_canvas_text(c, 16, 46, fitted, (struct kd_type){.size = KD_TEXT_SIZE});
}

static int add_confusion(const char *title, const char *split, const struct confusion *m,
                         const char *name, struct kd_chart_set *set, struct kd_err *err)
{
    if (m->n > 200) return 0;
    const struct layout at = lay_out(set, m);
    const double cells = (double)m->n * at.side,
                 width = fmax(kd_chart_width(set, 460), at.left + cells + 24),
                 height = at.top + cells + at.below.height + 44;
    char text[96];
    struct kd_chart *chart = kd_chart_add(set, name, width, height, err, title);
    if (!chart) return -1;
    if (m->n_unseen) say_unseen(&chart->canvas, m, width - 32);
    draw_confusion(&chart->canvas, m, &at);
    struct kd_type axis = {.size = KD_TEXT_SIZE + 1, .anchor = 0.5};
    snprintf(text, sizeof text, "predicted class (%.40s split, images%s)", split,
             m->seeds > 1 ? " a seed" : "");
    kd_canvas_text(&chart->canvas, at.left + cells / 2, height - 16, text, axis);
    axis.upward = true;
    kd_canvas_text(&chart->canvas, 28, at.top + cells / 2, "true class", axis);
    return 0;
}

static int make_confusion(const struct kd_report *report, size_t run, struct kd_chart_set *set,
                          struct kd_err *err)
{
    const struct kd_result *r = kd_result_shown(report, run, has_confusion);
    char title[300];
    if (!r) return 0;
    const struct kd_evaluation *e = kd_result_on(r, report->split);
    bool *unseen = kd_alloc(e->confusion.rows, sizeof *unseen, "classes", err);
    if (!unseen) return -1;
    kd_model_title("Confusion", report, r, title);
    struct confusion m = {e->confusion.v,    unseen, r->class_names,
                          e->confusion.rows, 1,      kd_unseen_of(r, unseen, e->confusion.rows)};
    int status = add_confusion(title, report->split, &m, "confusion", set, err);
    kd_free(unseen);
    return status;
}
const struct kd_chart_kind kd_chart_confusion = {make_confusion};

/* A student that never saw some classes: its seeds together, in images a seed. */
static int add_unseen(const struct kd_report *report, const struct kd_entry *entry,
                      struct kd_chart_set *set, struct kd_err *err)
{
    const struct kd_result *r = &report->results[entry->first];
    size_t classes, seeds;
    char title[300];
    double *sum = kd_confusion_sum(report, entry, &classes, &seeds, err);
    if (!sum) return classes ? -1 : 0;
    bool *unseen = kd_alloc(classes, sizeof *unseen, "classes", err);
    int status = unseen ? 0 : -1;
    size_t n = unseen ? kd_unseen_of(r, unseen, classes) : 0;
    if (n) {
        for (size_t k = 0; k < classes * classes; k++) sum[k] /= (double)seeds;
        snprintf(title, sizeof title, "Confusion: %.200s, mean of %zu seed%s", r->name, seeds,
                 seeds > 1 ? "s" : "");
        status = add_confusion(title, report->split,
                               &(struct confusion){sum, unseen, r->class_names, classes, seeds, n},
                               "unseen-classes", set, err);
    }
    kd_free(unseen);
    kd_free(sum);
    return status;
}

static int draw_unseen(const struct kd_report *report, size_t run, struct kd_chart_set *set,
                       struct kd_err *err)
{
    int drawn = 0, status = 0;
    for (size_t i = 0; i < report->n_entries && drawn < UNSEEN && status == 0; i++) {
        const struct kd_result *r = &report->results[report->entries[i].first];
        bool filtered = r->data && (strstr(r->data, "\"omit\":[") || strstr(r->data, "\"keep\":["));
        if (r->run != run || !filtered) continue;
        size_t before = set->n;
        status = add_unseen(report, &report->entries[i], set, err);
        drawn += set->n > before;
    }
    return status;
}
const struct kd_chart_kind kd_chart_unseen = {draw_unseen};
