#include "complete.h"
#include "inputs.h"
#include "kd/base/file.h"
#include "kd/base/machine.h"
#include "kd/base/mem.h"
#include "kd/base/table.h"
#include "kd/base/tensorfile.h"
#include "kd/base/terminal.h"
#include "kd/base/text.h"
#include "kd/base/view.h"
#include "kd/nn/gemm.h"
#include "kd/nn/kernels.h"
#include "kd/train/experiment.h"
#include "pager.h"
#include "program.h"
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { HELP_WIDTH = 80, HELP_LINE = 100 /* of what is no terminal */ };

volatile int kd_stopping;

static const struct kd_option common_rows[] = {
    {.also = "gpu cuda device cpu mps",
     .help = "kd works on the processor; --threads N says on how "
             "many of its cores"},
    {.also = "verbose debug",
     .help = "messages are shown unless --quiet is given; --json has all "
             "figures"},
    {.also = "deterministic", .help = "the same --seed always gives the same bits"},
    {.also = "config experiment cfg",
     .help = "an experiment is named without an option, as "
             "configs/digits.json"},
    {"output", 'o', NULL, KD_OPT_TEXT, offsetof(struct kd_common, output), .metavar = "PATH",
     .help = "where the result goes (its folder is created); - is standard output",
     .also = "out save-to outfile dest destination output-dir out-dir"},
    {"threads", 0, NULL, KD_OPT_INT, offsetof(struct kd_common, threads), .preset = "0", .min = 0,
     .max = 1024, .metavar = "N",
     .help = "worker threads, 0 for one per usable processor; results do not depend on it",
     .also = "jobs workers num-workers cpus cores nthreads"},
    {"seed", 0, NULL, KD_OPT_INT, offsetof(struct kd_common, seed), .preset = "1", .min = 0,
     .max = 9007199254740992.0, .metavar = "N",
     .help = "seed of all randomness; of an experiment, this one of its seeds alone"},
    {"json", 0, NULL, KD_OPT_BOOL, offsetof(struct kd_common, json),
     .help = "print results as JSON"},
    {"provenance", 0, NULL, KD_OPT_BOOL, offsetof(struct kd_common, provenance), .preset = "true",
     .help = "leave out of files what differs between equal runs: command line and times",
     .more = "Two runs with the same seed then give the same bytes."},
    {"verify", 0, NULL, KD_OPT_BOOL, offsetof(struct kd_common, verify), .preset = "true",
     .help = "read damaged tensor files too: their checksums are not compared"},
    {"read-limit", 0, NULL, KD_OPT_REAL, offsetof(struct kd_common, read_limit), .preset = "0",
     .min = 0, .max = 1e6, .metavar = "GIB",
     .help = "refuse input that is larger, unpacked; 0: than this machine's memory",
     .more = "Bombs, files that unpack to far more than they hold, are refused by it."},
    {"quiet", 'q', NULL, KD_OPT_BOOL, offsetof(struct kd_common, quiet),
     .help = "no messages and no progress bar; errors are still told", .also = "silent"},
    {"help", 'h', NULL, KD_OPT_BOOL, offsetof(struct kd_common, help), .help = "show this help"},
    {"version", 0, NULL, KD_OPT_BOOL, offsetof(struct kd_common, version),
     .help = "version, compiler, flags, BLAS and its kernel"},
    {0},
};

static void on_stop(int signal_number)
{
    if (kd_stopping) { /* asked twice: at once, but without leaving half-written files */
        kd_outfile_abandon_all();
        _exit(128 + signal_number);
    }
    kd_stopping = signal_number;
}

/* The reader is gone: an end by this signal, as usual, but of all that was begun first. Each write
 * that follows brings it again. */
static void on_pipe(int signal_number)
{
    if (!kd_stopping) kd_stopping = signal_number;
}

/* A lost terminal and a batch system's limit end a program as a request does. */
static void signals_set(void)
{
    static const int stops[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGXCPU};
    struct sigaction action = {.sa_handler = on_stop}, old;
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof stops / sizeof *stops; i++)
        if (sigaction(stops[i], NULL, &old) == 0 &&
            old.sa_handler != SIG_IGN) /* nohup and the like */
            sigaction(stops[i], &action, NULL);
    action.sa_handler = on_pipe;
    sigaction(SIGPIPE, &action, NULL);
    signal(SIGXFSZ, SIG_IGN); /* a file that grows beyond `ulimit -f` is then an error of write() */
    kd_stop_watch(&kd_stopping);
}

const char *kd_tame(const char *text, char *room, size_t size)
{
    snprintf(room, size, "%s", text);
    kd_text_tame(room);
    return room;
}

int kd_print(struct kd_err *err, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    int n = vprintf(format, list);
    va_end(list);
    return n < 0 ? kd_fail_errno(err, "standard output") : 0;
}

int kd_print_path(struct kd_err *err, const char *path)
{
    char room[4096];
    return kd_print(err, "%s\n", isatty(STDOUT_FILENO) ? kd_tame(path, room, sizeof room) : path);
}

void kd_say(struct kd_invocation *inv, const char *format, ...)
{
    va_list list;
    if (inv->common.quiet) return;
    kd_bar_clear(&inv->bar);
    char text[2048];
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    kd_text_tame(text);
    fprintf(stderr, "%s: %s\n", kd_program.name, text);
}

void kd_say_words(struct kd_invocation *inv, const char *format, ...)
{
    const size_t columns = kd_terminal_columns(STDERR_FILENO);
    char text[2048];
    int n = snprintf(text, sizeof text, "%s: ", kd_program.name);
    struct kd_bytes lines = {0};
    struct kd_err ignored;
    va_list list;
    if (inv->common.quiet) return;
    kd_bar_clear(&inv->bar);
    va_start(list, format);
    vsnprintf(text + n, sizeof text - (size_t)n, format, list);
    va_end(list);
    kd_text_tame(text);
    if (kd_text_wrap(&lines, text, 0, columns ? columns : KD_WIDE, &ignored) == 0)
        fputs(lines.data, stderr);
    kd_bytes_release(&lines);
}

char *kd_experiment_named(const struct kd_invocation *inv, const char *named, struct kd_err *err)
{
    char *folder = kd_program_folder(inv->program, err);
    char *path = folder ? kd_experiment_ready(named, folder, err) : NULL;
    kd_free(folder);
    return path;
}

static void say_line(void *run, const char *text)
{
    kd_say(run, "%s", text);
}

static int output_end(struct kd_err *err)
{
    if (fflush(stdout) != 0) return kd_fail_errno(err, "standard output");
    return ferror(stdout) ? kd_fail(err, "standard output: a write failed") : 0;
}

/* Someone's choice of BLAS kernel where the processor has better: what it holds BLAS to, or NULL.
 */
static const char *blas_held_to(void)
{
    static const char *const sets[] = {"plain", "avx2", "avx512"};
    const char *core = getenv("OPENBLAS_CORETYPE"), *now = kd_blas_set(), *best = kd_kernels_best();
    int rank[2] = {0, 0};
    for (int i = 0; i < 3; i++) {
        if (strcmp(sets[i], now) == 0) rank[0] = i;
        if (strcmp(sets[i], best) == 0) rank[1] = i;
    }
    if (!core || !*core || rank[0] >= rank[1]) return NULL;
    return rank[0] ? now : "less than avx2";
}

static int show_version(struct kd_err *err)
{
#ifdef __clang__
    const char *compiler = __VERSION__;
#else
    const char *compiler = "GCC " __VERSION__;
#endif
    if (kd_kernels_init(err) < 0) return -1;
    const char *ours = kd_kernels_name(), *best = kd_kernels_best(), *held = blas_held_to();
    if (kd_print(err, "%s (kd) %s\ncompiler: %s (%s)\nBLAS: %s, kernel %s", kd_program.name,
                 KD_VERSION, compiler, KD_BUILD, kd_blas_config(), kd_blas_kernel()) < 0)
        return -1;
    if (held &&
        kd_print(err, " (OPENBLAS_CORETYPE holds it to %s; this processor has %s)", held, best) < 0)
        return -1;
    if (kd_print(err, "\nkernels: %s", ours) < 0) return -1;
    if (ours != best && kd_print(err, " (KD_CPU; this processor has %s)", best) < 0) return -1;
    return kd_print(err, "\nmachine: %u processor%s, %.1f GB of memory to use\n", kd_cpus_usable(),
                    kd_cpus_usable() > 1 ? "s" : "", (double)kd_memory_usable() / (1 << 30));
}

/* As wide as the terminal, but no wider than is well read. */
static int help_width(void)
{
    const size_t columns = kd_terminal_columns(STDOUT_FILENO);
    return columns && columns < HELP_WIDTH ? (int)columns : HELP_WIDTH;
}

static int put_options(const struct kd_opt_section *sections, struct kd_bytes *out,
                       struct kd_err *err)
{
    char *text = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&text, &size);
    if (!to) return kd_fail_memory(err, "no memory for the help");
    kd_opts_help(sections, help_width(), to);
    int status = ferror(to) ? kd_fail_memory(err, "no memory for the help") : 0;
    if (fclose(to) != 0 && status == 0) status = kd_fail_memory(err, "no memory for the help");
    if (status == 0) status = kd_bytes_add(out, text, size, err);
    free(text); /* NOLINT: of open_memstream, not of kd_alloc */
    return status;
}

static int show_help(const struct kd_opt_section *sections, struct kd_err *err)
{
    const struct kd_program *p = &kd_program;
    const size_t columns = kd_terminal_columns(STDOUT_FILENO);
    struct kd_bytes page = {0}, text = {0};
    const char *details = p->details ? p->details : "";
    int status =
        kd_bytes_format(&text, err, "usage: %s %s\n\n%s\n\n", p->name, p->usage, p->summary);
    if (status == 0) status = kd_text_page(&page, text.data, columns ? columns : HELP_LINE, err);
    if (status == 0) status = put_options(sections, &page, err);
    if (status == 0 && *details) status = kd_bytes_add(&page, "\n", 1, err);
    if (status == 0 && *details)
        status = kd_text_page(&page, details, columns ? columns : HELP_LINE, err);
    if (status == 0) status = pager_print(page.data, page.size, err);
    kd_bytes_release(&text);
    kd_bytes_release(&page);
    return status;
}

static int check_operands(const struct kd_args *args, struct kd_err *err)
{
    if (args->n_operands < kd_program.min_operands)
        return kd_fail_usage(err, "an argument is missing; usage: %s %s", kd_program.name,
                             kd_program.usage);
    if (args->n_operands > kd_program.max_operands)
        return kd_fail_usage(err, "%.200s: one argument too many; usage: %s %s",
                             args->operands[kd_program.max_operands], kd_program.name,
                             kd_program.usage);
    return 0;
}

int kd_quote(struct kd_bytes *out, const char *word, struct kd_err *err)
{
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_@%+=:,./-";
    size_t size = strlen(word);
    if (size && strspn(word, plain) == size) return kd_bytes_add(out, word, size, err);
    kd_bytes_text(out, "'", err);
    for (const char *p = word; *p; p++)
        kd_bytes_add(out, *p == '\'' ? "'\\''" : p, *p == '\'' ? 4 : 1, err);
    return kd_bytes_text(out, "'", err);
}

static char *command_line(bool wanted, int argc, char **argv, struct kd_err *err)
{
    struct kd_bytes out = {0};
    kd_bytes_text(&out, wanted ? kd_program.name : "", err);
    for (int i = 1; wanted && i < argc; i++) {
        kd_bytes_text(&out, " ", err);
        kd_quote(&out, argv[i], err);
    }
    if (!out.failed) return out.data;
    kd_bytes_release(&out);
    return NULL;
}

/* A packed file that claims more than there is memory is better refused than tried. */
static void limits_set(const struct kd_common *common)
{
    const size_t memory = kd_memory_usable();
    if (common->read_limit > 0)
        kd_read_limit_set((size_t)(common->read_limit * (1 << 30)));
    else if (memory)
        kd_read_limit_set(memory);
    kd_tensorfile_verify(common->verify);
}

static int start(struct kd_invocation *inv, int argc, char **argv, struct kd_err *err)
{
    limits_set(&inv->common);
    kd_views_allow(kd_program.name, !(inv->common.read_limit > 0));
    if (kd_kernels_init(err) < 0) return -1;
    const char *held = blas_held_to();
    kd_blas_init(); /* the workers divide the work, whatever the environment says */
    kd_bar_init(&inv->bar, stderr, !inv->common.quiet, kd_program.name);
    inv->progress = (struct kd_progress){.stop = &kd_stopping};
    if (inv->bar.on)
        inv->progress =
            (struct kd_progress){.tick = kd_bar_tick, .ctx = &inv->bar, .stop = &kd_stopping};
    inv->progress.say = say_line;
    inv->progress.say_ctx = inv;
    if (kd_program.computes && held)
        kd_say(inv,
               "OPENBLAS_CORETYPE=%s holds BLAS to %s, but this processor has %s; unset it, it can "
               "halve the speed",
               getenv("OPENBLAS_CORETYPE"), held, kd_kernels_best());
    inv->command = command_line(inv->common.provenance, argc, argv, err);
    if (!inv->command) return -1;
    inv->pool = kd_pool_new((unsigned)inv->common.threads, err);
    if (!inv->pool) return -1;
    if (!kd_program.computes || kd_blas_check(kd_pool_threads(inv->pool), err) == 0) return 0;
    fprintf(stderr, "%s: %s\n", kd_program.name, err->text);
    _exit(1); /* OpenBLAS's own threads are trying for that room already, and would be waited for */
}

/* Started by mpirun or srun as one of several. Only the first rank says anything. */
static int team_join(struct kd_invocation *inv, struct kd_err *err)
{
    static struct kd_team team;
    if (kd_team_ranks() == 1) return 0;
    if (!kd_program.teams)
        return kd_fail_usage(err,
                             "it runs as one process, but was started as %u; leave out mpirun "
                             "or srun, and give it --threads",
                             kd_team_ranks());
    char *folder = kd_program_folder(inv->program, err);
    int status = folder ? kd_team_open(&team, folder, err) : -1;
    kd_free(folder);
    if (team.ops) inv->team = &team;
    if (kd_team_leads(inv->team)) return status;
    inv->common.quiet = true;
    kd_outfiles_mute();
    if (status == 0 && !freopen("/dev/null", "w", stdout))
        return kd_fail_errno(err, "/dev/null: cannot be opened");
    return status;
}

/* The last meeting, where an error of one rank becomes that of all. Does this one tell it? */
static bool team_ends(struct kd_invocation *inv, int *status, struct kd_err *err)
{
    if (!inv->team) return kd_team_rank() == 0;
    const struct kd_meeting last = {.status = *status, .stop = kd_stopping};
    if (kd_team_meet(inv->team, "the end", &last, err) < 0) *status = -1;
    if (inv->team->stop && !kd_stopping) kd_stopping = SIGTERM;
    return inv->team->speaks;
}

static int work(struct kd_invocation *inv, const struct kd_opt_section *sections, int argc,
                char **argv, struct kd_err *err)
{
    if (kd_opts_preset(sections, err) < 0) return -1;
    if (argc == 2 && strcmp(argv[1], "--manual-options") == 0) /* for `make manual` */
        return kd_opts_manual(sections, kd_program.more, stdout), 0;
    if (argc > 1 && strcmp(argv[1], "--complete") == 0) /* for shells */
        return complete(sections, kd_program.usage, argc - 2, argv + 2), 0;
    if (kd_args_scan(&inv->args, sections, argc, argv, err) < 0) return -1;
    if (kd_args_apply(&inv->args, err) < 0) return -1;
    if (inv->common.help) return show_help(sections, err);
    if (inv->common.version) return show_version(err);
    if (check_operands(&inv->args, err) < 0 || inputs_spared(inv, sections, err) < 0 ||
        team_join(inv, err) < 0 || start(inv, argc, argv, err) < 0)
        return -1;
    signals_set();
    return kd_program.work(inv, err);
}

/* The program's sections over its options, and behind them those that every program has. */
static struct kd_opt_section *sections_make(struct kd_invocation *inv, struct kd_err *err)
{
    const struct kd_program *p = &kd_program;
    size_t n = 0;
    while (p->sections && p->sections[n].rows) n++;
    struct kd_opt_section *s = kd_alloc(n + 2, sizeof *s, "options", err);
    inv->options = kd_alloc(1, p->options_size, "options", err);
    if (!s || !inv->options) {
        kd_free(s);
        return NULL;
    }
    for (size_t i = 0; i < n; i++) {
        const struct kd_program_section *own = &p->sections[i];
        s[i] = (struct kd_opt_section){own->name, own->title, own->rows,
                                       (char *)inv->options + own->at, own->only};
    }
    s[n] = (struct kd_opt_section){"common", "Common options", common_rows, &inv->common, NULL};
    return s;
}

/* Under a limit of address space OpenBLAS may have fewer threads than it believes, for which its
 * exit handler then waits for ever. */
static int leave(int status)
{
    struct rlimit space;
    if (kd_stopping == SIGPIPE) {
        signal(SIGPIPE, SIG_DFL);
        raise(SIGPIPE);
    }
    if (getrlimit(RLIMIT_AS, &space) == 0 && space.rlim_cur != RLIM_INFINITY) _exit(status);
    return status;
}

int main(int argc, char **argv)
{
    struct kd_err err = {0};
    kd_descriptors_reserve();
    struct kd_invocation inv = {.program = argc > 0 ? argv[0] : ""};
    struct kd_opt_section *sections = sections_make(&inv, &err);
    int status = sections ? work(&inv, sections, argc, argv, &err) : -1;
    kd_bar_clear(&inv.bar);
    if (status == 0) status = output_end(&err);
    const bool speaks = team_ends(&inv, &status, &err) && kd_stopping != SIGPIPE;
    if (status < 0 && err.text[0] && speaks) fprintf(stderr, "%s: %s\n", kd_program.name, err.text);
    if (inv.team) kd_team_close(inv.team); /* when all is said: mpirun ends who is last */
    kd_pool_free(inv.pool);
    kd_free(inv.command);
    kd_args_release(&inv.args);
    if (sections) kd_opts_release(sections);
    kd_free(sections);
    kd_free(inv.options);
    fflush(stderr);
    return leave(kd_stopping                ? 128 + kd_stopping
                 : status == 0              ? 0
                 : err.kind == KD_ERR_USAGE ? 2
                                            : 1);
}
