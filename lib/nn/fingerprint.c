/* What makes two models the same: parameters by sorted name, network, normalization. Where a
 * network has integers, they are the parameters: the floats beside them are only what they stand
 * for. */
#include "kd/base/hash.h"
#include "kd/nn/integers.h"
#include "kd/nn/network.h"

#include <stdlib.h>
#include <string.h>

static int by_name(const void *a, const void *b)
{
    return strcmp((*(struct kd_param *const *)a)->name, (*(struct kd_param *const *)b)->name);
}

int kd_network_fingerprint(const struct kd_network *net, const char *extra, char out[33],
                           struct kd_err *err)
{
    int status = -1;
    struct kd_hash *h = NULL;
    char *text = kd_json_text(net->json, false, err);
    const unsigned n = net->n_params - net->n_attached;
    struct kd_param **sorted = kd_alloc(n, sizeof *sorted, "a sorted list", err);
    if (!text || !sorted || !(h = kd_hash_new(err))) goto done;
    memcpy(sorted, net->params, n * sizeof *sorted);
    qsort(sorted, n, sizeof *sorted, by_name);
    for (unsigned i = 0; i < n; i++) {
        const struct kd_param *p = sorted[i];
        kd_hash_add(h, p->name, strlen(p->name) + 1);
        kd_hash_add_u32(h, p->dims);
        for (unsigned d = 0; d < p->dims; d++) kd_hash_add_u32(h, (uint32_t)p->shape[d]);
        if (!net->integers) kd_hash_add(h, p->value, p->count * sizeof(float));
    }
    if (net->integers) kd_int_hash(net->integers, h);
    kd_hash_add(h, text, strlen(text) + 1);
    kd_hash_add(h, extra, strlen(extra) + 1);
    kd_hash_end(h, out);
    status = 0;
done:
    kd_free(sorted);
    kd_free(text);
    return status;
}
