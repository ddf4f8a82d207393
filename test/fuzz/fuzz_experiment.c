/* Whatever an experiment says: no crash; what is accepted can be made into jobs, or it is told why
 * not, and no job's files lie outside of the run folder. */
#include "kd/nn/network.h"
#include "kd/train/experiment.h"
#include "memory.h"
#include <string.h>

static void place(const struct kd_experiment *x, const char *name, bool student)
{
    struct kd_err err = {0};
    char *path = kd_experiment_place(x, name, student, 1, &err);
    if (!path && !err.text[0]) abort();
    if (path && (strncmp(path, "runs/", 5) != 0 || strstr(path, "/../"))) abort();
    kd_free(path);
}

static void job(const struct kd_experiment *x, const char *name, bool student)
{
    struct kd_err err = {0};
    struct kd_job j = {0};
    if (kd_experiment_job(x, name, student, &j, &err) == 0 && kd_job_resolve(&j, &err) == 0) {
        /* a network in a file is not looked for: the names come from the fuzzer */
        if (!cJSON_IsString(j.network) || !strstr(j.network->valuestring, ".json")) {
            cJSON *layers = kd_network_layers(j.network, &err);
            if (!layers && !err.text[0]) abort();
            cJSON_Delete(layers);
        }
        err.text[0] = 0;
        if (kd_job_check(&j, &err) < 0 && !err.text[0]) abort();
    } else if (!err.text[0]) {
        abort();
    }
    kd_job_release(&j);
    place(x, name, student);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct kd_err err = {0};
    struct kd_texts none = {0};
    struct kd_experiment *x = kd_experiment_open(memory_file(data, size), NULL, &none, &err);
    if (!x) {
        if (!err.text[0]) abort();
        return 0;
    }
    if (kd_experiment_knows(x, "teacher")) job(x, "teacher", false);
    for (size_t i = 0; i < x->n_students && i < 20; i++) job(x, x->students[i].name, true);
    kd_experiment_close(x);
    return 0;
}
