/* A folder of one test program's own, and files made in it. Include after cmocka.h. */
#ifndef KD_TEST_FOLDER_H
#define KD_TEST_FOLDER_H
#include "kd/base/file.h"
#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char scratch[256];

static inline int scratch_make(void **state)
{
    const char *base = getenv("TMPDIR");
    (void)state;
    snprintf(scratch, sizeof scratch, "%.200s/kd-test.XXXXXX", base && *base ? base : "/tmp");
    return mkdtemp(scratch) ? 0 : -1;
}

static inline int scratch_entry(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)st;
    (void)kind;
    (void)at;
    return remove(path);
}

static inline int scratch_remove(void **state)
{
    (void)state;
    return nftw(scratch, scratch_entry, 16, FTW_DEPTH | FTW_PHYS);
}

/* A path in the folder; valid until the eighth call after this one. */
static inline const char *in(const char *format, ...)
{
    static char paths[8][512];
    static unsigned next;
    char *path = paths[next++ % 8];
    va_list list;
    const int n = snprintf(path, 512, "%s/", scratch);
    va_start(list, format);
    vsnprintf(path + n, 512 - (size_t)n, format, list);
    va_end(list);
    return path;
}

static inline void put_file(const char *path, const void *data, size_t size)
{
    struct kd_err err = {0};
    if (kd_file_write(path, data, size, &err) < 0) fail_msg("%s", err.text);
}
#endif
