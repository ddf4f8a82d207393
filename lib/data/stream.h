/* Bytes in memory, plain or gzip, taken piece by piece; private to lib/data.
 *
 *     struct kd_stream s;
 *     if (kd_stream_open(&s, bytes, size, name, err) < 0) ...
 *     kd_stream_take(&s, header, 4, err) ... kd_stream_finish(&s, err);
 *     kd_stream_close(&s); */
#ifndef KD_DATA_STREAM_H
#define KD_DATA_STREAM_H
#include "kd/base/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <zlib.h>

/* Deflate cannot do better than about 1032 to 1. */
#define KD_STREAM_RATIO 1040

struct kd_stream {
    const char *name;
    const unsigned char *next;
    size_t left, given; /* input left, output given so far */
    z_stream z;
    bool gz, ended;
};

bool kd_stream_is_packed(const unsigned char *bytes, size_t size);
int kd_stream_open(struct kd_stream *s, const void *bytes, size_t size, const char *name,
                   struct kd_err *err);
void kd_stream_close(struct kd_stream *s);
/* Exactly n bytes, or an error that says how many there were. */
int kd_stream_take(struct kd_stream *s, unsigned char *out, size_t n, struct kd_err *err);
/* Nothing may follow, and packed data must end with its own check sum. */
int kd_stream_finish(struct kd_stream *s, struct kd_err *err);
#endif
