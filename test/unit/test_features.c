/* Losses that compare features: against PyTorch (test/fixtures/make_features.py), against
 * differences of themselves, with one image, at extreme values and where features are all alike;
 * and the way from a tap to what is compared: averaged maps, linear layers. */
#include "kd/base/mem.h"
#include "kd/base/rng.h"
#include "kd/base/tensorfile.h"
#include "kd/nn/maps.h"
#include "kd/nn/projector.h"
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

#include "nets.h"

enum { MOST = 1024, CLASSES = 3, MOST_ROWS = 9 };
static struct kd_err err;

struct batch { /* of one pair of layers */
    size_t n;
    struct kd_loss_side student, teacher;
    float s[MOST], t[MOST], d[MOST];
};

static void open_loss(struct kd_loss *loss, const char *text)
{
    struct kd_distill_config d = {.loss = json_of(text),
                                  .temperature = NAN,
                                  .alpha = NAN,
                                  .weight = 1,
                                  .label_weight = 0,
                                  .ramp = NAN};
    if (kd_loss_init(loss, &d, 0, &err) < 0) fail_msg("%s: %s", text, err.text);
    loss->term[0].n_pairs = 1;
    cJSON_Delete(d.loss);
}

/* The batch's mean; its gradient in b->d. `whole`: images of the batch that it is a shard of. */
static double value_within(struct kd_loss *loss, struct batch *b, size_t whole)
{
    static const float logits[MOST_ROWS * CLASSES];
    static const int32_t labels[MOST_ROWS] = {0, 1, 2, -1, 1, 0, 2, 1, 0};
    const struct kd_loss_pair pair = {b->student, b->teacher, b->d};
    float dlogits[MOST_ROWS * CLASSES];
    struct kd_loss_batch batch = {.n = b->n,
                                  .classes = CLASSES,
                                  .logits = logits,
                                  .labels = labels,
                                  .teacher = logits,
                                  .whole = whole,
                                  .pairs = &pair};
    struct kd_loss_sums sums = {0};
    loss->term[0].pixels =
        b->student.pixels > b->teacher.pixels ? b->student.pixels : b->teacher.pixels;
    double *scratch = test_malloc(kd_loss_scratch(loss, b->n, CLASSES) * sizeof *scratch);
    kd_loss_run(loss, &batch, dlogits, scratch, &sums);
    test_free(scratch); /* with checked ends */
    for (size_t i = 0; i < b->n * CLASSES; i++) assert_true(dlogits[i] == 0);
    return sums.term[0] / (double)b->n;
}

static double value_of(struct kd_loss *loss, struct batch *b)
{
    return value_within(loss, b, 0);
}

static size_t size_of(const struct batch *b)
{
    return b->n * b->student.pixels * b->student.cols;
}

/* ---- PyTorch ---- */

static const struct kd_tensor *part(const struct kd_tensorfile *f, const char *name,
                                    const char *what)
{
    char key[96];
    snprintf(key, sizeof key, "%s.%s", name, what);
    const struct kd_tensor *t = kd_tensorfile_find(f, key);
    if (!t) fail_msg("no %s", key);
    return t;
}

static void take(const struct kd_tensorfile *f, const char *name, struct batch *b)
{
    const struct kd_tensor *s = part(f, name, "student"), *t = part(f, name, "teacher");
    assert_true(s->count <= MOST && t->count <= MOST && s->shape[0] <= MOST_ROWS);
    *b = (struct batch){.n = s->shape[0],
                        .student = {s->shape[1], s->shape[2], b->s},
                        .teacher = {t->shape[1], t->shape[2], b->t}};
    memcpy(b->s, s->data, s->count * sizeof(float));
    memcpy(b->t, t->data, t->count * sizeof(float));
}

static void same_gradient(const char *name, const float *got, const struct kd_tensor *expected,
                          double floor)
{
    const float *d = expected->data;
    double most = 0;
    for (size_t i = 0; i < expected->count; i++) most = fmax(most, fabs((double)d[i]));
    for (size_t i = 0; i < expected->count; i++)
        if (!(fabs((double)got[i] - (double)d[i]) <= 1e-6 * fabs((double)d[i]) + floor * most))
            fail_msg("%s: gradient %zu is %.10g, PyTorch's %.10g", name, i, (double)got[i],
                     (double)d[i]);
}

static double value_in(const cJSON *json)
{
    return cJSON_GetObjectItemCaseSensitive(json, "value")->valuedouble;
}

static void compare_case(const struct kd_tensorfile *f, const char *name, const cJSON *json)
{
    static struct batch b;
    struct kd_loss loss;
    char *spec = cJSON_PrintUnformatted(cJSON_GetObjectItemCaseSensitive(json, "loss"));
    open_loss(&loss, spec);
    take(f, name, &b);
    const double got = value_of(&loss, &b), expected = value_in(json);
    if (!(fabs(got - expected) <= 1e-6 * fabs(expected) + 1e-15))
        fail_msg("%s: %.10g, PyTorch's %.10g", name, got, expected);
    same_gradient(name, b.d, part(f, name, "gradient"), 1e-9);
    kd_loss_release(&loss);
    free(spec);
}

/* Maps averaged, through a linear layer, squared differences; and all the way back. */
static void compare_projected(const struct kd_tensorfile *f, const char *name, const cJSON *json)
{
    const struct kd_map_sizes sizes = {4, 6, 2, 4, 3};
    static struct batch b;
    static float averaged[MOST], back[MOST];
    struct kd_loss loss;
    struct kd_projector p;
    open_loss(&loss, "\"fitnet\"");
    take(f, name, &b);
    const size_t rows = b.n * b.teacher.pixels;
    const struct kd_pass pass = {.training = true, .rows = rows};
    assert_int_equal(kd_projector_open(&p, 3, 5, "taps.x", &err), 0);
    assert_int_equal(kd_projector_plan(&p, rows, &err), 0);
    memcpy(p.net->params[0]->value, part(f, name, "weight")->data, 15 * sizeof(float));
    memcpy(p.net->params[1]->value, part(f, name, "bias")->data, 5 * sizeof(float));
    kd_maps_average(&sizes, b.n, b.s, averaged);
    memcpy(p.in, averaged, rows * 3 * sizeof(float));
    kd_projector_forward(&p, NULL, &pass);
    struct batch through = {.n = b.n, .teacher = b.teacher};
    through.student = (struct kd_loss_side){b.teacher.pixels, 5, p.out};
    const double got = value_of(&loss, &through), expected = value_in(json);
    if (!(fabs(got - expected) <= 1e-6 * expected))
        fail_msg("%s: %.10g, PyTorch's %.10g", name, got, expected);
    memcpy(p.dout, through.d, rows * 5 * sizeof(float));
    kd_projector_backward(&p, NULL, &pass, NULL);
    memset(back, 0, sizeof back);
    kd_maps_spread(&sizes, b.n, p.din, back);
    same_gradient("projected", back, part(f, name, "gradient"), 1e-6); /* sums in floats */
    same_gradient("weight", p.net->params[0]->grad, part(f, name, "weight_gradient"), 1e-6);
    same_gradient("bias", p.net->params[1]->grad, part(f, name, "bias_gradient"), 1e-6);
    kd_projector_release(&p);
    kd_loss_release(&loss);
}

static void as_pytorch(void **state)
{
    (void)state;
    struct kd_tensorfile f;
    const cJSON *item;
    unsigned cases = 0;
    if (kd_tensorfile_read("test/fixtures/torch/features.safetensors", NULL, &f, &err) < 0)
        fail_msg("%s", err.text);
    cJSON_ArrayForEach(item, f.metadata)
    {
        if (item->valuestring[0] != '{' || strncmp(item->string, "kd.", 3) == 0) continue;
        cJSON *json = json_of(item->valuestring);
        const bool projected = strcmp(item->string, "projected") == 0;
        (projected ? compare_projected : compare_case)(&f, item->string, json);
        cJSON_Delete(json);
        cases++;
    }
    assert_true(cases >= 12);
    kd_tensorfile_release(&f);
}

/* ---- what every kind has to keep ---- */

static const struct {
    const char *loss;
    size_t pixels, student, teacher; /* columns */
    bool over_batch;
} kinds[] = {
    {"{\"kind\": \"fitnet\"}", 1, 6, 6, false},
    {"{\"kind\": \"fitnet\"}", 4, 3, 3, false},
    {"{\"kind\": \"simkd\"}", 4, 3, 3, false},
    {"{\"kind\": \"at\"}", 6, 3, 5, false},
    {"{\"kind\": \"sp\"}", 1, 6, 4, true},
    {"{\"kind\": \"sp\"}", 3, 2, 5, true},
    {"{\"kind\": \"rkd\"}", 1, 6, 4, true},
    {"{\"kind\": \"rkd\", \"angle\": 0}", 1, 6, 4, true},
    {"{\"kind\": \"rkd\", \"distance\": 0}", 2, 3, 3, true},
};
enum { KINDS = sizeof kinds / sizeof *kinds };

static void fill(struct batch *b, unsigned kind, size_t n, float scale)
{
    struct kd_rng g = kd_rng_for(1, KD_FOR_TEST, 5, kind);
    *b = (struct batch){.n = n,
                        .student = {kinds[kind].pixels, kinds[kind].student, b->s},
                        .teacher = {kinds[kind].pixels, kinds[kind].teacher, b->t}};
    for (size_t i = 0; i < MOST; i++) {
        b->s[i] = scale * kd_rng_normal(&g);
        b->t[i] = scale * kd_rng_normal(&g);
    }
}

static void slopes(struct kd_loss *loss, struct batch *b, const char *name)
{
    static float d[MOST];
    double most = 0;
    value_of(loss, b);
    memcpy(d, b->d, sizeof d);
    for (size_t i = 0; i < size_of(b); i++) most = fmax(most, fabs((double)d[i]));
    for (size_t i = 0; i < size_of(b); i++) {
        const float x = b->s[i], h = 1e-3f;
        b->s[i] = x + h;
        double up = value_of(loss, b), dx = (double)b->s[i];
        b->s[i] = x - h;
        double down = value_of(loss, b);
        dx -= (double)b->s[i];
        b->s[i] = x;
        double slope = (up - down) / dx;
        if (!(fabs(slope - (double)d[i]) <= 1e-4 * most + 1e-7))
            fail_msg("%s, %zu images: slope %zu is %.8g by differences, %.8g told", name, b->n, i,
                     slope, (double)d[i]);
    }
}

static void differences(void **state)
{
    (void)state;
    static struct batch b;
    static const size_t images[] = {5, 2, 1};
    for (unsigned k = 0; k < KINDS; k++)
        for (unsigned i = 0; i < 3; i++) {
            struct kd_loss loss;
            open_loss(&loss, kinds[k].loss);
            fill(&b, k, images[i], 1);
            slopes(&loss, &b, kinds[k].loss);
            kd_loss_release(&loss);
        }
}

static void check_finite(struct kd_loss *loss, struct batch *b, const char *name)
{
    const double value = value_of(loss, b);
    if (!isfinite(value) || value < 0) fail_msg("%s: %g", name, value);
    for (size_t i = 0; i < size_of(b); i++)
        if (!isfinite(b->d[i])) fail_msg("%s: gradient %zu is %g", name, i, (double)b->d[i]);
}

static void extreme_features(void **state)
{
    (void)state;
    static struct batch b;
    static const float scales[] = {0, 1e-30f, 1e-6f, 1e4f, 1e9f};
    for (unsigned k = 0; k < KINDS; k++)
        for (unsigned i = 0; i < 5; i++) {
            struct kd_loss loss;
            open_loss(&loss, kinds[k].loss);
            for (size_t n = 1; n <= 4; n += 3) {
                fill(&b, k, n, scales[i]);
                check_finite(&loss, &b, kinds[k].loss);
                for (size_t j = 0; j < MOST; j++) b.s[j] = 3; /* all images alike */
                check_finite(&loss, &b, kinds[k].loss);
                fill(&b, k, n, scales[i]); /* and one that is nothing */
                memset(b.s, 0, kinds[k].pixels * kinds[k].student * sizeof *b.s);
                memset(b.t, 0, kinds[k].pixels * kinds[k].teacher * sizeof *b.t);
                check_finite(&loss, &b, kinds[k].loss);
            }
            kd_loss_release(&loss);
        }
}

/* A shard's gradient counts by the whole batch; its value is its own. */
static void shards(void **state)
{
    (void)state;
    static struct batch b;
    float d[MOST];
    for (unsigned k = 0; k < KINDS; k++) {
        struct kd_loss loss;
        open_loss(&loss, kinds[k].loss);
        fill(&b, k, 4, 1);
        const double alone = value_of(&loss, &b);
        memcpy(d, b.d, sizeof d);
        assert_true(value_within(&loss, &b, 8) == alone);
        for (size_t i = 0; i < size_of(&b); i++)
            assert_true(fabs((double)b.d[i] - (double)d[i] / 2) <= 1e-7 * fabs((double)d[i]));
        kd_loss_release(&loss);
    }
}

/* Images are told apart from each other, except where a loss compares them. */
static void rows_alone(void **state)
{
    (void)state;
    static struct batch b, one;
    for (unsigned k = 0; k < KINDS; k++) {
        struct kd_loss loss;
        double sum = 0;
        const size_t s = kinds[k].pixels * kinds[k].student, t = kinds[k].pixels * kinds[k].teacher;
        open_loss(&loss, kinds[k].loss);
        fill(&b, k, 4, 1);
        const double together = value_of(&loss, &b);
        for (size_t i = 0; i < 4; i++) {
            fill(&one, k, 1, 1);
            memcpy(one.s, b.s + i * s, s * sizeof(float));
            memcpy(one.t, b.t + i * t, t * sizeof(float));
            sum += value_of(&loss, &one) / 4;
        }
        const bool same = fabs(sum - together) < 1e-9 * fabs(together);
        if (same == kinds[k].over_batch)
            fail_msg("%s: %.12g together, %.12g alone", kinds[k].loss, together, sum);
        kd_loss_release(&loss);
    }
}

/* Every listed loss that compares layers is among the kinds above. */
static void all_are_listed(void **state)
{
    (void)state;
    struct kd_bytes text = {0};
    assert_int_equal(kd_loss_list(&text, &err), 0);
    char quoted[64] = "";
    unsigned listed = 0;
    for (const char *line = text.data; line && *line; line += strcspn(line, "\n") + 1) {
        if (*line != ' ')
            snprintf(quoted, sizeof quoted, "\"%.*s\"", (int)strcspn(line, " "), line);
        if (strncmp(line, "        compares layers", 23) != 0) continue;
        bool tested = false;
        for (unsigned k = 0; k < KINDS; k++) tested = tested || strstr(kinds[k].loss, quoted);
        if (!tested) fail_msg("%s is not among the kinds of this test", quoted);
        listed++;
    }
    assert_true(listed >= 5);
    kd_bytes_release(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_pytorch),       cmocka_unit_test(differences),
        cmocka_unit_test(extreme_features), cmocka_unit_test(shards),
        cmocka_unit_test(rows_alone),       cmocka_unit_test(all_are_listed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
