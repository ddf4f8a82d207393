#include "settings.h"
#include "kd/base/json.h"
#include <stdio.h>
#include <string.h>

static bool passed_over(const char *key)
{
    static const char *const keys[] = {"name",    "experiment", "teacher",
                                       "student", "seed",       "checkpoint_every"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (strcmp(key, keys[i]) == 0) return true;
    return false;
}

/* A file's path: of a teacher at hand it tells the seed too. */
static bool holds_path(const cJSON *v)
{
    const cJSON *below;
    if (cJSON_IsString(v) && strchr(v->valuestring, '/')) return true;
    cJSON_ArrayForEach(below, v) if (holds_path(below)) return true;
    return false;
}

static bool same_value(const char *key, const cJSON *a, const cJSON *b)
{
    return kd_json_equal(a, b) || (strcmp(key, "from") == 0 && holds_path(a) && holds_path(b));
}

/* Of options: those that both have. */
static bool options_differ(const cJSON *a, const cJSON *b, char first[KD_SETTING_NAME])
{
    const cJSON *x;
    char inner[KD_SETTING_NAME];
    cJSON_ArrayForEach(x, a)
    {
        const cJSON *y = cJSON_GetObjectItemCaseSensitive(b, x->string);
        if (!y || passed_over(x->string)) continue;
        if (cJSON_IsObject(x) && cJSON_IsObject(y)) {
            if (!options_differ(x, y, inner)) continue;
            snprintf(first, KD_SETTING_NAME, "%.40s.%.80s", x->string, inner);
            return true;
        }
        if (same_value(x->string, x, y)) continue;
        snprintf(first, KD_SETTING_NAME, "%.40s", x->string);
        return true;
    }
    return false;
}

bool kd_settings_differ(const cJSON *a, const cJSON *b, char first[KD_SETTING_NAME])
{
    static const char *const parts[] = {"distill",
                                        "correct"}; /* with and without are two trainings */
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (cJSON_IsObject(cJSON_GetObjectItemCaseSensitive(a, parts[i])) !=
            cJSON_IsObject(cJSON_GetObjectItemCaseSensitive(b, parts[i]))) {
            snprintf(first, KD_SETTING_NAME, "%s", parts[i]);
            return true;
        }
    return options_differ(a, b, first);
}
