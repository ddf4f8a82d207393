#include "kd/train/finetune.h"
#include "kd/base/text.h"

#include <fnmatch.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- patterns ---- */

static bool learnable(const struct kd_param *p)
{
    return p->role != KD_STATISTIC;
}

static bool matches(const char *pattern, const struct kd_param *p)
{
    return learnable(p) && fnmatch(pattern, p->name, 0) == 0;
}

static int fail_pattern(const struct kd_network *net, const char *key, const char *pattern,
                        struct kd_err *err)
{
    struct kd_bytes names = {0};
    unsigned n = 0;
    for (unsigned i = 0; i < net->n_params && n < 12; i++)
        if (learnable(net->params[i]))
            kd_bytes_format(&names, err, "%s%s", n++ ? ", " : "", net->params[i]->name);
    if (names.data)
        kd_fail_usage(err, "train.%s: \"%.100s\" matches no parameter of the network: %s%s", key,
                      pattern, names.data, n == 12 ? ", ..." : "");
    kd_bytes_release(&names);
    return -1;
}

static int freeze(struct kd_network *net, const char *pattern, struct kd_err *err)
{
    bool found = false;
    for (unsigned i = 0; i < net->n_params; i++)
        if (matches(pattern, net->params[i])) {
            net->params[i]->trained = false;
            found = true;
        }
    return found ? 0 : fail_pattern(net, "freeze", pattern, err);
}

static int set_rate(struct kd_network *net, const cJSON *item, struct kd_err *err)
{
    bool found = false;
    if (!cJSON_IsNumber(item) || !(item->valuedouble >= 0 && item->valuedouble <= 1e4))
        return kd_fail_usage(err, "train.rates: \"%.100s\" needs a factor from 0 to 10000",
                             item->string);
    for (unsigned i = 0; i < net->n_params; i++)
        if (matches(item->string, net->params[i])) {
            net->params[i]->rate = item->valuedouble;
            found = true;
        }
    return found ? 0 : fail_pattern(net, "rates", item->string, err);
}

int kd_finetune_mark(struct kd_network *net, const struct kd_train_config *config,
                     struct kd_err *err)
{
    const cJSON *item;
    unsigned trained = 0;
    for (size_t i = 0; i < config->freeze.n; i++)
        if (freeze(net, config->freeze.v[i], err) < 0) return -1;
    if (config->rates && !cJSON_IsObject(config->rates))
        return kd_fail_usage(err, "train.rates: expected patterns with their factors, as "
                                  "{\"1.*\": 0.1}");
    cJSON_ArrayForEach(item, config->rates) if (set_rate(net, item, err) < 0) return -1;
    for (unsigned i = 0; i < net->n_params; i++) trained += net->params[i]->trained;
    if (trained || !config->freeze.n) return 0;
    return kd_fail_usage(err, "train.freeze: nothing is left to learn; freeze fewer parameters");
}

/* ---- another model's weights ---- */

static const struct kd_param *find(const struct kd_network *net, const char *name)
{
    for (unsigned i = 0; i < net->n_params; i++)
        if (strcmp(net->params[i]->name, name) == 0) return net->params[i];
    return NULL;
}

static bool same_shape(const struct kd_param *a, const struct kd_param *b)
{
    return a->dims == b->dims && memcmp(a->shape, b->shape, a->dims * sizeof *a->shape) == 0;
}

static void shape_text(const struct kd_param *p, char out[80])
{
    int n = 0;
    for (unsigned d = 0; d < p->dims && n < 60; d++)
        n += snprintf(out + n, 80 - (size_t)n, "%s%zu", d ? "x" : "", p->shape[d]);
}

/* ", 5.weight (10x64 there, 20x64 here)" */
static void tell_one(struct kd_bytes *list, const struct kd_param *p, const struct kd_param *there,
                     struct kd_err *err)
{
    char was[80], is[80];
    const char *comma = list->size ? ", " : "";
    shape_text(p, is);
    if (there) shape_text(there, was);
    if (there)
        kd_bytes_format(list, err, "%s%s (%s there, %s here)", comma, p->name, was, is);
    else
        kd_bytes_format(list, err, "%s%s (not there)", comma, p->name);
}

int kd_finetune_begin(struct kd_network *net, const struct kd_model *from,
                      char told[KD_FINETUNE_TOLD], struct kd_err *err)
{
    enum { LISTED = 6 };
    struct kd_bytes list = {0};
    unsigned taken = 0, left = 0;
    for (unsigned i = 0; i < net->n_params; i++) {
        struct kd_param *p = net->params[i];
        const struct kd_param *there = find(from->net, p->name);
        if (there && same_shape(p, there)) {
            memcpy(p->value, there->value, p->count * sizeof *p->value);
            taken++;
        } else if (left++ < LISTED)
            tell_one(&list, p, there, err);
    }
    if (left && list.failed) return -1;
    if (left > LISTED) snprintf(told, KD_FINETUNE_TOLD, " and %u more", left - LISTED);
    const char *more = left > LISTED ? told : "";
    char *text = left ? kd_format(err, "%u of %u arrays start as in %.150s; not %s%s", taken,
                                  taken + left, from->path, list.data, more)
                      : kd_format(err, "all %u arrays start as in %.150s", taken, from->path);
    if (text) snprintf(told, KD_FINETUNE_TOLD, "%s", text);
    int status = text ? 0 : -1;
    if (text && !taken)
        status = kd_fail(err, "train.init: nothing in %s fits this network by name and shape: %s%s",
                         from->path, list.data, left > LISTED ? ", ..." : "");
    kd_free(text);
    kd_bytes_release(&list);
    return status;
}
