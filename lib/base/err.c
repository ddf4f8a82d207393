#include "kd/base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* Bytes at p that drive a terminal: U+0080 to 9F, and what turns the direction of writing. */
static int drives(const unsigned char *p)
{
    if (p[0] == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0) return 2;
    if (p[0] == 0xd8 && p[1] == 0x9c) return 2;                                   /* U+061C */
    if (p[0] == 0xe2 && p[1] == 0x80 && (p[2] == 0x8e || p[2] == 0x8f)) return 3; /* 200E, F */
    if (p[0] == 0xe2 && p[1] == 0x80 && p[2] >= 0xaa && p[2] <= 0xae) return 3;   /* 202A to E */
    if (p[0] == 0xe2 && p[1] == 0x81 && p[2] >= 0xa6 && p[2] <= 0xa9) return 3;   /* 2066 to 9 */
    return 0;
}

void kd_text_tame(char *text)
{
    unsigned char *to = (unsigned char *)text;
    for (const unsigned char *p = to; *p;) {
        const int n = drives(p);
        if (n)
            *to++ = '?';
        else
            *to++ = *p >= 0x20 && *p != 0x7f ? *p : *p == '\n' || *p == '\t' ? ' ' : '?';
        p += n ? n : 1;
    }
    *to = '\0';
}

static int fail(struct kd_err *err, enum kd_err_kind kind, const char *behind, const char *format,
                va_list args)
{
    if (!err) return -1;
    char text[sizeof err->text];
    int n = vsnprintf(text, sizeof text, format, args);
    if (n < 0) text[0] = 0;
    int cut = behind ? 900 : (int)sizeof text - 1;
    snprintf(err->text, sizeof err->text, "%.*s%s%.100s", cut, text, behind ? ": " : "",
             behind ? behind : "");
    kd_text_tame(err->text);
    err->kind = kind;
    return -1;
}

int kd_fail(struct kd_err *err, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fail(err, KD_ERR_FAILURE, NULL, format, args);
    va_end(args);
    return -1;
}

static char machine_text[sizeof((struct kd_err *)0)->text];
static atomic_flag machine_taken = ATOMIC_FLAG_INIT;
static atomic_bool machine_failed;

static void note_machine(const struct kd_err *err)
{
    if (!err || atomic_flag_test_and_set(&machine_taken)) return;
    memcpy(machine_text, err->text, sizeof machine_text);
    atomic_store(&machine_failed, true);
}

const char *kd_err_machine(void)
{
    return atomic_load(&machine_failed) ? machine_text : NULL;
}

static bool is_machine(int code)
{
    static const int codes[] = {ENOMEM, EIO, EMFILE, ENFILE, ENOSPC};
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        if (code == codes[i]) return true;
    return false;
}

int kd_fail_memory(struct kd_err *err, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fail(err, KD_ERR_FAILURE, NULL, format, args);
    va_end(args);
    note_machine(err);
    return -1;
}

int kd_fail_usage(struct kd_err *err, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fail(err, KD_ERR_USAGE, NULL, format, args);
    va_end(args);
    return -1;
}

int kd_fail_errno(struct kd_err *err, const char *format, ...)
{
    int code = errno;
    va_list args;
    va_start(args, format);
    fail(err, KD_ERR_FAILURE, strerror(code), format, args);
    va_end(args);
    if (is_machine(code)) note_machine(err);
    return -1;
}

int kd_err_context(struct kd_err *err, const char *format, ...)
{
    if (!err) return -1;
    char context[512], text[sizeof err->text];
    va_list args;
    va_start(args, format);
    if (vsnprintf(context, sizeof context, format, args) < 0) context[0] = 0;
    va_end(args);
    kd_text_tame(context);
    snprintf(text, sizeof text, "%s", err->text);
    snprintf(err->text, sizeof err->text, "%s: %.500s", context, text);
    return -1;
}

/* Optimal string alignment distance (Damerau 1964), words cut at 63 characters. */
static unsigned distance(const char *a, const char *b)
{
    enum { LONGEST = 64 };
    unsigned row[3][LONGEST + 1];
    size_t na = strlen(a), nb = strlen(b);
    if (na > LONGEST - 1) na = LONGEST - 1;
    if (nb > LONGEST - 1) nb = LONGEST - 1;
    for (size_t j = 0; j <= nb; j++) row[0][j] = (unsigned)j;
    for (size_t i = 1; i <= na; i++) {
        unsigned *now = row[i % 3], *last = row[(i + 2) % 3], *before = row[(i + 1) % 3];
        now[0] = (unsigned)i;
        for (size_t j = 1; j <= nb; j++) {
            unsigned best = last[j - 1] + (a[i - 1] != b[j - 1]);
            if (last[j] + 1 < best) best = last[j] + 1;
            if (now[j - 1] + 1 < best) best = now[j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                before[j - 2] + 1 < best)
                best = before[j - 2] + 1;
            now[j] = best;
        }
    }
    return row[na % 3][nb];
}

/* The one name that begins as typed: "temperature" for "temp"; NULL: none, or several. */
static const char *begun(const char *typed, const char *const *names, unsigned n)
{
    const size_t size = strlen(typed);
    const char *one = NULL;
    for (unsigned i = 0; i < n && size >= 3; i++) {
        if (!names[i] || strncmp(names[i], typed, size) != 0) continue;
        if (one) return NULL;
        one = names[i];
    }
    return one;
}

const char *kd_nearest(const char *typed, const char *const *names, unsigned n)
{
    const char *nearest = begun(typed, names, n);
    unsigned best = (unsigned)strlen(typed) / 3 + 1;
    if (nearest) return nearest;
    for (unsigned i = 0; i < n; i++) {
        if (!names[i]) continue;
        unsigned d = distance(typed, names[i]);
        if (d < best || (d == best && !nearest)) {
            best = d;
            nearest = names[i];
        }
    }
    return nearest;
}
