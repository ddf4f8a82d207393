#include "kd/data/picture.h"
#include "kd/base/file.h"
#include "kd/base/known_formats.h"
#include "picture_parts.h"
#include <png.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { SIDE_LIMIT = 1 << 20 };

/* What must survive libpng's longjmp lives here, not in local variables. */
struct codec {
    png_structp png;
    png_infop info;
    const unsigned char *next; /* reading */
    size_t left;
    const struct kd_picture_options *options;
    unsigned char *raw; /* a row, or all of an interlaced picture */
    uint32_t colours;
    unsigned first[4]; /* the first pixel, alpha last */
    bool deep, has_alpha, varied, alpha_varied;
    struct kd_bytes *to; /* writing */
    struct kd_picture *picture;
    const char *name;
    struct kd_err *err;
    char complaint[128];
    bool told; /* err is filled already */
};

static void on_error(png_structp png, png_const_charp text)
{
    struct codec *k = png_get_error_ptr(png);
    snprintf(k->complaint, sizeof k->complaint, "%s", text);
    png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp text)
{
    (void)png;
    (void)text;
}

static void on_read(png_structp png, png_bytep out, png_size_t n)
{
    struct codec *k = png_get_io_ptr(png);
    if (n > k->left) png_error(png, "the file is truncated");
    memcpy(out, k->next, n);
    k->next += n;
    k->left -= n;
}

static void on_write(png_structp png, png_bytep data, png_size_t n)
{
    struct codec *k = png_get_io_ptr(png);
    if (kd_bytes_add(k->to, data, n, k->err) == 0) return;
    k->told = true;
    png_error(png, "no memory");
}

static void on_flush(png_structp png)
{
    (void)png;
}

static void limits_check(struct codec *k, uint32_t h, uint32_t w, uint32_t c)
{
    k->told = true;
    if ((uint64_t)w * h * c > k->options->limit) {
        kd_fail(k->err, "%s: %u by %u pixels need more than the limit of %zu bytes%s", k->name, w,
                h, k->options->limit, kd_read_limit_remedy(k->options->limit));
        png_error(k->png, "limit");
    }
    if (kd_picture_init(k->picture, h, w, c, k->err) < 0) png_error(k->png, "memory");
    k->told = false;
}

/* No deflate stream is more than this many times as long unpacked as it is packed. */
enum { MOST_PACKED = 1032 };

/* Palettes and few bits to bytes; alpha and 16 bits stay until a row is turned into the picture. */
static void decode_shape(struct codec *k)
{
    const uint64_t claimed =
        (uint64_t)png_get_rowbytes(k->png, k->info) * png_get_image_height(k->png, k->info);
    if (claimed / MOST_PACKED > k->left) png_error(k->png, "the file is too short for its size");
    const int type = png_get_color_type(k->png, k->info);
    if (type == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(k->png);
    if (type == PNG_COLOR_TYPE_GRAY) png_set_expand_gray_1_2_4_to_8(k->png);
    if (png_get_valid(k->png, k->info, PNG_INFO_tRNS)) png_set_tRNS_to_alpha(k->png);
    k->colours = type & PNG_COLOR_MASK_COLOR ? 3 : 1; /* palettes have the colour bit */
    limits_check(k, png_get_image_height(k->png, k->info), png_get_image_width(k->png, k->info),
                 k->colours);
}

static unsigned sample_at(const struct codec *k, const unsigned char *row, size_t i)
{
    return k->deep ? (unsigned)row[2 * i] << 8 | row[2 * i + 1] : row[i];
}

/* 16 bits to 8 as libpng rounds them; of fewer bits used the largest is white. */
static uint8_t to_byte(const struct codec *k, unsigned v)
{
    if (!k->deep) return (uint8_t)v;
    if (!k->options->bits || k->options->bits >= 16) return (uint8_t)((v * 255 + 32895) >> 16);
    const unsigned most = (1u << k->options->bits) - 1;
    return v >= most ? 255 : (uint8_t)((v * 255 + most / 2) / most);
}

static uint8_t blended(unsigned v, unsigned under, unsigned alpha, unsigned most)
{
    return (uint8_t)((v * alpha + under * (most - alpha) + most / 2) / most);
}

/* A raw row, perhaps deep, perhaps with alpha, to bytes of the picture; notes what that loses. */
static void row_take(struct codec *k, const unsigned char *row, uint32_t y)
{
    struct kd_picture *p = k->picture;
    const unsigned per = p->c + k->has_alpha, most = k->deep ? 65535 : 255;
    const uint8_t *under = k->options->background;
    uint8_t *out = p->pixels + (size_t)y * p->w * p->c;
    for (size_t x = 0; x < p->w; x++, out += p->c) {
        const unsigned alpha = k->has_alpha ? sample_at(k, row, x * per + p->c) : most;

        for (uint32_t c = 0; c < p->c; c++) {
            const unsigned v = sample_at(k, row, x * per + c);
            if (k->deep && v > p->loss.depth) p->loss.depth = (uint16_t)v;
            if (!y && !x) k->first[c] = v;
            if (v != k->first[c]) k->varied = true;
            out[c] = to_byte(k, v);
            if (k->has_alpha && k->options->flatten)
                out[c] =
                    blended(out[c], p->c == 3 ? under[c] : kd_gray(under[0], under[1], under[2]),
                            alpha, most);
        }
        if (!y && !x) k->first[3] = alpha;
        if (alpha != k->first[3]) k->alpha_varied = true;
    }
}

static int decode(struct codec *k)
{
    if (setjmp(png_jmpbuf(k->png))) return -1;
    png_set_user_limits(k->png, SIDE_LIMIT, SIDE_LIMIT);
    png_set_read_fn(k->png, k, on_read);
    png_read_info(k->png, k->info);
    decode_shape(k);
    const int passes = png_set_interlace_handling(k->png);
    png_read_update_info(k->png, k->info);
    const struct kd_picture *p = k->picture;
    const size_t row = png_get_rowbytes(k->png, k->info);
    k->deep = png_get_bit_depth(k->png, k->info) == 16;
    k->has_alpha = png_get_channels(k->png, k->info) == p->c + 1;
    if (row != (size_t)p->w * (p->c + k->has_alpha) * (k->deep ? 2 : 1))
        png_error(k->png, "unknown pixel layout");
    /* interlaced rows are completed pass by pass; others come one after the other */
    k->raw = kd_alloc(passes > 1 ? p->h : 1, row, "a picture", k->err);
    if (!k->raw) {
        k->told = true;
        png_error(k->png, "memory");
    }
    for (int pass = 0; pass < passes; pass++)
        for (uint32_t y = 0; y < p->h; y++) {
            unsigned char *at = k->raw + (passes > 1 ? y * row : 0);
            png_read_row(k->png, at, NULL);
            if (pass == passes - 1) row_take(k, at, y);
        }
    png_read_end(k->png, NULL);
    k->picture->loss.in_alpha = k->alpha_varied && !k->varied && !k->options->flatten;
    return 0;
}

static const unsigned char png_signature[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};

static int no_picture(const void *bytes, size_t size, const char *name, struct kd_err *err)
{
    struct kd_known_format is;
    if (!kd_known_format(bytes, size, &is))
        return kd_fail(err, "%s: not a PNG or JPEG file: wrong signature at byte 0", name);
    return size ? kd_fail(err, "%s: not a PNG or JPEG file: this is %s; %s", name, is.name,
                          is.remedy)
                : kd_fail(err, "%s: not a PNG or JPEG file: it is empty; %s", name, is.remedy);
}

static int png_read(struct codec *k)
{
    const size_t size = k->left;
    k->png = png_create_read_struct(PNG_LIBPNG_VER_STRING, k, on_error, on_warning);
    if (k->png) k->info = png_create_info_struct(k->png);
    int status = -1;
    if (!k->info)
        kd_fail_memory(k->err, "%s: not enough memory to read a PNG file", k->name);
    else if ((status = decode(k)) < 0 && !k->told)
        kd_fail(k->err, "%s: broken PNG file: %s, before byte %zu of %zu", k->name, k->complaint,
                size - k->left, size);
    if (k->png) png_destroy_read_struct(&k->png, &k->info, NULL);
    kd_free(k->raw);
    if (status < 0) kd_picture_release(k->picture);
    return status;
}

int kd_picture_read(const void *bytes, size_t size, const char *name,
                    const struct kd_picture_options *options, struct kd_picture *out,
                    struct kd_err *err)
{
    struct codec k = {
        .next = bytes, .left = size, .options = options, .picture = out, .name = name, .err = err};
    *out = (struct kd_picture){0};
    if (kd_jpeg_is(bytes, size)) return kd_jpeg_decode(bytes, size, name, options, out, err);
    if (size < 8 || memcmp(bytes, png_signature, 8) != 0) return no_picture(bytes, size, name, err);
    return png_read(&k);
}

int kd_picture_decode(const void *bytes, size_t size, const char *name, size_t limit,
                      struct kd_picture *out, struct kd_err *err)
{
    const struct kd_picture_options options = {.limit = limit};
    return kd_picture_read(bytes, size, name, &options, out, err);
}

static uint32_t big_endian(const unsigned char *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* The header chunk comes first in every PNG file, at a fixed place. */
int kd_picture_shape(const void *bytes, size_t size, const char *name, struct kd_picture *out,
                     struct kd_err *err)
{
    const unsigned char *p = bytes;
    *out = (struct kd_picture){0};
    if (kd_jpeg_is(p, size)) return kd_jpeg_shape(bytes, size, name, out, err);
    if (size < 8 || memcmp(p, png_signature, 8) != 0) return no_picture(bytes, size, name, err);
    if (size < 29) return 1;
    out->w = big_endian(p + 16);
    out->h = big_endian(p + 20);
    out->c = p[25] & PNG_COLOR_MASK_COLOR ? 3 : 1;
    const uint64_t samples = p[25] == PNG_COLOR_TYPE_GRAY || p[25] == PNG_COLOR_TYPE_PALETTE ? 1
                             : p[25] == PNG_COLOR_TYPE_GRAY_ALPHA                            ? 2
                             : p[25] == PNG_COLOR_TYPE_RGB                                   ? 3
                                                                                             : 4;
    out->least = out->h * ((out->w * samples * p[24] + 7) / 8) / MOST_PACKED;
    if (memcmp(p + 12, "IHDR", 4) == 0 && out->w && out->h && out->w <= SIDE_LIMIT &&
        out->h <= SIDE_LIMIT)
        return 0;
    return kd_fail(err, "%s: broken PNG file: no size in its header", name);
}

bool kd_picture_is_named(const char *path)
{
    static const char *const ends[] = {"png", "jpg", "jpeg", "jpe",  "jfif", "gif",
                                       "bmp", "tif", "tiff", "webp", "heic", "avif"};
    const char *dot = strrchr(path, '.');
    for (size_t i = 0; dot && i < sizeof ends / sizeof *ends; i++)
        if (strcasecmp(dot + 1, ends[i]) == 0) return true;
    return false;
}

int kd_picture_is_file(const char *path, bool *is, struct kd_err *err)
{
    unsigned char start[8];
    size_t n;
    if (kd_file_start(path, start, sizeof start, &n, err) < 0) return -1;
    *is = kd_jpeg_is(start, n) || (n == 8 && memcmp(start, png_signature, 8) == 0);
    return 0;
}

static void write_origin(struct codec *k, const char *origin)
{
    char key[] = "Comment";
    const union {
        const char *from;
        char *text;
    } text = {.from = origin}; /* libpng copies it */
    png_text chunk = {.compression = PNG_ITXT_COMPRESSION_NONE,
                      .key = key,
                      .text = text.text,
                      .itxt_length = strlen(origin)};
    png_set_text(k->png, k->info, &chunk, 1);
}

static int encode(struct codec *k, const struct kd_picture *p)
{
    if (setjmp(png_jmpbuf(k->png))) return -1;
    png_set_write_fn(k->png, k, on_write, on_flush);
    png_set_IHDR(k->png, k->info, p->w, p->h, 8,
                 p->c == 3 ? PNG_COLOR_TYPE_RGB : PNG_COLOR_TYPE_GRAY, PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    if (p->origin) write_origin(k, p->origin);
    png_write_info(k->png, k->info);
    for (uint32_t y = 0; y < p->h; y++) png_write_row(k->png, p->pixels + (size_t)y * p->w * p->c);
    png_write_end(k->png, NULL);
    return 0;
}

int kd_picture_encode(const struct kd_picture *p, struct kd_bytes *out, struct kd_err *err)
{
    struct codec k = {.to = out, .err = err};
    if (p->c != 1 && p->c != 3)
        return kd_fail_usage(err, "PNG holds 1 or 3 channels, not %u", p->c);
    k.png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &k, on_error, on_warning);
    if (k.png) k.info = png_create_info_struct(k.png);
    int status = -1;
    if (!k.info)
        kd_fail_memory(err, "not enough memory to write a PNG file");
    else if ((status = encode(&k, p)) < 0 && !k.told)
        kd_fail(err, "PNG writer: %s", k.complaint);
    if (k.png) png_destroy_write_struct(&k.png, &k.info);
    return status;
}
