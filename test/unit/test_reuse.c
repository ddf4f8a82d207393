/* Students that have their teacher's classifier (loss simkd): a whole step against PyTorch
 * (test/fixtures/make_reuse.py); what is cut off and put in; what cannot be. */
#include "kd/base/mem.h"
#include "kd/base/rng.h"
#include "kd/base/tensorfile.h"
#include "kd/train/reuse.h"
#include "kd/train/taps.h"

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

enum { IMAGES = 6, CLASSES = 4 };
static const struct kd_shape input = {2, 4, 4, false};
static struct kd_err err;

struct pair { /* a teacher, and its student */
    char path[8];
    struct kd_model teacher;
    struct kd_targets targets;
    struct kd_distill_config distill;
    struct kd_reuse reuse;
    struct kd_network *student;
};

static int try_pair(struct pair *p, const char *loss, const char *student, const char *teacher)
{
    *p = (struct pair){.path = "teacher", .teacher.path = p->path};
    p->teacher.net = net_of(teacher, input, CLASSES, 5);
    p->targets = (struct kd_targets){.teachers = {.models = &p->teacher, .n = 1, .rows = IMAGES},
                                     .classes = CLASSES};
    p->distill = (struct kd_distill_config){.loss = json_of(loss),
                                            .temperature = NAN,
                                            .alpha = NAN,
                                            .weight = 1,
                                            .label_weight = 0.5,
                                            .ramp = NAN};
    p->student = net_of(student, input, CLASSES, 6);
    if (kd_reuse_open(&p->reuse, &p->distill, &p->targets, &err) < 0) return -1;
    p->student = kd_reuse_graft(&p->reuse, p->student, &err);
    return p->student ? 0 : -1;
}

static void open_pair(struct pair *p, const char *loss, const char *student, const char *teacher)
{
    if (try_pair(p, loss, student, teacher) < 0) fail_msg("%s: %s", student, err.text);
    kd_network_init(p->student, 7);
    kd_reuse_copy(&p->reuse, p->student);
}

static void close_pair(struct pair *p)
{
    kd_reuse_release(&p->reuse);
    kd_network_free(p->student);
    kd_network_free(p->teacher.net);
    kd_free(p->targets.teachers.scratch);
    cJSON_Delete(p->distill.loss);
}

/* ---- PyTorch ---- */

static const struct kd_tensor *part(const struct kd_tensorfile *f, const char *name,
                                    const char *what, const char *key)
{
    char all[200];
    snprintf(all, sizeof all, "%s.%s%s", name, what, key);
    const struct kd_tensor *t = kd_tensorfile_find(f, all);
    if (!t) fail_msg("no %s", all);
    return t;
}

static void take(struct kd_network *net, const struct kd_tensorfile *f, const char *name,
                 const char *side)
{
    for (unsigned i = 0; i < net->n_params; i++) {
        struct kd_param *p = net->params[i];
        const struct kd_tensor *t = part(f, name, side, p->name);
        if (t->count != p->count) fail_msg("%s: %zu numbers", p->name, t->count);
        memcpy(p->value, t->data, p->count * sizeof(float));
    }
}

static void near(const char *what, const float *got, const struct kd_tensor *expected)
{
    const float *e = expected->data;
    double most = 0;
    for (size_t i = 0; i < expected->count; i++) most = fmax(most, fabs((double)e[i]));
    for (size_t i = 0; i < expected->count; i++)
        if (!(fabs((double)got[i] - (double)e[i]) <= 1e-6 * fabs((double)e[i]) + 1e-6 * most))
            fail_msg("%s: number %zu is %.9g, PyTorch's %.9g", what, i, (double)got[i],
                     (double)e[i]);
}

/* Forward and backward as the trainer does it; the unweighted value of the term. */
static double step(struct pair *p, const float *x)
{
    static const int32_t labels[IMAGES] = {0, 3, 1, 2, 2, 0};
    static const uint32_t sample[IMAGES] = {0, 1, 2, 3, 4, 5};
    const struct kd_pass pass = {.training = true, .rows = IMAGES, .sample = sample};
    const struct kd_pass asked = {.rows = IMAGES};
    const struct kd_taps_rows rows = {IMAGES, IMAGES, 0};
    const size_t bytes = IMAGES * kd_shape_size(input) * sizeof *x;
    const struct kd_taps_source source = {&p->targets, 1};
    struct kd_network *net = p->student, *teacher = p->teacher.net;
    struct kd_loss loss;
    struct kd_taps taps;
    struct kd_loss_sums sums = {0};
    assert_int_equal(kd_loss_init(&loss, &p->distill, 0, &err), 0);
    if (kd_taps_open(&taps, &loss, net, &source, &err) < 0) fail_msg("%s", err.text);
    net_plan(net, IMAGES, true);
    if (kd_taps_plan(&taps, &rows, &err) < 0) fail_msg("%s", err.text);
    memcpy(net->in, x, bytes);
    memcpy(teacher->in, x, bytes);
    kd_network_forward(net, NULL, &pass);
    kd_network_forward(teacher, NULL, &asked);
    kd_taps_forward(&taps, NULL, &pass);
    kd_taps_compare(&taps, 0, IMAGES);
    const struct kd_loss_batch batch = {.n = IMAGES,
                                        .classes = CLASSES,
                                        .logits = net->out,
                                        .labels = labels,
                                        .teacher = teacher->out,
                                        .pairs = taps.pairs};
    double *scratch = test_malloc(kd_loss_scratch(&loss, IMAGES, CLASSES) * sizeof *scratch);
    kd_loss_run(&loss, &batch, net->dout, scratch, &sums);
    test_free(scratch);
    kd_taps_backward(&taps, NULL, &pass, NULL);
    kd_network_backward(net, NULL, &pass, NULL);
    kd_taps_release(&taps);
    kd_loss_release(&loss);
    return sums.term[0] / IMAGES;
}

static void compare_case(const struct kd_tensorfile *f, const char *name, const cJSON *json)
{
    struct pair p;
    const struct kd_tensor *x = part(f, name, "x", "");
    char *student = cJSON_PrintUnformatted(cJSON_GetObjectItemCaseSensitive(json, "student"));
    char *teacher = cJSON_PrintUnformatted(cJSON_GetObjectItemCaseSensitive(json, "teacher"));
    const double expected = cJSON_GetObjectItemCaseSensitive(json, "value")->valuedouble;
    open_pair(&p, "\"simkd\"", student, teacher);
    take(p.student, f, name, "student.");
    take(p.teacher.net, f, name, "teacher.");
    const double got = step(&p, x->data);
    if (!(fabs(got - expected) <= 1e-6 * expected))
        fail_msg("%s: %.10g, PyTorch's %.10g", name, got, expected);
    near(name, p.student->out, part(f, name, "logits", ""));
    const unsigned learnt = p.student->n_params - 2;
    for (unsigned i = 0; i < learnt; i++)
        near(p.student->params[i]->name, p.student->params[i]->grad,
             part(f, name, "gradient.", p.student->params[i]->name));
    for (unsigned i = learnt; i < p.student->n_params; i++) {
        assert_false(p.student->params[i]->trained);
        assert_null(p.student->params[i]->grad);
    }
    close_pair(&p);
    free(student);
    free(teacher);
}

static void as_pytorch(void **state)
{
    (void)state;
    struct kd_tensorfile f;
    const cJSON *item;
    unsigned cases = 0;
    if (kd_tensorfile_read("test/fixtures/torch/reuse.safetensors", NULL, &f, &err) < 0)
        fail_msg("%s", err.text);
    cJSON_ArrayForEach(item, f.metadata)
    {
        if (item->valuestring[0] != '{' || strncmp(item->string, "kd.", 3) == 0) continue;
        cJSON *json = json_of(item->valuestring);
        compare_case(&f, item->string, json);
        cJSON_Delete(json);
        cases++;
    }
    assert_int_equal(cases, 2);
    kd_tensorfile_release(&f);
}

/* ---- what is put together ---- */

#define CONV(n) "{\"kind\": \"conv2d\", \"filters\": " #n ", \"padding\": 1}"
#define POOLED  "\"global_avgpool\", \"flatten\", {\"kind\": \"dense\"}"

static const char deep[] = "[" CONV(5) ", \"relu\", " POOLED "]";
static const char wide[] = "[\"flatten\", {\"kind\": \"dense\", \"units\": 7}, \"relu\","
                           "{\"kind\": \"dense\"}, {\"kind\": \"scale\", \"by\": 0.5}]";

/* Its layers' kinds, one after the other. */
static void kinds_of(const struct kd_network *net, char *out, size_t room)
{
    size_t n = 0;
    for (unsigned i = 0; i < net->chain.n_layers; i++)
        n += (size_t)snprintf(out + n, room - n, "%s%s", i ? " " : "",
                              net->chain.layers[i].kind->name);
}

static void layers_become(void **state)
{
    (void)state;
    static const struct {
        const char *loss, *student, *teacher, *kinds;
    } cases[] = {
        {"\"simkd\"", deep, deep, "conv2d relu conv2d global_avgpool flatten dense"},
        {"\"simkd\"", deep, wide, "conv2d relu global_avgpool flatten dense dense scale"},
        {"\"simkd\"", wide, deep, "flatten dense relu dense dense"},
        {"[\"kl\", {\"kind\": \"simkd\", \"projector\": [{\"kind\": \"dense\", \"units\": 5}, "
         "\"relu\"]}]",
         wide, deep, "flatten dense relu dense relu dense"},
        {"{\"kind\": \"simkd\", \"projector\": [" CONV(4) ", \"batchnorm\", " CONV(5) "]}",
         "[" CONV(3) ", \"maxpool\", \"relu\", \"global_maxpool\", \"flatten\", "
                     "{\"kind\": \"dropout\", \"rate\": 0.5}, {\"kind\": \"dense\"}]",
         deep, "conv2d conv2d batchnorm conv2d maxpool relu global_maxpool flatten dense"},
        {"\"kl\"", wide, deep, "flatten dense relu dense scale"},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct pair p;
        char kinds[200];
        float x[IMAGES * 32];
        open_pair(&p, cases[i].loss, cases[i].student, cases[i].teacher);
        kinds_of(p.student, kinds, sizeof kinds);
        assert_string_equal(kinds, cases[i].kinds);
        random_fill(x, IMAGES * 32, 1, i);
        if (p.reuse.head) assert_true(isfinite(step(&p, x)));
        close_pair(&p);
    }
}

/* The teacher's outputs may stand in another order: the images'. */
static void outputs_in_order(void **state)
{
    (void)state;
    static uint32_t order[CLASSES] = {2, 0, 3, 1}, *orders[] = {order};
    struct pair p;
    float x[7];
    const struct kd_pass pass = {.rows = 1};
    open_pair(&p, "\"simkd\"", wide, wide);
    p.targets.teachers.order = orders;
    kd_reuse_release(&p.reuse);
    assert_int_equal(kd_reuse_open(&p.reuse, &p.distill, &p.targets, &err), 0);
    struct kd_network *plain = kd_head_of(p.teacher.net, NULL, &err);
    random_fill(x, 7, 1, 3);
    for (int i = 0; i < 2; i++) {
        struct kd_network *head = i ? p.reuse.head : plain;
        net_plan(head, 1, false);
        memcpy(head->in, x, sizeof x);
        kd_network_forward(head, NULL, &pass);
    }
    for (unsigned c = 0; c < CLASSES; c++)
        assert_true(p.reuse.head->out[c] == plain->out[order[c]]);
    kd_network_free(plain);
    close_pair(&p);
}

static void refused(void **state)
{
    (void)state;
    static const struct {
        const char *loss, *student, *teacher, *told;
    } cases[] = {
        {"{\"kind\": \"simkd\", \"projector\": [{\"kind\": \"dense\", \"units\": 6}]}", wide, deep,
         "sees 5 features, and these layers make 6"},
        {"{\"kind\": \"simkd\", \"projector\": \"dense\"}", wide, deep, "a list of layers"},
        {"{\"kind\": \"simkd\", \"projector\": [\"dens\"]}", wide, deep, "did you mean"},
        {"[\"simkd\", \"simkd\"]", wide, deep, "one classifier"},
        {"\"simkd\"", "[\"flatten\", {\"kind\": \"dense\"}]",
         "[" CONV(4) ", \"global_avgpool\", "
                     "\"flatten\"]",
         "conv2d), and a classifier that is taken over is dense"},
        {"\"simkd\"", "[" CONV(4) ", \"global_avgpool\", \"flatten\"]", deep, "is dense"},
        {"\"simkd\"", wide, "[\"flatten\", {\"kind\": \"dense\"}, \"batchnorm\"]",
         "layer 2 (batchnorm) behind the classifier has parameters"},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct pair p;
        if (try_pair(&p, cases[i].loss, cases[i].student, cases[i].teacher) == 0)
            fail_msg("%s was taken", cases[i].loss);
        if (!strstr(err.text, cases[i].told)) fail_msg("%s", err.text);
        close_pair(&p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_pytorch),
        cmocka_unit_test(layers_become),
        cmocka_unit_test(outputs_in_order),
        cmocka_unit_test(refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
