#include "kd/base/file.h"
#include "kd/base/team.h"
#include "temporary.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIECE ((size_t)1 << 30) /* some systems refuse a single read or write of 2 GiB */

static const char *shown(const char *path, const char *instead)
{
    return strcmp(path, "-") == 0 ? instead : path;
}

void kd_descriptors_reserve(void)
{
    /* The other way round: reading what is to be written, and so on, is an error. */
    static const int ways[] = {O_WRONLY, O_RDONLY, O_RDONLY};
    for (int fd = 0; fd < 3; fd++)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF) {
            int got = open("/dev/null", ways[fd]);
            if (got >= 0 && got != fd) close(got); /* cannot be: the lowest is given */
        }
}

/* ---- reading ---- */

static const volatile int *_Atomic stop_flag;

void kd_stop_watch(const volatile int *flag)
{
    atomic_store(&stop_flag, flag);
}

bool kd_stop_asked(void)
{
    const volatile int *flag = atomic_load(&stop_flag);
    return flag && *flag;
}

/* Waits until a pipe is ready, by short waits, since a signal may come between a look at the flag
 * and the wait. False, with errno EINTR, where the program is asked to stop. */
static bool wait_ready(int fd, short events)
{
    enum { A_WHILE = 100 };
    struct pollfd p = {.fd = fd, .events = events};
    for (;;) {
        if (kd_stop_asked()) {
            errno = EINTR;
            return false;
        }
        int n = poll(&p, 1, A_WHILE);
        if (n > 0 || (n < 0 && errno != EINTR))
            return true; /* what is wrong the call itself says */
    }
}

/* True where the call that set errno is to be made again: it was interrupted, or the descriptor is
 * non-blocking (a pipe shared with an event loop) and is ready by now. */
static bool again(int fd, short events)
{
    if (errno == EINTR) return !kd_stop_asked();
    return (errno == EAGAIN || errno == EWOULDBLOCK) && wait_ready(fd, events);
}

static bool is_pipe(int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode);
}

static bool is_fifo(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISFIFO(st.st_mode);
}

/* A named pipe without its other end makes a blocking open() wait. */
static int open_waiting(const char *path, int flags)
{
    int fd;
    for (;;) {
        fd = open(path, flags | O_NONBLOCK | O_CLOEXEC);
        if (fd >= 0 || (errno != EINTR && errno != ENXIO)) return fd;
        if (errno == ENXIO && !is_fifo(path)) return fd;
        if (kd_stop_asked()) return -1;
        if (errno == ENXIO) poll(NULL, 0, 50); /* no reader yet */
    }
}

static int room_for(struct kd_bytes *b, size_t room, const char *name, struct kd_err *err)
{
    char *data = kd_alloc(room, 1, name, err);
    if (!data) return -1;
    if (b->size) memcpy(data, b->data, b->size);
    kd_free(b->data);
    b->data = data;
    b->room = room;
    return 0;
}

static atomic_size_t read_limit = (size_t)16 << 30;

size_t kd_read_limit(void)
{
    return atomic_load(&read_limit);
}

void kd_read_limit_set(size_t bytes)
{
    atomic_store(&read_limit, bytes);
}

const char *kd_read_limit_remedy(size_t limit)
{
    return limit == kd_read_limit() ? "; --read-limit raises this limit" : "";
}

static int too_large(const char *name, size_t limit, struct kd_err *err)
{
    return kd_fail(err, "%s: larger than the %zu bytes that are accepted here%s", name, limit,
                   kd_read_limit_remedy(limit));
}

/* One byte more than the file's size is asked for, so that the read that finds the end needs no
 * growth, and one more stands behind it for the NUL. */
struct reading {
    int fd;
    const char *name;
    size_t expected, limit;
    bool (*may_be)(const void *start, size_t n); /* NULL: anything */
};

static int read_all(const struct reading *r, struct kd_bytes *out, struct kd_err *err)
{
    const int fd = r->fd;
    const char *name = r->name;
    const size_t expected = r->expected, limit = r->limit;
    bool known = !r->may_be;
    size_t room = expected + 2 < 65536 ? 65536 : expected + 2;
    const bool pipe = is_pipe(fd);
    if (room_for(out, room, name, err) < 0) return -1;
    for (;;) {
        if (out->room - out->size < 2) {
            size_t more = out->room > limit / 2 ? limit + 2 : 2 * out->room;
            if (room_for(out, more, name, err) < 0) return -1;
        }
        size_t want = out->room - out->size - 1;
        if (pipe && !wait_ready(fd, POLLIN)) return kd_fail(err, "%s: stopped while reading", name);
        ssize_t got = read(fd, out->data + out->size, want < PIECE ? want : PIECE);
        if (got < 0 && again(fd, POLLIN)) continue;
        if (got < 0) return kd_fail_errno(err, "%s: cannot read at byte %zu", name, out->size);
        if (got == 0) break;
        out->size += (size_t)got;
        if (out->size > limit) return too_large(name, limit, err);
        if (pipe && !known && out->size >= KD_FILE_START) {
            known = r->may_be(out->data, out->size);
            if (!known) break;
        }
    }
    out->data[out->size] = '\0';
    return 0;
}

static int open_input(const char *path, struct kd_err *err)
{
    static atomic_bool standard_input_taken;
    if (strcmp(path, "-") == 0) {
        if (kd_team_ranks() > 1)
            return kd_fail_usage(err,
                                 "standard input (-) cannot be read by each of %u ranks; write "
                                 "it to a file and name that",
                                 kd_team_ranks());
        if (atomic_exchange(&standard_input_taken, true))
            return kd_fail_usage(err, "standard input can be read only once, but - is named twice; "
                                      "use a file for one of them");
        return STDIN_FILENO;
    }
    if (!*path) return kd_fail_usage(err, "the name of a file to read is empty");
    const int fd = open_waiting(path, O_RDONLY);
    if (fd >= 0) return fd;
    if (errno == ENOENT) return kd_fail_missing(err, path, "there is no such file");
    return kd_fail_errno(err, "%s: cannot open for reading", path);
}

int kd_file_read_kind(const char *path, size_t limit, bool (*may_be)(const void *start, size_t n),
                      struct kd_bytes *out, struct kd_err *err)
{
    const char *name = shown(path, "standard input");
    *out = (struct kd_bytes){0};
    if (limit > (SIZE_MAX >> 1) - 2) limit = (SIZE_MAX >> 1) - 2;
    int fd = open_input(path, err);
    if (fd < 0) return -1;
    int status = 0;
    struct stat st;
    size_t expected = 0;
    if (fstat(fd, &st) < 0) {
        status = kd_fail_errno(err, "%s: cannot read", name);
    } else if (S_ISDIR(st.st_mode)) {
        status = kd_fail(err, "%s: is a folder, and a file is needed here", name);
    } else if (S_ISREG(st.st_mode)) {
        if ((uintmax_t)st.st_size > limit)
            status = too_large(name, limit, err);
        else
            expected = (size_t)st.st_size;
    }
    if (status == 0)
        status = read_all(&(struct reading){fd, name, expected, limit, may_be}, out, err);
    if (strcmp(path, "-") != 0) close(fd); /* read to its end: nothing can be lost by closing */
    if (status < 0) kd_bytes_release(out);
    return status;
}

int kd_file_read(const char *path, size_t limit, struct kd_bytes *out, struct kd_err *err)
{
    return kd_file_read_kind(path, limit, NULL, out, err);
}

int kd_file_start(const char *path, void *out, size_t size, size_t *got, struct kd_err *err)
{
    int fd = open_input(path, err);
    *got = 0;
    if (fd < 0) return -1;
    int status = 0;
    while (*got < size) {
        const ssize_t n = read(fd, (char *)out + *got, size - *got);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) status = kd_fail_errno(err, "%s: cannot read", path);
        if (n <= 0) break;
        *got += (size_t)n;
    }
    close(fd);
    return status;
}

/* ---- writing ---- */

/* Folder part of path, with its last slash; "" where there is none. */
static char *folder_of(const char *path, struct kd_err *err)
{
    const char *slash = strrchr(path, '/');
    return kd_format(err, "%.*s", slash ? (int)(slash - path + 1) : 0, path);
}

/* The name holds process and time, so it can be registered for removal before the file exists
 * without ever naming somebody else's; open() with 0666 leaves the permissions to the umask. */
static int temporary_make(struct kd_outfile *f, const char *folder, struct kd_err *err)
{
    kd_leftovers_sweep(folder);
    for (int tries = 0; tries < 100; tries++) {
        f->temporary = kd_temporary_name(folder, err);
        if (!f->temporary) return -1;
        if (kd_temporary_register(f->temporary) < 0) {
            kd_free(f->temporary);
            f->temporary = NULL;
            return kd_fail(err, "%s: more than %d files are being written at once", f->path,
                           KD_TEMPORARIES);
        }
        f->fd = open(f->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (f->fd >= 0 && kd_temporary_claim(f->fd, f->temporary)) return 0;
        int why = f->fd >= 0 ? EEXIST : errno;
        if (f->fd >= 0) close(f->fd); /* another process has swept it away */
        kd_temporary_forget(f->temporary);
        f->temporary = NULL;
        errno = why;
        if (why != EEXIST && why != EINTR) break;
    }
    return kd_fail_errno(err, "%s: cannot make a file in folder %s", f->path,
                         *folder ? folder : ".");
}

static int refuse_kept(const char *path, const struct stat *st, struct kd_err *err)
{
    if (S_ISDIR(st->st_mode)) return kd_fail(err, "%s: is a folder; name a file to write", path);
    if (access(path, W_OK) < 0 && errno != ENOENT) /* gone meanwhile: nothing is in the way */
        return kd_fail_errno(err, "%s: cannot replace this file", path);
    return 0;
}

int kd_outfile_check(const char *path, struct kd_err *err)
{
    struct stat st;
    if (strcmp(path, "-") == 0) return 0;
    if (stat(path, &st) == 0) return refuse_kept(path, &st, err);
    int why = errno;
    for (const char *p = path; *p;) { /* the folders above may be still to be made */
        const size_t n = strcspn(p, "/");
        if (n > NAME_MAX) why = ENAMETOOLONG;
        p += n + (p[n] == '/');
    }
    errno = why;
    if (why == ENAMETOOLONG) return kd_fail_errno(err, "%s: cannot make this file", path);
    return kd_folder_check(path, err);
}

/* Where path exists: what it really is. Links are followed, so a link to a file stays a link. */
static int open_over(struct kd_outfile *f, const struct stat *st, struct kd_err *err)
{
    if (refuse_kept(f->path, st, err) < 0) return -1;
    if (!S_ISREG(st->st_mode)) {
        f->fd = open_waiting(f->path, O_WRONLY);
        return f->fd < 0 ? kd_fail_errno(err, "%s: cannot open for writing", f->path) : 0;
    }
    char *real = realpath(f->path, NULL);
    if (!real) return kd_fail_errno(err, "%s: cannot open for writing", f->path);
    kd_free(f->path);
    f->path = kd_strdup(real, err);
    free(real);
    if (!f->path) return -1;
    char *folder = folder_of(f->path, err);
    if (!folder) return -1;
    int status = temporary_make(f, folder, err);
    kd_free(folder);
    /* Keeping the old file's permissions is a courtesy that some file systems do not offer. */
    if (status == 0 && fchmod(f->fd, st->st_mode & 0777) < 0) errno = 0;
    return status;
}

static atomic_bool muted;

void kd_outfiles_mute(void)
{
    atomic_store(&muted, true);
}

int kd_outfile_open(struct kd_outfile *f, const char *path, struct kd_err *err)
{
    *f = (struct kd_outfile){.fd = -1};
    if (!*path) return kd_fail_usage(err, "the name of the file to write is empty");
    f->path = kd_strdup(shown(path, "standard output"), err);
    if (!f->path) return -1;
    struct stat st;
    int status;
    if (strcmp(path, "-") == 0) {
        f->fd = STDOUT_FILENO;
        return 0;
    }
    if (atomic_load(&muted)) {
        f->fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
        return f->fd < 0 ? kd_fail_errno(err, "/dev/null: cannot open for writing") : 0;
    }
    if (stat(path, &st) == 0) {
        status = open_over(f, &st, err);
    } else {
        char *folder = folder_of(path, err);
        status = folder ? 0 : -1;
        if (status == 0 && !path[strlen(folder)])
            status = kd_fail_usage(err, "%s: names a folder; name a file to write", path);
        if (status == 0 && *folder) status = kd_folders_make(folder, err);
        if (status == 0) status = temporary_make(f, folder, err);
        kd_free(folder);
    }
    if (status < 0) kd_outfile_discard(f);
    return status;
}

int kd_outfile_write(struct kd_outfile *f, const void *data, size_t size, struct kd_err *err)
{
    const char *p = data;
    /* What a pipe has room for when it is ready; a longer write could wait for its reader. */
    const bool pipe = is_pipe(f->fd);
    const size_t piece = pipe ? PIPE_BUF : PIECE;
    while (size > 0) {
        if (pipe && !wait_ready(f->fd, POLLOUT))
            return kd_fail(err, "%s: stopped while writing", f->path);
        ssize_t n = write(f->fd, p, size < piece ? size : piece);
        if (n < 0 && again(f->fd, POLLOUT)) continue;
        if (n < 0) return kd_fail_errno(err, "%s: cannot write", f->path);
        p += n;
        size -= (size_t)n;
    }
    return 0;
}

int kd_file_write_part(const char *path, const void *data, size_t size, struct kd_err *err)
{
    if (kd_stop_asked()) return kd_fail(err, "%s: stopped before it was written", path);
    struct kd_outfile f = {.fd = -1, .path = kd_strdup(path, err)};
    if (!f.path) return -1;
    do f.fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    while (f.fd < 0 && errno == EINTR);
    int status = f.fd < 0 ? kd_fail_errno(err, "%s: cannot make this file", path) : 0;
    if (status == 0) status = kd_outfile_write(&f, data, size, err);
    if (status == 0) return kd_outfile_commit(&f, err);
    kd_outfile_discard(&f);
    return -1;
}

static int file_sync(int fd)
{
    int status;
    do status = fsync(fd);
    while (status < 0 && errno == EINTR);
    /* EINVAL: a file system that has no notion of it */
    return status < 0 && errno == EINVAL ? 0 : status;
}

/* Closes it: only then some file systems say that it could not be written. Returns a second
 * descriptor, with which the temporary's lock lives on until it is renamed; -1 with err. */
static int close_locked(struct kd_outfile *f, struct kd_err *err)
{
    const int held = fcntl(f->fd, F_DUPFD_CLOEXEC, 0);
    int status = held < 0 ? -1 : file_sync(f->fd);
    if (status < 0) kd_fail_errno(err, "%s: cannot write", f->path);
    /* After EINTR the descriptor is closed all the same on the systems that kd runs on. */
    if (close(f->fd) < 0 && errno != EINTR && status == 0)
        status = kd_fail_errno(err, "%s: cannot write", f->path);
    f->fd = -1;
    if (status == 0) return held;
    if (held >= 0) close(held);
    return -1;
}

static int put_in_place(struct kd_outfile *f, struct kd_err *err)
{
    const int held = close_locked(f, err);
    int status = held < 0 ? -1 : rename(f->temporary, f->path);
    if (held >= 0 && status < 0)
        kd_fail_errno(err, "%s: cannot put the new file in place", f->path);
    if (held >= 0) close(held);
    if (status < 0) return -1;
    kd_temporary_forget(f->temporary);
    f->temporary = NULL;
    kd_entry_sync(f->path);
    return 0;
}

int kd_outfile_commit(struct kd_outfile *f, struct kd_err *err)
{
    int status = 0;
    if (f->temporary) {
        status = put_in_place(f, err);
    } else if (f->fd != STDOUT_FILENO) {
        if (close(f->fd) < 0 && errno != EINTR)
            status = kd_fail_errno(err, "%s: cannot write", f->path);
        f->fd = -1;
    }
    kd_outfile_discard(f);
    return status;
}

void kd_outfile_discard(struct kd_outfile *f)
{
    if (!f->path) return; /* nothing was opened, or all is done already */
    if (f->fd >= 0 && f->fd != STDOUT_FILENO) close(f->fd);
    if (f->temporary) {
        unlink(f->temporary);
        kd_temporary_forget(f->temporary);
    }
    kd_free(f->path);
    *f = (struct kd_outfile){.fd = -1};
}

int kd_file_write(const char *path, const void *data, size_t size, struct kd_err *err)
{
    struct kd_outfile f;
    if (kd_outfile_open(&f, path, err) < 0) return -1;
    if (kd_outfile_write(&f, data, size, err) < 0) {
        kd_outfile_discard(&f);
        return -1;
    }
    return kd_outfile_commit(&f, err);
}
