/* The list of distillation losses. A new one is a line here. */
#include "kind.h"

/* clang-format off */
#define LOSSES(X) \
    X(kl) \
    X(mse) \
    X(dkd) \
    X(dist) \
    X(nkd) \
    X(ttm) \
    X(rld) \
    X(fitnet) \
    X(at) \
    X(sp) \
    X(rkd) \
    X(simkd)
/* clang-format on */

#define DECLARE(name) extern const struct kd_loss_kind kd_loss_##name;
#define ROW(name)     &kd_loss_##name,
LOSSES(DECLARE)
const struct kd_loss_kind *const kd_loss_kinds[] = {LOSSES(ROW) NULL};
