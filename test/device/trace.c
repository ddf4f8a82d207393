#include "trace.h"

#include <stdio.h>
#include <string.h>

/* [h][w][c] to [c][h][w] */
static void to_planes(struct kd_shape s, const int8_t *from, int8_t *to)
{
    for (size_t c = 0; c < s.c; c++)
        for (size_t p = 0; p < (size_t)s.h * s.w; p++) *to++ = from[p * s.c + c];
}

/* one: a tensor of an image, all: of all images, as the file wants them. */
static int fill(const struct trace *t, int8_t **one, int8_t **all, struct kd_err *err)
{
    const struct kd_graph *g = &t->net->graph;
    int status = 0;
    for (size_t i = 0; i < t->n && status == 0; i++) {
        const struct kd_int_batch batch = {t->x + i * kd_shape_size(g->input), 1,
                                           t->z + i * g->classes};
        status = kd_int_trace(t->net, &batch, one, err);
        for (unsigned k = 0; k < g->n_tensors && status == 0; k++) {
            const struct kd_shape s = g->tensors[k].shape;
            to_planes(s, one[k], all[k] + i * kd_shape_size(s));
        }
    }
    return status;
}

static int put(const struct trace *t, int8_t *const *all, const char *path, struct kd_err *err)
{
    const struct kd_graph *g = &t->net->graph;
    struct kd_tensorfile f = {0};
    const size_t logits[2] = {t->n, g->classes}, single[1] = {1};
    int status = kd_tensorfile_init(&f, err);
    for (unsigned k = 0; k < g->n_tensors && status == 0; k++) {
        const int maker = g->tensors[k].maker;
        if (maker >= 0 && t->net->ops[maker].logits) continue;
        const struct kd_shape s = g->tensors[k].shape;
        const size_t shape[4] = {t->n, s.c, s.h, s.w};
        char name[80];
        snprintf(name, sizeof name, "%s.int8", k ? g->tensors[k].name : "normalized");
        status = kd_tensorfile_add(&f, name, (struct kd_array){KD_I8, 4, shape, all[k]}, err);
    }
    if (status == 0)
        status = kd_tensorfile_add(&f, "logits", (struct kd_array){KD_I32, 2, logits, t->z}, err);
    if (status == 0)
        status = kd_tensorfile_add(&f, "logit_scale",
                                   (struct kd_array){KD_F32, 1, single, &t->net->logit_scale}, err);
    if (status == 0) status = kd_tensorfile_write(path, &f, err);
    kd_tensorfile_release(&f);
    return status;
}

int trace_write(const char *path, const struct trace *t, struct kd_err *err)
{
    const struct kd_graph *g = &t->net->graph;
    int8_t **one = kd_alloc(g->n_tensors, sizeof *one, "tensors", err);
    int8_t **all = kd_alloc(g->n_tensors, sizeof *all, "tensors", err);
    int status = one && all ? 0 : -1;
    for (unsigned k = 0; k < g->n_tensors && status == 0; k++) {
        one[k] = kd_alloc(kd_shape_size(g->tensors[k].shape), 1, "a tensor", err);
        all[k] = kd_alloc(kd_shape_size(g->tensors[k].shape), t->n, "tensors", err);
        if (!one[k] || !all[k]) status = -1;
    }
    if (status == 0) status = fill(t, one, all, err);
    if (status == 0) status = put(t, all, path, err);
    for (unsigned k = 0; k < g->n_tensors; k++) {
        if (one) kd_free(one[k]);
        if (all) kd_free(all[k]);
    }
    kd_free(one);
    kd_free(all);
    return status;
}
