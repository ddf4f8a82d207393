#include "json_check.h"
#include "kd/base/json.h"
#include "kd/base/mem.h"
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct printer {
    struct kd_bytes out;
    bool pretty;
    struct kd_err *err;
};

static int print(struct printer *p, const char *text)
{
    return kd_bytes_add(&p->out, text, strlen(text), p->err);
}

/* Fifteen digits hold any decimal of that length, seventeen any double; numbers near zero have
 * fewer digits than that in them, so there the search starts at one. */
static int print_number(struct printer *p, double v)
{
    char text[40];
    if (!isfinite(v)) return print(p, "null");
    if (fabs(v) <= 9007199254740992.0 && v == floor(v)) {
        snprintf(text, sizeof text, "%.0f", v);
        return print(p, text);
    }
    for (int digits = fabs(v) < DBL_MIN ? 1 : 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, v);
        if (strtod(text, NULL) == v) break;
    }
    for (char *c = text; *c; c++)
        if (!strchr("0123456789+-e", *c)) *c = '.'; /* whatever the locale calls it */
    return print(p, text);
}

/* Bytes that are not UTF-8 (in a file's name, say) become U+FFFD: the result is always JSON. */
static int print_string(struct printer *p, const char *text)
{
    int status = print(p, "\"");
    size_t left = strlen(text);
    while (left > 0 && status == 0) {
        size_t plain = 0;
        while (plain < left && (unsigned char)text[plain] >= 0x20 && text[plain] != '"' &&
               text[plain] != '\\') {
            size_t n = kd_utf8_size(text + plain, left - plain);
            if (n == 0) break;
            plain += n;
        }
        status = kd_bytes_add(&p->out, text, plain, p->err);
        text += plain;
        left -= plain;
        if (left == 0 || status < 0) break;
        unsigned char c = (unsigned char)*text++;
        left--;
        if (c == '"')
            status = print(p, "\\\"");
        else if (c == '\\')
            status = print(p, "\\\\");
        else if (c == '\n')
            status = print(p, "\\n");
        else if (c == '\t')
            status = print(p, "\\t");
        else if (c < 0x20)
            status = kd_bytes_format(&p->out, p->err, "\\u%04x", c);
        else
            status = print(p, "\xef\xbf\xbd");
    }
    return status < 0 ? -1 : print(p, "\"");
}

static int new_line(struct printer *p, unsigned depth)
{
    if (!p->pretty) return 0;
    return kd_bytes_format(&p->out, p->err, "\n%*s", (int)(2 * depth), "");
}

static bool is_nest(const cJSON *value)
{
    return cJSON_IsArray(value) || cJSON_IsObject(value);
}

static int print_value(struct printer *p, const cJSON *value, unsigned depth);

/* Pretty: lists of plain values stay on their line. */
static int print_nest(struct printer *p, const cJSON *value, unsigned depth)
{
    bool object = cJSON_IsObject(value), lines = object;
    const cJSON *child;
    cJSON_ArrayForEach(child, value) lines = lines || is_nest(child);
    if (print(p, object ? "{" : "[") < 0) return -1;
    cJSON_ArrayForEach(child, value)
    {
        if (child != value->child && print(p, p->pretty && !lines ? ", " : ",") < 0) return -1;
        if (lines && new_line(p, depth + 1) < 0) return -1;
        if (object && (print_string(p, child->string ? child->string : "") < 0 ||
                       print(p, p->pretty ? ": " : ":") < 0))
            return -1;
        if (print_value(p, child, depth + 1) < 0) return -1;
    }
    if (lines && value->child && new_line(p, depth) < 0) return -1;
    return print(p, object ? "}" : "]");
}

static int print_value(struct printer *p, const cJSON *value, unsigned depth)
{
    if (is_nest(value)) return print_nest(p, value, depth);
    if (cJSON_IsString(value)) return print_string(p, value->valuestring);
    if (cJSON_IsNumber(value)) return print_number(p, value->valuedouble);
    if (cJSON_IsBool(value)) return print(p, cJSON_IsTrue(value) ? "true" : "false");
    if (cJSON_IsRaw(value)) return print(p, value->valuestring);
    return print(p, "null");
}

char *kd_json_text(const cJSON *value, bool pretty, struct kd_err *err)
{
    struct printer p = {.pretty = pretty, .err = err};
    if (print_value(&p, value, 0) == 0) return p.out.data;
    kd_bytes_release(&p.out);
    return NULL;
}

char *kd_json_text_of(cJSON *made, struct kd_err *err)
{
    char *text = made ? kd_json_text(made, false, err) : NULL;
    cJSON_Delete(made);
    return text;
}
