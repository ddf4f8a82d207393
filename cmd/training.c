#include "training.h"
#include "correction.h"
#include "kd/base/file.h"
#include "kd/base/mem.h"
#include "kd/base/table.h"
#include "kd/base/terminal.h"
#include "kd/base/text.h"
#include "kd/train/tasks.h"
#include "listings.h"
#include "places.h"

#include <string.h>
#include <unistd.h>

#define OPTION(field) offsetof(struct training_options, field)
static const struct kd_option rows[] = {
    {"network", 'n', NULL, KD_OPT_JSON, OPTION(network), .metavar = "NETWORK",
     .help = "a name (mlp-800-800), a .json file, or a list of layers as JSON",
     .also = "model arch architecture net",
     .more =
         "A name such as `mlp-800-800` means flatten, then dense and relu of each width, then "
         "dense to the classes. `--network ?` lists the other names with their sizes; the layers "
         "are in `kd-formats`(5)."},
    {"layers", 0, NULL, KD_OPT_REALS, OPTION(layers), .whole = true, .min = 1, .max = 1 << 24,
     .metavar = "N,N,...", .help = "hidden units of each layer: 128,64 is the network mlp-128-64",
     .also = "hidden units width widths"},
    {"set", 's', NULL, KD_OPT_TEXTS, OPTION(set), .metavar = "KEY=VALUE",
     .help = "override a key of the experiment, as students.kd.distill.alpha=0.5",
     .more = "May be repeated. The value is JSON, or else a word."},
    {"runs", 0, NULL, KD_OPT_TEXT, OPTION(runs), .preset = KD_RUNS, .metavar = "DIR",
     .help = "folder of the run folders"},
    {"resume", 0, NULL, KD_OPT_BOOL, OPTION(resume),
     .help = "go on from the checkpoint, or start afresh where there is none",
     .also = "continue restart from-checkpoint",
     .more = "The model is the same, bit for bit, as without the interruption. A checkpoint of "
             "another configuration, data or teacher is refused."},
    {"update", 'u', NULL, KD_OPT_BOOL, OPTION(update),
     .help = "pass over models that are there and were made from the same configuration, data and "
             "teachers",
     .also = "skip-existing incremental"},
    {.also = "student students teacher temperature alpha soft-targets distill",
     .help = "students, and what teaches them, are for kd-train-student"},
    {"overwrite", 0, NULL, KD_OPT_BOOL, OPTION(overwrite),
     .help = "replace models that are there and were made otherwise"},
    {"list", 0, NULL, KD_OPT_BOOL, OPTION(list),
     .help = "print the options of each training, one a line, parents first, and train nothing",
     .more = "Words are quoted as the shell and `xargs`(1) read them."},
    {"ready", 0, NULL, KD_OPT_BOOL, OPTION(ready),
     .help = "with --list: only those whose teachers are there"},
    {0},
};
static const struct kd_option student_rows[] = {
    {"student", 0, NULL, KD_OPT_TEXTS, OPTION(students), .metavar = "NAME",
     .help = "this student of the experiment, with all points of its sweep; may be repeated; "
             "default all",
     .more = "One point of a sweep is named in full, as `kd,temperature=2.5`."},
    {"soft-targets", 'S', NULL, KD_OPT_TEXT, OPTION(soft_targets), .metavar = "FILE",
     .help = "learn from this file (.safetensors, .npy, or - for a pipe)",
     .also = "logits targets softtargets"},
    {"teacher", 't', NULL, KD_OPT_TEXTS, OPTION(teachers), .metavar = "MODEL",
     .help = "learn from this model at hand; repeated: from their mean",
     .more = "A folder stands for the model in it."},
    {0},
};
#define TEACHER_SECTIONS                                                                           \
    {"experiment", "Experiment and network", rows, 0, NULL},                                       \
        {"train", "Training", kd_train_rows, OPTION(job.train), NULL},                             \
        {"augment", "Augmentation", kd_augment_rows, OPTION(job.augment), NULL},                   \
    {                                                                                              \
        "data", "Data", kd_data_rows, OPTION(job.data), NULL                                       \
    }
const struct kd_program_section training_teacher_sections[] = {TEACHER_SECTIONS, {0}};
const struct kd_program_section training_student_sections[] = {
    TEACHER_SECTIONS,
    {"students", "Students", student_rows, 0, NULL},
    {"distill", "Distillation", kd_distill_rows, OPTION(job.distill), NULL},
    {0},
};
#undef TEACHER_SECTIONS

struct training { /* one invocation */
    struct kd_invocation *inv;
    const struct training_options *o;
    bool student; /* kd-train-student */
    struct kd_experiment *x;
    struct kd_tasks *tasks;
    struct kd_picked picked;        /* what is asked for */
    struct kd_progress_piece piece; /* of its progress */
    struct kd_image_cache cache;
    struct kd_targets targets;
    const struct kd_task *task; /* the one being worked on */
    bool *later;                /* [picked.n] to come back to: another process was at work there */
    bool passed;                /* some are */
    bool busy;                  /* so it was with the last */
    bool back;                  /* this is the second time */
};

/* ---- settings ---- */

/* --layers and --network name the network anew. */
static int replace_network(const struct training_options *o, struct kd_job *job, struct kd_err *err)
{
    struct kd_bytes text = {0};
    cJSON_Delete(job->network);
    job->network = NULL;
    if (o->network) {
        job->network = cJSON_Duplicate(o->network, 1);
    } else {
        int status = kd_bytes_format(&text, err, "mlp");
        for (size_t i = 0; i < o->layers.n && status == 0; i++)
            status = kd_bytes_format(&text, err, "-%.0f", o->layers.v[i]);
        if (status == 0) job->network = cJSON_CreateString(text.data);
        kd_bytes_release(&text);
    }
    return job->network ? 0 : kd_fail_memory(err, "not enough memory for a network");
}

/* What the command line says, over what the experiment says of the models that this program trains.
 */
static int adjust(void *ctx, struct kd_job *job, struct kd_err *err)
{
    const struct training *w = ctx;
    struct kd_opt_section s[KD_JOB_SECTIONS];
    if (job->student != w->student) return 0;
    kd_job_sections(job, s);
    if (kd_args_put(&w->inv->args, s, err) < 0) return -1;
    if (w->student &&
        (w->o->soft_targets || w->o->teachers.n || kd_args_has(&w->inv->args, "from")))
        job->distilled = true;
    return w->o->network || w->o->layers.n ? replace_network(w->o, job, err) : 0;
}

/* ---- messages ---- */

static double megabytes(size_t bytes)
{
    return (double)bytes / (1 << 20);
}

static void say_start(void *ctx, const struct kd_trainer *trainer)
{
    struct training *w = ctx;
    const size_t columns = kd_terminal_columns(STDERR_FILENO);
    struct kd_bytes table = {0}, words = {0};
    struct kd_memory m;
    struct kd_err ignored;
    if (w->inv->common.quiet) return;
    kd_trainer_memory(trainer, &m);
    kd_bar_clear(&w->inv->bar);
    if (kd_network_summary(trainer->net, columns, &table, &ignored) == 0) fputs(table.data, stderr);
    kd_bytes_release(&table);
    kd_bytes_format(&words, &ignored, "memory: %.1f MB (network %.1f, optimizer %.1f, images %.1f",
                    megabytes(m.total), megabytes(m.network), megabytes(m.optimizer),
                    megabytes(m.images));
    if (m.teachers) kd_bytes_format(&words, &ignored, ", teachers %.1f", megabytes(m.teachers));
    if (kd_bytes_format(&words, &ignored, ", training %.1f) beside the program itself",
                        megabytes(m.loop)) == 0 &&
        kd_text_wrap(&table, words.data, 0, columns ? columns : KD_WIDE, &ignored) == 0)
        fputs(table.data, stderr);
    kd_bytes_release(&words);
    kd_bytes_release(&table);
}

/* An epoch is one line: what has no room on the terminal is left out, the least telling first. */
static void say_epoch(void *ctx, const struct kd_epoch_log *log)
{
    struct training *w = ctx;
    enum { LOSS, TRAIN, VALID, VALID_LOSS, RATE, SECONDS, SPEED, PARTS };
    static const unsigned char order[] = {LOSS, VALID, TRAIN, RATE, SPEED, SECONDS, VALID_LOSS};
    char part[PARTS][48] = {{0}}, line[512] = "";
    bool shown[PARTS] = {0};
    snprintf(part[LOSS], sizeof part[0], "epoch %u/%lld: loss %.4f", log->epoch,
             (long long)w->task->job->train.epochs, log->loss);
    snprintf(part[TRAIN], sizeof part[0], ", train %.2f %%", 100 * log->train_eval.top1);
    if (log->valid.n) {
        snprintf(part[VALID], sizeof part[0], ", valid %.2f %%", 100 * log->valid.top1);
        snprintf(part[VALID_LOSS], sizeof part[0], " (loss %.4f)", log->valid.loss);
    }
    snprintf(part[RATE], sizeof part[0], ", lr %.3g", log->lr);
    snprintf(part[SECONDS], sizeof part[0], ", %.2f s", log->seconds);
    snprintf(part[SPEED], sizeof part[0], ", %.0f images/s", log->images_per_second);
    const size_t columns = kd_terminal_columns(STDERR_FILENO);
    size_t used = strlen(kd_program.name) + 2, end = 0;
    for (int i = 0; i < PARTS; i++) {
        used += strlen(part[order[i]]);
        if (i && columns && used > columns) break;
        shown[order[i]] = true;
    }
    for (int i = 0; i < PARTS; i++)
        if (shown[i]) end += (size_t)snprintf(line + end, sizeof line - end, "%s", part[i]);
    kd_say(w->inv, "%s", line);
}

static void say_note(void *ctx, const char *text)
{
    struct training *w = ctx;
    kd_say(w->inv, "%s", text);
}

static int tell_result(struct training *w, const struct kd_training *t, struct kd_err *err)
{
    const struct kd_epoch_log *c = &t->chosen;
    if (c->valid.n)
        kd_say_words(w->inv, "%s, seed %llu: kept epoch %u, validation %.2f %%", t->job->name,
                     (unsigned long long)t->seed, c->epoch, 100 * c->valid.top1);
    if (strcmp(t->at.model, "-") == 0) return 0;
    if (!w->inv->common.json) return kd_print_path(err, t->at.model);
    cJSON *log = kd_epoch_log_to_json(c, err);
    if (!log) return -1;
    struct kd_maker b = kd_make_object(err);
    kd_put_text(&b, "model", t->at.model);
    kd_put_text(&b, "name", t->job->name);
    kd_put_number(&b, "seed", (double)t->seed);
    kd_put_text(&b, "fingerprint", t->fingerprint);
    for (const cJSON *item = log->child; item; item = item->next)
        kd_put_copy(&b, item->string, item);
    char *text = kd_make_end_text(&b);
    int status = text ? kd_print(err, "%s\n", text) : -1;
    kd_free(text);
    cJSON_Delete(log);
    return status;
}

/* ---- trainings ---- */

/* Which of those asked for it is. */
static size_t place_of(const struct training *w, const struct kd_task *task)
{
    size_t i = 0;
    while (i + 1 < w->picked.n && w->picked.v[i] != task) i++;
    return i;
}

static struct kd_training begin(struct training *w, const struct kd_task *task)
{
    w->task = task;
    w->piece = (struct kd_progress_piece){.whole = &w->inv->progress,
                                          .what = w->student ? "student" : "teacher",
                                          .i = place_of(w, task),
                                          .n = w->picked.n};
    return (struct kd_training){.output = w->inv->common.output,
                                .targets = &w->targets,
                                .command = w->inv->command,
                                .resume = w->o->resume,
                                .spare = w->o->update || w->back,
                                .replace = w->o->update || w->o->overwrite,
                                .pool = w->inv->pool,
                                .team = w->inv->team,
                                .stop = &kd_stopping,
                                .progress = kd_progress_of(&w->piece),
                                .on_start = say_start,
                                .on_epoch = say_epoch,
                                .on_note = say_note,
                                .ctx = w};
}

static int prepare(struct training *w, const struct kd_task *task, struct kd_training *t,
                   struct kd_err *err)
{
    const struct training_options *o = w->o;
    const struct kd_targets_given given = {o->soft_targets, o->teachers.n ? &o->teachers : NULL};
    return kd_task_prepare(w->tasks, task, &given, &w->cache, t, err);
}

/* A corrected student: no training, another student's file with other biases. 1 where there is
 * nothing to do. */
static int correct(struct training *w, const struct kd_task *task, bool only_ask,
                   struct kd_err *err)
{
    const struct kd_job *job = task->job;
    const char *from = task->corrects->model, *output = w->inv->common.output;
    struct kd_training t = begin(w, task);
    struct kd_model model = {0};
    char *path = kd_output_model(output ? output : task->output, err);
    struct correction q = {.inv = w->inv,
                           .cache = &w->cache,
                           .config = &job->correct,
                           .model = &model,
                           .name = job->name,
                           .output = path,
                           .data_dir = job->data.data_dir};
    int status = path ? 0 : -1;
    if (status == 0 && !kd_path_exists(from))
        status = kd_fail(
            err, "%s: not there yet; train it with kd-train-student %s --student %s --seed %llu",
            from, w->x->path, job->correct.of, (unsigned long long)task->seed);
    if (status == 0) status = kd_model_read(from, &model, err);
    const bool ask = w->o->update || (!only_ask && !w->o->overwrite && kd_path_exists(path));
    const bool current =
        status == 0 && ask && kd_correct_is_current(path, &model, job->name, &job->correct);
    if (status == 0 && current && w->o->update) status = 1;
    if (status == 0 && ask && !current && !w->o->update)
        status = kd_fail(
            err, "%s: is there and was made otherwise; --update or --overwrite replaces it", path);
    if (status == 0 && !only_ask && job->correct.by == KD_BY_TRANSFER && job->distilled) {
        status = prepare(w, task, &t, err);
        q.targets = t.targets;
    }
    if (status == 0 && !only_ask) status = correction_make(&q, err);
    kd_model_release(&model);
    kd_free(path);
    return kd_task_context(w->tasks, task, status, err);
}

/* ---- a training ---- */

static int run_training(struct training *w, struct kd_training *t, struct kd_err *err)
{
    int status = kd_training_run(t, err);
    w->busy = t->busy;
    if (t->spared) return 1;
    if (status == 0) status = tell_result(w, t, err);
    if (status == 1 && t->at.checkpoint)
        kd_say(w->inv, "stopped; the same command with --resume goes on from %s", t->at.checkpoint);
    else if (status == 1)
        kd_say(w->inv, "stopped; of a model for standard output nothing is kept");
    return status;
}

/* Back at a place where another process was at work: when it has ended. */
static int await(struct training *w, const struct kd_task *task, struct kd_err *err)
{
    struct kd_training t = begin(w, task);
    int status = kd_outputs_of(task->output, &t.at, err);
    if (status == 0) status = kd_training_wait(&t, err);
    kd_training_release(&t);
    return status;
}

/* 1 where there is nothing to do, or it was stopped. */
static int train(struct training *w, const struct kd_task *task, bool only_ask, struct kd_err *err)
{
    if (task->job->corrected) return correct(w, task, only_ask, err);
    struct kd_training t = begin(w, task);
    const bool quick = !w->x->path && !w->inv->common.output;
    const struct place_wishes wishes = {
        .resume = w->o->resume, .overwrite = w->o->overwrite, .update = w->o->update || w->back};
    char *place = NULL;
    int status = prepare(w, task, &t, err);
    if (status == 0 && quick && !only_ask && !w->o->overwrite && !w->o->update)
        status = place_find_quick(w->x->folder, w->o->resume, &t, &place, err);
    if (status == 0)
        status = only_ask && w->o->update ? kd_training_is_current(&t, err)
                 : only_ask               ? 0
                                          : place_spare(w->inv, &wishes, &t, err);
    if (status == 0 && !only_ask) status = run_training(w, &t, err);
    if (status == 0 && quick && !only_ask && kd_team_leads(w->inv->team))
        status = place_name_latest(w->x, t.output, err);
    kd_training_release(&t);
    kd_free(place);
    return kd_task_context(w->tasks, task, status, err);
}

/* A place of an experiment at which another process works is passed over and come back to, as is
 * what learns from it. */
static int train_or_pass(struct training *w, size_t n, struct kd_err *err)
{
    const struct kd_task *task = w->picked.v[n];
    const bool series = w->x->path && !w->inv->common.output && !w->inv->team;
    w->busy = w->passed && !kd_task_is_ready(task);
    int status = w->busy ? 0 : train(w, task, false, err);
    w->later[n] = series && w->busy;
    w->passed = w->passed || w->later[n];
    if (!w->later[n]) return status;
    if (status < 0) kd_say(w->inv, "%s; going on with the next and coming back", err->text);
    *err = (struct kd_err){0};
    return 0;
}

static int train_again(struct training *w, const struct kd_task *task, struct kd_err *err)
{
    int status;
    w->back = true;
    do {
        w->busy = false;
        status = await(w, task, err);
        if (status == 0) status = train(w, task, false, err);
    } while (status < 0 && w->busy && !kd_stopping);
    return kd_stopping ? 1 : status;
}

static int train_all(struct training *w, struct kd_err *err)
{
    const size_t n = w->picked.n;
    int status = 0;
    w->later = kd_alloc(n, sizeof *w->later, "a list of trainings", err);
    if (!w->later) return -1;
    for (size_t i = 0; i < n && status >= 0 && !kd_stopping; i++) status = train_or_pass(w, i, err);
    for (size_t i = 0; i < n && status >= 0 && !kd_stopping; i++)
        if (w->later[i]) status = train_again(w, w->picked.v[i], err);
    kd_free(w->later);
    return status;
}

static int list(struct training *w, const struct kd_task *task, struct kd_err *err)
{
    bool ready = kd_task_is_ready(task);
    if (!ready && w->o->ready) return 0;
    if (ready && w->o->update) {
        struct kd_err unknown = {0}; /* what cannot be found out now is to be done */
        if (train(w, task, true, &unknown) == 1) return 0;
    }
    struct kd_bytes word = {0};
    int status = w->student ? kd_quote(&word, task->job->name, err) : 0;
    if (status == 0 && w->student) status = kd_print(err, "--student %s ", word.data);
    kd_bytes_release(&word);
    return status == 0 ? kd_print(err, "--seed %llu\n", (unsigned long long)task->seed) : -1;
}

/* ---- options ---- */

/* What an experiment brings along is not known here: its students may be of several kinds. */
static int check_effects(const struct training *w, const char *path, struct kd_err *err)
{
    const struct training_options *o = w->o;
    const bool file = o->soft_targets, models = o->teachers.n > 0;
    const bool alone = !path && !file && !models && !kd_args_has(&w->inv->args, "from");
    const struct kd_idle rules[] = {
        {alone,
         "temperature alpha loss weight label-weight ramp confidence certainty fixed-teacher "
         "average force peer",
         "is for soft targets, but none are given; add --soft-targets FILE or --teacher MODEL"},
        {!o->list, "ready", "goes with --list"},
        {!path, "student", "chooses one of an experiment's, but none is given"},
        {o->network, "layers", "names a network, and so does --network; give one of them"},
        {!path && !kd_augment_fills(&o->job.augment), "fill",
         "says what comes in where images are moved; it goes with --shift, --rotate or --zoom"},
        {file, "from",
         "names a source of soft targets, and so does --soft-targets; give one of them"},
        {models, "from", "names a source of soft targets, and so does --teacher; give one of them"},
        {models, "force", "is for a file of soft targets (--soft-targets), not for a --teacher"},
        {file, "average", "is for several --teacher; a file of soft targets is averaged already"}};
    return kd_args_idle(&w->inv->args, rules, sizeof rules / sizeof *rules, err);
}

/* Options that would do nothing are a mistake in the command. */
static int check_options(const struct training *w, const char *path, struct kd_err *err)
{
    const struct training_options *o = w->o;
    if (o->list && !path) return kd_fail_usage(err, "--list needs an experiment; see configs/");
    if (o->soft_targets && o->teachers.n)
        return kd_fail_usage(err, "give --soft-targets or --teacher, not both");
    return check_effects(w, path, err);
}

/* ---- one invocation ---- */

static int write_resolved(const struct training *w, struct kd_err *err)
{
    if (!w->x->path || w->o->list || w->inv->common.output || !kd_team_leads(w->inv->team))
        return 0;
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

/* The experiment's tasks, and those of them that are asked for. */
static int expand(struct training *w, struct kd_err *err)
{
    const uint64_t seed = (uint64_t)w->inv->common.seed;
    const bool given = kd_args_has(&w->inv->args, "seed");
    const struct kd_tasks_options options = {.adjust = adjust,
                                             .ctx = w,
                                             .seed = given ? &seed : NULL,
                                             .sources_elsewhere =
                                                 w->o->soft_targets || w->o->teachers.n,
                                             .student = w->student};
    const struct kd_pick pick = {.kinds = w->student ? KD_PICK_STUDENTS : KD_PICK_TEACHERS,
                                 .seed = given ? &seed : NULL,
                                 .students = w->x->path ? &w->o->students : NULL};
    w->tasks = kd_tasks_open(w->x, &options, err);
    if (!w->tasks || kd_tasks_pick(w->tasks, &pick, &w->picked, err) < 0) return -1;
    if (!w->picked.n && !w->o->list)
        return kd_fail_usage(err, "%s: it has no %s", w->x->path,
                             w->student ? "students" : "\"teacher\"");
    if (w->inv->common.output && w->picked.n > 1)
        return kd_fail_usage(
            err, "--output takes one model, but %zu trainings are asked for; choose with %s--seed",
            w->picked.n, w->student ? "--student and " : "");
    return 0;
}

/* A series starts with a look at all of its experiment, whichever program is first; the images of
 * the first model tell whether the networks' shapes fit. */
static int check(struct training *w, struct kd_err *err)
{
    const bool series = w->x->path && !kd_args_has(&w->inv->args, "seed");
    const bool look = series && (!w->o->list || w->o->update);
    const struct kd_pick all = {.kinds = KD_PICK_TEACHERS | KD_PICK_STUDENTS};
    struct kd_picked picked = {0};
    int status = series ? kd_tasks_pick(w->tasks, &all, &picked, err) : 0;
    if (status == 0)
        status =
            kd_tasks_check(w->tasks, series ? &picked : &w->picked, look ? &w->cache : NULL, err);
    kd_picked_release(&picked);
    return status;
}

int training_main(struct kd_invocation *inv, bool student, struct kd_err *err)
{
    const struct training_options *o = inv->options;
    int listed = listings_print(inv, o->network, student, err);
    if (listed != 0) return listed < 0 ? -1 : 0;
    struct training w = {.inv = inv, .o = o, .student = student, .cache = {.pool = inv->pool}};
    const char *named = inv->args.n_operands ? inv->args.operands[0] : NULL;
    if (check_options(&w, named, err) < 0) return -1;
    char *path = named ? kd_experiment_named(inv, named, err) : NULL;
    if (path || !named) w.x = kd_experiment_open(path, w.o->runs, &w.o->set, err);
    w.cache.beside = w.x ? w.x->path : NULL;
    int status = w.x ? write_resolved(&w, err) : -1;
    if (status < 0 && w.x && path) kd_err_context(err, "%s", path);
    if (status == 0) status = expand(&w, err);
    if (status == 0) status = check(&w, err);
    for (size_t i = 0; w.o->list && i < w.picked.n && status >= 0 && !kd_stopping; i++)
        status = list(&w, w.picked.v[i], err);
    if (!w.o->list && status == 0) status = train_all(&w, err);
    kd_targets_release(&w.targets);
    kd_image_cache_release(&w.cache);
    kd_picked_release(&w.picked);
    kd_tasks_close(w.tasks);
    kd_experiment_close(w.x);
    kd_free(path);
    return status < 0 ? -1 : 0;
}
