/* Test-time augmentation: the mean of a network's logits over moved and mirrored copies of each
 * image. */
#include "kd/base/option.h"
#include "kd/train/predict.h"

#include <string.h>

const char *kd_tta_name(enum kd_tta tta)
{
    return kd_choice_name(KD_CHOICES(KD_TTAS), (int)tta);
}

struct copy { /* moved by dx, dy, then mirrored or not */
    int dx, dy;
    bool mirrored;
    float weight;
};
static const struct copy mirror[] = {{0, 0, false, 0.5f}, {0, 0, true, 0.5f}};
static const struct copy mirror_shifts[] = {
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
    const struct copy *copy;
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

struct asking {
    struct kd_network *net;
    struct kd_pool *pool;
    const struct copy *copies;
    size_t n_copies;
    float *plain; /* [batch][features] */
};

/* The weighted mean of `rows` images in a->plain. */
static void ask(const struct asking *a, size_t rows, float *logits)
{
    size_t n = rows * a->net->classes;
    struct kd_pass pass = {.training = false, .rows = rows};
    memset(logits, 0, n * sizeof *logits);
    for (size_t k = 0; k < a->n_copies; k++) {
        struct moving m = {&a->copies[k], a->net->input, a->plain, a->net->in};
        kd_pool_run(a->pool, (unsigned)rows, move_part, &m);
        kd_network_forward(a->net, a->pool, &pass);
        for (size_t i = 0; i < n; i++) logits[i] += a->copies[k].weight * a->net->out[i];
    }
}

int kd_predict_tta(struct kd_network *net, const struct kd_normalize *normalize,
                   const struct kd_view *view, const uint32_t *index, size_t n, enum kd_tta tta,
                   struct kd_pool *pool, const struct kd_progress *progress, float *logits,
                   struct kd_err *err)
{
    if (tta == KD_TTA_NONE)
        return kd_predict(net, normalize, view, index, n, pool, progress, logits, err);
    if (!net->batch && kd_network_plan(net, KD_PREDICT_BATCH, false, err) < 0) return -1;
    size_t batch = net->batch, features = kd_shape_size(net->input);
    bool shifts = tta == KD_TTA_MIRROR_SHIFTS;
    struct asking a = {net, pool, shifts ? mirror_shifts : mirror, shifts ? 6 : 2, NULL};
    uint32_t *own = kd_alloc(batch, sizeof *own, "a batch's places", err);
    a.plain = kd_alloc(batch * features, sizeof *a.plain, "a batch", err);
    int status = own && a.plain ? 0 : -1;
    for (size_t from = 0;
         from < n && status == 0 && (status = kd_progress_go_on(progress, err)) == 0;
         from += batch) {
        size_t rows = n - from < batch ? n - from : batch;
        for (size_t i = 0; i < rows; i++) own[i] = index ? index[from + i] : (uint32_t)(from + i);
        kd_view_fill(view, normalize, own, rows, pool, a.plain);
        ask(&a, rows, logits + from * net->classes);
        kd_progress_tick(progress, from + rows, n, NULL);
    }
    kd_free(own);
    kd_free(a.plain);
    return status;
}
