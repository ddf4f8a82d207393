/* What may stand at the cursor of a command that is being typed. The scripts of cmd/completion ask
 *
 *     kd-eval --complete WORD...
 *
 * with all words behind the program's name up to the cursor, the last of which, perhaps empty, is
 * the one to be completed. Each line of the answer is a candidate, a tab and what it is. A line
 * that begins with a tab asks the shell for names of "files" or "folders", behind a second tab and
 * the part of the word that is none of the name. All of it comes from the option tables, the usage
 * line and the lists of networks and sources, so that nothing has to be kept in step. */
#include "complete.h"
#include "kd/data/images.h"
#include "kd/nn/network.h"
#include "kd/train/experiment.h"
#include "program.h"
#include <string.h>

struct asked {
    const struct kd_opt_section *sections;
    char **words;
    int n;
    const char *word;   /* the last */
    size_t before;      /* its part that is settled: "--data=" */
    const char *places; /* operands, as in the usage: "inspect|convert|sheet SOURCE..." */
};

static void offer(const struct asked *a, const char *candidate, const char *what)
{
    const char *typed = a->word + a->before;
    if (strncmp(candidate, typed, strlen(typed)) == 0)
        printf("%.*s%s\t%s\n", (int)a->before, a->word, candidate, what ? what : "");
}

static void offer_names(const struct asked *a, const char *what, size_t more)
{
    printf("\t%s\t%.*s\n", what, (int)(a->before + more), a->word);
}

/* ---- kinds of values, by what the help calls them ---- */

static void files(const struct asked *a)
{
    offer_names(a, "files", 0);
}

static void folders(const struct asked *a)
{
    offer_names(a, "folders", 0);
}

static void networks(const struct asked *a)
{
    for (size_t i = 0; kd_network_name(i); i++) offer(a, kd_network_name(i), "network");
    files(a);
}

static void splits(const struct asked *a)
{
    for (size_t i = 0; kd_split_name(i); i++) offer(a, kd_split_name(i), "split");
}

/* "idx:" is followed by a name of the disk, "mnist:" by a split. */
static void sources(const struct asked *a)
{
    const char *typed = a->word + a->before;
    struct asked behind = *a;
    bool place;
    for (size_t i = 0; kd_source_name(i, &place); i++) {
        const char *name = kd_source_name(i, &place);
        const size_t size = strlen(name);
        char text[64];
        snprintf(text, sizeof text, "%s%s", name, place ? ":" : "");
        if (strncmp(typed, name, size) != 0 || typed[size] != ':') {
            offer(a, text, place ? "images at a place" : "images");
        } else if (place) {
            offer_names(a, "files", size + 1);
        } else {
            behind.before += size + 1;
            splits(&behind);
        }
    }
}

/* Students of the experiment that the command names. */
static void students(const struct asked *a)
{
    static const char end[] = ".json";
    for (int i = 0; i < a->n - 1; i++) {
        const size_t size = strlen(a->words[i]);
        struct kd_err ignored;
        if (size < sizeof end || strcmp(a->words[i] + size - strlen(end), end) != 0) continue;
        struct kd_experiment *x = kd_experiment_open(a->words[i], NULL, NULL, &ignored);
        for (size_t k = 0; x && k < x->n_students; k++) offer(a, x->students[k].name, "student");
        kd_experiment_close(x);
    }
}

static const struct {
    const char *metavar;
    void (*offer)(const struct asked *a);
} kinds[] = {{"FILE", files},       {"PATH", files},     {"MODEL", files},    {"EXPERIMENT", files},
             {"IMAGE", files},      {"DIR", folders},    {"FOLDER", folders}, {"RUN", folders},
             {"NETWORK", networks}, {"SOURCE", sources}, {"SPLIT", splits},   {"NAME", students}};

static void offer_kind(const struct asked *a, const char *name, size_t size)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strlen(kinds[i].metavar) == size && memcmp(kinds[i].metavar, name, size) == 0)
            kinds[i].offer(a);
}

static void offer_value(const struct asked *a, const struct kd_option *row)
{
    if (row->kind == KD_OPT_CHOICE)
        for (size_t i = 0; row->choices[i]; i++) offer(a, row->choices[i], row->help);
    else if (row->metavar)
        offer_kind(a, row->metavar, strlen(row->metavar));
}

/* ---- where in the command the word stands ---- */

/* The row of "--name", "--name=..." or "-n"; NULL where there is none that takes a value. */
static const struct kd_option *valued(const struct asked *a, const char *word)
{
    for (const struct kd_opt_section *s = a->sections; s->rows; s++)
        for (const struct kd_option *row = NULL; (row = kd_opt_next(s, row));) {
            if (!row->flag || row->kind == KD_OPT_BOOL) continue;
            const size_t size = strlen(row->flag);
            if (strncmp(word, "--", 2) == 0
                    ? strncmp(word + 2, row->flag, size) == 0 && strchr("=", word[2 + size])
                    : word[0] == '-' && row->letter && word[1] == row->letter && !word[2])
                return row;
        }
    return NULL;
}

static void offer_flags(const struct asked *a)
{
    char text[160];
    for (const struct kd_opt_section *s = a->sections; s->rows; s++)
        for (const struct kd_option *row = NULL; (row = kd_opt_next(s, row));) {
            if (!row->flag) continue;
            const bool on =
                row->kind == KD_OPT_BOOL && row->preset && strcmp(row->preset, "true") == 0;
            snprintf(text, sizeof text, "--%s%s", on ? "no-" : "", row->flag);
            offer(a, text, row->help);
        }
}

/* The place of the usage line that operand `i` fills; the last one may be repeated ("MODEL..."). */
static void offer_operand(const struct asked *a, size_t i)
{
    const char *place = NULL, *rest = a->places;
    for (size_t at = 0; *rest; rest += strspn(rest, " ")) {
        const size_t size = strcspn(rest, " ");
        if (strncmp(rest, "[OPTION]", 8) != 0) {
            const bool repeats = size > 3 && memcmp(rest + size - 3, "...", 3) == 0;
            if (at++ <= i) place = at == i + 1 || repeats ? rest : NULL;
        }
        rest += size;
    }
    if (!place) return;
    for (const char *p = place; *p && *p != ' ';) {
        char name[32];
        p += strspn(p, "[|");
        const size_t size = strcspn(p, "|]. ");
        snprintf(name, sizeof name, "%.*s", (int)size, p);
        if (*name >= 'a') offer(a, name, "");
        offer_kind(a, name, size);
        p += size;
        if (*p != '|') break;
    }
}

void complete(const struct kd_opt_section *sections, const char *usage, int n, char **words)
{
    struct asked a = {sections, words, n, n > 0 ? words[n - 1] : "", 0, usage};
    const struct kd_option *row = NULL; /* the option whose value comes next */
    size_t operands = 0;
    bool options = true;
    for (int i = 0; i < n - 1; i++) {
        if (row)
            row = NULL;
        else if (options && strcmp(words[i], "--") == 0)
            options = false;
        else if (!options || words[i][0] != '-' || !words[i][1])
            operands++;
        else if (!strchr(words[i], '='))
            row = valued(&a, words[i]);
    }
    if (row) {
        offer_value(&a, row);
    } else if (options && strchr(a.word, '=') && (row = valued(&a, a.word))) {
        a.before = strcspn(a.word, "=") + 1;
        offer_value(&a, row);
    } else if (options && a.word[0] == '-') {
        offer_flags(&a);
    } else {
        offer_operand(&a, operands);
    }
}
