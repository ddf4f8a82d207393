/* kd_loss_run with the labels and kl against the same equations in long double, against differences
 * of itself, and at its limits. */
#include "kd/base/mem.h"
#include "kd/base/rng.h"
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

enum { N = 6, MOST_CLASSES = 100 };

struct spec { /* of kl */
    double alpha, temperature, smoothing;
};

struct rows { /* a batch's arrays */
    float z[N * MOST_CLASSES], t[N * MOST_CLASSES], d[N * MOST_CLASSES];
    int32_t labels[N];
};

static double *scratch;

static void open_loss(struct kd_loss *loss, const struct spec *spec)
{
    struct kd_err err = {0};
    struct kd_distill_config d = {.temperature = spec->temperature,
                                  .alpha = spec->alpha,
                                  .weight = NAN,
                                  .label_weight = NAN,
                                  .ramp = NAN};
    if (kd_loss_init(loss, &d, spec->smoothing, &err) < 0) fail_msg("%s", err.text);
}

static int make_scratch(void **state)
{
    (void)state;
    struct kd_loss loss;
    open_loss(&loss, &(struct spec){1, 1, 0});
    scratch = calloc(kd_loss_scratch(&loss, N, MOST_CLASSES), sizeof *scratch);
    kd_loss_release(&loss);
    return scratch ? 0 : -1;
}

static int free_scratch(void **state)
{
    (void)state;
    free(scratch);
    return 0;
}

static void fill(struct rows *r, size_t classes, float scale)
{
    struct kd_rng g = kd_rng_for(1, KD_FOR_TEST, 3, (uint32_t)classes);
    for (size_t i = 0; i < N * classes; i++) {
        r->z[i] = scale * kd_rng_normal(&g);
        r->t[i] = scale * kd_rng_normal(&g);
    }
    for (unsigned i = 0; i < N; i++) r->labels[i] = (int32_t)kd_rng_below(&g, (uint32_t)classes);
}

static struct kd_loss_sums loss_of(const struct spec *spec, struct rows *r, size_t n,
                                   size_t classes, bool teacher, bool probabilities)
{
    struct kd_loss_batch b = {.n = n,
                              .classes = classes,
                              .logits = r->z,
                              .labels = r->labels,
                              .teacher = teacher ? r->t : NULL,
                              .teacher_is_probabilities = probabilities};
    struct kd_loss_sums sums = {0};
    struct kd_loss loss;
    open_loss(&loss, spec);
    kd_loss_run(&loss, &b, r->d, scratch, &sums);
    kd_loss_release(&loss);
    return sums;
}

static void near(const char *what, double got, double expected, double tolerance)
{
    if (!(fabs(got - expected) <= tolerance))
        fail_msg("%s: %.12g, expected %.12g within %g", what, got, expected, tolerance);
}

/* ---- the equations, one row, long double ---- */

static void log_softmax(const float *z, size_t classes, double temperature, long double *out)
{
    long double most = -HUGE_VALL, sum = 0;
    for (size_t c = 0; c < classes; c++) {
        out[c] = (long double)z[c] / (long double)temperature;
        if (out[c] > most) most = out[c];
    }
    for (size_t c = 0; c < classes; c++) sum += expl(out[c] - most);
    for (size_t c = 0; c < classes; c++) out[c] -= most + logl(sum);
}

struct expected {
    long double hard, soft, d[MOST_CLASSES];
};

static void expect(const struct spec *s, const float *z, const float *t, int32_t label,
                   size_t classes, bool probabilities, struct expected *e)
{
    long double p[MOST_CLASSES], q[MOST_CLASSES], u[MOST_CLASSES];
    long double a = t ? (long double)s->alpha : 0, T = (long double)s->temperature;
    memset(e, 0, sizeof *e);
    log_softmax(z, classes, 1, p);
    log_softmax(z, classes, s->temperature, q);
    if (t) log_softmax(t, classes, s->temperature, u);
    for (size_t c = 0; c < classes; c++) {
        long double y = (long double)s->smoothing / (long double)classes;
        if ((int32_t)c == label) y += 1 - (long double)s->smoothing;
        if (label >= 0) {
            e->hard -= y > 0 ? y * p[c] : 0;
            e->d[c] += (1 - a) * (expl(p[c]) - y);
        }
        if (!t) continue;
        long double w = probabilities ? (long double)t[c] : expl(u[c]);
        long double log_w = probabilities ? logl(w) : u[c];
        if (w > 0) e->soft += T * T * w * (log_w - q[c]);
        e->d[c] += a * T * (expl(q[c]) - w);
    }
}

static void check(const struct spec *s, struct rows *r, size_t n, size_t classes, bool teacher,
                  bool probabilities, double tolerance)
{
    struct kd_loss_sums got = loss_of(s, r, n, classes, teacher, probabilities);
    double hard = 0, soft = 0, alpha = teacher ? s->alpha : 0;
    uint64_t labelled = 0;
    for (size_t i = 0; i < n; i++) {
        struct expected e;
        expect(s, r->z + i * classes, teacher ? r->t + i * classes : NULL, r->labels[i], classes,
               probabilities, &e);
        hard += (double)e.hard;
        soft += (double)e.soft;
        labelled += r->labels[i] >= 0;
        for (size_t c = 0; c < classes; c++) {
            double d = (double)e.d[c] / (double)n;
            char what[96];
            snprintf(what, sizeof what, "T %g alpha %g: gradient %zu,%zu", s->temperature, s->alpha,
                     i, c);
            near(what, (double)r->d[i * classes + c], d, 1e-7 * fabs(d) + tolerance);
        }
    }
    near("hard", got.hard, hard, 1e-12 * fabs(hard) + 1e-12);
    near("soft", got.term[0], soft, 1e-12 * fabs(soft) + tolerance);
    near("loss", got.loss, alpha * soft + (1 - alpha) * hard, 1e-12 * fabs(got.loss) + tolerance);
    assert_int_equal(got.rows, n);
    assert_int_equal(got.labelled, labelled);
}

static const double temperatures[] = {0.01, 0.5, 1, 4, 20, 1e4};
static const double alphas[] = {0, 0.3, 1};
static const size_t class_counts[] = {1, 2, 10, 100};
/* Rounding of q, 1e-16, is multiplied by T^2 in the loss. */
static double rounding(double temperature)
{
    return 1e-14 + 2e-15 * temperature * temperature;
}

static void closed_form(void **state)
{
    (void)state;
    static struct rows r;
    for (unsigned i = 0; i < 6 * 3 * 4 * 2; i++) {
        struct spec s = {alphas[i % 3], temperatures[i / 3 % 6], i / 72 ? 0.1 : 0};
        size_t classes = class_counts[i / 18 % 4];
        fill(&r, classes, 3);
        check(&s, &r, N, classes, true, false, rounding(s.temperature));
        check(&s, &r, 1, classes, true, false, rounding(s.temperature));
        check(&s, &r, N, classes, false, false, 1e-14);
        r.labels[0] = r.labels[3] = -1;
        check(&s, &r, N, classes, true, false, rounding(s.temperature));
        check(&s, &r, N, classes, false, false, 1e-14);
    }
}

/* The gradient is that of the loss that is told. */
static void differences(void **state)
{
    (void)state;
    static struct rows r;
    enum { CLASSES = 10 };
    for (unsigned i = 0; i < 6 * 3 * 2; i++) {
        struct spec s = {alphas[i % 3], temperatures[i / 3 % 6], i / 18 ? 0.2 : 0};
        float d[N * CLASSES];
        fill(&r, CLASSES, 1);
        r.labels[2] = -1;
        loss_of(&s, &r, N, CLASSES, true, false);
        memcpy(d, r.d, sizeof d);
        for (unsigned j = 0; j < N * CLASSES; j++) {
            float z = r.z[j], h = (float)(1e-2 * fmin(1, s.temperature));
            r.z[j] = z + h;
            double up = loss_of(&s, &r, N, CLASSES, true, false).loss, dz = (double)r.z[j];
            r.z[j] = z - h;
            double down = loss_of(&s, &r, N, CLASSES, true, false).loss;
            dz -= (double)r.z[j];
            r.z[j] = z;
            near("slope", (double)d[j], (up - down) / dz / N, 2e-5);
        }
    }
}

static void huge_logits(void **state)
{
    (void)state;
    static struct rows r;
    for (unsigned i = 0; i < 6 * 3; i++) {
        struct spec s = {alphas[i % 3], temperatures[i / 3], 0.1};
        fill(&r, 10, 1);
        for (unsigned j = 0; j < N * 10; j++) {
            r.z[j] = j % 3 ? 1e4f : -1e4f;
            r.t[j] = j % 4 ? -1e4f : 1e4f;
        }
        check(&s, &r, N, 10, true, false, rounding(s.temperature) + 1e-12);
        for (unsigned j = 0; j < N * 10; j++) assert_true(isfinite(r.d[j]));
    }
}

static void given_probabilities(void **state)
{
    (void)state;
    static struct rows r;
    for (unsigned i = 0; i < 6 * 3; i++) {
        struct spec s = {alphas[i % 3], temperatures[i / 3], 0};
        fill(&r, 10, 2);
        for (unsigned j = 0; j < N; j++) {
            float sum = 0;
            for (unsigned c = 0; c < 10; c++) sum += fabsf(r.t[j * 10 + c]) * (float)(c != j);
            for (unsigned c = 0; c < 10; c++)
                r.t[j * 10 + c] = fabsf(r.t[j * 10 + c]) * (float)(c != j) / sum;
            if (j == 5)
                for (unsigned c = 0; c < 10; c++) r.t[j * 10 + c] = c == 3; /* all on one class */
        }
        check(&s, &r, N, 10, true, true, rounding(s.temperature));
    }
}

/* Softmax of the same logits, once given as logits and once as probabilities. */
static void probabilities_and_logits_agree(void **state)
{
    (void)state;
    static struct rows a, b;
    struct spec s = {0.7, 2.5, 0};
    fill(&a, 10, 2);
    b = a;
    for (unsigned i = 0; i < N; i++) {
        long double u[10];
        log_softmax(a.t + i * 10, 10, s.temperature, u);
        for (unsigned c = 0; c < 10; c++) b.t[i * 10 + c] = (float)expl(u[c]);
    }
    double x = loss_of(&s, &a, N, 10, true, false).loss,
           y = loss_of(&s, &b, N, 10, true, true).loss;
    near("loss", x, y, 1e-5 * fabs(x));
    for (unsigned i = 0; i < N * 10; i++) near("gradient", (double)a.d[i], (double)b.d[i], 1e-7);
}

/* T^2 KL -> |centred z_s - centred z_t|^2 / (2C), and its gradient (centred z_s - centred z_t)/C.
 */
static void large_temperature(void **state)
{
    (void)state;
    static struct rows r;
    enum { CLASSES = 10 };
    struct spec s = {1, 1e4, 0};
    fill(&r, CLASSES, 1);
    double limit = 0, got = loss_of(&s, &r, N, CLASSES, true, false).term[0];
    for (unsigned i = 0; i < N; i++) {
        double mean = 0;
        for (unsigned c = 0; c < CLASSES; c++)
            mean += (double)(r.z[i * CLASSES + c] - r.t[i * CLASSES + c]) / CLASSES;
        for (unsigned c = 0; c < CLASSES; c++) {
            double d = (double)r.z[i * CLASSES + c] - (double)r.t[i * CLASSES + c] - mean;
            limit += d * d / (2 * CLASSES);
            near("gradient", (double)r.d[i * CLASSES + c], d / CLASSES / N, 1e-4);
        }
    }
    near("limit", got, limit, 1e-3 * limit);
}

static void missing_labels(void **state)
{
    (void)state;
    static struct rows r;
    struct spec s = {0.5, 1, 0};
    fill(&r, 10, 1);
    for (unsigned i = 1; i < N; i++) r.labels[i] = -1;
    struct kd_loss_sums sums = loss_of(&s, &r, N, 10, false, false);
    assert_int_equal(sums.labelled, 1);
    assert_int_equal(sums.rows, N);
    for (unsigned i = 10; i < N * 10; i++) assert_true(r.d[i] == 0);
    float alone[10];
    memcpy(alone, r.d, sizeof alone);
    loss_of(&s, &r, 1, 10, false, false);
    for (unsigned c = 0; c < 10; c++) near("divisor", (double)alone[c] * N, (double)r.d[c], 1e-7);
    for (unsigned i = 0; i < N; i++) r.labels[i] = -1;
    s.alpha = 1;
    sums = loss_of(&s, &r, N, 10, true, false);
    assert_true(sums.hard == 0 && sums.labelled == 0 && sums.correct == 0);
    near("all of it is soft", sums.loss, sums.term[0], 0);
}

/* An image counts by its label's weight; what is told of it does not. */
static void weights_of_classes(void **state)
{
    (void)state;
    static struct rows r;
    float plain[N * 10];
    double weights[10];
    struct kd_loss loss;
    struct kd_loss_sums sums = {0}, before;
    struct kd_loss_batch b = {.n = N, .classes = 10, .logits = r.z, .labels = r.labels};
    fill(&r, 10, 2);
    r.labels[1] = -1;
    before = loss_of(&(struct spec){0, 1, 0.1}, &r, N, 10, false, false);
    memcpy(plain, r.d, sizeof plain);
    open_loss(&loss, &(struct spec){0, 1, 0.1});
    for (unsigned c = 0; c < 10; c++) weights[c] = 0.5 * c;
    loss.class_weight = weights;
    kd_loss_run(&loss, &b, r.d, scratch, &sums);
    near("hard", sums.hard, before.hard, 0);
    for (unsigned i = 0; i < N; i++) {
        double w = r.labels[i] < 0 ? 0 : weights[r.labels[i]];
        for (unsigned c = i * 10; c < i * 10 + 10; c++)
            near("gradient", (double)r.d[c], w * (double)plain[c], 1e-7);
    }
    for (unsigned c = 0; c < 10; c++) weights[c] = 2;
    sums = (struct kd_loss_sums){0};
    kd_loss_run(&loss, &b, NULL, scratch, &sums);
    near("loss", sums.loss, 2 * before.loss, 1e-12);
    loss.class_weight = NULL;
    kd_loss_release(&loss);
}

/* A student that agrees with its teacher has nothing to learn from it. */
static void same_logits(void **state)
{
    (void)state;
    static struct rows r;
    for (unsigned i = 0; i < 6; i++) {
        struct spec s = {1, temperatures[i], 0};
        fill(&r, 10, 5);
        for (unsigned j = 0; j < N * 10; j++)
            r.t[j] = r.z[j] + (float)(j / 10); /* but for a constant */
        for (unsigned j = 0; j < N * 10; j++) r.z[j] = r.t[j] - (float)(j / 10);
        struct kd_loss_sums sums = loss_of(&s, &r, N, 10, true, false);
        near("soft", sums.term[0], 0, 1e-5);
        for (unsigned j = 0; j < N * 10; j++) near("gradient", (double)r.d[j], 0, 1e-5);
    }
}

static void counts(void **state)
{
    (void)state;
    struct rows r = {.z = {1, 2, 3, 3, 2, 1, 2, 2, 0, 0, 0, 5}, .labels = {2, 1, 0, -1}};
    struct spec s = {0, 1, 0};
    struct kd_loss loss;
    struct kd_loss_batch b = {.n = 4, .classes = 3, .logits = r.z, .labels = r.labels};
    struct kd_loss_sums sums = {
        .loss = 10, .hard = 20, .term = {30}, .correct = 4, .labelled = 5, .rows = 6};
    open_loss(&loss, &s);
    kd_loss_run(&loss, &b, NULL, scratch,
                &sums); /* no gradient wanted; a tie goes to the lower class */
    kd_loss_release(&loss);
    assert_int_equal(sums.correct, 4 + 2);
    assert_int_equal(sums.labelled, 5 + 3);
    assert_int_equal(sums.rows, 6 + 4);
    assert_true(sums.term[0] == 30 && sums.loss > 10);
    near("loss", sums.loss - 10, sums.hard - 20, 1e-12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(closed_form),
        cmocka_unit_test(differences),
        cmocka_unit_test(huge_logits),
        cmocka_unit_test(given_probabilities),
        cmocka_unit_test(probabilities_and_logits_agree),
        cmocka_unit_test(large_temperature),
        cmocka_unit_test(missing_labels),
        cmocka_unit_test(weights_of_classes),
        cmocka_unit_test(same_logits),
        cmocka_unit_test(counts),
    };
    return cmocka_run_group_tests_name("loss", tests, make_scratch, free_scratch);
}
