/* From the bytes of an ONNX file to a model. */
#include "kd/data/classes.h"
#include "kd/export/onnx_write.h"
#include "parts.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- memory ---- */

static void *unpack_alloc(void *ctx, size_t size)
{
    return kd_onnx_within(ctx, size) ? malloc(size) : NULL;
}
static void unpack_free(void *ctx, void *p)
{
    (void)ctx;
    free(p);
}

static void release(struct kd_onnx *r)
{
    ProtobufCAllocator allocator = {unpack_alloc, unpack_free, r};
    if (r->proto) onnx__model_proto__free_unpacked(r->proto, &allocator);
    for (size_t i = 0; i < r->n_steps; i++) cJSON_Delete(r->steps[i].json);
    for (size_t i = 0; i < r->n_memory; i++) kd_free(r->memory[i]);
    for (size_t i = 0; i < r->n_outside; i++) kd_bytes_release(&r->outside[i].bytes);
    kd_free(r->outside);
    kd_free(r->memory);
    kd_free(r->steps);
    kd_free(r->values);
}

/* ---- names ---- */

static int by_name(const void *a, const void *b)
{
    const struct kd_onnx_value *x = a, *y = b;
    int order = strcmp(x->name, y->name);
    return order ? order : (y->tensor != NULL) - (x->tensor != NULL);
}

static int by_names(struct kd_onnx *r)
{
    size_t n = 0;
    if (r->n_values) qsort(r->values, r->n_values, sizeof *r->values, by_name);
    for (size_t i = 0; i < r->n_values; i++) {
        struct kd_onnx_value *v = &r->values[i];
        bool again = n > 0 && strcmp(r->values[n - 1].name, v->name) == 0;
        /* older files list what they hold among the inputs, too */
        if (again && v->input && r->values[n - 1].tensor) continue;
        if (again) return kd_fail(r->err, "two things of its graph are called %.100s", v->name);
        r->values[n++] = *v;
    }
    r->n_values = n;
    return 0;
}

static int list_names(struct kd_onnx *r)
{
    const Onnx__GraphProto *g = r->graph;
    size_t most = g->n_initializer + g->n_input;
    for (size_t i = 0; i < g->n_node; i++) most += g->node[i]->n_output;
    r->values = kd_alloc(most, sizeof *r->values, "the names of a graph", r->err);
    if (!r->values) return -1;
    if (!kd_onnx_within(r, most * sizeof *r->values))
        return kd_fail(r->err, "its graph has far more names than the file has bytes");
    for (size_t i = 0; i < g->n_initializer; i++)
        if (g->initializer[i]->name)
            r->values[r->n_values++] = (struct kd_onnx_value){
                .name = g->initializer[i]->name, .tensor = g->initializer[i], .step = -1};
    for (size_t i = 0; i < g->n_input; i++)
        if (g->input[i]->name)
            r->values[r->n_values++] =
                (struct kd_onnx_value){.name = g->input[i]->name, .input = g->input[i], .step = -1};
    for (size_t i = 0; i < g->n_node; i++)
        for (size_t j = 0; j < g->node[i]->n_output; j++)
            if (g->node[i]->output[j][0])
                r->values[r->n_values++] =
                    (struct kd_onnx_value){.name = g->node[i]->output[j], .step = -1};
    return by_names(r);
}

/* ---- the input ---- */

/* Sizes of an input, 0 where they are open; how many, or -1. */
static int input_dims(struct kd_onnx *r, const Onnx__ValueInfoProto *info, size_t dims[4])
{
    const Onnx__TypeProto *type = info->type;
    const Onnx__TensorShapeProto *shape = NULL;
    if (type && type->value_case == ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE && type->tensor_type)
        shape = type->tensor_type->shape;
    if (!shape || (shape->n_dim != 2 && shape->n_dim != 4))
        return kd_fail(r->err, "its input %.60s is neither images, [N,C,H,W], nor rows, [N,F]",
                       info->name);
    for (size_t d = 0; d < shape->n_dim; d++) {
        const Onnx__TensorShapeProto__Dimension *one = shape->dim[d];
        bool known = one->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
        dims[d] =
            known && one->dim_value > 0 && one->dim_value <= INT32_MAX ? (size_t)one->dim_value : 0;
    }
    return (int)shape->n_dim;
}

static int read_input(struct kd_onnx *r, const Onnx__ValueInfoProto *info)
{
    size_t dims[4] = {0}, row = (size_t)r->ask.shape[0] * r->ask.shape[1] * r->ask.shape[2];
    int n = input_dims(r, info, dims);
    struct kd_onnx_step *s = n < 0 ? NULL : kd_onnx_step_add(r, KD_ONNX_INPUT, NULL, -1);
    if (!s) return -1;
    s->dims = (unsigned)n;
    s->shape[0] = dims[0] ? dims[0] : 1;
    for (int d = 1; d < n; d++) {
        size_t asked = n == 2 ? row : r->ask.shape[d - 1];
        if (dims[d] && asked && dims[d] != asked)
            return kd_fail_usage(r->err, "--shape: axis %d of its input %.60s is %zu, not %zu", d,
                                 info->name, dims[d], asked);
        s->shape[d] = dims[d] ? dims[d] : asked;
        if (!s->shape[d])
            return kd_fail_usage(r->err, "the size of its input %.60s is open; say --shape CxHxW",
                                 info->name);
    }
    if (s->shape[1] > KD_MAX_CHANNELS && !(n == 2 && row))
        return kd_fail_usage(r->err, "its input has %zu %s; at most %d are known%s", s->shape[1],
                             n == 2 ? "columns" : "channels", KD_MAX_CHANNELS,
                             n == 2 ? "; if they are pixels, say --shape CxHxW" : "");
    return 0;
}

/* ---- the graph ---- */

static int check_opset(const struct kd_onnx *r)
{
    for (size_t i = 0; i < r->proto->n_opset_import; i++) {
        const Onnx__OperatorSetIdProto *o = r->proto->opset_import[i];
        if (o->domain && o->domain[0] && strcmp(o->domain, "ai.onnx") != 0) continue;
        if (o->has_version && o->version >= 9 && o->version <= 21) return 0;
        return kd_fail(r->err,
                       "its operators are of opset %lld; " KD_ONNX_OPSETS
                       " are known (torch.onnx.export(..., opset_version=18))",
                       (long long)o->version);
    }
    return kd_fail(r->err, "it does not say which opset its operators are of");
}

static int read_names(struct kd_onnx *r)
{
    if (list_names(r) < 0) return -1;
    const char *input = NULL;
    for (size_t i = 0; i < r->n_values; i++) {
        struct kd_onnx_value *v = &r->values[i];
        if (v->tensor && !(v->constant = kd_onnx_tensor(r, v->tensor))) return -1;
        if (!v->input) continue;
        if (input)
            return kd_fail(r->err, "its graph has several inputs (%.60s, %.60s); expected one",
                           input, v->name);
        input = v->name;
        if (read_input(r, v->input) < 0) return -1;
        v->step = 0;
    }
    return input ? 0 : kd_fail(r->err, "its graph has no input");
}

static int read_nodes(struct kd_onnx *r)
{
    for (size_t i = 0; i < r->graph->n_node; i++) {
        const Onnx__NodeProto *n = r->graph->node[i];
        const struct kd_onnx_constant *known;
        if (!n->op_type || !n->n_output) return kd_fail(r->err, "node %zu makes nothing", i);
        int fold = kd_onnx_fold(r, n, &known);
        if (fold < 0 || (!fold && kd_onnx_operator(r, n) < 0)) return -1;
        struct kd_onnx_value *v = kd_onnx_place(r, n->output[0]);
        if (!v) return kd_onnx_fail(r, n, "its result has no name");
        v->constant = fold ? known : NULL;
        v->step = fold ? -1 : (int)r->n_steps - 1;
    }
    return 0;
}

static void say_unknown(struct kd_onnx *r, const Onnx__NodeProto *node)
{
    struct kd_bytes all = {0};
    if (strcmp(node->op_type, "QuantizeLinear") == 0 ||
        strcmp(node->op_type, "DequantizeLinear") == 0)
        kd_onnx_say(r, node,
                    "a network in integers; export the one in floats, and turn what comes "
                    "of it into integers with kd-quantize");
    else if (kd_onnx_operator_names(&all, r->err) == 0)
        kd_onnx_say(r, node, "kd has no such operator; it has %s", all.data);
    kd_bytes_release(&all);
}

/* The step that makes the logits; -1. */
static int find_output(struct kd_onnx *r)
{
    const Onnx__GraphProto *g = r->graph;
    if (g->n_output != 1)
        return kd_fail(r->err, "its graph has %zu outputs; expected one", g->n_output);
    const struct kd_onnx_value *v = kd_onnx_find(r, g->output[0]->name ? g->output[0]->name : "");
    if (!v || v->step < 0) return kd_fail(r->err, "its output depends on no image");
    int last = v->step;
    if (r->steps[last].kind == KD_ONNX_UNKNOWN) {
        say_unknown(r, r->steps[last].node);
        return -1;
    }
    while (r->steps[last].kind == KD_ONNX_SAME) last = r->steps[last].in[0];
    if (r->steps[last].kind == KD_ONNX_SOFTMAX) last = r->steps[last].in[0];
    if (r->steps[last].dims != 2)
        return kd_fail(r->err, "its output is no row of logits, [N,classes]");
    return last;
}

/* ---- the model ---- */

static cJSON *network_json(const struct kd_onnx *r, cJSON *layers, size_t classes)
{
    const struct kd_onnx_step *s = &r->steps[0];
    bool asked = r->ask.shape[0] > 0;
    double input[3];
    for (int d = 0; d < 3; d++)
        input[d] = asked          ? r->ask.shape[d]
                   : s->dims == 4 ? (double)s->shape[d + 1]
                   : d == 0       ? (double)s->shape[1]
                                  : 1;
    struct kd_maker b = kd_make_object(r->err);
    kd_put_numbers(&b, "input", input, 3);
    kd_put_number(&b, "classes", (double)classes);
    kd_put_json(&b, "layers", layers);
    return kd_make_end(&b);
}

static int start_normalize(const struct kd_onnx *r, struct kd_normalize *n)
{
    size_t channels = r->ask.shape[0] ? r->ask.shape[0] : r->steps[0].shape[1];
    n->channels = (uint32_t)channels;
    for (size_t c = 0; c < channels; c++) n->std[c] = 1;
    if (!r->ask.normalize) return 0;
    if (kd_normalize_from_json(n, r->ask.normalize, "--normalize", r->err) < 0) return -1;
    if (n->channels == channels) return 0;
    return kd_fail_usage(r->err, "--normalize: %u channels of %zu", n->channels, channels);
}

/* What kd-export noted of the input: kept in the model, where every program looks for it. */
static int take_notes(struct kd_onnx *r, struct kd_tensorfile *file)
{
    for (size_t i = 0; i < r->proto->n_metadata_props; i++) {
        const Onnx__StringStringEntryProto *note = r->proto->metadata_props[i];
        size_t k = 0;
        while (kd_onnx_notes[k] && (!note->key || strcmp(note->key, kd_onnx_notes[k]) != 0)) k++;
        if (!kd_onnx_notes[k]) continue;
        const char *text = note->value ? note->value : "";
        cJSON *json = kd_json_parse(text, strlen(text), note->key, r->err);
        cJSON_Delete(json);
        if (!json || kd_tensorfile_set(file, note->key, text, r->err) < 0) return -1;
    }
    return 0;
}

static int check_class_names(const struct kd_onnx *r, const struct kd_model *model)
{
    char **names;
    uint32_t n = model->net->classes;
    if (kd_class_names_read(model->metadata, n, &names, r->err) < 0) return -1;
    kd_class_names_free(names, n);
    return 0;
}

static int make_model(struct kd_onnx *r, int last, struct kd_model *out)
{
    struct kd_normalize normalize = {0};
    struct kd_tensorfile file = {0};
    int status = start_normalize(r, &normalize);
    if (status == 0) status = kd_tensorfile_init(&file, r->err);
    cJSON *layers = status == 0 ? kd_onnx_emit(r, last, &file, &normalize) : NULL;
    cJSON *network = layers ? network_json(r, layers, r->steps[last].shape[1]) : NULL;
    if (!network || kd_tensorfile_set(&file, "kd.kind", "model", r->err) < 0 ||
        kd_tensorfile_set_json(&file, "kd.network", network, r->err) < 0 ||
        kd_tensorfile_set_json(&file, "kd.normalize", kd_normalize_to_json(&normalize, r->err),
                               r->err) < 0 ||
        take_notes(r, &file) < 0)
        status = -1;
    else
        status = kd_model_from_file(&file, r->ask.path, out, r->err);
    if (status == 0 && check_class_names(r, out) < 0) {
        kd_model_release(out);
        status = -1;
    }
    kd_tensorfile_release(&file);
    return status;
}

static cJSON *facts_of(const struct kd_onnx *r)
{
    struct kd_maker b = kd_make_object(r->err);
    kd_put_text(&b, "producer", r->proto->producer_name);
    kd_put_text(&b, "producer_version", r->proto->producer_version);
    for (size_t i = 0; i < r->proto->n_opset_import; i++)
        if (!r->proto->opset_import[i]->domain || !r->proto->opset_import[i]->domain[0])
            kd_put_number(&b, "opset", (double)r->proto->opset_import[i]->version);
    kd_put_text(&b, "graph", r->graph->name);
    return kd_make_end(&b);
}

static int import(struct kd_onnx *r, const struct kd_bytes *file, struct kd_model *out,
                  cJSON **facts)
{
    ProtobufCAllocator allocator = {unpack_alloc, unpack_free, r};
    r->proto = onnx__model_proto__unpack(&allocator, file->size, (const uint8_t *)file->data);
    if (!r->proto) return kd_fail(r->err, "not an ONNX file, or a damaged one");
    r->graph = r->proto->graph;
    if (!r->graph) return kd_fail(r->err, "it has no graph");
    if (r->graph->n_node > KD_ONNX_NODES)
        return kd_fail(r->err, "its graph has %zu nodes; at most %d are known", r->graph->n_node,
                       KD_ONNX_NODES);
    if (check_opset(r) < 0 || read_names(r) < 0 || read_nodes(r) < 0) return -1;
    int last = find_output(r);
    if (last < 0 || make_model(r, last, out) < 0) return -1;
    if (facts && !(*facts = facts_of(r))) {
        kd_model_release(out);
        return -1;
    }
    return 0;
}

int kd_onnx_import(const struct kd_bytes *file, struct kd_onnx_ask ask, struct kd_model *out,
                   cJSON **facts, struct kd_err *err)
{
    struct kd_onnx r = {.ask = ask, .err = err};
    *out = (struct kd_model){0};
    if (facts) *facts = NULL;
    r.budget = 64 << 20;
    r.budget += file->size < SIZE_MAX / 16 ? file->size * 8 : 0;
    int status = import(&r, file, out, facts);
    release(&r);
    return status < 0 ? kd_err_context(err, "%s", ask.path) : 0;
}
