/* Subsets of an image set: validation carved from train, classes kept or left out, fractions,
 * labels dropped. A subset is a list of places in the source, so soft targets, which are
 * stored for the whole source split, are indexed by it directly. */
#ifndef KD_DATA_SPLIT_H
#define KD_DATA_SPLIT_H
#include "kd/base/option.h"
#include "kd/data/images.h"
#include "kd/data/input.h"

/* Validation is drawn from each class, or is the last images of the source, whatever their classes.
 */
#define KD_CARVES(X) X(KD_CARVE_RANDOM, "random") X(KD_CARVE_LAST, "last")
enum kd_carve { KD_CARVES(KD_CHOICE_ENUM) };
/* Where classes are left out: of validation too, or validate on all, which compares students that
 * were trained on different ones. */
#define KD_VALIDATION_CLASSES(X) X(KD_VALIDATE_KEPT, "kept") X(KD_VALIDATE_ALL, "all")
enum kd_validation_classes { KD_VALIDATION_CLASSES(KD_CHOICE_ENUM) };
struct kd_data_config { /* "data" of an experiment; rows in kd_data_rows */
    char *source;       /* "mnist" */
    char *test;         /* another source for the test split; NULL: the source's own */
    char *data_dir;
    double validation;  /* images carved from train: a count, or a share below 1; 0: none */
    int64_t split_seed; /* of the carving and of fractions */
    int carve;          /* enum kd_carve */
    struct kd_class_list keep, omit; /* classes; which are trained on */
    int validation_classes;          /* enum kd_validation_classes */
    struct kd_input input;           /* how pictures and tables are read */
    double
        fraction; /* share of the training subset used, per class, nested (10 % lies within 30 %) */
    bool unlabelled;  /* drop the training subset's labels */
    cJSON *normalize; /* null: computed from train; "none"; {"mean":[..],"std":[..]} */
};
extern const struct kd_option kd_data_rows[];

struct kd_subset {
    const struct kd_images *images; /* borrowed */
    uint32_t *index;                /* [n] places in images, ascending */
    uint32_t n;
    bool labelled; /* false: labels are not to be looked at */
};

/* Carve the source's train split: stratified by class (largest remainder), seeded, or its last
 * images; then filter both by class, and thin the training side. Errors name the key (a validation
 * as large as the data, a class that is not there, nothing left). */
int kd_split_train(const struct kd_images *images, const struct kd_data_config *config,
                   struct kd_subset *train, struct kd_subset *validation, struct kd_err *err);
int kd_subset_all(const struct kd_images *images, struct kd_subset *out, struct kd_err *err);
/* The subset as an image set of its own, called SOURCE:split, with its own fingerprints. */
int kd_subset_copy(const struct kd_subset *s, const char *split, struct kd_images *out,
                   struct kd_err *err);
/* Of the images in it: that of the whole set's pixels where it is the whole set in its order. */
int kd_subset_fingerprint(const struct kd_subset *s, char out[KD_FINGERPRINT], struct kd_err *err);
void kd_subset_release(struct kd_subset *s);
static inline int32_t kd_subset_label(const struct kd_subset *s, uint32_t i)
{
    return s->labelled && s->images->labels ? s->images->labels[s->index[i]] : -1;
}
#endif
