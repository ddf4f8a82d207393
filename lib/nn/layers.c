/* The table of layer kinds. A new layer is a line here. */
#include "layers.h"

#include <string.h>

static const struct kd_layer_kind *const kinds[] = {
    &kd_layer_dense,          &kd_layer_relu,    &kd_layer_leaky_relu, &kd_layer_gelu,
    &kd_layer_tanh,           &kd_layer_dropout, &kd_layer_flatten,    &kd_layer_batchnorm,
    &kd_layer_conv2d,         &kd_layer_maxpool, &kd_layer_avgpool,    &kd_layer_global_avgpool,
    &kd_layer_global_maxpool, &kd_layer_scale,   &kd_layer_residual,
};
enum { KINDS = sizeof kinds / sizeof *kinds };

const struct kd_layer_kind *kd_layer_kind_find(const char *name, struct kd_err *err)
{
    const char *names[KINDS];
    for (unsigned i = 0; i < KINDS; i++) {
        if (strcmp(kinds[i]->name, name) == 0) return kinds[i];
        names[i] = kinds[i]->name;
    }
    const char *near = kd_nearest(name, names, KINDS);
    struct kd_bytes all = {0};
    for (unsigned i = 0; i < KINDS && !near; i++)
        if (kd_bytes_format(&all, err, i ? ", %s" : "%s", names[i]) < 0) break;
    if (near)
        kd_fail_usage(err, "unknown layer kind \"%s\"; did you mean \"%s\"?", name, near);
    else
        kd_fail_usage(err, "unknown layer kind \"%s\"; there are %s", name,
                      all.data ? all.data : "others");
    kd_bytes_release(&all);
    return NULL;
}

enum { STEP = 16 }; /* floats in a cache line, and a multiple of dropout's eight draws */

struct kd_tile kd_tile_of(size_t rows, size_t n, unsigned parts, unsigned part)
{
    size_t steps = (n + STEP - 1) / STEP;
    size_t from = steps * part / parts * STEP, to = steps * (part + 1) / parts * STEP;
    if (to > n) to = n;
    return (struct kd_tile){.rows = rows, .col0 = from, .cols = to - from};
}

struct kd_tile kd_tile_of_images(size_t images, size_t pixels, size_t cols, unsigned parts,
                                 unsigned part)
{
    size_t from = images * part / parts, to = images * (part + 1) / parts;
    return (struct kd_tile){from * pixels, (to - from) * pixels, 0, cols};
}

/* Measured with OpenBLAS 0.3.21 on AVX-512 at 100 rows: tiles of 300 columns cost 4 % against whole
 * ones, of 150 columns 12 %. Below half a million multiply-adds a batch waking a thread costs more
 * than it brings. */
unsigned kd_parts_for(size_t n, double work)
{
    unsigned parts = 1;
    while (parts < 64 && n / (2 * parts) >= 256 && work / (2 * parts) >= 5e5) parts *= 2;
    if (parts == 1 && n >= 64 && work >= 1e6) parts = 2;
    return parts;
}
