/* A library to be preloaded that makes the n-th call of a kind fail. Linux with glibc.
 *
 *     KD_FAIL=alloc:12    LD_PRELOAD=.../fail.so kd-eval model.safetensors ...
 *     KD_FAIL=write:3+    the third and all that follow (a full disk stays full)
 *     KD_FAIL=read:2:short    does half of what it was asked for;  :eintr  is interrupted once
 *     KD_SLOW=MS:FILE     sleeps so long before each write, fsync and rename, and makes FILE while it does
 *     KD_FAIL_LOG=FILE    at exit writes a line "kind calls" for each kind, and "fired 0|1"
 *
 * Kinds: alloc (malloc, calloc, realloc, aligned_alloc, posix_memalign), open, read, write, fsync,
 * rename, close. Counting starts when main is near; calls that OpenBLAS or libc's own streams make
 * are not counted. A program under test may look up (dlsym) `kd_fail_fired` and `kd_fail_live`, the
 * allocations not yet freed.
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
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum kind { ALLOC, OPEN, READ, WRITE, FSYNC, RENAME, CLOSE, KINDS };
enum how { PASS, FAIL, SHORT, INTERRUPT };

static const struct {
    const char *name;
    int code;
} kinds[KINDS] = {
    [ALLOC] = {"alloc", ENOMEM}, [OPEN] = {"open", EMFILE}, [READ] = {"read", EIO},
    [WRITE] = {"write", ENOSPC}, [FSYNC] = {"fsync", EIO},  [RENAME] = {"rename", EACCES},
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

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
void __libc_free(void *p);

static enum how verdict(enum kind kind, const void *caller)
{
    if (!armed || ((uintptr_t)caller >= blas_from && (uintptr_t)caller < blas_to)) return PASS;
    long n = atomic_fetch_add(&calls[kind], 1) + 1;
    if (kind != chosen || (ever_after ? n < which : n != which)) return PASS;
    atomic_store(&kd_fail_fired, 1);
    errno = manner == INTERRUPT ? EINTR : kinds[kind].code;
    return manner;
}

/* Kills can be aimed at the moments in which a file is being written when these are long; FILE tells of them. */
static const char *slow_mark;
static long slow_ms;

static void slow(void)
{
    if (!slow_ms) return;
    struct timespec pause = {slow_ms / 1000, slow_ms % 1000 * 1000000};
    int fd = (int)syscall(SYS_openat, AT_FDCWD, slow_mark, O_CREAT | O_WRONLY | O_CLOEXEC, 0666);
    nanosleep(&pause, NULL);
    if (fd < 0) return;
    syscall(SYS_close, fd);
    syscall(SYS_unlinkat, AT_FDCWD, slow_mark, 0);
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

void *malloc(size_t size)
{
    return REFUSED(ALLOC) ? NULL : counted(__libc_malloc(size));
}

void *calloc(size_t n, size_t size)
{
    return REFUSED(ALLOC) ? NULL : counted(__libc_calloc(n, size));
}

void *realloc(void *p, size_t size)
{
    if (REFUSED(ALLOC)) return NULL;
    return p ? __libc_realloc(p, size) : counted(__libc_realloc(p, size));
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return REFUSED(ALLOC) ? NULL : counted(__libc_memalign(alignment, size));
}

int posix_memalign(void **p, size_t alignment, size_t size)
{
    if (REFUSED(ALLOC)) return ENOMEM;
    *p = counted(__libc_memalign(alignment, size));
    return *p ? 0 : ENOMEM;
}

void free(void *p)
{
    if (p) atomic_fetch_sub(&kd_fail_live, 1);
    __libc_free(p);
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
    slow();
    enum how how = verdict(WRITE, __builtin_return_address(0));
    if (how == FAIL || how == INTERRUPT) return -1;
    return real(fd, from, how == SHORT ? (size + 1) / 2 : size);
}

int fsync(int fd)
{
    NEXT(fsync)
    slow();
    return REFUSED(FSYNC) ? -1 : real(fd);
}

int rename(const char *from, const char *to)
{
    NEXT(rename)
    slow();
    return REFUSED(RENAME) ? -1 : real(from, to);
}

/* As on a real disk: the descriptor is gone, and so may be what was written to it. */
int close(int fd)
{
    NEXT(close)
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
