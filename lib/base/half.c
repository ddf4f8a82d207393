#include "kd/base/tensorfile.h"
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

int kd_tensor_to_float(const struct kd_tensor *t, float *out, struct kd_err *err)
{
    if (t->dtype == KD_F32) {
        if (t->count) memcpy(out, t->data, t->count * sizeof *out);
        return 0;
    }
    if (t->dtype != KD_F16)
        return kd_fail(err, "tensor %s is %s, where F32 or F16 is needed", t->name,
                       kd_dtype_name(t->dtype));
    const uint16_t *h = t->data;
    for (size_t i = 0; i < t->count; i++) out[i] = kd_half_to_float(h[i]);
    return 0;
}
