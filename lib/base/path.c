/* Names of files and folders: joining, making, finding them. */
#include "kd/base/file.h"
#include "temporary.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool kd_path_exists(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0;
}

char *kd_path_join(struct kd_err *err, const char *folder, const char *name)
{
    size_t n = strlen(folder);
    return kd_format(err, "%s%s%s", folder, n == 0 || folder[n - 1] == '/' ? "" : "/", name);
}

void kd_entry_sync(const char *path)
{
    struct kd_err ignored;
    const char *slash = strrchr(path, '/');
    char *folder = slash ? kd_format(&ignored, "%.*s", (int)(slash - path + 1), path)
                         : kd_strdup(".", &ignored);
    int fd = folder ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (fd >= 0) {
        if (fsync(fd) < 0) errno = 0;
        close(fd);
    }
    kd_free(folder);
}

static int folder_make(const char *path, struct kd_err *err)
{
    struct stat st;
    if (mkdir(path, 0777) == 0) {
        kd_entry_sync(path);
        return 0;
    }
    int why = errno; /* EEXIST, but also EROFS or EACCES for a folder that exists */
    if (stat(path, &st) == 0) {
        if (S_ISDIR(st.st_mode)) return 0;
        return kd_fail(err, "%s: is a file, and a folder is needed here", path);
    }
    errno = why;
    return kd_fail_errno(err, "%s: cannot make this folder", path);
}

int kd_folders_make(const char *path, struct kd_err *err)
{
    char *copy = kd_strdup(path, err);
    if (!copy) return -1;
    int status = 0;
    for (char *p = copy; *p && status == 0; p++) {
        if (*p != '/' || p == copy) continue;
        *p = '\0';
        status = folder_make(copy, err);
        *p = '/';
    }
    if (status == 0 && *copy) status = folder_make(copy, err);
    kd_free(copy);
    return status;
}

int kd_folder_check(const char *path, struct kd_err *err)
{
    struct stat st;
    char *folder = kd_strdup(path, err), *slash;
    if (!folder) return -1;
    while ((slash = strrchr(folder, '/')) && slash != folder) {
        *slash = '\0';
        if (stat(folder, &st) == 0 || (errno != ENOENT && errno != ENOTDIR)) break;
    }
    const char *nearest = !slash ? "." : slash == folder ? "/" : folder;
    int status = 0;
    if (stat(nearest, &st) == 0 && !S_ISDIR(st.st_mode))
        status = kd_fail(err, "%s: is a file, and a folder is needed here", nearest);
    else if (access(nearest, W_OK | X_OK) < 0)
        status = kd_fail_errno(err, "%s: cannot make a file in folder %s", path, nearest);
    kd_free(folder);
    return status;
}

char *kd_path_find(const char *path, const char *from, unsigned up, struct kd_err *err)
{
    const bool elsewhere = from && *path && *path != '/' && strcmp(path, "-") != 0 &&
                           strcmp(from, "-") != 0 && !kd_path_exists(path);
    for (unsigned i = 0; elsewhere && i <= up; i++) {
        const char *slash = strrchr(from, '/');
        struct kd_bytes at = {0};
        int status = slash ? kd_bytes_add(&at, from, (size_t)(slash - from) + 1, err) : 0;
        for (unsigned k = 0; k < i && status == 0; k++) status = kd_bytes_add(&at, "../", 3, err);
        if (status == 0) status = kd_bytes_add(&at, path, strlen(path), err);
        if (status < 0 || kd_path_exists(at.data)) {
            if (status < 0) kd_bytes_release(&at);
            return at.data;
        }
        kd_bytes_release(&at);
    }
    return kd_strdup(path, err);
}

char *kd_program_folder(const char *argv0, struct kd_err *err)
{
    char path[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    path[n > 0 ? n : 0] = '\0';
    if (n <= 0 && (!strchr(argv0, '/') || !realpath(argv0, path))) path[0] = '\0';
    char *slash = strrchr(path, '/');
    if (slash) slash[slash == path] = '\0';
    return kd_strdup(path, err);
}
