/* A library to be preloaded that records what a program does to the files of a folder, for
 * test/torture/power.c. Linux with glibc.
 *
 *     KD_RECORD=FILE KD_RECORD_FOLDER=/absolute/folder LD_PRELOAD=.../record.so kd-train-teacher
 * ...
 *
 * Each line of FILE is one call that succeeded, in order: "OP INODE ARGUMENTS". Names are relative
 * to the folder and stand last; bytes that were written stand in FILE.data, one after another.
 *
 *     open INODE NAME          the name is (now) that of this inode; it may be new
 *     cut INODE SIZE           O_TRUNC, ftruncate
 *     write INODE OFFSET SIZE
 *     sync INODE               fsync, fdatasync of a file
 *     syncdir 0 NAME           fsync of a folder
 *     syncall 0                syncfs
 *     mkdir 0 NAME, rmdir 0 NAME, unlink 0 NAME
 *     rename 0 FROM<tab>TO, link 0 FROM<tab>TO
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;
static int events = -1, bytes = -1;
static const char *folder;
static size_t folder_length;

#define NEXT(name) (__extension__(__typeof__(&(name))) dlsym(RTLD_NEXT, #name))

__attribute__((constructor)) static void begin(void)
{
    const char *file = getenv("KD_RECORD");
    char data[PATH_MAX];
    folder = getenv("KD_RECORD_FOLDER");
    if (!file || !folder) return;
    folder_length = strlen(folder);
    snprintf(data, sizeof data, "%s.data", file);
    events = NEXT(open)(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    bytes = NEXT(open)(data, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (events < 0 || bytes < 0) abort();
}

/* Relative to the folder, in `to`; NULL where it lies elsewhere. */
static const char *inside(int dir, const char *path, char to[PATH_MAX])
{
    char at[PATH_MAX], whole[2 * PATH_MAX], link[64];
    ssize_t n = 0;
    if (events < 0) return NULL;
    if (path[0] != '/') {
        if (dir == AT_FDCWD && !getcwd(at, sizeof at)) return NULL;
        snprintf(link, sizeof link, "/proc/self/fd/%d", dir);
        if (dir != AT_FDCWD && (n = readlink(link, at, sizeof at - 1)) < 0) return NULL;
        if (dir != AT_FDCWD) at[n] = '\0';
    }
    snprintf(whole, sizeof whole, "%s%s%s", path[0] == '/' ? "" : at, path[0] == '/' ? "" : "/",
             strncmp(path, "./", 2) == 0 ? path + 2 : path);
    if (strncmp(whole, folder, folder_length) != 0) return NULL;
    const char *rest = whole + folder_length;
    if (*rest && *rest != '/') return NULL;
    snprintf(to, PATH_MAX, "%s", rest[0] && rest[1] ? rest + 1 : ".");
    const size_t length = strlen(to);
    if (length > 1 && to[length - 1] == '/') to[length - 1] = '\0';
    return to;
}

static const char *inside_open(int fd, char to[PATH_MAX])
{
    char link[64], at[PATH_MAX];
    if (events < 0) return NULL;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    const ssize_t n = readlink(link, at, sizeof at - 1);
    if (n < 0) return NULL;
    at[n] = '\0';
    char *gone = strstr(at, " (deleted)");
    if (gone) *gone = '\0';
    return inside(AT_FDCWD, at, to);
}

static unsigned long long inode_of(int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 ? (unsigned long long)st.st_ino : 0;
}

__attribute__((format(printf, 1, 2))) static void tell(const char *format, ...)
{
    va_list args;
    const int saved = errno;
    va_start(args, format);
    vdprintf(events, format, args);
    va_end(args);
    errno = saved;
}

static void opened(int fd, const char *name, int flags)
{
    struct stat st;
    if (fd < 0 || !name || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) return;
    if ((flags & O_ACCMODE) == O_RDONLY && !(flags & O_CREAT)) return;
    tell("open %llu %s\n", (unsigned long long)st.st_ino, name);
    if (flags & O_TRUNC) tell("cut %llu 0\n", (unsigned long long)st.st_ino);
}

static int open_at(int dir, const char *path, int flags, mode_t mode)
{
    char to[PATH_MAX];
    pthread_mutex_lock(&one_at_a_time);
    const char *name = inside(dir, path, to);
    const int fd = NEXT(openat)(dir, path, flags, mode);
    opened(fd, name, flags);
    pthread_mutex_unlock(&one_at_a_time);
    return fd;
}

#define MODE(flags)                                                                                \
    va_list args;                                                                                  \
    va_start(args, flags);                                                                         \
    const mode_t mode = (flags) & (O_CREAT | O_TMPFILE) ? va_arg(args, mode_t) : 0;                \
    va_end(args)

int open(const char *path, int flags, ...)
{
    MODE(flags);
    return open_at(AT_FDCWD, path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
    MODE(flags);
    return open_at(AT_FDCWD, path, flags, mode);
}

int openat(int dir, const char *path, int flags, ...)
{
    MODE(flags);
    return open_at(dir, path, flags, mode);
}

/* The recorder's own bytes, whole. */
static void keep(const void *data, size_t size)
{
    for (const char *p = data; size;) {
        const ssize_t n = NEXT(write)(bytes, p, size);
        if (n < 0) abort();
        p += n;
        size -= (size_t)n;
    }
}

ssize_t write(int fd, const void *data, size_t size)
{
    char to[PATH_MAX];
    pthread_mutex_lock(&one_at_a_time);
    const ssize_t n = NEXT(write)(fd, data, size);
    const int saved = errno;
    struct stat st;
    if (n > 0 && events >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && inside_open(fd, to)) {
        tell("write %llu %lld %zd\n", (unsigned long long)st.st_ino,
             (long long)lseek(fd, 0, SEEK_CUR) - n, n);
        keep(data, (size_t)n);
    }
    errno = saved;
    pthread_mutex_unlock(&one_at_a_time);
    return n;
}

/* What follows changes one thing and returns 0 where it did. */
#define RECORDED(call, named, ...)                                                                 \
    char to[PATH_MAX];                                                                             \
    pthread_mutex_lock(&one_at_a_time);                                                            \
    const char *name = named;                                                                      \
    const int status = call;                                                                       \
    if (status == 0 && name) tell(__VA_ARGS__);                                                    \
    pthread_mutex_unlock(&one_at_a_time);                                                          \
    return status

static void synced(int fd, const char *name)
{
    struct stat st;
    if (fstat(fd, &st) < 0) return;
    if (S_ISDIR(st.st_mode))
        tell("syncdir 0 %s\n", name);
    else
        tell("sync %llu\n", (unsigned long long)st.st_ino);
}

int fsync(int fd)
{
    char to[PATH_MAX];
    pthread_mutex_lock(&one_at_a_time);
    const int status = NEXT(fsync)(fd);
    if (status == 0 && inside_open(fd, to)) synced(fd, to);
    pthread_mutex_unlock(&one_at_a_time);
    return status;
}

int fdatasync(int fd)
{
    return fsync(fd);
}

int syncfs(int fd)
{
    RECORDED(NEXT(syncfs)(fd), inside_open(fd, to), "syncall 0\n");
}

int ftruncate(int fd, off_t size)
{
    RECORDED(NEXT(ftruncate)(fd, size), inside_open(fd, to), "cut %llu %lld\n", inode_of(fd),
             (long long)size);
}

int mkdir(const char *path, mode_t mode)
{
    RECORDED(NEXT(mkdir)(path, mode), inside(AT_FDCWD, path, to), "mkdir 0 %s\n", name);
}

int rmdir(const char *path)
{
    RECORDED(NEXT(rmdir)(path), inside(AT_FDCWD, path, to), "rmdir 0 %s\n", name);
}

int unlink(const char *path)
{
    RECORDED(NEXT(unlink)(path), inside(AT_FDCWD, path, to), "unlink 0 %s\n", name);
}

int rename(const char *from, const char *onto)
{
    char second[PATH_MAX];
    RECORDED(NEXT(rename)(from, onto),
             inside(AT_FDCWD, from, to) && inside(AT_FDCWD, onto, second) ? to : NULL,
             "rename 0 %s\t%s\n", name, second);
}

int link(const char *from, const char *onto)
{
    char second[PATH_MAX];
    RECORDED(NEXT(link)(from, onto),
             inside(AT_FDCWD, from, to) && inside(AT_FDCWD, onto, second) ? to : NULL,
             "link 0 %s\t%s\n", name, second);
}
