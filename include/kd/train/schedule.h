/* Learning rate as a function of the step alone. */
#ifndef KD_TRAIN_SCHEDULE_H
#define KD_TRAIN_SCHEDULE_H
#include "kd/train/config.h"

/* Rate of step `step` (from 0) of a training of config->epochs epochs of `per_epoch` steps. With t
 * the time in epochs behind the warm-up and E the epochs behind it:
 *
 *     constant     r
 *     step         r gamma^floor(t / every), or r gamma^(milestones passed)
 *     exponential  r gamma^t
 *     cosine       r (final + (1 - final) (1 + cos(pi t/E)) / 2)  Loshchilov and Hutter 2017, (5)
 *     one_cycle    from r/25 to r over the first 30 %, then to r/250000, both by half cosines
 *                  (Smith and Topin 2018)
 *     triangular   from r start to r over the first `peak` of the training, then to r final, both
 *                  in straight lines
 *
 * Milestones are epochs of the whole training. During warm-up, r (step + 1) / (warm-up steps). */
double kd_schedule_rate(const struct kd_train_config *config, uint64_t step, uint64_t per_epoch);
#endif
