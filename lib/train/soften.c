/* Writing soft targets. */
#include "kd/base/json.h"
#include "kd/data/classes.h"
#include "kd/nn/model.h"
#include "kd/nn/softmax.h"
#include "kd/train/targets.h"

#include <math.h>
#include <string.h>

cJSON *kd_soften_views(const struct kd_soften *what, struct kd_err *err)
{
    struct kd_augment augment = what->augment;
    const struct kd_opt_section section[] = {{"", "", kd_augment_rows, &augment, NULL}, {0}};
    struct kd_maker b = kd_make_object(err);
    kd_put_number(&b, "count", (double)what->views);
    kd_put_number(&b, "seed", (double)what->seed);
    kd_put_json(&b, "augment", kd_opts_to_json(section, err));
    return kd_make_end(&b);
}

static bool weighted(const struct kd_teachers *t)
{
    for (size_t i = 1; i < t->n; i++)
        if (t->weights[i] != t->weights[0])
            return true; // NOLINT(clang-diagnostic-float-equal): the same number or not
    return false;
}

static int describe(struct kd_tensorfile *f, const struct kd_soften *what,
                    const struct kd_teachers *teachers, const struct kd_images *images,
                    struct kd_err *err)
{
    if (kd_tensorfile_set(f, "kd.kind", "soft-targets", err) < 0 ||
        kd_tensorfile_set(f, "kd.format", KD_FORMAT, err) < 0 ||
        kd_tensorfile_set(f, "kd.version", KD_VERSION, err) < 0 ||
        kd_tensorfile_set(f, "kd.average",
                          kd_choice_name(KD_CHOICES(KD_AVERAGES), teachers->average), err) < 0 ||
        kd_tensorfile_set_json(f, "kd.data", kd_images_identity(images, err), err) < 0 ||
        kd_tensorfile_set_json(f, "kd.parents", kd_teachers_parents(teachers, err), err) < 0)
        return -1;
    if (kd_class_names_put(f, teachers->class_names, teachers->models[0].net->classes, err) < 0)
        return -1;
    if (weighted(teachers) &&
        kd_tensorfile_set_json(
            f, "kd.weights", cJSON_CreateDoubleArray(teachers->weights, (int)teachers->n), err) < 0)
        return -1;
    if (teachers->tta &&
        kd_tensorfile_set(f, "kd.tta", kd_tta_name((enum kd_tta)teachers->tta), err) < 0)
        return -1;
    if (what->top &&
        kd_tensorfile_set_json(f, "kd.classes",
                               cJSON_CreateNumber(teachers->models[0].net->classes), err) < 0)
        return -1;
    if (what->features &&
        kd_tensorfile_set_json(f, "kd.features",
                               kd_features_about(teachers->models[0].net, what->features, err),
                               err) < 0)
        return -1;
    if (what->command[0] && kd_tensorfile_set(f, "kd.command", what->command, err) < 0) return -1;
    if (what->views && kd_tensorfile_set_json(f, "kd.views", kd_soften_views(what, err), err) < 0)
        return -1;
    const struct kd_reals *t = &what->temperatures;
    return t->n ? kd_tensorfile_set_json(f, "kd.temperature",
                                         cJSON_CreateDoubleArray(t->v, (int)t->n), err)
                : 0;
}

static bool same_text(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : !a && !b;
}

/* As many logits a row, in the same precision. */
static bool same_numbers(const struct kd_tensorfile *there, const struct kd_soften *what,
                         bool asked)
{
    const struct kd_tensor *logits = kd_tensorfile_find(there, "logits"),
                           *top = kd_tensorfile_find(there, "top.values");
    for (size_t i = 0; i < there->n; i++)
        if (strncmp(there->tensors[i].name, "features.", 9) == 0 &&
            (there->tensors[i].dtype == KD_F16) != what->half)
            return false;
    const size_t k = top && top->dims ? top->shape[top->dims - 1] : 0;
    if (k != what->top || (asked && !what->top) != (logits != NULL)) return false;
    return !logits || (logits->dtype == KD_F16) == what->half;
}

bool kd_soften_is_current(const char *path, const struct kd_soften *what,
                          const struct kd_teachers *teachers, const struct kd_images *images)
{
    static const char *const keys[] = {"kd.kind",    "kd.data",    "kd.parents", "kd.average",
                                       "kd.weights", "kd.tta",     "kd.views",   "kd.temperature",
                                       "kd.classes", "kd.features"};
    struct kd_tensorfile there, wanted;
    struct kd_err ignored = {0};
    if (kd_tensorfile_read(path, NULL, &there, &ignored) < 0) return false;
    bool same = kd_tensorfile_init(&wanted, &ignored) == 0 &&
                describe(&wanted, what, teachers, images, &ignored) == 0;
    for (size_t i = 0; i < sizeof keys / sizeof *keys && same; i++)
        same = same_text(kd_tensorfile_meta(&there, keys[i]), kd_tensorfile_meta(&wanted, keys[i]));
    same = same && same_numbers(&there, what, what->logits && !teachers->average);
    kd_tensorfile_release(&wanted);
    kd_tensorfile_release(&there);
    return same;
}

struct arrays { /* owned until the file is written */
    float *logits, *probabilities;
    uint16_t *half;
    struct kd_top top;
    struct kd_features_made features;
};

struct asking { /* what is wanted of whom */
    const struct kd_soften *what;
    struct kd_teachers *teachers;
    const struct kd_images *images;
    const struct kd_asking *how;
};

static int add_logits(struct kd_tensorfile *f, const struct kd_soften *what, struct arrays *a,
                      const size_t shape[3], struct kd_err *err)
{
    size_t n = shape[0] * shape[1] * shape[2];
    unsigned dims = what->views ? 3 : 2;
    if (!what->half)
        return kd_tensorfile_add(f, "logits",
                                 (struct kd_array){KD_F32, dims, shape + 3 - dims, a->logits}, err);
    a->half = kd_alloc(n, sizeof *a->half, "half-precision logits", err);
    if (!a->half) return -1;
    for (size_t i = 0; i < n; i++) {
        a->half[i] = kd_float_to_half(a->logits[i]);
        if (!isfinite(kd_half_to_float(a->half[i])))
            return kd_fail(err, "logit %g does not fit half precision; leave --half out",
                           (double)a->logits[i]);
    }
    return kd_tensorfile_add(f, "logits",
                             (struct kd_array){KD_F16, dims, shape + 3 - dims, a->half}, err);
}

/* [K][N][C]; of averaged probabilities the teachers are asked anew for each temperature. */
static int add_probabilities(struct kd_tensorfile *f, const struct asking *q, struct arrays *a,
                             struct kd_err *err)
{
    const struct kd_reals *t = &q->what->temperatures;
    size_t n = q->images->n, classes = q->teachers->models[0].net->classes,
           whole[] = {t->n, n, classes};
    struct kd_view plain = {.images = q->images, .n = n};
    a->probabilities = kd_alloc(t->n * n * classes, sizeof(float), "probabilities", err);
    if (!a->probabilities) return -1;
    for (size_t i = 0; i < t->n; i++) {
        float *p = a->probabilities + i * n * classes;
        if (q->teachers->average &&
            kd_teachers_predict(q->teachers, &plain, t->v[i], q->how, p, err) < 0)
            return -1;
        for (size_t r = 0; !q->teachers->average && r < n; r++)
            kd_softmax(a->logits + r * classes, classes, t->v[i], p + r * classes);
    }
    return kd_tensorfile_add(f, "probabilities",
                             (struct kd_array){KD_F32, 3, whole, a->probabilities}, err);
}

/* One of so many views: its epoch says which. */
static int ask_view(const struct asking *q, const struct kd_view *view, size_t views, float *out,
                    struct kd_err *err)
{
    struct kd_progress_piece piece = {q->how->progress, "view", view->epoch, views, {0}};
    struct kd_asking how = *q->how;
    how.progress = kd_progress_of(&piece);
    return kd_teachers_predict(q->teachers, view, 1, &how, out, err);
}

static int ask_views(const struct asking *q, size_t views, struct arrays *a, struct kd_err *err)
{
    const struct kd_soften *what = q->what;
    size_t size = q->images->n * (size_t)q->teachers->models[0].net->classes;
    struct kd_view view = {.images = q->images,
                           .n = q->images->n,
                           .augment = what->views ? &what->augment : NULL,
                           .seed = what->seed};
    a->logits = kd_alloc(views * size, sizeof(float), "logits", err);
    for (size_t v = 0; a->logits && v < views; v++) {
        view.epoch = (uint32_t)v;
        if (ask_view(q, &view, views, a->logits + v * size, err) < 0) return -1;
    }
    return a->logits ? 0 : -1;
}

/* View after view: all logits of one are in memory, and the largest of all. */
static int add_top(struct kd_tensorfile *f, const struct asking *q, struct arrays *a,
                   struct kd_err *err)
{
    const struct kd_soften *what = q->what;
    const size_t n = q->images->n, classes = q->teachers->models[0].net->classes;
    struct kd_view view = {.images = q->images,
                           .n = n,
                           .augment = what->views ? &what->augment : NULL,
                           .seed = what->seed};
    a->top = (struct kd_top){.views = what->views, .n = n, .k = what->top, .classes = classes};
    a->logits = kd_alloc(n * classes, sizeof(float), "logits", err);
    if (!a->logits || kd_top_init(&a->top, err) < 0) return -1;
    for (size_t row = 0; row < kd_top_rows(&a->top); row++) {
        view.epoch = (uint32_t)(row / n);
        if (row % n == 0 && ask_view(q, &view, what->views, a->logits, err) < 0) return -1;
        if (kd_top_put(&a->top, row, a->logits + row % n * classes, err) < 0) return -1;
    }
    return kd_top_add(&a->top, f, err);
}

static int add_features(struct kd_tensorfile *f, const struct asking *q, struct arrays *a,
                        struct kd_err *err)
{
    const struct kd_soften *what = q->what;
    const struct kd_features_asked asked = {.images = q->images,
                                            .places = what->features,
                                            .half = what->half,
                                            .views = what->views,
                                            .augment = &what->augment,
                                            .seed = what->seed,
                                            .how = q->how};
    if (!what->features) return 0;
    return kd_features_add(f, &q->teachers->models[0], &asked, &a->features, err);
}

static int fill_targets(struct kd_tensorfile *f, const struct asking *q, struct arrays *a,
                        struct kd_err *err)
{
    const struct kd_soften *what = q->what;
    if (what->top) return add_top(f, q, a, err);
    size_t views = what->views ? what->views : 1;
    size_t shape[] = {views, q->images->n, q->teachers->models[0].net->classes};
    if (!q->teachers->average) {
        if (ask_views(q, views, a, err) < 0) return -1;
        if (what->logits && add_logits(f, what, a, shape, err) < 0) return -1;
    }
    return what->temperatures.n ? add_probabilities(f, q, a, err) : 0;
}

static int fill(struct kd_tensorfile *f, const struct asking *q, struct arrays *a,
                struct kd_err *err)
{
    return fill_targets(f, q, a, err) < 0 ? -1 : add_features(f, q, a, err);
}

static int check_features(const struct kd_teachers *t, struct kd_err *err)
{
    if (t->n > 1)
        return kd_fail_usage(err, "soften.features: layers are those of one teacher, not of %zu",
                             t->n);
    if (!t->tta) return 0;
    return kd_fail_usage(err, "soften.tta: an average over copies has no layers; leave it out, or "
                              "--features");
}

int kd_soften_check_top(size_t top, size_t classes, struct kd_err *err)
{
    if (top < classes) return 0;
    return kd_fail_usage(err,
                         "--top=%zu: there are %zu classes; keep fewer, or leave --top out, which "
                         "records all",
                         top, classes);
}

static int check(const struct kd_soften *what, const struct kd_teachers *teachers,
                 struct kd_err *err)
{
    if (teachers->average && !what->temperatures.n)
        return kd_fail_usage(
            err, "averaged probabilities hold for the temperatures asked for alone; say which with "
                 "--temperature");
    if (what->views && what->temperatures.n)
        return kd_fail_usage(err, "views are recorded as logits; leave --probabilities out");
    if (what->top && (what->temperatures.n || !what->logits))
        return kd_fail_usage(err, "--top=%zu records the largest logits; leave probabilities out",
                             what->top);
    if (!what->logits && !what->temperatures.n)
        return kd_fail_usage(err,
                             "nothing to write: neither logits nor probabilities are asked for");
    if (what->features && check_features(teachers, err) < 0) return -1;
    if (what->top) return kd_soften_check_top(what->top, teachers->models[0].net->classes, err);
    return 0;
}

int kd_soften_write(const char *path, const struct kd_soften *what, struct kd_teachers *teachers,
                    const struct kd_images *images, const struct kd_asking *how, struct kd_err *err)
{
    if (kd_teachers_check(teachers, images, err) < 0 || check(what, teachers, err) < 0) return -1;
    struct kd_tensorfile f;
    struct arrays a = {0};
    int status = kd_tensorfile_init(&f, err);
    if (status == 0) status = describe(&f, what, teachers, images, err);
    if (status == 0) status = kd_tensorfile_spared(path, &f, err);
    if (status == 0) status = fill(&f, &(struct asking){what, teachers, images, how}, &a, err);
    if (status == 0) status = kd_tensorfile_write(path, &f, err);
    kd_tensorfile_release(&f);
    kd_free(a.logits);
    kd_free(a.probabilities);
    kd_free(a.half);
    kd_top_release(&a.top);
    kd_features_made_release(&a.features);
    return status;
}
