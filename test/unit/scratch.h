/* A folder for a test's own files, and the usual includes of cmocka. */
#ifndef KD_TEST_SCRATCH_H
#define KD_TEST_SCRATCH_H
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char scratch[256];

static inline int scratch_make(void **state)
{
    (void)state;
    const char *base = getenv("TMPDIR");
    snprintf(scratch, sizeof scratch, "%.200s/kd-test-XXXXXX", base && *base ? base : "/tmp");
    return mkdtemp(scratch) ? 0 : -1;
}

/* Removes the folder and the files in it (no folders: tests remove those themselves). */
static inline int scratch_remove(void **state)
{
    (void)state;
    DIR *d = opendir(scratch);
    const struct dirent *e;
    while (d && (e = readdir(d))) {
        char path[768];
        snprintf(path, sizeof path, "%s/%s", scratch, e->d_name);
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0) remove(path);
    }
    if (d) closedir(d);
    return rmdir(scratch);
}

/* "scratch/name", valid until the call after the next three. */
static inline const char *in_scratch(const char *name)
{
    static char paths[4][512];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", scratch, name);
    return path;
}

static inline unsigned scratch_entries(void)
{
    unsigned n = 0;
    DIR *d = opendir(scratch);
    while (d && readdir(d)) n++;
    if (d) closedir(d);
    return n - 2;
}

#define assert_says(err, part)                                                                     \
    do {                                                                                           \
        if (!strstr((err).text, (part))) fail_msg("\"%s\" lacks \"%s\"", (err).text, (part));      \
    } while (0)

#endif
