#include "predictions.h"
#include "kd/base/file.h"
#include "kd/nn/softmax.h"

#include <stdio.h>
#include <string.h>

/* ---- classes ---- */

int class_names_read(struct class_names *out, const struct kd_model *model, struct kd_err *err)
{
    const cJSON *text = cJSON_GetObjectItemCaseSensitive(model->metadata, "kd.class_names");
    out->list = NULL;
    if (!cJSON_IsString(text)) return 0;
    out->list = kd_json_parse(text->valuestring, strlen(text->valuestring), "kd.class_names", err);
    if (!out->list) return kd_err_context(err, "%s", model->path);
    if (!cJSON_IsArray(out->list) || cJSON_GetArraySize(out->list) != (int)model->net->classes)
        return kd_fail(err, "%s: kd.class_names: expected a list of %u names", model->path,
                       model->net->classes);
    return 0;
}

void class_names_release(struct class_names *names)
{
    cJSON_Delete(names->list);
    names->list = NULL;
}

const char *class_name(const struct class_names *names, size_t label, char room[24])
{
    const cJSON *item = names->list ? cJSON_GetArrayItem(names->list, (int)label) : NULL;
    const char *name = cJSON_GetStringValue(item);
    if (name) return name;
    snprintf(room, 24, "%zu", label);
    return room;
}

int rank(const float *logits, size_t classes, double temperature, size_t n, struct ranked *out,
         struct kd_err *err)
{
    float *q = kd_alloc(classes, sizeof *q, "probabilities", err);
    if (!q) return -1;
    kd_softmax(logits, classes, temperature, q);
    for (size_t i = 0; i < n; i++) { /* by logit: far from the top probabilities are all 0 */
        size_t best = classes;
        for (size_t c = 0; c < classes; c++) {
            bool taken = false;
            for (size_t k = 0; k < i; k++) taken |= out[k].label == c;
            if (!taken && (best == classes || logits[c] > logits[best])) best = c;
        }
        out[i] = (struct ranked){best, q[best]};
    }
    kd_free(q);
    return 0;
}

/* ---- pictures ---- */

static void input_release(struct kd_input *input)
{
    kd_free(input->size);
    kd_free(input->background);
    kd_free(input->label);
    *input = (struct kd_input){0};
}

int batch_open(struct batch *b, const struct kd_model *model, struct kd_err *err)
{
    const struct kd_shape in = model->net->input;
    bool given;
    *b = (struct batch){.c = (uint32_t)in.c, .h = (uint32_t)in.h, .w = (uint32_t)in.w};
    struct kd_resize *r = &b->resize;
    if (kd_input_from_metadata(&b->input, model->metadata, err) < 0 ||
        kd_input_size(&b->input, &r->h, &r->w, err) < 0 ||
        kd_input_background(&b->input, &given, r->background, err) < 0)
        return kd_err_context(err, "%s", model->path);
    r->fit = b->input.fit;
    r->filter = b->input.filter;
    b->options = (struct kd_picture_options){
        .limit = kd_read_limit(), .flatten = given, .bits = (unsigned)b->input.bits};
    memcpy(b->options.background, r->background, sizeof r->background);
    b->pixels = kd_alloc((size_t)BATCH * in.c * in.h, in.w, "pictures", err);
    return b->pixels ? 0 : -1;
}

int batch_add(struct batch *b, const char *path, struct kd_err *err)
{
    b->paths[b->n] = kd_strdup(path, err);
    b->why[b->n] = NULL;
    return b->paths[b->n] ? (b->n++, 0) : -1;
}

/* Gray serves for all colours, and colours for gray where the model was made of such; what has
 * another size or colours too many is no image of this model. */
static int take(struct batch *b, size_t i, const struct kd_picture *p, struct kd_err *err)
{
    const bool turn = b->input.transpose;
    const bool fades = b->c == 1 && b->input.color == KD_COLOR_GRAY;
    const uint32_t h = turn ? b->w : b->h, w = turn ? b->h : b->w;
    if (p->h != h || p->w != w || (p->c != b->c && p->c != 1 && !fades))
        return kd_fail(err,
                       "%s: it has %u x %u pixels and %u channel%s, the model takes %u x %u and %u",
                       b->paths[i], p->w, p->h, p->c, p->c == 1 ? "" : "s", w, h, b->c);
    uint8_t *out = b->pixels + i * b->c * h * w;
    for (uint32_t c = 0; c < b->c; c++)
        for (uint32_t y = 0; y < b->h; y++)
            for (uint32_t x = 0; x < b->w; x++) {
                const size_t at = turn ? (size_t)x * w + y : (size_t)y * w + x;
                const uint8_t *from = p->pixels + at * p->c;
                *out++ = p->c == 1 ? from[0] : fades ? kd_gray(from[0], from[1], from[2]) : from[c];
            }
    return 0;
}

static bool is_resized(const struct batch *b, const struct kd_picture *p)
{
    return b->resize.h && (p->h != b->resize.h || p->w != b->resize.w);
}

static void read_one(struct batch *b, size_t i)
{
    struct kd_err err = {0}, ignored;
    struct kd_bytes bytes = {0};
    struct kd_picture picture = {0}, small = {0};
    int status = kd_file_read(b->paths[i], kd_read_limit(), &bytes, &err);
    if (status == 0)
        status = kd_picture_read(bytes.data, bytes.size, b->paths[i], &b->options, &picture, &err);
    const bool resized = status == 0 && is_resized(b, &picture);
    if (resized) status = kd_picture_resize(&picture, &b->resize, &small, &err);
    if (status == 0) status = take(b, i, resized ? &small : &picture, &err);
    if (status < 0) b->why[i] = kd_strdup(err.text, &ignored);
    kd_picture_release(&picture);
    kd_picture_release(&small);
    kd_bytes_release(&bytes);
}

enum { PARTS = 20 };

static void read_part(void *arg, unsigned part)
{
    struct batch *b = arg;
    for (size_t i = part; i < b->n; i += PARTS) read_one(b, i);
}

void batch_read(struct batch *b, struct kd_pool *pool)
{
    kd_pool_run(pool, PARTS, read_part, b);
}

struct kd_images batch_images(struct batch *b)
{
    const size_t size = (size_t)b->c * b->h * b->w;
    size_t n = 0;
    for (size_t i = 0; i < b->n; i++) {
        if (b->why[i]) continue;
        if (n != i) memcpy(b->pixels + n * size, b->pixels + i * size, size);
        n++;
    }
    return (struct kd_images){
        .n = (uint32_t)n, .c = b->c, .h = b->h, .w = b->w, .dtype = KD_U8, .pixels = b->pixels};
}

void batch_clear(struct batch *b)
{
    for (size_t i = 0; i < b->n; i++) {
        kd_free(b->paths[i]);
        kd_free(b->why[i]);
    }
    b->n = 0;
}

void batch_close(struct batch *b)
{
    batch_clear(b);
    input_release(&b->input);
    kd_free(b->pixels);
}
