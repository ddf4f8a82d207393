/* Eigenvalues and eigenvectors; whitened patches have unit covariance; freezing. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "kd/base/rng.h"
#include "kd/nn/whiten.h"
#include "nets.h"

enum { N = 200, C = 2, SIDE = 6, PATCH = C * 4 };
static uint8_t bytes[N * C * SIDE * SIDE];
static char source[] = "made", split[] = "train";
static struct kd_images images = {.source = source,
                                  .split = split,
                                  .n = N,
                                  .c = C,
                                  .h = SIDE,
                                  .w = SIDE,
                                  .classes = 3,
                                  .dtype = KD_U8,
                                  .pixels = bytes};
static struct kd_err err;

/* Neighbours and channels that go together. */
static int make(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < N; i++) {
        struct kd_rng r = kd_rng_for(1, KD_FOR_TEST, 1, i);
        for (unsigned k = 0; k < SIDE * SIDE; k++) {
            uint8_t *p = bytes + i * C * SIDE * SIDE + k;
            p[0] = (uint8_t)(60 + kd_rng_below(&r, 80) + (k % SIDE ? p[-1] / 3 : 20));
            p[SIDE * SIDE] = (uint8_t)(p[0] / 2 + kd_rng_below(&r, 90));
        }
    }
    return 0;
}

static void eigen(void **state)
{
    (void)state;
    for (size_t n = 1; n <= 40; n += 13) {
        double a[40 * 40], copy[40 * 40], values[40], v[40 * 40];
        struct kd_rng r = kd_rng_for(2, KD_FOR_TEST, (uint32_t)n, 0);
        for (size_t i = 0; i < n; i++)
            for (size_t j = i; j < n; j++) a[i * n + j] = a[j * n + i] = (double)kd_rng_normal(&r);
        memcpy(copy, a, sizeof a);
        kd_eigen_symmetric(n, a, values, v);
        for (size_t i = 0; i < n; i++) {
            double most = 0;
            if (i) assert_true(values[i] <= values[i - 1]);
            for (size_t j = 0; j < n; j++) {
                double dot = 0, image = 0;
                for (size_t k = 0; k < n; k++) {
                    dot += v[i * n + k] * v[j * n + k];
                    image += copy[j * n + k] * v[i * n + k];
                }
                assert_true(fabs(dot - (i == j)) < 1e-12);
                assert_true(fabs(image - values[i] * v[i * n + j]) < 1e-11);
                if (fabs(v[i * n + j]) > fabs(most)) most = v[i * n + j];
            }
            assert_true(most > 0);
        }
    }
    double two[] = {2, 1, 1, 2}, values[2], v[4]; /* known: 3 and 1 */
    kd_eigen_symmetric(2, two, values, v);
    assert_true(fabs(values[0] - 3) < 1e-14 && fabs(values[1] - 1) < 1e-14);
    assert_true(fabs(v[0] - sqrt(0.5)) < 1e-14 && fabs(v[1] - sqrt(0.5)) < 1e-14);
}

#define LAYERS(filters, more)                                                                      \
    "[{\"kind\":\"conv2d\",\"kernel\":2,\"init\":\"whiten\",\"bias\":false,\"filters\":" filters   \
        more "},\"flatten\",{\"kind\":\"dense\"}]"

/* The outputs of the first half of the filters are uncorrelated, each of variance l / (l + 5e-4).
 */
static void whitened(void **state)
{
    (void)state;
    struct kd_network *net =
        net_of(LAYERS("16", ""), (struct kd_shape){C, SIDE, SIDE, false}, 3, 1);
    struct kd_network *again =
        net_of(LAYERS("16", ""), (struct kd_shape){C, SIDE, SIDE, false}, 3, 1);
    struct kd_subset all = {0};
    struct kd_normalize normalize;
    assert_int_equal(kd_subset_all(&images, &all, &err), 0);
    assert_int_equal(kd_normalize_init(&normalize, NULL, &images, &err), 0);
    assert_int_equal(kd_network_whiten(net, &all, &normalize, &err), 0);
    assert_int_equal(kd_network_whiten(again, &all, &normalize, &err), 0);
    const float *w = param_of(net, "0.weight")->value;
    assert_memory_equal(w, param_of(again, "0.weight")->value, 16 * PATCH * sizeof *w);
    for (unsigned i = 0; i < PATCH * PATCH; i++) assert_true(w[PATCH * PATCH + i] == -w[i]);
    static float x[N * C * SIDE * SIDE];
    double sum[PATCH] = {0}, both[PATCH][PATCH] = {{0}}, n = 0;
    kd_batch_fill(&(struct kd_view){.images = &images, .index = all.index, .n = N}, &normalize, 0,
                  N, x);
    for (unsigned i = 0; i < N; i++)
        for (unsigned at = 0; at < 25; at++, n++) {
            double out[PATCH] = {0};
            for (unsigned f = 0; f < PATCH; f++) {
                for (unsigned k = 0; k < PATCH; k++)
                    out[f] += (double)w[f * PATCH + k] *
                              (double)x[(i * C + k / 4) * SIDE * SIDE +
                                        (at / 5 + k / 2 % 2) * SIDE + at % 5 + k % 2];
                sum[f] += out[f];
            }
            for (unsigned f = 0; f < PATCH * PATCH; f++)
                both[f / PATCH][f % PATCH] += out[f / PATCH] * out[f % PATCH];
        }
    for (unsigned i = 0; i < PATCH; i++)
        for (unsigned j = 0; j < PATCH; j++) {
            double v = both[i][j] / n - sum[i] / n * (sum[j] / n);
            if (i != j ? fabs(v) > 1e-4 : v > 1 || v < 0.95)
                fail_msg("covariance %u,%u is %g", i, j, v);
        }
    kd_subset_release(&all);
    kd_network_free(net);
    kd_network_free(again);
}

static void refused(const char *layers, const char *what)
{
    err = (struct kd_err){0};
    if (net_try(layers, (struct kd_shape){C, SIDE, SIDE, false}, 3, &err))
        fail_msg("%s was built", layers);
    if (!strstr(err.text, what)) fail_msg("\"%s\" does not say \"%s\"", err.text, what);
}

static void refusals(void **state)
{
    (void)state;
    refused(LAYERS("18", ""), "at most 16 here");
    refused(LAYERS("7", ""), "even number of filters");
    refused("[\"relu\","
            "{\"kind\":\"conv2d\",\"init\":\"whiten\",\"filters\":2},\"flatten\",\"dense\"]",
            "first layer");
    refused(LAYERS("16", ",\"freeze\":\"bias\""), "it has no \"bias\" to train");
    refused("[\"flatten\",{\"kind\":\"dense\",\"freeze\":[\"weigth\"]}]", "weigth");
    refused(
        "[\"flatten\",{\"kind\":\"dense\"},{\"kind\":\"batchnorm\",\"freeze\":[\"running_mean\"]}]",
        "running_mean");
}

/* Frozen parameters get no gradient; the others get the same one as without, and so does the input.
 */
static void frozen(void **state)
{
    (void)state;
    static const char *const nets[2] = {
        "[{\"kind\":\"conv2d\",\"filters\":4},{\"kind\":\"conv2d\",\"filters\":4},\"batchnorm\","
        "\"relu\",\"flatten\","
        "{\"kind\":\"dense\",\"units\":5},\"batchnorm\",\"tanh\",{\"kind\":\"dense\"}]",
        "[{\"kind\":\"conv2d\",\"filters\":4},{\"kind\":\"conv2d\",\"filters\":4,\"freeze\":["
        "\"weight\",\"bias\"]},"
        "{\"kind\":\"batchnorm\",\"freeze\":\"bias\"},\"relu\",\"flatten\",{\"kind\":\"dense\","
        "\"units\":5,\"freeze\":"
        "\"weight\"},{\"kind\":\"batchnorm\",\"freeze\":[\"weight\",\"bias\"]},\"tanh\",{\"kind\":"
        "\"dense\",\"freeze\":"
        "\"bias\"}]"};
    struct kd_network *net[2];
    uint32_t sample[8] = {0};
    for (unsigned k = 0; k < 2; k++) {
        net[k] = net_of(nets[k], (struct kd_shape){C, SIDE, SIDE, false}, 3, 7);
        net_plan(net[k], 8, true);
        random_fill(net[k]->in, 8 * C * SIDE * SIDE, 1, 1);
        struct kd_pass pass = {.training = true, .sample = sample, .rows = 8};
        kd_network_forward(net[k], NULL, &pass);
        random_fill(net[k]->dout, 8 * 3, 1, 2);
        kd_network_backward(net[k], NULL, &pass, NULL);
    }
    unsigned without = 0;
    assert_int_equal(net[0]->parameters, net[1]->parameters);
    for (unsigned i = 0; i < net[0]->n_params; i++) {
        const struct kd_param *a = net[0]->params[i], *b = net[1]->params[i];
        if (a->trained && !b->trained) {
            assert_null(b->grad);
            without++;
        } else if (a->trained) {
            assert_memory_equal(a->grad, b->grad, a->count * sizeof(float));
        }
    }
    assert_int_equal(without, 7);
    kd_network_free(net[0]);
    kd_network_free(net[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(eigen),
        cmocka_unit_test(whitened),
        cmocka_unit_test(refusals),
        cmocka_unit_test(frozen),
    };
    return cmocka_run_group_tests_name("whiten", tests, make, NULL);
}
