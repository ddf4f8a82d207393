#include "kd/train/predict.h"

#include <math.h>
#include <string.h>

struct filling {
    const struct kd_view *view;
    const struct kd_normalize *normalize;
    const uint32_t *index;
    size_t n, features;
    float *out;
};
enum { ROWS_A_PART = 25 };

static void fill_part(void *arg, unsigned part)
{
    const struct filling *f = arg;
    size_t from = (size_t)part * ROWS_A_PART,
           n = f->n - from < ROWS_A_PART ? f->n - from : ROWS_A_PART;
    kd_batch_fill(f->view->images, f->normalize, f->view->augment, f->view->seed, f->view->epoch,
                  f->index + from, (uint32_t)n, f->out + from * f->features);
}

void kd_view_fill(const struct kd_view *view, const struct kd_normalize *normalize,
                  const uint32_t *index, size_t n, struct kd_pool *pool, float *out)
{
    const struct kd_images *im = view->images;
    struct filling f = {view, normalize, index, n, (size_t)im->c * im->h * im->w, out};
    kd_pool_run(pool, (unsigned)((n + ROWS_A_PART - 1) / ROWS_A_PART), fill_part, &f);
}

int kd_predict(struct kd_network *net, const struct kd_normalize *normalize,
               const struct kd_view *view, const uint32_t *index, size_t n, struct kd_pool *pool,
               const struct kd_progress *progress, float *logits, struct kd_err *err)
{
    if (!net->batch && kd_network_plan(net, KD_PREDICT_BATCH, false, err) < 0) return -1;
    size_t batch = net->batch;
    uint32_t *own = NULL; /* only where no places are given: a teacher at hand is asked within the
                             training step */
    if (!index && !(own = kd_alloc(batch, sizeof *own, "a batch's places", err))) return -1;
    int status = 0;
    for (size_t from = 0; from < n && (status = kd_progress_go_on(progress, err)) == 0;
         from += batch) {
        size_t rows = n - from < batch ? n - from : batch;
        for (size_t i = 0; own && i < rows; i++) own[i] = (uint32_t)(from + i);
        kd_view_fill(view, normalize, own ? own : index + from, rows, pool, net->in);
        struct kd_pass pass = {.training = false, .rows = rows};
        kd_network_forward(net, pool, &pass);
        memcpy(logits + from * net->classes, net->out, rows * net->classes * sizeof *logits);
        kd_progress_tick(progress, from + rows, n, NULL);
    }
    kd_free(own);
    return status;
}

int kd_logits_check(const char *name, const float *logits, size_t n, size_t classes,
                    struct kd_err *err)
{
    for (size_t i = 0; i < n * classes; i++)
        if (!isfinite(logits[i]))
            return kd_fail(err, "%s: its logit %zu of image %zu is %g: its weights are too large",
                           name, i % classes, i / classes, (double)logits[i]);
    return 0;
}

int kd_classes_suit(const char *who, size_t classes, const struct kd_images *images,
                    struct kd_err *err)
{
    if (!images->labels || images->classes <= classes) return 0;
    for (uint32_t i = 0; i < images->n; i++)
        if (images->labels[i] >= 0 && (size_t)images->labels[i] >= classes)
            return kd_fail(
                err, "%s: classes 0 to %zu are known, but image %u of %s:%s has label %d", who,
                classes - 1, i, images->source, images->split, (int)images->labels[i]);
    return kd_fail(err, "%s: knows %zu classes, %s:%s has %u", who, classes, images->source,
                   images->split, images->classes);
}

int kd_model_suits(const struct kd_model *model, const struct kd_images *images, struct kd_err *err)
{
    const struct kd_network *net = model->net;
    if (net->input.c != images->c || net->input.h != images->h || net->input.w != images->w)
        return kd_fail(err, "%s takes images of %ux%ux%u, %s:%s has %ux%ux%u", model->path,
                       net->input.c, net->input.h, net->input.w, images->source, images->split,
                       images->c, images->h, images->w);
    return kd_classes_suit(model->path, net->classes, images, err);
}
