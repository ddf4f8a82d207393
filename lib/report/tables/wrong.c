/* What models take for another class, the surest errors first: for data that cannot be drawn, a
 * table of its rows is what the sheet of pictures is for images. */
#include "kd/report/classes.h"
#include "kd/report/logits.h"
#include "kd/report/tables.h"

enum { MOST = 20 }; /* of a model */

static const struct kd_column columns[] = {
    {"run", "run", KD_CELL_TEXT, false, 4},
    {"name", "model", KD_CELL_TEXT, false, 0},
    {"seed", "seed", KD_CELL_COUNT, false, 2},
    {"row", "row", KD_CELL_COUNT, false, 0},
    {"class", "class", KD_CELL_COUNT, false, 3},
    {"class_name", "class name", KD_CELL_TEXT, false, 0},
    {"taken_for", "taken for", KD_CELL_TEXT, false, 0},
    {"confidence", "how surely %", KD_CELL_RATE, false, 0},
};
enum { RUN, NAME, SEED, ROW, CLASS, CLASS_NAME, TAKEN_FOR, CONFIDENCE, COLUMNS };

static void add_row(const struct kd_report *report, const struct kd_result *r, int32_t label,
                    const struct kd_wrong *w, struct kd_table *t)
{
    struct kd_cell *row = kd_table_row(t);
    char name[KD_CLASS_ROOM], other[KD_CLASS_ROOM];
    kd_table_text(t, RUN, report->runs[r->run].name);
    kd_table_text(t, NAME, r->name);
    kd_table_text(t, CLASS_NAME, kd_class_in(r->class_names, (size_t)label, name));
    kd_table_text(t, TAKEN_FOR, kd_class_in(r->class_names, w->taken_for, other));
    row[SEED].value = r->seed;
    row[ROW].value = (double)w->sample + 1;
    row[CLASS].value = label;
    row[CONFIDENCE].value = w->confidence;
}

static int add_model(const struct kd_report *report, const struct kd_result *r, struct kd_table *t,
                     struct kd_err *err)
{
    struct kd_logits l;
    size_t n;
    if (!kd_logits_read(report, r, &l)) return 0;
    struct kd_wrong *list = kd_logits_wrong(&l, &n, err);
    for (size_t i = 0; list && i < n && i < MOST; i++)
        add_row(report, r, l.labels[list[i].sample], &list[i], t);
    int status = list ? 0 : -1;
    kd_free(list);
    kd_logits_release(&l);
    return status;
}

int kd_table_wrong(const struct kd_report *report, struct kd_table *t, struct kd_err *err)
{
    kd_table_init(t, "Errors", columns, COLUMNS, err);
    for (size_t i = 0; i < report->n_results; i++)
        if (add_model(report, &report->results[i], t, err) < 0) return -1;
    return kd_table_end(t);
}
