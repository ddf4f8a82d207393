/* Which file is which: names as MNIST's publishers, EMNIST, QMNIST and unpacking programs give
 * them.
 *
 *     train-images-idx3-ubyte[.gz]  t10k-labels.idx1-ubyte  emnist-letters-train-images-idx3-ubyte
 *     qmnist-test-labels-idx2-int.gz */
#include "idx.h"
#include "kd/base/file.h"
#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

static bool is_folder(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static bool has(const char *name, const char *word)
{
    return strcasestr(name, word) != NULL;
}

static bool is_of_split(const char *name, const char *split)
{
    const bool test = has(name, "t10k-") || has(name, "t10k.") || has(name, "test-");
    const bool train = has(name, "train-");
    return strcmp(split, "test") == 0 ? test && !train : train && !test;
}

static bool is_wanted(const char *name, const char *prefix, const char *split, const char *what)
{
    const char *idx = strcasestr(name, "idx");
    return name[0] != '.' && strncmp(name, prefix, strlen(prefix)) == 0 && idx && has(name, what) &&
           is_of_split(name, split);
}

/* A packed file beside the same file unpacked is no second set. */
static size_t stem(const char *name)
{
    const size_t n = strlen(name);
    return n > 3 && strcasecmp(name + n - 3, ".gz") == 0 ? n - 3 : n;
}

/* The better of two names: MNIST's own before others, plain before packed; 0: two sets. */
static int compare(const char *a, const char *b)
{
    static const char *const own[] = {"train-", "t10k-"};
    int rank[2] = {0, 0};
    for (int i = 0; i < 2; i++) {
        rank[0] += strncmp(a, own[i], strlen(own[i])) == 0;
        rank[1] += strncmp(b, own[i], strlen(own[i])) == 0;
    }
    if (rank[0] != rank[1]) return rank[0] > rank[1] ? -1 : 1;
    const size_t x = stem(a), y = stem(b);
    size_t i = 0; /* "-idx3" and ".idx3" are one name */
    while (i < x && i < y && (a[i] == b[i] || (strchr("-.", a[i]) && strchr("-.", b[i])))) i++;
    if (x != y || i < x) return rank[0] ? strcmp(a, b) : 0;
    if (a[x] != b[y]) return a[x] ? 1 : -1;
    return strcmp(a, b);
}

static int choose(const char *folder, const char *name, char **best, struct kd_err *err)
{
    char *path = kd_path_join(err, folder, name);
    if (!path) return -1;
    if (is_folder(path)) { /* some unpacking programs put each file into a folder of its name */
        kd_free(path);
        return 0;
    }
    const char *other = *best ? strrchr(*best, '/') + 1 : NULL;
    const int order = other ? compare(name, other) : -1;
    if (order == 0) {
        kd_fail(
            err,
            "%s: two sets in one folder: %s and %s; name one of them by how its files begin, as "
            "idx:%s/%.*s",
            folder, other, name, folder, (int)strcspn(name, "."), name);
        kd_free(path);
        return -1;
    }
    if (order < 0) {
        kd_free(*best);
        *best = path;
    } else {
        kd_free(path);
    }
    return 0;
}

static int search(const char *folder, const char *prefix, const char *split, const char *what,
                  char **path, struct kd_err *err)
{
    DIR *dir = opendir(folder);
    if (!dir) return errno == ENOENT || errno == ENOTDIR ? 0 : kd_fail_errno(err, "%s", folder);
    int status = 0;
    while (status == 0) {
        errno = 0;
        const struct dirent *e = readdir(dir);
        if (!e && errno) status = kd_fail_errno(err, "%s", folder);
        if (!e) break;
        if (is_wanted(e->d_name, prefix, split, what))
            status = choose(folder, e->d_name, path, err);
    }
    closedir(dir);
    if (status == 0) return 0;
    kd_free(*path);
    *path = NULL;
    return -1;
}

int kd_idx_find(const char *place, const char *split, const char *what, char **path,
                struct kd_err *err)
{
    *path = NULL;
    if (is_folder(place)) return search(place, "", split, what, path, err);
    const char *slash = strrchr(place, '/');
    char *folder =
        slash ? kd_format(err, "%.*s", (int)(slash - place), place) : kd_strdup(".", err);
    if (!folder) return -1;
    const int status = search(folder, slash ? slash + 1 : place, split, what, path, err);
    kd_free(folder);
    return status;
}
