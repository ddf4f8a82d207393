#include "kd/train/shards.h"
#include "kd/nn/kernels.h"

#include <string.h>

/* Of one image batch norm has no statistics. */
enum { LEAST_IMAGES = 2 };

unsigned kd_shards_of(size_t rows, int64_t shards)
{
    return rows / LEAST_IMAGES < (size_t)shards ? 1 : (unsigned)shards;
}

struct kd_shard kd_shard_at(size_t rows, unsigned of, unsigned place)
{
    size_t from = rows * place / of, n = rows * (place + 1) / of - from;
    return (struct kd_shard){place, of, from, n, of == 1 ? 0 : (double)n / (double)rows};
}

static size_t largest(size_t rows, int64_t shards)
{
    unsigned n = kd_shards_of(rows, shards);
    return (rows + n - 1) / n;
}

size_t kd_shards_rows(size_t images, size_t batch, int64_t shards)
{
    size_t full = largest(batch, shards), last = largest(images % batch, shards);
    return full > last ? full : last;
}

/* ---- memory ---- */

static bool summed(const struct kd_param *p)
{
    return p->trained || p->role == KD_STATISTIC;
}

int kd_shards_init(struct kd_shards *s, struct kd_network *net, int64_t shards, struct kd_err *err)
{
    *s = (struct kd_shards){.net = net};
    while ((int64_t)1 << s->levels < shards) s->levels++;
    size_t arrays = (size_t)s->levels * net->n_params;
    s->sum = kd_alloc(arrays, sizeof *s->sum, "shards", err);
    if (!s->sum) return -1;
    for (size_t i = 0; i < arrays; i++)
        if (summed(net->params[i % net->n_params]))
            kd_slab_plan(&s->slab, net->params[i % net->n_params]->count * sizeof(float));
    if (kd_slab_open(&s->slab, "gradients of shards; try fewer --shards", err) < 0) return -1;
    for (size_t i = 0; i < arrays; i++)
        if (summed(net->params[i % net->n_params]))
            s->sum[i] =
                kd_slab_take(&s->slab, net->params[i % net->n_params]->count * sizeof(float));
    return 0;
}

void kd_shards_release(struct kd_shards *s)
{
    kd_free(s->sum);
    kd_slab_release(&s->slab);
    *s = (struct kd_shards){0};
}

/* ---- the tree ---- */

/* A shard's place in binary says what it completes: each 1 from the right on is a sum that has been
 * waiting for it, and the first 0 where it waits itself. */
static void add(void *ctx, struct kd_param *p, size_t from, size_t count)
{
    struct kd_shards *s = ctx;
    float *g = p->grad + from;
    unsigned level = 0;
    for (; s->at.place >> level & 1; level++)
        kd_kernels()->add(g, s->sum[level * s->net->n_params + p->index] + from, count, 1);
    if (s->at.place + 1 < s->at.of)
        memcpy(s->sum[level * s->net->n_params + p->index] + from, g, count * sizeof *g);
    else if (s->then && p->trained)
        s->then->ready(s->then->ctx, p, from, count);
}

const struct kd_gradient_sink *kd_shards_sink(struct kd_shards *s, const struct kd_shard *at,
                                              const struct kd_gradient_sink *then)
{
    s->at = *at;
    s->then = then;
    s->sink = (struct kd_gradient_sink){add, s};
    return at->of == 1 ? then : &s->sink;
}

void kd_shards_statistics(struct kd_shards *s)
{
    if (s->at.of == 1) return;
    for (unsigned i = 0; i < s->net->n_params; i++) {
        struct kd_param *p = s->net->params[i];
        if (p->role == KD_STATISTIC) add(s, p, 0, p->count);
    }
    if (s->at.place + 1 == s->at.of) kd_network_take_statistics(s->net);
}
