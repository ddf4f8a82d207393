/* Every kind of distillation loss: against PyTorch (test/fixtures/make_losses.py), against
 * differences of itself, at extreme logits and temperatures, without labels, with one image; and
 * what "distill" makes of them. */
#include "kd/base/mem.h"
#include "kd/base/rng.h"
#include "kd/base/tensorfile.h"
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

enum { N = 5, CLASSES = 10, MOST = 12 * 100 };

struct rows { /* a batch's arrays */
    size_t n, classes;
    float z[MOST], t[MOST], d[MOST];
    int32_t labels[12];
};

static const double none = NAN;
static struct kd_err err;

static struct kd_distill_config config_of(const char *loss, double temperature)
{
    return (struct kd_distill_config){.loss = json_of(loss),
                                      .temperature = temperature,
                                      .alpha = none,
                                      .weight = none,
                                      .label_weight = none,
                                      .ramp = none};
}

/* The loss alone, without labels' term and ramp. */
static void open_loss(struct kd_loss *loss, const char *text, double temperature)
{
    struct kd_distill_config d = config_of(text, temperature);
    d.weight = 1;
    d.label_weight = d.ramp = 0;
    if (kd_loss_init(loss, &d, 0, &err) < 0) fail_msg("%s: %s", text, err.text);
    cJSON_Delete(d.loss);
}

/* The batch's mean; its gradient in r->d. */
static double value_of(const struct kd_loss *loss, struct rows *r)
{
    struct kd_loss_batch b = {
        .n = r->n, .classes = r->classes, .logits = r->z, .labels = r->labels, .teacher = r->t};
    struct kd_loss_sums sums = {0};
    double *scratch =
        test_malloc(kd_loss_scratch(loss, r->n, r->classes) * sizeof *scratch); /* checked ends */
    kd_loss_run(loss, &b, r->d, scratch, &sums);
    test_free(scratch);
    return sums.term[0] / (double)r->n;
}

static void fill(struct rows *r, size_t n, size_t classes, float scale)
{
    struct kd_rng g = kd_rng_for(1, KD_FOR_TEST, 4, (uint32_t)classes);
    *r = (struct rows){.n = n, .classes = classes};
    for (size_t i = 0; i < n * classes; i++) {
        r->z[i] = scale * kd_rng_normal(&g);
        r->t[i] = scale * kd_rng_normal(&g);
    }
    for (size_t i = 0; i < n; i++) r->labels[i] = (int32_t)kd_rng_below(&g, (uint32_t)classes);
}

/* One of each kind and variant; what it promises. */
static const struct {
    const char *loss;
    bool cold, needs_labels; /* cold: it has a temperature */
    bool over_batch;
} kinds[] = {
    {"{\"kind\": \"kl\"}", true, false, false},
    {"{\"kind\": \"kl\", \"standardize\": true}", true, false, false},
    {"{\"kind\": \"mse\"}", false, false, false},
    {"{\"kind\": \"dkd\", \"beta\": 3}", true, true, false},
    {"{\"kind\": \"dist\", \"gamma\": 3}", true, false, true},
    {"{\"kind\": \"nkd\"}", true, true, false},
    {"{\"kind\": \"ttm\"}", false, false, false},
    {"{\"kind\": \"ttm\", \"weighted\": true}", false, false, false},
    {"{\"kind\": \"rld\", \"alpha_temperature\": 2}", true, true, false},
};
enum { KINDS = sizeof kinds / sizeof *kinds };
static const double temperatures[] = {0.01, 0.5, 1, 4, 100, 1e4};
enum { TEMPERATURES = sizeof temperatures / sizeof *temperatures };

static double temperature_of(unsigned kind, unsigned i)
{
    return kinds[kind].cold ? temperatures[i] : none;
}

/* ---- PyTorch ---- */

static void *part(const struct kd_tensorfile *f, const char *name, const char *what, size_t *n)
{
    char key[96];
    snprintf(key, sizeof key, "%s.%s", name, what);
    const struct kd_tensor *t = kd_tensorfile_find(f, key);
    if (!t) {
        fail_msg("no %s", key);
        return NULL;
    }
    if (n) *n = t->shape[0];
    return t->data;
}

static void compare_case(const struct kd_tensorfile *f, const char *name, const char *text)
{
    static struct rows r;
    struct kd_loss loss;
    cJSON *json = json_of(text);
    const cJSON *t = cJSON_GetObjectItemCaseSensitive(json, "temperature");
    char *spec = cJSON_PrintUnformatted(cJSON_GetObjectItemCaseSensitive(json, "loss"));
    double expected = cJSON_GetObjectItemCaseSensitive(json, "value")->valuedouble, most = 0;
    const float *z = part(f, name, "student", &r.n), *d = part(f, name, "gradient", NULL);
    char key[96];
    snprintf(key, sizeof key, "%s.student", name);
    r.classes = kd_tensorfile_find(f, key)->shape[1];
    memcpy(r.z, z, r.n * r.classes * sizeof(float));
    memcpy(r.t, part(f, name, "teacher", NULL), r.n * r.classes * sizeof(float));
    memcpy(r.labels, part(f, name, "labels", NULL), r.n * sizeof(int32_t));
    open_loss(&loss, spec, cJSON_IsNumber(t) ? t->valuedouble : none);
    double got = value_of(&loss, &r);
    if (!(fabs(got - expected) <= 1e-6 * fabs(expected)))
        fail_msg("%s: %.10g, PyTorch's %.10g", name, got, expected);
    for (size_t i = 0; i < r.n * r.classes; i++) most = fmax(most, fabs((double)d[i]));
    for (size_t i = 0; i < r.n * r.classes; i++)
        if (!(fabs((double)r.d[i] - (double)d[i]) <= 1e-6 * fabs((double)d[i]) + 1e-9 * most))
            fail_msg("%s: gradient %zu is %.10g, PyTorch's %.10g", name, i, (double)r.d[i],
                     (double)d[i]);
    kd_loss_release(&loss);
    free(spec);
    cJSON_Delete(json);
}

static void as_pytorch(void **state)
{
    (void)state;
    struct kd_tensorfile f;
    const cJSON *item;
    unsigned cases = 0;
    if (kd_tensorfile_read("test/fixtures/torch/losses.safetensors", NULL, &f, &err) < 0)
        fail_msg("%s", err.text);
    cJSON_ArrayForEach(item, f.metadata)
    {
        if (item->valuestring[0] != '{' || strncmp(item->string, "kd.", 3) == 0) continue;
        compare_case(&f, item->string, item->valuestring);
        cases++;
    }
    assert_true(cases >= KINDS);
    kd_tensorfile_release(&f);
}

/* ---- what every kind has to keep ---- */

static void slopes(const struct kd_loss *loss, struct rows *r, double temperature, const char *name)
{
    static float d[MOST];
    double most = 0;
    value_of(loss, r);
    memcpy(d, r->d, sizeof d);
    for (size_t i = 0; i < r->n * r->classes; i++) most = fmax(most, fabs((double)d[i]));
    for (size_t i = 0; i < r->n * r->classes; i++) {
        float z = r->z[i], h = (float)(1e-2 * fmin(1, isnan(temperature) ? 1 : temperature));
        r->z[i] = z + h;
        double up = value_of(loss, r), dz = (double)r->z[i];
        r->z[i] = z - h;
        double down = value_of(loss, r);
        dz -= (double)r->z[i];
        r->z[i] = z;
        double slope = (up - down) / dz;
        if (!(fabs(slope - (double)d[i]) <= 2e-3 * most + 2e-5))
            fail_msg("%s, T %g: slope %zu is %.8g by differences, %.8g told", name, temperature, i,
                     slope, (double)d[i]);
    }
}

static void differences(void **state)
{
    (void)state;
    static struct rows r;
    for (unsigned k = 0; k < KINDS; k++)
        for (unsigned i = 0; i < (kinds[k].cold ? TEMPERATURES : 1); i++) {
            struct kd_loss loss;
            open_loss(&loss, kinds[k].loss, temperature_of(k, i));
            fill(&r, N, CLASSES, 1);
            r.labels[2] = -1;
            slopes(&loss, &r, temperature_of(k, i), kinds[k].loss);
            fill(&r, 1, CLASSES, 1);
            slopes(&loss, &r, temperature_of(k, i), kinds[k].loss);
            kd_loss_release(&loss);
        }
}

static void check_finite(const struct kd_loss *loss, struct rows *r, const char *name,
                         double temperature)
{
    double value = value_of(loss, r);
    if (!isfinite(value) || value < 0)
        fail_msg("%s, T %g, %zu classes: %g", name, temperature, r->classes, value);
    for (size_t j = 0; j < r->n * r->classes; j++)
        if (!isfinite(r->d[j])) fail_msg("%s: gradient %zu", name, j);
}

static void extreme_logits(void **state)
{
    (void)state;
    static struct rows r;
    static const size_t classes[] = {1, 2, 3, 100};
    for (unsigned k = 0; k < KINDS; k++)
        for (unsigned i = 0; i < 4 * TEMPERATURES; i++) {
            struct kd_loss loss;
            open_loss(&loss, kinds[k].loss, temperature_of(k, i % TEMPERATURES));
            for (size_t n = N; n; n = n > 1 ? 1 : 0) {
                fill(&r, n, classes[i / TEMPERATURES], 1);
                for (size_t j = 0; j < r.n * r.classes; j++) {
                    r.z[j] = j % 3 ? 1e4f : -1e4f;
                    r.t[j] = j % 4 ? -1e4f : 1e4f;
                    if (n > 1 && j < r.classes) r.z[j] = r.t[j] = 0; /* and rows all alike */
                }
                check_finite(&loss, &r, kinds[k].loss, temperature_of(k, i % TEMPERATURES));
            }
            kd_loss_release(&loss);
        }
}

/* A row without label is nothing to those that need one; the others do not look. */
static void missing_labels(void **state)
{
    (void)state;
    static struct rows r, all;
    for (unsigned k = 0; k < KINDS; k++) {
        struct kd_loss loss;
        open_loss(&loss, kinds[k].loss, none);
        fill(&r, N, CLASSES, 1);
        double with = value_of(&loss, &r);
        all = r;
        r.labels[1] = -1;
        double without = value_of(&loss, &r);
        if (kinds[k].needs_labels != (with > without))
            fail_msg("%s: %g with all labels, %g without one", kinds[k].loss, with, without);
        for (size_t i = 0; i < N * CLASSES; i++) {
            bool passed = kinds[k].needs_labels && i / CLASSES == 1;
            if (r.d[i] != (passed ? 0 : all.d[i])) fail_msg("%s: %zu", kinds[k].loss, i);
        }
        for (size_t i = 0; i < N; i++) r.labels[i] = -1; /* none at all */
        without = value_of(&loss, &r);
        assert_true(isfinite(without) && (without == 0) == kinds[k].needs_labels);
        kd_loss_release(&loss);
    }
}

/* Rows are told apart from each other, except where a loss compares them. */
static void rows_alone(void **state)
{
    (void)state;
    static struct rows r, one;
    for (unsigned k = 0; k < KINDS; k++) {
        struct kd_loss loss;
        double sum = 0;
        open_loss(&loss, kinds[k].loss, none);
        fill(&r, N, CLASSES, 1);
        double together = value_of(&loss, &r);
        for (unsigned i = 0; i < N; i++) {
            one = (struct rows){.n = 1, .classes = CLASSES, .labels = {r.labels[i]}};
            memcpy(one.z, r.z + i * CLASSES, CLASSES * sizeof(float));
            memcpy(one.t, r.t + i * CLASSES, CLASSES * sizeof(float));
            sum += value_of(&loss, &one) / N;
        }
        bool same = fabs(sum - together) < 1e-9 * fabs(together);
        if (same == kinds[k].over_batch)
            fail_msg("%s: %.12g together, %.12g alone", kinds[k].loss, together, sum);
        kd_loss_release(&loss);
    }
}

/* ---- weights ---- */

static void run_all(const struct kd_loss *loss, struct rows *r, double epoch,
                    struct kd_loss_sums *sums)
{
    static double scratch[200 * MOST];
    struct kd_loss_batch b = {.n = r->n,
                              .classes = r->classes,
                              .logits = r->z,
                              .labels = r->labels,
                              .teacher = r->t,
                              .epoch = epoch};
    assert_true(kd_loss_scratch(loss, r->n, r->classes) < sizeof scratch / sizeof *scratch);
    *sums = (struct kd_loss_sums){0};
    kd_loss_run(loss, &b, r->d, scratch, sums);
}

static void near(double got, double expected)
{
    if (!(fabs(got - expected) <= 1e-9 * fabs(expected) + 1e-12))
        fail_msg("%.12g, expected %.12g", got, expected);
}

/* A list's loss is the weighted sum of what its terms are alone, and so is its gradient. */
static void list_of_terms(void **state)
{
    (void)state;
    static struct rows r;
    struct kd_loss loss, kl, mse;
    struct kd_loss_sums sums;
    float d[N * CLASSES] = {0};
    struct kd_distill_config c =
        config_of("[\"kl\", {\"kind\": \"mse\", \"weight\": 3}, {\"kind\": \"kl\", "
                  "\"temperature\": 2, \"weight\": 0.5, \"ramp\": 4}]",
                  4);
    c.weight = 2;
    c.label_weight = 0;
    assert_int_equal(kd_loss_init(&loss, &c, 0, &err), 0);
    assert_int_equal(loss.n, 3);
    assert_string_equal(loss.term[0].name, "kl");
    assert_string_equal(loss.term[1].name, "mse");
    assert_string_equal(loss.term[2].name, "kl 2");
    fill(&r, N, CLASSES, 1);
    open_loss(&kl, "\"kl\"", 4);
    open_loss(&mse, "\"mse\"", none);
    double first = value_of(&kl, &r);
    for (size_t i = 0; i < N * CLASSES; i++) d[i] += 2 * r.d[i];
    double second = value_of(&mse, &r);
    for (size_t i = 0; i < N * CLASSES; i++) d[i] += 3 * r.d[i];
    run_all(&loss, &r, 0, &sums); /* the third has not begun */
    near(sums.term[0] / N, first);
    near(sums.term[1] / N, second);
    near(sums.loss, 2 * sums.term[0] + 3 * sums.term[1]);
    for (size_t i = 0; i < N * CLASSES; i++)
        assert_true(fabsf(r.d[i] - d[i]) <= 1e-6f * fabsf(d[i]) + 1e-9f);
    run_all(&loss, &r, 3, &sums);
    near(sums.loss, 2 * sums.term[0] + 3 * sums.term[1] + 0.75 * 0.5 * sums.term[2]);
    run_all(&loss, &r, 5, &sums);
    near(sums.loss, 2 * sums.term[0] + 3 * sums.term[1] + 0.5 * sums.term[2]);
    kd_loss_release(&loss);
    kd_loss_release(&kl);
    kd_loss_release(&mse);
    cJSON_Delete(c.loss);
}

static double softmax_at(const float *z, size_t c)
{
    double sum = 0;
    for (size_t i = 0; i < CLASSES; i++) sum += exp((double)z[i]);
    return exp((double)z[c]) / sum;
}

static void confidence(void **state)
{
    (void)state;
    static struct rows r, plain;
    for (int c = KD_CONFIDENCE_TOP; c <= KD_CONFIDENCE_LABEL; c++) {
        struct kd_loss loss;
        struct kd_loss_sums sums;
        double expected = 0;
        open_loss(&loss, "\"mse\"", none);
        fill(&r, N, CLASSES, 1);
        r.labels[3] = -1;
        value_of(&loss, &r);
        plain = r;
        loss.confidence = c;
        run_all(&loss, &r, 0, &sums);
        for (size_t i = 0; i < N; i++) {
            double sure = 0, squares = 0;
            for (size_t j = 0; j < CLASSES; j++) {
                double p = softmax_at(r.t + i * CLASSES, j), z = (double)r.z[i * CLASSES + j];
                squares += pow(z - (double)r.t[i * CLASSES + j], 2) / CLASSES;
                if (c == KD_CONFIDENCE_TOP ? p > sure : (int32_t)j == r.labels[i]) sure = p;
            }
            expected += sure * squares;
            for (size_t j = i * CLASSES; j < (i + 1) * CLASSES; j++)
                assert_true(fabs((double)r.d[j] - sure * (double)plain.d[j]) < 1e-8);
        }
        near(sums.loss, expected);
        kd_loss_release(&loss);
    }
}

/* ---- configurations ---- */

static void refused(const char *loss, const char *words)
{
    struct kd_loss made;
    struct kd_distill_config d = config_of(loss, none);
    if (kd_loss_init(&made, &d, 0, &err) == 0) fail_msg("%s was taken", loss);
    if (!strstr(err.text, words)) fail_msg("%s: \"%s\" lacks \"%s\"", loss, err.text, words);
    cJSON_Delete(d.loss);
}

static void mistakes(void **state)
{
    (void)state;
    refused("\"dkk\"", "did you mean \"dkd\"");
    refused("3", "expected a name");
    refused("{\"beta\": 3}", "expected a name");
    refused("{\"kind\": \"dkd\", \"betta\": 3}", "did you mean beta");
    refused("{\"kind\": \"dkd\", \"beta\": -1}", "distill.loss.beta=-1");
    refused("{\"kind\": \"dkd\", \"weight\": 1}", "distill.weight");
    refused("[]", "one to 8");
    refused("[\"kl\", {\"kind\": \"mse\", \"temperature\": 2}]", "no temperature");
    refused("[\"kl\", {\"kind\": \"mse\", \"wait\": 2}]", "distill.loss.1.wait");
    struct kd_loss loss;
    struct kd_distill_config d = config_of("\"mse\"", 4);
    assert_int_equal(kd_loss_init(&loss, &d, 0, &err), -1);
    assert_non_null(strstr(err.text, "no temperature"));
    d.temperature = none;
    d.alpha = 0.5;
    d.label_weight = 1;
    assert_int_equal(kd_loss_init(&loss, &d, 0, &err), -1);
    assert_non_null(strstr(err.text, "alpha"));
    d.label_weight = none;
    assert_int_equal(kd_loss_init(&loss, &d, 0, &err), 0);
    kd_loss_release(&loss);
    cJSON_Delete(d.loss);
    d = config_of("\"dist\"", none);
    d.confidence = KD_CONFIDENCE_TOP;
    assert_int_equal(kd_loss_init(&loss, &d, 0, &err), -1);
    assert_non_null(strstr(err.text, "distill.confidence"));
    cJSON_Delete(d.loss);
}

static void resolves_to(struct kd_distill_config d, const char *loss, double alpha, double weight,
                        double label_weight, double temperature, double ramp)
{
    for (int twice = 0; twice < 2; twice++) { /* the second time changes nothing */
        if (kd_distill_resolve(&d, &err) < 0) fail_msg("%s", err.text);
        char *text = d.loss ? cJSON_PrintUnformatted(d.loss) : NULL;
        assert_string_equal(text ? text : "", loss);
        free(text);
        const double got[] = {d.alpha, d.weight, d.label_weight, d.temperature, d.ramp};
        const double expected[] = {alpha, weight, label_weight, temperature, ramp};
        for (int i = 0; i < 5; i++)
            if (got[i] != expected[i] && !(isnan(got[i]) && isnan(expected[i])))
                fail_msg("%s: number %d is %g, expected %g", loss, i, got[i], expected[i]);
    }
    cJSON_Delete(d.loss);
}

static void published_settings(void **state)
{
    (void)state;
    resolves_to(config_of("null", none), "", 0.9, none, none, 4, none);
    resolves_to(config_of("{\"kind\":\"kl\",\"standardize\":false}", 3), "", 0.9, none, none, 3,
                none);
    resolves_to(config_of("{\"kind\":\"kl\",\"standardize\":true}", none),
                "{\"kind\":\"kl\",\"standardize\":true}", none, 9, 0.1, 2, none);
    resolves_to(config_of("\"mse\"", none), "\"mse\"", 0.9, none, none, none, none);
    resolves_to(config_of("\"dkd\"", none), "{\"kind\":\"dkd\",\"alpha\":1,\"beta\":8}", none, 1, 1,
                4, 20);
    resolves_to(config_of("\"dist\"", none), "{\"kind\":\"dist\",\"beta\":2,\"gamma\":2}", none, 1,
                1, 4, none);
    resolves_to(config_of("\"nkd\"", none), "{\"kind\":\"nkd\",\"gamma\":1.5}", none, 1, 1, 1,
                none);
    resolves_to(config_of("\"ttm\"", none), "{\"kind\":\"ttm\",\"gamma\":0.1,\"weighted\":false}",
                none, 45, 1, none, none);
    resolves_to(config_of("{\"kind\":\"ttm\",\"weighted\":true}", none),
                "{\"kind\":\"ttm\",\"gamma\":0.2,\"weighted\":true}", none, 4, 1, none, none);
    resolves_to(config_of("\"rld\"", none),
                "{\"kind\":\"rld\",\"alpha\":1,\"beta\":8,\"alpha_temperature\":1}", none, 1, 1, 4,
                20);
    struct kd_distill_config d = config_of("null", none);
    d.weight = 0.3;
    d.label_weight = 0.7;
    resolves_to(d, "", 0.3, none, none, 4, none); /* alpha by its other name */
    d = config_of("\"dkd\"", none);
    d.ramp = 0;
    d.label_weight = 2;
    resolves_to(d, "{\"kind\":\"dkd\",\"alpha\":1,\"beta\":8}", none, 1, 2, 4, 0);
}

static void labels_and_probabilities(void **state)
{
    (void)state;
    for (unsigned k = 0; k < KINDS; k++) {
        struct kd_distill_config d = config_of(kinds[k].loss, none);
        d.alpha = 1;
        assert_int_equal(kd_distill_check_unlabelled(&d, "these", &err) < 0, kinds[k].needs_labels);
        assert_int_equal(kd_distill_check_probabilities(&d, &err), k ? -1 : 0); /* kl takes them */
        d.alpha = 0.5;
        assert_int_equal(kd_distill_check_unlabelled(&d, "these", &err), -1);
        cJSON_Delete(d.loss);
    }
}

/* Has the loss, of whose lines the second and all behind start here, layers for parameters? Those
 * are tested in test_features.c. */
static bool of_features(const char *lines)
{
    for (; *lines == ' '; lines += strcspn(lines, "\n") + 1)
        if (strncmp(lines, "        compares layers", 23) == 0) return true;
    return false;
}

/* The list, the tests above and the fixture know the same kinds. */
static void all_are_listed(void **state)
{
    (void)state;
    struct kd_bytes text = {0};
    assert_int_equal(kd_loss_list(&text, &err), 0);
    unsigned listed = 0;
    char *line = text.data;
    for (char *next; line && *line; line = next) {
        next = strchr(line, '\n');
        *next++ = '\0';
        if (line[0] == ' ' || of_features(next)) continue;
        char quoted[64];
        bool tested = false;
        snprintf(quoted, sizeof quoted, "\"%.*s\"", (int)strcspn(line, " "), line);
        for (unsigned k = 0; k < KINDS; k++) tested = tested || strstr(kinds[k].loss, quoted);
        if (!tested) fail_msg("%s is not among the kinds of this test", quoted);
        listed++;
    }
    assert_true(listed >= 7);
    kd_bytes_release(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_pytorch),         cmocka_unit_test(differences),
        cmocka_unit_test(extreme_logits),     cmocka_unit_test(missing_labels),
        cmocka_unit_test(rows_alone),         cmocka_unit_test(list_of_terms),
        cmocka_unit_test(confidence),         cmocka_unit_test(mistakes),
        cmocka_unit_test(published_settings), cmocka_unit_test(labels_and_probabilities),
        cmocka_unit_test(all_are_listed),
    };
    return cmocka_run_group_tests_name("losses", tests, NULL, NULL);
}
