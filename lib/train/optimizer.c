#include "kd/train/optimizer.h"
#include "kd/nn/kernels.h"

#include <math.h>

static double rate_of(const struct kd_optimizer *o, const struct kd_param *p)
{
    const double rate = o->rate * p->rate;
    if (p->role == KD_BIAS || p->role == KD_NORM_BIAS) return rate * o->config->optimizer.bias_rate;
    return p->role == KD_NORM_WEIGHT ? rate * o->config->optimizer.norm_rate : rate;
}

static void update_range(const struct kd_optimizer *o, struct kd_param *p, size_t from,
                         size_t count)
{
    const struct kd_train_config *c = o->config;
    float *w = p->value + from, *first = o->state[0][p->index] + from;
    double decay = p->decays ? c->weight_decay : 0, rate = rate_of(o, p);
    if (c->optimizer.kind == KD_SGD) {
        bool apart = c->optimizer.decoupled && decay > 0;
        struct kd_sgd_step step = {.rate = (float)rate,
                                   .momentum = (float)c->optimizer.momentum,
                                   .decay = apart ? 0 : (float)decay,
                                   .nesterov = c->optimizer.nesterov};
        if (apart)
            kd_kernels()->scale(
                w, count, (float)(1 - rate * decay)); /* Loshchilov and Hutter 2019, algorithm 1 */
        kd_kernels()->sgd(w, first, p->grad + from, count, &step);
        return;
    }
    bool decoupled = c->optimizer.kind == KD_ADAMW;
    double t = (double)(o->t + 1);
    struct kd_adam_step step = {
        .rate = (float)(rate / (1 - pow(c->optimizer.beta1, t))),
        .beta1 = (float)c->optimizer.beta1,
        .beta2 = (float)c->optimizer.beta2,
        .rest1 = (float)(1 - c->optimizer.beta1),
        .rest2 = (float)(1 - c->optimizer.beta2),
        .epsilon = (float)c->optimizer.epsilon,
        .unbias2 = (float)(1 / sqrt(1 - pow(c->optimizer.beta2, t))),
        .decay = decoupled ? 0 : (float)decay,
        .shrink = decoupled ? (float)(1 - rate * decay) : 1,
    };
    kd_kernels()->adam(w, first, o->state[1][p->index] + from, p->grad + from, count, &step);
}

/* Srebro and Shraibman 2005; as in Hinton et al. 2012 (dropout), section A.1: rows too long are
 * scaled back. */
static void keep_norm(const struct kd_param *p, size_t from, size_t count)
{
    size_t row = p->count / p->shape[0];
    for (size_t i = from; i < from + count; i += row) {
        double square = kd_kernels()->sum_squares(p->value + i, row);
        if (square > p->max_norm * p->max_norm)
            kd_kernels()->scale(p->value + i, row, (float)(p->max_norm / sqrt(square)));
    }
}

static void update(void *ctx, struct kd_param *p, size_t from, size_t count)
{
    update_range(ctx, p, from, count);
    if (p->max_norm > 0) keep_norm(p, from, count);
}

int kd_optimizer_init(struct kd_optimizer *o, const struct kd_train_config *config,
                      struct kd_network *net, struct kd_err *err)
{
    *o = (struct kd_optimizer){.config = config, .net = net, .sink = {update, o}};
    o->states = config->optimizer.kind == KD_SGD ? 1 : 2;
    for (unsigned s = 0; s < o->states; s++) {
        o->state[s] = kd_alloc(net->n_params, sizeof *o->state[s], "optimizer state", err);
        if (!o->state[s]) return -1;
        for (unsigned i = 0; i < net->n_params; i++)
            if (net->params[i]->trained)
                kd_slab_plan(&o->slab, net->params[i]->count * sizeof(float));
    }
    if (kd_slab_open(&o->slab, "optimizer state", err) < 0) return -1;
    for (unsigned s = 0; s < o->states; s++)
        for (unsigned i = 0; i < net->n_params; i++)
            if (net->params[i]->trained)
                o->state[s][i] = kd_slab_take(&o->slab, net->params[i]->count * sizeof(float));
    return 0;
}

void kd_optimizer_release(struct kd_optimizer *o)
{
    kd_free(o->state[0]);
    kd_free(o->state[1]);
    kd_slab_release(&o->slab);
    *o = (struct kd_optimizer){0};
}

const struct kd_gradient_sink *kd_optimizer_begin(struct kd_optimizer *o, double rate)
{
    o->rate = rate;
    return o->config->clip_norm > 0 ? NULL : &o->sink;
}

/* Pascanu, Mikolov and Bengio 2013, algorithm 1, over all parameters together. */
static float clip_factor(const struct kd_optimizer *o)
{
    double square = 0;
    for (unsigned i = 0; i < o->net->n_params; i++)
        if (o->net->params[i]->trained)
            square += kd_kernels()->sum_squares(o->net->params[i]->grad, o->net->params[i]->count);
    double norm = sqrt(square);
    return norm > o->config->clip_norm ? (float)(o->config->clip_norm / norm) : 1.0f;
}

struct clipped {
    struct kd_optimizer *o;
    float factor;
};

static void clipped_part(void *arg, unsigned part)
{
    struct clipped *c = arg;
    struct kd_param *p = c->o->net->params[part];
    if (!p->trained) return;
    if (c->factor < 1) kd_kernels()->scale(p->grad, p->count, c->factor);
    update(c->o, p, 0, p->count);
}

void kd_optimizer_finish(struct kd_optimizer *o, struct kd_pool *pool)
{
    if (o->config->clip_norm > 0) {
        struct clipped c = {o, clip_factor(o)};
        kd_pool_run(pool, o->net->n_params, clipped_part, &c);
    }
    o->t++;
}

const char *kd_optimizer_state_name(const struct kd_optimizer *o, unsigned which)
{
    if (o->config->optimizer.kind == KD_SGD) return "momentum";
    return which == 0 ? "mean" : "square";
}
