#include "soft_show.h"
#include "kd/base/json.h"
#include "kd/base/table.h"
#include "kd/base/terminal.h"
#include "kd/base/text.h"
#include "program.h"

#include <math.h>
#include <stdio.h>
#include <unistd.h>

enum { BAR_LEAST = 6, BAR_MOST = 30, NUMBER = 6, LOGIT = 9, NAME = 24 }; /* columns */

static const char *class_name(const struct kd_images *im, size_t c, char *room, size_t size)
{
    if (im->class_names) return kd_tame(im->class_names[c], room, size);
    snprintf(room, size, "%zu", c);
    return room;
}

static int32_t label_of(const struct soft_show *s)
{
    return s->images->labels ? s->images->labels[s->image] : -1;
}

/* ---- for programs ---- */

static int print_header(const struct soft_show *s, struct kd_err *err)
{
    if (kd_print(err, "%-10s", "class") < 0 || (s->logits && kd_print(err, " %10s", "logit") < 0))
        return -1;
    for (size_t k = 0; k < s->temperatures->n; k++) {
        char head[32];
        snprintf(head, sizeof head, "T=%g", s->temperatures->v[k]);
        if (kd_print(err, " %10s", head) < 0) return -1;
    }
    return kd_print(err, "\n");
}

static int print_numbers(const struct soft_show *s, struct kd_err *err)
{
    char room[512];
    if (print_header(s, err) < 0) return -1;
    for (size_t c = 0; c < s->classes; c++) {
        if (kd_print(err, "%-10s", class_name(s->images, c, room, sizeof room)) < 0) return -1;
        if (s->logits && kd_print(err, " %10.4f", (double)s->logits[c]) < 0) return -1;
        for (size_t k = 0; k < s->temperatures->n; k++)
            if (kd_print(err, " %10.6f", (double)s->q[k * s->classes + c]) < 0) return -1;
        if (kd_print(err, "%s\n", (int32_t)c == label_of(s) ? "  <- label" : "") < 0) return -1;
    }
    return 0;
}

int soft_show_json(const struct soft_show *s, struct kd_err *err)
{
    struct kd_maker all = kd_make_object(err), soft = kd_make_list(err);
    kd_put_text(&all, "data", s->images->source);
    kd_put_text(&all, "split", s->images->split);
    kd_put_number(&all, "image", s->image);
    if (s->images->labels) kd_put_number(&all, "label", label_of(s));
    if (s->logits) kd_put_floats(&all, "logits", s->logits, s->classes);
    for (size_t k = 0; k < s->temperatures->n; k++) {
        struct kd_maker one = kd_make_object(err);
        kd_put_number(&one, "temperature", s->temperatures->v[k]);
        kd_put_floats(&one, "probabilities", s->q + k * s->classes, s->classes);
        kd_put_json(&soft, NULL, kd_make_end(&one));
    }
    kd_put_json(&all, "soft_targets", kd_make_end(&soft));
    char *text = kd_make_end_text(&all);
    int status = text ? kd_print(err, "%s\n", text) : -1;
    kd_free(text);
    return status;
}

/* ---- for people ---- */

/* Blocks down to an eighth of a column; in ASCII # and what is nearest to a half or a trace. */
static int put_bar(struct kd_bytes *out, double share, size_t cells, bool ascii, struct kd_err *err)
{
    const size_t eighths = (size_t)(share * 8 * (double)cells + 0.5), rest = eighths % 8;
    for (size_t i = 0; i < eighths / 8; i++) kd_bytes_text(out, ascii ? "#" : "\xE2\x96\x88", err);
    if (ascii) return rest ? kd_bytes_text(out, rest < 4 ? "." : ":", err) : 0;
    const char block[] = {'\xE2', '\x96', (char)(0x90 - rest), '\0'}; /* U+258F, U+258E, ... */
    return rest ? kd_bytes_text(out, block, err) : 0;
}

/* Columns of a bar, so that those of all temperatures fill the terminal, beside the logits if that
 * leaves them room; what then does not fit is left out by the table. */
static size_t bar_cells(const struct soft_show *s, size_t width)
{
    char room[512];
    size_t name = 5;
    for (size_t c = 0; c < s->classes; c++) {
        size_t wide = kd_text_width(class_name(s->images, c, room, sizeof room));
        if (wide > name) name = wide < NAME ? wide : NAME;
    }
    for (size_t logit = s->logits ? LOGIT + 2 : 0;; logit = 0) {
        const size_t taken = 2 + name + logit + s->temperatures->n * (2 + NUMBER + 1);
        /* NOLINTNEXTLINE(clang-analyzer-core.DivideZero): there is a temperature */
        size_t each = width > taken ? (width - taken) / s->temperatures->n : 0;
        if (each >= BAR_LEAST || !logit)
            return each < BAR_LEAST ? BAR_LEAST : each > BAR_MOST ? BAR_MOST : each;
    }
}

static int fill(struct kd_table *t, const struct soft_show *s, size_t cells, bool ascii,
                struct kd_err *err)
{
    char room[512];
    for (size_t c = 0; c < s->classes && !t->failed; c++) {
        struct kd_cell *row = kd_table_row(t);
        if (s->logits) row[1].value = (double)s->logits[c];
        kd_table_text(t, 0, class_name(s->images, c, room, sizeof room));
        for (size_t k = 0; k < s->temperatures->n; k++) {
            const double p = (double)s->q[k * s->classes + c];
            struct kd_bytes bar = {0};
            kd_bytes_format(&bar, err, "%.4f ", p);
            int status = put_bar(&bar, p, cells, ascii, err);
            if (status == 0) kd_table_text(t, 2 + k, bar.data);
            kd_bytes_release(&bar);
            if (status < 0) return -1;
        }
        if ((int32_t)c == label_of(s)) kd_table_mark(t, c);
    }
    return kd_table_end(t);
}

static int print_bars(const struct soft_show *s, size_t width, struct kd_err *err)
{
    struct kd_column columns[KD_TABLE_COLUMNS] = {{"name", "class", KD_CELL_TEXT, false, 0},
                                                  {"logit", "logit", KD_CELL_FIXED4, false, 9}};
    char titles[KD_TABLE_COLUMNS][16];
    const struct kd_table_style style = {.ascii = kd_terminal_ascii(),
                                         .colour = kd_terminal_colours(STDOUT_FILENO),
                                         .width = s->wide ? KD_WIDE : width};
    struct kd_table t;
    struct kd_bytes out = {0};
    for (size_t k = 0; k < s->temperatures->n; k++) {
        snprintf(titles[k], sizeof titles[k], "T=%g", s->temperatures->v[k]);
        columns[2 + k] = (struct kd_column){titles[k], titles[k], KD_CELL_TEXT, false, k ? 1 : 0};
    }
    kd_table_init(&t, "Soft targets", columns, 2 + s->temperatures->n, err);
    int status = fill(&t, s, bar_cells(s, width), style.ascii, err);
    if (status == 0) status = kd_table_render(&t, &style, &out, err);
    if (status == 0 && t.n_marked) status = kd_bytes_text(&out, "  * label\n", err);
    if (status == 0) status = kd_print(err, "%s", out.data);
    kd_bytes_release(&out);
    kd_table_release(&t);
    return status;
}

int soft_show_table(const struct soft_show *s, struct kd_err *err)
{
    const size_t width = kd_terminal_columns(STDOUT_FILENO);
    const size_t n = s->temperatures->n;
    if (!width || !n || n + 2 > KD_TABLE_COLUMNS) return print_numbers(s, err);
    return print_bars(s, width, err);
}
