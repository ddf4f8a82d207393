/* How fast kd trains and infers, by the loop that the programs run.
 *
 *     make bench                        all workloads, a table
 *     build/release-cc/bench/bench [--json] [--threads N] [--seconds S] [W1 W2 ...]
 *
 * Training runs on shuffled, gathered images of random pixels. Each workload has one epoch to warm up and then repetitions of about
 * SECONDS / 5 each; the table gives their median and spread. GFLOP/s counts the operations of direct convolution and dense
 * layers, twice the multiply-adds, three times over for training; `of peak` is its share of what BLAS reaches here and now with the same
 * threads on products of 1024 x 1024. */
#include "kd/base/mem.h"
#include "kd/base/progress.h"
#include "kd/nn/gemm.h"
#include "kd/nn/kernels.h"
#include "kd/train/trainer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum { REPETITIONS = 5, MOST = 64 };

struct workload {
    const char *name, *what, *network;
    uint32_t c, h, w;
    int64_t batch;
    int optimizer;
    bool distilled, inference;
    double nominal; /* images a second, to size a repetition */
};

#define DROPOUT(rate) "{\"kind\":\"dropout\",\"rate\":" rate "}"
#define CONV(n) "{\"kind\":\"conv2d\",\"filters\":" n ",\"padding\":1},\"relu\",\"maxpool\",\"batchnorm\","
static const struct workload workloads[] = {
    {"W1", "train 784-1200-1200-10 with dropout, SGD, batch 100",
     "[\"flatten\"," DROPOUT("0.2") ",{\"kind\":\"dense\",\"units\":1200},\"relu\"," DROPOUT("0.5")
     ",{\"kind\":\"dense\",\"units\":1200},\"relu\"," DROPOUT("0.5") ",\"dense\"]",
     1, 28, 28, 100, KD_SGD, false, false, 15000},
    {"W2", "train 784-800-800-10 from stored logits, batch 100", "\"mlp-800-800\"", 1, 28, 28, 100, KD_SGD,
     true, false, 35000},
    {"W3", "train 784-30-30-10 from stored logits, batch 100", "\"mlp-30-30\"", 1, 28, 28, 100, KD_SGD, true,
     false, 400000},
    {"W4", "train the 64,570-parameter CNN, Adam, batch 64", "\"cnn-64570\"", 1, 28, 28, 64, KD_ADAM, false,
     false, 5000},
    {"W5", "train VGG19-BN, 32x32, SGD, batch 128", "\"vgg19_bn\"", 3, 32, 32, 128, KD_SGD, false, false, 150},
    {"W5i", "VGG19-BN inference, batch 128", "\"vgg19_bn\"", 3, 32, 32, 128, KD_SGD, false, true, 500},
    {"W6", "train ResNet-9, 32x32, SGD, batch 128", "\"resnet9\"", 3, 32, 32, 128, KD_SGD, false, false, 150},
    {"W8", "train conv 32-64-128 (a CIFAR student), SGD, batch 128",
     "[" CONV("32") CONV("64") CONV("128") "\"flatten\",\"dense\"]", 3, 32, 32, 128, KD_SGD, false, false, 10000},
    {"W7l", "784-800-800-10, one image at a time", "\"mlp-800-800\"", 1, 28, 28, 1, KD_SGD, false, true, 20000},
    {"W7t", "784-800-800-10, 1,000 at a time", "\"mlp-800-800\"", 1, 28, 28, 1000, KD_SGD, false, true, 100000},
};
enum { WORKLOADS = sizeof workloads / sizeof *workloads };

static struct {
    bool json;
    unsigned threads;
    double seconds;
} options = {.seconds = 5};
static struct kd_pool *pool;

static void die(const struct kd_err *err)
{
    fprintf(stderr, "bench: %s\n", err->text);
    exit(1);
}

/* ---- the machine's own peak ---- */

enum { SIDE = 1024 };
static float *matrix;

static void multiply(void *arg, unsigned part)
{
    (void)arg;
    float *a = matrix + (size_t)part * 3 * SIDE * SIDE;
    kd_gemm(SIDE, SIDE, SIDE, a, SIDE, a + SIDE * SIDE, SIDE, 0, a + 2 * SIDE * SIDE, SIDE);
}

/* GFLOP/s, the best of ten: interruptions by others only ever slow it. */
static double peak(unsigned threads)
{
    struct kd_err err;
    double best = 0;
    matrix = kd_alloc((size_t)threads * 3 * SIDE * SIDE, sizeof *matrix, "matrices", &err);
    if (!matrix) die(&err);
    for (int i = 0; i < 10; i++) {
        double start = kd_seconds();
        kd_pool_run(threads > 1 ? pool : NULL, threads, multiply, NULL);
        double rate = 2e-9 * SIDE * SIDE * SIDE * threads / (kd_seconds() - start);
        if (rate > best) best = rate;
    }
    kd_free(matrix);
    return best;
}

/* ---- one workload ---- */

struct run {
    double rate[MOST];
    unsigned n;
    uint64_t macs;
};

static void make_images(struct kd_images *im, const struct workload *w, uint32_t n)
{
    struct kd_err err;
    *im = (struct kd_images){.n = n, .c = w->c, .h = w->h, .w = w->w, .classes = 10, .dtype = KD_U8};
    size_t size = (size_t)n * w->c * w->h * w->w;
    im->pixels = kd_alloc(size, 1, "images", &err);
    im->labels = kd_alloc(n, sizeof *im->labels, "labels", &err);
    if (!im->pixels || !im->labels) die(&err);
    struct kd_rng r = kd_rng_for(1, KD_FOR_TEST, 0, 0);
    for (size_t i = 0; i < size; i++) ((uint8_t *)im->pixels)[i] = (uint8_t)kd_rng_u32(&r);
    for (uint32_t i = 0; i < n; i++) im->labels[i] = (int32_t)kd_rng_below(&r, 10);
}

static int count_epoch(void *ctx, const struct kd_epoch_log *log, struct kd_err *err)
{
    (void)err;
    struct run *run = ctx;
    if (log->epoch > 1 && run->n < MOST) run->rate[run->n++] = log->images_per_second;
    return 0;
}

static void infer(struct kd_network *net, const struct workload *w, uint32_t n, struct run *run)
{
    struct kd_err err;
    struct kd_pass pass = {.rows = (size_t)w->batch};
    if (kd_network_plan(net, pass.rows, false, &err) < 0) die(&err);
    for (int rep = 0; rep <= REPETITIONS; rep++) {
        double start = kd_seconds();
        for (uint32_t i = 0; i < n; i += (uint32_t)w->batch) kd_network_forward(net, pool, &pass);
        if (rep) run->rate[run->n++] = n / (kd_seconds() - start);
    }
}

static void train(struct kd_network *net, const struct workload *w, struct kd_job *job,
                  struct kd_images *images, struct run *run)
{
    struct kd_err err;
    struct kd_subset all, none = {0};
    struct kd_normalize normalize;
    struct kd_targets targets = {.views = 1, .n = images->n, .classes = 10};
    if (kd_subset_all(images, &all, &err) < 0 || kd_normalize_init(&normalize, NULL, images, &err) < 0) die(&err);
    if (w->distilled) {
        targets.values = kd_alloc((size_t)images->n * 10, sizeof(float), "logits", &err);
        if (!targets.values) die(&err);
        struct kd_rng r = kd_rng_for(2, KD_FOR_TEST, 0, 0);
        for (size_t i = 0; i < (size_t)images->n * 10; i++) targets.values[i] = 5 * kd_rng_normal(&r);
    }
    struct kd_trainer t = {.net = net, .normalize = &normalize, .job = job, .train = &all, .valid = &none,
                           .targets = w->distilled ? &targets : NULL, .seed = 1, .pool = pool,
                           .on_epoch = count_epoch, .ctx = run};
    if (kd_trainer_open(&t, &err) < 0 || kd_trainer_run(&t, &err) < 0) die(&err);
    kd_trainer_close(&t);
    kd_subset_release(&all);
    kd_targets_release(&targets);
}

static void measure(const struct workload *w, struct run *run)
{
    struct kd_err err;
    struct kd_job job = {0};
    struct kd_opt_section sections[KD_JOB_SECTIONS];
    struct kd_images images;
    kd_job_sections(&job, sections);
    cJSON *spec = kd_json_parse(w->network, strlen(w->network), w->name, &err);
    cJSON *layers = spec ? kd_network_layers(spec, &err) : NULL;
    struct kd_network *net = layers ? kd_network_build(layers, (struct kd_shape){w->c, w->h, w->w, false}, 10, &err)
                                    : NULL;
    if (!net || kd_opts_preset(sections, KD_JOB_SECTIONS, &err) < 0) die(&err);
    kd_network_init(net, 1);
    job.train.batch = w->batch;
    job.train.optimizer.kind = w->optimizer;
    job.train.learning_rate = 1e-5; /* the speed of a training that does not run away */
    job.train.train_eval = 0;
    job.train.epochs = REPETITIONS + 1;
    job.train.schedule.kind = KD_CONSTANT;
    job.distill.temperature = 20;
    uint32_t n = (uint32_t)(w->nominal * options.seconds / REPETITIONS / (double)w->batch + 1) * (uint32_t)w->batch;
    run->macs = net->macs;
    if (w->inference)
        infer(net, w, n, run);
    else {
        make_images(&images, w, n);
        train(net, w, &job, &images, run);
        kd_free(images.pixels);
        kd_free(images.labels);
    }
    kd_network_free(net);
    kd_job_release(&job);
    cJSON_Delete(layers);
    cJSON_Delete(spec);
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void tell(const struct workload *w, struct run *run, double most)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    qsort(run->rate, run->n, sizeof *run->rate, by_size);
    double median = run->rate[run->n / 2], low = run->rate[0], high = run->rate[run->n - 1];
    double gflops = 2e-9 * (double)run->macs * (w->inference ? 1 : 3) * median;
    if (options.json)
        printf("{\"workload\":\"%s\",\"threads\":%u,\"images_per_second\":%.1f,\"low\":%.1f,\"high\":%.1f,\"gflops\":%.1f,"
               "\"of_peak\":%.3f,\"peak_gflops\":%.1f,\"rss_mb\":%.1f}\n",
               w->name, kd_pool_threads(pool), median, low, high, gflops, gflops / most, most,
               (double)usage.ru_maxrss / 1024);
    else
        printf("%-4s %-52s %10.0f  %4.0f %%  %8.1f  %4.0f %%  %6.0f\n", w->name, w->what, median,
               100 * (high - low) / median, gflops, 100 * gflops / most, (double)usage.ru_maxrss / 1024);
    fflush(stdout);
}

static bool asked(const char *name, int argc, char **argv)
{
    bool any = false;
    for (int i = 1; i < argc; i++) {
        if (argv[i][0] != 'W') continue;
        any = true;
        if (strcmp(argv[i], name) == 0) return true;
    }
    return !any;
}

int main(int argc, char **argv)
{
    struct kd_err err;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0) options.json = true;
        if (strcmp(argv[i], "--threads") == 0 && i + 1 < argc) options.threads = (unsigned)strtoul(argv[i + 1], NULL, 10);
        if (strcmp(argv[i], "--seconds") == 0 && i + 1 < argc) options.seconds = strtod(argv[i + 1], NULL);
    }
    kd_blas_init();
    if (!(pool = kd_pool_new(options.threads, &err)) || kd_kernels_init(&err) < 0) die(&err);
    double most = peak(kd_pool_threads(pool));
    if (!options.json) {
        printf("%u threads, BLAS kernel %s, kd kernels %s, sgemm %.0f GFLOP/s (one thread %.0f)\n\n", kd_pool_threads(pool),
               kd_blas_kernel(), kd_kernels_name(), most, peak(1));
        printf("%-4s %-52s %10s  %6s  %8s  %6s  %6s\n", "", "", "images/s", "spread", "GFLOP/s", "of peak", "MB");
    }
    for (size_t i = 0; i < WORKLOADS; i++) {
        struct run run = {.n = 0};
        if (!asked(workloads[i].name, argc, argv)) continue;
        measure(&workloads[i], &run);
        tell(&workloads[i], &run, most);
    }
    kd_pool_free(pool);
    return 0;
}
