/* A library to be preloaded that makes the n-th call of a kind fail. Linux with glibc.
 *
 *     KD_FAIL=alloc:12    LD_PRELOAD=.../fail.so kd-eval model.safetensors ...
 *     KD_FAIL=write:3+    the third and all that follow (a full disk stays full)
 *     KD_FAIL=read:2:short    does half of what it was asked for;  :eintr  is interrupted once
 *     KD_SLOW=MS:FILE     sleeps so long before each write, fsync and rename of a checkpoint;
 *                         FILE is there while it does
 *     KD_FAIL_LOG=FILE    at exit writes a line "kind calls" for each kind, and "fired 0|1"
 *
 * Kinds: alloc (malloc, calloc, realloc, aligned_alloc, posix_memalign), open, openat, read, write,
 * fsync, syncfs, rename, link (and linkat), unlink (and unlinkat, rmdir), mkdir, fcntl, close.
 * Counting starts when main is near; calls that OpenBLAS or libc's own streams make
 * are not counted. A program under test may look up (dlsym) `kd_fail_fired` and `kd_fail_live`, the
 * allocations not yet freed. Allocations go on to whatever allocator comes next, so that with
 * programs built by `make MODE=leak` LeakSanitizer sees them.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum kind {
    ALLOC,
    OPEN,
    OPENAT,
    READ,
    WRITE,
    FSYNC,
    SYNCFS,
    RENAME,
    LINK,
    UNLINK,
    MKDIR,
    FCNTL,
    CLOSE,
    KINDS
};
enum how { PASS, FAIL, SHORT, INTERRUPT };

static const struct {
    const char *name;
    int code;
} kinds[KINDS] = {
    [ALLOC] = {"alloc", ENOMEM},   [OPEN] = {"open", EMFILE},     [OPENAT] = {"openat", EMFILE},
    [READ] = {"read", EIO},        [WRITE] = {"write", ENOSPC},   [FSYNC] = {"fsync", EIO},
    [SYNCFS] = {"syncfs", EIO},    [RENAME] = {"rename", EACCES}, [LINK] = {"link", EPERM},
    [UNLINK] = {"unlink", EACCES}, [MKDIR] = {"mkdir", ENOSPC},   [FCNTL] = {"fcntl", EMFILE},
    [CLOSE] = {"close", EIO},
};

extern atomic_long kd_fail_live;
extern atomic_int kd_fail_fired;
atomic_long kd_fail_live;
atomic_int kd_fail_fired;

static atomic_long calls[KINDS];
static bool armed, ever_after;
static enum kind chosen = KINDS;
static long which;
static enum how manner = FAIL;
static uintptr_t blas_from, blas_to;

static enum how verdict(enum kind kind, const void *caller)
{
    if (!armed || ((uintptr_t)caller >= blas_from && (uintptr_t)caller < blas_to)) return PASS;
    long n = atomic_fetch_add(&calls[kind], 1) + 1;
    if (kind != chosen || (ever_after ? n < which : n != which)) return PASS;
    atomic_store(&kd_fail_fired, 1);
    errno = manner == INTERRUPT ? EINTR : kinds[kind].code;
    return manner;
}

/* Kills can be aimed at the moments in which a file is being written when these are long; FILE
 * tells of them. */
static const char *slow_mark;
static long slow_ms;
static atomic_int slow_fd = -2; /* the checkpoint's; its first write has the key of its state */

static void pause_here(void)
{
    struct timespec pause = {slow_ms / 1000, slow_ms % 1000 * 1000000};
    int fd = (int)syscall(SYS_openat, AT_FDCWD, slow_mark, O_CREAT | O_WRONLY | O_CLOEXEC, 0666);
    nanosleep(&pause, NULL);
    if (fd < 0) return;
    syscall(SYS_close, fd);
    syscall(SYS_unlinkat, AT_FDCWD, slow_mark, 0);
}

static void slow(int fd, const void *data, size_t size)
{
    if (!slow_ms) return;
    if (data && memmem(data, size, "\"kd.state\"", 10)) atomic_store(&slow_fd, fd);
    if (fd >= 0 && fd != atomic_load(&slow_fd)) return;
    pause_here();
}

/* The function that would have been called without this library. */
static void *next(const char *name)
{
    void *f = dlsym(RTLD_NEXT, name);
    if (!f) abort();
    return f;
}
#define NEXT(function)                                                                             \
    static __typeof__(function) *real;                                                             \
    if (!real) {                                                                                   \
        void *found = next(#function);                                                             \
        memcpy(&real, &found, sizeof real);                                                        \
    }

static void *counted(void *p)
{
    if (p) atomic_fetch_add(&kd_fail_live, 1);
    return p;
}

#define REFUSED(kind) (verdict(kind, __builtin_return_address(0)) != PASS)

/* The allocator that comes next, found once. dlsym may want memory itself: that comes from a small
 * store and stays. */
static struct {
    __typeof__(malloc) *malloc;
    __typeof__(calloc) *calloc;
    __typeof__(realloc) *realloc;
    __typeof__(aligned_alloc) *aligned_alloc;
    __typeof__(posix_memalign) *posix_memalign;
    __typeof__(free) *free;
} allocator;
static bool looking, all_found;
static _Alignas(64) char store[8192];
static size_t stored;

static void *from_store(size_t size)
{
    char *p = store + stored;
    stored += (size + 63) / 64 * 64;
    if (stored > sizeof store) abort();
    return p;
}

#define FIND(function)                                                                             \
    {                                                                                              \
        void *f = next(#function);                                                                 \
        memcpy(&allocator.function, &f, sizeof f);                                                 \
    }

/* False while dlsym is at it. The first call is the loader's or the sanitizer's, before there are
 * threads. */
static bool ready(void)
{
    if (all_found) return true;
    if (looking) return false;
    looking = true;
    FIND(malloc)
    FIND(calloc)
    FIND(realloc)
    FIND(aligned_alloc)
    FIND(posix_memalign)
    FIND(free)
    return all_found = true;
}

void *malloc(size_t size)
{
    if (!ready()) return from_store(size);
    return REFUSED(ALLOC) ? NULL : counted(allocator.malloc(size));
}

void *calloc(size_t n, size_t size)
{
    if (!ready()) return from_store(n * size);
    return REFUSED(ALLOC) ? NULL : counted(allocator.calloc(n, size));
}

void *realloc(void *p, size_t size)
{
    if (!ready()) abort();
    if (REFUSED(ALLOC)) return NULL;
    return p ? allocator.realloc(p, size) : counted(allocator.realloc(p, size));
}

void *aligned_alloc(size_t alignment, size_t size)
{
    if (!ready()) abort();
    return REFUSED(ALLOC) ? NULL : counted(allocator.aligned_alloc(alignment, size));
}

int posix_memalign(void **p, size_t alignment, size_t size)
{
    if (!ready()) abort();
    if (REFUSED(ALLOC)) return ENOMEM;
    int status = allocator.posix_memalign(p, alignment, size);
    if (status == 0) counted(*p);
    return status;
}

void free(void *p)
{
    if (!p || ((char *)p >= store && (char *)p < store + sizeof store) || !ready()) return;
    atomic_fetch_sub(&kd_fail_live, 1);
    allocator.free(p);
}

int open(const char *path, int flags, ...)
{
    NEXT(open)
    va_list args;
    va_start(args, flags);
    int mode = flags & O_CREAT ? va_arg(args, int) : 0;
    va_end(args);
    return REFUSED(OPEN) ? -1 : real(path, flags, mode);
}

/* What open and read are called in programs built with _FORTIFY_SOURCE, where the compiler cannot
 * tell that the arguments are right. */
int __open_2(const char *path, int flags);
int __open_2(const char *path, int flags)
{
    NEXT(open)
    return REFUSED(OPEN) ? -1 : real(path, flags);
}

ssize_t __read_chk(int fd, void *to, size_t size, size_t room);
ssize_t __read_chk(int fd, void *to, size_t size, size_t room)
{
    NEXT(__read_chk)
    enum how how = verdict(READ, __builtin_return_address(0));
    if (how == FAIL || how == INTERRUPT) return -1;
    return real(fd, to, how == SHORT ? (size + 1) / 2 : size, room);
}

ssize_t read(int fd, void *to, size_t size)
{
    NEXT(read)
    enum how how = verdict(READ, __builtin_return_address(0));
    if (how == FAIL || how == INTERRUPT) return -1;
    return real(fd, to, how == SHORT ? (size + 1) / 2 : size);
}

ssize_t write(int fd, const void *from, size_t size)
{
    NEXT(write)
    slow(fd, from, size);
    enum how how = verdict(WRITE, __builtin_return_address(0));
    if (how == FAIL || how == INTERRUPT) return -1;
    return real(fd, from, how == SHORT ? (size + 1) / 2 : size);
}

int fsync(int fd)
{
    NEXT(fsync)
    slow(fd, NULL, 0);
    return REFUSED(FSYNC) ? -1 : real(fd);
}

int rename(const char *from, const char *to)
{
    NEXT(rename)
    if (strstr(to, "checkpoint.safetensors")) slow(-1, NULL, 0);
    return REFUSED(RENAME) ? -1 : real(from, to);
}

int openat(int folder, const char *path, int flags, ...)
{
    NEXT(openat)
    va_list args;
    va_start(args, flags);
    int mode = flags & O_CREAT ? va_arg(args, int) : 0;
    va_end(args);
    return REFUSED(OPENAT) ? -1 : real(folder, path, flags, mode);
}

int syncfs(int fd)
{
    NEXT(syncfs)
    return REFUSED(SYNCFS) ? -1 : real(fd);
}

int link(const char *from, const char *to)
{
    NEXT(link)
    return REFUSED(LINK) ? -1 : real(from, to);
}

int linkat(int from_folder, const char *from, int to_folder, const char *to, int flags)
{
    NEXT(linkat)
    return REFUSED(LINK) ? -1 : real(from_folder, from, to_folder, to, flags);
}

int unlink(const char *path)
{
    NEXT(unlink)
    return REFUSED(UNLINK) ? -1 : real(path);
}

int unlinkat(int folder, const char *path, int flags)
{
    NEXT(unlinkat)
    return REFUSED(UNLINK) ? -1 : real(folder, path, flags);
}

int rmdir(const char *path)
{
    NEXT(rmdir)
    return REFUSED(UNLINK) ? -1 : real(path);
}

int mkdir(const char *path, mode_t mode)
{
    NEXT(mkdir)
    return REFUSED(MKDIR) ? -1 : real(path, mode);
}

/* What follows is a number or an address, or nothing; it is passed on as it came. */
int fcntl(int fd, int what, ...)
{
    NEXT(fcntl)
    va_list args;
    va_start(args, what);
    void *more = va_arg(args, void *);
    va_end(args);
    return REFUSED(FCNTL) ? -1 : real(fd, what, more);
}

/* As on a real disk: the descriptor is gone, and so may be what was written to it. */
int close(int fd)
{
    NEXT(close)
    if (fd == atomic_load(&slow_fd)) atomic_store(&slow_fd, -2);
    int status = real(fd);
    return REFUSED(CLOSE) ? -1 : status;
}

static int find_blas(struct dl_phdr_info *info, size_t size, void *unused)
{
    (void)size;
    (void)unused;
    if (!strstr(info->dlpi_name, "openblas")) return 0;
    blas_from = info->dlpi_addr;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        uintptr_t end = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr + info->dlpi_phdr[i].p_memsz;
        if (info->dlpi_phdr[i].p_type == PT_LOAD && end > blas_to) blas_to = end;
    }
    return 1;
}

static void wrong(const char *text)
{
    fprintf(stderr, "fail.so: KD_FAIL=%s: expected KIND:N, KIND:N+ or KIND:N:short|eintr\n", text);
    _exit(99);
}

__attribute__((constructor)) static void arm(void)
{
    const char *text = getenv("KD_FAIL"), *pause = getenv("KD_SLOW");
    if (pause) {
        char *end;
        slow_ms = strtol(pause, &end, 10);
        slow_mark = end + (*end == ':');
    }
    dl_iterate_phdr(find_blas, NULL);
    if (text) {
        char *end;
        size_t n = strcspn(text, ":");
        for (int k = 0; k < KINDS; k++)
            if (strlen(kinds[k].name) == n && strncmp(text, kinds[k].name, n) == 0)
                chosen = (enum kind)k;
        if (chosen == KINDS || text[n] != ':') wrong(text);
        which = strtol(text + n + 1, &end, 10);
        ever_after = *end == '+';
        end += ever_after;
        if (strcmp(end, ":short") == 0)
            manner = SHORT;
        else if (strcmp(end, ":eintr") == 0)
            manner = INTERRUPT;
        else if (*end || which < 1)
            wrong(text);
    }
    armed = true;
}

__attribute__((destructor)) static void log_calls(void)
{
    armed = false;
    const char *path = getenv("KD_FAIL_LOG");
    FILE *f = path ? fopen(path, "w") : NULL;
    if (!f) return;
    for (int k = 0; k < KINDS; k++) fprintf(f, "%s %ld\n", kinds[k].name, atomic_load(&calls[k]));
    fprintf(f, "fired %d\n", atomic_load(&kd_fail_fired));
    fclose(f);
}
