/* MixUp and CutMix: what is drawn, the pixels, the labels and the soft targets; the losses against
 * PyTorch (test/fixtures/make_mixup.py). */
#include "kd/base/mem.h"
#include "kd/base/rng.h"
#include "kd/data/batch.h"
#include "kd/train/loss.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../lib/train/mixing.h"

static struct kd_err err;

/* ---- what is drawn ---- */

enum { N = 200, C = 2, H = 6, W = 8, PLANE = H * W, SIZE = C * PLANE };
static uint8_t bytes[N * SIZE];
static char name[] = "made", split_name[] = "train";
static struct kd_images images = {.source = name,
                                  .split = split_name,
                                  .n = N,
                                  .c = C,
                                  .h = H,
                                  .w = W,
                                  .classes = 1,
                                  .dtype = KD_U8,
                                  .pixels = bytes};
static uint32_t odd[N / 2];
static const struct kd_subset subset = {&images, odd, N / 2, true};
static const struct kd_normalize scale = {C, {0.25f, 0.5f}, {0.5f, 2.0f}};

static int make(void **state)
{
    (void)state;
    for (unsigned i = 0; i < N * SIZE; i++) bytes[i] = (uint8_t)(i * 89 + i / 7 + 1);
    for (uint32_t i = 0; i < N / 2; i++) odd[i] = 2 * i + 1;
    return 0;
}

/* Beta(a, a) has mean 1/2 and variance 1 / (4 (2a + 1)). */
static void test_shares(void **state)
{
    static const double alphas[] = {0.2, 1, 2.5};
    (void)state;
    for (unsigned k = 0; k < 3; k++) {
        const struct kd_mix mix = {KD_MIX_MIXUP, alphas[k], 1};
        double sum = 0, squares = 0;
        unsigned seen[N] = {0}, n = 0;
        for (uint32_t epoch = 0; epoch < 100; epoch++)
            for (uint32_t i = 0; i < N / 2; i++, n++) {
                const struct kd_mixed m = kd_mix_draw(&mix, &subset, 7, epoch, odd[i]);
                assert_true(m.share >= 0 && m.share <= 1 && !m.cut);
                assert_int_equal(m.with, odd[m.at]);
                seen[m.with]++;
                sum += (double)m.share;
                squares += (double)(m.share * m.share);
            }
        const double mean = sum / n, variance = squares / n - mean * mean;
        assert_true(fabs(mean - 0.5) < 0.015);
        assert_true(fabs(variance * 4 * (2 * alphas[k] + 1) - 1) < 0.05);
        for (unsigned i = 0; i < N; i++) assert_in_range(seen[i], i % 2 ? 60 : 0, i % 2 ? 140 : 0);
    }
}

static void test_some_are_mixed(void **state)
{
    const struct kd_mix mix = {KD_MIX_CUTMIX, 1, 0.3};
    unsigned mixed = 0;
    (void)state;
    for (uint32_t epoch = 0; epoch < 50; epoch++)
        for (uint32_t i = 0; i < N / 2; i++)
            mixed += kd_mix_draw(&mix, &subset, 7, epoch, odd[i]).share < 1;
    assert_in_range(mixed, 1200, 1600); /* some rectangles are empty */
}

/* A function of seed, epoch and image. */
static void test_pure(void **state)
{
    const struct kd_mix mix = {KD_MIX_MIXUP, 0.4, 1};
    const struct kd_mixed a = kd_mix_draw(&mix, &subset, 7, 3, 11);
    const struct kd_mixed other[] = {kd_mix_draw(&mix, &subset, 8, 3, 11),
                                     kd_mix_draw(&mix, &subset, 7, 4, 11),
                                     kd_mix_draw(&mix, &subset, 7, 3, 13)};
    (void)state;
    const struct kd_mixed again = kd_mix_draw(&mix, &subset, 7, 3, 11);
    assert_true(again.with == a.with && again.share == a.share);
    for (unsigned i = 0; i < 3; i++)
        assert_true(other[i].with != a.with || other[i].share != a.share);
}

/* ---- pixels ---- */

static void fill(const struct kd_augment *augment, const uint32_t *index, size_t n,
                 const struct kd_mixed *mixed, float *out)
{
    const struct kd_view view = {&images, index, n, augment, 5, 2, mixed};
    kd_batch_fill(&view, &scale, 0, n, out);
}

/* Each of both is augmented as it is alone. */
static void test_pixels(void **state)
{
    enum { ROWS = 40 };
    static const struct kd_augment kinds[] = {{0},
                                              {.shift = 2, .flip = 1, .cutout = 2, .fill = 1},
                                              {.shift = 1, .rotate = 20},
                                              {.brightness = 0.5, .flip = 2}};
    static float own[ROWS * SIZE], other[ROWS * SIZE], out[ROWS * SIZE];
    (void)state;
    for (unsigned k = 0; k < 8; k++) {
        const struct kd_mix mix = {k % 2 ? KD_MIX_CUTMIX : KD_MIX_MIXUP, 1, 0.8};
        const struct kd_augment *augment = kinds[k / 2].shift || k > 1 ? &kinds[k / 2] : NULL;
        struct kd_mixed m[ROWS];
        uint32_t with[ROWS];
        for (unsigned i = 0; i < ROWS; i++) {
            m[i] = kd_mix_draw(&mix, &subset, 3, k, odd[i]);
            with[i] = m[i].with;
        }
        fill(augment, odd, ROWS, NULL, own);
        fill(augment, with, ROWS, NULL, other);
        fill(augment, odd, ROWS, m, out);
        for (unsigned p = 0; p < ROWS * SIZE; p++) {
            const struct kd_mixed *q = &m[p / SIZE];
            const unsigned y = p % PLANE / W, x = p % W;
            const bool in = q->cut && y >= q->top && y < q->bottom && x >= q->left && x < q->right;
            const float sum = q->share * own[p] + (1 - q->share) * other[p];
            const float want = q->share >= 1 ? own[p] : q->cut ? (in ? other[p] : own[p]) : sum;
            if (!(out[p] == want))
                fail_msg("kind %u, place %u: %g not %g", k, p, (double)out[p], (double)want);
        }
    }
}

/* What is left of the image is its share. */
static void test_rectangle(void **state)
{
    const struct kd_mix mix = {KD_MIX_CUTMIX, 1, 1};
    double sum = 0;
    (void)state;
    for (uint32_t i = 0; i < 1000; i++) {
        const struct kd_mixed m = kd_mix_draw(&mix, &subset, 3, i, 1);
        assert_true(m.cut && m.bottom <= H && m.right <= W);
        const double area = (double)((m.bottom - m.top) * (m.right - m.left)) / PLANE;
        assert_true(fabs(1 - area - (double)m.share) < 1e-6);
        sum += area;
    }
    assert_true(sum > 250 && sum < 450); /* half, less what lies outside */
}

static void test_tables(void **state)
{
    const struct kd_images table = {.source = name, .split = split_name, .c = 5, .h = 1, .w = 1};
    const struct kd_mix up = {KD_MIX_MIXUP, 1, 1}, cut = {KD_MIX_CUTMIX, 1, 1};
    (void)state;
    assert_int_equal(kd_mix_check(&up, &table, &err), 0);
    assert_int_equal(kd_mix_check(&cut, &images, &err), 0);
    assert_int_equal(kd_mix_check(&cut, &table, &err), -1);
    assert_non_null(strstr(err.text, "rows of a table"));
}

/* ---- losses ---- */

static const void *part(const struct kd_tensorfile *f, const char *of, const char *what)
{
    char key[96];
    snprintf(key, sizeof key, "%s.%s", of, what);
    const struct kd_tensor *t = kd_tensorfile_find(f, key);
    if (!t) fail_msg("no %s", key);
    return t ? t->data : NULL; /* the analyser does not know that a test ends there */
}

static double number(const cJSON *json, const char *key)
{
    return cJSON_GetObjectItemCaseSensitive(json, key)->valuedouble;
}

static void compare_case(const struct kd_tensorfile *f, const char *of, const char *text)
{
    enum { MOST = 800, MOST_ROWS = 8 };
    static float rows[MOST], d[MOST];
    cJSON *json = cJSON_Parse(text);
    char key[96];
    snprintf(key, sizeof key, "%s.student", of);
    const struct kd_tensor *z = kd_tensorfile_find(f, key);
    const size_t n = z->shape[0], classes = z->shape[1];
    const float *shares = part(f, of, "shares"), *want = part(f, of, "gradient");
    struct kd_mixed m[MOST_ROWS];
    struct kd_distill_config config = {.temperature = number(json, "temperature"),
                                       .alpha = number(json, "alpha"),
                                       .weight = NAN,
                                       .label_weight = NAN,
                                       .ramp = NAN};
    struct kd_loss loss;
    struct kd_loss_sums sums = {0};
    for (size_t i = 0; i < n; i++) m[i] = (struct kd_mixed){.share = shares[i]};
    memcpy(rows, part(f, of, "own"), n * classes * sizeof *rows);
    kd_mixing_rows(&(struct kd_mixing){m, n, classes, config.temperature, false}, rows,
                   part(f, of, "other"));
    assert_int_equal(kd_loss_init(&loss, &config, number(json, "smoothing"), &err), 0);
    const struct kd_loss_batch b = {.n = n,
                                    .classes = classes,
                                    .logits = z->data,
                                    .labels = part(f, of, "labels"),
                                    .others = part(f, of, "others"),
                                    .shares = shares,
                                    .teacher = rows};
    double *scratch = test_malloc(kd_loss_scratch(&loss, n, classes) * sizeof *scratch);
    kd_loss_run(&loss, &b, d, scratch, &sums);
    const double value = number(json, "value"), got = sums.loss / (double)n;
    if (!(fabs(got - value) <= 1e-6 * value)) fail_msg("%s: %.10g not %.10g", of, got, value);
    double most = 0;
    for (size_t i = 0; i < n * classes; i++) most = fmax(most, fabs((double)want[i]));
    for (size_t i = 0; i < n * classes; i++)
        if (!(fabs((double)(d[i] - want[i])) <= 1e-6 * most))
            fail_msg("%s: gradient %zu: %.10g not %.10g", of, i, (double)d[i], (double)want[i]);
    assert_int_equal(sums.labelled, n);
    test_free(scratch);
    kd_loss_release(&loss);
    cJSON_Delete(json);
}

static void as_pytorch(void **state)
{
    struct kd_tensorfile f;
    const cJSON *item;
    unsigned cases = 0;
    (void)state;
    if (kd_tensorfile_read("test/fixtures/torch/mixup.safetensors", NULL, &f, &err) < 0)
        fail_msg("%s", err.text);
    cJSON_ArrayForEach(item, f.metadata)
    {
        if (item->valuestring[0] != '{') continue;
        compare_case(&f, item->string, item->valuestring);
        cases++;
    }
    assert_int_equal(cases, 4);
    kd_tensorfile_release(&f);
}

/* Of two labels the one that is not known adds nothing; the image is right by the larger part. */
static void test_unknown(void **state)
{
    static const float z[3] = {1, 2, 4}, mostly = 0.75f, little = 0.25f;
    static const int32_t none = -1, two = 2, one = 1;
    struct kd_loss loss;
    double scratch[100], plain = 0;
    (void)state;
    assert_int_equal(kd_loss_init(&loss, NULL, 0, &err), 0);
    assert_true(kd_loss_scratch(&loss, 1, 3) <= 100);
    const struct {
        const int32_t *label, *other;
        const float *share;
        double part;
        unsigned labelled, correct;
    } cases[] = {{&two, NULL, NULL, 1, 1, 1},        {&two, &none, &mostly, 0.75, 1, 1},
                 {&none, &two, &mostly, 0.25, 0, 0}, {&none, &two, &little, 0.75, 1, 1},
                 {&two, &two, &little, 1, 1, 1},     {&none, &none, &little, 0, 0, 0}};
    for (unsigned k = 0; k < 6; k++) {
        struct kd_loss_sums sums = {0};
        const struct kd_loss_batch b = {.n = 1,
                                        .classes = 3,
                                        .logits = z,
                                        .labels = cases[k].label,
                                        .others = cases[k].other,
                                        .shares = cases[k].share};
        kd_loss_run(&loss, &b, NULL, scratch, &sums);
        if (!k) plain = sums.hard;
        assert_true(fabs(sums.hard - cases[k].part * plain) < 1e-9);
        assert_true(sums.loss == sums.hard);
        assert_int_equal(sums.labelled, cases[k].labelled);
        assert_int_equal(sums.correct, cases[k].correct);
    }
    struct kd_loss_sums sums = {0};
    const struct kd_loss_batch wrong = {
        .n = 1, .classes = 3, .logits = z, .labels = &two, .others = &one, .shares = &little};
    kd_loss_run(&loss, &wrong, NULL, scratch, &sums);
    assert_int_equal(sums.correct, 0);
    kd_loss_release(&loss);
}

/* Logits so far apart that a softmax of one class is 0 stay finite; losses without temperature mix
 * the logits. */
static void test_rows(void **state)
{
    const struct kd_mixed m = {.share = 0.25f};
    float a[3] = {1000, 0, -1000}, c[3] = {1, 2, 3};
    const float b[3] = {-1000, 0, 1000}, d[3] = {3, 2, 5};
    (void)state;
    kd_mixing_rows(&(struct kd_mixing){&m, 1, 3, 1, false}, a, b);
    assert_true(fabsf(a[0] - logf(0.25f)) < 1e-5f && fabsf(a[2] - logf(0.75f)) < 1e-5f);
    assert_true(fabsf(a[1] + 1000) < 1e-3f);
    kd_mixing_rows(&(struct kd_mixing){&m, 1, 3, NAN, false}, c, d);
    assert_true(c[0] == 2.5f && c[1] == 2 && c[2] == 4.5f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shares),    cmocka_unit_test(test_some_are_mixed),
        cmocka_unit_test(test_pure),      cmocka_unit_test(test_pixels),
        cmocka_unit_test(test_rectangle), cmocka_unit_test(test_tables),
        cmocka_unit_test(as_pytorch),     cmocka_unit_test(test_unknown),
        cmocka_unit_test(test_rows),
    };
    return cmocka_run_group_tests(tests, make, NULL);
}
