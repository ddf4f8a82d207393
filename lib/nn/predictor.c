/* The public interface, kd/kd.h: the library's models and images behind handles. */
#include "kd/kd.h"
#include "kd/nn/predict.h"
#include "kd/nn/softmax.h"

#include <string.h>

struct kd_predictor {
    struct kd_model model;
    struct kd_pool *pool; /* NULL: the caller's thread alone */
    struct kd_predictor_facts facts;
    cJSON *names; /* what facts.class_names point into */
};

static int read_names(struct kd_predictor *p, struct kd_err *err)
{
    const cJSON *text = cJSON_GetObjectItemCaseSensitive(p->model.metadata, "kd.class_names"),
                *item;
    if (!cJSON_IsString(text)) return 0;
    p->names = kd_json_parse(text->valuestring, strlen(text->valuestring), "kd.class_names", err);
    if (!p->names) return kd_err_context(err, "%s", p->model.path);
    size_t i = 0, n = p->model.net->classes;
    if ((size_t)cJSON_GetArraySize(p->names) != n) return 0;
    const char **list = kd_alloc(n, sizeof *list, "class names", err);
    if (!list) return -1;
    cJSON_ArrayForEach(item, p->names) list[i++] = cJSON_IsString(item) ? item->valuestring : "";
    p->facts.class_names = list;
    return 0;
}

struct kd_predictor *kd_predictor_open(const char *path, const struct kd_predictor_options *options,
                                       struct kd_err *err)
{
    struct kd_predictor *p = kd_alloc(1, sizeof *p, "a predictor", err);
    if (!p) return NULL;
    if (kd_model_read(path, &p->model, err) < 0) {
        kd_free(p);
        return NULL;
    }
    const struct kd_network *net = p->model.net;
    p->facts = (struct kd_predictor_facts){.channels = net->input.c,
                                           .height = net->input.h,
                                           .width = net->input.w,
                                           .classes = net->classes,
                                           .parameters = net->parameters,
                                           .macs = net->macs,
                                           .fingerprint = p->model.fingerprint};
    unsigned threads = options ? options->threads : 0;
    if (read_names(p, err) < 0 || (threads > 1 && !(p->pool = kd_pool_new(threads, err)))) {
        kd_predictor_close(p);
        return NULL;
    }
    return p;
}

void kd_predictor_close(struct kd_predictor *p)
{
    if (!p) return;
    kd_pool_free(p->pool);
    kd_model_release(&p->model);
    cJSON_Delete(p->names);
    kd_free((void *)(uintptr_t)p->facts.class_names);
    kd_free(p);
}

const struct kd_predictor_facts *kd_predictor_facts(const struct kd_predictor *p)
{
    return &p->facts;
}

/* The caller's images as a set: borrowed, of the model's own shape. */
static int ask(struct kd_predictor *p, enum kd_dtype dtype, const void *images, size_t n,
               float *logits, struct kd_err *err)
{
    static char source[] = "images in memory", split[] = "test";
    const struct kd_shape in = p->model.net->input;
    if (n > UINT32_MAX) return kd_fail(err, "%zu images are too many at a time", n);
    struct kd_images set = {.source = source,
                            .split = split,
                            .n = (uint32_t)n,
                            .c = in.c,
                            .h = in.h,
                            .w = in.w,
                            .classes = p->model.net->classes,
                            .dtype = dtype,
                            .pixels = (void *)(uintptr_t)images};
    const struct kd_view view = {.images = &set, .n = n};
    const struct kd_asking how = {.pool = p->pool};
    if (kd_predict(&p->model, &view, &how, logits, err) < 0) return -1;
    return kd_logits_check(p->model.path, logits, n, p->model.net->classes, err);
}

int kd_predictor_bytes(struct kd_predictor *p, const uint8_t *images, size_t n, float *logits,
                       struct kd_err *err)
{
    return ask(p, KD_U8, images, n, logits, err);
}

int kd_predictor_floats(struct kd_predictor *p, const float *images, size_t n, float *logits,
                        struct kd_err *err)
{
    return ask(p, KD_F32, images, n, logits, err);
}

/* ---- images ---- */

struct kd_image_set {
    struct kd_images images;
    struct kd_image_set_facts facts;
};

struct kd_image_set *kd_image_set_open(const char *source, const char *data_dir, struct kd_err *err)
{
    struct kd_image_set *set = kd_alloc(1, sizeof *set, "an image set", err);
    const struct kd_images_options options = {.data_dir = data_dir};
    if (!set) return NULL;
    struct kd_images *im = &set->images;
    if (kd_images_load(source, &options, im, err) < 0) {
        kd_free(set);
        return NULL;
    }
    set->facts = (struct kd_image_set_facts){.n = im->n,
                                             .channels = im->c,
                                             .height = im->h,
                                             .width = im->w,
                                             .classes = im->classes,
                                             .bytes = im->dtype == KD_U8 ? im->pixels : NULL,
                                             .floats = im->dtype == KD_F32 ? im->pixels : NULL,
                                             .labels = im->labels,
                                             .class_names = (const char *const *)im->class_names};
    return set;
}

void kd_image_set_close(struct kd_image_set *set)
{
    if (!set) return;
    kd_images_release(&set->images);
    kd_free(set);
}

const struct kd_image_set_facts *kd_image_set_facts(const struct kd_image_set *set)
{
    return &set->facts;
}

/* ---- answers ---- */

void kd_probabilities(const float *logits, size_t classes, double temperature, float *probabilities)
{
    kd_softmax(logits, classes, temperature, probabilities);
}

size_t kd_largest(const float *numbers, size_t n)
{
    return kd_argmax(numbers, n);
}
