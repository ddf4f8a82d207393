/* The format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html. The header is
 * the text of a Python dictionary, of which exactly three keys with plain values are understood. */
#include "kd/base/file.h"
#include "kd/base/tensorfile.h"
#include "kd/base/view.h"
#include "tensor_parts.h"
#include <math.h>
#include <string.h>

#define HEADER_LIMIT 65536u /* of an array without named fields; NumPy itself writes about 128 */

struct npy {
    const char *p, *end, *start, *name;
    char descr[16];
    bool fortran, has_descr, has_order, has_shape;
    unsigned dims;
    size_t shape[KD_MAX_DIMS];
    struct kd_err *err;
};

static int wrong(const struct npy *s, const char *what)
{
    return kd_fail(s->err, "%s: header of a .npy file, byte %zu: %s", s->name,
                   (size_t)(s->p - s->start), what);
}

static bool accept(struct npy *s, const char *text)
{
    while (s->p < s->end && (*s->p == ' ' || *s->p == '\n' || *s->p == '\t')) s->p++;
    size_t n = strlen(text);
    if ((size_t)(s->end - s->p) < n || memcmp(s->p, text, n) != 0) return false;
    s->p += n;
    return true;
}

/* A quoted text without escapes, shorter than room. */
static int quoted(struct npy *s, char *out, size_t room)
{
    char quote = accept(s, "'") ? '\'' : accept(s, "\"") ? '"' : '\0';
    if (!quote) return wrong(s, "a text in quotes is expected here");
    size_t n = 0;
    while (s->p < s->end && *s->p != quote && n + 1 < room) out[n++] = *s->p++;
    if (s->p == s->end || *s->p != quote) return wrong(s, "a text that is unknown or not closed");
    s->p++;
    out[n] = '\0';
    return 0;
}

static int size_of_dim(struct npy *s, size_t *out)
{
    const char *from = s->p;
    size_t v = 0;
    for (; s->p < s->end && *s->p >= '0' && *s->p <= '9'; s->p++) {
        if (kd_mul_size(v, 10, &v) < 0 || v > SIZE_MAX - 9)
            return wrong(s, "a size larger than memory");
        v += (size_t)(*s->p - '0');
    }
    if (s->p == from) return wrong(s, "the shape needs whole numbers, not negative");
    *out = v;
    return 0;
}

/* (), (3,), (2, 3); Python 2 wrote (2L, 3L) */
static int shape(struct npy *s)
{
    if (!accept(s, "(")) return wrong(s, "the shape is expected here, as in (2, 3)");
    while (!accept(s, ")")) {
        if (s->dims == KD_MAX_DIMS) return wrong(s, "more than 8 dimensions; reshape the array");
        if (size_of_dim(s, &s->shape[s->dims++]) < 0) return -1;
        accept(s, "L");
        if (accept(s, ",")) continue;
        if (!accept(s, ")")) return wrong(s, "a comma or ) is expected here");
        if (s->dims == 1) return wrong(s, "a shape of one size has a comma, as in (3,)");
        break;
    }
    s->has_shape = true;
    return 0;
}

static int pair(struct npy *s)
{
    char key[16];
    if (quoted(s, key, sizeof key) < 0) return -1;
    if (!accept(s, ":")) return wrong(s, "a colon is expected here");
    if (strcmp(key, "descr") == 0 && !s->has_descr) {
        s->has_descr = true;
        if (accept(s, "[")) return wrong(s, "an array with named fields; save one field of it");
        return quoted(s, s->descr, sizeof s->descr);
    }
    if (strcmp(key, "fortran_order") == 0 && !s->has_order) {
        s->has_order = true;
        s->fortran = accept(s, "True");
        return s->fortran || accept(s, "False") ? 0 : wrong(s, "True or False is expected here");
    }
    if (strcmp(key, "shape") == 0 && !s->has_shape) return shape(s);
    return wrong(s, "the keys are descr, fortran_order and shape, once each");
}

static int dictionary(struct npy *s)
{
    if (!accept(s, "{")) return wrong(s, "a { is expected here");
    while (!accept(s, "}")) {
        if (pair(s) < 0) return -1;
        if (accept(s, ",")) continue;
        if (!accept(s, "}")) return wrong(s, "a comma or } is expected here");
        break;
    }
    accept(s, "");
    if (s->p < s->end) return wrong(s, "text behind the }");
    if (!s->has_descr || !s->has_order || !s->has_shape)
        return wrong(s, "descr, fortran_order or shape is missing");
    return 0;
}

/* Kind and size as NumPy writes them behind the byte order. */
static const struct {
    const char *descr;
    enum kd_dtype dtype;
} descrs[] = {{"f4", KD_F32}, {"f8", KD_F64}, {"f2", KD_F16}, {"u1", KD_U8},
              {"i4", KD_I32}, {"i8", KD_I64}, {"i1", KD_I8},  {"b1", KD_BOOL},
              {"i2", KD_I16}, {"u2", KD_U16}, {"u4", KD_U32}, {"u8", KD_U64}};

static int find_descr(const struct npy *s, enum kd_dtype *dtype, bool *big)
{
    const char order = s->descr[0];
    *big = order == '>';
    for (unsigned i = 0; i < sizeof descrs / sizeof *descrs; i++) {
        if (!order || !strchr("<>=|", order) || strcmp(s->descr + 1, descrs[i].descr) != 0)
            continue;
        *dtype = descrs[i].dtype;
        return 0;
    }
    return kd_fail(s->err,
                   "%s: the array's dtype is %s, and kd reads floats of 16, 32 and 64 bits, whole "
                   "numbers and booleans; save the array with astype() to one of these",
                   s->name, s->descr);
}

/* Start and length of the header's text, behind magic, version and length. */
static int find_header(struct npy *s, const struct kd_bytes *b, size_t *start)
{
    const unsigned char *p = (const unsigned char *)b->data;
    const char *name = s->name;
    if (b->size >= 6 && memcmp(p, "\x93NUMPY", 6) != 0)
        return kd_fail(s->err, "%s: not a .npy file: bytes 0 to 5 are not those of NumPy", name);
    size_t fixed = b->size > 6 && p[6] > 1 ? 12 : 10;
    if (b->size < fixed)
        return kd_fail(s->err, "%s: cut short: at least %zu bytes expected, %zu received", name,
                       fixed, b->size);
    if (p[6] < 1 || p[6] > 3 || p[7] != 0)
        return kd_fail(s->err, "%s: .npy version %u.%u, and kd reads 1.0, 2.0 and 3.0", name, p[6],
                       p[7]);
    size_t length = (size_t)p[8] | (size_t)p[9] << 8;
    if (fixed == 12) length |= (size_t)p[10] << 16 | (size_t)p[11] << 24;
    if (length > HEADER_LIMIT)
        return kd_fail(s->err, "%s: byte 8: a header of %zu bytes, at most %u are accepted", name,
                       length, HEADER_LIMIT);
    if (length > b->size - fixed)
        return kd_fail(s->err,
                       "%s: cut short: at least %zu bytes expected (the header), %zu received",
                       name, fixed + length, b->size);
    s->start = b->data;
    s->p = b->data + fixed;
    s->end = s->p + length;
    *start = fixed + length;
    return 0;
}

/* F64 to F32 in place, front to back, so what is written is always behind what is read. */
static int narrow(const struct npy *s, struct kd_tensor *t)
{
    char *data = t->data;
    if (t->dtype != KD_F64) return 0;
    for (size_t i = 0; i < t->count; i++) {
        double wide;
        memcpy(&wide, data + 8 * i, sizeof wide);
        /* halfway from the largest float to the next step: from here on it rounds to infinity */
        if (isfinite(wide) && fabs(wide) >= 0x1.ffffffp127)
            return kd_fail(s->err, "%s: element %zu is %g, too large for F32", s->name, i, wide);
        float f = (float)wide;
        memcpy(data + 4 * i, &f, sizeof f);
    }
    t->dtype = KD_F32;
    return 0;
}

static void swap_bytes(struct kd_tensor *t)
{
    const size_t size = kd_dtype_size(t->dtype);
    char *p = t->data;
    for (size_t i = 0; i < t->count; i++, p += size)
        for (size_t b = 0; b < size / 2; b++) {
            const char first = p[b];
            p[b] = p[size - 1 - b];
            p[size - 1 - b] = first;
        }
}

/* From Fortran order (the first index runs fastest) to C order, by a copy. */
static int reorder(struct kd_tensor *t, struct kd_err *err)
{
    const size_t size = kd_dtype_size(t->dtype);
    size_t step[KD_MAX_DIMS], at[KD_MAX_DIMS] = {0}, from = 0; /* steps in elements */
    char *copy = kd_alloc(t->count, size, "an array in C order", err);
    if (!copy) return -1;
    for (unsigned d = 0; d < t->dims; d++) step[d] = d ? step[d - 1] * t->shape[d - 1] : 1;
    for (size_t i = 0; i < t->count; i++) {
        memcpy(copy + i * size, (const char *)t->data + from * size, size);
        for (unsigned d = t->dims; d-- > 0;) {
            from += step[d];
            if (++at[d] < t->shape[d]) break;
            from -= step[d] * t->shape[d];
            at[d] = 0;
        }
    }
    if (t->count) memcpy(t->data, copy, t->count * size);
    kd_free(copy);
    return 0;
}

static int take(struct npy *s, struct kd_tensorfile *out)
{
    size_t start, bytes, count;
    enum kd_dtype dtype = KD_F32;
    bool big = false;
    if (find_header(s, &out->bytes, &start) < 0 || dictionary(s) < 0 ||
        find_descr(s, &dtype, &big) < 0)
        return -1;
    /* Find_header sets start where it returns 0. */
    /* NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult) */
    if (kd_tensor_extent(s->shape, s->dims, dtype, &count, &bytes) < 0 || bytes > SIZE_MAX - start)
        return kd_fail(s->err, "%s: the array's shape is larger than memory", s->name);
    if (start + bytes > out->bytes.size)
        return kd_fail(s->err, "%s: cut short: %zu bytes expected, %zu received", s->name,
                       start + bytes, out->bytes.size);
    if (start + bytes < out->bytes.size)
        return kd_fail(s->err, "%s: %zu bytes behind the array, from byte %zu on", s->name,
                       out->bytes.size - start - bytes, start + bytes);
    /* moving a mapped file would copy it */
    if (!out->bytes.mapped || start % kd_dtype_size(dtype) != 0)
        kd_bytes_settle(&out->bytes, &start);
    struct kd_tensor *t = kd_tensorfile_more(out, "", s->err);
    if (!t) return -1;
    t->dtype = dtype;
    t->dims = s->dims;
    memcpy(t->shape, s->shape, sizeof t->shape);
    t->count = count;
    t->data = out->bytes.data + start;
    if (big) swap_bytes(t);
    if (s->fortran && t->dims > 1 && reorder(t, s->err) < 0)
        return kd_err_context(s->err, "%s", s->name);
    return narrow(s, t);
}

int kd_npy_parse(struct kd_bytes *bytes, const char *name, struct kd_tensorfile *out,
                 struct kd_err *err)
{
    struct npy s = {.name = name, .err = err};
    int status = kd_tensorfile_init(out, err);
    out->bytes = *bytes;
    *bytes = (struct kd_bytes){0};
    if (status == 0) status = take(&s, out);
    if (status < 0) kd_tensorfile_release(out);
    return status;
}

int kd_npy_read(const char *path, const struct kd_tensorfile_limits *limits,
                struct kd_tensorfile *out, struct kd_err *err)
{
    struct kd_bytes bytes;
    *out = (struct kd_tensorfile){0};
    if (kd_file_view(path, kd_limit_of(limits), NULL, &bytes, err) < 0) return -1;
    return kd_npy_parse(&bytes, kd_input_name(path), out, err);
}

/* Version 1.0, the data at a multiple of 64 as NumPy has it. */
static int npy_header(const struct kd_tensor *t, struct kd_bytes *out, struct kd_err *err)
{
    const char *descr = NULL, *order = kd_dtype_size(t->dtype) == 1 ? "|" : "<";
    for (unsigned i = 0; i < sizeof descrs / sizeof *descrs; i++)
        if (descrs[i].dtype == t->dtype) descr = descrs[i].descr;
    if (!descr)
        return kd_fail(err, "a .npy file does not hold %s numbers", kd_dtype_name(t->dtype));
    kd_bytes_add(out, "\x93NUMPY\x01\0\0\0", 10, err);
    kd_bytes_format(out, err, "{'descr': '%s%s', 'fortran_order': False, 'shape': (", order, descr);
    for (unsigned i = 0; i < t->dims; i++)
        kd_bytes_format(out, err, "%s%zu%s", i ? " " : "", t->shape[i],
                        i + 1 < t->dims || t->dims == 1 ? "," : "");
    kd_bytes_text(out, "), }", err);
    const int padding = (int)(63 - out->size % 64);
    if (kd_bytes_format(out, err, "%*s\n", padding, "") < 0) return -1;
    size_t length = out->size - 10;
    out->data[8] = (char)(unsigned char)length;
    out->data[9] = (char)(unsigned char)(length >> 8);
    return 0;
}

int kd_npy_write(const char *path, const struct kd_tensor *t, struct kd_err *err)
{
    struct kd_bytes head = {0};
    struct kd_outfile out = {.fd = -1};
    int status = npy_header(t, &head, err);
    if (status == 0) status = kd_outfile_open(&out, path, err);
    if (status == 0) {
        status = kd_outfile_write(&out, head.data, head.size, err);
        if (status == 0)
            status = kd_outfile_write(&out, t->data, t->count * kd_dtype_size(t->dtype), err);
        if (status == 0)
            status = kd_outfile_commit(&out, err);
        else
            kd_outfile_discard(&out);
    }
    kd_bytes_release(&head);
    return status;
}
