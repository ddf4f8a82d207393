#include "kd/nn/whiten.h"
#include "layers.h"

#include <math.h>
#include <string.h>

enum { MOST_IMAGES = 5000, AT_A_TIME = 100 };
static const double least_variance = 5e-4, most_work = 2e9;

struct patches {                  /* sums over all patches seen */
    size_t c, h, w, kernel, size; /* size: numbers of a patch */
    double n, *sum, *square;      /* [size], [size][size], its upper half */
    double *one;                  /* [size] */
};

static void add_patch(struct patches *p, const float *image, size_t y, size_t x)
{
    double *to = p->one;
    for (size_t c = 0; c < p->c; c++)
        for (size_t i = 0; i < p->kernel; i++)
            for (size_t j = 0; j < p->kernel; j++)
                *to++ = (double)image[(c * p->h + y + i) * p->w + x + j];
    for (size_t i = 0; i < p->size; i++) {
        double v = p->one[i], *row = p->square + i * p->size;
        p->sum[i] += v;
        for (size_t j = i; j < p->size; j++) row[j] += v * p->one[j];
    }
    p->n++;
}

/* The sums become the covariance matrix. */
static void covariance(struct patches *p)
{
    for (size_t i = 0; i < p->size; i++)
        for (size_t j = i; j < p->size; j++) {
            double v = p->square[i * p->size + j] / p->n - p->sum[i] / p->n * (p->sum[j] / p->n);
            p->square[i * p->size + j] = p->square[j * p->size + i] = v;
        }
}

static void set_filters(struct kd_param *weight, size_t size, const double *values,
                        const double *vectors)
{
    size_t half = weight->shape[0] / 2;
    for (size_t i = 0; i < half; i++) {
        double by = 1 / sqrt((values[i] > 0 ? values[i] : 0) + least_variance);
        for (size_t j = 0; j < size; j++) {
            weight->value[i * size + j] = (float)(by * vectors[i * size + j]);
            weight->value[(half + i) * size + j] = -weight->value[i * size + j];
        }
    }
}

static int collect(struct patches *p, const struct kd_subset *from,
                   const struct kd_normalize *normalize, struct kd_err *err)
{
    size_t features = p->c * p->h * p->w, ys = p->h - p->kernel + 1, xs = p->w - p->kernel + 1;
    double work = (double)(ys * xs) * (double)(p->size * p->size) / 2,
           most = fmax(AT_A_TIME, most_work / work);
    uint32_t n = from->n < MOST_IMAGES ? from->n : MOST_IMAGES, index[AT_A_TIME];
    struct kd_view view = {.images = from->images, .index = index, .n = AT_A_TIME};
    if (most < n) n = (uint32_t)most;
    float *images = kd_alloc(AT_A_TIME * features, sizeof *images, "images to whiten", err);
    if (!images) return -1;
    for (uint32_t at = 0; at < n; at += AT_A_TIME) {
        uint32_t rows = n - at < AT_A_TIME ? n - at : AT_A_TIME;
        for (uint32_t i = 0; i < rows; i++)
            index[i] = from->index[(uint64_t)(at + i) * from->n / n];
        kd_batch_fill(&view, normalize, 0, rows, images);
        for (uint32_t i = 0; i < rows; i++)
            for (size_t y = 0; y < ys; y++)
                for (size_t x = 0; x < xs; x++) add_patch(p, images + i * features, y, x);
    }
    kd_free(images);
    return 0;
}

int kd_whiten(struct kd_layer *l, size_t kernel, const struct kd_subset *images,
              const struct kd_normalize *normalize, struct kd_err *err)
{
    size_t size = l->in.c * kernel * kernel;
    if (l->in.h < kernel || l->in.w < kernel)
        return kd_fail_usage(
            err, "network[0] (conv2d): \"init\": \"whiten\" needs images of at least %zux%zu",
            kernel, kernel);
    struct patches p = {.c = l->in.c, .h = l->in.h, .w = l->in.w, .kernel = kernel, .size = size};
    double *memory = kd_alloc(2 * size * size + 3 * size, sizeof *memory, "patch whitening", err);
    if (!memory) return -1;
    double *vectors = memory + size * size, *values = vectors + size * size;
    p.square = memory;
    p.sum = values + size;
    p.one = p.sum + size;
    int status = collect(&p, images, normalize, err);
    if (status == 0) {
        covariance(&p);
        kd_eigen_symmetric(size, p.square, values, vectors);
        set_filters(&l->param[0], size, values, vectors);
    }
    kd_free(memory);
    return status;
}

int kd_network_whiten(struct kd_network *net, const struct kd_subset *images,
                      const struct kd_normalize *normalize, struct kd_err *err)
{
    struct kd_layer *first = &net->chain.layers[0];
    if (!first->kind->init_from_images) return 0;
    return first->kind->init_from_images(first, images, normalize, err);
}
