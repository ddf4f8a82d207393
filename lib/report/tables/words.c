/* What a report says in sentences. */
#include "kd/base/hash.h"
#include "kd/base/text.h"
#include "kd/report/tables.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

static int heading_of(const struct kd_report *report, size_t run, struct kd_bytes *out,
                      struct kd_err *err)
{
    static const char *const teachers[] = {
        [KD_TEACHERS_UNKNOWN] = "",
        [KD_TEACHERS_SHARED] = "; all seeds learn from one teacher",
        [KD_TEACHERS_OWN] = "; each seed learns from its own teacher",
        [KD_TEACHERS_MIXED] = "; some seeds share a teacher"};
    size_t least = 0, most = 0;
    double images = NAN;
    const char *data = NULL;
    char grouped[64];
    for (size_t i = 0; i < report->n_entries; i++) {
        const struct kd_entry *e = &report->entries[i];
        if (report->results[e->first].run != run) continue;
        if (most == 0 || e->n < least) least = e->n;
        if (e->n > most) most = e->n;
        for (size_t k = 0; k < e->n; k++) {
            const struct kd_evaluation *v =
                kd_result_on(&report->results[e->first + k], report->split);
            if (!v) continue;
            images = v->n;
            data = v->data;
        }
    }
    if (kd_text_plain(out, report->runs[run].name, err) < 0) return -1;
    if (most == 0) return kd_bytes_add(out, ": nothing to show yet.\n", 23, err);
    if (data) {
        if (kd_bytes_add(out, ": ", 2, err) < 0 || kd_text_plain(out, data, err) < 0) return -1;
        kd_number_grouped(images, 0, grouped);
        if (kd_bytes_format(out, err, ", %s split (%s images)", report->split, grouped) < 0)
            return -1;
    } else if (kd_bytes_add(out, ": no evaluation yet", 19, err) < 0) {
        return -1;
    }
    if (least < most && kd_bytes_format(out, err, "; %zu to %zu seeds", least, most) < 0) return -1;
    if (least == most && kd_bytes_format(out, err, "; %zu seed%s", most, most > 1 ? "s" : "") < 0)
        return -1;
    return kd_bytes_format(out, err, "%s.\n", teachers[kd_report_teachers(report, run)]);
}

int kd_words_heading(const struct kd_report *report, struct kd_bytes *out, struct kd_err *err)
{
    for (size_t run = 0; run < report->n_runs; run++)
        if (heading_of(report, run, out, err) < 0) return -1;
    return 0;
}

int kd_words_origin(const struct kd_report *report, struct kd_bytes *out, struct kd_err *err)
{
    char fingerprint[KD_FINGERPRINT];
    size_t n = 0;
    if (!report->command || !*report->command) return 0;
    struct kd_hash *hash = kd_hash_new(err);
    if (!hash) return -1;
    for (size_t i = 0; i < report->n_results; i++) {
        const char *one = report->results[i].fingerprint;
        if (one) kd_hash_add(hash, one, strlen(one));
        n += one != NULL;
    }
    kd_hash_end(hash, fingerprint);
    if (kd_bytes_format(out, err, "kd %s: ", KD_VERSION) < 0 ||
        kd_text_plain(out, report->command, err) < 0)
        return -1;
    return n ? kd_bytes_format(out, err, "; %zu model%s, fingerprint %s", n, n > 1 ? "s" : "",
                               fingerprint)
             : 0;
}

static bool run_with(const struct kd_report *report, enum kd_teaching teachers)
{
    for (size_t i = 0; i < report->n_runs; i++)
        if (kd_report_teachers(report, i) == teachers) return true;
    return false;
}

int kd_words_on_differences(const struct kd_report *report, const struct kd_table *t,
                            struct kd_bytes *out, struct kd_err *err)
{
    bool single = false;
    for (size_t c = 0; c < t->n_columns; c++)
        single |= strcmp(t->columns[c].key, "mcnemar_p") == 0 && kd_table_column_used(t, c);
    if (kd_bytes_format(
            out, err,
            "Differences of top-1 in points, distilled minus plain with the same network and seed; "
            "95 %% t-interval of their mean.") < 0)
        return -1;
    if (single &&
        kd_bytes_format(
            out, err,
            " Of a single pair McNemar's exact test on the images that one of the two alone "
            "gets right.") < 0)
        return -1;
    if (run_with(report, KD_TEACHERS_MIXED) &&
        kd_bytes_format(
            out, err,
            " Teachers are fewer than seeds and take turns: the interval takes pairs that share a "
            "teacher for independent, which makes it too narrow.") < 0)
        return -1;
    if (run_with(report, KD_TEACHERS_SHARED) &&
        kd_bytes_format(
            out, err,
            " Where all seeds share a teacher the interval holds for this teacher alone.") < 0)
        return -1;
    return 0;
}

int kd_words_notes(const struct kd_report *report, const char *bullet, struct kd_bytes *out,
                   struct kd_err *err)
{
    for (size_t i = 0; i < report->n_notes; i++)
        if (kd_bytes_add(out, bullet, strlen(bullet), err) < 0 ||
            kd_text_plain(out, report->notes[i], err) < 0 || kd_bytes_add(out, "\n", 1, err) < 0)
            return -1;
    return 0;
}

#define CURVE 48 /* columns of a curve in block characters */

struct curve {
    const char *title;
    size_t offset; /* of a double in struct kd_epoch */
    bool percent;
};

/* A curve from its values: each column the mean of the epochs that fall into it. */
static int curve(const struct curve *what, const struct kd_log *log, bool ascii,
                 struct kd_bytes *out, struct kd_err *err)
{
    static const char *const blocks[][8] = {{"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"},
                                            {"_", ".", ",", "-", "=", "+", "*", "#"}};
    const size_t offset = what->offset;
    const bool percent = what->percent;
    double low = INFINITY, high = -INFINITY, first = NAN, last = NAN;
    for (size_t i = 0; i < log->n; i++) {
        double v;
        memcpy(&v, (const char *)&log->epochs[i] + offset, sizeof v);
        if (!isfinite(v)) continue;
        if (isnan(first)) first = v;
        last = v;
        low = fmin(low, v);
        high = fmax(high, v);
    }
    if (isnan(first)) return 0;
    if (kd_bytes_format(out, err, "  %-20s ", what->title) < 0) return -1;
    size_t columns = log->n < CURVE ? log->n : CURVE;
    for (size_t c = 0; c < columns; c++) {
        double sum = 0, n = 0;
        for (size_t i = c * log->n / columns; i < (c + 1) * log->n / columns; i++) {
            double v;
            memcpy(&v, (const char *)&log->epochs[i] + offset, sizeof v);
            if (isfinite(v)) sum += v, n++;
        }
        double level = high > low ? (sum / n - low) / (high - low) : 0.5;
        /* the mean of equal numbers may be a last bit below them */
        const int step = n > 0 ? (int)fmax(0, fmin(7, floor(8 * level))) : 0;
        const char *block = n > 0 ? blocks[ascii][step] : " ";
        if (kd_bytes_add(out, block, strlen(block), err) < 0) return -1;
    }
    return kd_bytes_format(out, err, percent ? "  %.2f to %.2f %%\n" : "  %.4g to %.4g\n",
                           percent ? 100 * first : first, percent ? 100 * last : last);
}

static int log_title(const struct kd_result *r, bool colour, struct kd_bytes *out,
                     struct kd_err *err)
{
    if (kd_bytes_add(out, colour ? "\033[1m" : "", colour ? 4 : 0, err) < 0 ||
        kd_text_plain(out, r->name, err) < 0)
        return -1;
    if (isfinite(r->seed) && kd_bytes_format(out, err, ", seed %.0f", r->seed) < 0) return -1;
    if (colour && kd_bytes_add(out, "\033[0m", 4, err) < 0) return -1;
    if (kd_bytes_format(out, err, " (") < 0 || kd_text_plain(out, r->folder, err) < 0) return -1;
    if (!r->has_log) return kd_bytes_format(out, err, "): no log.\n");
    if (kd_bytes_format(out, err, "): %zu epoch%s", r->log.n, r->log.n == 1 ? "" : "s") < 0)
        return -1;
    if (isfinite(r->planned_epochs) && (double)r->log.n < r->planned_epochs &&
        kd_bytes_format(out, err, " of %.0f", r->planned_epochs) < 0)
        return -1;
    if (isfinite(r->best_epoch) && r->model &&
        kd_bytes_format(out, err, ", kept: epoch %.0f (*)", r->best_epoch) < 0)
        return -1;
    if (!r->model && kd_bytes_format(out, err, ", no model file yet") < 0) return -1;
    if (r->log.not_finite &&
        kd_bytes_format(out, err, ", training loss not a number from epoch %.0f",
                        r->log.epochs[r->log.not_finite - 1].epoch) < 0)
        return -1;
    return kd_bytes_format(out, err, ".\n");
}

/* Wrapped where a terminal says how wide it is. */
static int put_log_title(const struct kd_result *r, const struct kd_table_style *style,
                         struct kd_bytes *out, struct kd_err *err)
{
    struct kd_bytes title = {0};
    if (!style->width || style->width == KD_WIDE) return log_title(r, style->colour, out, err);
    log_title(r, false, &title, err);
    kd_bytes_text(out, style->colour ? "\033[1m" : "", err);
    int status = title.failed ? -1 : kd_text_wrap(out, title.data, 0, style->width, err);
    if (status == 0) status = kd_bytes_text(out, style->colour ? "\033[0m" : "", err);
    kd_bytes_release(&title);
    return status;
}

int kd_words_log(const struct kd_report *report, const struct kd_result *r,
                 const struct kd_table_style *style, struct kd_bytes *out, struct kd_err *err)
{
    static const char keys[] = "epoch,lr,train_loss,train_hard,train_soft,train_top1,"
                               "train_eval_loss,train_eval_top1,valid_loss,valid_top1,seconds";
    static const struct curve curves[] = {
        {"training loss", offsetof(struct kd_epoch, loss), false},
        {"training top-1", offsetof(struct kd_epoch, train.top1), true},
        {"validation loss", offsetof(struct kd_epoch, valid.loss), false},
        {"validation top-1", offsetof(struct kd_epoch, valid.top1), true}};
    struct kd_report one = *report;
    struct kd_result copy = *r;
    struct kd_table t = {0};
    if (put_log_title(r, style, out, err) < 0) return -1;
    if (r->log.n == 0) return 0;
    for (size_t i = 0; i < sizeof curves / sizeof *curves; i++)
        if (curve(&curves[i], &r->log, style->ascii, out, err) < 0) return -1;
    one.results = &copy;
    one.n_results = 1;
    int status = kd_table_logs(&one, &t, err);
    if (status == 0) status = kd_table_keep(&t, keys);
    for (size_t i = 0; status == 0 && i < r->log.n; i++)
        if (r->model && r->log.epochs[i].epoch == r->best_epoch) kd_table_mark(&t, i);
    if (status == 0) status = kd_table_end(&t);
    if (status == 0) status = kd_bytes_add(out, "\n", 1, err);
    if (status == 0) status = kd_table_render(&t, style, out, err);
    kd_table_release(&t);
    return status;
}
