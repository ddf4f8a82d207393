/* Large files seen where they lie: mapped, not read, so that they need no memory of their own.
 *
 * A view is private: what is written to it (byte order, say) changes this process's copy of a page
 * and never the file. Its bytes are released as any others.
 *
 * Who maps a file is exposed to what happens to it. If it becomes shorter, or its disk fails, the
 * next look at what is gone is a SIGBUS, which no caller can catch as an error. So a library that
 * is part of another program reads files, until that program asks for views; then SIGBUS on a view
 * ends the process with one line that names the file, and removes what was half written. If it is
 * written to, pixels change in the middle of a training; kd_views_check finds that out. */
#ifndef KD_BASE_VIEW_H
#define KD_BASE_VIEW_H
#include "kd/base/file.h"

/* Files smaller than this are read: it takes no time, and nothing can happen to them. */
#define KD_VIEW_LEAST ((size_t)8 << 20)

/* From now on large files are mapped, whatever their size where any_size: no memory is needed for
 * them. `program` begins the line that SIGBUS says; it must live on. */
void kd_views_allow(const char *program, bool any_size);
/* Bytes that a file may have where memory may hold `limit`: more where it is kd_read_limit() and
 * views may have any size. */
size_t kd_view_limit(size_t limit);
/* The bytes of a file: mapped where that is allowed, it is a regular file, and large; else read, as
 * by kd_file_read_kind. */
int kd_file_view(const char *path, size_t limit, bool (*may_be)(const void *start, size_t n),
                 struct kd_bytes *out, struct kd_err *err);
/* Whether a file that is viewed has been written to since: then what was made of it is of no file.
 */
int kd_views_check(struct kd_err *err);

#endif
