/* The name that was probably meant where there is no file of the name that was typed. */
#include "kd/base/file.h"
#include <dirent.h>
#include <stdio.h>
#include <string.h>

enum { MOST_NAMES = 2000 }; /* looked at of a folder: a hint is not worth more */

/* The entry of `folder` nearest to `typed`, owned by the caller; NULL where none is near. */
static char *nearest_entry(const char *folder, const char *typed)
{
    struct kd_err ignored;
    char **names = NULL, *found = NULL;
    size_t n = 0, room = 0;
    DIR *dir = opendir(*folder ? folder : ".");
    if (!dir) return NULL;
    for (struct dirent *e; n < MOST_NAMES && (e = readdir(dir));) {
        if (e->d_name[0] == '.') continue;
        char **name = kd_grow(&names, &n, &room, sizeof *name, "names", &ignored);
        if (!name) break;
        *name = kd_strdup(e->d_name, &ignored);
    }
    closedir(dir);
    const char *near = kd_nearest(typed, (const char *const *)names, (unsigned)n);
    if (near) found = kd_strdup(near, &ignored);
    for (size_t i = 0; i < n; i++) kd_free(names[i]);
    kd_free(names);
    return found;
}

char *kd_path_near(const char *typed)
{
    struct kd_err ignored;
    struct kd_bytes path = {0};
    const char *rest = typed;
    while (*rest && !path.failed) {
        const size_t slashes = strspn(rest, "/"), size = strcspn(rest + slashes, "/");
        char part[256];
        kd_bytes_add(&path, rest, slashes, &ignored);
        rest += slashes;
        if (size == 0) break;
        if (size >= sizeof part) goto none;
        snprintf(part, sizeof part, "%.*s", (int)size, rest);
        const size_t before = path.size;
        if (kd_bytes_text(&path, part, &ignored) < 0) goto none;
        if (!kd_path_exists(path.data)) {
            path.data[path.size = before] = '\0';
            char *near = nearest_entry(path.data, part);
            if (!near) goto none;
            kd_bytes_text(&path, near, &ignored);
            kd_free(near);
        }
        rest += size;
    }
    if (!path.failed && path.data && strcmp(path.data, typed) != 0) return path.data;
none:
    kd_bytes_release(&path);
    return NULL;
}

int kd_fail_missing(struct kd_err *err, const char *path, const char *what)
{
    char *near = kd_path_near(path);
    kd_fail(err, "%s: %s%s%s%s", path, what, near ? "; did you mean " : "", near ? near : "",
            near ? "?" : "");
    kd_free(near);
    return -1;
}
