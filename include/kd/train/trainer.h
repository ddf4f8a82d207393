/* The one epoch loop: teachers, plain and distilled students are trained by it.
 *
 *     struct kd_trainer t = {.net = net, .normalize = &normalize, .job = &job, .train = &train,
 * ...}; kd_trainer_open(&t, &err);                // plans memory; fields below "state" are then
 * ready kd_checkpoint_restore(...)                // optional: kd/train/checkpoint.h
 *     kd_trainer_run(&t, &err);                 // 0: finished, 1: stopped by *stop, -1: failed
 *     kd_trainer_choose(&t);                    // net now holds the epoch to keep
 *     kd_trainer_close(&t);
 *
 * Everything random is a pure function of (seed, epoch, image), so the state is: parameters, their
 * average, optimizer, best epoch so far, place (epoch and step) and the sums of the epoch under
 * way. Nothing is allocated while training. */
#ifndef KD_TRAIN_TRAINER_H
#define KD_TRAIN_TRAINER_H
#include "kd/nn/aware.h"
#include "kd/run/log.h"
#include "kd/train/average.h"
#include "kd/train/fellow.h"
#include "kd/train/loss.h"
#include "kd/train/optimizer.h"
#include "kd/train/shards.h"
#include "kd/train/taps.h"
#include "kd/train/targets.h"

struct kd_epoch_log { /* what log.jsonl has a line of */
    uint32_t epoch;   /* from 1 */
    uint64_t step;    /* steps done in all */
    double lr;        /* of the last step */
    double loss, hard, soft,
        top1; /* over the training images as they were learnt; soft NAN without a teacher */
    struct kd_terms terms;               /* of the loss beside the labels': the first is `soft` */
    struct kd_metrics train_eval, valid; /* n == 0: not evaluated */
    double seconds, images_per_second;
};

struct kd_trainer {
    /* given */
    struct kd_network *net;
    const struct kd_normalize *normalize;
    const struct kd_job *job;
    const struct kd_subset *train, *valid; /* valid may have n == 0 */
    struct kd_targets *targets;            /* NULL: labels alone */
    struct kd_aware *aware;                /* simulated integers; NULL: none */
    uint64_t seed;
    struct kd_pool *pool;
    struct kd_team *team;     /* ranks that share out the shards; NULL: a process by itself */
    const volatile int *stop; /* looked at between steps; may be NULL */
    /* Called at the end of each epoch, and when a checkpoint is due, with the average in net (all
     * may be NULL). -1 ends the training. */
    int (*on_epoch)(void *ctx, const struct kd_epoch_log *log, struct kd_err *err);
    int (*on_checkpoint)(void *ctx, struct kd_err *err);
    void *ctx;
    const struct kd_progress *progress;

    /* state: what a checkpoint holds */
    struct kd_loss loss;
    struct kd_taps taps; /* of a loss that compares features: with parameters that learn */
    struct kd_shards shards;
    struct kd_optimizer optimizer;
    struct kd_fellow fellow;   /* a teacher of the training itself; a peer's network is given */
    struct kd_average average; /* what is evaluated, remembered and saved, where there is one */
    uint32_t epoch;            /* from 0: the one under way */
    uint32_t step;             /* steps of it done */
    struct kd_loss_sums sums;  /* of it */
    struct kd_epoch_log best, last; /* best.epoch 0: none yet */
    float **best_values;            /* [parameter] -> [count]; NULL where the last is kept */
    float *best_ranges;             /* as kd_aware_ranges; NULL where there are none to keep */

    /* scratch */
    uint32_t *order, *batch_index, *eval_index;
    int32_t *labels, *eval_labels;
    struct kd_mixed *mixed; /* [batch] where images are mixed, as what follows; else NULL */
    int32_t *others;        /* [batch] labels of what they are mixed with */
    float *shares;          /* [batch] */
    uint32_t *with;         /* [batch] places of what they are mixed with */
    float *other_rows;      /* [shard][classes] stored soft targets of these */
    float *teacher_rows, *eval_logits;
    double *loss_scratch;
    struct kd_loss_sums *shard_sums; /* this rank's, and behind them those of each */
    uint32_t n_train_eval;
    size_t shard; /* images of the largest one: evaluated in blocks of so many; 0: no shards */
    struct kd_cuts blocks;
    struct kd_slab slab;
    double epoch_started, checkpointed;
    uint64_t rows_before; /* of this epoch, where it was resumed */
};

int kd_trainer_open(struct kd_trainer *t, struct kd_err *err);
int kd_trainer_run(struct kd_trainer *t, struct kd_err *err);
void kd_trainer_choose(struct kd_trainer *t); /* the epoch that job->train.keep names into net */
/* The terms of the loss into a log; values [loss.n] are sums over `rows`. */
void kd_trainer_log_terms(const struct kd_trainer *t, const double *values, double rows,
                          struct kd_epoch_log *log);
/* The ranges of simulated integers have been written to. */
void kd_trainer_adopt_ranges(struct kd_trainer *t);
const struct kd_epoch_log *kd_trainer_chosen(const struct kd_trainer *t);
void kd_trainer_close(struct kd_trainer *t);
uint32_t kd_trainer_steps(const struct kd_trainer *t); /* an epoch's */

/* What a training needs, in bytes, once it is open. On top come the program itself and what BLAS
 * packs into, some MB. */
struct kd_memory {
    size_t network;   /* parameters, gradients, activations, scratch */
    size_t optimizer; /* its state, and the average's */
    size_t images;    /* with labels and the lists of which are used; the soft targets too */
    size_t teachers;  /* at hand, where there are no stored targets */
    size_t loop;      /* order, one batch, evaluation, the best epoch */
    size_t total;
};
void kd_trainer_memory(const struct kd_trainer *t, struct kd_memory *out);
/* As a line of log.jsonl has it. */
struct kd_epoch kd_epoch_log_record(const struct kd_epoch_log *log);
cJSON *kd_epoch_log_to_json(const struct kd_epoch_log *log, struct kd_err *err);

/* "50steps", "1epoch", "5min", "never" */
struct kd_interval {
    double amount;
    enum { KD_NEVER, KD_STEPS, KD_EPOCHS, KD_SECONDS } unit;
};
int kd_interval_parse(const char *text, struct kd_interval *out, struct kd_err *err);
#endif
