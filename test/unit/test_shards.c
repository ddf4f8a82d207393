/* Shards: how a batch is cut, what their sum is, and in which order it is made. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "kd/train/shards.h"
#include "nets.h"
#include "tables.h"

static struct kd_err err;

/* ---- how a batch is cut ---- */

static void cut(void **state)
{
    (void)state;
    assert_int_equal(kd_shards_of(100, 1), 1);
    assert_int_equal(kd_shards_of(100, 8), 8);
    assert_int_equal(kd_shards_of(16, 8), 8);
    assert_int_equal(kd_shards_of(15, 8), 1); /* fewer than two images for one */
    for (size_t rows = 16; rows < 120; rows++) {
        size_t next = 0;
        for (unsigned i = 0; i < 8; i++) {
            struct kd_shard s = kd_shard_at(rows, 8, i);
            assert_int_equal(s.from, next);
            assert_true(s.rows == rows / 8 || s.rows == rows / 8 + 1);
            next += s.rows;
        }
        assert_int_equal(next, rows);
    }
    struct kd_shard whole = kd_shard_at(15, 1, 0);
    assert_true(whole.rows == 15 && whole.from == 0);
    const struct kd_learnt learnt = {1000, 100, 8}, odd = {1014, 100, 8}, alone = {1000, 100, 1},
                           few = {30, 100, 8};
    assert_int_equal(kd_shards_rows(&learnt, 8), 13);
    assert_int_equal(kd_shards_rows(&learnt, 3), 38); /* three shards of 12 or 13 */
    assert_int_equal(kd_shards_rows(&learnt, 1), 100);
    assert_int_equal(kd_shards_rows(&odd, 8), 14); /* the last step is one shard */
    assert_int_equal(kd_shards_rows(&alone, 1), 100);
    assert_int_equal(kd_shards_rows(&few, 1), 30);
}

/* ---- the tree ---- */

enum { MOST = 40 };

/* Gradients of integers, which floats add exactly, would not tell one order from another: these are
 * as large as 1e4 and as small as 1e-4. */
static float made(unsigned shard, size_t at)
{
    struct kd_rng r = kd_rng_for(7, KD_FOR_TEST, shard, (uint32_t)at);
    float scale = at % 3 == 0 ? 1e4f : at % 3 == 1 ? 1.0f : 1e-4f;
    return scale * kd_rng_normal(&r);
}

static float sum_of(unsigned from, unsigned n, size_t at)
{
    if (n == 1) return made(from, at);
    return sum_of(from, n / 2, at) + sum_of(from + n / 2, n / 2, at);
}

/* The shards of one rank of several: each sum that is left is one of the tree. Pieces are a few
 * columns of a matrix. */
static void tree_of(unsigned of, unsigned first, unsigned last)
{
    enum { ROWS = 5, COLS = 9, PIECE = 4, LEVELS = 4 };
    float kept[8][ROWS * COLS], room[LEVELS * ROWS * PIECE], *sum[8];
    size_t start[] = {0}, from[17] = {0};
    struct kd_param p = {.count = ROWS * COLS};
    for (int i = 0; i < 8; i++) sum[i] = kept[i];
    struct kd_cuts cuts = {.first = first,
                           .n = last - first,
                           .from = from,
                           .levels = LEVELS,
                           .kept = kd_cuts_kept(first, last),
                           .sum = sum,
                           .start = start};
    for (size_t col = 0; col < COLS; col += PIECE) {
        size_t n = COLS - col < PIECE ? COLS - col : PIECE;
        struct kd_folding f = kd_fold(&cuts, (struct kd_piece){&p, col, ROWS, n, COLS, room});
        while (f.shard < cuts.n) {
            size_t stride;
            float *to = kd_fold_to(&f, &stride);
            for (size_t j = 0; j < ROWS * n; j++)
                to[j / n * stride + j % n] = made(first + f.shard, j / n * COLS + col + j % n);
            kd_fold_add(&f, NULL);
        }
    }
    unsigned at = first, n = 0;
    for (; at < last; n++) {
        unsigned size = 1; /* the largest that begins here and ends in time */
        while (!(at & (2 * size - 1)) && at + 2 * size <= last) size *= 2;
        for (size_t j = 0; j < ROWS * COLS; j++) assert_true(kept[n][j] == sum_of(at, size, j));
        at += size;
    }
    assert_int_equal(n, cuts.kept);
    assert_true(last <= of);
}

static void tree(void **state)
{
    (void)state;
    for (unsigned of = 1; of <= 16; of *= 2)
        for (unsigned first = 0; first < of; first++)
            for (unsigned last = first + 1; last <= of; last++) tree_of(of, first, last);
}

/* ---- whole passes ---- */

struct passing {
    struct kd_network *net;
    const float *x, *r; /* images, and the gradient of the batch's loss by the logits */
    size_t rows;
};

static const uint32_t samples[MOST] = {3, 1, 4, 1, 5, 9, 2, 6};

/* Gradients of the batch into each parameter's grad. */
static void pass_in_shards(const struct passing *p, unsigned of)
{
    struct kd_shards s;
    struct kd_network *net = p->net;
    size_t in = kd_shape_size(net->input), classes = net->classes;
    assert_int_equal(kd_shards_init(&s, net, of, NULL, &err), 0);
    kd_shards_begin(&s, p->rows);
    assert_true(s.of == of && s.from == 0 && s.rows == p->rows);
    struct kd_pass pass = {.training = true,
                           .seed = 5,
                           .sample = samples,
                           .rows = p->rows,
                           .cuts = kd_shards_cuts(&s)};
    memcpy(net->in, p->x, p->rows * in * sizeof(float));
    kd_network_forward(net, NULL, &pass);
    memcpy(net->dout, p->r, p->rows * classes * sizeof(float));
    kd_network_backward(net, NULL, &pass, kd_shards_sink(&s, NULL));
    kd_shards_finish(&s, NULL, NULL);
    kd_shards_release(&s);
}

static float *passing_open(struct passing *p, const char *layers)
{
    const struct kd_shape input = {2, 8, 8, false};
    *p = (struct passing){.net = net_of(layers, input, 3, 3), .rows = MOST};
    p->net->shards = 16;
    net_plan(p->net, MOST, true);
    float *memory = malloc((MOST * kd_shape_size(input) + MOST * 3) * sizeof *memory);
    random_fill(memory, MOST * kd_shape_size(input) + MOST * 3, 1, 1);
    p->x = memory;
    p->r = memory + MOST * kd_shape_size(input);
    return memory;
}

/* Where no layer looks at the batch, shards change no more than roundings. */
static void gradients_are_the_batchs(void **state)
{
    (void)state;
    static const char *const nets[] = {
        "[\"flatten\",{\"kind\":\"dropout\"},{\"kind\":\"dense\",\"units\":70},\"relu\","
        "{\"kind\":\"dense\"}]",
        "[{\"kind\":\"conv2d\",\"filters\":8,\"kernel\":3,\"padding\":1},\"relu\","
        "{\"kind\":\"residual\",\"body\":[{\"kind\":\"conv2d\",\"filters\":8,\"kernel\":3,"
        "\"padding\":1},\"relu\"]},{\"kind\":\"maxpool\",\"kernel\":2},\"flatten\","
        "{\"kind\":\"dense\"}]"};
    for (int k = 0; k < 2; k++) {
        struct passing p;
        float *memory = passing_open(&p, nets[k]), *whole[20];
        pass_in_shards(&p, 1);
        for (unsigned i = 0; i < p.net->n_params; i++) {
            const struct kd_param *q = p.net->params[i];
            whole[i] = malloc(q->count * sizeof(float));
            memcpy(whole[i], q->grad, q->count * sizeof(float));
        }
        for (unsigned of = 2; of <= 16; of *= 2) {
            pass_in_shards(&p, of);
            for (unsigned i = 0; i < p.net->n_params; i++) {
                const struct kd_param *q = p.net->params[i];
                float most = 0;
                for (size_t j = 0; j < q->count; j++) most = fmaxf(most, fabsf(whole[i][j]));
                assert_true(most > 0);
                for (size_t j = 0; j < q->count; j++)
                    if (fabsf(q->grad[j] - whole[i][j]) > 1e-5f * most)
                        fail_msg("net %d, %u shards, %s[%zu]: %g, not %g", k, of, q->name, j,
                                 (double)q->grad[j], (double)whole[i][j]);
            }
        }
        for (unsigned i = 0; i < p.net->n_params; i++) free(whole[i]);
        kd_network_free(p.net);
        free(memory);
    }
}

/* Running statistics: the mean of the shards', weighted by images. 37 images are 9, 9, 9 and 10. */
static void statistics(void **state)
{
    (void)state;
    struct passing p;
    float *memory = passing_open(&p, "[\"batchnorm\",\"flatten\",{\"kind\":\"dense\"}]");
    p.rows = 37;
    pass_in_shards(&p, 4);
    for (size_t c = 0; c < 2; c++) {
        double mean = 0, var = 0;
        for (unsigned i = 0; i < 4; i++) {
            struct kd_shard at = kd_shard_at(37, 4, i);
            double sum = 0, square = 0, n = (double)at.rows * 64;
            for (size_t k = 0; k < at.rows * 64; k++)
                sum += (double)p.x[(at.from + k / 64) * 128 + c * 64 + k % 64];
            for (size_t k = 0; k < at.rows * 64; k++) {
                double d = (double)p.x[(at.from + k / 64) * 128 + c * 64 + k % 64] - sum / n;
                square += d * d;
            }
            mean += (double)at.rows / 37 * sum / n;
            var += (double)at.rows / 37 * square / (n - 1);
        }
        assert_true(fabs((double)p.net->params[2]->value[c] - 0.1 * mean) < 1e-6);
        assert_true(fabs((double)p.net->params[3]->value[c] - (0.9 + 0.1 * var)) < 1e-6);
    }
    kd_network_free(p.net);
    free(memory);
}

/* ---- buckets of a team ---- */

/* Another rank that takes everything and sends nothing. `watched` is a number of the first layer's
 * gradient. */
static struct {
    const float *watched;
    unsigned trades, early; /* begun, and those of them before that number was made */
} other;

static void *other_begin(const struct kd_parcel *out, size_t n_out, const struct kd_parcel *in,
                         size_t n_in)
{
    (void)out;
    (void)in;
    assert_true(n_out == 1 && n_in == 1);
    other.trades++;
    if (isnan(*other.watched)) other.early++;
    return &other;
}

static bool other_arrived(void *trade, bool wait)
{
    (void)wait;
    return trade == &other;
}

/* 128 x 512 and 512 x 256 weights are two buckets: that of the last layers is under way before the
 * first layer's gradient is there. */
static void sums_travel_during_the_pass(void **state)
{
    (void)state;
    const struct kd_team_ops ops = {.begin = other_begin, .arrived = other_arrived};
    struct kd_team team = {.ranks = 2, .ops = &ops};
    struct kd_shards s;
    struct passing p;
    float *memory = passing_open(&p, "[\"flatten\",{\"kind\":\"dense\",\"units\":512},\"relu\","
                                     "{\"kind\":\"dense\",\"units\":256},{\"kind\":\"dense\"}]");
    assert_int_equal(kd_shards_init(&s, p.net, 4, &team, &err), 0);
    kd_shards_begin(&s, MOST);
    assert_true(s.rows == MOST / 2 && s.n_sums == 1 && s.n_buckets == 2);
    const struct kd_pass pass = {
        .training = true, .sample = samples, .rows = s.rows, .cuts = kd_shards_cuts(&s)};
    memcpy(p.net->in, p.x, s.rows * 128 * sizeof(float));
    kd_network_forward(p.net, NULL, &pass);
    memcpy(p.net->dout, p.r, s.rows * 3 * sizeof(float));
    s.sum[0][0] = NAN;
    other.watched = s.sum[0];
    kd_network_backward(p.net, NULL, &pass, kd_shards_sink(&s, NULL));
    assert_int_equal(other.early, 1);
    assert_int_equal(other.trades, 2);
    const bool there = !isnan(s.sum[0][0]);
    assert_true(there);
    kd_shards_finish(&s, NULL, NULL);
    assert_int_equal(other.trades, 4); /* and two of totals */
    kd_shards_release(&s);
    kd_network_free(p.net);
    free(memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cut),
        cmocka_unit_test(tree),
        cmocka_unit_test(gradients_are_the_batchs),
        cmocka_unit_test(statistics),
        cmocka_unit_test(sums_travel_during_the_pass),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
