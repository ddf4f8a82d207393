#include "settings.h"
#include <stdio.h>
#include <string.h>

static bool passed_over(const char *key)
{
    static const char *const keys[] = {"name", "experiment", "teacher", "student", "seed", "checkpoint_every"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (strcmp(key, keys[i]) == 0) return true;
    return false;
}

static bool equal(const cJSON *a, const cJSON *b);

static bool equal_arrays(const cJSON *a, const cJSON *b)
{
    const cJSON *x = a->child, *y = b->child;
    for (; x && y; x = x->next, y = y->next)
        if (!equal(x, y)) return false;
    return !x && !y;
}

/* A layer has the keys that were said, no others. */
static bool equal_objects(const cJSON *a, const cJSON *b)
{
    const cJSON *x;
    if (cJSON_GetArraySize(a) != cJSON_GetArraySize(b)) return false;
    cJSON_ArrayForEach(x, a)
    {
        const cJSON *y = cJSON_GetObjectItemCaseSensitive(b, x->string);
        if (!y || !equal(x, y)) return false;
    }
    return true;
}

static bool equal(const cJSON *a, const cJSON *b)
{
    if ((a->type & 0xff) != (b->type & 0xff)) return false;
    if (cJSON_IsNumber(a)) return a->valuedouble == b->valuedouble;
    if (cJSON_IsString(a)) /* the path of a teacher's file tells its seed too */
        return strcmp(a->valuestring, b->valuestring) == 0 || (strchr(a->valuestring, '/') && strchr(b->valuestring, '/'));
    return cJSON_IsObject(a) ? equal_objects(a, b) : !cJSON_IsArray(a) || equal_arrays(a, b);
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
        if (equal(x, y)) continue;
        snprintf(first, KD_SETTING_NAME, "%.40s", x->string);
        return true;
    }
    return false;
}

bool kd_settings_differ(const cJSON *a, const cJSON *b, char first[KD_SETTING_NAME])
{
    static const char *const parts[] = {"distill", "correct"}; /* with and without are two trainings */
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (cJSON_IsObject(cJSON_GetObjectItemCaseSensitive(a, parts[i])) !=
            cJSON_IsObject(cJSON_GetObjectItemCaseSensitive(b, parts[i]))) {
            snprintf(first, KD_SETTING_NAME, "%s", parts[i]);
            return true;
        }
    return options_differ(a, b, first);
}
