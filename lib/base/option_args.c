#include "kd/base/mem.h"
#include "option_value.h"
#include <string.h>

struct kd_arg { /* an option as given */
    const struct kd_opt_section *section;
    const struct kd_option *row;
    const char *value; /* into argv, or "true" or "false" */
};

struct scan { /* where kd_args_scan stands */
    struct kd_args *args;
    const struct kd_opt_section *sections;
    int argc, i;
    char **argv;
};

static const struct kd_option *find_flag(struct scan *s, const char *name, size_t size,
                                         const struct kd_opt_section **section)
{
    for (const struct kd_opt_section *at = s->sections; at->rows; at++)
        for (const struct kd_option *row = NULL; (row = kd_opt_next(at, row));)
            if (row->flag && strlen(row->flag) == size && !memcmp(row->flag, name, size)) {
                *section = at;
                return row;
            }
    return NULL;
}

static const struct kd_option *find_letter(struct scan *s, char letter,
                                           const struct kd_opt_section **section)
{
    for (const struct kd_opt_section *at = s->sections; at->rows; at++)
        for (const struct kd_option *row = NULL; (row = kd_opt_next(at, row));)
            if (row->flag && row->letter == letter) {
                *section = at;
                return row;
            }
    return NULL;
}

/* The flag that was probably meant, of all or (only_bool) of those that can be negated. */
static const char *nearest_flag(struct scan *s, const char *typed, bool only_bool)
{
    const char *names[512];
    unsigned n = 0;
    for (const struct kd_opt_section *at = s->sections; at->rows; at++)
        for (const struct kd_option *row = NULL; (row = kd_opt_next(at, row));)
            if (row->flag && (!only_bool || row->kind == KD_OPT_BOOL) && n < 512)
                names[n++] = row->flag;
    return kd_nearest(typed, names, n);
}

static int unknown_long(struct scan *s, const char *name, size_t size, struct kd_err *err)
{
    char typed[128];
    snprintf(typed, sizeof typed, "%.*s", size < 100 ? (int)size : 100, name);
    for (const struct kd_opt_section *at = s->sections; at->rows; at++) {
        const struct kd_option *row = kd_opt_also(at, typed);
        if (row && row->flag)
            return kd_fail_usage(err, "--%s: no such option; did you mean --%s?", typed, row->flag);
        if (row) return kd_fail_usage(err, "--%s: no such option; %s", typed, row->help);
    }
    const char *near = nearest_flag(s, typed, false), *no = "";
    if (!near && !strncmp(typed, "no-", 3) && (near = nearest_flag(s, typed + 3, true))) no = "no-";
    if (near)
        return kd_fail_usage(err, "--%s: no such option; did you mean --%s%s?", typed, no, near);
    return kd_fail_usage(err, "--%s: no such option; --help lists them", typed);
}

/* The value is tried on a field of its own, which also checks its range. */
static int remember(struct scan *s, const struct kd_opt_section *section,
                    const struct kd_option *row, const char *value, struct kd_err *err)
{
    union {
        int64_t i;
        double r;
        void *p;
        struct kd_reals reals;
        struct kd_texts texts;
    } field;
    char name[128];
    memset(&field, 0, sizeof field);
    snprintf(name, sizeof name, "--%s", row->flag);
    int status = kd_opt_set_text(row, &field, value, name, err);
    kd_opt_clear(row, &field);
    if (status == 0) s->args->given[s->args->n_given++] = (struct kd_arg){section, row, value};
    return status;
}

/* The next word as value of `row`. A word that is itself an option is a forgotten value rather than
 * a value; --name=value says that it is meant. */
static const char *next_value(struct scan *s, const struct kd_option *row, struct kd_err *err)
{
    char what[128];
    kd_opt_metavar(row, what, sizeof what);
    const struct kd_opt_section *section;
    if (s->i + 1 >= s->argc) {
        kd_fail_usage(err, "--%s needs a value: --%s %s", row->flag, row->flag, what);
        return NULL;
    }
    const char *next = s->argv[s->i + 1];
    if (!strncmp(next, "--", 2) && find_flag(s, next + 2, strcspn(next + 2, "="), &section)) {
        kd_fail_usage(err,
                      "--%s needs a value but %.60s follows; if that is the value write --%s=%.60s",
                      row->flag, next, row->flag, next);
        return NULL;
    }
    s->i++;
    return next;
}

static int scan_long(struct scan *s, const char *word, struct kd_err *err)
{
    size_t size = strcspn(word, "=");
    const char *value = word[size] ? word + size + 1 : NULL;
    const struct kd_opt_section *section;
    const struct kd_option *row = find_flag(s, word, size, &section);
    bool negated = false;
    if (!row && !strncmp(word, "no-", 3)) {
        row = find_flag(s, word + 3, size - 3, &section);
        negated = row && row->kind == KD_OPT_BOOL;
        if (!negated) row = NULL;
    }
    if (!row) return unknown_long(s, word, size, err);
    if (row->kind == KD_OPT_BOOL) {
        if (value)
            return kd_fail_usage(err, "--%.60s: takes no value; write --%s or --no-%s", word,
                                 row->flag, row->flag);
        value = negated ? "false" : "true";
    } else if (!value && !(value = next_value(s, row, err))) {
        return -1;
    }
    return remember(s, section, row, value, err);
}

/* "-qo file", "-ofile": letters up to the first that takes a value, which is the rest or the next
 * word. */
static int scan_letters(struct scan *s, const char *word, struct kd_err *err)
{
    const struct kd_opt_section *section;
    const struct kd_option *row = find_flag(s, word, strcspn(word, "="), &section);
    if (row && word[1]) /* -output would otherwise mean a file "utput" */
        return kd_fail_usage(err, "-%.60s: no such option; did you mean --%s?", word, row->flag);
    for (const char *p = word; *p; p++) {
        row = find_letter(s, *p, &section);
        if (!row) return kd_fail_usage(err, "-%c: no such option; --help lists them", *p);
        if (row->kind == KD_OPT_BOOL) {
            if (remember(s, section, row, "true", err) < 0) return -1;
            continue;
        }
        const char *value = p[1] ? p + 1 : next_value(s, row, err);
        return value ? remember(s, section, row, value, err) : -1;
    }
    return 0;
}

int kd_args_scan(struct kd_args *args, const struct kd_opt_section *sections, int argc, char **argv,
                 struct kd_err *err)
{
    struct scan s = {.args = args, .sections = sections, .argc = argc, .argv = argv};
    size_t most = 1;
    bool options = true;
    for (int i = 1; i < argc; i++) most += argv[i][0] == '-' ? strlen(argv[i]) : 1;
    memset(args, 0, sizeof *args);
    args->operands =
        kd_alloc((size_t)(argc > 0 ? argc : 1), sizeof *args->operands, "operands", err);
    args->given = kd_alloc(most, sizeof *args->given, "options", err);
    if (!args->operands || !args->given) goto fail;
    for (s.i = 1; s.i < argc; s.i++) {
        const char *word = argv[s.i];
        int status = 0;
        if (!options || word[0] != '-' || !word[1])
            args->operands[args->n_operands++] = word;
        else if (!strcmp(word, "--"))
            options = false;
        else if (word[1] == '-')
            status = scan_long(&s, word + 2, err);
        else
            status = scan_letters(&s, word + 1, err);
        if (status < 0) goto fail;
    }
    return 0;
fail:
    kd_args_release(args);
    return -1;
}

/* The i-th flag given into its field of `section`. */
static int put(const struct kd_args *args, size_t i, const struct kd_opt_section *section,
               struct kd_err *err)
{
    const struct kd_arg *arg = &args->given[i];
    void *field = kd_opt_field(section, arg->row);
    char name[128];
    bool first = true;
    for (size_t k = 0; k < i; k++) first = first && args->given[k].row != arg->row;
    /* A list on the command line replaces the one before it and is then added to. */
    if (first && arg->row->kind == KD_OPT_TEXTS) kd_opt_clear(arg->row, field);
    snprintf(name, sizeof name, "--%s", arg->row->flag);
    return kd_opt_set_text(arg->row, field, arg->value, name, err);
}

int kd_args_apply(const struct kd_args *args, struct kd_err *err)
{
    for (size_t i = 0; i < args->n_given; i++)
        if (put(args, i, args->given[i].section, err) < 0) return -1;
    return 0;
}

int kd_args_put(const struct kd_args *args, const struct kd_opt_section *sections,
                struct kd_err *err)
{
    for (size_t i = 0; i < args->n_given; i++)
        for (const struct kd_opt_section *s = sections; s->rows; s++)
            if (args->given[i].section->rows == s->rows && put(args, i, s, err) < 0) return -1;
    return 0;
}

bool kd_args_has(const struct kd_args *args, const char *flag)
{
    for (size_t i = 0; i < args->n_given; i++)
        if (!strcmp(args->given[i].row->flag, flag)) return true;
    return false;
}

int kd_args_idle(const struct kd_args *args, const struct kd_idle *rules, size_t n,
                 struct kd_err *err)
{
    for (size_t k = 0; k < n; k++)
        for (size_t i = 0; rules[k].idle && i < args->n_given; i++) {
            const struct kd_option *row = args->given[i].row;
            const bool negated =
                row->kind == KD_OPT_BOOL && strcmp(args->given[i].value, "false") == 0;
            if (kd_opt_listed(rules[k].flags, row->flag))
                return kd_fail_usage(err, "--%s%s %s", negated ? "no-" : "", row->flag,
                                     rules[k].why);
        }
    return 0;
}

void kd_args_release(struct kd_args *args)
{
    kd_free(args->operands);
    kd_free(args->given);
    memset(args, 0, sizeof *args);
}
