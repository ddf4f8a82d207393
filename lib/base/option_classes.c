/* Options that list classes: each by number or by name. A bare number on the command line is a
 * number, and so is a number in JSON; what else stands there is a name. A list in brackets is JSON
 * on the command line too: that is how a name of digits, or with a comma, is written. */
#include "kd/base/json.h"
#include "kd/base/mem.h"
#include "option_value.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 65535, MOST_DIGITS = 5 };

void kd_opt_classes_clear(struct kd_class_list *list)
{
    for (size_t i = 0; i < list->n; i++) kd_free(list->v[i].name);
    kd_free(list->v);
    *list = (struct kd_class_list){NULL, 0};
}

static int refuse(const char *name, const char *item, struct kd_err *err)
{
    return kd_fail_usage(err,
                         "%s=%.60s: expected a class by number (0 to %d) or by name, or a list of "
                         "these",
                         name, item, MOST);
}

/* `list` is cleared where an item is refused. */
static int take(struct kd_class_list *list, const cJSON *value, const char *name,
                struct kd_err *err)
{
    bool many = cJSON_IsArray(value);
    size_t n = many ? (size_t)cJSON_GetArraySize(value) : 1;
    list->v = kd_alloc(n, sizeof *list->v, name, err);
    if (!list->v) return -1;
    for (const cJSON *item = many ? value->child : value; item; item = many ? item->next : NULL) {
        struct kd_class_ref *ref = &list->v[list->n];
        const double v = item->valuedouble;
        if (cJSON_IsString(item) && *item->valuestring) {
            if (!(ref->name = kd_strdup(item->valuestring, err))) return -1;
        } else if (cJSON_IsNumber(item) && v >= 0 && v <= MOST && v == floor(v)) {
            ref->number = (uint32_t)v;
        } else {
            char *text = kd_json_text(item, false, err);
            if (text) refuse(name, text, err);
            kd_free(text);
            return -1;
        }
        list->n++;
    }
    return 0;
}

int kd_opt_classes_from_json(struct kd_class_list *field, const cJSON *value, const char *name,
                             struct kd_err *err)
{
    struct kd_class_list fresh = {NULL, 0};
    if (take(&fresh, value, name, err) < 0) {
        kd_opt_classes_clear(&fresh);
        return -1;
    }
    kd_opt_classes_clear(field);
    *field = fresh;
    return 0;
}

/* An item of a list with commas, as JSON would have it; NULL and no error: refused. */
static cJSON *item_of(const char *text, size_t size, struct kd_err *err)
{
    char digits[MOST_DIGITS + 1] = "";
    cJSON *item = NULL;
    if (!size) return NULL;
    if (strspn(text, "0123456789+-.") >= size) {
        if (size > MOST_DIGITS || strspn(text, "0123456789") < size) return NULL;
        memcpy(digits, text, size);
        item = cJSON_CreateNumber(strtod(digits, NULL));
    } else {
        char *copy = kd_format(err, "%.*s", (int)size, text);
        item = copy ? cJSON_CreateString(copy) : NULL;
        kd_free(copy);
    }
    if (!item) kd_fail_memory(err, "not enough memory for a list of classes");
    return item;
}

static cJSON *split_up(const char *text, const char *name, struct kd_err *err)
{
    cJSON *list = cJSON_CreateArray();
    if (!list) kd_fail_memory(err, "not enough memory for a list of classes");
    for (const char *at = text; list; at += strcspn(at, ",") + 1) {
        size_t size = strcspn(at, ",");
        struct kd_err why = {0};
        cJSON *item = item_of(at, size, &why);
        if (!item || !cJSON_AddItemToArray(list, item)) {
            cJSON_Delete(item);
            cJSON_Delete(list);
            char bad[64];
            snprintf(bad, sizeof bad, "%.*s", size < 60 ? (int)size : 60, at);
            if (why.text[0])
                *err = why;
            else
                refuse(name, bad, err);
            return NULL;
        }
        if (!at[size]) break;
    }
    return list;
}

int kd_opt_classes_from_text(struct kd_class_list *field, const char *text, const char *name,
                             struct kd_err *err)
{
    const char *first = text + strspn(text, " \t\r\n");
    cJSON *value =
        *first == '[' ? kd_json_parse(text, strlen(text), name, err) : split_up(text, name, err);
    int status = value ? kd_opt_classes_from_json(field, value, name, err) : -1;
    if (!value) err->kind = KD_ERR_USAGE;
    cJSON_Delete(value);
    return status;
}

cJSON *kd_opt_classes_to_json(const struct kd_class_list *list)
{
    cJSON *array = cJSON_CreateArray();
    for (size_t i = 0; array && i < list->n; i++) {
        const struct kd_class_ref *ref = &list->v[i];
        cJSON *item =
            ref->name ? cJSON_CreateString(ref->name) : cJSON_CreateNumber((double)ref->number);
        if (!item || !cJSON_AddItemToArray(array, item)) {
            cJSON_Delete(item);
            cJSON_Delete(array);
            return NULL;
        }
    }
    return array;
}
