/* What a training is asked to do: plain structs, with the rows that bind them to JSON and flags. */
#ifndef KD_TRAIN_CONFIG_H
#define KD_TRAIN_CONFIG_H
#include "kd/base/option.h"
#include "kd/data/batch.h"
#include "kd/data/split.h"
#include "kd/run/settings.h"

/* Choices and their names, which files and flags have too: kd/base/option.h. */
#define KD_OPTIMIZERS(X) X(KD_SGD, "sgd") X(KD_ADAM, "adam") X(KD_ADAMW, "adamw")
#define KD_SCHEDULES(X)                                                                            \
    X(KD_CONSTANT, "constant")                                                                     \
    X(KD_STEP, "step")                                                                             \
    X(KD_EXPONENTIAL, "exponential")                                                               \
    X(KD_COSINE, "cosine")                                                                         \
    X(KD_ONE_CYCLE, "one_cycle")                                                                   \
    X(KD_TRIANGULAR, "triangular")
#define KD_QUANTIZE_KINDS(X)   X(KD_QUANTIZE_NONE, "none") X(KD_QUANTIZE_INT8, "int8")
#define KD_CHOICES_OF_EPOCH(X) X(KD_BEST, "best") X(KD_LAST, "last")
#define KD_CONFIDENCES(X)                                                                          \
    X(KD_CONFIDENCE_NONE, "none") X(KD_CONFIDENCE_TOP, "top") X(KD_CONFIDENCE_LABEL, "label")
#define KD_AVERAGES(X) X(KD_AVERAGE_LOGITS, "logits") X(KD_AVERAGE_PROBABILITIES, "probabilities")
#define KD_CORRECT_BYS(X)                                                                          \
    X(KD_BY_TRANSFER, "transfer") X(KD_BY_BALANCED, "balanced") X(KD_BY_TEST, "test")
enum kd_optimizer_kind { KD_OPTIMIZERS(KD_CHOICE_ENUM) };
enum kd_schedule_kind { KD_SCHEDULES(KD_CHOICE_ENUM) };
enum kd_quantize_kind { KD_QUANTIZE_KINDS(KD_CHOICE_ENUM) };
enum kd_choice_of_epoch { KD_CHOICES_OF_EPOCH(KD_CHOICE_ENUM) };
enum kd_confident_of { KD_CONFIDENCES(KD_CHOICE_ENUM) };
enum kd_average_of { KD_AVERAGES(KD_CHOICE_ENUM) }; /* what of several teachers is averaged */
enum kd_correct_by { KD_CORRECT_BYS(KD_CHOICE_ENUM) };

enum { KD_MOST_SHARDS = 1024 };
struct kd_train_config { /* "train" */
    int64_t epochs, batch;
    int64_t shards; /* of a batch, a power of two: kd/train/shards.h */
    double learning_rate;
    struct {
        int kind; /* enum kd_optimizer_kind */
        double momentum;
        bool nesterov;
        double beta1, beta2, epsilon;
        double bias_rate, norm_rate; /* learning rate of biases, of norms' weights, as a multiple */
        bool decoupled;              /* sgd: decay apart from the gradient, as in adamw */
    } optimizer;
    double weight_decay; /* of weights, not of biases and norms */
    double clip_norm;    /* longest gradient over all parameters; 0: off */
    double label_smoothing;
    cJSON *class_weights;   /* "balanced" or a list; NULL: none */
    char *init;             /* a model to start from: teacher, a student, or a file; NULL: none */
    struct kd_texts freeze; /* patterns of parameters that stay as they are */
    cJSON *rates;           /* {pattern: factor of the learning rate}; NULL: none */
    struct {
        int kind;                   /* enum kd_schedule_kind */
        double warmup;              /* epochs of linear rise before it */
        double every;               /* epochs between steps */
        struct kd_reals milestones; /* epochs after which it steps, instead of every so many */
        double gamma;               /* factor of a step, or of an epoch */
        double final;               /* last rate as a share of the largest: cosine, triangular */
        double start;               /* first rate as a share of the largest: triangular */
        double peak;                /* share of the training in which it rises: triangular */
    } schedule;
    struct kd_mix mix; /* kd/data/mix.h */
    struct {
        double decay;  /* 0: off */
        int64_t every; /* steps between updates */
    } ema;             /* running average of the weights: kd/train/average.h */
    struct {
        int kind;       /* enum kd_quantize_kind */
        char *from;     /* the float model that it starts from */
        double freeze;  /* share of the training after which ranges stay */
    } quantize;         /* simulated integers: kd/nn/aware.h */
    int64_t patience;   /* epochs without a better validation before stopping; 0: off */
    int keep;           /* enum kd_choice_of_epoch */
    int64_t train_eval; /* images of the fixed training subset that is evaluated each epoch */
    char *checkpoint_every;
};
extern const struct kd_option kd_train_rows[];

struct kd_distill_config { /* "distill" of a student */
    cJSON *from;           /* "teacher", a student's name, a model file, or a list of these or of
                              {"from","weight"} */
    cJSON *loss;           /* a name, {"kind", its parameters}, or a list of these; NULL: kl */
    double temperature, alpha, weight, label_weight, ramp; /* NAN: not given, the loss's own */
    bool force;         /* accept soft targets that do not say which images they are for */
    double certainty;   /* from labels: what that teacher gives the label */
    bool fixed_teacher; /* use logits of unaugmented images for an augmented student */
    int average;        /* enum kd_average_of */
    cJSON *peer;        /* network of the second student, from peer; NULL: the student's own */
    int confidence;     /* enum kd_confident_of: what an image's loss is multiplied by */
};
extern const struct kd_option kd_distill_rows[];
/* As distill.from: no model, but what the labels say; the student's running average; a second
 * student of the same training (kd/train/fellow.h). */
#define KD_OWN_TEACHERS(X)                                                                         \
    X(KD_TEACHER_FILES, "")                                                                        \
    X(KD_TEACHER_LABELS, "labels")                                                                 \
    X(KD_TEACHER_AVERAGE, "average")                                                               \
    X(KD_TEACHER_PEER, "peer")
enum kd_own_teacher { KD_OWN_TEACHERS(KD_CHOICE_ENUM) };
enum kd_own_teacher kd_own_teacher(const struct kd_distill_config *distill);
/* Everything that was not given gets its value, and what can be said in two ways its one form:
 * alpha where the weights add up to 1. Once all flags are applied; a second time changes nothing.
 */
int kd_distill_resolve(struct kd_distill_config *distill, struct kd_err *err);
/* Can this be learnt from images without a label (NULL: no distillation)? `what` is what has none.
 */
int kd_distill_check_unlabelled(const struct kd_distill_config *distill, const char *what,
                                struct kd_err *err);
/* Can it be learnt from images with two labels, each to a part (train.mix)? */
int kd_distill_check_mixed(const struct kd_distill_config *distill, struct kd_err *err);
/* Does a term of it compare features of the networks, so that the teacher itself is wanted? */
bool kd_distill_wants_features(const struct kd_distill_config *distill);
/* Is the student's network given other layers at its end (kd/train/reuse.h)? */
bool kd_distill_reuses(const struct kd_distill_config *distill);
/* Can it be learnt from probabilities in place of logits? */
int kd_distill_check_probabilities(const struct kd_distill_config *distill, struct kd_err *err);

struct kd_correct_config { /* "correct" of a student, which has no training of its own then */
    char *of;              /* the student that is corrected */
    int by;                /* enum kd_correct_by */
    double flips;          /* by transfer: share of the transfer images */
    struct kd_class_list classes; /* unseen ones; empty: those that the student's data leave out */
    char *images; /* by balanced: a source; NULL: the training images, with the classes left out */
};
extern const struct kd_option kd_correct_rows[];

/* One training, all of it. */
struct kd_job {
    char *name; /* "teacher" or the student's name */
    bool student;
    bool distilled; /* has a teacher */
    cJSON *network; /* as given: list, name or file */
    struct kd_data_config data;
    struct kd_train_config train;
    struct kd_augment augment;
    struct kd_distill_config distill;
    bool corrected; /* is not trained: another student with other biases */
    struct kd_correct_config correct;
};
/* The sections of a job: train, augment, data, distill and correct, then the empty one. */
enum { KD_JOB_SECTIONS = 6 };
void kd_job_sections(struct kd_job *job, struct kd_opt_section out[KD_JOB_SECTIONS]);
void kd_job_release(struct kd_job *job);
/* Options that follow from others get their value, once experiment and flags are applied. */
int kd_job_resolve(struct kd_job *job, struct kd_err *err);
/* The resolved configuration of a resolved job: {"name", "network", "data", "train", "distill",
 * "correct"}, the last two where there are any. A network given as a file stands in it as its
 * layers. */
cJSON *kd_job_to_json(const struct kd_job *job, struct kd_err *err);
/* What a model was trained on: "data" of its kd.config, over defaults, which are all there is where
 * it says nothing. */
struct kd_model;
int kd_model_data(const struct kd_model *model, struct kd_data_config *out, struct kd_err *err);
/* The options of a job by where they stand in its configuration, to compare two
 * (kd/run/settings.h). */
extern const struct kd_config_part kd_job_parts[];
/* Is `there`, the kd.config in a file (NULL: it has none), that of the training whose kd.config is
 * `now`? 1, 0, or -1 with err filled. */
int kd_config_same(const char *there, const char *now, struct kd_err *err);
/* What no single range says: warm-up longer than the training, nesterov without momentum, ... */
int kd_job_check(const struct kd_job *job, struct kd_err *err);
/* The same of one that has such a teacher. */
int kd_job_check_own(const struct kd_job *job, enum kd_own_teacher own, struct kd_err *err);
#endif
