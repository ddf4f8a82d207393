/* {"kind": "repeat", "times": 3, "layers": [...]} in a list of layers stands for these layers, so
 * often. It is no layer: lists are written out before a network is built, and models are saved with
 * all of their layers. */
#include "networks.h"

#include <math.h>
#include <string.h>

enum { MOST_TIMES = 1000, MOST_IN_ALL = 10000, MOST_DEPTH = 100 };

struct unrolling {
    unsigned layers, depth;
    struct kd_err *err;
};

static int unroll(struct unrolling *u, const cJSON *from, cJSON *to);

static bool is_repeat(const cJSON *item)
{
    const char *kind = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(item, "kind"));
    return kind && strcmp(kind, "repeat") == 0;
}

static int repeat(struct unrolling *u, const cJSON *item, cJSON *to)
{
    const cJSON *times = NULL, *layers = NULL, *key;
    cJSON_ArrayForEach(key, item)
    {
        if (strcmp(key->string, "times") == 0)
            times = key;
        else if (strcmp(key->string, "layers") == 0)
            layers = key;
        else if (strcmp(key->string, "kind") != 0)
            return kd_fail_usage(u->err,
                                 "network: repeat has no \"%.60s\"; it has \"times\" and "
                                 "\"layers\"",
                                 key->string);
    }
    const double n = times && cJSON_IsNumber(times) ? times->valuedouble : 0;
    if (!(n >= 1 && n <= MOST_TIMES && n == floor(n)))
        return kd_fail_usage(u->err, "network: repeat: \"times\" is a whole number from 1 to %d",
                             MOST_TIMES);
    if (!cJSON_IsArray(layers))
        return kd_fail_usage(u->err, "network: repeat: \"layers\" is a list of layers");
    for (int i = 0; i < (int)n; i++)
        if (unroll(u, layers, to) < 0) return -1;
    return 0;
}

/* A layer; the lists that it holds are written out too. */
static int copy(struct unrolling *u, const cJSON *item, cJSON *to)
{
    if (++u->layers > MOST_IN_ALL)
        return kd_fail_usage(u->err, "network: more than %d layers in all", MOST_IN_ALL);
    cJSON *made = cJSON_Duplicate(item, true);
    if (!made || !cJSON_AddItemToArray(to, made)) {
        cJSON_Delete(made);
        return kd_fail_memory(u->err, "not enough memory for a layer list");
    }
    const cJSON *held;
    cJSON_ArrayForEach(held, item)
    {
        if (!cJSON_IsObject(item) || !cJSON_IsArray(held)) continue;
        cJSON *list = cJSON_CreateArray();
        if (!list || !cJSON_ReplaceItemInObjectCaseSensitive(made, held->string, list)) {
            cJSON_Delete(list);
            return kd_fail_memory(u->err, "not enough memory for a layer list");
        }
        if (unroll(u, held, list) < 0) return -1;
    }
    return 0;
}

static int unroll(struct unrolling *u, const cJSON *from, cJSON *to)
{
    const cJSON *item;
    if (u->depth++ == MOST_DEPTH)
        return kd_fail_usage(u->err, "network: layers lie in layers more than %d deep", MOST_DEPTH);
    int status = 0;
    cJSON_ArrayForEach(item, from)
    {
        status = is_repeat(item) ? repeat(u, item, to) : copy(u, item, to);
        if (status < 0) break;
    }
    u->depth--;
    return status;
}

cJSON *kd_layers_unroll(const cJSON *list, struct kd_err *err)
{
    struct unrolling u = {.err = err};
    cJSON *all = cJSON_CreateArray();
    if (!all) {
        kd_fail_memory(err, "not enough memory for a layer list");
        return NULL;
    }
    if (unroll(&u, list, all) == 0) return all;
    cJSON_Delete(all);
    return NULL;
}
