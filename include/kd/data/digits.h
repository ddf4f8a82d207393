/* The built-in digits: 28x28 gray images in the manner of MNIST, drawn instead of stored.
 *
 *     uint8_t pixels[784];
 *     int label = kd_digits_draw(KD_DIGITS_SEED, KD_DIGITS_TRAIN, 42, pixels);
 *
 * Each image is a pure function of (seed, stream, index), in integer arithmetic only, so that every
 * compiler and machine draws the same pixels. How one comes about:
 *
 *     (seed, stream, index) --> Philox --> one stream of random integers, used from top to bottom
 *                                 |
 *     label          every ten images in a row hold each digit once, shuffled
 *     skeleton       one of several ways of writing it:      *----*      * joints of strokes
 *                    open and closed 4, 7 with a bar, ...        /         - smooth curve or corner
 *     pose           a mixture of the skeleton's two         *--/--*
 *                    poses; each joint jitters                 /
 *     trace          Catmull-Rom curves, cut in short         *
 *                    straight pieces
 *     deformation    smooth elastic field, width, slant, rotation
 *     place          the longer side to about 19 pixels, the middle to about the image's middle
 *     ink            distance to each piece against the pen's radius, which changes along the
 *                    stroke; soft edge; ink level; grain
 *
 * The poses of some skeletons reach towards another digit (4 and 9, 1 and 7, 3 and 5, 0 and 6):
 * there a label says less than a teacher's probabilities do.
 *
 * A draw takes about 10 microseconds and no memory; it cannot fail and is safe in any thread.
 */
#ifndef KD_DATA_DIGITS_H
#define KD_DATA_DIGITS_H
#include <stdint.h>

enum { KD_DIGITS_TRAIN = 0, KD_DIGITS_TEST = 1 }; /* disjoint streams */
#define KD_DIGITS_TRAIN_COUNT 12000
#define KD_DIGITS_TEST_COUNT  5000
#define KD_DIGITS_SEED        1

/* pixels: [28][28], 0 paper to 255 ink; any index will do. Returns the label 0..9. */
int kd_digits_draw(uint64_t seed, uint32_t stream, uint32_t index, uint8_t pixels[784]);
#endif
