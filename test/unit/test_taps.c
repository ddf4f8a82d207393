/* Layers of student and teacher compared within the shards of a batch: the gradients of all
 * parameters, those of the linear layers that learn along among them, against differences of the
 * loss; and against the whole batch where a loss looks at each image by itself. */
#include "kd/base/mem.h"
#include "kd/train/shards.h"
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

enum { IMAGES = 11, CLASSES = 4, MOST_SHARDS = 4, MOST = 1 << 12, PARAMS = 16 };
static const struct kd_shape input = {2, 8, 8, false};
static const char student[] =
    "[{\"kind\":\"conv2d\",\"filters\":4,\"kernel\":3,\"padding\":1},\"tanh\","
    "{\"kind\":\"avgpool\",\"kernel\":2},{\"kind\":\"conv2d\",\"filters\":5,\"kernel\":3,"
    "\"padding\":1},\"tanh\",\"flatten\",{\"kind\":\"dense\",\"units\":9},\"tanh\","
    "{\"kind\":\"dense\"}]";
static const char teacher[] =
    "[{\"kind\":\"conv2d\",\"filters\":6,\"kernel\":3,\"padding\":1},\"tanh\","
    "{\"kind\":\"avgpool\",\"kernel\":4},{\"kind\":\"conv2d\",\"filters\":7,\"kernel\":3,"
    "\"padding\":1},\"tanh\",\"flatten\",{\"kind\":\"dense\",\"units\":12},\"tanh\","
    "{\"kind\":\"dense\"}]";
static const struct {
    const char *loss;
    bool alone; /* each image by itself */
} kinds[] = {
    {"{\"kind\":\"fitnet\",\"student\":[0.5,1],\"teacher\":[0.5,1]}", true},
    {"{\"kind\":\"at\",\"student\":[0.5,1],\"teacher\":[0.5,1]}", true},
    {"{\"kind\":\"sp\"}", false},
    {"{\"kind\":\"rkd\"}", false},
};
enum { KINDS = sizeof kinds / sizeof *kinds };
static struct kd_err err;

struct pair { /* a student that learns from its teacher's layers */
    struct kd_model teacher;
    struct kd_targets targets;
    struct kd_loss loss;
    struct kd_taps taps;
    struct kd_network *net;
    float *images;
    double *scratch;
};

static void open_pair(struct pair *p, const char *loss)
{
    struct kd_distill_config d = {.loss = json_of(loss),
                                  .temperature = NAN,
                                  .alpha = NAN,
                                  .weight = 1,
                                  .label_weight = 0,
                                  .ramp = NAN};
    const struct kd_taps_rows rows = {IMAGES, IMAGES, MOST_SHARDS};
    *p = (struct pair){.teacher.net = net_of(teacher, input, CLASSES, 5)};
    p->targets = (struct kd_targets){.teachers = {.models = &p->teacher, .n = 1, .rows = IMAGES},
                                     .classes = CLASSES};
    p->net = net_of(student, input, CLASSES, 6);
    p->net->shards = MOST_SHARDS;
    const struct kd_taps_source source = {&p->targets, 1};
    if (kd_loss_init(&p->loss, &d, 0, &err) < 0 ||
        kd_taps_open(&p->taps, &p->loss, p->net, &source, &err) < 0)
        fail_msg("%s: %s", loss, err.text);
    net_plan(p->net, IMAGES, true);
    if (kd_taps_plan(&p->taps, &rows, &err) < 0) fail_msg("%s: %s", loss, err.text);
    p->images = test_malloc(IMAGES * kd_shape_size(input) * sizeof *p->images);
    random_fill(p->images, IMAGES * kd_shape_size(input), 1, 3);
    p->scratch = test_malloc(kd_loss_scratch(&p->loss, IMAGES, CLASSES) * sizeof *p->scratch);
    cJSON_Delete(d.loss);
}

static void close_pair(struct pair *p)
{
    kd_taps_release(&p->taps);
    kd_loss_release(&p->loss);
    kd_network_free(p->net);
    kd_network_free(p->teacher.net);
    kd_free(p->targets.teachers.scratch);
    test_free(p->images);
    test_free(p->scratch);
}

/* Value and gradient by the logits and by the layers, of one shard. */
static double compare(struct pair *p, struct kd_shard shard)
{
    static const int32_t labels[IMAGES] = {0, 3, 1, 2, 2, 0, 1, 3, 3, 1, 0};
    const struct kd_pass asked = {.rows = shard.rows};
    const size_t image = kd_shape_size(input);
    struct kd_loss_sums sums = {0};
    memcpy(p->teacher.net->in, p->images + shard.from * image, shard.rows * image * sizeof(float));
    kd_network_forward(p->teacher.net, NULL, &asked);
    kd_taps_compare(&p->taps, shard.from, shard.rows);
    const struct kd_loss_batch batch = {.n = shard.rows,
                                        .classes = CLASSES,
                                        .logits = p->net->out + shard.from * CLASSES,
                                        .labels = labels + shard.from,
                                        .teacher = p->teacher.net->out,
                                        .whole = IMAGES,
                                        .pairs = p->taps.pairs};
    kd_loss_run(&p->loss, &batch, p->net->dout + shard.from * CLASSES, p->scratch, &sums);
    return sums.term[0];
}

/* The batch's mean, and the gradients of all parameters, as the trainer has them. */
static double step(struct pair *p, unsigned of)
{
    static const uint32_t samples[IMAGES] = {3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5};
    struct kd_shards s;
    double sum = 0;
    assert_int_equal(kd_shards_init(&s, p->net, of, NULL, &err), 0);
    kd_shards_begin(&s, IMAGES);
    assert_int_equal(s.of, of);
    const struct kd_pass pass = {
        .training = true, .sample = samples, .rows = IMAGES, .cuts = kd_shards_cuts(&s)};
    memcpy(p->net->in, p->images, IMAGES * kd_shape_size(input) * sizeof(float));
    kd_network_forward(p->net, NULL, &pass);
    kd_taps_forward(&p->taps, NULL, &pass);
    for (unsigned i = s.first; i < s.last; i++) sum += compare(p, kd_shard_at(IMAGES, of, i));
    kd_taps_backward(&p->taps, NULL, &pass, NULL);
    kd_network_backward(p->net, NULL, &pass, kd_shards_sink(&s, NULL));
    kd_shards_finish(&s, NULL, NULL);
    kd_shards_release(&s);
    return sum / IMAGES;
}

/* Of all parameters, as they are now. */
static float kept[PARAMS][MOST];

static void keep_gradients(const struct pair *p)
{
    assert_true(p->net->n_params <= PARAMS);
    for (unsigned i = 0; i < p->net->n_params; i++) {
        const struct kd_param *q = p->net->params[i];
        assert_true(q->count <= MOST);
        memcpy(kept[i], q->grad, q->count * sizeof(float));
    }
}

/* Along a random direction of one parameter at a time. */
static void slope(struct pair *p, unsigned of, unsigned param)
{
    static float along[MOST], value[MOST];
    const float h = 1e-3f;
    struct kd_param *q = p->net->params[param];
    double told = 0, length = 0, end[2];
    const float *gradient = kept[param];
    random_fill(along, q->count, 1, 40 + param);
    memcpy(value, q->value, q->count * sizeof *value);
    for (size_t j = 0; j < q->count; j++) {
        told += (double)gradient[j] * (double)along[j];
        length += (double)gradient[j] * (double)gradient[j];
    }
    for (int side = 0; side < 2; side++) {
        for (size_t j = 0; j < q->count; j++) q->value[j] = value[j] + (side ? -h : h) * along[j];
        end[side] = step(p, of);
    }
    memcpy(q->value, value, q->count * sizeof *value);
    const double found = (end[0] - end[1]) / (2 * (double)h);
    if (!(fabs(found - told) <= 2e-3 * sqrt(length) + 1e-6))
        fail_msg("%s, %u shards, %s: %.8g by differences, %.8g told", p->loss.term[0].name, of,
                 q->name, found, told);
}

static void differences(void **state)
{
    (void)state;
    for (unsigned k = 0; k < KINDS; k++)
        for (unsigned of = 1; of <= MOST_SHARDS; of *= 2) {
            struct pair p;
            open_pair(&p, kinds[k].loss);
            assert_true(k || p.net->n_attached == 4);
            step(&p, of);
            keep_gradients(&p);
            for (unsigned i = 0; i < p.net->n_params; i++) slope(&p, of, i);
            close_pair(&p);
        }
}

static void near_kept(const struct pair *p)
{
    for (unsigned i = 0; i < p->net->n_params; i++) {
        const struct kd_param *q = p->net->params[i];
        double most = 0;
        for (size_t j = 0; j < q->count; j++) most = fmax(most, fabs((double)kept[i][j]));
        for (size_t j = 0; j < q->count; j++)
            if (!(fabs((double)q->grad[j] - (double)kept[i][j]) <= 1e-5 * most))
                fail_msg("%s, %s[%zu]: %g, not %g", p->loss.term[0].name, q->name, j,
                         (double)q->grad[j], (double)kept[i][j]);
    }
}

/* A loss that looks at each image by itself is the batch's, and one that compares images is not. */
static void as_the_whole_batch(void **state)
{
    (void)state;
    for (unsigned k = 0; k < KINDS; k++) {
        struct pair p;
        open_pair(&p, kinds[k].loss);
        const double value = step(&p, 1);
        keep_gradients(&p);
        const bool same = fabs(step(&p, MOST_SHARDS) - value) <= 1e-6 * value;
        if (same != kinds[k].alone) fail_msg("%s: as the whole batch: %d", kinds[k].loss, same);
        if (kinds[k].alone) near_kept(&p);
        close_pair(&p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(differences),
        cmocka_unit_test(as_the_whole_batch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
