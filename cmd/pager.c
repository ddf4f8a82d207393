#include "pager.h"
#include "kd/base/terminal.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* The command, or NULL where none is wanted or of use. */
static const char *pager_wanted(const char *text)
{
    static const char usual[] = "if command -v less >/dev/null; then exec less; else exec cat; fi";
    const char *term = getenv("TERM"), *own = getenv("KD_PAGER");
    size_t lines = 0, rows = kd_terminal_rows(STDOUT_FILENO);
    for (const char *p = text; (p = strchr(p, '\n')); p++) lines++;
    if (!rows || lines < rows || !term || strcmp(term, "dumb") == 0) return NULL;
    if (!own) own = getenv("PAGER");
    if (!own) return usual;
    return *own && strcmp(own, "cat") != 0 ? own : NULL;
}

/* What is typed at the pager is the pager's; it may end before it has read all. */
static void leave_to_pager(bool begins)
{
    static const int theirs[] = {SIGINT, SIGQUIT, SIGPIPE};
    static struct sigaction before[sizeof theirs / sizeof *theirs];
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    for (size_t i = 0; i < sizeof theirs / sizeof *theirs; i++)
        if (begins)
            sigaction(theirs[i], &ignore, &before[i]);
        else
            sigaction(theirs[i], &before[i], NULL);
}

/* Did the command show it? A shell that finds no such command says so with 126 or 127. */
static bool pager_ran(const char *command, const char *text, size_t size)
{
    setenv("LESS", "FRX", 0); /* less ends by itself where all fits, and leaves it on the screen */
    fflush(stdout);
    FILE *to = popen(command, "w"); /* NOLINT(cert-env33-c): the person's own, for the shell */
    if (!to) return false;
    leave_to_pager(true);
    fwrite(text, 1, size, to); /* it may have ended early, which is no error */
    const int status = pclose(to);
    leave_to_pager(false);
    return !(status == -1 || (WIFEXITED(status) && WEXITSTATUS(status) >= 126));
}

int pager_print(const char *text, size_t size, struct kd_err *err)
{
    const char *command = pager_wanted(text);
    if (command && pager_ran(command, text, size)) return 0;
    return fwrite(text, 1, size, stdout) == size ? 0 : kd_fail_errno(err, "standard output");
}
