#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kd/base/rng.h"
#include "kd/data/batch.h"
#include <math.h>
#include <string.h>

enum { N = 20, C = 2, H = 5, W = 4, SIZE = C * H * W };
static uint8_t bytes[N * SIZE];
static float floats[N * SIZE];
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
static const struct kd_normalize scale = {C, {0.25f, 0.5f}, {0.5f, 2.0f}};
static struct kd_err err;

static int make(void **state)
{
    (void)state;
    for (unsigned i = 0; i < N * SIZE; i++) {
        bytes[i] = (uint8_t)(i * 89 + i / 7 + 1);
        floats[i] = (float)bytes[i] / 8 - 3;
    }
    return 0;
}

/* What pixel (c,y,x) of image i becomes; outside the image raw 0. */
static float expected(unsigned i, unsigned c, int64_t y, int64_t x)
{
    const bool inside = y >= 0 && y < H && x >= 0 && x < W;
    const size_t at = inside ? (size_t)((i * C + c) * H * W + (size_t)y * W + (size_t)x) : 0;
    const double mean = (double)scale.mean[c], std = (double)scale.std[c];
    if (images.dtype == KD_U8) return (float)(((inside ? bytes[at] : 0) / 255.0 - mean) / std);
    return (float)(((inside ? (double)floats[at] : 0) - mean) / std);
}

static void check(const float *out, unsigned i, int64_t dx, int64_t dy)
{
    for (unsigned c = 0; c < C; c++)
        for (unsigned y = 0; y < H; y++)
            for (unsigned x = 0; x < W; x++, out++)
                if (fabsf(*out - expected(i, c, y - dy, x - dx)) > 1e-6f)
                    fail_msg("image %u channel %u (%u,%u): %g", i, c, y, x, (double)*out);
}

static void use(enum kd_dtype dtype)
{
    images.dtype = dtype;
    images.pixels = dtype == KD_U8 ? (void *)bytes : (void *)floats;
}

/* drawn: seed and epoch of the augmentation */
static void fill(const struct kd_normalize *normalize, const struct kd_augment *augment,
                 const uint64_t drawn[2], const uint32_t *index, size_t n, float *out)
{
    const struct kd_view view = {&images, index, n, augment, drawn[0], (uint32_t)drawn[1], NULL};
    kd_batch_fill(&view, normalize, 0, n, out);
}

static void test_fill(void **state)
{
    static const uint32_t index[3] = {7, 0, 19};
    float out[3 * SIZE];
    (void)state;
    for (unsigned f = 0; f < 2; f++) {
        use(f ? KD_F32 : KD_U8);
        fill(&scale, NULL, (const uint64_t[]){0, 0}, index, 3, out);
        for (unsigned j = 0; j < 3; j++) check(out + j * SIZE, index[j], 0, 0);
    }
}

/* Every shift in range occurs, the same one in both channels, and nothing but shifts. */
static void test_shift(void **state)
{
    const struct kd_augment augment = {.shift = 2};
    float out[SIZE];
    (void)state;
    for (unsigned f = 0; f < 2; f++) {
        unsigned seen[5][5] = {{0}};
        use(f ? KD_F32 : KD_U8);
        for (uint32_t epoch = 0; epoch < 400; epoch++) {
            const uint32_t i = epoch % N;
            unsigned matches = 0;
            fill(&scale, &augment, (const uint64_t[]){3, epoch}, &i, 1, out);
            for (int dy = -2; dy <= 2; dy++)
                for (int dx = -2; dx <= 2; dx++) {
                    int same = 0;
                    for (int k = 0; k < SIZE; k++)
                        same += fabsf(out[k] - expected(i, (unsigned)k / (H * W), k / W % H - dy,
                                                        k % W - dx)) < 1e-6f;
                    if (same < SIZE) continue;
                    matches++;
                    seen[dy + 2][dx + 2]++;
                }
            assert_int_equal(matches, 1);
        }
        for (unsigned k = 0; k < 25; k++) assert_in_range(seen[k / 5][k % 5], 3, 40);
    }
}

/* Recorded views are replayed by this rule, so it must stay: first x, to the right, then y, down.
 */
static void test_shift_rule(void **state)
{
    const struct kd_augment augment = {.shift = 3};
    float out[SIZE];
    (void)state;
    use(KD_U8);
    for (uint32_t i = 0; i < N; i++) {
        struct kd_rng rng = kd_rng_for(5, KD_FOR_AUGMENT, 2, i);
        const int64_t dx = (int64_t)kd_rng_below(&rng, 7) - 3;
        const int64_t dy = (int64_t)kd_rng_below(&rng, 7) - 3;
        fill(&scale, &augment, (const uint64_t[]){5, 2}, &i, 1, out);
        check(out, i, dx, dy);
    }
}

static void test_shift_beyond(void **state)
{
    const struct kd_augment augment = {.shift = 50};
    float out[SIZE];
    (void)state;
    use(KD_U8);
    for (uint32_t e = 0; e < 50; e++) { /* larger than the image: all raw 0, nothing read outside */
        const uint32_t i = 3;
        fill(&scale, &augment, (const uint64_t[]){1, e}, &i, 1, out);
    }
    for (unsigned k = 0; k < SIZE; k++) assert_true(isfinite(out[k]));
}

/* Augmentation is a function of (seed, epoch, sample), not of where in a batch it stands. */
static void test_pure(void **state)
{
    static const uint32_t forward[4] = {1, 2, 3, 4}, back[4] = {4, 3, 2, 1};
    const struct kd_augment augment = {.shift = 2};
    float a[4 * SIZE], b[4 * SIZE];
    unsigned changed = 0;
    (void)state;
    use(KD_U8);
    fill(&scale, &augment, (const uint64_t[]){9, 1}, forward, 4, a);
    fill(&scale, &augment, (const uint64_t[]){9, 1}, back, 4, b);
    for (unsigned j = 0; j < 4; j++)
        assert_memory_equal(a + j * SIZE, b + (3 - j) * SIZE, SIZE * sizeof *a);
    fill(&scale, &augment, (const uint64_t[]){9, 2}, forward, 4, b);
    changed += memcmp(a, b, sizeof a) != 0;
    fill(&scale, &augment, (const uint64_t[]){10, 1}, forward, 4, b);
    changed += memcmp(a, b, sizeof a) != 0;
    assert_int_equal(changed, 2);
    assert_false(kd_augment_active(NULL));
    assert_false(kd_augment_active(&(struct kd_augment){0}));
    assert_true(kd_augment_active(&augment));
}

/* Where the mirror image of a line of n pixels shows at place i: walk and turn at the ends. */
static int64_t walk(int64_t i, int64_t n)
{
    while (i < 0 || i >= n) i = n == 1 ? 0 : i < 0 ? -i : 2 * (n - 1) - i;
    return i;
}

/* All kinds together against the rules, pixel by pixel: flip, then shift, then cutout. */
static void check_all(const struct kd_augment *a, uint32_t epoch, uint32_t i)
{
    float out[SIZE], *at = out;
    int64_t dx = 0, dy = 0, cx = -99, cy = -99;
    fill(&scale, a, (const uint64_t[]){5, epoch}, &i, 1, out);
    struct kd_rng move = kd_rng_for(5, KD_FOR_AUGMENT, epoch, i);
    struct kd_rng flip = kd_rng_for(5, KD_FOR_FLIP, a->flip == 2 ? 0 : epoch, i);
    struct kd_rng cut = kd_rng_for(5, KD_FOR_CUTOUT, epoch, i);
    bool flipped = a->flip && (kd_rng_below(&flip, 2) + (a->flip == 2 ? epoch : 0)) % 2;
    if (a->shift) dx = (int64_t)kd_rng_below(&move, (uint32_t)(2 * a->shift + 1)) - a->shift;
    if (a->shift) dy = (int64_t)kd_rng_below(&move, (uint32_t)(2 * a->shift + 1)) - a->shift;
    if (a->cutout) cx = (int64_t)kd_rng_below(&cut, W) - a->cutout / 2;
    if (a->cutout) cy = (int64_t)kd_rng_below(&cut, H) - a->cutout / 2;
    for (unsigned c = 0; c < C; c++)
        for (int64_t y = 0; y < H; y++)
            for (int64_t x = 0; x < W; x++, at++) {
                int64_t sy = y - dy, sx = x - dx;
                if (a->fill == 1) sy = walk(sy, H), sx = walk(sx, W);
                if (flipped && sx >= 0 && sx < W) sx = W - 1 - sx;
                bool blank = x >= cx && x < cx + a->cutout && y >= cy && y < cy + a->cutout;
                float want = blank ? 0 : expected(i, c, sy, sx);
                if (fabsf(*at - want) > 1e-6f)
                    fail_msg("shift %d fill %d flip %d cutout %d, epoch %u image %u (%u,%d,%d): %g "
                             "not %g",
                             (int)a->shift, a->fill, a->flip, (int)a->cutout, epoch, i, c, (int)y,
                             (int)x, (double)*at, (double)want);
            }
}

static void test_all_kinds(void **state)
{
    static const int64_t shifts[] = {0, 1, 3, 11}, cuts[] = {0, 1, 2, 3, 40};
    (void)state;
    for (unsigned k = 0; k < 2 * 4 * 2 * 3 * 5; k++) {
        struct kd_augment a = {.shift = shifts[k / 2 % 4],
                               .fill = (int)(k / 8 % 2),
                               .flip = (int)(k / 16 % 3),
                               .cutout = cuts[k / 48]};
        use(k % 2 ? KD_F32 : KD_U8);
        for (uint32_t epoch = 0; epoch < 6; epoch++)
            for (uint32_t i = 0; i < N; i++) check_all(&a, epoch, i);
    }
}

/* alternate: half of the images are mirrored in the first epoch, and each is every second one. */
static void test_alternate(void **state)
{
    const struct kd_augment augment = {.flip = 2};
    float out[SIZE], plain[SIZE];
    unsigned first = 0;
    (void)state;
    use(KD_U8);
    for (uint32_t i = 0; i < N; i++) {
        bool flipped[6];
        fill(&scale, NULL, (const uint64_t[]){4, 0}, &i, 1, plain);
        for (uint32_t e = 0; e < 6; e++) {
            fill(&scale, &augment, (const uint64_t[]){4, e}, &i, 1, out);
            flipped[e] = memcmp(out, plain, sizeof out) != 0;
            if (e) assert_int_not_equal(flipped[e], flipped[e - 1]);
        }
        first += flipped[0];
    }
    assert_in_range(first, N / 4, N - N / 4);
}

/* Bilinear in double, at (y, x) of the raw image; raw 0 outside, or its mirror image. */
static double between(unsigned i, unsigned c, double y, double x, bool mirrored)
{
    const int64_t y0 = (int64_t)floor(y), x0 = (int64_t)floor(x);
    double sum = 0;
    for (int64_t k = 0; k < 4; k++) {
        int64_t sy = y0 + k / 2, sx = x0 + k % 2;
        const double share = (1 - fabs(y - (double)sy)) * (1 - fabs(x - (double)sx));
        if (mirrored) sy = walk(sy, H), sx = walk(sx, W);
        if (sy < 0 || sy >= H || sx < 0 || sx >= W) continue;
        const size_t at = (i * C + c) * H * W + (size_t)(sy * W + sx);
        sum += share * (images.dtype == KD_U8 ? (double)bytes[at] / 255 : (double)floats[at]);
    }
    return sum;
}

/* Turned by an angle and made larger about the middle, by the rule that recorded views keep to:
 * first the angle is drawn, then the size. Bytes are rounded once, and places to 1/256. */
static void test_turn(void **state)
{
    float out[SIZE];
    (void)state;
    for (unsigned k = 0; k < 4; k++) {
        const struct kd_augment a = {.rotate = 50, .scale = 0.3, .fill = (int)(k / 2)};
        use(k % 2 ? KD_F32 : KD_U8);
        for (uint32_t i = 0; i < N; i++) {
            struct kd_rng rng = kd_rng_for(5, KD_FOR_TURN, 3, i);
            const double angle = 50 * M_PI / 180 * (2 * (double)kd_rng_uniform(&rng) - 1);
            const double size = 1 + 0.3 * (2 * (double)kd_rng_uniform(&rng) - 1);
            const double range = k % 2 ? 32 : 1, step = 2.0 / 256 + (k % 2 ? 0 : 0.5 / 255);
            fill(&scale, &a, (const uint64_t[]){5, 3}, &i, 1, out);
            for (unsigned p = 0; p < SIZE; p++) {
                const unsigned c = p / (H * W);
                const double dy = p / W % H - (H - 1) / 2.0, dx = p % W - (W - 1) / 2.0;
                const double sy = (-sin(angle) * dx + cos(angle) * dy) / size + (H - 1) / 2.0;
                const double sx = (cos(angle) * dx + sin(angle) * dy) / size + (W - 1) / 2.0;
                const double raw = between(i, c, sy, sx, k / 2);
                const double want = (raw - (double)scale.mean[c]) / (double)scale.std[c];
                if (fabs((double)out[p] - want) > range * step / (double)scale.std[c])
                    fail_msg("kind %u image %u place %u: %g not %g", k, i, p, (double)out[p], want);
            }
        }
    }
}

/* No turn and size 1 by chance: what is between pixels is not touched. */
static void test_turn_of_nothing(void **state)
{
    const struct kd_augment turned = {.shift = 2,
                                      .flip = 1,
                                      .cutout = 2,
                                      .fill = 1,
                                      .rotate = 1e-9},
                            plain = {.shift = 2, .flip = 1, .cutout = 2, .fill = 1};
    float a[SIZE], b[SIZE];
    (void)state;
    for (unsigned k = 0; k < 2 * N; k++) {
        const uint32_t i = k / 2;
        use(k % 2 ? KD_F32 : KD_U8);
        fill(&scale, &turned, (const uint64_t[]){5, 3}, &i, 1, a);
        fill(&scale, &plain, (const uint64_t[]){5, 3}, &i, 1, b);
        assert_memory_equal(a, b, sizeof a);
    }
}

static void test_brightness(void **state)
{
    const struct kd_augment a = {.brightness = 0.8};
    float out[SIZE];
    (void)state;
    for (unsigned k = 0; k < 2 * N; k++) {
        const uint32_t i = k / 2;
        struct kd_rng rng = kd_rng_for(5, KD_FOR_BRIGHTNESS, 3, i);
        const float light = (float)(1 + 0.8 * (2 * (double)kd_rng_uniform(&rng) - 1));
        use(k % 2 ? KD_F32 : KD_U8);
        fill(&scale, &a, (const uint64_t[]){5, 3}, &i, 1, out);
        for (unsigned p = 0; p < SIZE; p++) {
            const double mean = (double)scale.mean[p / (H * W)];
            const double lit = fmin(255, rint((double)((float)bytes[i * SIZE + p] * light))) / 255;
            const double raw = k % 2 ? (double)(floats[i * SIZE + p] * light) : lit;
            const double want = (raw - mean) / (double)scale.std[p / (H * W)];
            assert_true(fabs((double)out[p] - want) < 1e-5);
        }
    }
}

static void test_compared(void **state)
{
    const struct kd_augment a = {.shift = 2, .fill = 1, .flip = 2, .cutout = 8};
    struct kd_augment b = a;
    char text[KD_AUGMENT_TEXT];
    (void)state;
    assert_true(kd_augment_same(&a, &b));
    b.shift++, assert_false(kd_augment_same(&a, &b)), b = a;
    b.fill = 0, assert_false(kd_augment_same(&a, &b)), b = a;
    b.flip = 1, assert_false(kd_augment_same(&a, &b)), b = a;
    b.cutout++, assert_false(kd_augment_same(&a, &b)), b = a;
    b.rotate++, assert_false(kd_augment_same(&a, &b)), b = a;
    b.scale = 0.1, assert_false(kd_augment_same(&a, &b)), b = a;
    b.brightness = 0.1, assert_false(kd_augment_same(&a, &b)), b = a;
    kd_augment_text(&a, text);
    assert_string_equal(text, "shift 2, fill reflect, flip alternate, cutout 8");
    b.rotate = 7.5, b.scale = 0.25, b.brightness = 0.1;
    kd_augment_text(&b, text);
    assert_string_equal(text, "shift 2, fill reflect, flip alternate, cutout 8, rotate 7.5, scale "
                              "0.25, brightness 0.1");
}

static void test_normalize(void **state)
{
    struct kd_normalize n;
    float out[N * SIZE];
    uint32_t index[N];
    (void)state;
    use(KD_U8);
    assert_int_equal(kd_normalize_init(&n, NULL, &images, &err), 0);
    assert_int_equal(n.channels, C);
    for (uint32_t i = 0; i < N; i++) index[i] = i;
    fill(&n, NULL, (const uint64_t[]){0, 0}, index, N, out);
    for (unsigned c = 0; c < C; c++) { /* mean 0 and variance 1 by channel */
        double sum = 0, squares = 0;
        for (unsigned i = 0; i < N * SIZE; i++) {
            if (i / (H * W) % C != c) continue;
            sum += (double)out[i];
            squares += (double)out[i] * (double)out[i];
        }
        assert_true(fabs(sum / (N * H * W)) < 1e-5);
        assert_true(fabs(squares / (N * H * W) - 1) < 1e-5);
    }
    use(KD_F32);
    assert_int_equal(kd_normalize_init(&n, NULL, &images, &err), 0);
    assert_true(n.mean[1] == 0 && n.std[1] == 1);
    static uint8_t flat[SIZE];
    memset(flat, 77, sizeof flat);
    struct kd_images constant = images;
    constant.dtype = KD_U8;
    constant.n = 1;
    constant.pixels = flat;
    assert_int_equal(kd_normalize_init(&n, NULL, &constant, &err), 0);
    assert_true(n.std[0] == 1 && n.std[1] == 1);
    assert_true(fabsf(n.mean[0] - 77 / 255.0f) < 1e-7f);
}

static void init_refused(const char *text, const char *word)
{
    struct kd_normalize n;
    cJSON *json = kd_json_parse(text, strlen(text), "text", &err);
    assert_non_null(json);
    assert_int_equal(kd_normalize_init(&n, json, &images, &err), -1);
    assert_int_equal(err.kind, KD_ERR_USAGE);
    if (!strstr(err.text, word)) fail_msg("'%s' does not say '%s'", err.text, word);
    cJSON_Delete(json);
}

static void test_normalize_json(void **state)
{
    struct kd_normalize n, back;
    (void)state;
    use(KD_U8);
    assert_int_equal(kd_normalize_init(&n, NULL, &images, &err), 0);
    cJSON *json = kd_normalize_to_json(&n, &err);
    char *text = kd_json_text(json, false, &err);
    cJSON *again = kd_json_parse(text, strlen(text), "text", &err);
    assert_int_equal(kd_normalize_from_json(&back, again, "kd.normalize", &err), 0);
    assert_memory_equal(&n, &back, sizeof n);
    assert_int_equal(kd_normalize_init(&back, json, &images, &err), 0);
    assert_memory_equal(&n, &back, sizeof n);
    cJSON_Delete(json);
    cJSON_Delete(again);
    kd_free(text);
    json = cJSON_CreateString("none");
    assert_int_equal(kd_normalize_init(&n, json, &images, &err), 0);
    assert_true(n.mean[0] == 0 && n.std[0] == 1);
    cJSON_Delete(json);
    init_refused("\"nome\"", "none");
    init_refused("{\"mean\":[0],\"std\":[1]}", "1 channels given, made has 2");
    init_refused("{\"mean\":[0,0],\"std\":[1]}", "2 means and 1 stds");
    init_refused("{\"mean\":[0,0],\"std\":[1,0]}", "data.normalize.std[1]");
    init_refused("{\"mean\":[0,0],\"std\":[1,-1]}", "data.normalize.std[1]");
    init_refused("{\"mean\":[0,\"a\"],\"std\":[1,1]}", "data.normalize.mean[1]");
    init_refused("{\"mean\":[0,1e300],\"std\":[1,1]}", "data.normalize.mean[1]");
    init_refused("{\"mean\":[0,0],\"std\":[1,1],\"sd\":1}", "unknown key 'sd'");
    init_refused("{\"mean\":[]}", "mean");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fill),
        cmocka_unit_test(test_shift),
        cmocka_unit_test(test_shift_beyond),
        cmocka_unit_test(test_shift_rule),
        cmocka_unit_test(test_pure),
        cmocka_unit_test(test_normalize),
        cmocka_unit_test(test_normalize_json),
        cmocka_unit_test(test_all_kinds),
        cmocka_unit_test(test_alternate),
        cmocka_unit_test(test_turn),
        cmocka_unit_test(test_turn_of_nothing),
        cmocka_unit_test(test_brightness),
        cmocka_unit_test(test_compared),
    };
    return cmocka_run_group_tests(tests, make, NULL);
}
