/* Integer networks in files: which arrays a layer has is said once, for reading and writing. */
#include "kd/nn/integers.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

struct array { /* of one layer in a file */
    char name[80];
    enum kd_dtype dtype;
    unsigned dims;
    size_t shape[4];
    void *data;
    const struct kd_op *weights_of; /* data is in the graph's order of weights, */
    struct kd_int_op *keeper;       /* and in that of files is kept here */
};
enum { MOST_ARRAYS = 6 };

static void add(struct array *list, unsigned *n, const char *layer, const char *what,
                enum kd_dtype dtype, size_t count, void *data)
{
    struct array *a = &list[(*n)++];
    *a = (struct array){.dtype = dtype, .dims = 1, .shape = {count}, .data = data};
    snprintf(a->name, sizeof a->name, "%s.%s", layer, what);
}

static unsigned arrays_of(const struct kd_int_network *net, unsigned i, struct array *list)
{
    const struct kd_op *op = &net->graph.ops[i];
    struct kd_int_op *o = &net->ops[i];
    size_t channels = op->to.c, n_multipliers = op->kind == KD_OP_ADD ? 2 : 1;
    unsigned n = 0;
    if (op->kind == KD_OP_CONV) {
        add(list, &n, op->name, "weight", KD_I8, channels, o->weight);
        struct array *w = &list[0];
        size_t per_group = op->in.c / op->groups;
        w->weights_of = op;
        w->keeper = o;
        w->dims = op->dense ? 2 : 4;
        w->shape[1] = op->dense ? kd_op_depth(op) : per_group;
        w->shape[2] = op->kernel_h;
        w->shape[3] = op->kernel_w;
        add(list, &n, op->name, "bias", KD_I32, channels, o->bias);
        add(list, &n, op->name, "weight_scale", KD_F32, channels, o->weight_scale);
        n_multipliers = channels;
    }
    if (o->multiplier) {
        add(list, &n, op->name, "multiplier", KD_I32, n_multipliers, o->multiplier);
        add(list, &n, op->name, "shift", KD_U8, op->kind == KD_OP_CONV ? channels : 1, o->shift);
    }
    if (o->table) add(list, &n, op->name, "table", KD_I8, 256, o->table);
    return n;
}

static struct array pixels_of(const struct kd_int_network *net)
{
    return (struct array){.name = "input.table",
                          .dtype = KD_I8,
                          .dims = 2,
                          .shape = {net->graph.input.c, 256},
                          .data = net->pixel};
}

static size_t count_of(const struct array *a)
{
    size_t n = 1;
    for (unsigned d = 0; d < a->dims; d++) n *= a->shape[d];
    return n;
}

/* ---- writing ---- */

static void weights_to_file(const struct kd_op *op, const int8_t *from, int8_t *to)
{
    size_t depth = kd_op_depth(op);
    for (size_t o = 0; o < op->to.c; o++)
        for (size_t k = 0; k < depth; k++) to[kd_op_weight_place(op, o, k)] = from[o * depth + k];
}

static int write_array(const struct array *a, struct kd_tensorfile *file, struct kd_err *err)
{
    const void *data = a->data;
    if (a->weights_of) {
        int8_t *copy = kd_alloc(count_of(a), 1, "weights to write", err);
        if (!copy) return -1;
        weights_to_file(a->weights_of, a->data, copy);
        kd_free(a->keeper->stored);
        data = a->keeper->stored = copy;
    }
    return kd_tensorfile_add(file, a->name, (struct kd_array){a->dtype, a->dims, a->shape, data},
                             err);
}

static cJSON *tensor_to_json(const struct kd_int_tensor *t, struct kd_err *err)
{
    cJSON *o = cJSON_CreateObject();
    if (kd_json_add_number(o, "scale", (double)t->scale, err) == 0 &&
        kd_json_add_number(o, "zero", t->zero, err) == 0 &&
        kd_json_add_number(o, "low", t->low, err) == 0 &&
        kd_json_add_number(o, "high", t->high, err) == 0)
        return o;
    cJSON_Delete(o);
    return NULL;
}

static cJSON *quantization_to_json(const struct kd_int_network *net, struct kd_err *err)
{
    cJSON *o = cJSON_CreateObject(), *tensors = cJSON_CreateObject(),
          *logits = cJSON_CreateObject();
    int status = kd_json_add_number(o, "version", 1, err);
    if (status == 0)
        status = kd_json_attach(o, "input", tensor_to_json(&net->tensors[0], err), err);
    for (unsigned t = 1; t < net->graph.n_tensors && status == 0; t++)
        if (kd_int_tensor_is_own(net, t))
            status = kd_json_attach(tensors, net->graph.tensors[t].name,
                                    tensor_to_json(&net->tensors[t], err), err);
    if (status == 0) status = kd_json_add_number(logits, "scale", (double)net->logit_scale, err);
    if (status == 0) {
        cJSON *t = tensors, *l = logits;
        tensors = logits = NULL;
        status = kd_json_attach(o, "tensors", t, err);
        if (kd_json_attach(o, "logits", l, err) < 0) status = -1;
    }
    if (status == 0)
        status = kd_json_attach(
            o, "parents", net->parents ? cJSON_Duplicate(net->parents, 1) : cJSON_CreateArray(),
            err);
    cJSON_Delete(tensors);
    cJSON_Delete(logits);
    if (status == 0) return o;
    cJSON_Delete(o);
    return NULL;
}

int kd_int_to_file(struct kd_int_network *net, struct kd_tensorfile *file, struct kd_err *err)
{
    struct array list[MOST_ARRAYS], pixels = pixels_of(net);
    int status = write_array(&pixels, file, err);
    for (unsigned i = 0; i < net->graph.n_ops && status == 0; i++) {
        unsigned n = arrays_of(net, i, list);
        for (unsigned j = 0; j < n && status == 0; j++) status = write_array(&list[j], file, err);
    }
    return status < 0 ? -1
                      : kd_tensorfile_set_json(file, "kd.quantization",
                                               quantization_to_json(net, err), err);
}

void kd_int_hash(const struct kd_int_network *net, struct kd_hash *hash)
{
    struct array list[MOST_ARRAYS];
    kd_hash_add(hash, net->pixel, (size_t)net->graph.input.c * 256);
    for (unsigned i = 0; i < net->graph.n_ops; i++) {
        unsigned n = arrays_of(net, i, list);
        for (unsigned j = 0; j < n; j++) {
            kd_hash_add(hash, list[j].name, strlen(list[j].name) + 1);
            kd_hash_add(hash, list[j].data, count_of(&list[j]) * kd_dtype_size(list[j].dtype));
        }
    }
    for (unsigned t = 0; t < net->graph.n_tensors; t++) {
        kd_hash_add(hash, &net->tensors[t].scale, sizeof net->tensors[t].scale);
        kd_hash_add_u32(hash, (uint32_t)net->tensors[t].zero);
        kd_hash_add_u32(hash, (uint32_t)net->tensors[t].low);
        kd_hash_add_u32(hash, (uint32_t)net->tensors[t].high);
    }
}

/* ---- reading ---- */

bool kd_int_is_quantised(const struct kd_tensorfile *file)
{
    return kd_tensorfile_meta(file, "kd.quantization") != NULL;
}

static int read_array(const struct array *a, const struct kd_tensorfile *file, struct kd_err *err)
{
    const struct kd_tensor *t = kd_tensorfile_find(file, a->name);
    if (!t) return kd_fail(err, "it has no tensor %s", a->name);
    bool same = t->dtype == a->dtype && t->dims == a->dims;
    for (unsigned d = 0; same && d < a->dims; d++) same = t->shape[d] == a->shape[d];
    if (!same)
        return kd_fail(err,
                       "%s: its type or shape is not what its network and kd.quantization "
                       "want (%s, %zu numbers)",
                       a->name, kd_dtype_name(a->dtype), count_of(a));
    if (!a->weights_of) {
        memcpy(a->data, t->data, t->count * kd_dtype_size(t->dtype));
        return 0;
    }
    const struct kd_op *op = a->weights_of;
    const int8_t *from = t->data;
    int8_t *to = a->data;
    size_t depth = kd_op_depth(op);
    for (size_t o = 0; o < op->to.c; o++)
        for (size_t k = 0; k < depth; k++) to[o * depth + k] = from[kd_op_weight_place(op, o, k)];
    return 0;
}

static int read_number(const cJSON *object, const char *key, const char *where, double *out,
                       struct kd_err *err)
{
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(object, key);
    if (!cJSON_IsNumber(v) || !isfinite(v->valuedouble))
        return kd_fail(err, "kd.quantization: %s has no number \"%s\"", where, key);
    *out = v->valuedouble;
    return 0;
}

static int read_tensor(const cJSON *object, const char *where, struct kd_int_tensor *out,
                       struct kd_err *err)
{
    static const char *const keys[] = {"zero", "low", "high"};
    int32_t *to[] = {&out->zero, &out->low, &out->high};
    double v = 0;
    if (read_number(object, "scale", where, &v, err) < 0) return -1;
    out->scale = fabs(v) < 1e38 ? (float)v : INFINITY;
    for (unsigned i = 0; i < 3; i++) {
        if (read_number(object, keys[i], where, &v, err) < 0) return -1;
        if (v < -128 || v > 127 || v != floor(v))
            return kd_fail(err,
                           "kd.quantization: %s: \"%s\" is %g; expected a whole number from "
                           "-128 to 127",
                           where, keys[i], v);
        *to[i] = (int32_t)v;
    }
    return 0;
}

static int read_tensors(struct kd_int_network *net, const cJSON *root, struct kd_err *err)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(root, "tensors");
    double version = 0, scale = 0;
    unsigned own = 0;
    if (read_number(root, "version", "it", &version, err) < 0) return -1;
    if (version != 1)
        return kd_fail(err, "kd.quantization: its version is %g, this kd reads 1; use a newer kd",
                       version);
    if (read_tensor(cJSON_GetObjectItemCaseSensitive(root, "input"), "input", &net->tensors[0],
                    err) < 0 ||
        read_number(cJSON_GetObjectItemCaseSensitive(root, "logits"), "scale", "logits", &scale,
                    err) < 0)
        return -1;
    net->logit_scale = fabs(scale) < 1e38 ? (float)scale : INFINITY;
    for (unsigned t = 1; t < net->graph.n_tensors; t++) {
        const char *name = net->graph.tensors[t].name;
        const unsigned maker = (unsigned)net->graph.tensors[t].maker;
        if (kd_int_tensor_is_own(net, t)) {
            own++;
            if (read_tensor(cJSON_GetObjectItemCaseSensitive(list, name), name, &net->tensors[t],
                            err) < 0)
                return -1;
        } else if (net->ops[maker].logits)
            net->tensors[t] = (struct kd_int_tensor){1, 0, -128, 127};
        else
            net->tensors[t] = net->tensors[net->graph.ops[maker].a];
    }
    if (!cJSON_IsObject(list) || (unsigned)cJSON_GetArraySize(list) != own)
        return kd_fail(err, "kd.quantization: \"tensors\" has %d entries, its network %u",
                       cJSON_GetArraySize(list), own);
    const cJSON *parents = cJSON_GetObjectItemCaseSensitive(root, "parents");
    if (!parents) return 0;
    net->parents = cJSON_Duplicate(parents, 1);
    return net->parents ? 0 : kd_fail_memory(err, "not enough memory for its parents");
}

static int read_arrays(struct kd_int_network *net, const struct kd_tensorfile *file,
                       struct kd_err *err)
{
    struct array list[MOST_ARRAYS], pixels = pixels_of(net);
    size_t known = 1;
    if (read_array(&pixels, file, err) < 0) return -1;
    for (unsigned i = 0; i < net->graph.n_ops; i++) {
        unsigned n = arrays_of(net, i, list);
        known += n;
        for (unsigned j = 0; j < n; j++)
            if (read_array(&list[j], file, err) < 0) return -1;
    }
    if (known != file->n)
        return kd_fail(err, "it has %zu tensors, but its integer network has %zu", file->n, known);
    return 0;
}

/* What the integers stand for, as the network's float parameters. */
static void shadow(struct kd_network *net, const struct kd_int_network *ints)
{
    for (unsigned i = 0; i < ints->graph.n_ops; i++) {
        const struct kd_op *op = &ints->graph.ops[i];
        const struct kd_int_op *o = &ints->ops[i];
        size_t depth = kd_op_depth(op);
        char weight[80], bias[80];
        snprintf(weight, sizeof weight, "%s.weight", op->name);
        snprintf(bias, sizeof bias, "%s.bias", op->name);
        for (unsigned p = 0; p < net->n_params && o->weight; p++) {
            bool is_weight = strcmp(net->params[p]->name, weight) == 0;
            float *v = net->params[p]->value;
            if (!is_weight && strcmp(net->params[p]->name, bias) != 0) continue;
            for (size_t c = 0; c < op->to.c; c++) {
                if (!is_weight)
                    v[c] = (float)((double)o->bias[c] * (double)o->weight_scale[c] *
                                   (double)ints->tensors[op->a].scale);
                for (size_t k = 0; is_weight && k < depth; k++)
                    v[kd_op_weight_place(op, c, k)] =
                        (float)o->weight[c * depth + k] * o->weight_scale[c];
            }
        }
    }
}

struct kd_int_network *kd_int_read(struct kd_network *net, const struct kd_tensorfile *file,
                                   const struct kd_normalize *normalize, struct kd_err *err)
{
    const char *text = kd_tensorfile_meta(file, "kd.quantization");
    cJSON *root = text ? kd_json_parse(text, strlen(text), "kd.quantization", err) : NULL;
    struct kd_int_network *ints = root ? kd_alloc(1, sizeof *ints, "a network", err) : NULL;
    struct kd_graph graph;
    int status = ints ? kd_graph_build(&graph, net, err) : -1;
    if (status == 0) status = kd_int_init(ints, &graph, err);
    if (status == 0) status = read_tensors(ints, root, err);
    if (status == 0) status = read_arrays(ints, file, err);
    if (status == 0) status = kd_int_check(ints, err);
    if (status == 0) {
        kd_int_normalize(ints, normalize);
        shadow(net, ints);
    }
    cJSON_Delete(root);
    if (status == 0) return ints;
    kd_int_free(ints);
    return NULL;
}
