#include "json_check.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct scan {
    const char *start, *p, *end, *name;
    struct kd_err *err;
    size_t values;
};

/* cJSON needs some 80 bytes for a value that takes two in the text: this many are 320 MB. */
#define VALUES_LIMIT ((size_t)4 << 20)

/* What people know from other formats where JSON has another thing, or NULL. */
static const char *elsewhere(const struct scan *s)
{
    const size_t left = (size_t)(s->end - s->p);
    if (left == 0) return NULL;
    if (*s->p == '#' || (left > 1 && *s->p == '/' && strchr("/*", s->p[1])))
        return "a comment; JSON has none, so take it out";
    if (*s->p == '\'') return "a single quote; JSON puts text in double quotes";
    return NULL;
}

/* s->p is where it goes wrong. */
static int wrong(const struct scan *s, const char *what)
{
    size_t line = 1, column = 1;
    for (const char *q = s->start; q < s->p; q++) {
        if (*q == '\n') {
            line++;
            column = 1;
        } else if (((unsigned char)*q & 0xc0) != 0x80) {
            column++;
        }
    }
    const char *known = elsewhere(s);
    return kd_fail(s->err, "%s: line %zu, column %zu: %s", s->name, line, column,
                   known ? known : what);
}

static void skip_space(struct scan *s)
{
    while (s->p < s->end && (*s->p == ' ' || *s->p == '\t' || *s->p == '\n' || *s->p == '\r'))
        s->p++;
}

size_t kd_utf8_size(const char *text, size_t size)
{
    const unsigned char *p = (const unsigned char *)text;
    if (size == 0) return 0;
    if (p[0] < 0x80) return 1;
    size_t n = p[0] >= 0xc2 && p[0] < 0xe0 ? 2 : (p[0] & 0xf0) == 0xe0 ? 3 : 4;
    if (p[0] < 0xc2 || p[0] > 0xf4 || size < n) return 0;
    for (size_t i = 1; i < n; i++)
        if ((p[i] & 0xc0) != 0x80) return 0;
    /* written longer than need be; surrogates; behind the last character */
    if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
        (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
        return 0;
    return n;
}

/* The four digits behind \u, or -1. */
static long four_hex(const struct scan *s, const char *p)
{
    long v = 0;
    if (s->end - p < 4) return -1;
    for (int i = 0; i < 4; i++) {
        char c = p[i];
        if (c >= '0' && c <= '9')
            v = v * 16 + (c - '0');
        else if (c >= 'a' && c <= 'f')
            v = v * 16 + (c - 'a' + 10);
        else if (c >= 'A' && c <= 'F')
            v = v * 16 + (c - 'A' + 10);
        else
            return -1;
    }
    return v;
}

static int check_escape(struct scan *s)
{
    char c = s->end - s->p > 1 ? s->p[1] : '\0';
    if (c && strchr("\"\\/bfnrt", c)) {
        s->p += 2;
        return 0;
    }
    if (c != 'u') return wrong(s, "this escape is none that JSON has; a backslash is written \\\\");
    long v = four_hex(s, s->p + 2);
    if (v < 0) return wrong(s, "\\u needs four hexadecimal digits");
    if (v == 0) return wrong(s, "a text cannot hold the character \\u0000");
    if (v < 0xd800 || v > 0xdfff) {
        s->p += 6;
        return 0;
    }
    long low = -1;
    if (s->end - s->p >= 12 && s->p[6] == '\\' && s->p[7] == 'u') low = four_hex(s, s->p + 8);
    if (v > 0xdbff || low < 0xdc00 || low > 0xdfff)
        return wrong(s, "half of a surrogate pair without its other half");
    s->p += 12;
    return 0;
}

static int check_string(struct scan *s)
{
    const char *open = s->p++;
    while (s->p < s->end && *s->p != '"') {
        unsigned char c = (unsigned char)*s->p;
        if (c == '\\') {
            if (check_escape(s) < 0) return -1;
            continue;
        }
        if (c == '\n' || c == '\r') {
            s->p = open;
            return wrong(s, "this string is not closed on its line");
        }
        if (c < 0x20) return wrong(s, "a control character within a string; write it as \\u00XX");
        size_t n = kd_utf8_size(s->p, (size_t)(s->end - s->p));
        if (n == 0) return wrong(s, "a byte that is not UTF-8; save the text as UTF-8");
        s->p += n;
    }
    if (s->p == s->end) {
        s->p = open;
        return wrong(s, "this string is not closed");
    }
    s->p++;
    return 0;
}

static bool digits(struct scan *s)
{
    const char *from = s->p;
    while (s->p < s->end && *s->p >= '0' && *s->p <= '9') s->p++;
    return s->p > from;
}

static int check_number(struct scan *s)
{
    const char *from = s->p;
    char text[64]; /* cJSON's own limit */
    bool good = true;
    if (*s->p == '-') s->p++;
    if (s->p < s->end && *s->p == '0')
        s->p++;
    else
        good = digits(s);
    if (good && s->p < s->end && *s->p == '.') {
        s->p++;
        good = digits(s);
    }
    if (good && s->p < s->end && (*s->p == 'e' || *s->p == 'E')) {
        s->p++;
        if (s->p < s->end && (*s->p == '+' || *s->p == '-')) s->p++;
        good = digits(s);
    }
    if (good && s->p < s->end && *s->p && strchr("0123456789.+-eExX", *s->p)) good = false;
    size_t n = (size_t)(s->p - from);
    s->p = from;
    if (!good) return wrong(s, "not a number as JSON writes it (0.5, -1, 1e-3)");
    if (n >= sizeof text) return wrong(s, "a number of more than 63 characters");
    memcpy(text, from, n);
    text[n] = '\0';
    /* Only the size of the exponent matters here, so a locale's decimal point does no harm. */
    if (isinf(strtod(text, NULL))) return wrong(s, "a number too large for a double");
    s->p += n;
    return 0;
}

static int check_word(struct scan *s)
{
    static const char *const words[] = {"true", "false", "null"};
    for (unsigned i = 0; i < 3; i++) {
        size_t n = strlen(words[i]);
        if ((size_t)(s->end - s->p) >= n && memcmp(s->p, words[i], n) == 0) {
            s->p += n;
            return 0;
        }
    }
    if (*s->p == '\'') return wrong(s, "strings stand in double quotes (\"), not in single ones");
    if (*s->p == ',') return wrong(s, "a value is missing before this comma");
    if (*s->p == '}' || *s->p == ']')
        return wrong(s, "a value is missing before this bracket (a comma too many?)");
    if (*s->p == '\0') return wrong(s, "a NUL byte; this is not a text");
    return wrong(s,
                 "a value is expected here: an object, list, string, number, true, false or null");
}

static int check_value(struct scan *s, unsigned depth);

static int check_member(struct scan *s, unsigned depth)
{
    if (s->p < s->end && *s->p == '}') return wrong(s, "a comma with nothing behind it");
    if (s->p < s->end && *s->p != '"') return wrong(s, "a key in double quotes is expected here");
    if (s->p < s->end && check_string(s) < 0) return -1;
    skip_space(s);
    if (s->p < s->end && *s->p != ':') return wrong(s, "a colon is expected behind the key");
    if (s->p < s->end) s->p++;
    return check_value(s, depth);
}

/* An object or a list. */
static int check_nest(struct scan *s, unsigned depth)
{
    bool object = *s->p == '{';
    char close = object ? '}' : ']';
    if (depth >= KD_JSON_DEPTH) return wrong(s, "nested too deeply");
    s->p++;
    skip_space(s);
    if (s->p < s->end && *s->p == close) {
        s->p++;
        return 0;
    }
    for (;;) {
        skip_space(s);
        if ((object ? check_member(s, depth + 1) : check_value(s, depth + 1)) < 0) return -1;
        skip_space(s);
        if (s->p == s->end) return wrong(s, "the text ends within an object or list");
        char c = *s->p;
        if (c != close && c != ',')
            return wrong(s, object ? "a comma or } is expected here"
                                   : "a comma or ] is expected here");
        s->p++;
        if (c == close) return 0;
    }
}

static int check_value(struct scan *s, unsigned depth)
{
    skip_space(s);
    if (s->p == s->end) return wrong(s, "the text ends where a value is expected");
    if (++s->values > VALUES_LIMIT) return wrong(s, "more than four million values");
    if (*s->p == '{' || *s->p == '[') return check_nest(s, depth);
    if (*s->p == '"') return check_string(s);
    if (*s->p == '-' || (*s->p >= '0' && *s->p <= '9')) return check_number(s);
    return check_word(s);
}

/* "---", "key:" or "- item" where a value should begin. */
static bool looks_like_yaml(const struct scan *s)
{
    const char *p = s->p;
    if (s->end - p >= 3 && memcmp(p, "---", 3) == 0) return true;
    if (s->end - p >= 2 && memcmp(p, "- ", 2) == 0) return true;
    while (p < s->end && ((*p | 32) >= 'a' && (*p | 32) <= 'z')) p++;
    return p > s->p && p < s->end && *p == ':';
}

int kd_json_check(const char *text, size_t size, const char *name, struct kd_err *err)
{
    struct scan s = {.start = text, .p = text, .end = text + size, .name = name, .err = err};
    skip_space(&s);
    if (s.p == s.end) return kd_fail(err, "%s: empty, where JSON is expected", name);
    if (looks_like_yaml(&s))
        return kd_fail(err, "%s: this looks like YAML; kd reads JSON: {\"key\": value, ...}", name);
    if (check_value(&s, 0) < 0) return -1;
    skip_space(&s);
    if (s.p < s.end) return wrong(&s, "text behind the end of the JSON value");
    return 0;
}
