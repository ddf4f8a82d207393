#include "table_latex.h"
#include "kd/base/text.h"
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PLUS_MINUS " \xC2\xB1 "

static int put(struct kd_bytes *out, const char *text, struct kd_err *err)
{
    return kd_bytes_add(out, text, strlen(text), err);
}

/* [ and * mean something to the \\ in front of a row. */
static int put_escaped(struct kd_bytes *out, const char *text, struct kd_err *err)
{
    static const struct {
        char c;
        const char *as;
    } special[] = {{'\\', "\\textbackslash{}"},
                   {'~', "\\textasciitilde{}"},
                   {'^', "\\textasciicircum{}"},
                   {'<', "\\textless{}"},
                   {'>', "\\textgreater{}"},
                   {'|', "\\textbar{}"},
                   {'"', "{\\ttfamily\\char34}"},
                   {'\'', "\\textquotesingle{}"},
                   {'&', "\\&"},
                   {'%', "\\%"},
                   {'$', "\\$"},
                   {'#', "\\#"},
                   {'_', "\\_"},
                   {'{', "\\{"},
                   {'}', "\\}"},
                   {'[', "{[}"},
                   {'*', "{*}"}};
    for (; *text; text++) {
        const char *as = NULL;
        for (size_t i = 0; i < sizeof special / sizeof *special; i++)
            if (special[i].c == *text) as = special[i].as;
        if (strncmp(text, &PLUS_MINUS[1], 2) == 0) {
            as = "$\\pm$";
            text++;
        }
        if ((as ? put(out, as, err) : kd_bytes_add(out, text, 1, err)) < 0) return -1;
    }
    return 0;
}

/* ---- numbers as siunitx reads them ---- */

struct number {
    char value[64], spread[64]; /* spread: with as many decimals as the value, or "" */
};

/* "1,234.5" and "12.0x" without what is there for people; "1e-05" as "1e-5". */
static void plain(const char *shown, size_t length, char out[64])
{
    size_t n = 0;
    bool exponent = false;
    for (size_t i = 0; i < length && n < 63; i++) {
        if (strchr(",x", shown[i])) continue;
        const bool idle = exponent && (shown[i] == '+' || (shown[i] == '0' && i + 1 < length));
        if (!idle) out[n++] = shown[i];
        if (!idle && isdigit((unsigned char)shown[i])) exponent = false;
        exponent |= shown[i] == 'e';
    }
    out[n] = '\0';
}

static int decimals_of(const char *number)
{
    const char *point = strchr(number, '.');
    return point ? (int)strspn(point + 1, "0123456789") : 0;
}

static struct number number_of(const char *shown)
{
    struct number n = {"", ""};
    char spread[64];
    const char *sign = strstr(shown, PLUS_MINUS);
    plain(shown, sign ? (size_t)(sign - shown) : strlen(shown), n.value);
    if (!sign) return n;
    const char *of = sign + strlen(PLUS_MINUS);
    plain(of, strlen(of), spread);
    snprintf(n.spread, sizeof n.spread, "%.*f", decimals_of(n.value), strtod(spread, NULL));
    return n;
}

/* The most places that the numbers of a column need. */
struct places {
    size_t whole, decimals, spread, exponent;
    bool sign, small; /* small: exponents below 0 */
};

static void larger(size_t *most, size_t n)
{
    if (n > *most) *most = n;
}

static void places_for(struct places *p, const struct number *n)
{
    const char *v = n->value, *e = strchr(v, 'e');
    const size_t sign = strspn(v, "+-");
    p->sign |= sign > 0;
    larger(&p->whole, strspn(v + sign, "0123456789"));
    larger(&p->decimals, (size_t)decimals_of(v));
    if (e) larger(&p->exponent, strspn(e + 1 + (e[1] == '-'), "0123456789"));
    p->small |= e && e[1] == '-';
    if (!n->spread[0]) return;
    const char *digit = n->spread + strspn(n->spread, "0.");
    larger(&p->spread, strlen(digit) - (strchr(digit, '.') != NULL));
    larger(&p->spread, 1);
}

/* S[table-format=+2.2(1)] */
static int put_places(const struct places *p, struct kd_bytes *out, struct kd_err *err)
{
    if (kd_bytes_format(out, err, "S[table-format=%s%zu", p->sign ? "+" : "",
                        p->whole ? p->whole : 1) < 0)
        return -1;
    if (p->decimals && kd_bytes_format(out, err, ".%zu", p->decimals) < 0) return -1;
    if (p->spread && kd_bytes_format(out, err, "(%zu)", p->spread) < 0) return -1;
    if (p->exponent && kd_bytes_format(out, err, "e%s%zu", p->small ? "-" : "", p->exponent) < 0)
        return -1;
    return put(out, "]", err);
}

/* ---- the table ---- */

/* The cell as people read it, printable; empty: out->size is 0. */
static int show(const struct kd_table *t, size_t r, size_t c, struct kd_bytes *out,
                struct kd_err *err)
{
    struct kd_bytes shown = {0};
    int status = kd_cell_show(&t->columns[c], &t->cells[r * t->n_columns + c], &shown, err);
    if (status == 0 && shown.size) status = kd_text_plain(out, shown.data, err);
    kd_bytes_release(&shown);
    return status;
}

static bool is_number(const struct kd_table *t, size_t r, size_t c)
{
    const struct kd_cell *cell = &t->cells[r * t->n_columns + c];
    return t->columns[c].kind != KD_CELL_TEXT && !cell->text && isfinite(cell->value);
}

static int put_spec(const struct kd_table *t, size_t c, struct kd_bytes *out, struct kd_err *err)
{
    struct places most = {0};
    if (t->columns[c].kind == KD_CELL_TEXT) return put(out, "l", err);
    for (size_t r = 0; r < t->n_rows; r++) {
        struct kd_bytes shown = {0};
        if (!is_number(t, r, c)) continue;
        int status = show(t, r, c, &shown, err);
        if (status == 0) {
            const struct number n = number_of(shown.size ? shown.data : "");
            places_for(&most, &n);
        }
        kd_bytes_release(&shown);
        if (status < 0) return -1;
    }
    return put_places(&most, out, err);
}

/* Rows of several runs are in no contest with each other. */
static bool same_run(const struct kd_table *t, size_t a, size_t b)
{
    const char *one = t->cells[a * t->n_columns].text, *other = t->cells[b * t->n_columns].text;
    if (strcmp(t->columns[0].key, "run") != 0) return true;
    return one && other && strcmp(one, other) == 0;
}

/* Is no other cell of the column better, and one worse? */
static bool is_best(const struct kd_table *t, size_t r, size_t c)
{
    const struct kd_cell *own = &t->cells[r * t->n_columns + c];
    bool beats = false;
    if (!own->wins || !isfinite(own->value)) return false;
    for (size_t i = 0; i < t->n_rows; i++) {
        const struct kd_cell *other = &t->cells[i * t->n_columns + c];
        if (!other->wins || !isfinite(other->value) || !same_run(t, r, i)) continue;
        if (own->wins * (other->value - own->value) > 0) return false;
        beats |= other->value != own->value;
    }
    return beats;
}

static int put_cell(const struct kd_table *t, size_t r, size_t c, struct kd_bytes *out,
                    struct kd_err *err)
{
    const bool text = t->columns[c].kind == KD_CELL_TEXT, star = kd_table_is_marked(t, r);
    struct kd_bytes shown = {0};
    int status = show(t, r, c, &shown, err);
    const char *words = shown.size ? shown.data : "";
    if (status == 0 && is_number(t, r, c)) {
        const struct number n = number_of(words);
        status = kd_bytes_format(out, err, "%s%s%s%s", is_best(t, r, c) ? "\\bfseries " : "",
                                 n.value, n.spread[0] ? " \\pm " : "", n.spread);
    } else if (status == 0 && *words) {
        status = text ? 0 : put(out, "{", err);
        if (status == 0) status = put_escaped(out, words, err);
        if (status == 0 && !text) status = put(out, "}", err);
        if (status == 0 && star && strcmp(t->columns[c].key, "name") == 0)
            status = put(out, "$^{*}$", err);
    }
    kd_bytes_release(&shown);
    return status;
}

static int put_title(const struct kd_column *c, struct kd_bytes *out, struct kd_err *err)
{
    const bool text = c->kind == KD_CELL_TEXT;
    const char *end = text ? "" : c->kind == KD_CELL_RATIO ? " ($\\times$)}" : "}";
    if (put(out, text ? "" : "{", err) < 0 || put_escaped(out, c->title, err) < 0) return -1;
    return put(out, end, err);
}

static int put_head(const struct kd_table *t, const size_t *column, size_t n, struct kd_bytes *out,
                    struct kd_err *err)
{
    if (put(out,
            "% needs \\usepackage{booktabs,siunitx,textcomp}\n{\\sisetup{separate-uncertainty, "
            "detect-weight, retain-explicit-plus,\n  group-digits=integer, group-separator={,}, "
            "group-minimum-digits=4,\n"
            "  table-align-uncertainty=false, table-align-exponent=false}\n\\begin{tabular}{",
            err) < 0)
        return -1;
    for (size_t i = 0; i < n; i++)
        if (put_spec(t, column[i], out, err) < 0) return -1;
    if (put(out, "}\n\\toprule\n", err) < 0) return -1;
    for (size_t i = 0; i < n; i++)
        if (put(out, i ? " & " : "", err) < 0 || put_title(&t->columns[column[i]], out, err) < 0)
            return -1;
    return put(out, " \\\\\n\\midrule\n", err);
}

int kd_table_latex(const struct kd_table *t, const size_t *column, size_t n, const char *words,
                   struct kd_bytes *out, struct kd_err *err)
{
    if (*words && kd_bytes_format(out, err, "%% %s\n", words) < 0) return -1;
    if (put_head(t, column, n, out, err) < 0) return -1;
    for (size_t r = 0; r < t->n_rows; r++) {
        for (size_t i = 0; i < n; i++)
            if (put(out, i ? " & " : "", err) < 0 || put_cell(t, r, column[i], out, err) < 0)
                return -1;
        if (put(out, " \\\\\n", err) < 0) return -1;
    }
    return put(out, "\\bottomrule\n\\end{tabular}}\n", err);
}
