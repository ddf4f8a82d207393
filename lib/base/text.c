#include "kd/base/text.h"
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void kd_number_text(double v, char out[32])
{
    out[0] = '\0';
    if (!isfinite(v)) return;
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(out, 32, "%.*g", digits, v);
        if (strtod(out, NULL) == v) return;
    }
}

void kd_number_grouped(double v, int digits, char out[64])
{
    char plain[48];
    out[0] = '\0';
    if (!isfinite(v) || fabs(v) >= 1e15) {
        if (isfinite(v)) snprintf(out, 64, "%.4g", v);
        return;
    }
    snprintf(plain, sizeof plain, "%.*f", digits, v);
    size_t whole = strcspn(plain, "."), start = plain[0] == '-', k = 0;
    for (size_t i = 0; plain[i]; i++) {
        if (i > start && i < whole && (whole - i) % 3 == 0) out[k++] = ',';
        out[k++] = plain[i];
    }
    out[k] = '\0';
}

unsigned kd_utf8_next(const char **text)
{
    const unsigned char *s = (const unsigned char *)*text;
    unsigned more = s[0] < 0x80 ? 0 : s[0] >= 0xF0 ? 3 : s[0] >= 0xE0 ? 2 : 1;
    static const unsigned least[] = {0, 0x80, 0x800, 0x10000};
    unsigned c = more == 0 ? s[0] : s[0] & (0x3Fu >> more);
    (*text)++;
    if (more && (s[0] < 0xC2 || s[0] > 0xF4)) return 0xFFFD;
    for (unsigned i = 1; i <= more; i++) {
        if ((s[i] & 0xC0) != 0x80) return 0xFFFD;
        c = c << 6 | (s[i] & 0x3Fu);
    }
    if (more && (c < least[more] || c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF))) return 0xFFFD;
    *text += more;
    return c;
}

static size_t point_width(unsigned c)
{
    static const struct {
        unsigned first, last, width;
    } ranges[] = {{0x0300, 0x036F, 0},   {0x200B, 0x200F, 0},  {0x20D0, 0x20FF, 0},
                  {0xFE00, 0xFE0F, 0},   {0x1100, 0x115F, 2},  {0x2E80, 0xA4CF, 2},
                  {0xAC00, 0xD7A3, 2},   {0xF900, 0xFAFF, 2},  {0xFE30, 0xFE6F, 2},
                  {0xFF00, 0xFF60, 2},   {0xFFE0, 0xFFE6, 2},  {0x1F300, 0x1F64F, 2},
                  {0x1F900, 0x1F9FF, 2}, {0x20000, 0x3FFFD, 2}};
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
        if (c >= ranges[i].first && c <= ranges[i].last) return ranges[i].width;
    return 1;
}

size_t kd_text_width(const char *text)
{
    size_t width = 0;
    while (*text) width += point_width(kd_utf8_next(&text));
    return width;
}

char *kd_name_short(const char *name, bool ascii, struct kd_err *err)
{
    const char *const words[][2] = {{",network=", ","},
                                    {",temperature=", ",T="},
                                    {",learning_rate=", ",rate="},
                                    {",alpha=", ascii ? ",a=" : ",\xCE\xB1="}};
    struct kd_bytes out = {0};
    int status = kd_bytes_add(&out, "", 0, err);
    while (*name && status == 0) {
        const char *as = NULL;
        for (size_t k = 0; k < sizeof words / sizeof *words && !as; k++) {
            size_t length = strlen(words[k][0]);
            if (strncmp(name, words[k][0], length) != 0) continue;
            as = words[k][1];
            name += length;
        }
        status = as ? kd_bytes_add(&out, as, strlen(as), err) : kd_bytes_add(&out, name++, 1, err);
    }
    if (status == 0) return out.data ? out.data : kd_strdup("", err);
    kd_bytes_release(&out);
    return NULL;
}

size_t kd_text_piece(const char *text, size_t width)
{
    const char *next = text, *fits = text, *good = text;
    size_t used = 0;
    if (kd_text_width(text) <= width) return strlen(text);
    while (*next) {
        const char *at = next;
        used += point_width(kd_utf8_next(&next));
        if (used > width && at > text) break;
        fits = next;
        const bool digits = *next >= '0' && *next <= '9'; /* 1,000 stays whole */
        if ((*at == ',' && !digits) || *at == '/' || *at == ' ') good = next;
    }
    return (size_t)((good > text ? good : fits) - text);
}

int kd_text_wrap(struct kd_bytes *out, const char *text, size_t indent, size_t width,
                 struct kd_err *err)
{
    while (*text) {
        size_t length = kd_text_piece(text, width - indent), shown = length;
        while (shown > 0 && text[shown - 1] == ' ') shown--;
        if (kd_bytes_format(out, err, "%*s", (int)indent, "") < 0 ||
            kd_bytes_add(out, text, shown, err) < 0 || kd_bytes_add(out, "\n", 1, err) < 0)
            return -1;
        text += length;
    }
    return 0;
}

static bool is_control(unsigned c)
{
    return c < 0x20 || (c >= 0x7F && c < 0xA0) || c == 0x061C || c == 0x200E || c == 0x200F ||
           (c >= 0x202A && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069) || c == 0xFFFE ||
           c == 0xFFFF;
}

int kd_text_plain(struct kd_bytes *out, const char *text, struct kd_err *err)
{
    while (*text) {
        const char *start = text;
        unsigned c = kd_utf8_next(&text);
        if (c == '\t' || c == '\n' || c == '\r') {
            if (kd_bytes_add(out, " ", 1, err) < 0) return -1;
        } else if (is_control(c) || c == 0xFFFD) {
            if (kd_bytes_add(out, "\xEF\xBF\xBD", 3, err) < 0) return -1;
        } else if (kd_bytes_add(out, start, (size_t)(text - start), err) < 0) {
            return -1;
        }
    }
    return 0;
}

int kd_text_xml(struct kd_bytes *out, const char *text, struct kd_err *err)
{
    struct kd_bytes clean = {0};
    int status = kd_text_plain(&clean, text, err);
    for (size_t i = 0; status == 0 && i < clean.size; i++) {
        char c = clean.data[i];
        const char *as = c == '&'    ? "&amp;"
                         : c == '<'  ? "&lt;"
                         : c == '>'  ? "&gt;"
                         : c == '"'  ? "&quot;"
                         : c == '\'' ? "&#39;"
                                     : NULL;
        status = as ? kd_bytes_add(out, as, strlen(as), err) : kd_bytes_add(out, &c, 1, err);
    }
    kd_bytes_release(&clean);
    return status;
}

static bool digit(char c)
{
    return c >= '0' && c <= '9';
}

int kd_natural_order(const char *a, const char *b)
{
    while (*a && *b) {
        if (digit(*a) && digit(*b)) {
            char *end_a, *end_b;
            double x = strtod(a, &end_a), y = strtod(b, &end_b);
            if (x != y) return x < y ? -1 : 1;
            a = end_a;
            b = end_b;
        } else if (*a != *b) {
            break;
        } else {
            a++;
            b++;
        }
    }
    return (unsigned char)*a - (unsigned char)*b;
}
