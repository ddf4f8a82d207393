/* Errors class by class, and what becomes of the classes that a student never saw. */
#include "kd/report/classes.h"
#include "kd/report/tables.h"

#include <math.h>

/* Of one seed, or of all seeds of a model: then the third column counts them, and errors have a
 * spread. */
#define CLASS_COLUMNS(seed, several)                                                               \
    {                                                                                              \
        {"run", "run", KD_CELL_TEXT, false, 6}, {"name", "model", KD_CELL_TEXT, false, 0},         \
            {seed, seed, KD_CELL_COUNT, false, 5}, {"class", "class", KD_CELL_COUNT, false, 0},    \
            {"class_name", "class name", KD_CELL_TEXT, false, 0},                                  \
            {"trained_on", "trained on", KD_CELL_TEXT, false, 3},                                  \
            {"images", "images", KD_CELL_COUNT, false, 4},                                         \
            {"errors", "errors", KD_CELL_COUNT, several, 0},                                       \
            {"right", "right %", KD_CELL_RATE, false, 1},                                          \
            {"mostly_taken_for", "mostly taken for", KD_CELL_TEXT, false, 2},                      \
    }
static const struct kd_column of_models[] = CLASS_COLUMNS("seeds", true),
                              of_seeds[] = CLASS_COLUMNS("seed", false);
enum { RUN, NAME, SEED, CLASS, CLASS_NAME, TRAINED_ON, IMAGES, ERRORS, RIGHT, TAKEN_FOR, COLUMNS };

/* The class that images of class k were mostly taken for; `classes`: none was taken for another. */
static size_t taken_for(const double *confusion, size_t classes, size_t k)
{
    size_t most = classes;
    double n = 0;
    for (size_t j = 0; j < classes; j++)
        if (j != k && confusion[k * classes + j] > n) n = confusion[k * classes + (most = j)];
    return most;
}

static void add_class(const struct kd_report *report, const struct kd_entry *entry,
                      const double *sum, size_t classes, size_t seeds, size_t k, bool unseen,
                      struct kd_table *t)
{
    const struct kd_result *r = &report->results[entry->first];
    struct kd_cell *row = kd_table_row(t);
    const struct kd_stats errors = kd_class_errors(report, entry, k, classes);
    const size_t taken = taken_for(sum, classes, k);
    double images = 0;
    char name[KD_CLASS_ROOM], other[KD_CLASS_ROOM];
    for (size_t j = 0; j < classes; j++) images += sum[k * classes + j] / (double)seeds;
    kd_table_text(t, RUN, report->runs[r->run].name);
    kd_table_text(t, NAME, r->name);
    kd_table_text(t, TRAINED_ON, unseen ? "no" : "yes");
    if (r->class_names) kd_table_text(t, CLASS_NAME, kd_class_in(r->class_names, k, name));
    if (taken < classes) kd_table_text(t, TAKEN_FOR, kd_class_in(r->class_names, taken, other));
    row[SEED].value = t->columns == of_seeds ? r->seed : (double)seeds;
    row[CLASS].value = (double)k;
    row[IMAGES].value = images;
    row[ERRORS].value = errors.mean;
    row[ERRORS].sd = errors.sd;
    row[RIGHT].value = images > 0 ? 1 - errors.mean / images : NAN;
    if (unseen) kd_table_mark(t, t->n_rows - 1);
}

static int add_classes(const struct kd_report *report, const struct kd_entry *e, struct kd_table *t,
                       struct kd_err *err)
{
    size_t classes, seeds;
    double *sum = kd_confusion_sum(report, e, &classes, &seeds, err);
    if (!sum) return classes ? -1 : 0;
    bool *unseen = kd_alloc(classes, sizeof *unseen, "classes", err);
    int status = unseen ? 0 : -1;
    if (status == 0) kd_unseen_of(&report->results[e->first], unseen, classes);
    for (size_t k = 0; k < classes && status == 0; k++)
        add_class(report, e, sum, classes, seeds, k, unseen[k], t);
    kd_free(unseen);
    kd_free(sum);
    return status;
}

int kd_table_classes(const struct kd_report *report, struct kd_table *t, struct kd_err *err)
{
    kd_table_init(t, "Classes", of_models, COLUMNS, err);
    for (size_t i = 0; i < report->n_entries; i++)
        if (add_classes(report, &report->entries[i], t, err) < 0) return -1;
    return kd_table_end(t);
}

int kd_table_class_seeds(const struct kd_report *report, struct kd_table *t, struct kd_err *err)
{
    kd_table_init(t, "Classes by seed", of_seeds, COLUMNS, err);
    for (size_t i = 0; i < report->n_results; i++)
        if (add_classes(report, &(struct kd_entry){i, 1}, t, err) < 0) return -1;
    return kd_table_end(t);
}
