/* A file that grows at its end, as a log does: so many lines cost so many writes, not their square.
 *
 *     struct kd_growing log = {.fd = -1};
 *     if (kd_growing_bring(&log, "log.jsonl", &text, err) < 0) ...    text has got another line
 *     kd_growing_close(&log);
 *
 * The first time the file is made as any other (kd_file_write), so that it is the old one or the
 * new one. After that what text has more is written behind it, in one write; one that fails leaves
 * no part of it. Where the file is not the same any more, or has another size, it is made anew. */
#ifndef KD_BASE_GROWING_H
#define KD_BASE_GROWING_H
#include "kd/base/err.h"
#include "kd/base/mem.h"

struct kd_growing {
    int fd;      /* -1: none is open */
    size_t size; /* bytes that are in the file */
};
/* `text` is what the file is to hold: what it held the last time, and more. */
int kd_growing_bring(struct kd_growing *g, const char *path, const struct kd_bytes *text,
                     struct kd_err *err);
/* To the disk; harmless where none is open. */
int kd_growing_sync(const struct kd_growing *g, const char *path, struct kd_err *err);
void kd_growing_close(struct kd_growing *g);
#endif
