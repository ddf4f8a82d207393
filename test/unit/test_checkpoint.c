/* A training that is stopped and resumed gives the same bits as one that is not, wherever it is
 * stopped; so does one with other threads. Checkpoints are models that anyone may read. */
#include "scratch.h"

#include "kd/base/file.h"
#include "kd/nn/gemm.h"
#include "kd/nn/model.h"
#include "kd/train/checkpoint.h"
#include "training.h"

#include <math.h>

static struct kd_err err;
static struct kd_images images;

static int make(void **state)
{
    images_make(&images, SET_IMAGES);
    return scratch_make(state);
}

static int unmake(void **state)
{
    images_free(&images);
    return scratch_remove(state);
}

/* 90 images, 18 of them for validation: 5 steps an epoch, the last of 8 images */
#define COMMON                                                                                     \
    "data.validation=18", "teacher.train.batch=16", "teacher.train.train_eval=20",                 \
        "teacher.train.learning_rate=0.05"
static const char *const sgd[] = {COMMON,
                                  "teacher.train.epochs=3",
                                  "teacher.train.optimizer={\"kind\":\"sgd\",\"nesterov\":true}",
                                  "teacher.train.augment.shift=2",
                                  "teacher.train.weight_decay=0.01",
                                  "teacher.network=[{\"kind\":\"dropout\",\"rate\":0.1},"
                                  "\"flatten\",{\"kind\":\"dense\",\"units\":17},\"relu\","
                                  "{\"kind\":\"dropout\"},{\"kind\":\"dense\"}]",
                                  NULL};
static const char *const adam[] = {COMMON,
                                   "teacher.train.epochs=3",
                                   "teacher.train.optimizer=adam",
                                   "teacher.train.keep=last",
                                   "teacher.train.schedule={\"kind\":\"one_cycle\",\"warmup\":1}",
                                   "teacher.train.label_smoothing=0.1",
                                   "teacher.train.freeze=1.bias",
                                   "teacher.train.rates={\"*.weight\":0.5}",
                                   "teacher.network=[\"flatten\",{\"kind\":\"dense\",\"units\":17},"
                                   "\"batchnorm\",\"gelu\",{\"kind\":\"dense\"}]",
                                   NULL};
static const char *const patient[] = {COMMON,
                                      "teacher.train.epochs=9",
                                      "teacher.train.optimizer=adamw",
                                      "teacher.train.patience=1",
                                      "teacher.train.clip_norm=0.5",
                                      "teacher.train.weight_decay=0.1",
                                      "teacher.train.learning_rate=0.3",
                                      "teacher.network=[\"flatten\",{\"kind\":\"dense\",\"units\":"
                                      "17,\"max_norm\":1},\"tanh\",{\"kind\":\"dense\"}]",
                                      NULL};
/* What a network for CIFAR uses: all of it at once. */
static const char *const averaged[] = {
    COMMON,
    "teacher.train.epochs=3",
    "teacher.train.optimizer={\"kind\":\"sgd\",\"nesterov\":true,\"bias_rate\":4,\"norm_rate\":0.5,"
    "\"decoupled\":true}",
    "teacher.train.schedule={\"kind\":\"triangular\",\"start\":0.2,\"peak\":0.25,\"final\":0.1}",
    "teacher.train.ema={\"decay\":0.9,\"every\":2}",
    "teacher.train.mix={\"kind\":\"mixup\",\"alpha\":0.4}",
    "teacher.train.weight_decay=0.01",
    "teacher.train.augment={\"shift\":1,\"fill\":\"reflect\",\"flip\":\"alternate\",\"cutout\":2,"
    "\"rotate\":30,\"scale\":0.3,\"brightness\":0.2}",
    "teacher.network=[{\"kind\":\"conv2d\",\"filters\":8,\"kernel\":2,\"init\":\"whiten\","
    "\"freeze\":"
    "[\"weight\"]},\"gelu\",{\"kind\":\"batchnorm\",\"freeze\":\"weight\"},\"flatten\",{\"kind\":"
    "\"dense\"}]",
    NULL};
/* Four shards a step, the last step of an epoch too; and eight, with a last step that is one. */
static const char *const sharded[] = {
    COMMON,
    "teacher.train.epochs=3",
    "teacher.train.shards=4",
    "teacher.train.optimizer=sgd",
    "teacher.train.ema.decay=0.9",
    "teacher.train.augment.shift=1",
    "teacher.train.mix={\"kind\":\"cutmix\",\"share\":0.7}",
    "teacher.network=[{\"kind\":\"conv2d\",\"filters\":8,\"kernel\":3},\"batchnorm\",\"relu\","
    "\"flatten\","
    "{\"kind\":\"dropout\",\"rate\":0.2},{\"kind\":\"dense\",\"units\":20},\"batchnorm\",\"relu\","
    "{\"kind\":\"dense\",\"max_norm\":1}]",
    NULL};
static const char *const clipped[] = {COMMON,
                                      "teacher.train.epochs=3",
                                      "teacher.train.shards=8",
                                      "teacher.train.clip_norm=0.5",
                                      "teacher.network=[\"flatten\",{\"kind\":\"dense\",\"units\":"
                                      "17},\"batchnorm\",\"tanh\",{\"kind\":\"dense\"}]",
                                      NULL};
static const char *const *const jobs[] = {sgd, adam, patient, averaged, sharded, clipped};
enum { JOBS = sizeof jobs / sizeof *jobs };

/* ---- running ---- */

struct watch { /* stops the training when it has done `at` steps in all */
    uint64_t at;
    volatile int stop;
    unsigned epochs;
};

static void tick(void *ctx, uint64_t done, uint64_t total, const char *unit, const char *note)
{
    struct watch *w = ctx;
    (void)total;
    (void)unit;
    (void)note;
    if (done >= w->at) w->stop = 15;
}

static void count_epoch(void *ctx, const struct kd_epoch_log *log)
{
    struct watch *w = ctx;
    (void)log;
    w->epochs++;
}

struct run {
    const char *name; /* of the output: NAME.safetensors */
    uint64_t seed, stop_at;
    struct kd_pool *pool;
    struct kd_targets *targets;
    bool resume;
    /* found out */
    struct kd_epoch_log chosen;
    unsigned epochs;
    bool resumed;
};

/* 0 finished, 1 stopped, -1 failed */
static int train(const struct kd_job *job, struct run *r)
{
    char output[600];
    snprintf(output, sizeof output, "%s/%s.safetensors", scratch, r->name);
    struct watch w = {.at = r->stop_at, .stop = r->stop_at == 0};
    struct kd_progress progress = {.tick = tick, .ctx = &w};
    struct kd_training t = {.job = job,
                            .seed = r->seed,
                            .experiment = "test",
                            .images = &images,
                            .targets = r->targets,
                            .output = output,
                            .command = "",
                            .resume = r->resume,
                            .pool = r->pool,
                            .stop = &w.stop,
                            .progress = &progress,
                            .on_epoch = count_epoch,
                            .ctx = &w};
    int status = kd_training_run(&t, &err);
    r->chosen = t.chosen;
    r->epochs = w.epochs;
    r->resumed = t.resumed;
    kd_training_release(&t);
    return status;
}

static void trained(const struct kd_job *job, struct run *r)
{
    r->stop_at = UINT64_MAX;
    if (train(job, r) != 0) fail_msg("%s: %s", r->name, err.text);
}

static bool there(const char *name, const char *suffix)
{
    char file[100];
    snprintf(file, sizeof file, "%.40s%.40s", name, suffix);
    return access(in_scratch(file), F_OK) == 0;
}

static bool same_files(const char *a, const char *b, const char *suffix)
{
    struct kd_bytes x = {0}, y = {0};
    for (int i = 0; i < 2; i++) {
        char file[100];
        snprintf(file, sizeof file, "%.40s%.40s", i ? b : a, suffix);
        if (kd_file_read(in_scratch(file), 1 << 24, i ? &y : &x, &err) < 0)
            fail_msg("%s", err.text);
    }
    bool same = x.size == y.size && memcmp(x.data, y.data, x.size) == 0;
    kd_bytes_release(&x);
    kd_bytes_release(&y);
    return same;
}

static void same_training(const char *a, const char *b)
{
    if (!same_files(a, b, ".safetensors")) fail_msg("%s and %s gave different models", a, b);
    if (!same_files(a, b, ".log.jsonl")) fail_msg("%s and %s wrote different logs", a, b);
}

/* ---- stopping ---- */

static void stopped_anywhere(void **state)
{
    (void)state;
    for (unsigned j = 0; j < JOBS; j++) {
        struct kd_job job = {0};
        struct run whole = {.name = "whole", .seed = 1};
        job_make(&job, false, jobs[j]);
        trained(&job, &whole);
        assert_false(there("whole", ".checkpoint.safetensors"));
        unsigned steps = 5 * whole.epochs;
        assert_true(j == 2 ? whole.epochs < 9 && whole.epochs > 1 : whole.epochs == 3);
        assert_true(whole.chosen.epoch == (j == 1 ? 3 : whole.chosen.epoch));
        for (unsigned at = 0; at < steps; at++) {
            struct run r = {.name = "cut", .seed = 1, .stop_at = at};
            if (train(&job, &r) != 1) fail_msg("job %u was not stopped at step %u", j, at);
            assert_true(there("cut", ".checkpoint.safetensors"));
            assert_int_equal(there("cut", ".safetensors"),
                             at > 0); /* of the round before, untouched */
            r.resume = true;
            trained(&job, &r);
            assert_true(r.resumed);
            assert_int_equal(r.epochs, whole.epochs - at / 5);
            same_training("whole", "cut");
            assert_false(there("cut", ".checkpoint.safetensors"));
        }
        remove(in_scratch("cut.safetensors"));
        kd_job_release(&job);
    }
}

/* Stopped again and again, one step at a time. */
static void stopped_everywhere(void **state)
{
    (void)state;
    for (unsigned j = 0; j < JOBS; j++) {
        struct kd_job job = {0};
        struct run whole = {.name = "whole", .seed = 5}, r = {.name = "cut", .seed = 5};
        job_make(&job, false, jobs[j]);
        trained(&job, &whole);
        int status = 1;
        for (unsigned at = 1; status == 1; at++) {
            r.stop_at = at;
            status = train(&job, &r);
            r.resume = true;
        }
        assert_int_equal(status, 0);
        same_training("whole", "cut");
        kd_job_release(&job);
    }
}

#define STUDENT                                                                                    \
    "data.validation=18", "students.s.train.batch=16", "students.s.train.epochs=3",                \
        "students.s.distill={\"temperature\":3,\"alpha\":0.8}", "students.s.network=mlp-9"
static const char *const plain_student[] = {STUDENT, NULL};
static const char *const mixed_student[] = {STUDENT, "students.s.train.mix=mixup", NULL};

/* With soft targets, some images without label. */
static void distilled(void **state)
{
    const char *const *sets = *state;
    struct kd_job job = {0};
    struct run whole = {.name = "whole", .seed = 1};
    struct kd_targets targets = {.views = 1, .n = SET_IMAGES, .classes = SET_CLASSES};
    targets.values = kd_alloc(SET_IMAGES * SET_CLASSES, sizeof(float), "targets", &err);
    targets.parents = cJSON_CreateArray();
    for (unsigned i = 0; i < SET_IMAGES * SET_CLASSES; i++) {
        struct kd_rng g = kd_rng_for(2, KD_FOR_TEST, 1, i);
        targets.values[i] = kd_rng_normal(&g);
    }
    job_make(&job, true, sets);
    assert_true(job.distilled);
    whole.targets = &targets;
    int32_t label = images.labels[3];
    images.labels[3] = -1;
    trained(&job, &whole);
    assert_true(isfinite(whole.chosen.soft) && whole.chosen.soft > 0 && whole.chosen.hard > 0);
    for (unsigned at = 1; at < 15; at += 3) {
        struct run r = {.name = "cut", .seed = 1, .stop_at = at, .targets = &targets};
        assert_int_equal(train(&job, &r), 1);
        r.resume = true;
        trained(&job, &r);
        same_training("whole", "cut");
    }
    images.labels[3] = label;
    kd_targets_release(&targets);
    kd_job_release(&job);
}

/* ---- teachers of the training itself ---- */

static const char *const by_average[] = {
    "data.validation=18",
    "students.s.train.batch=16",
    "students.s.train.epochs=3",
    "students.s.train.ema={\"decay\":0.8,\"every\":2}",
    "students.s.train.shards=2",
    "students.s.train.augment.shift=1",
    "students.s.distill={\"from\":\"average\",\"loss\":\"mse\",\"weight\":2,\"ramp\":1}",
    "students.s.network=[{\"kind\":\"conv2d\",\"filters\":8,\"kernel\":3},\"batchnorm\",\"relu\","
    "\"flatten\",{\"kind\":\"dropout\",\"rate\":0.2},\"dense\"]",
    NULL};
static const char *const by_peer[] = {
    "data.validation=18",
    "students.s.train.batch=16",
    "students.s.train.epochs=3",
    "students.s.train.mix=mixup",
    "students.s.train.optimizer=sgd",
    "students.s.distill={\"from\":\"peer\",\"temperature\":1,\"weight\":1,\"label_weight\":1,"
    "\"peer\":[\"flatten\",{\"kind\":\"dense\",\"units\":11,\"max_norm\":1},\"batchnorm\",\"relu\","
    "\"dense\"]}",
    "students.s.network=[\"flatten\",{\"kind\":\"dense\",\"units\":9},\"batchnorm\",\"relu\","
    "{\"kind\":\"dropout\",\"rate\":0.2},\"dense\"]",
    NULL};
static const char *const by_clipped_peer[] = {"data.validation=18",
                                              "students.s.train.batch=16",
                                              "students.s.train.epochs=3",
                                              "students.s.train.clip_norm=0.5",
                                              "students.s.distill.from=peer",
                                              "students.s.network=mlp-9",
                                              NULL};

/* The same bytes on any number of threads, and stopped at any step. */
static void by_own_teacher(void **state)
{
    const char *const *sets = *state;
    struct kd_job job = {0};
    struct kd_targets targets;
    job_make(&job, true, sets);
    const enum kd_own_teacher own = kd_own_teacher(&job.distill);
    const bool peer = own == KD_TEACHER_PEER;
    assert_int_equal(kd_targets_from_training(&images, own, &targets, &err), 0);
    struct run whole = {.name = "whole", .seed = 1, .targets = &targets};
    trained(&job, &whole);
    assert_true(isfinite(whole.chosen.soft) && whole.chosen.soft > 0);
    assert_int_equal(there("whole", ".peer.safetensors"), peer);
    for (unsigned at = 0; at < 15; at++) {
        struct run r = {.name = "cut", .seed = 1, .stop_at = at, .targets = &targets};
        r.pool = kd_pool_new(1 + at % 3, &err);
        assert_int_equal(train(&job, &r), 1);
        r.resume = true;
        trained(&job, &r);
        assert_true(r.resumed);
        same_training("whole", "cut");
        assert_true(!peer || same_files("whole", "cut", ".peer.safetensors"));
        kd_pool_free(r.pool);
    }
    if (peer) remove(in_scratch("whole.peer.safetensors"));
    kd_targets_release(&targets);
    kd_job_release(&job);
}

/* The average as it is before the first step is the student: it says what the student says, and
 * where that is all there is to learn (alpha 1), nothing is learnt. */
static void average_of_one(void **state)
{
    (void)state;
    static const char *const sets[] = {"data.validation=18",
                                       "students.s.train.batch=90",
                                       "students.s.train.epochs=1",
                                       "students.s.train.ema.decay=0.9",
                                       "students.s.network=mlp-9",
                                       "students.s.distill={\"from\":\"average\",\"alpha\":1}",
                                       NULL};
    struct kd_job job = {0};
    struct kd_targets targets;
    struct run r = {.name = "one", .seed = 1, .targets = &targets};
    job_make(&job, true, sets);
    assert_int_equal(kd_targets_from_training(&images, KD_TEACHER_AVERAGE, &targets, &err), 0);
    trained(&job, &r);
    assert_true(fabs(r.chosen.soft) < 1e-9);
    kd_targets_release(&targets);
    kd_job_release(&job);
}

static void threads_and_seeds(void **state)
{
    (void)state;
    for (unsigned j = 0; j < JOBS; j++) {
        struct kd_job job = {0};
        struct run whole = {.name = "whole", .seed = 1};
        job_make(&job, false, jobs[j]);
        trained(&job, &whole);
        for (unsigned threads = 1; threads <= 3; threads++) {
            struct run r = {.name = "threads", .seed = 1, .pool = kd_pool_new(threads, &err)};
            trained(&job, &r);
            same_training("whole", "threads");
            kd_pool_free(r.pool);
        }
        struct run other = {.name = "other", .seed = 2};
        trained(&job, &other);
        assert_false(same_files("whole", "other", ".safetensors"));
        assert_false(same_files("whole", "other", ".log.jsonl"));
        kd_job_release(&job);
    }
}

/* A network wide enough for several parts, so that threads have something to share. */
static void wide(void **state)
{
    (void)state;
    static const char *const sets[] = {
        COMMON, "teacher.train.epochs=1", "teacher.train.augment.shift=1",
        "teacher.network=[\"flatten\",{\"kind\":\"dense\",\"units\":1030},\"relu\",{\"kind\":"
        "\"dropout\"},"
        "{\"kind\":\"dense\",\"units\":600},\"batchnorm\",\"gelu\",{\"kind\":\"dense\"}]",
        NULL};
    struct kd_job job = {0};
    job_make(&job, false, sets);
    for (unsigned threads = 1; threads <= 3; threads++) {
        struct run r = {.name = threads == 1 ? "whole" : "threads", .seed = 1};
        r.pool = kd_pool_new(threads, &err);
        trained(&job, &r);
        same_training("whole", threads == 1 ? "whole" : "threads");
        kd_pool_free(r.pool);
    }
    kd_job_release(&job);
}

/* ---- the file ---- */

static void readable_as_a_model(void **state)
{
    (void)state;
    struct kd_job job = {0};
    struct run r = {.name = "cut", .seed = 1, .stop_at = 7};
    struct kd_model m;
    job_make(&job, false, adam);
    assert_int_equal(train(&job, &r), 1);
    if (kd_model_read(in_scratch("cut.checkpoint.safetensors"), &m, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(m.net->classes, SET_CLASSES);
    struct kd_view view = {.images = &images, .n = SET_IMAGES};
    float *logits = malloc(SET_IMAGES * SET_CLASSES * sizeof *logits);
    assert_int_equal(kd_predict(&m, &view, &(struct kd_asking){0}, logits, &err), 0);
    for (unsigned i = 0; i < SET_IMAGES * SET_CLASSES; i++) assert_true(isfinite(logits[i]));
    free(logits);
    kd_model_release(&m);
    kd_job_release(&job);
}

struct looking {
    unsigned seen;
    char path[600];
};

static void look(void *ctx, const struct kd_epoch_log *log)
{
    struct looking *l = ctx;
    struct kd_model m;
    struct kd_err e;
    (void)log;
    if (access(l->path, F_OK) != 0) return;
    if (kd_model_read(l->path, &m, &e) < 0) fail_msg("%s", e.text);
    kd_model_release(&m);
    l->seen++;
}

static void written_while_training(void **state)
{
    (void)state;
    struct kd_job job = {0};
    struct looking l = {0};
    char output[600];
    job_make(&job, false, sgd);
    kd_free(job.train.checkpoint_every);
    job.train.checkpoint_every = kd_strdup("2steps", &err);
    snprintf(output, sizeof output, "%s/run.safetensors", scratch);
    snprintf(l.path, sizeof l.path, "%s/run.checkpoint.safetensors", scratch);
    struct kd_training t = {.job = &job,
                            .seed = 1,
                            .experiment = "test",
                            .images = &images,
                            .output = output,
                            .command = "kd",
                            .on_epoch = look,
                            .ctx = &l};
    assert_int_equal(kd_training_run(&t, &err), 0);
    assert_int_equal(l.seen, 3);
    assert_int_not_equal(access(l.path, F_OK), 0);
    assert_int_equal(kd_training_is_current(&t, &err), 1);
    t.seed = 2;
    assert_int_equal(kd_training_is_current(&t, &err), 0);
    kd_training_release(&t);
    kd_job_release(&job);
}

static bool file_has(const char *name, const char *tensor)
{
    struct kd_tensorfile f;
    if (kd_tensorfile_read(in_scratch(name), NULL, &f, &err) < 0) fail_msg("%s", err.text);
    bool has = kd_tensorfile_find(&f, tensor) != NULL;
    kd_tensorfile_release(&f);
    return has;
}

/* Averaged and current weights both; nothing of what is frozen but its value; the log's validation
 * figures are those of the model that is saved. */
static void averages(void **state)
{
    (void)state;
    struct kd_job job = {0};
    struct run cut = {.name = "cut", .seed = 1, .stop_at = 7}, whole = {.name = "whole", .seed = 1};
    struct kd_model last;
    job_make(&job, false, averaged);
    assert_int_equal(train(&job, &cut), 1);
    static const char *const there_are[] = {
        "0.weight", "kd.state.current.0.weight", "kd.state.momentum.0.bias",
        "kd.state.current.2.running_var", "kd.state.best.4.weight"};
    for (unsigned i = 0; i < 5; i++)
        assert_true(file_has("cut.checkpoint.safetensors", there_are[i]));
    assert_false(file_has("cut.checkpoint.safetensors", "kd.state.momentum.0.weight"));
    assert_false(file_has("cut.checkpoint.safetensors", "kd.state.momentum.2.weight"));
    for (int keep = 0; keep < 2; keep++) { /* the best epoch, the last one */
        job.train.keep = keep;
        trained(&job, &whole);
        assert_false(file_has("whole.safetensors", "kd.state.current.0.weight"));
        struct kd_subset train_set = {0}, valid = {0};
        if (kd_model_read(in_scratch("whole.safetensors"), &last, &err) < 0 ||
            kd_split_train(&images, &job.data, &train_set, &valid, &err) < 0)
            fail_msg("%s", err.text);
        struct kd_view view = {.images = &images, .index = valid.index, .n = 18};
        struct kd_metrics m;
        float logits[18 * SET_CLASSES];
        int32_t labels[18];
        assert_int_equal(valid.n, 18);
        for (unsigned i = 0; i < 18; i++) labels[i] = images.labels[valid.index[i]];
        assert_int_equal(kd_predict(&last, &view, &(struct kd_asking){0}, logits, &err), 0);
        kd_metrics_of(logits, labels, 18, SET_CLASSES, &m, NULL);
        assert_true(fabs(m.loss - whole.chosen.valid.loss) < 1e-6);
        kd_subset_release(&train_set);
        kd_subset_release(&valid);
        kd_model_release(&last);
    }
    kd_job_release(&job);
}

/* The average is looked at, not trained on: the training is the one without it, what is evaluated
 * is not. */
static void average_apart(void **state)
{
    (void)state;
    struct kd_job job = {0};
    struct run with = {.name = "whole", .seed = 1}, without = {.name = "other", .seed = 1};
    job_make(&job, false, averaged);
    job.train.keep = KD_LAST;
    trained(&job, &with);
    job.train.ema.decay = 0;
    trained(&job, &without);
    assert_true(with.chosen.loss == without.chosen.loss);
    assert_true(with.chosen.valid.loss != without.chosen.valid.loss);
    kd_job_release(&job);
}

/* The rule of kd/train/average.h, in double; frozen weights keep their bits. */
static void average_rule(void **state)
{
    (void)state;
    static const char layers[] =
        "[\"flatten\",{\"kind\":\"dense\",\"freeze\":\"weight\"},\"batchnorm\"]";
    cJSON *json = kd_json_parse(layers, strlen(layers), "test", &err);
    struct kd_network *net = kd_network_build(json, (struct kd_shape){1, 2, 2, false}, 3, &err);
    struct kd_train_config c = {.ema = {.decay = 0.5, .every = 3}};
    struct kd_average a;
    double expected[6][16];
    if (!net) fail_msg("%s", err.text);
    kd_network_init(net, 1);
    assert_int_equal(kd_average_init(&a, &c, net, &err), 0);
    for (unsigned i = 0; i < net->n_params; i++)
        for (size_t j = 0; j < net->params[i]->count; j++)
            expected[i][j] = (double)net->params[i]->value[j];
    for (uint64_t step = 1; step <= 31; step++) {
        double u = (double)(step / 3) - 1, d = fmin(0.5, (1 + u) / (10 + u));
        for (unsigned i = 0; i < net->n_params; i++)
            for (size_t j = 0; j < net->params[i]->count; j++) {
                struct kd_param *p = net->params[i];
                if (p->trained || p->role == KD_STATISTIC) p->value[j] += 0.1f * (float)(step % 5);
                if (step % 3 == 0)
                    expected[i][j] += (1 - d) * ((double)p->value[j] - expected[i][j]);
            }
        kd_average_update(&a, step, NULL);
    }
    float *own = net->params[1]->value;
    kd_average_swap(&a);
    for (unsigned i = 0; i < net->n_params; i++)
        for (size_t j = 0; j < net->params[i]->count; j++) {
            assert_true(fabs((double)net->params[i]->value[j] - expected[i][j]) < 1e-5);
            if (net->params[i]->role == KD_WEIGHT)
                assert_true(net->params[i]->value[j] == a.value[i][j]);
        }
    kd_average_swap(&a);
    assert_ptr_equal(net->params[1]->value, own);
    kd_average_release(&a);
    kd_network_free(net);
    cJSON_Delete(json);
}

static void resume_refused(const struct kd_job *job, const struct run *how, const char *what)
{
    struct run r = *how;
    r.name = "cut";
    r.resume = true;
    r.stop_at = UINT64_MAX;
    memset(&err, 0, sizeof err);
    if (train(job, &r) != -1) fail_msg("resumed although %s", what);
    assert_says(err, "cut.checkpoint.safetensors");
    assert_says(err, what);
}

/* The checkpoint with another kd.state, or without one tensor. */
static void spoil(const char *state_text, const char *without)
{
    struct kd_tensorfile f, out;
    const char *path = in_scratch("cut.checkpoint.safetensors");
    if (kd_tensorfile_read(path, NULL, &f, &err) < 0 || kd_tensorfile_init(&out, &err) < 0)
        fail_msg("%s", err.text);
    const cJSON *item;
    cJSON_ArrayForEach(item, f.metadata) if (strcmp(item->string, "kd.checksums") != 0)
        kd_tensorfile_set(&out, item->string, item->valuestring, &err);
    if (state_text) kd_tensorfile_set(&out, "kd.state", state_text, &err);
    for (size_t i = 0; i < f.n; i++)
        if (!without || strcmp(f.tensors[i].name, without) != 0)
            kd_tensorfile_add(&out, f.tensors[i].name,
                              (struct kd_array){f.tensors[i].dtype, f.tensors[i].dims,
                                                f.tensors[i].shape, f.tensors[i].data},
                              &err);
    if (kd_tensorfile_write(path, &out, &err) < 0) fail_msg("%s", err.text);
    kd_tensorfile_release(&out);
    kd_tensorfile_release(&f);
}

static void checkpoints_refused(void **state)
{
    (void)state;
    struct kd_job job = {0}, other = {0};
    struct run r = {.name = "cut", .seed = 1, .stop_at = 7};
    job_make(&job, false, sgd);
    job_make(&other, false, adam);
    assert_int_equal(train(&job, &r), 1);
    resume_refused(&other, &r, "it belongs to another training");
    struct run seed = {.name = "cut", .seed = 2};
    resume_refused(&job, &seed, "it belongs to another training");
    static const struct {
        const char *text, *without, *what;
    } cases[] = {
        {"{\"seed\":1,\"epoch\":4,\"step\":0}", NULL,
         "its place (epoch 4, step 0) is not in this training"},
        {"{\"seed\":1,\"epoch\":0,\"step\":5}", NULL, "its place (epoch 0, step 5)"},
        {"{\"seed\":9}", NULL, "it belongs to seed 9, not 1"},
        {"{}", NULL, "it belongs to seed"},
        {"[", NULL, "kd.state"},
        {NULL, "kd.state.momentum.2.weight", "kd.state.momentum.2.weight is missing"},
        {NULL, "kd.state.best.5.bias", "kd.state.best.5.bias is missing"},
        {NULL, "2.weight", "2.weight"},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct run again = {.name = "cut", .seed = 1, .stop_at = 7};
        assert_int_equal(train(&job, &again), 1);
        spoil(cases[i].text, cases[i].without);
        resume_refused(&job, &again, cases[i].what);
    }
    remove(in_scratch("cut.checkpoint.safetensors"));
    remove(in_scratch("cut.checkpoint.previous.safetensors"));
    struct run fresh = {
        .name = "cut", .seed = 1, .resume = true}; /* nothing there: from the start */
    trained(&job, &fresh);
    assert_false(fresh.resumed);
    kd_job_release(&job);
    kd_job_release(&other);
}

static void loss_that_explodes(void **state)
{
    (void)state;
    struct kd_job job = {0};
    struct run r = {.name = "wild", .seed = 1, .stop_at = UINT64_MAX};
    job_make(&job, false, sgd);
    job.train.learning_rate = 1e3;
    job.train.epochs = 50;
    assert_int_equal(train(&job, &r), -1);
    assert_says(err, "the loss is no longer finite");
    assert_says(err, "--learning-rate");
    assert_false(there("wild", ".safetensors"));
    kd_job_release(&job);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stopped_anywhere),
        cmocka_unit_test(stopped_everywhere),
        {"distilled", distilled, NULL, NULL, (void *)(uintptr_t)plain_student},
        {"distilled, mixed", distilled, NULL, NULL, (void *)(uintptr_t)mixed_student},
        {"by_average", by_own_teacher, NULL, NULL, (void *)(uintptr_t)by_average},
        {"by_peer", by_own_teacher, NULL, NULL, (void *)(uintptr_t)by_peer},
        {"by_clipped_peer", by_own_teacher, NULL, NULL, (void *)(uintptr_t)by_clipped_peer},
        cmocka_unit_test(average_of_one),
        cmocka_unit_test(threads_and_seeds),
        cmocka_unit_test(wide),
        cmocka_unit_test(readable_as_a_model),
        cmocka_unit_test(written_while_training),
        cmocka_unit_test(checkpoints_refused),
        cmocka_unit_test(averages),
        cmocka_unit_test(average_apart),
        cmocka_unit_test(average_rule),
        cmocka_unit_test(loss_that_explodes),
    };
    kd_blas_init();
    return cmocka_run_group_tests_name("checkpoint", tests, make, unmake);
}
