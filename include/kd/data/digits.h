/* The built-in digits: 28x28 gray images drawn from stroke skeletons.
 *
 * Each image is a pure function of (seed, stream, index), in integer arithmetic only, so that every compiler
 * and machine draws the same pixels. A skeleton (polylines and arcs in fixed point; several ways of writing each digit)
 * goes through a random affine map and a smooth elastic displacement, is stroked with a varying
 * width, and gets ink level, blur and noise. Label is part of the draw (balanced over indices).
 */
#ifndef KD_DATA_DIGITS_H
#define KD_DATA_DIGITS_H
#include <stdint.h>

enum { KD_DIGITS_TRAIN = 0, KD_DIGITS_TEST = 1 }; /* disjoint streams */
#define KD_DIGITS_TRAIN_COUNT 12000
#define KD_DIGITS_TEST_COUNT 5000
#define KD_DIGITS_SEED 1

/* pixels: [28][28], 0 paper to 255 ink; returns the label 0..9. */
int kd_digits_draw(uint64_t seed, uint32_t stream, uint32_t index, uint8_t pixels[784]);
#endif
