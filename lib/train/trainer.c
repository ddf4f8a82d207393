#include "kd/train/trainer.h"
#include "kd/base/view.h"
#include "kd/train/schedule.h"
#include "mixing.h"
#include "sharing.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* An epoch shorter than this is not worth a checkpoint of its own: resuming repeats it in no time.
 */
static const double least_between_checkpoints = 2.0;

uint32_t kd_trainer_steps(const struct kd_trainer *t)
{
    uint32_t batch = (uint32_t)t->job->train.batch;
    return (t->train->n + batch - 1) / batch;
}

/* ---- memory ---- */

static void *piece(struct kd_trainer *t, bool taking, size_t bytes)
{
    if (taking) return kd_slab_take(&t->slab, bytes);
    kd_slab_plan(&t->slab, bytes);
    return NULL;
}

/* Most shards of a batch that one rank has. */
static unsigned shards_each(const struct kd_trainer *t)
{
    const unsigned ranks = t->team ? t->team->ranks : 1, shards = (unsigned)t->job->train.shards;
    return (shards + ranks - 1) / ranks;
}

static void lay(struct kd_trainer *t, bool taking)
{
    size_t batch = (size_t)t->job->train.batch, shard = t->net->batch, classes = t->net->classes;
    const size_t scratch = kd_loss_scratch(&t->loss, t->shard ? t->shard : shard, classes);
    size_t evals = t->valid->n > t->n_train_eval ? t->valid->n : t->n_train_eval;
    t->order = piece(t, taking, t->train->n * sizeof *t->order);
    t->batch_index = piece(t, taking, batch * sizeof *t->batch_index);
    t->labels = piece(t, taking, batch * sizeof *t->labels);
    t->teacher_rows = piece(t, taking, shard * classes * sizeof(float));
    t->loss_scratch = piece(t, taking, scratch * sizeof(double));
    if (t->job->train.mix.kind != KD_MIX_NONE) {
        t->mixed = piece(t, taking, batch * sizeof *t->mixed);
        t->others = piece(t, taking, batch * sizeof *t->others);
        t->shares = piece(t, taking, batch * sizeof *t->shares);
        t->with = piece(t, taking, batch * sizeof *t->with);
        t->other_rows = piece(t, taking, shard * classes * sizeof(float));
    }
    t->eval_index = piece(t, taking, t->n_train_eval * sizeof *t->eval_index);
    t->eval_labels = piece(t, taking, evals * sizeof *t->eval_labels);
    t->eval_logits = piece(t, taking, evals * classes * sizeof(float));
    const unsigned ranks = t->team ? t->team->ranks : 0, each = shards_each(t);
    t->blocks.from = piece(t, taking, (t->net->batch + 1) * sizeof *t->blocks.from);
    t->shard_sums = piece(t, taking, (size_t)each * (ranks + 1) * sizeof *t->shard_sums);
    if (!t->best_values) return;
    if (t->aware) {
        size_t n;
        kd_aware_ranges(t->aware, &n);
        t->best_ranges = piece(t, taking, 2 * n * sizeof *t->best_ranges);
    }
    for (unsigned i = 0; i < t->net->n_params; i++)
        t->best_values[i] = piece(t, taking, t->net->params[i]->count * sizeof(float));
}

static void find_statistics(void *ctx, struct kd_layer *l)
{
    const struct kd_layer **found = ctx;
    if (!*found && l->kind->take_statistics && kd_shape_pixels(l->in) == 1) *found = l;
}

/* Of one value the variance is 0, and everything becomes the bias. */
static int check_statistics(const struct kd_trainer *t, struct kd_err *err)
{
    const struct kd_layer *needs = NULL;
    uint32_t batch = (uint32_t)t->job->train.batch, n = t->train->n;
    kd_chain_each(&t->net->chain, find_statistics, &needs);
    if (!needs || (batch > 1 && n % batch != 1)) return 0;
    if (batch == 1 || n == 1)
        return kd_fail_usage(
            err,
            "train.batch: layer %s (%s) learns from the differences within a batch and cannot from "
            "one image; set a larger batch (--batch)",
            needs->name, needs->kind->name);
    return kd_fail_usage(
        err,
        "train.batch=%u: of %u training images one is left for an epoch's last step, and layer %s "
        "(%s) cannot learn from one; set another batch (--batch)",
        batch, n, needs->name, needs->kind->name);
}

static int check(const struct kd_trainer *t, struct kd_err *err)
{
    if (!t->train->n) return kd_fail_usage(err, "data: no training images are left");
    if (t->targets && t->targets->classes != t->net->classes)
        return kd_fail(err, "the soft targets know %zu classes, the student %u",
                       t->targets->classes, t->net->classes);
    if (check_statistics(t, err) < 0) return -1;
    if (t->team && (int64_t)t->team->ranks > t->job->train.shards)
        return kd_fail_usage(
            err,
            "train.shards=%lld: %u ranks have no more than that to share out; set --shards to the "
            "power of two at or above %u, or start fewer ranks",
            (long long)t->job->train.shards, t->team->ranks, t->team->ranks);
    if (t->targets && kd_job_check_own(t->job, t->targets->made, err) < 0) return -1;
    if (kd_mix_check(&t->job->train.mix, t->train->images, err) < 0) return -1;
    return kd_job_check(t->job, err);
}

static int open_fellow(struct kd_trainer *t, struct kd_err *err)
{
    const size_t rows = t->shard ? t->shard : t->net->batch;
    const struct kd_fellow_of of = {t->net, &t->average, &t->job->train, &t->loss, rows};
    t->fellow.kind = t->targets ? (int)t->targets->made : 0;
    t->fellow.seed = kd_peer_seed(t->seed);
    if (t->fellow.kind == KD_TEACHER_PEER && t->team)
        return kd_fail_usage(err, "distill.from=peer: two students learn in one process; start it "
                                  "without mpirun");
    return kd_fellow_open(&t->fellow, &of, err);
}

static int open_taps(struct kd_trainer *t, struct kd_err *err)
{
    const struct kd_taps_source source = {t->targets, t->seed};
    if (kd_taps_open(&t->taps, &t->loss, t->net, &source, err) < 0) return -1;
    if (t->taps.n && t->aware)
        return kd_fail_usage(err, "train.quantize: a loss on features (%s) is for float networks",
                             t->loss.term[0].name);
    return 0;
}

int kd_trainer_open(struct kd_trainer *t, struct kd_err *err)
{
    const struct kd_train_config *c = &t->job->train;
    if (check(t, err) < 0 ||
        kd_loss_init(&t->loss, t->targets ? &t->job->distill : NULL, c->label_smoothing, err) < 0 ||
        kd_loss_weigh_classes(&t->loss, c->class_weights, t->net->classes, t->train, err) < 0 ||
        open_taps(t, err) < 0)
        return -1;
    t->n_train_eval = t->train->n < c->train_eval ? t->train->n : (uint32_t)c->train_eval;
    if (c->keep == KD_BEST && t->valid->n) {
        t->best_values = kd_alloc(t->net->n_params, sizeof *t->best_values, "the best epoch", err);
        if (!t->best_values) return -1;
    }
    const struct kd_learnt learnt = {t->train->n, (size_t)c->batch, c->shards};
    size_t rows = kd_shards_rows(&learnt, t->team ? t->team->ranks : 1);
    t->shard = c->shards > 1 ? kd_shards_rows(&learnt, (unsigned)c->shards) : 0;
    t->net->shards = c->shards > 1 ? shards_each(t) : 0;
    t->net->brief_gradients = !(c->clip_norm > 0 || t->team); /* which want them all at once */
    const struct kd_taps_rows tapped = {rows, t->shard ? t->shard : rows, t->net->shards};
    if (kd_network_plan(t->net, rows, true, err) < 0 || kd_taps_plan(&t->taps, &tapped, err) < 0 ||
        kd_shards_init(&t->shards, t->net, c->shards, t->team, err) < 0 ||
        kd_optimizer_init(&t->optimizer, c, t->net, err) < 0 ||
        kd_average_init(&t->average, c, t->net, err) < 0 || open_fellow(t, err) < 0)
        return -1;
    lay(t, false);
    if (kd_slab_open(&t->slab, "training", err) < 0) return -1;
    lay(t, true);
    for (uint32_t i = 0; i < t->n_train_eval; i++) /* spread evenly over the training images */
        t->eval_index[i] = t->train->index[(uint64_t)i * t->train->n / t->n_train_eval];
    t->checkpointed = -1e9;
    return 0;
}

void kd_trainer_memory(const struct kd_trainer *t, struct kd_memory *out)
{
    const struct kd_images *im = t->train->images;
    const struct kd_targets *s = t->targets;
    size_t pixels = (size_t)im->c * im->h * im->w * kd_dtype_size(im->dtype);
    if (im->keep.bytes.mapped) pixels = 0; /* they stay in their file */
    *out = (struct kd_memory){
        .network = kd_network_plan_bytes(t->net) + t->shards.slab.planned,
        .optimizer = t->optimizer.slab.planned + t->average.slab.planned,
        .images = im->n * (pixels + (im->labels ? sizeof *im->labels : 0)) +
                  ((size_t)t->train->n + t->valid->n) * sizeof *t->train->index,
        .loop = t->slab.planned + kd_taps_bytes(&t->taps),
    };
    if (s) out->images += kd_targets_bytes(s);
    for (size_t i = 0; s && !kd_targets_stored(s) && i < s->teachers.n; i++)
        out->teachers += kd_network_plan_bytes(s->teachers.models[i].net);
    out->teachers += kd_fellow_bytes(&t->fellow);
    out->total = out->network + out->optimizer + out->images + out->teachers + out->loop;
}

void kd_trainer_close(struct kd_trainer *t)
{
    kd_taps_release(&t->taps);
    kd_loss_release(&t->loss);
    kd_shards_release(&t->shards);
    kd_optimizer_release(&t->optimizer);
    kd_average_release(&t->average);
    kd_fellow_release(&t->fellow);
    kd_slab_release(&t->slab);
    kd_free(t->best_values);
    t->best_values = NULL;
}

/* ---- a step ---- */

/* Views recorded in a file are replayed: their seed, and the epoch modulo their number. */
static struct kd_view view_of(const struct kd_trainer *t, size_t from, size_t rows)
{
    struct kd_view v = {.images = t->train->images,
                        .index = t->batch_index + from,
                        .n = rows,
                        .augment = &t->job->augment,
                        .seed = t->seed,
                        .epoch = t->epoch + 1,
                        .mixed = t->mixed ? t->mixed + from : NULL};
    if (!kd_augment_active(v.augment)) v.augment = NULL;
    if (t->targets && t->targets->augmented) {
        v.seed = t->targets->seed;
        v.epoch = t->epoch % (uint32_t)t->targets->views;
    }
    return v;
}

/* A shard's first row of an array over this rank's images. */
static size_t row_of(const struct kd_trainer *t, const struct kd_shard *s)
{
    return s->from - t->shards.from;
}

static int gather_targets(struct kd_trainer *t, const struct kd_shard *shard, struct kd_err *err)
{
    struct kd_targets *s = t->targets;
    float *to = t->teacher_rows + row_of(t, shard) * t->net->classes;
    if (s->made) return 0; /* it is asked once the images are there */
    if (!kd_targets_stored(s)) {
        struct kd_view view = view_of(t, shard->from, shard->rows);
        struct kd_asking how = {.pool = t->pool};
        return kd_teachers_predict(&s->teachers, &view, t->job->distill.temperature, &how, to, err);
    }
    const double T = t->job->distill.temperature;
    const size_t view = t->epoch % s->views;
    kd_targets_fill(s, view, t->batch_index + shard->from, shard->rows, T, to);
    kd_taps_gather(&t->taps, view, t->batch_index + shard->from, shard->rows);
    if (!t->mixed) return 0;
    const struct kd_mixing mixing = {t->mixed + shard->from, shard->rows, s->classes, T,
                                     s->probabilities};
    kd_targets_fill(s, view, t->with + shard->from, shard->rows, T, t->other_rows);
    kd_mixing_rows(&mixing, to, t->other_rows);
    return 0;
}

static void mix(struct kd_trainer *t, size_t rows)
{
    for (size_t i = 0; i < rows; i++) {
        const struct kd_mixed m =
            kd_mix_draw(&t->job->train.mix, t->train, t->seed, t->epoch, t->batch_index[i]);
        t->mixed[i] = m;
        t->with[i] = m.with;
        t->shares[i] = m.share;
        t->others[i] = m.share < 1 ? kd_subset_label(t->train, m.at) : -1;
    }
}

/* Which images the step has, and their labels. */
static size_t gather(struct kd_trainer *t)
{
    size_t batch = (size_t)t->job->train.batch, from = t->step * batch;
    size_t rows = t->train->n - from < batch ? t->train->n - from : batch;
    for (size_t i = 0; i < rows; i++) {
        uint32_t place = t->order[from + i];
        t->batch_index[i] = t->train->index[place];
        t->labels[i] = kd_subset_label(t->train, place);
    }
    if (t->mixed) mix(t, rows);
    return rows;
}

/* The first parameter that is not finite (running means and variances of batch norm are parameters
 * too), or NULL. 0 times a number is 0, and NAN where it is none: a sum says it for all in one
 * pass. */
static const char *broken_parameter(const struct kd_trainer *t)
{
    for (unsigned i = 0; i < t->net->n_params; i++) {
        const struct kd_param *p = t->net->params[i];
        float sum = 0;
        for (size_t j = 0; j < p->count; j++) sum += 0 * p->value[j];
        if (!isfinite(sum)) return p->name;
    }
    return NULL;
}

static int fail_numbers(const struct kd_trainer *t, uint32_t step, const char *parameter,
                        struct kd_err *err)
{
    static const char hint[] =
        "lower --learning-rate (it is %g), set --clip-norm, or look at --normalize";
    double rate = t->job->train.learning_rate;
    char advice[160];
    snprintf(advice, sizeof advice, hint, rate);
    if (!parameter)
        return kd_fail(err, "epoch %u, step %u: the loss is no longer finite; %s", t->epoch + 1,
                       step, advice);
    return kd_fail(err, "epoch %u, step %u: %s is no longer finite; %s", t->epoch + 1, step,
                   parameter, advice);
}

static int check_parameters(const struct kd_trainer *t, struct kd_err *err)
{
    const char *broken = broken_parameter(t);
    return broken ? fail_numbers(t, t->step, broken, err) : 0;
}

static int check_loss(const struct kd_trainer *t, struct kd_err *err)
{
    if (isfinite(t->sums.loss)) return 0;
    return fail_numbers(t, t->step + 1, broken_parameter(t), err);
}

static struct kd_loss_batch batch_of(const struct kd_trainer *t, const struct kd_shard *s,
                                     size_t whole)
{
    const size_t at = row_of(t, s) * t->net->classes;
    const float *rows = t->fellow.net ? t->fellow.net->out : t->teacher_rows + at;
    return (struct kd_loss_batch){.n = s->rows,
                                  .classes = t->net->classes,
                                  .logits = t->net->out + at,
                                  .labels = t->labels + s->from,
                                  .others = t->mixed ? t->others + s->from : NULL,
                                  .shares = t->mixed ? t->shares + s->from : NULL,
                                  .teacher = t->targets ? rows : NULL,
                                  .teacher_is_probabilities =
                                      t->targets && t->targets->probabilities,
                                  .epoch = t->epoch + (double)t->step / kd_trainer_steps(t),
                                  .pairs = t->taps.pairs,
                                  .whole = whole};
}

static int run_loss(struct kd_trainer *t, const struct kd_shard *s,
                    const struct kd_loss_batch *batch, struct kd_err *err)
{
    const bool alone = s->of == 1;
    const size_t at = row_of(t, s) * t->net->classes;
    struct kd_loss_sums *sums = &t->shard_sums[s->place - t->shards.first];
    *sums = (struct kd_loss_sums){0};
    kd_loss_run(&t->loss, batch, t->net->dout + at, t->loss_scratch, alone ? &t->sums : sums);
    if (!alone && t->team) return 0; /* until all ranks have theirs */
    if (!alone) kd_loss_sums_add(&t->sums, sums);
    return check_loss(t, err);
}

/* The gradient by the logits of one shard; a teacher of the training itself is asked, and a peer
 * learns. */
static int learn_logits(struct kd_trainer *t, const struct kd_shard *s, size_t whole,
                        struct kd_err *err)
{
    const float *in = t->net->in + row_of(t, s) * kd_shape_size(t->net->input);
    const struct kd_pass pass = {.training = true,
                                 .seed = t->seed,
                                 .epoch = t->epoch,
                                 .sample = t->batch_index + s->from,
                                 .rows = s->rows};
    kd_fellow_forward(&t->fellow, in, &pass, t->pool);
    const struct kd_loss_batch batch = batch_of(t, s, whole);
    if (run_loss(t, s, &batch, err) < 0) return -1;
    if (kd_fellow_learn(&t->fellow, &t->loss, &batch, &pass, t->pool) == 0) return 0;
    return fail_numbers(t, t->step + 1, "the peer's loss", err);
}

static struct kd_pass pass_of(const struct kd_trainer *t)
{
    return (struct kd_pass){.training = true,
                            .seed = t->seed,
                            .epoch = t->epoch,
                            .sample = t->batch_index + t->shards.from,
                            .rows = t->shards.rows,
                            .cuts = kd_shards_cuts(&t->shards)};
}

/* This rank's shards of the step's `whole` images, as far as the gradient by the logits. */
static int look(struct kd_trainer *t, size_t whole, struct kd_err *err)
{
    const struct kd_shards *s = &t->shards;
    struct kd_view view = view_of(t, s->from, s->rows);
    kd_view_fill(&view, t->normalize, 0, s->rows, t->pool, t->net->in);
    kd_aware_images(t->aware, s->rows);
    const struct kd_pass pass = pass_of(t);
    kd_network_forward(t->net, t->pool, &pass);
    kd_taps_forward(&t->taps, t->pool, &pass);
    for (unsigned i = s->first; i < s->last; i++) {
        const struct kd_shard shard = kd_shard_at(whole, s->of, i);
        if (t->targets && gather_targets(t, &shard, err) < 0) return -1;
        kd_taps_compare(&t->taps, row_of(t, &shard), shard.rows);
        if (learn_logits(t, &shard, whole, err) < 0) return -1;
    }
    return 0;
}

/* `then` is told of the gradients, in a team once the ranks have put theirs together. */
static void learn(struct kd_trainer *t, const struct kd_gradient_sink *then)
{
    const struct kd_pass pass = pass_of(t);
    const struct kd_gradient_sink *sink = kd_shards_sink(&t->shards, then);
    kd_taps_backward(&t->taps, t->pool, &pass, sink);
    kd_network_backward(t->net, t->pool, &pass, sink);
    kd_shards_finish(&t->shards, then, t->pool);
}

static int meet(struct kd_trainer *t, struct kd_meeting *m, struct kd_err *err)
{
    char place[64];
    snprintf(place, sizeof place, "epoch %u, step %u", t->epoch + 1, t->step + 1);
    m->stop = t->stop && *t->stop;
    return kd_team_meet(t->team, place, m, err);
}

/* The losses of all shards, added in their order. */
static int meet_with_sums(struct kd_trainer *t, int status, struct kd_err *err)
{
    const struct kd_shards *s = &t->shards;
    const unsigned each = shards_each(t), ranks = t->team->ranks;
    struct kd_loss_sums *all = t->shard_sums + each;
    struct kd_meeting m = {
        .status = status, .own = t->shard_sums, .all = all, .bytes = each * sizeof *all};
    if (s->of == 1) m.own = NULL;
    if (meet(t, &m, err) < 0) return -1;
    for (unsigned r = 0; s->of > 1 && r < ranks; r++) {
        const unsigned n =
            kd_sharing_first(s->of, ranks, r + 1) - kd_sharing_first(s->of, ranks, r);
        for (unsigned i = 0; i < n; i++) kd_loss_sums_add(&t->sums, &all[r * each + i]);
    }
    return check_loss(t, err);
}

/* Do ranges of simulated integers still learn in the next step? */
static bool ranges_learn(const struct kd_trainer *t)
{
    const struct kd_train_config *c = &t->job->train;
    double all = (double)c->epochs * kd_trainer_steps(t);
    return !t->optimizer.t || (double)t->optimizer.t < all * c->quantize.freeze;
}

static int step(struct kd_trainer *t, struct kd_err *err)
{
    uint32_t steps = kd_trainer_steps(t);
    double rate = kd_schedule_rate(&t->job->train, (uint64_t)t->epoch * steps + t->step, steps);
    const struct kd_gradient_sink *sink =
        kd_aware_sink(t->aware, kd_optimizer_begin(&t->optimizer, rate));
    const size_t rows = gather(t);
    kd_fellow_begin(&t->fellow, rate, t->optimizer.t);
    kd_aware_round(t->aware, t->pool);
    kd_shards_begin(&t->shards, rows);
    int status = look(t, rows, err);
    if (t->team) status = meet_with_sums(t, status, err);
    if (status < 0) return -1;
    learn(t, sink);
    kd_aware_restore(t->aware);
    kd_optimizer_finish(&t->optimizer, t->pool);
    kd_fellow_finish(&t->fellow, t->pool);
    kd_aware_learn(t->aware, t->optimizer.t - 1, ranges_learn(t));
    kd_average_update(&t->average, t->optimizer.t, t->pool);
    t->step++;
    return 0;
}

/* ---- an epoch ---- */

static void shuffle(struct kd_trainer *t)
{
    for (uint32_t i = 0; i < t->train->n; i++) t->order[i] = i;
    struct kd_rng r = kd_rng_for(t->seed, KD_FOR_SHUFFLE, t->epoch, 0);
    kd_shuffle(t->order, t->train->n, &r);
}

static int evaluate(struct kd_trainer *t, const struct kd_images *images, const uint32_t *index,
                    uint32_t n, struct kd_metrics *out, struct kd_err *err)
{
    struct kd_view view = {.images = images, .index = index, .n = n};
    struct kd_model model = {.path = "the network", .net = t->net, .normalize = *t->normalize};
    struct kd_asking how = {
        .pool = t->pool, .team = t->team, .block = t->shard, .cuts = &t->blocks};
    *out = (struct kd_metrics){0};
    if (!n || !images->labels) return 0;
    if (kd_predict(&model, &view, &how, t->eval_logits, err) < 0) return -1;
    for (uint32_t i = 0; i < n; i++) t->eval_labels[i] = images->labels[index[i]];
    kd_metrics_of(t->eval_logits, t->eval_labels, n, t->net->classes, out, NULL);
    return 0;
}

static bool better(const struct kd_metrics *a, const struct kd_metrics *b)
{
    return a->top1 != b->top1 ? a->top1 > b->top1 : a->loss < b->loss;
}

static void remember_best(struct kd_trainer *t)
{
    if (t->best.epoch && !better(&t->last.valid, &t->best.valid)) return;
    t->best = t->last;
    for (unsigned i = 0; t->best_values && i < t->net->n_params; i++)
        memcpy(t->best_values[i], t->net->params[i]->value,
               t->net->params[i]->count * sizeof(float));
    if (!t->best_ranges) return;
    size_t n;
    const float *ranges = kd_aware_ranges(t->aware, &n);
    memcpy(t->best_ranges, ranges, 2 * n * sizeof *ranges);
}

void kd_trainer_adopt_ranges(struct kd_trainer *t)
{
    kd_aware_adopt(t->aware, t->optimizer.t > 0, ranges_learn(t));
}

void kd_trainer_log_terms(const struct kd_trainer *t, const double *values, double rows,
                          struct kd_epoch_log *log)
{
    log->terms = (struct kd_terms){0};
    for (unsigned i = 0; i < t->loss.n; i++)
        kd_terms_add(&log->terms, t->loss.term[i].name, values[i] / rows);
}

static int finish_epoch(struct kd_trainer *t, struct kd_err *err)
{
    const struct kd_loss_sums *s = &t->sums;
    if (check_parameters(t, err) < 0 || kd_views_check(err) < 0) return -1;
    double rows = (double)s->rows, labelled = (double)s->labelled;
    double seconds = kd_seconds() - t->epoch_started, done = rows - (double)t->rows_before;
    double pace = seconds > 0 ? done / seconds : 0; /* of what this process did of the epoch */
    t->last = (struct kd_epoch_log){
        .epoch = t->epoch + 1,
        .step = (uint64_t)(t->epoch + 1) * kd_trainer_steps(t),
        .lr = t->optimizer.rate,
        .loss = s->loss / rows,
        .hard = labelled > 0 ? s->hard / labelled : NAN,
        .soft = t->targets ? s->term[0] / rows : NAN,
        .top1 = labelled > 0 ? (double)s->correct / labelled : NAN,
        .seconds = pace > 0 ? rows / pace : seconds,
        .images_per_second = pace,
    };
    kd_trainer_log_terms(t, s->term, rows, &t->last);
    kd_average_swap(&t->average);
    uint32_t shown = t->train->labelled ? t->n_train_eval
                                        : 0; /* labels that are to be unknown are not looked at */
    kd_aware_round(t->aware, t->pool);
    int status = evaluate(t, t->train->images, t->eval_index, shown, &t->last.train_eval, err);
    if (status == 0)
        status = evaluate(t, t->valid->images, t->valid->index, t->valid->n, &t->last.valid, err);
    kd_aware_restore(t->aware);
    if (status == 0 && t->last.valid.n) remember_best(t);
    kd_average_swap(&t->average);
    if (status < 0) return -1;
    t->sums = (struct kd_loss_sums){0};
    t->step = 0;
    t->epoch++;
    return t->on_epoch ? t->on_epoch(t->ctx, &t->last, err) : 0;
}

static bool out_of_patience(const struct kd_trainer *t)
{
    int64_t patience = t->job->train.patience;
    return patience > 0 && t->best.epoch && (int64_t)t->epoch - (int64_t)t->best.epoch >= patience;
}

static int checkpoint(struct kd_trainer *t, struct kd_err *err)
{
    if (!t->on_checkpoint) return 0;
    if (check_parameters(t, err) < 0) return -1;
    t->checkpointed = kd_seconds();
    kd_average_swap(&t->average);
    int status = t->on_checkpoint(t->ctx, err);
    kd_average_swap(&t->average);
    return status;
}

static int checkpoint_if_due(struct kd_trainer *t, const struct kd_interval *every,
                             struct kd_err *err)
{
    double since = kd_seconds() - t->checkpointed;
    uint64_t steps = (uint64_t)t->epoch * kd_trainer_steps(t) + t->step;
    bool due = false;
    if (every->unit == KD_SECONDS) due = since >= every->amount;
    if (every->unit == KD_STEPS) due = fmod((double)steps, ceil(every->amount)) == 0;
    if (every->unit == KD_EPOCHS)
        due = t->step == 0 && fmod(t->epoch, ceil(every->amount)) == 0 &&
              since >= least_between_checkpoints;
    return due ? checkpoint(t, err) : 0;
}

/* A team stops together: at the step before which all know that one was asked to. */
static bool stop_asked(const struct kd_trainer *t)
{
    return t->team ? t->team->stop : t->stop && *t->stop;
}

int kd_trainer_run(struct kd_trainer *t, struct kd_err *err)
{
    struct kd_interval every;
    if (kd_interval_parse(t->job->train.checkpoint_every, &every, err) < 0) return -1;
    uint32_t steps = kd_trainer_steps(t), epochs = (uint32_t)t->job->train.epochs;
    while (t->epoch < epochs && !out_of_patience(t)) {
        t->epoch_started = kd_seconds();
        t->rows_before = t->step ? t->sums.rows : 0;
        shuffle(t);
        while (t->step < steps) {
            if (stop_asked(t)) return checkpoint(t, err) < 0 ? -1 : 1;
            if (step(t, err) < 0) return -1;
            kd_progress_tick(t->progress, (uint64_t)t->epoch * steps + t->step,
                             (uint64_t)epochs * steps, "steps", NULL);
            if (t->step < steps && checkpoint_if_due(t, &every, err) < 0) return -1;
        }
        if (finish_epoch(t, err) < 0 || checkpoint_if_due(t, &every, err) < 0) return -1;
    }
    return 0;
}

void kd_trainer_choose(struct kd_trainer *t)
{
    float *const *chosen = t->best_values && t->best.epoch ? t->best_values : t->average.value;
    for (unsigned i = 0; chosen && i < t->net->n_params; i++)
        memcpy(t->net->params[i]->value, chosen[i], t->net->params[i]->count * sizeof(float));
    if (!t->best_ranges || !t->best.epoch) return;
    size_t n;
    float *ranges = kd_aware_ranges(t->aware, &n);
    memcpy(ranges, t->best_ranges, 2 * n * sizeof *ranges);
    kd_trainer_adopt_ranges(t);
}

const struct kd_epoch_log *kd_trainer_chosen(const struct kd_trainer *t)
{
    return t->best_values && t->best.epoch ? &t->best : &t->last;
}
