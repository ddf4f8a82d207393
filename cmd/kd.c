/* kd: runs kd-COMMAND from its own folder or PATH, opens manuals, and lists the jobs. */
#include "kd/base/err.h"
#include "kd/base/file.h"
#include "kd/base/mem.h"
#include "kd/base/terminal.h"
#include "kd/base/text.h"
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct {
    const char *name, *what;
    const char *also; /* words that people type for it */
} commands[] = {
    {"train-teacher", "train a teacher network", "teach teacher train"},
    {"soften", "write a teacher's soft targets, or show those of one image",
     "soft label predict-soft targets logits"},
    {"train-student", "train a student network, with or without soft targets",
     "distill student train"},
    {"correct", "correct a student for classes it never saw", "fix"},
    {"quantize", "turn a float model into 8-bit integers",
     "quantise int8 integers compress convert"},
    {"export", "write a model as C for a device, or tell what it would need there",
     "convert c onnx firmware microcontroller deploy"},
    {"import", "make a model of another framework's parameters",
     "pytorch torch state_dict convert-from"},
    {"eval", "measure models on any data", "evaluate test measure score accuracy"},
    {"predict", "say what a model takes pictures for", "classify infer recognize label"},
    {"show", "say what a file is, what is in it, where it comes from",
     "info inspect-model describe summary"},
    {"report", "compare the models of a run: tables, charts, logs, the best student",
     "show-run compare plot chart log"},
    {"plan", "print an experiment's work for make, Slurm or another engine",
     "tasks jobs make slurm dag"},
    {"data", "look at data, convert it, make the built-in digits", "dataset inspect convert"},
    {"help", "open the manual of a command", ""},
    {"version", "the version of kd", ""},
};
enum { COMMANDS = sizeof commands / sizeof *commands, LINE = 100 /* of what is no terminal */ };

static const struct {
    const char *what, *command;
} jobs[] = {
    {"Train the teacher", "kd train-teacher digits --seed 1"},
    {"Write its soft targets at various temperatures",
     "kd soften digits --seed 1 --temperature 1,4,20 --probabilities"},
    {"Train a student without them", "kd train-student digits --student plain --seed 1"},
    {"Train a student with them", "kd train-student digits --student kd --seed 1"},
    {"Get the best student of many", "kd report runs/digits --best"},
    {"Read the student's log", "kd report --log runs/digits/students/kd/s1"},
    {"Read the teacher's log", "kd report --log runs/digits/teacher/s1"},
    {"Make a student on the spot and test it",
     "kd train-student --data digits --layers 32 -e 5 \\\n"
     "          -S runs/digits/soft/s1/teacher.safetensors &&\n"
     "      kd eval runs/latest"},
    {"Read its log", "kd report --log runs/latest"},
    {"Make a spreadsheet with analysis", "kd report runs/digits --csv -o digits.csv"},
};

static int fail(int status, const struct kd_err *err)
{
    fprintf(stderr, "kd: %s\n", err->text);
    return status;
}

/* What was printed has arrived, or it is an error. */
static int printed(void)
{
    struct kd_err err = {0};
    if (fflush(stdout) == 0 && !ferror(stdout)) return 0;
    kd_fail_errno(&err, "standard output");
    return fail(1, &err);
}

/* A text within the terminal. */
static int show(const char *text)
{
    const size_t columns = kd_terminal_columns(STDOUT_FILENO);
    struct kd_bytes page = {0};
    struct kd_err err = {0};
    if (kd_text_page(&page, text, columns ? columns : LINE, &err) < 0) return fail(1, &err);
    fputs(page.data, stdout);
    kd_bytes_release(&page);
    return printed();
}

static int show_jobs(void)
{
    struct kd_bytes text = {0};
    struct kd_err err = {0};
    int status = kd_bytes_text(
        &text,
        "kd trains a large network, writes down what it knows as soft targets, and trains a small "
        "network from them. The usual jobs, each with its command:\n\n",
        &err);
    for (size_t i = 0; i < sizeof jobs / sizeof *jobs && status == 0; i++)
        status = kd_bytes_format(&text, &err, "  %s\n      %s\n", jobs[i].what, jobs[i].command);
    if (status == 0)
        status = kd_bytes_text(
            &text, "\nkd --help lists the commands, kd help COMMAND opens a command's manual.\n",
            &err);
    int code = status == 0 ? show(text.data) : fail(1, &err);
    kd_bytes_release(&text);
    return code;
}

static int show_help(void)
{
    struct kd_bytes text = {0};
    struct kd_err err = {0};
    int status = kd_bytes_text(&text,
                               "usage: kd COMMAND [ARGUMENT]...\n\nRuns the kd program of that "
                               "name; kd alone lists the jobs.\n\nCommands:\n",
                               &err);
    for (size_t i = 0; i < COMMANDS && status == 0; i++)
        status = kd_bytes_format(&text, &err, "  %-15s %s\n", commands[i].name, commands[i].what);
    if (status == 0)
        status = kd_bytes_text(
            &text,
            "\nOptions:\n"
            "  -h, --help      this text\n"
            "      --version   version, compiler, flags, BLAS and its kernel, kd's own kernels\n"
            "\nkd COMMAND --help lists a command's options, kd help COMMAND opens its manual.\n",
            &err);
    int code = status == 0 ? show(text.data) : fail(1, &err);
    kd_bytes_release(&text);
    return code;
}

static void run(const char *folder, const char *name, char **argv);

/* What BLAS and the kernels are is known by those who load them. */
static void show_kernels(const char *folder)
{
    char line[1024], version[] = "--version", *words[] = {NULL, version, NULL};
    int ends[2];
    if (pipe(ends) < 0) return;
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], STDOUT_FILENO);
        close(ends[0]);
        close(ends[1]);
        run(folder, "eval", words);
        _exit(1);
    }
    close(ends[1]);
    FILE *f = fdopen(ends[0], "r");
    while (f && child > 0 && fgets(line, sizeof line, f))
        if (strncmp(line, "BLAS: ", 6) == 0 || strncmp(line, "kernels: ", 9) == 0 ||
            strncmp(line, "machine: ", 9) == 0)
            fputs(line, stdout);
    if (f)
        fclose(f);
    else
        close(ends[0]);
    if (child > 0) waitpid(child, NULL, 0);
}

static int show_version(const char *folder)
{
#ifdef __clang__
    const char *compiler = __VERSION__;
#else
    const char *compiler = "GCC " __VERSION__;
#endif
    printf("kd %s\ncompiler: %s (%s)\n", KD_VERSION, compiler, KD_BUILD);
    if (fflush(stdout) == 0) show_kernels(folder);
    return printed();
}

/* Replaces this process by kd-NAME; comes back with errno when that cannot be. */
static void run(const char *folder, const char *name, char **argv)
{
    char path[2 * PATH_MAX];
    int n = snprintf(path, sizeof path, "%s/kd-%s", folder, name);
    argv[0] = path;
    if (*folder && n > 0 && (size_t)n < sizeof path) {
        execv(path, argv);
        if (errno != ENOENT) return;
    }
    snprintf(path, sizeof path, "kd-%s", name);
    execvp(path, argv);
}

static bool is_command(const char *name)
{
    for (size_t i = 0; i < COMMANDS; i++)
        if (!strcmp(commands[i].name, name)) return true;
    return false;
}

/* Commands that people call `name`, or that begin with it: "train-teacher or train-student". */
static bool meant(const char *name, char *out, size_t room)
{
    const size_t size = strlen(name);
    size_t used = 0;
    for (size_t i = 0; i < COMMANDS && used < room; i++) {
        bool fits = strncmp(commands[i].name, name, size) == 0;
        for (const char *p = commands[i].also; *p && !fits; p += strspn(p, " ")) {
            const size_t word = strcspn(p, " ");
            fits = word == size && memcmp(p, name, size) == 0;
            p += word;
        }
        if (fits)
            used += (size_t)snprintf(out + used, room - used, "%s%s", used ? " or " : "",
                                     commands[i].name);
    }
    return used > 0;
}

/* Why `name` could not be run. */
static int cannot_run(const char *name)
{
    struct kd_err err = {0};
    const char *names[COMMANDS + 1], *near;
    char text[200];
    if (errno != ENOENT && errno != ENAMETOOLONG) {
        kd_fail_errno(&err, "kd-%.200s cannot be run", name);
        return fail(1, &err);
    }
    if (is_command(name)) {
        kd_fail(&err, "kd-%s is neither beside kd nor on PATH; `make` builds it", name);
        return fail(1, &err);
    }
    for (size_t i = 0; i < COMMANDS; i++) names[i] = commands[i].name;
    if (meant(name, text, sizeof text)) {
        kd_fail_usage(&err, "%.200s: no such command; did you mean %s?", name, text);
        return fail(2, &err);
    }
    names[COMMANDS] = "train"; /* the beginning of two */
    near = kd_nearest(name, names, COMMANDS + 1);
    if (near && meant(near, text, sizeof text)) near = text;
    if (near)
        kd_fail_usage(&err, "%.200s: no such command; did you mean %s?", name, near);
    else
        kd_fail_usage(&err, "%.200s: no such command; kd --help lists them", name);
    return fail(2, &err);
}

/* The page lies beside the source (from bin/ and from build/MODE/bin/) or is installed. */
static bool find_manual(const char *folder, const char *page, char *out, size_t room)
{
    static const char *const places[] = {"../cmd", "../../../cmd", "../share/man/man"};
    static const char *const sections[] = {"1", "5", "7"}; /* programs, files, other texts */
    enum { PLACES = sizeof places / sizeof *places, SECTIONS = sizeof sections / sizeof *sections };
    for (size_t i = 0; *folder && i < PLACES * SECTIONS; i++) {
        const char *place = places[i / SECTIONS], *section = sections[i % SECTIONS];
        bool installed = place[strlen(place) - 1] == 'n';
        int n = snprintf(out, room, "%s/%s%s/%s.%s", folder, place, installed ? section : "", page,
                         section);
        if (n > 0 && (size_t)n < room && access(out, R_OK) == 0) return true;
    }
    return false;
}

/* man(1) where it and the page are there; the program's --help otherwise. */
static int help(const char *folder, const char *name)
{
    char page[64] = "kd", path[2 * PATH_MAX], help_word[] = "--help";
    struct kd_err err = {0};
    if (name && strlen(name) > 40) {
        errno = ENOENT;
        return cannot_run(name);
    }
    if (name && strcmp(name, "kd") != 0) {
        const char *bare = strncmp(name, "kd-", 3) ? name : name + 3;
        if (!strcmp(bare, "help") || !strcmp(bare, "version")) return show_help();
        snprintf(page, sizeof page, "kd-%s", bare);
        name = bare;
    } else {
        name = NULL;
    }
    if (find_manual(folder, page, path, sizeof path)) {
        execlp("man", "man", path, (char *)NULL);
        bool program = path[strlen(path) - 1] == '1';
        if (errno != ENOENT || !program) {
            if (errno == ENOENT)
                kd_fail(&err, "man is not installed here; the page is %s", path);
            else
                kd_fail_errno(&err, "man %s", path);
            return fail(1, &err);
        }
    }
    if (!name) return show_help();
    char *words[] = {NULL, help_word, NULL};
    run(folder, name, words);
    return cannot_run(name);
}

/* For shells (cmd/complete.h): commands, and then what a command's own program says. */
static int complete(const char *folder, int n, char **words)
{
    if (n < 1) return 0;
    const bool help = n == 2 && strcmp(words[0], "help") == 0;
    if (n == 1 || help) {
        const char *typed = words[n - 1];
        for (size_t i = 0; i < COMMANDS; i++)
            if (strncmp(commands[i].name, typed, strlen(typed)) == 0)
                printf("%s\t%s\n", commands[i].name, commands[i].what);
        return printed();
    }
    char name[64], door[] = "--complete";
    snprintf(name, sizeof name, "%.60s", words[0]);
    words[-1] = NULL; /* where kd's own --complete stood: run() puts the program there */
    words[0] = door;
    run(folder, name, words - 1);
    return 0;
}

static int dispatch(const char *folder, int argc, char **argv)
{
    struct kd_err err = {0};
    const char *name = argv[1];
    if (!strcmp(name, "--help") || !strcmp(name, "-h")) return show_help();
    if (!strcmp(name, "--version") || !strcmp(name, "version")) return show_version(folder);
    if (!strcmp(name, "--complete")) return complete(folder, argc - 2, argv + 2);
    if (!strcmp(name, "help")) {
        if (argc <= 3) return help(folder, argv[2]);
        kd_fail_usage(&err, "help: one command at a time: kd help %.200s", argv[2]);
        return fail(2, &err);
    }
    if (name[0] == '-' || !*name || strchr(name, '/')) {
        kd_fail_usage(
            &err,
            "%.200s: no such %s; usage: kd COMMAND [ARGUMENT]..., kd --help lists the commands",
            name, name[0] == '-' ? "option" : "command");
        return fail(2, &err);
    }
    run(folder, name, argv + 1);
    return cannot_run(name);
}

int main(int argc, char **argv)
{
    struct kd_err err = {0};
    kd_descriptors_reserve();
    if (argc < 2) return show_jobs();
    char *folder = kd_program_folder(argv[0], &err);
    int status = folder ? dispatch(folder, argc, argv) : fail(1, &err);
    kd_free(folder);
    return status;
}
