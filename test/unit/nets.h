/* Networks for tests: built from JSON text, filled from a stream of random numbers. Include after
 * cmocka.h. */
#ifndef KD_TEST_NETS_H
#define KD_TEST_NETS_H
#include "kd/nn/network.h"
#include <string.h>

static inline cJSON *json_of(const char *text)
{
    struct kd_err e = {0};
    cJSON *json = kd_json_parse(text, strlen(text), "test", &e);
    if (!json) fail_msg("%s: %s", text, e.text);
    return json;
}

/* NULL with e filled where it cannot be built. */
static inline struct kd_network *net_try(const char *layers, struct kd_shape input,
                                         uint32_t classes, struct kd_err *e)
{
    cJSON *json = json_of(layers);
    struct kd_network *net = kd_network_build(json, input, classes, e);
    cJSON_Delete(json);
    return net;
}

static inline struct kd_network *net_of(const char *layers, struct kd_shape input, uint32_t classes,
                                        uint64_t seed)
{
    struct kd_err e = {0};
    struct kd_network *net = net_try(layers, input, classes, &e);
    if (!net) fail_msg("%s: %s", layers, e.text);
    kd_network_init(net, seed);
    return net;
}

static inline void net_plan(struct kd_network *net, size_t batch, bool training)
{
    struct kd_err e = {0};
    if (kd_network_plan(net, batch, training, &e) < 0) fail_msg("%s", e.text);
}

static inline void random_fill(float *x, size_t n, float scale, uint32_t which)
{
    struct kd_rng r = kd_rng_for(11, KD_FOR_TEST, which, 0);
    for (size_t i = 0; i < n; i++) x[i] = scale * kd_rng_normal(&r);
}

static inline struct kd_param *param_of(const struct kd_network *net, const char *name)
{
    for (unsigned i = 0; i < net->n_params; i++)
        if (strcmp(net->params[i]->name, name) == 0) return net->params[i];
    fail_msg("no parameter %s", name);
    return NULL;
}
#endif
