/* The table of layer kinds, one layer from and to JSON, and what every kind needs. */
#include "layers.h"
#include "kd/base/json.h"

#include <stdio.h>
#include <string.h>

#define KD_LAYER_ENTRY(name) &kd_layer_##name,
static const struct kd_layer_kind *const kinds[] = {KD_LAYER_KINDS(KD_LAYER_ENTRY)};
enum { KINDS = sizeof kinds / sizeof *kinds };

const struct kd_layer_kind *kd_layer_kind_find(const char *name, struct kd_err *err)
{
    const char *names[KINDS];
    for (unsigned i = 0; i < KINDS; i++) {
        if (strcmp(kinds[i]->name, name) == 0) return kinds[i];
        names[i] = kinds[i]->name;
    }
    const char *near = kd_nearest(name, names, KINDS);
    struct kd_bytes all = {0};
    for (unsigned i = 0; i < KINDS && !near; i++)
        if (kd_bytes_format(&all, err, i ? ", %s" : "%s", names[i]) < 0) break;
    if (near)
        kd_fail_usage(err, "unknown layer kind \"%s\"; did you mean \"%s\"?", name, near);
    else
        kd_fail_usage(err, "unknown layer kind \"%s\"; there are %s", name,
                      all.data ? all.data : "others");
    kd_bytes_release(&all);
    return NULL;
}

/* ---- from and to JSON ---- */

/* "freeze" is of every layer with parameters to train, and no setting of its kind. */
static const struct kd_option freeze_rows[] = {
    {.key = "freeze",
     .kind = KD_OPT_TEXTS,
     .offset = offsetof(struct kd_layer, freeze),
     .metavar = "NAMES",
     .help = "parameters that are not trained"},
    {0},
};

static int read_freeze(struct kd_layer *l, const cJSON *names, struct kd_err *err)
{
    const struct kd_opt_section section[] = {{"", "", freeze_rows, l, NULL}, {0}};
    cJSON *alone = cJSON_CreateObject();
    int status = kd_json_attach(alone, "freeze", cJSON_Duplicate(names, true), err);
    if (status == 0) status = kd_opts_from_json(section, alone, "", NULL, err);
    cJSON_Delete(alone);
    return status;
}

int kd_layer_read(struct kd_layer *l, const cJSON *item, struct kd_err *err)
{
    static const struct kd_option none[] = {{0}};
    static const char *const besides[] = {"kind", NULL}, *const or_freeze[] = {"kind", "freeze",
                                                                               NULL};
    const cJSON *kind =
        cJSON_IsObject(item) ? cJSON_GetObjectItemCaseSensitive(item, "kind") : item;
    if (!cJSON_IsString(kind))
        return kd_fail_usage(err, "expected a name like \"relu\" or an object with a \"kind\"");
    l->kind = kd_layer_kind_find(kind->valuestring, err);
    if (!l->kind) return -1;
    if (l->kind->own_bytes &&
        !(l->own = kd_alloc(1, l->kind->own_bytes, "a layer's settings", err)))
        return -1;
    const struct kd_opt_section section[] = {
        {"", l->kind->name, l->kind->rows ? l->kind->rows : none, l->own, NULL}, {0}};
    if (kd_opts_preset(section, err) < 0) return -1;
    if (!cJSON_IsObject(item)) return 0;
    const char *const *others = l->kind->freezes ? or_freeze : besides;
    if (kd_opts_from_json(section, item, "", others, err) < 0) return -1;
    const cJSON *freeze = cJSON_GetObjectItemCaseSensitive(item, "freeze");
    return freeze && l->kind->freezes ? read_freeze(l, freeze, err) : 0;
}

cJSON *kd_layer_to_json(const struct kd_layer *l, struct kd_err *err)
{
    if (!l->kind->rows) {
        cJSON *name = cJSON_CreateString(l->kind->name);
        if (!name) kd_fail_memory(err, "not enough memory for a layer list");
        return name;
    }
    const struct kd_opt_section section[] = {{"", l->kind->name, l->kind->rows, l->own, NULL}, {0}};
    struct kd_layer copy = *l; /* the rows want something they could write to */
    const struct kd_opt_section frozen[] = {{"", "", freeze_rows, &copy, NULL}, {0}};
    cJSON *rest = kd_opts_to_json(section, err), *object = cJSON_CreateObject();
    int status = rest ? kd_json_add_text(object, "kind", l->kind->name, err) : -1;
    for (cJSON *item; status == 0 && (item = cJSON_DetachItemViaPointer(rest, rest->child));)
        status = kd_json_add(object, item->string, item, err);
    cJSON_Delete(rest);
    rest = status == 0 && l->freeze.n ? kd_opts_to_json(frozen, err) : NULL;
    if (status == 0 && l->freeze.n && !rest) status = -1;
    if (rest)
        status =
            kd_json_attach(object, "freeze", cJSON_DetachItemViaPointer(rest, rest->child), err);
    cJSON_Delete(rest);
    if (status == 0) return object;
    cJSON_Delete(object);
    return NULL;
}

/* ---- parameters ---- */

struct kd_param *kd_layer_add_param(struct kd_layer *l, const char *name, size_t n_rows,
                                    size_t cols)
{
    struct kd_param *p = &l->param[l->n_params++];
    *p = (struct kd_param){.dims = cols ? 2 : 1,
                           .shape = {n_rows, cols},
                           .trained = true,
                           .rate = 1,
                           .role = strcmp(name, "bias") == 0 ? KD_BIAS : KD_WEIGHT,
                           .count = n_rows * (cols ? cols : 1)};
    snprintf(p->name, sizeof p->name, "%s.%s", l->name, name);
    return p;
}

int kd_layer_freeze(struct kd_layer *l, struct kd_err *err)
{
    for (size_t i = 0; i < l->freeze.n; i++) {
        struct kd_param *found = NULL;
        for (unsigned j = 0; j < l->n_params; j++)
            if (strcmp(strrchr(l->param[j].name, '.') + 1, l->freeze.v[i]) == 0)
                found = &l->param[j];
        if (!found || found->role == KD_STATISTIC)
            return kd_fail_usage(
                err, "\"freeze\": it has no \"%s\" to train; expected weight or bias%s",
                l->freeze.v[i], l->n_params > 1 ? "" : " (this layer has no bias)");
        found->trained = false;
    }
    return 0;
}

/* ---- what kinds share ---- */

int kd_layer_same_shape(struct kd_layer *l, struct kd_build *build, struct kd_err *err)
{
    (void)build;
    (void)err;
    l->out = l->in;
    return 0;
}

struct kd_chain *kd_layer_chain(const struct kd_layer *l, unsigned i)
{
    return l->kind && l->kind->holder ? l->kind->holder->chain(l, i) : NULL;
}

void kd_layer_release(struct kd_layer *l)
{
    if (l->own && l->kind->release) l->kind->release(l);
    for (size_t j = 0; j < l->freeze.n; j++) kd_free(l->freeze.v[j]);
    kd_free(l->freeze.v);
    kd_free(l->own);
}
