#include "kd/train/training.h"
#include "alike.h"
#include "kd/base/file.h"
#include "kd/base/growing.h"
#include "kd/base/json.h"
#include "kd/base/lock.h"
#include "kd/data/classes.h"
#include "kd/data/facts.h"
#include "kd/nn/graph.h"
#include "kd/nn/model.h"
#include "kd/nn/predict.h"
#include "kd/nn/whiten.h"
#include "kd/run/settings.h"
#include "kd/train/checkpoint.h"
#include "kd/train/finetune.h"
#include "kd/train/reuse.h"
#include "provenance.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

void kd_training_release(struct kd_training *t)
{
    kd_outputs_release(&t->at);
}

static int places_find(struct kd_training *t, struct kd_err *err)
{
    kd_training_release(t);
    return kd_outputs_of(t->output, &t->at, err);
}

/* A device or a pipe holds no result. */
static bool is_file(const char *path)
{
    struct stat about;
    return stat(path, &about) == 0 && S_ISREG(about.st_mode);
}

int kd_training_is_current(struct kd_training *t, struct kd_err *err)
{
    struct kd_provenance x;
    t->why[0] = '\0';
    if (places_find(t, err) < 0) return -1;
    if (strcmp(t->at.model, "-") == 0 || !is_file(t->at.model)) return 0;
    if (kd_provenance_make(t, &x, err) < 0) return -1;
    int current = kd_file_is_ours(t->at.model, &x, t->why, err);
    kd_provenance_release(&x);
    return current;
}

int kd_training_is_interrupted(struct kd_training *t, struct kd_err *err)
{
    struct kd_provenance x;
    char why[KD_TRAINING_WHY];
    if (places_find(t, err) < 0) return -1;
    const char *path = !t->at.checkpoint                  ? NULL
                       : kd_path_exists(t->at.checkpoint) ? t->at.checkpoint
                       : kd_path_exists(t->at.previous)   ? t->at.previous
                                                          : NULL;
    if (!path) return 0;
    if (kd_provenance_make(t, &x, err) < 0) return -1;
    int ours = kd_file_is_ours(path, &x, why, err);
    kd_provenance_release(&x);
    return ours;
}

/* ---- a training under way ---- */

struct session {
    struct kd_training *t;
    struct kd_trainer trainer;
    struct kd_normalize normalize;
    char origin[KD_FINGERPRINT]; /* of the float model that simulated integers start from */
    struct kd_subset train, valid;
    struct kd_provenance texts;
    struct kd_bytes log; /* all of it */
    struct kd_growing log_file;
    struct kd_lock lock;
    bool newest_ours,
        previous_ours;            /* the checkpoints that are there: whole ones of this training */
    bool plain_times;             /* write no times */
    char begun[KD_FINETUNE_TOLD]; /* what it started from; "" */
};

static cJSON *metrics_json(const struct session *s, const struct kd_epoch_log *chosen,
                           struct kd_err *err)
{
    static const char *const keys[] = {"train", "train_eval", "valid"};
    cJSON *line = kd_epoch_log_to_json(chosen, err);
    if (!line) return NULL;
    if (chosen->terms.n == 1) /* it is "soft" */
        cJSON_DeleteItemFromObjectCaseSensitive(cJSON_GetObjectItemCaseSensitive(line, "train"),
                                                "terms");
    struct kd_maker b = kd_make_object(err);
    kd_put_number(&b, "epoch", chosen->epoch);
    for (int i = 0; i < 3; i++)
        kd_put_copy(&b, keys[i], cJSON_GetObjectItemCaseSensitive(line, keys[i]));
    kd_put_number(&b, "parameters", (double)s->trainer.net->parameters);
    kd_put_number(&b, "macs", (double)s->trainer.net->macs);
    cJSON_Delete(line);
    return kd_make_end(&b);
}

/* Names of the outputs: of the soft targets, else of the images. */
static int names_put(const struct session *s, struct kd_tensorfile *f, struct kd_err *err)
{
    const struct kd_images *im = s->t->images;
    const uint32_t n = s->trainer.net->classes;
    char *const *names = s->t->targets && s->t->targets->class_names ? s->t->targets->class_names
                         : im->classes == n                          ? im->class_names
                                                                     : NULL;
    return kd_class_names_put(f, names, n, err);
}

/* What the model files of a training have in common. metrics may be NULL. */
static int describe(struct session *s, const struct kd_network *net, const char *metrics,
                    struct kd_tensorfile *f, struct kd_err *err)
{
    int status = kd_model_to_file(net, &s->normalize, f, err);
    if (status == 0) status = kd_tensorfile_set(f, "kd.config", s->texts.config, err);
    if (status == 0) status = kd_tensorfile_set(f, "kd.data", s->texts.data, err);
    if (status == 0) status = kd_images_describe(s->t->images, f, err);
    if (status == 0) status = names_put(s, f, err);
    if (status == 0) status = kd_tensorfile_set(f, "kd.parents", s->texts.parents, err);
    if (status == 0 && *s->texts.soft)
        status = kd_tensorfile_set(f, "kd.soft_targets", s->texts.soft, err);
    if (status == 0 && metrics) status = kd_tensorfile_set(f, "kd.metrics", metrics, err);
    if (status == 0 && s->t->command[0])
        status = kd_tensorfile_set(f, "kd.command", s->t->command, err);
    return status;
}

static int write_file(struct session *s, const char *path, const struct kd_epoch_log *metrics,
                      bool checkpoint, struct kd_err *err)
{
    struct kd_tensorfile f;
    char *text = kd_json_text_of(metrics_json(s, metrics, err), err);
    if (!text) return -1;
    int status = kd_tensorfile_init(&f, err);
    if (status == 0) status = describe(s, s->trainer.net, text, &f, err);
    if (status == 0 && checkpoint)
        status = kd_checkpoint_add(&f, &s->trainer, s->log.data ? s->log.data : "", err);
    if (status == 0) status = kd_tensorfile_write(path, &f, err);
    kd_tensorfile_release(&f);
    kd_free(text);
    return status;
}

/* The second student, beside the first. */
static int write_peer(struct session *s, struct kd_err *err)
{
    struct kd_tensorfile f;
    if (s->trainer.fellow.kind != KD_TEACHER_PEER || !s->t->at.peer) return 0;
    int status = kd_tensorfile_init(&f, err);
    if (status == 0) status = describe(s, s->trainer.fellow.net, NULL, &f, err);
    if (status == 0) status = kd_tensorfile_write(s->t->at.peer, &f, err);
    kd_tensorfile_release(&f);
    return status;
}

/* The last becomes the one before, under its new name first, so that there is always one. Best
 * effort: the new one is worth more than the old. */
static void keep_previous(const struct kd_training *t)
{
    unlink(t->at.previous);
    if (link(t->at.checkpoint, t->at.previous) < 0 && errno != ENOENT) /* vfat has no links */
        rename(t->at.checkpoint, t->at.previous);
}

/* Its folder may have been moved or removed, and another training have begun there. */
static int keep_place(struct session *s, struct kd_err *err)
{
    if (kd_lock_keep(&s->lock, err) == 0) return 0;
    return kd_err_context(err, "the folder was moved or removed while this training ran");
}

static int on_checkpoint(void *ctx, struct kd_err *err)
{
    struct session *s = ctx;
    const struct kd_training *t = s->t;
    if (!t->at.checkpoint || !kd_team_leads(t->team)) return 0;
    if (keep_place(s, err) < 0) return -1;
    if (s->newest_ours) {
        keep_previous(t);
        s->previous_ours = true;
    }
    if (kd_growing_sync(&s->log_file, t->at.log, err) < 0 ||
        write_file(s, t->at.checkpoint, &s->trainer.last, true, err) < 0)
        return -1;
    if (!s->previous_ours) unlink(t->at.previous); /* of another training that was in this place */
    return s->newest_ours = true, 0;
}

/* The first line of a training, or of one that is resumed, comes with all before it in a new file,
 * so that there is no gap; the others behind it. */
static int on_epoch(void *ctx, const struct kd_epoch_log *log, struct kd_err *err)
{
    struct session *s = ctx;
    struct kd_epoch_log line = *log;
    if (s->plain_times) line.seconds = line.images_per_second = 0;
    char *text = kd_json_text_of(kd_epoch_log_to_json(&line, err), err);
    int status = text ? kd_bytes_format(&s->log, err, "%s\n", text) : -1;
    kd_free(text);
    if (status == 0 && s->t->at.log && kd_team_leads(s->t->team))
        status = kd_growing_bring(&s->log_file, s->t->at.log, &s->log, err);
    if (status == 0 && s->t->on_epoch) s->t->on_epoch(s->t->ctx, log);
    return status;
}

/* The newest whole one of the two. 1: *path and *f are it; 0: there is none; -1: there is none that
 * can be read. */
static int open_checkpoint(struct session *s, const char **path, struct kd_tensorfile *f,
                           struct kd_err *err)
{
    const struct kd_training *t = s->t;
    struct kd_err first, second;
    bool newest = kd_path_exists(t->at.checkpoint), previous = kd_path_exists(t->at.previous);
    if (!newest && !previous) return 0;
    *path = t->at.checkpoint;
    if (newest && kd_tensorfile_read(*path, NULL, f, &first) == 0) return s->newest_ours = true;
    if (!previous) {
        *err = first;
        return -1;
    }
    *path = t->at.previous;
    if (kd_tensorfile_read(*path, NULL, f, &second) < 0) {
        *err = newest ? first : second;
        return -1;
    }
    if (newest && t->on_note) {
        kd_err_context(&first, "going on from %s", *path);
        t->on_note(t->ctx, first.text);
    }
    return s->previous_ours = true;
}

/* More epochs than the checkpoint's training was to have: what it has done so far is the same where
 * the rate at a step does not depend on how many there will be. Where more than that differs, why
 * says what. */
static bool only_longer(const struct session *s, const struct kd_tensorfile *f,
                        char why[KD_TRAINING_WHY])
{
    const struct kd_train_config *c = &s->t->job->train;
    const char *there = kd_tensorfile_meta(f, "kd.config");
    const bool open = c->schedule.kind == KD_CONSTANT || c->schedule.kind == KD_STEP ||
                      c->schedule.kind == KD_EXPONENTIAL;
    struct kd_err ignored;
    cJSON *config =
        there && open ? kd_json_parse(there, strlen(there), "kd.config", &ignored) : NULL;
    const cJSON *epochs = kd_json_get(config, "train.epochs");
    bool longer =
        cJSON_IsNumber(epochs) && epochs->valuedouble < (double)c->epochs &&
        kd_json_set(config, "train.epochs", cJSON_CreateNumber((double)c->epochs), &ignored) == 0;
    char *text = longer ? kd_json_text(config, false, &ignored) : NULL;
    longer = text && kd_would_be_ours(f, text, &s->texts, why, &ignored) == 1;
    kd_free(text);
    cJSON_Delete(config);
    return longer;
}

/* May this checkpoint be gone on from? 1; 0: start afresh; -1. */
static int admit(struct session *s, const struct kd_tensorfile *f, const char *path,
                 struct kd_err *err)
{
    struct kd_training *t = s->t;
    char why[KD_TRAINING_WHY], note[KD_TRAINING_WHY + 400];
    if (kd_format_check(f, err) < 0) return kd_err_context(err, "%s", path);
    int ours = kd_is_ours(f, &s->texts, why, err);
    if (ours == 0 && only_longer(s, f, why)) return 1;
    if (ours != 0) return ours;
    if (!t->replace)
        return kd_fail(err,
                       "%s: it belongs to another training: %s; --update or --overwrite starts "
                       "afresh in its place",
                       path, why);
    snprintf(note, sizeof note, "%.300s belongs to another training (%s); starting afresh", path,
             why);
    if (t->on_note) t->on_note(t->ctx, note);
    s->newest_ours = s->previous_ours = false;
    return 0;
}

static int restore(struct session *s, struct kd_err *err)
{
    const char *path;
    struct kd_tensorfile f;
    char *log = NULL;
    int status = s->t->resume && s->t->at.checkpoint ? open_checkpoint(s, &path, &f, err) : 0;
    if (status <= 0) return status;
    int may = admit(s, &f, path, err);
    status = may < 0 ? -1 : 0;
    if (may == 1 && kd_checkpoint_restore(&f, &s->trainer, &log, err) < 0)
        status = kd_err_context(err, "%s", path);
    if (may == 1 && status == 0) {
        status = kd_bytes_add(&s->log, log, strlen(log), err);
        s->t->resumed = true;
    }
    kd_free(log);
    kd_tensorfile_release(&f);
    return status;
}

int kd_training_wait(const struct kd_training *t, struct kd_err *err)
{
    struct kd_lock lock;
    if (kd_lock_wait(&lock, t->at.lock, HUGE_VAL, t->stop, err) < 0) return -1;
    kd_lock_release(&lock);
    return 0;
}

/* The place is this process's alone from here on; what killed ones left in it goes. */
static int occupy(struct session *s, struct kd_err *err)
{
    const struct kd_outputs *at = &s->t->at;
    const char *path = at->lock, *files[] = {at->model, at->log, at->checkpoint, at->previous};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        if (files[i] && kd_outfile_check(files[i], err) < 0) return -1;
    if (!path) return 0;
    if (kd_lock_take(&s->lock, path, err) < 0) {
        s->t->busy = s->lock.busy;
        return -1;
    }
    const char *slash = strrchr(path, '/');
    char *folder = kd_format(err, "%.*s", slash ? (int)(slash - path + 1) : 0, path);
    if (!folder) return -1;
    kd_leftovers_remove(folder, 0);
    kd_free(folder);
    return 0;
}

/* Where the number of classes is not published but read off the labels, one wrong label makes
 * hundreds of classes. */
static int check_labels(const struct kd_images *im, struct kd_err *err)
{
    uint32_t distinct = 0, last = 0;
    if (!im->labels) return 0;
    bool *seen = kd_alloc(im->classes, sizeof *seen, "classes", err);
    if (!seen) return -1;
    for (uint32_t i = 0; i < im->n; i++) {
        if (im->labels[i] < 0) continue;
        distinct += !seen[im->labels[i]];
        seen[im->labels[i]] = true;
        if ((uint32_t)im->labels[i] + 1 == im->classes) last = i;
    }
    kd_free(seen);
    if (im->classes <= 4 * distinct + 20) return 0;
    return kd_fail(
        err,
        "%s:%s: image %u has label %u, which makes %u classes, but only %u of them occur; is "
        "that label wrong?",
        im->source, im->split, last, im->classes - 1, im->classes, distinct);
}

/* The float model's network, folded, in place of the one that was built. */
static int adopt_floats(struct session *s, struct kd_model *model, struct kd_err *err)
{
    const cJSON *there = cJSON_GetObjectItemCaseSensitive(model->net->json, "layers");
    const cJSON *here = cJSON_GetObjectItemCaseSensitive(s->trainer.net->json, "layers");
    if (model->net->integers) return kd_fail(err, "it is in integers already");
    if (kd_model_suits(model, s->t->images, err) < 0) return -1;
    if (model->net->classes != s->trainer.net->classes || !cJSON_Compare(there, here, true))
        return kd_fail(err, "its network is not the one that is to be trained; kd-show shows it");
    struct kd_network *folded = kd_network_fold(model->net, err);
    if (!folded) return -1;
    kd_network_free(s->trainer.net);
    s->trainer.net = folded;
    s->normalize = model->normalize;
    memcpy(s->origin, model->fingerprint, sizeof s->origin);
    s->trainer.aware = kd_aware_new(folded, &s->normalize, err);
    return s->trainer.aware ? 0 : -1;
}

static int start_integers(struct session *s, const char *path, struct kd_err *err)
{
    struct kd_model model;
    if (s->t->team && s->t->team->ranks > 1)
        return kd_fail_usage(err, "train.quantize: ranges of activations are not shared between "
                                  "processes; start it without mpirun");
    if (kd_model_read(path, &model, err) < 0) return -1;
    int status = adopt_floats(s, &model, err);
    if (status < 0) kd_err_context(err, "train.init: %s", path);
    kd_model_release(&model);
    return status;
}

static int begin_from(struct session *s, const char *path, struct kd_err *err)
{
    struct kd_model from;
    if (kd_model_read(path, &from, err) < 0) return -1;
    int status = kd_finetune_begin(s->trainer.net, &from, s->begun, err);
    kd_model_release(&from);
    return status;
}

static int build_peer(struct session *s, struct kd_err *err)
{
    const struct kd_training *t = s->t;
    const cJSON *network = t->job->distill.peer ? t->job->distill.peer : t->job->network;
    cJSON *layers = kd_network_layers(network, err);
    struct kd_network *net =
        layers ? kd_network_build(layers, s->trainer.net->input, s->trainer.net->classes, err)
               : NULL;
    cJSON_Delete(layers);
    s->trainer.fellow.net = net;
    if (!net) return kd_err_context(err, "distill.peer");
    kd_network_init(net, kd_peer_seed(t->seed));
    return kd_network_whiten(net, &s->train, &s->normalize, err);
}

static int check_classes(const struct session *s, uint32_t classes, struct kd_err *err)
{
    const struct kd_training *t = s->t;
    const struct kd_images *im = t->images;
    if (!im->labels) {
        char what[300];
        snprintf(what, sizeof what, "%.200s:%.60s has no labels", im->source, im->split);
        if (kd_distill_check_unlabelled(t->targets ? &t->job->distill : NULL, what, err) < 0)
            return -1;
    }
    if (!t->targets && check_labels(im, err) < 0) return -1;
    return kd_classes_suit("the soft targets", classes, im, err);
}

/* The values that the network starts with. */
static int begin(struct session *s, const struct kd_reuse *reuse, struct kd_err *err)
{
    const struct kd_training *t = s->t;
    struct kd_network *net = s->trainer.net;
    if (t->job->train.quantize.kind != KD_QUANTIZE_NONE)
        return start_integers(s, t->init, err) < 0
                   ? -1
                   : kd_finetune_mark(s->trainer.net, &t->job->train, err);
    kd_network_init(net, t->seed);
    if (kd_finetune_mark(net, &t->job->train, err) < 0 ||
        kd_network_whiten(net, &s->train, &s->normalize, err) < 0)
        return -1;
    if (t->targets && t->targets->made == KD_TEACHER_PEER && build_peer(s, err) < 0) return -1;
    if (t->init && begin_from(s, t->init, err) < 0) return -1;
    kd_reuse_copy(reuse, net);
    return 0;
}

static int build(struct session *s, struct kd_err *err)
{
    const struct kd_training *t = s->t;
    const struct kd_images *im = t->images;
    const struct kd_shape input = {im->c, im->h, im->w, false};
    const uint32_t classes = t->targets ? (uint32_t)t->targets->classes : im->classes;
    struct kd_reuse reuse = {0};
    if (check_classes(s, classes, err) < 0) return -1;
    cJSON *layers = kd_network_layers(t->job->network, err);
    if (!layers) return -1;
    s->trainer.net = kd_network_build(layers, input, classes, err);
    cJSON_Delete(layers);
    int status = s->trainer.net ? kd_reuse_open(&reuse, &t->job->distill, t->targets, err) : -1;
    if (status == 0) {
        s->trainer.net = kd_reuse_graft(&reuse, s->trainer.net, err);
        status = s->trainer.net ? begin(s, &reuse, err) : -1;
    }
    kd_reuse_release(&reuse);
    return status;
}

enum {
    WIDE = 50,  /* range of floats that networks seldom learn from */
    MANY = 20,  /* copies of an image, on average, that are seldom meant */
    STEPS = 500 /* fewer seldom teach a table */
};

static void alike_tell(const struct session *s)
{
    const struct kd_training *t = s->t;
    struct kd_err ignored;
    uint32_t distinct;
    char text[400];
    if (kd_distinct_count(&s->train, &distinct, &ignored) < 0 || distinct > s->train.n / MANY)
        return;
    snprintf(text, sizeof text,
             "only %u of the %u training images of %.200s differ; were they read as they are "
             "meant?",
             distinct, s->train.n, t->images->source);
    t->on_note(t->ctx, text);
}

/* Tables are small: epochs and batch that are right for pictures are a handful of steps to them. */
static void steps_tell(const struct session *s)
{
    const struct kd_train_config *c = &s->t->job->train;
    const uint64_t batch = (uint64_t)c->batch, an_epoch = (s->train.n + batch - 1) / batch;
    const unsigned long long steps = an_epoch * (uint64_t)c->epochs;
    char text[300];
    if (!s->t->images->columns || steps >= STEPS) return;
    snprintf(text, sizeof text,
             "%u rows in batches of %llu are %llu steps in %lld epochs, which is few; try --batch "
             "16 --epochs 200 --learning-rate 0.003",
             s->train.n, (unsigned long long)batch, steps, (long long)c->epochs);
    s->t->on_note(s->t->ctx, text);
}

/* What is allowed, and yet is seldom meant. */
static void doubts_tell(const struct session *s)
{
    const struct kd_training *t = s->t;
    const struct kd_targets *targets = t->targets;
    const struct kd_images *im = t->images;
    char text[400];
    double right, chance;
    if (*s->begun && !t->resumed) t->on_note(t->ctx, s->begun);
    alike_tell(s);
    if (im->dtype == KD_F32 && im->high - im->low > WIDE && kd_normalize_is_none(&s->normalize)) {
        snprintf(text, sizeof text,
                 "the numbers of %.200s go from %g to %g and are learnt as they are; standardise "
                 "them (numpy: (x - x.mean(0)) / x.std(0)), or give --normalize with mean and std",
                 im->source, (double)im->low, (double)im->high);
        t->on_note(t->ctx, text);
    }
    steps_tell(s);
    if (!targets) return;
    if (targets->classes > t->images->classes) {
        snprintf(text, sizeof text,
                 "the soft targets have %zu outputs, %.200s has %u classes: the student gets %zu "
                 "outputs too",
                 targets->classes, t->images->source, t->images->classes, targets->classes);
        t->on_note(t->ctx, text);
    }
    if (!kd_targets_doubtful(targets, &s->train, &right, &chance)) return;
    snprintf(text, sizeof text,
             "the soft targets name the label of %.1f %% of the training images, no more than "
             "chance (%.1f %%): do teacher, labels and images belong together?",
             100 * right, 100 * chance);
    t->on_note(t->ctx, text);
}

/* Another process may have made it between a look at the model and our lock. */
static int made_meanwhile(struct session *s, struct kd_err *err)
{
    struct kd_training *t = s->t;
    if (!t->spare || !is_file(t->at.model)) return 0;
    int made = kd_file_is_ours(t->at.model, &s->texts, t->why, err);
    t->spared = made == 1;
    return made;
}

/* 1: there is nothing to do. */
static int open_session(struct session *s, struct kd_err *err)
{
    struct kd_training *t = s->t;
    if (places_find(t, err) < 0 || kd_provenance_make(t, &s->texts, err) < 0 ||
        kd_split_train(t->images, &t->job->data, &s->train, &s->valid, err) < 0 ||
        kd_normalize_init(&s->normalize, t->job->data.normalize, t->images, err) < 0 ||
        build(s, err) < 0)
        return -1;
    struct kd_trainer *r = &s->trainer;
    r->normalize = &s->normalize;
    r->job = t->job;
    r->train = &s->train;
    r->valid = &s->valid;
    r->targets = t->targets;
    r->seed = t->seed;
    r->pool = t->pool;
    r->team = t->team;
    r->stop = t->stop;
    r->on_epoch = on_epoch;
    r->on_checkpoint = on_checkpoint;
    r->ctx = s;
    r->progress = t->progress;
    s->plain_times = !t->command[0];
    if (kd_trainer_open(r, err) < 0 || (!t->team && occupy(s, err) < 0)) return -1;
    const int made = t->team ? 0 : made_meanwhile(s, err);
    if (made) return made;
    if (restore(s, err) < 0) return -1;
    if (t->on_note) doubts_tell(s);
    if (t->on_start) t->on_start(t->ctx, r);
    return 0;
}

static int finish(struct session *s, struct kd_err *err)
{
    struct kd_training *t = s->t;
    if (keep_place(s, err) < 0) return -1;
    kd_trainer_choose(&s->trainer);
    t->chosen = *kd_trainer_chosen(&s->trainer);
    if (s->trainer.aware && kd_aware_finish(s->trainer.aware, s->origin, err) < 0) return -1;
    if (kd_model_fingerprint(s->trainer.net, &s->normalize, t->fingerprint, err) < 0) return -1;
    if (!kd_team_leads(t->team)) return 0;
    if (kd_growing_sync(&s->log_file, t->at.log, err) < 0 || write_peer(s, err) < 0 ||
        write_file(s, t->at.model, &t->chosen, false, err) < 0)
        return -1;
    const char *const done_with[] = {t->at.previous, t->at.checkpoint};
    for (int i = 0; i < 2; i++)
        if (done_with[i] && unlink(done_with[i]) < 0 && errno != ENOENT)
            return kd_fail_errno(err, "%s: cannot be removed", done_with[i]);
    return 0;
}

/* ---- a team ---- */

/* All ranks before the first step. */
static int meet_at_start(struct session *s, int status, struct kd_err *err)
{
    const struct kd_training *t = s->t;
    const struct kd_trainer *r = &s->trainer;
    char at[64];
    struct kd_meeting m = {.status = status, .stop = t->stop && *t->stop};
    snprintf(at, sizeof at, "%u %u %llu", r->epoch, r->step, (unsigned long long)r->optimizer.t);
    const struct kd_alike list[] = {{"another configuration", s->texts.config},
                                    {"other images", s->texts.data},
                                    {"another teacher", s->texts.parents},
                                    {"other soft targets", s->texts.soft},
                                    {"another checkpoint", at}};
    return kd_alike_meet(t->team, list, status == 0 ? sizeof list / sizeof *list : 0, &m, err);
}

/* And once the model is there. */
static int meet_at_end(const struct session *s, int status, struct kd_err *err)
{
    const struct kd_meeting m = {.status = status < 0 ? -1 : 0};
    return kd_team_meet(s->t->team, "the end of a training", &m, err) < 0 ? -1 : status;
}

int kd_training_run(struct kd_training *t, struct kd_err *err)
{
    struct session s = {.t = t, .lock.fd = -1, .log_file.fd = -1};
    t->busy = t->spared = false;
    int status = open_session(&s, err);
    if (t->team) status = meet_at_start(&s, status, err);
    if (status == 0 && t->team && kd_team_leads(t->team)) status = occupy(&s, err);
    if (status == 0) status = kd_trainer_run(&s.trainer, err);
    if (status == 0) status = finish(&s, err);
    if (t->team) status = meet_at_end(&s, status, err);
    kd_trainer_close(&s.trainer);
    kd_aware_free(s.trainer.aware);
    kd_network_free(s.trainer.net);
    kd_subset_release(&s.train);
    kd_subset_release(&s.valid);
    kd_provenance_release(&s.texts);
    kd_bytes_release(&s.log);
    kd_growing_close(&s.log_file);
    kd_lock_release(&s.lock);
    return t->spared ? 0 : status;
}
