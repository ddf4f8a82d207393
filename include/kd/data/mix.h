/* MixUp and CutMix: a training image is mixed with another one of the training images, and so is
 * what it is to be.
 *
 *   mixup   x = s x_i + (1 - s) x_j, s from Beta(alpha, alpha)         (Zhang et al. 2018)
 *   cutmix  a rectangle of x_j in x_i, of the share 1 - s of the area before it is cut at the
 *           borders, s from Beta(alpha, alpha); s is then what is left    (Yun et al. 2019)
 *
 * Both images are normalized, and augmented each for itself as at any time. What is drawn for an
 * image is a function of (seed, epoch, image) and of the training images, not of its batch: the
 * papers shuffle a batch against itself, and draw one s for all of it. */
#ifndef KD_DATA_MIX_H
#define KD_DATA_MIX_H
#include "kd/data/split.h"

#define KD_MIXES(X) X(KD_MIX_NONE, "none") X(KD_MIX_MIXUP, "mixup") X(KD_MIX_CUTMIX, "cutmix")
enum kd_mix_kind { KD_MIXES(KD_CHOICE_ENUM) };
struct kd_mix { /* "train.mix" */
    int kind;   /* enum kd_mix_kind */
    double alpha;
    double share; /* of the images that are mixed */
};
struct kd_mixed {      /* one image */
    uint32_t with, at; /* the other one: its place in the images, and in the subset */
    float share;       /* of the image itself; 1: it is not mixed */
    bool cut;          /* a rectangle of the other one, the ends not included; else a sum */
    uint32_t top, bottom, left, right;
};
/* For the image at that place of the subset's source. */
struct kd_mixed kd_mix_draw(const struct kd_mix *mix, const struct kd_subset *from, uint64_t seed,
                            uint32_t epoch, uint32_t place);
/* Does it suit pictures, or rows of a table? */
int kd_mix_check(const struct kd_mix *mix, const struct kd_images *images, struct kd_err *err);
#endif
