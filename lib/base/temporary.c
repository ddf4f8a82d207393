#include "temporary.h"
#include "kd/base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
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

char *kd_temporary_name(const char *folder, struct kd_err *err)
{
    struct timespec now = {0};
    clock_gettime(CLOCK_REALTIME, &now);
    return kd_format(err, "%s.kd-%ld-%llx%08lx.tmp", folder, (long)getpid(),
                     (unsigned long long)now.tv_sec, (unsigned long)now.tv_nsec);
}

/* A name as kd_temporary_name gives them, or gave them before. */
static bool is_temporary(const char *name)
{
    if (strncmp(name, ".kd-", 4) != 0) return false;
    const size_t digits = strspn(name + 4, "0123456789");
    if (digits == 0 || name[4 + digits] != '-') return false;
    const char *p = name + 4 + digits + 1;
    const size_t hex = strspn(p, "0123456789abcdef");
    return hex > 8 && strcmp(p + hex, ".tmp") == 0;
}

/* Who writes holds a lock on the temporary itself, whatever machine or container it is on; the
 * kernel takes it away with the process. Without locks (some network disks) nothing is removed. */
int kd_temporary_lock(int fd)
{
    return flock(fd, LOCK_EX | LOCK_NB);
}

bool kd_temporary_is_there(int fd, const char *path)
{
    struct stat ours, theirs;
    return fstat(fd, &ours) == 0 && stat(path, &theirs) == 0 && ours.st_ino == theirs.st_ino &&
           ours.st_dev == theirs.st_dev;
}

bool kd_temporary_claim(int fd, const char *path)
{
    const bool taken = kd_temporary_lock(fd) < 0 && errno == EWOULDBLOCK;
    return !taken && kd_temporary_is_there(fd, path);
}

/* Open, and locked by us: nobody writes it. -1: somebody does, or it cannot be told. */
static int take_leaving(const char *path)
{
    const int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || kd_temporary_lock(fd) == 0) return fd;
    close(fd);
    return -1;
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

/* Temporary folders and what locks them, until they are in place or gone. */
static struct {
    char *_Atomic name;
    int fd;
} folders[8];

/* False: somebody swept it away before it was locked. */
static bool folder_lock(char *name)
{
    const int fd = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return errno != ENOENT;
    if (!kd_temporary_claim(fd, name)) {
        close(fd);
        return false;
    }
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        char *none = NULL;
        if (!atomic_compare_exchange_strong(&folders[i].name, &none, name)) continue;
        folders[i].fd = fd;
        return true;
    }
    close(fd); /* more at once than kd makes: without a lock, then */
    return true;
}

static void folder_unlock(const char *name)
{
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
        if (atomic_load(&folders[i].name) == name) {
            close(folders[i].fd);
            atomic_store(&folders[i].name, NULL);
        }
}

void kd_folder_discard(const char *temporary)
{
    remove_tree(temporary, DEPTH);
    folder_unlock(temporary);
}

static char *make_locked_folder(const char *folder, struct kd_err *err)
{
    for (int tries = 0; tries < 100; tries++) {
        char *name = kd_temporary_name(folder, err); /* another name at each moment */
        if (!name) return NULL;
        if (mkdir(name, 0777) == 0) {
            if (folder_lock(name)) return name;
            errno = EEXIST;
        }
        const int why = errno;
        kd_free(name);
        errno = why;
        if (why != EEXIST) break;
    }
    kd_fail_errno(err, "%s: cannot make a folder here", *folder ? folder : ".");
    return NULL;
}

char *kd_folder_begin(const char *beside, struct kd_err *err)
{
    const char *slash = strrchr(beside, '/');
    char *folder = kd_format(err, "%.*s", slash ? (int)(slash - beside + 1) : 0, beside);
    char *name = NULL;
    if (folder && (!*folder || kd_folders_make(folder, err) == 0)) {
        kd_leftovers_sweep(folder);
        name = make_locked_folder(folder, err);
    }
    kd_free(folder);
    return name;
}

/* All its files at once: an fsync for each of thousands would take minutes. */
static int sync_all(const char *folder, struct kd_err *err)
{
#ifdef __linux__
    const int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int status = fd < 0 ? -1 : syncfs(fd);
    if (status < 0 && fd >= 0 && errno == ENOSYS) {
        sync();
        status = 0;
    }
    if (status < 0) kd_fail_errno(err, "%s: cannot write", folder);
    if (fd >= 0) close(fd);
    return status;
#else
    (void)folder, (void)err;
    sync();
    return 0;
#endif
}

int kd_folder_commit(const char *temporary, const char *path, struct kd_err *err)
{
    int status = sync_all(temporary, err);
    if (status == 0 && rename(temporary, path) < 0)
        status = kd_fail_errno(err, "%s: cannot put the new folder in place", path);
    if (status == 0) kd_entry_sync(path);
    if (status < 0) kd_folder_discard(temporary);
    folder_unlock(temporary);
    return status;
}

/* Once for each folder that is written to, or nearly: the one before is remembered. */
void kd_leftovers_sweep(const char *folder)
{
    static atomic_ullong last;
    struct stat st;
    if (stat(*folder ? folder : ".", &st) < 0) return;
    unsigned long long key = ((unsigned long long)st.st_dev << 48) ^ (unsigned long long)st.st_ino;
    if (atomic_exchange(&last, key) != key) kd_leftovers_remove(folder, 0);
}

static void remove_leaving(const char *path)
{
    struct stat st;
    const int fd = take_leaving(path);
    if (fd < 0) return;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) unlink(path);
    if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode)) kd_folder_discard(path);
    close(fd);
}

void kd_leftovers_remove(const char *folder, unsigned depth)
{
    DIR *dir = opendir(*folder ? folder : ".");
    const struct dirent *entry;
    struct kd_err ignored;
    struct stat st;
    while (dir && (entry = readdir(dir))) {
        const bool temporary = is_temporary(entry->d_name);
        if (!temporary && (!depth || entry->d_name[0] == '.')) continue;
        char *path = kd_path_join(&ignored, folder, entry->d_name);
        if (path && temporary)
            remove_leaving(path);
        else if (path && lstat(path, &st) == 0 && S_ISDIR(st.st_mode))
            kd_leftovers_remove(path, depth - 1);
        kd_free(path);
    }
    if (dir) closedir(dir);
}
