#include "kd/base/mem.h"
#include "kd/report/report.h"

#include <stdarg.h>
#include <stdio.h>

int kd_report_note(struct kd_report *report, struct kd_err *err, const char *format, ...)
{
    char text[1200];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    char *copy = kd_strdup(text, err);
    if (!copy) return -1;
    char **slot =
        kd_grow(&report->notes, &report->n_notes, &report->notes_room, sizeof *slot, "notes", err);
    if (!slot) {
        kd_free(copy);
        return -1;
    }
    *slot = copy;
    return 0;
}
