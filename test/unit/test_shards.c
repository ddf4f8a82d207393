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
        double shares = 0;
        for (unsigned i = 0; i < 8; i++) {
            struct kd_shard s = kd_shard_at(rows, 8, i);
            assert_int_equal(s.from, next);
            assert_true(s.rows == rows / 8 || s.rows == rows / 8 + 1);
            next += s.rows;
            shares += s.share;
        }
        assert_int_equal(next, rows);
        assert_true(fabs(shares - 1) < 1e-12);
    }
    struct kd_shard whole = kd_shard_at(15, 1, 0);
    assert_true(whole.rows == 15 && whole.share == 0);
    assert_int_equal(kd_shards_rows(1000, 100, 8), 13);
    assert_int_equal(kd_shards_rows(1014, 100, 8), 14); /* the last step is one shard */
    assert_int_equal(kd_shards_rows(1000, 100, 1), 100);
}

/* ---- the tree ---- */

enum { MOST = 40 };

static void hear(void *ctx, struct kd_param *p, size_t from, size_t count)
{
    size_t *numbers = ctx;
    assert_true(p->trained && from + count <= p->count);
    *numbers += count;
}

static size_t trained_numbers(const struct kd_network *net)
{
    size_t n = 0;
    for (unsigned i = 0; i < net->n_params; i++)
        if (net->params[i]->trained) n += net->params[i]->count;
    return n;
}

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

static void tree(void **state)
{
    (void)state;
    struct kd_network *net =
        net_of("[\"flatten\",{\"kind\":\"dense\",\"units\":5},\"batchnorm\",{\"kind\":\"dense\"}]",
               (struct kd_shape){1, 3, 3, false}, 3, 1);
    net->sharded = true;
    net_plan(net, MOST, true);
    for (unsigned n = 1; n <= 16; n *= 2) {
        struct kd_shards s;
        size_t heard = 0;
        const struct kd_gradient_sink then = {hear, &heard};
        assert_int_equal(kd_shards_init(&s, net, n, NULL, &err), 0);
        kd_shards_begin(&s, MOST);
        assert_true(s.of == n && s.first == 0 && s.last == n);
        for (unsigned i = 0; i < n; i++) {
            struct kd_shard at = kd_shard_at(MOST, n, i);
            const struct kd_gradient_sink *sink = kd_shards_sink(&s, &at, &then);
            for (unsigned k = 0; k < net->n_params; k++) {
                struct kd_param *p = net->params[k];
                for (size_t j = 0; p->grad && j < p->count; j++) p->grad[j] = made(i, k * 100 + j);
                if (p->trained) sink->ready(sink->ctx, p, 0, p->count);
            }
            assert_int_equal(heard, i + 1 == n ? trained_numbers(net) : 0);
        }
        for (unsigned k = 0; k < net->n_params; k++)
            for (size_t j = 0; net->params[k]->trained && j < net->params[k]->count; j++)
                assert_true(net->params[k]->grad[j] == sum_of(0, n, k * 100 + j));
        kd_shards_release(&s);
    }
    kd_network_free(net);
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
    for (unsigned i = 0; i < of; i++) {
        struct kd_shard at = kd_shard_at(p->rows, of, i);
        const struct kd_gradient_sink *sink = kd_shards_sink(&s, &at, NULL);
        struct kd_pass pass = {.training = true,
                               .seed = 5,
                               .sample = samples + at.from,
                               .rows = at.rows,
                               .share = at.share};
        memcpy(net->in, p->x + at.from * in, at.rows * in * sizeof(float));
        kd_network_forward(net, NULL, &pass);
        memcpy(net->dout, p->r + at.from * classes, at.rows * classes * sizeof(float));
        kd_network_backward(net, NULL, &pass, sink);
        kd_shards_add_statistics(&s);
    }
    kd_shards_finish(&s, NULL, NULL);
    kd_shards_release(&s);
}

static float *passing_open(struct passing *p, const char *layers)
{
    const struct kd_shape input = {2, 8, 8, false};
    *p = (struct passing){.net = net_of(layers, input, 3, 3), .rows = MOST};
    p->net->sharded = true;
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
            mean += at.share * sum / n;
            var += at.share * square / (n - 1);
        }
        assert_true(fabs((double)p.net->params[2]->value[c] - 0.1 * mean) < 1e-6);
        assert_true(fabs((double)p.net->params[3]->value[c] - (0.9 + 0.1 * var)) < 1e-6);
    }
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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
