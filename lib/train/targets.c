/* Reading soft targets, and holding them against the student's data. */
#include "kd/train/targets.h"
#include "kd/base/json.h"
#include "kd/data/classes.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *text_of(const cJSON *object, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    return cJSON_IsString(item) ? item->valuestring : "?";
}

static int check_identity(const cJSON *made_for, const struct kd_images *images, struct kd_err *err)
{
    const char *split = text_of(made_for, "split"), *pixels = text_of(made_for, "pixels");
    const bool other_split = strcmp(split, images->split) != 0;
    char there[KD_IMAGES_WORDS], here[KD_IMAGES_WORDS];
    if (!other_split && strcmp(pixels, images->pixels_fingerprint) == 0) return 0;
    kd_identity_words(made_for, there);
    kd_images_words(images, here);
    if (strcmp(there, here) == 0)
        return kd_fail(err,
                       "made for other pixels: %s, which have changed since; make soft targets for "
                       "these images with kd-soften (pixel fingerprints %s and %s)",
                       there, pixels, images->pixels_fingerprint);
    return kd_fail(err,
                   "made for %s: %s, but the student trains on %s; make soft targets for these "
                   "images with kd-soften (pixel fingerprints %s and %s)",
                   other_split ? "another split" : "other pixels", there, here, pixels,
                   images->pixels_fingerprint);
}

/* Labels that were numbered otherwise when the teacher was asked: unless names say how. */
static int check_labels(const cJSON *made_for, const struct kd_images *images, bool named,
                        struct kd_err *err)
{
    const char *labels = text_of(made_for, "labels");
    if (named || strcmp(labels, "?") == 0 || !*labels || !*images->labels_fingerprint ||
        strcmp(labels, images->labels_fingerprint) == 0)
        return 0;
    char there[KD_IMAGES_WORDS], here[KD_IMAGES_WORDS], now[KD_IMAGES_WORDS + 20];
    kd_identity_words(made_for, there);
    kd_images_words(images, here);
    snprintf(now, sizeof now, " than now %s", here);
    return kd_fail(err,
                   "made when %s had other labels%s: were its classes numbered anew? make soft "
                   "targets again with kd-soften, or take these all the same with --force (label "
                   "fingerprints %s and %s)",
                   there, strcmp(there, here) == 0 ? "" : now, labels, images->labels_fingerprint);
}

static int check_data(const struct kd_tensorfile *f, const struct kd_images *images,
                      const struct kd_job *job, bool force, struct kd_err *err)
{
    const char *kind = kd_tensorfile_meta(f, "kd.kind"), *data = kd_tensorfile_meta(f, "kd.data");
    if (kind && strcmp(kind, "soft-targets") != 0)
        return kd_fail(err, "it holds %s, not soft targets; kd-soften writes them",
                       strcmp(kind, "model") == 0 ? "a model" : kind);
    if (kd_format_check(f, err) < 0) return -1;
    if (!data) {
        if (force) return 0;
        return kd_fail(err,
                       "it does not say which images it was made for (no kd.data); --force takes "
                       "row i for image i of %s:%s",
                       images->source, images->split);
    }
    cJSON *json = kd_json_parse(data, strlen(data), "kd.data", err);
    const bool named = kd_tensorfile_meta(f, "kd.class_names") && images->class_names;
    int status = json ? check_identity(json, images, err) : -1;
    if (status == 0 && !force && !job->data.unlabelled)
        status = check_labels(json, images, named, err);
    cJSON_Delete(json);
    return status;
}

/* Which tensor serves: logits at any temperature, else probabilities at exactly the student's. */
static int choose(const struct kd_tensorfile *f, const struct kd_distill_config *distill,
                  const struct kd_tensor **tensor, size_t *slice, struct kd_targets *out,
                  struct kd_err *err)
{
    double temperature = distill->temperature;
    *slice = 0;
    *tensor = kd_tensorfile_find(f, "logits");
    if (!*tensor && f->n == 1 && !kd_tensorfile_meta(f, "kd.kind") &&
        strcmp(f->tensors[0].name, "probabilities") != 0)
        *tensor = &f->tensors[0];
    if (*tensor) return 0;
    *tensor = kd_tensorfile_find(f, "probabilities");
    if (!*tensor)
        return kd_fail(err, "it has neither \"logits\" nor \"probabilities\" nor \"top.values\"");
    if (kd_distill_check_probabilities(distill, err) < 0) return -1;
    const char *text = kd_tensorfile_meta(f, "kd.temperature");
    cJSON *list = text ? kd_json_parse(text, strlen(text), "kd.temperature", err) : NULL;
    const cJSON *item;
    size_t at = 0;
    cJSON_ArrayForEach(item, list)
    {
        if (cJSON_IsNumber(item) && item->valuedouble == temperature) out->probabilities = true;
        if (!out->probabilities) at++;
    }
    cJSON_Delete(list);
    *slice = at;
    if (!out->probabilities)
        return kd_fail(err,
                       "it holds probabilities at temperatures %s, not at the student's %g; choose "
                       "one of these, or write logits, which serve every temperature",
                       text ? text : "unknown", temperature);
    return 0;
}

/* Sparse logits. */
static int take_top(const struct kd_tensorfile *f, const struct kd_images *images,
                    struct kd_targets *out, struct kd_err *err)
{
    struct kd_top top;
    if (kd_top_of(f, &top, err) < 0) return -1;
    if (top.n != images->n)
        return kd_fail(err, "top.values has %zu rows for %u images of %s:%s", top.n, images->n,
                       images->source, images->split);
    out->top = top;
    out->n = top.n;
    out->classes = top.classes;
    out->views = top.views ? top.views : 1;
    return 0;
}

static int check_shape(const struct kd_tensor *t, const struct kd_images *images,
                       struct kd_targets *out, struct kd_err *err)
{
    size_t rows = t->dims == 3 ? t->shape[1] : t->shape[0];
    if ((t->dims != 3 && (t->dims != 2 || out->probabilities)) || rows != images->n)
        return kd_fail(err, "%s has %u dimensions and %zu rows; expected [%s%u, classes] for %s:%s",
                       t->name[0] ? t->name : "the array", t->dims, t->dims ? rows : 0,
                       out->probabilities ? "temperatures, " : "", images->n, images->source,
                       images->split);
    out->n = rows;
    out->classes = t->shape[t->dims - 1];
    out->views = t->dims == 3 && !out->probabilities ? t->shape[0] : 1;
    if (!out->views || !out->classes) return kd_fail(err, "%s is empty", t->name);
    return 0;
}

/* Rounding to half precision moves a sum by less than half of this. */
#define SUM_TOLERANCE 1e-3

static int check_row(const struct kd_targets *t, size_t row, double temperature, struct kd_err *err)
{
    const float *q = t->values + row * t->classes; /* [classes] */
    double sum = 0;
    for (size_t c = 0; c < t->classes; c++) {
        if (!isfinite(q[c]) || (t->probabilities && q[c] < 0))
            return kd_fail(err, "row %zu, class %zu is %g", row, c, (double)q[c]);
        sum += (double)q[c];
    }
    if (!t->probabilities || fabs(sum - 1) <= SUM_TOLERANCE) return 0;
    return kd_fail(err,
                   "row %zu of the probabilities at temperature %g sums to %g, not to 1; write "
                   "softmax(logits / T), or "
                   "logits, which serve every temperature",
                   row, temperature, sum);
}

static int take_values(const struct kd_tensor *t, size_t slice, double temperature,
                       struct kd_targets *out, struct kd_err *err)
{
    size_t size = out->n * out->classes;
    struct kd_tensor part = *t;
    if (out->probabilities) {
        if (slice >= t->shape[0])
            return kd_fail(err, "kd.temperature names more slices than there are");
        part.count = size;
        part.data = (char *)t->data + slice * size * kd_dtype_size(t->dtype);
    }
    out->values = kd_alloc(part.count, sizeof(float), "soft targets", err);
    if (!out->values || kd_tensor_to_float(&part, out->values, err) < 0) return -1;
    for (size_t row = 0; row < out->views * out->n; row++)
        if (check_row(out, row, temperature, err) < 0) return -1;
    return 0;
}

/* Probabilities under the name of logits: a softmax of them would be all but even. */
static int check_logits(const struct kd_targets *t, struct kd_err *err)
{
    const size_t rows = t->views * t->n;
    if (t->probabilities || t->classes < 2) return 0;
    for (size_t r = 0; r < rows; r++) {
        double sum = 0;
        for (size_t c = 0; c < t->classes; c++) {
            const float v = t->values[r * t->classes + c];
            if (v < 0) return 0;
            sum += (double)v;
        }
        if (fabs(sum - 1) > SUM_TOLERANCE) return 0;
    }
    return kd_fail(err,
                   "every row of it is not negative and sums to 1: these are probabilities, not "
                   "logits; save their logarithm, which serves as logits (numpy: numpy.log(p + "
                   "1e-9)), or a tensor named probabilities with kd.temperature");
}

/* Column c of each row is to be what column order[c] is. */
static int reorder(struct kd_targets *t, const uint32_t *order, struct kd_err *err)
{
    float *row = kd_alloc(t->classes, sizeof *row, "classes", err);
    for (size_t r = 0; row && r < t->views * t->n; r++) {
        float *z = t->values + r * t->classes;
        for (size_t c = 0; c < t->classes; c++) row[c] = z[order[c]];
        memcpy(z, row, t->classes * sizeof *z);
    }
    kd_free(row);
    return row ? 0 : -1;
}

/* The same of sparse rows, which stay as they are in their file: while they are filled. */
static int replace(struct kd_targets *t, const uint32_t *order, struct kd_err *err)
{
    t->place = kd_alloc(t->classes, sizeof *t->place, "classes", err);
    if (!t->place) return -1;
    for (uint32_t c = 0; c < t->classes; c++) t->place[order[c]] = c;
    t->top.place = t->place;
    return 0;
}

/* What the teacher's layers said: of the images as it saw them, and of no others. */
static int take_features(const struct kd_tensorfile *f, const struct kd_job *job,
                         const uint32_t *order, struct kd_targets *out, struct kd_err *err)
{
    const struct kd_features_of from = {
        f, out->n, out->views, out->classes, kd_tensorfile_meta(f, "kd.views") != NULL, order};
    if (kd_features_read(&out->features, &from, err) < 0) return -1;
    if (!out->features.n_layers) return 0;
    if (job->train.mix.kind != KD_MIX_NONE)
        return kd_fail_usage(err, "train.mix: the features stored are of whole images, not of "
                                  "mixed ones; give the teacher itself (--teacher MODEL)");
    if (kd_augment_active(&job->augment) && !from.with_views)
        return kd_fail_usage(err, "distill.fixed_teacher: the features stored are of plain images, "
                                  "and layers are compared for the images that the student sees; "
                                  "store views (kd-soften --views), or give the teacher itself");
    return 0;
}

/* Columns into the order of the images' classes, by name; features are taken along. */
static int match_classes(const struct kd_tensorfile *f, const struct kd_images *images,
                         const struct kd_job *job, struct kd_targets *out, struct kd_err *err)
{
    const uint32_t n = (uint32_t)out->classes;
    char **names;
    uint32_t *map = NULL, *order = NULL;
    if (kd_class_names_read(f->metadata, n, &names, err) < 0) return -1;
    const struct kd_classes file = {"the soft targets", names, n};
    const struct kd_classes data = {images->source, images->class_names, images->classes};
    int status = images->classes <= n ? kd_classes_match(&file, &data, &map, err) : 0;
    if (status == 0) status = kd_classes_order(&file, map, images->classes, &order, err);
    if (order && (out->values ? reorder : replace)(out, order, err) < 0) status = -1;
    char *const *known = names ? names : images->classes == n ? images->class_names : NULL;
    if (status == 0 && known &&
        !(out->class_names = kd_class_names_copy(known, names ? order : NULL, n, err)))
        status = -1;
    if (status == 0 && kd_distill_wants_features(&job->distill))
        status = take_features(f, job, order, out, err);
    kd_free(map);
    kd_free(order);
    kd_class_names_free(names, n);
    return status;
}

/* Views are replayed: the student must be asked for the same augmentation. */
static int check_views(const struct kd_tensorfile *f, const struct kd_job *job,
                       struct kd_targets *out, struct kd_err *err)
{
    const char *text = kd_tensorfile_meta(f, "kd.views");
    bool augmented = kd_augment_active(&job->augment);
    if (!text) {
        if (out->views > 1)
            return kd_fail(err,
                           "it holds %zu views but does not say how they were made (no kd.views)",
                           out->views);
        if (augmented && !job->distill.fixed_teacher)
            return kd_fail(
                err, "made for plain images, but the student augments its own; use --teacher, "
                     "record views with kd-soften --views, or accept that with "
                     "--fixed-teacher");
        return 0;
    }
    cJSON *json = kd_json_parse(text, strlen(text), "kd.views", err);
    const cJSON *seed = cJSON_GetObjectItemCaseSensitive(json, "seed");
    const struct kd_opt_section section[] = {{"", "", kd_augment_rows, &out->augment, NULL}, {0}};
    int status = json && kd_opts_preset(section, err) == 0 ? 0 : -1;
    if (status == 0)
        status = kd_opts_from_json(section, cJSON_GetObjectItemCaseSensitive(json, "augment"),
                                   "kd.views.augment", NULL, err);
    double number = cJSON_IsNumber(seed) ? seed->valuedouble : 0;
    out->seed = number >= 0 && number <= 9007199254740992.0 ? (uint64_t)number : 0;
    cJSON_Delete(json);
    if (status < 0) return -1;
    out->augmented = true;
    if (kd_augment_same(&out->augment, &job->augment)) return 0;
    char views[KD_AUGMENT_TEXT], own[KD_AUGMENT_TEXT];
    kd_augment_text(&out->augment, views);
    kd_augment_text(&job->augment, own);
    return kd_fail(
        err,
        "its views were augmented otherwise (%s) than the student's images (%s); give the "
        "student the same",
        views, own);
}

static int take_dense(const struct kd_tensorfile *f, const struct kd_images *images,
                      const struct kd_job *job, struct kd_targets *out, struct kd_err *err)
{
    const struct kd_tensor *tensor;
    size_t slice;
    if (choose(f, &job->distill, &tensor, &slice, out, err) < 0 ||
        check_shape(tensor, images, out, err) < 0 ||
        take_values(tensor, slice, job->distill.temperature, out, err) < 0)
        return -1;
    return check_logits(out, err);
}

int kd_targets_take(const struct kd_tensorfile *f, const struct kd_images *images,
                    const struct kd_job *job, bool force, struct kd_targets *out,
                    struct kd_err *err)
{
    const bool sparse = kd_top_in(f) && !kd_tensorfile_find(f, "logits");
    if (check_data(f, images, job, force, err) < 0 ||
        (sparse ? take_top(f, images, out, err) : take_dense(f, images, job, out, err)) < 0 ||
        check_views(f, job, out, err) < 0 || match_classes(f, images, job, out, err) < 0)
        return -1;
    const char *parents = kd_tensorfile_meta(f, "kd.parents");
    out->parents =
        parents ? kd_json_parse(parents, strlen(parents), "kd.parents", err) : cJSON_CreateArray();
    return out->parents ? 0 : -1;
}

static void remember(struct kd_targets *t)
{
    kd_fingerprint(t->values, t->views * t->n * t->classes * sizeof *t->values, t->fingerprint);
}

static int remember_top(struct kd_targets *t, struct kd_err *err)
{
    const size_t rows = kd_top_rows(&t->top);
    struct kd_hash *h = kd_hash_new(err);
    if (!h) return -1;
    kd_hash_add_u32(h, (uint32_t)t->classes);
    kd_hash_add_u32(h, (uint32_t)t->top.k);
    kd_hash_add(h, t->top.values, rows * t->top.k * sizeof *t->top.values);
    kd_hash_add(h, t->top.chosen, rows * t->top.k * kd_dtype_size(t->top.dtype));
    kd_hash_add(h, t->top.rest, rows * 2 * sizeof *t->top.rest);
    if (t->place) kd_hash_add(h, t->place, t->classes * sizeof *t->place);
    kd_hash_end(h, t->fingerprint);
    return 0;
}

/* Together with the logits. */
static int remember_features(struct kd_targets *t, struct kd_err *err)
{
    struct kd_hash *h = kd_hash_new(err);
    if (!h) return -1;
    kd_hash_add(h, t->fingerprint, sizeof t->fingerprint);
    kd_features_hash(&t->features, h);
    kd_hash_end(h, t->fingerprint);
    return 0;
}

bool kd_targets_stored(const struct kd_targets *t)
{
    return t->values || t->top.k;
}

size_t kd_targets_bytes(const struct kd_targets *t)
{
    size_t bytes = t->values ? t->views * t->n * t->classes * sizeof *t->values : 0;
    if (t->file.bytes.mapped) return bytes;
    if (t->top.k) bytes += kd_top_bytes(&t->top);
    return bytes + kd_features_bytes(&t->features);
}

void kd_targets_fill(const struct kd_targets *t, size_t view, const uint32_t *index, size_t n,
                     double temperature, float *out)
{
    for (size_t i = 0; i < n; i++) {
        const size_t row = view * t->n + (index ? index[i] : i);
        float *z = out + i * t->classes;
        if (t->values)
            memcpy(z, t->values + row * t->classes, t->classes * sizeof *z);
        else
            kd_top_row(&t->top, row, temperature, z);
    }
}

int kd_targets_read(const char *path, const struct kd_images *images, const struct kd_job *job,
                    bool force, struct kd_targets *out, struct kd_err *err)
{
    *out = (struct kd_targets){0};
    struct kd_tensorfile f;
    int status = kd_tensorfile_read_any(path, NULL, &f, err);
    if (status < 0) return -1;
    if (kd_targets_take(&f, images, job, force, out, err) < 0) {
        status = kd_err_context(err, "%s", path);
        err->kind = KD_ERR_FAILURE;
        kd_targets_release(out);
    }
    if (status == 0 && (out->top.k || out->features.n_layers))
        out->file = f; /* which they stay in */
    else
        kd_tensorfile_release(&f);
    if (status == 0 && out->values) remember(out);
    if (status == 0 && out->top.k) status = remember_top(out, err);
    if (status == 0 && out->features.n_layers) status = remember_features(out, err);
    if (status < 0) kd_targets_release(out);
    return status;
}

int kd_targets_from_teachers(struct kd_teachers *teachers, const struct kd_images *images,
                             const struct kd_job *job, const struct kd_asking *how,
                             struct kd_targets *out, struct kd_err *err)
{
    *out = (struct kd_targets){.views = 1, .n = images->n, .teachers = *teachers};
    *teachers = (struct kd_teachers){0};
    struct kd_teachers *t = &out->teachers;
    t->average = job->distill.average;
    out->probabilities = t->average == KD_AVERAGE_PROBABILITIES;
    if (out->probabilities && kd_distill_check_probabilities(&job->distill, err) < 0) goto fail;
    if (kd_teachers_check(t, images, err) < 0 || !(out->parents = kd_teachers_parents(t, err)))
        goto fail;
    out->classes = t->models[0].net->classes;
    if (t->class_names && !(out->class_names = kd_class_names_copy(t->class_names, NULL,
                                                                   (uint32_t)out->classes, err)))
        goto fail;
    struct kd_view plain = {.images = images, .n = out->n};
    const bool features = kd_distill_wants_features(&job->distill);
    const bool changing = kd_augment_active(&job->augment) || job->train.mix.kind != KD_MIX_NONE;
    if (features && changing && job->distill.fixed_teacher) {
        kd_fail_usage(err, "distill.fixed_teacher: a loss that compares layers asks the teacher "
                           "about the images that the student sees; leave it out");
        goto fail;
    }
    if (features || (changing && !job->distill.fixed_teacher)) {
        if (kd_teachers_plan(t, (size_t)job->train.batch, err) == 0) return 0;
    } else {
        out->values = kd_alloc(out->n * out->classes, sizeof(float), "soft targets", err);
        if (out->values &&
            kd_teachers_predict(t, &plain, job->distill.temperature, how, out->values, err) == 0) {
            kd_teachers_release(t); /* asked once, for good */
            remember(out);
            return 0;
        }
    }
fail:
    kd_targets_release(out);
    return -1;
}

int kd_targets_from_labels(const struct kd_images *images, const struct kd_job *job,
                           struct kd_targets *out, struct kd_err *err)
{
    double p = isnan(job->distill.certainty) ? 0.9 : job->distill.certainty;
    size_t classes = images->classes;
    *out = (struct kd_targets){.views = 1, .n = images->n, .classes = classes};
    if (!images->labels || job->data.unlabelled || classes < 2)
        return kd_fail_usage(err, "distill.from=labels: %s:%s has no labels to learn from",
                             images->source, images->split);
    out->values = kd_alloc(out->n * classes, sizeof(float), "soft targets", err);
    out->parents = out->values ? cJSON_CreateArray() : NULL;
    if (!out->parents) {
        kd_targets_release(out);
        return kd_fail_memory(err, "not enough memory for soft targets");
    }
    float label = (float)log(p * (double)(classes - 1) / (1 - p));
    for (size_t i = 0; i < out->n; i++)
        if (images->labels[i] >= 0) out->values[i * classes + (size_t)images->labels[i]] = label;
    remember(out);
    return 0;
}

int kd_targets_from_training(const struct kd_images *images, enum kd_own_teacher kind,
                             struct kd_targets *out, struct kd_err *err)
{
    *out =
        (struct kd_targets){.views = 1, .n = images->n, .classes = images->classes, .made = kind};
    out->parents = cJSON_CreateArray();
    return out->parents ? 0 : kd_fail_memory(err, "not enough memory for soft targets");
}

void kd_targets_release(struct kd_targets *t)
{
    kd_free(t->values);
    kd_free(t->place);
    kd_features_release(&t->features);
    kd_tensorfile_release(&t->file);
    kd_class_names_free(t->class_names, (uint32_t)t->classes);
    kd_teachers_release(&t->teachers);
    cJSON_Delete(t->parents);
    *t = (struct kd_targets){0};
}
