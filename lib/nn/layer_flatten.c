/* flatten: the same numbers in C,H,W order, seen as features. No work: input and output are one array. */
#include "layers.h"

static int flatten_shape(struct kd_layer *l, uint32_t classes, struct kd_err *err)
{
    (void)classes;
    size_t n = kd_shape_size(l->in);
    if (n > UINT32_MAX)
        return kd_fail_usage(err, "%ux%ux%u values are too many to flatten", l->in.c, l->in.h, l->in.w);
    l->out = (struct kd_shape){(uint32_t)n, 1, 1, true};
    return 0;
}

const struct kd_layer_kind kd_layer_flatten = {.name = "flatten", .shape = flatten_shape};
