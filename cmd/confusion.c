#include "confusion.h"
#include "kd/run/record.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MOST_CLASSES = KD_TABLE_COLUMNS - 2,
    FREQUENT = 20, /* confusions listed where the matrix has no room */
    GAP = 2,       /* spaces between columns */
    LEAST_NAME = 3 /* letters of a class above its column */
};

static const char *const title_of_rows = "true class", *const title_of_right = "right %";

static double count(const struct confusion *c, size_t truth, size_t said)
{
    return c->counts->v[truth * c->counts->columns + said];
}

static double count_row(const struct confusion *c, size_t truth)
{
    double sum = 0;
    for (size_t k = 0; k < c->counts->columns; k++) sum += count(c, truth, k);
    return sum;
}

static size_t longest_name(const struct confusion *c)
{
    char room[24];
    size_t longest = 0;
    for (size_t k = 0; k < c->counts->rows; k++) {
        size_t n = kd_text_width(class_name(c->names, k, room));
        if (n > longest) longest = n;
    }
    return longest;
}

/* Columns that the largest count takes. */
static size_t count_width(const struct confusion *c)
{
    double most = 0;
    for (size_t i = 0; i < c->counts->rows * c->counts->columns; i++)
        most = fmax(most, c->counts->v[i]);
    return (size_t)snprintf(NULL, 0, "%.0f", most);
}

/* How wide a class's column may be; 0: the matrix has no room. */
static size_t room_of_class(const struct confusion *c, size_t width)
{
    const size_t n = c->counts->rows, name = longest_name(c), digits = count_width(c);
    const size_t first = name > strlen(title_of_rows) ? name : strlen(title_of_rows);
    const size_t beside = first + 2 * GAP + strlen(title_of_right) + 2;
    const size_t wanted = name > digits ? name : digits;
    if (n > MOST_CLASSES) return 0;
    if (width == KD_WIDE) return wanted;
    if (width < beside) return 0;
    const size_t room = (width - beside) / n;
    if (room < GAP + digits || (room < GAP + LEAST_NAME && name > room - GAP)) return 0;
    return room - GAP < wanted ? room - GAP : wanted;
}

static char *short_name(const struct confusion *c, size_t k, size_t most, struct kd_err *err)
{
    char room[24];
    const char *name = class_name(c->names, k, room), *end = name;
    for (size_t n = 0; n < most && *end; n++) kd_utf8_next(&end);
    return kd_format(err, "%.*s", (int)(end - name), name);
}

static void fill_matrix(const struct confusion *c, struct kd_table *t)
{
    const size_t n = c->counts->rows;
    char room[24];
    for (size_t k = 0; k < n; k++) {
        struct kd_cell *row = kd_table_row(t);
        for (size_t s = 0; s < n; s++)
            if (count(c, k, s) > 0 || s == k) row[1 + s].value = count(c, k, s);
        if (count_row(c, k) > 0) row[1 + n].value = count(c, k, k) / count_row(c, k);
        kd_table_text(t, 0, class_name(c->names, k, room));
    }
}

static int put_matrix(const struct confusion *c, size_t room, const struct kd_table_style *style,
                      struct kd_bytes *out, struct kd_err *err)
{
    const size_t n = c->counts->rows;
    struct kd_column columns[MOST_CLASSES + 2] = {{"true", title_of_rows, KD_CELL_TEXT, false, 0}};
    char *titles[MOST_CLASSES] = {0};
    struct kd_table t;
    int status = 0;
    for (size_t k = 0; k < n && status == 0; k++) {
        titles[k] = short_name(c, k, room, err);
        columns[1 + k] = (struct kd_column){titles[k], titles[k], KD_CELL_WHOLE, false, 0};
        if (!titles[k]) status = -1;
    }
    columns[1 + n] = (struct kd_column){"right", title_of_right, KD_CELL_RATE, false, 0};
    if (status == 0) {
        kd_table_init(&t, "Confusion", columns, n + 2, err);
        fill_matrix(c, &t);
        status = kd_table_end(&t);
        if (status == 0) status = kd_table_render(&t, style, out, err);
        kd_table_release(&t);
    }
    for (size_t k = 0; k < n; k++) kd_free(titles[k]);
    return status;
}

struct pair {
    size_t truth, said;
    double n;
};

static int by_count(const void *a, const void *b)
{
    const struct pair *x = a, *y = b;
    if (x->n != y->n) return x->n > y->n ? -1 : 1;
    if (x->truth != y->truth) return x->truth < y->truth ? -1 : 1;
    return x->said < y->said ? -1 : x->said > y->said;
}

static int put_frequent(const struct confusion *c, const struct kd_table_style *style,
                        struct kd_bytes *out, struct kd_err *err)
{
    static const struct kd_column columns[] = {{"true", "true class", KD_CELL_TEXT, false, 0},
                                               {"said", "taken for", KD_CELL_TEXT, false, 0},
                                               {"n", "images", KD_CELL_WHOLE, false, 0},
                                               {"share", "of its class %", KD_CELL_RATE, false, 1}};
    const size_t classes = c->counts->rows;
    struct pair *pairs = kd_alloc(classes * classes, sizeof *pairs, "confusions", err);
    struct kd_table t;
    size_t n = 0;
    if (!pairs) return -1;
    for (size_t k = 0; k < classes; k++)
        for (size_t s = 0; s < classes; s++)
            if (k != s && count(c, k, s) > 0) pairs[n++] = (struct pair){k, s, count(c, k, s)};
    qsort(pairs, n, sizeof *pairs, by_count);
    kd_table_init(&t, "Confusions", columns, sizeof columns / sizeof *columns, err);
    for (size_t i = 0; i < n && i < FREQUENT; i++) {
        char room[24];
        struct kd_cell *row = kd_table_row(&t);
        row[2].value = pairs[i].n;
        row[3].value = pairs[i].n / count_row(c, pairs[i].truth);
        kd_table_text(&t, 0, class_name(c->names, pairs[i].truth, room));
        kd_table_text(&t, 1, class_name(c->names, pairs[i].said, room));
    }
    kd_free(pairs);
    int status = kd_table_end(&t);
    if (status == 0 && t.n_rows) status = kd_table_render(&t, style, out, err);
    kd_table_release(&t);
    return status;
}

int confusion_put(const struct confusion *c, const struct kd_table_style *style,
                  struct kd_bytes *out, struct kd_err *err)
{
    const size_t room = room_of_class(c, style->width);
    if (kd_bytes_format(out, err, "\n%s, %s:\n", c->model,
                        room ? "a row a true class, a column what it was taken for"
                             : "the most frequent confusions") < 0)
        return -1;
    return room ? put_matrix(c, room, style, out, err) : put_frequent(c, style, out, err);
}
