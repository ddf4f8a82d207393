/* An experiment's file with what it builds on: "extends" names another one, whose words hold where
 * it says nothing itself. */
#include "experiment_parts.h"
#include "kd/base/file.h"
#include "kd/base/mem.h"

#include <string.h>

enum { MOST_STORIES = 8 };

static cJSON *read_story(const char *path, int depth, struct kd_err *err);

/* The experiment that `json` of the file at `path` extends, with what json says over it. A name is
 * not handed on: two experiments have two run folders. */
static cJSON *extend(const char *path, const cJSON *json, const char *other, int depth,
                     struct kd_err *err)
{
    if (depth == MOST_STORIES) {
        kd_fail_usage(err,
                      "%s: extends: more than %d experiments, one on the other; is it a circle?",
                      path, MOST_STORIES);
        return NULL;
    }
    char *at = kd_path_find(other, path, 0, err);
    cJSON *base = at ? read_story(at, depth + 1, err) : NULL;
    if (at && !kd_path_exists(at))
        kd_fail(err, "%s: extends: there is no %s, neither here nor beside it", path, other);
    kd_free(at);
    cJSON_DeleteItemFromObjectCaseSensitive(base, "name");
    if (!base || kd_json_merge(base, json, err) == 0) return base;
    cJSON_Delete(base);
    return NULL;
}

static cJSON *read_story(const char *path, int depth, struct kd_err *err)
{
    cJSON *json = kd_json_read(path, err), *whole = NULL;
    const cJSON *other = cJSON_GetObjectItemCaseSensitive(json, "extends");
    if (!other || cJSON_IsNull(other)) return json;
    if (cJSON_IsString(other) && *other->valuestring)
        whole = extend(path, json, other->valuestring, depth, err);
    else
        kd_fail_usage(err, "%s: extends: expected the file of another experiment", path);
    cJSON_Delete(json);
    cJSON_DeleteItemFromObjectCaseSensitive(whole, "extends");
    return whole;
}

cJSON *kd_experiment_read(const char *path, struct kd_err *err)
{
    return read_story(path, 0, err);
}
