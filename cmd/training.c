#include "training.h"
#include "correction.h"
#include "kd/base/file.h"
#include "kd/base/mem.h"

#include <string.h>

struct kd_job training_job;
struct training_options training_options;

#define OPTION(field) offsetof(struct training_options, field)
static const struct kd_option rows[] = {
    {"network", 'n', NULL, KD_OPT_JSON, OPTION(network), .metavar = "NETWORK",
     .help = "a name (mlp-800-800), a .json file, or a list of layers as JSON"},
    {"layers", 0, NULL, KD_OPT_REALS, OPTION(layers), .min = 1, .max = 1 << 24,
     .metavar = "N,N,...", .help = "hidden units of each layer: 128,64 is the network mlp-128-64"},
    {"set", 's', NULL, KD_OPT_TEXTS, OPTION(set), .metavar = "KEY=VALUE",
     .help = "override a key of the experiment, as students.kd.distill.alpha=0.5"},
    {"runs", 0, NULL, KD_OPT_TEXT, OPTION(runs), .preset = KD_RUNS, .metavar = "DIR",
     .help = "folder of the run folders"},
    {"resume", 0, NULL, KD_OPT_BOOL, OPTION(resume),
     .help = "go on from the checkpoint, or start afresh where there is none"},
    {"update", 'u', NULL, KD_OPT_BOOL, OPTION(update),
     .help = "pass over models that are there and were made from the same configuration, data and "
             "teachers"},
    {"list", 0, NULL, KD_OPT_BOOL, OPTION(list),
     .help = "print the options of each training, one a line, parents first, and train nothing"},
    {"ready", 0, NULL, KD_OPT_BOOL, OPTION(ready),
     .help = "with --list: only those whose teachers are there"},
    {0},
};
static const struct kd_option student_rows[] = {
    {"student", 0, NULL, KD_OPT_TEXTS, OPTION(students), .metavar = "NAME",
     .help = "this student of the experiment, with all points of its sweep; may be repeated; "
             "default all"},
    {"soft-targets", 'S', NULL, KD_OPT_TEXT, OPTION(soft_targets), .metavar = "FILE",
     .help = "learn from this file (.safetensors, .npy, or - for a pipe)"},
    {"teacher", 't', NULL, KD_OPT_TEXTS, OPTION(teachers), .metavar = "MODEL",
     .help = "learn from this model at hand; repeated: from their mean"},
    {"force", 'f', NULL, KD_OPT_BOOL, OPTION(force),
     .help = "accept soft targets that do not say which images they were made for"},
    {0},
};
#define TEACHER_SECTIONS                                                                           \
    {"experiment", "Experiment and network", rows, &training_options, NULL},                       \
        {"train", "Training", kd_train_rows, &training_job.train, NULL},                           \
        {"augment", "Augmentation", kd_augment_rows, &training_job.augment, NULL},                 \
    {                                                                                              \
        "data", "Data", kd_data_rows, &training_job.data, NULL                                     \
    }
const struct kd_opt_section training_teacher_sections[] = {TEACHER_SECTIONS, {0}};
const struct kd_opt_section training_student_sections[] = {
    TEACHER_SECTIONS,
    {"students", "Students", student_rows, &training_options, NULL},
    {"distill", "Distillation", kd_distill_rows, &training_job.distill, NULL},
    {0},
};
#undef TEACHER_SECTIONS

/* ---- one invocation ---- */

static int load_images(struct training_work *w, struct kd_err *err)
{
    struct kd_job *job = &training_job;
    if (!job->data.source)
        return kd_fail_usage(
            err, "no data is given; use --data mnist, --data digits, --data png:DIR, ...");
    if (w->loaded && strcmp(w->loaded, job->data.source) == 0) return 0;
    kd_images_release(&w->images);
    kd_free(w->loaded);
    w->loaded = kd_strdup(job->data.source, err);
    struct kd_images_options options = {
        .data_dir = job->data.data_dir, .pool = w->run->pool, .default_split = "train"};
    return w->loaded && kd_images_load(job->data.source, &options, &w->images, err) == 0 ? 0 : -1;
}

/* What is wrong with a training's settings is told with the experiment and the model it is about.
 */
static int in_experiment(const struct training_work *w, int status, struct kd_err *err)
{
    if (status < 0 && w->path && err->kind == KD_ERR_USAGE)
        kd_err_context(err, "%s: %s%s", w->path, w->student ? "students." : "", training_job.name);
    return status;
}

/* Experiment, then flags; --layers and --network name the network anew. */
static int prepare_job(struct training_work *w, const char *name, struct kd_err *err)
{
    struct kd_job *job = &training_job;
    const struct training_options *o = &training_options;
    if (kd_experiment_job(w->x, name, w->student, job, err) < 0)
        return w->path ? kd_err_context(err, "%s", w->path) : -1;
    if (kd_args_apply(&w->run->args, err) < 0) return -1;
    if (w->student && (o->soft_targets || o->teachers.n || kd_args_has(&w->run->args, "from")))
        job->distilled = true;
    if (!o->network && !o->layers.n) return 0;
    cJSON_Delete(job->network);
    if (o->network)
        return (job->network = cJSON_Duplicate(o->network, 1)) ? 0
                                                               : kd_fail_memory(err, "no memory");
    struct kd_bytes text = {0};
    int status = kd_bytes_format(&text, err, "mlp");
    for (size_t i = 0; i < o->layers.n && status == 0; i++)
        status = kd_bytes_format(&text, err, "-%.0f", o->layers.v[i]);
    job->network = status == 0 ? cJSON_CreateString(text.data) : NULL;
    kd_bytes_release(&text);
    if (status == 0 && !job->network)
        status = kd_fail_memory(err, "not enough memory for a network");
    return status;
}

/* ---- messages ---- */

static double megabytes(size_t bytes)
{
    return (double)bytes / (1 << 20);
}

static void say_start(void *ctx, const struct kd_trainer *trainer)
{
    struct training_work *w = ctx;
    struct kd_bytes table = {0};
    struct kd_memory m;
    struct kd_err ignored;
    if (w->run->common.quiet) return;
    kd_trainer_memory(trainer, &m);
    kd_bar_clear(&w->run->bar);
    if (kd_network_summary(trainer->net, &table, &ignored) == 0) fputs(table.data, stderr);
    kd_bytes_release(&table);
    fprintf(stderr, "memory: %.1f MB (network %.1f, optimizer %.1f, images %.1f",
            megabytes(m.total), megabytes(m.network), megabytes(m.optimizer), megabytes(m.images));
    if (m.teachers) fprintf(stderr, ", teachers %.1f", megabytes(m.teachers));
    fprintf(stderr, ", training %.1f) beside the program itself\n", megabytes(m.loop));
}

static void say_epoch(void *ctx, const struct kd_epoch_log *log)
{
    struct training_work *w = ctx;
    char valid[64] = "";
    if (log->valid.n)
        snprintf(valid, sizeof valid, ", valid %.2f %% (loss %.4f)", 100 * log->valid.top1,
                 log->valid.loss);
    kd_say(w->run, "epoch %u/%lld: loss %.4f, train %.2f %%%s, lr %.3g, %.2f s, %.0f images/s",
           log->epoch, (long long)training_job.train.epochs, log->loss, 100 * log->train_eval.top1,
           valid, log->lr, log->seconds, log->images_per_second);
}

static void say_note(void *ctx, const char *text)
{
    struct training_work *w = ctx;
    kd_say(w->run, "%s", text);
}

static int tell_result(struct training_work *w, const struct kd_training *t, struct kd_err *err)
{
    const struct kd_epoch_log *c = &t->chosen;
    if (c->valid.n)
        kd_say(w->run, "%s, seed %llu: kept epoch %u, validation %.2f %%", t->job->name,
               (unsigned long long)t->seed, c->epoch, 100 * c->valid.top1);
    if (strcmp(t->at.model, "-") == 0) return 0;
    if (!w->run->common.json) return kd_print(err, "%s\n", t->at.model);
    cJSON *o = cJSON_CreateObject(), *log = kd_epoch_log_to_json(c, err);
    int status = log ? kd_json_add_text(o, "model", t->at.model, err) : -1;
    if (status == 0) status = kd_json_add_text(o, "name", t->job->name, err);
    if (status == 0) status = kd_json_add_number(o, "seed", (double)t->seed, err);
    if (status == 0) status = kd_json_add_text(o, "fingerprint", t->fingerprint, err);
    for (cJSON *item; status == 0 && (item = log->child);)
        status = kd_json_add(o, item->string, cJSON_DetachItemViaPointer(log, item), err);
    char *text = status == 0 ? kd_json_text(o, false, err) : NULL;
    status = text ? kd_print(err, "%s\n", text) : -1;
    kd_free(text);
    cJSON_Delete(o);
    cJSON_Delete(log);
    return status;
}

/* ---- trainings ---- */

static char *output_of(const struct training_work *w, const char *name, uint64_t seed,
                       struct kd_err *err)
{
    if (w->run->common.output) return kd_strdup(w->run->common.output, err);
    if (!w->path && w->student) return kd_strdup(w->x->folder, err);
    return kd_experiment_place(w->x, name, w->student, seed, err);
}

/* A corrected student: no training, another student's file with other biases. 1 where there is
 * nothing to do. */
static int correct(struct training_work *w, const char *name, uint64_t seed, bool only_ask,
                   struct kd_err *err)
{
    struct kd_job *job = &training_job;
    struct kd_model model = {0};
    char *from = kd_experiment_model(w->x, job->correct.of, true, seed, err);
    char *output = from ? output_of(w, name, seed, err) : NULL;
    char *path = output ? kd_output_model(output, err) : NULL;
    struct correction q = {.run = w->run,
                           .config = &job->correct,
                           .model = &model,
                           .name = name,
                           .output = path,
                           .data_dir = job->data.data_dir};
    int status = path ? 0 : -1;
    if (status == 0 && !kd_path_exists(from))
        status = kd_fail(
            err, "%s: not there yet; train it with kd-train-student %s --student %s --seed %llu",
            from, w->path, job->correct.of, (unsigned long long)seed);
    if (status == 0) status = kd_model_read(from, &model, err);
    if (status == 0 && training_options.update)
        status = kd_correct_is_current(path, &model, name, &job->correct) ? 1 : 0;
    if (status == 0 && !only_ask && job->correct.by == KD_BY_TRANSFER && job->distilled) {
        status = load_images(w, err) == 0 ? training_targets(w, seed, err) : -1;
        q.targets = &w->targets;
    }
    if (status == 0 && !only_ask) status = correction_run(&q, err);
    kd_model_release(&model);
    kd_free(from);
    kd_free(output);
    kd_free(path);
    return in_experiment(w, status, err);
}

/* 1 where there is nothing to do. */
static int train(struct training_work *w, const char *name, uint64_t seed, bool only_ask,
                 struct kd_err *err)
{
    if (training_job.corrected) return correct(w, name, seed, only_ask, err);
    char *output = output_of(w, name, seed, err);
    struct kd_training t = {.job = &training_job,
                            .seed = seed,
                            .experiment = w->x->name,
                            .images = &w->images,
                            .output = output,
                            .command = w->run->command,
                            .resume = training_options.resume,
                            .pool = w->run->pool,
                            .stop = &kd_stopping,
                            .progress = &w->run->progress,
                            .on_start = say_start,
                            .on_epoch = say_epoch,
                            .on_note = say_note,
                            .ctx = w};
    int status = output && load_images(w, err) == 0 ? training_targets(w, seed, err) : -1;
    t.targets = training_job.distilled ? &w->targets : NULL;
    if (status == 0 && training_options.update) status = kd_training_is_current(&t, err);
    if (status == 0 && !only_ask) {
        status = kd_training_run(&t, err);
        if (status == 0) status = tell_result(w, &t, err);
        if (status == 1 && t.at.checkpoint)
            kd_say(w->run, "stopped; the same command with --resume goes on from %s",
                   t.at.checkpoint);
        else if (status == 1)
            kd_say(w->run, "stopped; of a model for standard output nothing is kept");
    }
    kd_training_release(&t);
    kd_free(output);
    return in_experiment(w, status, err);
}

static int list(struct training_work *w, const char *name, uint64_t seed, struct kd_err *err)
{
    bool ready = training_is_ready(w, seed);
    if (!ready && training_options.ready) return 0;
    if (ready && training_options.update) {
        int status = train(w, name, seed, true, err);
        if (status < 0) err->text[0] = 0; /* what cannot be found out now is to be done */
        if (status == 1) return 0;
    }
    struct kd_bytes word = {0};
    int status = w->student ? kd_quote(&word, name, err) : 0;
    if (status == 0 && w->student) status = kd_print(err, "--student %s ", word.data);
    kd_bytes_release(&word);
    return status == 0 ? kd_print(err, "--seed %llu\n", (unsigned long long)seed) : -1;
}

static int each_seed(struct training_work *w, const char *name, struct kd_err *err)
{
    uint64_t one = (uint64_t)w->run->common.seed;
    bool given = kd_args_has(&w->run->args, "seed");
    size_t n = given ? 1 : w->student ? w->x->n_seeds : w->x->n_teacher_seeds;
    for (size_t i = 0; i < n && !kd_stopping; i++) {
        uint64_t seed = given ? one : w->x->seeds[i];
        if (prepare_job(w, name, err) < 0) return -1;
        int status =
            training_options.list ? list(w, name, seed, err) : train(w, name, seed, false, err);
        if (status < 0) return -1;
    }
    return 0;
}

/* What can be told wrong before the first training is, rather than hours into a series. */
static int check_job(struct training_work *w, const char *name, struct kd_err *err)
{
    if (prepare_job(w, name, err) < 0) return -1;
    cJSON *layers = kd_network_layers(training_job.network, err);
    int status = layers ? kd_job_check(&training_job, err) : -1;
    if (status == 0) status = training_check_sources(w, &training_job, err);
    const struct kd_images *im = &w->images;
    if (status == 0 && w->loaded && training_job.data.source &&
        strcmp(w->loaded, training_job.data.source) == 0) {
        struct kd_shape input = {im->c, im->h, im->w, false};
        struct kd_network *net = kd_network_build(layers, input, im->classes, err);
        status = net ? 0 : -1;
        kd_network_free(net);
    }
    cJSON_Delete(layers);
    return in_experiment(w, status, err);
}

/* A series starts with a look at all of its experiment, whichever program is first; the images of
 * the teacher, or of the first student, tell whether the networks' shapes fit. */
static int check_all(struct training_work *w, struct kd_err *err)
{
    bool student = w->student, teacher = kd_experiment_knows(w->x, "teacher");
    int status = 0;
    if (!w->path || kd_args_has(&w->run->args, "seed")) return 0;
    for (size_t i = 0; i <= w->x->n_students && status == 0; i++) {
        const char *name = i ? w->x->students[i - 1].name : "teacher";
        w->student = i > 0;
        if (!i && !teacher) continue;
        status = prepare_job(w, name, err);
        if (status == 0 && !w->loaded && (!training_options.list || training_options.update) &&
            training_job.data.source)
            status = load_images(w, err);
        if (status == 0) status = check_job(w, name, err);
    }
    w->student = student;
    return status;
}

/* What an experiment brings along is not known here: its students may be of several kinds. */
static int check_effects(const struct training_work *w, struct kd_err *err)
{
    const struct training_options *o = &training_options;
    const bool file = o->soft_targets, models = o->teachers.n > 0;
    const bool alone = !w->path && !file && !models && !kd_args_has(&w->run->args, "from");
    const struct kd_idle rules[] = {
        {alone, "temperature alpha fixed-teacher average force",
         "is for soft targets, but none are given; add --soft-targets FILE or --teacher MODEL"},
        {!o->list, "ready", "goes with --list"},
        {!w->path, "student", "chooses one of an experiment's, but none is given"},
        {o->network, "layers", "names a network, and so does --network; give one of them"},
        {!w->path && !training_job.augment.shift, "fill",
         "says what comes in where images are shifted; it goes with --shift"},
        {file, "from",
         "names a source of soft targets, and so does --soft-targets; give one of them"},
        {models, "from", "names a source of soft targets, and so does --teacher; give one of them"},
        {models, "force", "is for a file of soft targets (--soft-targets), not for a --teacher"},
        {file, "average", "is for several --teacher; a file of soft targets is averaged already"}};
    return kd_args_idle(&w->run->args, rules, sizeof rules / sizeof *rules, err);
}

/* Options that would do nothing are a mistake in the command. */
static int check_options(const struct training_work *w, struct kd_err *err)
{
    const struct training_options *o = &training_options;
    if (o->list && !w->path) return kd_fail_usage(err, "--list needs an experiment; see configs/");
    if (o->soft_targets && o->teachers.n)
        return kd_fail_usage(err, "give --soft-targets or --teacher, not both");
    if (check_effects(w, err) < 0) return -1;
    if (w->path && strcmp(w->path, "-") != 0 && !kd_path_exists(w->path))
        return kd_fail(
            err,
            "%s: there is no such experiment, a JSON file as those in configs/ (images are "
            "named with --data)",
            w->path);
    return 0;
}

/* Is it the student `asked`, or a point of its sweep? */
static bool is_meant(const struct training_work *w, const char *name, const char *asked)
{
    const cJSON *students = cJSON_GetObjectItemCaseSensitive(w->x->json, "students");
    const cJSON *json = cJSON_GetObjectItemCaseSensitive(students, asked);
    size_t n = strlen(asked);
    return strcmp(name, asked) == 0 || (cJSON_GetObjectItemCaseSensitive(json, "sweep") &&
                                        strncmp(name, asked, n) == 0 && name[n] == ',');
}

/* Places of the students asked for; a NULL is an error. */
static size_t *pick_students(const struct training_work *w, size_t *n, struct kd_err *err)
{
    const struct kd_texts *asked = &training_options.students;
    size_t all = w->x->n_students,
           *picked = kd_alloc(all * (asked->n + 1), sizeof *picked, "a list of students", err);
    *n = 0;
    for (size_t i = 0; picked && !asked->n && i < all; i++) picked[(*n)++] = i;
    for (size_t a = 0; picked && a < asked->n; a++) {
        size_t before = *n;
        for (size_t i = 0; i < all; i++)
            if (is_meant(w, w->x->students[i].name, asked->v[a])) picked[(*n)++] = i;
        if (*n > before) continue;
        kd_experiment_student(w->x, asked->v[a], err); /* knows what to say */
        kd_free(picked);
        picked = NULL;
    }
    return picked;
}

static int each_student(struct training_work *w, struct kd_err *err)
{
    size_t n, seeds = kd_args_has(&w->run->args, "seed") ? 1 : w->x->n_seeds;
    if (!w->x->n_students)
        return training_options.list ? 0 : kd_fail_usage(err, "%s: it has no students", w->path);
    size_t *picked = pick_students(w, &n, err);
    if (!picked) return -1;
    int status = 0;
    if (w->run->common.output && n * seeds > 1)
        status = kd_fail_usage(
            err,
            "--output takes one model, but %zu students with %zu seeds are asked for; "
            "choose with --student and --seed",
            n, seeds);
    for (size_t i = 0; i < 2 * n && status == 0 && !kd_stopping;
         i++) { /* all are checked, then all are trained */
        /* NOLINTNEXTLINE(clang-analyzer-core.DivideZero): the loop ends at once where n is 0 */
        const char *name = w->x->students[picked[i % n]].name;
        status = (i < n ? check_job : each_seed)(w, name, err);
    }
    kd_free(picked);
    return status;
}

static int each_name(struct training_work *w, struct kd_err *err)
{
    const char *name = w->student ? "student" : "teacher";
    if (w->path && w->student) return each_student(w, err);
    if (w->path && !kd_experiment_knows(w->x, name))
        return training_options.list ? 0 : kd_fail_usage(err, "%s: it has no \"teacher\"", w->path);
    return check_job(w, name, err) < 0 ? -1 : each_seed(w, name, err);
}

static int write_resolved(const struct training_work *w, struct kd_err *err)
{
    if (!w->path || training_options.list || w->run->common.output) return 0;
    cJSON *json = kd_experiment_resolved(w->x, err);
    char *text = json ? kd_json_text(json, true, err) : NULL;
    char *path = text ? kd_path_join(err, w->x->folder, KD_FILE_EXPERIMENT) : NULL;
    struct kd_bytes old = {0};
    struct kd_err ignored;
    int status = path ? 0 : -1;
    bool same = path && kd_file_read(path, kd_read_limit(), &old, &ignored) == 0 &&
                strcmp(old.data, text) == 0;
    if (status == 0 && !same) status = kd_file_write(path, text, strlen(text), err);
    kd_bytes_release(&old);
    kd_free(path);
    kd_free(text);
    cJSON_Delete(json);
    return status;
}

int training_program(struct kd_run *run, bool student, struct kd_err *err)
{
    struct training_work w = {.run = run, .student = student};
    struct training_options *o = &training_options;
    w.path = run->args.n_operands ? run->args.operands[0] : NULL;
    if (check_options(&w, err) < 0) return -1;
    w.x = kd_experiment_open(w.path, o->runs, &o->set, err);
    int status = w.x ? write_resolved(&w, err) : -1;
    if (status < 0 && w.x && w.path) kd_err_context(err, "%s", w.path);
    if (status == 0) status = check_all(&w, err);
    if (status == 0) status = each_name(&w, err);
    kd_targets_release(&w.targets);
    kd_images_release(&w.images);
    kd_free(w.loaded);
    kd_experiment_close(w.x);
    return status;
}
