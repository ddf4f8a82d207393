/* Test-time augmentation against the logits of the copies, made and weighted one by one. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "kd/nn/gemm.h"
#include "kd/train/targets.h"
#include "nets.h"

enum { N = 7, C = 2, H = 5, W = 4, SIZE = C * H * W, CLASSES = 3 };
static float pixels[N * SIZE], copies[N * 6 * SIZE];
static char source[] = "made", split[] = "train";
static struct kd_images images = {.source = source,
                                  .split = split,
                                  .n = N,
                                  .c = C,
                                  .h = H,
                                  .w = W,
                                  .classes = CLASSES,
                                  .dtype = KD_F32,
                                  .pixels = pixels};
static struct kd_images copied = {.source = source,
                                  .split = split,
                                  .n = N * 6,
                                  .c = C,
                                  .h = H,
                                  .w = W,
                                  .classes = CLASSES,
                                  .dtype = KD_F32,
                                  .pixels = copies};
static const struct kd_normalize scale = {C, {0.25f, 0.5f}, {0.5f, 2.0f}};
static struct kd_err err;

static int at(int i, int n)
{
    return i < 0 ? -i : i < n ? i : 2 * n - 2 - i;
}

/* Copy k of image i: as it is, moved right and down, left and up; and the mirror images of these.
 */
static int make(void **state)
{
    (void)state;
    random_fill(pixels, N * SIZE, 1, 1);
    for (int k = 0; k < 6 * N * SIZE; k++) {
        int x = k % W, y = k / W % H, c = k / (H * W) % C, copy = k / SIZE % 6, i = k / SIZE / 6;
        int by = copy / 2 == 0 ? 0 : copy / 2 == 1 ? 1 : -1;
        if (copy % 2) x = W - 1 - x;
        copies[k] = pixels[((i * C + c) * H + at(y - by, H)) * W + at(x - by, W)];
    }
    return 0;
}

static void weighted(void **state)
{
    (void)state;
    static const float weights[3][6] = {{1, 0, 0, 0, 0, 0},
                                        {0.5f, 0.5f, 0, 0, 0, 0},
                                        {0.25f, 0.25f, 0.125f, 0.125f, 0.125f, 0.125f}};
    struct kd_network *net =
        net_of("[{\"kind\":\"conv2d\",\"filters\":5},\"gelu\",\"flatten\",{\"kind\":\"dense\"}]",
               (struct kd_shape){C, H, W, false}, CLASSES, 3);
    struct kd_view view = {.images = &images}, all = {.images = &copied, .n = N * 6};
    struct kd_model model = {.path = "model", .net = net, .normalize = scale};
    struct kd_asking how = {0};
    float one[N * 6 * CLASSES], got[N * CLASSES];
    static const uint32_t order[4] = {6, 0, 3, 3};
    net_plan(net, 3, false); /* batches that do not divide the images */
    assert_int_equal(kd_predict(&model, &all, &how, one, &err), 0);
    for (unsigned tta = 0; tta < 3; tta++)
        for (unsigned listed = 0; listed < 2; listed++) {
            unsigned n = listed ? 4 : N;
            view.n = n;
            view.index = listed ? order : NULL;
            how.tta = (enum kd_tta)tta;
            assert_int_equal(kd_predict(&model, &view, &how, got, &err), 0);
            for (unsigned i = 0; i < n * CLASSES; i++) {
                unsigned image = listed ? order[i / CLASSES] : i / CLASSES;
                float want = 0;
                for (unsigned k = 0; k < 6; k++)
                    want += weights[tta][k] * one[(image * 6 + k) * CLASSES + i % CLASSES];
                if (fabsf(got[i] - want) > 1e-5f)
                    fail_msg("%s, image %u: %g, expected %g", kd_tta_name((enum kd_tta)tta), image,
                             (double)got[i], (double)want);
            }
        }
    kd_network_free(net);
}

static void narrow(void **state) /* one pixel wide: nothing to mirror or move into */
{
    (void)state;
    struct kd_images thin = images;
    struct kd_view view = {.images = &thin, .n = N};
    struct kd_asking how = {0};
    float a[N * CLASSES], b[N * CLASSES];
    thin.h = thin.w = 1;
    struct kd_network *net =
        net_of("[\"flatten\",{\"kind\":\"dense\"}]", (struct kd_shape){C, 1, 1, false}, CLASSES, 3);
    struct kd_model model = {.path = "model", .net = net, .normalize = scale};
    assert_int_equal(kd_predict(&model, &view, &how, a, &err), 0);
    how.tta = KD_TTA_MIRROR_SHIFTS;
    assert_int_equal(kd_predict(&model, &view, &how, b, &err), 0);
    for (unsigned i = 0; i < N * CLASSES; i++) assert_true(fabsf(a[i] - b[i]) < 1e-5f);
    kd_network_free(net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(weighted), cmocka_unit_test(narrow)};
    kd_blas_init();
    return cmocka_run_group_tests_name("tta", tests, make, NULL);
}
