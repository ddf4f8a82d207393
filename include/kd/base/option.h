/* The one table of options.
 *
 * A program's settings are plain structs. A row binds a field to its flag, its JSON key, its
 * default, its range and its help; one table therefore drives argv, the experiment's JSON, --help,
 * and the resolved configuration saved with a run. Order of precedence: default < experiment <
 * --set < flag.
 *
 *     struct train_config { int64_t epochs; double learning_rate; };
 *     static const struct kd_option rows[] = {
 *         {"epochs", 'e', "epochs", KD_OPT_INT, offsetof(struct train_config, epochs),
 *          .preset = "20", .min = 1, .max = 1e6, .metavar = "N", .help = "passes over the data"},
 *         ...
 *         {0},
 *     };
 *     struct train_config config;
 *     const struct kd_opt_section sections[] = {{"train", "Training", rows, &config}, {0}};
 *
 *     kd_opts_preset(sections, &err)                             defaults
 *     kd_opts_from_json(kd_opts_section(sections, "train"), object, "train", NULL, &err)
 *                                                                unknown key: "did you mean"
 *     kd_args_scan(&args, sections, argc, argv, &err)            check argv, remember it
 *     kd_args_apply(&args, &err)                                 flags win
 *     kd_opts_to_json(kd_opts_section(sections, "train"), &err)  resolved configuration
 *     kd_opts_release(sections)
 *
 * A table ends with an empty row, a list of sections with an empty section: {0}.
 *
 * A choice and its enum come from one list:
 *
 *     #define MYTOOL_PAPERS(X) X(MYTOOL_PLAIN, "plain") X(MYTOOL_GLOSSY, "glossy")
 *     enum mytool_paper { MYTOOL_PAPERS(KD_CHOICE_ENUM) };
 *     {..., KD_OPT_CHOICE, offsetof(...), .choices = KD_CHOICES(MYTOOL_PAPERS), ...}
 */
#ifndef KD_BASE_OPTION_H
#define KD_BASE_OPTION_H
#include "kd/base/json.h"
#include <stdio.h>

enum kd_opt_kind {              /* type of the field */
                   KD_OPT_BOOL, /* bool; flags --name and --no-name; with preset "true" --help shows
                                   the latter */
                   KD_OPT_INT,  /* int64_t, whole numbers up to 2^53 */
                   KD_OPT_REAL, /* double, finite */
                   KD_OPT_TEXT, /* char *, owned */
                   KD_OPT_CHOICE, /* int: index into choices */
                   KD_OPT_REALS, /* struct kd_reals; argv: comma separated; JSON: a number or a list
                                  */
                   KD_OPT_TEXTS, /* struct kd_texts; argv: the flag repeated; JSON: a string or a
                                    list */
                   KD_OPT_CLASSES, /* struct kd_class_list; argv: comma separated; JSON: a number, a
                                      name, or a list of these */
                   KD_OPT_JSON     /* cJSON *, owned; argv: JSON text, or a bare word as a string */
};
struct kd_reals {
    double *v;
    size_t n;
};
struct kd_texts {
    char **v;
    size_t n;
};
struct kd_class_ref {
    char *name; /* NULL: by number */
    uint32_t number;
};
struct kd_class_list {
    struct kd_class_ref *v;
    size_t n;
};

struct kd_option {
    const char *flag; /* without dashes; NULL: JSON only */
    char letter;      /* 0: none */
    const char
        *key; /* dotted JSON key within the section ("optimizer.momentum"); NULL: flag only */
    enum kd_opt_kind kind;
    size_t offset;
    const char *preset;         /* default as text; NULL: 0, false, NULL or an empty list */
    double min, max;            /* INT, REAL, REALS; both 0: any; max below min: no upper bound */
    bool whole;                 /* REALS: whole numbers alone */
    const char *const *choices; /* CHOICE: names in the order of the enum, then NULL */
    const char *metavar;        /* "N"; NULL for BOOL; NULL with CHOICE: the choices themselves */
    const char *help;           /* one sentence without full stop; --help adds the default */
    const char *more;           /* whole sentences that the manual page adds; `bold` */
    const char *also; /* names that people type for it, separated by spaces: for hints. Without flag
                         and key the row is no option: help is the answer to such a name */
    bool later; /* came after files had been written: kd_opts_to_json leaves it out where it has its
                   default, so that those stay what the same settings give */
    bool aside; /* changes nothing of what is made: not looked at where configurations are compared
                 */
    bool optional; /* REAL without preset: NAN where it is not given, and not in JSON then */
};

/* X is called with an enumerator and its name. */
#define KD_CHOICE_ENUM(id, name) id,
#define KD_CHOICE_NAME(id, name) name,
#define KD_CHOICES(list)         ((const char *const[]){list(KD_CHOICE_NAME) NULL})
const char *kd_choice_name(const char *const *choices, int index); /* NULL: there is no such one */
int kd_choice_index(const char *const *choices, const char *name); /* -1: there is no such one */

struct kd_opt_section {
    const char *name;  /* what kd_opts_section finds it by; the key of its object in JSON */
    const char *title; /* heading in --help */
    const struct kd_option *rows;
    void *values;     /* the struct that the rows' offsets refer to */
    const char *only; /* flags of the rows that are taken, separated by spaces; NULL: all rows */
};
/* The section of that name, which must be there. */
const struct kd_opt_section *kd_opts_section(const struct kd_opt_section *sections,
                                             const char *name);
/* The section's row behind `row`, its first behind NULL; NULL at the end. */
const struct kd_option *kd_opt_next(const struct kd_opt_section *section,
                                    const struct kd_option *row);

/* The row that people call `typed` ("batch_size" as "batch-size"), or NULL. */
const struct kd_option *kd_opt_also(const struct kd_opt_section *section, const char *typed);

/* Defaults into fresh structs: what they held is overwritten, not freed. */
int kd_opts_preset(const struct kd_opt_section *sections, struct kd_err *err);
void kd_opts_release(const struct kd_opt_section *sections);

/* Read an object into a section. `where` is the object's path, for messages ("students.kd.train").
 * Where rows have the keys "optimizer.kind" and "optimizer.momentum", the object may have
 * "optimizer": {"kind": "sgd", "momentum": 0.9} or "optimizer": "sgd". null means the default.
 * Keys in `besides`, a list that ends with NULL (or NULL itself), are left to the caller. */
int kd_opts_from_json(const struct kd_opt_section *section, const cJSON *object, const char *where,
                      const char *const *besides, struct kd_err *err);
/* A row's default as kd_opts_to_json writes it; caller deletes. */
cJSON *kd_option_preset(const struct kd_option *row, struct kd_err *err);
/* All rows with a key, nested as their dots say; caller deletes. */
cJSON *kd_opts_to_json(const struct kd_opt_section *section, struct kd_err *err);

/* argv: --name value, --name=value, -n value, -nvalue, bundled boolean letters, "--" ends options,
 * "-" is an operand. Values are checked here; kd_args_apply writes them. */
struct kd_args {
    const char **operands; /* into argv */
    size_t n_operands;
    struct kd_arg *given; /* internal */
    size_t n_given;
};
int kd_args_scan(struct kd_args *args, const struct kd_opt_section *sections, int argc, char **argv,
                 struct kd_err *err);
int kd_args_apply(const struct kd_args *args, struct kd_err *err);
/* The same into other structs: those flags whose rows are `sections`' rows, into their values. */
int kd_args_put(const struct kd_args *args, const struct kd_opt_section *sections,
                struct kd_err *err);
bool kd_args_has(const struct kd_args *args, const char *flag); /* was the flag given? */

/* An option that would do nothing is a mistake in the command. A program says when that is so:
 *     const struct kd_idle rules[] = {{!config.list, "ready", "goes with --list"}, ...};
 *     if (kd_args_idle(&run->args, rules, sizeof rules / sizeof *rules, err) < 0) return -1; */
struct kd_idle {
    bool idle;         /* would these do nothing? */
    const char *flags; /* without dashes, separated by spaces */
    const char *why;   /* what they belong to, as it goes on after "--flag " */
};
/* A usage error that names the first flag given that would do nothing. */
int kd_args_idle(const struct kd_args *args, const struct kd_idle *rules, size_t n,
                 struct kd_err *err);
void kd_args_release(struct kd_args *args);

/* Help: sections with aligned flags, wrapped to `width` columns, defaults in parentheses. */
void kd_opts_help(const struct kd_opt_section *sections, int width, FILE *to);

/* The same as a manual page has it, in man's macros: labels, help, and what the manual says more,
 * of each row and of this program's use of rows that programs share. */
struct kd_opt_more {
    const char *flag; /* NULL: the end of the list */
    const char *text; /* whole sentences, as a row's `more` */
};
void kd_opts_manual(const struct kd_opt_section *sections, const struct kd_opt_more *more,
                    FILE *to);

#endif
