/* The list of networks known by name, as --network ? prints it. */
#include "kd/nn/network.h"
#include "networks.h"
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int line(struct kd_bytes *out, const char *name, const char *about, struct kd_err *err)
{
    cJSON *json = cJSON_CreateString(name), *layers = NULL;
    struct kd_network *net = NULL;
    if (!json)
        kd_fail_memory(err, "not enough memory for a list of networks");
    else
        layers = kd_network_layers(json, err);
    if (layers) net = kd_network_build(layers, (struct kd_shape){3, 32, 32, false}, 10, err);
    int status = net ? kd_bytes_format(out, err, "%-16s %12zu %15llu  %s\n", name, net->parameters,
                                       (unsigned long long)net->macs, about)
                     : -1;
    kd_network_free(net);
    cJSON_Delete(layers);
    cJSON_Delete(json);
    return status;
}

int kd_network_list(struct kd_bytes *out, struct kd_err *err)
{
    const struct kd_named_network *n;
    kd_bytes_format(out, err, "%-16s %12s %15s  %s\n", "network", "parameters", "multiply-adds",
                    "for 3x32x32 images of 10 classes");
    int status = line(out, "mlp-800-800", "dense layers of any widths: mlp-128-64", err);
    for (unsigned list = 0, at = 0; status == 0 && (n = kd_named_each(&list, &at));)
        status = line(out, n->name, n->about, err);
    return status;
}
