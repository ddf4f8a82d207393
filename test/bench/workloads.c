#include "bench.h"
#include "kd/base/mem.h"
#include "kd/base/progress.h"

#include <string.h>

#define DROPOUT(rate) "{\"kind\":\"dropout\",\"rate\":" rate "}"
#define DENSE         "{\"kind\":\"dense\",\"units\":1200},\"relu\","
const char bench_w1_network[] =
    "[\"flatten\"," DROPOUT("0.2") "," DENSE DROPOUT("0.5") "," DENSE DROPOUT("0.5") ",\"dense\"]";

#define CONV(n)                                                                                    \
    "{\"kind\":\"conv2d\",\"filters\":" n ",\"padding\":1},\"relu\",\"maxpool\",\"batchnorm\","
#define MNIST                                                                                      \
    {                                                                                              \
        1, 28, 28, false                                                                           \
    }
#define CIFAR                                                                                      \
    {                                                                                              \
        3, 32, 32, false                                                                           \
    }
const struct workload bench_workloads[] = {
    {"W1", "train 784-1200-1200-10, dropout, SGD, batch 100", bench_w1_network, MNIST, 100, 12800,
     KD_SGD, LABELS, false, 0},
    {"W2", "train 784-800-800-10 from stored logits, batch 100", "\"mlp-800-800\"", MNIST, 100,
     12800, KD_SGD, STORED, false, 0},
    {"W3", "train 784-30-30-10 from stored logits, batch 100", "\"mlp-30-30\"", MNIST, 100, 12800,
     KD_SGD, STORED, false, 0},
    {"W4", "train the 64,570-parameter CNN, Adam, batch 64", "\"cnn-64570\"", MNIST, 64, 12800,
     KD_ADAM, LABELS, false, 0},
    {"W5", "train VGG19-BN, 32x32, SGD, batch 128", "\"vgg19_bn\"", CIFAR, 128, 256, KD_SGD, LABELS,
     false, 0},
    {"W5i", "VGG19-BN, inference, batch 128", "\"vgg19_bn\"", CIFAR, 128, 256, KD_SGD, LABELS, true,
     0},
    {"W6", "train ResNet-9, 32x32, SGD, batch 128", "\"resnet9\"", CIFAR, 128, 256, KD_SGD, LABELS,
     false, 0},
    {"W8", "train conv 32-64-128 (a CIFAR student), SGD, batch 128",
     "[" CONV("32") CONV("64") CONV("128") "\"flatten\",\"dense\"]", CIFAR, 128, 2560, KD_SGD,
     LABELS, false, 0},
    {"W7l", "784-800-800-10, inference, one image at a time", "\"mlp-800-800\"", MNIST, 1, 1000,
     KD_SGD, LABELS, true, 0},
    {"W7t", "784-800-800-10, inference, 1,000 at a time", "\"mlp-800-800\"", MNIST, 1000, 12000,
     KD_SGD, LABELS, true, 0},
};
const size_t bench_workloads_n = sizeof bench_workloads / sizeof *bench_workloads;

const struct workload *bench_workload_find(const char *name)
{
    for (size_t i = 0; i < bench_workloads_n; i++)
        if (strcmp(bench_workloads[i].name, name) == 0) return &bench_workloads[i];
    return NULL;
}

struct workload bench_workload_quick(const struct workload *w)
{
    struct workload q = *w;
    if (q.batch > 4) q.batch = 4;
    q.images = (uint32_t)(2 * q.batch);
    return q;
}

int bench_images_make(struct kd_images *im, struct kd_shape shape, uint32_t n, struct kd_err *err)
{
    *im = (struct kd_images){
        .n = n, .c = shape.c, .h = shape.h, .w = shape.w, .classes = 10, .dtype = KD_U8};
    size_t size = n * kd_shape_size(shape);
    im->source = kd_strdup("random", err);
    im->split = im->source ? kd_strdup("train", err) : NULL;
    im->pixels = im->split ? kd_alloc(size, 1, "images", err) : NULL;
    im->labels = im->pixels ? kd_alloc(n, sizeof *im->labels, "labels", err) : NULL;
    if (!im->labels) return -1;
    struct kd_rng r = kd_rng_for(1, KD_FOR_TEST, 0, 0);
    uint32_t *words = im->pixels; /* all sizes are multiples of 4 */
    for (size_t i = 0; i < size / sizeof *words; i++) words[i] = kd_rng_u32(&r);
    for (uint32_t i = 0; i < n; i++) im->labels[i] = (int32_t)kd_rng_below(&r, 10);
    return 0;
}

static struct kd_network *build(const char *text, struct kd_shape shape, struct kd_err *err)
{
    cJSON *spec = kd_json_parse(text, strlen(text), "network", err);
    cJSON *layers = spec ? kd_network_layers(spec, err) : NULL;
    struct kd_network *net = layers ? kd_network_build(layers, shape, 10, err) : NULL;
    if (net) kd_network_init(net, 1);
    cJSON_Delete(layers);
    cJSON_Delete(spec);
    return net;
}

static int open_targets(struct work *k, struct kd_err *err)
{
    struct kd_targets *t = &k->targets;
    *t = (struct kd_targets){.views = 1, .n = k->images.n, .classes = 10};
    if (k->w.teaching == AT_HAND) {
        struct kd_teachers *s = &t->teachers;
        s->models = kd_alloc(1, sizeof *s->models, "a teacher", err);
        s->weights = s->models ? kd_alloc(1, sizeof *s->weights, "a teacher", err) : NULL;
        if (!s->weights) return -1;
        s->n = 1;
        s->weights[0] = 1;
        s->models[0].normalize = k->normalize;
        s->models[0].net = build("\"mlp-1200-1200\"", k->w.shape, err);
        return s->models[0].net ? kd_teachers_plan(s, (size_t)k->w.batch, err) : -1;
    }
    t->values = kd_alloc(t->n * t->classes, sizeof *t->values, "logits", err);
    if (!t->values) return -1;
    struct kd_rng r = kd_rng_for(2, KD_FOR_TEST, 0, 0);
    for (size_t i = 0; i < t->n * t->classes; i++) t->values[i] = 5 * kd_rng_normal(&r);
    return 0;
}

static int open_training(struct work *k, const struct bench_place *place, struct kd_err *err)
{
    struct kd_train_config *c = &k->job.train;
    c->batch = k->w.batch;
    if (k->w.shards) c->shards = k->w.shards;
    c->optimizer.kind = k->w.optimizer;
    c->learning_rate = 1e-5; /* the speed of a training that does not run away */
    c->train_eval = 0;
    c->epochs = 1;
    c->schedule.kind = KD_CONSTANT;
    k->job.distill.temperature = 20;
    if (k->w.teaching != LABELS && open_targets(k, err) < 0) return -1;
    k->trainer = (struct kd_trainer){.net = k->net,
                                     .normalize = &k->normalize,
                                     .job = &k->job,
                                     .train = &k->all,
                                     .valid = &k->none,
                                     .targets = k->w.teaching == LABELS ? NULL : &k->targets,
                                     .seed = 1,
                                     .pool = k->pool,
                                     .team = place->team};
    if (kd_trainer_open(&k->trainer, err) < 0) return -1;
    struct kd_memory memory;
    kd_trainer_memory(&k->trainer, &memory);
    k->planned = memory.total;
    return 0;
}

int bench_work_open(struct work *k, const struct workload *w, const struct bench_place *place,
                    struct kd_err *err)
{
    struct kd_opt_section sections[KD_JOB_SECTIONS];
    *k = (struct work){.w = *w, .pool = place->pool};
    kd_job_sections(&k->job, sections);
    if (kd_opts_preset(sections, err) < 0 || !(k->net = build(w->network, w->shape, err)) ||
        bench_images_make(&k->images, w->shape, w->images, err) < 0 ||
        kd_subset_all(&k->images, &k->all, err) < 0 ||
        kd_normalize_init(&k->normalize, NULL, &k->images, err) < 0)
        return -1;
    if (!w->inference) return open_training(k, place, err);
    k->logits = kd_alloc((size_t)w->images * 10, sizeof *k->logits, "logits", err);
    if (!k->logits || kd_network_plan(k->net, (size_t)w->batch, false, err) < 0) return -1;
    k->planned =
        kd_network_plan_bytes(k->net) + w->images * (kd_shape_size(w->shape) + 12 * sizeof(float));
    return 0;
}

int bench_work_epoch(struct work *k, double *seconds, struct kd_err *err)
{
    if (!k->w.inference) {
        k->job.train.epochs = (int64_t)k->trainer.epoch + 1;
        if (kd_trainer_run(&k->trainer, err) < 0) return -1;
        *seconds = k->trainer.last.seconds;
        return 0;
    }
    struct kd_view view = {.images = &k->images, .index = k->all.index, .n = k->images.n};
    struct kd_model model = {.path = "model", .net = k->net, .normalize = k->normalize};
    struct kd_asking how = {.pool = k->pool};
    double start = kd_seconds();
    if (kd_predict(&model, &view, &how, k->logits, err) < 0) return -1;
    *seconds = kd_seconds() - start;
    return 0;
}

void bench_work_close(struct work *k)
{
    kd_trainer_close(&k->trainer);
    kd_targets_release(&k->targets);
    kd_subset_release(&k->all);
    kd_images_release(&k->images);
    kd_network_free(k->net);
    kd_free(k->logits);
    kd_job_release(&k->job);
    *k = (struct work){0};
}

struct finding {
    uint64_t macs;
    bool found;
};
static void find_first(void *ctx, struct kd_layer *l)
{
    struct finding *f = ctx;
    if (f->found || !l->kind->macs) return;
    *f = (struct finding){l->kind->macs(l), true};
}

double bench_work_flops(const struct work *k)
{
    struct finding first = {0};
    if (k->w.inference) return 2.0 * (double)k->net->macs;
    kd_chain_each(&k->net->chain, find_first, &first);
    return 2.0 * (3.0 * (double)k->net->macs - (double)first.macs);
}
