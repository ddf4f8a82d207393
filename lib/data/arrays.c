/* What arrays of pixels and labels mean, in whatever file they stand. */
#include "formats.h"
#include "kd/base/file.h"
#include "kd/base/view.h"
#include <math.h>
#include <string.h>

/* ---- shape ---- */

/* [N,H,W,C] as most other programs keep pictures: one, three or four numbers run fastest. */
static bool looks_channels_last(const struct kd_tensor *t)
{
    const size_t a = t->shape[1], b = t->shape[2], c = t->shape[3];
    return t->dims == 4 && (c == 1 || c == 3 || c == 4) && a > 4 && b > 4;
}

int kd_shape_take(const struct kd_tensor *t, const char *name, const struct kd_load *load,
                  struct kd_images *out, struct kd_err *err)
{
    if (t->dims < 2 || t->dims > 4)
        return kd_fail(err, "%s: images have %u dimensions, expected [N,C,H,W], [N,H,W] or [N,D]",
                       name, t->dims);
    const size_t limit = kd_view_limit(load->limit);
    size_t size = kd_dtype_size(t->dtype);
    for (unsigned d = 0; d < t->dims; d++)
        if (t->shape[d] == 0 || t->shape[d] > INT32_MAX ||
            kd_mul_size(size, t->shape[d], &size) < 0 || size > limit)
            return kd_fail(err,
                           "%s: images have size %zu in dimension %u; sizes are 1 or more, and "
                           "%zu bytes at most in all%s",
                           name, t->shape[d], d, limit, kd_read_limit_remedy(limit));
    if (looks_channels_last(t) && load->input->layout == KD_LAYOUT_AUTO)
        return kd_fail_usage(
            err,
            "%s: its shape [%zu,%zu,%zu,%zu] looks like [N,H,W,C], with the "
            "channels last; say --layout nhwc (data.layout), or --layout nchw where "
            "these are %zu channels of %zux%zu",
            name, t->shape[0], t->shape[1], t->shape[2], t->shape[3], t->shape[1], t->shape[2],
            t->shape[3]);
    out->channels_last = t->dims == 4 && load->input->layout == KD_LAYOUT_NHWC;
    const unsigned channels = out->channels_last ? 3 : 1, rows = out->channels_last ? 1 : 2;
    out->n = (uint32_t)t->shape[0];
    out->c = t->dims == 4 ? (uint32_t)t->shape[channels] : 1;
    out->h = t->dims == 4 ? (uint32_t)t->shape[rows] : t->dims == 3 ? (uint32_t)t->shape[1] : 1;
    out->w = t->dims == 4 ? (uint32_t)t->shape[rows + 1] : (uint32_t)t->shape[t->dims - 1];
    return 0;
}

int kd_pixels_arrange(struct kd_images *m, const struct kd_load *load, struct kd_err *err)
{
    const bool turn = load->input->transpose;
    if (!m->channels_last && !turn) return 0;
    const size_t size = kd_dtype_size(m->dtype), plane = (size_t)m->h * m->w;
    const size_t down = m->channels_last ? (size_t)m->w * m->c : m->w; /* steps of the file */
    const size_t right = m->channels_last ? m->c : 1, over = m->channels_last ? 1 : plane;
    const uint32_t h = turn ? m->w : m->h, w = turn ? m->h : m->w;
    const size_t count = (size_t)m->n * m->c * plane, limit = kd_read_limit();
    if (count > limit / size)
        return kd_fail(err,
                       "%s: images are put in the order [N,C,H,W] in memory, and these need more "
                       "than the limit of %zu bytes%s; convert them once with kd-data where there "
                       "is memory",
                       load->place, limit, kd_read_limit_remedy(limit));
    char *to = kd_alloc(count, size, "images", err);
    if (!to) return -1;
    char *at = to;
    for (uint32_t i = 0; i < m->n; i++) {
        const char *image = (const char *)m->pixels + (size_t)i * m->c * plane * size;
        for (uint32_t c = 0; c < m->c; c++)
            for (uint32_t y = 0; y < h; y++)
                for (uint32_t x = 0; x < w; x++, at += size) {
                    const size_t row = turn ? x : y, column = turn ? y : x;
                    memcpy(at, image + (c * over + row * down + column * right) * size, size);
                }
    }
    if (!m->keep.bytes.data) kd_free(m->pixels);
    kd_tensorfile_release(&m->keep);
    m->pixels = to;
    m->h = h;
    m->w = w;
    m->channels_last = false;
    return 0;
}

/* ---- pixels ---- */

static int finite_check(const struct kd_tensor *t, const float *p, const char *name, uint32_t n,
                        struct kd_err *err)
{
    for (size_t i = 0; i < t->count; i++)
        if (!isfinite(p[i]))
            return kd_fail(err, "%s: pixel %zu of image %zu is not a finite number", name,
                           i % (t->count / n), i / (t->count / n));
    return 0;
}

/* Bytes and floats as they are; other floats become F32; whole numbers of 0..255 become bytes. */
int kd_pixels_take(const struct kd_tensor *t, const char *name, struct kd_images *out,
                   struct kd_err *err)
{
    int64_t v;
    out->pixels = t->data;
    out->dtype = t->dtype;
    if (t->dtype == KD_U8) return 0;
    if (t->dtype == KD_F32) return finite_check(t, t->data, name, out->n, err);
    const bool real = t->dtype == KD_F16 || t->dtype == KD_BF16 || t->dtype == KD_F64;
    out->dtype = real ? KD_F32 : KD_U8;
    if (t->count > kd_read_limit() / kd_dtype_size(out->dtype))
        return kd_fail(err,
                       "%s: images of %s become %s in memory, and these %zu numbers need more than "
                       "the limit of %zu bytes%s; save them as %s, which stay in their file",
                       name, kd_dtype_name(t->dtype), kd_dtype_name(out->dtype), t->count,
                       kd_read_limit(), kd_read_limit_remedy(kd_read_limit()),
                       kd_dtype_name(out->dtype));
    out->pixels = kd_alloc(t->count, kd_dtype_size(out->dtype), "images", err);
    if (!out->pixels) return -1;
    if (real) {
        if (kd_tensor_to_float(t, out->pixels, err) < 0) return kd_err_context(err, "%s", name);
        return finite_check(t, out->pixels, name, out->n, err);
    }
    for (size_t i = 0; i < t->count; i++) {
        if (kd_tensor_whole(t, i, &v, err) < 0) return kd_err_context(err, "%s: images", name);
        if (v < 0 || v > 255)
            return kd_fail(err,
                           "%s: images are %s, and pixel %zu of image %zu is %lld, beyond the 0 to "
                           "255 of bytes; save them as floats (numpy: array.astype('<f4'))",
                           name, kd_dtype_name(t->dtype), i % (t->count / out->n),
                           i / (t->count / out->n), (long long)v);
        ((uint8_t *)out->pixels)[i] = (uint8_t)v;
    }
    if (t->dtype == KD_BOOL)
        for (size_t i = 0; i < t->count; i++) ((uint8_t *)out->pixels)[i] *= 255;
    return 0;
}

/* ---- labels ---- */

enum { UNKNOWN = -1, IGNORED = -100 }; /* of kd, and of PyTorch */

static int one_hot_row(const struct kd_tensor *t, size_t row, int64_t *label, const char *name,
                       struct kd_err *err)
{
    const size_t classes = t->shape[1];
    int64_t v;
    *label = UNKNOWN;
    for (size_t k = 0; k < classes; k++) {
        if (kd_tensor_whole(t, row * classes + k, &v, err) < 0)
            return kd_fail(
                err,
                "%s: labels are [%zu,%zu] and row %zu is not one-hot; give one number an "
                "image (numpy: array.argmax(1)), or probabilities as soft targets",
                name, t->shape[0], classes, row);
        if (v == 0) continue;
        if (v != 1 || *label != UNKNOWN)
            return kd_fail(err,
                           "%s: labels are [%zu,%zu] and row %zu is not one-hot: it has %s; images "
                           "of several classes are not for kd",
                           name, t->shape[0], classes, row, v == 1 ? "two ones" : "other numbers");
        *label = (int64_t)k;
    }
    return 0;
}

static int label_read(const struct kd_tensor *t, size_t i, bool one_hot, int64_t *label,
                      const char *name, struct kd_err *err)
{
    if (one_hot) return one_hot_row(t, i, label, name, err);
    return kd_tensor_whole(t, i, label, err) < 0 ? kd_err_context(err, "%s: labels", name) : 0;
}

int kd_labels_take(const struct kd_tensor *t, const char *name, const struct kd_load *load,
                   uint32_t classes, struct kd_images *out, struct kd_err *err)
{
    const bool one_hot = t->dims == 2 && t->shape[1] > 1;
    const int64_t from = one_hot ? 0 : load->input->labels_from;
    const uint32_t limit = classes ? classes : KD_MAX_CLASSES;
    int64_t top = -1, least = INT64_MAX;
    if (t->dims < 1 || t->dims > 2)
        return kd_fail(err, "%s: labels have %u dimensions, expected [N], [N,1] or one-hot [N,C]",
                       name, t->dims);
    if (t->shape[0] != out->n)
        return kd_fail(err, "%s: %zu labels for %u images", name, t->shape[0], out->n);
    out->labels = kd_alloc(out->n, sizeof *out->labels, "labels", err);
    if (!out->labels) return -1;
    for (uint32_t i = 0; i < out->n; i++) {
        int64_t label;
        if (label_read(t, i, one_hot, &label, name, err) < 0) return -1;
        if (label == UNKNOWN || label == IGNORED) {
            out->labels[i] = -1;
            continue;
        }
        if (label < from || label - from >= limit)
            return kd_fail(err,
                           "%s: label %lld of image %u is out of range %lld to %lld (-1 or -100: "
                           "unknown)",
                           name, (long long)label, i, (long long)from,
                           (long long)(from + limit - 1));
        out->labels[i] = (int32_t)(label - from);
        top = label - from > top ? label - from : top;
        least = label < least ? label : least;
    }
    out->classes = classes ? classes : top < 0 ? 1 : (uint32_t)top + 1;
    if (one_hot && !classes && t->shape[1] <= KD_MAX_CLASSES) out->classes = (uint32_t)t->shape[1];
    if (top < 0) {
        kd_free(out->labels);
        out->labels = NULL;
        kd_progress_say(load->progress, "%s: all %u labels are unknown (-1)", name, out->n);
    } else if (least == 1 && from == 0 && !classes) {
        kd_progress_say(load->progress,
                        "%s: labels begin with 1, and class 0 has no images; where classes are "
                        "numbered from 1, say --labels-from 1",
                        name);
    }
    return 0;
}
