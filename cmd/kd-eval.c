#include "confusion.h"
#include "evaluation.h"
#include "inputs.h"
#include "kd/base/file.h"
#include "kd/base/lock.h"
#include "kd/base/machine.h"
#include "kd/base/mem.h"
#include "kd/base/terminal.h"
#include "kd/nn/predict.h"
#include "kd/train/tasks.h"
#include "program.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

struct options {
    char *data, *data_dir, *split, *reference, *experiment, *runs;
    struct kd_texts set;
    bool confusion, timing, save, update, wide;
    double reject; /* accuracy wanted; NAN: not asked */
    int tta;       /* enum kd_tta */
};

#define O(field) offsetof(struct options, field)
static const struct kd_option rows[] = {
    {"data", 'd', NULL, KD_OPT_TEXT, O(data), .metavar = "SOURCE",
     .help = "images, as mnist:test or png:DIR; default: the test split of what the model was "
             "trained on",
     .also = "dataset input images source", .more = "See `kd-data`(1)."},
    {"split", 0, NULL, KD_OPT_TEXT, O(split), .metavar = "SPLIT",
     .help = "test, train, or validation as the model's own training carved it; default test, of "
             "an experiment "
             "validation too"},
    {"data-dir", 0, NULL, KD_OPT_TEXT, O(data_dir), .metavar = "DIR",
     .help = "where named sources are found instead of $KD_DATA or ./data"},
    {"reference", 'r', NULL, KD_OPT_TEXT, O(reference), .metavar = "MODEL",
     .help = "also the share of images on which a model agrees with this one",
     .more = "Models of an experiment are held against its teacher without it."},
    {"tta", 0, NULL, KD_OPT_CHOICE, O(tta), .preset = "none", .choices = KD_CHOICES(KD_TTAS),
     .metavar = "COPIES",
     .help = "average logits over copies of an image: mirrored, and shifted by a pixel",
     .more =
         "`mirror` takes the image and its mirror image; `mirror-shifts` gives these half the "
         "weight, and a quarter each to both moved by a pixel right and down, and left and up."},
    {"confusion", 0, NULL, KD_OPT_BOOL, O(confusion),
     .help = "also how many images of each class are taken for which other",
     .more =
         "With `--json` it is the matrix of counts, a row a true class, and beside it there are "
         "the bins of ECE: images, mean confidence, accuracy. Where its columns have no room "
         "the most frequent confusions are listed. As a picture it comes from `kd-eval --save` "
         "and `kd-report --charts --chart confusion`.",
     .also = "matrix"},
    {"reject", 0, NULL, KD_OPT_REAL, O(reject), .min = 0, .max = 1, .metavar = "ACCURACY",
     .optional = true, .also = "coverage abstain selective threshold",
     .help = "also the share of images that a model answers where it may pass, to be right this "
             "often, and the probability from which on it answers",
     .more = "It passes images whose largest probability is lower. With `--json` there is also "
             "`coverage`: threshold, share answered and accuracy on those, of the surest 5 %, 10 % "
             "and so on. Choose a threshold on `--split validation`: on the images that it was "
             "chosen by it looks better than it is."},
    {"time", 0, NULL, KD_OPT_BOOL, O(timing),
     .help = "also the time for one image, and images a second 1,000 at a time",
     .more =
         "One image is given to one thread, unless `--threads` says otherwise, and 1,000 to all. "
         "The threads and the processor are named.",
     .also = "latency speed benchmark"},
    {"save", 0, NULL, KD_OPT_BOOL, O(save),
     .help = "also write eval.json beside each model, and logits.safetensors of a whole split",
     .more =
         "The first holds confusion and bins too. The second holds the answers to the test or "
         "train images; those to validation images, which are a part of a split, are not kept."},
    {"experiment", 'x', NULL, KD_OPT_TEXT, O(experiment), .metavar = "EXPERIMENT",
     .help = "evaluate all its models that are there, on test and validation, against the teacher "
             "of the "
             "same seed, and save eval.json and logits.safetensors beside each",
     .more = "`kd-report`(1) finds them there."},
    {"set", 's', NULL, KD_OPT_TEXTS, O(set), .metavar = "KEY=VALUE",
     .help = "override a key of the experiment", .more = "May be repeated."},
    {"runs", 0, NULL, KD_OPT_TEXT, O(runs), .preset = KD_RUNS, .metavar = "DIR",
     .help = "folder of the run folders"},
    {"wide", 'w', NULL, KD_OPT_BOOL, O(wide),
     .help = "the whole table, however narrow the terminal is"},
    {"update", 'u', NULL, KD_OPT_BOOL, O(update),
     .help = "with --experiment: pass over models whose eval.json is of the same model, images, "
             "labels and "
             "teacher, and whole",
     .more = "Whole means with its logits.safetensors, and with `--time` with its times."},
    {0},
};
static const struct kd_program_section sections[] = {{"evaluation", "Evaluation", rows, 0, NULL},
                                                     {0}};

struct work {
    struct kd_invocation *inv;
    const struct options *o;
    struct kd_image_cache cache;
    const struct kd_images *images; /* those evaluated on */
    struct kd_model reference;      /* net NULL: none */
    struct kd_evaluation *results;
    size_t n, room;
    struct kd_bytes saved; /* lines of the eval.json being made */
    struct kd_bytes text;  /* the table or JSON lines not yet told */
    struct kd_bytes below; /* what stands below the table */
    size_t models;         /* of an experiment that are there */
    bool timed;            /* it was said on what */
};

static bool saving(const struct work *w)
{
    return w->o->save || w->o->experiment;
}

static bool to_file(const struct work *w)
{
    return w->inv->common.output && strcmp(w->inv->common.output, "-") != 0;
}

/* Lines go to standard output as they come, to a file all at once at the end. */
static int tell(struct work *w, bool end, struct kd_err *err)
{
    const char *path = w->inv->common.output;
    int status = 0;
    if (!to_file(w)) {
        if (w->text.size) status = kd_print(err, "%s", w->text.data);
        kd_bytes_release(&w->text);
    } else if (end) {
        status = kd_file_write(path, w->text.data ? w->text.data : "", w->text.size, err);
        if (status == 0) status = kd_print_path(err, path);
    }
    return status;
}

/* ---- what to evaluate on ---- */

/* kd.data of a model; *out NULL: it does not say. Caller: cJSON_Delete. */
static int trained_on(const struct kd_model *model, cJSON **out, struct kd_err *err)
{
    const char *text =
        cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(model->metadata, "kd.data"));
    *out = text ? kd_json_parse(text, strlen(text), "kd.data", err) : NULL;
    return text && !*out ? kd_err_context(err, "%s", model->path) : 0;
}

/* Validation images are carved by place: from other images than the model was trained on, training
 * images would be among them. */
static int same_data_check(const struct work *w, const struct kd_model *model, struct kd_err *err)
{
    cJSON *data;
    if (trained_on(model, &data, err) < 0) return -1;
    const char *pixels = kd_text_at(data, "pixels");
    char there[KD_IMAGES_WORDS], here[KD_IMAGES_WORDS];
    int status = 0;
    kd_identity_words(data, there);
    kd_images_words(w->images, here);
    const bool same = strcmp(there, here) == 0;
    if (pixels && strcmp(pixels, w->images->pixels_fingerprint) != 0)
        status = kd_fail(err,
                         "%s: it was trained on %s, and %s%s: its validation images cannot be "
                         "carved again; evaluate it on test images, or train it anew (pixel "
                         "fingerprints %s and %s)",
                         model->path, there, same ? "that has changed since" : "this is ",
                         same ? "" : here, pixels, w->images->pixels_fingerprint);
    cJSON_Delete(data);
    return status;
}

/* A word where test images turn out to be what the model learnt from. */
static int warn_of_training_images(const struct work *w, const struct kd_model *model,
                                   struct kd_err *err)
{
    cJSON *data;
    if (strcmp(w->images->split, "test") != 0) return 0;
    if (trained_on(model, &data, err) < 0) return -1;
    const char *pixels = kd_text_at(data, "pixels");
    if (pixels && strcmp(pixels, w->images->pixels_fingerprint) == 0)
        kd_say(w->inv,
               "%s: it was trained on these images, so this says little about new ones; train "
               "with --validation N, which keeps N apart, and measure on --split validation",
               model->path);
    cJSON_Delete(data);
    return 0;
}

/* The source that is evaluated; caller frees. A source that training was told for the test split is
 * that split, also where it is a file without splits of its own. */
static char *choose_source(const struct work *w, const struct kd_model *model,
                           const struct kd_data_config *own, bool test, struct kd_err *err)
{
    char *source = NULL, *split = NULL, *chosen = NULL;
    if (w->o->data || !test || !own->test) {
        const char *named = w->o->data ? w->o->data : own->source;
        if (named) return kd_strdup(named, err);
        kd_fail_usage(err, "%s does not say what it was trained on; give --data", model->path);
        return NULL;
    }
    if (kd_spec_parse(own->test, &source, &split, err) == 0)
        chosen = split ? kd_strdup(own->test, err) : kd_format(err, "%s:test", own->test);
    kd_free(source);
    kd_free(split);
    return chosen;
}

static int choose_images(struct work *w, const struct kd_model *model, const char *split,
                         struct kd_subset *out, struct kd_err *err)
{
    struct kd_data_config own = {0};
    const struct kd_opt_section s[] = {{"", "", kd_data_rows, &own, NULL}, {0}};
    bool validation = strcmp(split, "validation") == 0, test = strcmp(split, "test") == 0;
    int status = kd_model_data(model, &own, err);
    char *source = status == 0 ? choose_source(w, model, &own, test, err) : NULL;
    if (!source) status = -1;
    const char *whole = validation ? "train" : split;
    if (status == 0) {
        w->cache.beside = model->path;
        w->cache.up = KD_RUN_DEPTH + 1;
        w->images = kd_image_cache_get(&w->cache, source, w->o->data_dir, whole, &own.input, err);
        if (!w->images) status = -1;
    }
    if (status == 0 && w->o->split && strcmp(w->images->split, whole) != 0)
        status = kd_fail_usage(
            err, "--data %s is the split %s, but --split asks for %s; leave one of them out",
            source, w->images->split, split);
    if (status == 0 && validation) {
        struct kd_subset rest = {0};
        if (own.validation <= 0)
            status = kd_fail_usage(err, "%s was trained without validation images", model->path);
        else if ((status = same_data_check(w, model, err)) == 0)
            status = kd_split_train(w->images, &own, &rest, out, err);
        kd_subset_release(&rest);
    } else if (status == 0)
        status = kd_subset_all(w->images, out, err);
    kd_free(source);
    kd_opts_release(s);
    return status;
}

/* ---- measuring ---- */

/* The answers to a whole split: pictures and pairwise tests need them. A carved split is not kept.
 */
static int save_logits(const struct work *w, const struct kd_model *model, const float *logits,
                       const int32_t *labels, struct kd_err *err)
{
    struct kd_answers answers = {logits, labels, w->images, model};
    char *path = kd_place_beside(model->path, KD_FILE_LOGITS, err);
    int status = path ? kd_logits_write(path, &answers, w->inv->command, err) : -1;
    kd_free(path);
    return status;
}

/* Column c of each row becomes what stood in column map[c]. */
static int columns_order(float *z, size_t n, const uint32_t *map, size_t classes,
                         struct kd_err *err)
{
    float *row = kd_alloc(classes, sizeof *row, "classes", err);
    if (!row) return -1;
    for (size_t r = 0; r < n; r++, z += classes) {
        memcpy(row, z, classes * sizeof *row);
        for (size_t c = 0; c < classes; c++) z[c] = row[map[c]];
    }
    kd_free(row);
    return 0;
}

/* Share of images on which the reference gives the same class. A reference that cannot be asked
 * about these images, or knows other classes, is an error for a model alone; in a table its cells
 * stay empty, and a note says why. */
static int compare(struct work *w, const struct kd_model *model, const struct kd_view *view,
                   const float *logits, struct kd_evaluation *r, struct kd_err *err)
{
    const struct kd_asking how = {.tta = (enum kd_tta)w->o->tta,
                                  .pool = w->inv->pool,
                                  .progress = &w->inv->progress,
                                  .team = w->inv->team};
    const struct kd_model *reference = &w->reference;
    uint32_t *map;
    if (kd_models_classes(model, reference, &map, err) < 0 ||
        kd_pixels_suit(reference, view->images, err) < 0) {
        kd_free(map);
        kd_err_context(err, "no agreement with the reference");
        if (w->inv->args.n_operands == 1) return -1;
        kd_say(w->inv, "%s: %s", model->path, err->text);
        *err = (struct kd_err){0};
        return 0;
    }
    size_t classes = model->net->classes;
    float *other = kd_alloc(view->n * classes, sizeof *other, "logits", err);
    int status = other ? kd_predict(reference, view, &how, other, err) : -1;
    if (status == 0 && map) status = columns_order(other, view->n, map, classes, err);
    if (status == 0) {
        r->agreement = kd_agreement(logits, other, view->n, classes);
        r->reference = kd_strdup(reference->fingerprint, err);
        status = r->reference ? 0 : -1;
    }
    kd_free(other);
    kd_free(map);
    return status;
}

/* One image at a time on one thread, unless --threads says how many: a second one only adds the
 * noise of whatever else the machine does. */
static int measure_time(struct work *w, const struct kd_model *model, const struct kd_view *view,
                        struct kd_evaluation *r, struct kd_err *err)
{
    struct kd_invocation *inv = w->inv;
    struct kd_pool *for_one = kd_args_has(&inv->args, "threads") ? inv->pool : NULL;
    char name[KD_PROCESSOR_NAME];
    struct kd_speed speed;
    if (kd_predict_time(model, view, for_one, inv->pool, &speed, err) < 0) return -1;
    kd_processor_name(name);
    r->latency_ms = speed.latency_ms;
    r->throughput = speed.throughput;
    r->latency_threads = kd_pool_threads(for_one);
    r->throughput_threads = kd_pool_threads(inv->pool);
    r->processor = kd_strdup(name, err);
    if (!r->processor) return -1;
    if (!w->timed)
        kd_say(inv, "times: one image on %.0f thread%s, 1,000 on %.0f; %s", r->latency_threads,
               r->latency_threads > 1 ? "s" : "", r->throughput_threads, name);
    w->timed = true;
    return 0;
}

static int measure(struct work *w, struct kd_model *model, const struct kd_subset *on,
                   struct kd_evaluation *r, struct kd_err *err)
{
    size_t classes = model->net->classes;
    struct kd_metrics metrics;
    uint32_t *confusion = NULL;
    const struct kd_view view = {.images = on->images, .index = on->index, .n = on->n};
    const struct kd_asking how = {.tta = (enum kd_tta)w->o->tta,
                                  .pool = w->inv->pool,
                                  .progress = &w->inv->progress,
                                  .team = w->inv->team};
    const bool whole = strcmp(model->path, "-") != 0 && on->n == w->images->n;
    float *logits = kd_alloc(view.n * classes, sizeof *logits, "logits", err);
    int32_t *labels = kd_alloc(on->n, sizeof *labels, "labels", err);
    uint32_t *map = NULL;
    int status = logits && labels ? kd_model_classes(model, w->images, &map, err) : -1;
    if (status == 0) status = kd_predict(model, &view, &how, logits, err);
    if (status == 0) status = kd_logits_check(model->path, logits, on->n, classes, err);
    if (status == 0 && (w->o->confusion || saving(w))) {
        confusion = kd_alloc(classes * classes, sizeof *confusion, "a confusion matrix", err);
        if (!confusion) status = -1;
    }
    if (status == 0) {
        for (uint32_t i = 0; i < on->n; i++) {
            const int32_t label = kd_subset_label(on, i);
            labels[i] = label >= 0 && map ? (int32_t)map[label] : label;
        }
        kd_metrics_of(logits, labels, on->n, classes, &metrics, confusion);
        status = evaluation_fill(r, &metrics, confusion, classes, err);
        if (status == 0 && saving(w) && whole) status = save_logits(w, model, logits, labels, err);
    }
    const struct kd_answers_of answers = {logits, labels, on->n, classes};
    if (status == 0 && !isnan(w->o->reject))
        status = evaluation_reject(r, &answers, w->o->reject, err);
    if (status == 0 && w->reference.net) status = compare(w, model, &view, logits, r, err);
    if (status == 0 && w->o->timing) status = measure_time(w, model, &view, r, err);
    kd_free(map);
    kd_free(confusion);
    kd_free(logits);
    kd_free(labels);
    return status;
}

static struct kd_table_style style_of(const struct work *w)
{
    const size_t there = w->o->wide || to_file(w) ? 0 : kd_terminal_columns(STDOUT_FILENO);
    return (struct kd_table_style){.bare = true, .width = there ? there : KD_WIDE};
}

/* The matrix for people, below the table. */
static int put_confusion(struct work *w, const struct kd_model *model,
                         const struct kd_evaluation *r, struct kd_err *err)
{
    const struct kd_table_style style = style_of(w);
    struct class_names names;
    if (!w->o->confusion || w->inv->common.json) return 0;
    int status = class_names_read(&names, model, err);
    const struct confusion c = {&r->confusion, &names, model->path};
    if (status == 0) status = confusion_put(&c, &style, &w->below, err);
    class_names_release(&names);
    return status;
}

/* ---- models ---- */

static struct kd_evaluation *add_result(struct work *w, struct kd_err *err)
{
    struct kd_evaluation *r = kd_grow(&w->results, &w->n, &w->room, sizeof *r, "results", err);
    if (r && kd_evaluation_from_json(NULL, r, err) < 0) return NULL; /* all of it missing */
    return r;
}

static int evaluate(struct work *w, struct kd_model *model, const char *split, struct kd_err *err)
{
    char images[KD_FINGERPRINT];
    struct kd_subset on = {0};
    struct kd_evaluation *r = add_result(w, err);
    int status = r ? choose_images(w, model, split, &on, err) : -1;
    if (status == 0) status = kd_pixels_suit(model, w->images, err);
    if (status == 0) {
        bool carved = strcmp(split, "validation") == 0;
        r->model = kd_strdup(model->path, err);
        r->data = kd_strdup(w->images->source, err);
        r->split = kd_strdup(carved ? split : w->images->split, err);
        r->fingerprint = kd_strdup(model->fingerprint, err);
        r->images = kd_subset_fingerprint(&on, images, err) == 0 ? kd_strdup(images, err) : NULL;
        if (*w->images->labels_fingerprint)
            r->labels = kd_strdup(w->images->labels_fingerprint, err);
        if (w->o->tta) r->tta = kd_strdup(kd_tta_name((enum kd_tta)w->o->tta), err);
        r->parameters = (double)model->net->parameters;
        r->macs = (double)model->net->macs;
        bool whole = r->model && r->data && r->split && r->fingerprint && r->images &&
                     (r->labels || !*w->images->labels_fingerprint) && (r->tta || !w->o->tta);
        status = whole ? measure(w, model, &on, r, err) : -1;
    }
    if (status == 0) status = warn_of_training_images(w, model, err);
    if (status == 0) status = put_confusion(w, model, r, err);
    if (status == 0 && saving(w)) status = evaluation_add_line(&w->saved, r, w->inv->command, err);
    if (status == 0 && w->inv->common.json) {
        status = evaluation_add_line(&w->text, r, to_file(w) ? w->inv->command : NULL, err);
        if (status == 0) status = tell(w, false, err);
    }
    kd_subset_release(&on);
    return status;
}

/* One after the other, where several evaluations of a model end at once: each adds to what the
 * others wrote. */
static int save(struct work *w, const char *model_path, struct kd_err *err)
{
    enum { PATIENCE = 30 }; /* seconds; a file is written in far less */
    struct kd_lock lock = {.fd = -1};
    char *path = kd_place_beside(model_path, KD_FILE_EVALUATIONS, err);
    char *turn = path ? kd_place_beside(model_path, ".eval.kd-lock", err) : NULL;
    int status = turn ? kd_lock_wait(&lock, turn, PATIENCE, &kd_stopping, err) : -1;
    if (status == 0) status = kd_evaluations_save(path, w->saved.data, err);
    kd_lock_release(&lock);
    kd_free(turn);
    kd_free(path);
    return status;
}

/* ---- a whole experiment ---- */

/* Is there a line of this model on these images, against this reference? */
static bool is_saved(struct work *w, const char *path, struct kd_model *model, const char *split)
{
    struct kd_err ignored; /* what cannot be found out is done anew, and then says why */
    struct kd_subset on = {0};
    char images[KD_FINGERPRINT];
    bool is = false;
    if (choose_images(w, model, split, &on, &ignored) == 0 &&
        kd_subset_fingerprint(&on, images, &ignored) == 0) {
        const bool compared = w->reference.net &&
                              kd_models_agree_on_classes(model, &w->reference, &ignored) == 0 &&
                              kd_pixels_suit(&w->reference, w->images, &ignored) == 0;
        const struct kd_evaluation_wanted wanted = {
            .fingerprint = model->fingerprint,
            .split = split,
            .images = images,
            .labels = w->images->labels_fingerprint,
            .reference = compared ? w->reference.fingerprint : NULL,
            .tta = w->o->tta ? kd_tta_name((enum kd_tta)w->o->tta) : NULL,
            .timing = w->o->timing};
        is = kd_evaluation_is_saved(path, &wanted);
    }
    kd_subset_release(&on);
    return is;
}

/* On `split`; NULL: on the test split, and on the validation images of a training that has some.
 * The answers to the test images are wanted too. */
static bool is_evaluated(struct work *w, const char *model_path, struct kd_model *model,
                         const char *split, bool carves)
{
    struct kd_err ignored;
    char *path = kd_place_beside(model_path, KD_FILE_EVALUATIONS, &ignored);
    char *logits = kd_place_beside(model_path, KD_FILE_LOGITS, &ignored);
    bool is = path && logits && is_saved(w, path, model, split ? split : "test");
    if (!split || strcmp(split, "validation") != 0) is = is && kd_path_exists(logits);
    if (!split && carves) is = is && is_saved(w, path, model, "validation");
    kd_free(path);
    kd_free(logits);
    return is;
}

/* On the test split. A source without test images, where no other was named for them, has the
 * validation images of a training that kept some apart. */
static int evaluate_test(struct work *w, struct kd_model *model, const struct kd_data_config *own,
                         struct kd_err *err)
{
    const size_t n = w->n;
    int status = evaluate(w, model, "test", err);
    if (status == 0 || err->kind != KD_ERR_USAGE || own->validation <= 0 || own->test || w->o->data)
        return status;
    kd_say(w->inv, "%s; evaluated on its validation images", err->text);
    w->n = n;
    *err = (struct kd_err){0};
    return evaluate(w, model, "validation", err);
}

/* The test split and, where there is one, the validation split. */
static int evaluate_both(struct work *w, struct kd_model *model, const struct kd_data_config *own,
                         struct kd_err *err)
{
    int status = evaluate_test(w, model, own, err);
    if (status < 0 || own->validation <= 0) return status;
    const struct kd_evaluation *last = &w->results[w->n - 1];
    return strcmp(last->split, "validation") == 0 ? 0 : evaluate(w, model, "validation", err);
}

static int evaluate_operand(struct work *w, const char *operand, struct kd_err *err)
{
    struct kd_model model = {0};
    struct kd_data_config own = {0};
    const struct kd_opt_section s[] = {{"", "", kd_data_rows, &own, NULL}, {0}};
    int status = kd_model_read(operand, &model, err);
    kd_bytes_release(&w->saved);
    if (status == 0) status = kd_model_data(&model, &own, err);
    if (status == 0)
        status = w->o->split ? evaluate(w, &model, w->o->split, err)
                             : evaluate_test(w, &model, &own, err);
    if (status == 0 && w->o->save && strcmp(operand, "-") != 0) status = save(w, model.path, err);
    kd_opts_release(s);
    kd_model_release(&model);
    return status;
}

static int evaluate_place(struct work *w, const char *path, struct kd_err *err)
{
    struct kd_model model = {0};
    struct kd_data_config own = {0};
    const struct kd_opt_section s[] = {{"", "", kd_data_rows, &own, NULL}, {0}};
    if (!kd_path_exists(path)) return 0;
    w->models++;
    kd_bytes_release(&w->saved);
    int status = kd_model_read(path, &model, err);
    if (status == 0) status = kd_model_data(&model, &own, err);
    bool carves = own.validation > 0;
    if (status == 0 && !(w->o->update && is_evaluated(w, path, &model, w->o->split, carves))) {
        status = w->o->split ? evaluate(w, &model, w->o->split, err)
                             : evaluate_both(w, &model, &own, err);
        if (status == 0) status = save(w, path, err);
    }
    kd_opts_release(s);
    kd_model_release(&model);
    return status;
}

/* The teacher of a seed, after which all its students are compared with it. */
static int set_reference(struct work *w, const struct kd_experiment *x, uint64_t seed,
                         struct kd_err *err)
{
    char *path =
        kd_experiment_model(x, KD_FOLDER_TEACHER, false, kd_experiment_teacher_seed(x, seed), err);
    kd_model_release(&w->reference);
    int status = !path ? -1 : kd_path_exists(path) ? kd_model_read(path, &w->reference, err) : 0;
    kd_free(path);
    return status;
}

/* Seed after seed, its teacher first and by itself. */
static int evaluate_tasks(struct work *w, const struct kd_experiment *x,
                          const struct kd_picked *picked, struct kd_err *err)
{
    int status = 0;
    bool compared = false; /* the reference is this seed's */
    for (size_t i = 0; i < picked->n && status == 0 && !kd_stopping; i++) {
        const struct kd_task *task = picked->v[i];
        if (i && task->seed != picked->v[i - 1]->seed) compared = false;
        if (task->kind == KD_TASK_TEACHER) {
            kd_model_release(&w->reference);
            if (kd_experiment_teacher_seed(x, task->seed) != task->seed) continue;
        } else if (!compared) {
            status = set_reference(w, x, task->seed, err);
            compared = true;
        }
        if (status == 0) status = evaluate_place(w, task->model, err);
    }
    kd_model_release(&w->reference);
    return status;
}

static int evaluate_experiment(struct work *w, struct kd_err *err)
{
    const uint64_t seed = (uint64_t)w->inv->common.seed;
    const uint64_t *only = kd_args_has(&w->inv->args, "seed") ? &seed : NULL;
    const struct kd_pick pick = {
        .kinds = KD_PICK_TEACHERS | KD_PICK_STUDENTS, .seed = only, .by_seed = true};
    struct kd_picked picked = {0};
    char *path = kd_experiment_named(w->inv, w->o->experiment, err);
    struct kd_experiment *x = path ? kd_experiment_open(path, w->o->runs, &w->o->set, err) : NULL;
    struct kd_tasks *tasks =
        x ? kd_tasks_open(x, &(struct kd_tasks_options){.seed = only}, err) : NULL;
    int status = tasks ? kd_tasks_pick(tasks, &pick, &picked, err) : -1;
    if (status == 0) status = evaluate_tasks(w, x, &picked, err);
    if (status == 0) kd_leftovers_remove(x->folder, KD_RUN_DEPTH - 1);
    if (status == 0 && !kd_stopping && !w->models)
        status = kd_fail(
            err, "%s: there is no model of it; train them first, or say where they are with --runs",
            x->folder);
    kd_picked_release(&picked);
    kd_tasks_close(tasks);
    kd_experiment_close(x);
    kd_free(path);
    return status;
}

static int check(const struct kd_invocation *inv, struct kd_err *err)
{
    const struct options *o = inv->options;
    static const char *const splits[] = {"test", "train", "validation"};
    if (!inv->args.n_operands && !o->experiment)
        return kd_fail_usage(err,
                             "no model is given; give model files, run folders, or --experiment");
    if (inv->args.n_operands && o->experiment)
        return kd_fail_usage(err, "give models or --experiment, not both");
    const bool experiment = o->experiment;
    const struct kd_idle rules[] = {
        {!experiment, "update set runs", "goes with --experiment"},
        {o->update, "reject", "is measured anew; leave --update out"},
        {experiment, "reference",
         "is for models that are named; those of an experiment are held against its teacher"}};
    if (kd_args_idle(&inv->args, rules, sizeof rules / sizeof *rules, err) < 0) return -1;
    for (int i = 0; o->split && i < 3; i++)
        if (strcmp(o->split, splits[i]) == 0) return output_file_check(inv, err);
    if (o->split)
        return kd_fail_usage(err, "--split=%s: expected test, train or validation", o->split);
    return output_file_check(inv, err);
}

static int show_table(struct work *w, struct kd_err *err)
{
    const struct kd_table_style style = style_of(w);
    int status = evaluation_table(w->results, w->n, &style, &w->text, err);
    return status == 0 && w->below.size ? kd_bytes_add(&w->text, w->below.data, w->below.size, err)
                                        : status;
}

static int evaluate_all(struct kd_invocation *inv, struct kd_err *err)
{
    struct work w = {
        .inv = inv, .o = inv->options, .cache = {.pool = inv->pool, .keep = KD_IMAGE_CACHE_MOST}};
    int status = check(inv, err);
    if (status == 0 && w.o->reference) status = kd_model_read(w.o->reference, &w.reference, err);
    if (status == 0 && w.o->experiment) status = evaluate_experiment(&w, err);
    for (size_t i = 0; i < inv->args.n_operands && status == 0 && !kd_stopping; i++)
        status = evaluate_operand(&w, inv->args.operands[i], err);
    if (status == 0 && !inv->common.json && w.n) status = show_table(&w, err);
    if (status == 0 && !kd_stopping) status = tell(&w, true, err);
    for (size_t i = 0; i < w.n; i++) kd_evaluation_release(&w.results[i]);
    kd_free(w.results);
    kd_bytes_release(&w.saved);
    kd_bytes_release(&w.text);
    kd_bytes_release(&w.below);
    kd_model_release(&w.reference);
    kd_image_cache_release(&w.cache);
    return status;
}

static const struct kd_opt_more more[] = {
    {"seed", "It is for `--experiment`: the models of this seed alone."},
    {"json", "A line for each model and split instead of a table."},
    {0},
};

const struct kd_program kd_program = {
    .name = "kd-eval",
    .usage = "[OPTION]... MODEL...",
    .summary =
        "Measure models, or checkpoints of trainings that still run, on any split of any data.",
    .details =
        "A folder stands for the model.safetensors in it, or else its checkpoint.\n"
        "NLL is the mean cross-entropy of the labels in nats; ECE the expected calibration error "
        "over 15\n"
        "bins; agree % the share of images on which model and --reference choose the same class.\n"
        "\n"
        "Examples:\n"
        "  kd-eval runs/digits/teacher/s1 runs/digits/students/*/s1\n"
        "  kd-eval model.safetensors --data mnist:test --json\n"
        "  kd-eval --experiment configs/digits.json --update\n",
    .sections = sections,
    .more = more,
    .max_operands = 1 << 20,
    .computes = true,
    .teams = true,
    .options_size = sizeof(struct options),
    .work = evaluate_all,
};
