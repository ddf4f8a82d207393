/* Whatever a file of soft targets holds: no crash; what is accepted has a finite row for each
 * image, and where layers are stored, finite features; a student that learns from these, with the
 * stored classifier or beside it, is laid out or refused. */
#include "kd/base/mem.h"
#include "kd/train/reuse.h"
#include "kd/train/taps.h"
#include "memory.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { IMAGES = 4, CLASSES = 3 };
static uint8_t pixels[] = "abcdefghijklmnop"; /* of the corpus */
static int32_t labels[IMAGES] = {0, 1, 2, 0};
static char source[] = "fuzz", split[] = "train";
static struct kd_images images = {.n = IMAGES,
                                  .c = 1,
                                  .h = 2,
                                  .w = 2,
                                  .classes = CLASSES,
                                  .dtype = KD_U8,
                                  .pixels = pixels,
                                  .labels = labels,
                                  .source = source,
                                  .split = split};
static const struct {
    const char *loss;
    int64_t shift; /* of the student's images, as of views in the corpus */
} tries[] = {
    {"\"kl\"", 0},
    {"[{\"kind\":\"fitnet\",\"student\":0.5,\"teacher\":0.5},\"at\",\"sp\"]", 0},
    {"{\"kind\":\"fitnet\",\"student\":\"1\",\"teacher\":\"1\"}", 0},
    {"{\"kind\":\"fitnet\",\"student\":\"features\",\"teacher\":\"features\"}", 1},
    {"\"simkd\"", 0},
};
enum { TRIES = sizeof tries / sizeof *tries };

static void must_be_finite(const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!isfinite(x[i])) abort();
}

static void check_logits(const struct kd_targets *t)
{
    float *z = t->classes < 100 ? malloc(t->n * t->classes * sizeof *z) : NULL;
    for (size_t v = 0; z && v < t->views; v++) {
        kd_targets_fill(t, v, NULL, t->n, 0.01, z);
        must_be_finite(z, t->n * t->classes);
    }
    free(z);
}

static void check_features(const struct kd_targets *t)
{
    static const uint32_t all[IMAGES] = {3, 1, 0, 2};
    const struct kd_features *f = &t->features;
    for (size_t i = 0; i < f->n_layers; i++) {
        const size_t numbers = t->n * kd_shape_size(f->of[i].shape);
        float *x = malloc(numbers * sizeof *x);
        if (!x) abort();
        for (size_t v = 0; v < t->views; v++) {
            kd_feature_fill(f, &f->of[i], v, all, t->n, x);
            must_be_finite(x, numbers);
        }
        free(x);
    }
}

static struct kd_network *student_of(void)
{
    static const char layers[] = "[{\"kind\":\"conv2d\",\"filters\":2,\"kernel\":1},\"relu\","
                                 "\"flatten\",{\"kind\":\"dense\",\"units\":5},\"relu\","
                                 "{\"kind\":\"dense\"}]";
    struct kd_err err = {0};
    cJSON *json = kd_json_parse(layers, strlen(layers), "student", &err);
    const struct kd_shape input = {images.c, images.h, images.w, false};
    struct kd_network *net = json ? kd_network_build(json, input, CLASSES, &err) : NULL;
    cJSON_Delete(json);
    if (!net) abort();
    kd_network_init(net, 1);
    return net;
}

/* The student with the stored classifier, where the loss wants that; NULL: refused. */
static struct kd_network *graft(const struct kd_distill_config *distill, const struct kd_targets *t,
                                struct kd_err *err)
{
    struct kd_reuse reuse;
    struct kd_network *net = student_of();
    if (kd_reuse_open(&reuse, distill, t, err) < 0) {
        kd_network_free(net);
        net = NULL;
    } else if ((net = kd_reuse_graft(&reuse, net, err))) {
        kd_network_init(net, 1);
        kd_reuse_copy(&reuse, net);
    }
    kd_reuse_release(&reuse);
    return net;
}

/* Up to the loss: what is stored stands beside what the student says. */
static int compare(struct kd_taps *taps, struct kd_network *net, const struct kd_targets *t,
                   struct kd_err *err)
{
    static const uint32_t all[IMAGES] = {3, 1, 0, 2};
    const struct kd_pass pass = {.training = true, .rows = IMAGES, .sample = all};
    const struct kd_taps_rows rows = {IMAGES, IMAGES, 0};
    if (kd_network_plan(net, IMAGES, true, err) < 0 || kd_taps_plan(taps, &rows, err) < 0)
        return -1;
    memset(net->in, 0, IMAGES * kd_shape_size(net->input) * sizeof *net->in);
    kd_network_forward(net, NULL, &pass);
    kd_taps_forward(taps, NULL, &pass);
    kd_taps_gather(taps, t->views - 1, all, IMAGES);
    kd_taps_compare(taps, 0, IMAGES);
    for (size_t i = 0; i < taps->n; i++) {
        const struct kd_loss_side *s = &taps->pairs[i].teacher;
        must_be_finite(s->value, IMAGES * s->pixels * s->cols);
    }
    return 0;
}

static int learn(const struct kd_distill_config *distill, struct kd_targets *t, struct kd_err *err)
{
    const struct kd_taps_source from = {t, 1};
    struct kd_loss loss;
    struct kd_taps taps = {0};
    struct kd_network *net = graft(distill, t, err);
    if (!net) return -1;
    int status = kd_loss_init(&loss, distill, 0, err);
    if (status == 0) status = kd_taps_open(&taps, &loss, net, &from, err);
    if (status == 0) status = compare(&taps, net, t, err);
    kd_taps_release(&taps);
    kd_loss_release(&loss);
    kd_network_free(net);
    return status;
}

static void try_file(const uint8_t *data, size_t size, const struct kd_job *job, bool force)
{
    struct kd_err err = {0};
    struct kd_targets t;
    if (kd_targets_read(memory_file(data, size), &images, job, force, &t, &err) < 0) {
        if (!err.text[0]) abort();
        return;
    }
    if (t.n != images.n || !kd_targets_stored(&t)) abort();
    if (t.values && t.views * t.classes * t.n > size) abort();
    check_logits(&t);
    check_features(&t);
    if (t.features.n_layers && t.classes == CLASSES && learn(&job->distill, &t, &err) < 0 &&
        !err.text[0])
        abort();
    kd_targets_release(&t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct kd_err none = {0};
    if (!images.pixels_fingerprint[0] && kd_images_fingerprint(&images, &none) < 0) abort();
    for (unsigned i = 0; i < TRIES; i++) {
        struct kd_err err = {0};
        struct kd_job job = {.student = true, .distilled = true, .augment.shift = tries[i].shift};
        job.distill = (struct kd_distill_config){.temperature = i ? NAN : 4,
                                                 .alpha = NAN,
                                                 .weight = NAN,
                                                 .label_weight = NAN,
                                                 .ramp = NAN};
        job.distill.loss = kd_json_parse(tries[i].loss, strlen(tries[i].loss), "loss", &err);
        if (!job.distill.loss) abort();
        for (int force = 0; force < 2; force++) try_file(data, size, &job, force);
        cJSON_Delete(job.distill.loss);
    }
    return 0;
}
