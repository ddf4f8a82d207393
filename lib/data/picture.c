#include "kd/data/picture.h"
#include "kd/base/file.h"
#include <png.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { SIDE_LIMIT = 1 << 20 };

int kd_picture_init(struct kd_picture *p, uint32_t h, uint32_t w, uint32_t c, struct kd_err *err)
{
    size_t size;
    *p = (struct kd_picture){.h = h, .w = w, .c = c};
    if (kd_mul_size(h, w, &size) < 0)
        return kd_fail(err, "a picture of %u by %u pixels is too large", w, h);
    p->pixels = kd_alloc(size, c, "a picture", err);
    return p->pixels ? 0 : -1;
}

void kd_picture_release(struct kd_picture *p)
{
    kd_free(p->pixels);
    *p = (struct kd_picture){0};
}

/* What must survive libpng's longjmp lives here, not in local variables. */
struct codec {
    png_structp png;
    png_infop info;
    const unsigned char *next; /* reading */
    size_t left, limit;
    struct kd_bytes *to; /* writing */
    struct kd_picture *picture;
    const char *name;
    struct kd_err *err;
    char complaint[128];
    bool told;       /* err is filled already */
    bool shape_only; /* no pixels */
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

static void decode_shape(struct codec *k)
{
    const png_uint_32 w = png_get_image_width(k->png, k->info);
    const png_uint_32 h = png_get_image_height(k->png, k->info);
    const int type = png_get_color_type(k->png, k->info);
    const uint32_t c = type & PNG_COLOR_MASK_COLOR ? 3 : 1; /* palettes have the colour bit */
    if (type == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(k->png);
    if (type == PNG_COLOR_TYPE_GRAY) png_set_expand_gray_1_2_4_to_8(k->png);
    png_set_scale_16(k->png);
    png_set_strip_alpha(k->png);
    if (k->shape_only) {
        *k->picture = (struct kd_picture){.h = h, .w = w, .c = c};
        return;
    }
    k->told = true;
    if ((uint64_t)w * h * c > k->limit) {
        kd_fail(k->err, "%s: %u by %u pixels need more than the limit of %zu bytes%s", k->name,
                (unsigned)w, (unsigned)h, k->limit, kd_read_limit_remedy(k->limit));
        png_error(k->png, "limit");
    }
    if (kd_picture_init(k->picture, h, w, c, k->err) < 0) png_error(k->png, "memory");
    k->told = false;
}

static int decode(struct codec *k)
{
    if (setjmp(png_jmpbuf(k->png))) return -1;
    png_set_user_limits(k->png, SIDE_LIMIT, SIDE_LIMIT);
    png_set_read_fn(k->png, k, on_read);
    png_read_info(k->png, k->info);
    decode_shape(k);
    if (k->shape_only) return 0;
    const int passes = png_set_interlace_handling(k->png);
    png_read_update_info(k->png, k->info);
    const struct kd_picture *p = k->picture;
    if (png_get_rowbytes(k->png, k->info) != (size_t)p->w * p->c)
        png_error(k->png, "unknown pixel layout");
    for (int pass = 0; pass < passes; pass++)
        for (uint32_t y = 0; y < p->h; y++)
            png_read_row(k->png, p->pixels + (size_t)y * p->w * p->c, NULL);
    png_read_end(k->png, NULL);
    return 0;
}

static int read_png(struct codec *k)
{
    const size_t size = k->left;
    *k->picture = (struct kd_picture){0};
    if (size < 8 || png_sig_cmp(k->next, 0, 8) != 0)
        return kd_fail(k->err, "%s: not a PNG file: wrong signature at byte 0", k->name);
    k->png = png_create_read_struct(PNG_LIBPNG_VER_STRING, k, on_error, on_warning);
    if (k->png) k->info = png_create_info_struct(k->png);
    int status = -1;
    if (!k->info)
        kd_fail_memory(k->err, "%s: not enough memory to read a PNG file", k->name);
    else if ((status = decode(k)) < 0 && !k->told)
        kd_fail(k->err, "%s: broken PNG file: %s, before byte %zu of %zu", k->name, k->complaint,
                size - k->left, size);
    if (k->png) png_destroy_read_struct(&k->png, &k->info, NULL);
    if (status < 0) kd_picture_release(k->picture);
    return status;
}

int kd_picture_decode(const void *bytes, size_t size, const char *name, size_t limit,
                      struct kd_picture *out, struct kd_err *err)
{
    struct codec k = {
        .next = bytes, .left = size, .limit = limit, .picture = out, .name = name, .err = err};
    return read_png(&k);
}

int kd_picture_shape(const void *bytes, size_t size, const char *name, struct kd_picture *out,
                     struct kd_err *err)
{
    struct codec k = {
        .next = bytes, .left = size, .picture = out, .name = name, .err = err, .shape_only = true};
    return read_png(&k);
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
