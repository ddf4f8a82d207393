#include "stream.h"
#include <stdint.h>
#include <string.h>

bool kd_stream_is_packed(const unsigned char *bytes, size_t size)
{
    return size >= 2 && bytes[0] == 0x1f && bytes[1] == 0x8b;
}

int kd_stream_open(struct kd_stream *s, const void *bytes, size_t size, const char *name,
                   struct kd_err *err)
{
    *s = (struct kd_stream){.name = name, .next = bytes, .left = size};
    s->gz = kd_stream_is_packed(bytes, size);
    if (s->gz && inflateInit2(&s->z, 15 + 16) != Z_OK)
        return kd_fail_memory(err, "%s: no memory to decompress", name);
    return 0;
}

void kd_stream_close(struct kd_stream *s)
{
    if (s->gz) inflateEnd(&s->z);
}

/* A file may have several members one behind the other, and zeros behind the last, as tapes have:
 * gzip(1) takes both. */
static bool next_member(struct kd_stream *s)
{
    size_t zeros = 0;
    if (kd_stream_is_packed(s->next, s->left)) return inflateReset(&s->z) == Z_OK;
    while (zeros < s->left && s->next[zeros] == 0) zeros++;
    if (zeros == s->left) s->left = 0;
    return false;
}

/* Up to n bytes; fewer only at the end of the data. -1 where the compressed data is damaged. */
static int stream_read(struct kd_stream *s, unsigned char *out, size_t n, size_t *got,
                       struct kd_err *err)
{
    *got = 0;
    if (!s->gz) {
        *got = n < s->left ? n : s->left;
        if (*got > 0) memcpy(out, s->next, *got);
        s->next += *got;
        s->left -= *got;
        s->given += *got;
        return 0;
    }
    while (*got < n && !s->ended) {
        const size_t room = n - *got;
        s->z.next_in = (unsigned char *)(uintptr_t)s->next;
        s->z.avail_in = s->left < (1u << 30) ? (uInt)s->left : 1u << 30;
        s->z.next_out = out + *got;
        s->z.avail_out = room < (1u << 30) ? (uInt)room : 1u << 30;
        const uInt in = s->z.avail_in, room_now = s->z.avail_out;
        const int status = inflate(&s->z, Z_NO_FLUSH);
        const size_t eaten = in - s->z.avail_in, made = room_now - s->z.avail_out;
        s->next += eaten;
        s->left -= eaten;
        *got += made;
        s->given += made;
        if (status == Z_STREAM_END)
            s->ended = !next_member(s);
        else if (status == Z_BUF_ERROR || (status == Z_OK && eaten == 0 && made == 0))
            return 0; /* cut short: the caller says what is missing */
        else if (status != Z_OK)
            return kd_fail(err,
                           "%s: damaged gzip data after %zu decompressed bytes (%s); fetch the "
                           "file again",
                           s->name, s->given, s->z.msg ? s->z.msg : "inflate");
    }
    return 0;
}

int kd_stream_take(struct kd_stream *s, unsigned char *out, size_t n, struct kd_err *err)
{
    const size_t before = s->given;
    size_t got;
    if (stream_read(s, out, n, &got, err) < 0) return -1;
    if (got < n)
        return kd_fail(err, "%s: truncated%s: %zu bytes expected, %zu found; fetch the file again",
                       s->name, s->gz ? " gzip data" : "", before + n, s->given);
    return 0;
}

/* Nothing may follow, and a gzip stream must end with its own check sum. */
int kd_stream_finish(struct kd_stream *s, struct kd_err *err)
{
    unsigned char extra;
    size_t got;
    if (stream_read(s, &extra, 1, &got, err) < 0) return -1;
    if (got > 0)
        return kd_fail(err, "%s: trailing bytes: the header promises %zu bytes, more follow",
                       s->name, s->given - 1);
    if (s->gz && !s->ended)
        return kd_fail(err,
                       "%s: truncated gzip data: all %zu bytes are there, but not the check sum "
                       "behind them; fetch the file again",
                       s->name, s->given);
    if (s->gz && s->left > 0)
        return kd_fail(err, "%s: %zu trailing bytes behind the gzip data", s->name, s->left);
    return 0;
}
