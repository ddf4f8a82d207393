/* Storing a teacher's features: a pass over all images with taps at its layers. */
#include "kd/base/mem.h"
#include "kd/nn/tap.h"
#include "kd/train/features.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- which ---- */

static bool listed(const struct kd_texts *names, const char *name)
{
    for (size_t i = 0; i < names->n; i++)
        if (strcmp(names->v[i], name) == 0) return true;
    return false;
}

int kd_features_names(const struct kd_network *teacher, const cJSON *places, struct kd_texts *out,
                      struct kd_err *err)
{
    const bool list = cJSON_IsArray(places);
    const int n = list ? cJSON_GetArraySize(places) : 1;
    struct kd_blocks blocks;
    char name[64];
    *out = (struct kd_texts){0};
    if (n < 1) return kd_fail_usage(err, "soften.features: an empty list; name a layer");
    if (!(out->v = kd_alloc((size_t)n, sizeof *out->v, "names of layers", err))) return -1;
    kd_blocks_of(teacher, &blocks);
    for (int i = 0; i < n; i++) {
        const cJSON *place = list ? cJSON_GetArrayItem(places, i) : places;
        if (kd_blocks_find(&blocks, place, false, name, err) < 0)
            return kd_err_context(err, "soften.features");
        if (listed(out, name)) continue;
        if (!(out->v[out->n] = kd_strdup(name, err))) return -1;
        out->n++;
    }
    return 0;
}

static void names_release(struct kd_texts *names)
{
    for (size_t i = 0; i < names->n; i++) kd_free(names->v[i]);
    kd_free(names->v);
}

cJSON *kd_features_about(const struct kd_network *teacher, const cJSON *places, struct kd_err *err)
{
    struct kd_texts names;
    struct kd_blocks blocks;
    cJSON *json = NULL;
    kd_blocks_of(teacher, &blocks);
    if (kd_features_names(teacher, places, &names, err) == 0 &&
        (json = kd_blocks_to_json(&blocks, err))) {
        struct kd_maker b = kd_make_on(json, err);
        kd_put_texts(&b, "layers", (const char *const *)names.v, names.n);
        json = kd_make_end(&b);
    }
    names_release(&names);
    return json;
}

/* ---- asking ---- */

struct recording {
    const struct kd_model *teacher;
    const struct kd_features_asked *asked;
    struct kd_tap **taps; /* [n] */
    void **arrays;        /* [n], borrowed: F32 or F16, [views][images][C,H,W] */
    size_t n;
    uint32_t *index; /* [KD_PREDICT_BATCH] */
    float *logits;   /* [KD_PREDICT_BATCH][classes] */
};

static size_t views_of(const struct kd_features_asked *asked)
{
    return asked->views ? asked->views : 1;
}

/* Image `from` of a tap, channels last, to place `at`, channels first. */
static int put_image(const struct recording *r, size_t layer, size_t from, size_t at,
                     struct kd_err *err)
{
    const struct kd_tap *tap = r->taps[layer];
    const size_t pixels = tap->pixels, cols = tap->cols, size = pixels * cols;
    const float *x = tap->value + from * size;
    float *whole = (float *)r->arrays[layer] + at * size;
    uint16_t *half = (uint16_t *)r->arrays[layer] + at * size;
    for (size_t p = 0; p < pixels; p++)
        for (size_t c = 0; c < cols; c++) {
            const float v = x[p * cols + c];
            const uint16_t h = kd_float_to_half(v);
            if (!isfinite(v) || (r->asked->half && !isfinite(kd_half_to_float(h))))
                return kd_fail(err, "layer %s says %g of image %zu%s", tap->name, (double)v,
                               at % r->asked->images->n,
                               isfinite(v) ? ", which half precision cannot hold; leave --half out"
                                           : "");
            if (r->asked->half)
                half[c * pixels + p] = h;
            else
                whole[c * pixels + p] = v;
        }
    return 0;
}

static int record_batch(const struct recording *r, size_t view, size_t from, size_t rows,
                        struct kd_err *err)
{
    const struct kd_features_asked *asked = r->asked;
    const struct kd_view of = {.images = r->asked->images,
                               .index = r->index,
                               .n = rows,
                               .augment = asked->views ? asked->augment : NULL,
                               .seed = asked->seed,
                               .epoch = (uint32_t)view};
    const struct kd_asking how = {.pool = r->asked->how->pool};
    for (size_t i = 0; i < rows; i++) r->index[i] = (uint32_t)(from + i);
    if (kd_predict(r->teacher, &of, &how, r->logits, err) < 0) return -1;
    for (size_t k = 0; k < r->n; k++)
        for (size_t i = 0; i < rows; i++)
            if (put_image(r, k, i, view * r->asked->images->n + from + i, err) < 0) return -1;
    return 0;
}

static int record(const struct recording *r, struct kd_err *err)
{
    const size_t n = r->asked->images->n, views = views_of(r->asked);
    for (size_t v = 0; v < views; v++)
        for (size_t from = 0; from < n; from += KD_PREDICT_BATCH) {
            const size_t rows = n - from < KD_PREDICT_BATCH ? n - from : KD_PREDICT_BATCH;
            if (kd_progress_go_on(r->asked->how->progress, err) < 0 ||
                record_batch(r, v, from, rows, err) < 0)
                return -1;
            kd_progress_tick(r->asked->how->progress, v * n + from + rows, views * n, "images",
                             "features");
        }
    return 0;
}

/* ---- into the file ---- */

static void *keep(struct kd_features_made *made, size_t bytes, struct kd_err *err)
{
    void **array =
        kd_grow(&made->arrays, &made->n, &made->room, sizeof *made->arrays, "features", err);
    return array ? *array = kd_alloc(bytes, 1, "features", err) : NULL;
}

static int add_tensor(struct kd_tensorfile *f, const struct recording *r, size_t layer,
                      struct kd_err *err)
{
    const struct kd_tap *tap = r->taps[layer];
    const struct kd_shape s = tap->shape;
    const size_t shape[] = {views_of(r->asked), r->asked->images->n, s.c, s.h, s.w};
    const unsigned skip = r->asked->views ? 0 : 1, dims = (s.flat ? 3 : 5) - skip;
    const enum kd_dtype dtype = r->asked->half ? KD_F16 : KD_F32;
    char name[100];
    snprintf(name, sizeof name, "features.%.64s", tap->name);
    return kd_tensorfile_add(f, name,
                             (struct kd_array){dtype, dims, shape + skip, r->arrays[layer]}, err);
}

/* The classifier, where it can be taken over. */
static int add_head(struct kd_tensorfile *f, const struct kd_model *teacher,
                    struct kd_features_made *made, struct kd_err *err)
{
    struct kd_err none;
    char name[100];
    made->head = kd_head_of(teacher->net, NULL, &none);
    if (!made->head) return none.kind == KD_ERR_USAGE ? 0 : kd_fail(err, "%s", none.text);
    char *text = kd_json_text(made->head->json, false, err);
    int status = text ? kd_tensorfile_set(f, "kd.head", text, err) : -1;
    kd_free(text);
    for (unsigned i = 0; i < made->head->n_params && status == 0; i++) {
        const struct kd_param *p = made->head->params[i];
        snprintf(name, sizeof name, "head.%.80s", p->name);
        status =
            kd_tensorfile_add(f, name, (struct kd_array){KD_F32, p->dims, p->shape, p->value}, err);
    }
    return status;
}

/* Taps, a plan with them, and room for what they say. */
static int prepare(struct recording *r, const struct kd_texts *names, struct kd_features_made *made,
                   struct kd_err *err)
{
    struct kd_network *net = r->teacher->net;
    const size_t each = r->asked->half ? sizeof(uint16_t) : sizeof(float);
    r->taps = kd_alloc(names->n, sizeof(struct kd_tap *), "taps", err);
    r->index = kd_alloc(KD_PREDICT_BATCH, sizeof *r->index, "a list of images", err);
    r->logits = kd_alloc((size_t)KD_PREDICT_BATCH * net->classes, sizeof(float), "logits", err);
    if (!r->taps || !r->index || !r->logits) return -1;
    for (; r->n < names->n; r->n++)
        if (!(r->taps[r->n] = kd_network_tap(net, names->v[r->n], false, err)))
            return kd_err_context(err, "soften.features");
    if (kd_network_plan(net, KD_PREDICT_BATCH, false, err) < 0) return -1;
    for (size_t i = 0; i < r->n; i++) {
        const struct kd_tap *t = r->taps[i];
        if (t->pixels != (t->shape.flat ? 1 : kd_shape_pixels(t->shape)))
            return kd_fail_usage(err,
                                 "soften.features: layer %s is the images themselves; name a "
                                 "later one",
                                 t->name);
        if (!keep(made, views_of(r->asked) * r->asked->images->n * t->pixels * t->cols * each, err))
            return -1;
    }
    r->arrays = made->arrays;
    return 0;
}

int kd_features_add(struct kd_tensorfile *f, struct kd_model *teacher,
                    const struct kd_features_asked *asked, struct kd_features_made *made,
                    struct kd_err *err)
{
    struct recording r = {.teacher = teacher, .asked = asked};
    struct kd_texts names = {0};
    *made = (struct kd_features_made){0};
    if (teacher->net->integers)
        return kd_fail_usage(err,
                             "soften.features: %s is in integers; give the float model that "
                             "it was",
                             teacher->path);
    int status = kd_features_names(teacher->net, asked->places, &names, err);
    if (status == 0) status = prepare(&r, &names, made, err);
    if (status == 0) status = record(&r, err);
    for (size_t i = 0; r.arrays && i < r.n && status == 0; i++) status = add_tensor(f, &r, i, err);
    if (status == 0) status = add_head(f, teacher, made, err);
    names_release(&names);
    kd_free(r.taps);
    kd_free(r.index);
    kd_free(r.logits);
    kd_network_untap(teacher->net);
    teacher->net->batch = 0; /* planned anew by whoever asks next */
    return status;
}

void kd_features_made_release(struct kd_features_made *made)
{
    for (size_t i = 0; i < made->n; i++) kd_free(made->arrays[i]);
    kd_free(made->arrays);
    kd_network_free(made->head);
    *made = (struct kd_features_made){0};
}
