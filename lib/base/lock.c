#include "kd/base/lock.h"
#include "kd/base/file.h"
#include "kd/base/progress.h"
#include "temporary.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int open_file(const char *path)
{
    int fd;
    do fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    while (fd < 0 && errno == EINTR);
    return fd;
}

/* 0 locked; otherwise who has it, or -1 where that cannot be told. Without support of the file
 * system, 0. */
static long lock_file(int fd)
{
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (fcntl(fd, F_SETLK, &whole) == 0) return 0;
    if (errno != EACCES && errno != EAGAIN) return 0;
    if (fcntl(fd, F_GETLK, &whole) < 0 || whole.l_type == F_UNLCK) return -1;
    return whole.l_pid > 0 ? (long)whole.l_pid : -1;
}

static int refuse(const char *path, long holder, struct kd_err *err)
{
    const char *slash = strrchr(path, '/');
    int n = slash ? (int)(slash - path) : 1;
    const char *folder = slash ? path : ".";
    if (holder < 0)
        return kd_fail(
            err, "%.*s: another process is writing here; wait for it, or choose another --output",
            n, folder);
    return kd_fail(
        err, "%.*s: process %ld is writing here; wait for it, end it, or choose another --output",
        n, folder, holder);
}

static char *make_folder(const char *path, struct kd_err *err)
{
    const char *slash = strrchr(path, '/');
    char *folder = kd_format(err, "%.*s", slash ? (int)(slash - path) : 0, path);
    if (folder && *folder && kd_folders_make(folder, err) < 0) {
        kd_free(folder);
        folder = NULL;
    }
    return folder;
}

int kd_lock_take(struct kd_lock *lock, const char *path, struct kd_err *err)
{
    *lock = (struct kd_lock){.fd = -1};
    char *folder = make_folder(path, err);
    if (!folder) return -1;
    kd_free(folder);
    for (int tries = 0; tries < 100; tries++) {
        int fd = open_file(path);
        if (fd < 0) return kd_fail_errno(err, "%s: cannot make this file", path);
        long holder = lock_file(fd);
        /* The one before may have removed the file between our open and our lock. */
        if (holder == 0 && kd_temporary_is_there(fd, path)) {
            lock->fd = fd;
            break;
        }
        close(fd); /* nothing was written to it */
        lock->busy = true;
        if (holder > 0 || (holder < 0 && tries == 99)) return refuse(path, holder, err);
    }
    if (lock->fd < 0) return refuse(path, -1, err);
    lock->busy = false;
    lock->path = kd_strdup(path, err);
    if (lock->path && kd_temporary_register(lock->path) == 0) return 0;
    if (lock->path) kd_fail(err, "%s: too many files are being written at once", path);
    kd_free(lock->path);
    lock->path = NULL;
    unlink(path);
    kd_lock_release(lock);
    return -1;
}

int kd_lock_wait(struct kd_lock *lock, const char *path, double seconds, const volatile int *stop,
                 struct kd_err *err)
{
    const double until = kd_seconds() + seconds;
    useconds_t pause = 10000;
    while (kd_lock_take(lock, path, err) < 0) {
        if (!lock->busy || kd_seconds() > until || (stop && *stop)) return -1;
        usleep(pause);
        if (pause < 100000) pause += pause / 2;
    }
    return 0;
}

int kd_lock_keep(struct kd_lock *lock, struct kd_err *err)
{
    if (!lock->path || kd_temporary_is_there(lock->fd, lock->path)) return 0;
    char *path = kd_strdup(lock->path, err);
    if (!path) return -1;
    kd_temporary_forget(lock->path); /* the file, wherever it went, is in nobody's way */
    close(lock->fd);
    int status = kd_lock_take(lock, path, err);
    kd_free(path);
    return status;
}

/* The file goes while the lock is held: whoever waits for it then sees that it is no longer the
 * one. */
void kd_lock_release(struct kd_lock *lock)
{
    if (lock->path) {
        if (kd_temporary_is_there(lock->fd, lock->path)) unlink(lock->path);
        kd_temporary_forget(lock->path);
    }
    if (lock->fd >= 0) close(lock->fd);
    *lock = (struct kd_lock){.fd = -1};
}
