/* Networks of dense layers by name, and the three ways in which an experiment may give one. */
#include "kd/nn/network.h"
#include "networks.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int add(cJSON *list, const char *kind, double units, struct kd_err *err)
{
    cJSON *item = units >= 0 ? cJSON_CreateObject() : cJSON_CreateString(kind);
    if (!item || !cJSON_AddItemToArray(list, item)) {
        cJSON_Delete(item);
        return kd_fail_memory(err, "not enough memory for a layer list");
    }
    if (units < 0) return 0;
    if (kd_json_add_text(item, "kind", kind, err) < 0) return -1;
    return units > 0 ? kd_json_add_number(item, "units", units, err) : 0;
}

/* "mlp-800-800": flatten, then dense and relu for each width, then dense to the classes. */
static cJSON *mlp(const char *name, struct kd_err *err)
{
    cJSON *list = cJSON_CreateArray();
    int bad = !list ? kd_fail_memory(err, "not enough memory for a layer list")
                    : add(list, "flatten", -1, err);
    for (const char *at = name + 3; !bad && *at;) {
        char *end;
        errno = 0;
        long units = *at == '-' && at[1] >= '1' && at[1] <= '9' ? strtol(at + 1, &end, 10) : 0;
        if (units < 1 || units > 1 << 24 || errno) {
            bad = kd_fail_usage(
                err, "network \"%s\": expected mlp-WIDTH-WIDTH..., as in mlp-800-800", name);
            break;
        }
        bad = add(list, "dense", (double)units, err) < 0 || add(list, "relu", -1, err) < 0;
        at = end;
    }
    if (!bad) bad = add(list, "dense", 0, err);
    if (!bad) return list;
    cJSON_Delete(list);
    return NULL;
}

static cJSON *by_name(const char *name, bool *known, struct kd_err *err)
{
    *known = true;
    if (strncmp(name, "mlp", 3) == 0 && (name[3] == '-' || !name[3])) return mlp(name, err);
    return kd_network_named(name, known, err);
}

static cJSON *from_file(const char *path, struct kd_err *err)
{
    cJSON *json = kd_json_read(path, err);
    if (!json) return NULL;
    const cJSON *list =
        cJSON_IsObject(json) ? cJSON_GetObjectItemCaseSensitive(json, "layers") : json;
    cJSON *layers = NULL;
    if (cJSON_IsArray(list))
        layers = kd_layers_unroll(list, err);
    else
        kd_fail_usage(err, "%s: expected a list of layers, or an object with \"layers\"", path);
    cJSON_Delete(json);
    return layers;
}

cJSON *kd_network_layers(const cJSON *spec, struct kd_err *err)
{
    if (cJSON_IsArray(spec)) return kd_layers_unroll(spec, err);
    if (!cJSON_IsString(spec)) {
        kd_fail_usage(err,
                      "network: %s a list of layers, a name like \"mlp-800-800\", or a file; "
                      "give one with --network or --layers 128,64",
                      spec ? "expected" : "there is none; expected");
        return NULL;
    }
    const char *name = spec->valuestring;
    bool known;
    cJSON *list = by_name(name, &known, err);
    if (known) return list;
    size_t n = strlen(name);
    if (strchr(name, '/') || (n > 5 && strcmp(name + n - 5, ".json") == 0))
        return from_file(name, err);
    const char *near = kd_network_near(name);
    kd_fail_usage(err,
                  "unknown network \"%s\"; %s%s%sexpected a name (--network '?' lists them), "
                  "mlp-WIDTH-WIDTH..., a .json file, or a list of layers",
                  name, near ? "did you mean " : "", near ? near : "", near ? "? Otherwise " : "");
    return NULL;
}
