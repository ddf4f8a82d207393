/* A table of the views, which a signal handler can read: a slot's start is set last and cleared
 * first. */
#include "kd/base/view.h"
#include "temporary.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { VIEWS = 64 };

static struct view {
    atomic_uintptr_t start; /* 0: free; 1: being made */
    size_t size;            /* of the file */
    char *path;
    int fd; /* stays open, to ask how the file is */
    struct stat then;
} views[VIEWS];
static const char *_Atomic allowed;
static atomic_bool of_any_size;

/* ---- what happens to files ---- */

static void tell(const char *text)
{
    size_t left = strlen(text);
    while (left > 0) {
        const ssize_t n = write(STDERR_FILENO, text, left);
        if (n <= 0) return;
        text += n;
        left -= (size_t)n;
    }
}

/* Only what is allowed in a signal handler. */
static void on_bus(int number, siginfo_t *info, void *context)
{
    const uintptr_t at = (uintptr_t)info->si_addr;
    (void)context;
    for (int i = 0; i < VIEWS; i++) {
        const uintptr_t start = atomic_load(&views[i].start);
        if (start <= 1 || at < start || at - start >= views[i].size) continue;
        tell(atomic_load(&allowed));
        tell(": ");
        tell(views[i].path);
        tell(": has become shorter while it was in use, or cannot be read any more; put it back, "
             "and do not change data during a run\n");
        kd_outfile_abandon_all();
        _exit(1);
    }
    signal(number, SIG_DFL); /* not ours: the same instruction fails again, as it would have */
}

void kd_views_allow(const char *program, bool any_size)
{
    struct sigaction action = {.sa_sigaction = on_bus, .sa_flags = SA_SIGINFO};
    sigemptyset(&action.sa_mask);
    atomic_store(&allowed, program);
    atomic_store(&of_any_size, any_size);
    sigaction(SIGBUS, &action, NULL);
}

size_t kd_view_limit(size_t limit)
{
    const bool any = atomic_load(&allowed) && atomic_load(&of_any_size);
    return any && limit >= kd_read_limit() ? SIZE_MAX / 4 : limit;
}

int kd_views_check(struct kd_err *err)
{
    struct stat now;
    for (int i = 0; i < VIEWS; i++) {
        const struct view *v = &views[i];
        if (atomic_load(&v->start) <= 1 || fstat(v->fd, &now) < 0) continue;
        if (now.st_size == v->then.st_size && now.st_mtim.tv_sec == v->then.st_mtim.tv_sec &&
            now.st_mtim.tv_nsec == v->then.st_mtim.tv_nsec)
            continue;
        return kd_fail(err,
                       "%s: has been changed while it was in use; begin again, and do not change "
                       "data during a run",
                       v->path);
    }
    return 0;
}

/* ---- making and giving back ---- */

static struct view *slot_take(void)
{
    for (int i = 0; i < VIEWS; i++) {
        uintptr_t free_slot = 0;
        if (atomic_compare_exchange_strong(&views[i].start, &free_slot, 1)) return &views[i];
    }
    return NULL;
}

/* The file, and behind it at least one zero, as kd_bytes promise: also where the file ends with a
 * page. NULL where the system does not map it. */
static char *map(int fd, size_t size)
{
    const int both = PROT_READ | PROT_WRITE;
    char *at = mmap(NULL, size + 1, both, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED) return NULL;
    if (mmap(at, size, both, MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE, fd, 0) == MAP_FAILED) {
        munmap(at, size + 1);
        return NULL;
    }
    return at;
}

static void unmap(struct kd_bytes *b)
{
    for (int i = 0; i < VIEWS; i++) {
        struct view *v = &views[i];
        if (atomic_load(&v->start) != (uintptr_t)b->data) continue;
        atomic_store(&v->start, 1);
        munmap(b->data, b->mapped);
        close(v->fd);
        kd_free(v->path);
        atomic_store(&v->start, 0);
        return;
    }
    munmap(b->data, b->mapped); /* memory in a file of its own, known to nobody else */
}

/* True: out is the view. False: the file is to be read, and that tells what is wrong with it. */
static bool view_make(const char *path, size_t limit, struct kd_bytes *out)
{
    struct kd_err ignored;
    struct stat st;
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return false;
    struct view *v = NULL;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (uintmax_t)st.st_size >= KD_VIEW_LEAST &&
        (uintmax_t)st.st_size <= kd_view_limit(limit))
        v = slot_take();
    char *name = v ? kd_strdup(path, &ignored) : NULL, *at = NULL;
    if (name) at = map(fd, (size_t)st.st_size);
    if (!at) {
        kd_free(name);
        if (v) atomic_store(&v->start, 0);
        close(fd);
        return false;
    }
    v->size = (size_t)st.st_size;
    v->path = name;
    v->fd = fd;
    v->then = st;
    atomic_store(&v->start, (uintptr_t)at);
    *out = (struct kd_bytes){
        .data = at, .size = v->size, .room = v->size + 1, .mapped = v->size + 1, .unmap = unmap};
    return true;
}

int kd_file_view(const char *path, size_t limit, bool (*may_be)(const void *start, size_t n),
                 struct kd_bytes *out, struct kd_err *err)
{
    if (atomic_load(&allowed) && strcmp(path, "-") != 0 && view_make(path, limit, out)) return 0;
    return kd_file_read_kind(path, limit, may_be, out, err);
}
