#include "kd/train/correct.h"
#include "kd/base/json.h"
#include "kd/base/mem.h"
#include "kd/data/classes.h"
#include "kd/train/bias.h"

#include <math.h>
#include <string.h>

#define C(field) offsetof(struct kd_correct_config, field)
const struct kd_option kd_correct_rows[] = {
    {NULL, 0, "of", KD_OPT_TEXT, C(of), .help = "the student that is corrected"},
    {"by", 0, "by", KD_OPT_CHOICE, C(by), .preset = "transfer",
     .choices = KD_CHOICES(KD_CORRECT_BYS), .metavar = "WHAT",
     .help = "what the biases are found by: the transfer images; unlabelled images of equally "
             "frequent classes; or, "
             "for comparison, the test labels",
     .more = "See above."},
    {"flips", 0, "flips", KD_OPT_REAL, C(flips), .preset = "0.001", .min = 0, .max = 1,
     .metavar = "SHARE",
     .help = "by transfer: share of the transfer images that may be taken for each unseen class"},
    {"classes", 0, "classes", KD_OPT_CLASSES, C(classes), .metavar = "CLASS,...",
     .help = "the unseen classes, each by number or by name; default: those that the model's own "
             "training left out"},
    {"images", 0, "images", KD_OPT_TEXT, C(images), .metavar = "SOURCE",
     .help =
         "by balanced: unlabelled images of all classes; default: the training images, no class "
         "left out"},
    {0},
};

const char *kd_correct_by_name(int by)
{
    return kd_choice_name(KD_CHOICES(KD_CORRECT_BYS), by);
}

/* ---- which classes ---- */

static int mark_unseen(const struct kd_correction *c, struct kd_err *err)
{
    const struct kd_data_config *d = c->data;
    struct kd_classes of = {.who = c->model->path, .n = c->model->net->classes};
    char **names = NULL;
    if (kd_class_names_read(c->model->metadata, of.n, &names, err) < 0) return -1;
    of.names = names;
    int status;
    if (c->config->classes.n) {
        status = kd_classes_mark(&of, &c->config->classes, true, c->unseen, err);
        if (status < 0) kd_err_context(err, "correct.classes");
    } else {
        for (uint32_t k = 0; k < of.n; k++) c->unseen[k] = d->keep.n > 0;
        status = kd_classes_mark(&of, &d->keep, false, c->unseen, err);
        if (status == 0) status = kd_classes_mark(&of, &d->omit, true, c->unseen, err);
    }
    kd_class_names_free(names, of.n);
    return status;
}

static int find_unseen(struct kd_correction *c, struct kd_err *err)
{
    uint32_t classes = c->model->net->classes, many = 0;
    c->unseen = kd_alloc(classes, sizeof *c->unseen, "classes", err);
    c->bias = kd_alloc(classes, sizeof *c->bias, "biases", err);
    if (!c->unseen || !c->bias) return -1;
    int status = mark_unseen(c, err);
    for (uint32_t k = 0; k < classes; k++) many += c->unseen[k];
    if (status == 0 && !many)
        status = kd_fail_usage(
            err,
            "%s: no class was left out of its training; name the unseen ones (--classes, "
            "correct.classes)",
            c->model->path);
    return status;
}

/* ---- which images ---- */

/* The transfer set without what is, or is taken by the teacher for, an unseen class. */
static void drop_unseen(const struct kd_correction *c, struct kd_subset *s)
{
    uint32_t classes = c->model->net->classes, kept = 0;
    for (uint32_t j = 0; j < s->n; j++) {
        uint32_t i = s->index[j];
        int32_t label = s->images->labels ? s->images->labels[i] : -1;
        const float *z = c->teacher ? c->teacher + (size_t)i * classes : NULL;
        if ((z && c->unseen[kd_argmax(z, classes)]) ||
            (label >= 0 && (uint32_t)label < classes && c->unseen[label]))
            continue;
        s->index[kept++] = i;
    }
    s->n = kept;
}

static int choose_images(const struct kd_correction *c, struct kd_subset *out, struct kd_err *err)
{
    struct kd_data_config all = *c->data;
    struct kd_subset rest = {0};
    bool other =
        c->config->by == KD_BY_TEST || (c->config->by == KD_BY_BALANCED && c->config->images);
    if (other || strcmp(c->images->split, "train") != 0) {
        if (kd_subset_all(c->images, out, err) < 0) return -1;
    } else {
        if (c->config->by == KD_BY_BALANCED || !c->images->labels) all.keep.n = all.omit.n = 0;
        if (kd_split_train(c->images, &all, out, &rest, err) < 0) return -1;
        kd_subset_release(&rest);
    }
    if (c->config->by == KD_BY_TRANSFER) drop_unseen(c, out);
    return 0;
}

/* ---- finding and adding biases ---- */

static struct kd_param *last_bias(const struct kd_model *model, struct kd_err *err)
{
    const struct kd_chain *chain = &model->net->chain;
    struct kd_layer *last = &chain->layers[chain->n_layers - 1];
    for (unsigned i = 0; i < last->n_params; i++)
        if (last->param[i].role == KD_BIAS) return &last->param[i];
    kd_fail(err, "%s: its last layer is %s%s; only a dense layer with biases can be corrected",
            model->path, last->kind->name, last->n_params ? " without biases" : "");
    return NULL;
}

static int find_bias(struct kd_correction *c, const struct kd_subset *on, struct kd_err *err)
{
    struct kd_network *net = c->model->net;
    struct kd_view view = {.images = c->images, .index = on->index, .n = on->n};
    struct kd_asking how = {.pool = c->pool, .progress = c->progress};
    float *logits = kd_alloc((size_t)on->n * net->classes, sizeof *logits, "logits", err);
    int32_t *labels = kd_alloc(on->n, sizeof *labels, "labels", err);
    int status = logits && labels ? 0 : -1;
    if (status == 0) status = kd_predict(c->model, &view, &how, logits, err);
    for (uint32_t i = 0; status == 0 && i < on->n; i++) labels[i] = kd_subset_label(on, i);
    if (status == 0 && c->config->by == KD_BY_TRANSFER)
        status = kd_bias_by_transfer((struct kd_bias_case){logits, on->n, net->classes, c->unseen},
                                     c->config->flips, c->bias, err);
    else if (status == 0 && c->config->by == KD_BY_BALANCED)
        status = kd_bias_by_balance((struct kd_bias_case){logits, on->n, net->classes, c->unseen},
                                    c->bias, err);
    else if (status == 0)
        status = kd_bias_by_labels((struct kd_bias_case){logits, on->n, net->classes, c->unseen},
                                   labels, c->bias, err);
    kd_free(logits);
    kd_free(labels);
    return status;
}

/* Biases are found by the model's numbers: the images' must be the same. */
static int same_classes(const struct kd_correction *c, struct kd_err *err)
{
    uint32_t *map;
    if (kd_model_classes(c->model, c->images, &map, err) < 0) return -1;
    const bool same = map == NULL;
    kd_free(map);
    return same ? 0
                : kd_fail(err,
                          "%s and %s:%s number their classes differently; give the images in "
                          "the model's order",
                          c->model->path, c->images->source, c->images->split);
}

int kd_correct(struct kd_correction *c, struct kd_err *err)
{
    struct kd_subset on = {0};
    struct kd_param *bias = last_bias(c->model, err);
    memcpy(c->of, c->model->fingerprint, sizeof c->of);
    int status = bias && find_unseen(c, err) == 0 ? kd_model_suits(c->model, c->images, err) : -1;
    if (status == 0) status = same_classes(c, err);
    if (status == 0) status = choose_images(c, &on, err);
    if (status == 0 && !on.n)
        status = kd_fail(err, "%s: of %s:%s no image is left to find biases by%s", c->model->path,
                         c->images->source, c->images->split,
                         c->teacher ? "; its teacher takes all for unseen classes" : "");
    if (status == 0) {
        c->used = on.n;
        status = find_bias(c, &on, err);
        if (status < 0)
            kd_err_context(err, "%s on %s:%s", c->model->path, c->images->source, c->images->split);
    }
    for (uint32_t k = 0; status == 0 && k < c->model->net->classes; k++)
        bias->value[k] += (float)c->bias[k];
    if (status == 0)
        status = kd_model_fingerprint(c->model->net, &c->model->normalize, c->fingerprint, err);
    kd_subset_release(&on);
    return status;
}

void kd_correction_release(struct kd_correction *c)
{
    kd_free(c->unseen);
    kd_free(c->bias);
    c->unseen = NULL;
    c->bias = NULL;
}

/* ---- the file ---- */

static const char *meta(const struct kd_model *model, const char *key)
{
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(model->metadata, key);
    return cJSON_IsString(v) ? v->valuestring : NULL;
}

static cJSON *meta_json(const struct kd_model *model, const char *key, struct kd_err *err)
{
    const char *text = meta(model, key);
    if (text) return kd_json_parse(text, strlen(text), key, err);
    cJSON *json = cJSON_CreateObject();
    if (!json) kd_fail_memory(err, "not enough memory for \"%s\"", key);
    return json;
}

/* The text of what was made, with or without success. */
/* kd.config of the model before, with the new name and what was done. */
static char *config_text(const struct kd_model *model, const char *name,
                         const struct kd_correct_config *config, struct kd_err *err)
{
    struct kd_correct_config copy = *config; /* sections want something they could write to */
    const struct kd_opt_section s[] = {{"", "Correction", kd_correct_rows, &copy, NULL}, {0}};
    cJSON *json = meta_json(model, "kd.config", err);
    struct kd_maker b = kd_make_on(json, err);
    if (name) {
        kd_put_text(&b, "name", name);
        kd_put_text(&b, "student", name);
    }
    kd_put_json(&b, "correct", kd_opts_to_json(s, err));
    return kd_make_end_text(&b);
}

static char *corrected_text(const struct kd_correction *c, struct kd_err *err)
{
    uint32_t classes = c->model->net->classes, m = 0;
    double *lists = kd_alloc(2 * (size_t)classes, sizeof *lists, "biases", err);
    if (!lists) return NULL;
    for (uint32_t k = 0; k < classes; k++)
        if (c->unseen[k]) {
            lists[m] = k;
            lists[classes + m++] = c->bias[k];
        }
    struct kd_maker b = kd_make_object(err);
    kd_put_text(&b, "of", c->of);
    kd_put_text(&b, "by", kd_correct_by_name(c->config->by));
    kd_put_numbers(&b, "classes", lists, m);
    kd_put_numbers(&b, "bias", lists + classes, m);
    kd_put_json(&b, "images", kd_images_identity(c->images, err));
    kd_put_number(&b, "used", c->used);
    kd_free(lists);
    return kd_make_end_text(&b);
}

/* Figures of the training's end were those of the model before. */
static char *metrics_text(const struct kd_model *model, struct kd_err *err)
{
    static const char *const gone[] = {"train", "train_eval", "valid"};
    cJSON *json = meta_json(model, "kd.metrics", err);
    for (int i = 0; json && i < 3; i++) cJSON_DeleteItemFromObjectCaseSensitive(json, gone[i]);
    return kd_json_text_of(json, err);
}

int kd_correct_write(const char *path, const struct kd_correction *c, struct kd_err *err)
{
    struct kd_tensorfile f;
    char *config = config_text(c->model, c->name, c->config, err),
         *corrected = corrected_text(c, err);
    char *metrics = metrics_text(c->model, err);
    const struct {
        const char *key, *text;
    } texts[] = {{"kd.config", config},
                 {"kd.corrected", corrected},
                 {"kd.metrics", metrics},
                 {"kd.data", meta(c->model, "kd.data")},
                 {"kd.parents", meta(c->model, "kd.parents")},
                 {"kd.command", c->command[0] ? c->command : NULL}};
    int status = kd_tensorfile_init(&f, err);
    if (status == 0 && !(config && corrected && metrics)) status = -1;
    if (status == 0) status = kd_model_to_file(c->model->net, &c->model->normalize, &f, err);
    for (size_t i = 0; i < sizeof texts / sizeof *texts && status == 0; i++)
        if (texts[i].text) status = kd_tensorfile_set(&f, texts[i].key, texts[i].text, err);
    if (status == 0) status = kd_tensorfile_write(path, &f, err);
    kd_tensorfile_release(&f);
    kd_free(config);
    kd_free(corrected);
    kd_free(metrics);
    return status;
}

bool kd_correct_is_current(const char *path, const struct kd_model *model, const char *name,
                           const struct kd_correct_config *config)
{
    struct kd_tensorfile f;
    struct kd_err ignored;
    bool current = false;
    char *text = config_text(model, name, config, &ignored);
    if (text && kd_tensorfile_read(path, NULL, &f, &ignored) == 0) {
        const char *of = kd_tensorfile_meta(&f, "kd.corrected");
        current = of && strstr(of, model->fingerprint) &&
                  kd_config_same(kd_tensorfile_meta(&f, "kd.config"), text, &ignored) == 1;
        kd_tensorfile_release(&f);
    }
    kd_free(text);
    return current;
}
