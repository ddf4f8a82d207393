#include "csv.h"
#include "kd/base/known_formats.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COLUMNS_LIMIT = 1 << 20, LINE_LIMIT = 1 << 26 };

static char separator_find(const char *p, const char *end)
{
    static const char kinds[] = ",;\t";
    size_t count[3] = {0, 0, 0};
    bool quoted = false;
    for (; p < end && (quoted || *p != '\n'); p++) {
        if (*p == '"') quoted = !quoted;
        for (int i = 0; !quoted && i < 3; i++) count[i] += *p == kinds[i];
    }
    int best = 0;
    for (int i = 1; i < 3; i++)
        if (count[i] > count[best]) best = i;
    return kinds[best];
}

struct reader {
    char *p, *end;
    const char *name;
    uint32_t line;
    struct kd_csv *csv;
    struct kd_err *err;
};

/* One cell, its quotes undone in place, ended by a NUL; what ends it is passed over, '\n' for a
 * line's end and for the file's. */
static int cell_take(struct reader *r, char **cell, char *ended)
{
    const uint32_t first = r->line;
    while (r->p < r->end && *r->p == ' ') r->p++;
    char *to = r->p, *from = r->p;
    *cell = to;
    if (from < r->end && *from == '"') {
        for (from++;; from++) {
            if (from == r->end)
                return kd_fail(r->err, "%s: line %u: a quote is not closed", r->name, first);
            if (*from == '"' && from + 1 < r->end && from[1] == '"')
                from++;
            else if (*from == '"')
                break;
            r->line += *from == '\n';
            *to++ = *from;
        }
        from++;
        while (from < r->end && (*from == ' ' || *from == '\r')) from++;
        if (from < r->end && *from != r->csv->separator && *from != '\n')
            return kd_fail(r->err, "%s: line %u: text behind a closing quote", r->name, r->line);
    } else {
        while (from < r->end && *from != r->csv->separator && *from != '\n') from++;
        to = from;
        while (to > *cell && (to[-1] == ' ' || to[-1] == '\r')) to--;
    }
    *ended = from < r->end ? *from : '\n';
    r->p = from < r->end ? from + 1 : from;
    *to = '\0'; /* behind the last cell there is the buffer's own NUL */
    return 0;
}

static int cell_add(struct reader *r, const char *cell)
{
    struct kd_csv *c = r->csv;
    const char **slot = kd_grow(&c->cells, &c->n, &c->room, sizeof *slot, "cells", r->err);
    if (!slot) return kd_err_context(r->err, "%s", r->name);
    *slot = cell;
    return 0;
}

static int row_take(struct reader *r)
{
    struct kd_csv *c = r->csv;
    const uint32_t line = r->line;
    const char *start = r->p;
    size_t n = 0;
    char *cell, ended = ' ';
    while (ended != '\n') {
        if (cell_take(r, &cell, &ended) < 0) return -1;
        if (r->p - start > LINE_LIMIT)
            return kd_fail(r->err, "%s: line %u is longer than %d bytes: is it a table?", r->name,
                           line, LINE_LIMIT);
        if (n == 0 && ended == '\n' && !*cell) { /* an empty line */
            r->line++;
            return 0;
        }
        if (n == COLUMNS_LIMIT)
            return kd_fail(r->err, "%s: line %u: more than %d cells", r->name, line, COLUMNS_LIMIT);
        if (cell_add(r, cell) < 0) return -1;
        n++;
    }
    if (!c->columns) c->columns = (uint32_t)n;
    if (n != c->columns)
        return kd_fail(r->err, "%s: line %u: %zu cells, but the first line has %u", r->name, line,
                       n, c->columns);
    uint32_t *slot = kd_grow(&c->line, &c->rows, &c->rows_room, sizeof *slot, "lines", r->err);
    if (!slot) return -1;
    *slot = line;
    r->line++;
    return 0;
}

int kd_csv_parse(struct kd_bytes *bytes, const char *name, struct kd_csv *out, struct kd_err *err)
{
    struct kd_known_format is;
    *out = (struct kd_csv){0};
    struct reader r = {.p = bytes->data,
                       .end = bytes->data + bytes->size,
                       .name = name,
                       .line = 1,
                       .csv = out,
                       .err = err};
    if (bytes->size >= 3 && memcmp(bytes->data, "\xef\xbb\xbf", 3) == 0) r.p += 3;
    if (bytes->size == 0) return kd_fail(err, "%s: an empty table", name);
    if (memchr(bytes->data, '\0', bytes->size)) {
        if (kd_known_format(bytes->data, bytes->size, &is))
            return kd_fail(err, "%s: not a CSV table: this is %s; %s", name, is.name, is.remedy);
        return kd_fail(err, "%s: not a CSV table: it has NUL bytes", name);
    }
    out->separator = separator_find(r.p, r.end);
    while (r.p < r.end)
        if (row_take(&r) < 0) {
            kd_csv_release(out);
            return -1;
        }
    if (out->rows) return 0;
    return kd_fail(err, "%s: an empty table", name);
}

void kd_csv_release(struct kd_csv *csv)
{
    kd_free(csv->cells);
    kd_free(csv->line);
    *csv = (struct kd_csv){0};
}

bool kd_csv_number(const struct kd_csv *csv, const char *cell, double *out)
{
    char text[64], *end;
    const size_t n = strlen(cell);
    if (n == 0 || n >= sizeof text || strspn(cell, "+-.,0123456789eE") != n) return false;
    memcpy(text, cell, n + 1);
    for (char *c = text; *c && csv->separator == ';'; c++)
        if (*c == ',') *c = '.';
    *out = strtod(text, &end);
    return *end == '\0' && isfinite(*out);
}
