/* Whether a file's kd.config means the training that is asked for: compared option by option rather than as text, so that
 * files stay of use when kd learns a new option. */
#include "kd/base/json.h"
#include "kd/train/config.h"

#include <string.h>

static bool equal(const cJSON *there, const cJSON *now, const cJSON *preset);

/* What a training is called changes nothing of what is trained: a folder copied into another experiment, or renamed with its
 * student, stays of use. */
static bool names_it(const char *key)
{
    static const char *const names[] = {"name", "experiment", "teacher", "student"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(key, names[i]) == 0) return true;
    return false;
}

/* How often checkpoints are written changes nothing of what is trained. */
static bool beside_the_point(const char *key)
{
    return strcmp(key, "checkpoint_every") == 0;
}

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

/* Numbers to the last bit, as seeds up to 2^53 differ by less than cJSON_Compare tells apart. */
static bool equal(const cJSON *there, const cJSON *now, const cJSON *preset)
{
    if ((there->type & 0xff) != (now->type & 0xff)) return false;
    if (cJSON_IsObject(now)) return equal_objects(there, now, preset);
    if (cJSON_IsNumber(now)) return there->valuedouble == now->valuedouble;
    if (cJSON_IsString(now)) return strcmp(there->valuestring, now->valuestring) == 0;
    if (!cJSON_IsArray(now)) return true; /* null, true, false */
    const cJSON *a = there->child, *b = now->child;
    for (; a && b; a = a->next, b = b->next)
        if (!equal(a, b, NULL)) return false;
    return !a && !b;
}

/* A job with nothing said about it, as kd.config has it. */
static cJSON *presets(struct kd_err *err)
{
    struct kd_job job = {.distilled = true, .corrected = true};
    struct kd_opt_section sections[KD_JOB_SECTIONS];
    cJSON *json = NULL;
    kd_job_sections(&job, sections);
    job.name = kd_strdup("", err);
    if (job.name && kd_opts_preset(sections, KD_JOB_SECTIONS, err) == 0) json = kd_job_to_json(&job, err);
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
            if (status == 1) status = was && (names_it(item->string) || equal(was, item, preset));
        }
    }
    cJSON_Delete(a);
    cJSON_Delete(b);
    cJSON_Delete(usual);
    return status;
}
