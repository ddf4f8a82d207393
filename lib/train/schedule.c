#include "kd/train/schedule.h"

#include <math.h>

static double half_cosine(double from, double to, double share)
{
    return to + (from - to) * 0.5 * (1 + cos(3.14159265358979323846 * share));
}

static double one_cycle(double rate, double share)
{
    enum { START = 25 };
    const double rising = 0.3, final = 1.0 / (START * 1e4);
    if (share < rising) return half_cosine(rate / START, rate, share / rising);
    return half_cosine(rate, rate * final, (share - rising) / (1 - rising));
}

/* share: of the training, 0 at its first step. */
static double triangular(const struct kd_train_config *c, double share)
{
    double start = c->schedule.start, peak = c->schedule.peak, final = c->schedule.final;
    if (share < peak) return c->learning_rate * (start + (1 - start) * share / peak);
    return c->learning_rate * (peak < 1 ? 1 + (final - 1) * (share - peak) / (1 - peak) : 1);
}

/* How many whole intervals t holds. Both are quotients, which may fall short of a whole number by
 * their rounding alone. */
static double intervals(double t, double every)
{
    double whole = t / every, nearest = round(whole);
    return fabs(whole - nearest) <= 1e-9 * fmax(1, nearest) ? nearest : floor(whole);
}

/* Drops of schedule step: at milestones, which count from the training's start, or at intervals
 * behind the warm-up. */
static double drops(const struct kd_train_config *c, double epochs, double behind_warmup)
{
    const struct kd_reals *m = &c->schedule.milestones;
    double passed = 0;
    if (!m->n) return intervals(behind_warmup, c->schedule.every);
    for (size_t i = 0; i < m->n; i++) passed += epochs >= m->v[i] * (1 - 1e-12);
    return passed;
}

double kd_schedule_rate(const struct kd_train_config *config, uint64_t step, uint64_t per_epoch)
{
    double rate = config->learning_rate, warmup = config->schedule.warmup;
    double warmup_steps = floor(warmup * (double)per_epoch);
    if ((double)step < warmup_steps) return rate * ((double)step + 1) / warmup_steps;
    double steps = (double)config->epochs * (double)per_epoch - warmup_steps;
    double t = ((double)step - warmup_steps) / (double)per_epoch;
    double share = steps > 0 ? ((double)step - warmup_steps) / steps : 0;
    if (share > 1) share = 1;
    switch ((enum kd_schedule_kind)config->schedule.kind) {
    case KD_CONSTANT:
        return rate;
    case KD_STEP:
        return rate *
               pow(config->schedule.gamma, drops(config, (double)step / (double)per_epoch, t));
    case KD_EXPONENTIAL:
        return rate * pow(config->schedule.gamma, t);
    case KD_COSINE:
        return half_cosine(rate, rate * config->schedule.final, share);
    case KD_ONE_CYCLE:
        return one_cycle(rate, share);
    case KD_TRIANGULAR:
        return triangular(config, share);
    }
    return rate;
}
