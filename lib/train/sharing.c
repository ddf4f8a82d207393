/* Each rank has added up as much of the tree as its shards allow: a few sums of [numbers]. The
 * numbers are cut into as many parts as there are ranks. Rank r gets its part of everybody's sums,
 * adds them up along the rest of the tree, and gives the total to all others. So each number
 * travels to one rank and back, whatever the number of ranks, and no two ranks add up the same. */
#include "sharing.h"
#include "kd/nn/kernels.h"

#include <string.h>

unsigned kd_sharing_first(unsigned of, unsigned ranks, unsigned rank)
{
    return (unsigned)((uint64_t)of * rank / ranks);
}

/* Part r of the numbers starts here, at a whole line. */
static size_t cut(const struct kd_shards *s, unsigned r)
{
    enum { LINE = 16 };
    return s->numbers / LINE * r / s->team->ranks * LINE;
}

/* A rank's next sum: the largest one that starts at `from` and ends before `last`. Its level. */
static unsigned next_level(unsigned from, unsigned last)
{
    unsigned level = 0;
    while (!(from >> level & 1) && from + (2u << level) <= last) level++;
    return level;
}

static unsigned sums_of(unsigned from, unsigned last)
{
    unsigned n = 0;
    for (; from < last; n++) from += 1u << next_level(from, last);
    return n;
}

static unsigned sums_of_all(const struct kd_shards *s)
{
    const unsigned of = (unsigned)s->most, ranks = s->team->ranks;
    unsigned n = 0;
    for (unsigned r = 0; r < ranks; r++)
        n += sums_of(kd_sharing_first(of, ranks, r), kd_sharing_first(of, ranks, r + 1));
    return n;
}

/* Own sums to each other rank, and theirs; or a part to each and one from each. */
size_t kd_sharing_parcels(const struct kd_shards *s)
{
    return (size_t)s->n_sums * s->team->ranks + sums_of_all(s) + 2 * s->team->ranks;
}

size_t kd_sharing_room(const struct kd_shards *s)
{
    size_t most = 0;
    for (unsigned r = 0; r < s->team->ranks; r++)
        if (cut(s, r + 1) - cut(s, r) > most) most = cut(s, r + 1) - cut(s, r);
    return most * sums_of_all(s);
}

static struct kd_parcel parcel(unsigned rank, float *values, size_t n)
{
    return (struct kd_parcel){rank, values, n * sizeof(float)};
}

/* ---- one part of everybody's sums ---- */

static size_t send_parts(const struct kd_shards *s, struct kd_parcel *out)
{
    size_t n = 0;
    for (unsigned r = 0; r < s->team->ranks; r++)
        for (unsigned i = 0; r != s->team->rank && i < s->n_sums; i++)
            out[n++] = parcel(r, s->sum[i] + cut(s, r), cut(s, r + 1) - cut(s, r));
    return n;
}

struct shard_sum { /* of the shards [place, place + 1) << level */
    unsigned level, place;
    float *values;
};

/* Where this rank's part of each sum lies, or comes to lie, in the order of the shards. */
static unsigned list_parts(const struct kd_shards *s, struct shard_sum *list, struct kd_parcel *in,
                           size_t *n_in)
{
    const unsigned ranks = s->team->ranks, me = s->team->rank;
    const size_t size = cut(s, me + 1) - cut(s, me);
    unsigned n = 0;
    *n_in = 0;
    for (unsigned r = 0; r < ranks; r++) {
        const unsigned last = kd_sharing_first(s->of, ranks, r + 1);
        unsigned at = kd_sharing_first(s->of, ranks, r);
        for (unsigned i = 0; at < last; i++) {
            unsigned level = next_level(at, last);
            float *values = r == me ? s->sum[i] + cut(s, me) : s->received + *n_in * size;
            if (r != me) in[(*n_in)++] = parcel(r, values, size);
            list[n++] = (struct shard_sum){level, at >> level, values};
            at += 1u << level;
        }
    }
    return n;
}

/* ---- the rest of the tree ---- */

enum { PARTS = 8 };
struct adding {
    float *to;
    const float *from;
    size_t n;
};

static void add_part(void *arg, unsigned part)
{
    const struct adding *a = arg;
    size_t from = a->n * part / PARTS, to = a->n * (part + 1) / PARTS;
    kd_kernels()->add(a->to + from, a->from + from, to - from, 1);
}

/* The sums come in the order of their shards: one is added to the one before as soon as both are
 * halves of the same. */
static float *add_up(struct shard_sum *list, unsigned n, size_t size, struct kd_pool *pool)
{
    unsigned top = 0; /* of a stack in the list itself */
    for (unsigned i = 0; i < n; i++) {
        list[top++] = list[i];
        while (top > 1 && list[top - 1].level == list[top - 2].level &&
               !(list[top - 2].place & 1)) {
            struct shard_sum *left = &list[top - 2];
            struct adding a = {left->values, list[top - 1].values, size};
            kd_pool_run(pool, PARTS, add_part, &a);
            left->level++;
            left->place /= 2;
            top--;
        }
    }
    return n ? list[0].values : NULL;
}

/* ---- the totals ---- */

struct handing {
    struct kd_shards *s;
    const struct kd_gradient_sink *then;
};

/* Rows, not to be cut, in PARTS parts of each parameter. */
static void hand_part(void *arg, unsigned part)
{
    const struct handing *h = arg;
    for (unsigned i = 0; i < h->s->net->n_params; i++) {
        struct kd_param *p = h->s->net->params[i];
        if (!p->grad) continue;
        size_t rows = p->shape[0], row = p->count / rows;
        size_t from = rows * part / PARTS * row, count = rows * (part + 1) / PARTS * row - from;
        memcpy(p->grad + from, h->s->total + h->s->start[i] + from, count * sizeof(float));
        if (count && h->then && p->trained) h->then->ready(h->then->ctx, p, from, count);
    }
}

static void tell_totals(const struct kd_shards *s)
{
    struct kd_parcel *out = s->parcels, *in = out + s->team->ranks;
    const unsigned me = s->team->rank;
    size_t n = 0;
    for (unsigned r = 0; r < s->team->ranks; r++) {
        if (r == me) continue;
        out[n] = parcel(r, s->total + cut(s, me), cut(s, me + 1) - cut(s, me));
        in[n++] = parcel(r, s->total + cut(s, r), cut(s, r + 1) - cut(s, r));
    }
    kd_team_trade(s->team, out, n, in, n);
}

void kd_sharing_run(struct kd_shards *s, const struct kd_gradient_sink *then, struct kd_pool *pool)
{
    struct shard_sum list[1 << (KD_SHARD_LEVELS - 1)];
    const size_t size = cut(s, s->team->rank + 1) - cut(s, s->team->rank);
    size_t n_out = send_parts(s, s->parcels), n_in;
    struct kd_parcel *in = s->parcels + n_out;
    unsigned n = list_parts(s, list, in, &n_in);
    kd_team_trade(s->team, s->parcels, n_out, in, n_in);
    const float *mine = add_up(list, n, size, pool);
    if (mine) memcpy(s->total + cut(s, s->team->rank), mine, size * sizeof(float));
    tell_totals(s);
    struct handing h = {s, then};
    kd_pool_run(pool, PARTS, hand_part, &h);
}
