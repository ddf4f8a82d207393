#include "read.h"

#include <math.h>
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

enum { NAMED = 6 }; /* models that a note lists by name */

int kd_note_list_add(struct kd_note_list *list, const char *name, double seed, struct kd_err *err)
{
    if (list->n++ >= NAMED) return 0;
    if (list->n > 1 && kd_bytes_add(&list->text, ", ", 2, err) < 0) return -1;
    if (isnan(seed)) return kd_bytes_format(&list->text, err, "%.200s", name);
    return kd_bytes_format(&list->text, err, "%.200s s%.0f", name, seed);
}

int kd_note_list_end(struct kd_report *report, struct kd_note_list *list, const char *run,
                     const char *what, struct kd_err *err)
{
    int status = 0;
    if (list->n > NAMED)
        status = kd_report_note(report, err, "%s: %s: %s and %zu more.", run, what, list->text.data,
                                list->n - NAMED);
    else if (list->n)
        status = kd_report_note(report, err, "%s: %s: %s.", run, what, list->text.data);
    kd_bytes_release(&list->text);
    *list = (struct kd_note_list){0};
    return status;
}
