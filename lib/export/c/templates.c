/* The kernels that a network needs, from the templates beside this file. */
#include "writer.h"

#include <string.h>

static const char int8_template[] = {
#include "int8.tmpl.inc"
    0};
static const char float_template[] = {
#include "float.tmpl.inc"
    0};
static const char dsp_template[] = {
#include "dsp.tmpl.inc"
    0};
static const char avx2_template[] = {
#include "avx2.tmpl.inc"
    0};

void kd_c_find_needs(struct kd_c_writer *w)
{
    const struct kd_device_plan *p = w->plan;
    w->copy = p->copies_image;
    for (unsigned i = 0; i < p->n_steps; i++) {
        const struct kd_device_step *s = &p->steps[i];
        enum kd_op_kind kind = s->op->kind;
        enum kd_act act = s->op->act;
        bool alone = kind == KD_OP_ACTIVATION, table = p->ints && p->ints->ops[s->op_index].table;
        w->depthwise |= kind == KD_OP_CONV && kd_op_is_depthwise(s->op);
        w->conv |= kind == KD_OP_CONV && !kd_op_is_depthwise(s->op);
        w->image |= s->from_image;
        w->maxpool |= kind == KD_OP_MAXPOOL;
        w->avgpool |= kind == KD_OP_AVGPOOL;
        w->add |= s->beside != KD_NO_TENSOR;
        w->addition |= kind == KD_OP_ADD;
        w->reorder |= kind == KD_OP_REORDER;
        w->table |= table;
        w->limit |= alone && (act == KD_ACT_RELU || act == KD_ACT_RELU6);
        w->leaky |= alone && act == KD_ACT_LEAKY_RELU;
        w->hardswish |= alone && act == KD_ACT_HARDSWISH;
        w->gelu |= alone && act == KD_ACT_GELU;
        w->tanh |= alone && act == KD_ACT_TANH;
    }
}

/* Is a section of the template with this heading wanted? */
static bool wanted(const struct kd_c_writer *w, const char *heading, size_t n)
{
    const struct {
        const char *word;
        bool yes;
    } needs[] = {
        {"types", w->plan->ints},  {"conv", w->conv},           {"depthwise", w->depthwise},
        {"maxpool", w->maxpool},   {"avgpool", w->avgpool},     {"add", w->add},
        {"addition", w->addition}, {"image", w->image},         {"copy", w->copy},
        {"reorder", w->reorder},   {"table", w->table},         {"limit", w->limit},
        {"leaky", w->leaky},       {"hardswish", w->hardswish}, {"gelu", w->gelu},
        {"tanh", w->tanh}};
    for (size_t at = 0; at < n;) {
        size_t end = at;
        while (end < n && heading[end] != ' ') end++;
        for (unsigned i = 0; i < sizeof needs / sizeof *needs; i++)
            if (needs[i].yes && strlen(needs[i].word) == end - at &&
                memcmp(needs[i].word, heading + at, end - at) == 0)
                return true;
        at = end + 1;
    }
    return false;
}

/* What stands for $,WORD$, : parts of the convolution that only some networks have. */
static const char *part(const struct kd_c_writer *w, const char *word, size_t n)
{
    bool ints = w->plan->ints != NULL, sums = w->add && !(w->addition && !w->conv);
    const struct {
        const char *word, *ints, *floats;
        bool yes;
    } parts[] = {
        {"IMAGE_PARAMETERS", ", const uint8_t *image", ", const uint8_t *image", w->image},
        {"IMAGE_BODY",
         "                else if (image)\n"
         "                    $_gather_image(c, image, top, left, patch);",
         "                else if (image)\n"
         "                    $_gather_image(c, image, top, left, patch);",
         w->image},
        {"SUM_PARAMETERS", ", const struct $_add *add, const int8_t *beside",
         ", const float *beside, uint16_t after", sums},
        {"SUM_ARGUMENTS", ", add, beside", "", sums},
        {"SUM_BODY", "    if (add) q = $_sum(add, q, beside[o]);",
         "                    if (beside) v = $_act(after, v + beside[o]);", sums},
        {"SUM_BODY4", "    if (add) v = $_sum4(add, v, _mm_cvtepi8_epi32($_bytes4(beside + o)));",
         "", sums},
        {"SUM_STEP", "            if (beside) beside += c->out_c;",
         "            if (beside) beside += c->out_c;", sums},
    };
    for (unsigned i = 0; i < sizeof parts / sizeof *parts; i++)
        if (strlen(parts[i].word) == n && memcmp(parts[i].word, word, n) == 0)
            return !parts[i].yes ? "" : ints ? parts[i].ints : parts[i].floats;
    return "";
}

static void put_text(struct kd_c_writer *w, const char *text, size_t n);

/* From "$" on: $^ the name in capitals, $,WORD$, a part, $ the name. What was read of it. */
static size_t put_dollar(struct kd_c_writer *w, const char *at, size_t left)
{
    if (left > 1 && at[1] == '^') {
        kd_c_put(w, "%s", w->upper);
        return 2;
    }
    if (left > 1 && at[1] == ',') {
        const char *end = strstr(at + 2, "$,");
        const char *text = part(w, at + 2, (size_t)(end - at - 2));
        put_text(w, text, strlen(text));
        return (size_t)(end + 2 - at);
    }
    kd_c_put(w, "%s", w->how->name);
    return 1;
}

static void put_text(struct kd_c_writer *w, const char *text, size_t n)
{
    for (size_t i = 0; i < n;) {
        if (text[i] == '$') {
            i += put_dollar(w, text + i, n - i);
            continue;
        }
        if (w->status == 0) w->status = kd_bytes_add(w->out, text + i, 1, w->err);
        i++;
    }
}

/* A line that holds a part alone is left out with it. */
static bool is_empty_part(const struct kd_c_writer *w, const char *line, size_t n)
{
    return n > 4 && line[0] == '$' && line[1] == ',' && line[n - 1] == ',' && line[n - 2] == '$' &&
           !part(w, line + 2, n - 4)[0];
}

static void put_template(struct kd_c_writer *w, const char *text)
{
    bool on = true;
    while (*text) {
        const char *end = strchr(text, '\n');
        size_t n = end ? (size_t)(end - text) : strlen(text);
        if (n > 4 && strncmp(text, "//% ", 4) == 0) {
            on = wanted(w, text + 4, n - 4);
            if (on) kd_c_put(w, "\n");
        } else if (on && !is_empty_part(w, text, n)) {
            put_text(w, text, n);
            kd_c_put(w, "\n");
        }
        text += n + (end ? 1 : 0);
    }
}

void kd_c_kernels(struct kd_c_writer *w)
{
    if (w->plan->ints && w->conv) put_template(w, dsp_template);
    if (w->plan->ints && (w->conv || w->add)) put_template(w, avx2_template);
    put_template(w, w->plan->ints ? int8_template : float_template);
}
