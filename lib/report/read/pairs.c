/* Comparing: which plain students a distilled one is compared with, and their differences seed by
 * seed. */
#include "kd/base/text.h"
#include "kd/report/logits.h"
#include "kd/report/report.h"
#include "read.h"
#include <math.h>
#include <string.h>

#define SEEDS 4096 /* pairs of one comparison that are looked at */

static const struct kd_result *with_network(const struct kd_report *report,
                                            const struct kd_entry *entry)
{
    for (size_t i = 0; i < entry->n; i++)
        if (report->results[entry->first + i].network) return &report->results[entry->first + i];
    return NULL;
}

static bool any_distilled(const struct kd_report *report, const struct kd_entry *entry)
{
    for (size_t i = 0; i < entry->n; i++)
        if (report->results[entry->first + i].distilled) return true;
    return false;
}

static bool same_images(const struct kd_result *a, const struct kd_result *b)
{
    return a->images && b->images ? strcmp(a->images, b->images) == 0 : a->images == b->images;
}

/* Of another share of the images it would be the data that is compared, not the teacher. */
static bool same_fraction(const struct kd_result *a, const struct kd_result *b)
{
    return a->fraction == b->fraction || (isnan(a->fraction) && isnan(b->fraction));
}

static bool comparable(const struct kd_report *report, const struct kd_entry *plain,
                       const struct kd_result *mine)
{
    const struct kd_result *r = with_network(report, plain);
    if (!r || r->run != mine->run || r->role != KD_ROLE_STUDENT || r->corrected) return false;
    return !any_distilled(report, plain) && strcmp(r->network, mine->network) == 0 &&
           same_fraction(r, mine);
}

/* Two points of one sweep: the name up to the settings is the same. */
static bool same_student(const struct kd_report *report, size_t a, size_t b)
{
    const char *x = report->results[report->entries[a].first].name,
               *y = report->results[report->entries[b].first].name;
    size_t n = strcspn(x, ",");
    return n == strcspn(y, ",") && strncmp(x, y, n) == 0;
}

/* A plain student for the pairs from `first` on. One of several stands for all where they are
 * points of a sweep, as the distilled student had as much to choose from, or where none has quite
 * the same data. */
static int add_plain(struct kd_report *report, size_t first, size_t entry, size_t plain, bool same,
                     struct kd_err *err)
{
    for (size_t i = first; i < report->n_pairs; i++) {
        struct kd_pair *p = &report->pairs[i];
        if (same && !same_student(report, p->plain, plain)) continue;
        if (kd_entry_better(report, &report->entries[plain], &report->entries[p->plain]))
            p->plain = plain;
        return 0;
    }
    struct kd_pair *p =
        kd_grow(&report->pairs, &report->n_pairs, &report->pairs_room, sizeof *p, "pairs", err);
    if (!p) return -1;
    *p = (struct kd_pair){entry, plain, {NAN, NAN, NAN}};
    return 0;
}

static int pair_entry(struct kd_report *report, size_t entry, struct kd_err *err)
{
    const struct kd_result *mine = with_network(report, &report->entries[entry]);
    size_t first = report->n_pairs;
    bool same = false;
    if (!mine || !any_distilled(report, &report->entries[entry])) return 0;
    for (int pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < report->n_entries; i++) {
            if (!comparable(report, &report->entries[i], mine)) continue;
            bool alike = same_images(with_network(report, &report->entries[i]), mine);
            if (pass == 0) same |= alike;
            if (pass == 1 && alike == same && add_plain(report, first, entry, i, same, err) < 0)
                return -1;
        }
    return 0;
}

/* One pair of models has no spread over seeds; what it has is its answers, image by image. */
static void compare_single(const struct kd_report *report, struct kd_pair *p)
{
    const struct kd_entry *x = &report->entries[p->entry], *y = &report->entries[p->plain];
    struct kd_logits a = {0}, b = {0};
    if (x->n != 1 || y->n != 1) return;
    if (kd_logits_read(report, &report->results[x->first], &a) &&
        kd_logits_read(report, &report->results[y->first], &b) && a.labels &&
        kd_logits_same(&a, &b)) {
        double first = 0, second = 0;
        for (size_t k = 0; k < a.n; k++) {
            bool right = (int64_t)kd_logits_top(&a, k) == a.labels[k],
                 other = (int64_t)kd_logits_top(&b, k) == a.labels[k];
            first += right && !other;
            second += other && !right;
        }
        p->mcnemar = kd_mcnemar_of(first, second);
    }
    kd_logits_release(&a);
    kd_logits_release(&b);
}

int kd_report_pair(struct kd_report *report, struct kd_err *err)
{
    for (size_t i = 0; i < report->n_entries; i++)
        if (pair_entry(report, i, err) < 0) return -1;
    for (size_t i = 0; i < report->n_pairs; i++) compare_single(report, &report->pairs[i]);
    return 0;
}

const struct kd_entry *kd_report_plain(const struct kd_report *report, const struct kd_entry *entry)
{
    const struct kd_entry *best = NULL;
    for (size_t i = 0; i < report->n_pairs; i++) {
        const struct kd_entry *plain = &report->entries[report->pairs[i].plain];
        if (&report->entries[report->pairs[i].entry] != entry) continue;
        if (!best || kd_entry_better(report, plain, best)) best = plain;
    }
    return best;
}

struct kd_confidence
kd_report_paired(const struct kd_report *report, const struct kd_entry *entry,
                 const struct kd_entry *plain,
                 double (*get)(const struct kd_report *, const struct kd_result *), size_t *pairs)
{
    double x[SEEDS];
    size_t n = 0;
    for (size_t i = 0; i < entry->n; i++)
        for (size_t k = 0; k < plain->n && n < SEEDS; k++) {
            const struct kd_result *a = &report->results[entry->first + i],
                                   *b = &report->results[plain->first + k];
            if (a->seed == b->seed) x[n++] = get(report, a) - get(report, b);
        }
    struct kd_stats s = kd_stats_of(x, n);
    if (pairs) *pairs = s.n;
    return kd_confidence_of(&s);
}
