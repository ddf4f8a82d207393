/* What an experiment may call things: the keys of its objects, and names that become folders. */
#include "experiment_parts.h"

#include <string.h>

const char *const kd_student_keys[KD_STUDENT_KEYS] = {"network", "train", "data",
                                                      "distill", "sweep", "correct"};

/* Unknown keys of an object whose members are read one by one. */
int kd_experiment_keys(const cJSON *object, const char *where, const char *const *keys, size_t n,
                       struct kd_err *err)
{
    if (!cJSON_IsObject(object)) return kd_fail_usage(err, "%s: expected an object {...}", where);
    const cJSON *item;
    cJSON_ArrayForEach(item, object)
    {
        size_t i = 0;
        while (i < n && strcmp(keys[i], item->string) != 0) i++;
        if (i < n) continue;
        const char *near = kd_nearest(item->string, keys, (unsigned)n);
        return kd_fail_usage(err, "%s%sunknown key \"%s\"%s%s%s", where, *where ? ": " : "",
                             item->string, near ? "; did you mean \"" : "", near ? near : "",
                             near ? "\"?" : "");
    }
    return 0;
}

/* Lists have a name a line, and runs a folder a name. */
bool kd_experiment_name_ok(const char *name)
{
    for (const char *p = name; *p; p++)
        if ((unsigned char)*p < ' ' || *p == 127) return false;
    return *name && name[0] != '.' && name[0] != '-' && !strchr(name, '/') && strlen(name) < 200;
}
