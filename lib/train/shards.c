#include "kd/train/shards.h"
#include "sharing.h"

/* Of one image batch norm has no statistics. */
enum { LEAST_IMAGES = 2 };

unsigned kd_shards_of(size_t rows, int64_t shards)
{
    return rows / LEAST_IMAGES < (size_t)shards ? 1 : (unsigned)shards;
}

static size_t start_of(size_t rows, unsigned of, unsigned place)
{
    return rows * place / of;
}

struct kd_shard kd_shard_at(size_t rows, unsigned of, unsigned place)
{
    size_t from = start_of(rows, of, place);
    return (struct kd_shard){place, of, from, start_of(rows, of, place + 1) - from};
}

static size_t largest(size_t rows, int64_t shards, unsigned ranks)
{
    const unsigned of = kd_shards_of(rows, shards);
    size_t most = of == 1 ? rows : 0;
    for (unsigned r = 0; of > 1 && r < ranks; r++) {
        size_t n = start_of(rows, of, kd_sharing_first(of, ranks, r + 1)) -
                   start_of(rows, of, kd_sharing_first(of, ranks, r));
        if (n > most) most = n;
    }
    return most;
}

size_t kd_shards_rows(const struct kd_learnt *l, unsigned ranks)
{
    size_t full = l->images < l->batch ? 0 : largest(l->batch, l->shards, ranks);
    size_t last = largest(l->images % l->batch, l->shards, ranks);
    return full > last ? full : last;
}

/* ---- memory ---- */

static bool summed(const struct kd_param *p)
{
    return p->trained || p->role == KD_STATISTIC;
}

static unsigned levels_of(int64_t shards)
{
    unsigned levels = 0;
    while ((int64_t)1 << levels < shards) levels++;
    return levels;
}

/* The largest parameter of a layer that shares out the work of one shard at a time. */
static void find_largest(void *ctx, struct kd_layer *l)
{
    size_t *most = ctx;
    const bool apart = l->kind->anchor && l->kind->anchor->run_gradient;
    for (unsigned i = 0; apart && i < l->n_params; i++)
        if (l->param[i].trained && l->param[i].count > *most) *most = l->param[i].count;
}

static int lay_sums(struct kd_shards *s, struct kd_err *err)
{
    const size_t bytes = s->numbers * sizeof(float);
    const size_t incoming = s->team ? kd_sharing_plan(s) * sizeof(float) : 0;
    const size_t waiting = s->cuts.levels * s->cuts.room_each * sizeof(float);
    for (unsigned i = 0; s->team && i < s->n_sums + 1; i++) kd_slab_plan(&s->slab, bytes);
    kd_slab_plan(&s->slab, incoming);
    kd_slab_plan(&s->slab, waiting);
    if (kd_slab_open(&s->slab, "gradients of shards; try fewer --shards", err) < 0) return -1;
    for (unsigned i = 0; s->team && i < s->n_sums; i++) s->sum[i] = kd_slab_take(&s->slab, bytes);
    if (s->team) s->total = kd_slab_take(&s->slab, bytes);
    s->received = kd_slab_take(&s->slab, incoming);
    s->cuts.room = kd_slab_take(&s->slab, waiting);
    return 0;
}

static void find_place(struct kd_shards *s, unsigned of)
{
    const unsigned rank = s->team ? s->team->rank : 0, ranks = s->team ? s->team->ranks : 1;
    s->of = of;
    s->first = of == 1 ? 0 : kd_sharing_first(of, ranks, rank);
    s->last = of == 1 ? 1 : kd_sharing_first(of, ranks, rank + 1);
}

int kd_shards_init(struct kd_shards *s, struct kd_network *net, int64_t shards,
                   struct kd_team *team, struct kd_err *err)
{
    enum { LINE = 16 }; /* floats */
    *s = (struct kd_shards){.net = net, .team = team, .most = shards};
    find_place(s, (unsigned)shards);
    const unsigned n = s->last - s->first;
    s->n_sums = kd_cuts_kept(s->first, s->last);
    s->start = kd_alloc(net->n_params, sizeof *s->start, "shards", err);
    s->sum = kd_alloc(s->n_sums, sizeof *s->sum, "shards", err);
    s->parcels = kd_alloc(team ? kd_sharing_parcels(s) : 0, sizeof *s->parcels, "shards", err);
    if (team && kd_sharing_open(s, err) < 0) return -1;
    s->cuts.from = kd_alloc(n + 1, sizeof *s->cuts.from, "shards", err);
    s->cuts.share = kd_alloc(n, sizeof *s->cuts.share, "shards", err);
    if (!s->start || !s->sum || !s->parcels || !s->cuts.from || !s->cuts.share) return -1;
    for (unsigned i = 0; i < net->n_params; i++) {
        s->start[i] = s->numbers;
        if (summed(net->params[i])) s->numbers += (net->params[i]->count + LINE - 1) / LINE * LINE;
    }
    s->cuts.levels = levels_of(shards);
    s->cuts.kept = s->n_sums;
    s->cuts.sum = team ? s->sum : NULL;
    s->cuts.start = s->start;
    kd_chain_each(&net->chain, find_largest, &s->cuts.room_each);
    return lay_sums(s, err);
}

void kd_shards_release(struct kd_shards *s)
{
    kd_free(s->start);
    kd_free(s->sum);
    kd_free(s->parcels);
    kd_free(s->bucket);
    kd_free(s->bucket_of);
    kd_free(s->cuts.from);
    kd_free(s->cuts.share);
    kd_slab_release(&s->slab);
    *s = (struct kd_shards){0};
}

/* ---- a step ---- */

static void cut(struct kd_shards *s, size_t rows)
{
    struct kd_cuts *c = &s->cuts;
    c->first = s->first;
    c->n = s->last - s->first;
    for (unsigned i = 0; i < c->n; i++) {
        struct kd_shard shard = kd_shard_at(rows, s->of, s->first + i);
        c->from[i] = shard.from - s->from;
        c->from[i + 1] = c->from[i] + shard.rows;
        c->share[i] = (double)shard.rows / (double)rows;
    }
}

void kd_shards_begin(struct kd_shards *s, size_t rows)
{
    find_place(s, kd_shards_of(rows, s->most));
    s->from = start_of(rows, s->of, s->first);
    s->rows = start_of(rows, s->of, s->last) - s->from;
    cut(s, rows);
    if (s->team) kd_sharing_begin(s);
}

const struct kd_cuts *kd_shards_cuts(const struct kd_shards *s)
{
    return s->of == 1 ? NULL : &s->cuts;
}

const struct kd_gradient_sink *kd_shards_sink(const struct kd_shards *s,
                                              const struct kd_gradient_sink *then)
{
    return s->of > 1 && s->team ? &s->sink : then;
}

void kd_shards_finish(struct kd_shards *s, const struct kd_gradient_sink *then,
                      struct kd_pool *pool)
{
    if (s->of == 1) return;
    if (s->team) kd_sharing_run(s, then, pool);
    kd_network_take_statistics(s->net);
}
