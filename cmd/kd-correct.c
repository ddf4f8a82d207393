/* kd-correct: a student with biases for the classes it never saw. */
#include "correction.h"
#include "kd/run/places.h"

#include <string.h>

static struct options {
    char *data, *data_dir;
    struct kd_texts teachers;
    char *soft_targets;
    struct kd_correct_config correct;
} options;

#define O(field) offsetof(struct options, field)
static const struct kd_option rows[] = {
    {"data", 'd', NULL, KD_OPT_TEXT, O(data), .metavar = "SOURCE",
     .help = "the data, as mnist or png:DIR; default: what the model was trained on"},
    {"data-dir", 0, NULL, KD_OPT_TEXT, O(data_dir), .metavar = "DIR",
     .help = "where named sources are found instead of $KD_DATA or ./data"},
    {"teacher", 't', NULL, KD_OPT_TEXTS, O(teachers), .metavar = "MODEL",
     .help = "by transfer: images that this model takes for an unseen class do not count; "
             "repeated: the mean of several"},
    {"soft-targets", 'S', NULL, KD_OPT_TEXT, O(soft_targets), .metavar = "FILE",
     .help = "the same from a file of soft targets of the transfer images"},
    {0},
};
static const struct kd_opt_section sections[] = {
    {"images", "Images and teacher", rows, &options, NULL},
    {"correct", "Correction", kd_correct_rows, &options.correct, NULL},
    {0},
};

static int check(const struct kd_run *r, struct kd_err *err)
{
    bool teacher = options.teachers.n || options.soft_targets;
    if (!r->common.output)
        return kd_fail_usage(
            err, "say where the corrected model goes with --output PATH (or - for a pipe)");
    if (options.teachers.n && options.soft_targets)
        return kd_fail_usage(err, "give --soft-targets or --teacher, not both");
    if (teacher && options.correct.by != KD_BY_TRANSFER)
        return kd_fail_usage(err, "--%s is for --by transfer",
                             options.soft_targets ? "soft-targets" : "teacher");
    if (options.correct.images && options.correct.by != KD_BY_BALANCED)
        return kd_fail_usage(err, "--images is for --by balanced");
    if (kd_args_has(&r->args, "flips") && options.correct.by != KD_BY_TRANSFER)
        return kd_fail_usage(err, "--flips is for --by transfer");
    return 0;
}

/* Soft targets are read for the data that they are of; those of a file know which. */
static int read_targets(const struct kd_run *r, const struct kd_model *model,
                        struct kd_targets *out, struct kd_err *err)
{
    struct kd_data_config own = {0};
    const struct kd_opt_section s[] = {{"", "", kd_data_rows, &own, NULL}, {0}};
    struct kd_images images = {0};
    struct kd_job job = {.distill.temperature = 1};
    struct kd_images_options o = {
        .data_dir = options.data_dir, .default_split = "train", .pool = r->pool};
    int status = kd_model_data(model, &own, err);
    const char *source = options.data ? options.data : own.source;
    if (status == 0 && !source)
        status =
            kd_fail_usage(err, "%s does not say what it was trained on; give --data", model->path);
    if (status == 0) status = kd_images_load(source, &o, &images, err);
    if (status == 0) status = kd_targets_read(options.soft_targets, &images, &job, false, out, err);
    kd_images_release(&images);
    kd_opts_release(s);
    return status;
}

static int run(struct kd_run *r, struct kd_err *err)
{
    struct kd_model model = {0};
    struct kd_targets targets = {0};
    struct correction q = {.run = r,
                           .config = &options.correct,
                           .model = &model,
                           .data = options.data,
                           .data_dir = options.data_dir};
    char *path = NULL;
    int status = check(r, err);
    if (status == 0) status = kd_model_read(r->args.operands[0], &model, err);
    for (size_t i = 0; i < options.teachers.n && status == 0; i++)
        status = kd_teachers_add(&targets.teachers, options.teachers.v[i],
                                 1.0 / (double)options.teachers.n, err);
    if (status == 0 && options.soft_targets) status = read_targets(r, &model, &targets, err);
    if (options.teachers.n || options.soft_targets) q.targets = &targets;
    if (status == 0) status = (path = kd_output_model(r->common.output, err)) ? 0 : -1;
    q.output = path;
    if (status == 0) status = correction_run(&q, err);
    kd_free(path);
    kd_targets_release(&targets);
    kd_model_release(&model);
    return status;
}

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
    .min_operands = 1,
    .max_operands = 1,
    .computes = true,
    .run = run,
};
