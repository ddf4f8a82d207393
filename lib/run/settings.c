#include "kd/run/settings.h"

#include <stdio.h>
#include <string.h>

struct comparison {
    const struct kd_config_part *parts;
    bool seeds; /* may they be seeds of one model? */
    char *first;
    struct kd_err *err;
};

static int differ(const struct comparison *c, const char *path, const char *key)
{
    if (c->first) snprintf(c->first, KD_SETTING_NAME, "%.60s%s%.60s", path, *path ? "." : "", key);
    return 1;
}

static const cJSON *at(const cJSON *object, const char *key)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(object, key);
    return cJSON_IsNull(value) ? NULL : value;
}

/* ---- options ---- */

/* A file's path somewhere within. */
static bool holds_path(const cJSON *v)
{
    const cJSON *below;
    if (cJSON_IsString(v) && strchr(v->valuestring, '/')) return true;
    cJSON_ArrayForEach(below, v)
    {
        if (holds_path(below)) return true;
    }
    return false;
}

/* 1, 0 or -1, as kd_configs_differ. What stands there is as an option is written, or its default.
 */
static int option_differs(const struct comparison *c, const struct kd_option *row, const cJSON *a,
                          const cJSON *b)
{
    if (a && b) {
        if (kd_json_equal(a, b)) return 0;
        return !(c->seeds && strcmp(row->key, "from") == 0 && holds_path(a) && holds_path(b));
    }
    if (!a && !b) return 0;
    cJSON *preset = kd_option_preset(row, c->err);
    if (!preset) return -1;
    bool same = kd_json_equal(a ? a : b, preset);
    cJSON_Delete(preset);
    return !same;
}

static int options_differ(const struct comparison *c, const struct kd_config_part *part,
                          const cJSON *a, const cJSON *b)
{
    const struct kd_opt_section section = {.rows = part->rows};
    for (const struct kd_option *row = NULL; (row = kd_opt_next(&section, row));) {
        if (!row->key || row->aside) continue;
        const cJSON *x = a ? kd_json_get(a, row->key) : NULL;
        const cJSON *y = b ? kd_json_get(b, row->key) : NULL;
        int status = option_differs(c, row, cJSON_IsNull(x) ? NULL : x, cJSON_IsNull(y) ? NULL : y);
        if (status) return status < 0 ? -1 : differ(c, part->path, row->key);
    }
    return 0;
}

/* ---- what is no option ---- */

static bool is_option(const struct kd_config_part *part, const char *key, bool *above)
{
    const struct kd_opt_section section = {.rows = part->rows};
    size_t n = strlen(key);
    *above = false;
    for (const struct kd_option *row = NULL; (row = kd_opt_next(&section, row));) {
        const char *known = row->key;
        if (!known || strncmp(known, key, n) != 0) continue;
        if (!known[n]) return true;
        *above |= known[n] == '.';
    }
    return false;
}

static bool is_part(const struct comparison *c, const char *path, const char *key)
{
    for (const struct kd_config_part *part = c->parts; part->path; part++) {
        const char *known = part->path;
        size_t n = strlen(path);
        if (*path && (strncmp(known, path, n) != 0 || known[n++] != '.')) continue;
        if (strcmp(known + n, key) == 0) return true;
    }
    return false;
}

/* Keys of `a` that the part does not know, against what `b` has there. `group`: "" or
 * "optimizer". */
static int strangers_differ(const struct comparison *c, const struct kd_config_part *part,
                            const char *group, const cJSON *a, const cJSON *b)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, a)
    {
        char key[KD_SETTING_NAME];
        bool above;
        snprintf(key, sizeof key, "%.50s%s%.60s", group, *group ? "." : "", item->string);
        if (cJSON_IsNull(item) || is_option(part, key, &above)) continue;
        if (!*group && is_part(c, part->path, key)) continue;
        const cJSON *other = at(b, item->string);
        if (above && cJSON_IsObject(item)) {
            if (strangers_differ(c, part, key, item, other)) return 1;
        } else if (!other || !kd_json_equal(item, other)) {
            return differ(c, part->path, key);
        }
    }
    return 0;
}

static const cJSON *object_at(const cJSON *config, const char *path)
{
    const cJSON *value = kd_json_get(config, path);
    return cJSON_IsObject(value) ? value : NULL;
}

static int part_differs(const struct comparison *c, const struct kd_config_part *part,
                        const cJSON *a, const cJSON *b)
{
    const cJSON *x = object_at(a, part->path), *y = object_at(b, part->path);
    if (!x && !y) return 0;
    if (part->optional && (!x || !y)) return differ(c, "", part->path);
    int status = options_differ(c, part, x, y);
    if (!status) status = strangers_differ(c, part, "", x, y);
    return status ? status : strangers_differ(c, part, "", y, x);
}

/* What stands beside the parts: the network, and what a file of another kd may have. */
static int rest_differs(const struct comparison *c, const cJSON *a, const cJSON *b)
{
    static const char *const names[] = {"name", "experiment", "teacher", "student", "seeds"};
    const cJSON *item;
    cJSON_ArrayForEach(item, a)
    {
        bool passed_over = is_part(c, "", item->string);
        for (size_t i = 0; i < sizeof names / sizeof *names; i++)
            passed_over |= strcmp(item->string, names[i]) == 0;
        passed_over |= c->seeds && strcmp(item->string, "seed") == 0;
        if (passed_over || cJSON_IsNull(item)) continue;
        const cJSON *other = at(b, item->string);
        if (!other || !kd_json_equal(item, other)) return differ(c, "", item->string);
    }
    return 0;
}

int kd_configs_differ(const cJSON *a, const cJSON *b, const struct kd_config_part *parts,
                      enum kd_config_question question, char first[KD_SETTING_NAME],
                      struct kd_err *err)
{
    const struct comparison c = {parts, question == KD_SAME_SETTINGS, first, err};
    if (!cJSON_IsObject(a) || !cJSON_IsObject(b)) return differ(&c, "", "kd.config");
    for (; parts->path; parts++) {
        int status = part_differs(&c, parts, a, b);
        if (status) return status;
    }
    return rest_differs(&c, a, b) || rest_differs(&c, b, a);
}
