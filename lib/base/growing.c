#include "kd/base/growing.h"
#include "kd/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_as_left(const struct kd_growing *g, const char *path)
{
    struct stat ours, there;
    return g->fd >= 0 && fstat(g->fd, &ours) == 0 && stat(path, &there) == 0 &&
           ours.st_ino == there.st_ino && ours.st_dev == there.st_dev &&
           (uintmax_t)ours.st_size == g->size;
}

/* A pipe or a device is not held: it gets the whole text each time. */
static void hold(struct kd_growing *g, const char *path, size_t size)
{
    struct stat st;
    if (stat(path, &st) < 0 || !S_ISREG(st.st_mode)) return;
    do g->fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
    while (g->fd < 0 && errno == EINTR);
    g->size = size;
}

static int append(struct kd_growing *g, const char *path, const struct kd_bytes *text,
                  struct kd_err *err)
{
    struct kd_err why = {0};
    char *name = kd_strdup(path, err);
    if (!name) return -1;
    struct kd_outfile f = {.fd = g->fd, .path = name};
    int status = kd_outfile_write(&f, text->data + g->size, text->size - g->size, &why);
    kd_free(name);
    if (status == 0) {
        g->size = text->size;
        return 0;
    }
    *err = why;
    if (ftruncate(g->fd, (off_t)g->size) < 0) errno = 0; /* a reader passes over half a line */
    return -1;
}

int kd_growing_bring(struct kd_growing *g, const char *path, const struct kd_bytes *text,
                     struct kd_err *err)
{
    if (is_as_left(g, path) && text->size >= g->size) return append(g, path, text, err);
    kd_growing_close(g);
    if (kd_file_write(path, text->data ? text->data : "", text->size, err) < 0) return -1;
    hold(g, path, text->size);
    return 0;
}

int kd_growing_sync(const struct kd_growing *g, const char *path, struct kd_err *err)
{
    int status = 0;
    if (g->fd < 0) return 0;
    do status = fsync(g->fd);
    while (status < 0 && errno == EINTR);
    return status < 0 && errno != EINVAL ? kd_fail_errno(err, "%s: cannot write", path) : 0;
}

void kd_growing_close(struct kd_growing *g)
{
    if (g->fd >= 0) close(g->fd);
    *g = (struct kd_growing){.fd = -1};
}
