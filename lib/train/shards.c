#include "kd/train/shards.h"
#include "kd/nn/kernels.h"
#include "sharing.h"

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

static unsigned levels_of(int64_t shards)
{
    unsigned levels = 0;
    while ((int64_t)1 << levels < shards) levels++;
    return levels;
}

static int lay_sums(struct kd_shards *s, struct kd_err *err)
{
    const size_t bytes = s->numbers * sizeof(float);
    const size_t incoming = s->team ? kd_sharing_room(s) * sizeof(float) : 0;
    for (unsigned i = 0; i < s->n_sums + (s->team != NULL); i++) kd_slab_plan(&s->slab, bytes);
    kd_slab_plan(&s->slab, incoming);
    if (kd_slab_open(&s->slab, "gradients of shards; try fewer --shards", err) < 0) return -1;
    for (unsigned i = 0; i < s->n_sums; i++) s->sum[i].values = kd_slab_take(&s->slab, bytes);
    if (s->team) s->total = kd_slab_take(&s->slab, bytes);
    s->received = kd_slab_take(&s->slab, incoming);
    return 0;
}

int kd_shards_init(struct kd_shards *s, struct kd_network *net, int64_t shards,
                   struct kd_team *team, struct kd_err *err)
{
    enum { LINE = 16 }; /* floats */
    *s = (struct kd_shards){.net = net, .team = team, .most = shards};
    s->start = kd_alloc(net->n_params, sizeof *s->start, "shards", err);
    s->n_sums = levels_of(shards) * (team ? 2 : 1); /* a rank's waits on both sides */
    s->sum = kd_alloc(s->n_sums, sizeof *s->sum, "shards", err);
    s->parcels = kd_alloc(team ? kd_sharing_parcels(s) : 0, sizeof *s->parcels, "shards", err);
    s->own = kd_alloc(net->n_params, sizeof *s->own, "shards", err);
    if (!s->start || !s->sum || !s->parcels || !s->own) return -1;
    for (unsigned i = 0; i < net->n_params; i++) {
        s->own[i] = net->params[i]->grad;
        s->start[i] = s->numbers;
        if (summed(net->params[i])) s->numbers += (net->params[i]->count + LINE - 1) / LINE * LINE;
    }
    return lay_sums(s, err);
}

void kd_shards_release(struct kd_shards *s)
{
    kd_free(s->own);
    kd_free(s->start);
    kd_free(s->sum);
    kd_free(s->parcels);
    kd_slab_release(&s->slab);
    *s = (struct kd_shards){0};
}

/* ---- the tree ---- */

/* Gradients are made in the array of a sum, or where they were planned. */
static void aim(struct kd_shards *s, const struct kd_shard_sum *at)
{
    for (unsigned i = 0; i < s->net->n_params; i++)
        s->net->params[i]->grad = at && s->own[i] ? at->values + s->start[i] : s->own[i];
}

void kd_shards_begin(struct kd_shards *s, size_t rows)
{
    const unsigned rank = s->team ? s->team->rank : 0, ranks = s->team ? s->team->ranks : 1;
    s->of = kd_shards_of(rows, s->most);
    s->first = s->of == 1 ? 0 : kd_sharing_first(s->of, ranks, rank);
    s->last = s->of == 1 ? 1 : kd_sharing_first(s->of, ranks, rank + 1);
    for (unsigned i = 0; i < s->n_sums; i++) s->sum[i].used = false;
    aim(s, NULL);
}

static struct kd_shard_sum *waiting(const struct kd_shards *s, unsigned level, unsigned place)
{
    for (unsigned i = 0; i < s->n_sums; i++)
        if (s->sum[i].used && s->sum[i].level == level && s->sum[i].place == place)
            return &s->sum[i];
    return NULL;
}

static struct kd_shard_sum *keep(const struct kd_shards *s, unsigned level, unsigned place)
{
    struct kd_shard_sum *sum = s->sum;
    while (sum->used) sum++;
    *sum = (struct kd_shard_sum){level, place, sum->values, true};
    return sum;
}

/* What the shard completes: sums that have been waiting for it, and where it waits itself. */
static void find_place(struct kd_shards *s, unsigned place)
{
    struct kd_shard_sum *other;
    unsigned level = 0;
    s->n_adds = 0;
    for (; place & 1 && (other = waiting(s, level, place - 1)); level++, place /= 2) {
        other->used = false;
        s->adds[s->n_adds++] = other;
    }
    s->keeps = NULL;
    if (1u << level < s->of && s->n_adds) { /* where the last one that was waiting is */
        s->keeps = s->adds[s->n_adds - 1];
        *s->keeps = (struct kd_shard_sum){level, place, s->keeps->values, true};
    } else if (1u << level < s->of)
        s->keeps = keep(s, level, place);
    aim(s, s->n_adds ? NULL : s->keeps);
}

static void add(void *ctx, struct kd_param *p, size_t from, size_t count)
{
    const struct kd_shards *s = ctx;
    const size_t at = s->start[p->index] + from;
    float *g = p->grad + from;
    for (unsigned i = 0; i < s->n_adds; i++)
        if (s->adds[i] == s->keeps)
            kd_kernels()->add(s->keeps->values + at, g, count, 1);
        else
            kd_kernels()->add(g, s->adds[i]->values + at, count, 1);
    if (!s->keeps && s->then && p->trained) s->then->ready(s->then->ctx, p, from, count);
}

const struct kd_gradient_sink *kd_shards_sink(struct kd_shards *s, const struct kd_shard *at,
                                              const struct kd_gradient_sink *then)
{
    if (at->of == 1) return then;
    find_place(s, at->place);
    s->then = then;
    s->sink = (struct kd_gradient_sink){add, s};
    return &s->sink;
}

void kd_shards_add_statistics(struct kd_shards *s)
{
    for (unsigned i = 0; s->of > 1 && i < s->net->n_params; i++) {
        struct kd_param *p = s->net->params[i];
        if (p->role == KD_STATISTIC) add(s, p, 0, p->count);
    }
}

void kd_shards_finish(struct kd_shards *s, const struct kd_gradient_sink *then,
                      struct kd_pool *pool)
{
    if (s->of == 1) return;
    aim(s, NULL);
    if (s->team) kd_sharing_run(s, then, pool);
    kd_network_take_statistics(s->net);
}
