/* kd-data: look at image sets, convert them, draw contact sheets. */
#include "inputs.h"
#include "kd/base/file.h"
#include "kd/base/rng.h"
#include "kd/data/facts.h"
#include "kd/data/sheet.h"
#include "kd/data/views.h"
#include "program.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FORMS(X)                                                                                   \
    X(TO_IDX, "idx")                                                                               \
    X(TO_PNG, "png") X(TO_JPEG, "jpeg") X(TO_TENSORS, "tensors") X(TO_NPY, "npy")
enum form { FORMS(KD_CHOICE_ENUM) };

struct options {
    struct kd_data_config data;
    struct convert {
        int to;
        int64_t quality;
        double vary;
        bool by_class;
    } convert;
    struct views {
        int64_t count, seed;
    } views;
    struct kd_augment augment;
    struct place {
        bool overwrite;
    } place;
    struct sheet {
        int64_t count, columns, scale;
        char *only;
        bool group, labels;
    } sheet;
};

static const struct kd_option convert_rows[] = {
    {"to", 0, NULL, KD_OPT_CHOICE, offsetof(struct convert, to), .preset = "tensors",
     .choices = KD_CHOICES(FORMS), .metavar = "FORM",
     .help =
         "what to write: a folder of IDX files, of PNG or JPEG files by class, or a safetensors "
         "file; views are npy"},
    {"quality", 0, NULL, KD_OPT_INT, offsetof(struct convert, quality), .preset = "90", .min = 1,
     .max = 100, .metavar = "N", .help = "of JPEG files"},
    {"vary", 0, NULL, KD_OPT_REAL, offsetof(struct convert, vary), .preset = "0", .min = 0,
     .max = 0.9, .metavar = "SHARE",
     .help = "make the sides of each picture longer or shorter by up to this share, as photos "
             "differ",
     .more = "The sizes are drawn from `--seed`. `images:DIR` with `--size` reads such a folder."},
    {"by-class", 0, NULL, KD_OPT_BOOL, offsetof(struct convert, by_class),
     .help =
         "write class after class, the order that PNG folders have, so that fingerprints agree"},
    {0},
};
static const struct kd_option sheet_rows[] = {
    {"count", 0, NULL, KD_OPT_INT, offsetof(struct sheet, count), .preset = "100", .min = 1,
     .max = 100000, .metavar = "N", .help = "images shown",
     .more = "They are the first ones, or with `--seed` random ones."},
    {"columns", 0, NULL, KD_OPT_INT, offsetof(struct sheet, columns), .preset = "10", .min = 1,
     .max = 10000, .metavar = "N", .help = "images in a row"},
    {"scale", 0, NULL, KD_OPT_INT, offsetof(struct sheet, scale), .preset = "2", .min = 1,
     .max = 64, .metavar = "N", .help = "pixels in width and height that one pixel becomes"},
    {"class", 0, NULL, KD_OPT_TEXT, offsetof(struct sheet, only), .metavar = "CLASS",
     .help = "show this class alone, by number or name"},
    {"group", 0, NULL, KD_OPT_BOOL, offsetof(struct sheet, group), .preset = "true",
     .help = "images as they come, not equally many of each class on rows of their own"},
    {"labels", 0, NULL, KD_OPT_BOOL, offsetof(struct sheet, labels),
     .help = "write its class under each image"},
    {0},
};
static const struct kd_option views_rows[] = {
    {"views", 0, NULL, KD_OPT_INT, offsetof(struct views, count), .preset = "5", .min = 1,
     .max = 10000, .metavar = "N", .help = "augmented views of each image"},
    {"views-seed", 0, NULL, KD_OPT_INT, offsetof(struct views, seed), .preset = "1", .min = 0,
     .max = 9007199254740992.0, .metavar = "N", .help = "seed of the views"},
    {0},
};
static const struct kd_option place_rows[] = {
    {"overwrite", 0, NULL, KD_OPT_BOOL, offsetof(struct place, overwrite),
     .help = "replace what is there and was made otherwise"},
    {0},
};
static const struct kd_program_section sections[] = {
    {"data", "Images taken", kd_data_rows, offsetof(struct options, data),
     "data-dir validation split-seed carve keep omit validation-classes fraction size fit filter "
     "color background "
     "bits transpose layout labels-from skip-broken label missing heading"},
    {"convert", "convert", convert_rows, offsetof(struct options, convert), NULL},
    {"sheet", "sheet (random images with --seed)", sheet_rows, offsetof(struct options, sheet),
     NULL},
    {"views", "views", views_rows, offsetof(struct options, views), NULL},
    {"augment", "Augmentation of views", kd_augment_rows, offsetof(struct options, augment), NULL},
    {"place", "convert, sheet and views", place_rows, offsetof(struct options, place), NULL},
    {0},
};

/* ---- the images asked for ---- */

struct taken {
    struct kd_images images; /* the whole split */
    struct kd_subset subset; /* what of it was asked for */
    char *split;             /* train, validation or test */
};

static void taken_release(struct taken *t)
{
    kd_subset_release(&t->subset);
    kd_images_release(&t->images);
    kd_free(t->split);
    *t = (struct taken){0};
}

static int subset_take(const struct options *o, struct taken *t, struct kd_err *err)
{
    struct kd_data_config c = o->data;
    const bool validation = strcmp(t->split, "validation") == 0;
    struct kd_subset train = {0}, carved = {0};
    if (validation && !(c.validation > 0))
        return kd_fail_usage(err,
                             "%s:validation: say how much is carved from train, with "
                             "--validation N",
                             t->images.source);
    if (strcmp(t->split, "test") == 0) c.validation = 0;
    if (kd_split_train(&t->images, &c, &train, &carved, err) < 0) return -1;
    t->subset = validation ? carved : train;
    kd_subset_release(validation ? &train : &carved);
    return 0;
}

static int take(struct kd_invocation *inv, const char *spec, struct taken *t, struct kd_err *err)
{
    const struct options *o = inv->options;
    const struct kd_images_options options = {.data_dir = o->data.data_dir,
                                              .input = &o->data.input,
                                              .pool = inv->pool,
                                              .progress = &inv->progress};
    char *source = NULL, *split = NULL, *whole = NULL;
    *t = (struct taken){0};
    int status = kd_spec_parse(spec, &source, &split, err);
    const bool validation = split && strcmp(split, "validation") == 0;
    if (status == 0 && validation) {
        whole = kd_format(err, "%s:train", source);
        status = whole ? 0 : -1;
    }
    if (status == 0) status = kd_images_load(whole ? whole : spec, &options, &t->images, err);
    if (status == 0 && !(t->split = kd_strdup(validation ? "validation" : t->images.split, err)))
        status = -1;
    if (status == 0) status = subset_take(o, t, err);
    if (status < 0) taken_release(t);
    kd_bar_clear(&inv->bar);
    kd_free(source);
    kd_free(split);
    kd_free(whole);
    return status;
}

/* ---- inspect ---- */

static int print_numbers(const char *name, const double *v, uint32_t n, struct kd_err *err)
{
    if (kd_print(err, "%-9s", name) < 0) return -1;
    for (uint32_t i = 0; i < n; i++)
        if (kd_print(err, " %.4f", v[i]) < 0) return -1;
    return kd_print(err, "\n");
}

static int inspect_print(const struct taken *t, const struct kd_facts *f, struct kd_err *err)
{
    char name[4096];
    const struct kd_images *m = &t->images;
    if (kd_print(err, "source    %s\nsplit     %s\nimages    %u",
                 kd_tame(m->source, name, sizeof name), t->split, t->subset.n) < 0)
        return -1;
    if (t->subset.n != m->n && kd_print(err, " of %u", m->n) < 0) return -1;
    if (f->distinct != t->subset.n && kd_print(err, ", %u distinct", f->distinct) < 0) return -1;
    if (kd_print(err, "\nshape     %ux%ux%u (channels, height, width)\ntype      %s\n", m->c, m->h,
                 m->w, kd_dtype_name(m->dtype)) < 0 ||
        kd_print(err, "range     %g to %g\n", f->low, f->high) < 0 ||
        print_numbers("mean", f->mean, m->c, err) < 0 ||
        print_numbers("std", f->std, m->c, err) < 0 ||
        kd_print(err, "pixels    %s\nlabels    %s\n", m->pixels_fingerprint,
                 m->labels ? m->labels_fingerprint : "none") < 0)
        return -1;
    if (!m->labels) return 0;
    if (kd_print(err, "classes   %u\n\n  class  images%s\n", m->classes,
                 m->class_names ? "  name" : "") < 0)
        return -1;
    for (uint32_t k = 0; k < m->classes; k++)
        if (kd_print(err, "  %5u  %6u%s%s\n", k, f->count[k], m->class_names ? "  " : "",
                     m->class_names ? kd_tame(m->class_names[k], name, sizeof name) : "") < 0)
            return -1;
    return f->unlabelled ? kd_print(err, "   none  %6u\n", f->unlabelled) : 0;
}

static cJSON *counts(const struct kd_images *m, const struct kd_facts *f, struct kd_err *err)
{
    struct kd_maker b = kd_make_list(err);
    for (uint32_t k = 0; k < m->classes; k++) kd_put_number(&b, NULL, f->count[k]);
    return kd_make_end(&b);
}

static int inspect_json(const struct taken *t, const struct kd_facts *f, struct kd_err *err)
{
    const struct kd_images *m = &t->images;
    struct kd_maker b = kd_make_on(kd_images_identity(m, err), err);
    kd_put_text(&b, "split", t->split);
    kd_put_number(&b, "taken", t->subset.n);
    kd_put_number(&b, "distinct", f->distinct);
    kd_put_text(&b, "dtype", kd_dtype_name(m->dtype));
    kd_put_number(&b, "min", f->low);
    kd_put_number(&b, "max", f->high);
    kd_put_numbers(&b, "mean", f->mean, m->c);
    kd_put_numbers(&b, "std", f->std, m->c);
    kd_put_json(&b, "counts", counts(m, f, err));
    kd_put_number(&b, "unlabelled", f->unlabelled);
    if (m->class_names)
        kd_put_texts(&b, "class_names", (const char *const *)m->class_names, m->classes);
    char *text = kd_make_end_text(&b);
    int status = text ? kd_print(err, "%s\n", text) : -1;
    kd_free(text);
    return status;
}

static int inspect(struct kd_invocation *inv, const struct taken *t, bool first, struct kd_err *err)
{
    struct kd_facts f;
    int status = kd_facts_find(&t->subset, &f, err);
    if (status == 0 && inv->common.json)
        status = inspect_json(t, &f, err);
    else if (status == 0 && (first || (status = kd_print(err, "\n")) == 0))
        status = inspect_print(t, &f, err);
    kd_facts_release(&f);
    return status;
}

/* ---- convert ---- */

static bool by_class_already(const struct kd_subset *s)
{
    for (uint32_t i = 1; i < s->n; i++)
        if (kd_subset_label(s, i) < kd_subset_label(s, i - 1)) return false;
    return true;
}

/* Stable, those without a label last. */
static int by_class_sort(struct kd_subset *s, struct kd_err *err)
{
    uint32_t *sorted = kd_alloc(s->n, sizeof *sorted, "the order", err);
    uint32_t *next = kd_alloc(s->images->classes + 2, sizeof *next, "the order", err);
    const uint32_t none = s->images->classes;
    int status = -1;
    if (!sorted || !next) goto done;
    for (uint32_t i = 0; i < s->n; i++) {
        const int32_t label = kd_subset_label(s, i);
        next[(label < 0 ? none : (uint32_t)label) + 1]++;
    }
    for (uint32_t k = 0; k < none; k++) next[k + 1] += next[k];
    for (uint32_t i = 0; i < s->n; i++) {
        const int32_t label = kd_subset_label(s, i);
        sorted[next[label < 0 ? none : (uint32_t)label]++] = s->index[i];
    }
    memcpy(s->index, sorted, s->n * sizeof *sorted);
    status = 0;
done:
    kd_free(sorted);
    kd_free(next);
    return status;
}

/* What was made, where it is no stream: its path, or one line of JSON. */
static int made_print(const struct kd_invocation *inv, cJSON *o, struct kd_err *err)
{
    struct kd_maker b = kd_make_on(o, err);
    kd_put_text(&b, "path", inv->common.output);
    char *text = kd_make_end_text(&b);
    int status = text ? 0 : -1;
    if (status == 0 && strcmp(inv->common.output, "-") != 0)
        status =
            inv->common.json ? kd_print(err, "%s\n", text) : kd_print_path(err, inv->common.output);
    kd_free(text);
    return status;
}

static bool writes_pictures(const struct options *o)
{
    return o->convert.to == TO_PNG || o->convert.to == TO_JPEG;
}

static int convert_write(struct kd_invocation *inv, const struct kd_images *m, struct kd_err *err)
{
    const struct options *o = inv->options;
    const char *to = inv->common.output;
    switch ((enum form)o->convert.to) {
    case TO_IDX:
        return kd_images_write_idx(m, to, o->place.overwrite, err);
    case TO_PNG:
    case TO_JPEG:
        return kd_images_write_pictures(m, to,
                                        &(struct kd_picture_folder){
                                            .jpeg = o->convert.to == TO_JPEG,
                                            .quality = o->convert.quality,
                                            .vary = o->convert.vary,
                                            .seed = (uint64_t)inv->common.seed,
                                            .overwrite = o->place.overwrite,
                                        },
                                        err);
    case TO_TENSORS:
    case TO_NPY: /* refused before */
        break;
    }
    return kd_images_write_tensors(m, to, inv->command, err);
}

static int convert(struct kd_invocation *inv, struct taken *t, bool last, struct kd_err *err)
{
    const struct options *o = inv->options;
    struct kd_images copy = {0};
    const bool sort = (o->convert.by_class || writes_pictures(o)) && !by_class_already(&t->subset);
    const bool whole = t->subset.n == t->images.n && !sort;
    if (sort && !o->convert.by_class)
        kd_say(inv,
               "folders of pictures are read class by class: the images get another order, and "
               "another "
               "fingerprint; soft targets of %s:%s are not for them",
               t->images.source, t->split);
    if (sort && by_class_sort(&t->subset, err) < 0) return -1;
    if (!whole && kd_subset_copy(&t->subset, t->split, &copy, err) < 0) return -1;
    const struct kd_images *m = whole ? &t->images : &copy;
    int status = convert_write(inv, m, err);
    if (status == 0)
        kd_say(inv, "%s:%s, %u images, pixels %s, labels %s", m->source, m->split, m->n,
               m->pixels_fingerprint, m->labels ? m->labels_fingerprint : "none");
    if (status == 0 && (last || inv->common.json))
        status = made_print(inv, kd_images_identity(m, err), err);
    kd_images_release(&copy);
    return status;
}

/* A folder of images holds train and test: what lay there as validation nobody would read, and
 * under another name it could take train's place. */
static int folder_split_check(const struct options *o, const char *spec, struct kd_err *err)
{
    const char *form = o->convert.to == TO_IDX ? "idx" : o->convert.to == TO_PNG ? "png" : "jpeg";
    char *source = NULL, *split = NULL;
    int status = kd_spec_parse(spec, &source, &split, err);
    if (status == 0 && split && strcmp(split, "validation") == 0)
        status = kd_fail_usage(
            err,
            "convert: %s: a folder of %s files holds the splits train and test alone; write these "
            "images with --to tensors -o FILE, and that, as tensors:FILE (train) or "
            "tensors:FILE:test, with --to %s",
            spec, form, form);
    kd_free(source);
    kd_free(split);
    return status;
}

static int convert_check(const struct kd_invocation *inv, struct kd_err *err)
{
    const struct options *o = inv->options;
    if (!inv->common.output) return kd_fail_usage(err, "convert: say where to with -o PLACE");
    if (o->convert.to == TO_NPY)
        return kd_fail_usage(err, "convert: --to npy is for views; numpy reads --to tensors with "
                                  "the package safetensors");
    for (size_t i = 1; o->convert.to != TO_TENSORS && i < inv->args.n_operands; i++)
        if (folder_split_check(o, inv->args.operands[i], err) < 0) return -1;
    if (o->convert.to == TO_TENSORS && inv->args.n_operands > 2)
        return kd_fail_usage(err, "convert: a safetensors file holds one set, %zu are given",
                             inv->args.n_operands - 1);
    if (kd_args_has(&inv->args, "quality") && o->convert.to != TO_JPEG)
        return kd_fail_usage(err, "convert: --quality is of JPEG files: --to jpeg");
    if (kd_args_has(&inv->args, "vary") && !writes_pictures(o))
        return kd_fail_usage(err, "convert: --vary is for pictures: --to png or --to jpeg");
    if (o->convert.to != TO_TENSORS && strcmp(inv->common.output, "-") == 0)
        return kd_fail_usage(err,
                             "convert: a folder cannot go to standard output; only --to tensors "
                             "can");
    return o->convert.to == TO_TENSORS ? output_file_check(inv, err) : 0;
}

/* ---- sheet ---- */

static int class_find(const struct kd_images *m, const char *text, int32_t *label,
                      struct kd_err *err)
{
    char *end;
    for (uint32_t k = 0; m->class_names && k < m->classes; k++)
        if (strcmp(m->class_names[k], text) == 0) {
            *label = (int32_t)k;
            return 0;
        }
    const long v = strtol(text, &end, 10);
    if (*text && !*end && v >= 0 && v < (long)m->classes) {
        *label = (int32_t)v;
        return 0;
    }
    const char *near =
        m->class_names ? kd_nearest(text, (const char *const *)m->class_names, m->classes) : NULL;
    return kd_fail_usage(err, "--class %s: no such class in %s%s%s%s; classes are 0 to %u", text,
                         m->source, near ? ", did you mean '" : "", near ? near : "",
                         near ? "'?" : "", m->classes - 1);
}

/* Up to `most` images of a class (-1: of any kind) behind list[*n]. */
static void cells_add(const struct kd_subset *s, int32_t label, uint32_t most, uint32_t *list,
                      uint32_t *n)
{
    uint32_t found = 0;
    for (uint32_t i = 0; i < s->n && found < most; i++) {
        if (label >= 0 && kd_subset_label(s, i) != label) continue;
        list[(*n)++] = s->index[i];
        found++;
    }
}

/* The cells of the sheet: list has room for the count and a break after each class. */
static int cells_choose(struct kd_invocation *inv, struct taken *t, uint32_t *list, uint32_t *n,
                        struct kd_err *err)
{
    const struct options *o = inv->options;
    struct kd_subset *s = &t->subset;
    const uint32_t count = (uint32_t)o->sheet.count, classes = t->images.classes;
    int32_t only = -1;
    if (o->sheet.only && class_find(&t->images, o->sheet.only, &only, err) < 0) return -1;
    if (kd_args_has(&inv->args, "seed")) {
        struct kd_rng rng = kd_rng_for((uint64_t)inv->common.seed, KD_FOR_SPLIT, 1, 0);
        kd_shuffle(s->index, s->n, &rng);
    }
    *n = 0;
    if (o->sheet.only || !o->sheet.group || !t->images.labels) {
        cells_add(s, only, count, list, n);
        return 0;
    }
    for (uint32_t k = 0; k < classes && k < count; k++) {
        /* shares that add up to count */
        const uint32_t share =
            (uint32_t)((uint64_t)count * (k + 1) / classes - (uint64_t)count * k / classes);
        cells_add(s, (int32_t)k, classes > count ? 1 : share, list, n);
        list[(*n)++] = KD_SHEET_BREAK;
    }
    return 0;
}

/* Is the picture there another one? What made it does not count. */
static int sheet_spare(const struct kd_invocation *inv, const struct kd_picture *p,
                       struct kd_err *err)
{
    const struct options *o = inv->options;
    const char *path = inv->common.output;
    struct kd_bytes bytes = {0};
    struct kd_picture there = {0};
    struct kd_err unreadable;
    if (o->place.overwrite || !kd_path_is_file(path)) return 0;
    const bool same = kd_file_read(path, kd_read_limit(), &bytes, &unreadable) == 0 &&
                      kd_picture_decode(bytes.data, bytes.size, path, kd_read_limit(), &there,
                                        &unreadable) == 0 &&
                      there.h == p->h && there.w == p->w && there.c == p->c &&
                      memcmp(there.pixels, p->pixels, (size_t)p->h * p->w * p->c) == 0;
    kd_picture_release(&there);
    kd_bytes_release(&bytes);
    return same ? 0 : kd_fail_spared(err, path, "it is another picture");
}

static int sheet(struct kd_invocation *inv, struct taken *t, struct kd_err *err)
{
    const struct options *o = inv->options;
    const struct kd_sheet how = {o->sheet.columns, o->sheet.scale, o->sheet.labels};
    struct kd_picture picture = {0};
    struct kd_bytes bytes = {0};
    uint32_t n;
    uint32_t *list =
        kd_alloc((size_t)o->sheet.count + t->images.classes, sizeof *list, "the sheet", err);
    int status = list ? cells_choose(inv, t, list, &n, err) : -1;
    if (status == 0) status = kd_sheet_draw(&t->images, list, n, &how, &picture, err);
    if (status == 0) status = sheet_spare(inv, &picture, err);
    char *origin = inv->command[0] ? kd_format(err, "kd %s: %s", KD_VERSION, inv->command) : NULL;
    if (status == 0 && inv->command[0] && !origin) status = -1;
    picture.origin = origin;
    if (status == 0) status = kd_picture_encode(&picture, &bytes, err);
    if (status == 0) status = kd_file_write(inv->common.output, bytes.data, bytes.size, err);
    if (status == 0) status = made_print(inv, kd_images_identity(&t->images, err), err);
    kd_bytes_release(&bytes);
    kd_picture_release(&picture);
    kd_free(origin);
    kd_free(list);
    return status;
}

static int sheet_check(const struct kd_invocation *inv, struct kd_err *err)
{
    if (!inv->common.output)
        return kd_fail_usage(err,
                             "sheet: say where to with -o SHEET.png, or -o - for standard output");
    if (inv->args.n_operands > 2)
        return kd_fail_usage(err, "sheet: one set at a time, %zu are given",
                             inv->args.n_operands - 1);
    return output_file_check(inv, err);
}

/* ---- views ---- */

static int views_spare(const struct kd_invocation *inv, const struct kd_tensor *t,
                       struct kd_err *err)
{
    const struct options *o = inv->options;
    const char *path = inv->common.output;
    struct kd_tensorfile there;
    struct kd_err unreadable;
    if (o->place.overwrite || !kd_path_is_file(path)) return 0;
    if (kd_npy_read(path, NULL, &there, &unreadable) < 0)
        return kd_fail_spared(err, path, "it is no .npy file that can be read");
    const struct kd_tensor *a = &there.tensors[0];
    const bool same = a->dtype == t->dtype && a->dims == t->dims &&
                      memcmp(a->shape, t->shape, t->dims * sizeof *t->shape) == 0 &&
                      memcmp(a->data, t->data, t->count * kd_dtype_size(t->dtype)) == 0;
    kd_tensorfile_release(&there);
    return same ? 0 : kd_fail_spared(err, path, "its pixels are others");
}

static int views(struct kd_invocation *inv, struct taken *taken, struct kd_err *err)
{
    const struct options *o = inv->options;
    const struct kd_images *m = &taken->images;
    const struct kd_views_wanted wanted = {(size_t)o->views.count, (uint64_t)o->views.seed,
                                           &o->augment};
    struct kd_tensor t = {0};
    if (taken->subset.n != m->n)
        return kd_fail_usage(err,
                             "views: they are of a whole split, as soft targets are; leave "
                             "out what takes a part of %s:%s",
                             m->source, m->split);
    int status = kd_views_pixels(m, &wanted, &t, err);
    if (status == 0) status = views_spare(inv, &t, err);
    if (status == 0) status = kd_npy_write(inv->common.output, &t, err);
    if (status == 0)
        kd_say(inv, "%s:%s, %zu views of %u images [%zu,%u,%u,%u,%u], %s", m->source, m->split,
               wanted.views, m->n, wanted.views, m->n, m->c, m->h, m->w, kd_dtype_name(t.dtype));
    if (status == 0) status = made_print(inv, kd_images_identity(m, err), err);
    kd_free(t.data);
    return status;
}

static int views_check(const struct kd_invocation *inv, struct kd_err *err)
{
    const struct options *o = inv->options;
    if (!inv->common.output) return kd_fail_usage(err, "views: say where to with -o VIEWS.npy");
    if (inv->args.n_operands > 2)
        return kd_fail_usage(err, "views: one set at a time, %zu are given",
                             inv->args.n_operands - 1);
    if (kd_args_has(&inv->args, "to") && o->convert.to != TO_NPY)
        return kd_fail_usage(err, "views: they are written with --to npy alone");
    if (!kd_augment_active(&o->augment))
        return kd_fail_usage(err, "views: say how images are augmented, for example --shift 2");
    return output_file_check(inv, err);
}

/* ---- the program ---- */

static const char *const jobs[] = {"inspect", "convert", "sheet", "views"};
enum { JOBS = sizeof jobs / sizeof *jobs };

/* The job that people call so, or one of a name near to it; or NULL. */
static const char *job_meant(const char *name)
{
    static const char *const also[JOBS] = {
        " info show stats describe print ls ", " export write save copy to ",
        " plot picture grid montage contact draw view ", " augment augmentation "};
    char word[32];
    snprintf(word, sizeof word, " %.28s ", name);
    for (int j = 0; j < JOBS; j++)
        if (strstr(also[j], word)) return jobs[j];
    return kd_nearest(name, jobs, JOBS);
}

static int options_check(const struct kd_invocation *inv, unsigned job, struct kd_err *err)
{
    const struct options *o = inv->options;
    const bool carved = o->data.validation > 0, part = o->data.fraction < 1;
    char convert_alone[64], sheet_alone[64], views_alone[64];
    snprintf(convert_alone, sizeof convert_alone, "is for convert, not for %s", jobs[job]);
    snprintf(sheet_alone, sizeof sheet_alone, "is for sheet, not for %s", jobs[job]);
    snprintf(views_alone, sizeof views_alone, "is for views, not for %s", jobs[job]);
    const struct kd_idle rules[] = {
        {job != 1 && job != 3, "to", convert_alone},
        {job != 1, "by-class", convert_alone},
        {job != 3, "views views-seed " KD_AUGMENT_FLAGS, views_alone},
        {job != 2, "count columns scale class group labels", sheet_alone},
        {job == 0, "overwrite", "is for what writes a file; inspect does not"},
        {!carved, "carve", "goes with --validation"},
        {!carved && !part, "split-seed", "goes with --validation or --fraction"}};
    return kd_args_idle(&inv->args, rules, sizeof rules / sizeof *rules, err);
}

static int do_job(struct kd_invocation *inv, struct kd_err *err)
{
    const char *job = inv->args.operands[0];
    unsigned j = 0;
    while (j < JOBS && strcmp(jobs[j], job) != 0) j++;
    if (j == JOBS) {
        const char *near = job_meant(job);
        return kd_fail_usage(err, "no job '%s'%s%s%s; jobs are inspect, convert, sheet and views",
                             job, near ? ", did you mean '" : "", near ? near : "",
                             near ? "'?" : "");
    }
    if (options_check(inv, j, err) < 0) return -1;
    kd_tensorfile_spare(!((const struct options *)inv->options)->place.overwrite);
    if (j == 0 && inv->common.output)
        return kd_fail_usage(err,
                             "inspect: prints to standard output; -o is for what writes a file");
    if (j == 1 && convert_check(inv, err) < 0) return -1;
    if (j == 2 && sheet_check(inv, err) < 0) return -1;
    if (j == 3 && views_check(inv, err) < 0) return -1;
    for (size_t i = 1; i < inv->args.n_operands && !kd_stopping; i++) {
        struct taken t;
        if (take(inv, inv->args.operands[i], &t, err) < 0) return -1;
        const int status = j == 0   ? inspect(inv, &t, i == 1, err)
                           : j == 1 ? convert(inv, &t, i + 1 == inv->args.n_operands, err)
                           : j == 2 ? sheet(inv, &t, err)
                                    : views(inv, &t, err);
        taken_release(&t);
        if (status < 0) return -1;
    }
    return 0;
}

static const struct kd_opt_more more[] = {
    {"output", "Safetensors files and sheets can go to standard output."},
    {"seed", "It is of the choice of images on a sheet."},
    {"json", "One line for each source: what inspect found, or what was written and where."},
    {"validation", "SOURCE then is what remains, SOURCE:validation what was carved."},
    {0},
};

const struct kd_program kd_program = {
    .name = "kd-data",
    .usage = "inspect|convert|sheet|views [OPTION]... SOURCE...",
    .summary = "Look at image data, convert it, draw contact sheets, write augmented views.",
    .details =
        "SOURCE is NAME[:SPLIT] or KIND:PLACE[:SPLIT]: mnist, fashion, cifar10, cifar100, digits\n"
        "(built in), idx:DIR, images:DIR, csv:FILE, tensors:FILE, tensors:IMAGES.npy,LABELS.npy.\n"
        "SPLIT is train (where none is given), test, or validation together with --validation N.\n"
        "\n"
        "Examples:\n"
        "  kd-data inspect mnist:train mnist:test\n"
        "  kd-data convert digits:train digits:test --to png -o digits-png\n"
        "  kd-data convert png:photos --to tensors -o photos.safetensors\n"
        "  kd-data sheet digits --labels -o sheet.png\n"
        "  kd-data views mnist:train --views 5 --shift 2 -o views.npy  for a teacher elsewhere\n",
    .sections = sections,
    .more = more,
    .min_operands = 2,
    .max_operands = 64,
    .options_size = sizeof(struct options),
    .work = do_job,
};
