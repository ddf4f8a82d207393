/* The forms of a table. */
#include "kd/base/json.h"
#include "kd/base/table.h"
#include "kd/base/text.h"
#include "table_latex.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

static int put(struct kd_bytes *out, const char *text, struct kd_err *err)
{
    return kd_bytes_add(out, text, strlen(text), err);
}

int kd_text_markdown(struct kd_bytes *out, const char *text, struct kd_err *err)
{
    for (; *text; text++) {
        if (*text == '<' || *text == '>' || *text == '&') {
            const char *as = *text == '<' ? "&lt;" : *text == '>' ? "&gt;" : "&amp;";
            if (put(out, as, err) < 0) return -1;
            continue;
        }
        if (strchr("\\`*_[]|~#!$", *text) && put(out, "\\", err) < 0) return -1;
        if (kd_bytes_add(out, text, 1, err) < 0) return -1;
    }
    return 0;
}

/* A spreadsheet runs a field that starts with one of these as a formula. */
static int escape_csv(struct kd_bytes *out, const char *text, struct kd_err *err)
{
    bool formula = *text && strchr("=+-@", *text);
    bool quoted = strpbrk(text, ",\";") || *text == ' ' || (*text && text[strlen(text) - 1] == ' ');
    if (quoted && put(out, "\"", err) < 0) return -1;
    if (formula && put(out, "'", err) < 0) return -1;
    for (; *text; text++) {
        if (*text == '"' && put(out, "\"", err) < 0) return -1;
        if (kd_bytes_add(out, text, 1, err) < 0) return -1;
    }
    return quoted ? put(out, "\"", err) : 0;
}

/* A cell as people read it, made printable and then escaped for the form. */
static int cell_text(const struct kd_column *column, const struct kd_cell *cell,
                     const struct kd_table_style *style, struct kd_bytes *out, struct kd_err *err)
{
    const enum kd_form form = style->form;
    struct kd_bytes shown = {0}, clean = {0};
    int status = kd_cell_show(column, cell, &shown, err);
    if (status == 0 && shown.size) status = kd_text_plain(&clean, shown.data, err);
    const char *text = clean.size ? clean.data : style->bare ? "-" : "";
    char *sign = style->ascii && !cell->text && clean.size ? strstr(clean.data, "\xC2\xB1") : NULL;
    if (sign) { /* as many bytes */
        sign[0] = '+';
        sign[1] = '-';
    }
    if (status == 0)
        status = form == KD_FORM_MARKDOWN ? kd_text_markdown(out, text, err) : put(out, text, err);
    kd_bytes_release(&shown);
    kd_bytes_release(&clean);
    return status;
}

static int render_csv(const struct kd_table *t, struct kd_bytes *out, struct kd_err *err)
{
    for (size_t c = 0; c < t->n_columns; c++) {
        const struct kd_column *col = &t->columns[c];
        if (kd_bytes_format(out, err, "%s%s", c ? "," : "", col->key) < 0) return -1;
        if (col->spread && kd_bytes_format(out, err, ",%s_sd", col->key) < 0) return -1;
    }
    if (put(out, "\n", err) < 0) return -1;
    for (size_t r = 0; r < t->n_rows; r++) {
        for (size_t c = 0; c < t->n_columns; c++) {
            const struct kd_cell *cell = &t->cells[r * t->n_columns + c];
            char number[32];
            if (c && put(out, ",", err) < 0) return -1;
            if (cell->text) {
                struct kd_bytes clean = {0};
                int status = kd_text_plain(&clean, cell->text, err);
                if (status == 0) status = escape_csv(out, clean.size ? clean.data : "", err);
                kd_bytes_release(&clean);
                if (status < 0) return -1;
            } else {
                kd_number_text(cell->value, number);
                if (put(out, number, err) < 0) return -1;
            }
            if (!t->columns[c].spread) continue;
            kd_number_text(cell->sd, number);
            if (kd_bytes_format(out, err, ",%s", number) < 0) return -1;
        }
        if (put(out, "\n", err) < 0) return -1;
    }
    return 0;
}

struct shown { /* a table as texts: the columns that have something, with their widths */
    size_t column[KD_TABLE_COLUMNS], width[KD_TABLE_COLUMNS], n;
    struct kd_bytes *cell; /* [1 + n_rows][n]; the titles first */
    size_t cells;
    size_t left_out[KD_TABLE_COLUMNS], n_left_out;
    bool bare;
};

static int shown_make(const struct kd_table *t, const struct kd_table_style *style, struct shown *s,
                      struct kd_err *err)
{
    const struct kd_column text_column = {.kind = KD_CELL_TEXT};
    for (size_t c = 0; c < t->n_columns && s->n < KD_TABLE_COLUMNS; c++)
        if (kd_table_column_used(t, c)) s->column[s->n++] = c;
    s->cells = (t->n_rows + 1) * s->n;
    s->cell = kd_alloc(s->cells, sizeof *s->cell, "a table", err);
    if (!s->cell) return -1;
    for (size_t r = 0; r <= t->n_rows; r++)
        for (size_t i = 0; i < s->n; i++) {
            struct kd_bytes *b = &s->cell[r * s->n + i];
            const struct kd_column *col = &t->columns[s->column[i]];
            union {
                const char *from;
                char *text;
            } title = {.from = col->title}; /* cell_text only reads it */
            struct kd_cell head = {.text = title.text, .value = NAN, .sd = NAN};
            int status = r == 0 ? cell_text(&text_column, &head, style, b, err)
                                : cell_text(col, &t->cells[(r - 1) * t->n_columns + s->column[i]],
                                            style, b, err);
            if (status < 0) return -1;
            size_t width = b->size ? kd_text_width(b->data) : 0;
            if (width > s->width[i]) s->width[i] = width;
        }
    return 0;
}

static void shown_release(struct shown *s)
{
    for (size_t i = 0; s->cell && i < s->cells; i++) kd_bytes_release(&s->cell[i]);
    kd_free(s->cell);
}

static int pad(struct kd_bytes *out, size_t n, const char *with, struct kd_err *err)
{
    while (n-- > 0)
        if (put(out, with, err) < 0) return -1;
    return 0;
}

static bool is_name(const struct kd_table *t, const struct shown *s, size_t i)
{
    const char *key = t->columns[s->column[i]].key;
    return strcmp(key, "name") == 0 || strcmp(key, "plain") == 0 || strcmp(key, "model") == 0 ||
           strcmp(key, "verdict") == 0;
}

static size_t total_width(const struct shown *s)
{
    size_t total = s->bare ? 0 : 2;
    for (size_t i = 0; i < s->n; i++) total += s->width[i] + (i > 0 ? 2 : 0);
    return total;
}

static size_t widest(const struct kd_table *t, const struct shown *s, size_t i)
{
    size_t most = 0;
    for (size_t r = 0; r <= t->n_rows; r++) {
        const struct kd_bytes *b = &s->cell[r * s->n + i];
        size_t width = b->size ? kd_text_width(b->data) : 0;
        if (width > most) most = width;
    }
    return most;
}

static int shorten_names(const struct kd_table *t, struct shown *s, bool ascii, struct kd_err *err)
{
    for (size_t i = 0; i < s->n; i++) {
        if (!is_name(t, s, i)) continue;
        for (size_t r = 1; r <= t->n_rows; r++) {
            struct kd_bytes *b = &s->cell[r * s->n + i];
            char *name = b->size ? kd_name_short(b->data, ascii, err) : NULL;
            if (b->size && !name) return -1;
            if (name) b->size = 0;
            int status = name ? put(b, name, err) : 0;
            kd_free(name);
            if (status < 0) return -1;
        }
        s->width[i] = widest(t, s, i);
    }
    return 0;
}

/* What is still too long goes over several lines, down to `least` columns of a name. */
static void fold_names(const struct kd_table *t, struct shown *s, size_t page, size_t least)
{
    for (size_t i = 0; i < s->n; i++) {
        size_t total = total_width(s);
        if (!is_name(t, s, i) || s->width[i] <= least || total <= page) continue;
        size_t excess = total - page, room = s->width[i] - least;
        s->width[i] -= excess < room ? excess : room;
    }
}

/* The column to be left out next: the highest `drop`, of equal ones the last; s->n: none. */
static size_t least_wanted(const struct kd_table *t, const struct shown *s)
{
    size_t which = s->n;
    unsigned char most = 0;
    for (size_t i = 0; i < s->n; i++) {
        const unsigned char drop = t->columns[s->column[i]].drop;
        if (drop && drop >= most) {
            most = drop;
            which = i;
        }
    }
    return which;
}

/* Whether the names could be made as narrow as they may be, and all would fit. */
static bool may_fit(const struct kd_table *t, const struct shown *s, size_t page, size_t least)
{
    size_t total = total_width(s);
    for (size_t i = 0; i < s->n; i++)
        if (is_name(t, s, i) && s->width[i] > least) total -= s->width[i] - least;
    return total <= page;
}

static void leave_out(const struct kd_table *t, struct shown *s, size_t which)
{
    s->left_out[s->n_left_out++] = s->column[which];
    for (size_t r = 0; r <= t->n_rows; r++) kd_bytes_release(&s->cell[r * s->n + which]);
    size_t to = 0;
    for (size_t k = 0; k < s->cells; k++)
        if (k % s->n != which) s->cell[to++] = s->cell[k];
    s->n--;
    s->cells = to;
    memmove(&s->column[which], &s->column[which + 1], (s->n - which) * sizeof *s->column);
    memmove(&s->width[which], &s->width[which + 1], (s->n - which) * sizeof *s->width);
}

/* A column and its neighbours that are read together with it. */
static void leave_out_together(const struct kd_table *t, struct shown *s, size_t which)
{
    const unsigned char drop = t->columns[s->column[which]].drop;
    do leave_out(t, s, which);
    while (which-- > 0 && t->columns[s->column[which]].drop == drop);
}

/* In a table too wide for a page names are shortened; for a terminal columns are left out until the
 * rest fits. */
static int narrow(const struct kd_table *t, const struct kd_table_style *style, struct shown *s,
                  struct kd_err *err)
{
    const size_t page = style->width ? style->width : 120, least = style->width ? 12 : 26;
    if (total_width(s) <= page) return 0;
    if (shorten_names(t, s, style->ascii, err) < 0) return -1;
    while (style->width && !may_fit(t, s, page, least)) {
        size_t which = least_wanted(t, s);
        if (which == s->n) break;
        leave_out_together(t, s, which);
    }
    fold_names(t, s, page, least);
    return 0;
}

static int say_left_out(const struct kd_table *t, const struct kd_table_style *style,
                        const struct shown *s, struct kd_bytes *words, struct kd_err *err)
{
    if (!s->n_left_out) return 0;
    int status = put(words, "no room for ", err);
    for (size_t c = 0; c < t->n_columns && status == 0; c++) /* in the order of the table */
        for (size_t i = 0; i < s->n_left_out && status == 0; i++)
            if (s->left_out[i] == c)
                status = kd_bytes_format(words, err, "%s%s", words->size > 12 ? ", " : "",
                                         t->columns[c].title);
    if (status < 0) return -1;
    return kd_bytes_format(words, err, " (%s)", style->all ? style->all : "--wide shows all");
}

/* One line of a row: what is left of each cell's text. */
static int line_terminal(const struct kd_table *t, const struct shown *s, const char **rest,
                         bool first, bool *more, struct kd_bytes *out, struct kd_err *err)
{
    *more = false;
    for (size_t i = 0; i < s->n; i++) {
        bool left = t->columns[s->column[i]].kind == KD_CELL_TEXT;
        size_t indent = !first && *rest[i] ? 2 : 0;
        size_t length = kd_text_piece(rest[i], s->width[i] - indent);
        char *piece = kd_format(err, "%*s%.*s", (int)indent, "", (int)length, rest[i]);
        if (!piece) return -1;
        size_t wide = kd_text_width(piece), gap = s->width[i] > wide ? s->width[i] - wide : 0;
        int status = i ? put(out, "  ", err) : 0;
        if (status == 0 && !left) status = pad(out, gap, " ", err);
        if (status == 0) status = put(out, piece, err);
        if (status == 0 && left && i + 1 < s->n) status = pad(out, gap, " ", err);
        kd_free(piece);
        if (status < 0) return -1;
        rest[i] += length;
        *more |= *rest[i] != '\0';
    }
    while (!first && out->size && out->data[out->size - 1] == ' ') out->data[--out->size] = '\0';
    return 0;
}

static int row_terminal(const struct kd_table *t, const struct kd_table_style *look,
                        const struct shown *s, size_t r, struct kd_bytes *out, struct kd_err *err)
{
    bool marked = r > 0 && kd_table_is_marked(t, r - 1), more = true;
    const char *style = !look->colour ? "" : r == 0 ? "\033[1m" : marked ? "\033[1;32m" : "";
    const char *rest[KD_TABLE_COLUMNS];
    for (size_t i = 0; i < s->n; i++) {
        const struct kd_bytes *b = &s->cell[r * s->n + i];
        rest[i] = b->size ? b->data : "";
    }
    for (bool first = true; more; first = false)
        if (put(out, style, err) < 0 ||
            put(out,
                look->bare        ? ""
                : marked && first ? "* "
                                  : "  ",
                err) < 0 ||
            line_terminal(t, s, rest, first, &more, out, err) < 0 ||
            put(out, *style ? "\033[0m\n" : "\n", err) < 0)
            return -1;
    return 0;
}

static int render_terminal(const struct kd_table *t, const struct kd_table_style *style,
                           struct shown *s, struct kd_bytes *out, struct kd_err *err)
{
    if (narrow(t, style, s, err) < 0) return -1;
    for (size_t r = 0; r <= t->n_rows; r++) {
        if (row_terminal(t, style, s, r, out, err) < 0) return -1;
        if (r > 0 || style->bare) continue;
        if (put(out, "  ", err) < 0) return -1;
        const char *rule = style->ascii ? "-" : "\xE2\x94\x80";
        for (size_t i = 0; i < s->n; i++)
            if (pad(out, s->width[i] + (i + 1 < s->n ? 2 : 0), rule, err) < 0) return -1;
        if (put(out, "\n", err) < 0) return -1;
    }
    struct kd_bytes words = {0};
    int status = say_left_out(t, style, s, &words, err);
    if (status == 0 && words.size)
        status = kd_text_wrap(out, words.data, style->bare ? 0 : 2, style->width, err);
    kd_bytes_release(&words);
    return status;
}

/* Points that a table takes in LaTeX's article at 10 pt, and that its page has, with some to spare:
 * a character is about 5 of them, and a column has 6 on each side. */
enum { LATEX_CHARACTER = 5, LATEX_GAP = 12, LATEX_PAGE = 345 - 15 };
static size_t latex_width(const struct shown *s)
{
    size_t total = 0;
    for (size_t i = 0; i < s->n; i++) total += LATEX_CHARACTER * s->width[i] + LATEX_GAP;
    return total;
}

static int render_latex(const struct kd_table *t, const struct kd_table_style *style,
                        struct shown *s, struct kd_bytes *out, struct kd_err *err)
{
    struct kd_bytes words = {0};
    while (style->width != KD_WIDE && latex_width(s) > LATEX_PAGE) {
        const size_t which = least_wanted(t, s);
        if (which == s->n) break;
        leave_out_together(t, s, which);
    }
    int status = say_left_out(t, style, s, &words, err);
    if (status == 0)
        status = kd_table_latex(t, s->column, s->n, words.size ? words.data : "", out, err);
    kd_bytes_release(&words);
    return status;
}

static int render_markdown(const struct kd_table *t, const struct shown *s, struct kd_bytes *out,
                           struct kd_err *err)
{
    for (size_t r = 0; r <= t->n_rows; r++) {
        bool bold = r > 0 && kd_table_is_marked(t, r - 1);
        for (size_t i = 0; i < s->n; i++) {
            const struct kd_bytes *b = &s->cell[r * s->n + i];
            const char *text = b->size ? b->data : "", *stars = bold && b->size ? "**" : "";
            if (kd_bytes_format(out, err, "%s %s", i ? " |" : "|", stars) < 0 ||
                put(out, text, err) < 0 || put(out, stars, err) < 0)
                return -1;
        }
        if (put(out, " |\n", err) < 0) return -1;
        for (size_t i = 0; r == 0 && i < s->n; i++) {
            bool left = t->columns[s->column[i]].kind == KD_CELL_TEXT;
            if (put(out, left ? "| --- " : "| ---: ", err) < 0) return -1;
        }
        if (r == 0 && put(out, "|\n", err) < 0) return -1;
    }
    return 0;
}

static int render_json(const struct kd_table *t, struct kd_bytes *out, struct kd_err *err)
{
    cJSON *rows = kd_table_json(t, err);
    char *text = rows ? kd_json_text(rows, true, err) : NULL;
    int status = text && put(out, text, err) == 0 ? put(out, "\n", err) : -1;
    kd_free(text);
    cJSON_Delete(rows);
    return status;
}

int kd_table_render(const struct kd_table *t, const struct kd_table_style *style,
                    struct kd_bytes *out, struct kd_err *err)
{
    if (style->form == KD_FORM_CSV)
        return style->bom && put(out, "\xEF\xBB\xBF", err) < 0 ? -1 : render_csv(t, out, err);
    if (style->form == KD_FORM_JSON) return render_json(t, out, err);
    struct shown s = {.bare = style->bare};
    int status = shown_make(t, style, &s, err);
    if (status == 0)
        status = style->form == KD_FORM_MARKDOWN ? render_markdown(t, &s, out, err)
                 : style->form == KD_FORM_LATEX  ? render_latex(t, style, &s, out, err)
                                                 : render_terminal(t, style, &s, out, err);
    shown_release(&s);
    return status;
}
