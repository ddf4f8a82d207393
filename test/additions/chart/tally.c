/* How many models of each name a run has: a row of dots for each. */
#include "chart.h"

#define WIDTH   480.0
#define LEFT    160.0
#define TOP     52.0
#define SPACING 20.0

static int tally_add(const struct kd_report *report, size_t run, struct kd_chart_set *set,
                     struct kd_err *err)
{
    struct kd_chart *chart = NULL;
    double y = TOP;
    for (size_t i = 0; i < report->n_entries; i++) {
        const struct kd_entry *e = &report->entries[i];
        const struct kd_result *first = &report->results[e->first];
        if (first->run != run) continue;
        const double height = TOP + SPACING * (double)report->n_entries;
        if (!chart) chart = kd_chart_add(set, "tally", WIDTH, height, err, "Models of each name");
        if (!chart) return -1;
        kd_canvas_text(&chart->canvas, LEFT - 12, y + 4, first->name,
                       (struct kd_type){.size = 12, .anchor = 1});
        for (size_t k = 0; k < e->n; k++)
            kd_canvas_dot(&chart->canvas, (struct kd_spot){LEFT + SPACING * (double)k, y, 5, 0},
                          (struct kd_pen){.ink = KD_INK_SERIES}, NULL);
        y += SPACING;
    }
    return 0;
}

const struct kd_chart_kind kd_chart_tally = {.add = tally_add};
