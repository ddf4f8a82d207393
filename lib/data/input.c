#include "kd/data/input.h"
#include "kd/base/json.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SIDE_LIMIT = 4096 };

int kd_input_size(const struct kd_input *input, uint32_t *h, uint32_t *w, struct kd_err *err)
{
    *h = *w = 0;
    if (!input->size) return 0;
    char *end;
    const long first = strtol(input->size, &end, 10);
    long second = first;
    if (*end == 'x' || *end == 'X') second = strtol(end + 1, &end, 10);
    if (*end || first < 1 || second < 1 || first > SIDE_LIMIT || second > SIDE_LIMIT)
        return kd_fail_usage(err,
                             "data.size: '%s' is no size: expected one side, as 32, or height and "
                             "width, as 48x64, of at most %d",
                             input->size, SIDE_LIMIT);
    *h = (uint32_t)first;
    *w = (uint32_t)second;
    return 0;
}

int kd_input_background(const struct kd_input *input, bool *given, uint8_t rgb[3],
                        struct kd_err *err)
{
    const char *text = input->background;
    char *end;
    memset(rgb, 0, 3);
    *given = text != NULL;
    if (!text || strcmp(text, "black") == 0) return 0;
    if (strcmp(text, "white") == 0) {
        memset(rgb, 255, 3);
        return 0;
    }
    const unsigned long v = *text == '#' && strlen(text) == 7 ? strtoul(text + 1, &end, 16) : 0;
    if (*text != '#' || strlen(text) != 7 || *end)
        return kd_fail_usage(err, "data.background: '%s': expected white, black or #rrggbb", text);
    for (unsigned i = 0; i < 3; i++) rgb[i] = (uint8_t)(v >> (16 - 8 * i) & 255);
    return 0;
}

static bool same_text(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : !a && !b;
}

bool kd_input_same(const struct kd_input *a, const struct kd_input *b)
{
    return same_text(a->columns, b->columns) && same_text(a->size, b->size) && a->fit == b->fit &&
           a->filter == b->filter && a->color == b->color &&
           same_text(a->background, b->background) && a->bits == b->bits &&
           a->transpose == b->transpose && a->layout == b->layout &&
           a->labels_from == b->labels_from && a->skip_broken == b->skip_broken &&
           same_text(a->label, b->label) && a->missing == b->missing && a->heading == b->heading;
}

/* The settings by their keys in kd.preprocess. */
static const struct {
    const char *key;
    enum { TEXT, CHOICE, WHOLE, FLAG } kind;
    size_t offset;
    const char *const *choices;
} fields[] = {
    {"size", TEXT, offsetof(struct kd_input, size), NULL},
    {"fit", CHOICE, offsetof(struct kd_input, fit), KD_CHOICES(KD_FITS)},
    {"filter", CHOICE, offsetof(struct kd_input, filter), KD_CHOICES(KD_FILTERS)},
    {"color", CHOICE, offsetof(struct kd_input, color), KD_CHOICES(KD_COLORS)},
    {"background", TEXT, offsetof(struct kd_input, background), NULL},
    {"bits", WHOLE, offsetof(struct kd_input, bits), NULL},
    {"transpose", FLAG, offsetof(struct kd_input, transpose), NULL},
    {"layout", CHOICE, offsetof(struct kd_input, layout), KD_CHOICES(KD_LAYOUTS)},
    {"labels_from", WHOLE, offsetof(struct kd_input, labels_from), NULL},
    {"label", TEXT, offsetof(struct kd_input, label), NULL},
    {"missing", CHOICE, offsetof(struct kd_input, missing), KD_CHOICES(KD_MISSINGS)},
    {"heading", CHOICE, offsetof(struct kd_input, heading), KD_CHOICES(KD_HEADINGS)},
};
enum { FIELDS = sizeof fields / sizeof *fields };

static void field_put(struct kd_maker *b, const struct kd_input *input, unsigned f)
{
    const char *at = (const char *)input + fields[f].offset, *key = fields[f].key;
    switch (fields[f].kind) {
    case TEXT: {
        const char *text = *(char *const *)(const void *)at;
        if (text) kd_put_text(b, key, text);
        break;
    }
    case CHOICE: {
        const int v = *(const int *)(const void *)at;
        if (v) kd_put_text(b, key, fields[f].choices[v]);
        break;
    }
    case WHOLE: {
        const int64_t v = *(const int64_t *)(const void *)at;
        if (v) kd_put_number(b, key, (double)v);
        break;
    }
    case FLAG:
        if (*(const bool *)(const void *)at) kd_put_bool(b, key, true);
        break;
    }
}

int kd_input_preprocess(const struct kd_input *input, cJSON **out, struct kd_err *err)
{
    struct kd_maker b = kd_make_object(err);
    for (unsigned f = 0; f < FIELDS; f++) field_put(&b, input, f);
    *out = kd_make_end(&b);
    if (!*out) return -1;
    if ((*out)->child) return 0;
    cJSON_Delete(*out);
    *out = NULL;
    return 0;
}

static int field_read(struct kd_input *input, const cJSON *v, struct kd_err *err)
{
    for (unsigned f = 0; f < FIELDS; f++) {
        char *at = (char *)input + fields[f].offset;
        if (strcmp(v->string, fields[f].key) != 0) continue;
        if (fields[f].kind == TEXT && cJSON_IsString(v)) {
            kd_free(*(char **)(void *)at);
            *(char **)(void *)at = kd_strdup(v->valuestring, err);
            return *(char **)(void *)at ? 0 : -1;
        }
        if (fields[f].kind == WHOLE && cJSON_IsNumber(v)) {
            *(int64_t *)(void *)at = (int64_t)v->valuedouble;
            return 0;
        }
        if (fields[f].kind == FLAG && cJSON_IsBool(v)) {
            *(bool *)(void *)at = cJSON_IsTrue(v);
            return 0;
        }
        for (int c = 0; fields[f].kind == CHOICE && cJSON_IsString(v) && fields[f].choices[c]; c++)
            if (strcmp(fields[f].choices[c], v->valuestring) == 0) {
                *(int *)(void *)at = c;
                return 0;
            }
        return kd_fail(err, "kd.preprocess.%s is not one of its values", v->string);
    }
    return kd_fail(err, "kd.preprocess: unknown key '%s'; was it written by a newer kd?",
                   v->string);
}

int kd_input_from_metadata(struct kd_input *input, const cJSON *metadata, struct kd_err *err)
{
    const char *text =
        cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(metadata, "kd.preprocess"));
    input->columns = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(metadata, "kd.columns"));
    if (!text) return 0;
    cJSON *o = kd_json_parse(text, strlen(text), "kd.preprocess", err);
    int status = o ? 0 : -1;
    if (o && !cJSON_IsObject(o)) status = kd_fail(err, "kd.preprocess is no object");
    for (const cJSON *v = o && status == 0 ? o->child : NULL; v && status == 0; v = v->next)
        status = field_read(input, v, err);
    cJSON_Delete(o);
    return status;
}
