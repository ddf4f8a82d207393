/* Options as the OPTIONS section of a manual page. */
#include "option_value.h"
#include <ctype.h>
#include <string.h>

enum { WIDTH = 100, WORD_MOST = 512 };

struct page {
    FILE *to;
    int column; /* of the line in the making; 0: none has begun */
};

/* "--name" or "-x", what stops a sentence not counted; else 0. */
static size_t flag_size(const char *word, size_t size)
{
    while (size > 0 && strchr(".,;:)", word[size - 1])) size--;
    const bool letter = size == 2 && word[0] == '-' && isalpha((unsigned char)word[1]);
    const bool name = size > 2 && memcmp(word, "--", 2) == 0 && islower((unsigned char)word[2]);
    return letter || name ? size : 0;
}

/* A word, whole, with what roff would take for its own made plain. `bold` and --flags are bold. */
static void escape(const char *word, size_t size, char out[WORD_MOST])
{
    const size_t flag = flag_size(word, size);
    bool bold = false;
    size_t n = 0;
    if (flag) n += (size_t)snprintf(out, WORD_MOST, "\\fB");
    for (size_t i = 0; i < size && n + 8 < WORD_MOST; i++) {
        if (flag && i == flag) n += (size_t)snprintf(out + n, WORD_MOST - n, "\\fR");
        if (word[i] == '`') {
            bold = !bold;
            n += (size_t)snprintf(out + n, WORD_MOST - n, bold ? "\\fB" : "\\fR");
        } else if (word[i] == '-' || word[i] == '\\') {
            n += (size_t)snprintf(out + n, WORD_MOST - n, word[i] == '-' ? "\\-" : "\\e");
        } else {
            out[n++] = word[i];
        }
    }
    out[n] = '\0';
    if (flag == size) snprintf(out + n, WORD_MOST - n, "\\fR");
}

static void line_end(struct page *p)
{
    if (p->column) fputc('\n', p->to);
    p->column = 0;
}

/* The end of a sentence: a full stop before a capital or a quoted word. */
static bool ends_sentence(const char *word, size_t size, const char *next)
{
    return size > 1 && word[size - 1] == '.' && *next &&
           (isupper((unsigned char)*next) || strchr("`-0123456789", *next));
}

/* Words, wrapped, each sentence on a line of its own. A `quoted text` with spaces stays whole. */
static void put_text(struct page *p, const char *text)
{
    while (*text) {
        char word[WORD_MOST];
        size_t n = 0;
        for (bool quoted = false; text[n] && (quoted || text[n] != ' '); n++)
            if (text[n] == '`') quoted = !quoted;
        escape(text, n, word);
        const int size = (int)strlen(word);
        if (p->column && p->column + 1 + size > WIDTH) line_end(p);
        const char *before = p->column ? " " : strchr(".'", *word) ? "\\&" : "";
        p->column += fprintf(p->to, "%s%s", before, word);
        const char *next = text + n + strspn(text + n, " ");
        if (ends_sentence(text, n, next)) line_end(p);
        text = next;
    }
}

static void put_label(struct page *p, const struct kd_option *row)
{
    char name[WORD_MOST], plain[160], value[128];
    const bool on = row->kind == KD_OPT_BOOL && row->preset && strcmp(row->preset, "true") == 0;
    snprintf(plain, sizeof plain, "--%s%s", on ? "no-" : "", row->flag);
    escape(plain + 2, strlen(plain) - 2, name); /* without dashes: the macros make it bold */
    kd_opt_metavar(row, value, sizeof value);
    fprintf(p->to, ".TP\n");
    if (*value && row->letter)
        fprintf(p->to, ".BI \"\\-%c, \\-\\-%s\" \" %s\"\n", row->letter, name, value);
    else if (*value)
        fprintf(p->to, ".BI \\-\\-%s \" %s\"\n", name, value);
    else if (row->letter)
        fprintf(p->to, ".BR \\-%c \", \" \\-\\-%s\n", row->letter, name);
    else
        fprintf(p->to, ".B \\-\\-%s\n", name);
}

/* The sentence of --help, with its choices, default and full stop. */
static void put_help(struct page *p, const struct kd_option *row)
{
    char text[1024];
    size_t n = (size_t)snprintf(text, sizeof text, "%s", row->help);
    if (row->kind == KD_OPT_CHOICE && row->metavar && n < sizeof text) {
        char names[512];
        kd_opt_choices(row->choices, "`, `", "` or `", names, sizeof names);
        n += (size_t)snprintf(text + n, sizeof text - n, ": `%s`", names);
    }
    const bool shown = row->preset && *row->preset && row->kind != KD_OPT_BOOL;
    if (shown && n < sizeof text)
        n += (size_t)snprintf(text + n, sizeof text - n, " (default %s)", row->preset);
    if (n < sizeof text) snprintf(text + n, sizeof text - n, ".");
    const size_t word = strcspn(text, " ,:;");
    if (strspn(text, "abcdefghijklmnopqrstuvwxyz-'") == word)
        text[0] = (char)toupper((unsigned char)text[0]);
    put_text(p, text);
    line_end(p);
}

static void put_more(struct page *p, const struct kd_option *row, const struct kd_opt_more *more)
{
    if (row->more) put_text(p, row->more);
    line_end(p);
    for (; more && more->flag; more++)
        if (strcmp(more->flag, row->flag) == 0) put_text(p, more->text);
    line_end(p);
}

void kd_opts_manual(const struct kd_opt_section *sections, const struct kd_opt_more *more, FILE *to)
{
    struct page p = {.to = to};
    for (const struct kd_opt_section *s = sections; s->rows; s++) {
        bool begun = false;
        for (const struct kd_option *row = NULL; (row = kd_opt_next(s, row));) {
            if (!row->flag) continue;
            if (!begun) fprintf(to, ".SS %s\n", s->title);
            begun = true;
            put_label(&p, row);
            put_help(&p, row);
            put_more(&p, row, more);
        }
    }
}
