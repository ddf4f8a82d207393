/* What the parts of the built-in digits hand to each other; the way of an image is in
 * kd/data/digits.h. Coordinates are in 1/256 pixel, x to the right, y down. */
#ifndef KD_LIB_DATA_DIGITS_PARTS_H
#define KD_LIB_DATA_DIGITS_PARTS_H
#include "kd/base/rng.h"
#include <stdint.h>

enum { KD_DIGITS_SIDE = 28, KD_DIGITS_FINE = 256, KD_DIGITS_JOINTS = 24, KD_DIGITS_DOTS = 320 };

/* How the pen passes a joint of a skeleton. */
enum kd_digits_pass {
    KD_DIGITS_END,  /* no joint: the list is over */
    KD_DIGITS_PUT,  /* put down here: a stroke begins; the first joint is one */
    KD_DIGITS_BEND, /* in a smooth curve */
    KD_DIGITS_TURN  /* round a corner */
};

/* A joint in two poses, on a grid where a digit is 100 high and about 70 wide; an image takes a
 * random mixture of the poses, so that one skeleton is a whole range of hands. */
struct kd_digits_joint {
    uint8_t pass; /* enum kd_digits_pass */
    int8_t ax, ay, bx, by;
};

struct kd_digits_skeleton {
    uint8_t label;
    uint8_t share; /* how often, among the skeletons of its digit */
    struct kd_digits_joint joint[KD_DIGITS_JOINTS + 1]; /* ended by END */
};

extern const struct kd_digits_skeleton kd_digits_skeletons[];
extern const unsigned kd_digits_skeleton_count;

/* The digit as the hand moves: strokes of short straight pieces. */
struct kd_digits_trace {
    unsigned n;
    struct kd_digits_dot {
        int32_t x, y;
        int first; /* begins a stroke: no piece leads here */
    } dot[KD_DIGITS_DOTS];
};

/* Skeleton to trace: pose, jitter, curves, elastic and affine deformation, size and place. */
void kd_digits_move(const struct kd_digits_skeleton *skeleton, struct kd_rng *r,
                    struct kd_digits_trace *trace);
/* Trace to pixels: width, pressure, soft edge, ink and grain. */
void kd_digits_ink(const struct kd_digits_trace *trace, struct kd_rng *r, uint8_t pixels[784]);

/* Bell-shaped around 0 with standard deviation `spread`, never beyond 3.45 of them. */
int32_t kd_digits_bell(struct kd_rng *r, int32_t spread);
int32_t kd_digits_between(struct kd_rng *r, int32_t low, int32_t high); /* uniform, both included */
int32_t kd_digits_clamp(int32_t v, int32_t low, int32_t high);
int32_t kd_digits_root(int32_t v); /* whole square root, rounded down; v >= 0 */

#endif
