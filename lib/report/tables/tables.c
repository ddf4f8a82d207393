#include "kd/report/tables.h"
#include "kd/base/text.h"
#include "kd/report/figures.h"
#include <fnmatch.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define LEADING  3 /* run, name, role */
#define TRAILING 3

/* run, name, role, the figures, and what stands behind them. Made once from the table of figures.
 */
static const struct kd_column *model_columns(size_t *n)
{
    static struct kd_column columns[LEADING + KD_N_FIGURES + TRAILING];
    size_t k = 0;
    columns[k++] = (struct kd_column){"run", "run", KD_CELL_TEXT, false};
    columns[k++] = (struct kd_column){"name", "model", KD_CELL_TEXT, false};
    columns[k++] = (struct kd_column){"role", "role", KD_CELL_TEXT, false};
    for (size_t i = 0; i < KD_N_FIGURES; i++) columns[k++] = kd_figures[i].column;
    columns[k++] = (struct kd_column){"gap_recovered", "gap closed %", KD_CELL_RATE, false};
    columns[k++] = (struct kd_column){"seeds", "seeds", KD_CELL_COUNT, false};
    columns[k++] = (struct kd_column){"best", "best", KD_CELL_TEXT, false};
    *n = k;
    return columns;
}

static const char *role_name(const struct kd_result *r)
{
    return r->role == KD_ROLE_TEACHER ? "teacher" : r->distilled ? "distilled" : "plain";
}

static int lead(struct kd_cell *row, const struct kd_report *report, const struct kd_result *r,
                struct kd_err *err)
{
    if (kd_cell_text(&row[0], report->runs[r->run].name, err) < 0) return -1;
    if (kd_cell_text(&row[1], r->name, err) < 0) return -1;
    return kd_cell_text(&row[2], role_name(r), err);
}

int kd_table_models(const struct kd_report *report, struct kd_table *t, struct kd_err *err)
{
    size_t n;
    const struct kd_column *columns = model_columns(&n);
    kd_table_init(t, "Models", columns, n);
    for (size_t i = 0; i < report->n_entries; i++) {
        const struct kd_entry *e = &report->entries[i];
        const struct kd_result *r = &report->results[e->first];
        struct kd_cell *row = kd_table_row(t, err);
        if (!row || lead(row, report, r, err) < 0) return -1;
        struct kd_cell *cell = row + LEADING;
        for (size_t k = 0; k < KD_N_FIGURES; k++, cell++) {
            struct kd_stats s = kd_entry_stats(report, e, kd_figures[k].get);
            bool mixed = kd_figure_is_setting(k) &&
                         s.sd > 0; /* seeds trained with different ones have no common one */
            cell->value = mixed ? NAN : s.mean;
            if (kd_figures[k].column.spread) cell->sd = s.sd;
        }
        size_t evaluated = kd_entry_stats(report, e, kd_figure_top1).n;
        cell++->value = kd_gap_recovered(report, e);
        cell++->value = (double)(evaluated ? evaluated : e->n);
        if (kd_report_best(report, r->run) != e) continue;
        if (kd_cell_text(cell, "best on validation", err) < 0 || kd_table_mark(t, err) < 0)
            return -1;
    }
    return 0;
}

int kd_table_seeds(const struct kd_report *report, struct kd_table *t, struct kd_err *err)
{
    static struct kd_column columns[LEADING + 1 + KD_N_FIGURES + 2];
    size_t n = 0, width;
    const struct kd_column *like = model_columns(&width);
    for (; n < LEADING; n++) columns[n] = like[n];
    columns[n++] = (struct kd_column){"seed", "seed", KD_CELL_COUNT, false};
    for (size_t i = 0; i < KD_N_FIGURES; i++) {
        columns[n] = kd_figures[i].column;
        columns[n++].spread = false;
    }
    columns[n++] = (struct kd_column){"folder", "folder", KD_CELL_TEXT, false};
    columns[n++] = (struct kd_column){"command", "command", KD_CELL_TEXT, false};
    kd_table_init(t, "Seeds", columns, n);
    for (size_t i = 0; i < report->n_results; i++) {
        const struct kd_result *r = &report->results[i];
        struct kd_cell *row = kd_table_row(t, err);
        if (!row || lead(row, report, r, err) < 0) return -1;
        row[LEADING].value = r->seed;
        for (size_t k = 0; k < KD_N_FIGURES; k++)
            row[LEADING + 1 + k].value = kd_figures[k].get(report, r);
        if (kd_cell_text(&row[n - 2], r->folder, err) < 0) return -1;
        if (r->command && kd_cell_text(&row[n - 1], r->command, err) < 0) return -1;
    }
    return 0;
}

static void say_verdict(const struct kd_mcnemar *m, const struct kd_confidence *d, size_t pairs,
                        char out[96])
{
    if (pairs < 2 && isnan(m->p))
        snprintf(out, 96, "one pair: no interval");
    else if (pairs < 2)
        snprintf(out, 96, "one pair: %.0f against %.0f images, %s", m->first, m->second,
                 m->p >= 0.05           ? "may be chance"
                 : m->first > m->second ? "better"
                                        : "worse");
    else if (!kd_confidence_excludes_zero(d))
        snprintf(out, 96, "within the spread");
    else
        snprintf(out, 96, "%s by more than the spread", d->mean > 0 ? "better" : "worse");
}

int kd_table_differences(const struct kd_report *report, struct kd_table *t, struct kd_err *err)
{
    static const struct kd_column columns[] = {
        {"run", "run", KD_CELL_TEXT, false},
        {"name", "distilled", KD_CELL_TEXT, false},
        {"plain", "plain", KD_CELL_TEXT, false},
        {"difference", "top-1 points", KD_CELL_POINTS, false},
        {"low", "95 % from", KD_CELL_POINTS, false},
        {"high", "to", KD_CELL_POINTS, false},
        {"pairs", "pairs", KD_CELL_COUNT, false},
        {"mcnemar_p", "McNemar p", KD_CELL_REAL, false},
        {"verdict", "verdict", KD_CELL_TEXT, false},
    };
    kd_table_init(t, "Distilled against plain", columns, sizeof columns / sizeof *columns);
    for (size_t i = 0; i < report->n_pairs; i++) {
        const struct kd_pair *pair = &report->pairs[i];
        const struct kd_entry *e = &report->entries[pair->entry],
                              *plain = &report->entries[pair->plain];
        size_t pairs;
        struct kd_confidence d = kd_report_paired(report, e, plain, kd_figure_top1, &pairs);
        if (pairs == 0) continue;
        struct kd_cell *row = kd_table_row(t, err);
        const struct kd_result *r = &report->results[e->first];
        char verdict[96];
        say_verdict(&pair->mcnemar, &d, pairs, verdict);
        if (!row || kd_cell_text(&row[0], report->runs[r->run].name, err) < 0 ||
            kd_cell_text(&row[1], r->name, err) < 0 ||
            kd_cell_text(&row[2], report->results[plain->first].name, err) < 0 ||
            kd_cell_text(&row[8], verdict, err) < 0)
            return -1;
        row[3].value = d.mean;
        row[4].value = d.low;
        row[5].value = d.high;
        row[6].value = (double)pairs;
        row[7].value = pair->mcnemar.p;
    }
    return 0;
}

int kd_table_logs(const struct kd_report *report, struct kd_table *t, struct kd_err *err)
{
    static const struct kd_column columns[] = {
        {"run", "run", KD_CELL_TEXT, false},
        {"name", "model", KD_CELL_TEXT, false},
        {"seed", "seed", KD_CELL_COUNT, false},
        {"epoch", "epoch", KD_CELL_COUNT, false},
        {"step", "step", KD_CELL_COUNT, false},
        {"lr", "rate", KD_CELL_MEASURE, false},
        {"train_loss", "loss", KD_CELL_MEASURE, false},
        {"train_hard", "hard", KD_CELL_MEASURE, false},
        {"train_soft", "soft", KD_CELL_MEASURE, false},
        {"train_top1", "top-1 %", KD_CELL_RATE, false},
        {"train_eval_loss", "train loss", KD_CELL_MEASURE, false},
        {"train_eval_top1", "train %", KD_CELL_RATE, false},
        {"valid_loss", "valid. loss", KD_CELL_MEASURE, false},
        {"valid_top1", "valid. %", KD_CELL_RATE, false},
        {"valid_top5", "valid. top-5 %", KD_CELL_RATE, false},
        {"seconds", "seconds", KD_CELL_MEASURE, false},
        {"images_per_second", "images/s", KD_CELL_COUNT, false},
    };
    kd_table_init(t, "Logs", columns, sizeof columns / sizeof *columns);
    for (size_t i = 0; i < report->n_results; i++) {
        const struct kd_result *r = &report->results[i];
        for (size_t k = 0; k < r->log.n; k++) {
            const struct kd_epoch *e = &r->log.epochs[k];
            struct kd_cell *row = kd_table_row(t, err);
            if (!row || kd_cell_text(&row[0], report->runs[r->run].name, err) < 0 ||
                kd_cell_text(&row[1], r->name, err) < 0)
                return -1;
            const double values[] = {
                r->seed,       e->epoch,      e->step,       e->lr,         e->loss,
                e->hard,       e->soft,       e->top1,       e->train.loss, e->train.top1,
                e->valid.loss, e->valid.top1, e->valid.top5, e->seconds,    e->images_per_second};
            for (size_t c = 0; c < sizeof values / sizeof *values; c++)
                row[2 + c].value = values[c];
        }
    }
    return 0;
}

int kd_table_find(const struct kd_table *t, const char *key, size_t *column, struct kd_err *err)
{
    const char *names[64];
    unsigned n = 0;
    for (size_t c = 0; c < t->n_columns && n < 64; c++) {
        if (strcmp(t->columns[c].key, key) == 0) {
            *column = c;
            return 0;
        }
        names[n++] = t->columns[c].key;
    }
    const char *near = kd_nearest(key, names, n);
    return near ? kd_fail_usage(err, "no column \"%s\"; did you mean \"%s\"?", key, near)
                : kd_fail_usage(err, "no column \"%s\"; --csv prints them all", key);
}

int kd_table_keep(struct kd_table *t, const char *keys, struct kd_column **columns,
                  struct kd_err *err)
{
    size_t wanted[64], n = 0;
    *columns = NULL;
    while (*keys) {
        size_t length = strcspn(keys, ",");
        char *key = kd_format(err, "%.*s", (int)length, keys);
        if (!key) return -1;
        int status = n < 64 ? kd_table_find(t, key, &wanted[n], err)
                            : kd_fail_usage(err, "too many columns");
        kd_free(key);
        if (status < 0) return -1;
        n++;
        keys += length + (keys[length] == ',');
    }
    if (n == 0) return kd_fail_usage(err, "no columns chosen");
    struct kd_table kept = {.title = t->title, .n_rows = t->n_rows, .room = t->n_rows};
    struct kd_column *chosen = kd_alloc(n, sizeof *chosen, "columns", err);
    kept.cells = kd_alloc(n * t->n_rows, sizeof *kept.cells, "a table", err);
    if (!chosen || !kept.cells) goto fail;
    kept.n_columns = n;
    for (size_t i = 0; i < n; i++) {
        /* NOLINTNEXTLINE(clang-analyzer-core.uninitialized.ArraySubscript): the first n of wanted
         * are set */
        chosen[i] = t->columns[wanted[i]];
        for (size_t r = 0; r < t->n_rows; r++) {
            const struct kd_cell *from = &t->cells[r * t->n_columns + wanted[i]];
            struct kd_cell *to = &kept.cells[r * n + i];
            *to = (struct kd_cell){NULL, from->value, from->sd};
            if (from->text && kd_cell_text(to, from->text, err) < 0) goto fail;
        }
    }
    kept.marked = t->marked;
    kept.n_marked = t->n_marked;
    kept.marked_room = t->marked_room;
    t->marked = NULL;
    kd_table_release(t);
    *t = kept;
    t->columns = *columns = chosen;
    return 0;
fail:
    kd_free(chosen);
    kd_table_release(&kept);
    return -1;
}

void kd_table_filter(struct kd_table *t, size_t column, const char *pattern)
{
    size_t w = t->n_columns, kept = 0;
    for (size_t r = 0; r < t->n_rows; r++) {
        struct kd_cell *row = &t->cells[r * w];
        bool keep = row[column].text && fnmatch(pattern, row[column].text, 0) == 0;
        for (size_t c = 0; c < w; c++) {
            if (!keep)
                kd_free(row[c].text);
            else
                t->cells[kept * w + c] = row[c];
        }
        for (size_t m = 0; m < t->n_marked; m++)
            if (t->marked[m] == r) t->marked[m] = keep ? kept : SIZE_MAX;
        kept += keep;
    }
    t->n_rows = kept;
}
