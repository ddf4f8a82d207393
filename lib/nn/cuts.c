#include "kd/nn/cuts.h"
#include "kd/nn/kernels.h"
#include "kd/nn/layer.h"

/* Sums that shard `place` completes, of those that began at `first` or later. */
static unsigned completes(unsigned first, unsigned place)
{
    unsigned level = 0;
    while (place >> level & 1 && ((place >> level) - 1) << level >= first) level++;
    return level;
}

unsigned kd_cuts_kept(unsigned first, unsigned last)
{
    unsigned n = 0;
    for (unsigned place = first; place < last; place++) n = n + 1 - completes(first, place);
    return n;
}

struct kd_piece kd_piece_all(const struct kd_cuts *cuts, const struct kd_param *p)
{
    return (struct kd_piece){p, 0, 1, p->count, p->count, cuts->room};
}

static float *slot(const struct kd_folding *f, unsigned at, size_t *stride)
{
    const struct kd_cuts *c = f->cuts;
    const struct kd_piece *piece = &f->piece;
    *stride = at < c->kept ? piece->stride : piece->cols;
    if (at >= c->kept) return piece->room + (at - c->kept) * piece->rows * piece->cols;
    return (c->sum ? c->sum[at] + c->start[piece->p->index] : piece->p->grad) + piece->from;
}

float *kd_fold_to(const struct kd_folding *f, size_t *stride)
{
    return slot(f, f->top, stride);
}

struct adding {
    float *to;
    const float *from;
    size_t to_stride, from_stride, rows, cols;
};

static void add_rows(const struct adding *a, size_t from, size_t cols)
{
    for (size_t r = 0; r < a->rows; r++)
        kd_kernels()->add(a->to + r * a->to_stride + from, a->from + r * a->from_stride + from,
                          cols, 1);
}

enum { PARTS = 8, WORTH_WAKING = 1 << 16 /* floats */ };

static void add_part(void *arg, unsigned part)
{
    const struct adding *a = arg;
    size_t from = a->cols * part / PARTS, to = a->cols * (part + 1) / PARTS;
    add_rows(a, from, to - from);
}

void kd_fold_add(struct kd_folding *f, struct kd_pool *pool)
{
    unsigned n = completes(f->cuts->first, f->cuts->first + f->shard++);
    for (f->top++; n; n--) {
        struct adding a = {.rows = f->piece.rows, .cols = f->piece.cols};
        a.from = slot(f, --f->top, &a.from_stride);
        a.to = slot(f, f->top - 1, &a.to_stride);
        if (pool && a.rows * a.cols >= WORTH_WAKING)
            kd_pool_run(pool, PARTS, add_part, &a);
        else
            add_rows(&a, 0, a.cols);
    }
}
