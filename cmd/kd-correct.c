/* kd-correct: a student with biases for the classes it never saw. */
#include "correction.h"
#include "kd/run/places.h"

#include <string.h>

struct options {
    char *data, *data_dir;
    struct kd_texts teachers;
    char *soft_targets;
    bool overwrite;
    struct kd_correct_config correct;
};

#define O(field) offsetof(struct options, field)
static const struct kd_option rows[] = {
    {"data", 'd', NULL, KD_OPT_TEXT, O(data), .metavar = "SOURCE",
     .help = "the data, as mnist or png:DIR; default: what the model was trained on",
     .more = "Its train or test split is taken."},
    {"data-dir", 0, NULL, KD_OPT_TEXT, O(data_dir), .metavar = "DIR",
     .help = "where named sources are found instead of $KD_DATA or ./data"},
    {"teacher", 't', NULL, KD_OPT_TEXTS, O(teachers), .metavar = "MODEL",
     .help = "by transfer: images that this model takes for an unseen class do not count; "
             "repeated: the mean of several"},
    {"soft-targets", 'S', NULL, KD_OPT_TEXT, O(soft_targets), .metavar = "FILE",
     .help = "the same from a file of soft targets of the transfer images",
     .more = "`kd-soften`(1) writes such a file."},
    {"overwrite", 0, NULL, KD_OPT_BOOL, O(overwrite),
     .help = "replace what is there and was made otherwise"},
    {0},
};
static const struct kd_program_section sections[] = {
    {"images", "Images and teacher", rows, 0, NULL},
    {"correct", "Correction", kd_correct_rows, O(correct), NULL},
    {0},
};

static int check(const struct kd_invocation *inv, struct kd_err *err)
{
    const struct options *o = inv->options;
    bool teacher = o->teachers.n || o->soft_targets;
    if (!inv->common.output)
        return kd_fail_usage(
            err, "say where the corrected model goes with --output PATH (or - for a pipe)");
    if (o->teachers.n && o->soft_targets)
        return kd_fail_usage(err, "give --soft-targets or --teacher, not both");
    if (teacher && o->correct.by != KD_BY_TRANSFER)
        return kd_fail_usage(err, "--%s is for --by transfer",
                             o->soft_targets ? "soft-targets" : "teacher");
    if (o->correct.images && o->correct.by != KD_BY_BALANCED)
        return kd_fail_usage(err, "--images is for --by balanced");
    if (kd_args_has(&inv->args, "flips") && o->correct.by != KD_BY_TRANSFER)
        return kd_fail_usage(err, "--flips is for --by transfer");
    return 0;
}

/* Soft targets are read for the data that they are of; those of a file know which. */
static int read_targets(const struct correction *q, const char *path, struct kd_targets *out,
                        struct kd_err *err)
{
    struct kd_data_config own = {0};
    const struct kd_opt_section s[] = {{"", "", kd_data_rows, &own, NULL}, {0}};
    struct kd_job job = {.distill.temperature = 1};
    int status = kd_model_data(q->model, &own, err);
    const char *source = q->data ? q->data : own.source;
    if (status == 0 && !source)
        status = kd_fail_usage(err, "%s does not say what it was trained on; give --data",
                               q->model->path);
    const struct kd_images *images =
        status == 0 ? kd_image_cache_get(q->cache, source, q->data_dir, "train", &own.input, err)
                    : NULL;
    status = images ? kd_targets_read(path, images, &job, false, out, err) : -1;
    kd_opts_release(s);
    return status;
}

static int correct(struct kd_invocation *inv, struct kd_err *err)
{
    const struct options *o = inv->options;
    struct kd_model model = {0};
    struct kd_targets targets = {0};
    struct kd_image_cache cache = {.pool = inv->pool};
    struct correction q = {.inv = inv,
                           .cache = &cache,
                           .config = &o->correct,
                           .model = &model,
                           .data = o->data,
                           .data_dir = o->data_dir};
    char *path = NULL;
    int status = check(inv, err);
    kd_tensorfile_spare(!o->overwrite);
    if (status == 0) status = kd_model_read(inv->args.operands[0], &model, err);
    cache.beside = model.path;
    cache.up = KD_RUN_DEPTH + 1;
    if (status == 0 && model.net->integers)
        status = kd_fail_usage(err, "%s is in integers; correct the float model, then quantise it",
                               model.path);
    for (size_t i = 0; i < o->teachers.n && status == 0; i++)
        status =
            kd_teachers_add(&targets.teachers, o->teachers.v[i], 1.0 / (double)o->teachers.n, err);
    if (status == 0 && o->soft_targets) status = read_targets(&q, o->soft_targets, &targets, err);
    if (o->teachers.n || o->soft_targets) q.targets = &targets;
    if (status == 0) status = (path = kd_output_model(inv->common.output, err)) ? 0 : -1;
    q.output = path;
    if (status == 0) status = correction_make(&q, err);
    kd_free(path);
    kd_targets_release(&targets);
    kd_model_release(&model);
    kd_image_cache_release(&cache);
    return status;
}

static const struct kd_opt_more more[] = {
    {"output",
     "A file named X.safetensors, or a folder with model.safetensors in it. It is needed."},
    {"seed", "Nothing is drawn here."},
    {"json", "A line instead of the path: model, by, used (images), bias by class, fingerprint."},
    {0},
};

const struct kd_program kd_program = {
    .name = "kd-correct",
    .usage = "[OPTION]... MODEL",
    .summary = "Correct a student for classes that its transfer set left out: find biases for them "
               "without labels,\n"
               "and write the corrected model.",
    .details = "Examples:\n"
               "  kd-correct student/ -o corrected/                     by the transfer images it "
               "was trained on\n"
               "  kd-correct student/ --teacher teacher/ -o corrected/  and by what its teacher "
               "says of them\n"
               "  kd-correct student/ --by balanced -o corrected/       by unlabelled images of "
               "all classes\n"
               "  kd-train-student ... --omit 3 -o - | kd-correct - -o - | kd-eval -\n",
    .sections = sections,
    .more = more,
    .min_operands = 1,
    .max_operands = 1,
    .computes = true,
    .options_size = sizeof(struct options),
    .work = correct,
};
