#include "kd/data/classes.h"
#include "kd/base/json.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SHOWN = 10 }; /* names in a message */

static bool are_numbers(char *const *names, uint32_t n)
{
    for (uint32_t k = 0; k < n; k++)
        if (!names[k][0] || names[k][strspn(names[k], "0123456789")]) return false;
    return true;
}

/* Place of a class in a list with names, or, by its number, in one without. */
static uint32_t place_of(const struct kd_classes *c, const char *name)
{
    if (!c->names) {
        const unsigned long v = strtoul(name, NULL, 10);
        return v < c->n ? (uint32_t)v : c->n;
    }
    uint32_t k = 0;
    while (k < c->n && strcmp(c->names[k], name) != 0) k++;
    return k;
}

/* "cat, dog, eel, ... (100 in all)" */
static void list_text(const struct kd_classes *c, struct kd_bytes *out)
{
    struct kd_err ignored;
    for (uint32_t k = 0; k < c->n && k < SHOWN; k++) {
        kd_bytes_format(out, &ignored, "%s", k ? ", " : "");
        if (c->names)
            kd_bytes_format(out, &ignored, "%.40s", c->names[k]);
        else
            kd_bytes_format(out, &ignored, "%u", k);
    }
    if (c->n > SHOWN) kd_bytes_format(out, &ignored, ", ... (%u in all)", c->n);
}

static int no_class(const struct kd_classes *of, const struct kd_class_ref *ref, struct kd_err *err)
{
    if (!ref->name)
        return kd_fail_usage(err, "no class %u in %s, classes are 0 to %u", ref->number, of->who,
                             of->n - 1);
    struct kd_bytes known = {0};
    const char *near =
        of->names ? kd_nearest(ref->name, (const char *const *)of->names, of->n) : NULL;
    list_text(of, &known);
    kd_fail_usage(err, "no class %s in %s%s%s%s; %s: %s", ref->name, of->who,
                  near ? "; did you mean " : "", near ? near : "", near ? "?" : "",
                  of->names ? "there are" : "its classes have no names, only numbers",
                  known.data ? known.data : "");
    kd_bytes_release(&known);
    return -1;
}

int kd_classes_mark(const struct kd_classes *of, const struct kd_class_list *list, bool as,
                    bool *marked, struct kd_err *err)
{
    for (size_t i = 0; i < list->n; i++) {
        const struct kd_class_ref *ref = &list->v[i];
        uint32_t k = ref->number;
        if (ref->name) k = of->names ? place_of(of, ref->name) : of->n;
        if (k >= of->n) return no_class(of, ref, err);
        marked[k] = as;
    }
    return 0;
}

static int mismatch(const struct kd_classes *model, const struct kd_classes *data, const char *name,
                    struct kd_err *err)
{
    struct kd_bytes a = {0}, b = {0};
    list_text(model, &a);
    list_text(data, &b);
    kd_fail(err,
            "the classes do not belong together: %s has a class %s, which %s does not; %s: %s; "
            "%s: %s",
            data->who, name, model->who, data->who, b.data ? b.data : "", model->who,
            a.data ? a.data : "");
    kd_bytes_release(&a);
    kd_bytes_release(&b);
    return -1;
}

int kd_classes_match(const struct kd_classes *model, const struct kd_classes *data, uint32_t **map,
                     struct kd_err *err)
{
    char number[16];
    bool same = true;
    *map = NULL;
    if (!model->names && !(data->names && are_numbers(data->names, data->n))) return 0;
    if (!data->names && !are_numbers(model->names, model->n)) return 0;
    uint32_t *to = kd_alloc(data->n, sizeof *to, "classes", err);
    if (!to) return -1;
    for (uint32_t k = 0; k < data->n; k++) {
        snprintf(number, sizeof number, "%u", k);
        const char *name = data->names ? data->names[k] : number;
        to[k] = place_of(model, name);
        same = same && to[k] == k;
        if (to[k] < model->n) continue;
        kd_free(to);
        return mismatch(model, data, name, err);
    }
    if (same)
        kd_free(to);
    else
        *map = to;
    return 0;
}

int kd_classes_order(const struct kd_classes *model, const uint32_t *map, uint32_t data_n,
                     uint32_t **order, struct kd_err *err)
{
    *order = NULL;
    if (!map) return 0;
    uint32_t *out = kd_alloc(model->n, sizeof *out, "classes", err);
    bool *taken = kd_alloc(model->n, sizeof *taken, "classes", err);
    if (!out || !taken) {
        kd_free(out);
        kd_free(taken);
        return -1;
    }
    uint32_t n = 0;
    for (uint32_t k = 0; k < data_n && n < model->n; k++) {
        out[n++] = map[k];
        taken[map[k]] = true;
    }
    for (uint32_t k = 0; k < model->n && n < model->n; k++)
        if (!taken[k]) out[n++] = k;
    kd_free(taken);
    *order = out;
    return 0;
}

void kd_class_names_free(char **names, uint32_t n)
{
    for (uint32_t k = 0; names && k < n; k++) kd_free(names[k]);
    kd_free(names);
}

char **kd_class_names_copy(char *const *names, const uint32_t *order, uint32_t n,
                           struct kd_err *err)
{
    char **out = kd_alloc(n, sizeof *out, "class names", err);
    for (uint32_t k = 0; out && k < n; k++) {
        out[k] = kd_strdup(names[order ? order[k] : k], err);
        if (out[k]) continue;
        kd_class_names_free(out, n);
        return NULL;
    }
    return out;
}

int kd_class_names_read(const cJSON *metadata, uint32_t n, char ***names, struct kd_err *err)
{
    const char *text =
        cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(metadata, "kd.class_names"));
    *names = NULL;
    if (!text) return 0;
    cJSON *list = kd_json_parse(text, strlen(text), "kd.class_names", err);
    if (!list) return -1;
    int status = -1;
    uint32_t k = 0;
    if (!cJSON_IsArray(list) || (uint32_t)cJSON_GetArraySize(list) != n) {
        kd_fail(err, "kd.class_names is no list of %u names", n);
        goto done;
    }
    *names = kd_alloc(n, sizeof(char *), "class names", err);
    if (!*names) goto done;
    for (const cJSON *v = list->child; v; v = v->next, k++) {
        if (!cJSON_IsString(v)) {
            kd_fail(err, "kd.class_names[%u] is no text", k);
            goto done;
        }
        if (!((*names)[k] = kd_strdup(v->valuestring, err))) goto done;
    }
    status = 0;
done:
    cJSON_Delete(list);
    if (status < 0) {
        kd_class_names_free(*names, n);
        *names = NULL;
    }
    return status;
}

int kd_class_names_put(struct kd_tensorfile *file, char *const *names, uint32_t n,
                       struct kd_err *err)
{
    if (!names) return 0;
    struct kd_maker b = kd_make_list(err);
    for (uint32_t k = 0; k < n; k++) kd_put_text(&b, NULL, names[k]);
    return kd_tensorfile_set_json(file, "kd.class_names", kd_make_end(&b), err);
}
