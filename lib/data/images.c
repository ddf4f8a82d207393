#include "kd/data/images.h"
#include "formats.h"
#include "kd/base/file.h"
#include <stdlib.h>
#include <string.h>

/* ---- what the readers share ---- */

int kd_pixels_alloc(struct kd_images *images, const char *name, size_t limit, struct kd_err *err)
{
    size_t size = kd_dtype_size(images->dtype);
    const uint32_t shape[4] = {images->n, images->c, images->h, images->w};
    for (unsigned d = 0; d < 4; d++) {
        if (kd_mul_size(size, shape[d], &size) == 0 && size <= limit) continue;
        return kd_fail(err, "%s: %u images of %ux%ux%u need more than the limit of %zu bytes%s",
                       name, images->n, images->c, images->h, images->w, limit,
                       kd_read_limit_remedy(limit));
    }
    images->pixels = kd_alloc(size, 1, "images", err);
    return images->pixels ? 0 : kd_err_context(err, "%s", name);
}

int kd_unsplit_check(const struct kd_load *load, const char *remedy, struct kd_err *err)
{
    if (load->split_named || strcmp(load->split, "train") == 0) return 0;
    return kd_fail_usage(err,
                         "%s has no %s split of its own: %s, name another source for it, train "
                         "with --validation N, which keeps N images apart, or write :%s behind it "
                         "to take all of it as that split",
                         load->place, load->split, remedy, load->split);
}

/* ---- loading ---- */

/* The folder of a named source under the data folder; caller frees. */
static char *place_find(const struct kd_source_kind *kind, const char *data_dir, struct kd_err *err)
{
    const char *under = data_dir ? data_dir : getenv("KD_DATA");
    char *first = NULL, *second = NULL;
    if (!under || !*under) under = "./data";
    first = kd_path_join(err, under, kind->folders[0]);
    if (!first || kd_path_exists(first)) return first;
    if (kind->folders[1]) {
        second = kd_path_join(err, under, kind->folders[1]);
        if (!second || kd_path_exists(second)) {
            kd_free(first);
            return second;
        }
    }
    kd_fail(err,
            "%s: not found: no folder %s%s%s; fetch it with `scripts/get_data.sh %s %s`, or "
            "name the folder that has it with --data-dir or KD_DATA",
            kind->name, first, second ? " or " : "", second ? second : "", kind->name, under);
    kd_free(first);
    kd_free(second);
    return NULL;
}

/* In a set whose labels are published as 0..classes-1 names come from the table. */
static int names_add(const struct kd_source_kind *kind, struct kd_images *images,
                     struct kd_err *err)
{
    if (!kind->class_names || images->class_names) return 0;
    images->class_names = kd_alloc(images->classes, sizeof(char *), "class names", err);
    if (!images->class_names) return -1;
    for (uint32_t i = 0; i < images->classes; i++) {
        images->class_names[i] = kd_strdup(kind->class_names[i], err);
        if (!images->class_names[i]) return -1;
    }
    return 0;
}

int kd_images_fingerprint(struct kd_images *images, struct kd_err *err)
{
    const uint32_t shape[4] = {images->n, images->c, images->h, images->w};
    const char *dtype = kd_dtype_name(images->dtype);
    struct kd_hash *hash = kd_hash_new(err);
    if (!hash) return -1;
    size_t size = kd_dtype_size(images->dtype);
    for (unsigned d = 0; d < 4; d++) {
        size *= shape[d];
        kd_hash_add_u32(hash, shape[d]);
    }
    kd_hash_add(hash, dtype, strlen(dtype));
    kd_hash_add(hash, images->pixels, size);
    kd_hash_end(hash, images->pixels_fingerprint);
    images->labels_fingerprint[0] = '\0';
    if (images->labels) {
        hash = kd_hash_new(err);
        if (!hash) return -1;
        for (uint32_t i = 0; i < images->n; i++) kd_hash_add_u32(hash, (uint32_t)images->labels[i]);
        kd_hash_end(hash, images->labels_fingerprint);
    }
    return 0;
}

/* PLACE, or "IMAGES.npy,LABELS.npy", here or beside the file that names it; caller frees. */
static char *place_beside(const char *place, const struct kd_images_options *o, struct kd_err *err)
{
    const char *comma = kd_path_exists(place) ? NULL : strchr(place, ',');
    if (!comma) return kd_path_find(place, o->beside, o->up, err);
    char *first = kd_format(err, "%.*s", (int)(comma - place), place), *at = NULL, *second = NULL;
    if (first) at = kd_path_find(first, o->beside, o->up, err);
    if (at) second = kd_path_find(comma + 1, o->beside, o->up, err);
    char *both = second ? kd_format(err, "%s,%s", at, second) : NULL;
    kd_free(first);
    kd_free(at);
    kd_free(second);
    return both;
}

char *kd_spec_find(const char *spec, const char *beside, struct kd_err *err)
{
    const struct kd_images_options o = {.beside = beside};
    struct kd_err ignored;
    char *source = NULL, *split = NULL, *place = NULL, *out = NULL;
    const char *colon = strchr(spec, ':');
    if (!colon || kd_spec_parse(spec, &source, &split, &ignored) < 0 || !strchr(source, ':'))
        out = kd_strdup(spec, err);
    else if ((place = place_beside(source + (colon - spec) + 1, &o, err)))
        out = kd_format(err, "%.*s:%s%s%s", (int)(colon - spec), spec, place, split ? ":" : "",
                        split ? split : "");
    kd_free(source);
    kd_free(split);
    kd_free(place);
    return out;
}

static int nowhere(const struct kd_images *images, const char *place,
                   const struct kd_images_options *o, struct kd_err *err)
{
    const char *slash = strrchr(o->beside, '/');
    return kd_fail(err, "%s: there is no %s here, nor in %.*s%s, beside %s", images->source, place,
                   slash ? (int)(slash - o->beside) : 1, slash ? o->beside : ".",
                   o->up ? " or a folder above it" : "", slash ? slash + 1 : o->beside);
}

/* F32 pixels are used as they are: their range tells what they are. */
static void range_find(struct kd_images *m)
{
    const float *p = m->pixels;
    const size_t n = (size_t)m->n * m->c * m->h * m->w;
    if (m->dtype != KD_F32) return;
    m->low = m->high = p[0];
    for (size_t i = 1; i < n; i++) {
        if (p[i] < m->low) m->low = p[i];
        if (p[i] > m->high) m->high = p[i];
    }
}

static int place_load(const struct kd_source_kind *kind, const struct kd_images_options *options,
                      struct kd_load *load, struct kd_images *out, struct kd_err *err)
{
    char *found = NULL;
    if (kind->place) {
        const char *place = strchr(out->source, ':') + 1;
        load->place = found = place_beside(place, options, err);
        if (!found) return -1;
        if (options->beside && strcmp(found, "-") != 0 && !strchr(found, ',') &&
            !kd_path_exists(found) && !(kind->is_mine && kind->is_mine(found))) {
            kd_free(found);
            return nowhere(out, place, options, err);
        }
    } else if (kind->folders[0]) {
        load->place = found = place_find(kind, options->data_dir, err);
        load->name = kind->name;
        if (!found) return -1;
    }
    cJSON *preprocess = NULL;
    int status = kind->load(load, out, err);
    if (status == 0) status = kd_pixels_arrange(out, load, err);
    if (status == 0) status = kd_input_preprocess(load->input, &preprocess, err);
    if (status == 0 && preprocess && !(out->preprocess = kd_json_text(preprocess, false, err)))
        status = -1;
    cJSON_Delete(preprocess);
    if (status == 0) status = names_add(kind, out, err);
    if (status == 0) range_find(out);
    if (status == 0) status = kd_images_fingerprint(out, err);
    kd_free(found);
    return status;
}

int kd_images_load(const char *spec, const struct kd_images_options *options, struct kd_images *out,
                   struct kd_err *err)
{
    static const struct kd_images_options none = {0};
    if (!options) options = &none;
    *out = (struct kd_images){0};
    if (kd_spec_parse(spec, &out->source, &out->split, err) < 0) return -1;
    /* Kd_spec_parse sets source where it returns 0. */
    /* NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker) */
    const struct kd_source_kind *kind = kd_source_find(out->source, strcspn(out->source, ":"));
    static const struct kd_input plain = {0};
    struct kd_load load = {.input = options->input ? options->input : &plain,
                           .split_named = out->split || options->whole,
                           .classes = kind->classes,
                           .limit = options->byte_limit ? options->byte_limit : kd_read_limit(),
                           .pool = options->pool,
                           .progress = options->progress};
    int status = -1;
    if (!out->split)
        out->split = kd_strdup(options->default_split ? options->default_split : "train", err);
    if (!out->split) goto done;
    load.split = out->split;
    if (strcmp(out->split, "train") != 0 && strcmp(out->split, "test") != 0) {
        kd_fail_usage(err,
                      "data '%s': a source has the splits train and test; validation is carved "
                      "from train",
                      spec);
        goto done;
    }
    status = place_load(kind, options, &load, out, err);
done:
    if (status < 0) kd_images_release(out);
    return status;
}

void kd_images_release(struct kd_images *images)
{
    /* Pixels belong to keep where it holds a file. */
    if (!images->keep.bytes.data) kd_free(images->pixels);
    if (images->class_names)
        for (uint32_t i = 0; i < images->classes; i++) kd_free(images->class_names[i]);
    kd_free(images->class_names);
    kd_free(images->labels);
    kd_free(images->source);
    kd_free(images->preprocess);
    kd_free(images->columns);
    kd_free(images->split);
    kd_tensorfile_release(&images->keep);
    *images = (struct kd_images){0};
}

cJSON *kd_images_identity(const struct kd_images *images, struct kd_err *err)
{
    const double shape[3] = {images->c, images->h, images->w};
    struct kd_maker b = kd_make_object(err);
    kd_put_text(&b, "source", images->source);
    kd_put_text(&b, "split", images->split);
    kd_put_number(&b, "n", images->n);
    kd_put_numbers(&b, "shape", shape, 3);
    kd_put_number(&b, "classes", images->classes);
    kd_put_text(&b, "pixels", images->pixels_fingerprint);
    kd_put_text(&b, "labels", images->labels_fingerprint);
    if (images->skipped) kd_put_number(&b, "skipped", images->skipped);
    return kd_make_end(&b);
}

int kd_images_describe(const struct kd_images *images, struct kd_tensorfile *file,
                       struct kd_err *err)
{
    struct kd_maker b = kd_make_object(err);
    kd_put_text(&b, "type", kd_dtype_name(images->dtype));
    if (images->dtype == KD_F32) {
        kd_put_number(&b, "low", (double)images->low);
        kd_put_number(&b, "high", (double)images->high);
    }
    if (kd_tensorfile_set_json(file, "kd.pixels", kd_make_end(&b), err) < 0) return -1;
    if (images->preprocess && kd_tensorfile_set(file, "kd.preprocess", images->preprocess, err) < 0)
        return -1;
    return images->columns ? kd_tensorfile_set(file, "kd.columns", images->columns, err) : 0;
}
