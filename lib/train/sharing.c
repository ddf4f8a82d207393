/* Each rank has added up as much of the tree as its shards allow: a few sums of [numbers]. The
 * numbers lie in buckets, and each of these is cut into as many parts as there are ranks. Rank r
 * gets its part of everybody's sums, adds them up along the rest of the tree, and gives the total
 * to all others. So each number travels to one rank and back, whatever the number of ranks, and no
 * two ranks add up the same.
 *
 *     backward   layer 9  layer 8  layer 7  layer 6
 *     sums                bucket 0 ======>  bucket 1 =======>
 *     totals                                                  bucket 0 ==> bucket 1 ==>
 *
 * The sums of a bucket are sent as soon as the backward pass has made all of them. All ranks begin
 * with them in the same order, and with the totals when all sums are under way, so that what is
 * sent and what is awaited agree. */
#include "sharing.h"
#include "kd/nn/kernels.h"

#include <stdatomic.h>
#include <string.h>

enum { LINE = 16, LEAST = 1 << 16 /* floats of a bucket, unless there are no more */ };
struct kd_bucket {
    size_t from, to; /* of the numbers */
    size_t wanted;   /* of which the backward pass tells */
    size_t room;     /* where this rank's part of the others' sums comes to lie */
    void *trade;     /* under way; NULL: none */
    atomic_size_t made;
};

unsigned kd_sharing_first(unsigned of, unsigned ranks, unsigned rank)
{
    return (unsigned)((uint64_t)of * rank / ranks);
}

/* Part r of a bucket starts here, at a whole line. */
static size_t cut(const struct kd_shards *s, const struct kd_bucket *b, unsigned r)
{
    return b->from + (b->to - b->from) / LINE * r / s->team->ranks * LINE;
}

static size_t part_size(const struct kd_shards *s, const struct kd_bucket *b, unsigned r)
{
    return cut(s, b, r + 1) - cut(s, b, r);
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

int kd_sharing_open(struct kd_shards *s, struct kd_err *err)
{
    const unsigned most = s->net->n_params;
    s->bucket = kd_alloc(most, sizeof *s->bucket, "shards", err);
    s->bucket_of = kd_alloc(most, sizeof *s->bucket_of, "shards", err);
    return s->bucket && s->bucket_of ? 0 : -1;
}

/* Parameters from the last to the first, as the backward pass comes to them. */
size_t kd_sharing_plan(struct kd_shards *s)
{
    const unsigned sums = sums_of_all(s);
    size_t room = 0;
    struct kd_bucket *b = s->bucket;
    *b = (struct kd_bucket){.to = s->numbers};
    for (unsigned i = s->net->n_params; i-- > 0;) {
        s->bucket_of[i] = (unsigned)(b - s->bucket);
        b->from = s->start[i];
        if (s->net->params[i]->trained) b->wanted += s->net->params[i]->count;
        if (b->to - b->from < LEAST && i) continue;
        b->room = room;
        room += part_size(s, b, s->team->rank) * sums;
        if (i) b[1] = (struct kd_bucket){.to = b->from};
        b++;
    }
    s->n_buckets = (unsigned)(b - s->bucket);
    return room;
}

static struct kd_parcel parcel(unsigned rank, float *values, size_t n)
{
    return (struct kd_parcel){rank, values, n * sizeof(float)};
}

/* ---- one part of everybody's sums ---- */

static size_t send_parts(const struct kd_shards *s, const struct kd_bucket *b,
                         struct kd_parcel *out)
{
    size_t n = 0;
    for (unsigned r = 0; r < s->team->ranks; r++)
        for (unsigned i = 0; r != s->team->rank && i < s->n_sums; i++)
            out[n++] = parcel(r, s->sum[i] + cut(s, b, r), part_size(s, b, r));
    return n;
}

enum { MOST_SUMS = 1 << (KD_SHARD_LEVELS - 1) };
struct shard_sum { /* of the shards [place, place + 1) << level */
    unsigned level, place;
    float *values;
};

/* Where this rank's part of each sum lies, or comes to lie, in the order of the shards. */
static unsigned list_parts(const struct kd_shards *s, const struct kd_bucket *b,
                           struct shard_sum *list, struct kd_parcel *in, size_t *n_in)
{
    const unsigned ranks = s->team->ranks, me = s->team->rank;
    const size_t size = part_size(s, b, me);
    unsigned n = 0;
    *n_in = 0;
    for (unsigned r = 0; r < ranks; r++) {
        const unsigned last = kd_sharing_first(s->of, ranks, r + 1);
        unsigned at = kd_sharing_first(s->of, ranks, r);
        for (unsigned i = 0; at < last; i++) {
            unsigned level = next_level(at, last);
            float *values =
                r == me ? s->sum[i] + cut(s, b, me) : s->received + b->room + *n_in * size;
            if (r != me) in[(*n_in)++] = parcel(r, values, size);
            list[n++] = (struct shard_sum){level, at >> level, values};
            at += 1u << level;
        }
    }
    return n;
}

static void send_sums(struct kd_shards *s, struct kd_bucket *b)
{
    struct shard_sum list[MOST_SUMS];
    size_t n_out = send_parts(s, b, s->parcels), n_in;
    struct kd_parcel *in = s->parcels + n_out;
    list_parts(s, b, list, in, &n_in);
    b->trade = kd_team_begin(s->team, s->parcels, n_out, in, n_in);
}

/* ---- while the backward pass runs ---- */

/* Only an MPI that is called moves anything. */
static void send_what_is_made(struct kd_shards *s)
{
    for (; s->begun < s->n_buckets; s->begun++) {
        struct kd_bucket *b = &s->bucket[s->begun];
        if (atomic_load(&b->made) < b->wanted) break;
        send_sums(s, b);
    }
    for (unsigned i = 0; i < s->begun; i++) {
        struct kd_bucket *b = &s->bucket[i];
        if (b->trade && kd_team_arrived(s->team, b->trade, false)) b->trade = NULL;
    }
}

static void ready(void *ctx, struct kd_param *p, size_t from, size_t count)
{
    struct kd_shards *s = ctx;
    (void)from;
    atomic_fetch_add(&s->bucket[s->bucket_of[p->index]].made, count);
    if (pthread_equal(pthread_self(), s->thread)) send_what_is_made(s);
}

void kd_sharing_begin(struct kd_shards *s)
{
    s->begun = 0;
    s->thread = pthread_self();
    s->sink = (struct kd_gradient_sink){ready, s};
    for (unsigned i = 0; i < s->n_buckets; i++) atomic_store(&s->bucket[i].made, 0);
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

static void tell_totals(struct kd_shards *s, struct kd_bucket *b)
{
    struct kd_parcel *out = s->parcels, *in = out + s->team->ranks;
    const unsigned me = s->team->rank;
    size_t n = 0;
    for (unsigned r = 0; r < s->team->ranks; r++) {
        if (r == me) continue;
        out[n] = parcel(r, s->total + cut(s, b, me), part_size(s, b, me));
        in[n++] = parcel(r, s->total + cut(s, b, r), part_size(s, b, r));
    }
    b->trade = kd_team_begin(s->team, out, n, in, n);
}

static void arrive(struct kd_shards *s, struct kd_bucket *b)
{
    kd_team_arrived(s->team, b->trade, true);
    b->trade = NULL;
}

static void total(struct kd_shards *s, struct kd_bucket *b, struct kd_pool *pool)
{
    struct shard_sum list[MOST_SUMS];
    const unsigned me = s->team->rank;
    const size_t size = part_size(s, b, me);
    size_t n_in;
    unsigned n = list_parts(s, b, list, s->parcels, &n_in);
    const float *mine = add_up(list, n, size, pool);
    if (mine) memcpy(s->total + cut(s, b, me), mine, size * sizeof(float));
}

void kd_sharing_run(struct kd_shards *s, const struct kd_gradient_sink *then, struct kd_pool *pool)
{
    for (; s->begun < s->n_buckets; s->begun++) send_sums(s, &s->bucket[s->begun]);
    for (unsigned i = 0; i < s->n_buckets; i++) {
        arrive(s, &s->bucket[i]);
        total(s, &s->bucket[i], pool);
        tell_totals(s, &s->bucket[i]);
    }
    for (unsigned i = 0; i < s->n_buckets; i++) arrive(s, &s->bucket[i]);
    struct handing h = {s, then};
    kd_pool_run(pool, PARTS, hand_part, &h);
}
