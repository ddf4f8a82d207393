#include "kd/nn/softmax.h"

#include <math.h>

double kd_softmax_sum(const float *z, size_t classes, double temperature, double *most)
{
    double sum = 0;
    *most = -HUGE_VAL;
    for (size_t c = 0; c < classes; c++)
        if ((double)z[c] > *most) *most = (double)z[c];
    for (size_t c = 0; c < classes; c++) sum += exp(((double)z[c] - *most) / temperature);
    return sum;
}

void kd_softmax(const float *z, size_t classes, double temperature, float *q)
{
    double most, sum = kd_softmax_sum(z, classes, temperature, &most);
    for (size_t c = 0; c < classes; c++)
        q[c] = (float)(exp(((double)z[c] - most) / temperature) / sum);
}
