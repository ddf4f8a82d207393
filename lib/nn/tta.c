/* Test-time augmentation: the mean of a network's logits over moved and mirrored copies of each
 * image. */
#include "kd/base/option.h"
#include "predicting.h"

#include <string.h>

const char *kd_tta_name(enum kd_tta tta)
{
    return kd_choice_name(KD_CHOICES(KD_TTAS), (int)tta);
}

struct kd_copy { /* moved by dx, dy, then mirrored or not */
    int dx, dy;
    bool mirrored;
    float weight;
};
static const struct kd_copy mirror[] = {{0, 0, false, 0.5f}, {0, 0, true, 0.5f}};
static const struct kd_copy mirror_shifts[] = {
    {0, 0, false, 0.25f}, {0, 0, true, 0.25f},     {1, 1, false, 0.125f},
    {1, 1, true, 0.125f}, {-1, -1, false, 0.125f}, {-1, -1, true, 0.125f},
};

/* One pixel beyond the border lies the one before it. */
static size_t within(int64_t i, size_t n)
{
    if (n == 1) return 0;
    return i < 0 ? (size_t)-i : (size_t)i < n ? (size_t)i : 2 * (n - 1) - (size_t)i;
}

struct moving {
    const struct kd_copy *copy;
    struct kd_shape shape;
    const float *from; /* [rows][c][h][w] */
    float *to;
};

static void move_part(void *arg, unsigned part)
{
    const struct moving *m = arg;
    size_t h = m->shape.h, w = m->shape.w, size = kd_shape_size(m->shape);
    for (size_t c = 0; c < m->shape.c; c++)
        for (size_t y = 0; y < h; y++) {
            const float *row =
                m->from + part * size + (c * h + within((int64_t)y - m->copy->dy, h)) * w;
            float *to = m->to + part * size + (c * h + y) * w;
            for (size_t x = 0; x < w; x++) {
                size_t moved = m->copy->mirrored ? w - 1 - x : x;
                to[x] = row[within((int64_t)moved - m->copy->dx, w)];
            }
        }
}

int kd_copies_open(struct kd_copies *c, struct kd_network *net, const struct kd_asking *how,
                   struct kd_err *err)
{
    bool shifts = how->tta == KD_TTA_MIRROR_SHIFTS;
    *c = (struct kd_copies){.net = net,
                            .pool = how->pool,
                            .list = shifts ? mirror_shifts : mirror,
                            .n = shifts ? 6 : 2};
    c->plain = kd_alloc(net->batch * kd_shape_size(net->input), sizeof *c->plain, "a batch", err);
    return c->plain ? 0 : -1;
}

void kd_copies_close(struct kd_copies *c)
{
    kd_free(c->plain);
    c->plain = NULL;
}

void kd_copies_answer(const struct kd_copies *c, size_t rows, float *logits)
{
    size_t n = rows * c->net->classes;
    struct kd_pass pass = {.training = false, .rows = rows};
    memset(logits, 0, n * sizeof *logits);
    for (size_t k = 0; k < c->n; k++) {
        struct moving m = {&c->list[k], c->net->input, c->plain, c->net->in};
        kd_pool_run(c->pool, (unsigned)rows, move_part, &m);
        kd_network_forward(c->net, c->pool, &pass);
        for (size_t i = 0; i < n; i++) logits[i] += c->list[k].weight * c->net->out[i];
    }
}
