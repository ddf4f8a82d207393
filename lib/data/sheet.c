#include "kd/data/sheet.h"
#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum { GAP = 2, GLYPH_W = 5, GLYPH_H = 7, STRIP = GLYPH_H + 2, PAPER = 255, SIDE_LIMIT = 1 << 16 };

/* Rows from the top; the left pixel is bit 4. */
static const struct glyph {
    char letter;
    uint8_t row[GLYPH_H];
} glyphs[] = {
    {'0', {14, 17, 19, 21, 25, 17, 14}},
    {'1', {4, 12, 4, 4, 4, 4, 14}},
    {'2', {14, 17, 1, 6, 8, 16, 31}},
    {'3', {14, 17, 1, 6, 1, 17, 14}},
    {'4', {2, 6, 10, 18, 31, 2, 2}},
    {'5', {31, 16, 30, 1, 1, 17, 14}},
    {'6', {6, 8, 16, 30, 17, 17, 14}},
    {'7', {31, 1, 2, 4, 8, 8, 8}},
    {'8', {14, 17, 17, 14, 17, 17, 14}},
    {'9', {14, 17, 17, 15, 1, 2, 12}},
    {'A', {14, 17, 17, 31, 17, 17, 17}},
    {'B', {30, 17, 17, 30, 17, 17, 30}},
    {'C', {14, 17, 16, 16, 16, 17, 14}},
    {'D', {30, 17, 17, 17, 17, 17, 30}},
    {'E', {31, 16, 16, 30, 16, 16, 31}},
    {'F', {31, 16, 16, 30, 16, 16, 16}},
    {'G', {14, 17, 16, 23, 17, 17, 15}},
    {'H', {17, 17, 17, 31, 17, 17, 17}},
    {'I', {14, 4, 4, 4, 4, 4, 14}},
    {'J', {7, 2, 2, 2, 2, 18, 12}},
    {'K', {17, 18, 20, 24, 20, 18, 17}},
    {'L', {16, 16, 16, 16, 16, 16, 31}},
    {'M', {17, 27, 21, 21, 17, 17, 17}},
    {'N', {17, 25, 21, 19, 17, 17, 17}},
    {'O', {14, 17, 17, 17, 17, 17, 14}},
    {'P', {30, 17, 17, 30, 16, 16, 16}},
    {'Q', {14, 17, 17, 17, 21, 18, 13}},
    {'R', {30, 17, 17, 30, 20, 18, 17}},
    {'S', {15, 16, 16, 14, 1, 1, 30}},
    {'T', {31, 4, 4, 4, 4, 4, 4}},
    {'U', {17, 17, 17, 17, 17, 17, 14}},
    {'V', {17, 17, 17, 17, 17, 10, 4}},
    {'W', {17, 17, 17, 21, 21, 27, 17}},
    {'X', {17, 17, 10, 4, 10, 17, 17}},
    {'Y', {17, 17, 10, 4, 4, 4, 4}},
    {'Z', {31, 1, 2, 4, 8, 16, 31}},
    {'-', {0, 0, 0, 14, 0, 0, 0}},
    {'_', {0, 0, 0, 0, 0, 0, 31}},
    {'/', {1, 1, 2, 4, 8, 16, 16}},
    {'.', {0, 0, 0, 0, 0, 12, 12}},
    {' ', {0}},
    {'?', {14, 17, 1, 6, 4, 0, 4}},
};

static const uint8_t *glyph_of(char letter)
{
    const size_t n = sizeof glyphs / sizeof *glyphs;
    for (size_t g = 0; g < n; g++)
        if (glyphs[g].letter == toupper((unsigned char)letter)) return glyphs[g].row;
    return glyphs[n - 1].row;
}

struct canvas {
    const struct kd_images *images;
    const struct kd_sheet *sheet;
    struct kd_picture *picture;
    size_t cell_w, cell_h; /* with gap and caption */
    float low, span;       /* of F32 pixels */
};

static void put(struct canvas *k, size_t y, size_t x, size_t c, uint8_t v)
{
    const struct kd_picture *p = k->picture;
    if (y < p->h && x < p->w) p->pixels[(y * p->w + x) * p->c + c] = v;
}

/* As much of the text as fits the cell. */
static void caption(struct canvas *k, size_t top, size_t left, const char *text)
{
    const size_t room = k->cell_w - GAP;
    for (size_t at = 0; *text && at + GLYPH_W <= room; text++, at += GLYPH_W + 1) {
        const uint8_t *row = glyph_of(*text);
        for (size_t y = 0; y < GLYPH_H; y++)
            for (size_t x = 0; x < GLYPH_W; x++)
                if (row[y] >> (GLYPH_W - 1 - x) & 1)
                    for (size_t c = 0; c < k->picture->c; c++) put(k, top + y, left + at + x, c, 0);
    }
}

static uint8_t level(const struct canvas *k, size_t at)
{
    if (k->images->dtype == KD_U8) return ((const uint8_t *)k->images->pixels)[at];
    const float v = (((const float *)k->images->pixels)[at] - k->low) / k->span;
    return (uint8_t)(v * 255 + 0.5f);
}

static void image_put(struct canvas *k, uint32_t i, size_t top, size_t left)
{
    const struct kd_images *m = k->images;
    const size_t scale = (size_t)k->sheet->scale, plane = (size_t)m->h * m->w;
    for (size_t c = 0; c < k->picture->c; c++)
        for (size_t y = 0; y < m->h * scale; y++)
            for (size_t x = 0; x < m->w * scale; x++)
                put(k, top + y, left + x, c,
                    level(k, ((size_t)i * m->c + c) * plane + y / scale * m->w + x / scale));
    if (!k->sheet->labels) return;
    char number[16];
    const int32_t label = m->labels ? m->labels[i] : -1;
    snprintf(number, sizeof number, "%d", label);
    caption(k, top + m->h * scale + 1, left,
            label < 0        ? "?"
            : m->class_names ? m->class_names[label]
                             : number);
}

/* F32 pixels have no range of their own. */
static void range_find(struct canvas *k, const uint32_t *index, uint32_t n)
{
    const struct kd_images *m = k->images;
    const size_t size = (size_t)m->c * m->h * m->w;
    bool first = true;
    float high = 0;
    for (uint32_t j = 0; j < n && m->dtype == KD_F32; j++) {
        const float *p = (const float *)m->pixels + index[j] * size;
        for (size_t i = 0; index[j] != KD_SHEET_BREAK && i < size; i++, first = false) {
            if (first || p[i] < k->low) k->low = p[i];
            if (first || p[i] > high) high = p[i];
        }
    }
    k->span = high > k->low ? high - k->low : 1;
}

/* Rows that the list takes. */
static size_t rows_of(const uint32_t *index, uint32_t n, size_t columns)
{
    size_t rows = 0, column = columns;
    for (uint32_t j = 0; j < n; j++) {
        if (index[j] == KD_SHEET_BREAK) {
            column = columns;
            continue;
        }
        if (column == columns) {
            rows++;
            column = 0;
        }
        column++;
    }
    return rows;
}

int kd_sheet_draw(const struct kd_images *images, const uint32_t *index, uint32_t n,
                  const struct kd_sheet *sheet, struct kd_picture *out, struct kd_err *err)
{
    struct canvas k = {.images = images, .sheet = sheet, .picture = out};
    const size_t columns = (size_t)sheet->columns, scale = (size_t)sheet->scale;
    const size_t rows = rows_of(index, n, columns);
    k.cell_w = images->w * scale + GAP;
    k.cell_h = images->h * scale + GAP + (sheet->labels ? STRIP : 0);
    *out = (struct kd_picture){0};
    if (rows == 0) return kd_fail_usage(err, "no images to show");
    if (columns > SIDE_LIMIT || k.cell_w > SIDE_LIMIT || k.cell_h > SIDE_LIMIT ||
        k.cell_w * columns + GAP > SIDE_LIMIT || k.cell_h * rows + GAP > SIDE_LIMIT)
        return kd_fail_usage(err,
                             "a sheet of %zu columns and %zu rows of %zux%zu pixels would be wider "
                             "or higher than %d: show fewer images, or scale less",
                             columns, rows, k.cell_w, k.cell_h, SIDE_LIMIT);
    if (kd_picture_init(out, (uint32_t)(k.cell_h * rows + GAP),
                        (uint32_t)(k.cell_w * columns + GAP), images->c == 3 ? 3 : 1, err) < 0)
        return -1;
    memset(out->pixels, PAPER, (size_t)out->h * out->w * out->c);
    range_find(&k, index, n);
    size_t row = 0, column = 0;
    bool begun = false; /* a row is begun by the first image in it */
    for (uint32_t j = 0; j < n; j++) {
        if (index[j] == KD_SHEET_BREAK || column == columns) {
            row += begun;
            column = 0;
            begun = false;
        }
        if (index[j] == KD_SHEET_BREAK) continue;
        image_put(&k, index[j], GAP + row * k.cell_h, GAP + column++ * k.cell_w);
        begun = true;
    }
    return 0;
}
