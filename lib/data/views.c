#include "kd/data/views.h"
#include "kd/base/mem.h"
#include <math.h>
#include <string.h>

struct filling {
    const struct kd_images *images;
    struct kd_view view;
    struct kd_normalize raw, lifted, own; /* mean 0; mean -1; as students have it */
    float *x, *y;                         /* [c*h*w] */
    size_t size;                          /* of an image */
};

static void normalize_set(struct kd_normalize *n, uint32_t channels, float mean)
{
    n->channels = channels;
    for (uint32_t c = 0; c < channels; c++) {
        n->mean[c] = mean;
        n->std[c] = 1;
    }
}

/* Image i of the view as floats, in x. What was cut out is 0 whatever is subtracted from the
 * pixels: lifted by one, no other pixel of bytes is. */
static void image_fill(struct filling *f, size_t i)
{
    const size_t plane = (size_t)f->images->h * f->images->w;
    kd_batch_fill(&f->view, &f->raw, i, 1, f->x);
    if (!f->view.augment->cutout || f->images->dtype != KD_U8) return;
    kd_batch_fill(&f->view, &f->lifted, i, 1, f->y);
    for (size_t k = 0; k < f->size; k++)
        if (!(f->y[k] > 0)) f->x[k] = f->own.mean[k / plane];
}

static void view_fill(struct filling *f, const struct kd_tensor *t, size_t v)
{
    for (size_t i = 0; i < f->images->n; i++) {
        const size_t at = (v * f->images->n + i) * f->size;
        image_fill(f, i);
        if (t->dtype == KD_F32)
            memcpy((float *)t->data + at, f->x, f->size * sizeof *f->x);
        else
            for (size_t k = 0; k < f->size; k++)
                ((uint8_t *)t->data)[at + k] = (uint8_t)lrintf(255 * f->x[k]);
    }
}

static int filling_init(struct filling *f, const struct kd_images *images,
                        const struct kd_views_wanted *wanted, struct kd_err *err)
{
    f->images = images;
    f->size = (size_t)images->c * images->h * images->w;
    f->view = (struct kd_view){
        .images = images, .n = images->n, .augment = wanted->augment, .seed = wanted->seed};
    normalize_set(&f->raw, images->c, 0);
    normalize_set(&f->lifted, images->c, -1);
    f->x = kd_alloc(2 * f->size, sizeof *f->x, "an image", err);
    f->y = f->x ? f->x + f->size : NULL;
    return f->x ? kd_normalize_init(&f->own, NULL, images, err) : -1;
}

int kd_views_pixels(const struct kd_images *images, const struct kd_views_wanted *wanted,
                    struct kd_tensor *t, struct kd_err *err)
{
    const bool bytes = images->dtype == KD_U8 && !wanted->augment->cutout;
    const size_t size = (size_t)images->c * images->h * images->w;
    struct filling *f = kd_alloc(1, sizeof *f, "views", err);
    *t = (struct kd_tensor){.dtype = bytes ? KD_U8 : KD_F32,
                            .dims = 5,
                            .shape = {wanted->views, images->n, images->c, images->h, images->w}};
    int status = f ? filling_init(f, images, wanted, err) : -1;
    if (status == 0 && (double)wanted->views * images->n * (double)size > 1e15)
        status = kd_fail_memory(err, "so many views are more than any memory");
    t->count = wanted->views * images->n * size;
    if (status == 0 && !(t->data = kd_alloc(t->count, kd_dtype_size(t->dtype), "views", err)))
        status = -1;
    for (size_t v = 0; status == 0 && v < wanted->views; v++) {
        f->view.epoch = (uint32_t)v;
        view_fill(f, t, v);
    }
    if (f) kd_free(f->x);
    kd_free(f);
    return status;
}
