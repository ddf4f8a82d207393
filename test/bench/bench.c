/* How fast kd trains and infers, and what memory it takes, by the loop that the programs run.
 *
 *     make bench                       all, a table; JSON lines and the chart of growth below
 * build/ build/release-cc/bench/bench [OPTION]... [W1 W2 ... C1 soft growth]
 *
 * Each workload runs in a process of its own, so that its peak of memory is its own: one epoch to
 * warm up, then repetitions of a tenth of --seconds, an epoch at least; the table has their median
 * and spread. GFLOP/s count dense layers and direct convolution; `of sgemm` is the share of what
 * BLAS reaches on as many threads, measured just before. */
#include "bench.h"
#include "kd/base/file.h"
#include "kd/base/machine.h"
#include "kd/base/mem.h"
#include "kd/base/progress.h"
#include "kd/nn/gemm.h"
#include "kd/nn/kernels.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WHOLE_RUNS = 3 };

static struct options {
    struct kd_reals threads;
    double seconds;
    int64_t shards, part, repetitions;
    char *bin, *images, *chart, *output, *network;
    struct kd_reals shape;
    int64_t batch;
    bool json, quick, machine, child, link, inference, help;
} options;

#define O(field) offsetof(struct options, field)
static const struct kd_option rows[] = {
    {"threads", 0, NULL, KD_OPT_REALS, O(threads), .preset = "0", .min = 0, .max = 256,
     .metavar = "N,N", .help = "numbers of threads to measure with; 0 is one per usable processor"},
    {"seconds", 0, NULL, KD_OPT_REAL, O(seconds), .preset = "5", .min = 0.001, .max = 3600,
     .metavar = "S", .help = "time measured of each workload"},
    {"shards", 0, NULL, KD_OPT_INT, O(shards), .preset = "1", .min = 1, .max = 1024, .metavar = "N",
     .help = "cut batches into so many: train.shards"},
    {"json", 0, NULL, KD_OPT_BOOL, O(json), .help = "JSON lines instead of the table"},
    {"output", 'o', NULL, KD_OPT_TEXT, O(output), .metavar = "FILE",
     .help = "write JSON lines there too"},
    {"chart", 0, NULL, KD_OPT_TEXT, O(chart), .metavar = "NAME",
     .help = "chart of growth: NAME.svg, NAME.png"},
    {"bin", 0, NULL, KD_OPT_TEXT, O(bin), .preset = "bin", .metavar = "DIR",
     .help = "where kd-train-teacher is, for C1"},
    {"images", 0, NULL, KD_OPT_TEXT, O(images), .metavar = "DIR",
     .help = "IDX files of C1, written where there are none, and kept"},
    {"network", 0, NULL, KD_OPT_TEXT, O(network), .metavar = "JSON",
     .help = "measure this network, trained with SGD, in this process: one JSON line"},
    {"shape", 0, NULL, KD_OPT_REALS, O(shape), .preset = "1,28,28", .min = 1, .max = 4096,
     .metavar = "C,H,W", .help = "of --network's images"},
    {"batch", 0, NULL, KD_OPT_INT, O(batch), .preset = "100", .min = 1, .max = 65536,
     .metavar = "N", .help = "of --network"},
    {"inference", 0, NULL, KD_OPT_BOOL, O(inference), .help = "--network infers"},
    {"part", 0, NULL, KD_OPT_INT, O(part), .preset = "1", .min = 1, .max = 1024, .metavar = "N",
     .help = "one Nth of each batch and of its shards: what one of N ranks computes"},
    {"repetitions", 0, NULL, KD_OPT_INT, O(repetitions), .preset = "3", .min = 1, .max = 60,
     .metavar = "N", .help = "at least, whatever --seconds says"},
    {"link", 0, NULL, KD_OPT_BOOL, O(link),
     .help = "only what passes between two ranks, started by mpirun"},
    {"machine", 0, NULL, KD_OPT_BOOL, O(machine),
     .help = "only what sgemm reaches on one thread and on all"},
    {"quick", 0, NULL, KD_OPT_BOOL, O(quick),
     .help = "tiny batches: to see that it works, not to measure"},
    {"child", 0, NULL, KD_OPT_BOOL, O(child),
     .help = "internal: measure one workload in this process"},
    {"help", 'h', NULL, KD_OPT_BOOL, O(help), .help = "this text"},
    {0},
};
static const struct kd_opt_section section[] = {{"options", "Options", rows, &options, NULL}, {0}};

static const char *self;
static FILE *lines; /* --output; NULL: none */

/* ---- one workload in this process ---- */

static struct kd_team team = {.ranks = 1};

/* As many epochs on each rank: as the first one's time says, in ten repetitions. */
static int repeat(struct work *k, struct bench_sample *rates, struct kd_err *err)
{
    double seconds, first; /* to warm up */
    if (bench_work_epoch(k, &first, err) < 0 || bench_team_agree(&team, &first, err) < 0) return -1;
    const unsigned each = 1 + (unsigned)(options.seconds / 10 / first);
    const double most = options.seconds / first / each;
    for (unsigned n = 0; n < most || n < options.repetitions; n++) {
        double spent = 0;
        for (unsigned i = 0; i < each; i++) {
            if (bench_work_epoch(k, &seconds, err) < 0) return -1;
            spent += seconds;
        }
        bench_sample_add(rates, (double)each * k->images.n / spent);
    }
    return 0;
}

static int measure_whole(unsigned threads, struct kd_err *err)
{
    struct bench_sample seconds = {.n = 0}, peak = {.n = 0}, rate = {.n = 0};
    struct bench_whole one;
    unsigned images = options.quick ? BENCH_QUICK_IMAGES : BENCH_IMAGES;
    for (int i = 0; i < (options.quick || options.seconds < 5 ? 1 : WHOLE_RUNS); i++) {
        if (bench_whole_run(options.bin, options.images, threads, &one, err) < 0) return -1;
        bench_sample_add(&seconds, one.seconds);
        bench_sample_add(&peak, one.peak);
        bench_sample_add(&rate, one.epoch_rate);
    }
    struct bench_spread s = bench_sample_spread(&seconds);
    printf("{\"workload\":\"C1\",\"what\":\"start, read %u images, an epoch of W1, "
           "write\",\"threads\":%u,"
           "\"images_per_second\":%.1f,\"low\":%.1f,\"high\":%.1f,\"repetitions\":%zu,\"seconds\":%"
           ".4f,"
           "\"epoch_images_per_second\":%.1f,\"peak_mb\":%.1f}\n",
           images, threads, images / s.median, images / s.high, images / s.low, seconds.n, s.median,
           bench_sample_spread(&rate).median, bench_sample_spread(&peak).high);
    return 0;
}

static int measure_epochs(struct workload w, struct kd_pool *pool, struct kd_err *err)
{
    struct work work = {.pool = NULL};
    struct bench_sample rates = {.n = 0};
    if (options.quick) w = bench_workload_quick(&w);
    w.shards = options.shards / options.part;
    if (w.batch < options.part)
        return kd_fail_usage(err, "--part: %s has %lld images in a batch", w.name,
                             (long long)w.batch);
    if (bench_memory_settle(pool, err) < 0) return -1;
    double base = bench_memory_read().now;
    const struct bench_place place = {pool, team.ranks > 1 ? &team : NULL};
    w.batch /= options.part;
    w.images /= (uint32_t)options.part;
    int status = bench_work_open(&work, &w, &place, err);
    if (status == 0) status = repeat(&work, &rates, err);
    if (status == 0 && team.rank == 0) {
        struct bench_spread s = bench_sample_spread(&rates);
        printf("{\"workload\":\"%s\",\"what\":\"%s\",\"threads\":%u,\"images_per_second\":%.1f,"
               "\"low\":%.1f,\"high\":%.1f,"
               "\"repetitions\":%zu,\"gflops\":%.2f,\"peak_mb\":%.1f,\"base_mb\":%.1f,\"planned_"
               "mb\":%.1f,\"step_seconds\":%.6f,\"numbers\":%zu}\n",
               w.name, w.what, kd_pool_threads(pool), s.median, s.low, s.high, rates.n,
               s.median * bench_work_flops(&work) / 1e9, bench_memory_read().peak, base,
               (double)work.planned / (1 << 20), (double)w.batch / s.median, work.net->parameters);
    }
    bench_work_close(&work);
    return status;
}

static int measure_here(const char *name, unsigned threads, struct kd_err *err)
{
    if (strcmp(name, "C1") == 0) return measure_whole(threads, err);
    struct kd_pool *pool = kd_pool_new(threads, err);
    int status = pool ? 0 : -1;
    if (status == 0 && strcmp(name, "soft") == 0)
        status = bench_soft(pool, options.seconds, options.quick, stdout, err);
    else if (status == 0)
        status = measure_epochs(*bench_workload_find(name), pool, err);
    kd_pool_free(pool);
    return status;
}

/* Some batches of images, as many as make the time of an epoch's begin and end small. */
static int measure_network(struct kd_err *err)
{
    const int64_t most = 256, batch = options.batch;
    if (options.shape.n != 3) return kd_fail_usage(err, "--shape: expected three numbers: C,H,W");
    const double *shape = options.shape.v;
    struct workload w = {.name = "network",
                         .what = "--network",
                         .network = options.network,
                         .shape = {(uint32_t)shape[0], (uint32_t)shape[1], (uint32_t)shape[2]},
                         .batch = batch,
                         .images = (uint32_t)(batch < most / 4 ? most / batch * batch : 4 * batch),
                         .optimizer = KD_SGD,
                         .inference = options.inference};
    struct kd_pool *pool = kd_pool_new(options.threads.n ? (unsigned)options.threads.v[0] : 0, err);
    int status = pool ? measure_epochs(w, pool, err) : -1;
    kd_pool_free(pool);
    return status;
}

/* ---- each in its own process ---- */

static double number_of(const cJSON *json, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(json, key);
    return cJSON_IsNumber(item) ? item->valuedouble : 0;
}

static cJSON *run_child(const char *name, const char *folder, unsigned threads, struct kd_err *err)
{
    char count[16], seconds[32], shards[24], part[24], least[24];
    struct kd_bytes text = {0};
    snprintf(count, sizeof count, "%u", threads);
    snprintf(seconds, sizeof seconds, "%.6f", options.seconds);
    snprintf(shards, sizeof shards, "%lld", (long long)options.shards);
    snprintf(part, sizeof part, "%lld", (long long)options.part);
    snprintf(least, sizeof least, "%lld", (long long)options.repetitions);
    const char *const argv[] = {self,
                                "--child",
                                "--shards",
                                shards,
                                "--threads",
                                count,
                                "--seconds",
                                seconds,
                                "--part",
                                part,
                                "--repetitions",
                                least,
                                "--bin",
                                options.bin,
                                "--images",
                                folder ? folder : "",
                                name,
                                options.quick ? "--quick" : NULL,
                                NULL};
    cJSON *json = NULL;
    if (bench_process_run(argv, &text, NULL, NULL, err) == 0)
        json = kd_json_parse(text.data, text.size, name, err);
    kd_bytes_release(&text);
    return json;
}

/* ---- telling ---- */

static void head(const double sgemm[2], unsigned most)
{
    printf("kd %s, kernels %s; BLAS kernel %s; sgemm %.0f GFLOP/s on one thread, %.0f on %u\n\n",
           KD_VERSION, kd_kernels_name(), kd_blas_kernel(), sgemm[0], sgemm[1], most);
    printf("%-4s %-54s %4s %10s %7s %8s %8s %8s %7s %7s %7s\n", "", "", "thr.", "images/s",
           "spread", "GFLOP/s", "of sgemm", "speed-up", "MB", "own", "planned");
}

/* MB: the peak; own: of it above what the process has before the workload; planned: what kd says it
 * needs. */
static void row(const cJSON *json, double speed_up)
{
    double rate = number_of(json, "images_per_second"), gflops = number_of(json, "gflops");
    double peak = number_of(json, "peak_mb"), planned = number_of(json, "planned_mb");
    printf("%-4s %-54s %4.0f %10.0f %5.0f %%",
           cJSON_GetObjectItemCaseSensitive(json, "workload")->valuestring,
           cJSON_GetObjectItemCaseSensitive(json, "what")->valuestring, number_of(json, "threads"),
           rate, 100 * (number_of(json, "high") - number_of(json, "low")) / rate);
    if (gflops > 0)
        printf(" %8.1f %6.0f %%", gflops, 100 * number_of(json, "of_sgemm"));
    else
        printf(" %8s %8s", "", "");
    if (speed_up > 0)
        printf(" %8.2f", speed_up);
    else
        printf(" %8s", "");
    printf(" %7.1f", peak);
    if (planned > 0) printf(" %7.1f %7.1f", peak - number_of(json, "base_mb"), planned);
    printf("\n");
    if (number_of(json, "epoch_images_per_second") > 0)
        printf("     kd-train-teacher's own log says %.0f images a second of that epoch; the "
               "process took %.2f s\n",
               number_of(json, "epoch_images_per_second"), number_of(json, "seconds"));
}

static void row_soft(const cJSON *json)
{
    printf("soft A student's epoch, as a multiple of a plain one (784-800-800-10, %.0f threads): "
           "from stored soft targets %.3f\n"
           "     (%.3f to %.3f), with a teacher 784-1200-1200-10 at hand %.2f, of which its "
           "forward pass is %.2f\n",
           number_of(json, "threads"), number_of(json, "stored"), number_of(json, "stored_low"),
           number_of(json, "stored_high"), number_of(json, "at_hand"),
           number_of(json, "teacher_forward"));
}

static int tell_line(const cJSON *json, struct kd_err *err)
{
    char *text = kd_json_text(json, false, err);
    if (!text) return -1;
    if (options.json) printf("%s\n", text);
    if (lines) fprintf(lines, "%s\n", text);
    kd_free(text);
    return 0;
}

static int machine(double sgemm[2], unsigned most, struct kd_err *err)
{
    for (int i = 0; i < 2; i++) {
        struct kd_pool *pool = kd_pool_new(i ? most : 1, err);
        int status = pool ? bench_machine_peak(pool, options.quick, &sgemm[i], err) : -1;
        kd_pool_free(pool);
        if (status < 0) return -1;
    }
    return 0;
}

static int tell_machine(unsigned most, struct kd_err *err)
{
    double sgemm[2];
    if (machine(sgemm, most, err) < 0) return -1;
    printf("{\"sgemm_one\":%.1f,\"sgemm_all\":%.1f,\"threads\":%u,\"blas\":\"%s\",\"kernels\":\"%"
           "s\",\"version\":\"%s\"}\n",
           sgemm[0], sgemm[1], most, kd_blas_kernel(), kd_kernels_name(), KD_VERSION);
    return 0;
}

/* ---- the list ---- */

static int run_growth(struct kd_err *err)
{
    FILE *to = options.json ? stdout : lines;
    if (bench_growth(to, options.chart, options.quick, err) < 0) return -1;
    if (!options.json && options.chart) printf("growth %s.svg\n", options.chart);
    return 0;
}

static int run_one(const char *name, const char *folder, struct kd_err *err)
{
    double sgemm[2], first = 0;
    unsigned most = kd_cpus_usable();
    if (strcmp(name, "growth") == 0) return run_growth(err);
    if (machine(sgemm, most, err) < 0) return -1;
    for (size_t i = 0; i < options.threads.n; i++) {
        unsigned threads = options.threads.v[i] > 0 ? (unsigned)options.threads.v[i] : most;
        cJSON *json = run_child(name, folder, threads, err);
        int status = json ? 0 : -1;
        double rate = number_of(json, "images_per_second"),
               reached = threads == 1 ? sgemm[0] : sgemm[1];
        if (status == 0 && number_of(json, "gflops") > 0 && (threads == 1 || threads == most)) {
            status = kd_json_add_number(json, "sgemm_gflops", reached, err);
            if (status == 0)
                status =
                    kd_json_add_number(json, "of_sgemm", number_of(json, "gflops") / reached, err);
        }
        if (status == 0) status = tell_line(json, err);
        if (status == 0 && !options.json) {
            if (strcmp(name, "soft") == 0)
                row_soft(json);
            else
                row(json, threads > 1 && first > 0 ? rate / first : 0);
        }
        if (threads == 1) first = rate;
        cJSON_Delete(json);
        fflush(stdout);
        if (status < 0) return -1;
    }
    return 0;
}

static int known(const char *name, struct kd_err *err)
{
    static const char *const others[] = {"C1", "soft", "growth"};
    if (bench_workload_find(name)) return 0;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (strcmp(others[i], name) == 0) return 0;
    return kd_fail_usage(
        err, "%s: no such workload; there are W1 W2 W3 W4 W5 W5i W6 W7l W7t W8 C1 soft growth",
        name);
}

/* A folder of our own below $TMPDIR; kd_folder_discard, kd_free. */
static char *temporary_folder(struct kd_err *err)
{
    const char *root = getenv("TMPDIR");
    char *beside = kd_path_join(err, root && root[0] ? root : "/tmp", "bench");
    char *folder = beside ? kd_folder_begin(beside, err) : NULL;
    kd_free(beside);
    return folder;
}

static int run_list(const char *const *names, size_t n, struct kd_err *err)
{
    static const char *const all[] = {"W1",  "W2",  "W3", "W4", "W5",   "W5i",   "W6",
                                      "W7l", "W7t", "W8", "C1", "soft", "growth"};
    char *temporary = NULL;
    double sgemm[2];
    bool whole = !n;
    int status = 0;
    for (size_t i = 0; i < n && status == 0; i++) {
        status = known(names[i], err);
        whole |= strcmp(names[i], "C1") == 0;
    }
    if (status < 0) return -1;
    if (whole && !options.images && !(temporary = temporary_folder(err))) return -1;
    const char *folder = temporary ? temporary : options.images;
    if (whole) status = bench_whole_prepare(folder, options.quick, err);
    if (status == 0 && !options.json && (status = machine(sgemm, kd_cpus_usable(), err)) == 0)
        head(sgemm, kd_cpus_usable());
    for (size_t i = 0; status == 0 && i < (n ? n : sizeof all / sizeof *all); i++)
        status = run_one(n ? names[i] : all[i], folder, err);
    if (temporary) kd_folder_discard(temporary);
    kd_free(temporary);
    return status;
}

static int run(int argc, char **argv, struct kd_args *args, struct kd_err *err)
{
    if (kd_opts_preset(section, err) < 0 || kd_args_scan(args, section, argc, argv, err) < 0 ||
        kd_args_apply(args, err) < 0 || kd_kernels_init(err) < 0)
        return -1;
    kd_blas_init();
    if (options.help) {
        printf("usage: bench [OPTION]... [W1 W2 W3 W4 W5 W5i W6 W7l W7t W8 C1 soft growth]\n\n");
        return kd_opts_help(section, 80, stdout), 0;
    }
    if (options.network) return measure_network(err);
    if (options.machine) return tell_machine(kd_cpus_usable(), err);
    if (options.child) {
        if (args->n_operands != 1 || known(args->operands[0], err) < 0) return -1;
        if (bench_team_open(&team, options.bin, err) < 0) return -1;
        return measure_here(args->operands[0],
                            options.threads.n ? (unsigned)options.threads.v[0] : 0, err);
    }
    if (options.link)
        return bench_team_open(&team, options.bin, err) < 0 ? -1 : bench_link(&team, err);
    if (options.output && !(lines = fopen(options.output, "w")))
        return kd_fail_errno(err, "%s", options.output);
    return run_list(args->operands, args->n_operands, err);
}

int main(int argc, char **argv)
{
    struct kd_err err = {0};
    struct kd_args args = {0};
    self = argv[0];
    int status = run(argc, argv, &args, &err);
    if (lines && fclose(lines) != 0 && status == 0)
        status = kd_fail_errno(&err, "%s", options.output);
    if (status == 0 && fflush(stdout) != 0) status = kd_fail_errno(&err, "standard output");
    if (status < 0) fprintf(stderr, "bench: %s\n", err.text);
    kd_team_close(&team);
    kd_args_release(&args);
    kd_opts_release(section);
    return status == 0 ? 0 : err.kind == KD_ERR_USAGE ? 2 : 1;
}
