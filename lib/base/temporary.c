#include "temporary.h"
#include "kd/base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Whoever takes a name out of its slot owns it: the writer, which then frees it, or a signal
 * handler, which cannot free and leaves that to the end of the process. */
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

/* Folders may be shared by machines, whose processes one cannot ask after: names hold the machine's
 * (FNV-1a). */
static unsigned machine(void)
{
    char name[256] = "";
    unsigned hash = 2166136261u;
    if (gethostname(name, sizeof name - 1) < 0) name[0] = '\0';
    for (const char *p = name; *p; p++) hash = (hash ^ (unsigned char)*p) * 16777619u;
    return hash;
}

char *kd_temporary_name(const char *folder, struct kd_err *err)
{
    struct timespec now = {0};
    clock_gettime(CLOCK_REALTIME, &now);
    return kd_format(err, "%s.kd-%ld-%llx%08lx%08x.tmp", folder, (long)getpid(),
                     (unsigned long long)now.tv_sec, (unsigned long)now.tv_nsec, machine());
}

/* The process in a name that kd_temporary_name gave on this machine, or 0 for any other name. */
static long writer_of(const char *name)
{
    long writer = 0;
    if (strncmp(name, ".kd-", 4) != 0) return 0;
    const char *p = name + 4;
    for (; *p >= '0' && *p <= '9' && writer < 1000000000L; p++) writer = 10 * writer + (*p - '0');
    if (*p != '-') return 0;
    char end[16];
    size_t hex = strspn(p + 1, "0123456789abcdef");
    snprintf(end, sizeof end, "%08x.tmp", machine());
    return hex > 16 && strcmp(p + 1 + hex - 8, end) == 0 ? writer : 0;
}

enum { DEPTH = 3 }; /* of folders in a temporary one */

static void remove_tree(const char *folder, unsigned depth)
{
    struct kd_err ignored;
    DIR *dir = opendir(folder);
    const struct dirent *e;
    while (dir && (e = readdir(dir))) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) continue;
        char *path = kd_path_join(&ignored, folder, e->d_name);
        if (path && unlink(path) != 0 && depth > 0) remove_tree(path, depth - 1);
        kd_free(path);
    }
    if (dir) closedir(dir);
    rmdir(folder);
}

void kd_folder_discard(const char *temporary)
{
    remove_tree(temporary, DEPTH);
}

char *kd_folder_begin(const char *beside, struct kd_err *err)
{
    char *folder = kd_format(
        err, "%.*s", strrchr(beside, '/') ? (int)(strrchr(beside, '/') - beside + 1) : 0, beside);
    if (!folder) return NULL;
    char *name =
        *folder && kd_folders_make(folder, err) < 0 ? NULL : kd_temporary_name(folder, err);
    if (name) kd_leftovers_sweep(folder);
    kd_free(folder);
    if (!name || mkdir(name, 0777) == 0) return name;
    kd_fail_errno(err, "%s: cannot make this folder", name);
    kd_free(name);
    return NULL;
}

/* All its files at once: an fsync for each of thousands would take minutes. */
static void sync_all(const char *folder)
{
#ifdef __linux__
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || syncfs(fd) < 0) sync();
    if (fd >= 0) close(fd);
#else
    (void)folder;
    sync();
#endif
}

int kd_folder_commit(const char *temporary, const char *path, struct kd_err *err)
{
    sync_all(temporary);
    if (rename(temporary, path) == 0) return 0;
    kd_fail_errno(err, "%s: cannot put the new folder in place", path);
    kd_folder_discard(temporary);
    return -1;
}

/* Once for each folder that is written to, or nearly: the one before is remembered. Own files,
 * which a thread may be writing, are younger than `start`. */
void kd_leftovers_sweep(const char *folder)
{
    static atomic_llong start;
    static atomic_ullong last;
    struct stat st;
    long long none = 0;
    if (stat(*folder ? folder : ".", &st) < 0) return;
    unsigned long long key = ((unsigned long long)st.st_dev << 48) ^ (unsigned long long)st.st_ino;
    if (atomic_exchange(&last, key) == key) return;
    atomic_compare_exchange_strong(&start, &none, (long long)time(NULL));
    kd_leftovers_remove(folder, (time_t)atomic_load(&start) - 1);
}

void kd_leftovers_remove(const char *folder, time_t until)
{
    DIR *dir = opendir(*folder ? folder : ".");
    const struct dirent *entry;
    struct kd_err ignored;
    struct stat st;
    while (dir && (entry = readdir(dir))) {
        long writer = writer_of(entry->d_name);
        if (!writer || (writer != getpid() && (kill((pid_t)writer, 0) == 0 || errno != ESRCH)))
            continue;
        char *path = kd_path_join(&ignored, folder, entry->d_name);
        if (path && lstat(path, &st) == 0 && st.st_mtime <= until) {
            if (S_ISREG(st.st_mode)) unlink(path);
            if (S_ISDIR(st.st_mode)) kd_folder_discard(path);
        }
        kd_free(path);
    }
    if (dir) closedir(dir);
}
