/* A whole process (C1), and what soft targets cost a student. */
#include "bench.h"
#include "kd/base/file.h"
#include "kd/base/progress.h"

#include <stdio.h>
#include <string.h>

int bench_whole_prepare(const char *folder, bool quick, struct kd_err *err)
{
    struct kd_images images;
    char *path = kd_path_join(err, folder, "train-images-idx3-ubyte");
    if (!path) return -1;
    bool there = kd_path_exists(path);
    kd_free(path);
    if (there) return 0;
    int status = bench_images_make(&images, (struct kd_shape){1, 28, 28, false},
                                   quick ? BENCH_QUICK_IMAGES : BENCH_IMAGES, err);
    if (status == 0) status = kd_images_write_idx(&images, folder, true, err);
    kd_images_release(&images);
    return status;
}

static double number_of(const cJSON *json, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(json, key);
    return cJSON_IsNumber(item) ? item->valuedouble : 0;
}

int bench_whole_run(const char *bin, const char *folder, unsigned threads, struct bench_whole *out,
                    struct kd_err *err)
{
    char count[16];
    struct kd_bytes text = {0};
    int status = -1;
    snprintf(count, sizeof count, "%u", threads);
    char *program = kd_path_join(err, bin, "kd-train-teacher"),
         *data = kd_format(err, "idx:%s", folder);
    char *model = kd_path_join(err, folder, "model.safetensors");
    if (!program || !data || !model) goto done;
    const char *const argv[] = {program,
                                "--data",
                                data,
                                "--network",
                                bench_w1_network,
                                "--epochs",
                                "1",
                                "--batch",
                                "100",
                                "--optimizer",
                                "sgd",
                                "--learning-rate",
                                "1e-5",
                                "--train-eval",
                                "0",
                                "--threads",
                                count,
                                "--output",
                                model,
                                "--quiet",
                                "--json",
                                NULL};
    if (bench_process_run(argv, &text, &out->seconds, &out->peak, err) < 0) goto done;
    cJSON *json = kd_json_parse(text.data, text.size, program, err);
    if (!json) goto done;
    out->epoch_rate = number_of(json, "images_per_second");
    cJSON_Delete(json);
    status = 0;
done:
    kd_bytes_release(&text);
    kd_free(program);
    kd_free(data);
    kd_free(model);
    return status;
}

/* ---- soft targets ---- */

enum role { PLAIN, FROM_FILE, FROM_TEACHER, TEACHER_ALONE, ROLES };

static struct workload role_of(enum role role, bool quick)
{
    struct workload w = *bench_workload_find("W2");
    w.teaching = role == FROM_FILE ? STORED : role == FROM_TEACHER ? AT_HAND : LABELS;
    w.inference = role == TEACHER_ALONE;
    if (w.inference) w.network = "\"mlp-1200-1200\"";
    w.images = 6000;
    return quick ? bench_workload_quick(&w) : w;
}

/* The four take turns, so that whatever slows the machine slows all; costs are medians of the
 * turns' ratios. */
int bench_soft(struct kd_pool *pool, double seconds, bool quick, FILE *to, struct kd_err *err)
{
    struct work work[ROLES] = {{.pool = NULL}};
    struct bench_sample cost[ROLES] = {{.n = 0}};
    double took[ROLES];
    int status = 0;
    for (int i = 0; i < ROLES && status == 0; i++) {
        struct workload w = role_of((enum role)i, quick);
        status = bench_work_open(&work[i], &w, &(struct bench_place){.pool = pool}, err);
        if (status == 0) status = bench_work_epoch(&work[i], &took[i], err);
    }
    double end = kd_seconds() + seconds;
    for (int turn = 0; status == 0 && (turn < 5 || kd_seconds() < end); turn++) {
        for (int i = 0; i < ROLES && status == 0; i++)
            status = bench_work_epoch(&work[i], &took[i], err);
        for (int i = 0; i < ROLES; i++) bench_sample_add(&cost[i], took[i] / took[PLAIN]);
    }
    for (int i = 0; i < ROLES; i++) bench_work_close(&work[i]);
    if (status < 0) return -1;
    struct bench_spread stored = bench_sample_spread(&cost[FROM_FILE]);
    fprintf(to,
            "{\"workload\":\"soft\",\"threads\":%u,\"stored\":%.4f,\"stored_low\":%.4f,\"stored_"
            "high\":%.4f,"
            "\"at_hand\":%.4f,\"teacher_forward\":%.4f}\n",
            kd_pool_threads(pool), stored.median, stored.low, stored.high,
            bench_sample_spread(&cost[FROM_TEACHER]).median,
            bench_sample_spread(&cost[TEACHER_ALONE]).median);
    return 0;
}
