/* Which students share a network. */
#include "kd/report/report.h"

#include <stdint.h>
#include <string.h>

bool kd_entry_distilled(const struct kd_report *report, const struct kd_entry *entry)
{
    for (size_t i = 0; i < entry->n; i++)
        if (report->results[entry->first + i].distilled) return true;
    return false;
}

static const char *network_of(const struct kd_report *report, const struct kd_entry *entry)
{
    for (size_t i = 0; i < entry->n; i++)
        if (report->results[entry->first + i].network)
            return report->results[entry->first + i].network;
    return "";
}

size_t kd_groups_of(const struct kd_report *report, size_t run, size_t *group)
{
    size_t n = 0;
    for (size_t i = 0; i < report->n_entries; i++) {
        const struct kd_result *r = &report->results[report->entries[i].first];
        group[i] = SIZE_MAX;
        if (r->run != run || r->role == KD_ROLE_TEACHER) continue;
        const char *mine = network_of(report, &report->entries[i]);
        for (size_t k = 0; k < i && group[i] == SIZE_MAX; k++)
            if (group[k] != SIZE_MAX && strcmp(network_of(report, &report->entries[k]), mine) == 0)
                group[i] = group[k];
        if (group[i] == SIZE_MAX) group[i] = n++;
    }
    return n;
}
