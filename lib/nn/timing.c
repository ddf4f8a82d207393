/* How fast a network answers. */
#include "kd/nn/predict.h"

#include <math.h>

int kd_predict_time(const struct kd_model *model, const struct kd_view *view,
                    struct kd_pool *for_one, struct kd_pool *for_many, struct kd_speed *out,
                    struct kd_err *err)
{
    enum { ONES = 200, MANY = 1000, ROUNDS = 5 };
    struct kd_network *net = model->net;
    uint32_t list[MANY];
    double one[ONES], best = HUGE_VAL;
    struct kd_view many_times = *view;
    if (kd_pixels_suit(model, view->images, err) < 0) return -1;
    for (uint32_t i = 0; i < MANY; i++)
        list[i] = view->index ? view->index[i % view->n] : (uint32_t)(i % view->n);
    many_times.index = list;
    many_times.n = MANY;
    for (int many = 0; many < 2; many++) {
        size_t batch = many ? MANY : 1;
        struct kd_pool *pool = many ? for_many : for_one;
        struct kd_pass pass = {.rows = batch};
        if (kd_network_plan(net, batch, false, err) < 0) return -1;
        for (int i = -1; i < (many ? ROUNDS : ONES); i++) { /* the first is a warm-up */
            size_t from = many || i < 0 ? 0 : (size_t)i;
            kd_view_fill(&many_times, &model->normalize, from, batch, pool, net->in);
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
    *out = (struct kd_speed){1e3 * one[ONES / 2], MANY / best};
    return 0;
}
