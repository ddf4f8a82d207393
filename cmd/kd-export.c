/* kd-export: a model as something that needs no kd: a C file, and what it costs on a device; or
 * ONNX. */
#include "kd/base/file.h"
#include "kd/base/mem.h"
#include "kd/base/rng.h"
#include "kd/base/tensorfile.h"
#include "kd/base/terminal.h"
#include "kd/export/c.h"
#include "kd/export/onnx_write.h"
#include "kd/nn/model.h"
#include "kd/nn/predict.h"
#include "kd/train/config.h"
#include "program.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FORMS(X) X(TO_C, "c") X(TO_ONNX, "onnx")
enum form { FORMS(KD_CHOICE_ENUM) };
#define ORDERS(X) X(PLANES, "planes") X(INTERLEAVED, "interleaved")
enum order { ORDERS(KD_CHOICE_ENUM) };
#define ARENAS(X) X(STATIC, "static") X(CALLER, "caller")
enum arena { ARENAS(KD_CHOICE_ENUM) };

struct options {
    int to, input, arena;
    char *name, *images, *data_dir, *flash, *ram;
    int64_t opset, batch;
    bool plan, overwrite;
};

#define O(field) offsetof(struct options, field)
static const struct kd_option rows[] = {
    {"to", 't', NULL, KD_OPT_CHOICE, O(to), .preset = "c", .choices = KD_CHOICES(FORMS),
     .metavar = "FORM", .help = "what to write: a C99 file and its header, or an ONNX model"},
    {"name", 0, NULL, KD_OPT_TEXT, O(name), .metavar = "NAME",
     .help = "what C functions and macros begin with; default: the name of the output"},
    {"input", 0, NULL, KD_OPT_CHOICE, O(input), .preset = "planes", .choices = KD_CHOICES(ORDERS),
     .metavar = "ORDER",
     .help = "order of the image's bytes: channel by channel, or pixel by pixel"},
    {"arena", 0, NULL, KD_OPT_CHOICE, O(arena), .preset = "static", .choices = KD_CHOICES(ARENAS),
     .metavar = "WHOSE",
     .help = "memory of activations: the file's own, or handed in by the caller"},
    {"images", 0, NULL, KD_OPT_TEXT, O(images), .metavar = "SOURCE",
     .help = "where the eight images of the self-test come from; default: the model's own test "
             "images, or noise where they are not there"},
    {"data-dir", 0, NULL, KD_OPT_TEXT, O(data_dir), .metavar = "DIR",
     .help = "where named sources are found instead of $KD_DATA or ./data"},
    {"overwrite", 0, NULL, KD_OPT_BOOL, O(overwrite),
     .help = "replace what is there and was made otherwise"},
    {0},
};
static const struct kd_option onnx_rows[] = {
    {"opset", 0, NULL, KD_OPT_INT, O(opset), .preset = "13", .min = KD_ONNX_OPSET_FIRST,
     .max = KD_ONNX_OPSET_LAST, .metavar = "N", .help = "version of the operators"},
    {"batch", 0, NULL, KD_OPT_INT, O(batch), .preset = "0", .min = 0, .max = 1 << 20,
     .metavar = "N", .help = "images at once; 0: any number, as the caller likes"},
    {0},
};
static const struct kd_option plan_rows[] = {
    {"plan", 'p', NULL, KD_OPT_BOOL, O(plan),
     .help = "write nothing; print flash, RAM and multiply-adds of each step on a 32-bit device"},
    {"flash", 0, NULL, KD_OPT_TEXT, O(flash), .metavar = "SIZE",
     .help = "fail where constants and code need more than this, as 65536, 64K or 1M"},
    {"ram", 0, NULL, KD_OPT_TEXT, O(ram), .metavar = "SIZE",
     .help = "fail where activations need more than this"},
    {0},
};
static const struct kd_program_section sections[] = {
    {"export", "Export", rows, 0, NULL},
    {"onnx", "ONNX", onnx_rows, 0, NULL},
    {"plan", "Size", plan_rows, 0, NULL},
    {0},
};

struct export
{
    struct kd_invocation *inv;
    const struct options *o;
    struct kd_model model;
    struct kd_network *net; /* folded, or the model's own integers */
    struct kd_graph graph;  /* of a float model */
    struct kd_device_plan plan;
    char *folder, *name;
    uint8_t *samples;
    float *inputs; /* [8][c][h][w] normalised */
    int32_t *logits;
    float *floats;
};

/* ---- sizes ---- */

static int read_size(const char *text, const char *flag, double *out, struct kd_err *err)
{
    char *end;
    double v = strtod(text, &end);
    if (*end == 'K' || *end == 'k')
        v *= 1024, end++;
    else if (*end == 'M' || *end == 'm')
        v *= 1048576, end++;
    if (end == text || *end || !(v > 0) || v > 1e15)
        return kd_fail_usage(err, "--%s %s: expected bytes, as 65536, 64K or 1M", flag, text);
    *out = v;
    return 0;
}

/* Whether what is needed keeps within a limit; a word where it does. */
static int check_limit(const struct export *x, const char *text, const char *flag, const char *what,
                       size_t needed, struct kd_err *err)
{
    double limit = 0;
    if (!text) return 0;
    if (read_size(text, flag, &limit, err) < 0) return -1;
    if ((double)needed > limit)
        return x->model.net->integers
                   ? kd_fail(err, "%s needs %zu bytes, more than --%s %s", what, needed, flag, text)
                   : kd_fail(err,
                             "%s needs %zu bytes, more than --%s %s; in integers (kd-quantize) "
                             "about %zu",
                             what, needed, flag, text, needed / 4);
    if (x->o->plan && !x->inv->common.json)
        kd_say(x->inv, "--%s %s: it fits, with %.0f bytes to spare", flag, text,
               limit - (double)needed);
    return 0;
}

static int check_limits(const struct export *x, struct kd_err *err)
{
    if (check_limit(x, x->o->flash, "flash", "its flash (constants and code)",
                    kd_device_flash(&x->plan), err) < 0)
        return -1;
    return check_limit(x, x->o->ram, "ram", "its arena", x->plan.arena, err);
}

/* ---- the network ---- */

static int make_plan(struct export *x, struct kd_err *err)
{
    struct kd_int_network *ints = x->model.net->integers;
    if (ints) {
        x->net = x->model.net;
        return kd_device_plan(&x->plan, &ints->graph, ints, err);
    }
    x->net = kd_network_fold(x->model.net, err);
    if (!x->net || kd_graph_build(&x->graph, x->net, err) < 0) return -1;
    return kd_device_plan(&x->plan, &x->graph, NULL, err);
}

static int print_plan(struct export *x, struct kd_err *err)
{
    struct kd_bytes text = {0};
    int status;
    if (x->inv->common.json) {
        char *json = kd_json_text_of(kd_device_json(&x->plan, err), err);
        status = json ? kd_print(err, "%s\n", json) : -1;
        kd_free(json);
    } else {
        status = kd_device_table(&x->plan, kd_terminal_columns(STDOUT_FILENO), &text, err);
        if (status == 0) status = kd_print(err, "%s", text.data);
    }
    kd_bytes_release(&text);
    return status;
}

/* ---- eight images ---- */

/* Of the source given, or the model's own. `*have` where there are at least eight. */
static int load_images(struct export *x, struct kd_images *im, bool *have, struct kd_err *err)
{
    struct kd_data_config own = {0};
    const struct kd_opt_section s[] = {{"", "", kd_data_rows, &own, NULL}, {0}};
    struct kd_images_options o = {
        .data_dir = x->o->data_dir, .default_split = "test", .pool = x->inv->pool};
    struct kd_err why = {0};
    int status = kd_model_data(&x->model, &own, err);
    const char *source = x->o->images ? x->o->images : own.test ? own.test : own.source;
    *have = status == 0 && source && kd_images_load(source, &o, im, &why) == 0;
    if (*have && (kd_model_suits(&x->model, im, &why) < 0 || im->n < KD_EXPORT_SAMPLES ||
                  im->dtype != KD_U8)) {
        if (!why.text[0]) kd_fail(&why, "%s: eight images of bytes are wanted", source);
        *have = false;
    }
    if (status == 0 && !*have && x->o->images) {
        *err = why;
        status = -1;
    }
    kd_opts_release(s);
    return status;
}

static int take_samples(struct export *x, struct kd_err *err)
{
    size_t size = kd_shape_size(x->net->input);
    struct kd_images im = {0};
    bool have;
    x->samples = kd_alloc(KD_EXPORT_SAMPLES, size, "images", err);
    if (!x->samples || load_images(x, &im, &have, err) < 0) {
        kd_images_release(&im);
        return -1;
    }
    struct kd_rng r = kd_rng_for(1, KD_FOR_TEST, 0, 0);
    for (size_t i = 0; i < KD_EXPORT_SAMPLES * size; i++) {
        size_t from = i / size * (have ? im.n / KD_EXPORT_SAMPLES : 0);
        x->samples[i] = have ? ((const uint8_t *)im.pixels)[from * size + i % size]
                             : (uint8_t)kd_rng_below(&r, 256);
    }
    kd_images_release(&im);
    return 0;
}

/* What kd itself computes for them. */
static int answer_samples(struct export *x, struct kd_err *err)
{
    size_t size = kd_shape_size(x->net->input), pixels = kd_shape_pixels(x->net->input);
    const struct kd_normalize *n = &x->model.normalize;
    if (kd_network_plan(x->net, KD_EXPORT_SAMPLES, false, err) < 0) return -1;
    for (size_t i = 0; i < KD_EXPORT_SAMPLES * size; i++) {
        size_t c = i % size / pixels;
        x->net->in[i] = (float)((x->samples[i] / 255.0 - (double)n->mean[c]) / (double)n->std[c]);
    }
    struct kd_pass pass = {.rows = KD_EXPORT_SAMPLES};
    kd_network_forward(x->net, x->inv->pool, &pass);
    x->logits = x->net->int_out;
    x->floats = x->net->out;
    return 0;
}

/* ---- files ---- */

/* From PATH, DIR/ or DIR/NAME.c to a folder and a name. */
static int find_names(struct export *x, struct kd_err *err)
{
    const char *path = x->inv->common.output, *slash = strrchr(path, '/');
    const char *dot = strrchr(slash ? slash : path, '.');
    size_t n = strlen(path);
    if (dot && (!strcmp(dot, ".onnx") || !strcmp(dot, ".tflite") || !strcmp(dot, ".h")))
        return kd_fail_usage(err,
                             "-o %s: C is written here, as NAME.c and NAME.h; give a folder, or "
                             "FOLDER/NAME.c",
                             path);
    bool file = n > 2 && strcmp(path + n - 2, ".c") == 0;
    if (file) {
        const char *base = slash ? slash + 1 : path;
        x->folder = slash ? kd_format(err, "%.*s", (int)(slash - path), path) : kd_strdup(".", err);
        x->name = kd_format(err, "%.*s", (int)(strlen(base) - 2), base);
    } else {
        x->folder = kd_strdup(path, err);
        x->name = kd_strdup(x->o->name ? x->o->name : "model", err);
    }
    if (!x->folder || !x->name) return -1;
    if (file && x->o->name && strcmp(x->o->name, x->name) != 0)
        return kd_fail_usage(err,
                             "--name %s and -o %s differ; the files are called as the "
                             "functions: give -o %s/ instead",
                             x->o->name, path, x->folder);
    for (char *c = x->name; !x->o->name && *c; c++)
        if (*c == '-' || *c == '.') *c = '_';
    if (kd_export_c_name_is_good(x->name)) return 0;
    return kd_fail_usage(err,
                         "\"%s\" is no name for C functions: expected small letters, digits "
                         "and _, a letter first; give another with --name",
                         x->name);
}

static char *provenance(const struct export *x, struct kd_err *err)
{
    bool ints = x->plan.ints != NULL;
    const char *command = x->inv->command;
    return kd_format(err,
                     "%s: a network%s, written by kd %s.\n\n    %s_predict(image, logits);\n\n"
                     "Model %s.%s%s\nBuilt with -D%s_SELFTEST (name in capitals) it is a "
                     "program that checks itself.\n",
                     x->name, ints ? " in 8-bit integers alone" : " in floats", KD_VERSION, x->name,
                     x->model.fingerprint, command[0] ? "\nMade by: " : "", command, "NAME");
}

/* What stands behind the first comment, which says what wrote the file; in ONNX all counts. */
static size_t first_to_compare(const struct export *x, const struct kd_bytes *text)
{
    const char *end = x->o->to == TO_C ? memmem(text->data, text->size, "*/", 2) : NULL;
    return end ? (size_t)(end - text->data) : 0;
}

static bool same_but_command(const struct export *x, const struct kd_bytes *a,
                             const struct kd_bytes *b)
{
    size_t i = first_to_compare(x, a), k = first_to_compare(x, b);
    return a->size - i == b->size - k && memcmp(a->data + i, b->data + k, a->size - i) == 0;
}

static bool has(const struct kd_bytes *b, const char *text)
{
    return memmem(b->data, b->size, text, strlen(text)) != NULL;
}

/* A file that is there: the same for the same model, whatever command wrote it? */
static int spare(const struct export *x, const char *path, const struct kd_bytes *text,
                 struct kd_err *err)
{
    struct kd_bytes there = {0};
    struct kd_err unreadable;
    const char *why = "its model is another one";
    if (x->o->overwrite || !kd_path_is_file(path)) return 0;
    int status = kd_file_read(path, kd_read_limit(), &there, &unreadable);
    if (status == 0) status = kd_bytes_add(&there, "", 0, err);
    if (status == 0 && same_but_command(x, &there, text))
        why = NULL;
    else if (status < 0 || !has(&there, "written by kd"))
        why = "it is no file that kd-export wrote";
    else if (has(&there, x->model.fingerprint))
        why = "it is of the same model with other options, other images or another kd";
    kd_bytes_release(&there);
    return why ? kd_fail_spared(err, path, why) : 0;
}

static int write_files(struct export *x, struct kd_err *err)
{
    const cJSON *names = cJSON_GetObjectItemCaseSensitive(x->model.metadata, "kd.class_names");
    cJSON *list =
        cJSON_IsString(names)
            ? kd_json_parse(names->valuestring, strlen(names->valuestring), "kd.class_names", err)
            : NULL;
    struct kd_bytes source = {0}, header = {0};
    char *top = provenance(x, err), *c_path = NULL, *h_path = NULL;
    struct kd_export_c how = {.name = x->name,
                              .provenance = top,
                              .class_names = list,
                              .normalize = &x->model.normalize,
                              .interleaved = x->o->input == INTERLEAVED,
                              .caller_arena = x->o->arena == CALLER,
                              .samples = x->samples,
                              .sample_logits = x->logits,
                              .sample_floats = x->floats};
    int status = top ? kd_export_c(&x->plan, &how, &source, &header, err) : -1;
    if (status == 0) c_path = kd_format(err, "%s/%s.c", x->folder, x->name);
    if (status == 0) h_path = kd_format(err, "%s/%s.h", x->folder, x->name);
    if (status == 0 && !(c_path && h_path)) status = -1;
    if (status == 0) status = spare(x, h_path, &header, err);
    if (status == 0) status = spare(x, c_path, &source, err);
    if (status == 0) status = kd_file_write(h_path, header.data, header.size, err);
    if (status == 0) status = kd_file_write(c_path, source.data, source.size, err);
    if (status == 0) status = kd_print_path(err, c_path);
    if (status == 0) status = kd_print_path(err, h_path);
    kd_free(top);
    kd_free(c_path);
    kd_free(h_path);
    kd_bytes_release(&source);
    kd_bytes_release(&header);
    cJSON_Delete(list);
    return status;
}

/* ---- ONNX ---- */

/* What a program that runs it may want to know, as kd's own model has it. */
static cJSON *onnx_notes(const struct export *x, struct kd_err *err)
{
    cJSON *o = cJSON_CreateObject();
    bool good = o && cJSON_AddStringToObject(o, "kd.fingerprint", x->model.fingerprint);
    for (size_t i = 0; kd_onnx_notes[i] && good; i++) {
        const char *v = cJSON_GetStringValue(
            cJSON_GetObjectItemCaseSensitive(x->model.metadata, kd_onnx_notes[i]));
        good = !v || cJSON_AddStringToObject(o, kd_onnx_notes[i], v);
    }
    if (good) return o;
    cJSON_Delete(o);
    kd_fail_memory(err, "not enough memory for the notes of an ONNX model");
    return NULL;
}

/* "-" and X.onnx as they are, else model.onnx in that folder. */
static char *onnx_path(const char *output, struct kd_err *err)
{
    size_t n = strlen(output);
    bool whole = strcmp(output, "-") == 0 || (n > 5 && strcmp(output + n - 5, ".onnx") == 0);
    return whole ? kd_strdup(output, err) : kd_format(err, "%s/model.onnx", output);
}

static int write_onnx(struct export *x, struct kd_err *err)
{
    const struct kd_int_network *ints = x->plan.ints;
    struct kd_bytes file = {0};
    char *path = onnx_path(x->inv->common.output, err);
    char *top = kd_format(err, "A network%s, written by kd %s. Input: %s.",
                          ints ? " in 8-bit integers" : "", KD_VERSION,
                          x->model.pixels.bytes ? "pixels from 0 to 1"
                                                : "the numbers that it learnt from, as they are; "
                                                  "bytes count as 0 to 1");
    cJSON *notes = onnx_notes(x, err);
    struct kd_export_onnx how = {.opset = (unsigned)x->o->opset,
                                 .batch = (unsigned)x->o->batch,
                                 .normalize = &x->model.normalize,
                                 .provenance = top,
                                 .notes = notes};
    int status = path && top && notes ? 0 : -1;
    if (status == 0) status = kd_export_onnx(x->plan.graph, ints, &how, &file, err);
    if (status == 0) status = spare(x, path, &file, err);
    if (status == 0) status = kd_file_write(path, file.data, file.size, err);
    if (status == 0 && strcmp(path, "-") != 0) status = kd_print_path(err, path);
    kd_bytes_release(&file);
    cJSON_Delete(notes);
    kd_free(path);
    kd_free(top);
    return status;
}

static void export_release(struct export *x)
{
    if (x->net != x->model.net) kd_network_free(x->net);
    kd_graph_release(&x->graph);
    kd_device_plan_release(&x->plan);
    kd_model_release(&x->model);
    kd_free(x->folder);
    kd_free(x->name);
    kd_free(x->samples);
}

static int export_model(struct kd_invocation *inv, struct kd_err *err)
{
    struct export x = {.inv = inv, .o = inv->options};
    bool onnx = x.o->to == TO_ONNX, c = !onnx && !x.o->plan;
    const char *out = inv->common.output;
    size_t n = out ? strlen(out) : 0;
    const struct kd_idle rules[] = {
        {x.o->plan, "to name input arena images output overwrite opset batch",
         "is for what --plan does not write"},
        {onnx, "name input arena images data-dir flash ram", "is for C, not for --to onnx"},
        {!onnx, "opset batch", "goes with --to onnx"}};
    if (kd_args_idle(&inv->args, rules, sizeof rules / sizeof *rules, err) < 0) return -1;
    if (!x.o->plan && !out)
        return kd_fail_usage(err, "say where the files go with --output DIR or DIR/NAME.c, or "
                                  "look at the size with --plan");
    if (c && n > 5 && strcmp(out + n - 5, ".onnx") == 0)
        return kd_fail_usage(err, "-o %s: --to onnx writes an ONNX model", out);
    int status = c ? find_names(&x, err) : 0;
    if (status == 0) status = kd_model_read(inv->args.operands[0], &x.model, err);
    if (status == 0 && make_plan(&x, err) < 0) status = kd_err_context(err, "%s", x.model.path);
    if (status == 0 && x.o->plan) status = print_plan(&x, err);
    if (status == 0 && check_limits(&x, err) < 0) status = kd_err_context(err, "%s", x.model.path);
    if (status == 0 && onnx && !x.o->plan) status = write_onnx(&x, err);
    if (status == 0 && c) status = take_samples(&x, err);
    if (status == 0 && c) status = answer_samples(&x, err);
    if (status == 0 && c) status = write_files(&x, err);
    export_release(&x);
    return status;
}

const struct kd_program kd_program = {
    .name = "kd-export",
    .usage = "[OPTION]... MODEL",
    .summary =
        "Write a model as C that needs nothing else or as ONNX, or tell what a device would need.",
    .details = "A model in integers (kd-quantize) becomes C without floating point, with the same\n"
               "integers as kd-eval on every compiler and processor.\n"
               "\n"
               "Examples:\n"
               "  kd-export small/ --plan --flash 64K --ram 16K\n"
               "  kd-export small/ -o firmware/digits.c\n"
               "  cc -O2 -DDIGITS_SELFTEST firmware/digits.c -o selftest && ./selftest\n"
               "  kd-export student/ --to onnx -o student.onnx\n"
               "  kd-quantize student/ -o - | kd-export - -o firmware/ --input interleaved\n",
    .sections = sections,
    .options_size = sizeof(struct options),
    .min_operands = 1,
    .max_operands = 1,
    .computes = true,
    .work = export_model,
};
