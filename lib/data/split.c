#include "kd/data/split.h"
#include "kd/base/hash.h"
#include "kd/base/rng.h"
#include "kd/data/classes.h"
#include <math.h>
#include <string.h>

#define FIELD(f) offsetof(struct kd_data_config, f)
const struct kd_option kd_data_rows[] = {
    {"data", 'd', "source", KD_OPT_TEXT, FIELD(source), .metavar = "SOURCE",
     .help = "mnist, digits, images:DIR, tensors:FILE, idx:DIR and others",
     .also = "dataset input images source train-data", .more = "See `kd-data`(1)."},
    {"test-data", 0, "test", KD_OPT_TEXT, FIELD(test), .metavar = "SOURCE",
     .help = "another source for the test split",
     .more = "`kd-eval` measures on it where nothing else is said."},
    {"data-dir", 0, NULL, KD_OPT_TEXT, FIELD(data_dir), .metavar = "DIR",
     .help = "where named sources are found instead of $KD_DATA or ./data",
     .also = "data-root root"},
    {"validation", 0, "validation", KD_OPT_REAL, FIELD(validation), .preset = "0", .min = 0,
     .max = 4e9, .metavar = "N",
     .help = "images carved from train to choose models on: a count, or a share below 1",
     .also = "val valid val-split dev holdout", .more = "The images are stratified by class."},
    {"split-seed", 0, "split_seed", KD_OPT_INT, FIELD(split_seed), .preset = "1", .min = 0,
     .max = 9007199254740992.0, .metavar = "N", .help = "seed of the carving and of fractions",
     .more = "It does not change with `--seed`."},
    {"carve", 0, "carve", KD_OPT_CHOICE, FIELD(carve), .preset = "random",
     .choices = KD_CHOICES(KD_CARVES), .metavar = "WHICH", .later = true,
     .help = "which images are carved: random ones of each class, or the last of the source",
     .more = "The last images of the source are taken whatever their classes."},
    {"keep", 0, "keep", KD_OPT_CLASSES, FIELD(keep), .metavar = "CLASS,...",
     .help = "train on these classes alone, each by number or by name",
     .more = "A name of digits, or with a comma, is written as JSON: `[\"1\"]`."},
    {"omit", 0, "omit", KD_OPT_CLASSES, FIELD(omit), .metavar = "CLASS,...",
     .help = "leave these classes out of training, each by number or by name"},
    {"validation-classes", 0, "validation_classes", KD_OPT_CHOICE, FIELD(validation_classes),
     .preset = "kept", .choices = KD_CHOICES(KD_VALIDATION_CLASSES), .metavar = "WHICH",
     .later = true,
     .help = "classes of the images carved for validation: those that are kept, or all",
     .more = "With `all`, students that were trained on different classes are compared on the same "
             "images."},
    {"fraction", 0, "fraction", KD_OPT_REAL, FIELD(fraction), .preset = "1", .min = 0, .max = 1,
     .metavar = "SHARE", .help = "share of each class's training images used",
     .more = "A smaller share lies within a larger one."},
    {"size", 0, "size", KD_OPT_TEXT, FIELD(input.size), .metavar = "SIDE|HxW", .later = true,
     .help = "resize pictures of a folder to this many pixels, as 32 or 48x64"},
    {"fit", 0, "fit", KD_OPT_CHOICE, FIELD(input.fit), .preset = "cover",
     .choices = KD_CHOICES(KD_FITS), .metavar = "HOW", .later = true,
     .help = "of another shape: cut off what stands out, fill up with the background, or stretch"},
    {"filter", 0, "filter", KD_OPT_CHOICE, FIELD(input.filter), .preset = "bilinear",
     .choices = KD_CHOICES(KD_FILTERS), .metavar = "HOW", .later = true,
     .help = "how pictures are resized"},
    {"color", 0, "color", KD_OPT_CHOICE, FIELD(input.color), .preset = "auto",
     .choices = KD_CHOICES(KD_COLORS), .metavar = "HOW", .later = true,
     .help = "channels of a folder's pictures; auto: rgb where any of them has colour"},
    {"background", 0, "background", KD_OPT_TEXT, FIELD(input.background), .metavar = "COLOUR",
     .later = true,
     .help =
         "what shows through transparent pixels (white, black, #rrggbb); else alpha is dropped"},
    {"bits", 0, "bits", KD_OPT_INT, FIELD(input.bits), .preset = "0", .min = 0, .max = 16,
     .metavar = "N", .later = true,
     .help = "bits used by pictures of 16 bits, as 12 of many cameras; 0: all"},
    {"transpose", 0, "transpose", KD_OPT_BOOL, FIELD(input.transpose), .later = true,
     .help = "take rows as columns, as EMNIST's images need"},
    {"layout", 0, "layout", KD_OPT_CHOICE, FIELD(input.layout), .preset = "auto",
     .choices = KD_CHOICES(KD_LAYOUTS), .metavar = "ORDER", .later = true,
     .help = "order of an array's dimensions; auto refuses what looks like nhwc"},
    {"labels-from", 0, "labels_from", KD_OPT_INT, FIELD(input.labels_from), .preset = "0", .min = 0,
     .max = 65535, .metavar = "N", .later = true,
     .help = "number of the first class in labels that do not begin with 0"},
    {"skip-broken", 0, "skip_broken", KD_OPT_BOOL, FIELD(input.skip_broken), .later = true,
     .help = "pass over pictures that cannot be read"},
    {"label", 0, "label", KD_OPT_TEXT, FIELD(input.label), .metavar = "COLUMN", .later = true,
     .help = "a table's column of classes, by name or by number from 1; default: the last"},
    {"missing", 0, "missing", KD_OPT_CHOICE, FIELD(input.missing), .preset = "error",
     .choices = KD_CHOICES(KD_MISSINGS), .metavar = "HOW", .later = true,
     .help = "what an empty cell of a table is: an error, or its column's mean"},
    {"heading", 0, "heading", KD_OPT_CHOICE, FIELD(input.heading), .preset = "auto",
     .choices = KD_CHOICES(KD_HEADINGS), .metavar = "WHICH", .later = true,
     .help = "does a table begin with a line of names"},
    {"unlabelled", 0, "unlabelled", KD_OPT_BOOL, FIELD(unlabelled),
     .help = "train without labels, on soft targets alone",
     .more = "It needs soft targets with alpha 1."},
    {"normalize", 0, "normalize", KD_OPT_JSON, FIELD(normalize), .metavar = "JSON",
     .help = "none, or {\"mean\":[..],\"std\":[..]} by channel; computed from train if not given",
     .more = "It is computed from all images of the training split, those included that are carved "
             "for validation, left out by class or not in the fraction. Numbers are for pixels "
             "from 0 to 1. Images stored as F32 are left as they are where "
             "it is not given."},
    {0},
};
#undef FIELD

/* Samples sorted into strata: one a class, the last for those without a label. */
struct strata {
    uint32_t n;        /* classes + 1 */
    uint32_t *start;   /* [n + 1] */
    uint32_t *place;   /* [images] places, each stratum in a random order of its own */
    uint32_t *carved;  /* [n] the first so many of a stratum are validation */
    double *remainder; /* [n] */
};

static void strata_release(struct strata *s)
{
    kd_free(s->start);
    kd_free(s->place);
    kd_free(s->carved);
    kd_free(s->remainder);
}

static uint32_t stratum_of(const struct kd_images *images, uint32_t i)
{
    const int32_t label = images->labels ? images->labels[i] : -1;
    return label < 0 ? images->classes : (uint32_t)label;
}

static int strata_make(struct strata *s, const struct kd_images *images, uint64_t seed,
                       struct kd_err *err)
{
    *s = (struct strata){.n = images->classes + 1};
    s->start = kd_alloc(s->n + 1, sizeof *s->start, "split", err);
    s->place = kd_alloc(images->n, sizeof *s->place, "split", err);
    s->carved = kd_alloc(s->n, sizeof *s->carved, "split", err);
    s->remainder = kd_alloc(s->n, sizeof *s->remainder, "split", err);
    if (!s->start || !s->place || !s->carved || !s->remainder) return -1;
    for (uint32_t i = 0; i < images->n; i++) s->start[stratum_of(images, i) + 1]++;
    for (uint32_t k = 0; k < s->n; k++) s->start[k + 1] += s->start[k];
    for (uint32_t i = 0; i < images->n; i++) {
        const uint32_t k = stratum_of(images, i);
        s->place[s->start[k] + s->carved[k]++] = i;
    }
    for (uint32_t k = 0; k < s->n; k++) {
        struct kd_rng rng = kd_rng_for(seed, KD_FOR_SPLIT, 0, k);
        kd_shuffle(s->place + s->start[k], s->start[k + 1] - s->start[k], &rng);
        s->carved[k] = 0;
    }
    return 0;
}

/* Largest remainder: each stratum gives the whole part of its due, and those with the largest
 * fractions left (the lower class first where they are equal) give one more. */
static void strata_carve(struct strata *s, uint32_t total, uint32_t n)
{
    uint32_t given = 0;
    for (uint32_t k = 0; k < s->n; k++) {
        const uint64_t due = (uint64_t)total * (s->start[k + 1] - s->start[k]);
        s->carved[k] = (uint32_t)(due / n);
        s->remainder[k] = (double)(due % n);
        given += s->carved[k];
    }
    for (; given < total; given++) {
        uint32_t best = 0;
        for (uint32_t k = 1; k < s->n; k++)
            if (s->remainder[k] > s->remainder[best]) best = k;
        s->carved[best]++;
        s->remainder[best] = -1;
    }
}

/* The last images of the source come first in their strata. */
static void strata_carve_last(struct strata *s, const struct kd_images *images, uint32_t total)
{
    for (uint32_t k = 0; k < s->n; k++) {
        uint32_t *place = s->place + s->start[k];
        for (uint32_t p = 0; p < s->start[k + 1] - s->start[k]; p++) {
            const uint32_t i = place[p];
            if (i < images->n - total) continue;
            place[p] = place[s->carved[k]];
            place[s->carved[k]++] = i;
        }
    }
}

static int carve_count(const struct kd_images *images, double asked, uint32_t *count,
                       struct kd_err *err)
{
    if (!(asked >= 0) || (asked >= 1 && asked != floor(asked)))
        return kd_fail_usage(err, "data.validation: %g is neither a count nor a share below 1",
                             asked);
    const double n = asked < 1 ? floor(asked * images->n + 0.5) : asked;
    if (n >= images->n)
        return kd_fail_usage(err,
                             "data.validation: %.0f of the %u images of %s:%s leaves nothing to "
                             "train on",
                             n, images->n, images->source, images->split);
    if (asked > 0 && n < 1)
        return kd_fail_usage(err, "data.validation: %g of %u images is not even one", asked,
                             images->n);
    *count = (uint32_t)n;
    return 0;
}

/* Mark the classes listed. */
static int classes_mark(const struct kd_images *images, const struct kd_class_list *list,
                        const char *key, bool *marked, struct kd_err *err)
{
    const struct kd_classes of = {images->source, images->class_names, images->classes};
    if (list->n > 0 && !images->labels)
        return kd_fail_usage(err, "data.%s: %s has no labels to choose by", key, images->source);
    if (kd_classes_mark(&of, list, true, marked, err) < 0)
        return kd_err_context(err, "data.%s", key);
    return 0;
}

/* wanted[stratum]: is it to be trained on? */
static int classes_choose(const struct kd_images *images, const struct kd_data_config *config,
                          bool *wanted, struct kd_err *err)
{
    const uint32_t n = images->classes + 1;
    bool *omitted = kd_alloc(n, sizeof *omitted, "classes", err);
    if (!omitted) return -1;
    int status = classes_mark(images, &config->keep, "keep", wanted, err);
    if (status == 0) status = classes_mark(images, &config->omit, "omit", omitted, err);
    for (uint32_t k = 0; k < n; k++) {
        if (config->keep.n == 0) wanted[k] = true;
        if (omitted[k]) wanted[k] = false;
    }
    kd_free(omitted);
    return status;
}

/* chosen[i] = 1 training, 2 validation. Fractions take the end of a stratum's order, so that a
 * smaller one lies within a larger one. */
static void strata_mark(const struct strata *s, const bool *wanted,
                        const struct kd_data_config *config, unsigned char *chosen)
{
    for (uint32_t k = 0; k < s->n; k++) {
        const uint32_t from = s->start[k] + s->carved[k], end = s->start[k + 1];
        const bool validated = wanted[k] || config->validation_classes == KD_VALIDATE_ALL;
        for (uint32_t p = s->start[k]; validated && p < from; p++) chosen[s->place[p]] = 2;
        if (!wanted[k] || from == end) continue;
        uint32_t take = (uint32_t)floor(config->fraction * (end - from) + 0.5);
        if (take < 1) take = 1;
        for (uint32_t p = end - take; p < end; p++) chosen[s->place[p]] = 1;
    }
}

static int subset_gather(struct kd_subset *s, const struct kd_images *images,
                         const unsigned char *chosen, unsigned char mark, struct kd_err *err)
{
    *s = (struct kd_subset){.images = images, .labelled = images->labels != NULL};
    for (uint32_t i = 0; i < images->n; i++) s->n += chosen[i] == mark;
    s->index = kd_alloc(s->n, sizeof *s->index, "split", err);
    if (!s->index) return -1;
    uint32_t at = 0;
    for (uint32_t i = 0; i < images->n; i++)
        if (chosen[i] == mark) s->index[at++] = i;
    return 0;
}

int kd_split_train(const struct kd_images *images, const struct kd_data_config *config,
                   struct kd_subset *train, struct kd_subset *validation, struct kd_err *err)
{
    struct strata strata = {0};
    bool *wanted = NULL;
    unsigned char *chosen = NULL;
    uint32_t count = 0;
    int status = -1;
    *train = *validation = (struct kd_subset){.images = images};
    if (!(config->fraction > 0 && config->fraction <= 1))
        return kd_fail_usage(err, "data.fraction: %g is not above 0 and at most 1",
                             config->fraction);
    if (carve_count(images, config->validation, &count, err) < 0) return -1;
    wanted = kd_alloc(images->classes + 1, sizeof *wanted, "classes", err);
    chosen = kd_alloc(images->n, 1, "split", err);
    if (!wanted || !chosen) goto done;
    if (classes_choose(images, config, wanted, err) < 0) goto done;
    if (strata_make(&strata, images, (uint64_t)config->split_seed, err) < 0) goto done;
    if (config->carve == KD_CARVE_LAST)
        strata_carve_last(&strata, images, count);
    else
        strata_carve(&strata, count, images->n);
    strata_mark(&strata, wanted, config, chosen);
    if (subset_gather(train, images, chosen, 1, err) < 0) goto done;
    if (subset_gather(validation, images, chosen, 2, err) < 0) goto done;
    if (train->n == 0) {
        kd_fail_usage(err, "data.keep, data.omit: nothing of %s:%s is left to train on",
                      images->source, images->split);
        goto done;
    }
    if (count && validation->n == 0) {
        kd_fail_usage(err,
                      "data.keep, data.omit: none of the %u images of %s:%s that are carved for "
                      "validation are left",
                      count, images->source, images->split);
        goto done;
    }
    if (config->unlabelled) train->labelled = false;
    status = 0;
done:
    if (status < 0) {
        kd_subset_release(train);
        kd_subset_release(validation);
    }
    strata_release(&strata);
    kd_free(wanted);
    kd_free(chosen);
    return status;
}

int kd_subset_all(const struct kd_images *images, struct kd_subset *out, struct kd_err *err)
{
    *out = (struct kd_subset){.images = images, .n = images->n, .labelled = images->labels != NULL};
    out->index = kd_alloc(out->n, sizeof *out->index, "split", err);
    if (!out->index) return -1;
    for (uint32_t i = 0; i < out->n; i++) out->index[i] = i;
    return 0;
}

int kd_subset_copy(const struct kd_subset *s, const char *split, struct kd_images *out,
                   struct kd_err *err)
{
    const struct kd_images *from = s->images;
    const size_t one = (size_t)from->c * from->h * from->w * kd_dtype_size(from->dtype);
    *out = (struct kd_images){.n = s->n,
                              .c = from->c,
                              .h = from->h,
                              .w = from->w,
                              .classes = from->classes,
                              .dtype = from->dtype};
    out->source = kd_strdup(from->source, err);
    out->split = kd_strdup(split, err);
    out->pixels = kd_alloc(s->n, one, "images", err);
    if (!out->source || !out->split || !out->pixels) goto fail;
    if (from->class_names &&
        !(out->class_names = kd_class_names_copy(from->class_names, NULL, out->classes, err)))
        goto fail;
    if (s->labelled && !(out->labels = kd_alloc(s->n, sizeof *out->labels, "labels", err)))
        goto fail;
    for (uint32_t i = 0; i < s->n; i++) {
        memcpy((char *)out->pixels + i * one, (const char *)from->pixels + s->index[i] * one, one);
        if (out->labels) out->labels[i] = kd_subset_label(s, i);
    }
    if (kd_images_fingerprint(out, err) == 0) return 0;
fail:
    kd_images_release(out);
    return -1;
}

int kd_subset_fingerprint(const struct kd_subset *s, char out[KD_FINGERPRINT], struct kd_err *err)
{
    const char *all = s->images->pixels_fingerprint;
    if (s->n == s->images->n) { /* ascending, so that all are in their places */
        memcpy(out, all, KD_FINGERPRINT);
        return 0;
    }
    struct kd_hash *hash = kd_hash_new(err);
    if (!hash) return -1;
    kd_hash_add(hash, all, strlen(all));
    for (uint32_t i = 0; i < s->n; i++) kd_hash_add_u32(hash, s->index[i]);
    kd_hash_end(hash, out);
    return 0;
}

void kd_subset_release(struct kd_subset *s)
{
    kd_free(s->index);
    *s = (struct kd_subset){0};
}
