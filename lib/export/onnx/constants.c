/* Numbers of an ONNX file, and what can be computed from them without an image. */
#include "parts.h"

#include <limits.h>
#include <math.h>
#include <string.h>

/* ---- attributes and inputs ---- */

const Onnx__AttributeProto *kd_onnx_attribute(const Onnx__NodeProto *n, const char *name)
{
    for (size_t i = 0; i < n->n_attribute; i++)
        if (n->attribute[i]->name && strcmp(n->attribute[i]->name, name) == 0)
            return n->attribute[i];
    return NULL;
}

int64_t kd_onnx_int(const Onnx__NodeProto *n, const char *name, int64_t preset)
{
    const Onnx__AttributeProto *a = kd_onnx_attribute(n, name);
    return a && a->has_i ? a->i : preset;
}

float kd_onnx_float(const Onnx__NodeProto *n, const char *name, float preset)
{
    const Onnx__AttributeProto *a = kd_onnx_attribute(n, name);
    return a && a->has_f ? a->f : preset;
}

const struct kd_onnx_constant *kd_onnx_input_constant(const struct kd_onnx *r,
                                                      const Onnx__NodeProto *n, size_t i)
{
    const struct kd_onnx_value *v = i < n->n_input ? kd_onnx_find(r, n->input[i]) : NULL;
    return v ? v->constant : NULL;
}

int kd_onnx_ints(const struct kd_onnx *r, const Onnx__NodeProto *n, const char *name, size_t i,
                 int64_t v[], int most)
{
    const Onnx__AttributeProto *a = kd_onnx_attribute(n, name);
    const struct kd_onnx_constant *c = kd_onnx_input_constant(r, n, i);
    const int64_t *from = a ? a->ints : c ? c->i : NULL;
    size_t count = a ? a->n_ints : c ? c->count : 0;
    bool given = a || (i < n->n_input && n->input[i][0]);
    if (!given) return 0;
    if (!from || count < 1 || count > (size_t)most)
        return kd_onnx_fail(r, n, "%s: expected 1 to %d whole numbers that the file holds", name,
                            most);
    memcpy(v, from, count * sizeof *v);
    return (int)count;
}

/* ---- tensors ---- */

static struct kd_onnx_constant *make(struct kd_onnx *r, unsigned dims, const size_t *shape,
                                     bool whole)
{
    struct kd_onnx_constant *c = kd_onnx_alloc(r, 1, sizeof *c);
    if (!c) return NULL;
    c->dims = dims;
    c->count = 1;
    for (unsigned d = 0; d < dims; d++) {
        c->shape[d] = shape[d];
        if (kd_mul_size(c->count, shape[d], &c->count) < 0) {
            kd_fail(r->err, "a tensor has more elements than can be counted");
            return NULL;
        }
    }
    if (whole)
        c->i = kd_onnx_alloc(r, c->count, sizeof *c->i);
    else
        c->f = kd_onnx_alloc(r, c->count, sizeof *c->f);
    return c->i || c->f ? c : NULL;
}

/* Where the elements of a tensor lie: packed bytes, or a list of its own. */
struct elements {
    const uint8_t *raw;
    size_t n, width; /* elements, bytes of each */
    enum kd_dtype dtype;
};

static const struct {
    int theirs;
    enum kd_dtype ours;
} types[] = {
    {ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT, KD_F32},
    {ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16, KD_F16},
    {ONNX__TENSOR_PROTO__DATA_TYPE__BFLOAT16, KD_BF16},
    {ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE, KD_F64},
    {ONNX__TENSOR_PROTO__DATA_TYPE__INT64, KD_I64},
    {ONNX__TENSOR_PROTO__DATA_TYPE__INT32, KD_I32},
    {ONNX__TENSOR_PROTO__DATA_TYPE__BOOL, KD_BOOL},
    {ONNX__TENSOR_PROTO__DATA_TYPE__UINT8, KD_U8},
    {ONNX__TENSOR_PROTO__DATA_TYPE__INT8, KD_I8},
};
enum { TYPES = sizeof types / sizeof *types };

static bool floats(enum kd_dtype d)
{
    return d == KD_F32 || d == KD_F16 || d == KD_BF16 || d == KD_F64;
}

static int elements_of(struct kd_onnx *r, const Onnx__TensorProto *t, const char *name,
                       struct elements *e)
{
    size_t i = 0;
    while (i < TYPES && (!t->has_data_type || types[i].theirs != t->data_type)) i++;
    if (i == TYPES)
        return kd_fail(r->err, "tensor %s: numbers of ONNX's type %d are not known", name,
                       t->data_type);
    *e = (struct elements){.dtype = types[i].ours};
    bool outside =
        t->has_data_location && t->data_location == ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL;
    if (outside || t->has_raw_data) {
        size_t size = t->raw_data.len;
        e->raw = outside ? kd_onnx_outside(r, t, name, &size) : t->raw_data.data;
        if (outside && !e->raw) return -1;
        e->width = kd_dtype_size(e->dtype);
        e->n = size / e->width;
        if (size % e->width)
            return kd_fail(r->err, "tensor %s: %zu bytes are no whole elements of %zu", name, size,
                           e->width);
    } else if (e->dtype == KD_F32) {
        *e = (struct elements){(const uint8_t *)t->float_data, t->n_float_data, 4, KD_F32};
    } else if (e->dtype == KD_F64) {
        *e = (struct elements){(const uint8_t *)t->double_data, t->n_double_data, 8, KD_F64};
    } else if (e->dtype == KD_I64) {
        *e = (struct elements){(const uint8_t *)t->int64_data, t->n_int64_data, 8, KD_I64};
    } else { /* the narrow ones, each in 32 bits, of which it is the lower part */
        e->raw = (const uint8_t *)t->int32_data;
        e->n = t->n_int32_data;
        e->width = 4;
    }
    return 0;
}

const struct kd_onnx_constant *kd_onnx_tensor(struct kd_onnx *r, const Onnx__TensorProto *t)
{
    char name[100];
    snprintf(name, sizeof name, "%s", t->name ? t->name : "without a name");
    struct elements e = {0};
    size_t shape[KD_MAX_DIMS], wanted = 1;
    if (elements_of(r, t, name, &e) < 0) return NULL;
    if (t->n_dims > KD_MAX_DIMS) {
        kd_fail(r->err, "tensor %s: %zu dimensions; at most %d are known", name, t->n_dims,
                KD_MAX_DIMS);
        return NULL;
    }
    for (size_t d = 0; d < t->n_dims; d++) {
        shape[d] = t->dims[d] < 0 ? SIZE_MAX : (size_t)t->dims[d];
        if (t->dims[d] < 0 || kd_mul_size(wanted, shape[d], &wanted) < 0) wanted = SIZE_MAX;
    }
    if (wanted != e.n) {
        kd_fail(r->err, "tensor %s: its shape has %zu elements, and there are %zu", name, wanted,
                e.n);
        return NULL;
    }
    struct kd_onnx_constant *c = make(r, (unsigned)t->n_dims, shape, !floats(e.dtype));
    if (!c) return NULL;
    /* each is brought to 8 aligned bytes, since raw ones lie anywhere */
    struct kd_tensor one = {.name = name, .dtype = e.dtype, .dims = 0, .count = 1};
    for (size_t i = 0; i < e.n; i++) {
        _Alignas(8) uint8_t bytes[8] = {0};
        memcpy(bytes, e.raw + i * e.width, e.width);
        one.data = bytes;
        int status = c->f ? kd_tensor_to_float(&one, c->f + i, r->err)
                          : kd_tensor_whole(&one, 0, c->i + i, r->err);
        if (status < 0) return NULL;
    }
    return c;
}

/* Elements of two constants of the same kind. */
static void copy(struct kd_onnx_constant *to, size_t at, const struct kd_onnx_constant *c,
                 size_t from, size_t n)
{
    if (to->i && c->i)
        memcpy(to->i + at, c->i + from, n * sizeof *c->i);
    else if (to->f && c->f)
        memcpy(to->f + at, c->f + from, n * sizeof *c->f);
}

/* ---- folding ---- */

static int64_t axis_of(int64_t axis, unsigned dims)
{
    return axis < 0 ? axis + (int64_t)dims : axis;
}

/* Numpy's broadcasting: the element of c under place `at` of a result of `shape`. */
static size_t under(const struct kd_onnx_constant *c, unsigned dims, const size_t *shape, size_t at)
{
    size_t place = 0, step = 1;
    for (unsigned d = dims; d-- > 0;) {
        if (!shape[d]) return 0;
        size_t here = at % shape[d];
        at /= shape[d];
        if (d + c->dims < dims) continue;
        size_t own = c->shape[d + c->dims - dims];
        if (own > 1) place += here * step;
        step *= own;
    }
    return place;
}

static double number(const struct kd_onnx_constant *c, size_t i)
{
    return c->f ? (double)c->f[i] : c->i ? (double)c->i[i] : 0;
}

static struct kd_onnx_constant *binary(struct kd_onnx *r, const Onnx__NodeProto *n,
                                       const struct kd_onnx_constant *a,
                                       const struct kd_onnx_constant *b)
{
    unsigned dims = a->dims > b->dims ? a->dims : b->dims;
    size_t shape[KD_MAX_DIMS];
    for (unsigned d = 0; d < dims; d++) {
        size_t x = d + a->dims < dims ? 1 : a->shape[d + a->dims - dims];
        size_t y = d + b->dims < dims ? 1 : b->shape[d + b->dims - dims];
        if (x != y && x != 1 && y != 1) {
            kd_onnx_say(r, n, "shapes of its two constants do not go together");
            return NULL;
        }
        shape[d] = x > y ? x : y;
        if (x == 0 || y == 0) shape[d] = 0;
    }
    struct kd_onnx_constant *c = make(r, dims, shape, a->i && b->i);
    for (size_t at = 0; c && at < c->count; at++) {
        double x = number(a, under(a, dims, shape, at)), y = number(b, under(b, dims, shape, at));
        char op = n->op_type[0];
        double v = op == 'A' ? x + y : op == 'S' ? x - y : op == 'M' ? x * y : x / y;
        if (c->f)
            c->f[at] = (float)v;
        else
            c->i[at] = fabs(v) < 9e18 ? (int64_t)v : 0; /* division of whole numbers truncates */
    }
    return c;
}

static struct kd_onnx_constant *unary(struct kd_onnx *r, const Onnx__NodeProto *n,
                                      const struct kd_onnx_constant *a)
{
    struct kd_onnx_constant *c = a->f ? make(r, a->dims, a->shape, false) : NULL;
    if (!a->f) kd_onnx_say(r, n, "of constants it is known for floats only");
    for (size_t i = 0; c && i < c->count; i++) {
        double x = number(a, i);
        c->f[i] = (float)(n->op_type[0] == 'N' ? -x : n->op_type[0] == 'S' ? sqrt(x) : 1 / x);
    }
    return c;
}

/* The same numbers under another shape. */
static struct kd_onnx_constant *reshaped(struct kd_onnx *r, const Onnx__NodeProto *n,
                                         const struct kd_onnx_constant *a, unsigned dims,
                                         const size_t *shape)
{
    struct kd_onnx_constant *c = kd_onnx_alloc(r, 1, sizeof *c);
    if (!c) return NULL;
    *c = *a;
    c->dims = dims;
    size_t count = 1;
    for (unsigned d = 0; d < dims; d++) {
        c->shape[d] = shape[d];
        if (kd_mul_size(count, shape[d], &count) < 0) count = SIZE_MAX;
    }
    if (count == a->count) return c;
    kd_onnx_say(r, n, "the new shape of a constant has another number of elements");
    return NULL;
}

static struct kd_onnx_constant *squeezed(struct kd_onnx *r, const Onnx__NodeProto *n,
                                         const struct kd_onnx_constant *a)
{
    bool more = n->op_type[0] == 'U', named[KD_MAX_DIMS] = {false};
    int64_t axes[KD_MAX_DIMS];
    int k = kd_onnx_ints(r, n, "axes", 1, axes, KD_MAX_DIMS);
    unsigned dims = a->dims + (more && k > 0 ? (unsigned)k : 0), at = 0, out = 0;
    if (k < 0) return NULL;
    bool good = dims <= KD_MAX_DIMS && (k > 0 || !more);
    for (int j = 0; j < k && good; j++) {
        int64_t axis = axis_of(axes[j], dims);
        good = axis >= 0 && axis < (int64_t)dims && !named[axis];
        if (good) named[axis] = true;
    }
    size_t shape[KD_MAX_DIMS];
    for (unsigned d = 0; d < dims && good; d++) {
        bool drop = !more && (k ? named[d] : a->shape[d] == 1);
        if (!drop) shape[out++] = more && named[d] ? 1 : a->shape[at];
        if (!more || !named[d]) at++;
    }
    if (good) return reshaped(r, n, a, out, shape);
    kd_onnx_say(r, n, "its axes are not those of its input");
    return NULL;
}

static struct kd_onnx_constant *reshape(struct kd_onnx *r, const Onnx__NodeProto *n,
                                        const struct kd_onnx_constant *a)
{
    int64_t wanted[KD_MAX_DIMS];
    size_t shape[KD_MAX_DIMS], known = 1;
    int dims = kd_onnx_ints(r, n, "shape", 1, wanted, KD_MAX_DIMS), open = -1;
    if (dims < 0) return NULL;
    for (int d = 0; d < dims; d++) {
        shape[d] = wanted[d] == 0 && (unsigned)d < a->dims ? a->shape[d] : (size_t)wanted[d];
        if (wanted[d] < 0)
            open = d;
        else if (kd_mul_size(known, shape[d], &known) < 0)
            known = 0;
    }
    if (open >= 0) shape[open] = known ? a->count / known : 0;
    return reshaped(r, n, a, (unsigned)dims, shape);
}

static struct kd_onnx_constant *transpose(struct kd_onnx *r, const Onnx__NodeProto *n,
                                          const struct kd_onnx_constant *a)
{
    int64_t turn[KD_MAX_DIMS] = {0};
    size_t shape[KD_MAX_DIMS] = {0}, step[KD_MAX_DIMS] = {0}, all = 1;
    int k = kd_onnx_ints(r, n, "perm", SIZE_MAX, turn, KD_MAX_DIMS);
    bool seen[KD_MAX_DIMS] = {false}, good = k == 0 || (k > 0 && (unsigned)k == a->dims);
    for (unsigned d = 0; d < a->dims && good; d++) {
        if (!k) turn[d] = a->dims - 1 - d;
        good = turn[d] >= 0 && turn[d] < (int64_t)a->dims && !seen[turn[d]];
        if (good) seen[turn[d]] = true;
    }
    if (!good) {
        kd_onnx_say(r, n, "perm is no order of its input's dimensions");
        return NULL;
    }
    for (unsigned d = a->dims; d-- > 0; all *= a->shape[d]) step[d] = all;
    for (unsigned d = 0; d < a->dims; d++) shape[d] = a->shape[turn[d]];
    struct kd_onnx_constant *c = make(r, a->dims, shape, a->i != NULL);
    for (size_t at = 0; c && at < c->count; at++) {
        size_t rest = at, from = 0;
        for (unsigned d = c->dims; d-- > 0 && shape[d]; rest /= shape[d])
            from += rest % shape[d] * step[turn[d]];
        copy(c, at, a, from, 1);
    }
    return c;
}

/* Rows of a along its first axis, count of them: from, from + step, and so on. */
static struct kd_onnx_constant *rows_of(struct kd_onnx *r, const struct kd_onnx_constant *a,
                                        int64_t from, int64_t step, size_t count)
{
    size_t shape[KD_MAX_DIMS], row = a->shape[0] ? a->count / a->shape[0] : 0;
    memcpy(shape, a->shape, sizeof shape);
    shape[0] = count;
    struct kd_onnx_constant *c = make(r, a->dims, shape, a->i != NULL);
    for (size_t j = 0; c && j < count; j++) {
        size_t at = (size_t)(from + step * (int64_t)j);
        copy(c, j * row, a, at * row, row);
    }
    return c;
}

static struct kd_onnx_constant *gather(struct kd_onnx *r, const Onnx__NodeProto *n,
                                       const struct kd_onnx_constant *a)
{
    const struct kd_onnx_constant *which = kd_onnx_input_constant(r, n, 1);
    if (a->dims != 1 || !a->i || !which || !which->i) {
        kd_onnx_say(r, n, "of constants only a list of whole numbers is known");
        return NULL;
    }
    struct kd_onnx_constant *c = make(r, which->dims, which->shape, true);
    for (size_t j = 0; c && j < c->count; j++) {
        int64_t at = which->i[j] < 0 ? which->i[j] + (int64_t)a->count : which->i[j];
        if (at < 0 || at >= (int64_t)a->count) {
            kd_onnx_say(r, n, "element %lld of %zu", (long long)at, a->count);
            return NULL;
        }
        c->i[j] = a->i[at];
    }
    return c;
}

static int64_t bounded(int64_t v, int64_t low, int64_t high)
{
    return v < low ? low : v > high ? high : v;
}

/* A place that counts from the end where it is negative. */
static int64_t place_in(int64_t at, int64_t n)
{
    return at < 0 ? (at < -n ? -1 : at + n) : at;
}

static struct kd_onnx_constant *slice(struct kd_onnx *r, const Onnx__NodeProto *n,
                                      const struct kd_onnx_constant *a)
{
    int64_t from = 0, to = 0, axis = 0, step = 1;
    int one = kd_onnx_ints(r, n, "starts", 1, &from, 1),
        two = kd_onnx_ints(r, n, "ends", 2, &to, 1);
    if (one < 0 || two < 0 || kd_onnx_ints(r, n, "axes", 3, &axis, 1) < 0 ||
        kd_onnx_ints(r, n, "steps", 4, &step, 1) < 0)
        return NULL;
    if (!one || !two || a->dims < 1 || axis_of(axis, a->dims) != 0 || (step != 1 && step != -1)) {
        kd_onnx_say(r, n, "of constants only steps of 1 along the first axis are known");
        return NULL;
    }
    int64_t count = (int64_t)a->shape[0], up = step > 0;
    from = bounded(place_in(from, count), up ? 0 : -1, up ? count : count - 1);
    to = bounded(place_in(to, count), up ? 0 : -1, up ? count : count - 1);
    int64_t length = up ? to - from : from - to;
    return rows_of(r, a, from, step, length > 0 ? (size_t)length : 0);
}

static struct kd_onnx_constant *joined(struct kd_onnx *r, const Onnx__NodeProto *n)
{
    size_t count = 0, at = 0;
    for (size_t j = 0; j < n->n_input; j++) {
        const struct kd_onnx_constant *a = kd_onnx_input_constant(r, n, j);
        if (!a || a->dims != 1 || !a->i) {
            kd_onnx_say(r, n, "of constants only lists of whole numbers are known");
            return NULL;
        }
        count += a->count;
    }
    struct kd_onnx_constant *c = make(r, 1, &count, true);
    for (size_t j = 0; c && j < n->n_input; j++) {
        const struct kd_onnx_constant *a = kd_onnx_input_constant(r, n, j);
        memcpy(c->i + at, a->i, a->count * sizeof *a->i);
        at += a->count;
    }
    return c;
}

static struct kd_onnx_constant *filled(struct kd_onnx *r, const Onnx__NodeProto *n,
                                       const struct kd_onnx_constant *a)
{
    const Onnx__AttributeProto *value = kd_onnx_attribute(n, "value");
    const struct kd_onnx_constant *one = value && value->t ? kd_onnx_tensor(r, value->t) : NULL;
    size_t shape[KD_MAX_DIMS], count = 1;
    if (value && !one) return NULL;
    bool good = a->i && a->dims == 1 && a->count <= KD_MAX_DIMS && (!one || one->count == 1);
    for (size_t d = 0; d < a->count && good; d++) {
        shape[d] = (size_t)a->i[d];
        good = a->i[d] >= 0 && kd_mul_size(count, shape[d], &count) == 0 && count <= 1 << 20;
    }
    struct kd_onnx_constant *c = good ? make(r, (unsigned)a->count, shape, one && one->i) : NULL;
    if (!good) kd_onnx_say(r, n, "expected a shape of at most a million elements");
    for (size_t j = 0; c && one && j < c->count; j++) {
        if (c->i)
            c->i[j] = one->i[0];
        else
            c->f[j] = one->f[0];
    }
    return c;
}

static struct kd_onnx_constant *cast(struct kd_onnx *r, const Onnx__NodeProto *n,
                                     const struct kd_onnx_constant *a)
{
    int64_t to = kd_onnx_int(n, "to", 0);
    size_t i = 0;
    while (i < TYPES && types[i].theirs != to) i++;
    if (i == TYPES) {
        kd_onnx_say(r, n, "to: ONNX's type %lld is not known", (long long)to);
        return NULL;
    }
    struct kd_onnx_constant *c = make(r, a->dims, a->shape, !floats(types[i].ours));
    for (size_t j = 0; c && j < c->count; j++) {
        double v = number(a, j);
        if (c->f)
            c->f[j] = (float)v;
        else
            c->i[j] = a->i ? a->i[j] : fabs(v) < 9e18 ? (int64_t)v : 0;
    }
    return c;
}

static struct kd_onnx_constant *constant(struct kd_onnx *r, const Onnx__NodeProto *n)
{
    const Onnx__AttributeProto *a = n->n_attribute == 1 ? n->attribute[0] : NULL;
    const char *name = a && a->name ? a->name : "";
    struct kd_onnx_constant *c = NULL;
    if (strcmp(name, "value") == 0 && a->t) {
        const struct kd_onnx_constant *t = kd_onnx_tensor(r, a->t);
        return t ? reshaped(r, n, t, t->dims, t->shape) : NULL;
    }
    bool list = strcmp(name, "value_floats") == 0 || strcmp(name, "value_ints") == 0;
    bool whole = strncmp(name, "value_int", 9) == 0;
    if (!list && strcmp(name, "value_float") != 0 && strcmp(name, "value_int") != 0) {
        kd_onnx_say(r, n, "its value is no tensor of numbers");
        return NULL;
    }
    size_t count = !list ? 1 : whole ? a->n_ints : a->n_floats;
    c = make(r, list, &count, whole);
    for (size_t i = 0; c && i < c->count; i++) {
        if (whole)
            c->i[i] = list ? a->ints[i] : a->i;
        else
            c->f[i] = list ? a->floats[i] : a->f;
    }
    return c;
}

/* The shape of an image's tensor, for one image where the file leaves their number open. */
static struct kd_onnx_constant *shape_of(struct kd_onnx *r, const Onnx__NodeProto *n,
                                         const struct kd_onnx_value *v)
{
    size_t dims = v->constant ? v->constant->dims : r->steps[v->step].dims;
    const size_t *shape = v->constant ? v->constant->shape : r->steps[v->step].shape;
    if (kd_onnx_int(n, "start", 0) || kd_onnx_attribute(n, "end")) {
        kd_onnx_say(r, n, "start and end are not known");
        return NULL;
    }
    struct kd_onnx_constant *c = make(r, 1, &dims, true);
    for (size_t d = 0; c && d < dims; d++) c->i[d] = (int64_t)shape[d];
    return c;
}

int kd_onnx_fold(struct kd_onnx *r, const Onnx__NodeProto *n, const struct kd_onnx_constant **out)
{
    static const char *const pairs[] = {"Add", "Sub", "Mul", "Div"};
    static const char *const ones[] = {"Neg", "Sqrt", "Reciprocal"};
    const char *op = n->op_type;
    *out = NULL;
    if (strcmp(op, "Constant") == 0) return (*out = constant(r, n)) ? 1 : -1;
    const struct kd_onnx_value *first = n->n_input ? kd_onnx_find(r, n->input[0]) : NULL;
    if (!first) return 0;
    if (strcmp(op, "Shape") == 0 &&
        (first->constant || r->steps[first->step].kind != KD_ONNX_UNKNOWN))
        return (*out = shape_of(r, n, first)) ? 1 : -1;
    for (size_t i = 0; i < n->n_input; i++)
        if (n->input[i][0] && !kd_onnx_input_constant(r, n, i)) return 0;
    const struct kd_onnx_constant *a = first->constant, *b = kd_onnx_input_constant(r, n, 1);
    if (!a) return 0;
    for (size_t i = 0; i < 4; i++)
        if (strcmp(op, pairs[i]) == 0 && b) return (*out = binary(r, n, a, b)) ? 1 : -1;
    for (size_t i = 0; i < 3; i++)
        if (strcmp(op, ones[i]) == 0) return (*out = unary(r, n, a)) ? 1 : -1;
    if (strcmp(op, "Identity") == 0 || strcmp(op, "Dropout") == 0)
        *out = reshaped(r, n, a, a->dims, a->shape);
    else if (strcmp(op, "Squeeze") == 0 || strcmp(op, "Unsqueeze") == 0)
        *out = squeezed(r, n, a);
    else if (strcmp(op, "Reshape") == 0)
        *out = reshape(r, n, a);
    else if (strcmp(op, "Transpose") == 0)
        *out = transpose(r, n, a);
    else if (strcmp(op, "Gather") == 0)
        *out = gather(r, n, a);
    else if (strcmp(op, "Slice") == 0)
        *out = slice(r, n, a);
    else if (strcmp(op, "Concat") == 0)
        *out = joined(r, n);
    else if (strcmp(op, "ConstantOfShape") == 0)
        *out = filled(r, n, a);
    else if (strcmp(op, "Cast") == 0)
        *out = cast(r, n, a);
    else
        return 0;
    return *out ? 1 : -1;
}
