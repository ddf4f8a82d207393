/* What every kd program shares: one main() (cmd/main.c) that reads the common and the program's own
 * options, answers --help and --version, sets up threads, signals and the progress bar, runs the
 * program and turns its result into an exit status: 0 done, 1 failure, 2 usage, 130 and 143 after
 * SIGINT and SIGTERM.
 *
 * A program is a `const struct kd_program kd_program` in its own file:
 *
 *     struct options { char *data; ... };
 *     static const struct kd_option rows[] = {
 *         {"data", 'd', NULL, KD_OPT_TEXT, offsetof(struct options, data), ...}, {0}};
 *     static const struct kd_program_section sections[] = {{"data", "Data", rows, 0, NULL}, {0}};
 *     static int measure(struct kd_invocation *inv, struct kd_err *err)
 *     {
 *         const struct options *o = inv->options;
 *         ... return 0 or kd_fail(...)
 *     }
 *     const struct kd_program kd_program = {.name = "kd-eval", .sections = sections, .main =
 * measure, .options_size = sizeof(struct options), ...};
 *
 * main() sets the options' defaults before the flags and releases them at the end. SIGINT and
 * SIGTERM only set kd_stopping, which inv->progress carries: long work that looks at it tidies up
 * and returns; a second signal ends it at once.
 */
#ifndef KD_CMD_PROGRAM_H
#define KD_CMD_PROGRAM_H
#include "kd/base/mem.h"
#include "kd/base/option.h"
#include "kd/base/pool.h"
#include "kd/base/progress.h"
#include "kd/base/team.h"

struct kd_common { /* options that every program has */
    bool help, version, quiet, json;
    bool provenance; /* --no-provenance: leave out what differs between equal runs (command, times)
                      */
    bool verify;     /* --no-verify: checksums are not compared */
    double read_limit; /* GiB; 0: this machine's memory */
    int64_t threads;   /* 0: as many as usable */
    int64_t seed;      /* meaning is the program's; see kd_args_has(&inv->args, "seed") */
    char *output;      /* -o; NULL where not given */
};

struct kd_invocation { /* one call of a program: what main() hands to it */
    struct kd_common common;
    void *options;       /* the program's own: a struct of options_size bytes */
    struct kd_args args; /* operands; kd_args_has; kd_args_put for flags over JSON */
    struct kd_pool *pool;
    struct kd_team *team;        /* of several processes; NULL: this is one by itself */
    const char *program;         /* argv[0] */
    char *command;               /* the command line, quoted for a shell, "" with --no-provenance */
    struct kd_progress progress; /* a bar on a terminal, nothing elsewhere or with --quiet */
    struct kd_bar bar;
};

struct kd_program_section { /* as struct kd_opt_section, but `at` for the values */
    const char *name, *title;
    const struct kd_option *rows;
    size_t at; /* in the program's options: of the struct that the rows' offsets refer to */
    const char *only;
};

struct kd_program {
    const char *name;                          /* "kd-eval" */
    const char *usage;                         /* "[OPTION]... MODEL..." */
    const char *summary;                       /* one sentence */
    const char *details;                       /* what follows the options in --help: examples */
    const struct kd_program_section *sections; /* up to {0}; main() adds the common options */
    const struct kd_opt_more
        *more; /* what the manual says of options that programs share; or NULL */
    size_t options_size;
    size_t min_operands, max_operands;
    bool computes; /* multiplies matrices: told when the environment overrides BLAS's choice of
                      kernel */
    bool teams;    /* several processes can share its work; others run as one */
    int (*work)(struct kd_invocation *inv, struct kd_err *err);
};
extern const struct kd_program kd_program;

/* The file of an experiment that the user named (kd_experiment_ready). Caller frees. */
char *kd_experiment_named(const struct kd_invocation *inv, const char *named, struct kd_err *err);
/* A message for people on standard error, "kd-eval: text", unless --quiet; clears the bar first. */
void kd_say(struct kd_invocation *inv, const char *format, ...) KD_PRINTF(2, 3);
/* The same of words alone, in lines of the terminal's width. A path would be torn apart. */
void kd_say_words(struct kd_invocation *inv, const char *format, ...) KD_PRINTF(2, 3);
/* Text from outside (a class, a path) for kd_print: a copy in `room` that drives no terminal. */
const char *kd_tame(const char *text, char *room, size_t size);
/* Append a word as a shell, or xargs, reads it back. */
int kd_quote(struct kd_bytes *out, const char *word, struct kd_err *err);
/* Set after SIGINT or SIGTERM: the signal's number. Long work looks at it between steps. */
extern volatile int kd_stopping;
/* Standard output, checked: text as printf, and the flush at the end (main does it). */
int kd_print(struct kd_err *err, const char *format, ...) KD_PRINTF(2, 3);
/* A line with a path that was written: as it is for a program that reads it, tamed on a terminal.
 */
int kd_print_path(struct kd_err *err, const char *path);
#endif
