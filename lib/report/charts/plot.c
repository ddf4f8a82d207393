#include "plot.h"
#include "kd/base/text.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

bool kd_axis_over(struct kd_axis *axis, const double *v, size_t n, bool log, enum kd_axis_form form)
{
    double low = INFINITY, high = -INFINITY;
    for (size_t i = 0; i < n; i++) {
        if (!(fabs(v[i]) < 1e100) || (log && v[i] <= 0)) continue;
        low = fmin(low, v[i]);
        high = fmax(high, v[i]);
    }
    if (low > high) return false;
    if (log) {
        low = fmax(low, 1e-12 * high); /* no chart shows more decades than that */
        double ratio = high > low ? pow(high / low, 0.05) : 2;
        low /= ratio;
        high *= ratio;
    } else {
        double pad = high > low ? 0.06 * (high - low) : fmax(1e-3, 0.05 * fabs(high));
        bool positive = low >= 0;
        low -= pad;
        high += pad;
        if (positive && low < 0) low = 0;
        if (form == KD_AXIS_PERCENT && high > 1 && high < 1 + 2 * pad) high = 1 + 0.15 * pad;
    }
    *axis = (struct kd_axis){.low = low, .high = high, .log = log, .form = form};
    return true;
}

/* Powers of ten times 1; times 1, 2, 5; or times 1 to 9: the first that gives three ticks. */
static size_t log_ticks(const struct kd_axis *axis, double *ticks, size_t most)
{
    static const double steps[] = {1, 2, 5, 1, 2, 3, 4, 5, 6, 7, 8, 9};
    static const size_t from[] = {0, 0, 3}, to[] = {1, 3, 12};
    double decades = log10(axis->high / axis->low);
    int every = decades > 8 ? 2 : 1, first = (int)floor(log10(axis->low));
    size_t n = 0;
    for (int set = decades < 2.2 ? 1 : 0; set < 3; set++) {
        n = 0;
        for (int d = first; d <= (int)ceil(log10(axis->high)); d++)
            for (size_t i = from[set]; i < to[set]; i++) {
                double v = steps[i] * pow(10, d);
                if (v < axis->low || v > axis->high || (d - first) % every) continue;
                if (n < most) ticks[n++] = v;
            }
        if (n >= 3) break;
    }
    return n;
}

size_t kd_axis_ticks(const struct kd_axis *axis, size_t wanted, double *ticks, size_t most)
{
    size_t n = 0;
    if (axis->at) {
        for (; n < axis->n_at && n < most; n++) ticks[n] = axis->at[n];
        return n;
    }
    if (axis->log) {
        n = log_ticks(axis, ticks, most);
        if (n > 2) return n;
        n = 0; /* less than a decade: as on a linear axis */
    }
    double raw = (axis->high - axis->low) / (double)wanted, power = pow(10, floor(log10(raw)));
    double f = raw / power, step = (f < 1.5 ? 1 : f < 3.5 ? 2 : f < 7.5 ? 5 : 10) * power;
    if (axis->whole && step < 1) step = 1;
    /* NOLINTNEXTLINE(cert-flp30-c): k is whole: multiples of step */
    for (double k = ceil(axis->low / step - 1e-9); k * step <= axis->high + 1e-9 * step; k++)
        if (n < most) ticks[n++] = k == 0 ? 0 : k * step;
    return n;
}

void kd_axis_label(const struct kd_axis *axis, double v, double step, char out[32])
{
    double scale = axis->form == KD_AXIS_PERCENT ? 100 : 1;
    char grouped[64];
    if (axis->form == KD_AXIS_SIZE && v >= 1e3) {
        int power = v < 999999.5 ? 1 : v < 999999999.5 ? 2 : 3;
        static const char *const units[] = {"", "k", "M", "G"};
        snprintf(out, 32, "%.4g %s", v / pow(1000, power), units[power]);
        return;
    }
    if (axis->log || step <= 0) {
        if (fabs(v * scale) >= 1e4 || fabs(v * scale) < 1e-4)
            snprintf(out, 32, "%.0e", v * scale);
        else
            snprintf(out, 32, "%.4g", v * scale);
        return;
    }
    int digits = (int)ceil(-log10(step * scale) - 1e-9);
    kd_number_grouped(v * scale, digits < 0 ? 0 : digits > 9 ? 9 : digits, grouped);
    snprintf(out, 32, "%.31s", grouped);
}

static double place(const struct kd_axis *axis, double v)
{
    if (axis->log) return v > 0 ? log(v / axis->low) / log(axis->high / axis->low) : NAN;
    return (v - axis->low) / (axis->high - axis->low);
}

double kd_panel_x(const struct kd_panel *p, double v)
{
    return p->x + p->w * place(&p->ax, v);
}

double kd_panel_dodge(size_t k, size_t n)
{
    return 5 * ((double)k - ((double)n - 1) / 2);
}

double kd_panel_y(const struct kd_panel *p, double v)
{
    return p->y + p->h * (1 - place(&p->ay, v));
}

void kd_panel_clip(const struct kd_panel *p)
{
    kd_canvas_clip(p->c, (struct kd_box){p->x, p->y, p->w, p->h});
}

static void straight(struct kd_canvas *c, double x0, double y0, double x1, double y1, int ink)
{
    double x[2] = {x0, x1}, y[2] = {y0, y1};
    kd_canvas_line(c, x, y, 2, (struct kd_pen){.ink = ink, .width = 1});
}

static double step_of(const struct kd_axis *axis, const double *ticks, size_t n)
{
    return !axis->log && n > 1 ? ticks[1] - ticks[0] : !axis->log && n ? fabs(ticks[0]) : 0;
}

/* Where the title of the x axis is centred: under the panel if that keeps it on the canvas. */
static double title_x(const struct kd_panel *p, const char *text, double size)
{
    const double half = kd_type_width(text, size) / 2 + 4, middle = p->x + p->w / 2;
    return fmax(fmin(middle, p->c->width - half), fmin(half, p->c->width / 2));
}

void kd_panel_frame(const struct kd_panel *p, const struct kd_panel_words *words)
{
    const struct kd_type number = {.size = KD_TEXT_SIZE, .ink = KD_INK_FAINT};
    struct kd_type title = {.size = KD_TEXT_SIZE + 1, .anchor = 0.5};
    double ticks[64];
    char label[32];
    double free_from = -INFINITY; /* of labels: those that would touch another are left out */
    size_t n = kd_axis_ticks(&p->ax, (size_t)fmax(3, p->w / 70), ticks, 64);
    for (size_t i = 0; i < n; i++) {
        struct kd_type type = number;
        double x = kd_panel_x(p, ticks[i]);
        type.anchor = 0.5;
        straight(p->c, x, p->y, x, p->y + p->h, KD_INK_GRID);
        kd_axis_label(&p->ax, ticks[i], step_of(&p->ax, ticks, n), label);
        const double half = kd_type_width(label, type.size) / 2;
        if (words->no_x_numbers || x - half < free_from) continue;
        kd_canvas_text(p->c, x, p->y + p->h + 17, label, type);
        free_from = x + half + 4;
    }
    n = kd_axis_ticks(&p->ay, (size_t)fmax(3, p->h / 38), ticks, 64);
    for (size_t i = 0; i < n; i++) {
        struct kd_type type = number;
        double y = kd_panel_y(p, ticks[i]);
        type.anchor = 1;
        straight(p->c, p->x, y, p->x + p->w, y, KD_INK_GRID);
        kd_axis_label(&p->ay, ticks[i], step_of(&p->ay, ticks, n), label);
        if (!words->no_y_numbers) kd_canvas_text(p->c, p->x - 7, y + 4.2, label, type);
    }
    straight(p->c, p->x, p->y + p->h, p->x + p->w, p->y + p->h, KD_INK_FAINT);
    straight(p->c, p->x, p->y, p->x, p->y + p->h, KD_INK_FAINT);
    if (words->x)
        kd_canvas_text(p->c, title_x(p, words->x, title.size), p->y + p->h + 36, words->x, title);
    if (words->title) {
        title.bold = true;
        kd_canvas_text(p->c, p->x + p->w / 2, p->y - 9, words->title, title);
        title.bold = false;
    }
    title.upward = true;
    if (words->y) kd_canvas_text(p->c, p->x - 53, p->y + p->h / 2, words->y, title);
}

void kd_text_fit(const char *text, double size, double width, char out[160])
{
    static const char dots[] = "\xE2\x80\xA6";
    size_t used = 0;
    double room = width - size;
    out[0] = '\0';
    struct kd_err ignored;
    bool fits = strlen(text) < 150 && kd_type_width(text, size) <= width;
    char *brief = fits ? NULL : kd_name_short(text, false, &ignored);
    if (brief) {
        text = brief;
        fits = strlen(text) < 150 && kd_type_width(text, size) <= width;
    }
    if (fits) {
        memcpy(out, text, strlen(text) + 1);
        kd_free(brief);
        return;
    }
    for (const char *next = text; *text; text = next) {
        kd_utf8_next(&next);
        size_t length = (size_t)(next - text);
        if (used + length > 150) break;
        memcpy(out + used, text, length);
        out[used + length] = '\0';
        if (kd_type_width(out, size) > room) break;
        used += length;
    }
    memcpy(out + used, dots, sizeof dots);
    kd_free(brief);
}

void kd_caption(struct kd_canvas *c, double x, double y, const char *text)
{
    const struct kd_type type = {.size = KD_TEXT_SIZE - 1, .ink = KD_INK_FAINT};
    const double room = c->width - x - 12;
    char line[400];
    while (*text) {
        size_t length = 0;
        for (size_t end = 0; text[end]; length = end) { /* a word more, while it fits */
            end += strspn(text + end, " ");
            end += strcspn(text + end, " ");
            if (end >= sizeof line) break;
            memcpy(line, text, end);
            line[end] = '\0';
            if (length && kd_type_width(line, type.size) > room) break;
        }
        memcpy(line, text, length);
        line[length] = '\0';
        kd_canvas_text(c, x, y, line, type);
        c->height = fmax(c->height, y + 10);
        y += 15;
        text += length;
        text += strspn(text, " ");
    }
}

void kd_note(struct kd_canvas *c, const char *text)
{
    if (kd_type_width(text, KD_TEXT_SIZE - 1) <= c->width - 28)
        kd_canvas_text(c, 16, 45, text,
                       (struct kd_type){.size = KD_TEXT_SIZE - 1, .ink = KD_INK_FAINT});
    else
        kd_caption(c, 16, c->height + 5, text);
}

void kd_left_out_say(struct kd_canvas *c, const struct kd_left_out *cuts, size_t n)
{
    char line[400] = "";
    size_t used = 0;
    for (size_t i = 0; i < n && used < sizeof line; i++)
        if (cuts[i].all > cuts[i].drawn)
            used += (size_t)snprintf(line + used, sizeof line - used,
                                     "%sThe %s %zu of %zu %s are drawn; tables have all.",
                                     used ? " " : "", cuts[i].which, cuts[i].drawn, cuts[i].all,
                                     cuts[i].what);
    if (used) kd_note(c, line);
}

double kd_legend(struct kd_canvas *c, double x, double y, double width,
                 const struct kd_legend_item *items, size_t n)
{
    const double sample = 26, gap = 7, between = 22, row = 20;
    double widest = 0, height = row;
    char label[160];
    for (size_t i = 0; i < n; i++) {
        kd_text_fit(items[i].label, KD_TEXT_SIZE, fmin(300, width - sample - gap), label);
        widest = fmax(widest, sample + gap + kd_type_width(label, KD_TEXT_SIZE) + between);
    }
    size_t columns = widest > 0 ? (size_t)fmax(1, floor((width + between) / widest)) : 1;
    if (columns > n) columns = n ? n : 1;
    /* NOLINTNEXTLINE(clang-analyzer-core.DivideZero): columns is at least 1 */
    size_t rows = (n + columns - 1) / columns;
    columns = rows ? (n + rows - 1) / rows : 1; /* rows of equal length */
    for (size_t i = 0; i < n; i++) {
        double at = x + (double)(i % columns) * widest, line = y + (double)(i / columns) * row + 10;
        double xs[2] = {at, at + sample}, ys[2] = {line, line};
        height = (double)(i / columns + 1) * row;
        if (!c) continue;
        kd_text_fit(items[i].label, KD_TEXT_SIZE, fmin(300, width - sample - gap), label);
        if (items[i].shape < 0)
            kd_canvas_line(c, xs, ys, 2, items[i].pen);
        else
            kd_canvas_dot(c, (struct kd_spot){at + sample / 2, line, 5, items[i].shape},
                          items[i].pen, NULL);
        kd_canvas_text(c, at + sample + gap, line + 4.2, label,
                       (struct kd_type){.size = KD_TEXT_SIZE});
    }
    return height;
}

void kd_heat_cell(struct kd_canvas *c, struct kd_box box, double share, const char *text,
                  const char *tip)
{
    int heat = (int)(fmin(1, fmax(0, share)) * 255);
    double size = fmin(KD_TEXT_SIZE, 0.42 * box.height);
    kd_canvas_rect(c, (struct kd_box){box.x, box.y, box.width - 1, box.height - 1},
                   (struct kd_pen){.ink = KD_INK_HEAT + heat}, tip);
    if (!text[0] || kd_type_width(text, size) >= box.width - 4) return;
    kd_canvas_text(c, box.x + box.width / 2, box.y + box.height / 2 + 0.36 * size, text,
                   (struct kd_type){.size = size,
                                    .anchor = 0.5,
                                    .ink = heat > KD_HEAT_SWITCH ? KD_INK_ON_HOT : KD_INK_ON_COLD});
}

struct kd_names kd_names_along(double widest, double step, double size)
{
    const bool upward = widest > step - 2;
    return (struct kd_names){size, upward ? widest + 6 : size + 4, upward};
}

void kd_name_put(struct kd_canvas *c, const struct kd_names *names, double x, double y,
                 const char *text, struct kd_type type)
{
    type.size = names->size;
    type.upward = names->upward;
    type.anchor = names->upward ? 1 : 0.5;
    kd_canvas_text(c, names->upward ? x + 0.36 * names->size : x,
                   names->upward ? y + 5 : y + names->size + 3, text, type);
}
