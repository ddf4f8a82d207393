#include "kd/base/file.h"
#include "kd/base/mem.h"
#include "kd/base/tensorfile.h"
#include "kd/nn/softmax.h"
#include "kd/train/tasks.h"
#include "program.h"
#include "soft_show.h"

#include <string.h>

struct options {
    struct kd_texts models, set;
    struct kd_reals weights;
    char *data, *data_dir, *runs;
    int average;
    bool update, overwrite, no_logits, wide;
    char *from; /* --logits */
    int64_t show;
    struct kd_soften_config soften;
    struct kd_augment augment;
};

#define O(field) offsetof(struct options, field)
static const struct kd_option rows[] = {
    {"model", 'm', NULL, KD_OPT_TEXTS, O(models), .metavar = "MODEL",
     .help = "teacher: a model, a checkpoint, or - ; repeated: the mean of several",
     .also = "teacher",
     .more = "A folder stands for the model or the checkpoint in it, also of a training that still "
             "runs; `-` reads standard input."},
    {"weights", 'w', NULL, KD_OPT_REALS, O(weights), .min = 0, .max = 1e9, .metavar = "W,...",
     .help = "weights of several teachers, in their order; default equal"},
    {"average", 0, NULL, KD_OPT_CHOICE, O(average), .preset = "logits",
     .choices = KD_CHOICES(KD_AVERAGES), .metavar = "WHAT",
     .help = "what of several teachers is averaged; probabilities hold for the temperatures given "
             "alone"},
    {"data", 'd', NULL, KD_OPT_TEXT, O(data), .metavar = "SOURCE",
     .help = "images: mnist:train, digits, png:DIR, ...; all of the split, in its order",
     .also = "dataset input images source", .more = "See `kd-data`(1)."},
    {"data-dir", 0, NULL, KD_OPT_TEXT, O(data_dir), .metavar = "DIR",
     .help = "where named sources are found instead of $KD_DATA or ./data"},
    {"logits", 'L', NULL, KD_OPT_TEXT, O(from), .metavar = "FILE",
     .help = "instead of asking a teacher: logits from elsewhere (.npy or .safetensors), row i for "
             "image i of --data",
     .more = "With `--views` they are those of the views that `kd-data`(1) wrote, [V,N,classes]; "
             "the augmentation is told as it was told there."},
    {"no-logits", 0, NULL, KD_OPT_BOOL, O(no_logits), .help = "write probabilities alone"},
    {"show", 0, NULL, KD_OPT_INT, O(show), .min = 0, .max = 4e9, .metavar = "I",
     .help = "print image I's soft targets at each temperature instead of writing a file",
     .more =
         "Images are counted from 0. On a terminal each probability has a bar; elsewhere the table "
         "has numbers alone, with more decimals."},
    {"wide", 0, NULL, KD_OPT_BOOL, O(wide),
     .help = "with --show: the whole table, however narrow the terminal is"},
    {"set", 's', NULL, KD_OPT_TEXTS, O(set), .metavar = "KEY=VALUE",
     .help = "override a key of the experiment", .more = "May be repeated."},
    {"runs", 0, NULL, KD_OPT_TEXT, O(runs), .preset = KD_RUNS, .metavar = "DIR",
     .help = "folder of the run folders"},
    {"update", 'u', NULL, KD_OPT_BOOL, O(update),
     .help = "pass over files that are there and were made by the same teacher, from the same "
             "images, with the same options; replace others"},
    {"overwrite", 0, NULL, KD_OPT_BOOL, O(overwrite),
     .help = "replace what is there and was made otherwise"},
    {0},
};

static const struct kd_program_section sections[] = {
    {"teachers", "Teachers and images", rows, 0, NULL},
    {"soften", "Soft targets", kd_soften_rows, O(soften), NULL},
    {"augment", "Augmentation of views", kd_augment_rows, O(augment), NULL},
    {0},
};

struct work {
    struct kd_invocation *inv;
    struct options *o;
    bool showing; /* --show: an image's table, no file */
    struct kd_teachers teachers;
    struct kd_image_cache cache;
    const struct kd_images *images;
};

static int load(struct work *w, const char *source, const struct kd_data_config *own,
                struct kd_err *err)
{
    const char *data_dir = w->o->data_dir ? w->o->data_dir : own->data_dir;
    if (!source)
        return kd_fail_usage(err, "no images are given; use --data mnist:train or an experiment");
    w->images =
        kd_image_cache_get(&w->cache, source, data_dir, w->o->soften.split, &own->input, err);
    return w->images ? 0 : -1;
}

/* ---- one image ---- */

/* softmax(z / T); with --top as a student finds it in the file. */
static int soften_row(const struct work *w, const float *z, size_t classes, double temperature,
                      float *q, struct kd_err *err)
{
    struct kd_top top = {.n = 1, .k = (size_t)w->o->soften.top, .classes = classes};
    int status = 0;
    if (!top.k) {
        kd_softmax(z, classes, temperature, q);
        return 0;
    }
    status = kd_soften_check_top(top.k, classes, err);
    if (status == 0) status = kd_top_init(&top, err);
    if (status == 0) status = kd_top_put(&top, 0, z, err);
    if (status == 0) kd_top_row(&top, 0, temperature, q);
    if (status == 0) kd_softmax(q, classes, temperature, q);
    kd_top_release(&top);
    return status;
}

static int show(struct work *w, struct kd_err *err)
{
    static double usual[] = {1, 4, 20};
    struct kd_reals t = w->o->soften.temperature;
    if (!t.n) t = (struct kd_reals){usual, 3};
    if (w->o->show >= w->images->n)
        return kd_fail_usage(err, "--show=%lld: %s:%s has images 0 to %u", (long long)w->o->show,
                             w->images->source, w->images->split, w->images->n - 1);
    if (kd_teachers_check(&w->teachers, w->images, err) < 0) return -1;
    size_t classes = w->teachers.models[0].net->classes;
    uint32_t index = (uint32_t)w->o->show;
    struct kd_view view = {.images = w->images, .index = &index, .n = 1};
    struct kd_asking how = {.pool = w->inv->pool, .team = w->inv->team};
    float *logits = kd_alloc((t.n + 1) * classes, sizeof *logits, "soft targets", err);
    if (!logits) return -1;
    float *q = logits + classes;
    int status =
        w->teachers.average ? 0 : kd_teachers_predict(&w->teachers, &view, 1, &how, logits, err);
    for (size_t k = 0; k < t.n && status == 0; k++)
        if (w->teachers.average)
            status = kd_teachers_predict(&w->teachers, &view, t.v[k], &how, q + k * classes, err);
        else
            status = soften_row(w, logits, classes, t.v[k], q + k * classes, err);
    const struct soft_show shown = {.images = w->images,
                                    .image = index,
                                    .logits = w->teachers.average ? NULL : logits,
                                    .q = q,
                                    .classes = classes,
                                    .temperatures = &t,
                                    .wide = w->o->wide};
    if (status == 0) status = (w->inv->common.json ? soft_show_json : soft_show_table)(&shown, err);
    kd_free(logits);
    return status;
}

/* ---- writing ---- */

static int soften(struct work *w, const char *path, struct kd_err *err)
{
    const struct kd_soften_config *c = &w->o->soften;
    struct kd_soften what = {.logits = !w->o->no_logits,
                             .half = c->half,
                             .top = (size_t)c->top,
                             .features = c->features,
                             .views = (size_t)c->views,
                             .augment = w->o->augment,
                             .seed = (uint64_t)c->views_seed,
                             .command = w->inv->command};
    w->teachers.average = w->o->average;
    w->teachers.tta = c->tta;
    if (w->showing) return show(w, err);
    const bool softened = c->probabilities || w->o->average || w->o->no_logits;
    if (softened) what.temperatures = c->temperature;
    if (c->probabilities && !c->temperature.n)
        return kd_fail_usage(err, "--probabilities needs temperatures; add --temperature 1,4,20");
    if (w->o->no_logits && !c->temperature.n)
        return kd_fail_usage(err, "--no-logits leaves probabilities alone, which need "
                                  "temperatures; add --temperature 1,4,20");
    const struct kd_idle idle[] = {
        {!kd_augment_fills(&w->o->augment), "fill",
         "says what comes in where images are moved; it goes with --shift, --rotate or --zoom"},
        {!c->views, "views-seed", "goes with --views"},
        {c->top && !c->features, "half",
         "is for all logits; those that --top keeps are in half precision"},
        {!softened, "temperature",
         "goes with --probabilities; logits serve every temperature, which kd-train-student is "
         "told"}};
    if (kd_args_idle(&w->inv->args, idle, sizeof idle / sizeof *idle, err) < 0) return -1;
    if (c->views && !kd_augment_active(&w->o->augment))
        return kd_fail_usage(err,
                             "--views records augmented images; say how, for example --shift 2");
    if (kd_outfile_check(path, err) < 0) return -1;
    if (w->o->update && strcmp(path, "-") != 0 && kd_path_exists(path) &&
        kd_soften_is_current(path, &what, &w->teachers, w->images))
        return 0;
    struct kd_asking how = {
        .pool = w->inv->pool, .progress = &w->inv->progress, .team = w->inv->team};
    if (kd_soften_write(path, &what, &w->teachers, w->images, &how, err) < 0) return -1;
    kd_say(w->inv, "%s:%s, %u images, %zu teacher%s", w->images->source, w->images->split,
           w->images->n, w->teachers.n, w->teachers.n == 1 ? "" : "s");
    return strcmp(path, "-") == 0 ? 0 : kd_print_path(err, path);
}

static int soften_task(struct work *w, const struct kd_task *task, struct kd_err *err)
{
    const char *model = task->sources[0].path, *output = w->inv->common.output;
    kd_teachers_release(&w->teachers);
    if (!kd_path_exists(model))
        return kd_fail(err, "%s: not there yet; train it with kd-train-teacher %s --seed %llu",
                       model, w->inv->args.operands[0], (unsigned long long)task->seed);
    const struct kd_data_config *own = &task->job->data;
    if (kd_teachers_add(&w->teachers, model, 1, err) < 0 ||
        load(w, w->o->data ? w->o->data : own->source, own, err) < 0)
        return -1;
    return soften(w, output ? output : task->output, err);
}

/* What the experiment says of soft targets, under what the flags say. */
static int read_settings(struct work *w, const struct kd_experiment *x, struct kd_err *err)
{
    const struct kd_opt_section s[] = {{"soften", "", kd_soften_rows, &w->o->soften, NULL},
                                       {"augment", "", kd_augment_rows, &w->o->augment, NULL},
                                       {0}};
    int status =
        kd_experiment_knows(x, "teacher") ? 0 : kd_fail_usage(err, "it has no \"teacher\"");
    if (status == 0) status = kd_experiment_soften(x, &w->o->soften, &w->o->augment, err);
    if (status < 0) return kd_err_context(err, "%s", x->path);
    return kd_args_put(&w->inv->args, s, err);
}

static int from_tasks(struct work *w, const struct kd_experiment *x, struct kd_err *err)
{
    const uint64_t seed = (uint64_t)w->inv->common.seed;
    const uint64_t *only = kd_args_has(&w->inv->args, "seed") ? &seed : NULL;
    const struct kd_tasks_options options = {.seed = only};
    const struct kd_pick pick = {.kinds = KD_PICK_SOFT, .seed = only};
    struct kd_picked picked = {0};
    struct kd_tasks *tasks = kd_tasks_open(x, &options, err);
    int status = tasks ? kd_tasks_pick(tasks, &pick, &picked, err) : -1;
    size_t n = w->showing && picked.n ? 1 : picked.n;
    if (status == 0 && w->inv->common.output && n > 1)
        status = kd_fail_usage(
            err,
            "--output takes one file, but the experiment has %zu teachers; choose with "
            "--seed",
            n);
    for (size_t i = 0; i < n && status == 0 && !kd_stopping; i++)
        status = soften_task(w, picked.v[i], err);
    kd_picked_release(&picked);
    kd_tasks_close(tasks);
    return status;
}

static int from_experiment(struct work *w, const char *named, struct kd_err *err)
{
    if (w->o->models.n)
        return kd_fail_usage(err, "%s: give an experiment or --model, not both", named);
    char *path = kd_experiment_named(w->inv, named, err);
    struct kd_experiment *x = path ? kd_experiment_open(path, w->o->runs, &w->o->set, err) : NULL;
    kd_free(path);
    if (!x) return -1;
    w->cache.beside = x->path;
    int status = read_settings(w, x, err);
    if (status == 0) status = from_tasks(w, x, err);
    kd_experiment_close(x);
    return status;
}

/* Options that would do nothing are a mistake in the command. */
static int check(const struct work *w, struct kd_err *err)
{
    const struct kd_args *args = &w->inv->args;
    bool experiment = args->n_operands > 0;
    if (w->showing && w->inv->common.output)
        return kd_fail_usage(
            err, "--show prints one image's soft targets and writes no file; leave --output out");
    const struct kd_idle rules[] = {
        {!experiment, "set", "overrides a key of an experiment, but none is given"},
        {!w->showing, "wide", "is for the table of --show"},
        {!experiment, "runs", "says where an experiment's runs are, but none is given"},
        {experiment, "weights",
         "is for teachers named with --model; each of an experiment's is asked by itself"},
        {w->showing, "no-logits half views views-seed update overwrite " KD_AUGMENT_FLAGS,
         "is for a file of soft targets; --show writes none"}};
    if (kd_args_idle(args, rules, sizeof rules / sizeof *rules, err) < 0) return -1;
    if (!experiment && kd_augment_active(&w->o->augment) && !w->o->soften.views)
        return kd_fail_usage(err,
                             "augmented images are recorded as views; say how many with --views");
    return 0;
}

/* Logits that another program made, as a soft-target file that knows its images. */
static int from_logits(struct work *w, struct kd_err *err)
{
    const struct kd_data_config own = {0};
    const char *path = w->inv->common.output ? w->inv->common.output : "-";
    char text[KD_DOUBT_TEXT];
    const struct kd_soften what = {.views = (size_t)w->o->soften.views,
                                   .augment = w->o->augment,
                                   .seed = (uint64_t)w->o->soften.views_seed,
                                   .command = w->inv->command};
    if (w->o->models.n) return kd_fail_usage(err, "give --logits or --model, not both");
    if (what.views && !kd_augment_active(&what.augment))
        return kd_fail_usage(err, "--views says that the images were augmented; say how, as "
                                  "kd-data views was told, for example --shift 2");
    if (!w->inv->common.output)
        return kd_fail_usage(err, "say where to write with --output FILE (or - for a pipe)");
    if (load(w, w->o->data, &own, err) < 0) return -1;
    if (kd_soften_adopt(path, w->o->from, w->images, &what, text, err) < 0) return -1;
    kd_say(w->inv, "%s", text);
    return strcmp(path, "-") == 0 ? 0 : kd_print_path(err, path);
}

static int from_models(struct work *w, struct kd_err *err)
{
    if (w->o->from) return from_logits(w, err);
    if (!w->o->models.n)
        return kd_fail_usage(
            err, "no teacher is given; use --model MODEL --data SOURCE, or an experiment");
    if (w->o->weights.n && w->o->weights.n != w->o->models.n)
        return kd_fail_usage(err, "--weights has %zu numbers for %zu models", w->o->weights.n,
                             w->o->models.n);
    if (!w->showing && !w->inv->common.output)
        return kd_fail_usage(err, "say where to write with --output FILE (or - for a pipe)");
    for (size_t i = 0; i < w->o->models.n; i++)
        if (kd_teachers_add(&w->teachers, w->o->models.v[i],
                            w->o->weights.n ? w->o->weights.v[i] : 1, err) < 0)
            return -1;
    /* the first teacher says how pictures become its input */
    struct kd_data_config own = {0};
    const struct kd_opt_section s[] = {{"", "", kd_data_rows, &own, NULL}, {0}};
    int status = kd_model_data(&w->teachers.models[0], &own, err);
    kd_free(own.data_dir);
    own.data_dir = NULL;
    if (status == 0) status = load(w, w->o->data, &own, err);
    kd_opts_release(s);
    if (status < 0) return -1;
    return soften(w, w->inv->common.output ? w->inv->common.output : "-", err);
}

static int write_or_show(struct kd_invocation *inv, struct kd_err *err)
{
    struct work w = {.inv = inv,
                     .o = inv->options,
                     .showing = kd_args_has(&inv->args, "show"),
                     .cache = {.pool = inv->pool}};
    int status = check(&w, err);
    kd_tensorfile_spare(!(w.o->update || w.o->overwrite));
    if (status == 0)
        status = inv->args.n_operands ? from_experiment(&w, inv->args.operands[0], err)
                                      : from_models(&w, err);
    kd_teachers_release(&w.teachers);
    kd_image_cache_release(&w.cache);
    return status;
}

static const struct kd_opt_more more[] = {
    {"seed", "It names the teacher of an experiment."},
    {"json", "It is for `--show`: one line instead of a table."},
    {0},
};

const struct kd_program kd_program = {
    .name = "kd-soften",
    .usage = "[OPTION]... [EXPERIMENT]",
    .summary = "Write what teachers know of a set of images: their logits, one row an image, in "
               "source order.\n"
               "Logits serve every temperature. The path of each file written is printed.",
    .details =
        "Examples:\n"
        "  kd-soften configs/digits.json                         every seed's teacher\n"
        "  kd-soften --model teacher/model.safetensors --data mnist:train -o soft.safetensors\n"
        "  kd-soften -m a.safetensors -m b.safetensors --data digits -o soft.safetensors\n"
        "  kd-soften configs/digits.json --show 7 --temperature 1,4,20\n"
        "  kd-soften -m T --data mnist:train -o - | kd-train-student -S - --data mnist --layers "
        "128\n",
    .sections = sections,
    .more = more,
    .max_operands = 1,
    .computes = true,
    .teams = true,
    .options_size = sizeof(struct options),
    .work = write_or_show,
};
