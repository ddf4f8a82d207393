/* Places for things that live for a while: largest first, each as low as it fits. */
#include "kd/nn/integers.h"

static bool meet(const struct kd_arena_piece *a, const struct kd_arena_piece *b)
{
    return a->from <= b->to && b->from <= a->to;
}

/* The lowest place for piece i beside those that are placed. */
static size_t lowest(const struct kd_arena_piece *p, unsigned n, const bool *placed, unsigned i,
                     size_t align)
{
    size_t at = 0;
    for (bool moved = true; moved;) {
        moved = false;
        for (unsigned j = 0; j < n; j++) {
            if (!placed[j] || !meet(&p[i], &p[j])) continue;
            if (at < p[j].offset + p[j].size && p[j].offset < at + p[i].size) {
                at = (p[j].offset + p[j].size + align - 1) & ~(align - 1);
                moved = true;
            }
        }
    }
    return at;
}

int kd_arena_place(struct kd_arena_piece *pieces, unsigned n, size_t align, size_t *size,
                   struct kd_err *err)
{
    size_t end = 0;
    bool *placed = kd_alloc(n, sizeof *placed, "an arena's plan", err);
    if (!placed) return -1;
    for (unsigned done = 0; done < n; done++) {
        unsigned best = n;
        for (unsigned i = 0; i < n; i++)
            if (!placed[i] && (best == n || pieces[i].size > pieces[best].size)) best = i;
        pieces[best].offset = lowest(pieces, n, placed, best, align);
        placed[best] = true;
        if (pieces[best].offset + pieces[best].size > end)
            end = pieces[best].offset + pieces[best].size;
    }
    kd_free(placed);
    *size = end;
    return 0;
}
