#include "show.h"
#include "kd/base/file.h"
#include "kd/base/terminal.h"
#include "kd/data/images.h"
#include "kd/nn/metrics.h"
#include "kd/nn/model.h"
#include "kd/nn/softmax.h"
#include "kd/nn/top.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- what is said of every file ---- */

static struct kd_maker begin(const char *path, const char *kind, struct kd_err *err)
{
    struct stat about;
    struct kd_maker b = kd_make_object(err);
    kd_put_text(&b, "file", path);
    kd_put_text(&b, "kind", kind);
    if (strcmp(path, "-") != 0 && stat(path, &about) == 0 && S_ISREG(about.st_mode))
        kd_put_number(&b, "bytes", (double)about.st_size);
    return b;
}

/* Metadata that is JSON text as a value; other text as it is; nothing where there is none. */
static void put_meta(struct kd_maker *b, const char *key, const struct kd_tensorfile *f,
                     const char *meta)
{
    struct kd_err no_json;
    const char *text = kd_tensorfile_meta(f, meta);
    if (!text) return;
    cJSON *value =
        *text == '{' || *text == '[' ? kd_json_parse(text, strlen(text), meta, &no_json) : NULL;
    if (value)
        kd_put_json(b, key, value);
    else
        kd_put_text(b, key, text);
}

static void put_origin(struct kd_maker *b, const struct kd_tensorfile *f)
{
    put_meta(b, "data", f, "kd.data");
    put_meta(b, "parents", f, "kd.parents");
    put_meta(b, "made_by", f, "kd.command");
    put_meta(b, "version", f, "kd.version");
}

static void put_tensors(struct kd_maker *b, const struct kd_tensorfile *f, struct kd_err *err)
{
    struct kd_maker list = kd_make_object(err);
    for (size_t i = 0; i < f->n; i++) {
        const struct kd_tensor *t = &f->tensors[i];
        char text[200];
        int n = snprintf(text, sizeof text, "%s [", kd_dtype_name(t->dtype));
        for (unsigned d = 0; d < t->dims && n < 150; d++)
            n += snprintf(text + n, sizeof text - (size_t)n, "%s%zu", d ? ", " : "", t->shape[d]);
        snprintf(text + n, sizeof text - (size_t)n, "]");
        kd_put_text(&list, *t->name ? t->name : "(unnamed)", text);
    }
    kd_put_json(b, "tensors", kd_make_end(&list));
}

/* ---- models ---- */

/* Who trained it with what: the settings that people ask for first. */
static void put_training(struct kd_maker *b, const struct kd_tensorfile *f, struct kd_err *err)
{
    static const struct {
        const char *key, *path;
    } facts[] = {{"experiment", "experiment"},
                 {"teacher", "teacher"},
                 {"student", "student"},
                 {"seed", "seed"},
                 {"epochs", "train.epochs"},
                 {"batch", "train.batch"},
                 {"learning_rate", "train.learning_rate"},
                 {"optimizer", "train.optimizer.kind"},
                 {"schedule", "train.schedule.kind"},
                 {"validation", "data.validation"},
                 {"from", "distill.from"},
                 {"loss", "distill.loss"},
                 {"temperature", "distill.temperature"},
                 {"alpha", "distill.alpha"},
                 {"corrected", "correct.of"}};
    const char *text = kd_tensorfile_meta(f, "kd.config");
    struct kd_err no_json;
    cJSON *config = text ? kd_json_parse(text, strlen(text), "kd.config", &no_json) : NULL;
    struct kd_maker o = kd_make_object(err);
    for (size_t i = 0; i < sizeof facts / sizeof *facts; i++) {
        const cJSON *value = kd_json_get(config, facts[i].path);
        if (value && !cJSON_IsNull(value)) kd_put_copy(&o, facts[i].key, value);
    }
    if (config)
        kd_put_json(b, "training", kd_make_end(&o));
    else
        cJSON_Delete(kd_make_end(&o));
    cJSON_Delete(config);
}

static bool is_checkpoint(const struct kd_tensorfile *f)
{
    for (size_t i = 0; i < f->n; i++)
        if (strncmp(f->tensors[i].name, "kd.state.", 9) == 0) return true;
    return false;
}

cJSON *show_model(const char *path, const struct kd_tensorfile *f, struct kd_bytes *table,
                  struct kd_err *err)
{
    struct kd_model model = {0};
    if (kd_model_from_file(f, path, &model, err) < 0) return NULL;
    const struct kd_network *net = model.net;
    const double input[3] = {net->input.c, net->input.h, net->input.w};
    const char *kind = is_checkpoint(f)                           ? "checkpoint"
                       : kd_tensorfile_meta(f, "kd.quantization") ? "quantised model"
                                                                  : "model";
    struct kd_maker b = begin(path, kind, err);
    kd_put_text(&b, "fingerprint", model.fingerprint);
    kd_put_numbers(&b, "input", input, 3);
    kd_put_number(&b, "classes", net->classes);
    put_meta(&b, "class_names", f, "kd.class_names");
    kd_put_number(&b, "parameters", (double)net->parameters);
    kd_put_number(&b, "multiply_adds", (double)net->macs);
    put_meta(&b, "normalize", f, "kd.normalize");
    put_training(&b, f, err);
    put_meta(&b, "metrics", f, "kd.metrics");
    put_meta(&b, "imported", f, "kd.imported");
    put_meta(&b, "corrected", f, "kd.corrected");
    put_origin(&b, f);
    kd_put_copy(&b, "layers", cJSON_GetObjectItemCaseSensitive(net->json, "layers"));
    cJSON *json = kd_make_end(&b);
    if (json && kd_network_summary(net, kd_terminal_columns(STDOUT_FILENO), table, err) < 0) {
        cJSON_Delete(json);
        json = NULL;
    }
    kd_model_release(&model);
    return json;
}

/* ---- answers ---- */

/* The images that the answers are of, if they are at hand and the same. */
static bool load_labels(const struct kd_tensorfile *f, const struct showing *how, size_t n,
                        struct kd_images *out)
{
    struct kd_err ignored;
    const char *text = kd_tensorfile_meta(f, "kd.data");
    cJSON *data = text ? kd_json_parse(text, strlen(text), "kd.data", &ignored) : NULL;
    const char *source = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(data, "source"));
    const char *split = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(data, "split"));
    const char *pixels = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(data, "pixels"));
    const struct kd_images_options o = {
        .data_dir = how->data_dir, .default_split = split, .pool = how->pool};
    bool same = source && pixels && kd_images_load(source, &o, out, &ignored) == 0;
    if (same && (strcmp(out->pixels_fingerprint, pixels) != 0 || out->n != n || !out->labels)) {
        kd_images_release(out);
        same = false;
    }
    cJSON_Delete(data);
    return same;
}

/* Answers, one row an image: all of them, or sparse ones that are filled in one by one. */
struct rows {
    size_t n, classes;
    float *all;               /* [n][classes] */
    bool soft;                /* they are probabilities */
    const struct kd_top *top; /* NULL: there are all */
};

/* Adds how sure an answer is: the largest probability, the entropy in nats, whether the largest is
 * the label's. */
static void look(float *q, const struct rows *of, const int32_t *label, double sum[3])
{
    size_t best = 0;
    if (!of->soft) kd_softmax(q, of->classes, 1, q);
    for (size_t c = 0; c < of->classes; c++) {
        if (q[c] > q[best]) best = c;
        if (q[c] > 0) sum[1] -= (double)q[c] * log((double)q[c]);
    }
    sum[0] += (double)q[best];
    sum[2] += label && *label == (int32_t)best;
}

/* The means over the rows; sparse ones of the first view. */
static int put_sure(struct kd_maker *b, const struct kd_tensorfile *f, const struct rows *of,
                    const struct showing *how, struct kd_err *err)
{
    float *room = of->top ? kd_alloc(of->classes, sizeof *room, "answers", err) : of->all;
    struct kd_images images = {0};
    double sum[3] = {0};
    if (!room) return -1;
    const bool labelled = load_labels(f, how, of->n, &images);
    for (size_t i = 0; i < of->n; i++) {
        if (of->top) kd_top_row(of->top, i, 1, room);
        look(of->top ? room : of->all + i * of->classes, of, labelled ? images.labels + i : NULL,
             sum);
    }
    kd_put_number(b, "mean_confidence", sum[0] / (double)of->n);
    kd_put_number(b, "mean_entropy", sum[1] / (double)of->n);
    if (labelled) kd_put_number(b, "top1", sum[2] / (double)of->n);
    kd_images_release(&images);
    if (of->top) kd_free(room);
    return 0;
}

/* Of the rows of a tensor; of several views or temperatures the first. */
static int put_sure_of(struct kd_maker *b, const struct kd_tensorfile *f, const struct kd_tensor *t,
                       const struct showing *how, struct kd_err *err)
{
    struct rows rows = {.n = t->shape[t->dims - 2],
                        .classes = t->shape[t->dims - 1],
                        .all = kd_alloc(t->count, sizeof *rows.all, "answers", err),
                        .soft = strcmp(t->name, "logits") != 0};
    int status = rows.all ? kd_tensor_to_float(t, rows.all, err) : -1;
    if (status == 0) status = put_sure(b, f, &rows, how, err);
    kd_free(rows.all);
    return status;
}

cJSON *show_top(const char *path, const struct kd_tensorfile *f, const struct showing *how,
                struct kd_err *err)
{
    struct kd_top top;
    if (kd_top_of(f, &top, err) < 0) {
        kd_err_context(err, "%s", path);
        return NULL;
    }
    const char *kind = kd_tensorfile_meta(f, "kd.kind");
    struct kd_maker b = begin(path, kind ? kind : "soft-targets", err);
    kd_put_number(&b, "images", (double)top.n);
    kd_put_number(&b, "classes", (double)top.classes);
    kd_put_number(&b, "top", (double)top.k);
    if (top.views) kd_put_number(&b, "views", (double)top.views);
    put_meta(&b, "class_names", f, "kd.class_names");
    put_meta(&b, "augmented", f, "kd.views");
    put_meta(&b, "average", f, "kd.average");
    const struct rows rows = {.n = top.n, .classes = top.classes, .top = &top};
    int status = put_sure(&b, f, &rows, how, err);
    put_origin(&b, f);
    put_tensors(&b, f, err);
    cJSON *json = kd_make_end(&b);
    if (status == 0) return json;
    cJSON_Delete(json);
    return NULL;
}

cJSON *show_answers(const char *path, const struct kd_tensorfile *f, const struct showing *how,
                    struct kd_err *err)
{
    const char *kind = kd_tensorfile_meta(f, "kd.kind");
    const struct kd_tensor *t = kd_tensorfile_find(f, "logits");
    if (!t) t = kd_tensorfile_find(f, "probabilities");
    if (t->dims < 2 || !t->shape[t->dims - 2] || !t->shape[t->dims - 1]) {
        kd_fail(err, "%s: %s: expected rows of numbers, one an image", path, t->name);
        return NULL;
    }
    struct kd_maker b = begin(path, kind ? kind : "logits", err);
    kd_put_number(&b, "images", (double)t->shape[t->dims - 2]);
    kd_put_number(&b, "classes", (double)t->shape[t->dims - 1]);
    if (t->dims == 3)
        kd_put_number(&b, strcmp(t->name, "logits") == 0 ? "views" : "temperatures",
                      (double)t->shape[0]);
    put_meta(&b, "class_names", f, "kd.class_names");
    put_meta(&b, "temperature", f, "kd.temperature");
    put_meta(&b, "augmented", f, "kd.views");
    put_meta(&b, "average", f, "kd.average");
    int status = put_sure_of(&b, f, t, how, err);
    put_origin(&b, f);
    put_tensors(&b, f, err);
    cJSON *json = kd_make_end(&b);
    if (status == 0) return json;
    cJSON_Delete(json);
    return NULL;
}

cJSON *show_other(const char *path, const struct kd_tensorfile *f, struct kd_err *err)
{
    const char *kind = kd_tensorfile_meta(f, "kd.kind");
    struct kd_maker b = begin(path, kind ? kind : "tensors", err);
    put_origin(&b, f);
    put_tensors(&b, f, err);
    return kd_make_end(&b);
}

/* ---- data ---- */

cJSON *show_source(const char *spec, const struct showing *how, struct kd_err *err)
{
    struct kd_images images;
    const struct kd_images_options o = {.data_dir = how->data_dir, .pool = how->pool};
    if (kd_images_load(spec, &o, &images, err) < 0) return NULL;
    struct kd_maker b = begin(spec, "data", err);
    const double shape[3] = {images.c, images.h, images.w};
    kd_put_text(&b, "source", images.source);
    kd_put_text(&b, "split", images.split);
    kd_put_number(&b, "images", images.n);
    kd_put_numbers(&b, "shape", shape, 3);
    kd_put_text(&b, "dtype", kd_dtype_name(images.dtype));
    kd_put_number(&b, "classes", images.classes);
    if (images.class_names)
        kd_put_texts(&b, "class_names", (const char *const *)images.class_names, images.classes);
    kd_put_text(&b, "pixels", images.pixels_fingerprint);
    kd_put_text(&b, "labels", images.labels ? images.labels_fingerprint : NULL);
    kd_images_release(&images);
    return kd_make_end(&b);
}
