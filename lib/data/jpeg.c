/* JPEG, by libjpeg-turbo. What its interface does not say (orientation, where the header ends) is
 * read from the markers: ITU T.81, annex B; the orientation from EXIF 2.3, 4.6.4. */
#include "kd/base/file.h"
#include "picture_parts.h"
#include <string.h>
#ifdef KD_HAVE_LIBTURBOJPEG
#include <turbojpeg.h>
#endif

enum { SOI = 0xd8, EOI = 0xd9, SOS = 0xda, APP1 = 0xe1, NORMAL = 1 };

static unsigned number(const unsigned char *p, unsigned bytes, bool little)
{
    unsigned v = 0;
    for (unsigned i = 0; i < bytes; i++) v = v << 8 | p[little ? bytes - 1 - i : i];
    return v;
}

/* The orientation, 1 to 8, in the first folder of an EXIF block. */
static int orientation_of(const unsigned char *p, size_t size)
{
    enum { TAG = 0x112, ENTRY = 12 };
    if (size < 14 || memcmp(p, "Exif\0\0", 6) != 0) return NORMAL;
    p += 6;
    size -= 6;
    const bool little = p[0] == 'I';
    const size_t at = number(p + 4, 4, little);
    if (at > size - 2) return NORMAL;
    const unsigned n = number(p + at, 2, little);
    for (unsigned i = 0; i < n && at + 2 + (i + 1) * (size_t)ENTRY <= size; i++) {
        const unsigned char *e = p + at + 2 + i * (size_t)ENTRY;
        const unsigned v = number(e + 8, 2, little);
        if (number(e, 2, little) == TAG) return v >= 1 && v <= 8 ? (int)v : NORMAL;
    }
    return NORMAL;
}

static bool is_frame(unsigned char m)
{
    return m >= 0xc0 && m <= 0xcf && m != 0xc4 && m != 0xc8 && m != 0xcc;
}

struct head {
    uint32_t h, w, components;
    int orientation;
};

/* 0 done, 1 the bytes end before the frame's header, -1 no JPEG. */
static int head_read(const unsigned char *p, size_t size, struct head *out)
{
    *out = (struct head){.orientation = NORMAL};
    for (size_t at = 2;;) {
        if (at + 4 > size) return 1;
        if (p[at] != 0xff) return -1;
        const unsigned char marker = p[at + 1];
        if (marker == 0xff) {
            at++;
            continue;
        }
        if (marker == SOS || marker == EOI || marker == SOI || marker == 0) return -1;
        const size_t length = number(p + at + 2, 2, false);
        if (length < 2) return -1;
        if (is_frame(marker)) {
            if (at + 10 > size) return 1;
            if (length < 8) return -1;
            out->h = number(p + at + 5, 2, false);
            out->w = number(p + at + 7, 2, false);
            out->components = p[at + 9];
            return out->h && out->w && out->components ? 0 : -1;
        }
        if (marker == APP1 && at + 2 + length <= size)
            out->orientation = orientation_of(p + at + 4, length - 2);
        at += 2 + length;
    }
}

int kd_jpeg_shape(const void *bytes, size_t size, const char *name, struct kd_picture *out,
                  struct kd_err *err)
{
    struct head head;
    *out = (struct kd_picture){0};
    const int status = head_read(bytes, size, &head);
    if (status < 0) return kd_fail(err, "%s: broken JPEG file: no frame in its header", name);
    if (status > 0) return 1;
    const bool turned = head.orientation >= 5;
    out->h = turned ? head.w : head.h;
    out->w = turned ? head.h : head.w;
    out->c = head.components == 1 ? 1 : 3;
    return 0;
}

#ifdef KD_HAVE_LIBTURBOJPEG

/* Where pixel (y, x) of the picture as seen lies in the one that is stored, h x w: EXIF's eight
 * ways of holding a camera. */
static size_t stored_at(int orientation, size_t y, size_t x, size_t h, size_t w)
{
    switch (orientation) {
    case 2:
        return y * w + (w - 1 - x);
    case 3:
        return (h - 1 - y) * w + (w - 1 - x);
    case 4:
        return (h - 1 - y) * w + x;
    case 5:
        return x * w + y;
    case 6:
        return (h - 1 - x) * w + y;
    case 7:
        return (h - 1 - x) * w + (w - 1 - y);
    case 8:
        return x * w + (w - 1 - y);
    default:
        return y * w + x;
    }
}

static int turn(struct kd_picture *p, int orientation, struct kd_err *err)
{
    struct kd_picture out;
    if (orientation == NORMAL) return 0;
    const bool turned = orientation >= 5;
    if (kd_picture_init(&out, turned ? p->w : p->h, turned ? p->h : p->w, p->c, err) < 0) return -1;
    for (size_t y = 0; y < out.h; y++)
        for (size_t x = 0; x < out.w; x++)
            memcpy(out.pixels + (y * out.w + x) * out.c,
                   p->pixels + stored_at(orientation, y, x, p->h, p->w) * p->c, p->c);
    kd_free(p->pixels);
    p->pixels = out.pixels;
    p->h = out.h;
    p->w = out.w;
    return 0;
}

/* Ink to light. Printers' JPEG files are stored inverted, as Adobe began it: 255 is no ink. */
static void cmyk_to_rgb(const uint8_t *in, size_t n, uint8_t *out)
{
    for (size_t i = 0; i < n; i++, in += 4, out += 3)
        for (unsigned c = 0; c < 3; c++) {
            const unsigned product = (unsigned)in[c] * in[3] + 128;
            out[c] = (uint8_t)((product + (product >> 8)) >> 8); /* rounded division by 255 */
        }
}

static int pixels_decode(tjhandle tj, const void *bytes, size_t size, int space,
                         struct kd_picture *p, struct kd_err *err)
{
    enum { FLAGS = TJFLAG_ACCURATEDCT | TJFLAG_LIMITSCANS };
    const bool ink = space == TJCS_CMYK || space == TJCS_YCCK;
    uint8_t *four = NULL, *to = p->pixels;
    if (ink && !(to = four = kd_alloc((size_t)p->h * p->w, 4, "a picture", err))) return -1;
    const int format = ink ? TJPF_CMYK : p->c == 1 ? TJPF_GRAY : TJPF_RGB;
    int status = tjDecompress2(tj, bytes, size, to, (int)p->w, 0, (int)p->h, format, FLAGS);
    /* Stray bytes between segments harm no pixel; a file cut short leaves gray ones. */
    if (status != 0 && tjGetErrorCode(tj) == TJERR_WARNING &&
        !strstr(tjGetErrorStr2(tj), "remature"))
        status = 0;
    if (ink && status == 0) cmyk_to_rgb(four, (size_t)p->h * p->w, p->pixels);
    kd_free(four);
    return status == 0 ? 0 : 1;
}

int kd_jpeg_decode(const void *bytes, size_t size, const char *name,
                   const struct kd_picture_options *options, struct kd_picture *out,
                   struct kd_err *err)
{
    struct head head;
    int w, h, sampling, space;
    *out = (struct kd_picture){0};
    if (head_read(bytes, size, &head) != 0)
        return kd_fail(err, "%s: broken JPEG file: no frame in its header", name);
    tjhandle tj = tjInitDecompress();
    if (!tj) return kd_fail_memory(err, "%s: not enough memory to read a JPEG file", name);
    int status = tjDecompressHeader3(tj, bytes, size, &w, &h, &sampling, &space) == 0 ? 0 : 1;
    if (status == 0 && ((uint32_t)w != head.w || (uint32_t)h != head.h))
        status = kd_fail(err, "%s: broken JPEG file: its headers differ", name);
    const uint32_t c = head.components == 1 ? 1 : 3;
    if (status == 0 && (uint64_t)head.h * head.w * c > options->limit)
        status = kd_fail(err, "%s: %u by %u pixels need more than the limit of %zu bytes%s", name,
                         head.w, head.h, options->limit, kd_read_limit_remedy(options->limit));
    if (status == 0) status = kd_picture_init(out, head.h, head.w, c, err);
    if (status == 0) status = pixels_decode(tj, bytes, size, space, out, err);
    if (status == 0) status = turn(out, head.orientation, err);
    if (status > 0) kd_fail(err, "%s: broken JPEG file: %s", name, tjGetErrorStr2(tj));
    tjDestroy(tj);
    if (status != 0) kd_picture_release(out);
    return status == 0 ? 0 : -1;
}

int kd_picture_encode_jpeg(const struct kd_picture *p, int quality, struct kd_bytes *out,
                           struct kd_err *err)
{
    unsigned char *file = NULL;
    unsigned long size = 0;
    tjhandle tj = tjInitCompress();
    if (!tj) return kd_fail_memory(err, "not enough memory to write a JPEG file");
    int status =
        tjCompress2(tj, p->pixels, (int)p->w, 0, (int)p->h, p->c == 1 ? TJPF_GRAY : TJPF_RGB, &file,
                    &size, p->c == 1 ? TJSAMP_GRAY : TJSAMP_444, quality, TJFLAG_ACCURATEDCT);
    status = status < 0 ? kd_fail(err, "cannot make a JPEG file: %s", tjGetErrorStr2(tj))
                        : kd_bytes_add(out, file, size, err);
    tjFree(file);
    tjDestroy(tj);
    return status;
}

#else

int kd_picture_encode_jpeg(const struct kd_picture *p, int quality, struct kd_bytes *out,
                           struct kd_err *err)
{
    (void)p, (void)quality, (void)out;
    return kd_fail(err, "this kd was built without libjpeg-turbo (libturbojpeg0-dev): no JPEG; "
                        "install it and build anew, or write PNG");
}

int kd_jpeg_decode(const void *bytes, size_t size, const char *name,
                   const struct kd_picture_options *options, struct kd_picture *out,
                   struct kd_err *err)
{
    (void)bytes, (void)size, (void)options;
    *out = (struct kd_picture){0};
    return kd_fail(err,
                   "%s: this kd was built without libjpeg-turbo (libturbojpeg0-dev): no JPEG; "
                   "install it and build anew, or convert the pictures to PNG",
                   name);
}

#endif
