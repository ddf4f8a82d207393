#include "folder.h"
#include "kd/base/file.h"
#include "picture_parts.h"
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

enum { DEPTH = 32 }; /* of folders in folders: a link that leads back ends here */

bool kd_folder_is(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* ---- entries of one folder ---- */

struct entry {
    char *name;
    bool folder, dangling; /* a link to nothing */
    uint64_t size;
    int64_t changed;
};
struct entries {
    struct entry *v; /* sorted bytewise by name */
    size_t n, room, hidden;
};

static void entries_release(struct entries *e)
{
    for (size_t i = 0; i < e->n; i++) kd_free(e->v[i].name);
    kd_free(e->v);
    *e = (struct entries){0};
}

/* What systems leave in folders without being asked. */
static bool is_litter(const char *name)
{
    static const char *const litter[] = {"Thumbs.db", "ehthumbs.db",  "desktop.ini",
                                         "Icon\r",    "__MACOSX",     "@eaDir",
                                         "#recycle",  "$RECYCLE.BIN", "System Volume Information"};
    if (name[0] == '.') return true;
    for (size_t i = 0; i < sizeof litter / sizeof *litter; i++)
        if (strcasecmp(name, litter[i]) == 0) return true;
    return false;
}

static int by_name(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    return strcmp(x->name, y->name);
}

static int entry_add(struct entries *out, const char *folder, const char *name, struct kd_err *err)
{
    struct stat st;
    if (is_litter(name)) return out->hidden++, 0;
    char *path = kd_path_join(err, folder, name);
    if (!path) return -1;
    const bool there = stat(path, &st) == 0;
    kd_free(path);
    struct entry e = {.name = kd_strdup(name, err),
                      .folder = there && S_ISDIR(st.st_mode),
                      .dangling = !there,
                      .size = there ? (uint64_t)st.st_size : 0,
                      .changed = there ? st.st_mtim.tv_sec * 1000000000LL + st.st_mtim.tv_nsec : 0};
    struct entry *slot =
        e.name ? kd_grow(&out->v, &out->n, &out->room, sizeof e, "file names", err) : NULL;
    if (slot)
        *slot = e;
    else
        kd_free(e.name);
    return slot ? 0 : -1;
}

static int entries_read(const char *folder, struct entries *out, struct kd_err *err)
{
    *out = (struct entries){0};
    /* NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker): the caller has made the name */
    DIR *dir = opendir(folder);
    if (!dir) return kd_fail_errno(err, "%s", folder);
    int status = 0;
    while (status == 0) {
        errno = 0;
        const struct dirent *e = readdir(dir);
        if (!e && errno) status = kd_fail_errno(err, "%s", folder);
        if (!e) break;
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) continue;
        status = entry_add(out, folder, e->d_name, err);
    }
    closedir(dir);
    if (out->n > 1) qsort(out->v, out->n, sizeof *out->v, by_name);
    if (status < 0) entries_release(out);
    return status;
}

static size_t folders_in(const struct entries *e)
{
    size_t n = 0;
    for (size_t i = 0; i < e->n; i++) n += e->v[i].folder;
    return n;
}

/* ---- splits ---- */

enum { TRAIN, VALIDATION, TEST, SPLITS };
static const char *const split_names[SPLITS][4] = {
    {"train", "training", NULL}, {"val", "valid", "validation", NULL}, {"test", "testing", NULL}};

static int split_of(const char *name)
{
    for (int s = 0; s < SPLITS; s++)
        for (int i = 0; i < 4 && split_names[s][i]; i++)
            if (strcasecmp(name, split_names[s][i]) == 0) return s;
    return -1;
}

/* The folders of the splits that hold class folders. (A class may be called "train": then it holds
 * files.) */
static int splits_find(const char *place, const struct entries *top, char *found[SPLITS],
                       struct kd_err *err)
{
    for (size_t i = 0; i < top->n; i++) {
        const int s = split_of(top->v[i].name);
        struct entries inside;
        if (s < 0 || !top->v[i].folder) continue;
        char *path = kd_path_join(err, place, top->v[i].name);
        if (!path || entries_read(path, &inside, err) < 0) {
            kd_free(path);
            return -1;
        }
        const bool classes = folders_in(&inside) > 0;
        entries_release(&inside);
        if (classes && found[s]) {
            kd_fail(err, "%s and %s: which of them is the %s split? rename one", found[s], path,
                    split_names[s][0]);
            kd_free(path);
            return -1;
        }
        if (classes)
            found[s] = path;
        else
            kd_free(path);
    }
    return 0;
}

/* Folders beside each other that hold the same folders and no files are splits of other names. */
static int other_splits_check(const char *place, const struct entries *top, struct kd_err *err)
{
    struct entries first = {0};
    const char *name = NULL;
    int status = 0;
    for (size_t i = 0; i < top->n && status == 0; i++) {
        struct entries inside;
        if (!top->v[i].folder) continue;
        char *path = kd_path_join(err, place, top->v[i].name);
        status = path ? entries_read(path, &inside, err) : -1;
        kd_free(path);
        if (status < 0) break;
        bool same = name && inside.n >= 2 && inside.n == first.n;
        for (size_t k = 0; k < inside.n && same; k++)
            same = inside.v[k].folder && first.v[k].folder &&
                   strcmp(inside.v[k].name, first.v[k].name) == 0;
        if (same)
            status =
                kd_fail(err,
                        "%s: %s and %s hold the same folders (%s, %s, ...): if they are splits, "
                        "name them train and test, or give %s/%s by itself",
                        place, name, top->v[i].name, first.v[0].name, first.v[1].name, place, name);
        if (name) {
            entries_release(&inside);
        } else {
            first = inside;
            name = top->v[i].name;
        }
    }
    entries_release(&first);
    return status;
}

/* The folder with this split's class folders, and the one that defines the classes. */
static int roots_choose(const struct kd_load *load, const struct entries *top,
                        char *const found[SPLITS], char **images, char **classes,
                        struct kd_err *err)
{
    const bool test = strcmp(load->split, "test") == 0;
    const char *own = test ? found[TEST] : found[TRAIN];
    if (!found[TRAIN] && !found[TEST] && !found[VALIDATION]) {
        if (other_splits_check(load->place, top, err) < 0 ||
            kd_unsplit_check(load, "put images into train/CLASS and test/CLASS", err) < 0)
            return -1;
        own = load->place;
    }
    if (!own && test && found[VALIDATION]) {
        own = found[VALIDATION];
        kd_progress_say(load->progress, "%s: there is no test folder; %s is taken for it",
                        load->place, own);
    } else if (found[VALIDATION]) {
        kd_progress_say(load->progress,
                        "%s is not used: validation images are carved from train; for tests on it "
                        "say images:%s:test",
                        found[VALIDATION], found[VALIDATION]);
    }
    if (!own)
        return kd_fail_usage(err, "%s: no folder %s with class folders in it", load->place,
                             load->split);
    *images = kd_strdup(own, err);
    *classes = kd_strdup(found[TRAIN] ? found[TRAIN] : own, err);
    return *images && *classes ? 0 : -1;
}

static int roots_find(const struct kd_load *load, char **images, char **classes, struct kd_err *err)
{
    struct entries top;
    char *found[SPLITS] = {NULL};
    if (!kd_folder_is(load->place))
        return kd_fail(err,
                       "%s: %s; images: needs a folder with a folder of PNG or JPEG files for each "
                       "class",
                       load->place, kd_path_exists(load->place) ? "no folder" : "not found");
    if (entries_read(load->place, &top, err) < 0) return -1;
    int status = splits_find(load->place, &top, found, err);
    if (status == 0) status = roots_choose(load, &top, found, images, classes, err);
    for (int s = 0; s < SPLITS; s++) kd_free(found[s]);
    entries_release(&top);
    return status;
}

/* ---- files ---- */

/* All files below a class folder; `under` is NULL there. */
static int walk(struct kd_folder *f, const char *folder, int32_t label, unsigned depth,
                struct kd_err *err)
{
    struct entries e;
    if (depth > DEPTH)
        return kd_fail(err, "%s: folders lie more than %d deep; does a link lead back?", folder,
                       DEPTH);
    if (entries_read(folder, &e, err) < 0) return -1;
    int status = 0;
    f->hidden += e.hidden;
    for (size_t i = 0; i < e.n && status == 0; i++) {
        char *path = kd_path_join(err, folder, e.v[i].name);
        if (!path) {
            status = -1;
        } else if (e.v[i].folder) {
            status = walk(f, path, label, depth + 1, err);
            kd_free(path);
        } else {
            struct kd_folder_file *file =
                kd_grow(&f->files, &f->n, &f->room, sizeof *file, "file names", err);
            if (file)
                *file = (struct kd_folder_file){path, label, e.v[i].size, e.v[i].changed,
                                                e.v[i].dangling};
            else
                kd_free(path);
            status = file ? 0 : -1;
        }
    }
    entries_release(&e);
    return status;
}

static int by_path(const void *a, const void *b)
{
    const struct kd_folder_file *x = a, *y = b;
    return strcmp(x->path, y->path);
}

static int any_picture(const struct kd_folder *f, size_t from, bool *any, struct kd_err *err)
{
    *any = false;
    for (size_t i = from; i < f->n && !*any; i++)
        if (kd_picture_is_named(f->files[i].path))
            *any = true; /* if it is none, that will be said */
        else if (!f->files[i].dangling && kd_picture_is_file(f->files[i].path, any, err) < 0)
            return -1;
    return 0;
}

static void files_drop(struct kd_folder *f, size_t from)
{
    while (f->n > from) kd_free(f->files[--f->n].path);
}

/* ---- classes ---- */

static bool is_number(const char *text)
{
    return *text && strlen(text) <= 18 && text[strspn(text, "0123456789")] == '\0';
}

static int by_number(const void *a, const void *b)
{
    const char *x = *(char *const *)a, *y = *(char *const *)b;
    const long long p = strtoll(x, NULL, 10), q = strtoll(y, NULL, 10);
    return p != q ? (p < q ? -1 : 1) : strcmp(x, y);
}

static int class_add(struct kd_folder *f, const char *name, struct kd_err *err)
{
    char *copy = kd_strdup(name, err);
    char **slot = copy ? kd_grow(&f->classes, &f->n_classes, &f->classes_room, sizeof *slot,
                                 "class names", err)
                       : NULL;
    if (slot)
        *slot = copy;
    else
        kd_free(copy);
    return slot ? 0 : -1;
}

/* Class folders with at least one picture. */
static int classes_list(struct kd_folder *f, const char *root, const struct kd_load *load,
                        struct kd_err *err)
{
    struct entries e;
    bool numbers = true;
    if (entries_read(root, &e, err) < 0) return -1;
    int status = 0;
    for (size_t i = 0; i < e.n && status == 0; i++) {
        if (e.v[i].dangling)
            status =
                kd_fail(err, "%s/%s: a link to nothing; mend it or remove it", root, e.v[i].name);
        if (status < 0 || !e.v[i].folder) continue;
        char *path = kd_path_join(err, root, e.v[i].name);
        const size_t before = f->n, hidden = f->hidden;
        status = path ? walk(f, path, 0, 1, err) : -1;
        bool any = false;
        if (status == 0) status = any_picture(f, before, &any, err);
        if (status == 0 && any) {
            status = class_add(f, e.v[i].name, err);
            numbers = numbers && is_number(e.v[i].name);
        } else if (status == 0) {
            f->empty++;
            kd_progress_say(load->progress, "%s: no pictures in it, and so no class", path);
        }
        files_drop(f, before);
        f->hidden = hidden;
        kd_free(path);
    }
    entries_release(&e);
    if (status == 0 && f->n_classes > KD_MAX_CLASSES)
        status = kd_fail(err, "%s: more than %d class folders", root, KD_MAX_CLASSES);
    if (status == 0 && numbers && f->n_classes > 1)
        qsort(f->classes, f->n_classes, sizeof *f->classes, by_number);
    return status;
}

static bool class_is(const struct kd_folder *f, const char *name)
{
    for (size_t k = 0; k < f->n_classes; k++)
        if (strcmp(f->classes[k], name) == 0) return true;
    return false;
}

/* The split's own folders: all must be classes. */
static int strangers_check(const struct kd_folder *f, const char *root, struct kd_err *err)
{
    struct entries e;
    struct kd_folder inside = {0};
    if (entries_read(root, &e, err) < 0) return -1;
    int status = 0;
    for (size_t i = 0; i < e.n && status == 0; i++) {
        if (!e.v[i].folder || class_is(f, e.v[i].name)) continue;
        char *path = kd_path_join(err, root, e.v[i].name);
        status = path ? walk(&inside, path, 0, 1, err) : -1;
        bool any = false;
        if (status == 0) status = any_picture(&inside, 0, &any, err);
        if (status == 0 && any)
            status = kd_fail(err, "%s: a class that the train split does not have", path);
        files_drop(&inside, 0);
        kd_free(path);
    }
    entries_release(&e);
    kd_folder_release(&inside);
    return status;
}

static int files_list(struct kd_folder *f, struct kd_err *err)
{
    for (size_t k = 0; k < f->n_classes; k++) {
        char *path = kd_path_join(err, f->root, f->classes[k]);
        if (!path) return -1;
        const size_t from = f->n;
        const int status = kd_folder_is(path) ? walk(f, path, (int32_t)k, 1, err) : 0;
        kd_free(path);
        if (status < 0) return -1;
        if (f->n > from + 1) qsort(f->files + from, f->n - from, sizeof *f->files, by_path);
    }
    return 0;
}

int kd_folder_list(const struct kd_load *load, struct kd_folder *out, struct kd_err *err)
{
    char *classes = NULL;
    *out = (struct kd_folder){0};
    int status = roots_find(load, &out->root, &classes, err);
    if (status == 0) status = classes_list(out, classes, load, err);
    if (status == 0 && strcmp(classes, out->root) != 0)
        status = strangers_check(out, out->root, err);
    if (status == 0) status = files_list(out, err);
    kd_free(classes);
    if (status < 0) kd_folder_release(out);
    return status;
}

void kd_folder_release(struct kd_folder *f)
{
    files_drop(f, 0);
    kd_free(f->files);
    for (size_t k = 0; k < f->n_classes; k++) kd_free(f->classes[k]);
    kd_free(f->classes);
    kd_free(f->root);
    *f = (struct kd_folder){0};
}
