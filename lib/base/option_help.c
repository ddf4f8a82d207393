#include "kd/base/mem.h"
#include "kd/base/option.h"
#include <string.h>

enum { LABEL_MOST = 28, LABEL_INDENT = 2 };

/* "-e, --epochs N"; what is on by default is shown as the flag that turns it off. */
static int label_text(const struct kd_option *row, char *out, size_t room)
{
    bool on = row->kind == KD_OPT_BOOL && row->preset && !strcmp(row->preset, "true");
    const char *value = row->kind == KD_OPT_BOOL     ? ""
                        : row->metavar               ? row->metavar
                        : row->kind == KD_OPT_CHOICE ? row->choices
                                                     : "VALUE";
    char letter[8] = "    ";
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
        for (const char *p = row->choices; *p && used < room;) {
            int n = (int)strcspn(p, "|");
            used += (size_t)snprintf(out + used, room - used, "%.*s%s", n, p, p[n] ? ", " : "");
            p += n + (p[n] == '|');
        }
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

void kd_opts_help(const struct kd_opt_section *sections, size_t n, int width, FILE *to)
{
    char label[256], help[1024];
    int column = 0;
    for (size_t s = 0; s < n; s++)
        for (size_t i = 0; i < sections[s].n; i++) {
            if (!sections[s].rows[i].flag) continue;
            int size = label_text(&sections[s].rows[i], label, sizeof label);
            if (size <= LABEL_MOST && size > column) column = size;
        }
    column += LABEL_INDENT + 2;
    for (size_t s = 0; s < n; s++) {
        bool begun = false;
        for (size_t i = 0; i < sections[s].n; i++) {
            const struct kd_option *row = &sections[s].rows[i];
            if (!row->flag) continue;
            if (!begun) fprintf(to, "%s%s:\n", s ? "\n" : "", sections[s].title);
            begun = true;
            label_text(row, label, sizeof label);
            help_text(row, help, sizeof help);
            int at = fprintf(to, "%*s%s", LABEL_INDENT, "", label);
            wrap(help, at < 0 || at + 2 > column ? column : at, column, width, to);
        }
    }
}
