/* eval.json beside a model: a JSON line for each set of images that it was evaluated on. Its fields
 * stand in one table (lib/run/evaluation.c), which kd-eval writes by and the report reads by. */
#ifndef KD_RUN_EVALUATION_H
#define KD_RUN_EVALUATION_H
#include "kd/base/mem.h"
#include "kd/run/record.h"
#include <stdbool.h>

/* Classes of which a confusion matrix is kept; of more it would be larger than what a line may hold
 * (four million values), and is left out. */
enum { KD_CONFUSION_CLASSES = 1000 };

struct kd_evaluation { /* rates are fractions; numbers are NaN, texts NULL where not known; owned */
    char *model, *data, *split; /* as they were called */
    double n, parameters, macs, top1, top5, errors, nll, ece, agreement, latency_ms, throughput;
    double latency_threads, throughput_threads; /* how many these two were measured with */
    /* Where it may pass: the accuracy wanted, the probability from which on it answers, the share
     * of images that it answers, and its accuracy on those. */
    double reject, threshold, answered, answered_top1;
    char *tta;               /* copies of an image that answers are the mean over; NULL: itself */
    char *processor;         /* that they were measured on */
    char *fingerprint;       /* of the model */
    char *images, *labels;   /* fingerprints of what it was measured on */
    char *reference;         /* of the model that agreement is with */
    char *version, *command; /* of kd, and what wrote the line */
    struct kd_matrix confusion; /* [classes][classes] counts, row: true class */
    struct kd_matrix coverage;  /* [steps][3]: threshold, share answered, accuracy on those */
    struct kd_matrix bins;      /* [bins][3]: images, mean confidence, accuracy */
};
cJSON *kd_evaluation_to_json(const struct kd_evaluation *e, struct kd_err *err);
int kd_evaluation_from_json(const cJSON *line, struct kd_evaluation *out, struct kd_err *err);
void kd_evaluation_release(struct kd_evaluation *e);

/* A file's evaluations in its order. */
struct kd_evaluations {
    struct kd_evaluation *of;
    size_t n, room;
    char problem[256]; /* about the first line that is none, or "" */
};
/* 1: read, 0: there is no such file, -1: it cannot be read. Lines that are no evaluation are passed
 * over, and said in `problem`. A file of one indented object is as good as one line an object. */
int kd_evaluations_read(const char *path, struct kd_evaluations *out, struct kd_err *err);
void kd_evaluations_release(struct kd_evaluations *e);

/* What --update asks for: is there such a line, of this model, these images and labels, against
 * this reference? */
struct kd_evaluation_wanted {
    const char *fingerprint, *split, *images, *labels;
    const char *reference; /* NULL: none, and whatever it says of one is let be */
    const char *tta;       /* NULL: the image itself */
    bool timing;           /* with latency and throughput */
};
bool kd_evaluation_is_saved(const char *path, const struct kd_evaluation_wanted *wanted);
/* Were both measured in the same way on the same images, so that they may stand side by side? An
 * older line does not say which images; it has the name of its source and how many they are. */
bool kd_evaluations_agree(const struct kd_evaluation *a, const struct kd_evaluation *b);
/* Writes lines, those of one model; what the file says of the same model on other images or splits
 * stays. */
int kd_evaluations_save(const char *path, const char *lines, struct kd_err *err);
#endif
