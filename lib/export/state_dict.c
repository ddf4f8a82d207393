#include "kd/export/state_dict.h"

#include <stdio.h>
#include <string.h>

static const char *const wrappers[] = {"module.", "_orig_mod.", NULL};
static const struct {
    const char *theirs, *ours;
} leaves[] = {
    {"gamma", "weight"},
    {"beta", "bias"},
    {"moving_mean", "running_mean"},
    {"moving_variance", "running_var"},
    {NULL, NULL},
};

static const char *without_wrappers(const char *name)
{
    for (size_t i = 0; wrappers[i];) {
        size_t n = strlen(wrappers[i]);
        bool has = strncmp(name, wrappers[i], n) == 0;
        name += has ? n : 0;
        i = has ? 0 : i + 1;
    }
    return name;
}

/* The name that kd gives it, owned by the caller. */
static char *our_name(const char *name, struct kd_err *err)
{
    struct kd_bytes b = {0};
    name = without_wrappers(name);
    const char *dot = strrchr(name, '.'), *leaf = dot ? dot + 1 : name;
    size_t i = 0;
    while (leaves[i].theirs && strcmp(leaf, leaves[i].theirs) != 0) i++;
    int status = kd_bytes_format(&b, err, "%.*s%s", (int)(leaf - name), name,
                                 leaves[i].theirs ? leaves[i].ours : leaf);
    char *copy = status == 0 ? kd_strdup((const char *)b.data, err) : NULL;
    kd_bytes_release(&b);
    return copy;
}

static bool passed_over(const char *name)
{
    const char *dot = strrchr(name, '.');
    return strcmp(dot ? dot + 1 : name, "num_batches_tracked") == 0;
}

static int rename_all(const struct kd_tensorfile *file, struct kd_tensorfile *out,
                      struct kd_err *err)
{
    for (size_t i = 0; i < file->n; i++) {
        const struct kd_tensor *t = &file->tensors[i];
        if (passed_over(t->name)) continue;
        char *name = our_name(t->name, err);
        int status = name ? 0 : -1;
        if (name && kd_tensorfile_find(out, name))
            status = kd_fail(err, "two of its tensors are called %s in kd", name);
        if (status == 0)
            status = kd_tensorfile_add(
                out, name, (struct kd_array){t->dtype, t->dims, t->shape, t->data}, err);
        kd_free(name);
        if (status < 0) return -1;
    }
    return 0;
}

enum { LISTED = 10, LIST_TEXT = 1024 };
struct list {
    size_t n;
    char text[LIST_TEXT];
};
static void list_add(struct list *l, const char *name)
{
    size_t at = strlen(l->text);
    if (l->n++ < LISTED)
        snprintf(l->text + at, sizeof l->text - at, "%s%.80s", l->n > 1 ? ", " : "", name);
    else if (l->n == LISTED + 1)
        snprintf(l->text + at, sizeof l->text - at, ", ...");
}

static int compare(const struct kd_network *net, const struct kd_tensorfile *file,
                   struct kd_err *err)
{
    struct list missing = {0}, surplus = {0};
    for (unsigned p = 0; p < net->n_params; p++)
        if (!kd_tensorfile_find(file, net->params[p]->name))
            list_add(&missing, net->params[p]->name);
    for (size_t i = 0; i < file->n; i++) {
        unsigned p = 0;
        while (p < net->n_params && strcmp(net->params[p]->name, file->tensors[i].name) != 0) p++;
        if (p == net->n_params) list_add(&surplus, file->tensors[i].name);
    }
    if (!missing.n && !surplus.n) return 0;
    return kd_fail(err, "its tensors are not the network's: %zu missing%s%s%s; %zu surplus%s%s%s",
                   missing.n, missing.n ? " (" : "", missing.text, missing.n ? ")" : "", surplus.n,
                   surplus.n ? " (" : "", surplus.text, surplus.n ? ")" : "");
}

static int check_names(const struct kd_tensorfile *file, const cJSON *network, struct kd_err *err)
{
    size_t numbers = 0;
    for (size_t i = 0; i < file->n; i++) numbers += file->tensors[i].count;
    struct kd_network *net = kd_network_from_file(network, numbers, err);
    int status = net ? compare(net, file, err) : -1;
    kd_network_free(net);
    return status;
}

int kd_state_dict_import(const struct kd_tensorfile *file, const char *path, const cJSON *network,
                         const cJSON *normalize, struct kd_model *out, struct kd_err *err)
{
    struct kd_tensorfile ours = {0};
    *out = (struct kd_model){0};
    int status = kd_tensorfile_init(&ours, err);
    if (status == 0) status = rename_all(file, &ours, err);
    if (status == 0) status = check_names(&ours, network, err);
    if (status < 0)
        kd_err_context(err, "%s", path);
    else if (kd_tensorfile_set(&ours, "kd.kind", "model", err) < 0 ||
             kd_tensorfile_set_json(&ours, "kd.network", cJSON_Duplicate(network, 1), err) < 0 ||
             kd_tensorfile_set_json(&ours, "kd.normalize", cJSON_Duplicate(normalize, 1), err) < 0)
        status = -1;
    else
        status = kd_model_from_file(&ours, path, out, err);
    kd_tensorfile_release(&ours);
    return status;
}
