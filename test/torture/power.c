/* Loss of power, from a record that record.so made of a program's writes: every state of the folder
 * that a disk may show afterwards, whatever it had done of its own accord. Only this is sure: a
 * file has the bytes that it had at its last fsync; a folder has the names that it had at its own.
 * What came later may be there or not, each change of a name by itself and in any order (a rename
 * is whole or not at all), and of the bytes written since: none, all, the first half, or zeros.
 *
 *     power RECORD TO      makes TO/0, TO/1, ... and prints for each "NUMBER CALLS KEPT": after so
 *                          many calls; KEPT is a list of the names that are surely there, ","
 * behind each, or "-"
 */
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { FILES = 4096, NAMES = 256, PENDING = 4096, FREE = 8, STATES = 200000 };
enum later { NONE, ALL, HALF, ZEROS, LATERS }; /* what is there of bytes that were not synced */

struct text {
    char *v;
    size_t n;
};
struct file {
    unsigned long long inode;
    struct text now, synced;
};
struct name {
    char path[PATH_MAX];
    int file; /* -1: a folder; -2: none any more */
};
struct names {
    struct name v[NAMES];
    int n;
};
struct change { /* `remove` goes, `add` comes, at once */
    char remove[PATH_MAX], add[PATH_MAX];
    int file;
};

static struct file files[FILES];
static int n_files;
static struct names live, sure;
static struct change pending[PENDING];
static int n_pending;
static uint64_t seen[STATES];
static int n_seen;
static const char *to;

static void *need(void *p)
{
    if (p) return p;
    fputs("power: no memory\n", stderr);
    exit(1);
}

static void resize(struct text *t, size_t n)
{
    if (n > t->n) {
        t->v = need(realloc(t->v, n));
        memset(t->v + t->n, 0, n - t->n);
    }
    t->n = n;
}

static struct name *find(struct names *names, const char *path)
{
    for (int i = 0; i < names->n; i++)
        if (strcmp(names->v[i].path, path) == 0) return &names->v[i];
    return NULL;
}

static void set(struct names *names, const char *path, int file)
{
    struct name *n = find(names, path);
    for (int i = 0; !n && i < names->n; i++)
        if (names->v[i].file == -2) n = &names->v[i];
    if (!n && names->n == NAMES) exit(1);
    if (!n) n = &names->v[names->n++];
    snprintf(n->path, sizeof n->path, "%s", path);
    n->file = file;
}

static void apply(struct names *names, const struct change *c)
{
    if (*c->remove && find(names, c->remove)) set(names, c->remove, -2);
    if (*c->add) set(names, c->add, c->file);
}

static void change(const char *removed, const char *added, int file)
{
    if (n_pending == PENDING) exit(1);
    struct change *c = &pending[n_pending++];
    snprintf(c->remove, sizeof c->remove, "%s", removed);
    snprintf(c->add, sizeof c->add, "%s", added);
    c->file = file;
    apply(&live, c);
}

/* An inode without a name is used again for another file. */
static int file_of(unsigned long long inode)
{
    for (int f = n_files - 1; f >= 0; f--)
        if (files[f].inode == inode) return f;
    return -1;
}

static void opened(unsigned long long inode, const char *path)
{
    const struct name *n = find(&live, path);
    const int f = file_of(inode);
    if (n && n->file >= 0 && n->file == f) return;
    if (n_files == FILES) exit(1);
    files[n_files].inode = inode;
    change("", path, n_files++);
}

static void write_to(int f, size_t at, size_t size, FILE *data)
{
    struct text *t = &files[f].now;
    if (at + size > t->n) resize(t, at + size);
    if (fread(t->v + at, 1, size, data) != size) exit(1);
}

static void sync_file(int f)
{
    resize(&files[f].synced, files[f].now.n);
    if (files[f].now.n) memcpy(files[f].synced.v, files[f].now.v, files[f].now.n);
}

static bool lies_in(const char *path, const char *folder)
{
    const char *slash = strrchr(path, '/');
    if (!*path) return false;
    if (!slash) return strcmp(folder, ".") == 0;
    return strlen(folder) == (size_t)(slash - path) && strncmp(path, folder, strlen(folder)) == 0;
}

static void sync_folder(const char *folder)
{
    int left = 0;
    for (int i = 0; i < n_pending; i++) {
        const struct change *c = &pending[i];
        if (!folder || lies_in(*c->add ? c->add : c->remove, folder))
            apply(&sure, c);
        else
            pending[left++] = *c;
    }
    n_pending = left;
}

/* ---- states ---- */

static struct text shown(const struct file *f, enum later later)
{
    const size_t had = f->synced.n, has = f->now.n;
    struct text t = {0};
    const struct text *from = later == NONE ? &f->synced : &f->now;
    resize(&t, later == HALF && has > had ? had + (has - had) / 2 : from->n);
    if (t.n) memcpy(t.v, from->v, t.n);
    if (later == ZEROS && has > had) memset(t.v + had, 0, has - had);
    return t;
}

static bool has_folder(struct names *names, const char *path)
{
    char above[PATH_MAX];
    snprintf(above, sizeof above, "%s", path);
    char *slash = strrchr(above, '/');
    if (!slash) return true;
    *slash = '\0';
    const struct name *n = find(names, above);
    return n && n->file == -1 && has_folder(names, above);
}

static uint64_t add_hash(uint64_t h, const void *bytes, size_t n) /* FNV-1a */
{
    for (const unsigned char *p = bytes; n--; p++) h = (h ^ *p) * 1099511628211u;
    return h;
}

static uint64_t hash(struct names *names, enum later later)
{
    uint64_t sum = 0; /* names stand in any order */
    for (int i = 0; i < names->n; i++) {
        const struct name *n = &names->v[i];
        if (n->file == -2 || !has_folder(names, n->path)) continue;
        uint64_t h = add_hash(14695981039346656037u, n->path, strlen(n->path) + 1);
        struct text t = n->file >= 0 ? shown(&files[n->file], later) : (struct text){0};
        sum += add_hash(h, t.v, t.n);
        free(t.v);
    }
    return sum;
}

static bool is_new(uint64_t h)
{
    for (int i = 0; i < n_seen; i++)
        if (seen[i] == h) return false;
    if (n_seen == STATES) exit(1);
    seen[n_seen++] = h;
    return true;
}

static void make(struct names *names, enum later later)
{
    char path[3 * PATH_MAX];
    snprintf(path, sizeof path, "%s/%d", to, n_seen - 1);
    if (mkdir(path, 0777) < 0) exit(1);
    for (size_t depth = 0; depth < 8; depth++) /* folders come before what is in them */
        for (int i = 0; i < names->n; i++) {
            const struct name *n = &names->v[i];
            size_t slashes = 0;
            for (const char *p = n->path; *p; p++) slashes += *p == '/';
            if (slashes != depth || n->file == -2 || !has_folder(names, n->path)) continue;
            snprintf(path, sizeof path, "%s/%d/%s", to, n_seen - 1, n->path);
            if (n->file == -1 && mkdir(path, 0777) == 0) continue;
            FILE *out = need(n->file < 0 ? NULL : fopen(path, "w"));
            struct text t = shown(&files[n->file], later);
            if (fwrite(t.v, 1, t.n, out) != t.n || fclose(out) != 0) exit(1);
            free(t.v);
        }
}

static void states(int calls)
{
    static struct names names;
    const int held = n_pending > FREE ? n_pending - FREE : 0; /* the oldest: all of them */
    for (unsigned choice = 0; choice < 1u << (n_pending - held); choice++)
        for (enum later later = NONE; later < LATERS; later++) {
            names = sure;
            for (int i = 0; i < n_pending; i++)
                if (i < held || choice >> (i - held) & 1) apply(&names, &pending[i]);
            if (!is_new(hash(&names, later))) continue;
            make(&names, later);
            printf("%d %d ", n_seen - 1, calls);
            for (int i = 0; i < sure.n; i++)
                if (sure.v[i].file >= 0 && has_folder(&sure, sure.v[i].path))
                    printf("%s,", sure.v[i].path);
            puts("-");
        }
}

static void play(const char *line, FILE *data)
{
    char op[16], rest[2 * PATH_MAX] = "";
    unsigned long long inode;
    if (sscanf(line, "%15s %llu %8191[^\n]", op, &inode, rest) < 2) exit(1);
    char *second = strchr(rest, '\t');
    if (second) *second++ = '\0';
    const struct name *n = find(&live, rest);
    const int f = file_of(inode);
    if (strcmp(op, "open") == 0) opened(inode, rest);
    if (strcmp(op, "cut") == 0 && f >= 0) resize(&files[f].now, strtoul(rest, NULL, 10));
    if (strcmp(op, "write") == 0 && f >= 0) {
        char *size;
        const size_t at = strtoul(rest, &size, 10);
        write_to(f, at, strtoul(size, NULL, 10), data);
    }
    if (strcmp(op, "sync") == 0 && f >= 0) sync_file(f);
    if (strcmp(op, "syncdir") == 0) sync_folder(rest);
    if (strcmp(op, "syncall") == 0) {
        for (int i = 0; i < n_files; i++) sync_file(i);
        sync_folder(NULL);
    }
    if (strcmp(op, "mkdir") == 0) change("", rest, -1);
    if (strcmp(op, "rmdir") == 0 || strcmp(op, "unlink") == 0) change(rest, "", -2);
    if (strcmp(op, "rename") == 0 && n && second) change(rest, second, n->file);
    if (strcmp(op, "link") == 0 && n && second) change("", second, n->file);
}

int main(int argc, char **argv)
{
    char path[PATH_MAX], line[3 * PATH_MAX];
    if (argc != 3) {
        fputs("usage: power RECORD TO\n", stderr);
        return 2;
    }
    to = argv[2];
    snprintf(path, sizeof path, "%s.data", argv[1]);
    FILE *calls = fopen(argv[1], "r"), *data = fopen(path, "r");
    if (!calls || !data) {
        fprintf(stderr, "power: %s: %s\n", argv[1], strerror(errno));
        return 1;
    }
    states(0);
    for (int k = 1; fgets(line, sizeof line, calls); k++) {
        play(line, data);
        states(k);
    }
    return fclose(calls) != 0 || fclose(data) != 0;
}
