/* How fast a network answers. */
#include "kd/train/predict.h"

#include <math.h>

int kd_predict_time(struct kd_network *net, const struct kd_normalize *normalize,
                    const struct kd_view *view, const uint32_t *index, size_t n,
                    struct kd_pool *pool, double *latency_ms, double *throughput,
                    struct kd_err *err)
{
    enum { ONES = 200, MANY = 1000, ROUNDS = 5 };
    uint32_t list[MANY];
    double one[ONES], best = HUGE_VAL;
    for (uint32_t i = 0; i < MANY; i++) list[i] = index[i % n];
    for (int many = 0; many < 2; many++) {
        size_t batch = many ? MANY : 1;
        struct kd_pass pass = {.rows = batch};
        if (kd_network_plan(net, batch, false, err) < 0) return -1;
        for (int i = -1; i < (many ? ROUNDS : ONES); i++) { /* the first is a warm-up */
            kd_view_fill(view, normalize, list + (many || i < 0 ? 0 : i), batch, pool, net->in);
            double start = kd_seconds();
            kd_network_forward(net, pool, &pass);
            double took = kd_seconds() - start;
            if (many && i >= 0 && took < best) best = took;
            if (!many && i >= 0) one[i] = took;
        }
    }
    for (int i = 1; i < ONES; i++) /* insertion sort: the list is short */
        for (int j = i; j > 0 && one[j] < one[j - 1]; j--) {
            double t = one[j];
            one[j] = one[j - 1];
            one[j - 1] = t;
        }
    *latency_ms = 1e3 * one[ONES / 2];
    *throughput = MANY / best;
    return 0;
}
