/* Of a table some columns, some rows, another order. */
#include "kd/base/table.h"
#include "kd/base/text.h"

#include <fnmatch.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

int kd_table_find(struct kd_table *t, const char *key, size_t *column)
{
    const char *names[KD_TABLE_COLUMNS] = {0};
    unsigned n = 0;
    for (size_t c = 0; c < t->n_columns; c++) {
        if (strcmp(t->columns[c].key, key) == 0) {
            *column = c;
            return 0;
        }
        names[n++] = t->columns[c].key;
    }
    t->failed = true;
    const char *near = kd_nearest(key, names, n);
    if (near) return kd_fail_usage(t->err, "no column \"%s\"; did you mean \"%s\"?", key, near);
    struct kd_bytes all = {0};
    for (unsigned i = 0; i < n; i++)
        if (kd_bytes_format(&all, t->err, "%s%s", i ? ", " : "", names[i]) < 0) break;
    kd_fail_usage(t->err, "no column \"%s\"; there are %s", key, all.data ? all.data : "none");
    kd_bytes_release(&all);
    return -1;
}

/* Places of the columns named, at most KD_TABLE_COLUMNS. */
static int find_all(struct kd_table *t, const char *keys, size_t *wanted, size_t *n)
{
    for (*n = 0; *keys;) {
        size_t length = strcspn(keys, ",");
        if (*n == KD_TABLE_COLUMNS) return kd_fail_usage(t->err, "too many columns");
        char *key = kd_format(t->err, "%.*s", (int)length, keys);
        int status = key ? kd_table_find(t, key, &wanted[*n]) : -1;
        kd_free(key);
        if (status < 0) return -1;
        ++*n;
        keys += length + (keys[length] == ',');
    }
    return *n ? 0 : kd_fail_usage(t->err, "no columns chosen");
}

/* Texts move to the first column that wants them; a further one of the same gets a copy. */
static int take(struct kd_cell *to, struct kd_cell *from, bool last, struct kd_err *err)
{
    *to = *from;
    if (!from->text) return 0;
    if (last)
        from->text = NULL;
    else
        to->text = kd_strdup(from->text, err);
    return to->text ? 0 : -1;
}

static bool wanted_later(const size_t *wanted, size_t n, size_t i)
{
    for (size_t k = i + 1; k < n; k++)
        if (wanted[k] == wanted[i]) return true;
    return false;
}

int kd_table_keep(struct kd_table *t, const char *keys)
{
    size_t wanted[KD_TABLE_COLUMNS] = {0}, n = 0;
    if (t->failed) return -1;
    t->failed = find_all(t, keys, wanted, &n) < 0;
    if (t->failed) return -1;
    struct kd_column *columns = kd_alloc(n, sizeof *columns, "columns", t->err);
    struct kd_cell *cells = kd_alloc(n * t->n_rows, sizeof *cells, "a table", t->err);
    int status = columns && cells ? 0 : -1;
    for (size_t i = 0; i < n && status == 0; i++) {
        columns[i] = t->columns[wanted[i]];
        const bool last = !wanted_later(wanted, n, i);
        for (size_t r = 0; r < t->n_rows && status == 0; r++)
            status = take(&cells[r * n + i], &t->cells[r * t->n_columns + wanted[i]], last, t->err);
    }
    for (size_t i = 0; i < t->n_rows * t->n_columns; i++) kd_free(t->cells[i].text);
    kd_free(t->cells);
    kd_free(t->own);
    t->cells = cells;
    t->columns = t->own = columns;
    t->n_columns = n;
    t->failed = status < 0;
    if (!cells || !columns) t->n_rows = 0;
    t->room = t->n_rows;
    return status;
}

void kd_table_filter(struct kd_table *t, size_t column, const char *pattern)
{
    size_t w = t->n_columns, kept = 0, marks = 0, mark = 0;
    for (size_t r = 0; r < t->n_rows; r++) {
        struct kd_cell *row = &t->cells[r * w];
        bool keep = row[column].text && fnmatch(pattern, row[column].text, 0) == 0;
        for (size_t c = 0; c < w; c++) {
            if (!keep)
                kd_free(row[c].text);
            else
                t->cells[kept * w + c] = row[c];
        }
        bool marked = mark < t->n_marked && t->marked[mark] == r;
        mark += marked;
        if (marked && keep) t->marked[marks++] = kept;
        kept += keep;
    }
    t->n_rows = kept;
    t->n_marked = marks;
}

/* ---- order ---- */

struct place {
    const struct kd_cell *cell;
    size_t row;
    bool descending;
};

static int cell_order(const struct kd_cell *a, const struct kd_cell *b, bool descending)
{
    if (a->text && b->text) return kd_natural_order(a->text, b->text);
    if (!!a->text != !!b->text) return a->text ? -1 : 1;
    if (isnan(a->value) || isnan(b->value)) return isnan(a->value) - isnan(b->value);
    int order = (a->value > b->value) - (a->value < b->value);
    return descending ? -order : order;
}

static int by_cell(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    int order = cell_order(x->cell, y->cell, x->descending);
    return order ? order : x->row < y->row ? -1 : x->row > y->row;
}

int kd_table_sort(struct kd_table *t, size_t column, bool descending)
{
    const size_t w = t->n_columns, n = t->n_rows;
    if (t->failed) return -1;
    struct place *places = kd_alloc(n, sizeof *places, "a table", t->err);
    struct kd_cell *cells = kd_alloc(n * w, sizeof *cells, "a table", t->err);
    if (!places || !cells) {
        kd_free(places);
        kd_free(cells);
        t->failed = true;
        return -1;
    }
    for (size_t r = 0; r < n; r++)
        places[r] = (struct place){&t->cells[r * w + column], r, descending};
    qsort(places, n, sizeof *places, by_cell);
    size_t marks = 0;
    for (size_t r = 0; r < n; r++) {
        memcpy(&cells[r * w], &t->cells[places[r].row * w], w * sizeof *cells);
        places[r].descending = kd_table_is_marked(t, places[r].row); /* no longer needed */
    }
    for (size_t r = 0; r < n; r++)
        if (places[r].descending) t->marked[marks++] = r;
    kd_free(places);
    kd_free(t->cells);
    t->cells = cells;
    t->room = n;
    return 0;
}
