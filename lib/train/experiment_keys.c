/* What an experiment may call things: the keys of its objects, and names that become folders. */
#include "experiment_parts.h"
#include "kd/base/option.h"

#include <stdio.h>
#include <string.h>

const char *const kd_student_keys[KD_STUDENT_KEYS] = {"network", "train", "data",
                                                      "distill", "sweep", "correct"};

/* A key, or another name of it, that belongs into an object further down: "train.learning_rate" for
 * "lr". Keys of one letter's distance are not looked for: those of this object are nearer. */
static bool belongs(const char *typed, char *out, size_t room)
{
    for (const struct kd_config_part *part = kd_job_parts; part->path; part++) {
        const struct kd_opt_section section = {"", "", part->rows, NULL, NULL};
        const struct kd_option *found = kd_opt_also(&section, typed);
        for (const struct kd_option *row = NULL; (row = kd_opt_next(&section, row));)
            if (row->key && strcmp(row->key, typed) == 0) found = row;
        if (!found || !found->key) continue;
        snprintf(out, room, "%s.%s", part->path, found->key);
        return true;
    }
    return false;
}

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
        char place[128];
        if (!near && belongs(item->string, place, sizeof place))
            return kd_fail_usage(err,
                                 "%s%sunknown key \"%s\"; it is %s of the teacher or of a student",
                                 where, *where ? ": " : "", item->string, place);
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
