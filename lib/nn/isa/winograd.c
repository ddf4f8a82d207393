/* Transforms of Winograd's F(4x4, 3x3) (Lavin and Gray 2016, "Fast algorithms for convolutional neural networks", section
 * 4.3), sixteen channels at a time:
 *     V = B' d B    of a 6x6 patch of the input
 *     U = G w G'    of a 3x3 filter
 *     Y = A' M A    of the 6x6 products, to 4x4 outputs
 * and for gradients their adjoints: D = A dY A', dW = G' dU G. */
#include "isa.h"

#include <string.h>

typedef float lanes[LANES];

/* out = B' in, one column of six */
static inline void bt6(lanes out[6], const float *const in[6])
{
    for (int c = 0; c < LANES; c++) {
        float a = in[0][c], b = in[1][c], d = in[2][c], e = in[3][c], f = in[4][c], g = in[5][c];
        out[0][c] = 4 * a - 5 * d + f;
        out[1][c] = (f - 4 * d) + (e - 4 * b);
        out[2][c] = (f - 4 * d) - (e - 4 * b);
        out[3][c] = (f - d) + 2 * (e - b);
        out[4][c] = (f - d) - 2 * (e - b);
        out[5][c] = 4 * b - 5 * e + g;
    }
}

/* out = A' in, six to four */
static inline void at4(lanes out[4], const float *const in[6])
{
    for (int c = 0; c < LANES; c++) {
        float s = in[1][c] + in[2][c], d = in[1][c] - in[2][c];
        float t = in[3][c] + in[4][c], e = in[3][c] - in[4][c];
        out[0][c] = in[0][c] + s + t;
        out[1][c] = d + 2 * e;
        out[2][c] = s + 4 * t;
        out[3][c] = d + 8 * e + in[5][c];
    }
}

/* out = A in, four to six */
static inline void a6(lanes out[6], const float *const in[4])
{
    for (int c = 0; c < LANES; c++) {
        float a = in[0][c], b = in[1][c], d = in[2][c], e = in[3][c];
        out[0][c] = a;
        out[1][c] = (a + d) + (b + e);
        out[2][c] = (a + d) - (b + e);
        out[3][c] = (a + 4 * d) + (2 * b + 8 * e);
        out[4][c] = (a + 4 * d) - (2 * b + 8 * e);
        out[5][c] = e;
    }
}

/* out = G in, three to six */
static inline void g6(lanes out[6], const float *const in[3])
{
    for (int c = 0; c < LANES; c++) {
        float a = in[0][c], b = in[1][c], d = in[2][c];
        out[0][c] = a * 0.25f;
        out[1][c] = (a + d + b) * (-1.0f / 6);
        out[2][c] = (a + d - b) * (-1.0f / 6);
        out[3][c] = (a + 4 * d + 2 * b) * (1.0f / 24);
        out[4][c] = (a + 4 * d - 2 * b) * (1.0f / 24);
        out[5][c] = d;
    }
}

/* out = G' in, six to three */
static inline void gt3(lanes out[3], const float *const in[6])
{
    for (int c = 0; c < LANES; c++) {
        float s = in[1][c] + in[2][c], d = in[1][c] - in[2][c];
        float t = in[3][c] + in[4][c], e = in[3][c] - in[4][c];
        out[0][c] = in[0][c] * 0.25f - s * (1.0f / 6) + t * (1.0f / 24);
        out[1][c] = -d * (1.0f / 6) + e * (1.0f / 12);
        out[2][c] = -s * (1.0f / 6) + t * (1.0f / 6) + in[5][c];
    }
}

/* px[i*6+j]: channels of that pixel of the patch. v[(i*6+j)*stride + c]. n: a multiple of LANES. */
void KD_HERE(kd_winograd_input)(float *v, size_t stride, const float *const px[36], size_t n)
{
    for (size_t c0 = 0; c0 < n; c0 += LANES) {
        lanes half[6][6], whole[6];
        for (int j = 0; j < 6; j++) {
            const float *column[6];
            lanes out[6];
            for (int i = 0; i < 6; i++) column[i] = px[i * 6 + j] + c0;
            bt6(out, column);
            for (int i = 0; i < 6; i++) memcpy(half[i][j], out[i], sizeof(lanes));
        }
        for (int i = 0; i < 6; i++) {
            const float *row[6];
            for (int j = 0; j < 6; j++) row[j] = half[i][j];
            bt6(whole, row);
            for (int j = 0; j < 6; j++)
                memcpy(v + (size_t)(i * 6 + j) * stride + c0, whole[j], sizeof(lanes));
        }
    }
}

/* py[i*4+j]: where that pixel's channels go, or NULL beyond the edge. bias: [n] or NULL. */
void KD_HERE(kd_winograd_output)(float *const py[16], const float *m, size_t stride, const float *bias,
                                 size_t n)
{
    for (size_t c0 = 0; c0 < n; c0 += LANES) {
        lanes half[4][6], whole[4];
        for (int j = 0; j < 6; j++) {
            const float *column[6];
            lanes out[4];
            for (int i = 0; i < 6; i++) column[i] = m + (size_t)(i * 6 + j) * stride + c0;
            at4(out, column);
            for (int i = 0; i < 4; i++) memcpy(half[i][j], out[i], sizeof(lanes));
        }
        for (int i = 0; i < 4; i++) {
            const float *row[6];
            for (int j = 0; j < 6; j++) row[j] = half[i][j];
            at4(whole, row);
            for (int j = 0; j < 4; j++) {
                float *y = py[i * 4 + j];
                if (!y) continue;
                for (int c = 0; c < LANES; c++) y[c0 + (size_t)c] = whole[j][c] + (bias ? bias[c0 + (size_t)c] : 0);
            }
        }
    }
}

/* The adjoint of output: px[i*4+j] the pixel's gradient (zeros beyond the edge). */
void KD_HERE(kd_winograd_output_back)(float *d, size_t stride, const float *const px[16], size_t n)
{
    for (size_t c0 = 0; c0 < n; c0 += LANES) {
        lanes half[6][4], whole[6];
        for (int j = 0; j < 4; j++) {
            const float *column[4];
            lanes out[6];
            for (int i = 0; i < 4; i++) column[i] = px[i * 4 + j] + c0;
            a6(out, column);
            for (int i = 0; i < 6; i++) memcpy(half[i][j], out[i], sizeof(lanes));
        }
        for (int i = 0; i < 6; i++) {
            const float *row[4];
            for (int j = 0; j < 4; j++) row[j] = half[i][j];
            a6(whole, row);
            for (int j = 0; j < 6; j++)
                memcpy(d + (size_t)(i * 6 + j) * stride + c0, whole[j], sizeof(lanes));
        }
    }
}

/* Filters: w[k] points at tap k of LANES filters, `step` floats apart. u[ξ*stride + lane]. n <= LANES of them. */
void KD_HERE(kd_winograd_filter)(float *u, size_t stride, const float *w, size_t step, int rotated,
                                 size_t n)
{
    lanes tap[9], half[6][3], whole[6];
    memset(tap, 0, sizeof tap);
    for (size_t l = 0; l < n; l++)
        for (int k = 0; k < 9; k++) tap[k][l] = w[l * step + (size_t)(rotated ? 8 - k : k)];
    for (int j = 0; j < 3; j++) {
        const float *column[3] = {tap[j], tap[3 + j], tap[6 + j]};
        lanes out[6];
        g6(out, column);
        for (int i = 0; i < 6; i++) memcpy(half[i][j], out[i], sizeof(lanes));
    }
    for (int i = 0; i < 6; i++) {
        const float *row[3] = {half[i][0], half[i][1], half[i][2]};
        g6(whole, row);
        for (int j = 0; j < 6; j++)
            memcpy(u + (size_t)(i * 6 + j) * stride, whole[j], n * sizeof(float));
    }
}

/* The adjoint of filter: w gets the gradients of n filters' taps. */
void KD_HERE(kd_winograd_filter_back)(float *w, size_t step, const float *u, size_t stride, size_t n)
{
    lanes in[36], half[3][6], whole[3];
    memset(in, 0, sizeof in);
    for (int k = 0; k < 36; k++) memcpy(in[k], u + (size_t)k * stride, n * sizeof(float));
    for (int j = 0; j < 6; j++) {
        const float *column[6];
        lanes out[3];
        for (int i = 0; i < 6; i++) column[i] = in[i * 6 + j];
        gt3(out, column);
        for (int i = 0; i < 3; i++) memcpy(half[i][j], out[i], sizeof(lanes));
    }
    for (int i = 0; i < 3; i++) {
        const float *row[6];
        for (int j = 0; j < 6; j++) row[j] = half[i][j];
        gt3(whole, row);
        for (int j = 0; j < 3; j++)
            for (size_t l = 0; l < n; l++) w[l * step + (size_t)(i * 3 + j)] = whole[j][l];
    }
}
