#include "kd/base/mem.h"
#include "option_value.h"
#include <string.h>

enum { LABEL_MOST = 28, LABEL_INDENT = 2 };

/* "-e, --epochs N"; what is on by default is shown as the flag that turns it off. */
static int label_text(const struct kd_option *row, char *out, size_t room)
{
    bool on = row->kind == KD_OPT_BOOL && row->preset && !strcmp(row->preset, "true");
    char letter[8] = "    ", value[128];
    kd_opt_metavar(row, value, sizeof value);
    if (row->letter) snprintf(letter, sizeof letter, "-%c, ", row->letter);
    return snprintf(out, room, "%s--%s%s%s%s", letter, on ? "no-" : "", row->flag,
                    *value ? " " : "", value);
}

/* The help with what the table adds: choices, default. */
static void help_text(const struct kd_option *row, char *out, size_t room)
{
    size_t used = (size_t)snprintf(out, room, "%s", row->help ? row->help : "");
    if (used < room && row->kind == KD_OPT_CHOICE && row->metavar) {
        used += (size_t)snprintf(out + used, room - used, ": ");
        if (used < room) kd_opt_choices(row->choices, ", ", ", ", out + used, room - used);
        used = strlen(out);
    }
    bool shown = row->preset && *row->preset && row->kind != KD_OPT_BOOL;
    if (used < room && shown) snprintf(out + used, room - used, " (default %s)", row->preset);
}

/* Words of `text` from `column` on, wrapped to width; the cursor is at column `at`. */
static void wrap(const char *text, int at, int column, int width, FILE *to)
{
    if (at >= column) {
        fputc('\n', to);
        at = 0;
    }
    fprintf(to, "%*s", column - at, "");
    at = column;
    while (*text) {
        int n = (int)strcspn(text, " ");
        if (at > column && at + 1 + n > width) {
            fprintf(to, "\n%*s", column, "");
            at = column;
        }
        at += fprintf(to, "%s%.*s", at > column ? " " : "", n, text);
        text += n;
        text += strspn(text, " ");
    }
    fputc('\n', to);
}

/* Where the explanations begin: behind the longest label that is not too long. */
static int help_column(const struct kd_opt_section *sections)
{
    char label[256];
    int column = 0;
    for (const struct kd_opt_section *s = sections; s->rows; s++)
        for (const struct kd_option *row = NULL; (row = kd_opt_next(s, row));) {
            int size = row->flag ? label_text(row, label, sizeof label) : 0;
            if (size <= LABEL_MOST && size > column) column = size;
        }
    return column + LABEL_INDENT + 2;
}

void kd_opts_help(const struct kd_opt_section *sections, int width, FILE *to)
{
    char label[256], help[1024];
    const int column = help_column(sections);
    for (const struct kd_opt_section *s = sections; s->rows; s++) {
        bool begun = false;
        for (const struct kd_option *row = NULL; (row = kd_opt_next(s, row));) {
            if (!row->flag) continue;
            if (!begun) fprintf(to, "%s%s:\n", s == sections ? "" : "\n", s->title);
            begun = true;
            label_text(row, label, sizeof label);
            help_text(row, help, sizeof help);
            int at = fprintf(to, "%*s%s", LABEL_INDENT, "", label);
            wrap(help, at < 0 || at + 2 > column ? column : at, column, width, to);
        }
    }
}
