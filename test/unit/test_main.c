/* The main() that programs share, under a program made for this test, each time in a child. */
int kd_main(int argc, char **argv);
#define main kd_main
#include "../../cmd/complete.c"
#include "../../cmd/inputs.c"
#include "../../cmd/main.c"
#include "../../cmd/pager.c"
#undef main
#include <cblas.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stddef.h>
#include <sys/wait.h>

#include <cmocka.h>

struct options {
    int64_t epochs;
    char *task;
};
static const struct kd_option rows[] = {
    {"epochs", 'e', "epochs", KD_OPT_INT, offsetof(struct options, epochs), .preset = "3", .min = 1,
     .max = 10, .metavar = "N", .help = "passes"},
    {"task", 0, NULL, KD_OPT_TEXT, offsetof(struct options, task), .preset = "show",
     .metavar = "WORD", .help = "what to do"},
    {0},
};
static const struct kd_program_section probe_sections[] = {{"probe", "Probe", rows, 0, NULL}, {0}};

/* Says on standard output that it is there, then waits to be stopped. */
static int wait_for_stop(struct kd_invocation *inv, struct kd_err *err, bool deaf)
{
    if (kd_print(err, "ready\n") < 0 || fflush(stdout) != 0) return -1;
    for (int i = 0; i < 500 && (deaf || !kd_stopping); i++) usleep(10000);
    kd_say(inv, "tidied up");
    return kd_stopping ? kd_fail(err, "stopped") : 0;
}

static int probe(struct kd_invocation *inv, struct kd_err *err)
{
    const struct options *o = inv->options;
    if (!strcmp(o->task, "fail")) return kd_fail(err, "m.safetensors: byte 8: broken");
    if (!strcmp(o->task, "usage")) return kd_fail_usage(err, "students.kd: no such key");
    if (!strcmp(o->task, "wait")) return wait_for_stop(inv, err, false);
    if (!strcmp(o->task, "deaf")) return wait_for_stop(inv, err, true);
    kd_say(inv, "working");
    return kd_print(err, "%d %d %d %d %s|%s\n", (int)o->epochs, (int)kd_pool_threads(inv->pool),
                    openblas_get_num_threads(), (int)inv->args.n_operands,
                    inv->common.output ? inv->common.output : "none", inv->command);
}

const struct kd_program kd_program = {.name = "kd-probe",
                                      .computes = true,
                                      .usage = "[OPTION]... [A [B]]",
                                      .summary = "Tries main().",
                                      .details = "Examples:\n  kd-probe\n",
                                      .sections = probe_sections,
                                      .max_operands = 2,
                                      .options_size = sizeof(struct options),
                                      .work = probe};

struct child {
    pid_t pid;
    FILE *out, *err;
    char text[8192], errors[8192];
};

/* `to` is where standard output goes; -1: to a file that child_end reads. */
static void child_start(struct child *c, int to, int argc, const char *const *words)
{
    memset(c, 0, sizeof *c);
    c->out = tmpfile();
    c->err = tmpfile();
    assert_true(c->out && c->err);
    fflush(NULL);
    c->pid = fork();
    assert_true(c->pid >= 0);
    if (c->pid) return;
    char *argv[12];
    for (int i = 0; i < argc; i++) argv[i] = strdup(words[i]);
    dup2(to >= 0 ? to : fileno(c->out), STDOUT_FILENO);
    dup2(fileno(c->err), STDERR_FILENO);
    int status = kd_main(argc, argv);
    for (int i = 0; i < argc; i++) free(argv[i]);
    exit(status); /* not _exit: the leak checker has its say */
}

static void read_all(FILE *f, char *out, size_t room)
{
    rewind(f);
    out[fread(out, 1, room - 1, f)] = '\0';
    fclose(f);
}

/* Exit status, or minus the signal that ended it. */
static int child_end(struct child *c)
{
    int status;
    assert_int_equal(waitpid(c->pid, &status, 0), c->pid);
    read_all(c->out, c->text, sizeof c->text);
    read_all(c->err, c->errors, sizeof c->errors);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

#define KD_WORDS(...)                                                                              \
    (int)(sizeof((const char *[]){"kd-probe", __VA_ARGS__}) / sizeof(char *)), (const char *[])    \
    {                                                                                              \
        "kd-probe", __VA_ARGS__                                                                    \
    }

static int setup(void **state)
{
    (void)state;
    return unsetenv("OPENBLAS_CORETYPE");
}

static void runs(void **state)
{
    (void)state;
    struct child c;
    setenv("OPENBLAS_NUM_THREADS", "7", 1);
    child_start(&c, -1, KD_WORDS("-e5", "--threads", "2", "-o", "x/y", "a b", "it's"));
    assert_int_equal(child_end(&c), 0);
    assert_string_equal(c.text, "5 2 1 2 x/y|kd-probe -e5 --threads 2 -o x/y 'a b' 'it'\\''s'\n");
    assert_string_equal(c.errors, "kd-probe: working\n");
    child_start(&c, -1, KD_WORDS("--no-provenance", "-q", "--threads=1"));
    assert_int_equal(child_end(&c), 0);
    assert_string_equal(c.text, "3 1 1 0 none|\n");
    assert_string_equal(c.errors, "");
}

static void helps(void **state)
{
    (void)state;
    struct child c;
    child_start(&c, -1, KD_WORDS("--help", "too", "many", "words"));
    assert_int_equal(child_end(&c), 0);
    assert_ptr_equal(
        strstr(c.text, "usage: kd-probe [OPTION]... [A [B]]\n\nTries main().\n\nProbe:\n"), c.text);
    assert_non_null(strstr(c.text, "\nCommon options:\n"));
    assert_non_null(strstr(c.text, "\n\nExamples:\n  kd-probe\n"));
    assert_string_equal(c.errors, "");
    child_start(&c, -1, KD_WORDS("--version"));
    assert_int_equal(child_end(&c), 0);
    assert_ptr_equal(strstr(c.text, "kd-probe (kd) " KD_VERSION "\ncompiler: "), c.text);
    assert_non_null(strstr(c.text, KD_BUILD));
    assert_non_null(strstr(c.text, "\nBLAS: OpenBLAS "));
    assert_non_null(strstr(c.text, "\nkernels: "));
}

static void refuses(void **state)
{
    (void)state;
    struct child c;
    child_start(&c, -1, KD_WORDS("--epoch=3"));
    assert_int_equal(child_end(&c), 2);
    assert_string_equal(c.errors, "kd-probe: --epoch: no such option; did you mean --epochs?\n");
    assert_string_equal(c.text, "");
    child_start(&c, -1, KD_WORDS("1", "2", "3"));
    assert_int_equal(child_end(&c), 2);
    assert_string_equal(
        c.errors, "kd-probe: 3: one argument too many; usage: kd-probe [OPTION]... [A [B]]\n");
    child_start(&c, -1, KD_WORDS("--task", "usage"));
    assert_int_equal(child_end(&c), 2);
    assert_string_equal(c.errors, "kd-probe: students.kd: no such key\n");
    child_start(&c, -1, KD_WORDS("--task", "fail", "--quiet"));
    assert_int_equal(child_end(&c), 1);
    assert_string_equal(c.errors, "kd-probe: m.safetensors: byte 8: broken\n");
}

static void bad_kd_cpu(void **state)
{
    (void)state;
    struct child c;
    setenv("KD_CPU", "abacus", 1);
    child_start(&c, -1, KD_WORDS("--task=show"));
    unsetenv("KD_CPU");
    assert_int_equal(child_end(&c), 2);
    assert_ptr_equal(strstr(c.errors, "kd-probe: KD_CPU=abacus: "), c.errors);
}

static void full_output(void **state)
{
    (void)state;
    static const char *const tasks[] = {"--task=show", "--help", "--version"};
    int full = open("/dev/full", O_WRONLY);
    if (full < 0) skip();
    for (size_t i = 0; i < sizeof tasks / sizeof *tasks; i++) {
        struct child c;
        child_start(&c, full, KD_WORDS("-q", tasks[i]));
        assert_int_equal(child_end(&c), 1);
        assert_string_equal(c.errors, "kd-probe: standard output: No space left on device\n");
    }
    close(full);
}

static void closed_reader(void **state)
{
    (void)state;
    int ends[2];
    struct child c;
    assert_int_equal(pipe(ends), 0);
    close(ends[0]);
    signal(SIGPIPE, SIG_IGN); /* as some parents leave it */
    child_start(&c, ends[1], KD_WORDS("--task=show"));
    signal(SIGPIPE, SIG_DFL);
    assert_int_equal(child_end(&c), -SIGPIPE);
    close(ends[1]);
}

/* Starts `task`, waits for its "ready", sends the signals 20 ms apart. */
static int stopped(struct child *c, const char *task, const int *signals, size_t n)
{
    int ends[2];
    char ready[8];
    assert_int_equal(pipe(ends), 0);
    child_start(c, ends[1], KD_WORDS("--task", task));
    close(ends[1]);
    assert_int_equal(read(ends[0], ready, 6), 6);
    close(ends[0]);
    for (size_t i = 0; i < n; i++) {
        kill(c->pid, signals[i]);
        usleep(20000);
    }
    return child_end(c);
}

static void stops(void **state)
{
    (void)state;
    struct child c;
    signal(SIGINT, SIG_DFL); /* whatever started the tests */
    assert_int_equal(stopped(&c, "wait", (const int[]){SIGINT}, 1), 130);
    assert_string_equal(c.errors, "kd-probe: tidied up\nkd-probe: stopped\n");
    assert_int_equal(stopped(&c, "wait", (const int[]){SIGTERM}, 1), 143);
    assert_int_equal(stopped(&c, "deaf", (const int[]){SIGINT, SIGINT}, 2), 130);
    assert_string_equal(c.errors, "");
    assert_int_equal(stopped(&c, "deaf", (const int[]){SIGINT, SIGTERM}, 2), 143);
    signal(SIGINT, SIG_IGN); /* in the background of a script: SIGINT is not for it */
    assert_int_equal(stopped(&c, "wait", (const int[]){SIGINT, SIGTERM}, 2), 143);
    signal(SIGINT, SIG_DFL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(runs, setup),          cmocka_unit_test_setup(helps, setup),
        cmocka_unit_test_setup(refuses, setup),       cmocka_unit_test_setup(full_output, setup),
        cmocka_unit_test_setup(closed_reader, setup), cmocka_unit_test_setup(stops, setup),
        cmocka_unit_test_setup(bad_kd_cpu, setup),
    };
    return cmocka_run_group_tests_name("main", tests, NULL, NULL);
}
