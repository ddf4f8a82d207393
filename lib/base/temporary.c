#include "temporary.h"
#include "kd/base/file.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Whoever takes a name out of its slot owns it: the writer, which then frees it, or a signal handler,
 * which cannot free and leaves that to the end of the process. */
static _Atomic(char *) temporaries[KD_TEMPORARIES];

int kd_temporary_register(char *name)
{
    for (unsigned i = 0; i < KD_TEMPORARIES; i++) {
        char *none = NULL;
        if (atomic_compare_exchange_strong(&temporaries[i], &none, name)) return 0;
    }
    return -1;
}

void kd_temporary_forget(char *name)
{
    for (unsigned i = 0; i < KD_TEMPORARIES; i++) {
        char *expected = name;
        if (atomic_compare_exchange_strong(&temporaries[i], &expected, NULL)) {
            kd_free(name);
            return;
        }
    }
}

void kd_outfile_abandon_all(void)
{
    int saved = errno;
    for (unsigned i = 0; i < KD_TEMPORARIES; i++) {
        char *name = atomic_exchange(&temporaries[i], NULL);
        if (name) unlink(name);
    }
    errno = saved;
}

char *kd_temporary_name(const char *folder, struct kd_err *err)
{
    struct timespec now = {0};
    clock_gettime(CLOCK_REALTIME, &now);
    return kd_format(err, "%s.kd-%ld-%llx%08lx.tmp", folder, (long)getpid(), (unsigned long long)now.tv_sec,
                     (unsigned long)now.tv_nsec);
}

/* The process in a name that kd_temporary_name gave, or 0 for any other name. */
static long writer_of(const char *name)
{
    long writer = 0;
    if (strncmp(name, ".kd-", 4) != 0) return 0;
    const char *p = name + 4;
    for (; *p >= '0' && *p <= '9' && writer < 1000000000L; p++) writer = 10 * writer + (*p - '0');
    if (*p != '-') return 0;
    size_t hex = strspn(p + 1, "0123456789abcdef");
    return hex > 8 && strcmp(p + 1 + hex, ".tmp") == 0 ? writer : 0;
}

void kd_leftovers_remove(const char *folder, time_t until)
{
    DIR *dir = opendir(*folder ? folder : ".");
    const struct dirent *entry;
    struct kd_err ignored;
    struct stat st;
    while (dir && (entry = readdir(dir))) {
        long writer = writer_of(entry->d_name);
        if (!writer || (writer != getpid() && (kill((pid_t)writer, 0) == 0 || errno != ESRCH))) continue;
        char *path = kd_path_join(&ignored, folder, entry->d_name);
        if (path && lstat(path, &st) == 0 && S_ISREG(st.st_mode) && st.st_mtime <= until) unlink(path);
        kd_free(path);
    }
    if (dir) closedir(dir);
}
