#include "kd/data/mix.h"
#include "kd/base/rng.h"

#include <math.h>

/* (0,1), so that it has a logarithm */
static double drawn(struct kd_rng *rng)
{
    return ((double)kd_rng_u32(rng) + 0.5) / 4294967296.0;
}

/* Marsaglia and Tsang 2000, "A simple method for generating gamma variables"; below 1 with a power
 * of a uniform number (their section 6). */
static double gamma_drawn(struct kd_rng *rng, double alpha)
{
    const double boost = alpha < 1 ? pow(drawn(rng), 1 / alpha) : 1;
    const double d = (alpha < 1 ? alpha + 1 : alpha) - 1.0 / 3, c = 1 / sqrt(9 * d);
    for (;;) {
        const double x = (double)kd_rng_normal(rng), v = 1 + c * x;
        if (v > 0 && log(drawn(rng)) < x * x / 2 + d - d * v * v * v + 3 * d * log(v))
            return boost * d * v * v * v;
    }
}

static double beta_drawn(struct kd_rng *rng, double alpha)
{
    if (alpha == 1) return drawn(rng);
    const double a = gamma_drawn(rng, alpha), b = gamma_drawn(rng, alpha);
    return a + b > 0 ? a / (a + b) : 0.5; /* both are 0 where alpha is tiny */
}

static uint32_t within(int64_t at, int64_t n)
{
    return (uint32_t)(at < 0 ? 0 : at > n ? n : at);
}

/* Its middle is any pixel of the image. */
static void rectangle_draw(struct kd_mixed *m, struct kd_rng *rng, int64_t h, int64_t w)
{
    const double side = sqrt(1 - (double)m->share);
    const int64_t tall = llrint(side * (double)h), wide = llrint(side * (double)w);
    const int64_t top = (int64_t)kd_rng_below(rng, (uint32_t)h) - tall / 2;
    const int64_t left = (int64_t)kd_rng_below(rng, (uint32_t)w) - wide / 2;
    m->cut = true;
    m->top = within(top, h);
    m->bottom = within(top + tall, h);
    m->left = within(left, w);
    m->right = within(left + wide, w);
    const double area = (double)(m->bottom - m->top) * (double)(m->right - m->left);
    m->share = (float)(1 - area / ((double)h * (double)w));
}

struct kd_mixed kd_mix_draw(const struct kd_mix *mix, const struct kd_subset *from, uint64_t seed,
                            uint32_t epoch, uint32_t place)
{
    struct kd_rng rng = kd_rng_for(seed, KD_FOR_MIX, epoch, place);
    struct kd_mixed m = {.with = place, .share = 1};
    if (drawn(&rng) >= mix->share) return m;
    m.at = kd_rng_below(&rng, from->n);
    m.with = from->index[m.at];
    m.share = (float)beta_drawn(&rng, mix->alpha);
    if (mix->kind == KD_MIX_CUTMIX) rectangle_draw(&m, &rng, from->images->h, from->images->w);
    return m;
}

int kd_mix_check(const struct kd_mix *mix, const struct kd_images *images, struct kd_err *err)
{
    if (mix->kind != KD_MIX_CUTMIX || images->h > 1 || images->w > 1) return 0;
    return kd_fail_usage(err,
                         "train.mix: cutmix cuts rectangles out of pictures, and %s:%s has rows of "
                         "a table; set it to mixup or none (--mix)",
                         images->source, images->split);
}
