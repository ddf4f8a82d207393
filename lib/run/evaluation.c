#include "kd/run/evaluation.h"
#include "kd/base/file.h"
#include "kd/base/json.h"
#include "kd/run/places.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define NUMBER(key, missing)                                                                       \
    {                                                                                              \
#key, KD_FIELD_NUMBER, offsetof(struct kd_evaluation, key), missing                        \
    }
#define TEXT(key, missing)                                                                         \
    {                                                                                              \
#key, KD_FIELD_TEXT, offsetof(struct kd_evaluation, key), missing                          \
    }
#define MATRIX(key)                                                                                \
    {                                                                                              \
#key, KD_FIELD_MATRIX, offsetof(struct kd_evaluation, key), KD_LEFT_OUT                    \
    }
static const struct kd_field fields[] = {
    TEXT(model, KD_AS_NULL),
    TEXT(data, KD_AS_NULL),
    TEXT(split, KD_AS_NULL),
    NUMBER(n, KD_AS_NULL),
    NUMBER(parameters, KD_AS_NULL),
    NUMBER(macs, KD_AS_NULL),
    NUMBER(top1, KD_AS_NULL),
    NUMBER(top5, KD_AS_NULL),
    NUMBER(errors, KD_AS_NULL),
    NUMBER(nll, KD_AS_NULL),
    NUMBER(ece, KD_AS_NULL),
    NUMBER(agreement, KD_AS_NULL),
    NUMBER(latency_ms, KD_LEFT_OUT),
    NUMBER(throughput, KD_LEFT_OUT),
    NUMBER(latency_threads, KD_LEFT_OUT),
    NUMBER(throughput_threads, KD_LEFT_OUT),
    TEXT(processor, KD_LEFT_OUT),
    NUMBER(reject, KD_LEFT_OUT),
    NUMBER(threshold, KD_LEFT_OUT),
    NUMBER(answered, KD_LEFT_OUT),
    NUMBER(answered_top1, KD_LEFT_OUT),
    TEXT(tta, KD_LEFT_OUT),
    TEXT(fingerprint, KD_AS_NULL),
    TEXT(images, KD_LEFT_OUT),
    TEXT(labels, KD_LEFT_OUT),
    TEXT(reference, KD_LEFT_OUT),
    TEXT(version, KD_LEFT_OUT),
    TEXT(command, KD_LEFT_OUT),
    MATRIX(confusion),
    MATRIX(bins),
    MATRIX(coverage),
    {0},
};
#undef NUMBER
#undef TEXT
#undef MATRIX

cJSON *kd_evaluation_to_json(const struct kd_evaluation *e, struct kd_err *err)
{
    struct kd_evaluation line = *e; /* borrows all of it */
    if (line.confusion.rows > KD_CONFUSION_CLASSES) line.confusion = (struct kd_matrix){0};
    return kd_record_write(fields, &line, err);
}

/* A matrix of another shape is none. */
static void drop_unless(bool fits, struct kd_matrix *m)
{
    if (fits) return;
    kd_free(m->v);
    *m = (struct kd_matrix){0};
}

int kd_evaluation_from_json(const cJSON *line, struct kd_evaluation *out, struct kd_err *err)
{
    if (kd_record_read(fields, line, out, err) < 0) return -1;
    drop_unless(out->confusion.rows == out->confusion.columns, &out->confusion);
    drop_unless(out->bins.columns == 3, &out->bins);
    drop_unless(out->coverage.columns == 3, &out->coverage);
    return 0;
}

void kd_evaluation_release(struct kd_evaluation *e)
{
    kd_record_release(fields, e);
}

/* ---- files ---- */

static int add(struct kd_evaluations *to, const cJSON *line, struct kd_err *err)
{
    struct kd_evaluation *e = kd_grow(&to->of, &to->n, &to->room, sizeof *e, "evaluations", err);
    if (!e) return -1;
    if (kd_evaluation_from_json(line, e, err) == 0) return 0;
    to->n--;
    return -1;
}

static int parse(const struct kd_bytes *text, const char *path, struct kd_evaluations *out,
                 struct kd_err *err)
{
    int status = 0;
    for (size_t at = 0; at < text->size && status == 0;) {
        const char *from = text->data + at, *end = memchr(from, '\n', text->size - at);
        size_t length = end ? (size_t)(end - from) : text->size - at;
        struct kd_err why = {0};
        cJSON *line = NULL;
        if (strspn(from, " \t\r") < length) {
            line = kd_json_parse(from, length, path, &why);
            if (!line && at == 0 && (line = kd_json_parse(text->data, text->size, path, &why)))
                length = text->size;
            if (line)
                status = add(out, line, err);
            else if (!out->problem[0])
                snprintf(out->problem, sizeof out->problem, "%.250s", why.text);
        }
        cJSON_Delete(line);
        at += length + 1;
    }
    return status;
}

int kd_evaluations_read(const char *path, struct kd_evaluations *out, struct kd_err *err)
{
    struct kd_bytes text = {0};
    *out = (struct kd_evaluations){0};
    if (!kd_path_exists(path)) return 0;
    int status = kd_file_read(path, kd_read_limit(), &text, err);
    if (status == 0) status = parse(&text, path, out, err);
    kd_bytes_release(&text);
    if (status < 0) kd_evaluations_release(out);
    return status < 0 ? -1 : 1;
}

void kd_evaluations_release(struct kd_evaluations *e)
{
    for (size_t i = 0; i < e->n; i++) kd_evaluation_release(&e->of[i]);
    kd_free(e->of);
    *e = (struct kd_evaluations){0};
}

static bool same_text(const char *a, const char *b)
{
    return strcmp(a ? a : "", b ? b : "") == 0;
}

bool kd_evaluation_is_saved(const char *path, const struct kd_evaluation_wanted *wanted)
{
    struct kd_err ignored;
    struct kd_evaluations there;
    bool found = false;
    if (kd_evaluations_read(path, &there, &ignored) < 1) return false;
    for (size_t i = 0; i < there.n && !found; i++) {
        const struct kd_evaluation *e = &there.of[i];
        found = same_text(e->fingerprint, wanted->fingerprint) &&
                same_text(e->split, wanted->split) && same_text(e->tta, wanted->tta) &&
                same_text(e->images, wanted->images) && same_text(e->labels, wanted->labels) &&
                (!wanted->reference || same_text(e->reference, wanted->reference)) && e->bins.v &&
                (!wanted->timing || !isnan(e->latency_ms));
    }
    kd_evaluations_release(&there);
    return found;
}

bool kd_evaluations_agree(const struct kd_evaluation *a, const struct kd_evaluation *b)
{
    if (!same_text(a->tta, b->tta) || a->n != b->n) return false;
    if (!a->images || !b->images) return same_text(a->data, b->data);
    return same_text(a->images, b->images) && same_text(a->labels, b->labels);
}

/* The next line of *rest, which moves behind it; NULL at the end, and for what is no JSON. *size:
 * of the line. */
static cJSON *next_line(const char **rest, const char **line, size_t *size)
{
    struct kd_err ignored;
    *line = *rest;
    *size = strcspn(*rest, "\n");
    *rest += *size + ((*rest)[*size] == '\n');
    return *size ? kd_json_parse(*line, *size, KD_FILE_EVALUATIONS, &ignored) : NULL;
}

static bool same(const cJSON *a, const cJSON *b, const char *key)
{
    return same_text(kd_text_at(a, key), kd_text_at(b, key));
}

/* Does one of `lines` replace `old`, or make it one of another model or another way of asking? */
static bool replaced(const cJSON *old, const char *lines)
{
    bool is = !old;
    for (const char *rest = lines, *line; *rest && !is;) {
        size_t size;
        cJSON *json = next_line(&rest, &line, &size);
        const bool images = kd_text_at(old, "images") && same(old, json, "images");
        is = !same(old, json, "fingerprint") || !same(old, json, "tta") ||
             (same(old, json, "split") && (images || same(old, json, "data")));
        cJSON_Delete(json);
    }
    return is;
}

int kd_evaluations_save(const char *path, const char *lines, struct kd_err *err)
{
    struct kd_err unreadable;
    struct kd_bytes old = {0}, text = {0};
    int status = 0;
    if (kd_path_exists(path) && kd_file_read(path, kd_read_limit(), &old, &unreadable) < 0)
        old = (struct kd_bytes){0};
    for (const char *rest = old.data, *line; rest && *rest && status == 0;) {
        size_t size;
        cJSON *json = next_line(&rest, &line, &size);
        if (!replaced(json, lines)) status = kd_bytes_format(&text, err, "%.*s\n", (int)size, line);
        cJSON_Delete(json);
    }
    const char *failure = kd_err_machine(); /* then what was there may not have been seen */
    if (status == 0 && failure) status = kd_fail(err, "%s", failure);
    if (status == 0) status = kd_bytes_format(&text, err, "%s", lines);
    if (status == 0) status = kd_file_write(path, text.data, text.size, err);
    kd_bytes_release(&old);
    kd_bytes_release(&text);
    return status;
}
