#include "kd/report/figures.h"
#include <math.h>

const struct kd_result *kd_teacher_of(const struct kd_report *report, const struct kd_result *of)
{
    const struct kd_result *first = NULL;
    for (size_t i = 0; i < report->n_results; i++) {
        const struct kd_result *r = &report->results[i];
        if (r->run != of->run || r->role != KD_ROLE_TEACHER || !isfinite(r->parameters)) continue;
        if (r->seed == of->seed) return r;
        if (!first) first = r;
    }
    return first;
}

#define FROM_RESULT(name, field)                                                                   \
    static double name(const struct kd_report *report, const struct kd_result *r)                  \
    {                                                                                              \
        (void)report;                                                                              \
        return r->field;                                                                           \
    }
#define FROM_EVALUATION(name)                                                                      \
    static double name(const struct kd_report *report, const struct kd_result *r)                  \
    {                                                                                              \
        const struct kd_evaluation *e = kd_result_on(r, report->split);                            \
        return e ? e->name : NAN;                                                                  \
    }
FROM_RESULT(temperature, temperature)
FROM_RESULT(alpha, alpha)
FROM_RESULT(macs, macs)
FROM_RESULT(bytes, bytes)
FROM_RESULT(train_top1, train.top1)
FROM_RESULT(best_epoch, best_epoch)
FROM_EVALUATION(errors)
FROM_EVALUATION(nll)
FROM_EVALUATION(ece)
FROM_EVALUATION(latency_ms)
FROM_EVALUATION(throughput)

static double agreement(const struct kd_report *report, const struct kd_result *r)
{
    const struct kd_evaluation *e = kd_result_on(r, report->split);
    return e && r->role == KD_ROLE_STUDENT ? e->agreement : NAN;
}

/* Of five classes one of the first five is always right. */
static double top5(const struct kd_report *report, const struct kd_result *r)
{
    const struct kd_evaluation *e = kd_result_on(r, report->split);
    return e && !(e->confusion.v && e->confusion.rows < 6) ? e->top5 : NAN;
}

/* Throughput is measured with 1,000 images at a time. */
static double batch_ms(const struct kd_report *report, const struct kd_result *r)
{
    double rate = throughput(report, r);
    return rate > 0 ? 1e6 / rate : NAN;
}

static double compression(const struct kd_report *report, const struct kd_result *r)
{
    const struct kd_result *teacher = kd_teacher_of(report, r);
    if (!teacher || !(r->parameters > 0)) return NAN;
    return teacher->parameters / r->parameters;
}

static double speedup(const struct kd_report *report, const struct kd_result *r)
{
    const struct kd_result *teacher = kd_teacher_of(report, r);
    if (!teacher) return NAN;
    return latency_ms(report, teacher) / latency_ms(report, r);
}

static double epoch_seconds(const struct kd_report *report, const struct kd_result *r)
{
    double sum = 0;
    (void)report;
    for (size_t i = 0; i < r->log.n; i++) sum += r->log.epochs[i].seconds;
    return r->log.n ? sum : NAN;
}

/* As many as KD_N_FIGURES says: more do not compile, and a test counts. */
const struct kd_figure kd_figures[KD_N_FIGURES] = {
    {{"temperature", "T", KD_CELL_REAL, false, 6}, true, 0, temperature},
    {{"alpha", "alpha", KD_CELL_REAL, false, 7}, true, 0, alpha},
    {{"parameters", "parameters", KD_CELL_COUNT, false, 3}, true, 0, kd_figure_parameters},
    {{"compression", "smaller", KD_CELL_RATIO, false, 8}, true, 0, compression},
    {{"macs", "multiply-adds", KD_CELL_COUNT, false, 4}, false, 0, macs},
    {{"bytes", "file bytes", KD_CELL_COUNT, false, 5}, false, 0, bytes},
    {{"top1", "top-1 %", KD_CELL_RATE, true, 0}, true, 1, kd_figure_top1},
    {{"errors", "errors", KD_CELL_COUNT, true, 9}, true, -1, errors},
    {{"top5", "top-5 %", KD_CELL_RATE, true, 8}, false, 1, top5},
    {{"nll", "NLL", KD_CELL_MEASURE, true, 2}, false, -1, nll},
    {{"ece", "ECE %", KD_CELL_RATE, true, 3}, false, -1, ece},
    {{"valid_top1", "valid. %", KD_CELL_RATE, true, 2}, true, 1, kd_figure_valid},
    {{"valid_loss", "valid. loss", KD_CELL_MEASURE, true, 9}, false, -1, kd_figure_valid_loss},
    {{"train_top1", "train %", KD_CELL_RATE, true, 9}, false, 0, train_top1},
    {{"agreement", "agreement %", KD_CELL_RATE, true, 5}, true, 1, agreement},
    {{"latency_ms", "ms an image", KD_CELL_MEASURE, true, 1}, false, -1, latency_ms},
    {{"batch_ms", "ms a 1,000", KD_CELL_MEASURE, true, 9}, false, -1, batch_ms},
    {{"throughput", "images/s", KD_CELL_COUNT, true, 7}, false, 1, throughput},
    {{"speedup", "faster", KD_CELL_RATIO, false, 6}, false, 1, speedup},
    {{"best_epoch", "best epoch", KD_CELL_COUNT, true, 9}, false, 0, best_epoch},
    {{"training_seconds", "training s", KD_CELL_MEASURE, true, 9}, false, 0, epoch_seconds},
};

bool kd_figure_is_setting(size_t k)
{
    return kd_figures[k].get == temperature || kd_figures[k].get == alpha;
}

const struct kd_entry *kd_teacher_entry(const struct kd_report *report, size_t run)
{
    for (size_t i = 0; i < report->n_entries; i++) {
        const struct kd_result *r = &report->results[report->entries[i].first];
        if (r->run == run && r->role == KD_ROLE_TEACHER) return &report->entries[i];
    }
    return NULL;
}

double kd_gap_recovered(const struct kd_report *report, const struct kd_entry *entry)
{
    const struct kd_entry *plain = kd_report_plain(report, entry);
    const struct kd_entry *teacher = kd_teacher_entry(report, report->results[entry->first].run);
    if (!plain || !teacher) return NAN;
    struct kd_stats low = kd_entry_stats(report, plain, kd_figure_top1);
    struct kd_stats high = kd_entry_stats(report, teacher, kd_figure_top1);
    struct kd_confidence gap = kd_confidence_between(&high, &low);
    if (!(gap.mean > 0) || gap.low <= 0) return NAN; /* a share of nothing */
    return (kd_entry_stats(report, entry, kd_figure_top1).mean - low.mean) / gap.mean;
}

void kd_size_words(double parameters, char out[64])
{
    out[0] = '\0';
    if (!(parameters > 0)) return;
    if (parameters >= 999500)
        snprintf(out, 64, "%.3g million parameters", parameters / 1e6);
    else if (parameters >= 9995)
        snprintf(out, 64, "%.0f thousand parameters", parameters / 1e3);
    else
        snprintf(out, 64, "%.0f parameters", parameters);
}
