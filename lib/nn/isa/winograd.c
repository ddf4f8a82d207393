/* Transforms of Winograd's F(4x4, 3x3) (Lavin and Gray 2016, "Fast algorithms for convolutional
 * neural networks", section 4.3), a vector of channels at a time: V = B' d B    of a 6x6 patch of
 * the input U = G w G'    of a 3x3 filter Y = A' M A    of the 6x6 products, to 4x4 outputs and for
 * gradients their adjoints: D = A dY A', dW = G' dU G. */
#include "wide.h"

/* out = B' in */
INLINE void bt6(wide out[6], wide a, wide b, wide d, wide e, wide f, wide g)
{
    wide fd = f - 4 * d, eb = e - 4 * b, gd = f - d, db = 2 * (e - b);
    out[0] = 4 * a - 5 * d + f;
    out[1] = fd + eb;
    out[2] = fd - eb;
    out[3] = gd + db;
    out[4] = gd - db;
    out[5] = 4 * b - 5 * e + g;
}

/* out = A' in, six to four */
INLINE void at4(wide out[4], wide a, wide b, wide d, wide e, wide f, wide g)
{
    wide s = b + d, u = b - d, t = e + f, v = e - f;
    out[0] = a + s + t;
    out[1] = u + 2 * v;
    out[2] = s + 4 * t;
    out[3] = u + 8 * v + g;
}

/* out = A in, four to six */
INLINE void a6(wide out[6], wide a, wide b, wide d, wide e)
{
    wide s = a + d, t = b + e, u = a + 4 * d, v = 2 * b + 8 * e;
    out[0] = a;
    out[1] = s + t;
    out[2] = s - t;
    out[3] = u + v;
    out[4] = u - v;
    out[5] = e;
}

/* out = G in, three to six */
INLINE void g6(wide out[6], wide a, wide b, wide d)
{
    wide s = a + d, t = a + 4 * d;
    out[0] = a * 0.25f;
    out[1] = (s + b) * (-1.0f / 6);
    out[2] = (s - b) * (-1.0f / 6);
    out[3] = (t + 2 * b) * (1.0f / 24);
    out[4] = (t - 2 * b) * (1.0f / 24);
    out[5] = d;
}

/* out = G' in, six to three */
INLINE void gt3(wide out[3], wide a, wide b, wide d, wide e, wide f, wide g)
{
    wide s = b + d, u = b - d, t = e + f, v = e - f;
    out[0] = a * 0.25f - s * (1.0f / 6) + t * (1.0f / 24);
    out[1] = v * (1.0f / 12) - u * (1.0f / 6);
    out[2] = t * (1.0f / 6) - s * (1.0f / 6) + g;
}

/* px[i*6+j]: channels of that pixel of the patch. v[(i*6+j)*stride + c]. n: a multiple of LANES. */
void KD_HERE(kd_winograd_input)(float *v, size_t stride, const float *const px[36], size_t n)
{
    for (size_t c = 0; c < n; c += WIDE) {
        wide half[6][6], out[6];
        UNROLL for (int j = 0; j < 6; j++)
        {
            bt6(out, load(px[j] + c), load(px[6 + j] + c), load(px[12 + j] + c),
                load(px[18 + j] + c), load(px[24 + j] + c), load(px[30 + j] + c));
            UNROLL for (int i = 0; i < 6; i++) half[i][j] = out[i];
        }
        UNROLL for (int i = 0; i < 6; i++)
        {
            bt6(out, half[i][0], half[i][1], half[i][2], half[i][3], half[i][4], half[i][5]);
            UNROLL for (int j = 0; j < 6; j++) store(v + (size_t)(i * 6 + j) * stride + c, out[j]);
        }
    }
}

/* py[i*4+j]: where that pixel's channels go, or NULL beyond the edge. bias: [n] or NULL. */
void KD_HERE(kd_winograd_output)(float *const py[16], const float *m, size_t stride,
                                 const float *bias, size_t n)
{
    for (size_t c = 0; c < n; c += WIDE) {
        wide half[4][6], out[4], b = bias ? load(bias + c) : (wide){0};
        UNROLL for (int j = 0; j < 6; j++)
        {
            const float *at = m + (size_t)j * stride + c;
            size_t down = 6 * stride;
            at4(out, load(at), load(at + down), load(at + 2 * down), load(at + 3 * down),
                load(at + 4 * down), load(at + 5 * down));
            UNROLL for (int i = 0; i < 4; i++) half[i][j] = out[i];
        }
        UNROLL for (int i = 0; i < 4; i++)
        {
            at4(out, half[i][0], half[i][1], half[i][2], half[i][3], half[i][4], half[i][5]);
            UNROLL for (int j = 0; j < 4; j++) if (py[i * 4 + j])
                store(py[i * 4 + j] + c, out[j] + b);
        }
    }
}

/* The adjoint of output: px[i*4+j] the pixel's gradient (zeros beyond the edge). */
void KD_HERE(kd_winograd_output_back)(float *d, size_t stride, const float *const px[16], size_t n)
{
    for (size_t c = 0; c < n; c += WIDE) {
        wide half[6][4], out[6];
        UNROLL for (int j = 0; j < 4; j++)
        {
            a6(out, load(px[j] + c), load(px[4 + j] + c), load(px[8 + j] + c),
               load(px[12 + j] + c));
            UNROLL for (int i = 0; i < 6; i++) half[i][j] = out[i];
        }
        UNROLL for (int i = 0; i < 6; i++)
        {
            a6(out, half[i][0], half[i][1], half[i][2], half[i][3]);
            UNROLL for (int j = 0; j < 6; j++) store(d + (size_t)(i * 6 + j) * stride + c, out[j]);
        }
    }
}

/* Filters: w[k] points at tap k of LANES filters, `step` floats apart; scale: of each, or NULL.
 * u[ξ*stride + lane] */
void KD_HERE(kd_winograd_filter)(float *u, size_t stride, const float *w, size_t step, int rotated,
                                 const float *scale)
{
    float tap[9][LANES];
    for (size_t l = 0; l < LANES; l++)
        for (int k = 0; k < 9; k++) tap[k][l] = w[l * step + (size_t)(rotated ? 8 - k : k)];
    for (size_t c = 0; c < LANES; c += WIDE) {
        wide half[6][3], out[6], by = scale ? load(scale + c) : (wide){0} + 1;
        UNROLL for (int j = 0; j < 3; j++)
        {
            g6(out, by * load(tap[j] + c), by * load(tap[3 + j] + c), by * load(tap[6 + j] + c));
            UNROLL for (int i = 0; i < 6; i++) half[i][j] = out[i];
        }
        UNROLL for (int i = 0; i < 6; i++)
        {
            g6(out, half[i][0], half[i][1], half[i][2]);
            UNROLL for (int j = 0; j < 6; j++) store(u + (size_t)(i * 6 + j) * stride + c, out[j]);
        }
    }
}

/* The adjoint of filter: w gets the gradients of LANES filters' taps. */
void KD_HERE(kd_winograd_filter_back)(float *w, size_t step, const float *u, size_t stride)
{
    float tap[9][LANES];
    for (size_t c = 0; c < LANES; c += WIDE) {
        wide half[3][6], out[3];
        UNROLL for (int j = 0; j < 6; j++)
        {
            const float *at = u + (size_t)j * stride + c;
            size_t down = 6 * stride;
            gt3(out, load(at), load(at + down), load(at + 2 * down), load(at + 3 * down),
                load(at + 4 * down), load(at + 5 * down));
            UNROLL for (int i = 0; i < 3; i++) half[i][j] = out[i];
        }
        UNROLL for (int i = 0; i < 3; i++)
        {
            gt3(out, half[i][0], half[i][1], half[i][2], half[i][3], half[i][4], half[i][5]);
            UNROLL for (int j = 0; j < 3; j++) store(tap[i * 3 + j] + c, out[j]);
        }
    }
    for (size_t l = 0; l < LANES; l++)
        for (int k = 0; k < 9; k++) w[l * step + (size_t)k] = tap[k][l];
}
