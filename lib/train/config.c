#include "kd/train/config.h"
#include "kd/base/mem.h"
#include "kd/nn/model.h"
#include "kd/nn/network.h"

#include <math.h>
#include <string.h>

#define T(field) offsetof(struct kd_train_config, field)
const struct kd_option kd_train_rows[] = {
    {"epochs", 'e', "epochs", KD_OPT_INT, T(epochs), .preset = "20", .min = 1, .max = 1e6,
     .metavar = "N", .help = "passes over the training images",
     .also = "epoch num-epochs n-epochs max-epochs iterations"},
    {"batch", 'b', "batch", KD_OPT_INT, T(batch), .preset = "100", .min = 1, .max = 1e6,
     .metavar = "N", .help = "images a step", .also = "bs batch-size batchsize minibatch"},
    {"shards", 0, "shards", KD_OPT_INT, T(shards), .preset = "1", .min = 1, .max = KD_MOST_SHARDS,
     .metavar = "N", .later = true, .also = "shard accumulation-steps gradient-accumulation-steps",
     .help = "parts of a batch whose gradients are summed alone; a power of two",
     .more = "Batchnorm takes the statistics of each part by itself, and so do losses that compare "
             "the images of a batch. The model depends on this number, and not on how many "
             "processes or threads the parts are shared out to. A step that has fewer than two "
             "images a part is not cut. More parts need less memory for a step."},
    {"learning-rate", 'l', "learning_rate", KD_OPT_REAL, T(learning_rate), .preset = "0.001",
     .min = 0, .max = 1e3, .metavar = "RATE", .help = "largest learning rate of the schedule",
     .also = "lr rate eta step-size"},
    {"optimizer", 0, "optimizer.kind", KD_OPT_CHOICE, T(optimizer.kind), .preset = "adam",
     .choices = KD_CHOICES(KD_OPTIMIZERS), .metavar = "KIND", .help = "optimizer",
     .also = "optim opt"},
    {"momentum", 0, "optimizer.momentum", KD_OPT_REAL, T(optimizer.momentum), .preset = "0.9",
     .min = 0, .max = 0.9999, .metavar = "M", .help = "momentum of sgd"},
    {"nesterov", 0, "optimizer.nesterov", KD_OPT_BOOL, T(optimizer.nesterov),
     .help = "Nesterov's form of momentum"},
    {"beta1", 0, "optimizer.beta1", KD_OPT_REAL, T(optimizer.beta1), .preset = "0.9", .min = 0,
     .max = 0.9999, .metavar = "B", .help = "decay of adam's mean of gradients"},
    {"beta2", 0, "optimizer.beta2", KD_OPT_REAL, T(optimizer.beta2), .preset = "0.999", .min = 0,
     .max = 0.999999, .metavar = "B", .help = "decay of adam's mean of squared gradients"},
    {"epsilon", 0, "optimizer.epsilon", KD_OPT_REAL, T(optimizer.epsilon), .preset = "1e-8",
     .min = 1e-30, .max = 1, .metavar = "E", .help = "added to adam's denominator"},
    {"bias-rate", 0, "optimizer.bias_rate", KD_OPT_REAL, T(optimizer.bias_rate), .preset = "1",
     .min = 0, .max = 1e4, .metavar = "FACTOR",
     .help = "learning rate of biases, those of batchnorm too, as a multiple"},
    {"norm-rate", 0, "optimizer.norm_rate", KD_OPT_REAL, T(optimizer.norm_rate), .preset = "1",
     .min = 0, .max = 1e4, .metavar = "FACTOR",
     .help = "learning rate of batchnorm's weights, as a multiple"},
    {"decoupled", 0, "optimizer.decoupled", KD_OPT_BOOL, T(optimizer.decoupled),
     .help = "weight decay of sgd apart from the gradient and its momentum",
     .more = "Each step the weights shrink by the factor 1 - learning rate times decay, as adamw "
             "does it."},
    {"weight-decay", 0, "weight_decay", KD_OPT_REAL, T(weight_decay), .preset = "0", .min = 0,
     .max = 1e3, .metavar = "D",
     .help =
         "decay of weights (not biases); added to the gradient, or apart from it where decoupled",
     .also = "wd l2 decay"},
    {"clip-norm", 0, "clip_norm", KD_OPT_REAL, T(clip_norm), .preset = "0", .min = 0, .max = 1e9,
     .metavar = "LENGTH", .help = "shorten gradients longer than this; 0 is off",
     .also = "clip clipping grad-clip gradient-clip max-grad-norm",
     .more = "The length is over all parameters."},
    {"label-smoothing", 0, "label_smoothing", KD_OPT_REAL, T(label_smoothing), .preset = "0",
     .min = 0, .max = 0.9999, .metavar = "S", .help = "share of the label spread over all classes",
     .also = "smoothing", .more = "Soft targets are not touched."},
    {"class-weights", 0, "class_weights", KD_OPT_JSON, T(class_weights), .metavar = "JSON",
     .later = true, .also = "class-weight pos-weight",
     .help = "weights of the classes in the labels' cross-entropy: balanced, or a list",
     .more = "`balanced` lets each class count as much as any other: images / (classes times the "
             "class's images). Soft targets and validation are not touched."},
    {"mix", 0, "mix.kind", KD_OPT_CHOICE, T(mix.kind), .preset = "none",
     .choices = KD_CHOICES(KD_MIXES), .metavar = "HOW", .later = true, .also = "mixup cutmix",
     .help = "mix each training image, and its label, with another one",
     .more =
         "`mixup` adds the two with weights s and 1 - s (Zhang et al. 2018, mixup: Beyond "
         "Empirical "
         "Risk Minimization). `cutmix` lays a rectangle of the other over the image, whose share "
         "of the area is 1 - s (Yun et al. 2019, CutMix). The other one and s are drawn anew for "
         "each image in each epoch, from the training images alone. A teacher at hand is asked "
         "about the mixed image; stored soft targets of the two are mixed as the labels are, at "
         "the student's temperature."},
    {"mix-alpha", 0, "mix.alpha", KD_OPT_REAL, T(mix.alpha), .preset = "1", .min = 0.01, .max = 100,
     .metavar = "A", .later = true,
     .help = "s is drawn from the distribution Beta(A, A): below 1 mostly near 0 or 1"},
    {"mix-share", 0, "mix.share", KD_OPT_REAL, T(mix.share), .preset = "1", .min = 0, .max = 1,
     .metavar = "SHARE", .later = true, .also = "mix-prob mixup-prob cutmix-prob",
     .help = "share of the images that are mixed"},
    {"init", 0, "init", KD_OPT_TEXT, T(init), .metavar = "MODEL", .later = true,
     .also = "pretrained weights finetune fine-tune start-from initial-weights",
     .help = "start from the weights of another model, as far as they fit by name and shape",
     .more =
         "A model, a checkpoint or their folder; in an experiment also `teacher`, or a student, "
         "of the same seed. What does not fit starts as usual, and is told."},
    {"freeze", 0, "freeze", KD_OPT_TEXTS, T(freeze), .metavar = "PATTERN", .later = true,
     .also = "frozen freeze-layers",
     .help = "parameters that stay as they are, by name: 0.*, *.bias; may be repeated",
     .more = "`*` stands for any characters and `?` for one; `kd-show` lists the names. Running "
             "statistics of batchnorm are not meant: they go on."},
    {"rates", 0, "rates", KD_OPT_JSON, T(rates), .metavar = "JSON", .later = true,
     .also = "layer-rates discriminative-rates lr-mult",
     .help = "learning rates of parameters, as multiples: {PATTERN: FACTOR, ...}",
     .more = "Of several patterns that match, the last one counts. It goes with the multiples for "
             "biases and norms."},
    {"schedule", 0, "schedule.kind", KD_OPT_CHOICE, T(schedule.kind), .preset = "cosine",
     .choices = KD_CHOICES(KD_SCHEDULES), .metavar = "KIND",
     .help = "how the learning rate changes", .also = "scheduler lr-schedule lr-scheduler",
     .more =
         "`one_cycle` rises from 1/25 of the rate over the first 30 % of the steps and falls to "
         "1/250000 of it, each along half a cosine (Smith and Topin 2018)."},
    {"warmup", 0, "schedule.warmup", KD_OPT_REAL, T(schedule.warmup), .preset = "0", .min = 0,
     .max = 1e6, .metavar = "EPOCHS",
     .help = "linear rise of the learning rate before the schedule",
     .more = "It may be a fraction of an epoch."},
    {"step-every", 0, "schedule.every", KD_OPT_REAL, T(schedule.every), .preset = "10",
     .min = 0.001, .max = 1e6, .metavar = "EPOCHS",
     .help = "epochs between the drops of schedule step"},
    {"milestones", 0, "schedule.milestones", KD_OPT_REALS, T(schedule.milestones), .min = 0,
     .max = 1e6, .metavar = "EPOCH,...", .later = true,
     .help = "epochs after which schedule step drops, instead of every so many",
     .more = "They count from the start of the training. The usual ones of 240 epochs on CIFAR are "
             "150,180,210."},
    {"gamma", 0, "schedule.gamma", KD_OPT_REAL, T(schedule.gamma), .preset = "0.1", .min = 0,
     .max = 1, .metavar = "FACTOR",
     .help = "factor of each drop (step) or each epoch (exponential)"},
    {"final-rate", 0, "schedule.final", KD_OPT_REAL, T(schedule.final), .preset = "0", .min = 0,
     .max = 1, .metavar = "SHARE",
     .help = "last learning rate of schedules cosine and triangular, as a share"},
    {"start-rate", 0, "schedule.start", KD_OPT_REAL, T(schedule.start), .preset = "0", .min = 0,
     .max = 1, .metavar = "SHARE",
     .help = "first learning rate of schedule triangular, as a share"},
    {"peak", 0, "schedule.peak", KD_OPT_REAL, T(schedule.peak), .preset = "0.3", .min = 0, .max = 1,
     .metavar = "SHARE", .help = "share of the training in which schedule triangular rises"},
    {"ema-decay", 0, "ema.decay", KD_OPT_REAL, T(ema.decay), .preset = "0", .min = 0,
     .max = 0.999999, .metavar = "D",
     .help = "keep a running average of the weights with this decay, and evaluate and save it",
     .also = "ema",
     .more = "The average holds batchnorm's running figures too; 0 is off. Each update takes the "
             "share 1 - D from the weights as they are, more in the first ones."},
    {"ema-every", 0, "ema.every", KD_OPT_INT, T(ema.every), .preset = "1", .min = 1, .max = 1e6,
     .metavar = "STEPS", .help = "steps between updates of that average"},
    {"quantize", 0, "quantize.kind", KD_OPT_CHOICE, T(quantize.kind), .preset = "none",
     .choices = KD_CHOICES(KD_QUANTIZE_KINDS), .metavar = "KIND", .later = true,
     .also = "qat quantization quantisation int8",
     .help = "train as if in integers, and write the integer model",
     .more =
         "Goes on from a float model (`--init`). Its batchnorm is folded, with the "
         "statistics that it has. In each step weights are rounded to the 8 bits of their "
         "output channel, and activations to those of their range; the gradient passes rounding "
         "as if it were not there (straight-through). kd-quantize(1) does without a training, "
         "which often is enough."},
    {"quantize-freeze", 0, "quantize.freeze", KD_OPT_REAL, T(quantize.freeze), .preset = "0.5",
     .min = 0, .max = 1, .metavar = "SHARE", .later = true,
     .help = "share of the training after which the ranges of activations stay",
     .more = "Until then they are averages over batches."},
    {"patience", 0, "patience", KD_OPT_INT, T(patience), .preset = "0", .min = 0, .max = 1e6,
     .metavar = "EPOCHS", .help = "stop after so many epochs without a better validation; 0 is off",
     .also = "early-stopping early-stop", .more = "Needs `--validation`."},
    {"keep-epoch", 0, "keep", KD_OPT_CHOICE, T(keep), .preset = "best",
     .choices = KD_CHOICES(KD_CHOICES_OF_EPOCH), .metavar = "WHICH",
     .help = "the epoch best on validation, or the last one",
     .more = "Where there is no validation it is the last one. The test set never has a say."},
    {"train-eval", 0, "train_eval", KD_OPT_INT, T(train_eval), .preset = "2000", .min = 0,
     .max = 1e9, .metavar = "N", .help = "training images evaluated each epoch beside validation",
     .more = "They are always the same ones."},
    {"checkpoint-every", 0, "checkpoint_every", KD_OPT_TEXT, T(checkpoint_every),
     .preset = "1epoch", .metavar = "WHEN", .aside = true,
     .help = "50steps, 1epoch, 30s, 5min, 1h, or never",
     .more = "Checkpoints due at the end of an epoch are left out while the one before is younger "
             "than two seconds. A stopped training writes one in any case."},
    {0},
};

void kd_job_sections(struct kd_job *job, struct kd_opt_section out[KD_JOB_SECTIONS])
{
    const struct kd_opt_section list[KD_JOB_SECTIONS] = {
        {"train", "Training", kd_train_rows, &job->train, NULL},
        {"augment", "Augmentation", kd_augment_rows, &job->augment, NULL},
        {"data", "Data", kd_data_rows, &job->data, NULL},
        {"distill", "Distillation", kd_distill_rows, &job->distill, NULL},
        {"correct", "Correction", kd_correct_rows, &job->correct, NULL},
        {0},
    };
    memcpy(out, list, sizeof list);
}

static cJSON *section_json(const struct kd_opt_section *sections, const char *name,
                           struct kd_err *err)
{
    return kd_opts_to_json(kd_opts_section(sections, name), err);
}

const struct kd_config_part kd_job_parts[] = {
    {"train", kd_train_rows, false},    {"train.augment", kd_augment_rows, false},
    {"data", kd_data_rows, false},      {"distill", kd_distill_rows, true},
    {"correct", kd_correct_rows, true}, {0},
};

int kd_config_same(const char *there, const char *now, struct kd_err *err)
{
    struct kd_err unreadable; /* then it is none that kd wrote */
    if (!there) return 0;
    if (strcmp(there, now) == 0) return 1;
    cJSON *a = kd_json_parse(there, strlen(there), "kd.config", &unreadable);
    cJSON *b = kd_json_parse(now, strlen(now), "kd.config", err);
    int differ = b ? kd_configs_differ(a, b, kd_job_parts, KD_SAME_TRAINING, NULL, err) : -1;
    cJSON_Delete(a);
    cJSON_Delete(b);
    return differ < 0 ? -1 : !differ;
}

void kd_job_release(struct kd_job *job)
{
    struct kd_opt_section sections[KD_JOB_SECTIONS];
    kd_job_sections(job, sections);
    kd_opts_release(sections);
    cJSON_Delete(job->network);
    kd_free(job->name);
    *job = (struct kd_job){0};
}

int kd_job_resolve(struct kd_job *job, struct kd_err *err)
{
    return job->distilled ? kd_distill_resolve(&job->distill, err) : 0;
}

/* A network in a file stands there as its layers. */
static void put_network(struct kd_maker *to, const char *key, const cJSON *network,
                        struct kd_err *err)
{
    if (cJSON_IsString(network) && strstr(network->valuestring, ".json"))
        kd_put_json(to, key, kd_network_layers(network, err));
    else
        kd_put_copy(to, key, network);
}

static cJSON *distill_json(const struct kd_job *job, const struct kd_opt_section *s,
                           struct kd_err *err)
{
    cJSON *json = section_json(s, "distill", err);
    if (!json || !job->distill.peer) return json;
    cJSON_DeleteItemFromObjectCaseSensitive(json, "peer");
    struct kd_maker b = kd_make_on(json, err);
    put_network(&b, "peer", job->distill.peer, err);
    return kd_make_end(&b);
}

cJSON *kd_job_to_json(const struct kd_job *job, struct kd_err *err)
{
    struct kd_job copy = *job; /* sections want something they could write to */
    struct kd_opt_section s[KD_JOB_SECTIONS];
    kd_job_sections(&copy, s);
    struct kd_maker train = kd_make_on(section_json(s, "train", err), err);
    kd_put_json(&train, "augment", section_json(s, "augment", err));
    struct kd_maker all = kd_make_object(err);
    kd_put_text(&all, "name", job->name);
    put_network(&all, "network", job->network, err);
    kd_put_json(&all, "data", section_json(s, "data", err));
    kd_put_json(&all, "train", kd_make_end(&train));
    if (job->distilled) kd_put_json(&all, "distill", distill_json(job, s, err));
    if (job->corrected) kd_put_json(&all, "correct", section_json(s, "correct", err));
    return kd_make_end(&all);
}

/* Keys of teachers that are no models elsewhere. */
static int check_own_keys(const struct kd_distill_config *d, struct kd_err *err)
{
    const enum kd_own_teacher own = kd_own_teacher(d);
    if (!isnan(d->certainty) && own != KD_TEACHER_LABELS)
        return kd_fail_usage(err, "distill.certainty: goes with distill.from=labels (--from "
                                  "labels), the virtual teacher; another teacher has its own");
    if (d->peer && own != KD_TEACHER_PEER)
        return kd_fail_usage(err, "distill.peer: is the network of a second student; it goes with "
                                  "distill.from=peer (--from peer)");
    return 0;
}

int kd_job_check_own(const struct kd_job *job, enum kd_own_teacher own, struct kd_err *err)
{
    const struct kd_train_config *t = &job->train;
    if (own < KD_TEACHER_AVERAGE) return 0;
    if (own == KD_TEACHER_AVERAGE && t->ema.decay <= 0)
        return kd_fail_usage(err, "distill.from=average: is the running average that train.ema "
                                  "keeps; set its decay (--ema-decay 0.999)");
    if (own == KD_TEACHER_PEER && t->shards > 1)
        return kd_fail_usage(err, "train.shards: two students at a time (distill.from=peer) learn "
                                  "from whole batches in one process; set it to 1, without mpirun");
    if (t->quantize.kind != KD_QUANTIZE_NONE)
        return kd_fail_usage(err, "train.quantize: simulated integers learn from a teacher that is "
                                  "there; name one in distill.from");
    if (job->corrected)
        return kd_fail_usage(err, "distill.from: a corrected student is not trained, so its "
                                  "teacher has to be there; name one");
    return 0;
}

int kd_job_check(const struct kd_job *job, struct kd_err *err)
{
    const struct kd_train_config *t = &job->train;
    if (t->schedule.warmup >= (double)t->epochs)
        return kd_fail_usage(
            err,
            "train.schedule.warmup: it takes %g of the %lld epochs; it has to be fewer, 0 for none",
            t->schedule.warmup, (long long)t->epochs);
    if (t->optimizer.nesterov && (t->optimizer.kind != KD_SGD || t->optimizer.momentum <= 0))
        return kd_fail_usage(err, "train.optimizer.nesterov: needs optimizer sgd with momentum");
    if (t->optimizer.decoupled && t->optimizer.kind != KD_SGD)
        return kd_fail_usage(
            err, "train.optimizer.decoupled: is for optimizer sgd; adam with decay apart from "
                 "the gradient is adamw");
    if (t->shards & (t->shards - 1))
        return kd_fail_usage(err, "train.shards: %lld is no power of two; 1, 2, 4, 8, ... are",
                             (long long)t->shards);
    if (t->patience > 0 && job->data.validation <= 0)
        return kd_fail_usage(err, "train.patience: needs validation images; set data.validation "
                                  "(--validation)");
    if (t->quantize.kind != KD_QUANTIZE_NONE && !t->init)
        return kd_fail_usage(err, "train.quantize: it starts from a float model; set train.init "
                                  "(--init MODEL)");
    if (job->distilled && check_own_keys(&job->distill, err) < 0) return -1;
    if (t->mix.kind != KD_MIX_NONE && job->distilled &&
        kd_distill_check_mixed(&job->distill, err) < 0)
        return -1;
    if (job->data.unlabelled && kd_distill_check_unlabelled(job->distilled ? &job->distill : NULL,
                                                            "data.unlabelled", err) < 0)
        return -1;
    return 0;
}

int kd_model_data(const struct kd_model *model, struct kd_data_config *out, struct kd_err *err)
{
    const struct kd_opt_section s[] = {{"", "", kd_data_rows, out, NULL}, {0}};
    const cJSON *text = cJSON_GetObjectItemCaseSensitive(model->metadata, "kd.config");
    if (kd_opts_preset(s, err) < 0) return -1;
    if (!cJSON_IsString(text)) return kd_input_from_metadata(&out->input, model->metadata, err);
    cJSON *config = kd_json_parse(text->valuestring, strlen(text->valuestring), "kd.config", err);
    const cJSON *data = cJSON_GetObjectItemCaseSensitive(config, "data");
    int status = !config ? -1 : data ? kd_opts_from_json(s, data, "kd.config.data", NULL, err) : 0;
    cJSON_Delete(config);
    return status == 0 ? kd_input_from_metadata(&out->input, model->metadata, err) : -1;
}
