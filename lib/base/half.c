#include "kd/base/tensorfile.h"
#include <math.h>
#include <string.h>

/* binary16: sign 1, exponent 5 (bias 15), fraction 10; binary32: 1, 8 (bias 127), 23. */

float kd_half_to_float(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000u) << 16, exponent = (h >> 10) & 31u, fraction = h & 1023u;
    uint32_t bits;
    if (exponent == 31) {
        bits = sign | 0x7f800000u | fraction << 13;
    } else if (exponent > 0) {
        bits = sign | (exponent + 112) << 23 | fraction << 13;
    } else {
        /* Zero and subnormals are fraction * 2^-24, which binary32 holds exactly. */
        float small = (float)fraction * 0x1p-24f;
        memcpy(&bits, &small, sizeof bits);
        bits |= sign;
    }
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

uint16_t kd_float_to_half(float f)
{
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    uint32_t sign = bits >> 16 & 0x8000u, size = bits & 0x7fffffffu;
    if (size > 0x7f800000u) /* NaN stays one, quiet, with the front of its payload */
        return (uint16_t)(sign | 0x7e00u | (size >> 13 & 1023u));
    if (size >= 0x477ff000u)
        return (uint16_t)(sign | 0x7c00u); /* 65520 and above round to infinity */
    uint32_t shift, whole;
    if (size >= 0x38800000u) { /* 2^-14 and above: normal */
        shift = 13;
        whole = size - (112u << 23);
    } else {
        uint32_t exponent = size >> 23;
        if (exponent < 102) return (uint16_t)sign; /* below 2^-25: rounds to zero */
        shift = 126 - exponent;
        whole = (size & 0x7fffffu) | 0x800000u;
    }
    /* To nearest; a tie goes to even. A carry out of the fraction raises the exponent, as it
     * should. */
    uint32_t rounded = whole >> shift, rest = whole & ((1u << shift) - 1), tie = 1u << (shift - 1);
    if (rest > tie || (rest == tie && (rounded & 1u))) rounded++;
    return (uint16_t)(sign | rounded);
}

static float bfloat_to_float(uint16_t h)
{
    const uint32_t bits = (uint32_t)h << 16;
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

/* Halfway from the largest float to the next step: from here on a double rounds to infinity. */
#define TOO_LARGE 0x1.ffffffp127

static int doubles_to_float(const struct kd_tensor *t, float *out, struct kd_err *err)
{
    const double *d = t->data;
    for (size_t i = 0; i < t->count; i++) {
        if (isfinite(d[i]) && fabs(d[i]) >= TOO_LARGE)
            return kd_fail(err, "tensor %s: element %zu is %g, too large for F32", t->name, i,
                           d[i]);
        out[i] = (float)d[i];
    }
    return 0;
}

int kd_tensor_to_float(const struct kd_tensor *t, float *out, struct kd_err *err)
{
    const uint16_t *h = t->data;
    switch (t->dtype) {
    case KD_F32:
        if (t->count) memcpy(out, t->data, t->count * sizeof *out);
        return 0;
    case KD_F16:
        for (size_t i = 0; i < t->count; i++) out[i] = kd_half_to_float(h[i]);
        return 0;
    case KD_BF16:
        for (size_t i = 0; i < t->count; i++) out[i] = bfloat_to_float(h[i]);
        return 0;
    case KD_F64:
        return doubles_to_float(t, out, err);
    default:
        return kd_fail(err, "tensor %s is %s, where F32 (or F16, BF16, F64) is needed", t->name,
                       kd_dtype_name(t->dtype));
    }
}

static int whole_float(double v, size_t i, int64_t *out, struct kd_err *err)
{
    const double most = 9007199254740992; /* 2^53 */
    if (!(fabs(v) <= most) || v != floor(v))
        return kd_fail(err, "number %zu is %g, which is not a whole number", i, v);
    *out = (int64_t)v;
    return 0;
}

int kd_tensor_whole(const struct kd_tensor *t, size_t i, int64_t *out, struct kd_err *err)
{
    const void *p = t->data;
    switch (t->dtype) {
    case KD_U8:
    case KD_BOOL:
        return *out = ((const uint8_t *)p)[i], 0;
    case KD_I8:
        return *out = ((const int8_t *)p)[i], 0;
    case KD_I16:
        return *out = ((const int16_t *)p)[i], 0;
    case KD_U16:
        return *out = ((const uint16_t *)p)[i], 0;
    case KD_I32:
        return *out = ((const int32_t *)p)[i], 0;
    case KD_U32:
        return *out = ((const uint32_t *)p)[i], 0;
    case KD_I64:
        return *out = ((const int64_t *)p)[i], 0;
    case KD_U64: {
        const uint64_t v = ((const uint64_t *)p)[i];
        if (v > INT64_MAX)
            return kd_fail(err, "number %zu is %llu, too large", i, (unsigned long long)v);
        return *out = (int64_t)v, 0;
    }
    case KD_F32:
        return whole_float((double)((const float *)p)[i], i, out, err);
    case KD_F64:
        return whole_float(((const double *)p)[i], i, out, err);
    case KD_F16:
        return whole_float((double)kd_half_to_float(((const uint16_t *)p)[i]), i, out, err);
    case KD_BF16:
        return whole_float((double)bfloat_to_float(((const uint16_t *)p)[i]), i, out, err);
    default:
        return kd_fail(err, "numbers are %s, where whole numbers are needed",
                       kd_dtype_name(t->dtype));
    }
}
