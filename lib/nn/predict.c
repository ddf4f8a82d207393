#include "kd/nn/predict.h"
#include "kd/base/json.h"
#include "kd/base/view.h"
#include "kd/data/classes.h"
#include "predicting.h"

#include <math.h>
#include <string.h>

/* ---- what suits what ---- */

/* Bytes count as 0 to 1, floats as they are. Ranges that differ as 0 to 255 does from 0 to 1 are
 * two kinds of numbers. (Older models do not tell theirs.) */
static int numbers_suit(const struct kd_model *model, const struct kd_images *images,
                        struct kd_err *err)
{
    enum { APART = 16 };
    const bool bytes = model->pixels.bytes;
    const double learnt = model->pixels.high;
    const double given = images->dtype == KD_U8 ? 1 : (double)images->high;
    if (learnt <= 0 || given <= 0) return 0;
    if (given <= APART * learnt && (learnt <= APART * given || images->dtype != KD_U8)) return 0;
    return kd_fail(err,
                   "%s learnt from %s up to %g, and %s:%s has %s up to %g: other kinds of numbers; "
                   "give it what it learnt from%s",
                   model->path, bytes ? "bytes, which count as 0 to 1:" : "floats", learnt,
                   images->source, images->split,
                   images->dtype == KD_U8 ? "bytes, which count as 0 to 1:" : "floats", given,
                   bytes ? " (numpy: array.astype('u1'), or array / 255)" : "");
}

int kd_pixels_suit(const struct kd_model *model, const struct kd_images *images, struct kd_err *err)
{
    const struct kd_network *net = model->net;
    if (net->input.c != images->c || net->input.h != images->h || net->input.w != images->w)
        return kd_fail(err, "%s takes images of %ux%ux%u, %s:%s has %ux%ux%u", model->path,
                       net->input.c, net->input.h, net->input.w, images->source, images->split,
                       images->c, images->h, images->w);
    if (numbers_suit(model, images, err) < 0) return -1;
    if (model->normalize.channels != images->c)
        return kd_fail(err, "%s normalizes %u channels, %s:%s has %u", model->path,
                       model->normalize.channels, images->source, images->split, images->c);
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
    if (kd_pixels_suit(model, images, err) < 0) return -1;
    return kd_classes_suit(model->path, model->net->classes, images, err);
}

int kd_model_classes(const struct kd_model *model, const struct kd_images *images, uint32_t **map,
                     struct kd_err *err)
{
    const uint32_t n = model->net->classes;
    char **names;
    *map = NULL;
    if (kd_class_names_read(model->metadata, n, &names, err) < 0)
        return kd_err_context(err, "%s", model->path);
    const struct kd_classes own = {model->path, names, n};
    const struct kd_classes data = {images->source, images->class_names, images->classes};
    int status = kd_classes_match(&own, &data, map, err);
    if (status == 0 && !*map) status = kd_classes_suit(model->path, n, images, err);
    kd_class_names_free(names, n);
    return status;
}

int kd_models_classes(const struct kd_model *model, const struct kd_model *other, uint32_t **map,
                      struct kd_err *err)
{
    const uint32_t n = model->net->classes;
    char **own = NULL, **others = NULL;
    *map = NULL;
    int status = kd_models_agree_on_classes(model, other, err);
    if (status == 0) status = kd_class_names_read(model->metadata, n, &own, err);
    if (status == 0) status = kd_class_names_read(other->metadata, n, &others, err);
    const struct kd_classes asked = {other->path, others, n}, wanted = {model->path, own, n};
    if (status == 0) status = kd_classes_match(&asked, &wanted, map, err);
    kd_class_names_free(own, n);
    kd_class_names_free(others, n);
    return status;
}

int kd_models_agree_on_classes(const struct kd_model *a, const struct kd_model *b,
                               struct kd_err *err)
{
    if (a->net->classes == b->net->classes) return 0;
    return kd_fail(err, "%s knows %u classes, %s %u: their answers cannot be put together", a->path,
                   a->net->classes, b->path, b->net->classes);
}

/* ---- filling a batch by all workers ---- */

struct filling {
    const struct kd_view *view;
    const struct kd_normalize *normalize;
    size_t from, n, features;
    float *out;
};
enum { ROWS_A_PART = 25 };

static void fill_part(void *arg, unsigned part)
{
    const struct filling *f = arg;
    size_t at = (size_t)part * ROWS_A_PART, n = f->n - at < ROWS_A_PART ? f->n - at : ROWS_A_PART;
    kd_batch_fill(f->view, f->normalize, f->from + at, n, f->out + at * f->features);
}

void kd_view_fill(const struct kd_view *view, const struct kd_normalize *normalize, size_t from,
                  size_t n, struct kd_pool *pool, float *out)
{
    const struct kd_images *im = view->images;
    struct filling f = {view, normalize, from, n, (size_t)im->c * im->h * im->w, out};
    kd_pool_run(pool, (unsigned)((n + ROWS_A_PART - 1) / ROWS_A_PART), fill_part, &f);
}

/* ---- asking ---- */

static void cut_blocks(struct kd_cuts *cuts, size_t rows, size_t block)
{
    cuts->n = (unsigned)((rows + block - 1) / block);
    for (unsigned i = 0; i <= cuts->n; i++) cuts->from[i] = i * block < rows ? i * block : rows;
}

/* Images that are answered at once. */
static size_t batch_of(const struct kd_network *net, const struct kd_asking *how)
{
    return how->block ? net->batch / how->block * how->block : net->batch;
}

static void answer_batch(const struct kd_model *model, const struct kd_view *view, size_t from,
                         size_t rows, const struct kd_asking *how, float *logits)
{
    struct kd_network *net = model->net;
    struct kd_pass pass = {.training = false, .rows = rows, .cuts = how->block ? how->cuts : NULL};
    if (how->block) cut_blocks(how->cuts, rows, how->block);
    kd_view_fill(view, &model->normalize, from, rows, how->pool, net->in);
    kd_network_forward(net, how->pool, &pass);
    memcpy(logits, net->out, rows * net->classes * sizeof *logits);
}

static struct kd_team_part part_of(const struct kd_network *net, const struct kd_view *view,
                                   const struct kd_asking *how)
{
    return kd_team_part(how->team, view->n, how->block ? how->block : net->batch);
}

/* This rank's images, or all: whole batches or blocks, so that each image is answered among the
 * same others. */
static int answer_part(const struct kd_model *model, const struct kd_view *view,
                       const struct kd_asking *how, float *logits, struct kd_err *err)
{
    struct kd_network *net = model->net;
    const struct kd_team_part part = part_of(net, view, how);
    const size_t batch = batch_of(net, how);
    struct kd_copies copies = {0};
    if (how->tta != KD_TTA_NONE && kd_copies_open(&copies, net, how, err) < 0) return -1;
    int status = 0;
    for (size_t done = 0; done < part.n && (status = kd_progress_go_on(how->progress, err)) == 0;
         done += batch) {
        const size_t from = part.from + done;
        size_t rows = part.n - done < batch ? part.n - done : batch;
        float *to = logits + from * net->classes;
        if (copies.plain) {
            kd_view_fill(view, &model->normalize, from, rows, how->pool, copies.plain);
            kd_copies_answer(&copies, rows, to);
        } else
            answer_batch(model, view, from, rows, how, to);
        kd_progress_tick(how->progress, done + rows, part.n, "images", NULL);
    }
    kd_copies_close(&copies);
    return status == 0 ? kd_views_check(err) : status;
}

int kd_predict(const struct kd_model *model, const struct kd_view *view,
               const struct kd_asking *how, float *logits, struct kd_err *err)
{
    struct kd_network *net = model->net;
    if (kd_pixels_suit(model, view->images, err) < 0) return -1;
    if (!net->batch && kd_network_plan(net, KD_PREDICT_BATCH, false, err) < 0) return -1;
    const struct kd_meeting m = {.status = answer_part(model, view, how, logits, err)};
    if (kd_team_meet(how->team, "a prediction", &m, err) < 0) return -1;
    kd_team_spread(how->team, logits, net->classes * sizeof *logits, view->n,
                   how->block ? how->block : net->batch);
    return 0;
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
