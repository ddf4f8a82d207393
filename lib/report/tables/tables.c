#include "kd/report/tables.h"
#include "kd/base/text.h"
#include "kd/report/figures.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

#define LEADING  3 /* run, name, role */
#define TRAILING 4

/* run, name, role, the figures, and what stands behind them. Made once from the table of figures.
 */
static const struct kd_column *model_columns(size_t *n)
{
    static struct kd_column columns[LEADING + KD_N_FIGURES + TRAILING];
    size_t k = 0;
    columns[k++] = (struct kd_column){"run", "run", KD_CELL_TEXT, false, 0};
    columns[k++] = (struct kd_column){"name", "model", KD_CELL_TEXT, false, 0};
    columns[k++] = (struct kd_column){"role", "role", KD_CELL_TEXT, false, 9};
    for (size_t i = 0; i < KD_N_FIGURES; i++) columns[k++] = kd_figures[i].column;
    columns[k++] = (struct kd_column){"gap_recovered", "gap closed %", KD_CELL_RATE, false, 0};
    columns[k++] = (struct kd_column){"seeds", "seeds", KD_CELL_COUNT, false, 4};
    columns[k++] = (struct kd_column){"pareto", "Pareto", KD_CELL_TEXT, false, 8};
    columns[k++] = (struct kd_column){"best", "best", KD_CELL_TEXT, false, 9};
    *n = k;
    return columns;
}

static const char *role_name(const struct kd_result *r)
{
    return r->role == KD_ROLE_TEACHER ? "teacher" : r->distilled ? "distilled" : "plain";
}

static void lead(struct kd_table *t, const struct kd_report *report, const struct kd_result *r)
{
    kd_table_text(t, 0, report->runs[r->run].name);
    kd_table_text(t, 1, r->name);
    kd_table_text(t, 2, role_name(r));
}

/* Does no other model of the run have as few parameters or fewer, and fewer errors, or as many and
 * fewer parameters? */
static bool is_pareto(const struct kd_report *report, const struct kd_entry *e)
{
    const struct kd_result *r = &report->results[e->first];
    const double size = kd_entry_stats(report, e, kd_figure_parameters).mean,
                 top1 = kd_entry_stats(report, e, kd_figure_top1).mean;
    if (!isfinite(size) || !isfinite(top1)) return false;
    for (size_t i = 0; i < report->n_entries; i++) {
        const struct kd_entry *other = &report->entries[i];
        if (report->results[other->first].run != r->run) continue;
        const double its_size = kd_entry_stats(report, other, kd_figure_parameters).mean,
                     its_top1 = kd_entry_stats(report, other, kd_figure_top1).mean;
        if (its_size <= size && its_top1 >= top1 && (its_size < size || its_top1 > top1))
            return false;
    }
    return true;
}

int kd_table_models(const struct kd_report *report, struct kd_table *t, struct kd_err *err)
{
    size_t n;
    const struct kd_column *columns = model_columns(&n);
    kd_table_init(t, "Models", columns, n, err);
    for (size_t i = 0; i < report->n_entries; i++) {
        const struct kd_entry *e = &report->entries[i];
        const struct kd_result *r = &report->results[e->first];
        struct kd_cell *row = kd_table_row(t);
        lead(t, report, r);
        struct kd_cell *cell = row + LEADING;
        for (size_t k = 0; k < KD_N_FIGURES; k++, cell++) {
            struct kd_stats s = kd_entry_stats(report, e, kd_figures[k].get);
            bool mixed = kd_figure_is_setting(k) &&
                         s.sd > 0; /* seeds trained with different ones have no common one */
            cell->value = mixed ? NAN : s.mean;
            if (kd_figures[k].column.spread) cell->sd = s.sd;
            if (r->role == KD_ROLE_STUDENT) cell->wins = kd_figures[k].better;
        }
        size_t evaluated = kd_entry_stats(report, e, kd_figure_top1).n;
        cell->wins = 1;
        cell++->value = kd_gap_recovered(report, e);
        cell->value = (double)(evaluated ? evaluated : e->n);
        if (is_pareto(report, e)) kd_table_text(t, n - 2, "yes");
        if (kd_report_best(report, r->run) != e) continue;
        kd_table_text(t, n - 1, "best on validation");
        kd_table_mark(t, t->n_rows - 1);
    }
    return kd_table_end(t);
}

int kd_table_seeds(const struct kd_report *report, struct kd_table *t, struct kd_err *err)
{
    static struct kd_column columns[LEADING + 1 + KD_N_FIGURES + 2];
    size_t n = 0, width;
    const struct kd_column *like = model_columns(&width);
    for (; n < LEADING; n++) columns[n] = like[n];
    columns[n++] = (struct kd_column){"seed", "seed", KD_CELL_COUNT, false, 0};
    for (size_t i = 0; i < KD_N_FIGURES; i++) {
        columns[n] = kd_figures[i].column;
        columns[n++].spread = false;
    }
    columns[n++] = (struct kd_column){"folder", "folder", KD_CELL_TEXT, false, 9};
    columns[n++] = (struct kd_column){"command", "command", KD_CELL_TEXT, false, 9};
    kd_table_init(t, "Seeds", columns, n, err);
    for (size_t i = 0; i < report->n_results; i++) {
        const struct kd_result *r = &report->results[i];
        struct kd_cell *row = kd_table_row(t);
        lead(t, report, r);
        row[LEADING].value = r->seed;
        for (size_t k = 0; k < KD_N_FIGURES; k++)
            row[LEADING + 1 + k].value = kd_figures[k].get(report, r);
        kd_table_text(t, n - 2, r->folder);
        if (r->command) kd_table_text(t, n - 1, r->command);
    }
    return kd_table_end(t);
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
    else if (isnan(d->low))
        snprintf(out, 96, "equal differences: no interval");
    else if (!kd_confidence_excludes_zero(d))
        snprintf(out, 96, "within the spread");
    else
        snprintf(out, 96, "%s by more than the spread", d->mean > 0 ? "better" : "worse");
}

int kd_table_differences(const struct kd_report *report, struct kd_table *t, struct kd_err *err)
{
    static const struct kd_column columns[] = {
        {"run", "run", KD_CELL_TEXT, false, 0},
        {"name", "distilled", KD_CELL_TEXT, false, 0},
        {"plain", "plain", KD_CELL_TEXT, false, 3},
        {"difference", "top-1 points", KD_CELL_POINTS, false, 0},
        {"low", "95 % from", KD_CELL_POINTS, false, 2},
        {"high", "to", KD_CELL_POINTS, false, 2},
        {"pairs", "pairs", KD_CELL_COUNT, false, 5},
        {"mcnemar_p", "McNemar p", KD_CELL_REAL, false, 4},
        {"verdict", "verdict", KD_CELL_TEXT, false, 0},
    };
    kd_table_init(t, "Distilled against plain", columns, sizeof columns / sizeof *columns, err);
    for (size_t i = 0; i < report->n_pairs; i++) {
        const struct kd_pair *pair = &report->pairs[i];
        const struct kd_entry *e = &report->entries[pair->entry],
                              *plain = &report->entries[pair->plain];
        size_t pairs;
        struct kd_confidence d = kd_report_paired(report, e, plain, kd_figure_top1, &pairs);
        if (pairs == 0) continue;
        struct kd_cell *row = kd_table_row(t);
        const struct kd_result *r = &report->results[e->first];
        char verdict[96];
        say_verdict(&pair->mcnemar, &d, pairs, verdict);
        kd_table_text(t, 0, report->runs[r->run].name);
        kd_table_text(t, 1, r->name);
        kd_table_text(t, 2, report->results[plain->first].name);
        kd_table_text(t, 8, verdict);
        row[3].value = d.mean;
        row[4].value = d.low;
        row[5].value = d.high;
        row[6].value = (double)pairs;
        row[7].value = pair->mcnemar.p;
    }
    return kd_table_end(t);
}

int kd_table_logs(const struct kd_report *report, struct kd_table *t, struct kd_err *err)
{
    static const struct kd_column columns[] = {
        {"run", "run", KD_CELL_TEXT, false, 0},
        {"name", "model", KD_CELL_TEXT, false, 0},
        {"seed", "seed", KD_CELL_COUNT, false, 0},
        {"epoch", "epoch", KD_CELL_COUNT, false, 0},
        {"step", "step", KD_CELL_COUNT, false, 9},
        {"lr", "rate", KD_CELL_MEASURE, false, 6},
        {"train_loss", "loss", KD_CELL_MEASURE, false, 0},
        {"train_hard", "hard", KD_CELL_MEASURE, false, 5},
        {"train_soft", "soft", KD_CELL_MEASURE, false, 5},
        {"train_top1", "top-1 %", KD_CELL_RATE, false, 4},
        {"train_eval_loss", "train loss", KD_CELL_MEASURE, false, 7},
        {"train_eval_top1", "train %", KD_CELL_RATE, false, 3},
        {"valid_loss", "valid. loss", KD_CELL_MEASURE, false, 2},
        {"valid_top1", "valid. %", KD_CELL_RATE, false, 0},
        {"valid_top5", "valid. top-5 %", KD_CELL_RATE, false, 8},
        {"seconds", "seconds", KD_CELL_MEASURE, false, 8},
        {"images_per_second", "images/s", KD_CELL_COUNT, false, 8},
    };
    kd_table_init(t, "Logs", columns, sizeof columns / sizeof *columns, err);
    for (size_t i = 0; i < report->n_results; i++) {
        const struct kd_result *r = &report->results[i];
        for (size_t k = 0; k < r->log.n; k++) {
            const struct kd_epoch *e = &r->log.epochs[k];
            struct kd_cell *row = kd_table_row(t);
            kd_table_text(t, 0, report->runs[r->run].name);
            kd_table_text(t, 1, r->name);
            const double values[] = {
                r->seed,       e->epoch,      e->step,       e->lr,         e->loss,
                e->hard,       e->soft,       e->top1,       e->train.loss, e->train.top1,
                e->valid.loss, e->valid.top1, e->valid.top5, e->seconds,    e->images_per_second};
            for (size_t c = 0; c < sizeof values / sizeof *values; c++)
                row[2 + c].value = values[c];
        }
    }
    return kd_table_end(t);
}
