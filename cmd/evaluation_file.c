#include "evaluation_file.h"
#include "kd/base/file.h"

#include <string.h>

enum { LIMIT = 1 << 24 };

static const char *text_of(const cJSON *line, const char *key)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(line, key);
    return cJSON_IsString(value) ? value->valuestring : "";
}

static bool same(const cJSON *a, const cJSON *b, const char *key)
{
    return strcmp(text_of(a, key), text_of(b, key)) == 0;
}

/* The next line of *rest, which moves behind it; NULL at the end, and for what is no JSON. *size:
 * of the line. */
static cJSON *next_line(const char **rest, const char **line, size_t *size)
{
    struct kd_err ignored;
    *line = *rest;
    *size = strcspn(*rest, "\n");
    *rest += *size + ((*rest)[*size] == '\n');
    return *size ? kd_json_parse(*line, *size, "eval.json", &ignored) : NULL;
}

bool evaluation_is_saved(const char *path, const struct evaluation_wanted *wanted)
{
    struct kd_err ignored;
    struct kd_bytes text = {0};
    bool found = false;
    if (!kd_path_exists(path) || kd_file_read(path, LIMIT, &text, &ignored) < 0) return false;
    for (const char *rest = text.data, *line; rest && *rest && !found;) {
        size_t size;
        cJSON *json = next_line(&rest, &line, &size);
        found = strcmp(text_of(json, "fingerprint"), wanted->fingerprint) == 0 &&
                strcmp(text_of(json, "split"), wanted->split) == 0 &&
                strcmp(text_of(json, "tta"), wanted->tta ? kd_tta_name(wanted->tta) : "") == 0 &&
                cJSON_HasObjectItem(json, "bins") &&
                (!wanted->timing || cJSON_HasObjectItem(json, "latency_ms"));
        cJSON_Delete(json);
    }
    kd_bytes_release(&text);
    return found;
}

/* Does one of `lines` replace `old`, or make it one of another model or another way of asking? */
static bool replaced(const cJSON *old, const char *lines)
{
    bool is = !old;
    for (const char *rest = lines, *line; *rest && !is;) {
        size_t size;
        cJSON *json = next_line(&rest, &line, &size);
        is = !same(old, json, "fingerprint") || !same(old, json, "tta") ||
             (same(old, json, "data") && same(old, json, "split"));
        cJSON_Delete(json);
    }
    return is;
}

int evaluation_save(const char *path, const char *lines, struct kd_err *err)
{
    struct kd_err unreadable;
    struct kd_bytes old = {0}, text = {0};
    int status = 0;
    if (kd_path_exists(path) && kd_file_read(path, LIMIT, &old, &unreadable) < 0)
        old = (struct kd_bytes){0};
    for (const char *rest = old.data, *line; rest && *rest && status == 0;) {
        size_t size;
        cJSON *json = next_line(&rest, &line, &size);
        if (!replaced(json, lines)) status = kd_bytes_format(&text, err, "%.*s\n", (int)size, line);
        cJSON_Delete(json);
    }
    const char *failure = kd_err_machine(); /* then what was there may not have been seen */
    if (status == 0 && failure) status = kd_fail(err, "%s", failure);
    if (status == 0) status = kd_bytes_format(&text, err, "%s", lines);
    if (status == 0) status = kd_file_write(path, text.data, text.size, err);
    kd_bytes_release(&old);
    kd_bytes_release(&text);
    return status;
}
