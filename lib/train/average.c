#include "kd/train/average.h"
#include "kd/nn/kernels.h"

#include <string.h>

int kd_average_init(struct kd_average *a, const struct kd_train_config *config,
                    struct kd_network *net, struct kd_err *err)
{
    *a = (struct kd_average){0};
    if (config->ema.decay <= 0) return 0;
    a->value = kd_alloc(net->n_params, sizeof *a->value, "averaged weights", err);
    if (!a->value) return -1;
    for (unsigned i = 0; i < net->n_params; i++)
        kd_slab_plan(&a->slab, net->params[i]->count * sizeof(float));
    if (kd_slab_open(&a->slab, "averaged weights", err) < 0) return -1;
    for (unsigned i = 0; i < net->n_params; i++) {
        size_t bytes = net->params[i]->count * sizeof(float);
        a->value[i] = kd_slab_take(&a->slab, bytes);
        memcpy(a->value[i], net->params[i]->value, bytes);
    }
    a->net = net;
    a->decay = config->ema.decay;
    a->every = (uint64_t)config->ema.every;
    return 0;
}

void kd_average_release(struct kd_average *a)
{
    kd_free(a->value);
    kd_slab_release(&a->slab);
    *a = (struct kd_average){0};
}

struct updating {
    struct kd_average *a;
    float keep, take;
};

static void update_part(void *arg, unsigned part)
{
    const struct updating *u = arg;
    const struct kd_param *p = u->a->net->params[part];
    if (!p->trained && p->role != KD_STATISTIC) return; /* frozen: not a bit may change */
    kd_kernels()->scale(u->a->value[part], p->count, u->keep);
    kd_kernels()->add(u->a->value[part], p->value, p->count, u->take);
}

void kd_average_update(struct kd_average *a, uint64_t steps, struct kd_pool *pool)
{
    if (!a->net || steps % a->every) return;
    double done = (double)(steps / a->every - 1), early = (1 + done) / (10 + done);
    double keep = early < a->decay ? early : a->decay;
    struct updating u = {a, (float)keep, (float)(1 - keep)};
    kd_pool_run(pool, a->net->n_params, update_part, &u);
}

void kd_average_swap(struct kd_average *a)
{
    for (unsigned i = 0; a->net && i < a->net->n_params; i++) {
        float *weights = a->net->params[i]->value;
        a->net->params[i]->value = a->value[i];
        a->value[i] = weights;
    }
}
