/* Whether a file's kd.config means the training that is asked for: compared option by option rather
 * than as text, so that files stay of use when kd learns a new option. */
#include "kd/base/json.h"
#include "kd/train/config.h"

#include <string.h>

/* Neither what a training is called nor how often checkpoints are written changes what is trained:
 * a folder copied into another experiment, or renamed with its student, stays of use. */
static bool beside_the_point(const char *key)
{
    static const char *const keys[] = {"name", "experiment", "teacher", "student",
                                       "checkpoint_every"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (strcmp(key, keys[i]) == 0) return true;
    return false;
}

static bool equal(const cJSON *there, const cJSON *now, const cJSON *preset);

/* Every key of `now` is in `there`, or its value is the preset; no other key is in `there`. */
static bool equal_objects(const cJSON *there, const cJSON *now, const cJSON *preset)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, there)
    {
        if (!cJSON_GetObjectItemCaseSensitive(now, item->string)) return false;
    }
    cJSON_ArrayForEach(item, now)
    {
        const cJSON *was = cJSON_GetObjectItemCaseSensitive(there, item->string);
        const cJSON *usual = cJSON_GetObjectItemCaseSensitive(preset, item->string);
        if (!was) was = usual;
        if (beside_the_point(item->string)) continue;
        if (!was || !equal(was, item, usual)) return false;
    }
    return true;
}

static bool equal(const cJSON *there, const cJSON *now, const cJSON *preset)
{
    return cJSON_IsObject(there) && cJSON_IsObject(now) ? equal_objects(there, now, preset)
                                                        : kd_json_equal(there, now);
}

/* A job with nothing said about it, as kd.config has it. */
static cJSON *presets(struct kd_err *err)
{
    struct kd_job job = {.distilled = true, .corrected = true};
    struct kd_opt_section sections[KD_JOB_SECTIONS];
    cJSON *json = NULL;
    kd_job_sections(&job, sections);
    job.name = kd_strdup("", err);
    if (job.name && kd_opts_preset(sections, err) == 0) json = kd_job_to_json(&job, err);
    kd_job_release(&job);
    return json;
}

int kd_config_same(const char *there, const char *now, struct kd_err *err)
{
    struct kd_err unreadable;
    int status = -1;
    if (!there) return 0;
    if (strcmp(there, now) == 0) return 1;
    cJSON *a = kd_json_parse(there, strlen(there), "kd.config", &unreadable);
    cJSON *b = kd_json_parse(now, strlen(now), "kd.config", err), *usual = b ? presets(err) : NULL;
    if (usual) {
        const cJSON *item;
        status = cJSON_IsObject(a) && cJSON_GetArraySize(a) == cJSON_GetArraySize(b);
        /* What is no option has no preset: with and without "distill" are two trainings. */
        cJSON_ArrayForEach(item, b)
        {
            const cJSON *was = cJSON_GetObjectItemCaseSensitive(a, item->string);
            const cJSON *preset = cJSON_GetObjectItemCaseSensitive(usual, item->string);
            if (status == 1)
                status = was && (beside_the_point(item->string) || equal(was, item, preset));
        }
    }
    cJSON_Delete(a);
    cJSON_Delete(b);
    cJSON_Delete(usual);
    return status;
}
